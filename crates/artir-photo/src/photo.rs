//! A photograph's samples: reading, restoring and writing.

use std::{
    io::{Seek, Write},
    path::Path,
};

use artir_core::{Image, MemoryUse, Shape, Sink, Source, Window};
use image::{
    ColorType, DynamicImage, ImageEncoder, ImageError, ImageFormat,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
    error::EncodingError,
    metadata::Orientation,
};
use ndarray::{Array3, ArrayView3, Axis, s};
use tiff::TiffError;

use crate::{Error, Picture, decode, tiff::Fields};

/// A format that photographs are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// PNG.
    Png,
    /// JPEG of quality 97.
    Jpeg,
    /// TIFF.
    Tiff,
}

impl Format {
    /// The format that a file's ending names.
    ///
    /// # Errors
    /// [`Error::Ending`].
    pub fn of(path: &Path) -> Result<Self, Error> {
        let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        match ending.as_str() {
            "png" => Ok(Self::Png),
            "jpg" | "jpeg" => Ok(Self::Jpeg),
            "tif" | "tiff" => Ok(Self::Tiff),
            _ => Err(Error::Ending { ending }),
        }
    }
}

/// A decoded photograph with its colour profile and EXIF.
#[derive(Clone, Debug)]
pub struct Photo {
    /// Interleaved samples, `[row, column, channel]`, 0 to `peak`.
    samples: Array3<u16>,
    /// Colour channels; one more in `samples` is opacity, which is never changed.
    colours: usize,
    peak: u16,
    icc: Option<Vec<u8>>,
    exif: Option<Vec<u8>>,
    orientation: Orientation,
}

/// Bytes per sample in addition to the decoder's: the original and the restored sample.
const WORKING: u64 = 2 + 2;

impl Photo {
    /// Decodes a photograph that can be restored within `memory` bytes.
    ///
    /// # Errors
    /// [`Error::Picture`], [`Error::Samples`] and [`Error::Profile`].
    pub fn read(path: &Path, memory: u64) -> Result<Self, Error> {
        let Picture { image, icc, exif, orientation, lost } = decode(path, memory, WORKING)?;
        let (width, height, colour) = (image.width() as usize, image.height() as usize, image.color());
        let (samples, peak): (Vec<u16>, u16) = match image {
            DynamicImage::ImageLuma8(_)
            | DynamicImage::ImageLumaA8(_)
            | DynamicImage::ImageRgb8(_)
            | DynamicImage::ImageRgba8(_) => (image.into_bytes().into_iter().map(u16::from).collect(), 255),
            DynamicImage::ImageLuma16(i) => (i.into_raw(), u16::MAX),
            DynamicImage::ImageLumaA16(i) => (i.into_raw(), u16::MAX),
            DynamicImage::ImageRgb16(i) => (i.into_raw(), u16::MAX),
            DynamicImage::ImageRgba16(i) => (i.into_raw(), u16::MAX),
            _ => return Err(Error::Samples(colour)),
        };
        let channels = usize::from(colour.channel_count());
        let colours = if colour.has_alpha() { channels - 1 } else { channels };
        let samples = Array3::from_shape_vec((height, width, channels), samples).map_err(|_| Error::Samples(colour))?;
        let name = if colours == 1 { "grey" } else { "RGB" };
        // A profile names the samples that it describes in its header. Others would be shown in wrong colours. Grey photographs often
        // carry a profile of RGB, which programs read as its grey axis.
        let fits = |space: &[u8]| space == b"RGB " || colours == 1 && space == b"GRAY";
        if icc.as_ref().is_some_and(|icc| !icc.get(16..20).is_some_and(fits)) {
            return Err(Error::Profile { samples: name });
        }
        for what in lost {
            tracing::warn!("{}: its {what} cannot be kept", path.display());
        }
        Ok(Self { samples, colours, peak, icc, exif, orientation })
    }

    /// The format that a result's ending names, if it can hold this photograph: to be asked before the photograph is restored.
    ///
    /// # Errors
    /// [`Error::Ending`], [`Error::Unfit`] and [`Error::TooLarge`].
    pub fn format_of(&self, result: &Path) -> Result<Format, Error> {
        let format = Format::of(result)?;
        self.check(format)?;
        Ok(format)
    }

    /// Checks that a format can hold this photograph.
    ///
    /// # Errors
    /// [`Error::Unfit`] and [`Error::TooLarge`].
    fn check(&self, format: Format) -> Result<(), Error> {
        let (height, width, channels) = self.samples.dim();
        let opacity = channels > self.colours;
        let unfit = |format, what| Err(Error::Unfit { format, what });
        match format {
            Format::Jpeg if self.peak != 255 => unfit("JPEG", "16 bits"),
            Format::Jpeg if opacity => unfit("JPEG", "opacity"),
            Format::Jpeg if width.max(height) > usize::from(u16::MAX) => Err(Error::TooLarge),
            // Our own decoder could not read the result.
            Format::Tiff if opacity && self.colours == 1 => unfit("TIFF", "grey with opacity"),
            Format::Tiff if !self.fits_tiff() => Err(Error::TooLarge),
            _ => Ok(()),
        }
    }

