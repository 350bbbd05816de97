//! The GDAL drivers that may open scenes and virtual rasters.

use std::sync::{Mutex, PoisonError};

use gdal::{Dataset, DatasetOptions, DriverManager, GdalOpenFlags, Metadata};

use crate::{
    error::{Permission, Reason},
    ffi,
};

/// Images that lie in their own file and in files named after it.
pub(crate) const IMAGES: [&str; 27] = [
    "VRT",
    "GTiff",
    "COG",
    "HFA",
    "NITF",
    "PNG",
    "JPEG",
    "JPEGXL",
    "JPEGLS",
    "JP2OpenJPEG",
    "JP2KAK",
    "JP2ECW",
    "JP2MrSID",
    "JP2Lura",
    "JPEG2000",
    "ECW",
    "MrSID",
    "WEBP",
    "GIF",
    "BMP",
    "PNM",
    "ENVI",
    "EHdr",
    "DTED",
    "SRTMHGT",
    "RST",
    "KRO",
];

/// Formats that can name another file, or be one of many parts. The user may name such a file; a virtual raster may not.
const NAMED_BY_THE_USER: [&str; 19] = [
    "ERS",
    "netCDF",
    "HDF4",
    "HDF4Image",
    "HDF5",
    "HDF5Image",
    "BAG",
    "GRIB",
    "AAIGrid",
    "AIG",
    "GSAG",
    "GSBG",
    "GS7BG",
    "SGI",
    "SAGA",
    "LAN",
    "RMF",
    "BT",
    "USGSDEM",
];

/// Drivers that the user's own scenes are opened with.
pub(crate) fn local() -> Vec<&'static str> {
    IMAGES.into_iter().chain(NAMED_BY_THE_USER).collect()
}

/// Whether only [`local`] drivers are registered; `None` before anything was opened.
static CONFINED: Mutex<Option<bool>> = Mutex::new(None);

/// Deregisters all other drivers. GDAL opens the sources of a virtual raster, overviews and masks itself, with whatever is
/// registered, so that a list handed over with one call to open would not reach them.
pub(crate) fn confine() {
    let mut confined = CONFINED.lock().unwrap_or_else(PoisonError::into_inner);
    if *confined == Some(true) {
        return;
    }
    let keep = local();
    let all: Vec<_> = (0..DriverManager::count()).filter_map(|i| DriverManager::get_driver(i).ok()).collect();
    for driver in all.iter().filter(|d| !keep.contains(&d.short_name().as_str())) {
        DriverManager::deregister_driver(driver);
    }
    *confined = Some(true);
}

/// Registers every driver again, for a user who trusts what they open.
pub(crate) fn unconfine() {
    let mut confined = CONFINED.lock().unwrap_or_else(PoisonError::into_inner);
    if *confined != Some(false) {
        DriverManager::register_all();
        *confined = Some(false);
    }
}

/// Opens a raster with the drivers named, or with all that are registered.
pub(crate) fn open_with(name: &str, allowed: Option<&[&str]>) -> Result<Dataset, Reason> {
    let flags = GdalOpenFlags::GDAL_OF_RASTER | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR;
    let how = DatasetOptions { open_flags: flags, allowed_drivers: allowed, ..DatasetOptions::default() };
    let (opened, noted) = ffi::watch(|| Dataset::open_ex(name, how));
    opened.map_err(|e| {
        let message = noted.unwrap_or_else(|| ffi::said(e));
        if message.is_empty() {
            return Reason::Gdal("GDAL cannot open it".into());
        }
        let unknown = allowed.is_some() && message.contains("not recognized as");
        if unknown {
            let text = "GDAL cannot open it: its format is unknown, or one whose files name other files";
            return Reason::not_allowed(text, Permission::Everything);
        }
        Reason::Gdal(format!("GDAL cannot open it: {}", message.replace(name, "the file").replace('\n', " ")))
    })
}

/// Suppresses GDAL's messages. artir reads the relevant ones from GDAL's error state, and notes those of damage.
pub(crate) fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| gdal::config::set_error_handler(|_, _, message| ffi::note(message)));
}

/// A dataset's driver, by its short name, such as `GTiff`.
pub(crate) fn driver(dataset: &Dataset) -> String {
    dataset.driver().short_name()
}

/// An item of the dataset's `IMAGE_STRUCTURE` domain.
pub(crate) fn structure(dataset: &Dataset, key: &str) -> Option<String> {
    dataset.metadata_item(key, "IMAGE_STRUCTURE")
}
