//! `artir doctor`: checks the installation and suggests fixes.

use std::process::ExitCode;

use artir_core::{Device, Precision, Requirement, Session, runtime_path, runtime_version, zoo};
use ndarray::Array4;

use crate::outcome::Failure;

/// How this program was built. Packages are refused by this text if it is not a release build.
const BUILD: &str = if cfg!(debug_assertions) { "artir-build: dev, for tests alone" } else { "artir-build: release" };

/// A reason on a single line, so that the whole list is read at a glance.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn line(mark: &str, what: &str, found: &str) {
    say!("  {mark:<7} {what:<14} {}", one_line(found));
}

pub(crate) fn run() -> Result<ExitCode, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    say!("artir {} ({BUILD}) on {}, {cores} core(s)", artir_core::VERSION, std::env::consts::ARCH);
    say!("required");
    let complete = required();
    say!("optional");
    optional();
    if complete {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(Failure::new(artir_core::ErrorKind::Device, "a required part is missing: see the lines above"))
    }
}

/// The parts without which artir restores nothing. Returns whether all of them work.
fn required() -> bool {
    match (runtime_version(), runtime_path()) {
        (Ok(version), Ok(path)) => line("ok", "ONNX Runtime", &format!("{version}, {}", path.display())),
        (Err(e), _) | (_, Err(e)) => {
            line("MISSING", "ONNX Runtime", &e.to_string());
            // Every model would fail for the same reason.
            return false;
        }
    }
    let mut complete = true;
    for name in zoo::names() {
        match check_model(name, Device::Cpu) {
            Ok(found) => line("ok", "model", &format!("{name}: {found}")),
            Err(e) => {
                line("MISSING", "model", &format!("{name}: {}", e.message));
                complete = false;
            }
        }
    }
    complete
}

fn optional() {
    #[cfg(feature = "geo")]
    line("ok", "GDAL", &format!("{}, for artir geo", artir_geo::gdal_version()));
    #[cfg(not(feature = "geo"))]
    line("absent", "GDAL", "this build of artir is without it, and has neither artir geo nor artir demo");
    let own = zoo::found();
    let folders: Vec<_> = zoo::folders().iter().map(|folder| folder.display().to_string()).collect();
    let (mark, names) = if own.is_empty() { ("absent", "none".into()) } else { ("ok", own.join(", ")) };
    line(mark, "more models", &format!("{names}, in {}", folders.join(", ")));
    let cuda = Device::Cuda(0).requirements();
    let usable = gpu("GPU (cuda)", Device::Cuda(0), &cuda);
    // TensorRT shares CUDA's requirements, which are listed already.
    let mut others = Device::TensorRt(0).requirements();
    others.retain(|requirement| !cuda.contains(requirement));
    if usable {
        gpu("GPU (tensorrt)", Device::TensorRt(0), &others);
    } else {
        line("absent", "GPU (tensorrt)", "needs a GPU that cuda can use");
    }
}

/// Lists the requirements of a GPU that are not met, and tries the device if all are. A machine without a GPU is not an
/// error. Returns whether all requirements are met.
fn gpu(what: &str, device: Device, requirements: &[Requirement]) -> bool {
    let missing: Vec<_> = requirements.iter().filter_map(|r| Some((&r.name, r.found.as_ref().err()?))).collect();
    let Some((name, reason)) = missing.first() else {
        match device {
            // Trying it would build engines for minutes.
            Device::TensorRt(_) => line("ok", what, "all requirements are met; not tried here"),
            _ => match check_model("ct-ldct-t", device) {
                Ok(found) => line("ok", what, &format!("{found}; a test image agrees with the CPU's result")),
                Err(e) => line("absent", what, &e.message),
            },
        }
        return true;
    };
    line("absent", what, &format!("{name}: {reason}"));
    // Without a driver, which comes first, nothing can be said about the GPU, and the other parts do not matter yet.
    if requirements.first().is_some_and(|first| first.name == **name) && device == Device::Cuda(0) {
        return false;
    }
    for (name, reason) in missing.iter().skip(1) {
        line("", "", &format!("{name}: {reason}"));
    }
    false
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