    fn colour_type(&self) -> Result<ColorType, Error> {
        Ok(match (self.samples.dim().2, self.peak) {
            (1, 255) => ColorType::L8,
            (2, 255) => ColorType::La8,
            (3, 255) => ColorType::Rgb8,
            (4, 255) => ColorType::Rgba8,
            (1, _) => ColorType::L16,
            (2, _) => ColorType::La16,
            (3, _) => ColorType::Rgb16,
            (4, _) => ColorType::Rgba16,
            (found, _) => return Err(Error::Colours { found, expected: 3 }),
        })
    }

    /// Encodes the photograph.
    ///
    /// # Errors
    /// [`Error::Unfit`], [`Error::TooLarge`], [`Error::Encode`] and [`Error::Write`].
    pub fn write(&self, file: impl Write + Seek, format: Format) -> Result<(), Error> {
        self.check(format)?;
        let mut out = std::io::BufWriter::new(file);
        match format {
            Format::Png => self.encode(PngEncoder::new(&mut out), self.exif.clone()),
            Format::Jpeg => self.encode(JpegEncoder::new_with_quality(&mut out, 97), self.exif_of_jpeg()),
            Format::Tiff => self.write_tiff(&mut out),
        }?;
        // Dropping the writer would ignore an error in the last bytes.
        out.flush().map_err(Error::Write)
    }

    fn write_tiff(&self, out: impl Write + Seek) -> Result<(), Error> {
        if self.exif.is_some() {
            tracing::warn!("this format's encoder cannot keep the EXIF metadata");
        }
        let (height, width, channels) = self.samples.dim();
        let (Ok(width), Ok(height)) = (u32::try_from(width), u32::try_from(height)) else {
            return Err(Error::TooLarge);
        };
        let fields = Fields {
            width,
            height,
            grey: self.colours == 1,
            opacity: channels > self.colours,
            wide: self.peak != 255,
            orientation: self.orientation.to_exif(),
            icc: self.icc.as_deref(),
        };
        fields.write(out, self.samples.iter()).map_err(|e| match e {
            TiffError::IoError(e) => Error::Write(e),
            other => Error::Encode(ImageError::Encoding(EncodingError::new(ImageFormat::Tiff.into(), other))),
        })
    }

    /// Whether a TIFF's offsets of 32 bits can count its samples and what is beside them.
    fn fits_tiff(&self) -> bool {
        const DIRECTORY: usize = 16 << 20;
        let bytes = self.samples.len().saturating_mul(if self.peak == 255 { 1 } else { 2 });
        let beside = DIRECTORY + self.icc.as_ref().map_or(0, Vec::len);
        u32::try_from(bytes.saturating_add(beside)).is_ok()
    }

    /// The orientation as EXIF, for formats that have no other place for it: a directory of one entry.
    fn orientation_as_exif(&self) -> Option<Vec<u8>> {
        let mut exif = *b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\0\0\0\0\0\0\0\0";
        exif[18] = self.orientation.to_exif();
        (self.orientation != Orientation::NoTransforms).then(|| exif.to_vec())
    }

    /// The EXIF metadata if a segment of JPEG can hold it: its encoder would write a longer one with a wrong length.
    fn exif_of_jpeg(&self) -> Option<Vec<u8>> {
        /// A segment without its length and the six bytes that name its content.
        const MOST: usize = u16::MAX as usize - 2 - 6;
        let fits = self.exif.as_ref().is_none_or(|exif| exif.len() <= MOST);
        if !fits {
            tracing::warn!("the EXIF metadata is too long for JPEG: only the orientation is kept");
        }
        self.exif.clone().filter(|_| fits)
    }

    fn encode(&self, mut encoder: impl ImageEncoder, exif: Option<Vec<u8>>) -> Result<(), Error> {
        let (height, width, _) = self.samples.dim();
        let colour = self.colour_type()?.into();
        let (Ok(width), Ok(height)) = (u32::try_from(width), u32::try_from(height)) else {
            return Err(Error::TooLarge);
        };
        let bytes: Vec<u8> = if self.peak == 255 {
            self.samples.iter().map(|v| *v as u8).collect()
        } else {
            self.samples.iter().flat_map(|v| v.to_ne_bytes()).collect()
        };
        // Losing the profile silently would shift colours, so an encoder that cannot keep it is logged.
        if let Some(icc) = &self.icc
            && encoder.set_icc_profile(icc.clone()).is_err()
        {
            tracing::warn!("this format's encoder cannot keep the colour profile");
        }
        if let Some(exif) = exif.or_else(|| self.orientation_as_exif())
            && encoder.set_exif_metadata(exif).is_err()
        {
            tracing::warn!("this format's encoder cannot keep the EXIF metadata");
        }
        encoder.write_image(&bytes, width, height, colour).map_err(|e| match e {
            ImageError::IoError(e) => Error::Write(e),
            other => Error::Encode(other),
        })
    }
}

