//! ONNX Runtime's TensorRT provider: its requirements, options, and the folder of its engines.
//!
//! This code has never run: TensorRT's libraries were not available during development. The options are those that
//! onnxruntime-gpu 1.31.1 reads, by name.

use std::path::{Path, PathBuf};

use artir_files::hex;
use artir_ops::cuda::{driver, tensorrt_version};
use ort::{
    ep::{ArbitrarilyConfigurableExecutionProvider, ExecutionProvider, TensorRT},
    session::builder::SessionBuilder,
};
use sha2::{Digest, Sha256};

use super::{Requirement, cuda};
use crate::{directories, error::DeviceError};

const PROVIDER: [&str; 2] = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_tensorrt.so"];
const LIBRARIES: [(&str, &str); 2] =
    [("libnvinfer.so.10", "tensorrt-cu13"), ("libnvonnxparser.so.10", "tensorrt-cu13")];

/// The requirements of TensorRT on this GPU: those of CUDA, and TensorRT's own libraries.
pub(crate) fn requirements(number: u32) -> Vec<Requirement> {
    let mut out = cuda::requirements(number);
    let provider = cuda::provider_requirement(&PROVIDER, TensorRT::is_available);
    out.push(Requirement::new("TensorRT provider of ONNX Runtime", provider));
    out.extend(LIBRARIES.map(|(name, package)| cuda::library_requirement(name, package)));
    out
}

/// The key of an engine. An engine that was built for another key may be wrong, or fail to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Engine {
    /// The model's hash.
    pub(crate) model: String,
    /// Images, channels, rows, columns.
    pub(crate) shape: [usize; 4],
    /// Precision of its sums.
    pub(crate) precision: &'static str,
    /// TensorRT's version.
    pub(crate) version: String,
    /// The GPU's name and compute capability.
    pub(crate) gpu: String,
}

impl Engine {
    /// An engine of this machine's TensorRT for a GPU of it.
    ///
    /// # Errors
    /// Errors of the driver and the library.
    pub(crate) fn of_this_machine(model: &str, shape: [usize; 4], number: u32) -> Result<Self, DeviceError> {
        let version = tensorrt_version()?;
        let found = driver()?;
        let gpu = found.gpus.get(number as usize).ok_or(DeviceError::NoGpu(number))?;
        let (major, minor) = gpu.capability;
        let gpu = format!("{} {major}.{minor}", gpu.name);
        Ok(Self { model: model.to_owned(), shape, precision: "f32", version, gpu })
    }

    /// The folder, below `cache`, that holds this engine and no other.
    pub(crate) fn folder(&self, cache: &Path) -> PathBuf {
        let Self { model, shape: [n, c, h, w], precision, version, gpu } = self;
        // An engine keeps the rounding that it was built with.
        let tf32 = std::env::var("NVIDIA_TF32_OVERRIDE").unwrap_or_default();
        let key = format!("{model}\n{n}x{c}x{h}x{w}\n{precision}\n{version}\n{gpu}\n{tf32}");
        cache.join(hex(&Sha256::digest(key)[..16]))
    }

    /// The provider's options.
    fn options(&self, number: u32, cache: &Path) -> Vec<(&'static str, String)> {
        let folder = self.folder(cache).display().to_string();
        let [n, c, h, w] = self.shape;
        let shape = format!("image:{n}x{c}x{h}x{w}");
        vec![
            ("device_id", number.to_string()),
            ("trt_engine_cache_enable", "1".into()),
            ("trt_engine_cache_path", folder.clone()),
            ("trt_timing_cache_enable", "1".into()),
            ("trt_timing_cache_path", folder),
            // One shape: TensorRT chooses its kernels for it, and builds no engine on the way.
            ("trt_profile_min_shapes", shape.clone()),
            ("trt_profile_opt_shapes", shape.clone()),
            ("trt_profile_max_shapes", shape),
            ("trt_fp16_enable", "0".into()),
            // TensorRT has no such operator, so the node runs on artir's CUDA operator.
            ("trt_op_types_to_exclude", "DynamicLargeKernel".into()),
        ]
    }
}

