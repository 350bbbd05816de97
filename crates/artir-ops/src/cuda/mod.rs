//! The operators on an NVIDIA GPU.
//!
//! ONNX Runtime's CUDA provider owns device, context, stream and memory; this module launches artir's own kernels on
//! that stream. They are PTX (`kernels.ptx`, from `kernels.cu` by `scripts/compile_kernels.py`), which the driver
//! compiles for its GPU when it first meets them. The driver's library is looked for at run time, so that nothing of
//! CUDA is needed to build artir or to run it on a CPU.
//!
//! Nothing here has run on a GPU yet. Tests check the parts that need none: the kernels' sources, compiled for the CPU
//! (`emulated`), against the operators' definitions, as they are and as nodes of ONNX Runtime sessions.

mod driver;
#[cfg(test)]
pub(crate) mod emulated;
mod launch;

pub(crate) use driver::Cuda;
pub use driver::{Driver, Gpu, driver, free_memory, library_loads, tensorrt_version};
pub(crate) use launch::{Launch, Limits, Machine, countable, grid_depth};
