//! `artir doctor`: what is installed, found and missing.

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
    line(true, "GDAL", artir_geo::gdal_version());
    for name in zoo::names() {
        match check_model(name) {
            Ok(found) => line(true, "model", format!("{name}: {found}")),
            Err(e) => line(false, "model", format!("{name}: {}", e.message)),
        }
    }
    say!("ok      devices        cpu (this version has no GPU provider)");
    if good {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(Failure::new(artir_core::ErrorKind::Device, "something is missing: see the lines above"))
    }
}

/// Loads a model and runs it once on a small image.
fn check_model(name: &str) -> Result<String, Failure> {
    let model = zoo::open(name)?;
    let session = Session::new(&model, Device::Cpu, 0, Precision::F32)?;
    let channels = model.card().input.channels;
    let begun = std::time::Instant::now();
    session.run(Array4::zeros((1, channels, 64, 64)).view())?;
    Ok(format!("runs, 64x64 in {:.0} ms", begun.elapsed().as_secs_f64() * 1e3))
}
