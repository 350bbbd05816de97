//! The segments of a JPEG file, up to the end of its first image.

use std::io::{self, BufRead, Seek};

use super::bytes;
use crate::PictureError;

/// A frame of three components, in the order of the file.
struct Frame {
    names: [u8; 3],
    /// Rows of samples of each, beside those of the others.
    down: [u8; 3],
    /// Whether a scan holds samples as they are, not a part of their digits or frequencies.
    sequential: bool,
}

impl Frame {
    /// Reads the segment from its first byte.
    ///
    /// # Errors
    /// Components that the decoder reads wrongly: it takes the columns of the first one for the most.
    fn read(start: &[u8; 15], code: u8) -> Result<Self, PictureError> {
        let of_each = |at: usize| [start[at], start[at + 3], start[at + 6]];
        let factors = of_each(7);
        let [first, second, third] = factors.map(|factor| factor >> 4);
        if first < second.max(third) {
            return Err(PictureError::Stored("its first component has fewer columns than another one"));
        }
        Ok(Self { names: of_each(6), down: factors.map(|factor| factor & 15), sequential: code != 0xc2 })
    }

    /// Refuses a scan of so many components that the decoder reads wrongly. It takes any scan of a frame that is not progressive
    /// for one of all components: that leads to the right places only where the scan has one component, no component has more
    /// rows of samples than another, and no marker of a restart is counted.
    fn check_scan(&self, components: u8, restarts: bool) -> Result<(), PictureError> {
        let is_part = self.sequential && components < 3;
        if is_part && (restarts || components > 1 || self.down.iter().any(|rows| *rows > 1)) {
            return Err(PictureError::Stored("its colours are in scans of their own"));
        }
        Ok(())
    }
}

/// Requires the marker that ends the image after its last scan, grey or three colours, markers that agree on these, and an order
/// of samples that the decoder reads rightly. Bytes after the end are ignored: cameras append previews there.
pub(super) fn survey(file: &mut (impl BufRead + Seek)) -> Result<(), PictureError> {
    let mut scanned = false;
    let (mut jfif, mut adobe, mut colours, mut restarts) = (false, None, None, false);
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
                    3 if frame => colours = Some(Frame::read(&start, code)?),
                    _ => {}
                }
                if code == 0xdd {
                    restarts = start[..2] != [0, 0];
                }
                jfif |= code == 0xe0 && start.starts_with(b"JFIF\0");
                if code == 0xee && start.starts_with(b"Adobe") {
                    adobe = Some(start[11]);
                }
                if code == 0xda {
                    scanned = true;
                    let Some(frame) = &colours else { continue };
                    frame.check_scan(start[0], restarts)?;
                    // The decoder takes either word for RGB. Most programs believe JFIF, which is YCbCr, then Adobe.
                    // Photoshop puts both marks on grey images, whose one component leaves no doubt.
                    let is_rgb = adobe == Some(0) || frame.names == *b"RGB";
                    let is_luma = jfif || adobe.is_some_and(|transform| transform != 0);
                    if is_rgb && is_luma {
                        return Err(PictureError::Ambiguous);
                    }
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

    /// The place of a marker.
    fn place(bytes: &[u8], code: u8) -> usize {
        bytes.windows(2).position(|w| w == [0xff, code]).unwrap()
    }

    #[test]
    fn scans_that_the_decoder_reads_wrongly_are_refused() {
        // The factors of each component, columns in the upper half, then the components of the first scan.
        let with = |frame: u8, factors: [u8; 3], components: u8, interval: Option<u16>| {
            let mut bytes = jpeg();
            let (at, scan) = (place(&bytes, 0xc0), place(&bytes, 0xda));
            bytes[at + 1] = frame;
            for (n, factor) in factors.into_iter().enumerate() {
                bytes[at + 11 + 3 * n] = factor;
            }
            bytes[scan + 4] = components;
            if let Some(interval) = interval {
                let restart = [b"\xff\xdd\0\x04".as_slice(), &interval.to_be_bytes()].concat();
                bytes = [&bytes[..2], &restart, &bytes[2..]].concat();
            }
            bytes
        };
        let even = [0x11; 3];
        for read in [
            with(0xc0, even, 3, Some(4)),
            with(0xc0, [0x22, 0x11, 0x11], 3, None),
            with(0xc0, [0x12, 0x11, 0x11], 3, Some(4)),
            with(0xc0, [0x21, 0x21, 0x22], 3, None),
            with(0xc0, even, 1, None),
            with(0xc0, even, 1, Some(0)),
            with(0xc1, [0x21, 0x11, 0x11], 1, None),
            with(0xc2, [0x22, 0x11, 0x11], 1, Some(4)),
        ] {
            assert!(refused(read).is_none());
        }
        for (wrong, why) in [
            (with(0xc0, even, 1, Some(4)), "scans"),
            (with(0xc0, even, 2, None), "scans"),
            (with(0xc0, [0x12, 0x11, 0x11], 1, None), "scans"),
            (with(0xc1, [0x11, 0x12, 0x11], 1, None), "scans"),
            (with(0xc0, [0x11, 0x21, 0x21], 3, None), "columns"),
            (with(0xc2, [0x11, 0x11, 0x21], 3, None), "columns"),
            (with(0xc0, [0x22, 0x42, 0x11], 3, None), "columns"),
        ] {
            let error = refused(wrong);
            assert!(matches!(error, Some(PictureError::Stored(text)) if text.contains(why)), "{why}: {error:?}");
        }
        // A later scan counts as the first does.
        let whole = with(0xc0, even, 3, None);
        let scan = &whole[place(&whole, 0xda)..];
        let mut twice = [&whole[..whole.len() - 2], scan].concat();
        assert!(refused(twice.clone()).is_none());
        let second = whole.len() - 2;
        twice[second + 4] = 2;
        assert!(matches!(refused(twice), Some(PictureError::Stored(_))));
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
