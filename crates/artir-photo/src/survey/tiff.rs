//! The directories of a TIFF file.

use std::io::{self, Read, Seek, SeekFrom};

use super::{Survey, bytes};
use crate::PictureError;

/// The version in the header of a TIFF with offsets of 32 bits.
const CLASSIC: u16 = 42;
/// Reduced copies of an image that a file may hold: each halves its size. The bound also ends a list that is a ring.
const COPIES: usize = 32;

/// Refuses images and samples that the decoder would leave out or convert, and names the metadata that it leaves out.
pub(super) fn survey(file: &mut (impl Read + Seek)) -> Result<Survey, PictureError> {
    let [order, _, version @ ..] = bytes::<4>(file)?;
    let mut tiff = Tiff { file, little: order == b'I' };
    if tiff.short(version) != CLASSIC {
        // Photographs in BigTIFF are rare, and are not looked at.
        return Ok(Survey::default());
    }
    let start = bytes(tiff.file)?;
    let first = tiff.directory(tiff.long(start))?;
    let mut next = first.next;
    for _ in 0..COPIES {
        if next == 0 {
            break;
        }
        match tiff.directory(next) {
            Ok(copy) if copy.reduced => next = copy.next,
            Ok(_) => return Err(PictureError::SeveralImages),
            // There is no image at a place beyond the end of the file.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => next = 0,
            Err(e) => return Err(e.into()),
        }
    }
    // A raw photograph's first image is a preview, and the photograph is one of its subordinate images.
    if next != 0 || (first.reduced && first.subordinates) {
        return Err(PictureError::SeveralImages);
    }
    if first.cmyk {
        return Err(PictureError::Cmyk);
    }
    if first.premultiplied {
        return Err(PictureError::Premultiplied);
    }
    let lost = if first.exif { vec!["EXIF metadata"] } else { Vec::new() };
    let mut profile = None;
    if let Some((at, length)) = first.profile {
        // No more is read than the file has, whatever it claims.
        tiff.file.seek(SeekFrom::Start(at.into()))?;
        let mut found = Vec::new();
        if (&mut *tiff.file).take(length.into()).read_to_end(&mut found)? < length as usize {
            return Err(PictureError::CutOff);
        }
        profile = Some(found);
    }
    Ok(Survey { samples: Some(first.samples), lost, profile })
}

/// An image of a file.
struct Directory {
    reduced: bool,
    cmyk: bool,
    samples: u32,
    premultiplied: bool,
    /// It has subordinate images.
    subordinates: bool,
    exif: bool,
    /// Place and length of the colour profile.
    profile: Option<(u32, u32)>,
    /// The place of the next image; 0 for none.
    next: u32,
}

struct Tiff<'a, F> {
    file: &'a mut F,
    little: bool,
}

