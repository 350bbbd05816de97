//! Errors of this crate.

use artir_core::ErrorKind;

/// An error of this crate; its text names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The core failed.
    #[error(transparent)]
    Core(#[from] artir_core::Error),
    /// A scene cannot be used.
    #[error("{path}: {reason}")]
    Scene {
        /// The scene, as typed.
        path: String,
        /// Why.
        reason: String,
    },
    /// The output already exists.
    #[error("{path}: already exists: use --overwrite")]
    Exists {
        /// The output.
        path: String,
    },
    /// Writing failed, or the written file differs from the intended one.
    #[error("{path}: cannot write: {reason}")]
    Write {
        /// The output.
        path: String,
        /// Why.
        reason: String,
    },
}

impl Error {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Core(e) => e.kind(),
            Self::Scene { .. } => ErrorKind::Input,
            Self::Write { .. } => ErrorKind::Output,
            Self::Exists { .. } => ErrorKind::Usage,
        }
    }
}
