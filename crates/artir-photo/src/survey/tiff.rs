//! The directories of a TIFF file.

use std::io::{self, Read, Seek, SeekFrom};

use super::{Survey, bytes};
use crate::PictureError;

/// The versions in the header of a TIFF with offsets of 32 bits, and of a BigTIFF, whose offsets and counts have 64.
const CLASSIC: u16 = 42;
const BIG: u16 = 43;
/// Reduced copies of an image that a file may hold: each halves its size. The bound also ends a list that is a ring.
const COPIES: usize = 32;
/// The most entries of a directory: as many as TIFF can count. BigTIFF can count more, but has no more tags.
const ENTRIES: u64 = 0xffff;

/// Whether a file begins as BigTIFF does. The library that guesses formats does not know it.
pub fn is_big_tiff(start: &[u8]) -> bool {
    start.starts_with(b"II\x2b\0") || start.starts_with(b"MM\0\x2b")
}

/// Refuses images and samples that the decoder would leave out or convert, and names the metadata that it leaves out.
pub(super) fn survey(file: &mut (impl Read + Seek)) -> Result<Survey, PictureError> {
    let [order, _, version @ ..] = bytes::<4>(file)?;
    let mut tiff = Tiff { file, little: order == b'I', big: false };
    match tiff.short(version) {
        CLASSIC => {}
        BIG => {
            tiff.big = true;
            // The length of an offset, always 8, and two bytes that mean nothing.
            bytes::<4>(tiff.file)?;
        }
        _ => return Err(PictureError::Format),
    }
    let start = tiff.number()?;
    let first = tiff.directory(start)?;
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
    if first.reversed {
        return Err(PictureError::Stored("the bits of its bytes are in reverse order (FillOrder 2)"));
    }
    let metadata = [(first.exif, "EXIF metadata"), (first.georeference, "georeference, which artir geo keeps,")];
    let lost = metadata.into_iter().filter_map(|(found, name)| found.then_some(name)).collect();
    let mut profile = None;
    if let Some((at, length)) = first.profile {
        // No more is read than the file has, whatever it claims.
        tiff.file.seek(SeekFrom::Start(at))?;
        let mut found = Vec::new();
        if ((&mut *tiff.file).take(length).read_to_end(&mut found)? as u64) < length {
            return Err(PictureError::CutOff);
        }
        profile = Some(found);
    }
    Ok(Survey { samples: Some(first.samples), lost, profile, ..Survey::default() })
}

/// An image of a file.
struct Directory {
    reduced: bool,
    cmyk: bool,
    samples: u32,
    premultiplied: bool,
    /// The first pixel is in the lowest bit of a byte.
    reversed: bool,
    /// It has subordinate images.
    subordinates: bool,
    exif: bool,
    /// It states its place on Earth as GeoTIFF does.
    georeference: bool,
    /// Place and length of the colour profile.
    profile: Option<(u64, u64)>,
    /// The place of the next image; 0 for none.
    next: u64,
}

struct Tiff<'a, F> {
    file: &'a mut F,
    little: bool,
    /// BigTIFF.
    big: bool,
}