impl<F: Read + Seek> Tiff<'_, F> {
    fn short(&self, bytes: [u8; 2]) -> u16 {
        if self.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) }
    }

    fn long(&self, bytes: [u8; 4]) -> u32 {
        if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
    }

    fn directory(&mut self, at: u32) -> io::Result<Directory> {
        self.file.seek(SeekFrom::Start(at.into()))?;
        let mut found = Directory {
            reduced: false,
            cmyk: false,
            samples: 1,
            premultiplied: false,
            subordinates: false,
            exif: false,
            profile: None,
            next: 0,
        };
        let entries = bytes(self.file)?;
        for _ in 0..self.short(entries) {
            let (tag, kind): ([u8; 2], [u8; 2]) = (bytes(self.file)?, bytes(self.file)?);
            let count = bytes(self.file)?;
            let count = self.long(count);
            let field: [u8; 4] = bytes(self.file)?;
            // The first value. Of a field of more than four bytes this is the values' place, but no field that is looked at has
            // so many, apart from the kinds of three or more extra samples, which are refused by their number.
            let value: u32 = match self.short(kind) {
                3 => self.short([field[0], field[1]]).into(),
                _ => self.long(field),
            };
            match self.short(tag) {
                // NewSubfileType
                254 => found.reduced |= value & 1 == 1,
                // SubfileType, its older form
                255 => found.reduced |= value == 2,
                // JPEGInterchangeFormat: a thumbnail of EXIF
                513 => found.reduced = true,
                // PhotometricInterpretation
                262 => found.cmyk = value == 5,
                // SamplesPerPixel
                277 => found.samples = value,
                // SubIFDs
                330 => found.subordinates = true,
                // ExtraSamples
                338 => found.premultiplied = value == 1,
                // The directories of EXIF, and of its place on Earth
                34665 | 34853 => found.exif = true,
                34675 if count > 4 => found.profile = Some((value, count)),
                _ => {}
            }
        }
        let next = bytes(self.file)?;
        found.next = self.long(next);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::ImageFormat;

    use crate::{
        PictureError,
        survey::{Survey, survey},
    };

    /// Directories without pixels, of tags and their values.
    fn file(directories: &[&[(u16, u32)]]) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0".to_vec();
        for (n, entries) in directories.iter().enumerate() {
            bytes.extend((entries.len() as u16).to_le_bytes());
            for (tag, value) in *entries {
                bytes.extend(tag.to_le_bytes());
                bytes.extend([4, 0, 1, 0, 0, 0]);
                bytes.extend(value.to_le_bytes());
            }
            let next = if n + 1 < directories.len() { bytes.len() as u32 + 4 } else { 0 };
            bytes.extend(next.to_le_bytes());
        }
        bytes
    }

    fn found(bytes: Vec<u8>) -> Result<Survey, PictureError> {
        survey(&mut Cursor::new(bytes), ImageFormat::Tiff)
    }

    #[test]
    fn a_second_image_is_refused_unless_it_is_a_copy() {
        let image: &[(u16, u32)] = &[(254, 0), (277, 3)];
        let copy: &[(u16, u32)] = &[(254, 1), (277, 3)];
        let untyped: &[(u16, u32)] = &[(277, 1)];
        let preview: &[(u16, u32)] = &[(254, 1), (330, 8)];
        for several in [&[image, image][..], &[image, copy, image], &[image, untyped], &[preview]] {
            let error = found(file(several));
            assert!(matches!(error, Err(PictureError::SeveralImages)), "{several:?}: {error:?}");
        }
        let one = Survey { samples: Some(3), ..Survey::default() };
        let older: &[(u16, u32)] = &[(255, 2)];
        let thumbnail: &[(u16, u32)] = &[(259, 6), (513, 99)];
        assert_eq!(found(file(&[image, older, thumbnail])).unwrap(), one);
        let mut nowhere = file(&[image]);
        let end = nowhere.len();
        nowhere[end - 4..].copy_from_slice(&9999u32.to_le_bytes());
        assert_eq!(found(nowhere).unwrap(), one);
        assert_eq!(found(file(&[image])).unwrap(), one);
        assert_eq!(found(file(&[image, copy, copy])).unwrap(), one);
        // A ring of copies.
        let mut ring = file(&[copy]);
        let end = ring.len();
        ring[end - 4..].copy_from_slice(&8u32.to_le_bytes());
        assert!(matches!(found(ring), Err(PictureError::SeveralImages)));
        assert!(matches!(found(file(&[image])[..20].to_vec()), Err(PictureError::CutOff)));
    }

    #[test]
    fn samples_that_the_decoder_would_change_are_refused() {
        assert!(matches!(found(file(&[&[(262, 5), (277, 4)]])), Err(PictureError::Cmyk)));
        let premultiplied = found(file(&[&[(262, 2), (277, 4), (338, 1)]]));
        assert!(matches!(premultiplied, Err(PictureError::Premultiplied)));
        assert_eq!(found(file(&[&[(262, 2), (277, 4), (338, 2)]])).unwrap().samples, Some(4));
        assert_eq!(found(file(&[&[(262, 1)]])).unwrap().samples, Some(1));
    }

    #[test]
    fn files_of_other_offsets_are_left_to_the_decoder() {
        let big = b"II\x2b\0\x08\0\0\0\x10\0\0\0\0\0\0\0".to_vec();
        assert_eq!(found(big).unwrap(), Survey::default());
    }

    #[test]
    fn exif_is_named() {
        for tag in [34665, 34853] {
            assert_eq!(found(file(&[&[(277, 3), (tag, 8)]])).unwrap().lost, ["EXIF metadata"]);
        }
    }
}
