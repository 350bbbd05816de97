//! The chunks of a PNG file.

use std::io::{self, BufRead, ErrorKind, Read, Seek, SeekFrom};

use super::{Survey, bytes};
use crate::PictureError;

/// The values of sRGB, in hundred thousandths: the exponent, and the white point and primaries.
const GAMMA: [u32; 1] = [45_455];
const CHROMATICITIES: [u32; 8] = [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000];

/// The beginnings of chunks of text that hold EXIF metadata as digits. Programs wrote them before PNG had a chunk for it.
const EXIF_AS_TEXT: [&[u8]; 2] = [b"Raw profile type exif\0", b"Raw profile type APP1\0"];

/// Refuses an animation, finds EXIF metadata after the pixels, and names the descriptions of colour that no decoder or encoder
/// here keeps. A description as sRGB is not lost: a file without any is shown as sRGB.
pub(super) fn survey(file: &mut (impl BufRead + Seek)) -> Result<Survey, PictureError> {
    // After the signature.
    file.seek(SeekFrom::Start(8))?;
    let (mut gamma, mut chromaticities, mut code_points, mut described) = (false, false, false, false);
    let (mut pixels, mut exif, mut exif_as_text, mut late_exif) = (false, false, false, None);
    loop {
        let (length, kind) = match head(file) {
            // The decoder knows whether a file without an end has all of its pixels.
            Err(e) if pixels && e.kind() == ErrorKind::UnexpectedEof => break,
            head => head?,
        };
        match &kind {
            b"IEND" => break,
            b"IDAT" => {
                pixels = true;
                file.seek_relative(i64::from(length) + 4)?;
                continue;
            }
            b"eXIf" if pixels => {
                // No more is read than the file has, whatever it claims.
                let mut found = Vec::new();
                let read = file.by_ref().take(length.into()).read_to_end(&mut found)?;
                if read < length as usize {
                    return Err(PictureError::CutOff);
                }
                file.seek_relative(4)?;
                late_exif = late_exif.or(Some(found));
                continue;
            }
            _ => {}
        }
        let mut start = [0u8; 32];
        let read = length.min(32);
        file.read_exact(&mut start[..read as usize])?;
        // The check sum comes after the content.
        file.seek_relative(i64::from(length - read) + 4)?;
        match &kind {
            // One frame is a photograph.
            b"acTL" if start[..4] > [0, 0, 0, 1][..] => return Err(PictureError::SeveralImages),
            // An exponent or primaries count only in a file without these.
            b"iCCP" | b"sRGB" => described = true,
            // The primaries and the curve of sRGB, as RGB of the full range.
            b"cICP" => code_points = start[..4] != [1, 13, 0, 1],
            b"gAMA" => gamma = differ(&start, &GAMMA),
            b"cHRM" => chromaticities = differ(&start, &CHROMATICITIES),
            b"eXIf" => exif = true,
            b"tEXt" | b"zTXt" | b"iTXt" => exif_as_text |= EXIF_AS_TEXT.iter().any(|name| start.starts_with(name)),
            _ => {}
        }
    }
    let chunks = [
        (code_points, "cICP colour space"),
        (gamma && !described, "gAMA"),
        (chromaticities && !described, "cHRM"),
        (exif_as_text && !exif && late_exif.is_none(), "EXIF metadata in a chunk of text"),
    ];
    let lost = chunks.into_iter().filter_map(|(found, name)| found.then_some(name)).collect();
    Ok(Survey { lost, late_exif: late_exif.filter(|_| !exif), ..Survey::default() })
}

/// Length and kind of the next chunk.
fn head(file: &mut impl Read) -> io::Result<(u32, [u8; 4])> {
    Ok((u32::from_be_bytes(bytes(file)?), bytes(file)?))
}