/// Passes a photograph to the pipeline. A grey one is repeated for every channel of the model.
#[derive(Clone, Copy, Debug)]
pub struct PhotoSource<'a> {
    photo: &'a Photo,
    /// Channels of the model.
    channels: usize,
}

impl<'a> PhotoSource<'a> {
    /// A photograph for a model of so many channels.
    pub fn new(photo: &'a Photo, channels: usize) -> Self {
        Self { photo, channels }
    }
}

impl Source for PhotoSource<'_> {
    type Error = Error;

    fn shape(&self) -> Shape {
        let (rows, columns, _) = self.photo.samples.dim();
        let channels = if self.photo.colours == 1 { self.channels } else { self.photo.colours };
        Shape { channels, rows, columns }
    }

    fn memory_use(&self) -> MemoryUse {
        MemoryUse { fixed: self.photo.samples.len() as u64 * WORKING, per_pixel: 0 }
    }

    fn read(&mut self, w: Window) -> Result<Image, Error> {
        let peak = f32::from(self.photo.peak);
        let window = s![w.row..w.row + w.rows, w.column..w.column + w.columns, ..self.photo.colours];
        let part = self.photo.samples.slice(window).permuted_axes([2, 0, 1]);
        let expected = Source::shape(self).channels;
        let colours = Error::Colours { found: self.photo.colours, expected };
        let part = part.broadcast((expected, w.rows, w.columns)).ok_or(colours)?;
        Ok(Image::new(part.mapv(|v| f32::from(v) / peak)))
    }
}

/// Adds residuals to a photograph's samples, rounding to nearest and saturating. A grey one gets the channels' mean.
#[derive(Clone, Debug)]
pub struct PhotoSink(Photo);

impl PhotoSink {
    /// Begins with the photograph as it was.
    pub fn new(photo: Photo) -> Self {
        Self(photo)
    }

    /// The photograph with the residuals of all rows that were written.
    pub fn into_photo(self) -> Photo {
        self.0
    }
}

impl Sink for PhotoSink {
    type Error = Error;

