//! Images whose truth is known: a CT series made with real physics, and a hazy scene.

pub mod ct;
pub mod dicom;
pub mod haze;
mod random;

pub use random::Random;