/// The folder of all engines: `tensorrt` in artir's cache folder.
pub(crate) fn cache() -> PathBuf {
    directories::cache().unwrap_or_else(|| std::env::temp_dir().join("artir")).join("tensorrt")
}

/// Registers providers and operators for a session on a GPU. TensorRT runs the nodes that it supports, CUDA the others.
/// Blocks are standard operators there, for TensorRT to fuse.
///
/// # Errors
/// Errors of ONNX Runtime or the file system.
pub(crate) fn equip(
    builder: SessionBuilder,
    number: u32,
    engine: &Engine,
    cache: &Path,
) -> Result<SessionBuilder, DeviceError> {
    if std::env::var_os("NVIDIA_TF32_OVERRIDE").is_none_or(|value| value != "0") {
        tracing::warn!("TensorRT may round factors to the 11 bits of TF32: set NVIDIA_TF32_OVERRIDE=0 to keep 24");
    }
    let folder = engine.folder(cache);
    std::fs::create_dir_all(&folder).map_err(|source| DeviceError::Engines { path: folder.clone(), source })?;
    let mut tensorrt = TensorRT::default();
    for (key, value) in engine.options(number, cache) {
        tensorrt = tensorrt.with_arbitrary_config(key, value);
    }
    let mut builder = builder
        .with_execution_providers([tensorrt.build().error_on_failure(), cuda::provider(number)])
        .map_err(ort::Error::from)?;
    for (name, size) in ["N", "H", "W"].into_iter().zip([engine.shape[0], engine.shape[2], engine.shape[3]]) {
        builder =
            builder.with_dimension_override(name, i64::try_from(size).unwrap_or(i64::MAX)).map_err(ort::Error::from)?;
    }
    artir_ops::register_cuda(&mut builder, artir_ops::CudaOperators::LargeKernel)?;
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> Engine {
        Engine {
            model: "abc".into(),
            shape: [4, 1, 512, 256],
            precision: "f32",
            version: "10.13.0".into(),
            gpu: "Test 9.0".into(),
        }
    }

    #[test]
    fn whatever_an_engine_depends_on_gives_it_another_folder() {
        let cache = Path::new("/cache");
        let one = engine().folder(cache);
        assert_eq!(one, engine().folder(cache));
        assert_eq!(one.parent(), Some(cache));
        for other in [
            Engine { model: "xyz".into(), ..engine() },
            Engine { shape: [4, 1, 256, 512], ..engine() },
            Engine { shape: [1, 1, 512, 256], ..engine() },
            Engine { precision: "f16", ..engine() },
            Engine { version: "10.13.1".into(), ..engine() },
            Engine { gpu: "Test 8.6".into(), ..engine() },
        ] {
            assert_ne!(one, other.folder(cache), "{other:?}");
        }
    }

    #[test]
    fn options_fix_the_shape_keep_engines_and_leave_the_large_kernel_out() {
        let cache = Path::new("/cache");
        let options = engine().options(3, cache);
        let value = |key: &str| options.iter().find(|(k, _)| *k == key).map(|(_, v)| v.as_str());
        assert_eq!(value("device_id"), Some("3"));
        for bound in ["min", "opt", "max"] {
            assert_eq!(value(&format!("trt_profile_{bound}_shapes")), Some("image:4x1x512x256"));
        }
        assert_eq!(value("trt_engine_cache_enable"), Some("1"));
        assert_eq!(value("trt_engine_cache_path"), engine().folder(cache).to_str());
        assert_eq!(value("trt_op_types_to_exclude"), Some("DynamicLargeKernel"));
        assert_eq!(value("trt_fp16_enable"), Some("0"));
    }
}
