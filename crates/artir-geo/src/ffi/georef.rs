//! Coordinate reference systems, geotransforms and ground control points.

use std::ffi::{CStr, CString, c_char};

use gdal::Dataset;
use gdal_sys::{self as sys, CPLErr, OGRSpatialReferenceH};

use super::text;

/// A coordinate reference system, in full.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Crs {
    /// WKT2:2019, or WKT1 where it cannot be said in that.
    pub(crate) wkt: String,
    /// Which axis of the system each data axis is.
    pub(crate) axes: Vec<i32>,
    /// Decimal year; 0 for none.
    pub(crate) epoch: f64,
}

/// One ground control point.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gcp {
    pub(crate) id: String,
    pub(crate) info: String,
    /// Pixel and line, from the upper left corner of the upper left pixel.
    pub(crate) at: [f64; 2],
    /// Coordinates x, y, z.
    pub(crate) is: [f64; 3],
}

/// Whose coordinate reference system.
#[derive(Clone, Copy)]
pub(crate) enum Of {
    Grid,
    Gcps,
}

fn crs_handle(dataset: &Dataset, of: Of) -> OGRSpatialReferenceH {
    // SAFETY: the handle belongs to the open dataset and is used while that lives.
    unsafe {
        match of {
            Of::Grid => sys::GDALGetSpatialRef(dataset.c_dataset()),
            Of::Gcps => sys::GDALGetGCPSpatialRef(dataset.c_dataset()),
        }
    }
}

/// A dataset's coordinate reference system.
pub(crate) fn crs(dataset: &Dataset, of: Of) -> Option<Crs> {
    let handle = crs_handle(dataset, of);
    if handle.is_null() {
        return None;
    }
    let wkt = export(handle, c"FORMAT=WKT2_2019").or_else(|| export(handle, c"FORMAT=WKT1"))?;
    let mut count = 0;
    // SAFETY: the array has `count` elements, belongs to the system, and is copied at once.
    let (axes, epoch) = unsafe {
        let axes = sys::OSRGetDataAxisToSRSAxisMapping(handle, &raw mut count);
        let count = usize::try_from(count).unwrap_or(0);
        let axes = if axes.is_null() { &[] } else { std::slice::from_raw_parts(axes, count) };
        (axes.to_vec(), sys::OSRGetCoordinateEpoch(handle))
    };
    Some(Crs { wkt, axes, epoch })
}

fn export(handle: OGRSpatialReferenceH, format: &CStr) -> Option<String> {
    let options = [format.as_ptr(), std::ptr::null()];
    let mut out: *mut c_char = std::ptr::null_mut();
    // SAFETY: the options end in a null pointer; the text is made for the caller, copied, and freed once.
    unsafe {
        let result = sys::OSRExportToWktEx(handle, &raw mut out, options.as_ptr());
        let wkt = text(out);
        sys::VSIFree(out.cast());
        (result == sys::OGRErr::OGRERR_NONE).then_some(wkt).flatten().filter(|w| !w.is_empty())
    }
}

/// Gives `target` the grid's coordinate reference system of `source`.
pub(crate) fn copy_crs(source: &Dataset, target: &Dataset) {
    // SAFETY: both datasets are open; the system is copied.
    unsafe { sys::GDALSetSpatialRef(target.c_dataset(), crs_handle(source, Of::Grid)) };
}

/// Whether the dataset has a geotransform of its own. GDAL hands out the identity where there is none.
pub(crate) fn geotransform(dataset: &Dataset) -> Option<[f64; 6]> {
    let mut out = [0.0; 6];
    // SAFETY: the array has the six elements that GDAL writes.
    let result = unsafe { sys::GDALGetGeoTransform(dataset.c_dataset(), out.as_mut_ptr()) };
    (result == CPLErr::CE_None).then_some(out)
}

/// Sets the geotransform.
pub(crate) fn set_geotransform(dataset: &Dataset, mut geotransform: [f64; 6]) {
    // SAFETY: the array has the six elements that GDAL reads.
    unsafe { sys::GDALSetGeoTransform(dataset.c_dataset(), geotransform.as_mut_ptr()) };
}

/// The ground control points.
pub(crate) fn gcps(dataset: &Dataset) -> Vec<Gcp> {
    // SAFETY: the array has as many elements as the count says, belongs to the dataset, and is copied at once.
    unsafe {
        let count = usize::try_from(sys::GDALGetGCPCount(dataset.c_dataset())).unwrap_or(0);
        let points = sys::GDALGetGCPs(dataset.c_dataset());
        if points.is_null() {
            return Vec::new();
        }
        std::slice::from_raw_parts(points, count)
            .iter()
            .map(|p| Gcp {
                id: text(p.pszId).unwrap_or_default(),
                info: text(p.pszInfo).unwrap_or_default(),
                at: [p.dfGCPPixel, p.dfGCPLine],
                is: [p.dfGCPX, p.dfGCPY, p.dfGCPZ],
            })
            .collect()
    }
}

/// Sets ground control points, in the coordinate reference system of `source`'s.
pub(crate) fn set_gcps(target: &Dataset, points: &[Gcp], source: &Dataset) {
    let texts: Vec<_> =
        points.iter().map(|p| [&p.id, &p.info].map(|t| CString::new(t.as_str()).unwrap_or_default())).collect();
    let list: Vec<sys::GDAL_GCP> = points
        .iter()
        .zip(&texts)
        .map(|(p, [id, info])| sys::GDAL_GCP {
            pszId: id.as_ptr().cast_mut(),
            pszInfo: info.as_ptr().cast_mut(),
            dfGCPPixel: p.at[0],
            dfGCPLine: p.at[1],
            dfGCPX: p.is[0],
            dfGCPY: p.is[1],
            dfGCPZ: p.is[2],
        })
        .collect();
    let Ok(count) = i32::try_from(list.len()) else { return };
    // SAFETY: list and texts outlive the call, which copies them; the system belongs to the open source.
    unsafe { sys::GDALSetGCPs2(target.c_dataset(), count, list.as_ptr(), crs_handle(source, Of::Gcps)) };
}
