//! Polygons of a vector file.

use std::path::Path;

use gdal::{
    Dataset, DatasetOptions, GdalOpenFlags,
    vector::{Geometry, LayerAccess},
};

use super::drivers;
use crate::{
    error::{Error, Reason},
    ffi,
};

/// Vector formats whose files name no other file.
const DRIVERS: [&str; 5] = ["GeoJSON", "ESRI Shapefile", "GPKG", "FlatGeobuf", "KML"];
/// Points of all polygons together.
const MOST_POINTS: usize = 4_000_000;

/// Polygons of a vector file.
#[derive(Clone, Debug, PartialEq)]
pub struct Cutline {
    /// Outer and inner rings of all polygons: x and y.
    pub(crate) rings: Vec<Vec<[f64; 2]>>,
    /// The reference system, as WKT; `None` for the scene's own.
    pub(crate) crs: Option<String>,
}

impl Cutline {
    /// Reads all polygons of a vector file's first layer.
    ///
    /// # Errors
    /// [`Error::Scene`] for a file that GDAL does not read, and for one without a polygon.
    pub fn read(path: &Path) -> Result<Self, Error> {
        read(path).map_err(|reason| Error::Scene { path: path.display().to_string(), reason })
    }
}

fn read(path: &Path) -> Result<Cutline, Reason> {
    drivers::quiet();
    std::fs::metadata(path)?;
    // Scenes are opened without drivers for vectors.
    drivers::unconfine();
    let flags = GdalOpenFlags::GDAL_OF_VECTOR | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR;
    let how = DatasetOptions { open_flags: flags, allowed_drivers: Some(&DRIVERS), ..DatasetOptions::default() };
    let (opened, noted) = ffi::watch(|| Dataset::open_ex(path, how));
    let found = match opened {
        Ok(dataset) => polygons(&dataset),
        Err(_) => Err(ffi::message(noted).without_path(&path.to_string_lossy())),
    };
    drivers::confine();
    found
}

fn polygons(dataset: &Dataset) -> Result<Cutline, Reason> {
    let mut layer = dataset.layer(0)?;
    let crs = layer.spatial_ref().map(|crs| crs.to_wkt()).transpose()?;
    let mut rings = Vec::new();
    for feature in layer.features() {
        if let Some(geometry) = feature.geometry() {
            rings_of(geometry, &mut rings);
        }
        if rings.iter().map(Vec::len).sum::<usize>() > MOST_POINTS {
            return Err(format!("it has more than {MOST_POINTS} points").into());
        }
    }
    if rings.is_empty() {
        return Err("it has no polygon".into());
    }
    Ok(Cutline { rings, crs })
}

/// The rings of polygons, also within collections. Inner rings are holes by the rule of even and odd.
fn rings_of(geometry: &Geometry, out: &mut Vec<Vec<[f64; 2]>>) {
    if geometry.geometry_name() == "LINEARRING" {
        let mut points = Vec::new();
        geometry.get_points(&mut points);
        if points.len() > 2 {
            out.push(points.into_iter().map(|(x, y, _)| [x, y]).collect());
        }
        return;
    }
    for i in 0..geometry.geometry_count() {
        rings_of(&geometry.get_geometry(i), out);
    }
}
