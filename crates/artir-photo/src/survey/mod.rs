//! Properties of a file's structure that its decoder does not report, although an image would be lost or changed without them.

mod jpeg;
mod png;
mod tiff;

use std::io::{self, BufRead, ErrorKind, Read, Seek};

use image::ImageFormat;

pub use self::tiff::is_big_tiff;
use crate::PictureError;

/// The properties of a file that can be decoded without loss of its image.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// Samples of each pixel in the file. Only TIFF stores more of them than its decoder may return.
    pub(crate) samples: Option<u32>,
    /// The colour profile of a TIFF. Its decoder does not return one that is large beside the pixels.
    pub(crate) profile: Option<Vec<u8>>,
    /// The EXIF metadata of a PNG that stands after its pixels, where its decoder does not look.
    pub(crate) late_exif: Option<Vec<u8>>,
    /// Metadata that is ignored, as a warning names it.
    pub(crate) lost: Vec<&'static str>,
}

/// Reads a file's structure, from its first byte. The decoders fill missing data with grey, return the first of several images,
/// and convert CMYK without its profile, all without an error, so that such files are refused here.
///
/// # Errors
/// The reason why the decoder would return another image than the file holds.
pub(crate) fn survey(file: &mut (impl BufRead + Seek), format: ImageFormat) -> Result<Survey, PictureError> {
    let found = match format {
        ImageFormat::Jpeg => jpeg::survey(file).map(|()| Survey::default()),
        ImageFormat::Png => png::survey(file),
        ImageFormat::Tiff => tiff::survey(file),
        _ => Ok(Survey::default()),
    };
    found.map_err(|e| match e {
        PictureError::Read(e) if e.kind() == ErrorKind::UnexpectedEof => PictureError::CutOff,
        other => other,
    })
}

/// The next bytes.
fn bytes<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut out = [0; N];
    file.read_exact(&mut out)?;
    Ok(out)
}
