//! Finding and loading ONNX Runtime, once in a process.

mod search;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use ort::environment::Environment;

pub use self::search::RuntimeSearch;
use crate::Error;

/// The oldest ONNX Runtime that the API table of `ort`'s feature `api-18` is in.
const OLDEST: (u32, u32) = (1, 18);

struct Loaded {
    environment: Environment,
    path: PathBuf,
    version: String,
}

/// The reason why ONNX Runtime is not usable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// A library that was asked for cannot be used.
    #[error("{what} names {}, which cannot be used: {source}", path.display())]
    Named {
        /// What names it: `ORT_DYLIB_PATH`, or the caller's path.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// What was asked for is no file.
    #[error("{what} names {}, which is not a file", path.display())]
    NotAFile {
        /// What names it: `ORT_DYLIB_PATH`, or the caller's path.
        what: &'static str,
        /// The path.
        path: PathBuf,
    },
    /// The search was chosen after it had run.
    #[error("it was already searched for in this process")]
    TooLate,
    /// No folder holds a library that may be used.
    #[error("there is no libonnxruntime.so in any of {}{}", listed(.places), also(.skipped))]
    NotFound {
        /// The folders that were searched.
        places: Vec<PathBuf>,
        /// Libraries that were found and not used.
        skipped: Vec<Skipped>,
    },
    /// The library cannot be asked for its version.
    #[error("{0}")]
    Unknown(#[from] artir_ops::Error),
    /// The library's version is too old or too new.
    #[error("{}: it is version {version}; artir needs {}.{} or a later {}.x", path.display(), OLDEST.0, OLDEST.1, OLDEST.0)]
    Version {
        /// The library.
        path: PathBuf,
        /// Its version.
        version: String,
    },
    /// The library cannot be loaded.
    #[error("{0}")]
    Load(#[from] ort::LoadDynamicError),
    /// The library refuses artir's environment, or the options of a session.
    #[error("{0}")]
    Refused(#[from] ort::Error),
}

/// A library that was found and not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Skipped {
    /// The file system refuses it.
    #[error("{} cannot be used: {source}", path.display())]
    Unreadable {
        /// The library.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// Any user could have placed it.
    #[error(
        "{} was skipped, since every user may write to {}: set ORT_DYLIB_PATH if it is to be trusted",
        path.display(),
        open.display()
    )]
    OpenToAll {
        /// The library.
        path: PathBuf,
        /// The file or folder that every user may write to.
        open: PathBuf,
    },
}

fn listed(places: &[PathBuf]) -> String {
    places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn also(skipped: &[Skipped]) -> String {
    skipped.iter().map(|why| format!("; {why}")).collect()
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
        _ => Err(RuntimeError::Version { path: path.to_owned(), version }),
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
