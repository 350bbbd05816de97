//! The CUDA driver: queries and kernel launches.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_int, c_void};
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys;
use ort_sys::{OrtApi, OrtKernelContext};

use super::{Launch, Limits, Machine};
use crate::Error;
use crate::status::check;

/// The kernels, for the driver's compiler.
const PTX: &str = include_str!("kernels.ptx");

/// The compiled kernels, by name.
const KERNELS: [&CStr; 16] = [
    c"large_kernel_f32_8",
    c"large_kernel_f32_2",
    c"large_kernel_f16_8",
    c"large_kernel_f16_2",
    c"gated_mixer_f32_8",
    c"gated_mixer_f32_4",
    c"gated_mixer_f16_8",
    c"gated_mixer_f16_4",
    c"gated_feed_f32_8",
    c"gated_feed_f32_4",
    c"gated_feed_f16_8",
    c"gated_feed_f16_4",
    c"modulation_f32",
    c"modulation_f16",
    c"modulation_f32_refined",
    c"modulation_f16_refined",
];

/// Shared memory that a kernel gets without asking for more, in bytes.
const SHARED_BY_DEFAULT: u32 = 48 << 10;

/// A GPU as its driver describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Its name.
    pub name: String,
    /// Its memory in bytes.
    pub memory: u64,
    /// Compute capability, such as (9, 0).
    pub capability: (u32, u32),
}

/// The driver and its GPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// The CUDA version that it serves, such as (13, 0).
    pub version: (u32, u32),
    /// GPUs by device number.
    pub gpus: Vec<Gpu>,
}

/// A call's outcome as a result.
fn ok(call: &'static str, status: sys::CUresult) -> Result<(), Error> {
    if status == sys::CUresult::CUDA_SUCCESS {
        return Ok(());
    }
    let mut text = std::ptr::null();
    // SAFETY: the out-pointer is valid; the driver's texts are constants.
    let reason = unsafe {
        match sys::cuGetErrorString(status, &mut text) {
            sys::CUresult::CUDA_SUCCESS if !text.is_null() => CStr::from_ptr(text).to_string_lossy().into_owned(),
            _ => "no reason given".into(),
        }
    };
    Err(Error::Cuda { call, reason: format!("{reason} ({status:?})") })
}

/// Loads and starts the driver, if it is there.
fn start() -> Result<(), Error> {
    // SAFETY: looking for the library runs no code but its loading, and starting the driver twice does nothing.
    unsafe {
        if !sys::is_culib_present() {
            let reason = "libcuda.so.1 cannot be loaded: no NVIDIA driver is installed".to_owned();
            return Err(Error::Cuda { call: "the driver", reason });
        }
        ok("cuInit", sys::cuInit(0))
    }
}

fn attribute(of: sys::CUdevice, what: sys::CUdevice_attribute) -> Result<u32, Error> {
    let mut value = 0;
    // SAFETY: the out-pointer is valid, and the driver is started, since `of` came from it.
    ok("cuDeviceGetAttribute", unsafe { sys::cuDeviceGetAttribute(&mut value, what, of) })?;
    Ok(u32::try_from(value).unwrap_or(0))
}

fn device(number: u32) -> Result<sys::CUdevice, Error> {
    let mut device = 0;
    // SAFETY: the out-pointer is valid, and the driver is started.
    ok("cuDeviceGet", unsafe { sys::cuDeviceGet(&mut device, c_int::try_from(number).unwrap_or(c_int::MAX)) })?;
    Ok(device)
}