    fn write(&mut self, first: usize, residual: ArrayView3<'_, f32>) -> Result<(), Error> {
        let peak = f64::from(self.0.peak);
        let rows = residual.dim().1;
        let colours = self.0.colours;
        let grey = (colours == 1).then(|| residual.mean_axis(Axis(0))).flatten();
        let residual = grey.as_ref().map_or(residual, |mean| mean.view().insert_axis(Axis(0)));
        let mut part = self.0.samples.slice_mut(s![first..first + rows, .., ..colours]);
        part.zip_mut_with(&residual.permuted_axes([1, 2, 0]), |sample, r| {
            let value = f64::from(*sample) + f64::from(*r) * peak;
            *sample = value.round().clamp(0.0, peak) as u16;
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A photograph of these samples, of which the last is opacity if their number is even.
    fn photo(channels: usize, peak: u16) -> Photo {
        let samples = Array3::from_shape_fn((5, 7, channels), |(y, x, c)| (y * 37 + x * 11 + c * 5 + 1) as u16);
        let colours = if channels < 3 { 1 } else { 3 };
        Photo { samples, colours, peak, icc: None, exif: None, orientation: Orientation::NoTransforms }
    }

    fn written(photo: &Photo, format: Format) -> Vec<u8> {
        let mut file = std::io::Cursor::new(Vec::new());
        photo.write(&mut file, format).unwrap();
        file.into_inner()
    }

    fn read(bytes: &[u8]) -> Result<Photo, Error> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("photo");
        fs::write(&path, bytes).unwrap();
        Photo::read(&path, 1 << 24)
    }

    /// The place of an entry of a TIFF's directory.
    fn entry(bytes: &[u8], tag: u16) -> Option<usize> {
        let first = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
        let entries = usize::from(u16::from_le_bytes([bytes[first], bytes[first + 1]]));
        (0..entries).map(|n| first + 2 + 12 * n).find(|at| bytes[*at..*at + 2] == tag.to_le_bytes())
    }

    fn profile(space: &[u8; 4]) -> Vec<u8> {
        let mut icc = vec![0; 133];
        icc[16..20].copy_from_slice(space);
        icc
    }

    #[test]
    fn a_tiff_comes_back_as_it_was_written() {
        for (channels, peak) in [(1, 255), (3, 255), (4, 255), (1, u16::MAX), (3, u16::MAX), (4, u16::MAX)] {
            let mut before = photo(channels, peak);
            before.icc = Some(profile(if channels == 1 { b"GRAY" } else { b"RGB " }));
            let bytes = written(&before, Format::Tiff);
            let after = read(&bytes).unwrap();
            assert_eq!((&after.samples, after.peak), (&before.samples, peak));
            assert_eq!(after.icc, before.icc, "{channels}, {peak}");
            let opacity = entry(&bytes, 338).map(|at| bytes[at + 8]);
            assert_eq!(opacity, (channels == 4).then_some(2), "{channels}");
        }
        // Several strips, of which the last is smaller.
        let mut before = photo(3, u16::MAX);
        before.samples = Array3::from_shape_fn((700, 301, 3), |(y, x, c)| (y * 89 + x * 7 + c) as u16);
        assert_eq!(read(&written(&before, Format::Tiff)).unwrap().samples, before.samples);
    }

    #[test]
    fn other_fourth_samples_than_opacity_are_refused() {
        let mut bytes = written(&photo(4, 255), Format::Tiff);
        let at = entry(&bytes, 338).unwrap() + 8;
        bytes[at] = 0;
        let error = read(&bytes).unwrap_err();
        assert!(matches!(error, Error::Picture(crate::PictureError::Bands { found: 4, kept: 3 })), "{error}");
        bytes[at] = 1;
        let error = read(&bytes).unwrap_err();
        assert!(matches!(error, Error::Picture(crate::PictureError::Premultiplied)), "{error}");
    }

    #[test]
    fn exif_that_a_jpeg_cannot_hold_leaves_the_orientation() {
        let mut turned = photo(3, 255);
        turned.orientation = Orientation::Rotate180;
        for (length, kept) in [(65_527, true), (65_528, false)] {
            let mut exif = turned.orientation_as_exif().unwrap();
            exif.resize(length, 0);
            turned.exif = Some(exif);
            let after = read(&written(&turned, Format::Jpeg)).unwrap();
            assert_eq!(after.exif == turned.exif, kept, "{length}");
            assert_eq!(after.orientation, Orientation::Rotate180, "{length}");
            assert_eq!(read(&written(&turned, Format::Png)).unwrap().exif, turned.exif, "{length}");
        }
    }

    #[test]
    fn orientation_is_kept_from_and_to_every_format() {
        let mut turned = photo(3, 255);
        turned.orientation = Orientation::Rotate90;
        for first in [Format::Tiff, Format::Png, Format::Jpeg] {
            let once = read(&written(&turned, first)).unwrap();
            assert_eq!(once.orientation, Orientation::Rotate90, "{first:?}");
            for second in [Format::Tiff, Format::Png, Format::Jpeg] {
                let twice = read(&written(&once, second)).unwrap();
                assert_eq!(twice.orientation, Orientation::Rotate90, "{first:?}, {second:?}");
            }
        }
        assert_eq!(read(&written(&photo(3, 255), Format::Png)).unwrap().exif, None);
    }

    #[test]
    fn a_profile_for_other_samples_is_refused() {
        for (channels, space, refused) in
            [(3, b"RGB ", false), (3, b"CMYK", true), (3, b"GRAY", true), (1, b"GRAY", false), (1, b"RGB ", false)]
        {
            let mut photo = photo(channels, 255);
            photo.icc = Some(profile(space));
            let result = read(&written(&photo, Format::Tiff));
            assert_eq!(matches!(result, Err(Error::Profile { .. })), refused, "{channels}, {space:?}");
        }
    }

    #[test]
    fn a_format_that_cannot_hold_a_photograph_is_refused() {
        for (channels, peak, format, fits) in [
            (1, 255, Format::Jpeg, true),
            (3, 255, Format::Jpeg, true),
            (2, 255, Format::Jpeg, false),
            (4, 255, Format::Jpeg, false),
            (3, u16::MAX, Format::Jpeg, false),
            (2, 255, Format::Tiff, false),
            (4, u16::MAX, Format::Tiff, true),
            (2, u16::MAX, Format::Png, true),
        ] {
            let checked = photo(channels, peak).check(format);
            assert_eq!(checked.is_ok(), fits, "{channels}, {peak}, {format:?}");
            let refused = checked.err().is_none_or(|e| matches!(e, Error::Unfit { .. }));
            assert!(refused, "{channels}, {peak}, {format:?}");
        }
        // JPEG counts rows and columns in 16 bits.
        let mut large = photo(3, 255);
        large.samples = Array3::zeros((1, 65_536, 3));
        assert!(matches!(large.check(Format::Jpeg), Err(Error::TooLarge)));
        assert!(large.check(Format::Tiff).is_ok());
    }
}
