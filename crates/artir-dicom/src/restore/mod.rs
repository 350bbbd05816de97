//! Restoring: a series goes from its files to a folder of derived objects.
//!
//! `plan.rs` decides which objects are to be made, `way.rs` takes each slice from its file to its object, `scale.rs` finds
//! the unit of its values for the network, and `identity.rs` what the results are known by.

mod floor;
pub(crate) mod identity;
mod names;
mod neighbours;
mod noise;
mod options;
pub(crate) mod place;
pub(crate) mod plan;
mod reading;
pub(crate) mod scale;
mod space;
mod step;
mod way;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use artir_core::{ErrorKind, MemoryUse, Pool, Progress, Restorer, Shape};
use artir_files::Manifest;

pub use self::floor::keep_non_negative;
pub use self::names::FileNames;
pub use self::noise::{NoiseChoice, SliceNoise, choose_strength, choose_strength_of};
pub use self::options::{Description, OptionError, RestoreOptions, Timestamp};
pub use self::scale::body_mean;
use self::{
    neighbours::Sight,
    plan::{Kept, Planning, is_published, slices},
    scale::Scale,
    step::{Run, Step},
    way::restore_slices,
};
use crate::{
    Error, Finding, Repair, Series, SuvSummary,
    codes::DESCRIPTION,
    write::{
        derive::{CAUTION, Derivation},
        staging::{self, Staging},
    },
};

/// The written series.
#[derive(Debug)]
#[non_exhaustive]
pub struct SeriesReport {
    /// The folder.
    pub folder: PathBuf,
    /// File names in it, in slice order.
    pub files: Vec<String>,
    /// Slices in these files.
    pub slices: usize,
    /// The derived SeriesInstanceUID.
    pub series_uid: String,
    /// The model and settings that determine the pixels, in words.
    pub provenance: String,
    /// Slices that an earlier run had completed, published or not.
    pub resumed: usize,
    /// The reasons why slices are missing.
    pub failed: Vec<Error>,
    /// Findings of the restoration, in addition to those of the scan.
    pub findings: Vec<Finding>,
    /// SUV factors and uptake times of a PET series that was restored in SUV.
    pub suv: Option<SuvSummary>,
    /// Noise of the slices that this run restored and that show enough tissue, in HU or SUV, in the order of their files.
    pub noise: Vec<SliceNoise>,
}

/// Restores a series into `out/FOLDER/NNNN.dcm`. The folder appears only after every slice is written.
///
/// # Errors
/// [`Error::File`] for a slice that cannot be used (the whole series is then refused, unless partial series are
/// allowed), and errors of the core and the file system.
pub fn restore_series(
    series: &Series,
    restorer: &Restorer,
    out: &Path,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<SeriesReport, Error> {
    let slice_pixels = u64::from(series.rows) * u64::from(series.columns);
    progress.start(&series.folder, slice_pixels * series.slices() as u64);
    let sight = Sight::from(&restorer.card().input);
    let shape = Shape { channels: sight.slices, rows: series.rows as usize, columns: series.columns as usize };
    let provenance = restorer.provenance(shape, MemoryUse::default())?.to_string();
    let task = restorer.card().task.name();
    let decides = restorer.decides_for(shape, MemoryUse::default())?;
    let what = Restoring { provenance: &provenance, decides: decides.as_str(), task, sight };
    let pool = restorer.pool(shape, MemoryUse::default(), series.slices(), progress)?;
    let report = restore_with(series, &what, out, options, pool)?;
    progress.advance(slice_pixels * report.resumed as u64);
    Ok(report)
}

/// Origin and settings of the restored pixels.
#[derive(Clone, Copy)]
struct Restoring<'a> {
    /// The origin of the pixels, in words.
    provenance: &'a str,
    /// The model and settings that determine the pixels, as text with a version.
    decides: &'a str,
    task: &'a str,
    sight: Sight,
}

