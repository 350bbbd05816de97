//! DICOMDIR: the files that a file-set names (PS3.3, annex F; PS3.10, 8).

use std::{
    collections::HashMap,
    ffi::OsString,
    fs,
    path::{Component, Path, PathBuf},
};

use dicom_dictionary_std::tags;

use crate::{
    Error, Reason, SetAside,
    read::{dataset::Stop, file::DicomFile},
};

/// Whether a file is a DICOMDIR, by its name (PS3.10, 8.6).
pub fn is_dicomdir(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.eq_ignore_ascii_case("DICOMDIR"))
}

/// The files that a DICOMDIR refers to; missing ones are skipped.
///
/// # Errors
/// [`Error::File`] when it cannot be read, or is none.
pub(crate) fn files(path: &Path, set_aside: &mut Vec<SetAside>) -> Result<Vec<PathBuf>, Error> {
    let file = DicomFile::open(path, Stop::AtEnd)?;
    if !file.set.contains(tags::DIRECTORY_RECORD_SEQUENCE) {
        return Err(Error::file(path, Reason::attribute("a DICOMDIR without directory records")));
    }
    let root = path.parent().unwrap_or(Path::new("."));
    let (mut found, mut folders) = (Vec::new(), Folders::default());
    for record in file.set.items(tags::DIRECTORY_RECORD_SEQUENCE) {
        let parts = record.texts(tags::REFERENCED_FILE_ID);
        // Studies and series have records without a file; records that are no longer in use have the value 0.
        if parts.is_empty() || record.integer(tags::RECORD_IN_USE_FLAG) == Some(0) {
            continue;
        }
        let relative: PathBuf = parts.iter().collect();
        // A name that leads out of the file-set is not followed.
        if !relative.components().all(|c| matches!(c, Component::Normal(_))) {
            return Err(Error::file(path, Reason::attribute("it names files outside its folder")));
        }
        match folders.resolve(root, &parts) {
            Some(target) => found.push(target),
            None => set_aside.push(SetAside {
                path: root.join(relative),
                reason: Reason::NotSearched("named by the DICOMDIR, but missing"),
            }),
        }
    }
    Ok(found)
}

/// The names in the folders of a file-set, each as [`plain`] and as it is.
#[derive(Default)]
struct Folders(HashMap<PathBuf, Vec<(String, OsString)>>);

impl Folders {
    /// Finds a file by the parts of its ID. Copies of media often change the case of names, drop or add the version and the dot
    /// of ISO 9660 (`IM0001.;1`), or add `.dcm`.
    fn resolve(&mut self, root: &Path, parts: &[&str]) -> Option<PathBuf> {
        let exact: PathBuf = std::iter::once(root).chain(parts.iter().map(Path::new)).collect();
        if exact.is_file() {
            return Some(exact);
        }
        let mut path = root.to_owned();
        for part in parts {
            let names = self.0.entry(path.clone()).or_insert_with(|| {
                let entries =
                    fs::read_dir(&path).map(|entries| entries.flatten().map(|e| e.file_name()).collect::<Vec<_>>());
                let mut names: Vec<(String, OsString)> = entries
                    .unwrap_or_default()
                    .into_iter()
                    .map(|name| (plain(&name.to_string_lossy()), name))
                    .collect();
                names.sort();
                names
            });
            let wanted = plain(part);
            path.push(&names.iter().find(|(name, _)| *name == wanted)?.1);
        }
        path.is_file().then_some(path)
    }
}

/// A name without what copies of media change.
fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let name = name.split_once(';').map_or(name.as_str(), |(name, _)| name);
    name.strip_suffix(".dcm").unwrap_or(name).trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_copied_media_are_found() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("dicom/st01")).unwrap();
        for (there, named) in [
            ("IM0001", "IM0001"),
            ("im0002", "IM0002"),
            ("IM0003.dcm", "IM0003"),
            ("IM0004.;1", "IM0004"),
            ("im0005.DCM;1", "IM0005"),
            ("IM0006", "IM0006.;1"),
        ] {
            fs::write(dir.path().join("dicom/st01").join(there), "").unwrap();
            let found = Folders::default().resolve(dir.path(), &["DICOM", "ST01", named]);
            assert_eq!(found, Some(dir.path().join("dicom/st01").join(there)), "{named}");
        }
        assert_eq!(Folders::default().resolve(dir.path(), &["DICOM", "ST01", "IM0007"]), None);
    }
}
