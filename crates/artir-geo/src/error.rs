//! Errors of this crate. They name no flag of a command line: a program that has flags adds what to do.

use std::{io, path::PathBuf};

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
        #[source]
        reason: Reason,
    },
    /// The output already exists.
    #[error("{path}: already exists")]
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
        #[source]
        reason: Reason,
    },
    /// A preview cannot be made.
    #[error("{path}: {reason}")]
    Preview {
        /// The page.
        path: String,
        /// Why.
        #[source]
        reason: Reason,
    },
}

impl Error {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Core(e) => e.kind(),
            Self::Scene { .. } | Self::Preview { .. } => ErrorKind::Input,
            Self::Write { reason, .. } if reason.is_usage() => ErrorKind::Usage,
            Self::Write { .. } => ErrorKind::Output,
            Self::Exists { .. } => ErrorKind::Usage,
        }
    }

    /// Why a scene, a result or a preview failed.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Scene { reason, .. } | Self::Write { reason, .. } | Self::Preview { reason, .. } => Some(reason),
            Self::Core(_) | Self::Exists { .. } => None,
        }
    }
}

/// Why a scene cannot be used, or a result cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The raster's form or content is not one that can be restored, or that a result can hold.
    #[error("{0}")]
    Unfit(String),
    /// GDAL's message.
    #[error("{0}")]
    Gdal(String),
    /// The file system's error.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It would read files or networks that the caller did not allow.
    #[error("{what}")]
    NotAllowed {
        /// What it would read.
        what: String,
        /// The permission that it needs.
        needs: Permission,
    },
    /// No band is marked as red, green or blue, and the caller named none.
    #[error("the file does not name its red, green and blue bands")]
    NoColours,
    /// The caller named a band that the scene does not have.
    #[error("there is no band {band}: the scene has {count} band(s)")]
    NoBand {
        /// The band, counted from 1.
        band: usize,
        /// The scene's bands.
        count: usize,
    },
    /// The model takes another number of bands.
    #[error("the model '{model}' takes {takes} band(s), and {has} would be restored")]
    Model {
        /// The model's name.
        model: String,
        /// The bands that it takes.
        takes: usize,
        /// The bands that would be restored.
        has: usize,
    },
    /// A creation option cannot be used.
    #[error("{key}={value}: {why}")]
    Option {
        /// The option's name.
        key: String,
        /// Its value.
        value: String,
        /// Why.
        why: String,
    },
    /// A sidecar file of an older file would be read with the result.
    #[error("GDAL would read {} with it, a sidecar of an older file", .0.display())]
    Stale(PathBuf),
    /// The result's name was taken while the result was made. The restored rows are kept.
    #[error("its place was taken while it was made")]
    Taken,
    /// A reason, with the part of the raster that it concerns.
    #[error("{part}: {reason}")]
    Part {
        /// The part.
        part: String,
        /// Why.
        #[source]
        reason: Box<Reason>,
    },
}

/// What a caller can allow a scene to read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Permission {
    /// A network.
    Network,
    /// Files of a folder.
    Folder(PathBuf),
    /// Any file: the scene is trusted.
    Everything,
}

impl Reason {
    /// The permission that would have avoided the error.
    pub fn needs(&self) -> Option<&Permission> {
        match self {
            Self::NotAllowed { needs, .. } => Some(needs),
            Self::Part { reason, .. } => reason.needs(),
            _ => None,
        }
    }

    /// The innermost reason.
    pub fn innermost(&self) -> &Self {
        match self {
            Self::Part { reason, .. } => reason.innermost(),
            other => other,
        }
    }

    pub(crate) fn of(self, part: impl Into<String>) -> Self {
        Self::Part { part: part.into(), reason: Box::new(self) }
    }

    pub(crate) fn not_allowed(what: impl Into<String>, needs: Permission) -> Self {
        Self::NotAllowed { what: what.into(), needs }
    }

    /// The same reason with a file's path replaced in GDAL's message, which the error names already.
    pub(crate) fn without_path(self, path: &str) -> Self {
        match self {
            Self::Gdal(message) if !path.is_empty() => Self::Gdal(message.replace(path, "the file")),
            Self::Part { part, reason } => Self::Part { part, reason: Box::new(reason.without_path(path)) },
            other => other,
        }
    }

    /// The same reason without a folder's path before the names of files in GDAL's message.
    pub(crate) fn without_folder(self, folder: &str) -> Self {
        match self {
            Self::Gdal(message) => Self::Gdal(message.replace(&format!("{folder}/"), "")),
            Self::Part { part, reason } => Self::Part { part, reason: Box::new(reason.without_folder(folder)) },
            other => other,
        }
    }

    /// A wrong option is the caller's to mend, and no fault of a file.
    fn is_usage(&self) -> bool {
        matches!(self.innermost(), Self::Option { .. })
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Self::Unfit(text)
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        Self::Unfit(text.to_owned())
    }
}

impl From<gdal::errors::GdalError> for Reason {
    fn from(e: gdal::errors::GdalError) -> Self {
        Self::Gdal(e.to_string().replace('\n', " "))
    }
}