/// Restores a series with any pool.
fn restore_with(
    series: &Series,
    what: &Restoring<'_>,
    out: &Path,
    options: &RestoreOptions,
    pool: Pool<'_, Step>,
) -> Result<SeriesReport, Error> {
    let series_text = identity::series(series, what, options);
    let identity = identity::identity(&series_text, what, options);
    let target = out.join(&series.folder);
    if let Some(clash) = series.clash().filter(|_| !options.allow_partial) {
        return Err(clash);
    }
    let mut decoder = options.decoder();
    let scale = Scale::of(series, options, &mut decoder)?;
    let Planning { objects, neighbours, unreadable } = plan::objects(series, &scale, what.sight, options)?;
    let suv = scale.suv_summary();
    let mut findings: Vec<Finding> = suv.iter().flat_map(|suv| suv.findings.clone()).collect();
    findings.extend((neighbours.incomplete > 0).then_some(Finding::NeighboursMissing(neighbours.incomplete)));
    let mut report = SeriesReport {
        folder: target.clone(),
        files: Vec::new(),
        slices: 0,
        series_uid: identity::series_uid(&series_text),
        provenance: what.provenance.to_owned(),
        resumed: 0,
        failed: unreadable,
        findings,
        suv,
        noise: Vec::new(),
    };
    let mut kept = Kept::default();
    let published = if options.resume {
        staging::recover(&target, false)?;
        Manifest::read(&target)
    } else {
        None
    };
    if let Some(manifest) = published.as_ref().filter(|m| is_published(m, &target, &identity, &objects)) {
        staging::recover(&target, true)?;
        for object in &objects {
            kept.add(series.modality, &object.place, &target.join(&object.place.name))?;
        }
        report.resumed = slices(&objects);
        report.finish(target, manifest, report.resumed, kept);
        return Ok(report);
    }
    let mut staging = Staging::open(target, &identity, options.overwrite, options.resume)?;
    if let Some(manifest) = &published {
        let wanted: Vec<&str> = objects.iter().map(|object| object.key.as_str()).collect();
        staging.take_over(manifest, &wanted)?;
    }
    let order: Vec<(String, String)> = objects.iter().map(|o| (o.place.name.clone(), o.key.clone())).collect();
    let (done, todo): (Vec<usize>, Vec<usize>) = (0..objects.len()).partition(|i| staging.is_done(&objects[*i].key));
    report.resumed = slices(done.iter().map(|i| &objects[*i]));
    for object in done.iter().map(|i| &objects[*i]) {
        kept.add(series.modality, &object.place, &staging.completed(&object.key))?;
    }
    let derivation = Derivation {
        modality: series.modality,
        series_instance_uid: &report.series_uid.clone(),
        description: &format!("{DESCRIPTION}{}): {}. {CAUTION}", what.task, what.provenance),
        series_description: options.description(),
        model: what.provenance,
        timestamp: options.timestamp.as_ref().map(Timestamp::as_str),
    };
    let run =
        Run { series, scale: &scale, objects: &objects, neighbours: &neighbours, derivation: &derivation, options };
    let (inferred, written) = restore_slices(&run, &todo, &mut decoder, staging, pool);
    let (staging, new) = written?;
    if let Err(e) = inferred {
        if e.kind() == ErrorKind::Interrupted {
            staging.suspend();
        }
        return Err(e);
    }
    let slices = slices(objects.iter().filter(|object| staging.is_done(&object.key)));
    let named: Vec<(String, String)> = order.into_iter().filter(|(_, key)| staging.is_done(key)).collect();
    let name = |key: &str| named.iter().find(|(_, of)| of == key).map(|(name, _)| name.clone());
    let measured = new
        .noise
        .into_iter()
        .filter_map(|(key, frame, [before, after])| Some(SliceNoise { file: name(&key)?, frame, before, after }));
    report.noise = measured.collect();
    let manifest = staging.manifest(&named);
    report.failed.extend(new.failed);
    if manifest.entries.is_empty() {
        let nothing = || Error::Empty { path: out.to_owned() };
        return Err(report.failed.into_iter().next().unwrap_or_else(nothing));
    }
    let folder = staging.publish(&manifest)?;
    kept.dropped_mappings += new.dropped_mappings;
    kept.raised = new.raised;
    kept.repairs.extend(new.repairs);
    report.finish(folder, &manifest, slices, kept);
    Ok(report)
}

impl SeriesReport {
    /// Records the published objects.
    fn finish(&mut self, folder: PathBuf, manifest: &Manifest, slices: usize, made: Kept) {
        self.folder = folder;
        self.files = manifest.entries.iter().map(|entry| entry.name.clone()).collect();
        self.slices = slices;
        if made.dropped_mappings > 0 {
            self.findings.push(Finding::MappingsDropped(made.dropped_mappings));
        }
        if made.raised > 0 {
            self.findings.push(Finding::NotBelowZero(made.raised));
        }
        let mut repairs: BTreeMap<Repair, usize> = BTreeMap::new();
        for repair in made.repairs {
            *repairs.entry(repair).or_default() += 1;
        }
        self.findings.extend(repairs.into_iter().map(|(repair, files)| Finding::Repaired(repair, files)));
    }
}

#[cfg(test)]
mod real_tests;
#[cfg(test)]
pub(crate) mod tests;
