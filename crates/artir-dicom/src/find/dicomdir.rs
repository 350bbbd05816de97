//! DICOMDIR: the files that a file-set names (PS3.3, annex F; PS3.10, 8).

use std::{
    collections::{HashMap, HashSet},
    ffi::OsString,
    fs,
    path::{Component, Path, PathBuf},
};

use dicom_dictionary_std::tags;

use super::{Scan, SetAside};
use crate::{
    Error, Modality, Reason,
    read::{
        dataset::{DataSet, Stop},
        file::DicomFile,
    },
};

/// Why a file of a file-set is not searched.
const MISSING: &str = "named by the DICOMDIR, but missing";

/// Whether a file is a DICOMDIR, by its name (PS3.10, 8.6).
pub fn is_dicomdir(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.eq_ignore_ascii_case("DICOMDIR"))
}

/// The files that a DICOMDIR names and that are there. One that cannot be read names none.
pub fn files_of_dicomdir(path: &Path) -> Vec<PathBuf> {
    // The modality decides only which missing files count as damaged.
    files(path, Modality::Ct, &mut Scan::default()).unwrap_or_default()
}

/// The files that a DICOMDIR refers to. Missing ones are skipped, or count as damaged: where others of their folder are there, a
/// series may lack a slice.
///
/// # Errors
/// [`Error::File`] when it cannot be read, or is none.
pub(super) fn files(path: &Path, modality: Modality, found: &mut Scan) -> Result<Vec<PathBuf>, Error> {
    let file = DicomFile::open(path, Stop::AtEnd)?;
    if !file.set.contains(tags::DIRECTORY_RECORD_SEQUENCE) {
        return Err(Error::file(path, Reason::attribute("a DICOMDIR without directory records")));
    }
    let root = path.parent().unwrap_or(Path::new("."));
    let (mut named, mut missing, mut folders) = (Vec::new(), Vec::new(), Folders::default());
    for record in file.set.items(tags::DIRECTORY_RECORD_SEQUENCE) {
        // Some writers put other letters into names than the standard has.
        let id = String::from_utf8_lossy(record.bytes(tags::REFERENCED_FILE_ID).unwrap_or_default());
        let id = id.trim_matches([' ', '\0']);
        let parts: Vec<&str> = if id.is_empty() { Vec::new() } else { id.split('\\').map(str::trim).collect() };
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
            Ok(target) => named.push(target),
            Err(path) => missing.push((path, may_be_slice(record, modality))),
        }
    }
    let copied: HashSet<&Path> = named.iter().filter_map(|path| path.parent()).collect();
    for (path, may_be_slice) in missing {
        let reason = Reason::NotSearched(MISSING);
        if may_be_slice && path.parent().is_some_and(|folder| copied.contains(folder)) {
            found.damaged.push(Error::file(&path, reason));
        } else {
            found.set_aside.push(SetAside { path, reason });
        }
    }
    Ok(named)
}

/// Whether a record may be that of an image of the modality. Its class says so, or else its kind.
fn may_be_slice(record: &DataSet, modality: Modality) -> bool {
    match record.text(tags::REFERENCED_SOP_CLASS_UID_IN_FILE) {
        Some(class) => {
            class == modality.slice_class()
                || modality.multi_frame_classes().contains(&class)
                || modality.may_own(class)
        }
        None => record.text(tags::DIRECTORY_RECORD_TYPE).is_none_or(|kind| kind == "IMAGE"),
    }
}

/// The names in the folders of a file-set, each as [`plain`] and as it is.
#[derive(Default)]
struct Folders(HashMap<PathBuf, Vec<(String, OsString)>>);

