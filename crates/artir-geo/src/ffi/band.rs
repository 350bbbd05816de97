//! Bands: their metadata and their stored values.

use std::{
    ffi::{CString, c_int, c_void},
    path::Path,
};

use gdal::{
    Dataset, Driver,
    errors::GdalError,
    raster::{GdalType, RasterBand, RasterCreationOptions},
};
use gdal_sys::{self as sys, CPLErr, GDALRWFlag, GDALRasterBandH};

use super::{List, strings, text};
use crate::error::Reason;

/// A band's nodata value, in the type that holds it exactly.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Nodata {
    Float(f64),
    Signed(i64),
    Unsigned(u64),
}

impl Nodata {
    /// As the double that is cast to it; `None` where there is none.
    pub(crate) fn value(self) -> Option<f64> {
        match self {
            Self::Float(v) => Some(v),
            Self::Signed(v) => Some(v as f64).filter(|double| *double as i64 == v),
            // The cast back saturates, so that the largest value of 64 bits, a common nodata value, is among them.
            Self::Unsigned(v) => Some(v as f64).filter(|double| *double as u64 == v),
        }
    }
}

impl PartialEq for Nodata {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a == b || a.is_nan() && b.is_nan(),
            (Self::Signed(a), Self::Signed(b)) => a == b,
            (Self::Unsigned(a), Self::Unsigned(b)) => a == b,
            _ => false,
        }
    }
}

fn handle(band: &RasterBand<'_>) -> GDALRasterBandH {
    // SAFETY: only the handle is taken, and it is used while the band's dataset is open.
    unsafe { band.c_rasterband() }
}

/// GDAL's number for signed bytes since 3.7. Earlier versions have bytes with a note.
pub(crate) const SIGNED_BYTE: u32 = 14;

/// Whether GDAL has a type for signed bytes.
pub(crate) fn has_signed_byte() -> bool {
    // SAFETY: the name is a C string; the function only looks it up.
    unsafe { sys::GDALGetDataTypeByName(c"Int8".as_ptr()) == SIGNED_BYTE }
}

/// A new file with bands of the type of that number. The gdal crate creates the types alone that it was built with, and a newer
/// GDAL may be loaded.
pub(crate) fn create(
    driver: &Driver,
    path: &Path,
    (columns, rows): (usize, usize),
    bands: usize,
    number: u32,
    options: &RasterCreationOptions,
) -> gdal::errors::Result<Dataset> {
    let name = CString::new(path.to_string_lossy().as_bytes())?;
    let (columns, rows, bands) = (c_int::try_from(columns)?, c_int::try_from(rows)?, c_int::try_from(bands)?);
    // SAFETY: the driver is registered for as long as the process runs; name and options outlive the call, which copies them.
    let made =
        unsafe { sys::GDALCreate(driver.c_driver(), name.as_ptr(), columns, rows, bands, number, options.as_ptr()) };
    if made.is_null() {
        // GDAL's message stays in its error state.
        return Err(GdalError::NullPointer { method_name: "GDALCreate", msg: String::new() });
    }
    // SAFETY: the dataset was just made, and nothing else owns it.
    Ok(unsafe { Dataset::from_c_dataset(made) })
}

/// GDAL's number of the band's type; [`SIGNED_BYTE`] also for bytes that are noted to be signed.
pub(crate) fn type_number(band: &RasterBand<'_>) -> u32 {
    let number = stored_type(band);
    let noted = || gdal::Metadata::metadata_item(band, "PIXELTYPE", "IMAGE_STRUCTURE");
    if number == sys::GDALDataType::GDT_Byte && noted().is_some_and(|kind| kind == "SIGNEDBYTE") {
        return SIGNED_BYTE;
    }
    number
}

/// The type that GDAL reads and writes the band's values in.
fn stored_type(band: &RasterBand<'_>) -> u32 {
    // SAFETY: the band is alive.
    unsafe { sys::GDALGetRasterDataType(handle(band)) }
}

