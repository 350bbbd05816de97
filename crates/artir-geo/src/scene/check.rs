//! Refuses headers that cannot be true, and scenes with data that restoring would damage.

use gdal::Dataset;

use super::coverage;
use crate::{error::Reason, ffi, open::drivers, values::samples::Planes};

/// Checks a header's claimed size against the bytes of the file. What a sparse file does not hold takes no bytes.
pub(super) fn check_plausible(dataset: &Dataset, path: &str) -> Result<(), Reason> {
    let (columns, rows) = dataset.raster_size();
    let first = dataset.rasterband(1)?;
    let (width, height) = first.block_size();
    let bytes = ffi::type_bytes(ffi::type_number(&first)).max(1);
    let block = width.saturating_mul(height).saturating_mul(bytes);
    if block > 1 << 30 {
        return Err(format!("its blocks have {width}x{height} pixels, more than can be read at a time").into());
    }
    if columns.checked_mul(rows).is_none_or(|n| n > 1 << 40) {
        return Err(format!("a raster of {columns}x{rows} pixels, more than 2^40").into());
    }
    let Ok(file) = std::fs::metadata(path) else { return Ok(()) };
    // The most that any codec of GDAL expands its input by is about a thousand.
    let claimed = columns as u64 * rows as u64 / 8 * dataset.raster_count() as u64;
    let too_much = |claimed: u64| claimed > (64 << 20) && claimed / 4096 > file.len();
    let held = || (claimed as f64 * coverage::share(dataset, &first)) as u64;
    if drivers::driver(dataset) == "GTiff" && too_much(claimed) && too_much(held()) {
        return Err(format!("its header claims {columns}x{rows} pixels, but the file has {} bytes", file.len()).into());
    }
    Ok(())
}

/// Whether the entries of a colour table are the greys of their indices, from black to white: such a band is no palette.
fn is_grey(table: &[[i16; 4]], bits: u32) -> bool {
    let last = (1usize << bits.min(16)) - 1;
    table.get(..=last).is_some_and(|ramp| are_greys(ramp, |i| 255.0 * i as f64 / last as f64))
}

/// Whether the entries of a colour table are greys from white to black over all values of so many bits, as GDAL makes them for a
/// TIFF whose photometric interpretation is "white is zero" (MINISWHITE).
fn is_negative(table: &[[i16; 4]], bits: u32) -> bool {
    let last = table.len().saturating_sub(1);
    bits <= 16 && last + 1 == 1 << bits && are_greys(table, |i| 255.0 - 255.0 * i as f64 / last as f64)
}

/// Whether the entries of a colour table are these greys. GDAL rounds those of 16 bits down, and drivers mark nodata as
/// transparent.
fn are_greys(table: &[[i16; 4]], grey: impl Fn(usize) -> f64) -> bool {
    table.iter().filter(|entry| entry[3] == 0).count() <= 1
        && table.iter().enumerate().all(|(i, [r, g, b, alpha])| {
            r == g && g == b && matches!(alpha, 0 | 255) && (f64::from(*r) - grey(i)).abs() <= 1.0
        })
}

/// Whether the stored 0 of a band is white: a TIFF's photometric interpretation states it of its only band, or a colour table
/// of greys does.
pub(crate) fn is_white_zero(dataset: &Dataset, number: usize) -> bool {
    // A second band is opacity.
    let Some(band) = dataset.rasterband(number).ok().filter(|_| number == 1 && dataset.raster_count() <= 2) else {
        return false;
    };
    let table = ffi::colour_table(&band);
    if table.is_empty() {
        return is_stated_by_tiff(dataset);
    }
    is_negative(&table, ffi::bits(&band).unwrap_or(8 * ffi::type_bytes(ffi::type_number(&band)) as u32))
}

/// Whether a TIFF's photometric interpretation is "white is zero".
pub(crate) fn is_stated_by_tiff(dataset: &Dataset) -> bool {
    drivers::structure(dataset, "MINISWHITE").as_deref() == Some("YES")
}

