//! Opening a raster without reaching further than its user meant.

use gdal::{Dataset, DatasetOptions, DriverManager, GdalOpenFlags, Metadata};

use crate::{ffi, vrt};

/// Path prefixes that GDAL reads over a network.
const REMOTE: [&str; 10] = [
    "/vsicurl",
    "/vsis3",
    "/vsigs",
    "/vsiaz",
    "/vsiadls",
    "/vsioss",
    "/vsiswift",
    "/vsiwebhdfs",
    "/vsihdfs",
    "/vsistdin",
];

/// Drivers that reach for a server, or for whatever a small file tells them to.
const REMOTE_DRIVERS: [&str; 14] = [
    "WCS",
    "WMS",
    "WMTS",
    "HTTP",
    "PLMOSAIC",
    "PLSCENES",
    "NGW",
    "DAAS",
    "EEDA",
    "EEDAI",
    "OGCAPI",
    "STACIT",
    "STACTA",
    "PostGISRaster",
];

/// Whether GDAL would read the path over a network.
pub(crate) fn is_remote(path: &str) -> bool {
    path.contains("://") || REMOTE.iter().any(|prefix| path.contains(prefix))
}

/// Opens a raster for reading.
///
/// # Errors
/// Words that say why it cannot be, or must not be without `allow_remote`.
pub(crate) fn open(path: &str, allow_remote: bool) -> Result<Dataset, String> {
    let remote = is_remote(path);
    if remote && !allow_remote {
        return Err("lies on a network: use --allow-remote".into());
    }
    if path.trim_start().starts_with('<') {
        return Err("is a document, not a file".into());
    }
    if !path.starts_with("/vsi") && !remote && !has_prefix(path) {
        std::fs::metadata(path).map_err(|e| e.to_string())?;
    }
    quiet();
    if !allow_remote && let Some(why) = vrt::points_outside(path) {
        return Err(format!("a virtual raster that {why}: use --allow-remote if it is to be trusted"));
    }
    let allowed: Vec<String> = if allow_remote {
        Vec::new()
    } else {
        let names = (0..DriverManager::count()).filter_map(|i| DriverManager::get_driver(i).ok());
        names.map(|d| d.short_name()).filter(|name| !REMOTE_DRIVERS.contains(&name.as_str())).collect()
    };
    let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
    let flags = GdalOpenFlags::GDAL_OF_RASTER | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR;
    let how = DatasetOptions {
        open_flags: flags,
        allowed_drivers: (!allow_remote).then_some(&allowed),
        ..DatasetOptions::default()
    };
    let (opened, noted) = ffi::watch(|| Dataset::open_ex(path, how));
    let dataset = opened.map_err(|_| match noted {
        Some(message) => format!("GDAL cannot open it: {}", without_path(&message, path)),
        None => "GDAL cannot open it".into(),
    })?;
    if !allow_remote && let Some(outside) = ffi::file_list(&dataset).iter().find(|f| is_remote(f)) {
        return Err(format!("reads {outside} over a network: use --allow-remote"));
    }
    Ok(dataset)
}

/// `GTIFF_DIR:2:scene.tif` and the like: a part of a file.
fn has_prefix(path: &str) -> bool {
    path.split_once(':')
        .is_some_and(|(driver, _)| driver.len() > 1 && driver.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
}

/// Sends GDAL's own messages nowhere; those that matter are asked for.
fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| gdal::config::set_error_handler(|_, _, _| {}));
}

/// GDAL's message without the path, which stands in the error already.
pub(crate) fn without_path(message: &str, path: &str) -> String {
    message.replace(path, "the file").replace('\n', " ")
}

/// The driver's short name, such as `GTiff`.
pub(crate) fn driver(dataset: &Dataset) -> String {
    dataset.driver().short_name()
}

/// An item of the dataset's `IMAGE_STRUCTURE` domain.
pub(crate) fn structure(dataset: &Dataset, key: &str) -> Option<String> {
    dataset.metadata_item(key, "IMAGE_STRUCTURE")
}