impl Folders {
    /// Finds a file by the parts of its ID. Copies of media often change the case of names, drop or add the version and the dot
    /// of ISO 9660 (`IM0001.;1`), or add `.dcm`.
    ///
    /// # Errors
    /// The place where a missing file would lie.
    fn resolve(&mut self, root: &Path, parts: &[&str]) -> Result<PathBuf, PathBuf> {
        let exact: PathBuf = std::iter::once(root).chain(parts.iter().map(Path::new)).collect();
        if exact.is_file() {
            return Ok(exact);
        }
        let mut path = root.to_owned();
        for part in parts {
            let names = self.0.entry(path.clone()).or_insert_with(|| {
                // A DICOMDIR that is named without its folder lies in the current one.
                let folder = if path.as_os_str().is_empty() { Path::new(".") } else { path.as_path() };
                let entries =
                    fs::read_dir(folder).map(|entries| entries.flatten().map(|e| e.file_name()).collect::<Vec<_>>());
                let mut names: Vec<(String, OsString)> = entries
                    .unwrap_or_default()
                    .into_iter()
                    .map(|name| (plain(&name.to_string_lossy()), name))
                    .collect();
                names.sort();
                names
            });
            let wanted = plain(part);
            let name = names.iter().find(|(name, _)| *name == wanted);
            path.push(name.map_or_else(|| OsString::from(part), |(_, name)| name.clone()));
        }
        if path.is_file() { Ok(path) } else { Err(path) }
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
    use dicom_core::VR;
    use dicom_dictionary_std::uids;

    use super::*;
    use crate::write::dataset;

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
            assert_eq!(found, Ok(dir.path().join("dicom/st01").join(there)), "{named}");
        }
        let lost = Folders::default().resolve(dir.path(), &["DICOM", "ST01", "IM0007"]);
        assert_eq!(lost, Err(dir.path().join("dicom/st01/IM0007")));
        // Tests run in the folder of their crate.
        let here = Folders::default().resolve(Path::new(""), &["SRC", "LIB.RS"]);
        assert_eq!(here, Ok(PathBuf::from("src/lib.rs")));
    }

    /// Writes a DICOMDIR of files, each its ID and its class.
    fn write_directory(path: &Path, files: &[(&str, &str)]) {
        let record = |(id, class): &(&str, &str)| {
            let mut record = DataSet::default();
            record.put_raw_text(tags::REFERENCED_FILE_ID, VR::CS, id.as_bytes().to_vec());
            record.put_text(tags::REFERENCED_SOP_CLASS_UID_IN_FILE, VR::UI, class);
            record
        };
        let (mut meta, mut set) = (DataSet::default(), DataSet::default());
        meta.put_text(tags::TRANSFER_SYNTAX_UID, VR::UI, uids::EXPLICIT_VR_LITTLE_ENDIAN);
        set.put_items(tags::DIRECTORY_RECORD_SEQUENCE, files.iter().map(record).collect());
        let mut bytes = [[0; 128].as_slice(), b"DICM"].concat();
        dataset::write(&mut bytes, &meta).and_then(|()| dataset::write(&mut bytes, &set)).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn a_slice_that_is_missing_beside_others_keeps_its_series_back() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("dicom/st01")).unwrap();
        fs::write(at("dicom/st01/im0001"), "").unwrap();
        let ct = uids::CT_IMAGE_STORAGE;
        write_directory(
            &at("DICOMDIR"),
            &[
                ("DICOM\\ST01\\IM0001", ct),
                ("DICOM\\ST01\\IM0002", ct),
                ("DICOM\\ST01\\M\u{fc}LLER", ct),
                ("DICOM\\ST01\\MR0001", uids::MR_IMAGE_STORAGE),
                // A folder that was not copied.
                ("DICOM\\ST02\\IM0001", ct),
            ],
        );
        let mut found = Scan::default();
        assert_eq!(files(&at("DICOMDIR"), Modality::Ct, &mut found).unwrap(), [at("dicom/st01/im0001")]);
        assert_eq!(files_of_dicomdir(&at("DICOMDIR")), [at("dicom/st01/im0001")]);
        assert!(files_of_dicomdir(&at("dicom/st01/im0001")).is_empty(), "no DICOMDIR");
        let damaged: Vec<String> = found.damaged.iter().map(ToString::to_string).collect();
        let missing = |name: &str| format!("{}: {MISSING}", at(name).display());
        assert_eq!(damaged, [missing("dicom/st01/IM0002"), missing("dicom/st01/M\u{fc}LLER")]);
        let set_aside: Vec<PathBuf> = found.set_aside.into_iter().map(|file| file.path).collect();
        assert_eq!(set_aside, [at("dicom/st01/MR0001"), at("dicom/ST02/IM0001")]);
    }
}