/// The name of a type, such as `UInt16`.
pub(crate) fn type_name(number: u32) -> String {
    if number == SIGNED_BYTE {
        return "Int8".into();
    }
    // SAFETY: a static text, or null for an unknown number.
    unsafe { text(sys::GDALGetDataTypeName(number)) }.unwrap_or_else(|| "unknown".into())
}

/// Bytes of one value of a type.
pub(crate) fn type_bytes(number: u32) -> usize {
    if number == SIGNED_BYTE {
        return 1;
    }
    // SAFETY: a plain function of a number.
    usize::try_from(unsafe { sys::GDALGetDataTypeSizeBytes(number) }).unwrap_or(0)
}

/// The smallest and the largest value of a type, as doubles.
pub(crate) fn type_limits(number: u32) -> [f64; 2] {
    use sys::GDALDataType as Type;
    match number {
        Type::GDT_Byte => [0.0, 255.0],
        SIGNED_BYTE => [-128.0, 127.0],
        Type::GDT_UInt16 => [0.0, f64::from(u16::MAX)],
        Type::GDT_Int16 => [f64::from(i16::MIN), f64::from(i16::MAX)],
        Type::GDT_UInt32 => [0.0, f64::from(u32::MAX)],
        Type::GDT_Int32 => [f64::from(i32::MIN), f64::from(i32::MAX)],
        Type::GDT_UInt64 => [0.0, u64::MAX as f64],
        Type::GDT_Int64 => [i64::MIN as f64, i64::MAX as f64],
        Type::GDT_Float32 => [f64::from(f32::MIN), f64::from(f32::MAX)],
        _ => [f64::MIN, f64::MAX],
    }
}

/// Bits of a value, where they are fewer than those of the type.
pub(crate) fn bits(band: &RasterBand<'_>) -> Option<u32> {
    gdal::Metadata::metadata_item(band, "NBITS", "IMAGE_STRUCTURE")?.trim().parse().ok()
}

/// The nodata value.
pub(crate) fn nodata(band: &RasterBand<'_>) -> Option<Nodata> {
    let mut has = 0;
    // SAFETY: the band is alive; GDAL writes one flag.
    let value = unsafe {
        match type_number(band) {
            sys::GDALDataType::GDT_Int64 => {
                Nodata::Signed(sys::GDALGetRasterNoDataValueAsInt64(handle(band), &raw mut has))
            }
            sys::GDALDataType::GDT_UInt64 => {
                Nodata::Unsigned(sys::GDALGetRasterNoDataValueAsUInt64(handle(band), &raw mut has))
            }
            _ => Nodata::Float(sys::GDALGetRasterNoDataValue(handle(band), &raw mut has)),
        }
    };
    (has != 0).then_some(value)
}

/// Sets the nodata value.
pub(crate) fn set_nodata(band: &RasterBand<'_>, value: Nodata) {
    // SAFETY: the band is alive.
    unsafe {
        match value {
            Nodata::Float(v) => sys::GDALSetRasterNoDataValue(handle(band), v),
            Nodata::Signed(v) => sys::GDALSetRasterNoDataValueAsInt64(handle(band), v),
            Nodata::Unsigned(v) => sys::GDALSetRasterNoDataValueAsUInt64(handle(band), v),
        }
    };
}

/// Colour interpretation, as GDAL's number.
pub(crate) fn colour(band: &RasterBand<'_>) -> u32 {
    // SAFETY: the band is alive.
    unsafe { sys::GDALGetRasterColorInterpretation(handle(band)) }
}

/// The name of a colour interpretation.
pub(crate) fn colour_name(number: u32) -> String {
    // SAFETY: a static text, or null for an unknown number.
    unsafe { text(sys::GDALGetColorInterpretationName(number)) }.unwrap_or_else(|| "unknown".into())
}

/// Sets the colour interpretation.
pub(crate) fn set_colour(band: &RasterBand<'_>, number: u32) {
    // SAFETY: the band is alive.
    unsafe { sys::GDALSetRasterColorInterpretation(handle(band), number) };
}

