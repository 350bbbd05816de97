//! What a target has got of a series: a record, and a list of objects that grows with each that it accepts.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::objects::Object;
use crate::{
    config::{Retry, Target},
    queue::{
        TARGETS,
        record::{self, append_to, now},
    },
    retry,
};

/// The clock may be set back by this much, in seconds, while a report is awaited.
const CLOCK_STEP: f64 = 60.0;

/// A storage commitment that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) transaction: String,
    /// Until when its report is awaited, in seconds since 1970.
    pub(super) until: f64,
}

/// What a target has got of a series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct TargetRecord {
    /// The generation of the series that this is about.
    pub(super) generation: u32,
    /// Failed attempts.
    pub(super) attempts: u32,
    /// Not before this time, in seconds since 1970.
    pub(super) next: f64,
    /// No attempt is left.
    pub(super) failed: bool,
    /// Why the last attempt failed.
    pub(super) error: Option<String>,
    /// Warnings by DIMSE status.
    pub(super) warnings: BTreeMap<String, usize>,
    pub(super) commitment: Option<Asked>,
    /// When the target had all of it, in seconds since 1970.
    pub(super) done: Option<f64>,
}

fn file(series: &Path, target: &str, ending: &str) -> PathBuf {
    series.join(TARGETS).join(format!("{target}.{ending}"))
}

/// Where the report of a storage commitment waits for the target's thread.
pub(super) fn report_path(series: &Path, target: &str) -> PathBuf {
    file(series, target, "report.json")
}

impl TargetRecord {
    /// The record for a generation of a series; a new one if there is none yet.
    pub(super) fn read(series: &Path, target: &str, generation: u32) -> Self {
        let found: Option<Self> = record::read(&file(series, target, "json"));
        found.filter(|found| found.generation == generation).unwrap_or(Self { generation, ..Self::default() })
    }

    pub(super) fn write(&self, series: &Path, target: &str) -> io::Result<()> {
        record::write(&file(series, target, "json"), self)
    }

    /// Whether there is something to do: a first or another attempt, or a report to be read.
    pub(super) fn is_due(&self, retry: &Retry, series: &Path, target: &Target) -> bool {
        if self.done.is_some() || self.failed {
            return false;
        }
        match &self.commitment {
            Some(asked) => {
                // A time of which more is left than there was at its beginning was written while the clock was ahead.
                let waits = (0.0..=target.commitment_seconds + CLOCK_STEP).contains(&(asked.until - now()));
                !waits || report_path(series, &target.name).exists()
            }
            None => retry::is_due(retry, self.next),
        }
    }

    pub(super) fn warnings_in_words(&self) -> Option<String> {
        let words =
            |(status, objects): (&String, &usize)| format!("{objects} object(s) accepted with warning {status}");
        (!self.warnings.is_empty()).then(|| self.warnings.iter().map(words).collect::<Vec<_>>().join(", "))
    }
}

/// The names of the targets that have a record in a series' folder.
pub(super) fn names(series: &Path) -> io::Result<Vec<String>> {
    let mut out = Vec::new();
    let entries = match fs::read_dir(series.join(TARGETS)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(out),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(".json"));
        out.extend(name.filter(|name| !name.contains('.')).map(str::to_owned));
    }
    Ok(out)
}

/// Gives each target of a series all its attempts again.
pub(crate) fn forget_failures(series: &Path) -> io::Result<()> {
    for name in names(series)? {
        let Some(found) = record::read::<TargetRecord>(&file(series, &name, "json")) else { continue };
        if found.done.is_none() {
            let TargetRecord { generation, warnings, .. } = found;
            TargetRecord { generation, warnings, ..TargetRecord::default() }.write(series, &name)?;
        }
    }
    Ok(())
}

/// The objects that a target has accepted, by the hashes of their bytes: one that is made anew with other bytes is sent again.
pub(super) struct Sent {
    path: PathBuf,
    hashes: HashSet<String>,
    file: Option<File>,
}

