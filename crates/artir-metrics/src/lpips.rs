//! LPIPS (Zhang et al., CVPR 2018), by a network that the user supplies.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use artir_files::hex;
use ndarray::{ArrayView3, Axis};
use ort::{session::Session, value::TensorRef};
use sha2::{Digest, Sha256};

/// The reason why LPIPS cannot be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LpipsError {
    /// ONNX Runtime is not usable.
    #[error(transparent)]
    Runtime(#[from] artir_core::Error),
    /// The network's file cannot be read.
    #[error("{}: cannot read the LPIPS network: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// ONNX Runtime refuses the network.
    #[error("{}: not a usable LPIPS network: {source}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: ort::Error,
    },
    /// The network's weights lie in other files, which its hash does not count.
    #[error("{}: not a usable LPIPS network: its weights lie in other files, or it is no ONNX file", path.display())]
    Elsewhere {
        /// The file.
        path: PathBuf,
    },
    /// The network has other inputs or outputs than LPIPS.
    #[error("{}: not a usable LPIPS network: it has {inputs} input(s) and {outputs} output(s), not two and one", path.display())]
    Signature {
        /// The file.
        path: PathBuf,
        /// Number of inputs.
        inputs: usize,
        /// Number of outputs.
        outputs: usize,
    },
    /// The images are not two RGB images of one size.
    #[error("LPIPS needs two RGB images of one size, not {result:?} and {reference:?} (channels, rows, columns)")]
    Sizes {
        /// Of the result.
        result: (usize, usize, usize),
        /// Of the reference.
        reference: (usize, usize, usize),
    },
    /// The network failed.
    #[error("the LPIPS network failed: {0}")]
    Inference(#[from] ort::Error),
    /// The network returned something other than one finite number.
    #[error("the LPIPS network returned {0} values, or one that is not finite, instead of one number")]
    Output(usize),
}

impl LpipsError {
    /// The class of the error.
    pub fn kind(&self) -> artir_core::ErrorKind {
        match self {
            Self::Runtime(e) => e.kind(),
            Self::Read { .. }
            | Self::Load { .. }
            | Self::Elsewhere { .. }
            | Self::Signature { .. }
            | Self::Sizes { .. } => artir_core::ErrorKind::Input,
            Self::Inference(_) | Self::Output(_) => artir_core::ErrorKind::Failed,
        }
    }
}

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
    ///
    /// # Errors
    /// [`LpipsError::Runtime`], [`LpipsError::Read`], [`LpipsError::Elsewhere`], [`LpipsError::Load`] and
    /// [`LpipsError::Signature`].
    pub fn open(path: &Path) -> Result<Self, LpipsError> {
        let environment = artir_core::environment()?;
        let bytes = std::fs::read(path).map_err(|source| LpipsError::Read { path: path.to_owned(), source })?;
        if !artir_core::is_self_contained(&bytes) {
            return Err(LpipsError::Elsewhere { path: path.to_owned() });
        }
        let load = |source| LpipsError::Load { path: path.to_owned(), source };
        let session = Session::builder(environment).map_err(load)?.commit_from_memory(&bytes).map_err(load)?;
        let (inputs, outputs) = (session.inputs().len(), session.outputs().len());
        if (inputs, outputs) != (2, 1) {
            return Err(LpipsError::Signature { path: path.to_owned(), inputs, outputs });
        }
        Ok(Self { session: Mutex::new(session), hash: hex(&Sha256::digest(&bytes)) })
    }

    /// SHA-256 of the network's file.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The distance of two RGB images `[3, row, column]` with display values 0 to 1.
    ///
    /// # Errors
    /// [`LpipsError::Sizes`], [`LpipsError::Inference`] and [`LpipsError::Output`].
    pub fn measure(&self, result: ArrayView3<'_, f32>, reference: ArrayView3<'_, f32>) -> Result<f64, LpipsError> {
        if result.dim() != reference.dim() || result.dim().0 != 3 {
            return Err(LpipsError::Sizes { result: result.dim(), reference: reference.dim() });
        }
        let signed = |image: ArrayView3<'_, f32>| image.mapv(|v| v.clamp(0.0, 1.0) * 2.0 - 1.0).insert_axis(Axis(0));
        let (a, b) = (signed(result), signed(reference));
        let (a, b) = (a.as_standard_layout(), b.as_standard_layout());
        let (a, b) = (TensorRef::from_array_view(a.view())?, TensorRef::from_array_view(b.view())?);
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(ort::inputs![a, b])?;
        let (_, values) = outputs[0].try_extract_tensor::<f32>()?;
        match values {
            [one] if one.is_finite() => Ok(f64::from(*one)),
            other => Err(LpipsError::Output(other.len())),
        }
    }
}
