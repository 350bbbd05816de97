//! Opens a raster with access only to the files and networks that the user allowed.

pub(crate) mod cutline;
pub(crate) mod drivers;
mod length;
pub(crate) mod name;
mod objects;
pub(crate) mod policy;
pub(crate) mod product;
mod reach;
pub(crate) mod references;

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

use artir_files::hex;
use gdal::Dataset;
use sha2::{Digest, Sha256};

use self::{
    drivers::{open_with, quiet},
    name::{SceneName, after_prefix, without_prefix},
    policy::{Access, is_remote},
    product::{CloudMask, Product, ProductScene},
    reach::{Place, Reach},
};
use crate::{
    error::{Permission, Reason},
    ffi,
};

/// Prefixes that GDAL reads local archives and compressed files by.
const ARCHIVES: [&str; 5] = ["/vsizip/", "/vsitar/", "/vsigzip/", "/vsi7z/", "/vsirar/"];

/// Endings of archives.
const PACKED: [&str; 6] = [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".7z"];

/// Options of `vrt://FILE?OPTIONS` that name no other file.
const QUERY_OPTIONS: [&str; 20] = [
    "bands", "a_ullr", "a_scale", "a_offset", "a_gt", "ovr", "expand", "ot", "gcp", "nogcp", "scale", "unscale",
    "exponent", "outsize", "projwin", "srcwin", "tr", "r", "eco", "epo",
];

/// A raster that is open, and the name that GDAL knows it by.
pub(crate) struct Opened {
    pub(crate) dataset: Dataset,
    pub(crate) name: String,
    /// The satellite's product that it belongs to.
    pub(crate) product: Option<OpenedProduct>,
}

/// What a product says of its scene.
pub(crate) struct OpenedProduct {
    /// Satellite and level, in words.
    pub(crate) kind: String,
    /// The red, green and blue band.
    pub(crate) bands: Option<Vec<usize>>,
    pub(crate) clouds: Option<CloudMask>,
}

/// The name of a satellite's product that a path stands for, without an extension; `None` for any other raster.
pub fn product_name(path: &str) -> Option<String> {
    product::recognise(path)?.ok().map(|product| product.name)
}

/// The local files that a raster is made of, the sources of virtual rasters among them; none where it cannot
/// be opened, or may not.
pub fn files(path: &str, access: &Access) -> Vec<PathBuf> {
    if let Some(product) = product::recognise(path) {
        return product.map_or_else(|_| Vec::new(), |product| product.files());
    }
    let list = |dataset: &Dataset| ffi::file_list(dataset).into_iter().map(PathBuf::from).collect::<Vec<_>>();
    if access.remote {
        return again(path, access).map_or_else(|_| Vec::new(), |dataset| list(&dataset));
    }
    if is_remote(path) {
        return Vec::new();
    }
    quiet();
    drivers::confine();
    let Ok((name, place)) = locate(path) else { return Vec::new() };
    let mut reach = Reach::new(&place, access);
    // What cannot be followed is not opened either.
    if reach.follow(&place).is_err() {
        return Vec::new();
    }
    let mut out: Vec<PathBuf> = again(&name, access).map_or_else(|_| Vec::new(), |dataset| list(&dataset));
    out.extend(reach.files());
    out
}

/// Opens a raster for reading.
///
/// # Errors
/// The reason why it cannot be opened, or needs permission.
pub(crate) fn open(path: &str, access: &Access) -> Result<Opened, Reason> {
    quiet();
    if path.trim_start().starts_with('<') {
        return Err("is a document, not a file".into());
    }
    if !access.remote {
        refuse_packed(path)?;
    }
    if let Some(product) = product::recognise(path) {
        return open_product(product?, access);
    }
    open_raster(path, access)
}

/// Refuses products and rasters that are still packed, which GDAL would call an unknown format.
fn refuse_packed(path: &str) -> Result<(), Reason> {
    let lower = path.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
    if ARCHIVES.iter().any(|archive| path.starts_with(archive))
        && (ends(&[".safe", ".safe/"]) || product::is_metadata(path))
    {
        return Err("is a product in an archive: unpack the archive, and name the product's folder".into());
    }
    if ends(&PACKED) && Path::new(path).is_file() {
        return Err("is an archive: unpack it, or name a raster in it (/vsizip/ or /vsitar/, then its path)".into());
    }
    Ok(())
}

/// Opens a product: its one file, or a virtual raster in memory over the files of its bands. Every file passes the checks of a
/// raster that the user names.
fn open_product(product: Product, access: &Access) -> Result<Opened, Reason> {
    let Product { kind, name, scene, clouds } = product;
    match scene {
        ProductScene::File { path, bands, least } => {
            let path = path.to_str().ok_or("its path is not UTF-8, which GDAL needs")?;
            let mut opened = open_raster(path, access)?;
            let has = opened.dataset.raster_count();
            let bands = bands.filter(|bands| has >= least && bands.iter().all(|b| *b <= has));
            opened.product = Some(OpenedProduct { kind, bands, clouds });
            Ok(opened)
        }
        ProductScene::Mosaic { mut tiles, bands } => {
            for tile in &mut tiles {
                tile.path = std::fs::canonicalize(&tile.path)?;
            }
            let text = product::mosaic(&tiles, &mut |tile| open_part(&tile.path, access))?;
            let (dataset, name) = open_document(&name, text, access)?;
            let has = dataset.raster_count();
            let bands = bands.filter(|bands| bands.iter().all(|b| *b <= has));
            Ok(Opened { dataset, name, product: Some(OpenedProduct { kind, bands, clouds }) })
        }
        ProductScene::Stack { mut bands, metadata } => {
            for band in &mut bands {
                band.path = std::fs::canonicalize(&band.path)?;
            }
            let text = product::document(&bands, &metadata, &mut |band| {
                open_part(&band.path, access).map_err(|why| why.of(band.name.clone()))
            })?;
            let (dataset, name) = open_document(&name, text, access)?;
            Ok(Opened { dataset, name, product: Some(OpenedProduct { kind, bands: None, clouds }) })
        }
    }
}

