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
    /// The file ends before its image does. Its decoder may fill the rest with grey.
    #[error("is cut off: the file ends before its image does")]
    CutOff,
    /// An animated PNG, or a TIFF of several pages.
    #[error("holds several images, and only one can be restored: save each as a file of its own")]
    SeveralImages,
    /// Cyan, magenta, yellow and black, for printing.
    #[error("its colours are CMYK: convert it to RGB first, with its colour profile")]
    Cmyk,
    /// A JPEG that is both RGB and YCbCr by its markers.
    #[error("its markers disagree on its colours (RGB or YCbCr): save it again with a program that shows it rightly")]
    Ambiguous,
    /// Samples in an order that the decoder takes for another.
    #[error("{0}, which artir's decoder reads wrongly: save it again with a program that shows it rightly")]
    Stored(&'static str),
    /// TIFF's associated alpha.
    #[error("its colours are multiplied by its opacity (ExtraSamples 1): save it with unassociated alpha")]
    Premultiplied,
    /// Samples that are neither colour nor opacity, such as near infrared.
    #[error("has {found} samples for each pixel, of which {kept} are colour or opacity: use artir geo")]
    Bands {
        /// Samples of each pixel.
        found: u32,
        /// Those that the decoder returns.
        kept: u32,
    },
    /// The decoder refuses the file.
    #[error("{0}")]
    Decode(#[from] image::ImageError),
    /// The decoder panicked, which it also does for some files that others read.
    #[error("cannot be decoded: it is damaged, or stored in a way that the decoder does not know")]
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
    /// Its colour profile is made for other samples.
    #[error("its colour profile is not for {samples} samples: convert it, or remove the profile")]
    Profile {
        /// Its samples: grey or RGB.
        samples: &'static str,
    },
    /// The format of its result cannot hold it.
    #[error("{format} cannot hold {what}: write .png")]
    Unfit {
        /// The format.
        format: &'static str,
        /// The property that would be lost.
        what: &'static str,
    },
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
            Self::Picture(_) | Self::Samples(_) | Self::Colours { .. } | Self::Profile { .. } => ErrorKind::Input,
            Self::Ending { .. } | Self::Unfit { .. } => ErrorKind::Usage,
            Self::TooLarge | Self::Encode(_) => ErrorKind::Failed,
            Self::Write(_) => ErrorKind::Output,
            Self::Core(e) => e.kind(),
        }
    }
}
