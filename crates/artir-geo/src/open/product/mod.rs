//! Deliveries of satellites, which a user names by their folder or by their metadata.

mod dimap;
mod landsat;
mod planet;
mod sentinel2;
mod stack;

use std::path::{Path, PathBuf};

use crate::{error::Reason, open::cutline::Polygon};

/// A product, and what GDAL opens for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Product {
    /// Satellite and level, in words.
    pub(crate) kind: String,
    /// The product's name, without an extension.
    pub(crate) name: String,
    pub(crate) scene: ProductScene,
    /// The mask of clouds.
    pub(crate) clouds: Option<CloudMask>,
}

impl Product {
    /// The files that are read.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut out = match &self.scene {
            ProductScene::File { path, .. } => vec![path.clone()],
            ProductScene::Mosaic { tiles, .. } => tiles.iter().map(|tile| tile.path.clone()).collect(),
            ProductScene::Stack { bands, .. } => bands.iter().map(|band| band.path.clone()).collect(),
        };
        out.extend(self.clouds.as_ref().map(|clouds| clouds.path.clone()));
        out
    }
}

/// The raster of a product.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ProductScene {
    /// One file with all bands; the red, green and blue ones, if the product states them. They hold for a file of at least
    /// `least` bands.
    File { path: PathBuf, bands: Option<Vec<usize>>, least: usize },
    /// Files side by side, each with all bands.
    Mosaic { tiles: Vec<ProductTile>, bands: Option<Vec<usize>> },
    /// A file for each band.
    Stack { bands: Vec<ProductBand>, metadata: Vec<(String, String)> },
}

/// A file of a part of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProductTile {
    pub(crate) path: PathBuf,
    /// Row and column of tiles, counted from 0.
    pub(crate) at: [usize; 2],
}

/// A file of one band.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProductBand {
    pub(crate) path: PathBuf,
    /// The band's name, such as `B04`.
    pub(crate) name: String,
    /// Central wavelength, nm.
    pub(crate) wavelength: f64,
    /// `Red`, `Green` or `Blue`.
    pub(crate) colour: Option<&'static str>,
    /// Reflectance = stored value x scale + offset.
    pub(crate) scale: f64,
    pub(crate) offset: f64,
}

/// A file that marks clouds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CloudMask {
    pub(crate) path: PathBuf,
    pub(crate) kind: MaskKind,
}

/// What the values of a mask mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MaskKind {
    /// Scene classification of Sentinel-2.
    Scl,
    /// Bits of Landsat's QA_PIXEL.
    QaPixel,
    /// PlanetScope's usable data mask: band 1 is 1 where the pixel is clear.
    Udm2,
    /// Classification of Sentinel-2, level 1C: band 1 is 1 where a cloud is opaque.
    Classi,
    /// Polygons of opaque clouds, of Sentinel-2 before baseline 04.00.
    Polygons,
}

impl MaskKind {
    /// Whether a value of the mask marks a cloud, its shadow, or no data. Thin cloud is what the network removes: it counts as
    /// clear.
    pub(crate) fn is_cloud(self, value: f64) -> bool {
        match self {
            // 0 no data, 1 saturated, 3 shadow, 8 and 9 cloud of medium and high probability. 10 is thin cirrus.
            Self::Scl => [0.0, 1.0, 3.0, 8.0, 9.0].contains(&value),
            // Bits 0 fill, 1 dilated cloud, 3 cloud, 4 shadow.
            Self::QaPixel => (value as u32) & 0b1_1011 != 0,
            Self::Udm2 => value != 1.0,
            Self::Classi | Self::Polygons => value != 0.0,
        }
    }
}

/// Whether a file of this name describes a product.
pub(crate) fn is_metadata(name: &str) -> bool {
    let name = lower(Path::new(name));
    sentinel2::is_metadata(&name) || landsat::is_metadata(&name) || dimap::is_metadata(&name)
}

/// The product that a name stands for; `None` for any other raster.
pub(crate) fn recognise(name: &str) -> Option<Result<Product, Reason>> {
    let path = Path::new(name);
    if let Some((file, part)) = sentinel2::subdataset(name) {
        return Some(sentinel2::read(&file, &part));
    }
    if path.is_dir() {
        let files = files_of(path);
        let find = |wanted: &dyn Fn(&str) -> bool| files.iter().find(|f| wanted(&lower(f)));
        if let Some(file) = find(&sentinel2::is_metadata) {
            return Some(sentinel2::read(file, "10m"));
        }
        // The text comes first, if there are several: it is the one that GDAL reads.
        let landsat = files.iter().filter(|file| landsat::is_metadata(&lower(file)));
        if let Some(file) = landsat.min_by_key(|file| !lower(file).ends_with(".txt")) {
            return Some(landsat::read(file));
        }
        if let Some(file) = find(&dimap::is_metadata) {
            return Some(dimap::read(file));
        }
        return planet::in_folder(&files);
    }
    let name = lower(path);
    match () {
        () if sentinel2::is_metadata(&name) => Some(sentinel2::read(path, "10m")),
        () if landsat::is_metadata(&name) => Some(landsat::read(path)),
        () if dimap::is_metadata(&name) => Some(dimap::read(path)),
        () => planet::file(path),
    }
}

pub(crate) use stack::{document, mosaic};

/// The clouds in a mask of polygons.
pub(crate) fn cloud_polygons(file: &Path) -> Result<Vec<Polygon>, Reason> {
    sentinel2::clouds(file)
}

/// The files of a folder, in order, without hidden ones: macOS leaves `._B04.jp2` next to each file that it copies.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_shown = |path: &PathBuf| path.is_file() && !lower(path).starts_with('.');
    let mut out: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_shown).collect();
    out.sort();
    out
}

/// A file's name in lower case.
fn lower(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// Bytes of a product's metadata that are read.
const MOST_BYTES: u64 = 64 << 20;

/// The text of a metadata file.
fn text_of(path: &Path) -> Result<String, Reason> {
    use std::io::Read as _;
    let mut text = Vec::new();
    let read = std::fs::File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut text)?;
    if read as u64 > MOST_BYTES {
        return Err(format!("its metadata has more than {} MiB", MOST_BYTES >> 20).into());
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// An XML document.
fn parsed(text: &str) -> Result<roxmltree::Document<'_>, Reason> {
    roxmltree::Document::parse(text).map_err(|e| format!("its metadata is no XML that can be read ({e})").into())
}

/// The texts of all elements of a name.
fn texts<'a>(document: &'a roxmltree::Document<'_>, name: &str) -> Vec<&'a str> {
    let named = document.descendants().filter(|n| n.tag_name().name() == name);
    named.filter_map(|n| n.text()).map(str::trim).filter(|t| !t.is_empty()).collect()
}

/// A file that the product's metadata names, which must lie in the product's folder.
fn within(folder: &Path, name: &str) -> Result<PathBuf, Reason> {
    use std::path::Component;
    let plain = Path::new(name).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    let path = folder.join(name);
    if !plain || name.is_empty() {
        return Err(format!("its metadata names '{name}', outside its folder").into());
    }
    if !path.is_file() {
        return Err(format!("it lacks the file {name}, which its metadata names").into());
    }
    Ok(path)
}

#[cfg(test)]
mod tests;
