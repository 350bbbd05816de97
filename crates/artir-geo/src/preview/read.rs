//! A scene of any size and real data type as a picture of a few megapixels.

use gdal::{
    Dataset, Metadata,
    raster::{ColorInterpretation, GdalDataType, RasterBand},
};

use crate::{
    error::Reason,
    ffi::{self, Coverage, Part},
};

/// Pixels that are read at a time, per band.
const WINDOW: usize = 1 << 20;

/// Some bands of a scene, decimated.
pub(super) struct Picture {
    /// Columns and rows.
    pub(super) size: (usize, usize),
    /// Edge of the square of scene pixels that one pixel represents.
    pub(super) factor: usize,
    /// The bands by row and column, in the scene's values; NaN where no pixel is valid.
    pub(super) planes: Vec<Vec<f32>>,
}

impl Picture {
    /// Means over squares of scene pixels, so that the long edge is at most `longest` pixels. Invalid pixels (nodata,
    /// masked, transparent, not finite) take no part in them.
    ///
    /// The squares are averaged here and not by GDAL, which would take overviews where a scene has some: those of the
    /// source and of the result may have been made in different ways, and would differ by more than the restoration.
    pub(super) fn read(dataset: &Dataset, numbers: &[usize], longest: usize) -> Result<Self, Reason> {
        let (columns, rows) = dataset.raster_size();
        if columns == 0 || rows == 0 {
            return Err("it has no pixels".into());
        }
        let factor = columns.max(rows).div_ceil(longest.max(1));
        let size = (columns.div_ceil(factor), rows.div_ceil(factor));
        let bands = numbers.iter().map(|n| open(dataset, *n)).collect::<Result<Vec<_>, _>>()?;
        let masks = bands.iter().map(|band| mask(dataset, band, numbers)).collect::<Result<Vec<_>, _>>()?;
        let mut sums = vec![vec![Mean::default(); size.0 * size.1]; bands.len()];
        let (wide, high) = window(bands.first().map_or((1, 1), RasterBand::block_size));
        for row in (0..rows).step_by(high) {
            for column in (0..columns).step_by(wide) {
                let extent = (wide.min(columns - column), high.min(rows - row));
                for ((band, mask), sums) in bands.iter().zip(&masks).zip(&mut sums) {
                    // Missing parts of a wide raster are not read: they have no picture.
                    if ffi::coverage(band, Part { at: (column, row), size: extent })? == Coverage::None {
                        continue;
                    }
                    let values: Vec<f64> = values(band, (column, row), extent)?;
                    let valid: Option<Vec<u8>> =
                        mask.as_ref().map(|mask| values_of(mask, (column, row), extent)).transpose()?;
                    let valid = |i: usize| valid.as_ref().is_none_or(|valid| valid[i] != 0);
                    for (r, line) in values.chunks(extent.0).enumerate() {
                        let means = &mut sums[(row + r) / factor * size.0..];
                        let mut c = 0;
                        while c < line.len() {
                            let x = (column + c) / factor;
                            let end = ((x + 1) * factor - column).min(line.len());
                            for (i, value) in line.iter().enumerate().take(end).skip(c) {
                                if value.is_finite() && valid(r * extent.0 + i) {
                                    means[x].add(*value);
                                }
                            }
                            c = end;
                        }
                    }
                }
            }
        }
        let planes = sums.into_iter().map(|plane| plane.into_iter().map(Mean::value).collect()).collect();
        Ok(Self { size, factor, planes })
    }

    /// Whether a pixel has a value in any band.
    pub(super) fn is_valid(&self, at: usize) -> bool {
        self.planes.iter().any(|plane| !plane[at].is_nan())
    }
}

/// A mean that is being taken.
#[derive(Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1.0;
    }

    /// NaN for a mean of nothing, or one that is too large.
    fn value(self) -> f32 {
        let mean = (self.sum / self.count) as f32;
        if mean.is_finite() { mean } else { f32::NAN }
    }
}