/// Opens a file of a product.
fn open_part(path: &Path, access: &Access) -> Result<Dataset, Reason> {
    let path = path.to_str().ok_or("its path is not UTF-8, which GDAL needs")?;
    open_raster(path, access).map(|opened| opened.dataset)
}

/// Opens a virtual raster by its text. Returns the name that GDAL opens it by as well.
fn open_document(name: &str, text: String, access: &Access) -> Result<(Dataset, String), Reason> {
    let name = keep_in_memory(name, text)?;
    Ok((again(&name, access)?, name))
}

/// Where virtual rasters of products are kept in memory.
const PRODUCTS: &str = "/vsimem/artir-product-";

/// The product's name in the name of a virtual raster that is kept in memory.
pub(crate) fn product_in_memory(name: &str) -> Option<&str> {
    name.strip_prefix(PRODUCTS)?.split_once('/')?.1.strip_suffix(".vrt")
}

/// Keeps a virtual raster in memory for as long as the program runs, since threads open it again. The same text is kept once.
fn keep_in_memory(name: &str, text: String) -> Result<String, Reason> {
    let hash = hex(&Sha256::digest(&text)[..8]);
    let path = format!("{PRODUCTS}{hash}/{name}.vrt");
    if ffi::read_part(&path, 0, 1).is_none() {
        gdal::vsi::create_mem_file(&path, text.into_bytes())?;
    }
    Ok(path)
}

/// Opens a raster for reading.
fn open_raster(path: &str, access: &Access) -> Result<Opened, Reason> {
    if access.remote {
        let local = !path.starts_with("/vsi") && !path.contains("://") && after_prefix(path).is_none();
        if local {
            std::fs::metadata(path)?;
        }
        let name = name_of_any(path).into_owned();
        let dataset = again(&name, access)?;
        length::check(&dataset, &SceneName::of(&name).file)?;
        return Ok(Opened { dataset, name, product: None });
    }
    if is_remote(path) {
        return Err(Reason::not_allowed("is on a network", Permission::Network));
    }
    drivers::confine();
    let (name, place) = locate(path)?;
    let mut reach = Reach::new(&place, access);
    reach.follow(&place)?;
    let dataset = again(&name, access)?;
    reach.check(&dataset, &place)?;
    Ok(Opened { dataset, name, product: None })
}

/// The name that GDAL opens a raster by where all of its names are allowed. A file of that name comes first.
fn name_of_any(path: &str) -> Cow<'_, str> {
    if std::fs::symlink_metadata(path).is_err() {
        return objects::gdal_name(path);
    }
    without_prefix(Path::new(path)).to_string_lossy().into_owned().into()
}

/// Reopens a raster that was already checked, by GDAL's name.
pub(crate) fn again(name: &str, access: &Access) -> Result<Dataset, Reason> {
    quiet();
    if access.remote {
        drivers::unconfine();
        objects::use_endpoint();
        return open_with(&name_of_any(name), None);
    }
    drivers::confine();
    open_with(name, Some(&drivers::local()))
}

/// The name to open a local raster by, and where its file lies.
fn locate(path: &str) -> Result<(String, Place), Reason> {
    if let Some((file, options)) = name::query(path) {
        let unknown = options.split('&').filter(|o| !o.is_empty()).map(|o| o.split('=').next().unwrap_or(o));
        if let Some(option) = unknown.into_iter().find(|o| !QUERY_OPTIONS.iter().any(|k| k.eq_ignore_ascii_case(o))) {
            let what = format!("its option '{option}' could name another file");
            return Err(Reason::not_allowed(what, Permission::Network));
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

fn locate_file(path: &str) -> Result<(String, Place), Reason> {
    if path.starts_with("/vsi") {
        let mut rest = path;
        while let Some(more) = ARCHIVES.iter().find_map(|a| rest.strip_prefix(a)) {
            rest = more;
        }
        if rest.len() == path.len() || rest.contains("/vsi") {
            return Err(Reason::not_allowed("is neither a file nor part of a local archive", Permission::Network));
        }
        return Ok((path.to_owned(), Place::InArchive(path.to_owned())));
    }
    let kind = std::fs::metadata(path)?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err("is not a regular file".into());
    }
    let real = std::fs::canonicalize(path)?;
    // GDAL resolves relative names in a virtual raster from the target of a link, so use the resolved path.
    let virtual_raster = kind.is_file() && references::is_virtual_raster(path);
    let name = match real.to_str() {
        Some(real) if virtual_raster => real.to_owned(),
        // Nothing that GDAL could take for a prefix of its own is left at the start.
        _ if Path::new(path).is_relative() && path.contains(':') => format!("./{path}"),
        _ => path.to_owned(),
    };
    Ok((name.clone(), Place::File { name, real }))
}