/// Versions and properties of the NVIDIA driver and its GPUs.
///
/// # Errors
/// [`Error::Cuda`] when there is no driver, or none that starts.
pub fn driver() -> Result<Driver, Error> {
    start()?;
    let (mut version, mut count) = (0, 0);
    // SAFETY: the out-pointers are valid.
    unsafe {
        ok("cuDriverGetVersion", sys::cuDriverGetVersion(&mut version))?;
        ok("cuDeviceGetCount", sys::cuDeviceGetCount(&mut count))?;
    }
    let gpu = |number: u32| {
        let device = device(number)?;
        let (mut name, mut memory) = ([0 as std::ffi::c_char; 256], 0);
        // SAFETY: the buffer is as long as said, and the driver ends the name with a zero.
        let name = unsafe {
            ok("cuDeviceGetName", sys::cuDeviceGetName(name.as_mut_ptr(), 255, device))?;
            ok("cuDeviceTotalMem", sys::cuDeviceTotalMem_v2(&mut memory, device))?;
            CStr::from_ptr(name.as_ptr()).to_string_lossy().into_owned()
        };
        let major = attribute(device, sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(device, sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        Ok(Gpu { name, memory: memory as u64, capability: (major, minor) })
    };
    let gpus = (0..u32::try_from(count).unwrap_or(0)).map(gpu).collect::<Result<_, Error>>()?;
    // 13000 for 13.0
    let version = u32::try_from(version).unwrap_or(0);
    Ok(Driver { version: (version / 1000, version % 1000 / 10), gpus })
}

/// Free memory of a GPU in bytes, all programs counted.
///
/// # Errors
/// [`Error::Cuda`] when there is no such GPU, or its driver fails.
pub fn free_memory(number: u32) -> Result<u64, Error> {
    start()?;
    let device = device(number)?;
    let (mut context, mut popped) = (std::ptr::null_mut(), std::ptr::null_mut());
    let (mut free, mut total) = (0, 0);
    // SAFETY: the out-pointers are valid; the context is retained for as long as it is current here.
    unsafe {
        ok("cuDevicePrimaryCtxRetain", sys::cuDevicePrimaryCtxRetain(&mut context, device))?;
        let found = ok("cuCtxPushCurrent", sys::cuCtxPushCurrent_v2(context)).and_then(|()| {
            let found = ok("cuMemGetInfo", sys::cuMemGetInfo_v2(&mut free, &mut total));
            found.and(ok("cuCtxPopCurrent", sys::cuCtxPopCurrent_v2(&mut popped)))
        });
        let released = ok("cuDevicePrimaryCtxRelease", sys::cuDevicePrimaryCtxRelease_v2(device));
        found.and(released)?;
    }
    Ok(free as u64)
}

/// Checks that the system's loader finds a shared library, and returns its message if not.
///
/// # Errors
/// [`Error::Cuda`] with the loader's reason.
pub fn library_loads(name: &str) -> Result<(), Error> {
    // SAFETY: NVIDIA's libraries may be loaded and unloaded at any time before they are used.
    match unsafe { libloading::Library::new(name) } {
        Ok(_) => Ok(()),
        Err(e) => {
            // The loader's own words are the error's source.
            let reason = std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
            Err(Error::Cuda { call: "the loader", reason })
        }
    }
}

/// TensorRT's version, such as `10.13.2`.
///
/// # Errors
/// [`Error::Cuda`] when the library cannot be loaded or does not report a version.
pub fn tensorrt_version() -> Result<String, Error> {
    let failed = |e: libloading::Error| Error::Cuda { call: "libnvinfer.so.10", reason: e.to_string() };
    // SAFETY: the function takes nothing, returns an int, and is part of TensorRT's public interface (NvInferRuntime.h).
    let number = unsafe {
        let library = libloading::Library::new("libnvinfer.so.10").map_err(failed)?;
        let version = library.get::<unsafe extern "C" fn() -> c_int>(b"getInferLibVersion").map_err(failed)?;
        version()
    };
    Ok(format!("{}.{}.{}", number / 10_000, number / 100 % 100, number % 100))
}

/// The kernels in one context.
pub(crate) struct Cuda {
    functions: HashMap<&'static CStr, sys::CUfunction>,
    limits: Limits,
}

// SAFETY: functions of a module may be launched from any thread in whose context they were loaded, and `current` hands
// them out for the calling thread's context alone.
unsafe impl Send for Cuda {}
// SAFETY: as above; nothing is written after the module is loaded.
unsafe impl Sync for Cuda {}

impl Cuda {
    /// Compiles the kernels for the current context's GPU. The module stays loaded with its context.
    fn load() -> Result<Self, Error> {
        let text = CString::new(PTX).map_err(|_| Error::Cuda { call: "PTX", reason: "it holds a zero".into() })?;
        let (mut module, mut device) = (std::ptr::null_mut(), 0);
        // SAFETY: the out-pointers are valid, and the text ends with a zero, as the call asks for.
        unsafe {
            ok("cuCtxGetDevice", sys::cuCtxGetDevice(&mut device))?;
            ok("cuModuleLoadData", sys::cuModuleLoadData(&mut module, text.as_ptr().cast()))?;
        }
        let shared = attribute(device, sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?;
        let processors = attribute(device, sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        let mut functions = HashMap::new();
        for name in KERNELS {
            let mut function = std::ptr::null_mut();
            let more = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the module is loaded, and each name is a C string.
            unsafe {
                ok("cuModuleGetFunction", sys::cuModuleGetFunction(&mut function, module, name.as_ptr()))?;
                if shared > SHARED_BY_DEFAULT {
                    let bytes = c_int::try_from(shared).unwrap_or(c_int::MAX);
                    ok("cuFuncSetAttribute", sys::cuFuncSetAttribute(function, more, bytes))?;
                }
            }
            functions.insert(name, function);
        }
        Ok(Self { functions, limits: Limits { shared: shared.max(SHARED_BY_DEFAULT), processors } })
    }
}

impl Machine for Arc<Cuda> {
    const PROVIDER: Option<&'static CStr> = Some(c"CUDAExecutionProvider");

    fn current() -> Result<Self, Error> {
        /// Contexts by address, with their kernels: each GPU has one for as long as ONNX Runtime uses it.
        static LOADED: Mutex<Vec<(usize, Arc<Cuda>)>> = Mutex::new(Vec::new());
        start()?;
        let mut context = std::ptr::null_mut();
        // SAFETY: the out-pointer is valid.
        ok("cuCtxGetCurrent", unsafe { sys::cuCtxGetCurrent(&mut context) })?;
        if context.is_null() {
            let reason = "ONNX Runtime called a CUDA operator without a CUDA context".to_owned();
            return Err(Error::Cuda { call: "cuCtxGetCurrent", reason });
        }
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = loaded.iter().find(|(of, _)| *of == context as usize) {
            return Ok(known.clone());
        }
        let made = Arc::new(Cuda::load()?);
        loaded.push((context as usize, made.clone()));
        Ok(made)
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    unsafe fn stream(api: *const OrtApi, context: *const OrtKernelContext) -> Result<*mut c_void, Error> {
        let mut stream = std::ptr::null_mut();
        // SAFETY: valid pointers, by the caller's promise. A null stream is CUDA's default one.
        unsafe { check(api, ((*api).KernelContext_GetGPUComputeStream)(context, &mut stream))? };
        Ok(stream)
    }

    unsafe fn launch(&self, stream: *mut c_void, launch: &Launch, arguments: *const c_void) -> Result<(), Error> {
        let Some(function) = self.functions.get(launch.kernel) else {
            let reason = format!("no kernel {}", launch.kernel.to_string_lossy());
            return Err(Error::Cuda { call: "launch", reason });
        };
        let [gx, gy, gz] = launch.grid;
        let [bx, by, bz] = launch.block;
        // Every kernel takes one structure by value.
        let mut parameters = [arguments.cast_mut()];
        // SAFETY: the arguments are the kernel's, by the caller's promise; the driver copies them before it returns.
        let status = unsafe {
            let parameters = parameters.as_mut_ptr();
            let none = std::ptr::null_mut();
            sys::cuLaunchKernel(*function, gx, gy, gz, bx, by, bz, launch.shared, stream.cast(), parameters, none)
        };
        ok("cuLaunchKernel", status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_stands_in_the_ptx() {
        for name in KERNELS {
            let entry = format!(".entry {}(", name.to_string_lossy());
            assert!(PTX.contains(&entry), "{entry}");
        }
        assert_eq!(PTX.matches(".entry ").count(), KERNELS.len());
        // Single precision must not be rounded to the eleven bits of TF32.
        assert!(!PTX.contains("tf32") && !PTX.contains("mma."));
    }

    #[test]
    fn a_missing_library_is_named() {
        let error = library_loads("libartir_is_not_there.so.1").unwrap_err().to_string();
        assert!(error.contains("libartir_is_not_there.so.1"), "{error}");
    }

    #[test]
    fn asking_for_the_driver_never_panics() {
        match driver() {
            Ok(found) => assert!(found.version.0 > 0),
            Err(e) => assert!(e.to_string().contains("driver") || e.to_string().contains("cuInit"), "{e}"),
        }
    }
}
