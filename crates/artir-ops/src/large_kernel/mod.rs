//! The dynamic large kernel: a K x K kernel for every pixel, applied without ever being built.
//!
//! # Definition
//!
//! For a map `X` (`[H, W]`, row-major) and taps `w`, `b` (`[K, K]`, row-major, K odd, centre at `K / 2`)
//!
//! ```text
//! Y[p] = sum over k of (w[k] X[p] + b[k]) X[p + k]         taps outside the map count as zero
//!      = X[p] (w * X)[p] + (b * X)[p]                      * is correlation
//! ```
//!
//! The first line is the layer of the paper "Large Kernel Network for Image Restoration" (ArtIR): a 1x1 convolution
//! makes K x K weights for each pixel, and they are applied to its neighbourhood. The second line is the same number,
//! since the weights are affine in `X[p]`: two static correlations of one channel. `b` may be absent and is then zero.
//!
//! # Two ways to compute it
//!
//! [`Engine`] picks between a direct loop (`direct`) and overlap-save FFT (`plan`, `fft`) by the rule in `engine`.
//! Blocks with values that an FFT would smear (NaN, infinity, or finite values so large that its sums overflow)
//! always take the direct loop, so that such a pixel changes its own neighbourhood and nothing else.

pub(crate) mod cuda;
mod direct;
mod element;
mod engine;
mod fft;
mod map;
mod parallel;
mod plan;
mod reference;
mod scratch;
mod taps;
mod vector;

pub use element::Element;
pub use engine::{Engine, Method};
pub use map::Shape;
pub use parallel::{Parallel, Serial};
pub use reference::reference;
pub use taps::Taps;
pub(crate) use taps::kernel_size_from as check_kernel_size;
