//! Images whose truth is known: CT and PET series made with the physics of a scanner, a hazy scene, a noisy picture.
//!
//! ```
//! let scene = artir_phantom::haze::scene(32, 7);
//! assert_eq!(scene.hazy.dim(), scene.clear.dim());
//! // Haze brightens what is dark.
//! assert!(scene.hazy.iter().min() > scene.clear.iter().min());
//! ```

#![deny(unsafe_code)]

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