fn open(dataset: &Dataset, number: usize) -> Result<RasterBand<'_>, Reason> {
    if !(1..=dataset.raster_count()).contains(&number) {
        return Err(format!("it has no band {number}").into());
    }
    let band = dataset.rasterband(number)?;
    // The gdal crate knows real types only.
    if band.band_type() == GdalDataType::Unknown {
        return Err(format!("band {number} holds complex values, which have no picture").into());
    }
    Ok(band)
}

/// Columns and rows to read at a time: whole blocks if they are small enough.
fn window((wide, high): (usize, usize)) -> (usize, usize) {
    let high = high.clamp(1, 512);
    let rows = high * (64 / high).max(1);
    let columns = (WINDOW / rows).max(1);
    (if (1..columns).contains(&wide) { columns - columns % wide } else { columns }, rows)
}

/// The mask of a band's valid pixels; `None` where all are. A band that is tagged alpha may be no opacity: aerial images
/// carry near infrared in it. Opacity is 0 or 255 nearly everywhere.
fn mask<'a>(dataset: &Dataset, band: &'a RasterBand<'_>, shown: &[usize]) -> Result<Option<RasterBand<'a>>, Reason> {
    let flags = band.mask_flags()?;
    if flags.is_all_valid() {
        return Ok(None);
    }
    let mask = band.open_mask_band()?;
    if flags.is_alpha() {
        let alpha = |n: &usize| {
            dataset.rasterband(*n).is_ok_and(|band| band.color_interpretation() == ColorInterpretation::AlphaBand)
        };
        if shown.iter().any(alpha) {
            return Ok(None);
        }
        let size = dataset.raster_size();
        let small = (size.0.min(256), size.1.min(256));
        let (sample, noted) = ffi::watch(|| mask.read_as::<u8>((0, 0), size, small, None));
        let sample =
            sample.map_err(|_| Reason::Gdal(noted.unwrap_or_else(|| "its alpha band cannot be read".into())))?;
        let extreme = sample.data().iter().filter(|v| matches!(**v, 0 | 255)).count();
        if extreme * 2 <= sample.data().len() {
            return Ok(None);
        }
    }
    Ok(Some(mask))
}

/// The values of a window of a band. GDAL 3.6 and older keep signed bytes as unsigned ones with a note.
fn values(band: &RasterBand<'_>, at: (usize, usize), size: (usize, usize)) -> Result<Vec<f64>, Reason> {
    let mut values: Vec<f64> = values_of(band, at, size)?;
    if band.metadata_item("PIXELTYPE", "IMAGE_STRUCTURE").as_deref() == Some("SIGNEDBYTE") {
        values.iter_mut().filter(|v| **v > 127.0).for_each(|v| *v -= 256.0);
    }
    Ok(values)
}

fn values_of<T: gdal::raster::GdalType + Copy>(
    band: &RasterBand<'_>,
    at: (usize, usize),
    size: (usize, usize),
) -> Result<Vec<T>, Reason> {
    let read = || band.read_as::<T>((at.0 as isize, at.1 as isize), size, size, None);
    let (buffer, noted) = ffi::watch(read);
    // A damaged block can be filled with zeros and only noted as an error.
    match (buffer, noted) {
        (Ok(buffer), None) => Ok(buffer.into_shape_and_vec().1),
        (_, noted) => Err(Reason::Gdal(noted.unwrap_or_else(|| "its pixels cannot be read".into()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_made_of_blocks_and_bounded() {
        assert_eq!(window((256, 256)), (4096, 256));
        assert_eq!(window((30_000, 1)), (16_384, 64));
        assert_eq!(window((30_000, 30_000)), (2048, 512));
        assert_eq!(window((100, 10)), (17_400, 60));
        for block in [(0, 0), (1, 1), (usize::MAX, usize::MAX), (3, 511)] {
            let (wide, high) = window(block);
            assert!(wide > 0 && high > 0 && wide * high <= WINDOW, "{block:?}");
        }
    }
}
