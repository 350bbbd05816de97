//! Decoding untrusted PNG, JPEG and TIFF files within a memory limit.
//!
//! The decoders are Rust without `unsafe` tricks of their own, so they stay in this process, unlike DICOM's codecs. Two things
//! keep them from ending it: a picture is refused by its header, before anything is allocated for its pixels, and a panic
//! becomes an error.

use std::{
    cell::Cell,
    fs::File,
    io::{BufRead, BufReader, Seek},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Once,
};

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, metadata::Orientation};

use crate::{
    PictureError,
    survey::{Survey, is_big_tiff, survey},
};

/// A decoded picture with its metadata.
#[derive(Debug)]
pub struct Picture {
    /// The pixels.
    pub image: DynamicImage,
    /// The colour profile.
    pub icc: Option<Vec<u8>>,
    /// EXIF metadata.
    pub exif: Option<Vec<u8>>,
    /// How the pixels are turned to be viewed, by EXIF or a tag of TIFF. They are not turned here.
    pub orientation: Orientation,
    /// Metadata that was not read, by name.
    pub lost: Vec<&'static str>,
}

/// Decodes a picture if all that is needed fits `memory` bytes: the file, the decoded pixels, the decoder's own buffers, and
/// `working` bytes of the caller's for each sample.
///
/// # Errors
/// The reason why the file is unusable, with the numbers if it is too large.
pub fn decode(path: &Path, memory: u64, working: u64) -> Result<Picture, PictureError> {
    guarded(|| decode_unguarded(path, memory, working)).unwrap_or(Err(PictureError::Damaged))
}

