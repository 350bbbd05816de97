//! What the gdal crate does not wrap: whole metadata domains, unit types, error states, the cache's size.

use std::ffi::{CStr, CString, c_char};

use gdal::{Dataset, raster::RasterBand};
use gdal_sys::{self as sys, CPLErr, GDALMajorObjectH};

/// Something that has metadata.
#[derive(Clone, Copy)]
pub(crate) struct Object(GDALMajorObjectH);

impl Object {
    pub(crate) fn dataset(dataset: &Dataset) -> Self {
        Self(dataset.c_dataset())
    }

    /// # Panics
    /// Never; the handle is borrowed from a live band.
    pub(crate) fn band(band: &RasterBand<'_>) -> Self {
        // SAFETY: only the handle is taken, and it is used while the band's dataset is open.
        Self(unsafe { band.c_rasterband() })
    }

    /// All items of a metadata domain, as GDAL lists them: `KEY=VALUE`, or one whole document in `xml:` domains.
    pub(crate) fn domain(self, domain: &str) -> Vec<String> {
        let Ok(domain) = CString::new(domain) else { return Vec::new() };
        // SAFETY: the list is owned by GDAL, ends in a null pointer, and is copied at once.
        unsafe { strings(sys::GDALGetMetadata(self.0, domain.as_ptr())) }
    }

    /// Replaces a metadata domain. False when GDAL refuses.
    pub(crate) fn set_domain(self, domain: &str, items: &[String]) -> bool {
        let Ok(domain) = CString::new(domain) else { return false };
        let Ok(items) = items.iter().map(|i| CString::new(i.as_str())).collect::<Result<Vec<_>, _>>() else {
            return false;
        };
        let mut list: Vec<*mut c_char> = items.iter().map(|i| i.as_ptr().cast_mut()).collect();
        list.push(std::ptr::null_mut());
        // SAFETY: the list ends in a null pointer and outlives the call, which copies it.
        unsafe { sys::GDALSetMetadata(self.0, list.as_mut_ptr(), domain.as_ptr()) < CPLErr::CE_Failure }
    }
}

/// Copies a null-terminated list of C strings.
///
/// # Safety
/// `list` is null or such a list.
unsafe fn strings(list: *mut *mut c_char) -> Vec<String> {
    let mut out = Vec::new();
    if list.is_null() {
        return out;
    }
    let mut at = list;
    // SAFETY: the list is read up to its null pointer.
    unsafe {
        while !(*at).is_null() {
            out.push(CStr::from_ptr(*at).to_string_lossy().into_owned());
            at = at.add(1);
        }
    }
    out
}

/// Sets a band's unit, such as `m`. False when GDAL refuses.
pub(crate) fn set_unit(band: &RasterBand<'_>, unit: &str) -> bool {
    let Ok(unit) = CString::new(unit) else { return false };
    // SAFETY: the band is alive, the string outlives the call.
    unsafe { sys::GDALSetRasterUnitType(band.c_rasterband(), unit.as_ptr()) < CPLErr::CE_Failure }
}

/// Number of overviews of a band.
pub(crate) fn overview_count(band: &RasterBand<'_>) -> i32 {
    // SAFETY: the band is alive.
    unsafe { sys::GDALGetOverviewCount(band.c_rasterband()) }
}

/// Whether the dataset has a geotransform of its own. GDAL hands out the identity where there is none.
pub(crate) fn geotransform(dataset: &Dataset) -> Option<[f64; 6]> {
    let mut out = [0.0; 6];
    // SAFETY: the array has the six elements that GDAL writes.
    let result = unsafe { sys::GDALGetGeoTransform(dataset.c_dataset(), out.as_mut_ptr()) };
    (result == CPLErr::CE_None).then_some(out)
}

/// Bounds GDAL's block cache, bytes.
pub(crate) fn set_cache(bytes: i64) {
    // SAFETY: a plain setter.
    unsafe { sys::GDALSetCacheMax64(bytes) };
}

/// Forgets the last error, runs `work`, and returns the error that GDAL noted meanwhile: a full disk is told in no
/// other way.
pub(crate) fn watch<T>(work: impl FnOnce() -> T) -> (T, Option<String>) {
    // SAFETY: the error state is the thread's own, and the message is copied at once.
    unsafe { sys::CPLErrorReset() };
    let result = work();
    // SAFETY: as above.
    let error = unsafe {
        (sys::CPLGetLastErrorType() >= CPLErr::CE_Failure)
            .then(|| CStr::from_ptr(sys::CPLGetLastErrorMsg()).to_string_lossy().into_owned())
    };
    (result, error)
}
