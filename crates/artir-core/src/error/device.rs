//! Reasons why a device or ONNX Runtime cannot be used.

use std::{io, path::PathBuf, sync::Arc};

/// The reason why a requirement is not met, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Missing(pub(crate) String);

impl From<String> for Missing {
    fn from(reason: String) -> Self {
        Self(reason)
    }
}

/// The reason why a device cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// A requirement is not met.
    #[error("{name}: {source}")]
    Missing {
        /// The requirement.
        name: String,
        /// The reason, and what to do.
        source: Missing,
    },
    /// Its result differs from the CPU's.
    #[error(
        "its result differs from the CPU's by {apart:.1e} where the network changes {changed:.1e} at most; it is not used: \
         please report this"
    )]
    Disagrees {
        /// The largest difference, in network units.
        apart: f32,
        /// The network's largest change.
        changed: f32,
    },
    /// ONNX Runtime refuses the session.
    #[error("{0}")]
    Session(#[from] ort::Error),
    /// ONNX Runtime is not usable.
    #[error("{0}")]
    Runtime(#[from] Arc<RuntimeError>),
    /// The driver or artir's operators fail.
    #[error("{0}")]
    Operators(#[from] artir_ops::Error),
    /// The folder of TensorRT's engines cannot be made.
    #[error("{}: {source}", path.display())]
    Engines {
        /// The folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The machine has no GPU of this number.
    #[error("there is no GPU {0}")]
    NoGpu(u32),
    /// A session for GPUs was asked to run on the CPU.
    #[error("the CPU is not a GPU")]
    NotAGpu,
}

/// The reason why ONNX Runtime is not usable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// A library that was asked for cannot be used.
    #[error("{what} names {}, which cannot be used: {source}", path.display())]
    Named {
        /// What names it: `ORT_DYLIB_PATH`, or the caller's path.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// What was asked for is no file.
    #[error("{what} names {}, which is not a file", path.display())]
    NotAFile {
        /// What names it: `ORT_DYLIB_PATH`, or the caller's path.
        what: &'static str,
        /// The path.
        path: PathBuf,
    },
    /// The search was chosen after it had run.
    #[error("it was already searched for in this process")]
    TooLate,
    /// No folder holds a library that may be used.
    #[error("there is no libonnxruntime.so in any of {}{}", listed(.places), also(.skipped))]
    NotFound {
        /// The folders that were searched.
        places: Vec<PathBuf>,
        /// Libraries that were found and not used.
        skipped: Vec<Skipped>,
    },
    /// The library cannot be asked for its version.
    #[error("{0}")]
    Unknown(#[from] artir_ops::Error),
    /// The library's version is too old or too new.
    #[error("{}: it is version {version}; artir needs {}.{} or a later {}.x", path.display(), oldest.0, oldest.1, oldest.0)]
    Version {
        /// The library.
        path: PathBuf,
        /// Its version.
        version: String,
        /// The oldest version that artir can use.
        oldest: (u32, u32),
    },
    /// The library cannot be loaded.
    #[error("{0}")]
    Load(#[from] ort::LoadDynamicError),
    /// The library refuses artir's environment, or the options of a session.
    #[error("{0}")]
    Refused(#[from] ort::Error),
}

/// A library that was found and not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Skipped {
    /// The file system refuses it.
    #[error("{} cannot be used: {source}", path.display())]
    Unreadable {
        /// The library.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Any user could have placed it.
    #[error(
        "{} was skipped, since every user may write to {}: set ORT_DYLIB_PATH if it is to be trusted",
        path.display(),
        open.display()
    )]
    OpenToAll {
        /// The library.
        path: PathBuf,
        /// The file or folder that every user may write to.
        open: PathBuf,
    },
}

fn listed(places: &[PathBuf]) -> String {
    places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn also(skipped: &[Skipped]) -> String {
    skipped.iter().map(|why| format!("; {why}")).collect()
}

/// The reason why a profile is unusable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Its folder cannot be made.
    #[error("a temporary folder: {0}")]
    Folder(#[source] io::Error),
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The profile.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// It is not the JSON that ONNX Runtime writes.
    #[error("the profile does not parse: {0}")]
    Parse(#[from] serde_json::Error),
    /// It holds no kernel's time.
    #[error("the profile names no node")]
    Empty,
}
