//! Photographs: reading, restoring and writing PNG, JPEG and TIFF, 8 and 16 bit.

use std::{fs::File, io::Write, path::Path};

use ::image::{
    ColorType, DynamicImage, ExtendedColorType, ImageEncoder,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, tiff::TiffEncoder},
};
use artir_core::{ErrorKind, Image, MemoryUse, Shape, Sink, Source, Window};
use artir_validation::picture::{self, Picture};
use ndarray::{Array3, ArrayView3, Axis, s};

use crate::outcome::Failure;

/// Checks by its extension that a photograph can be written.
pub(crate) fn can_write(out: &Path) -> Result<(), Failure> {
    let ending = out.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "png" | "jpg" | "jpeg" | "tif" | "tiff" => Ok(()),
        other => Err(Failure::usage(format!("{}: cannot write '.{other}': use .png, .jpg or .tif", out.display()))),
    }
}

/// A decoded photograph with its colour profile and EXIF.
pub(crate) struct Photo {
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

/// Decodes a photograph that can be restored within `memory` bytes.
pub(crate) fn read(path: &Path, memory: u64) -> Result<Photo, Failure> {
    let fail = |why: &dyn std::fmt::Display| Failure::input(format!("{}: {why}", path.display()));
    let Picture { image, icc, exif } = picture::decode(path, memory, WORKING).map_err(|why| fail(&why))?;
    let (width, height) = (image.width(), image.height());
    let colour = image.color();
    let (samples, peak): (Vec<u16>, u16) = match image {
        DynamicImage::ImageLuma8(_)
        | DynamicImage::ImageLumaA8(_)
        | DynamicImage::ImageRgb8(_)
        | DynamicImage::ImageRgba8(_) => (image.into_bytes().into_iter().map(u16::from).collect(), 255),
        DynamicImage::ImageLuma16(i) => (i.into_raw(), u16::MAX),
        DynamicImage::ImageLumaA16(i) => (i.into_raw(), u16::MAX),
        DynamicImage::ImageRgb16(i) => (i.into_raw(), u16::MAX),
        DynamicImage::ImageRgba16(i) => (i.into_raw(), u16::MAX),
        _ => return Err(fail(&format!("pixels of type {colour:?} are not supported"))),
    };
    let channels = usize::from(colour.channel_count());
    let colours = if colour.has_alpha() { channels - 1 } else { channels };
    let samples = Array3::from_shape_vec((height as usize, width as usize, channels), samples).map_err(|e| fail(&e))?;
    Ok(Photo { samples, colours, peak, icc, exif })
}

impl Photo {
    /// Bits of a sample: 8 or 16.
    fn bits(&self) -> u8 {
        if self.peak == 255 { 8 } else { 16 }
    }

    fn colour_type(&self) -> Result<ColorType, Failure> {
        Ok(match (self.samples.dim().2, self.bits()) {
            (1, 8) => ColorType::L8,
            (2, 8) => ColorType::La8,
            (3, 8) => ColorType::Rgb8,
            (4, 8) => ColorType::Rgba8,
            (1, _) => ColorType::L16,
            (2, _) => ColorType::La16,
            (3, _) => ColorType::Rgb16,
            (4, _) => ColorType::Rgba16,
            (n, bits) => return Err(Failure::failed(format!("{n} channels of {bits} bits"))),
        })
    }

    /// Encodes into an open file, in the format of `extension`.
    pub(crate) fn write(&self, file: &mut File, extension: &str) -> Result<(), Failure> {
        let (height, width, _) = self.samples.dim();
        let colour = self.colour_type()?;
        let (Ok(width), Ok(height)) = (u32::try_from(width), u32::try_from(height)) else {
            return Err(Failure::failed("the image is too large to encode"));
        };
        let bytes: Vec<u8> = if self.bits() == 8 {
            self.samples.iter().map(|v| *v as u8).collect()
        } else {
            self.samples.iter().flat_map(|v| v.to_ne_bytes()).collect()
        };
        let mut out = std::io::BufWriter::new(file);
        match extension {
            "png" => self.encode(PngEncoder::new(&mut out), &bytes, (width, height), colour.into()),
            "jpg" | "jpeg" => {
                self.encode(JpegEncoder::new_with_quality(&mut out, 97), &bytes, (width, height), colour.into())
            }
            "tif" | "tiff" => self.encode(TiffEncoder::new(&mut out), &bytes, (width, height), colour.into()),
            other => Err(Failure::usage(format!("cannot write '.{other}': use .png, .jpg or .tif"))),
        }?;
        // Dropping the writer would ignore an error in the last bytes.
        out.flush().map_err(unwritten)
    }

    fn encode(
        &self,
        mut encoder: impl ImageEncoder,
        bytes: &[u8],
        (width, height): (u32, u32),
        colour: ExtendedColorType,
    ) -> Result<(), Failure> {
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
            ::image::ImageError::IoError(e) => unwritten(e),
            other => Failure::failed(other),
        })
    }
}

fn unwritten(e: std::io::Error) -> Failure {
    Failure::new(ErrorKind::Output, format!("cannot write: {e}"))
}

/// Passes a photograph to the pipeline. A grey one is repeated for every channel of the model.
pub(crate) struct PhotoSource<'a> {
    pub(crate) photo: &'a Photo,
    /// Channels of the model.
    pub(crate) channels: usize,
}

impl Source for PhotoSource<'_> {
    type Error = Failure;

    fn shape(&self) -> Shape {
        let (rows, columns, _) = self.photo.samples.dim();
        let channels = if self.photo.colours == 1 { self.channels } else { self.photo.colours };
        Shape { channels, rows, columns }
    }

    fn memory_use(&self) -> MemoryUse {
        MemoryUse { fixed: self.photo.samples.len() as u64 * WORKING, per_pixel: 0 }
    }

    fn read(&mut self, w: Window) -> Result<Image, Failure> {
        let peak = f32::from(self.photo.peak);
        let window = s![w.row..w.row + w.rows, w.column..w.column + w.columns, ..self.photo.colours];
        let part = self.photo.samples.slice(window).permuted_axes([2, 0, 1]);
        let wanted = (Source::shape(self).channels, w.rows, w.columns);
        let part =
            part.broadcast(wanted).ok_or_else(|| Failure::failed("a photograph has one channel or the model's"))?;
        Ok(Image::new(part.mapv(|v| f32::from(v) / peak)))
    }
}

/// Adds residuals to a photograph's samples, rounding to nearest and saturating. A grey one gets the channels' mean.
pub(crate) struct PhotoSink(pub(crate) Photo);

impl Sink for PhotoSink {
    type Error = Failure;

    fn write(&mut self, first: usize, residual: ArrayView3<'_, f32>) -> Result<(), Failure> {
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

impl Clone for Photo {
    fn clone(&self) -> Self {
        Self {
            samples: self.samples.clone(),
            colours: self.colours,
            peak: self.peak,
            icc: self.icc.clone(),
            exif: self.exif.clone(),
        }
    }
}
