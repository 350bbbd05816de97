//! The kernels' sources, compiled for the CPU: for tests where there is no GPU. See `emulator.cpp`.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use ort_sys::{OrtApi, OrtKernelContext};

use super::{Launch, Limits, Machine};
use crate::Error;

/// The order in which a block's threads run between barriers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// By their numbers.
    Forwards,
    /// Last first.
    Backwards,
}

type Emulate = unsafe extern "C" fn(*const c_char, *const c_uint, *const c_uint, c_uint, *const c_void, c_int) -> c_int;

/// Compiles the emulator once a process.
fn emulator() -> Emulate {
    static LIBRARY: OnceLock<libloading::Library> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cuda/emulated");
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("libemulator.so");
        let compiler = Command::new("g++")
            .args(["-O2", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-shared", "-fPIC"])
            .arg("-I")
            .arg(&sources)
            .arg("-o")
            .arg(&made)
            .arg(sources.join("emulator.cpp"))
            .output()
            .expect("g++ is needed: scripts/bootstrap.sh installs it");
        assert!(compiler.status.success(), "{}", String::from_utf8_lossy(&compiler.stderr));
        // SAFETY: the library has no initialisers of its own. It stays mapped when the folder goes.
        unsafe { libloading::Library::new(made).unwrap() }
    });
    // SAFETY: the type is that of the function in emulator.cpp.
    unsafe { *library.get::<Emulate>(b"emulate").unwrap() }
}

/// The CPU in a GPU's place. One launch at a time: the emulator's indices are its own globals.
pub(crate) struct Emulated;

impl Emulated {
    /// Runs a launch to its end.
    ///
    /// # Safety
    /// As for [`Machine::launch`], with pointers of this process.
    pub(crate) unsafe fn run(launch: &Launch, arguments: *const c_void, order: Order) -> Result<(), Error> {
        static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let backwards = c_int::from(order == Order::Backwards);
        let name: CString = launch.kernel.into();
        let (grid, block) = (launch.grid.as_ptr(), launch.block.as_ptr());
        // SAFETY: passed on to the caller; grid and block have three elements each.
        match unsafe { emulator()(name.as_ptr(), grid, block, launch.shared, arguments, backwards) } {
            0 => Ok(()),
            1 => panic!("no kernel {name:?}"),
            2 => panic!("{name:?}: threads disagree on the number of barriers"),
            _ => panic!("{name:?}: a write beyond shared memory"),
        }
    }
}

/// What a launch writes into an output of `count` values, with threads in both orders, which must not matter. `arguments` makes
/// the kernel's structure for an output.
///
/// # Safety
/// As for [`Emulated::run`].
pub(crate) unsafe fn in_both_orders<O: Copy + PartialEq, A>(
    launch: &Launch,
    count: usize,
    zero: O,
    arguments: impl Fn(*mut c_void) -> A,
) -> Vec<O> {
    let run = |order| {
        let mut out = vec![zero; count];
        let arguments = arguments(out.as_mut_ptr().cast());
        // SAFETY: passed on to the caller.
        unsafe { Emulated::run(launch, std::ptr::from_ref(&arguments).cast(), order).unwrap() };
        out
    };
    let forwards = run(Order::Forwards);
    assert!(forwards == run(Order::Backwards), "the order of threads must not matter");
    forwards
}

impl Machine for Emulated {
    const PROVIDER: Option<&'static CStr> = None;

    fn current() -> Result<Self, Error> {
        Ok(Self)
    }

    fn limits(&self) -> Limits {
        Limits { shared: 99 << 10, processors: 4 }
    }

    unsafe fn stream(_: *const OrtApi, _: *const OrtKernelContext) -> Result<*mut c_void, Error> {
        Ok(std::ptr::null_mut())
    }

    unsafe fn launch(&self, _: *mut c_void, launch: &Launch, arguments: *const c_void) -> Result<(), Error> {
        // SAFETY: passed on to the caller.
        unsafe { Self::run(launch, arguments, Order::Forwards) }
    }
}

/// Values from `-size` to `size` without a pattern that a kernel could follow.
pub(crate) fn values(count: usize, seed: u64, size: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        size * ((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0)
    };
    (0..count).map(|_| next()).collect()
}

/// Largest difference from the exact values, relative to the largest of them.
pub(crate) fn error(got: &[f32], exact: &[f64]) -> f64 {
    assert_eq!(got.len(), exact.len());
    let largest = exact.iter().fold(1e-30f64, |m, v| m.max(v.abs()));
    // `max` would overlook a NaN.
    let worst = got.iter().zip(exact).map(|(g, e)| (f64::from(*g) - e).abs());
    worst.fold(0.0f64, |m, d| if d.is_nan() { f64::INFINITY } else { m.max(d) }) / largest
}
