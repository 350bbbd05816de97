//! Errors of this crate.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use artir_core::ErrorKind;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The core failed.
    #[error(transparent)]
    Core(#[from] artir_core::Error),
    /// A volume cannot be used.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        reason: Reason,
    },
    /// The result exists.
    #[error("{}: already exists", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Writing failed.
    #[error("{}: cannot write: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The reason why a volume cannot be used. Its text quotes terms of the formats, never a text of the file.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Neither NIfTI nor NRRD.
    #[error("neither NIfTI nor NRRD")]
    Other,
    /// Damaged or truncated.
    #[error("damaged or truncated: {0}")]
    Damaged(String),
    /// The system cannot read it.
    #[error("{0}")]
    Io(#[source] Arc<io::Error>),
    /// A form of the formats that artir does not read.
    #[error("{0}")]
    Unsupported(String),
    /// No slices across the body.
    #[error("{0}")]
    NotAxial(&'static str),
    /// The header does not state the unit of the values.
    #[error("its header does not state the unit of its values")]
    UnknownUnit,
    /// The values are in another unit.
    #[error("its header states that its values are {0}")]
    OtherUnit(&'static str),
    /// SUV that needs the header of a DICOM series.
    #[error("SUV by lean or ideal body weight is computed from DICOM headers, which a volume has not")]
    NoPatient,
    /// CT values that are HU + 1024.
    #[error("its values are not HU: air lies near 0 and soft tissue near 1000")]
    NotHounsfield,
    /// CT values that are the grey levels of a picture.
    #[error("its values are not HU: they are grey levels from 0 to 255")]
    GreyLevels,
    /// CT values that are the labels of a segmentation.
    #[error("its values are not HU: they are few whole numbers from 0 on, as in a label map")]
    Labels,
    /// PET without activity.
    #[error("the volume shows no activity, so its values cannot be scaled")]
    NoActivity,
    /// A restored value that the datatype cannot hold.
    #[error("a restored value lies outside of {0}, the volume's datatype")]
    DoesNotFit(&'static str),
    /// A result of artir.
    #[error("already restored by artir")]
    Restored,
    /// The result's name is that of another format.
    #[error("a {0} volume can only be written as {1}")]
    OtherForm(&'static str, &'static str),
}

impl Reason {
    pub(crate) fn damaged(text: impl Into<String>) -> Self {
        Self::Damaged(text.into())
    }

    pub(crate) fn unsupported(text: impl Into<String>) -> Self {
        Self::Unsupported(text.into())
    }
}

impl From<io::Error> for Reason {
    fn from(e: io::Error) -> Self {
        Self::Io(Arc::new(e))
    }
}

impl Error {
    pub(crate) fn file(path: &Path, reason: impl Into<Reason>) -> Self {
        Self::File { path: path.to_owned(), reason: reason.into() }
    }

    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists { path: path.to_owned() },
            _ => Self::Write { path: path.to_owned(), source },
        }
    }

    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Core(e) => e.kind(),
            Self::File { reason: Reason::OtherForm(..), .. } | Self::Exists { .. } => ErrorKind::Usage,
            Self::File { .. } => ErrorKind::Input,
            Self::Write { .. } => ErrorKind::Output,
        }
    }
}
