//! Errors of an inspection.

use artir_core::ErrorKind;

/// The reason why a network cannot be inspected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the core.
    #[error("{0}")]
    Core(#[from] artir_core::Error),
    /// The network has none of the maps that are shown.
    #[error("the model '{0}' is not an ArtIR network: it has no stages whose maps could be shown")]
    NoMaps(String),
    /// The model's graph is not what ONNX prescribes.
    #[error("the graph of the model '{name}' cannot be read: {reason}")]
    Graph {
        /// The model's name.
        name: String,
        /// The reason.
        reason: String,
    },
    /// ONNX Runtime refuses the graph with its maps as outputs, or fails to run it.
    #[error("ONNX Runtime failed on the maps of the model '{name}': {source}")]
    Runtime {
        /// The model's name.
        name: String,
        /// The reason.
        source: ort::Error,
    },
    /// The window does not lie in the image.
    #[error(
        "a window of {}x{} pixels from row {}, column {} does not lie in an image of {}x{}",
        window.0, window.1, place.0, place.1, size.0, size.1
    )]
    Window {
        /// Its rows and columns.
        window: (usize, usize),
        /// Its first row and column.
        place: (usize, usize),
        /// Rows and columns of the image.
        size: (usize, usize),
    },
    /// The image is smaller than the network's step.
    #[error("an image of {}x{} pixels is too small: the network takes {multiple}x{multiple} or more", size.0, size.1)]
    TooSmall {
        /// Rows and columns of the image.
        size: (usize, usize),
        /// What rows and columns must be a multiple of.
        multiple: usize,
    },
    /// The image's channels do not fit the model.
    #[error("it has {found} channel(s), and the model takes {expected}")]
    Channels {
        /// Channels of the image.
        found: usize,
        /// Channels of the model.
        expected: usize,
    },
    /// The window holds padding alone.
    #[error("no pixel of the window is valid")]
    NoValid,
    /// A map is not finite.
    #[error("the network's map '{0}' holds a value that is not finite")]
    NotFinite(String),
    /// A result cannot be made or written.
    #[error("{0}")]
    Write(#[from] std::io::Error),
}

impl Error {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Core(e) => e.kind(),
            Self::NoMaps(_) | Self::Graph { .. } | Self::TooSmall { .. } | Self::Channels { .. } | Self::NoValid => {
                ErrorKind::Input
            }
            Self::Window { .. } => ErrorKind::Usage,
            Self::Runtime { .. } | Self::NotFinite(_) => ErrorKind::Failed,
            Self::Write(_) => ErrorKind::Output,
        }
    }
}
