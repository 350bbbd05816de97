//! Finding and loading ONNX Runtime, once in a process.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use ort::environment::Environment;

use crate::Error;

/// The file name that the pinned wheel ships.
const FILE: &str = "libonnxruntime.so.1.31.1";

struct Loaded {
    environment: Environment,
    path: PathBuf,
}

/// The environment, or the reason why there is none.
static LOADED: OnceLock<Result<Loaded, String>> = OnceLock::new();

/// Where ONNX Runtime is looked for, in this order: beside the executable, in `../lib/artir` seen
/// from it, in `.runtime` of the source checkout that the executable was built in,
/// `ORT_DYLIB_PATH`, and artir's data folder (`$XDG_DATA_HOME/artir` or `~/.local/share/artir`).
fn candidates() -> Vec<PathBuf> {
    let mut out = Vec::new();
    if let Some(dir) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
        out.push(dir.join(FILE));
        out.push(dir.join("../lib/artir").join(FILE));
        // target/PROFILE/artir, and target/PROFILE/deps/TEST
        out.extend(dir.ancestors().skip(2).take(2).map(|d| d.join(".runtime").join(FILE)));
    }
    out.extend(std::env::var_os("ORT_DYLIB_PATH").filter(|v| !v.is_empty()).map(PathBuf::from));
    let data = std::env::var_os("XDG_DATA_HOME")
        .filter(|v| !v.is_empty())
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".local/share")));
    out.extend(data.map(|d| d.join("artir").join(FILE)));
    out
}

fn load() -> Result<Loaded, String> {
    let candidates = candidates();
    let path = candidates.iter().find(|p| p.is_file()).ok_or_else(|| {
        let places: Vec<_> = candidates.iter().map(|p| p.display().to_string()).collect();
        format!("it is in none of {}", places.join(", "))
    })?;
    let environment = ort::init_from(path)
        .map_err(|e| format!("{e:?}"))?
        .with_name("artir")
        .with_telemetry(false)
        .build()
        .map_err(|e| e.to_string())?;
    environment.set_log_level(ort::logging::LogLevel::Error);
    Ok(Loaded { environment, path: path.clone() })
}

fn loaded() -> Result<&'static Loaded, Error> {
    LOADED.get_or_init(load).as_ref().map_err(|reason| Error::Runtime { reason: reason.clone() })
}

/// ONNX Runtime's environment, of which a process has one: for tools that make sessions of their own.
///
/// # Errors
/// [`Error::Runtime`] when ONNX Runtime is not found or does not load.
pub fn environment() -> Result<&'static Environment, Error> {
    loaded().map(|l| &l.environment)
}

/// The library that is loaded.
pub fn runtime_path() -> Result<&'static Path, Error> {
    loaded().map(|l| l.path.as_path())
}

/// The version of ONNX Runtime that is loaded, such as `1.31.1`.
pub fn runtime_version() -> Result<String, Error> {
    loaded()?;
    // "ORT Build Info: git-branch=..., git-commit-id=..., build type=..., ..." names no version,
    // but the file's name does: the one that artir pins, or what the user's own file says.
    let name = runtime_path()?.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(name.split_once(".so.").map_or(name.clone(), |(_, version)| version.to_owned()))
}