/// Sets a band's unit, such as `m`.
pub(crate) fn set_unit(band: &RasterBand<'_>, unit: &str) {
    let Ok(unit) = CString::new(unit) else { return };
    // SAFETY: the band is alive, the string outlives the call.
    unsafe { sys::GDALSetRasterUnitType(handle(band), unit.as_ptr()) };
}

/// The names of a band's categories.
pub(crate) fn categories(band: &RasterBand<'_>) -> Vec<String> {
    // SAFETY: the list belongs to the band and is copied at once.
    unsafe { strings(sys::GDALGetRasterCategoryNames(handle(band))) }
}

/// Sets the names of a band's categories.
pub(crate) fn set_categories(band: &RasterBand<'_>, names: &[String]) {
    let Some(list) = List::new(names) else { return };
    // SAFETY: the list ends in a null pointer and outlives the call, which copies it.
    unsafe { sys::GDALSetRasterCategoryNames(handle(band), list.pointer()) };
}

/// Entries of a band's colour table, as GDAL stores them.
pub(crate) fn colour_table(band: &RasterBand<'_>) -> Vec<[i16; 4]> {
    // SAFETY: table and entries belong to the band and are copied at once.
    unsafe {
        let table = sys::GDALGetRasterColorTable(handle(band));
        if table.is_null() {
            return Vec::new();
        }
        (0..sys::GDALGetColorEntryCount(table))
            .filter_map(|i| sys::GDALGetColorEntry(table, i).as_ref())
            .map(|e| [e.c1, e.c2, e.c3, e.c4])
            .collect()
    }
}

/// Gives `target` the colour table of `source`.
pub(crate) fn copy_colour_table(source: &RasterBand<'_>, target: &RasterBand<'_>) {
    // SAFETY: both bands are alive; the table is copied.
    unsafe { sys::GDALSetRasterColorTable(handle(target), sys::GDALGetRasterColorTable(handle(source))) };
}

/// Rows and columns of a band's attribute table, if it has one. A histogram, which ERDAS Imagine files keep as a table, is a
/// figure of the pixels like other statistics, and counts as none.
pub(crate) fn attribute_table(band: &RasterBand<'_>) -> Option<[i32; 2]> {
    // SAFETY: the table belongs to the band, and has the columns that it counts.
    let (size, uses) = unsafe {
        let table = sys::GDALGetDefaultRAT(handle(band));
        if table.is_null() {
            return None;
        }
        let [rows, columns] = [sys::GDALRATGetRowCount(table), sys::GDALRATGetColumnCount(table)];
        let uses: Vec<_> = (0..columns).map(|column| sys::GDALRATGetUsageOfCol(table, column)).collect();
        ([rows, columns], uses)
    };
    (!is_histogram(&uses)).then_some(size)
}

/// Whether columns of these uses count the pixels of each value, and state nothing else.
fn is_histogram(uses: &[sys::GDALRATFieldUsage::Type]) -> bool {
    use sys::GDALRATFieldUsage::{GFU_Max, GFU_Min, GFU_MinMax, GFU_PixelCount};
    let of_histogram = [GFU_PixelCount, GFU_Min, GFU_Max, GFU_MinMax];
    uses.contains(&GFU_PixelCount) && uses.iter().all(|of| of_histogram.contains(of))
}

/// Gives `target` the attribute table of `source`.
pub(crate) fn copy_attribute_table(source: &RasterBand<'_>, target: &RasterBand<'_>) {
    // SAFETY: both bands are alive; the table is copied.
    unsafe { sys::GDALSetDefaultRAT(handle(target), sys::GDALGetDefaultRAT(handle(source))) };
}

/// Makes a mask of valid pixels that all bands share.
pub(crate) fn create_mask(dataset: &Dataset) -> bool {
    let per_dataset = 2; // GMF_PER_DATASET
    // SAFETY: the dataset is open.
    unsafe { sys::GDALCreateDatasetMaskBand(dataset.c_dataset(), per_dataset) < CPLErr::CE_Failure }
}

