//! The native part of the Python package `artir`: see `python/artir` for what users call.
//!
//! Arrays come as C-contiguous NumPy arrays of one fixed type, which the Python part prepares. Everything that takes time
//! runs without the interpreter's lock.

mod command;
mod errors;
mod metrics;
mod model;
mod progress;
mod restore;
mod series;

use pyo3::prelude::*;

#[pymodule]
mod _artir {
    #[pymodule_export]
    use super::{
        command::{command, search_runtime},
        metrics::{measure, protocols},
        model::{Network, card_of, models, wait_for_workers},
        series::{default_model, read_series, restore_series},
    };
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", artir_core::VERSION)
    }
}

/// Keeps the operator library's entry point in this library, where ONNX Runtime looks for it.
#[used]
static ENTRY: unsafe extern "C" fn(
    *mut ort_sys::OrtSessionOptions,
    *const ort_sys::OrtApiBase,
) -> ort_sys::OrtStatusPtr = artir_ops::RegisterCustomOps;
