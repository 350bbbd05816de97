//! The segments of a JPEG file, up to the end of its first image.

use std::io::{self, BufRead, Seek};

use super::bytes;
use crate::PictureError;

/// Requires the marker that ends the image after its last scan, grey or three colours, and markers that agree on these.
/// Bytes after the end are ignored: cameras append previews there.
pub(super) fn survey(file: &mut (impl BufRead + Seek)) -> Result<(), PictureError> {
    let mut scanned = false;
    let (mut jfif, mut adobe, mut names) = (false, None, None);
    loop {
        match marker(file)? {
            // No segment follows these: a 0xff of the compressed data, a restart of it, and the start of the file.
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            0xd9 if scanned => return Ok(()),
            0xd9 => return Err(PictureError::CutOff),
            code => {
                let length = i64::from(u16::from_be_bytes(bytes(file)?)) - 2;
                // No more of a segment is looked at.
                let mut start = [0; 15];
                let read = length.clamp(0, 15);
                file.read_exact(&mut start[..read as usize])?;
                file.seek_relative((length - read).max(0))?;
                // Frames have these codes, but three of them: tables of Huffman codes, an extension, and arithmetic conditions.
                let frame = matches!(code, 0xc0..=0xcf) && !matches!(code, 0xc4 | 0xc8 | 0xcc);
                // Bits, rows and columns stand before the number of components, which have three bytes each.
                match start[5] {
                    4 if frame => return Err(PictureError::Cmyk),
                    3 if frame => names = Some([start[6], start[9], start[12]]),
                    _ => {}
                }
                jfif |= code == 0xe0 && start.starts_with(b"JFIF\0");
                if code == 0xee && start.starts_with(b"Adobe") {
                    adobe = Some(start[11]);
                }
                if code == 0xda && !scanned {
                    // The decoder takes either word for RGB. Most programs believe JFIF, which is YCbCr, then Adobe.
                    // Photoshop puts both marks on grey images, whose one component leaves no doubt.
                    let is_rgb = adobe == Some(0) || names == Some(*b"RGB");
                    let is_luma = jfif || adobe.is_some_and(|transform| transform != 0);
                    if names.is_some() && is_rgb && is_luma {
                        return Err(PictureError::Ambiguous);
                    }
                    scanned = true;
                }
            }
        }
    }
}

/// The code of the next marker, after any bytes that fill the space before it.
fn marker(file: &mut impl BufRead) -> io::Result<u8> {
    file.skip_until(0xff)?;
    loop {
        let [code] = bytes(file)?;
        if code != 0xff {
            return Ok(code);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{DynamicImage, GrayImage, ImageFormat, Rgb, RgbImage};

    use crate::{PictureError, survey::survey};

    fn jpeg() -> Vec<u8> {
        let mut bytes = Vec::new();
        // Noise, so that the compressed data holds 0xff.
        let noise = |x: u32, y: u32, c: u32| (x * 7919 + y * 104_729 + c * 31).wrapping_mul(2_654_435_761) as u8;
        DynamicImage::ImageRgb8(RgbImage::from_fn(64, 64, |x, y| Rgb([0, 1, 2].map(|c| noise(x, y, c)))))
            .write_to(&mut Cursor::new(&mut bytes), ImageFormat::Jpeg)
            .unwrap();
        bytes
    }

    fn refused(bytes: Vec<u8>) -> Option<PictureError> {
        survey(&mut Cursor::new(bytes), ImageFormat::Jpeg).err()
    }

    #[test]
    fn a_file_that_ends_before_its_image_is_refused() {
        let whole = jpeg();
        assert!(refused(whole.clone()).is_none());
        for cut in [2, 3, 20, 200, whole.len() / 2, whole.len() - 2, whole.len() - 1] {
            let error = refused(whole[..cut].to_vec());
            assert!(matches!(error, Some(PictureError::CutOff)), "{cut}: {error:?}");
        }
        // Neither another image after the end nor bytes that fill the space before a marker are damage.
        assert!(refused([whole.as_slice(), &whole[..300]].concat()).is_none());
        let filled = [&whole[..whole.len() - 2], &[0xff, 0xff, 0xff], &whole[whole.len() - 2..]].concat();
        assert!(refused(filled).is_none());
    }

    #[test]
    fn four_components_are_refused() {
        let mut bytes = jpeg();
        let frame = bytes.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        bytes[frame + 9] = 4;
        assert!(matches!(refused(bytes), Some(PictureError::Cmyk)));
    }

    #[test]
    fn markers_that_disagree_on_the_colours_are_refused() {
        let whole = jpeg();
        let adobe = |transform: u8| [b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat();
        let with = |segment: &[u8], bytes: &[u8]| [&bytes[..2], segment, &bytes[2..]].concat();
        // Without JFIF's own segment, which comes first.
        assert_eq!(whole[2..4], [0xff, 0xe0]);
        let bare = [&whole[..2], &whole[4 + usize::from(whole[5])..]].concat();
        let mut named = bare.clone();
        let frame = named.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        for (n, name) in b"RGB".iter().enumerate() {
            named[frame + 10 + 3 * n] = *name;
        }
        let marked = [with(&adobe(0), &bare), with(&adobe(0), &named), with(&adobe(1), &whole)];
        for agreed in [&whole, &bare, &named].into_iter().chain(&marked) {
            assert!(refused(agreed.clone()).is_none());
        }
        let jfif = &whole[2..4 + usize::from(whole[5])];
        for opposed in [with(&adobe(0), &whole), with(jfif, &named), with(&adobe(1), &named)] {
            let error = refused(opposed);
            assert!(matches!(error, Some(PictureError::Ambiguous)), "{error:?}");
        }
        let mut grey = Vec::new();
        GrayImage::new(16, 16).write_to(&mut Cursor::new(&mut grey), ImageFormat::Jpeg).unwrap();
        assert!(grey[2..].starts_with(&[0xff, 0xe0]) && refused(with(&adobe(0), &grey)).is_none(), "as of Photoshop");
    }
}
