//! A training step's forward and backward pass on a processor.
//!
//! [`Trainer`] makes both over the whole network in one call each, from a flat list of parameters to a flat list of their
//! gradients; the caller computes the loss. [`c_api`] is the interface for other languages.
//!
//! - Each image of a batch is one thread's work from beginning to end, so that no thread waits for another.
//! - Maps lie as in [`crate::network`], float32, sixteen channels together. Of a block its input alone is kept.
//! - Products over channels and over pixels (`product`) round their operands to bfloat16 and add in float32 where the
//!   processor has instructions for that, best of all tiles (`amx`); everything else is float32.
//! - Layer norms' weights and residuals' scales are multiplied into the convolutions beside them (`linear`), forward and
//!   back.
//!
//! Results depend on the instructions, never on the number of threads.

pub mod c_api;
mod dense;
mod gated;
mod linear;
mod local_map;
mod memory;
mod mixer;
mod modulation;
mod operand;
mod plane;
mod product;
mod program;
mod resample;
mod rows;
mod taps;
#[cfg(test)]
mod tests;
mod trainer;
mod wide;

pub use trainer::{Products, Trainer};
