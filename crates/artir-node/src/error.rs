//! Errors that keep a node from starting, or a command about it from being carried out.

use std::{io, path::PathBuf};

use artir_core::ErrorKind;

/// Why a node cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be used.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The key, and what is wrong with its value.
        reason: String,
    },
    /// A folder or file of the node cannot be read or written.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another node works in the folder.
    #[error("{}: another node runs on this folder", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The address is taken, or is none of this machine.
    #[error("{address}: cannot listen: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// A thread or a signal handler cannot be started.
    #[error("cannot start: {0}")]
    Start(#[source] io::Error),
    /// A thread of the node has panicked.
    #[error("a thread of the node has panicked: what it did is not done any more, so that the node has ended")]
    Panicked,
    /// A node that was to be drained has ended before.
    #[error(
        "not drained: the node has ended while {0} series were still to be restored or sent. They stay, and the next start \
         goes on with them"
    )]
    NotDrained(usize),
    /// No series of this name waits or has failed.
    #[error("{0}: no series of this name is among those that failed or wait")]
    NoSeries(String),
    /// A model cannot be loaded.
    #[error(transparent)]
    Core(#[from] artir_core::Error),
}

impl Error {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Config { .. } | Self::NoSeries(_) => ErrorKind::Input,
            Self::Folder { .. } | Self::Busy { .. } => ErrorKind::Output,
            Self::Listen { .. } | Self::Start(_) | Self::Panicked | Self::NotDrained(_) => ErrorKind::Failed,
            Self::Core(e) => e.kind(),
        }
    }

    pub(crate) fn folder(path: &std::path::Path, source: io::Error) -> Self {
        Self::Folder { path: path.to_owned(), source }
    }
}
