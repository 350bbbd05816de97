//! Photographs: PNG, JPEG and TIFF of 8 or 16 bits, decoded within a memory limit, restored and written again.
//!
//! [`decode`] reads files from outside, [`Photo`] holds a photograph's samples with its colour profile and EXIF, and
//! [`PhotoSource`] and [`PhotoSink`] connect it with `artir-core`.

#![deny(unsafe_code)]

mod decode;
mod error;
mod photo;

pub use decode::{Picture, decode};
pub use error::{Error, PictureError};
pub use photo::{Format, Photo, PhotoSink, PhotoSource};
