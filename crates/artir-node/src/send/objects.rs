//! The objects of a series' derived series.

use std::{
    io,
    path::{Path, PathBuf},
};

use artir_files::Manifest;

use crate::queue::{RESTORED, Record};

/// An object to be sent.
pub(super) struct Object {
    pub(super) path: PathBuf,
    /// Of all its bytes.
    pub(super) sha256: String,
    pub(super) class: String,
    pub(super) instance: String,
    pub(super) syntax: String,
    /// Of its file.
    pub(super) bytes: u64,
}

/// The objects that a series' record names, by the manifests of their folders.
pub(super) fn objects(series: &Path, record: &Record) -> io::Result<Vec<Object>> {
    let mut out = Vec::new();
    for derived in &record.derived {
        let folder = series.join(RESTORED).join(&derived.folder);
        let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", derived.folder));
        let manifest = Manifest::read(&folder).ok_or_else(|| damaged("its manifest is missing or damaged"))?;
        for entry in manifest.entries {
            let path = folder.join(&entry.name);
            let found = artir_dicom::identify(&path).map_err(|_| damaged("one of its objects cannot be read"))?;
            out.push(Object {
                sha256: entry.sha256,
                class: found.sop_class_uid,
                instance: found.sop_instance_uid,
                syntax: found.transfer_syntax,
                bytes: path.metadata()?.len(),
                path,
            });
        }
    }
    Ok(out)
}
