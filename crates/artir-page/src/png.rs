//! Pictures in the form that a page takes.

use std::io;

use base64::{Engine, engine::general_purpose::STANDARD};
use image::{
    ExtendedColorType, ImageEncoder,
    codecs::png::{CompressionType, FilterType, PngEncoder},
};

/// The 8-bit samples of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Samples {
    /// Grey.
    Grey,
    /// Grey and opacity.
    GreyAlpha,
    /// Red, green and blue.
    Rgb,
    /// Red, green, blue and opacity.
    Rgba,
}

/// A picture as PNG in base64, for a `data:` address. `size` is columns and rows.
///
/// # Errors
/// `InvalidInput` when the samples do not fill the size.
pub fn png((columns, rows): (usize, usize), kind: Samples, samples: &[u8]) -> io::Result<String> {
    let (kind, per_pixel) = match kind {
        Samples::Grey => (ExtendedColorType::L8, 1),
        Samples::GreyAlpha => (ExtendedColorType::La8, 2),
        Samples::Rgb => (ExtendedColorType::Rgb8, 3),
        Samples::Rgba => (ExtendedColorType::Rgba8, 4),
    };
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "a picture whose samples do not fill its size");
    let (Ok(width), Ok(height)) = (u32::try_from(columns), u32::try_from(rows)) else { return Err(invalid()) };
    if columns.checked_mul(rows).and_then(|n| n.checked_mul(per_pixel)) != Some(samples.len()) {
        return Err(invalid());
    }
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive)
        .write_image(samples, width, height, kind)
        .map_err(io::Error::other)?;
    Ok(STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_back_as_they_were() {
        for (kind, per_pixel) in [(Samples::Grey, 1), (Samples::GreyAlpha, 2), (Samples::Rgb, 3), (Samples::Rgba, 4)] {
            let samples: Vec<u8> = (0..6 * per_pixel as u8).map(|v| v * 9).collect();
            let bytes = STANDARD.decode(png((3, 2), kind, &samples).unwrap()).unwrap();
            let decoded = image::load_from_memory_with_format(&bytes, image::ImageFormat::Png).unwrap();
            assert_eq!((decoded.width(), decoded.height()), (3, 2));
            assert_eq!(decoded.into_bytes(), samples);
            assert!(png((3, 3), kind, &samples).is_err());
        }
    }
}
