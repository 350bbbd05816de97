//! Statuses of ONNX Runtime as results.

use std::ffi::CStr;

use ort_sys::{OrtApi, OrtStatusPtr};

use crate::Error;

/// A status as a result; it is released.
///
/// # Safety
/// `api` is a valid table, and `status` came from it.
pub(crate) unsafe fn check(api: *const OrtApi, status: OrtStatusPtr) -> Result<(), Error> {
    if status.0.is_null() {
        return Ok(());
    }
    // SAFETY: the status is not null, and its message lives until it is released.
    unsafe {
        let message = CStr::from_ptr(((*api).GetErrorMessage)(status.0)).to_string_lossy().into_owned();
        ((*api).ReleaseStatus)(status.0);
        Err(Error::Runtime(message))
    }
}
