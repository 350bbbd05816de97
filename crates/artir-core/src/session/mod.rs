//! An ONNX Runtime session over a model.

mod agreement;
mod gpu;
mod plain;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use ndarray::{Array4, ArrayView4};
use ort::{
    session::{
        Session as OrtSession,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
    value::TensorRef,
};

use artir_ops::Precision;

pub use self::plain::standard_operators;

use crate::{
    Device, Error, Model, NodePlacement, Provider, TilePlan,
    error::{InferenceError, ModelFault, RuntimeError},
    runtime,
};

/// A model, ready to run. Calls from several threads take turns.
pub struct Session {
    inner: Mutex<Inner>,
    provider: Provider,
    precision: Precision,
    channels: usize,
    /// Known results of the memory test by rows and columns.
    held: Mutex<HashMap<(usize, usize), bool>>,
}

enum Inner {
    Cpu(OrtSession),
    Gpu(gpu::Gpu),
}

/// Threads; 0 uses every core.
pub(crate) fn threads_or_all(threads: usize) -> usize {
    if threads == 0 { std::thread::available_parallelism().map_or(1, usize::from) } else { threads }
}

/// Options that every session has.
fn options(threads: usize) -> Result<SessionBuilder, Arc<RuntimeError>> {
    let environment = runtime::loaded_environment()?;
    let failed = |e: ort::Error<SessionBuilder>| Arc::new(RuntimeError::Refused(e.into()));
    OrtSession::builder(environment)
        .map_err(|e| Arc::new(RuntimeError::Refused(e)))?
        .with_intra_threads(threads)
        .map_err(failed)?
        .with_inter_threads(1)
        .map_err(failed)?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(failed)?
        // Memory patterns keep a second block in addition to those of the first run: twice the memory from the
        // second tile on, without any gain in speed.
        .with_memory_pattern(false)
        .map_err(failed)
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("provider", &self.provider).finish_non_exhaustive()
    }
}

impl Session {
    /// Loads a model on a device, with artir's operators registered. `threads` is the number of
    /// threads of one run; 0 takes every core. Fast precision where the processor has no instructions for it, or on a
    /// GPU, is f32, with a warning: see [`Session::precision`]. A GPU is used only if its
    /// result on a test image agrees with the CPU's.
    pub fn new(model: &Model, device: Device, threads: usize, precision: Precision) -> Result<Self, Error> {
        let provider = Provider::resolve(device)?;
        runtime::environment()?;
        let threads = threads_or_all(threads);
        let channels = model.card().input.channels;
        if provider.is_gpu() {
            match Self::on_gpu(model, provider, threads) {
                // `auto` may fall back, since the user did not name this device.
                Err(e) if device == Device::Auto => tracing::warn!("device auto: cpu, since {e}"),
                made => {
                    if made.is_ok() && precision == Precision::Fast {
                        tracing::warn!("fast precision: on a GPU the network runs in f32");
                    }
                    return made;
                }
            }
        }
        let provider = Provider::Cpu;
        let damaged = |source| Error::ModelDamaged { name: model.name().to_owned(), source };
        let refused = |e: ort::Error| Arc::new(RuntimeError::Refused(e));
        let mut builder = options(threads)?
            .with_config_entry(artir_ops::THREADS_OPTION, threads.to_string())
            .map_err(|e| refused(e.into()))?;
        let precision = available(precision);
        if precision == Precision::Fast {
            builder = builder.with_config_entry(artir_ops::PRECISION_OPTION, "fast").map_err(|e| refused(e.into()))?;
        }
        artir_ops::register(&mut builder).map_err(|e| Arc::new(RuntimeError::Unknown(e)))?;
        let session = builder.commit_from_memory(model.bytes()).map_err(|e| damaged(e.into()))?;
        let (inputs, outputs) = (session.inputs().len(), session.outputs().len());
        if (inputs, outputs) != (1, 1) {
            return Err(damaged(ModelFault::Signature { inputs, outputs }));
        }
        Ok(Self { inner: Mutex::new(Inner::Cpu(session)), provider, precision, channels, held: Mutex::default() })
    }

