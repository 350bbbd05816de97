//! Errors, without the path of the photograph, which the caller knows.

use std::io;

use artir_core::ErrorKind;

/// The reason why a picture cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file system refuses the file.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// A folder, a device or a pipe.
    #[error("not a file")]
    NotAFile,
    /// Another format.
    #[error("not a PNG, JPEG or TIFF image")]
    Format,
    /// The file alone exceeds the memory limit.
    #[error("holds {} MiB, but {} MiB are allowed", mebibytes(*.needed), .allowed >> 20)]
    File {
        /// Its length, bytes.
        needed: u64,
        /// The limit, bytes.
        allowed: u64,
    },
    /// The decoded picture exceeds the memory limit.
    #[error("{width}x{height} pixels need {} MiB, but {} MiB are allowed", mebibytes(*.needed), .allowed >> 20)]
    Pixels {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Memory to decode it, bytes.
        needed: u64,
        /// The limit, bytes.
        allowed: u64,
    },
    /// The decoder refuses the file.
    #[error("{0}")]
    Decode(#[from] image::ImageError),
    /// The decoder panicked.
    #[error("is damaged: its decoder failed")]
    Damaged,
}

/// Rounded up, so that a size above the limit is never printed as equal to it.
fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

/// The reason why a photograph cannot be read, restored or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be decoded.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// Its samples are neither 8 nor 16-bit integers.
    #[error("pixels of type {0:?} are not supported")]
    Samples(image::ColorType),
    /// No format has this file ending.
    #[error("cannot write '.{ending}': use .png, .jpg or .tif")]
    Ending {
        /// The ending, without its dot.
        ending: String,
    },
    /// It has another number of channels than the model.
    #[error("the model takes {expected} channels, and the photograph has {found} colours")]
    Colours {
        /// Its colours.
        found: usize,
        /// The model's channels.
        expected: usize,
    },
    /// It has more rows or columns than its format can hold.
    #[error("the image is too large to encode")]
    TooLarge,
    /// Its encoder refuses it.
    #[error("{0}")]
    Encode(#[source] image::ImageError),
    /// The file system refuses the result.
    #[error("cannot write: {0}")]
    Write(#[source] io::Error),
    /// The core failed.
    #[error(transparent)]
    Core(#[from] artir_core::Error),
}

impl Error {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Picture(_) | Self::Samples(_) | Self::Colours { .. } => ErrorKind::Input,
            Self::Ending { .. } => ErrorKind::Usage,
            Self::TooLarge | Self::Encode(_) => ErrorKind::Failed,
            Self::Write(_) => ErrorKind::Output,
            Self::Core(e) => e.kind(),
        }
    }
}
