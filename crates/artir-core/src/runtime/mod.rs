//! Finding and loading ONNX Runtime, once in a process.

mod search;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use artir_ops::switch_off_telemetry;
use ort::environment::Environment;

pub use self::search::RuntimeSearch;
use crate::{Error, error::RuntimeError};

/// The oldest ONNX Runtime that the API table of `ort`'s feature `api-18` is in.
const OLDEST: (u32, u32) = (1, 18);

struct Loaded {
    environment: Environment,
    path: PathBuf,
    version: String,
}

/// The search of this process, once it is chosen.
static SEARCH: OnceLock<RuntimeSearch> = OnceLock::new();

/// Chooses where ONNX Runtime is searched for, in place of [`RuntimeSearch::of_this_process`]. Call it before anything
/// else that needs the runtime.
///
/// # Errors
/// [`Error::Runtime`] when the search was chosen before, or has already run.
pub fn search_runtime(search: RuntimeSearch) -> Result<(), Error> {
    SEARCH.set(search).map_err(|_| Arc::new(RuntimeError::TooLate).into())
}

/// The environment, or the reason why there is none.
static LOADED: OnceLock<Result<Loaded, Arc<RuntimeError>>> = OnceLock::new();

fn load() -> Result<Loaded, RuntimeError> {
    switch_off_telemetry();
    let path = SEARCH.get_or_init(RuntimeSearch::of_this_process).find()?;
    let version = usable_version(&path)?;
    let environment = ort::init_from(&path)?.with_name("artir").with_telemetry(false).build()?;
    environment.set_log_level(ort::logging::LogLevel::Error);
    Ok(Loaded { environment, path, version })
}

/// The version that the library reports, if artir can use it.
fn usable_version(path: &Path) -> Result<String, RuntimeError> {
    let version = artir_ops::runtime_version(path)?;
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    let (major, minor) = (numbers.next().flatten(), numbers.next().flatten());
    match major.zip(minor) {
        Some(found) if found >= OLDEST && found.0 == OLDEST.0 => Ok(version),
        _ => Err(RuntimeError::Version { path: path.to_owned(), version, oldest: OLDEST }),
    }
}

fn loaded() -> Result<&'static Loaded, Arc<RuntimeError>> {
    LOADED.get_or_init(|| load().map_err(Arc::new)).as_ref().map_err(Arc::clone)
}

/// ONNX Runtime's environment, of which a process has one: for tools that make sessions of their own.
///
/// # Errors
/// [`Error::Runtime`] when ONNX Runtime is not found or does not load.
pub fn environment() -> Result<&'static Environment, Error> {
    Ok(loaded_environment()?)
}

pub(crate) fn loaded_environment() -> Result<&'static Environment, Arc<RuntimeError>> {
    loaded().map(|l| &l.environment)
}

/// The library that is loaded, with links resolved.
///
/// # Errors
/// [`Error::Runtime`] when ONNX Runtime is not found or does not load.
pub fn runtime_path() -> Result<&'static Path, Error> {
    Ok(loaded()?.path.as_path())
}

/// The version that the loaded ONNX Runtime reports, such as `1.31.1`.
///
/// # Errors
/// [`Error::Runtime`] when ONNX Runtime is not found or does not load.
pub fn runtime_version() -> Result<String, Error> {
    Ok(loaded()?.version.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_of_the_checkout_reports_its_version() {
        assert_eq!(runtime_version().unwrap(), "1.31.1");
    }

    /// A library that is nothing but the two functions which are asked.
    fn pretended(version: &str, folder: &Path) -> PathBuf {
        let (source, library) = (folder.join("runtime.c"), folder.join("libonnxruntime.so"));
        let code = format!(
            "static const char *version(void) {{ return \"{version}\"; }}\n\
             static const void *api(unsigned n) {{ (void)n; return 0; }}\n\
             static const struct {{ const void *(*api)(unsigned); const char *(*version)(void); }} base = {{ api, version }};\n\
             const void *OrtGetApiBase(void) {{ return &base; }}\n"
        );
        std::fs::write(&source, code).unwrap();
        let mut cc = std::process::Command::new("cc");
        cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
        assert!(cc.status().unwrap().success());
        library
    }

    #[test]
    fn versions_that_artir_cannot_use_are_refused_with_both_versions() {
        let dir = tempfile::tempdir().unwrap();
        for (version, usable) in
            [("1.17.3", false), ("1.9.0", false), ("0.99.0", false), ("2.18.0", false), ("", false), ("1.18.0", true)]
        {
            let folder = dir.path().join(format!("v{version}"));
            std::fs::create_dir(&folder).unwrap();
            match usable_version(&pretended(version, &folder)) {
                Ok(found) => assert!(usable && found == version, "{version}"),
                Err(e) => assert!(
                    !usable && e.to_string().contains(version) && e.to_string().contains("1.18"),
                    "{version}: {e}"
                ),
            }
        }
    }
}
