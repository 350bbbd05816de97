//! A photograph's samples: reading, restoring and writing.

use std::{io::Write, path::Path};

use artir_core::{Image, MemoryUse, Shape, Sink, Source, Window};
use image::{
    ColorType, DynamicImage, ExtendedColorType, ImageEncoder, ImageError,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, tiff::TiffEncoder},
};
use ndarray::{Array3, ArrayView3, Axis, s};

use crate::{Error, Picture, decode};

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
}

/// Bytes per sample in addition to the decoder's: the original and the restored sample.
const WORKING: u64 = 2 + 2;

impl Photo {
    /// Decodes a photograph that can be restored within `memory` bytes.
    ///
    /// # Errors
    /// [`Error::Picture`] and [`Error::Samples`].
    pub fn read(path: &Path, memory: u64) -> Result<Self, Error> {
        let Picture { image, icc, exif } = decode(path, memory, WORKING)?;
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
        Ok(Self { samples, colours, peak, icc, exif })
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
    /// [`Error::TooLarge`], [`Error::Encode`] and [`Error::Write`].
    pub fn write(&self, file: impl Write + std::io::Seek, format: Format) -> Result<(), Error> {
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
        let mut out = std::io::BufWriter::new(file);
        let size = (width, height);
        match format {
            Format::Png => self.encode(PngEncoder::new(&mut out), &bytes, size, colour),
            Format::Jpeg => self.encode(JpegEncoder::new_with_quality(&mut out, 97), &bytes, size, colour),
            Format::Tiff => self.encode(TiffEncoder::new(&mut out), &bytes, size, colour),
        }?;
        // Dropping the writer would ignore an error in the last bytes.
        out.flush().map_err(Error::Write)
    }

    fn encode(
        &self,
        mut encoder: impl ImageEncoder,
        bytes: &[u8],
        (width, height): (u32, u32),
        colour: ExtendedColorType,
    ) -> Result<(), Error> {
        // Losing the profile silently would shift colours, so an encoder that cannot keep it is logged.
        if let Some(icc) = &self.icc
            && encoder.set_icc_profile(icc.clone()).is_err()
        {
            tracing::warn!("this format's encoder cannot keep the colour profile");
        }
        if let Some(exif) = &self.exif
            && encoder.set_exif_metadata(exif.clone()).is_err()
        {
            tracing::warn!("this format's encoder cannot keep the EXIF metadata");
        }
        encoder.write_image(bytes, width, height, colour).map_err(|e| match e {
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
