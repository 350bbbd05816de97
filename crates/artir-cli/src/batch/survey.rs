//! `artir batch --survey`: one range for the scenes of each mosaic, from a sample of each scene.

use std::{
    collections::BTreeMap,
    path::Path,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use artir_batch::{Fault, Found, Job, Manifest, Mosaic, Store, Survey};
use artir_geo::{Interval, MosaicRange, RangeRule};

use super::{Args, absolute, command::Parsed, restore::Jobs};
use crate::{geo, outcome::Failure};

/// The mosaic of scenes that name none.
const DEFAULT: &str = "scenes";

/// Scenes whose range is counted in one unit, and their range.
#[derive(Default)]
struct Alike {
    range: MosaicRange,
    scenes: Vec<(String, RangeRule)>,
}

#[derive(Default)]
struct Read {
    /// By the unit of their range.
    alike: BTreeMap<String, Alike>,
    left_out: Vec<(String, String)>,
}

pub(super) fn survey(mut manifest: Manifest, args: &Args, output: &Path, quiet: bool) -> Result<ExitCode, Failure> {
    let out = absolute(output)?;
    // A mosaic that a job names is surveyed here, so any survey satisfies the check of the job.
    let jobs = Jobs::new(manifest.base().to_owned(), out.clone(), args.show_paths)
        .with_survey(Some(Survey::new()))
        .with_remote(args.allow_remote);
    let mosaics = mosaics(&mut manifest, &jobs)?;
    if mosaics.is_empty() {
        return Err(Failure::input(
            "no scene of the manifest takes its range from its pixels: there is nothing to survey",
        ));
    }
    Store::open(&out)?;
    let mut survey = Survey::new();
    for (name, indices) in mosaics {
        let scenes: Vec<Job> = indices.iter().map(|index| manifest.job(*index)).collect::<Result<_, _>>()?;
        add(&mut survey, name, read(&scenes, &jobs));
    }
    let left_out: Vec<_> = survey.scenes.keys().filter_map(|id| Some((id, survey.left_out(id)?))).collect();
    for (id, reason) in &left_out {
        say_error!("artir: job {id}: left out: {reason}");
    }
    if left_out.len() == survey.scenes.len() {
        return Err(Failure::input("no scene of the manifest could be read"));
    }
    survey.write(&out)?;
    if !quiet {
        for (name, Mosaic { scenes, unit, range: [black, white] }) in &survey.mosaics {
            say!("mosaic {name}: {scenes} scene(s), black {black}, white {white}, in {unit}");
        }
    }
    Ok(if left_out.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(4) })
}

/// The scenes of each mosaic, by their places in the manifest. All of them are checked before any is read.
fn mosaics(manifest: &mut Manifest, jobs: &Jobs) -> Result<BTreeMap<String, Vec<usize>>, Failure> {
    let mut out: BTreeMap<String, (String, Vec<usize>)> = BTreeMap::new();
    for index in 0..manifest.len() {
        let job = manifest.job(index)?;
        if !job.takes_range_of_pixels() {
            continue;
        }
        jobs.check(&job)?;
        if !job.addresses().is_empty() && !job.reads_in_place() {
            let reason = "a survey reads scenes of a store where they are: give the job the option allow-remote";
            return Err(Failure::usage(format!("job {}: {reason}", job.id)));
        }
        let name = job.mosaic.as_deref().unwrap_or(DEFAULT);
        let own = job.treatment();
        let (treatment, indices) = out.entry(name.to_owned()).or_insert_with(|| (own.clone(), Vec::new()));
        if *treatment != own {
            let reason = Fault::Treatment(name.to_owned());
            return Err(Failure::usage(format!("job {}: {reason}", job.id)));
        }
        indices.push(index);
    }
    Ok(out.into_iter().map(|(name, (_, indices))| (name, indices)).collect())
}

/// Reads a sample of each scene, in as many threads as there are cores.
fn read(scenes: &[Job], jobs: &Jobs) -> Read {
    let (next, read) = (AtomicUsize::new(0), Mutex::new(Read::default()));
    let threads = thread::available_parallelism().map_or(1, usize::from).min(scenes.len());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(job) = scenes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let values = match jobs.parse(job) {
                        Ok(Parsed::Geo(args)) => geo::survey(&args),
                        Ok(_) => Err(Failure::usage("not a scene")),
                        Err(failure) => Err(failure),
                    };
                    let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
                    match values {
                        Ok(values) => {
                            let alike = read.alike.entry(values.rule().unit()).or_default();
                            alike.range.add(&values);
                            alike.scenes.push((job.id.clone(), values.rule().clone()));
                        }
                        Err(failure) => read.left_out.push((job.id.clone(), jobs.plain(job, &failure.message))),
                    }
                }
            });
        }
    });
    read.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Adds a mosaic to a survey. Scenes whose range is counted in another unit than that of most have none in common with them.
fn add(survey: &mut Survey, name: String, read: Read) {
    let most = read.alike.iter().max_by_key(|(_, alike)| alike.scenes.len()).map(|(unit, _)| unit.clone());
    for (unit, alike) in read.alike {
        let fits = Some(&unit) == most.as_ref();
        for (id, rule) in &alike.scenes {
            let found = if fits {
                Found::Range(text(&alike.range.stored(rule)))
            } else {
                let most = most.as_deref().unwrap_or_default();
                Found::LeftOut(format!("its range is counted in {unit}, that of most scenes of its mosaic in {most}"))
            };
            survey.scenes.insert(id.clone(), found);
        }
        if let Some((_, rule)) = alike.scenes.first().filter(|_| fits) {
            let range = alike.range.range(rule);
            survey.mosaics.insert(name.clone(), Mosaic { scenes: alike.scenes.len() as u64, unit, range });
        }
    }
    survey.scenes.extend(read.left_out.into_iter().map(|(id, reason)| (id, Found::LeftOut(reason))));
}

/// Intervals as `--range` takes them.
fn text(intervals: &[Interval]) -> String {
    let pairs: Vec<String> = intervals.iter().map(|i| format!("{},{}", i.black(), i.white())).collect();
    pairs.join(",")
}
