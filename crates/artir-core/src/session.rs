//! An ONNX Runtime session over a model.

use std::sync::{Mutex, PoisonError};

use ndarray::{Array4, ArrayView4};
use ort::{
    session::{Session as OrtSession, builder::GraphOptimizationLevel},
    value::TensorRef,
};

use artir_ops::{Instructions, Precision};

use crate::{Device, Error, Model, Provider, runtime};

/// A model, ready to run. Calls from several threads take turns.
pub struct Session {
    inner: Mutex<OrtSession>,
    provider: Provider,
    precision: Precision,
    channels: usize,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("provider", &self.provider).finish_non_exhaustive()
    }
}

impl Session {
    /// Loads a model on a device, with artir's operators registered. `threads` is the number of
    /// threads of one run; 0 takes every core. Fast precision where the processor has no instructions for it is f32,
    /// with a warning: see [`Session::precision`].
    pub fn new(model: &Model, device: Device, threads: usize, precision: Precision) -> Result<Self, Error> {
        let provider = Provider::resolve(device)?;
        let environment = runtime::environment()?;
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        let damaged = |reason: String| Error::ModelDamaged { name: model.card().name.clone(), reason };
        let failed = |e: ort::Error<_>| damaged(e.to_string());
        let mut builder = OrtSession::builder(environment)
            .map_err(|e| Error::Runtime { reason: e.to_string() })?
            .with_intra_threads(threads)
            .map_err(failed)?
            .with_inter_threads(1)
            .map_err(failed)?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(failed)?
            // A pattern learnt from the first run is one block beside the blocks of that run: twice the memory from the
            // second tile on, and no time won.
            .with_memory_pattern(false)
            .map_err(failed)?;
        let precision = available(precision);
        if precision == Precision::Fast {
            builder = builder.with_config_entry(artir_ops::PRECISION_OPTION, "fast").map_err(failed)?;
        }
        artir_ops::register(&mut builder).map_err(|e| Error::Runtime { reason: e.to_string() })?;
        let session =
            builder.commit_from_memory(model.bytes()).map_err(|e| damaged(format!("ONNX Runtime refuses it: {e}")))?;
        if session.inputs().len() != 1 || session.outputs().len() != 1 {
            return Err(damaged("it must have one input and one output".into()));
        }
        Ok(Self { inner: Mutex::new(session), provider, precision, channels: model.card().input.channels })
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
        let failed = |e: ort::Error| Error::Inference(e.to_string());
        if input.dim().1 != self.channels {
            return Err(Error::Inference(format!(
                "{} channels given to a network of {}",
                input.dim().1,
                self.channels
            )));
        }
        let input = input.as_standard_layout();
        let tensor = TensorRef::from_array_view(input.view()).map_err(failed)?;
        // A run that panicked leaves the session as it was: ONNX Runtime keeps no state in it.
        let mut session = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(ort::inputs![tensor]).map_err(failed)?;
        let output = outputs[0].try_extract_array::<f32>().map_err(failed)?;
        if output.shape() != input.shape() {
            return Err(Error::Inference(format!("the network gave {:?} for {:?}", output.shape(), input.shape())));
        }
        output.to_owned().into_dimensionality().map_err(|e| Error::Inference(e.to_string()))
    }
}

/// What of the asked precision this processor can do.
fn available(asked: Precision) -> Precision {
    if asked == Precision::Fast && Instructions::fast().is_none() {
        tracing::warn!("--precision fast: this processor has no AVX512-BF16; running in f32");
        return Precision::F32;
    }
    asked
}
