//! Figures under named protocols.

use std::sync::{Arc, Mutex, PoisonError};

use artir_core::ErrorKind;
use artir_metrics::{Protocol, measure_where};
use numpy::{PyArray2, PyArray3, PyArrayMethods};
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::errors::Failure;

/// The threads that measure, and the process that started them.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// The threads of this process. One that was forked, as Python's multiprocessing does, has none of its parent's, and would wait
/// for them for ever. rayon's own threads cannot be started again.
fn pool() -> Result<Arc<ThreadPool>, Failure> {
    let process = std::process::id();
    let mut kept = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, threads)) = &*kept
        && *of == process
    {
        return Ok(Arc::clone(threads));
    }
    let made = ThreadPoolBuilder::new().build().map_err(|e| Failure::new(ErrorKind::Failed, None, e))?;
    let made = Arc::new(made);
    // To drop the parent's would wake threads that are not there.
    std::mem::forget(kept.replace((process, Arc::clone(&made))));
    Ok(made)
}

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
        let figures = pool()?.install(|| measure_where(result, reference, valid, &chosen))?;
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
