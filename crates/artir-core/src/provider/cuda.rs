//! ONNX Runtime's CUDA provider: its requirements and options.

use std::path::Path;

use artir_ops::cuda::{Driver, driver, library_loads};
use ort::{
    ep::{CUDA, ExecutionProvider, ExecutionProviderDispatch, cuda::ConvAlgorithmSearch},
    session::builder::SessionBuilder,
};

use super::Requirement;
use crate::{
    error::{DeviceError, Missing},
    runtime,
};

/// The CUDA version that onnxruntime-gpu 1.31.1 and the kernels' PTX are made for.
const CUDA: (u32, u32) = (13, 0);
/// The oldest architecture that CUDA 13 supports: Turing.
const CAPABILITY: (u32, u32) = (7, 5);
/// Files of the runtime in the folder of its main library.
const PROVIDER: [&str; 2] = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];
/// CUDA libraries that the provider uses, and the PyPI package of each. The provider is linked to four of them and loads
/// cuDNN on first use.
const LIBRARIES: [(&str, &str); 5] = [
    ("libcudart.so.13", "nvidia-cuda-runtime"),
    ("libcublasLt.so.13", "nvidia-cublas"),
    ("libcublas.so.13", "nvidia-cublas"),
    ("libcurand.so.10", "nvidia-curand"),
    ("libcudnn.so.9", "nvidia-cudnn-cu13"),
];

/// The requirements of CUDA on this GPU.
pub(crate) fn requirements(number: u32) -> Vec<Requirement> {
    let found = driver().map_err(|e| Missing(e.to_string()));
    let mut out = vec![
        Requirement::new("NVIDIA driver", driver_requirement(&found)),
        Requirement::new(format!("GPU {number}"), gpu_requirement(&found, number)),
        Requirement::new("CUDA provider of ONNX Runtime", provider_requirement(&PROVIDER, CUDA::is_available)),
    ];
    out.extend(LIBRARIES.map(|(name, package)| library_requirement(name, package)));
    out
}

fn driver_requirement(found: &Result<Driver, Missing>) -> Result<String, Missing> {
    match found {
        Ok(driver) if driver.version >= CUDA => Ok(format!("for CUDA {}.{}", driver.version.0, driver.version.1)),
        Ok(driver) => Err(Missing(format!(
            "it supports CUDA {}.{}, but {}.{} is required: install NVIDIA's driver 580 or later",
            driver.version.0, driver.version.1, CUDA.0, CUDA.1
        ))),
        Err(reason) => Err(Missing(format!("{reason}: install NVIDIA's driver 580 or later"))),
    }
}

fn gpu_requirement(found: &Result<Driver, Missing>, number: u32) -> Result<String, Missing> {
    let Ok(driver) = found else { return Err(Missing("unknown: there is no NVIDIA driver to ask".into())) };
    let count = driver.gpus.len();
    let gpu = driver
        .gpus
        .get(number as usize)
        .ok_or_else(|| format!("not found: the driver lists {count} GPU(s), numbered from 0"))?;
    let (major, minor) = gpu.capability;
    let what = format!("{}, {} MiB, compute capability {major}.{minor}", gpu.name, gpu.memory >> 20);
    if gpu.capability >= CAPABILITY {
        Ok(what)
    } else {
        Err(Missing(format!("too old: {what}; {}.{} or later is required", CAPABILITY.0, CAPABILITY.1)))
    }
}

/// Checks that the loaded runtime has a provider: its files exist and it lists the provider.
pub(super) fn provider_requirement(
    files: &[&str],
    is_available: impl FnOnce() -> ort::Result<bool>,
) -> Result<String, Missing> {
    const MEND: &str = "run scripts/bootstrap.sh --gpu";
    let path = runtime::runtime_path().map_err(|e| format!("none: {e}"))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    if let Some(missing) = files.iter().find(|name| !folder.join(name).is_file()) {
        return Err(Missing(format!("{missing} is missing in the folder of {}: {MEND}", path.display())));
    }
    match is_available() {
        Ok(true) => Ok(folder.display().to_string()),
        Ok(false) => Err(Missing(format!("{} was built without it: {MEND}", path.display()))),
        Err(e) => Err(Missing(format!("unknown: {e}"))),
    }
}

/// Checks that the loader finds a library.
pub(super) fn library_requirement(name: &str, package: &str) -> Requirement {
    let found = library_loads(name).map(|()| "found".to_owned());
    let advice = format!("install CUDA 13, or pip install {package} and put its folder into LD_LIBRARY_PATH");
    Requirement::new(name, found.map_err(|e| Missing(format!("{e}: {advice}"))))
}

/// The provider with artir's options.
pub(crate) fn provider(number: u32) -> ExecutionProviderDispatch {
    CUDA::default()
        .with_device_id(i32::try_from(number).unwrap_or(i32::MAX))
        // The user expects single precision, as on the CPU. TF32 keeps only eleven bits of the mantissa.
        .with_tf32(false)
        // The exhaustive search chooses by measured time, so two runs could differ in their last bits.
        .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
        .build()
        .error_on_failure()
}

/// Registers provider and operators with a session that is to run on a GPU through CUDA alone.
///
/// # Errors
/// Errors of ONNX Runtime.
pub(crate) fn equip(builder: SessionBuilder, number: u32) -> Result<SessionBuilder, DeviceError> {
    let mut builder = builder.with_execution_providers([provider(number)]).map_err(ort::Error::from)?;
    artir_ops::register_cuda(&mut builder, artir_ops::CudaOperators::All)?;
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use artir_ops::cuda::Gpu;

    use super::*;

    fn machine(version: (u32, u32), capability: (u32, u32)) -> Result<Driver, Missing> {
        let gpu = Gpu { name: "Test".into(), memory: 8 << 30, capability };
        Ok(Driver { version, gpus: vec![gpu] })
    }

    #[test]
    fn drivers_and_gpus_are_judged_by_their_versions() {
        assert_eq!(driver_requirement(&machine((13, 2), (9, 0))).unwrap(), "for CUDA 13.2");
        let old = driver_requirement(&machine((12, 8), (9, 0))).unwrap_err().to_string();
        assert!(old.contains("12.8") && old.contains("13.0") && old.contains("580"), "{old}");
        assert!(driver_requirement(&Err(Missing("no driver".into()))).unwrap_err().0.starts_with("no driver"));

        assert!(gpu_requirement(&machine((13, 0), (7, 5)), 0).unwrap().contains("8192 MiB, compute capability 7.5"));
        assert!(gpu_requirement(&machine((13, 0), (7, 0)), 0).unwrap_err().0.contains("7.5 or later"));
        assert!(gpu_requirement(&machine((13, 0), (9, 0)), 1).unwrap_err().0.contains("lists 1 GPU(s)"));
    }

    #[test]
    fn a_provider_that_is_not_there_is_named_with_its_place() {
        let missing =
            provider_requirement(&["libonnxruntime_providers_nowhere.so"], || Ok(true)).unwrap_err().to_string();
        assert!(missing.contains("libonnxruntime_providers_nowhere.so is missing in the folder of"), "{missing}");
        assert!(missing.contains("bootstrap.sh --gpu"), "{missing}");
        assert!(provider_requirement(&[], || Ok(false)).unwrap_err().0.contains("built without it"));
        assert!(provider_requirement(&[], || Ok(true)).is_ok());
    }
}
