//! Errors of the core and the exit code that each class maps to.

use std::path::PathBuf;

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
        /// Why.
        source: std::io::Error,
    },
    /// The model file is not one that artir exported, or it was changed since.
    #[error("{name}: not a usable artir model: {reason}")]
    ModelDamaged {
        /// The file, or the name of a built-in model.
        name: String,
        /// The reason.
        reason: String,
    },
    /// No model of that name is built in or found in the models folders.
    #[error("no model named '{name}': {hint}")]
    ModelUnknown {
        /// The name that was asked for.
        name: String,
        /// The available names.
        hint: String,
    },
    /// ONNX Runtime was not found or cannot be loaded.
    #[error(
        "ONNX Runtime is not usable: {reason}; install it (pip install onnxruntime; in a checkout of artir \
         scripts/bootstrap.sh), or set ORT_DYLIB_PATH to libonnxruntime.so"
    )]
    Runtime {
        /// Why.
        reason: String,
    },
    /// The requested device is not available.
    #[error("device '{device}' is not available: {reason}")]
    Device {
        /// The device as asked for.
        device: String,
        /// The reason, and what to do.
        reason: String,
    },
    /// A setting is out of its range.
    #[error("{0}")]
    Setting(String),
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
    #[error("{needed_mib} MiB are needed for the smallest tile, but --memory allows {allowed_mib} MiB")]
    Memory {
        /// Needed, in MiB.
        needed_mib: u64,
        /// Allowed, in MiB.
        allowed_mib: u64,
    },
    /// The GPU's memory is too small.
    #[error("the GPU's memory is full: {hint}")]
    DeviceMemory {
        /// Advice for the user.
        hint: &'static str,
    },
    /// The network failed, or returned invalid values.
    #[error("inference failed: {0}")]
    Inference(String),
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

impl Error {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::ModelRead { .. } | Self::ModelDamaged { .. } | Self::Channels { .. } => ErrorKind::Input,
            Self::ModelUnknown { .. } | Self::Setting(_) | Self::Memory { .. } => ErrorKind::Usage,
            Self::Runtime { .. } | Self::Device { .. } => ErrorKind::Device,
            Self::Interrupted => ErrorKind::Interrupted,
            Self::Inference(_) | Self::WindowSize { .. } | Self::DeviceMemory { .. } => ErrorKind::Failed,
        }
    }
}
