//! Polygons of a vector file.

use std::path::Path;

use gdal::{
    Dataset, DatasetOptions, GdalOpenFlags,
    vector::{Geometry, LayerAccess},
};

use super::{drivers, name::without_prefix};
use crate::{
    error::{Error, Reason},
    ffi,
};

/// Vector formats whose files name no other file.
const DRIVERS: [&str; 5] = ["GeoJSON", "ESRI Shapefile", "GPKG", "FlatGeobuf", "KML"];
/// Points of all polygons together.
const MOST_POINTS: usize = 4_000_000;

/// The outer ring of a polygon and its holes, each as points of x and y. A point that lies within two of them lies in a hole.
pub(crate) type Polygon = Vec<Vec<[f64; 2]>>;

/// Polygons of a vector file.
#[derive(Clone, Debug, PartialEq)]
pub struct Cutline {
    /// All polygons. They may overlap.
    pub(crate) polygons: Vec<Polygon>,
    /// The reference system, as WKT; `None` for the scene's own.
    pub(crate) crs: Option<String>,
}

impl Cutline {
    /// Reads all polygons of a vector file, of all its layers: the folders of a KML file are layers, too.
    ///
    /// # Errors
    /// [`Error::Scene`] for a file that GDAL does not read, for one without a polygon, and for polygons with curved edges.
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
    let file = without_prefix(path);
    let (opened, noted) = ffi::watch(|| Dataset::open_ex(&file, how));
    let found = match opened {
        Ok(dataset) => polygons(&dataset),
        Err(e) => Err(unreadable(noted.unwrap_or_else(|| ffi::said(e)), &file)),
    };
    drivers::confine();
    found
}

/// The reason why a file was not opened, from GDAL's message.
fn unreadable(message: String, file: &Path) -> Reason {
    if message.is_empty() || message.contains("not recognized as") {
        return "GDAL cannot open it: it is none of GeoJSON, Shapefile, GeoPackage, FlatGeobuf and KML".into();
    }
    ffi::message(Some(message)).without_path(&file.to_string_lossy())
}

fn polygons(dataset: &Dataset) -> Result<Cutline, Reason> {
    let mut polygons = Vec::new();
    let mut system: Option<Option<String>> = None;
    for mut layer in dataset.layers() {
        let crs = layer.spatial_ref().map(|crs| crs.to_wkt()).transpose()?;
        let before = polygons.len();
        for feature in layer.features() {
            if let Some(geometry) = feature.geometry() {
                polygons_of(geometry, &mut polygons)?;
            }
            if polygons.iter().flatten().map(Vec::len).sum::<usize>() > MOST_POINTS {
                return Err(format!("it has more than {MOST_POINTS} points").into());
            }
        }
        if polygons.len() > before && *system.get_or_insert_with(|| crs.clone()) != crs {
            return Err("its layers have different reference systems: save the polygons in one layer".into());
        }
    }
    match system {
        Some(crs) => Ok(Cutline { polygons, crs }),
        None => Err("it has no polygon".into()),
    }
}

/// The polygons of a geometry, also within collections.
fn polygons_of(geometry: &Geometry, out: &mut Vec<Polygon>) -> Result<(), Reason> {
    // Such a polygon can also have straight edges alone: its rings are lines then.
    let may_be_curved = geometry.geometry_name() == "CURVEPOLYGON";
    let mut rings = Polygon::new();
    for i in 0..geometry.geometry_count() {
        let part = geometry.get_geometry(i);
        match part.geometry_name().as_str() {
            "LINEARRING" => {}
            "LINESTRING" if may_be_curved => {}
            _ if may_be_curved => {
                let why = "has curved edges: write it with straight ones (ogr2ogr -nlt CONVERT_TO_LINEAR)";
                return Err(format!("a polygon of it {why}").into());
            }
            _ => {
                polygons_of(&part, out)?;
                continue;
            }
        }
        let mut points = Vec::new();
        part.get_points(&mut points);
        if points.len() > 2 {
            rings.push(points.into_iter().map(|(x, y, _)| [x, y]).collect());
        }
    }
    if !rings.is_empty() {
        out.push(rings);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_of_polygons_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wkt");
        std::fs::write(&path, "POLYGON ((0 0, 1 0, 1 1, 0 0))").unwrap();
        let why = Cutline::read(&path).unwrap_err().to_string();
        assert!(why.contains("a.wkt: GDAL cannot open it") && why.contains("FlatGeobuf"), "{why}");
    }

    #[test]
    fn rings_stay_with_their_polygon() {
        let ring = |low: u8, high: u8| format!("({low} {low}, {high} {low}, {high} {high}, {low} {low})");
        let [outer, hole, other] = [ring(0, 9), ring(2, 4), ring(5, 12)];
        let of = |text: &str| {
            let mut out = Vec::new();
            polygons_of(&Geometry::from_wkt(text).unwrap(), &mut out).unwrap();
            out.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(of(&format!("POLYGON ({outer}, {hole})")), [2]);
        assert_eq!(of(&format!("MULTIPOLYGON (({outer}, {hole}), ({other}))")), [2, 1]);
        assert_eq!(of(&format!("GEOMETRYCOLLECTION (POINT (1 1), POLYGON ({outer}), POLYGON ({outer}))")), [1, 1]);
        assert_eq!(of(&format!("MULTISURFACE (CURVEPOLYGON ({outer}, {hole}), POLYGON ({other}))")), [2, 1]);
    }

    #[test]
    fn curved_edges_are_refused() {
        let arc = "CURVEPOLYGON (CIRCULARSTRING (0 0, 1 1, 2 0, 1 -1, 0 0))";
        let both = "CURVEPOLYGON (COMPOUNDCURVE ((0 0, 2 0), CIRCULARSTRING (2 0, 1 1, 0 0)))";
        for text in [arc.to_owned(), both.to_owned(), format!("MULTISURFACE ({arc})")] {
            let mut out = Vec::new();
            let refused = polygons_of(&Geometry::from_wkt(&text).unwrap(), &mut out).unwrap_err().to_string();
            assert!(refused.contains("CONVERT_TO_LINEAR") && out.is_empty(), "{refused}");
        }
    }
}
