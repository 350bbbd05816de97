//! LPIPS (Zhang et al., CVPR 2018), by a network that the user supplies.

use std::{path::Path, sync::Mutex, sync::PoisonError};

use ndarray::{ArrayView3, Axis};
use ort::{session::Session, value::TensorRef};
use sha2::{Digest, Sha256};

use crate::{Error, runtime};

/// A learned perceptual distance; lower is better.
///
/// The file is an ONNX graph with two inputs, result and reference, `[1, 3, H, W]` with values from -1 to 1, and one
/// output that holds a single number. artir ships none: the published weights have a licence of their own.
#[derive(Debug)]
pub struct Lpips {
    session: Mutex<Session>,
    hash: String,
}

impl Lpips {
    /// Loads the network.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let environment = runtime::environment()?;
        let damaged = |reason: String| Error::ModelDamaged { name: path.display().to_string(), reason };
        let bytes = std::fs::read(path).map_err(|source| Error::ModelRead { path: path.to_owned(), source })?;
        let made = Session::builder(environment).map_err(|e| Error::Runtime { reason: e.to_string() })?;
        let mut made = made;
        let session = made.commit_from_memory(&bytes).map_err(|e| damaged(e.to_string()))?;
        if session.inputs().len() != 2 || session.outputs().len() != 1 {
            return Err(damaged("an LPIPS network has two inputs and one output".into()));
        }
        let hash = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        Ok(Self { session: Mutex::new(session), hash })
    }

    /// SHA-256 of the network's file.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The distance of two RGB images `[3, row, column]` with display values 0 to 1.
    pub fn measure(&self, result: ArrayView3<'_, f32>, reference: ArrayView3<'_, f32>) -> Result<f64, Error> {
        let failed = |e: ort::Error| Error::Inference(e.to_string());
        if result.dim() != reference.dim() || result.dim().0 != 3 {
            return Err(Error::Inference("LPIPS needs two RGB images of one size".into()));
        }
        let signed = |image: ArrayView3<'_, f32>| image.mapv(|v| v.clamp(0.0, 1.0) * 2.0 - 1.0).insert_axis(Axis(0));
        let (a, b) = (signed(result), signed(reference));
        let (a, b) = (a.as_standard_layout(), b.as_standard_layout());
        let a = TensorRef::from_array_view(a.view()).map_err(failed)?;
        let b = TensorRef::from_array_view(b.view()).map_err(failed)?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(ort::inputs![a, b]).map_err(failed)?;
        let (_, values) = outputs[0].try_extract_tensor::<f32>().map_err(failed)?;
        match values {
            [one] if one.is_finite() => Ok(f64::from(*one)),
            other => Err(Error::Inference(format!("the LPIPS network gave {} values", other.len()))),
        }
    }
}
