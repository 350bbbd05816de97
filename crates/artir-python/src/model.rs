//! A model with its settings.

use std::sync::{
    Arc,
    mpsc::{RecvTimeoutError, TrySendError},
};

use artir_core::{Device, ErrorKind, Image, Precision, Restorer, Settings, Shape, mirrored, zoo};
use ndarray::{ArrayView3, ArrayView4, ArrayViewMut4, Axis, s};
use numpy::{PyArray3, PyArray4, PyArrayMethods, PyReadonlyArray3, PyReadonlyArray4, PyReadwriteArray4};
use pyo3::prelude::*;

use crate::{
    errors::Failure,
    progress::{Counter, LOOK, Watch},
    restore::{self, Item, Worker},
};

/// A model that is loaded with one set of settings.
#[pyclass(frozen)]
pub(crate) struct Network {
    restorer: Arc<Restorer>,
}

impl Network {
    pub(crate) fn restorer(&self) -> &Arc<Restorer> {
        &self.restorer
    }
}

fn settings(
    device: &str,
    threads: usize,
    precision: &str,
    tile: Option<usize>,
    overlap: Option<usize>,
    memory: u64,
    strength: f32,
) -> Result<Settings, Failure> {
    let device: Device = device.parse().map_err(Failure::usage)?;
    let precision = match precision {
        "f32" => Precision::F32,
        "fast" => Precision::Fast,
        other => return Err(Failure::usage(format!("precision must be 'f32' or 'fast', not '{other}'"))),
    };
    let settings = Settings::default().device(device).threads(threads).map_err(artir_core::Error::from)?;
    let settings = settings.strength(strength).map_err(artir_core::Error::from)?;
    Ok(settings.precision(precision).tile(tile).overlap(overlap).memory(memory))
}

#[pymethods]
impl Network {
    #[new]
    #[allow(clippy::too_many_arguments, reason = "called from one place, with keywords")]
    fn new(
        py: Python<'_>,
        model: &str,
        device: &str,
        threads: usize,
        precision: &str,
        tile: Option<usize>,
        overlap: Option<usize>,
        memory: u64,
        strength: Option<f32>,
    ) -> PyResult<Self> {
        let made = py.detach(|| -> Result<Restorer, Failure> {
            let model = zoo::open(model)?;
            // -0 means 0, as on the command line.
            let strength = strength.or(model.card().strength).unwrap_or(1.0) + 0.0;
            let settings = settings(device, threads, precision, tile, overlap, memory, strength)?;
            Ok(Restorer::new(model, settings)?)
        });
        made.map(|restorer| Self { restorer: Arc::new(restorer) }).map_err(|e| e.raise(py))
    }

    /// Writes the residuals of `images` `[image, channel, row, column]` into `out`. Pixels that are False in `valid`
    /// `[image, row, column]` get exactly 0. For a model of neighbouring slices `images` are stacks `[stack, slice, row, column]`,
    /// and `valid` is that of their slices, stack by stack.
    fn residuals<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyArray4<f32>>,
        valid: Option<&Bound<'py, PyArray3<bool>>>,
        out: &Bound<'py, PyArray4<f32>>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let images: PyReadonlyArray4<'_, f32> = images.readonly();
        let valid: Option<PyReadonlyArray3<'_, bool>> = valid.map(|valid| valid.readonly());
        let mut out: PyReadwriteArray4<'_, f32> = out.readwrite();
        let valid = valid.as_ref().map(|valid| valid.as_array());
        restore_stack(py, &self.restorer, images.as_array(), valid, out.as_array_mut(), progress)
    }

    /// The plan of tiles for images of this extent, in words.
    fn plan(&self, py: Python<'_>, rows: usize, columns: usize) -> PyResult<String> {
        let shape = Shape { channels: self.restorer.card().input.channels, rows, columns };
        let plan = self.restorer.plan(shape, artir_core::MemoryUse::default());
        plan.map(|plan| plan.describe()).map_err(|e| Failure::from(e).raise(py))
    }

    /// Runtime and device, in words.
    #[getter]
    fn place(&self) -> String {
        self.restorer.place()
    }
}

