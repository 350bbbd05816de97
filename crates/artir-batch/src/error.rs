//! Errors of work lists.

use std::{
    io,
    path::{Path, PathBuf},
};

use artir_core::ErrorKind;

/// Why a work list cannot be made, run or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A line of a manifest cannot be used.
    #[error("{}:{line}: {fault}", path.display())]
    Line {
        /// The manifest.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// Why.
        fault: Fault,
    },
    /// A file or folder that is read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or folder that is written.
    #[error("{}: cannot write: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What a manifest is to be made of cannot be used.
    #[error("{}: {reason}", path.display())]
    Source {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A folder that no batch has written into.
    #[error("{}: no batch has written here: .artir/journal is missing", path.display())]
    NoBatch {
        /// The folder.
        path: PathBuf,
    },
    /// An archive or a store on a network cannot be used.
    #[error("{address}: {reason}")]
    Archive {
        /// Its address.
        address: String,
        /// Why.
        reason: String,
    },
    /// A network or what is reached over it fails now.
    #[error("{address}: {reason}")]
    Network {
        /// The address.
        address: String,
        /// Why.
        reason: String,
    },
    /// A search for DICOM series failed.
    #[error(transparent)]
    Dicom(#[from] artir_dicom::Error),
}

impl Error {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Line { .. }
            | Self::Read { .. }
            | Self::Source { .. }
            | Self::NoBatch { .. }
            | Self::Archive { .. } => ErrorKind::Input,
            Self::Write { .. } => ErrorKind::Output,
            Self::Network { .. } => ErrorKind::Failed,
            Self::Dicom(e) => e.kind(),
        }
    }

    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_owned(), source }
    }

    pub(crate) fn source(path: &Path, reason: impl Into<String>) -> Self {
        Self::Source { path: path.to_owned(), reason: reason.into() }
    }
}

/// What is wrong with a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It is no job in JSON.
    #[error("not a job: {0}")]
    Json(String),
    /// The line is too long.
    #[error("longer than {0} MiB: name a folder in place of its files")]
    Long(u64),
    /// The id cannot name a file.
    #[error("id must have 1 to 100 of the characters A-Z a-z 0-9 . _ -, and begin with a letter or a digit")]
    Id,
    /// Two jobs have one id.
    #[error("id '{0}' is that of an earlier line")]
    Twice(String),
    /// No input.
    #[error("input names no file")]
    NoInput,
    /// Scenes and photographs have one input a job.
    #[error("{0} takes one input a job")]
    OneInput(&'static str),
    /// An input that cannot be read again.
    #[error("input '-' (standard input) and lists (@FILE) cannot be used in a job: name files or folders")]
    Stream,
    /// The output is not below the folder of results.
    #[error("output must be a path below the folder of results, without '..', and not below .artir")]
    Output,
    /// An address that cannot be used.
    #[error("input: {0}")]
    Address(&'static str),
    /// A mosaic of something else than scenes, or of scenes whose range is given.
    #[error("mosaic must be a name like an id, of a scene whose range is auto or percentile")]
    Mosaic,
    /// A survey was made, but not of this scene.
    #[error("the survey in .artir/survey.json does not know scene '{0}': run artir batch --survey again")]
    NotSurveyed(String),
    /// The scene names a mosaic, and no survey was made.
    #[error("scene '{0}' names a mosaic, which needs a survey: run artir batch --survey first")]
    NoSurvey(String),
    /// Two scenes of a mosaic are not to be treated alike.
    #[error(
        "scenes of mosaic '{0}' differ in an option that decides how haze is treated, such as model, strength or tile"
    )]
    Treatment(String),
    /// Two jobs would write to one place.
    #[error("output '{0}' is that of an earlier line, or one would lie in the other")]
    Shared(String),
    /// An option that the batch sets itself, or that makes no sense in one.
    #[error("option '{0}' cannot be used in a job")]
    Option(String),
    /// An option whose value is no text, number, truth value or list of them.
    #[error("option '{0}' must be true, false, a number, a text, or a list of texts and numbers")]
    Value(String),
}