impl<F: Read + Seek> Tiff<'_, F> {
    fn short(&self, bytes: [u8; 2]) -> u16 {
        if self.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) }
    }

    fn long(&self, bytes: [u8; 4]) -> u32 {
        if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
    }

    fn long8(&self, bytes: [u8; 8]) -> u64 {
        if self.little { u64::from_le_bytes(bytes) } else { u64::from_be_bytes(bytes) }
    }

    /// An offset or a count as the file's version writes it.
    fn number(&mut self) -> io::Result<u64> {
        if self.big {
            let number = bytes(self.file)?;
            return Ok(self.long8(number));
        }
        let number = bytes(self.file)?;
        Ok(self.long(number).into())
    }

    fn directory(&mut self, at: u64) -> io::Result<Directory> {
        self.file.seek(SeekFrom::Start(at))?;
        let mut found = Directory {
            reduced: false,
            cmyk: false,
            samples: 1,
            premultiplied: false,
            reversed: false,
            subordinates: false,
            exif: false,
            georeference: false,
            profile: None,
            next: 0,
        };
        let entries = if self.big {
            self.number()?
        } else {
            let entries = bytes(self.file)?;
            self.short(entries).into()
        };
        if entries > ENTRIES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its directory is damaged"));
        }
        for _ in 0..entries {
            let (tag, kind): ([u8; 2], [u8; 2]) = (bytes(self.file)?, bytes(self.file)?);
            let count = self.number()?;
            let mut field = [0; 8];
            let width = if self.big { 8 } else { 4 };
            self.file.read_exact(&mut field[..width])?;
            let [a, b, c, d, ..] = field;
            let place = if self.big { self.long8(field) } else { self.long([a, b, c, d]).into() };
            // The first value. Of a field that is longer than an offset this is the values' place, but no field that is
            // looked at is so long, apart from the kinds of three or more extra samples, which are refused by their number.
            let value: u64 = match self.short(kind) {
                3 => self.short([a, b]).into(),
                4 => self.long([a, b, c, d]).into(),
                _ => place,
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
                // FillOrder
                266 => found.reversed = value == 2,
                // SamplesPerPixel
                277 => found.samples = u32::try_from(value).unwrap_or(u32::MAX),
                // SubIFDs
                330 => found.subordinates = true,
                // ExtraSamples
                338 => found.premultiplied = value == 1,
                // The directories of EXIF, and of its place on Earth
                34665 | 34853 => found.exif = true,
                // Pixel size, tie points, transformation and coordinate system
                33550 | 33922 | 34264 | 34735 => found.georeference = true,
                34675 if count > width as u64 => found.profile = Some((place, count)),
                _ => {}
            }
        }
        found.next = self.number()?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::ImageFormat;

    use crate::{
        PictureError,
        survey::{Survey, is_big_tiff, survey},
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
        let reversed = found(file(&[&[(262, 1), (266, 2)]]));
        assert!(matches!(reversed, Err(PictureError::Stored(text)) if text.contains("FillOrder")), "{reversed:?}");
        assert!(found(file(&[&[(262, 1), (266, 1)]])).is_ok());
    }

    /// The same directories as BigTIFF, in either order of bytes.
    fn big(directories: &[&[(u16, u32)]], little: bool) -> Vec<u8> {
        let order = |mut number: Vec<u8>| {
            if !little {
                number.reverse();
            }
            number
        };
        let short = |n: u16| order(n.to_le_bytes().to_vec());
        let long8 = |n: u64| order(n.to_le_bytes().to_vec());
        let mut bytes = if little { b"II".to_vec() } else { b"MM".to_vec() };
        bytes.extend([short(43), short(8), short(0), long8(16)].concat());
        for (n, entries) in directories.iter().enumerate() {
            bytes.extend(long8(entries.len() as u64));
            for (tag, value) in *entries {
                bytes.extend([short(*tag), short(3), long8(1), short(*value as u16), vec![0; 6]].concat());
            }
            let next = if n + 1 < directories.len() { bytes.len() as u64 + 8 } else { 0 };
            bytes.extend(long8(next));
        }
        bytes
    }

    #[test]
    fn big_tiff_is_looked_at_like_any_other() {
        for little in [true, false] {
            let found_in = |directories: &[&[(u16, u32)]]| found(big(directories, little));
            let image: &[(u16, u32)] = &[(254, 0), (277, 3)];
            let copy: &[(u16, u32)] = &[(254, 1), (277, 3)];
            let one = Survey { samples: Some(3), ..Survey::default() };
            assert!(is_big_tiff(&big(&[image], little)) && !is_big_tiff(&file(&[image])));
            assert_eq!(found_in(&[image]).unwrap(), one);
            assert_eq!(found_in(&[image, copy]).unwrap(), one);
            assert!(matches!(found_in(&[image, image]), Err(PictureError::SeveralImages)));
            assert!(matches!(found_in(&[&[(262, 5), (277, 4)]]), Err(PictureError::Cmyk)));
            assert!(matches!(found_in(&[&[(277, 4), (338, 1)]]), Err(PictureError::Premultiplied)));
            assert_eq!(found_in(&[&[(277, 3), (34665, 8)]]).unwrap().lost, ["EXIF metadata"]);
            let whole = big(&[image], little);
            assert!(matches!(found(whole[..40].to_vec()), Err(PictureError::CutOff)));
        }
        // A profile of nine bytes lies behind the directory, and one of eight would lie in its entry.
        let mut bytes = big(&[&[(34675, 0)]], true);
        bytes[26..28].copy_from_slice(&7u16.to_le_bytes());
        bytes[28..36].copy_from_slice(&9u64.to_le_bytes());
        let at = bytes.len() as u64;
        bytes[36..44].copy_from_slice(&at.to_le_bytes());
        bytes.extend(*b"a profile");
        assert_eq!(found(bytes.clone()).unwrap().profile.as_deref(), Some(&b"a profile"[..]));
        bytes[28] = 10;
        assert!(matches!(found(bytes.clone()), Err(PictureError::CutOff)));
        // A directory that claims to be without an end.
        bytes[16..24].fill(0xff);
        assert!(matches!(found(bytes), Err(PictureError::Read(_))));
    }

    #[test]
    fn a_georeference_is_named() {
        for tag in [33550, 33922, 34264, 34735] {
            let lost = found(file(&[&[(277, 3), (tag, 8)]])).unwrap().lost;
            assert!(lost.len() == 1 && lost[0].contains("artir geo"), "{lost:?}");
        }
    }

    #[test]
    fn exif_is_named() {
        for tag in [34665, 34853] {
            assert_eq!(found(file(&[&[(277, 3), (tag, 8)]])).unwrap().lost, ["EXIF metadata"]);
        }
    }
}
