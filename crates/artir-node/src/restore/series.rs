//! One series: from the objects that came to derived series.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
    time::SystemTime,
};

use artir_core::{ErrorKind, Progress};
use artir_dicom::{Modality, Reason, RestoreOptions, Scan, ScanOptions, Series, scan_with};

use super::{
    Decoder,
    models::{Models, may_pass},
    outcome::{Done, Outcome},
};
use crate::{
    config::{Config, Duplicates, Route, Work},
    queue::{RESTORED, Record, SOURCE, names::instance_of, record::Derived, series_in},
    state::Node,
};

/// Stops the network when the node stops.
struct Cancel<'a>(&'a Node);

impl Progress for Cancel<'_> {
    fn is_cancelled(&self) -> bool {
        self.0.stops()
    }
}

/// An error that ends the attempt, but not the series.
struct Postponed(Outcome);

impl From<io::Error> for Postponed {
    fn from(e: io::Error) -> Self {
        Self(Outcome::Later(format!("the queue cannot be read or written: {}", e.kind())))
    }
}

/// Restores a series in its folder.
pub(super) fn restore(
    node: &Node,
    config: &Config,
    route: &Route,
    folder: &Path,
    record: &Record,
    models: &mut Models,
    decoder: &Decoder,
) -> Outcome {
    let mut run = || -> Result<Outcome, Postponed> {
        let source = folder.join(SOURCE);
        drop_older(&source, route.duplicates, record)?;
        let sources = series_in(&source)?;
        let mut result = Restoring { node, config, route, folder, decoder, derived: Vec::new(), refused: Vec::new() };
        let mut skipped: Vec<BTreeMap<String, usize>> = Vec::new();
        for (modality, work) in route.work() {
            skipped.push(result.modality(&source, modality, work, models)?);
        }
        let Restoring { derived, refused, .. } = result;
        if derived.is_empty() {
            return Ok(match refused.is_empty() {
                true => Outcome::Skipped(listed(&skipped)),
                false => Outcome::Failed(refused.join("; ")),
            });
        }
        // Derived series of an earlier generation that the objects of this one do not give any more.
        for name in series_in(&folder.join(RESTORED))? {
            if derived.iter().all(|derived| derived.folder != name) {
                fs::remove_dir_all(folder.join(RESTORED).join(&name))?;
            }
        }
        Ok(Outcome::Restored(Done { sources, derived, refused }))
    };
    run().unwrap_or_else(|Postponed(outcome)| outcome)
}

/// Reasons that every modality of the route gives for the same files are said once.
fn listed(skipped: &[BTreeMap<String, usize>]) -> String {
    let reasons: BTreeSet<String> =
        skipped.iter().flatten().map(|(reason, files)| format!("{files} object(s): {reason}")).collect();
    reasons.into_iter().collect::<Vec<_>>().join("; ")
}

/// Of objects that share a SOPInstanceUID, the newest stays if an older one was restored already, or if the route says so. The
/// others stay all, and the search then refuses their series.
fn drop_older(source: &Path, duplicates: Duplicates, record: &Record) -> io::Result<()> {
    let mut by_instance: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in series_in(source)? {
        by_instance.entry(instance_of(&name).to_owned()).or_default().push(name);
    }
    for names in by_instance.into_values().filter(|names| names.len() > 1) {
        let time = |name: &String| -> io::Result<SystemTime> { source.join(name).metadata()?.modified() };
        let mut dated = names.into_iter().map(|name| Ok((time(&name)?, name))).collect::<io::Result<Vec<_>>>()?;
        dated.sort();
        let fresh = dated.iter().filter(|(_, name)| !record.restored.contains(name)).count();
        dated.pop();
        for (_, name) in dated {
            let superseded = record.restored.contains(&name) && fresh > 0;
            if superseded || duplicates == Duplicates::Newest {
                tracing::info!("an object was sent again with other bytes: the newer one is used");
                fs::remove_file(source.join(name))?;
            }
        }
    }
    Ok(())
}

struct Restoring<'a> {
    node: &'a Node,
    config: &'a Config,
    route: &'a Route,
    folder: &'a Path,
    decoder: &'a Decoder,
    derived: Vec<Derived>,
    refused: Vec<String>,
}

impl Restoring<'_> {
    /// Restores what is of a modality. Returns why other objects were skipped, with their numbers.
    fn modality(
        &mut self,
        source: &Path,
        modality: Modality,
        work: &Work,
        models: &mut Models,
    ) -> Result<BTreeMap<String, usize>, Postponed> {
        let mut options = ScanOptions::new(modality);
        options.units = work.units.into();
        options.select = work.select.clone();
        let scan = scan_with(&[source.to_owned()], options).map_err(|e| Postponed(Outcome::Later(shown(&e))))?;
        // A file that nobody can read is reported by the search for each modality.
        for reason in
            scan.damaged.iter().map(shown).chain(scan.refused.iter().map(|refused| refused.reason.to_string()))
        {
            self.refuse(reason);
        }
        for series in &scan.series {
            self.series(&scan, series, work, models)?;
        }
        let skipped = scan.set_aside.iter().filter(|file| !matches!(file.reason, Reason::Copy));
        let mut reasons = BTreeMap::new();
        for file in skipped {
            *reasons.entry(file.reason.to_string()).or_default() += 1;
        }
        Ok(reasons)
    }

    fn refuse(&mut self, reason: String) {
        if !self.refused.contains(&reason) {
            self.refused.push(reason);
        }
    }

    fn series(&mut self, scan: &Scan, series: &Series, work: &Work, models: &mut Models) -> Result<(), Postponed> {
        if let Some(obstacle) = scan.obstacle(series) {
            self.refuse(shown(&obstacle));
            return Ok(());
        }
        let restorer = models.get(self.config, series.modality, work);
        let restorer = restorer.map_err(|e| Postponed(Outcome::Later(e.to_string())))?;
        let (program, arguments) = self.decoder;
        let options = RestoreOptions::default()
            .overwrite(true)
            .resume(true)
            .syntax(self.route.transfer_syntax.into())
            .units(work.units.into())
            .codec_process(program.clone(), arguments.clone());
        let out = self.folder.join(RESTORED);
        match artir_dicom::restore_series(series, restorer, &out, &options, &Cancel(self.node)) {
            Ok(done) => {
                for finding in series.findings.iter().chain(&done.findings) {
                    tracing::info!(route = self.route.name, folder = series.folder, "{finding}");
                }
                self.derived.push(Derived { folder: series.folder.clone(), slices: done.slices });
                Ok(())
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => Err(Postponed(Outcome::Interrupted)),
            Err(e) if may_pass(e.kind()) => Err(Postponed(Outcome::Later(shown(&e)))),
            Err(e) => {
                self.refuse(shown(&e));
                Ok(())
            }
        }
    }
}

/// An error without the path of the queue: file names in it are the node's own.
fn shown(e: &artir_dicom::Error) -> String {
    match e {
        artir_dicom::Error::File { path, reason } => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            format!("{name}: {reason}")
        }
        artir_dicom::Error::Write { source, .. } => format!("cannot write: {}", source.kind()),
        other => other.to_string(),
    }
}
