//! DICOMDIR: the files that a file-set names (PS3.3, annex F; PS3.10, 8).

use std::path::{Component, Path, PathBuf};

use dicom_dictionary_std::tags;

use crate::{
    Error, Reason, SetAside,
    read::{dataset::Stop, file::DicomFile},
};

/// Whether a file is a DICOMDIR, by its name (PS3.10, 8.6).
pub(crate) fn is_dicomdir(path: &Path) -> bool {
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
    let mut found = Vec::new();
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
        match resolve(root, &parts) {
            Some(target) => found.push(target),
            None => set_aside.push(SetAside {
                path: root.join(relative),
                reason: Reason::NotSearched("named by the DICOMDIR, but missing"),
            }),
        }
    }
    Ok(found)
}

/// Finds a file regardless of case, since copies of media often have names in lower case.
fn resolve(root: &Path, parts: &[&str]) -> Option<PathBuf> {
    let exact: PathBuf = std::iter::once(root).chain(parts.iter().map(Path::new)).collect();
    if exact.is_file() {
        return Some(exact);
    }
    let lower = parts.iter().fold(root.to_owned(), |path, part| path.join(part.to_ascii_lowercase()));
    lower.is_file().then_some(lower)
}
