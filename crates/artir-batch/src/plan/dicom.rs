//! Series of an archive.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use artir_dicom::{Modality, Reason, Scan, ScanOptions, Series, is_dicomdir, scan_with};

use super::{Lines, job};
use crate::{Command, Error};

/// The series of a folder. Each folder in it, as of a patient or a study, is searched on its own, so that memory does not grow
/// with the archive.
pub(super) fn folder(folder: &Path, command: Option<Command>, lines: &mut Lines<'_>) -> Result<(), Error> {
    let fail = |e| Error::read(folder, e);
    let mut folders = Vec::new();
    let mut loose = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_dir() { folders.push(path) } else { loose.push(path) }
    }
    folders.sort();
    loose.sort();
    // A DICOMDIR names the files of the whole folder.
    if let Some(directory) = loose.iter().find(|path| is_dicomdir(path)) {
        return unit(std::slice::from_ref(directory), command, lines);
    }
    if !loose.is_empty() {
        unit(&loose, command, lines)?;
    }
    folders.iter().try_for_each(|folder| unit(std::slice::from_ref(folder), command, lines))
}

/// The series of files or folders that are searched together.
pub(super) fn unit(inputs: &[PathBuf], command: Option<Command>, lines: &mut Lines<'_>) -> Result<(), Error> {
    let mut doubtful = Doubtful::default();
    for (modality, own) in [(Modality::Ct, Command::Ct), (Modality::Pet, Command::Pet)] {
        if command.is_none_or(|command| command == own) {
            let scan = scan_with(inputs, ScanOptions::new(modality))?;
            series(&scan, own, lines, &mut doubtful)?;
        }
    }
    for _ in doubtful.damaged.difference(&doubtful.planned) {
        lines.leave_out("a file is DICOM and cannot be read");
    }
    Ok(())
}

/// Files that cannot be read, and which of all files are the input of a job. A damaged file may be of either modality.
#[derive(Default)]
struct Doubtful {
    damaged: BTreeSet<PathBuf>,
    planned: BTreeSet<PathBuf>,
}

fn series(scan: &Scan, command: Command, lines: &mut Lines<'_>, doubtful: &mut Doubtful) -> Result<(), Error> {
    for refused in &scan.refused {
        lines.leave_out(&refused.reason.to_string());
    }
    let derived = scan.set_aside.iter().filter(|file| matches!(file.reason, Reason::Restored)).count();
    for _ in 0..derived {
        lines.leave_out("a file that artir derived");
    }
    // Contents of archives are unpacked for the scan alone, so the archive is the input.
    let unpacked: Vec<(&Path, &Path)> = scan.unpacked().collect();
    let kept = |path: &Path| -> PathBuf {
        let archive = unpacked.iter().find(|(folder, _)| path.starts_with(folder));
        archive.map_or(path, |(_, archive)| *archive).to_owned()
    };
    let mut work = Vec::new();
    // All that one SeriesInstanceUID is split into is one job. A part alone would be taken for the whole series, and each part
    // would get the UID that is the whole one's.
    for parts in scan.series.chunk_by(|a, b| a.uid == b.uid) {
        let inputs: BTreeSet<PathBuf> = files(scan, parts).into_iter().map(kept).collect();
        let is_archive = |input: &&PathBuf| unpacked.iter().any(|(_, archive)| *archive == input.as_path());
        let archives = inputs.iter().filter(is_archive).cloned().collect();
        let identity = parts.first().map(|part| part.folder.clone()).unwrap_or_default();
        add_work(&mut work, Work { identity, inputs, archives });
    }
    let mut contents = HashMap::new();
    for Work { identity, inputs, archives } in work {
        // A job of archives is named by the first of them.
        let (identity, folder) = match archives.first() {
            Some(archive) => (archive.to_str(), None),
            None => (Some(identity.as_str()), whole_folder(&inputs, &mut contents)),
        };
        let names: Option<Vec<String>> = match folder {
            Some(folder) => folder.to_str().map(|folder| vec![folder.to_owned()]),
            None => inputs.iter().map(|input| input.to_str().map(str::to_owned)).collect(),
        };
        match identity.zip(names) {
            Some((identity, names)) => lines.add(&job(command, identity, names))?,
            None => lines.leave_out("its name is no Unicode, which JSON needs"),
        }
        doubtful.planned.extend(inputs);
    }
    let damaged = scan.damaged.iter().filter_map(|error| match error {
        artir_dicom::Error::File { path, .. } => Some(kept(path.as_path())),
        _ => None,
    });
    doubtful.damaged.extend(damaged);
    Ok(())
}

/// What becomes one job.
struct Work {
    identity: String,
    inputs: BTreeSet<PathBuf>,
    /// Those of the inputs that are archives: all of their series are restored.
    archives: BTreeSet<PathBuf>,
}

/// Adds a job, and joins it with those that restore one of its archives: a series would be restored twice, or in parts.
fn add_work(all: &mut Vec<Work>, mut new: Work) {
    let (same, others): (Vec<Work>, Vec<Work>) =
        std::mem::take(all).into_iter().partition(|known| !known.archives.is_disjoint(&new.archives));
    *all = others;
    for Work { inputs, archives, .. } in same {
        new.inputs.extend(inputs);
        new.archives.extend(archives);
    }
    all.push(new);
}

/// The files of a series, and those that keep it from being restored: without them, a job would restore what is left, and
/// not say that something is missing.
fn files<'a>(scan: &'a Scan, parts: &'a [Series]) -> BTreeSet<&'a Path> {
    let mut files = BTreeSet::new();
    for series in parts {
        files.extend(series.instances.iter().map(|instance| instance.path.as_path()));
        files.extend(series.clashing.iter().map(PathBuf::as_path));
        files.extend(scan.damaged_beside(series).filter_map(|error| match error {
            artir_dicom::Error::File { path, .. } if !path.is_dir() => Some(path.as_path()),
            _ => None,
        }));
    }
    files
}

/// The folder of files, where it holds nothing else.
fn whole_folder<'a>(files: &'a BTreeSet<PathBuf>, contents: &mut HashMap<PathBuf, usize>) -> Option<&'a Path> {
    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    let folder = files.first()?.parent()?;
    let count =
        contents.entry(folder.to_owned()).or_insert_with(|| fs::read_dir(folder).map_or(usize::MAX, Iterator::count));
    (folders.len() == 1 && *count == files.len()).then_some(folder)
}
