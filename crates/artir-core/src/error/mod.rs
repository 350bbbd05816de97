//! Errors of the core. They name no flag of the command line, which adds what to change.

mod device;
mod model;
mod setting;

use std::{path::PathBuf, sync::Arc};

pub use device::{DeviceError, Missing, ProfileError, RuntimeError, Skipped};
pub use model::{CardError, ModelFault};
pub use setting::SettingError;

/// The class of an error; the command line maps it to its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The work itself failed (exit code 1).
    Failed,
    /// The request is invalid (exit code 2).
    Usage,
    /// An input cannot be used (exit code 3).
    Input,
    /// A result cannot be written, for example to a full disk or a read-only folder (exit code 3).
    Output,
    /// The requested device or runtime is not available (exit code 5).
    Device,
    /// Stopped by the user (exit code 130).
    Interrupted,
}

/// An error of the core.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model file cannot be read.
    #[error("{}: cannot read the model: {source}", path.display())]
    ModelRead {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The model file is not one that artir exported, or it was changed since.
    #[error("{name}: not a usable artir model: {source}")]
    ModelDamaged {
        /// The file, or the name of a built-in model.
        name: String,
        /// The reason.
        source: ModelFault,
    },
    /// No model of that name is built in or found in the models folders.
    #[error("no model named '{name}': choose one of {}, or a file whose name ends in .onnx", known.join(", "))]
    ModelUnknown {
        /// The name that was asked for.
        name: String,
        /// The available names.
        known: Vec<String>,
    },
    /// ONNX Runtime was not found or cannot be loaded.
    #[error(
        "ONNX Runtime is not usable: {0}; install it (pip install onnxruntime; in a checkout of artir scripts/bootstrap.sh), \
         or set ORT_DYLIB_PATH to libonnxruntime.so"
    )]
    Runtime(#[from] Arc<RuntimeError>),
    /// The requested device is not available.
    #[error("device '{device}' is not available: {source}")]
    Device {
        /// The device as asked for.
        device: String,
        /// The reason.
        source: DeviceError,
    },
    /// A setting is out of its range.
    #[error("{0}")]
    Setting(#[from] SettingError),
    /// The image's channels do not match the model's.
    #[error("the model '{model}' takes {expected} channel(s), the image has {found}")]
    Channels {
        /// The model's name.
        model: String,
        /// Channels that the model takes.
        expected: usize,
        /// Channels that the image has.
        found: usize,
    },
    /// The memory limit is too small for even the smallest tile.
    #[error("{needed_mib} MiB are needed for the smallest tile, but {allowed_mib} MiB are allowed")]
    Memory {
        /// Needed, in MiB.
        needed_mib: u64,
        /// Allowed, in MiB.
        allowed_mib: u64,
    },
    /// The GPU's memory is too small.
    #[error("the GPU's memory is full")]
    DeviceMemory {
        /// Whether smaller tiles can help.
        smaller_tiles: bool,
    },
    /// The network failed, or returned invalid values.
    #[error("inference failed: {0}")]
    Inference(#[from] InferenceError),
    /// A source returned an image whose size differs from the requested window.
    #[error("a source returned {found:?} for a window of {expected:?}")]
    WindowSize {
        /// The requested (channels, rows, columns).
        expected: (usize, usize, usize),
        /// The returned (channels, rows, columns).
        found: (usize, usize, usize),
    },
    /// Stopped by the user.
    #[error("interrupted")]
    Interrupted,
}

/// The reason why a run of the network failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InferenceError {
    /// ONNX Runtime failed.
    #[error("{0}")]
    Runtime(#[from] ort::Error),
    /// The input has another number of channels than the network.
    #[error("{found} channels given to a network of {expected}")]
    Channels {
        /// The network's channels.
        expected: usize,
        /// The input's channels.
        found: usize,
    },
    /// The output has another shape than the input.
    #[error("the network returned {found:?} for {expected:?}")]
    Shape {
        /// The input's shape.
        expected: Vec<usize>,
        /// The output's shape.
        found: Vec<usize>,
    },
    /// Arrays do not fit each other.
    #[error("{0}")]
    Arrays(#[from] ndarray::ShapeError),
    /// The network returned NaN or infinity.
    #[error("the network returned a value that is not finite")]
    NotFinite,
    /// The GPU gave no memory for the input.
    #[error("no memory for the input")]
    NoInput,
    /// The profile of a run cannot be made or read.
    #[error("{0}")]
    Profile(#[from] ProfileError),
    /// A session for the profile cannot be made.
    #[error("{0}")]
    Device(#[from] DeviceError),
}

impl From<ndarray::ShapeError> for Error {
    fn from(e: ndarray::ShapeError) -> Self {
        InferenceError::from(e).into()
    }
}

impl Error {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::ModelRead { .. } | Self::ModelDamaged { .. } | Self::Channels { .. } => ErrorKind::Input,
            Self::ModelUnknown { .. } | Self::Setting(_) | Self::Memory { .. } => ErrorKind::Usage,
            Self::Runtime(_) | Self::Device { .. } => ErrorKind::Device,
            Self::Interrupted => ErrorKind::Interrupted,
            Self::Inference(_) | Self::WindowSize { .. } | Self::DeviceMemory { .. } => ErrorKind::Failed,
        }
    }
}
