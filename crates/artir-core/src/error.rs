//! What can go wrong in the core, and which exit code it means.

use std::path::PathBuf;

/// The class of an error; the command line maps it to its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The work itself failed (exit code 1).
    Failed,
    /// The request makes no sense as typed (exit code 2).
    Usage,
    /// An input cannot be used (exit code 3).
    Input,
    /// A result cannot be written: a full disk, a folder that takes no files (exit code 3).
    Output,
    /// The device or the runtime that was asked for is not there (exit code 5).
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
        /// What is wrong with it.
        reason: String,
    },
    /// No model of that name is built in or found in the models folders.
    #[error("no model named '{name}': {hint}")]
    ModelUnknown {
        /// The name that was asked for.
        name: String,
        /// What there is instead.
        hint: String,
    },
    /// ONNX Runtime was not found or cannot be loaded.
    #[error(
        "ONNX Runtime is not usable: {reason}; run scripts/bootstrap.sh, or set ORT_DYLIB_PATH to libonnxruntime.so"
    )]
    Runtime {
        /// Why.
        reason: String,
    },
    /// The device that was asked for by name cannot be had.
    #[error("device '{device}' is not available: {reason}")]
    Device {
        /// The device as asked for.
        device: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// A setting is out of its range.
    #[error("{0}")]
    Setting(String),
    /// The image and the model do not go together.
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
        /// What to do.
        hint: &'static str,
    },
    /// The network failed, or gave what it must not give.
    #[error("inference failed: {0}")]
    Inference(String),
    /// A source handed over an image whose size is not that of the window asked for.
    #[error("a source returned {found:?} for a window of {expected:?}")]
    WindowSize {
        /// (channels, rows, columns) asked for.
        expected: (usize, usize, usize),
        /// (channels, rows, columns) handed over.
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
