//! Valid pixels of a scene, as its mask or its alpha band marks them.

use gdal::{
    Dataset, Metadata,
    raster::{Buffer, ColorInterpretation, RasterBand},
};

use super::options::NodataChoice;
use crate::{error::Reason, ffi};

/// Marks of invalid pixels other than nodata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    Nodata,
    /// A mask that all bands share, also one that GDAL makes of the nodata values of all bands together (`NODATA_VALUES`).
    Mask,
    /// A band of opacity, counted from 1.
    Alpha(usize),
}

/// Finds the mask or alpha band that marks valid pixels. NAIP products tag near infrared as alpha, although it is not.
/// Real opacity is 0 or full nearly everywhere, reflectance is not.
pub(super) fn validity(dataset: &Dataset, restored: &[usize], nodata: NodataChoice) -> Result<Validity, Reason> {
    let first = dataset.rasterband(restored[0])?;
    let flags = first.mask_flags()?;
    // Of nodata values, the user's choice comes first.
    let counts = !flags.is_nodata() || nodata == NodataChoice::Declared;
    if flags.is_per_dataset() && !flags.is_alpha() && counts {
        return Ok(Validity::Mask);
    }
    let alpha = ColorInterpretation::AlphaBand.c_int();
    for i in (1..=dataset.raster_count()).filter(|i| !restored.contains(i)) {
        let band = dataset.rasterband(i)?;
        if ffi::colour(&band) == alpha && is_opacity(dataset, &band)? {
            return Ok(Validity::Alpha(i));
        }
    }
    Ok(Validity::Nodata)
}

/// The values that are nodata where all bands have theirs together, by the metadata item `NODATA_VALUES`; none without it.
pub(super) fn nodata_together(dataset: &Dataset) -> Vec<f64> {
    let item = dataset.metadata_item("NODATA_VALUES", "").unwrap_or_default();
    let values: Vec<f64> = item.split_ascii_whitespace().filter_map(|value| value.parse().ok()).collect();
    if values.len() == dataset.raster_count() { values } else { Vec::new() }
}

/// Whether a mask has different values above 0, such as soft edges. That of one bit in a TIFF has none, and is not read.
pub(super) fn has_soft_mask(dataset: &Dataset) -> Result<bool, Reason> {
    const ROWS: usize = 256;
    let band = dataset.rasterband(1)?;
    let mask = band.open_mask_band()?;
    if ffi::bits(&mask) == Some(1) {
        return Ok(false);
    }
    if ffi::type_bytes(ffi::type_number(&mask)) != 1 {
        return Ok(true);
    }
    let (columns, rows) = dataset.raster_size();
    // Masks of 0 and 1 are common, and say the same.
    let mut full = None;
    for row in (0..rows).step_by(ROWS) {
        let at = ffi::RawRows { row, rows: ROWS.min(rows - row), columns };
        for value in ffi::read_raw(&mask, &at)?.into_iter().filter(|value| *value > 0) {
            if *full.get_or_insert(value) != value {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn is_opacity(dataset: &Dataset, band: &RasterBand<'_>) -> Result<bool, Reason> {
    let (columns, rows) = dataset.raster_size();
    let out = (columns.min(512), rows.min(512));
    let sample: Buffer<f64> = ffi::checked(|| band.read_as((0, 0), (columns, rows), out, None))?;
    let full = sample.data().iter().fold(0.0, |a: f64, v| a.max(*v));
    let extreme = sample.data().iter().filter(|v| **v == 0.0 || **v == full).count();
    // Reflectance is 0 or at its largest in few pixels.
    Ok(extreme * 2 > sample.data().len())
}

/// Clears `valid` where mask or alpha mark a pixel as invalid.
pub(crate) fn read_mask(
    dataset: &Dataset,
    band: usize,
    validity: Validity,
    at: (usize, usize),
    size: (usize, usize),
    out: (usize, usize),
    valid: &mut [bool],
) -> Result<(), Reason> {
    let (number, of_mask) = match validity {
        Validity::Nodata => return Ok(()),
        Validity::Mask => (band, true),
        Validity::Alpha(alpha) => (alpha, false),
    };
    let band = dataset.rasterband(number)?;
    let offset = (at.0 as isize, at.1 as isize);
    // Alpha has the scene's type, and any opacity counts.
    let buffer: Buffer<f32> = ffi::checked(|| {
        if of_mask {
            band.open_mask_band()?.read_as(offset, size, out, None)
        } else {
            band.read_as(offset, size, out, None)
        }
    })?;
    for (ok, v) in valid.iter_mut().zip(buffer.data()) {
        *ok &= *v != 0.0;
    }
    Ok(())
}
