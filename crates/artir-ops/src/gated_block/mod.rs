//! The block of full and half resolution, `artir.GatedBlock`, on a GPU.
//!
//! # Definition
//!
//! ```text
//! y' = x  + project(a * b),        a, b = halves(local(expand(norm(x))))          biases everywhere
//! y  = y' + project(GELU(a) * b),  a, b = halves(local(expand(norm(y'))))         no biases
//! ```
//!
//! `norm` is layer norm over a pixel's channels (eps 1e-6, weight and bias), `expand` and `project` are 1x1
//! convolutions, `local` is a 3x3 convolution of each channel for itself with zeros around, GELU is the exact one, and
//! residual scales are in the weights of `project`. It is the body of the model-local function of the same name
//! (`models/artir_train/graph.py`).
//!
//! One launch makes one half, so that a tile needs a border of one pixel; the map between the halves is in device
//! memory, in single precision, and has as many channels as the input. On a CPU, `artir.Network` takes the blocks with
//! the rest of the network.

mod cuda;
#[cfg(test)]
mod reference;

pub(crate) use cuda::{Arguments, Half, launch};
