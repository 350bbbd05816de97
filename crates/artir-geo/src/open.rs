//! Opens a raster with access only to the files and networks that the user allowed.

use std::path::{Path, PathBuf};

use gdal::{Dataset, DatasetOptions, GdalOpenFlags, Metadata};

use crate::{
    drivers, ffi,
    name::{self, SceneName, after_prefix},
    reach::{Place, Reach},
};

/// Files and networks that a scene may access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Allow everything: networks, every driver, and virtual rasters that reference any file.
    pub remote: bool,
    /// Folders, in addition to the scene's own, whose files its virtual raster may reference.
    pub folders: Vec<PathBuf>,
}

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

/// Prefixes that GDAL reads local archives and compressed files by.
const ARCHIVES: [&str; 5] = ["/vsizip/", "/vsitar/", "/vsigzip/", "/vsi7z/", "/vsirar/"];

/// Options of `vrt://FILE?OPTIONS` that name no other file.
const QUERY_OPTIONS: [&str; 20] = [
    "bands", "a_ullr", "a_scale", "a_offset", "a_gt", "ovr", "expand", "ot", "gcp", "nogcp", "scale", "unscale",
    "exponent", "outsize", "projwin", "srcwin", "tr", "r", "eco", "epo",
];

/// Whether GDAL would read the path over a network.
pub(crate) fn is_remote(path: &str) -> bool {
    // Names of parts can hold the two slashes, as HDF5:"a.h5"://group/red does.
    SceneName::of(path).file.contains("://") || REMOTE.iter().any(|prefix| path.contains(prefix))
}

/// A raster that is open, and the name that GDAL knows it by.
pub(crate) struct Opened {
    pub(crate) dataset: Dataset,
    pub(crate) name: String,
}

/// Opens a raster for reading.
///
/// # Errors
/// The reason why it cannot be opened, or needs permission.
pub(crate) fn open(path: &str, access: &Access) -> Result<Opened, String> {
    quiet();
    if path.trim_start().starts_with('<') {
        return Err("is a document, not a file".into());
    }
    if access.remote {
        let local = !path.starts_with("/vsi") && !path.contains("://") && after_prefix(path).is_none();
        if local {
            std::fs::metadata(path).map_err(|e| e.to_string())?;
        }
        return Ok(Opened { dataset: again(path, access)?, name: path.to_owned() });
    }
    if is_remote(path) {
        return Err("is on a network: use --allow-remote".into());
    }
    drivers::confine();
    let (name, place) = locate(path)?;
    let mut reach = Reach::new(&place, access);
    reach.follow(&place)?;
    let dataset = again(&name, access)?;
    reach.check(&dataset, &place)?;
    Ok(Opened { dataset, name })
}

/// Reopens a raster that was already checked, by GDAL's name.
pub(crate) fn again(name: &str, access: &Access) -> Result<Dataset, String> {
    quiet();
    if access.remote {
        drivers::unconfine();
        return open_with(name, None);
    }
    drivers::confine();
    open_with(name, Some(&drivers::local()))
}

/// Opens a raster with the drivers named, or with all that are registered.
pub(crate) fn open_with(name: &str, allowed: Option<&[&str]>) -> Result<Dataset, String> {
    let flags = GdalOpenFlags::GDAL_OF_RASTER | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR;
    let how = DatasetOptions { open_flags: flags, allowed_drivers: allowed, ..DatasetOptions::default() };
    let (opened, noted) = ffi::watch(|| Dataset::open_ex(name, how));
    opened.map_err(|_| {
        let Some(message) = noted else { return "GDAL cannot open it".into() };
        let unknown = allowed.is_some() && message.contains("not recognized as");
        let hint = if unknown { " (formats whose files name other files need --allow-remote)" } else { "" };
        format!("GDAL cannot open it: {}{hint}", without_path(&message, name))
    })
}

/// The name to open a local raster by, and where its file lies.
fn locate(path: &str) -> Result<(String, Place), String> {
    if let Some((file, options)) = name::query(path) {
        let unknown = options.split('&').filter(|o| !o.is_empty()).map(|o| o.split('=').next().unwrap_or(o));
        if let Some(option) = unknown.into_iter().find(|o| !QUERY_OPTIONS.iter().any(|k| k.eq_ignore_ascii_case(o))) {
            return Err(format!("its option '{option}' could name another file: use --allow-remote"));
        }
        let (name, place) = locate_file(file)?;
        return Ok((format!("vrt://{name}?{options}"), place));
    }
    if std::fs::symlink_metadata(path).is_err() && after_prefix(path).is_some() {
        let found = SceneName::of(path);
        let (_, place) = locate_file(&found.file)?;
        return Ok((path.to_owned(), place));
    }
    locate_file(path)
}

fn locate_file(path: &str) -> Result<(String, Place), String> {
    if path.starts_with("/vsi") {
        let mut rest = path;
        while let Some(more) = ARCHIVES.iter().find_map(|a| rest.strip_prefix(a)) {
            rest = more;
        }
        if rest.len() == path.len() || rest.contains("/vsi") {
            return Err("is neither a file nor part of a local archive: use --allow-remote".into());
        }
        return Ok((path.to_owned(), Place::InArchive(path.to_owned())));
    }
    let kind = std::fs::metadata(path).map_err(|e| e.to_string())?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err("is not a regular file".into());
    }
    let real = std::fs::canonicalize(path).map_err(|e| e.to_string())?;
    // GDAL resolves relative names in a virtual raster from the target of a link, so use the resolved path.
    let virtual_raster = kind.is_file() && crate::vrt::is_virtual_raster(path);
    let name = match real.to_str() {
        Some(real) if virtual_raster => real.to_owned(),
        // Nothing that GDAL could take for a prefix of its own is left at the start.
        _ if Path::new(path).is_relative() && path.contains(':') => format!("./{path}"),
        _ => path.to_owned(),
    };
    Ok((name.clone(), Place::File { name, real }))
}

/// Suppresses GDAL's messages. artir reads the relevant ones from GDAL's error state.
fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| gdal::config::set_error_handler(|_, _, _| {}));
}

/// GDAL's message without the path, which the error already contains.
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