fn restore_stack<'py>(
    py: Python<'py>,
    restorer: &Arc<Restorer>,
    images: ArrayView4<'_, f32>,
    valid: Option<ArrayView3<'_, bool>>,
    mut out: ArrayViewMut4<'_, f32>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<()> {
    let (stacks, channels, rows, columns) = images.dim();
    let (expected, seen) = (restorer.card().input.channels, restorer.card().input.slices);
    // Every slice is an image of its own, which is seen with its neighbours.
    let (count, slices) = if seen > 1 { (stacks * channels, channels) } else { (stacks, 1) };
    let shape = Shape { channels: expected, rows, columns };
    if (seen == 1 && channels != expected) || out.dim() != images.dim() {
        let (model, found) = (restorer.card().name.clone(), channels);
        return Err(Failure::from(artir_core::Error::Channels { model, expected, found }).raise(py));
    }
    if images.is_empty() {
        return Ok(());
    }
    let counter = Counter::of(shape.pixels() * count as u64);
    let mut watch = Watch::new(py, progress, Arc::clone(&counter));
    let started = py.detach(|| restore::start(restorer, shape, count, &counter));
    let mut worker = started.map_err(|e| Failure::from(e).raise(py))?;
    // The channels that belong to a slice, or to an image, which has all of them.
    let own = |at: usize| if seen > 1 { at..at + 1 } else { 0..channels };
    let slice = |stack: usize, at: usize| Image {
        data: images.slice(s![stack, own(at), .., ..]).to_owned(),
        valid: valid.map(|valid| valid.index_axis(Axis(0), stack * slices + at).to_owned()),
    };
    let item = |number: usize| {
        let (stack, first) = (number / slices, (number % slices) as isize - (seen / 2) as isize);
        let beside = (first..).take(seen).map(|at| slice(stack, mirrored(at, slices)));
        Item::new(number, Image::of_neighbours(beside.collect()))
    };
    let mut take = |item: Item| {
        let (stack, at) = (item.number / slices, item.number % slices);
        out.slice_mut(s![stack, own(at), .., ..]).assign(&item.residual.slice(s![own(seen / 2), .., ..]));
    };
    let ended = exchange(py, &mut worker, count, &item, &mut take, &mut watch);
    if ended.is_err() {
        counter.stop();
    }
    ended.and_then(|()| watch.report())
}

/// Hands images over and takes residuals back, with a look at signals in between.
fn exchange(
    py: Python<'_>,
    worker: &mut Worker,
    count: usize,
    item: &(dyn Fn(usize) -> Item + Sync),
    take: &mut (dyn FnMut(Item) + Send),
    watch: &mut Watch<'_>,
) -> PyResult<()> {
    let (mut given, mut taken, mut pending) = (0, 0, None);
    while taken < count {
        while let Some(to) = &worker.to
            && given < count
        {
            let next = pending.take().unwrap_or_else(|| py.detach(|| item(given)));
            match to.try_send(next) {
                Ok(()) => given += 1,
                Err(TrySendError::Full(next)) => {
                    pending = Some(next);
                    break;
                }
                // Its result tells why.
                Err(TrySendError::Disconnected(_)) => worker.to = None,
            }
        }
        if given == count {
            worker.to = None;
        }
        let from = &mut worker.from;
        match py.detach(move || from.recv_timeout(LOOK)) {
            Ok(Ok(item)) => {
                py.detach(|| take(item));
                taken += 1;
            }
            Ok(Err(e)) => return Err(Failure::from(e).raise(py)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let reason = "the restoring thread ended without a result: an internal fault";
                return Err(Failure::new(ErrorKind::Failed, None, reason).raise(py));
            }
        }
        watch.look()?;
    }
    Ok(())
}

/// Waits for the threads of interrupted calls.
#[pyfunction]
pub(crate) fn wait_for_workers(py: Python<'_>) {
    py.detach(restore::wait);
}

/// Names of the built-in models and of those found in folders.
#[pyfunction]
pub(crate) fn models() -> Vec<String> {
    zoo::names().map(str::to_owned).chain(zoo::found()).collect()
}

/// A model's card as JSON, and its hash.
#[pyfunction]
pub(crate) fn card_of(py: Python<'_>, model: &str) -> PyResult<(String, String)> {
    let found = py.detach(|| -> Result<(String, String), Failure> {
        let model = zoo::open(model)?;
        let text = serde_json::to_string(model.card()).map_err(|e| Failure::new(ErrorKind::Failed, None, e))?;
        Ok((text, model.hash().to_owned()))
    });
    found.map_err(|e| e.raise(py))
}