/// Whether any number is not that of sRGB. Encoders round them differently.
fn differ(content: &[u8], expected: &[u32]) -> bool {
    let found = content.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    found.zip(expected).any(|(found, expected)| found.abs_diff(*expected) > 100)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::ImageFormat;

    use super::CHROMATICITIES;
    use crate::{
        PictureError,
        survey::{Survey, survey},
    };

    fn put(file: &mut Vec<u8>, kind: &[u8; 4], content: &[u8]) {
        file.extend((content.len() as u32).to_be_bytes());
        file.extend(kind);
        file.extend(content);
        file.extend([0; 4]);
    }

    fn found(chunks: &[(&[u8; 4], &[u8])]) -> Result<Survey, PictureError> {
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        let pixels: (&[u8; 4], &[u8]) = (b"IDAT", &[]);
        for (kind, content) in chunks.iter().chain([&pixels]) {
            put(&mut file, kind, content);
        }
        survey(&mut Cursor::new(file), ImageFormat::Png)
    }

    fn lost(chunks: &[(&[u8; 4], &[u8])]) -> Vec<&'static str> {
        found(chunks).unwrap().lost
    }

    #[test]
    fn descriptions_of_colour_other_than_srgb_are_named() {
        let (linear, srgb) = (100_000u32.to_be_bytes(), 45_500u32.to_be_bytes());
        let primaries = CHROMATICITIES.map(u32::to_be_bytes).concat();
        let wide = [&primaries[..16], &[0; 16]].concat();
        assert_eq!(lost(&[(b"gAMA", &linear), (b"cHRM", &wide)]), ["gAMA", "cHRM"]);
        assert_eq!(lost(&[(b"gAMA", &srgb), (b"cHRM", &primaries)]), [""; 0]);
        for other in [b"iCCP", b"sRGB"] {
            assert_eq!(lost(&[(b"gAMA", &linear), (other, &[0; 50]), (b"cHRM", &wide)]), [""; 0]);
        }
        assert_eq!(lost(&[(b"cICP", &[9, 16, 0, 1])]), ["cICP colour space"]);
        assert_eq!(lost(&[(b"cICP", &[1, 13, 0, 1])]), [""; 0]);
    }

    #[test]
    fn an_animation_is_refused() {
        let error = found(&[(b"tEXt", &[0; 100]), (b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0])]);
        assert!(matches!(error, Err(PictureError::SeveralImages)), "{error:?}");
        assert!(found(&[(b"acTL", &[0, 0, 0, 1, 0, 0, 0, 0])]).is_ok());
        let signature = survey(&mut Cursor::new(b"\x89PNG\r\n\x1a\n\0\0".to_vec()), ImageFormat::Png);
        assert!(matches!(signature, Err(PictureError::CutOff)), "{signature:?}");
    }

    #[test]
    fn exif_is_found_after_the_pixels_and_named_where_it_is_text() {
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        put(&mut file, b"IDAT", &[1; 70]);
        let end_of_pixels = file.len();
        put(&mut file, b"eXIf", &[7; 40]);
        put(&mut file, b"IEND", &[]);
        let found_in = |bytes: &[u8]| survey(&mut Cursor::new(bytes.to_vec()), ImageFormat::Png);
        assert_eq!(found_in(&file).unwrap().late_exif, Some(vec![7; 40]));
        // What ends after the pixels is left to the decoder.
        assert_eq!(found_in(&file[..end_of_pixels]).unwrap(), Survey::default());
        let cut = found_in(&file[..end_of_pixels + 20]);
        assert!(matches!(cut, Err(PictureError::CutOff)), "{cut:?}");
        // The decoder returns what stands before the pixels.
        assert_eq!(found(&[(b"eXIf", &[7; 40])]).unwrap(), Survey::default());
        let text: (&[u8; 4], &[u8]) = (b"zTXt", b"Raw profile type exif\0\0compressed digits, for many bytes more");
        assert_eq!(lost(&[text]), ["EXIF metadata in a chunk of text"]);
        assert_eq!(lost(&[text, (b"eXIf", &[7; 40])]), [""; 0]);
        assert_eq!(lost(&[(b"tEXt", b"Comment\0Raw profile type exif")]), [""; 0]);
    }
}
