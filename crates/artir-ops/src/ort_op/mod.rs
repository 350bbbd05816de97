//! The operator as ONNX Runtime sees it, written against ort-sys alone.
//!
//! Every callback uses the API table that it was handed, so that the library serves whichever ONNX Runtime loads it,
//! and none lets a panic out: unwinding into C++ would abort the host.

mod api;
mod large_kernel;
mod network;
mod table;

use std::{
    ffi::CString,
    sync::{Mutex, PoisonError},
};

use ort_sys::{ORT_API_VERSION, OrtApi, OrtApiBase, OrtCustomOp, OrtCustomOpDomain, OrtSessionOptions, OrtStatusPtr};

use self::large_kernel::LargeKernel;
use self::network::NetworkKernel;
use crate::Error;

/// Registers the operators with a session's options: the entry point that ONNX Runtime looks for in a library.
///
/// # Safety
/// Called by ONNX Runtime, with its own options and API base.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RegisterCustomOps(options: *mut OrtSessionOptions, base: *const OrtApiBase) -> OrtStatusPtr {
    // SAFETY: ONNX Runtime hands over its API base, whose first table every version has.
    unsafe {
        let api = ((*base).GetApi)(ORT_API_VERSION);
        if api.is_null() {
            let oldest = ((*base).GetApi)(1);
            return api::status(oldest, &Error::OldRuntime(ORT_API_VERSION).to_string());
        }
        api::guard(api, c"RegisterCustomOps", || add_domain(options, api))
    }
}

/// Registers the operators with a session that the `ort` crate builds.
///
/// # Errors
/// What ONNX Runtime reports.
#[cfg(feature = "ort")]
pub fn register(builder: &mut ort::session::builder::SessionBuilder) -> Result<(), Error> {
    use ort::AsPointer;
    // SAFETY: the builder owns valid options, and `ort::api` is the table of the runtime that made them.
    unsafe { add_domain(builder.ptr_mut(), ort::api()) }
}

/// The session option that chooses the precision: `fast` for [`crate::Precision::Fast`], `f32` or nothing for f32. It must be
/// set before the operators are registered.
pub const PRECISION_OPTION: &str = "artir.precision";

struct Domain {
    /// Address of the API table.
    api: usize,
    fast: bool,
    address: usize,
}

/// Domains already made. A domain and its operators must outlive every session that uses them, so each runtime gets one
/// for each precision, for the life of the process.
static DOMAINS: Mutex<Vec<Domain>> = Mutex::new(Vec::new());

/// Whether the session's options ask for fast precision.
unsafe fn is_fast(options: *const OrtSessionOptions, api: *const OrtApi) -> Result<bool, Error> {
    let key = CString::new(PRECISION_OPTION).unwrap_or_default();
    // SAFETY: valid pointers, by the caller's promise.
    unsafe {
        let mut given = 0;
        api::check(api, ((*api).HasSessionConfigEntry)(options, key.as_ptr(), &mut given))?;
        if given == 0 {
            return Ok(false);
        }
        let mut value = [0u8; 16];
        let mut length = value.len();
        let read = ((*api).GetSessionConfigEntry)(options, key.as_ptr(), value.as_mut_ptr().cast(), &mut length);
        api::check(api, read)?;
        match value.get(..length.saturating_sub(1)) {
            Some(b"fast") => Ok(true),
            Some(b"f32") => Ok(false),
            other => Err(Error::Precision(String::from_utf8_lossy(other.unwrap_or(b"")).into_owned())),
        }
    }
}

unsafe fn add_domain(options: *mut OrtSessionOptions, api: *const OrtApi) -> Result<(), Error> {
    // SAFETY: passed on to the caller.
    let fast = unsafe { is_fast(options, api) }?;
    let mut domains = DOMAINS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = domains.iter().find(|d| d.api == api as usize && d.fast == fast).map(|d| d.address);
    // SAFETY: `api` is a valid table; the operators are leaked on purpose, so the domain may keep pointers to them.
    unsafe {
        let domain = match known {
            Some(domain) => domain as *mut OrtCustomOpDomain,
            None => {
                let mut domain = std::ptr::null_mut();
                api::check(api, ((*api).CreateCustomOpDomain)(c"artir".as_ptr(), &mut domain))?;
                let operators = [
                    table::operator::<LargeKernel<f32>>(api),
                    table::operator::<LargeKernel<half::f16>>(api),
                    if fast {
                        table::operator::<NetworkKernel<true>>(api)
                    } else {
                        table::operator::<NetworkKernel<false>>(api)
                    },
                ];
                for op in operators {
                    let op: *mut table::Operator = Box::leak(Box::new(op));
                    api::check(api, ((*api).CustomOpDomain_Add)(domain, op.cast::<OrtCustomOp>()))?;
                }
                domains.push(Domain { api: api as usize, fast, address: domain as usize });
                domain
            }
        };
        api::check(api, ((*api).AddCustomOpDomain)(options, domain))
    }
}