fn decode_unguarded(path: &Path, memory: u64, working: u64) -> Result<Picture, PictureError> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(PictureError::NotAFile);
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if length > memory {
        return Err(PictureError::File { needed: length, allowed: memory });
    }
    let reader = ImageReader::new(BufReader::new(file)).with_guessed_format()?;
    let guessed = reader.format();
    let mut file = reader.into_inner();
    let big_tiff = is_big_tiff(file.fill_buf()?).then_some(ImageFormat::Tiff);
    let format = guessed.or(big_tiff).ok_or(PictureError::Format)?;
    let Survey { samples: stored, profile, late_exif, lost } = survey(&mut file, format)?;
    file.rewind()?;
    let mut reader = ImageReader::with_format(file, format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(memory);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    let channels = decoder.color_type().channel_count();
    if let Some(found) = stored
        && found > u32::from(channels)
    {
        return Err(PictureError::Bands { found, kept: channels.into() });
    }
    let samples = u64::from(width) * u64::from(height) * u64::from(channels);
    // Progressive JPEG keeps its coefficients, two bytes each, until the last scan.
    let needed = decoder.total_bytes().saturating_add(samples.saturating_mul(working.max(2))).saturating_add(length);
    if needed > memory {
        return Err(PictureError::Pixels { width, height, needed, allowed: memory });
    }
    let icc = profile.or(decoder.icc_profile()?);
    let (mut exif, mut orientation) = (decoder.exif_metadata()?, decoder.orientation()?);
    if let Some(late) = late_exif {
        orientation = Orientation::from_exif_chunk(&late).unwrap_or(Orientation::NoTransforms);
        exif = Some(late);
    }
    Ok(Picture { image: DynamicImage::from_decoder(decoder)?, icc, exif, orientation, lost })
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decoder; `None` when it panics. The panic's message is not printed: it may quote the file.
fn guarded<T>(decode: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !GUARDED.try_with(Cell::get).unwrap_or(false) {
                before(panic);
            }
        }));
    });
    GUARDED.set(true);
    let result = catch_unwind(AssertUnwindSafe(decode));
    GUARDED.set(false);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small files whose headers claim a great many pixels.
    fn claims(name: &str, dir: &Path) -> std::path::PathBuf {
        let path = dir.join(name);
        let mut bytes = Vec::new();
        match name {
            "claims.png" => {
                bytes.extend(b"\x89PNG\r\n\x1a\n");
                let mut header = b"IHDR".to_vec();
                header.extend([50_000u32.to_be_bytes(), 50_000u32.to_be_bytes()].concat());
                header.extend([8, 0, 0, 0, 0]);
                for chunk in [header, b"IDATx\x01".to_vec()] {
                    let mut sum = flate2::Crc::new();
                    sum.update(&chunk);
                    bytes.extend((chunk.len() as u32 - 4).to_be_bytes());
                    bytes.extend(&chunk);
                    bytes.extend(sum.sum().to_be_bytes());
                }
            }
            "claims.jpg" | "progressive.jpg" => {
                image::DynamicImage::new_rgb8(16, 16)
                    .write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Jpeg)
                    .unwrap();
                let at = bytes.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
                bytes[at + 1] = if name == "claims.jpg" { 0xc0 } else { 0xc2 };
                bytes[at + 5..at + 9].fill(0xff);
            }
            _ => {
                image::DynamicImage::new_rgb16(16, 16)
                    .write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Tiff)
                    .unwrap();
                let directory = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
                let entries = usize::from(u16::from_le_bytes([bytes[directory], bytes[directory + 1]]));
                for entry in (0..entries).map(|i| directory + 2 + 12 * i) {
                    // ImageWidth, ImageLength and RowsPerStrip, as LONG: one strip for all rows.
                    if [[0, 1], [1, 1], [22, 1]].contains(&[bytes[entry], bytes[entry + 1]]) {
                        bytes[entry + 2] = 4;
                        bytes[entry + 8..entry + 12].copy_from_slice(&60_000u32.to_le_bytes());
                    }
                }
            }
        }
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn pictures_are_refused_by_their_headers() {
        let dir = tempfile::tempdir().unwrap();
        for (name, extent) in [
            ("claims.png", "50000x50000"),
            ("claims.jpg", "65535x65535"),
            ("progressive.jpg", "65535x65535"),
            ("claims.tif", "60000x60000"),
        ] {
            let error = decode(&claims(name, dir.path()), 2 << 30, 4).unwrap_err().to_string();
            assert!(error.contains(extent) && error.contains("2048 MiB"), "{name}: {error}");
        }
    }

    #[test]
    fn the_bound_counts_what_the_caller_keeps() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        image::GrayImage::new(3000, 1000).save(&path).unwrap();
        assert!(decode(&path, 40 << 20, 4).is_ok());
        let error = decode(&path, 10 << 20, 4).unwrap_err().to_string();
        assert!(error.contains("3000x1000") && error.contains("10 MiB"), "{error}");
        let file = decode(&path, 1 << 10, 4).unwrap_err();
        assert!(matches!(file, PictureError::File { allowed: 1024, .. }), "{file}");
    }

    #[test]
    fn a_photograph_that_was_cut_off_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jpg");
        let pixel = |x: u32, y: u32| image::Rgb([x * 4, y * 4, x * y].map(|v| v as u8));
        image::RgbImage::from_fn(64, 64, pixel).save(&path).unwrap();
        assert!(decode(&path, 1 << 20, 4).is_ok());
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() * 3 / 4]).unwrap();
        let error = decode(&path, 1 << 20, 4).unwrap_err();
        assert!(matches!(error, PictureError::CutOff) && error.to_string().contains("cut off"), "{error}");
    }

    #[test]
    fn big_tiff_is_decoded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tif");
        let mut file = std::io::Cursor::new(Vec::new());
        let samples: Vec<u16> = (0..35).map(|n| n * 1000).collect();
        let mut encoder = tiff::encoder::TiffEncoder::new_big(&mut file).unwrap();
        encoder.write_image::<tiff::encoder::colortype::Gray16>(7, 5, &samples).unwrap();
        std::fs::write(&path, file.into_inner()).unwrap();
        let image = decode(&path, 1 << 20, 4).unwrap().image;
        assert_eq!((image.width(), image.height(), image.into_luma16().into_raw()), (7, 5, samples));
    }

    #[test]
    fn exif_after_the_pixels_of_a_png_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        image::GrayImage::new(4, 4).save(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let end = whole.windows(4).rposition(|kind| kind == b"IEND").unwrap() - 4;
        // A directory of one entry: an orientation of 6.
        let exif = *b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let mut sum = flate2::Crc::new();
        sum.update(b"eXIf");
        sum.update(&exif);
        let chunk = [26u32.to_be_bytes().as_slice(), b"eXIf", &exif, &sum.sum().to_be_bytes()].concat();
        std::fs::write(&path, [&whole[..end], &chunk, &whole[end..]].concat()).unwrap();
        let picture = decode(&path, 1 << 20, 4).unwrap();
        assert_eq!((picture.orientation, picture.exif.as_deref()), (Orientation::Rotate90, Some(exif.as_slice())));
    }

    #[test]
    fn a_decoder_that_panics_is_an_error() {
        assert_eq!(guarded(|| panic!("the file's own words")), None::<()>);
        assert_eq!(guarded(|| 7), Some(7));
        assert!(!GUARDED.get());
    }
}
