//! Encoding panels as PNG.

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

/// PNG bytes of a grey or RGB image; empty when the sizes do not fit each other.
pub(super) fn encode((width, height): (usize, usize), pixels: &[u8]) -> Vec<u8> {
    let colour = if pixels.len() == width * height { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let mut out = Vec::new();
    let (Ok(w), Ok(h)) = (u32::try_from(width), u32::try_from(height)) else { return Vec::new() };
    let encoder = PngEncoder::new(&mut out);
    if pixels.len() != width * height && pixels.len() != 3 * width * height {
        return Vec::new();
    }
    // Writing to memory fails only for sizes that were just checked.
    if encoder.write_image(pixels, w, h, colour).is_err() {
        out.clear();
    }
    out
}
