//! Files, published together or not at all.

use std::path::{Path, PathBuf};

use artir_core::OutputFolder;
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use crate::{Error, header};

/// artir's implementation class, a UID of the 2.25 form made once.
const IMPLEMENTATION_CLASS_UID: &str = "2.25.190531236274935671240189273519274186302";

/// A folder that is filled out of sight and given its name when it is complete.
pub(crate) struct Staging {
    // Dropped in this order: a parent that was made for it goes once the folder in it is gone.
    folder: tempfile::TempDir,
    parent: OutputFolder,
    target: PathBuf,
}

impl Staging {
    /// Makes the staging folder beside `target`.
    pub(crate) fn new(target: PathBuf, overwrite: bool) -> Result<Self, Error> {
        if target.exists() && !overwrite {
            return Err(Error::Exists { path: target });
        }
        let parent = target.parent().unwrap_or(Path::new("."));
        let fail = |e: std::io::Error| Error::Write { path: target.clone(), reason: e.to_string() };
        let made = OutputFolder::create(parent).map_err(fail)?;
        let folder = tempfile::Builder::new().prefix(".artir-").tempdir_in(parent).map_err(fail)?;
        Ok(Self { folder, parent: made, target })
    }

    /// Writes one object as Explicit VR Little Endian.
    pub(crate) fn write(&self, name: &str, object: InMemDicomObject) -> Result<(), Error> {
        let path = self.folder.path().join(name);
        let fail = |reason: String| Error::Write { path: self.target.join(name), reason };
        let class = header::text(&object, tags::SOP_CLASS_UID).unwrap_or_default();
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
            .media_storage_sop_class_uid(class)
            .implementation_class_uid(IMPLEMENTATION_CLASS_UID)
            .implementation_version_name("ARTIR_0.1");
        let file = object.with_meta(meta).map_err(|_| fail("its meta header cannot be made".into()))?;
        file.write_to_file(&path).map_err(|e| fail(e.to_string()))
    }

    /// Gives the folder its name; what stood there goes only once the new one is complete.
    pub(crate) fn publish(self) -> Result<PathBuf, Error> {
        let Self { folder, parent: _parent, target } = self;
        let fail = |e: std::io::Error| Error::Write { path: target.clone(), reason: e.to_string() };
        let staged = folder.keep();
        // A temporary folder is private; a result is as readable as the user's umask says, like its files.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&staged, std::fs::Permissions::from_mode(0o755)).map_err(fail)?;
        }
        let result = (|| {
            if target.exists() {
                let old = staged.with_extension("old");
                std::fs::rename(&target, &old)?;
                std::fs::rename(&staged, &target)?;
                std::fs::remove_dir_all(old)
            } else {
                std::fs::rename(&staged, &target)
            }
        })();
        if result.is_err() && staged.exists() {
            // Best effort: the error that is reported is the rename's.
            drop(std::fs::remove_dir_all(&staged));
        }
        result.map_err(fail)?;
        Ok(target)
    }
}
