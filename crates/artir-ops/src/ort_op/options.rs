//! Options of a session for the operators.

use std::ffi::CString;
use std::num::NonZeroUsize;

use ort_sys::{OrtApi, OrtSessionOptions};

use super::api::check;
use crate::{Error, Precision};

/// The session option that chooses the precision: `fast` for [`crate::Precision::Fast`], `f32` or nothing for f32. It must be
/// set before the operators are registered.
pub const PRECISION_OPTION: &str = "artir.precision";

/// The session option for the number of threads of a run, which ONNX Runtime does not pass to operators. Work is divided for that
/// many; nothing means as many as the processor has. It changes no result. It must be set before the operators are registered.
pub const THREADS_OPTION: &str = "artir.threads";

/// The options of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Options {
    pub(super) precision: Precision,
    /// Nothing: as many as the processor has.
    pub(super) threads: Option<NonZeroUsize>,
}

impl Options {
    /// # Safety
    /// Both pointers are valid.
    pub(super) unsafe fn read(options: *const OrtSessionOptions, api: *const OrtApi) -> Result<Self, Error> {
        // SAFETY: passed on to the caller.
        let (precision, threads) =
            unsafe { (entry(options, api, PRECISION_OPTION)?, entry(options, api, THREADS_OPTION)?) };
        Ok(Self {
            precision: match precision.as_deref() {
                Some("fast") => Precision::Fast,
                Some("f32") | None => Precision::F32,
                Some(_) => return Err(Error::Precision(precision.unwrap_or_default())),
            },
            threads: match threads {
                Some(text) => Some(text.parse().map_err(|_| Error::Threads(text))?),
                None => None,
            },
        })
    }
}

/// The value of an option, if it is given.
///
/// # Safety
/// Both pointers are valid.
unsafe fn entry(options: *const OrtSessionOptions, api: *const OrtApi, key: &str) -> Result<Option<String>, Error> {
    let key = CString::new(key).unwrap_or_default();
    // SAFETY: passed on to the caller; the buffer has the length that is asked for first.
    unsafe {
        let mut given = 0;
        check(api, ((*api).HasSessionConfigEntry)(options, key.as_ptr(), &mut given))?;
        if given == 0 {
            return Ok(None);
        }
        let mut length = 0;
        check(api, ((*api).GetSessionConfigEntry)(options, key.as_ptr(), std::ptr::null_mut(), &mut length))?;
        let mut value = vec![0u8; length];
        check(api, ((*api).GetSessionConfigEntry)(options, key.as_ptr(), value.as_mut_ptr().cast(), &mut length))?;
        // The terminating zero is counted.
        value.truncate(length.saturating_sub(1));
        Ok(Some(String::from_utf8_lossy(&value).into_owned()))
    }
}
