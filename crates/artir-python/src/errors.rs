//! Errors as Python exceptions. The classes are written in Python (`python/artir/_errors.py`).

use std::{ffi::OsString, path::Path};

use artir_core::ErrorKind;
use pyo3::prelude::*;

/// An error on its way to Python.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: ErrorKind,
    /// The file, where one is at fault. Its name need not be Unicode.
    file: Option<OsString>,
    reason: String,
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, file: Option<&Path>, reason: impl ToString) -> Self {
        let file = file.map(|path| path.as_os_str().to_owned());
        Self { kind, file, reason: reason.to_string() }
    }

    pub(crate) fn usage(reason: impl ToString) -> Self {
        Self::new(ErrorKind::Usage, None, reason)
    }

    pub(crate) fn is_interruption(&self) -> bool {
        self.kind == ErrorKind::Interrupted
    }

    /// The exception. A failure to make it is an exception as well.
    pub(crate) fn raise(self, py: Python<'_>) -> PyErr {
        let class = match self.kind {
            ErrorKind::Usage => "UsageError",
            ErrorKind::Input => "InputError",
            ErrorKind::Output => "OutputError",
            ErrorKind::Device => "DeviceError",
            ErrorKind::Interrupted => return pyo3::exceptions::PyKeyboardInterrupt::new_err(()),
            _ => "RestorationError",
        };
        let made = (|| py.import("artir._errors")?.getattr(class)?.call1((self.reason, self.file)))();
        match made {
            Ok(exception) => PyErr::from_value(exception),
            Err(e) => e,
        }
    }
}

impl From<artir_core::Error> for Failure {
    fn from(e: artir_core::Error) -> Self {
        let kind = e.kind();
        match &e {
            artir_core::Error::ModelRead { path, source } => {
                Self::new(kind, Some(path), format!("cannot read the model: {source}"))
            }
            artir_core::Error::ModelDamaged { name, source } => {
                Self::new(kind, Some(Path::new(name)), format!("not a usable artir model: {source}"))
            }
            _ => Self::new(kind, None, e),
        }
    }
}

impl From<artir_dicom::Error> for Failure {
    fn from(e: artir_dicom::Error) -> Self {
        let kind = e.kind();
        match e {
            artir_dicom::Error::Core(e) => e.into(),
            artir_dicom::Error::File { path, reason } => Self::new(kind, Some(&path), reason),
            artir_dicom::Error::Write { path, source } => {
                Self::new(kind, Some(&path), format!("cannot write: {source}"))
            }
            artir_dicom::Error::Exists { path } => Self::new(kind, Some(&path), "already exists: use overwrite=True"),
            other => Self::new(kind, None, other),
        }
    }
}

impl From<artir_metrics::MetricsError> for Failure {
    fn from(e: artir_metrics::MetricsError) -> Self {
        Self::usage(e)
    }
}
