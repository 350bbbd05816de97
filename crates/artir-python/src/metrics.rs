//! Figures under named protocols.

use artir_metrics::{Protocol, measure_where};
use numpy::{PyArray2, PyArray3, PyArrayMethods};
use pyo3::prelude::*;

use crate::errors::Failure;

/// PSNR, SSIM, RMSE, the number of pixels left out, and the protocol's name.
type Figures = (f64, Option<f64>, f64, usize, String);

/// Measures one image `[channel, row, column]` against its reference.
#[pyfunction]
pub(crate) fn measure<'py>(
    py: Python<'py>,
    result: &Bound<'py, PyArray3<f32>>,
    reference: &Bound<'py, PyArray3<f32>>,
    valid: Option<&Bound<'py, PyArray2<bool>>>,
    protocol: &str,
    window: Option<(f64, f64)>,
) -> PyResult<Figures> {
    let (result, reference) = (result.readonly(), reference.readonly());
    let valid = valid.map(|valid| valid.readonly());
    let (result, reference) = (result.as_array(), reference.as_array());
    let valid = valid.as_ref().map(|valid| valid.as_array());
    let measured = py.detach(|| -> Result<Figures, Failure> {
        let unknown = || format!("no protocol named '{protocol}': choose one of {}", Protocol::names().join(", "));
        let mut chosen = Protocol::by_name(protocol).ok_or_else(|| Failure::usage(unknown()))?;
        if let Some((lo, hi)) = window {
            let refused = || format!("protocol {protocol} cannot be measured in a window of {lo} to {hi}");
            chosen = chosen.with_window(lo, hi).ok_or_else(|| Failure::usage(refused()))?;
        }
        let figures = measure_where(result, reference, valid, &chosen)?;
        Ok((figures.psnr, figures.ssim, figures.rmse, figures.left_out, figures.protocol.into_owned()))
    });
    measured.map_err(|e| e.raise(py))
}

/// Every protocol: its name, its unit, its definition in words, and whether it measures HU or SUV.
#[pyfunction]
pub(crate) fn protocols() -> Vec<(String, &'static str, &'static str, bool)> {
    let facts = |p: Protocol| (p.name().to_string(), p.unit(), p.words(), p.is_physical());
    Protocol::ALL.into_iter().map(facts).collect()
}
