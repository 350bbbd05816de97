//! The ArtIR network's operators for ONNX Runtime.
//!
//! As a shared library (`libartir_ops.so`) it serves any ONNX Runtime from 1.18 on through the standard entry point
//! [`RegisterCustomOps`]: Python's `SessionOptions.register_custom_ops_library`, the C and C++ APIs, Triton's
//! `op_library_filename`. As a Rust library it registers the same code in-process, see `register` (feature `ort`).
//!
//! Two operators of domain `artir` exist: [`network`]'s `Network` and [`large_kernel`]'s `DynamicLargeKernel`.

mod error;
mod instructions;
pub mod large_kernel;
pub mod network;
mod ort_op;
mod peak;

pub use error::Error;
pub use instructions::{Instructions, Precision};
#[cfg(feature = "ort")]
pub use ort_op::register;
pub use ort_op::{PRECISION_OPTION, RegisterCustomOps};
pub use peak::multiply_adds_per_second;