/// Refuses scenes with data that restoring would damage.
pub(super) fn refuse_unfit(dataset: &Dataset, restored: &[usize]) -> Result<(), Reason> {
    let kind = |i: usize| dataset.rasterband(i).map(|b| ffi::type_number(&b)).map_err(Reason::from);
    let first = kind(restored[0])?;
    for i in 1..=dataset.raster_count() {
        let this = kind(i)?;
        let name = ffi::type_name(this);
        if this != first {
            return Err(format!(
                "its bands have several types ({} and {name}), which one GeoTIFF cannot hold",
                ffi::type_name(first)
            )
            .into());
        }
        let band = dataset.rasterband(i)?;
        let flags = band.mask_flags()?;
        if !flags.is_all_valid() && !flags.is_per_dataset() && !flags.is_nodata() {
            let why = "has a mask of its own, and a result has one for all bands";
            return Err(format!(
                "band {i} {why}: choose it with gdal_translate -mask mask,{i} (-of VRT copies no pixel)"
            )
            .into());
        }
        if !restored.contains(&i) {
            continue;
        }
        if Planes::of_type(this).is_none() {
            return Err(format!("band {i} holds values of the type {name}, which cannot be restored").into());
        }
        let table = ffi::colour_table(&band);
        let bits = ffi::bits(&band).unwrap_or(if table.len() > 256 { 16 } else { 8 });
        let is_brightness = is_white_zero(dataset, i) || is_grey(&table, bits);
        if !table.is_empty() && !is_brightness {
            let why = "has a colour table (palette), whose indices cannot be restored: expand it with gdal_translate -expand rgb (-of VRT \
                       copies no pixel)";
            return Err(format!("band {i} {why}").into());
        }
        if !ffi::categories(&band).is_empty() {
            return Err(format!("band {i} holds categories, which cannot be restored").into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greys_from_white_to_black_are_a_negative() {
        let made = |grey: fn(usize) -> usize, n: usize| {
            let entry = |i| grey(i) as i16;
            (0..n).map(|i| [entry(i), entry(i), entry(i), 255]).collect::<Vec<_>>()
        };
        let bytes = made(|i| 255 - i, 256);
        assert!(is_negative(&bytes, 8) && is_negative(&made(|i| (65_535 - i) * 255 / 65_535, 65_536), 16));
        assert!(is_negative(&made(|i| 255 - 17 * i, 16), 4) && is_negative(&made(|i| 255 - 255 * i, 2), 1));
        assert!(!is_negative(&made(|i| i, 256), 8) && !is_negative(&[], 8) && !is_negative(&bytes, 16));
        assert!(!is_negative(&made(|i| 255 - 85 * i, 4), 8), "four classes");
        let transparent = |count: usize| {
            let mut table = bytes.clone();
            table[..count].iter_mut().for_each(|entry| entry[3] = 0);
            table
        };
        assert!(is_negative(&transparent(1), 8) && !is_negative(&transparent(2), 8));
    }

    #[test]
    fn greys_in_order_are_no_palette() {
        let table = |greys: &[i16]| greys.iter().map(|g| [*g, *g, *g, 255]).collect::<Vec<_>>();
        assert!(is_grey(&table(&[0, 255]), 1) && is_grey(&table(&[0, 85, 170, 255]), 2));
        assert!(is_grey(&table(&(0..256).collect::<Vec<_>>()), 8));
        assert!(!is_grey(&table(&[255, 0]), 1), "white is 0");
        let transparent = |count: usize| {
            let mut table = table(&(0..256).collect::<Vec<_>>());
            table[..count].iter_mut().for_each(|entry| entry[3] = 0);
            table
        };
        assert!(is_grey(&transparent(1), 8), "nodata");
        assert!(!is_grey(&transparent(2), 8));
        let down: Vec<i16> = (0..65_536).map(|i| (i * 255 / 65_535) as i16).collect();
        assert!(is_grey(&table(&down), 16) && !is_grey(&table(&(0..256).collect::<Vec<_>>()), 16));
        assert!(!is_grey(&table(&[0, 255]), 8) && !is_grey(&[[0, 0, 0, 255], [255, 0, 0, 255]], 1));
    }
}
