//! Errors of this crate.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use artir_core::ErrorKind;

use crate::Modality;

/// An error of this crate. Its text names files and attributes, never a patient's data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The core failed.
    #[error(transparent)]
    Core(#[from] artir_core::Error),
    /// A file cannot be used.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        reason: Reason,
    },
    /// No input can be restored.
    #[error("{input}: no {what} series found ({})", listed(reasons))]
    NoSeries {
        /// The inputs, as they were given.
        input: String,
        /// `CT` or `PET`.
        what: &'static str,
        /// Why files were skipped, and how many for each reason.
        reasons: Vec<(Reason, usize)>,
    },
    /// The output folder already holds this series.
    #[error("{}: already exists", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A series that is to be brought up to date holds a file of somebody else.
    #[error(
        "{}: artir has not made this file, and would delete it with the old series: move it elsewhere, or overwrite the series",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The series has no slices that can be written.
    #[error("{}: cannot write: the series has no slices", path.display())]
    Empty {
        /// The output folder.
        path: PathBuf,
    },
    /// Writing failed.
    #[error("{}: cannot write: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The reason why a file cannot be used, or is skipped. Its text quotes terms of the standard, never a value that could be
/// a patient's.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Not a DICOM file.
    #[error("not a DICOM file")]
    NotDicom,
    /// The file is damaged or truncated.
    #[error("damaged or truncated: {0}")]
    Damaged(String),
    /// The system cannot read it.
    #[error("{0}")]
    Io(#[source] Arc<io::Error>),
    /// An attribute is missing, out of range, or contradicts another one.
    #[error("{0}")]
    Attribute(String),
    /// An image of a form that artir does not restore.
    #[error("{0}")]
    Unsupported(String),
    /// Its pixels are not all there, or not where the header says.
    #[error("{0}")]
    Pixels(String),
    /// Its compressed pixels cannot be decoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The process that decodes frames cannot be started.
    #[error("the decoder cannot be started: {0}")]
    Decoder(#[source] Arc<io::Error>),
    /// Its values do not lead to SUV. They can be restored in their own unit.
    #[error("{0}")]
    NoSuv(String),
    /// CT values that are HU + 1024, although the header says that they are HU.
    #[error("its values are not HU: air lies near 0 and soft tissue near 1000, but RescaleIntercept (0028,1052) is 0")]
    NotHounsfield,
    /// Its real-world value mapping does not agree with the source's after a new RescaleSlope.
    #[error("its real-world value mapping (0040,9096) does not agree with the source's after the new RescaleSlope")]
    Mapping,
    /// The file has changed since it was scanned.
    #[error("the file has changed since it was scanned")]
    Changed,
    /// This many files of a series have the SOPInstanceUID of another file, but other contents.
    #[error(
        "{0} file(s) of the series have the SOPInstanceUID (0008,0018) of another file, but other contents; this is the \
         first of them"
    )]
    Clash(usize),
    /// This many files in the folder of a series cannot be read.
    #[error("{0} file(s) in the folder of this series cannot be read, and its slices may be among them")]
    UnreadableBeside(usize),
    /// The objects of one SeriesInstanceUID are of several patients.
    #[error(
        "{others} other file(s) have the same SeriesInstanceUID (0020,000E), but {attribute} differs among them, so they \
         are of several patients: restore the files of each patient in a run of their own"
    )]
    SeveralPatients {
        /// The other files of the SeriesInstanceUID.
        others: usize,
        /// The attribute that differs.
        attribute: &'static str,
    },
    /// An image of the other modality.
    #[error("a {} image", .0.name())]
    OtherModality(Modality),
    /// An image that was not chosen.
    #[error("not selected")]
    NotSelected,
    /// Not a slice of the modality.
    #[error("{0}")]
    NotSlice(String),
    /// An image of the modality that lacks what tells its place or its size.
    #[error("{0}")]
    Incomplete(String),
    /// A PET image without SUV, which can be restored in its own unit.
    #[error("{0}")]
    NotUptake(String),
    /// A PET image that was not corrected for attenuation, in a study that also holds corrected ones.
    #[error("{0}")]
    Uncorrected(String),
    /// A result of artir.
    #[error("already restored by artir")]
    Restored,
    /// A byte-identical copy of another file.
    #[error("a byte-identical copy of another file")]
    Copy,
    /// The metadata of a DICOMweb response, beside its objects.
    #[error("metadata of DICOMweb, not an image")]
    Metadata,
    /// A file or folder that a search does not enter.
    #[error("{0}")]
    NotSearched(&'static str),
}

fn listed(reasons: &[(Reason, usize)]) -> String {
    if reasons.is_empty() {
        return "no files".into();
    }
    reasons.iter().map(|(reason, n)| format!("{n} file(s): {reason}")).collect::<Vec<_>>().join("; ")
}

impl Reason {
    pub(crate) fn attribute(text: impl Into<String>) -> Self {
        Self::Attribute(text.into())
    }

    pub(crate) fn unsupported(text: impl Into<String>) -> Self {
        Self::Unsupported(text.into())
    }

    pub(crate) fn pixels(text: impl Into<String>) -> Self {
        Self::Pixels(text.into())
    }

    pub(crate) fn not_slice(text: impl Into<String>) -> Self {
        Self::NotSlice(text.into())
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
        Self::Write { path: path.to_owned(), source }
    }

    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Core(e) => e.kind(),
            Self::File { .. } | Self::NoSeries { .. } => ErrorKind::Input,
            Self::Exists { .. } | Self::Foreign { .. } => ErrorKind::Usage,
            Self::Write { .. } | Self::Empty { .. } => ErrorKind::Output,
        }
    }
}

/// The reason why a frame cannot be decoded or encoded. A decoder process sends it to its parent as text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(String);

impl CodecError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}
