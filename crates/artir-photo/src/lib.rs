//! Photographs: PNG, JPEG and TIFF of 8 or 16 bits, decoded within a memory limit, restored and written again.
//!
//! [`decode`] reads files from outside, [`Photo`] holds a photograph's samples with its colour profile and EXIF, and
//! [`PhotoSource`] and [`PhotoSink`] connect it with `artir-core`. [`frames`] and [`FrameJournal`] are for the frames of a video.
//!
//! ```
//! use artir_photo::Format;
//!
//! assert_eq!(Format::of("holiday.JPG".as_ref())?, Format::Jpeg);
//! assert!(Format::of("holiday.gif".as_ref()).is_err());
//! # Ok::<(), artir_photo::Error>(())
//! ```

#![deny(unsafe_code)]

mod decode;
mod error;
mod frames;
mod photo;
mod survey;
mod tiff;

pub use decode::{Picture, decode};
pub use error::{Error, PictureError};
pub use frames::{FrameJournal, FrameState, JournalError, frame_key, frames};
pub use photo::{Format, Photo, PhotoSink, PhotoSource};
pub use survey::is_big_tiff;
