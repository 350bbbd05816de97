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
    for (modality, own) in [(Modality::Ct, Command::Ct), (Modality::Pet, Command::Pet)] {
        if command.is_none_or(|command| command == own) {
            let scan = scan_with(inputs, ScanOptions::new(modality))?;
            series(&scan, own, lines)?;
        }
    }
    Ok(())
}

fn series(scan: &Scan, command: Command, lines: &mut Lines<'_>) -> Result<(), Error> {
    for _ in &scan.damaged {
        lines.leave_out("a file is DICOM and cannot be read");
    }
    for refused in &scan.refused {
        lines.leave_out(&refused.reason.to_string());
    }
    let derived = scan.set_aside.iter().filter(|file| matches!(file.reason, Reason::Restored)).count();
    for _ in 0..derived {
        lines.leave_out("a file that artir derived");
    }
    // Contents of archives are unpacked for the scan alone, so the archive is the input.
    let archives: Vec<&Path> = scan.archives().collect();
    if !archives.is_empty() {
        for archive in archives {
            match archive.to_str() {
                Some(path) => lines.add(&job(command, path, vec![path.to_owned()]))?,
                None => lines.leave_out("its name is no Unicode, which JSON needs"),
            }
        }
        return Ok(());
    }
    let mut contents = HashMap::new();
    for series in &scan.series {
        match inputs(series, &mut contents) {
            Some(input) => lines.add(&job(command, &series.folder, input))?,
            None => lines.leave_out("its name is no Unicode, which JSON needs"),
        }
    }
    Ok(())
}

/// The folder of a series where it holds nothing else, else its files.
fn inputs(series: &Series, contents: &mut HashMap<PathBuf, usize>) -> Option<Vec<String>> {
    let files: BTreeSet<&Path> = series.instances.iter().map(|instance| instance.path.as_path()).collect();
    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    let whole = files.first().and_then(|first| first.parent()).filter(|folder| {
        let count = contents
            .entry((*folder).to_owned())
            .or_insert_with(|| fs::read_dir(folder).map_or(usize::MAX, Iterator::count));
        folders.len() == 1 && *count == files.len()
    });
    match whole {
        Some(folder) => Some(vec![folder.to_str()?.to_owned()]),
        None => files.iter().map(|file| Some(file.to_str()?.to_owned())).collect(),
    }
}
