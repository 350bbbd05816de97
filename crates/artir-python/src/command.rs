//! The `artir` command of the package, and where it finds ONNX Runtime.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use artir_core::RuntimeSearch;
use pyo3::prelude::*;

use crate::errors::Failure;

/// Runs a command line and returns its exit code. `program` and `leading` arguments start the command again, to decode
/// frames in a process of their own.
#[pyfunction]
pub(crate) fn command(py: Python<'_>, arguments: Vec<OsString>, program: PathBuf, leading: Vec<OsString>) -> u8 {
    let program = (program, leading);
    let code = py.detach(|| artir_cli::run(arguments, Some(program)));
    // The standard library gives the number of an exit code to the system alone.
    (0..=u8::MAX).find(|number| ExitCode::from(*number) == code).unwrap_or(1)
}

/// Chooses where ONNX Runtime is searched for: a library that is named, or the folder of a package's library.
///
/// The executable is Python itself, so that `../lib/artir` beside it can be the runtime of another artir, such as the Debian
/// package's. It is not searched.
#[pyfunction]
pub(crate) fn search_runtime(py: Python<'_>, path: Option<PathBuf>, package: Option<PathBuf>) -> PyResult<()> {
    let search = RuntimeSearch { path, package, executable: None, ..RuntimeSearch::of_this_process() };
    artir_core::search_runtime(search).map_err(|e| Failure::from(e).raise(py))
}
