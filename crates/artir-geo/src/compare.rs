//! Compares two rasters, field by field and pixel by pixel.

use gdal::{Dataset, raster::RasterBand};

use crate::{
    error::{Error, Reason},
    ffi::{self, RawRows},
    open::{self, policy::Access},
    scene::{CACHE_BYTES, bands::BandNumbers, description::Description},
};

/// One difference of two rasters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field's name.
    pub field: String,
    /// The first raster's value, as JSON.
    pub first: String,
    /// The second raster's value.
    pub second: String,
}

/// Options of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompareOptions {
    /// Bands whose pixels may differ.
    pub except_bands: Option<BandNumbers>,
    /// Files and networks that the rasters may access.
    pub access: Access,
}

impl CompareOptions {
    /// Lets the pixels of these bands differ.
    pub fn with_except_bands(mut self, bands: BandNumbers) -> Self {
        self.except_bands = Some(bands);
        self
    }

    /// Sets the files and networks that the rasters may access.
    pub fn with_access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }
}

/// Rows to compare at a time.
const ROWS: usize = 256;

/// All differences of two rasters: georeferencing, metadata, bands, and pixels bit for bit. File layout (compression,
/// blocks, overviews), statistics and artir's record of how a result was made are ignored.
///
/// # Errors
/// [`Error::Scene`] when one cannot be opened or read.
pub fn compare(first: &str, second: &str, options: &CompareOptions) -> Result<Vec<Difference>, Error> {
    ffi::set_cache(CACHE_BYTES as i64);
    let open = |path: &str| -> Result<(Dataset, Description), Error> {
        let fail = |reason: Reason| Error::Scene { path: path.to_owned(), reason };
        let dataset = open::open(path, &options.access).map_err(fail)?.dataset;
        let description = Description::of(&dataset).map_err(fail)?;
        Ok((dataset, description))
    };
    let ((a, a_says), (b, b_says)) = (open(first)?, open(second)?);
    let (mut a_own, b_own) = (a_says.without_provenance(&b_says), b_says.without_provenance(&a_says));
    // Systems that PROJ calls the same are the same, whatever words the format has for them.
    a_own.georef.give_way(&b_own.georef);
    let differences = a_own.differences(&b_own);
    let mut out: Vec<_> =
        differences.into_iter().map(|(field, first, second)| Difference { field, first, second }).collect();
    if a_says.size != b_says.size {
        return Ok(out);
    }
    for number in 1..=a.raster_count().min(b.raster_count()) {
        let excepted = options.except_bands.as_ref().is_some_and(|bands| bands.as_slice().contains(&number));
        if excepted || a_says.bands[number - 1].kind != b_says.bands[number - 1].kind {
            continue;
        }
        let read = |d: &Dataset, path: &str, at: &RawRows| {
            let fail = |reason: Reason| Error::Scene { path: path.to_owned(), reason: reason.of("its pixels") };
            let band = d.rasterband(number).map_err(|e| fail(e.into()))?;
            ffi::read_raw(&band, at).map_err(fail)
        };
        let of_value = ffi::type_bytes(a_says.bands[number - 1].kind);
        let count = count(a_says.size, of_value, &mut |at| Ok((read(&a, first, at)?, read(&b, second, at)?)))?;
        out.extend(pixels(count, &format!("pixels of band {number}")));
    }
    if a_says.mask && b_says.mask {
        let read = |d: &Dataset, path: &str, at: &RawRows| {
            let fail = |reason: Reason| Error::Scene { path: path.to_owned(), reason: reason.of("its mask") };
            let band = d.rasterband(1).map_err(|e| fail(e.into()))?;
            let mask: RasterBand<'_> = band.open_mask_band().map_err(|e| fail(e.into()))?;
            ffi::read_raw(&mask, at).map_err(fail)
        };
        let count = count(a_says.size, 1, &mut |at| Ok((read(&a, first, at)?, read(&b, second, at)?)))?;
        out.extend(pixels(count, "pixels of the mask"));
    }
    Ok(out)
}

fn pixels(count: u64, field: &str) -> Option<Difference> {
    let none = || "0".to_owned();
    (count > 0).then(|| Difference { field: field.to_owned(), first: none(), second: format!("{count} differ") })
}

/// Reads rows of both rasters.
type ReadBoth<'a> = &'a mut dyn FnMut(&RawRows) -> Result<(Vec<u8>, Vec<u8>), Error>;

/// Values that differ in any bit.
fn count((columns, rows): (usize, usize), of_value: usize, read: ReadBoth<'_>) -> Result<u64, Error> {
    let mut out = 0;
    for row in (0..rows).step_by(ROWS) {
        let (a, b) = read(&RawRows { row, rows: ROWS.min(rows - row), columns })?;
        if a != b {
            let pairs = a.chunks_exact(of_value).zip(b.chunks_exact(of_value));
            out += pairs.filter(|(x, y)| x != y).count() as u64;
        }
    }
    Ok(out)
}