    /// A session on a GPU, whose result must agree with the CPU's: see `agreement`.
    fn on_gpu(model: &Model, provider: Provider, threads: usize) -> Result<Self, Error> {
        let channels = model.card().input.channels;
        let inner = Mutex::new(Inner::Gpu(gpu::Gpu::new(provider, model, threads)?));
        let made = Self { inner, provider, precision: Precision::F32, channels, held: Mutex::default() };
        let picture = agreement::picture(channels);
        let cpu = Self::new(model, Device::Cpu, threads, Precision::F32)?.run(picture.view())?;
        let objection = agreement::objection(&picture, &cpu, &made.run(picture.view())?);
        match objection {
            Some(source) => Err(Error::Device { device: provider.name().into(), source }),
            None => Ok(made),
        }
    }

    /// The provider that the session runs on.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// The precision that the session runs in.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Runs the network on `[image, channel, row, column]` in network units; rows and columns must
    /// be multiples of the card's stride. The output has the input's shape.
    pub fn run(&self, input: ArrayView4<'_, f32>) -> Result<Array4<f32>, Error> {
        let failed = |e: ort::Error| Error::from(InferenceError::from(e));
        let (found, expected) = (input.dim().1, self.channels);
        if found != expected {
            return Err(InferenceError::Channels { expected, found }.into());
        }
        // A run that panicked leaves the session as it was: ONNX Runtime keeps no state in it.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let session = match &mut *inner {
            Inner::Cpu(session) => session,
            Inner::Gpu(gpu) => return gpu.run(input),
        };
        let input = input.as_standard_layout();
        let tensor = TensorRef::from_array_view(input.view()).map_err(failed)?;
        let outputs = session.run(ort::inputs![tensor]).map_err(failed)?;
        let output = outputs[0].try_extract_array::<f32>().map_err(failed)?;
        if output.shape() != input.shape() {
            let (expected, found) = (input.shape().to_vec(), output.shape().to_vec());
            return Err(InferenceError::Shape { expected, found }.into());
        }
        Ok(output.to_owned().into_dimensionality()?)
    }

    /// Whether the device's memory holds a run on one image of this many rows and columns. Always true on the CPU, where
    /// the tile plan respects the memory limit.
    pub(crate) fn holds(&self, rows: usize, columns: usize) -> Result<bool, Error> {
        if !self.provider.is_gpu() {
            return Ok(true);
        }
        // Tested once per size: the plan must not change during a series or a scene.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = held.get(&(rows, columns)) {
            return Ok(*known);
        }
        let holds = match self.run(Array4::zeros((1, self.channels, rows, columns)).view()) {
            Ok(_) => true,
            Err(Error::DeviceMemory { .. }) => false,
            Err(e) => return Err(e),
        };
        held.insert((rows, columns), holds);
        Ok(holds)
    }

    /// The batch size for a plan's tiles: enough pixels to fill a GPU. It is 1 on the CPU, whose threads a single tile keeps
    /// busy, and with TensorRT, which would build an engine for every batch size.
    pub(crate) fn batch(&self, plan: &TilePlan) -> usize {
        const PIXELS_AT_ONCE: usize = 2 << 20;
        let size = |spans: &[crate::Span]| spans.iter().map(|span| span.padded).max().unwrap_or(1).max(1);
        let pixels = size(&plan.rows) * size(&plan.columns);
        if let Provider::Cuda(_) = self.provider { (PIXELS_AT_ONCE / pixels).max(1) } else { 1 }
    }

    /// The placement of nodes on providers for one image of this size. It is empty for a session on the CPU, where all
    /// nodes run on one provider.
    ///
    /// # Errors
    /// Errors of ONNX Runtime.
    pub fn placement(&self, rows: usize, columns: usize) -> Result<Vec<NodePlacement>, Error> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *inner {
            Inner::Cpu(_) => Ok(Vec::new()),
            Inner::Gpu(gpu) => gpu.placement([1, self.channels, rows, columns]),
        }
    }
}

/// The requested precision, or f32 if this processor does not support it.
fn available(asked: Precision) -> Precision {
    if asked == Precision::Fast && !asked.gains() {
        tracing::warn!("fast precision: this processor is no faster with bfloat16; running in f32");
        return Precision::F32;
    }
    asked
}