/// Part of a band's pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// First column and row.
    pub(crate) at: (usize, usize),
    /// Columns and rows.
    pub(crate) size: (usize, usize),
}

/// What is known of the pixels of a part without reading them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coverage {
    /// The file holds all of them, or GDAL does not know.
    Full,
    /// The file holds some of them.
    Some,
    /// The file holds none of them: missing blocks, or a virtual raster without a source there.
    None,
}

/// What the file holds of a part of a band.
///
/// # Errors
/// GDAL's, if it cannot read where the file has its blocks. It reports that once, and then calls them missing, as those of a
/// sparse file.
pub(crate) fn coverage(band: &RasterBand<'_>, part: Part) -> Result<Coverage, Reason> {
    const UNKNOWN: i32 = 1; // GDAL_DATA_COVERAGE_STATUS_UNIMPLEMENTED
    const DATA: i32 = 2; // GDAL_DATA_COVERAGE_STATUS_DATA
    const EMPTY: i32 = 4; // GDAL_DATA_COVERAGE_STATUS_EMPTY
    let size = |n: usize| i32::try_from(n).ok();
    let numbers = (size(part.at.0), size(part.at.1), size(part.size.0), size(part.size.1));
    let (Some(x), Some(y), Some(columns), Some(rows)) = numbers else { return Ok(Coverage::Full) };
    let (found, error) = super::watch(|| {
        // SAFETY: the band is alive; the mask 0 asks for all kinds, and no share is asked for.
        unsafe { sys::GDALGetDataCoverageStatus(handle(band), x, y, columns, rows, 0, std::ptr::null_mut()) }
    });
    if error.is_some() {
        return Err(super::message(error).of("finding its pixels"));
    }
    Ok(match (found & UNKNOWN != 0, found & DATA != 0, found & EMPTY != 0) {
        (false, true, true) => Coverage::Some,
        (false, false, true) => Coverage::None,
        _ => Coverage::Full,
    })
}

/// The share of a band's pixels that the file holds, from 0 to 1; 1 where GDAL does not know, or cannot read it.
pub(crate) fn held_share(band: &RasterBand<'_>) -> f64 {
    const UNKNOWN: i32 = 1; // GDAL_DATA_COVERAGE_STATUS_UNIMPLEMENTED
    let (columns, rows) = band.size();
    let (Ok(columns), Ok(rows)) = (i32::try_from(columns), i32::try_from(rows)) else { return 1.0 };
    let mut percent = 100.0;
    let (found, error) = super::watch(|| {
        // SAFETY: the band is alive; GDAL writes one number.
        unsafe { sys::GDALGetDataCoverageStatus(handle(band), 0, 0, columns, rows, 0, &raw mut percent) }
    });
    let known = error.is_none() && found & UNKNOWN == 0 && (0.0..=100.0).contains(&percent);
    if known { percent / 100.0 } else { 1.0 }
}

/// Rows of a band, as they are stored.
pub(crate) struct RawRows {
    /// First row.
    pub(crate) row: usize,
    /// Number of rows.
    pub(crate) rows: usize,
    /// Columns of the band.
    pub(crate) columns: usize,
}

/// Reads whole rows in the band's own type, native byte order.
pub(crate) fn read_raw(band: &RasterBand<'_>, at: &RawRows) -> Result<Vec<u8>, Reason> {
    let mut bytes = vec![0u8; at.rows * at.columns * type_bytes(type_number(band))];
    transfer(band, at, GDALRWFlag::GF_Read, &mut bytes)?;
    Ok(bytes)
}

/// Writes whole rows in the band's own type, native byte order.
pub(crate) fn write_raw(band: &RasterBand<'_>, at: &RawRows, bytes: &mut [u8]) -> Result<(), Reason> {
    transfer(band, at, GDALRWFlag::GF_Write, bytes)
}

