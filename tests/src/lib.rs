//! Finding the built binary, ONNX Runtime and the real data; running the one on the other; small models, DICOM and TIFF files; a browser; a node.

pub mod browser;
pub mod dicom;
pub mod models;
pub mod node;
pub mod objects;
pub mod onnx;
pub mod pet;
pub mod random;
#[cfg(feature = "scenes")]
pub mod scenes;
pub mod sender;
pub mod target;
pub mod tiff;
pub mod volumes;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The file in a derived series' folder that is not an image.
pub const MANIFEST: &str = ".artir-manifest";

/// The `artir` binary of the profile that the tests were built in.
///
/// # Panics
/// When it was not built: `cargo build` comes first (`make test` does both).
pub fn artir() -> Command {
    let test = std::env::current_exe().unwrap_or_else(|e| panic!("the test's own path: {e}"));
    // target/PROFILE/deps/TEST
    let profile = test.ancestors().nth(2).unwrap_or(Path::new("."));
    let binary = profile.join("artir");
    assert!(binary.is_file(), "{} is missing: run cargo build --workspace first", binary.display());
    Command::new(binary)
}

/// A number that an environment variable sets, such as a count or a seed.
pub fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

/// Runs artir with arguments.
///
/// # Panics
/// When it cannot be started.
pub fn run<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    artir().args(arguments).output().unwrap_or_else(|e| panic!("artir cannot be started: {e}"))
}

/// A part of the real data; `None`, with a printed line, if it is missing.
///
/// # Panics
/// If it is missing in CI (`CI=true`), where a skipped test would hide a failure.
pub fn real(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("ARTIR_REAL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = root.join(part);
    if path.exists() {
        return Some(path);
    }
    skipped(&format!("no real data at {part} (ARTIR_REAL_DATA)"));
    None
}

/// Prints that a test is skipped for want of real data.
///
/// # Panics
/// In CI (`CI=true`), where a skipped test would hide a failure.
pub fn skipped(reason: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI must have all test data: {reason}");
    println!("skipped: {reason}");
}

/// The ONNX Runtime that `scripts/bootstrap.sh` brought.
///
/// # Panics
/// When it is not there.
pub fn runtime() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.runtime/libonnxruntime.so.1.31.1");
    assert!(path.is_file(), "{} is missing: run scripts/bootstrap.sh first", path.display());
    path
}

/// What a program wrote, as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The names of a folder's files and folders, in order.
///
/// # Panics
/// When it cannot be listed.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut out: Vec<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    out.sort();
    out
}
