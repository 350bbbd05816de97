//! The ArtIR network's operators for ONNX Runtime.
//!
//! As a shared library (`libartir_ops.so`) it serves any ONNX Runtime from 1.18 on through the standard entry point
//! [`RegisterCustomOps`]: Python's `SessionOptions.register_custom_ops_library`, the C and C++ APIs, Triton's
//! `op_library_filename`. As a Rust library it registers the same code in-process, see `register` (feature `ort`).
//!
//! Domain `artir` has two operators on the CPU, [`network`]'s `Network` and [`large_kernel`]'s `DynamicLargeKernel`, and
//! four on an NVIDIA GPU ([`cuda`]), `DynamicLargeKernel`, `Modulation`, `RefinedModulation` and `GatedBlock`, into which the
//! network is expanded there. A session registers one of the two sets: ONNX Runtime would copy the inputs of a node that
//! its provider does not support to the CPU and back.

pub mod cuda;
mod error;
mod gated_block;
mod instructions;
pub mod large_kernel;
mod modulation;
pub mod network;
mod ort_op;
mod peak;
mod status;
mod telemetry;
pub mod train;

pub use error::Error;
pub use instructions::{Instructions, MAX_VARIABLE, Precision};
#[cfg(feature = "ort")]
pub use ort_op::{CudaOperators, register, register_cuda};
pub use ort_op::{PRECISION_OPTION, RegisterCustomOps, THREADS_OPTION, runtime_version};
pub use peak::multiply_adds_per_second;
pub use telemetry::switch_off_telemetry;
