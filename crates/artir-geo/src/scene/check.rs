//! Refuses headers that cannot be true, and scenes with data that restoring would damage.

use gdal::{Dataset, Metadata};

use crate::{error::Reason, ffi, open::drivers, values::samples::Planes};

/// Checks a header's claimed size against the bytes of the file, unless the file is sparse.
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
        return Err(format!("a raster of {columns}x{rows} pixels").into());
    }
    // The most that any codec of GDAL expands its input by is about a thousand.
    let Ok(file) = std::fs::metadata(path) else { return Ok(()) };
    let claimed = columns as u64 * rows as u64 / 8 * dataset.raster_count() as u64;
    if drivers::driver(dataset) == "GTiff" && claimed > (64 << 20) && claimed / 4096 > file.len() {
        return Err(format!("its header claims {columns}x{rows} pixels, but the file has {} bytes", file.len()).into());
    }
    Ok(())
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
        let structure = |key: &str| band.metadata_item(key, "IMAGE_STRUCTURE");
        if structure("PIXELTYPE").is_some() {
            return Err(format!("band {i} holds signed bytes, which cannot be restored").into());
        }
        let flags = band.mask_flags()?;
        if !flags.is_all_valid() && !flags.is_per_dataset() && !flags.is_nodata() {
            return Err(format!("band {i} has a mask of its own").into());
        }
        if !restored.contains(&i) {
            continue;
        }
        if Planes::of_type(this).is_none() {
            return Err(format!("band {i} holds values of the type {name}, which cannot be restored").into());
        }
        if !ffi::colour_table(&band).is_empty() {
            return Err(format!("band {i} has a colour table (palette), whose indices cannot be restored").into());
        }
        if !ffi::categories(&band).is_empty() {
            return Err(format!("band {i} holds categories, which cannot be restored").into());
        }
    }
    Ok(())
}