impl Sent {
    pub(super) fn read(series: &Path, target: &str) -> io::Result<Self> {
        let path = file(series, target, "sent");
        let text = match fs::read_to_string(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        // A power cut may have torn the last line. Its object is then sent twice, under the same UID.
        let hashes = text.lines().filter(|line| line.len() == 64).map(str::to_owned).collect();
        Ok(Self { path, hashes, file: None })
    }

    pub(super) fn contains(&self, object: &Object) -> bool {
        self.hashes.contains(&object.sha256)
    }

    pub(super) fn add(&mut self, object: &Object) -> io::Result<()> {
        if self.file.is_none() {
            fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
            self.file = Some(append_to(&self.path)?);
        }
        if let Some(file) = &mut self.file {
            file.write_all(format!("{}\n", object.sha256).as_bytes())?;
        }
        self.hashes.insert(object.sha256.clone());
        Ok(())
    }

    /// Forgets objects that the target does not keep after all.
    pub(super) fn remove(&mut self, objects: &[&Object]) -> io::Result<()> {
        for object in objects {
            self.hashes.remove(&object.sha256);
        }
        self.file = None;
        let text: String = self.hashes.iter().map(|hash| format!("{hash}\n")).collect();
        artir_files::write_file(&self.path, true, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(n: u8) -> Object {
        Object {
            path: PathBuf::new(),
            sha256: format!("{n:064}"),
            class: String::new(),
            instance: String::new(),
            syntax: String::new(),
            bytes: 0,
        }
    }

    #[test]
    fn what_was_sent_is_known_after_a_restart_and_can_be_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (object(1), object(2));
        let mut sent = Sent::read(dir.path(), "pacs").unwrap();
        sent.add(&one).unwrap();
        sent.add(&two).unwrap();
        let mut file = append_to(&dir.path().join("targets/pacs.sent")).unwrap();
        file.write_all(b"torn").unwrap();
        let mut sent = Sent::read(dir.path(), "pacs").unwrap();
        assert!(sent.contains(&one) && sent.contains(&two) && !sent.contains(&object(3)));
        sent.add(&object(4)).unwrap();
        assert!(Sent::read(dir.path(), "pacs").unwrap().contains(&object(4)), "a torn line takes no other with it");
        sent.remove(&[&one]).unwrap();
        sent.add(&object(3)).unwrap();
        let sent = Sent::read(dir.path(), "pacs").unwrap();
        assert!(!sent.contains(&one) && sent.contains(&two) && sent.contains(&object(3)));
    }

    fn target() -> Target {
        toml::from_str("name = 'pacs'\naddress = 'pacs:104'\nae_title = 'PACS'\ncommitment_seconds = 100").unwrap()
    }

    #[test]
    fn a_report_is_waited_for_no_longer_than_for_its_time_whatever_the_clock_was() {
        let dir = tempfile::tempdir().unwrap();
        for (left, due) in [(50.0, false), (101.0, false), (-1.0, true), (31_536_000.0, true)] {
            let commitment = Some(Asked { transaction: "2.25.1".into(), until: now() + left });
            let asked = TargetRecord { commitment, ..TargetRecord::default() };
            assert_eq!(asked.is_due(&Retry::default(), dir.path(), &target()), due, "{left}");
        }
    }

    #[test]
    fn a_new_generation_starts_anew_and_a_retry_gives_all_attempts() {
        let dir = tempfile::tempdir().unwrap();
        let series = dir.path();
        let failed =
            TargetRecord { generation: 1, attempts: 9, failed: true, next: f64::MAX, ..TargetRecord::default() };
        failed.write(series, "pacs").unwrap();
        assert_eq!(TargetRecord::read(series, "pacs", 1), failed);
        let (retry, target) = (Retry::default(), target());
        assert!(!failed.is_due(&retry, series, &target));
        let next = TargetRecord::read(series, "pacs", 2);
        assert!(next.attempts == 0 && next.is_due(&retry, series, &target));
        forget_failures(series).unwrap();
        assert!(TargetRecord::read(series, "pacs", 1).is_due(&retry, series, &target));
        let done = TargetRecord { done: Some(1.0), ..failed };
        done.write(series, "pacs").unwrap();
        forget_failures(series).unwrap();
        assert_eq!(TargetRecord::read(series, "pacs", 1).done, Some(1.0));
    }
}
