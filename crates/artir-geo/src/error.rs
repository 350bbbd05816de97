//! What can be wrong with a scene.

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
    /// The output is there already.
    #[error("{path}: is there already: use --overwrite")]
    Exists {
        /// The output.
        path: String,
    },
    /// Writing failed, or what was written is not what it should be.
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
