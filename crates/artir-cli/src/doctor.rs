//! `artir doctor`: checks the installation and suggests fixes.

use std::process::ExitCode;

use artir_core::{Device, Precision, Session, runtime_path, runtime_version, zoo};
use ndarray::Array4;

use crate::outcome::Failure;

pub(crate) fn run() -> Result<ExitCode, Failure> {
    let mut good = true;
    let mut line = |ok: bool, what: &str, found: String| {
        good &= ok;
        say!("{} {what:<14} {found}", if ok { "ok     " } else { "MISSING" });
    };
    line(true, "artir", artir_core::VERSION.into());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    line(true, "processor", format!("{cores} core(s), {}", std::env::consts::ARCH));
    match (runtime_version(), runtime_path()) {
        (Ok(version), Ok(path)) => line(true, "ONNX Runtime", format!("{version}, {}", path.display())),
        (Err(e), _) | (_, Err(e)) => line(false, "ONNX Runtime", e.to_string()),
    }
    #[cfg(feature = "geo")]
    line(true, "GDAL", artir_geo::gdal_version());
    for name in zoo::names() {
        match check_model(name, Device::Cpu) {
            Ok(found) => line(true, "model", format!("{name}: {found}")),
            Err(e) => line(false, "model", format!("{name}: {}", e.message)),
        }
    }
    line(true, "device cpu", "yes".into());
    gpu("device cuda", Device::Cuda(0));
    gpu("device tensorrt", Device::TensorRt(0));
    if good {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(Failure::new(artir_core::ErrorKind::Device, "a required part is missing: see the lines above"))
    }
}

/// Lists the requirements of a GPU, met and unmet. A machine without a GPU is not an error.
fn gpu(what: &str, device: Device) {
    let requirements = device.requirements();
    let complete = requirements.iter().all(|requirement| requirement.found.is_ok());
    let (mark, answer) = match (complete, device) {
        (false, _) => ("absent ", "no, since requirements are missing:".into()),
        // Trying it would build engines for minutes.
        (true, Device::TensorRt(_)) => ("ok     ", "all requirements are met; not tried here".into()),
        (true, _) => match check_model("ct-ldct-t", device) {
            Ok(found) => ("ok     ", format!("yes: {found}; a test image agrees with the CPU's result")),
            Err(e) => ("absent ", format!("no: {}", e.message)),
        },
    };
    say!("{mark} {what:<14} {answer}");
    // TensorRT shares CUDA's requirements, so they are listed once.
    let shown = if device == Device::Cuda(0) { Vec::new() } else { Device::Cuda(0).requirements() };
    for requirement in requirements.into_iter().filter(|requirement| !shown.contains(requirement)) {
        match requirement.found {
            Ok(found) => say!("          has     {}: {found}", requirement.name),
            Err(reason) => say!("          lacks   {}: {reason}", requirement.name),
        }
    }
}

/// Loads a model and runs it once on a small image.
fn check_model(name: &str, device: Device) -> Result<String, Failure> {
    let model = zoo::open(name)?;
    let session = Session::new(&model, device, 0, Precision::F32)?;
    let channels = model.card().input.channels;
    let begun = std::time::Instant::now();
    session.run(Array4::zeros((1, channels, 64, 64)).view())?;
    Ok(format!("runs, 64x64 in {:.0} ms", begun.elapsed().as_secs_f64() * 1e3))
}
