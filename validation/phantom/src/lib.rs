//! Images whose truth is known: CT and PET series made with the physics of a scanner, a hazy scene, a noisy picture.

mod backprojection;
pub mod ct;
pub mod dicom;
mod ellipse;
pub mod haze;
pub mod noise;
pub mod pet;
mod random;

pub use ellipse::Ellipse;
pub use random::Random;
