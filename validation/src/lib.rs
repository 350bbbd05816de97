//! Measuring models: on data sets with published figures, and on phantoms with known truth.

#![deny(unsafe_code)]

pub mod harness;
pub mod phantom;
pub mod picture;
mod random_state;
pub mod report;
pub mod safety;

pub use random_state::RandomState;
