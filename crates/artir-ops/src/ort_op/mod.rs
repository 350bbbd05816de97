//! The operator as ONNX Runtime sees it, written against ort-sys alone.
//!
//! Every callback uses the API table that it was handed, so that the library serves whichever ONNX Runtime loads it,
//! and none lets a panic out: unwinding into C++ would abort the host.

mod api;
mod gpu;
mod large_kernel;
mod network;
mod options;
mod table;
mod version;

use std::sync::{Arc, Mutex, PoisonError};

use half::f16;
use ort_sys::{ORT_API_VERSION, OrtApi, OrtApiBase, OrtCustomOp, OrtCustomOpDomain, OrtSessionOptions, OrtStatusPtr};

use self::gpu::{GpuGatedBlock, GpuLargeKernel, GpuModulation};
use self::large_kernel::LargeKernel;
use self::network::NetworkKernel;
use self::options::Options;
pub use self::options::{PRECISION_OPTION, THREADS_OPTION};
pub use self::version::runtime_version;
use crate::Error;
use crate::cuda::Machine;

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
        api::guard(api, c"RegisterCustomOps", || add_domain(options, api, Set::Cpu))
    }
}

/// Registers the CPU's operators with a session that the `ort` crate builds.
///
/// # Errors
/// Errors of ONNX Runtime.
#[cfg(feature = "ort")]
pub fn register(builder: &mut ort::session::builder::SessionBuilder) -> Result<(), Error> {
    add_to(builder, Set::Cpu)
}

/// Which operators a session on an NVIDIA GPU gets.
#[cfg(feature = "ort")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CudaOperators {
    /// All of them: the large kernel, the steps of its cascade, and the gated blocks.
    All,
    /// The large kernel alone: TensorRT fuses the others' standard operators itself.
    LargeKernel,
}

/// Registers the operators of CUDA's provider, and none of the CPU's, with a session that the `ort` crate builds.
///
/// # Errors
/// Errors of ONNX Runtime.
#[cfg(feature = "ort")]
pub fn register_cuda(
    builder: &mut ort::session::builder::SessionBuilder,
    operators: CudaOperators,
) -> Result<(), Error> {
    let set = match operators {
        CudaOperators::All => Set::Cuda,
        CudaOperators::LargeKernel => Set::CudaLargeKernel,
    };
    add_to(builder, set)
}

#[cfg(any(feature = "ort", test))]
fn add_to(builder: &mut ort::session::builder::SessionBuilder, set: Set) -> Result<(), Error> {
    use ort::AsPointer;
    // SAFETY: the builder owns valid options, and `ort::api` is the table of the runtime that made them.
    unsafe { add_domain(builder.ptr_mut(), ort::api(), set) }
}

/// Operators that a session gets together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "ort"), allow(dead_code, reason = "the shared library registers the CPU's alone"))]
enum Set {
    Cpu,
    Cuda,
    CudaLargeKernel,
    /// Those of CUDA, with the kernels compiled for the CPU.
    #[cfg(test)]
    Emulated,
}

impl Set {
    fn operators(self, api: *const OrtApi, options: Options) -> Vec<table::Operator> {
        type Cuda = Arc<crate::cuda::Cuda>;
        let make: Vec<Make> = match self {
            Self::Cpu => vec![
                table::operator::<LargeKernel<f32>>,
                table::operator::<LargeKernel<f16>>,
                table::operator::<NetworkKernel>,
            ],
            Self::Cuda => gpu::<Cuda>(),
            Self::CudaLargeKernel => gpu_large_kernel::<Cuda>().into(),
            #[cfg(test)]
            Self::Emulated => gpu::<crate::cuda::emulated::Emulated>(),
        };
        make.into_iter().map(|make| make(api, options)).collect()
    }
}

type Make = fn(*const OrtApi, Options) -> table::Operator;

fn gpu_large_kernel<M: Machine>() -> [Make; 2] {
    [table::operator::<GpuLargeKernel<M, f32>>, table::operator::<GpuLargeKernel<M, f16>>]
}

/// All operators of a GPU.
fn gpu<M: Machine>() -> Vec<Make> {
    let rest: [Make; 6] = [
        table::operator::<GpuGatedBlock<M, f32>>,
        table::operator::<GpuGatedBlock<M, f16>>,
        table::operator::<GpuModulation<M, f32, false>>,
        table::operator::<GpuModulation<M, f16, false>>,
        table::operator::<GpuModulation<M, f32, true>>,
        table::operator::<GpuModulation<M, f16, true>>,
    ];
    gpu_large_kernel::<M>().into_iter().chain(rest).collect()
}

/// A domain already made, by addresses.
struct Known {
    /// The runtime's API table.
    api: usize,
    set: Set,
    options: Options,
    domain: usize,
}

/// A domain and its operators must outlive every session that uses them, so each runtime gets one of each set for
/// each choice of options, for the life of the process.
static DOMAINS: Mutex<Vec<Known>> = Mutex::new(Vec::new());

unsafe fn add_domain(options: *mut OrtSessionOptions, api: *const OrtApi, set: Set) -> Result<(), Error> {
    // SAFETY: passed on to the caller.
    let chosen = if set == Set::Cpu { unsafe { Options::read(options, api) }? } else { Options::default() };
    let mut domains = DOMAINS.lock().unwrap_or_else(PoisonError::into_inner);
    let is_same = |known: &&Known| known.api == api as usize && known.set == set && known.options == chosen;
    let known = domains.iter().find(is_same).map(|known| known.domain);
    // SAFETY: `api` is a valid table; the operators are leaked on purpose, so the domain may keep pointers to them.
    unsafe {
        let domain = match known {
            Some(domain) => domain as *mut OrtCustomOpDomain,
            None => {
                let mut domain = std::ptr::null_mut();
                api::check(api, ((*api).CreateCustomOpDomain)(c"artir".as_ptr(), &mut domain))?;
                for op in set.operators(api, chosen) {
                    let op: *mut table::Operator = Box::leak(Box::new(op));
                    api::check(api, ((*api).CustomOpDomain_Add)(domain, op.cast::<OrtCustomOp>()))?;
                }
                domains.push(Known { api: api as usize, set, options: chosen, domain: domain as usize });
                domain
            }
        };
        api::check(api, ((*api).AddCustomOpDomain)(options, domain))
    }
}

#[cfg(test)]
mod tests;
