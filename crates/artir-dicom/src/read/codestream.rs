//! Headers of compressed frames, checked before decoding because codecs allocate memory by these values.

use crate::CodecError;

/// Size of an image in a codestream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) rows: u32,
    pub(crate) columns: u32,
    pub(crate) components: u16,
    /// Bits of a sample.
    pub(crate) bits: u8,
}

/// The most tiles of a JPEG 2000 frame; scanners write one, archives some dozens.
const MAX_TILES: u64 = 4096;

/// Reads the frame header of JPEG or JPEG-LS (ITU-T T.81, B.2.2; T.87, C.2.2).
///
/// # Errors
/// Words for a stream without one.
pub(crate) fn jpeg(stream: &[u8]) -> Result<Claim, CodecError> {
    const NONE: &str = "a JPEG frame without a header";
    if stream.get(..2) != Some(&[0xff, 0xd8]) {
        return Err(CodecError::new(NONE));
    }
    let mut at = 2;
    loop {
        let marker = match stream.get(at..at + 2) {
            Some([0xff, 0xff]) => {
                at += 1;
                continue;
            }
            Some([0xff, marker]) => *marker,
            _ => return Err(CodecError::new(NONE)),
        };
        let length = match stream.get(at + 2..at + 4) {
            Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
            _ => return Err(CodecError::new(NONE)),
        };
        let is_frame = matches!(marker, 0xc0..=0xcf | 0xf7) && ![0xc4, 0xc8, 0xcc].contains(&marker);
        if is_frame {
            let Some(&[bits, r1, r0, c1, c0, components]) = stream.get(at + 4..at + 10) else {
                return Err(CodecError::new(NONE));
            };
            let size = |high, low| u32::from(u16::from_be_bytes([high, low]));
            return Ok(Claim { rows: size(r1, r0), columns: size(c1, c0), components: components.into(), bits });
        }
        if length < 2 || marker == 0xda {
            return Err(CodecError::new(NONE));
        }
        at += 2 + length;
    }
}

/// Reads the SIZ marker of JPEG 2000 (ISO/IEC 15444-1, A.5.1).
///
/// # Errors
/// Words for a stream without one, and for one of too many tiles.
pub(crate) fn jpeg2000(stream: &[u8]) -> Result<Claim, CodecError> {
    const NONE: &str = "a JPEG 2000 frame without a header";
    // Some writers put the boxes of a JP2 file round the codestream.
    let head = &stream[..stream.len().min(4096)];
    let at = head.windows(4).position(|w| w == [0xff, 0x4f, 0xff, 0x51]).ok_or_else(|| CodecError::new(NONE))?;
    let siz = stream.get(at + 4..at + 4 + 39).ok_or_else(|| CodecError::new(NONE))?;
    let word = |i: usize| u64::from(u32::from_be_bytes([siz[i], siz[i + 1], siz[i + 2], siz[i + 3]]));
    let [x, y, x0, y0, tile_x, tile_y, tile_x0, tile_y0] = [4, 8, 12, 16, 20, 24, 28, 32].map(word);
    let bad = x0 >= x || y0 >= y || tile_x == 0 || tile_y == 0 || tile_x0 > x0 || tile_y0 > y0;
    if bad || (x - tile_x0).div_ceil(tile_x) * (y - tile_y0).div_ceil(tile_y) > MAX_TILES {
        return Err(CodecError::new("a JPEG 2000 frame with an invalid tile size"));
    }
    let components = u16::from_be_bytes([siz[36], siz[37]]);
    Ok(Claim { rows: (y - y0) as u32, columns: (x - x0) as u32, components, bits: (siz[38] & 0x7f) + 1 })
}

/// Whether the compression of a frame has lost information, by its syntax or its own header.
pub(crate) fn is_lossy(transfer_syntax: &str, stream: &[u8]) -> bool {
    match transfer_syntax.strip_prefix("1.2.840.10008.1.2.4.") {
        Some("50" | "51") => true,
        Some("80" | "81") => jpeg_ls_near(stream).is_some_and(|near| near > 0),
        Some("90" | "91" | "92" | "93" | "201" | "202" | "203") => {
            // The wavelet transformation of the COD marker: 0 is the irreversible one (ISO/IEC 15444-1, A.6.1).
            let at = stream.windows(2).position(|w| w == [0xff, 0x52]);
            at.and_then(|at| stream.get(at + 13)) == Some(&0)
        }
        _ => false,
    }
}

/// NEAR of the first scan of JPEG-LS (ITU-T T.87, C.2.3).
fn jpeg_ls_near(stream: &[u8]) -> Option<u8> {
    let mut at = 2;
    loop {
        let [0xff, marker] = *stream.get(at..at + 2)? else { return None };
        let length = usize::from(u16::from_be_bytes([*stream.get(at + 2)?, *stream.get(at + 3)?]));
        if marker == 0xda {
            let components = usize::from(*stream.get(at + 4)?);
            return stream.get(at + 5 + 2 * components).copied();
        }
        at += 2 + length.max(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_behind_other_segments() {
        let mut jpeg_ls = vec![0xff, 0xd8, 0xff, 0xe8, 0, 4, 1, 2];
        jpeg_ls.extend([0xff, 0xf7, 0, 11, 12, 2, 0, 1, 128, 1]);
        assert_eq!(jpeg(&jpeg_ls).unwrap(), Claim { rows: 512, columns: 384, components: 1, bits: 12 });
        for cut in 0..jpeg_ls.len() {
            assert!(jpeg(&jpeg_ls[..cut]).is_err());
        }
        assert!(jpeg(&[0xff, 0xd8, 0xff, 0xda, 0, 8, 1, 1, 1, 1, 1, 1]).is_err(), "a scan before its frame");
    }

    #[test]
    fn lost_information_shows_in_the_codestream() {
        let jpeg_ls = |near: u8| {
            let mut s = vec![0xff, 0xd8, 0xff, 0xf7, 0, 11, 12, 2, 0, 1, 128, 1, 1, 0x11, 0];
            s.extend([0xff, 0xda, 0, 8, 1, 1, 0, near, 0, 0]);
            s
        };
        assert!(is_lossy("1.2.840.10008.1.2.4.81", &jpeg_ls(2)) && !is_lossy("1.2.840.10008.1.2.4.81", &jpeg_ls(0)));
        let cod = |wavelet: u8| [&[0xff, 0x4f, 0xff, 0x52, 0, 12, 0, 0, 0, 1, 0, 5, 4, 4, 0][..], &[wavelet]].concat();
        assert!(is_lossy("1.2.840.10008.1.2.4.91", &cod(0)) && !is_lossy("1.2.840.10008.1.2.4.91", &cod(1)));
        for cut in 0..jpeg_ls(2).len() {
            is_lossy("1.2.840.10008.1.2.4.81", &jpeg_ls(2)[..cut]);
        }
    }

    #[test]
    fn tiles_are_bounded() {
        let stream = |tile: u32| {
            let mut s = vec![0xff, 0x4f, 0xff, 0x51, 0, 41, 0, 0];
            for word in [512u32, 256, 0, 0, tile, tile, 0, 0] {
                s.extend(word.to_be_bytes());
            }
            s.extend([0, 1, 0x8f, 1, 1]);
            s
        };
        assert_eq!(jpeg2000(&stream(512)).unwrap(), Claim { rows: 256, columns: 512, components: 1, bits: 16 });
        assert!(jpeg2000(&stream(1)).is_err() && jpeg2000(&stream(0)).is_err() && jpeg2000(&[1, 2]).is_err());
    }
}