/// Reads whole rows of several bands in their own type, which must be `T`, one plane after another. Together, since a
/// block of interleaved pixels holds all bands, and is decoded once so.
pub(crate) fn read_planes<T: GdalType + Copy + Default>(
    dataset: &Dataset,
    bands: &[usize],
    at: &RawRows,
) -> Result<Vec<T>, Reason> {
    let mut values = vec![T::default(); bands.len() * at.rows * at.columns];
    let length = size_of_val(values.as_slice());
    let pointer = values.as_mut_ptr().cast::<c_void>();
    transfer_planes(dataset, bands, at, (GDALRWFlag::GF_Read, T::gdal_ordinal()), pointer, length)?;
    Ok(values)
}

/// Writes whole rows of all bands, which are of one type, one plane after another. Together, so that a block of
/// interleaved pixels is written once and whole.
pub(crate) fn write_all(dataset: &Dataset, at: &RawRows, bytes: &mut [u8]) -> Result<(), Reason> {
    let number = dataset.rasterband(1).map(|b| stored_type(&b))?;
    let bands: Vec<usize> = (1..=dataset.raster_count()).collect();
    let length = bytes.len();
    transfer_planes(dataset, &bands, at, (GDALRWFlag::GF_Write, number), bytes.as_mut_ptr().cast::<c_void>(), length)
}

fn too_large(n: usize) -> Reason {
    format!("{n} is more than GDAL can count").into()
}

fn transfer_planes(
    dataset: &Dataset,
    bands: &[usize],
    at: &RawRows,
    (way, number): (GDALRWFlag::Type, u32),
    pointer: *mut c_void,
    length: usize,
) -> Result<(), Reason> {
    let size = |n: usize| i32::try_from(n).map_err(|_| too_large(n));
    let (row, rows, columns, count) = (size(at.row)?, size(at.rows)?, size(at.columns)?, size(bands.len())?);
    let mut list = bands.iter().map(|b| size(*b)).collect::<Result<Vec<i32>, Reason>>()?;
    let value = type_bytes(number);
    if length != bands.len() * at.rows * at.columns * value {
        return Err("a buffer of the wrong size".into());
    }
    let space = |n: usize| i64::try_from(n).map_err(|_| too_large(n));
    let (of_value, of_row) = (space(value)?, space(value * at.columns)?);
    let of_plane = space(value * at.columns * at.rows)?;
    let (done, noted) = super::watch(|| {
        // SAFETY: the buffer holds exactly the planes, by the check above, and their spacing is passed to GDAL.
        unsafe {
            sys::GDALDatasetRasterIOEx(
                dataset.c_dataset(),
                way,
                0,
                row,
                columns,
                rows,
                pointer,
                columns,
                rows,
                number,
                count,
                list.as_mut_ptr(),
                of_value,
                of_row,
                of_plane,
                std::ptr::null_mut(),
            )
        }
    });
    match noted {
        None if done == CPLErr::CE_None => Ok(()),
        noted => Err(super::message(noted)),
    }
}

fn transfer(band: &RasterBand<'_>, at: &RawRows, way: GDALRWFlag::Type, bytes: &mut [u8]) -> Result<(), Reason> {
    let number = stored_type(band);
    let size = |n: usize| i32::try_from(n).map_err(|_| too_large(n));
    let (row, rows, columns) = (size(at.row)?, size(at.rows)?, size(at.columns)?);
    if bytes.len() != at.rows * at.columns * type_bytes(number) {
        return Err("a buffer of the wrong size".into());
    }
    let (done, noted) = super::watch(|| {
        // SAFETY: the buffer holds exactly the window's values in the band's own type.
        unsafe {
            sys::GDALRasterIO(
                handle(band),
                way,
                0,
                row,
                columns,
                rows,
                bytes.as_mut_ptr().cast::<c_void>(),
                columns,
                rows,
                number,
                0,
                0,
            )
        }
    });
    match noted {
        None if done == CPLErr::CE_None => Ok(()),
        noted => Err(super::message(noted)),
    }
}
