//! Arguments and launchers of kernels.

use std::ffi::{CStr, c_void};

use ort_sys::{OrtApi, OrtKernelContext};

use crate::Error;

/// One launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Launch {
    /// Name of the kernel's entry point.
    pub(crate) kernel: &'static CStr,
    /// Blocks in x, y, z.
    pub(crate) grid: [u32; 3],
    /// Threads of a block in x, y, z.
    pub(crate) block: [u32; 3],
    /// Bytes of dynamic shared memory for a block.
    pub(crate) shared: u32,
}

/// Properties that determine the launch of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of shared memory that a block may have when it asks for them: 48 KiB at least.
    pub(crate) shared: u32,
    /// Multiprocessors.
    pub(crate) processors: u32,
}

/// The most blocks that a grid may have in y and z.
const LARGEST_GRID: usize = 65_535;

/// Blocks in z for a batch: kernels go on to the next image themselves when there are more.
pub(crate) fn grid_depth(batch: usize) -> u32 {
    batch.min(LARGEST_GRID) as u32
}

fn too_large(shape: &[usize]) -> Error {
    Error::TooLarge(shape.iter().map(|n| *n as i64).collect())
}

/// # Errors
/// [`Error::TooLarge`] for a map with more rows, columns or planes than the kernels count.
pub(crate) fn countable(shape: &[usize]) -> Result<(), Error> {
    if shape.iter().any(|n| *n > 1 << 30) { Err(too_large(shape)) } else { Ok(()) }
}

impl Launch {
    /// # Errors
    /// [`Error::TooLarge`] when the grid over a map of this shape is larger than CUDA allows.
    pub(crate) fn checked(self, shape: &[usize]) -> Result<Self, Error> {
        let fits = self.grid[0] <= i32::MAX as u32 && self.grid[1] as usize <= LARGEST_GRID;
        if fits { Ok(self) } else { Err(too_large(shape)) }
    }
}

/// What runs kernels: the CUDA driver, or, in tests, the CPU.
pub(crate) trait Machine: Sized {
    /// The provider whose nodes the operators take, by ONNX Runtime's name; `None` is the CPU.
    const PROVIDER: Option<&'static CStr>;

    /// The machine on which the calling thread's node runs.
    fn current() -> Result<Self, Error>;

    fn limits(&self) -> Limits;

    /// The stream on which a node's work goes.
    ///
    /// # Safety
    /// Called with ONNX Runtime's arguments of KernelComputeV2.
    unsafe fn stream(api: *const OrtApi, context: *const OrtKernelContext) -> Result<*mut c_void, Error>;

    /// Puts a launch on the stream.
    ///
    /// # Safety
    /// `arguments` is the kernel's own structure, whose pointers are this machine's and as long as the kernel expects.
    unsafe fn launch(&self, stream: *mut c_void, launch: &Launch, arguments: *const c_void) -> Result<(), Error>;
}
