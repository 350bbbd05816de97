//! The whole network in one operator.
//!
//! `artir.Network` restores images `[N, C, H, W]`, H and W multiples of 4. Its other inputs are the weights in the order
//! in which the model's function body uses them; the body, made of standard operators, is the definition. Here the same
//! sums are made in an order that suits a processor:
//!
//! - maps keep sixteen channels of a pixel together (`map`);
//! - a block is one pass over its map (`gated`): the widened map stays in the cache;
//! - layer norms' weights are multiplied into the convolutions that follow them (`expand`);
//! - the way up sums over channels first and interpolates then (`resample`);
//! - nothing is allocated but two maps of full size and an eighth of that (`run`).
//!
//! Every output is one chain of additions, whose order depends on nothing but the instructions: threads and the
//! division into jobs change no bit.

pub(crate) mod buffer;
mod cascade;
pub(crate) mod depthwise;
mod ends;
mod expand;
pub(crate) mod extent;
mod gated;
pub(crate) mod gelu;
pub(crate) mod lanes;
mod map;
mod norm;
mod operands;
mod pointwise;
mod probe;
mod resample;
mod ring;
mod run;
mod tensor;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
pub(crate) mod tiles;
mod tiling;
mod weights;

pub(crate) use probe::Probe;
pub use run::Network;
pub use tensor::Tensor;
pub use weights::Architecture;
