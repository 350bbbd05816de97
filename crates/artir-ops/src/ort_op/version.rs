//! The version that an ONNX Runtime library reports about itself.

use std::{ffi::CStr, path::Path};

use libloading::{Library, Symbol};
use ort_sys::OrtApiBase;

use crate::Error;

/// Loads an ONNX Runtime library and asks it for its version, such as `1.31.1`. A file name may say anything.
///
/// Loading a library runs its code: call this only for a library that would be used.
///
/// # Errors
/// [`Error::Library`] for a file that cannot be loaded, is not ONNX Runtime, or returns no readable version.
pub fn runtime_version(library: &Path) -> Result<String, Error> {
    let fail = |reason: String| Error::Library { path: library.to_owned(), reason };
    // SAFETY: loading runs the library's initialisers. The caller means to run this library anyway.
    let loaded = unsafe { Library::new(library) }.map_err(|e| fail(format!("it cannot be loaded: {e}")))?;
    // SAFETY: every ONNX Runtime exports this function with this signature; a library without the symbol is refused.
    let entry: Symbol<'_, unsafe extern "system" fn() -> *const OrtApiBase> =
        unsafe { loaded.get(b"OrtGetApiBase\0") }.map_err(|_| fail("it exports no OrtGetApiBase".into()))?;
    // SAFETY: the function takes nothing, and returns null or a table that lives as long as the library.
    let base = unsafe { entry().as_ref() }.ok_or_else(|| fail("its OrtGetApiBase returns nothing".into()))?;
    // SAFETY: the table's function takes nothing.
    let version = unsafe { (base.GetVersionString)() };
    if version.is_null() {
        return Err(fail("it returns no version".into()));
    }
    // SAFETY: not null, a C string that lives as long as the library; it is copied before the library is let go.
    let version = unsafe { CStr::from_ptr(version) }.to_str().map(str::to_owned);
    version.map_err(|_| fail("the version that it returns is not text".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_is_asked_and_not_its_file_name() {
        let dir = tempfile::tempdir().unwrap();
        let renamed = dir.path().join("libonnxruntime.so.9.9.9");
        std::fs::copy(artir_tests::runtime(), &renamed).unwrap();
        assert_eq!(runtime_version(&renamed).unwrap(), "1.31.1");
    }

    #[test]
    fn what_is_no_runtime_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().join("libonnxruntime.so");
        std::fs::write(&text, "not a library").unwrap();
        let error = runtime_version(&text).unwrap_err().to_string();
        assert!(error.contains("libonnxruntime.so") && error.contains("cannot be loaded"), "{error}");
        assert!(runtime_version(&dir.path().join("missing.so")).is_err());
    }
}
