//! Errors of this crate.

use std::path::{Path, PathBuf};

use artir_core::ErrorKind;

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
        reason: String,
    },
    /// No input can be restored.
    #[error("{input}: no {what} series found{detail}")]
    NoSeries {
        /// The inputs, as typed.
        input: String,
        /// `CT` or `PET`.
        what: &'static str,
        /// The objects that were found instead.
        detail: String,
    },
    /// The output folder already holds this series.
    #[error("{}: already exists: use --overwrite", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// Writing failed.
    #[error("{}: cannot write: {reason}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Error {
    pub(crate) fn file(path: &Path, reason: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), reason: reason.into() }
    }

    pub(crate) fn write(path: &Path, reason: impl ToString) -> Self {
        Self::Write { path: path.to_owned(), reason: reason.to_string() }
    }

    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Core(e) => e.kind(),
            Self::File { .. } | Self::NoSeries { .. } => ErrorKind::Input,
            Self::Exists { .. } => ErrorKind::Usage,
            Self::Write { .. } => ErrorKind::Output,
        }
    }
}
