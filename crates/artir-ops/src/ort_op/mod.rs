//! The operator as ONNX Runtime sees it, written against ort-sys alone.
//!
//! Every callback uses the API table that it was handed, so that the library serves whichever ONNX Runtime loads it,
//! and none lets a panic out: unwinding into C++ would abort the host.

mod api;
mod large_kernel;
mod network;
mod table;

use std::sync::{Mutex, PoisonError};

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

/// Domains already made: the address of the API table, and the domain's. A domain and its operators must outlive
/// every session that uses them, so each runtime gets one, for the life of the process.
static DOMAINS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

unsafe fn add_domain(options: *mut OrtSessionOptions, api: *const OrtApi) -> Result<(), Error> {
    let mut domains = DOMAINS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = domains.iter().find(|(of, _)| *of == api as usize).map(|(_, domain)| *domain);
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
                    table::operator::<NetworkKernel>(api),
                ];
                for op in operators {
                    let op: *mut table::Operator = Box::leak(Box::new(op));
                    api::check(api, ((*api).CustomOpDomain_Add)(domain, op.cast::<OrtCustomOp>()))?;
                }
                domains.push((api as usize, domain as usize));
                domain
            }
        };
        api::check(api, ((*api).AddCustomOpDomain)(options, domain))
    }
}
