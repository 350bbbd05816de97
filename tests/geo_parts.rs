//! `artir geo`: the part of a scene that is restored, by polygons and masks of other programs, and the layer of what changed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use artir_tests::{
    scenes::{folder, geo, half, pixels, scene, texture},
    text,
};
use gdal::{
    Dataset, DriverManager, Metadata,
    raster::Buffer,
    spatial_ref::SpatialRef,
    vector::{Geometry, LayerAccess, LayerOptions},
};

/// A folder with a scene in UTM, zone 32.
fn with_scene() -> tempfile::TempDir {
    let dir = folder();
    scene(&dir.path().join("s.tif"), 3, &["PHOTOMETRIC=RGB"], texture).close().unwrap();
    dir
}

/// Columns and rows of the pixels that a run with these arguments changes.
fn changed(at: &Path, arguments: &[&str]) -> Vec<(usize, usize)> {
    half(at, &[&["s.tif", "-o", "out.tif"], arguments].concat());
    let (before, after) = (pixels(&at.join("s.tif")), pixels(&at.join("out.tif")));
    (0..before[0].len()).filter(|i| before[0][*i] != after[0][*i]).map(|i| (i % 96, i / 96)).collect()
}

/// The line of a run that refuses its input.
fn refused(at: &Path, arguments: &[&str]) -> String {
    let done = geo(at, &[&["s.tif", "-o", "none.tif", "--model", "half.onnx", "-q"], arguments].concat());
    let said = text(&done.stderr);
    assert_eq!((done.status.code(), said.lines().count()), (Some(3), 1), "{said}");
    assert!(!at.join("none.tif").exists());
    said
}

/// A square of the scene as text: first column and row, and edge.
fn square(column: u32, row: u32, edge: u32) -> String {
    let (west, north) = (500_000 + 10 * column, 5_000_000 - 10 * row);
    let (east, south) = (west + 10 * edge, north - 10 * edge);
    format!("POLYGON (({west} {north}, {east} {north}, {east} {south}, {west} {south}, {west} {north}))")
}

/// A GeoPackage with a layer for each polygon, in the system of this code.
fn layers(path: &Path, polygons: &[(&str, u32)]) {
    let mut made = DriverManager::get_driver_by_name("GPKG").unwrap().create_vector_only(path).unwrap();
    for (i, (polygon, epsg)) in polygons.iter().enumerate() {
        let (name, srs) = (format!("layer{i}"), SpatialRef::from_epsg(*epsg).unwrap());
        let options = LayerOptions { name: &name, srs: Some(&srs), ..LayerOptions::default() };
        let mut layer = made.create_layer(options).unwrap();
        layer.create_feature(Geometry::from_wkt(polygon).unwrap()).unwrap();
    }
    made.close().unwrap();
}

#[test]
fn polygons_of_all_layers_are_restored() {
    let dir = with_scene();
    let at = dir.path();
    let (first, second) = (square(10, 10, 20), square(50, 40, 20));
    layers(&at.join("two.gpkg"), &[(first.as_str(), 32632), (second.as_str(), 32632)]);
    let inside = |x: usize, y: usize, column: usize, row: usize| {
        (column..column + 20).contains(&x) && (row..row + 20).contains(&y)
    };
    let found = changed(at, &["--cutline", "two.gpkg"]);
    assert_eq!(found.len(), 800);
    assert!(found.iter().all(|(x, y)| inside(*x, *y, 10, 10) || inside(*x, *y, 50, 40)));
    // The folders of a KML file are layers.
    let folder = |west: f64| {
        let (east, south, north) = (west + 0.002, 45.1500, 45.1520);
        let ring = format!("{west},{south} {east},{south} {east},{north} {west},{north} {west},{south}");
        format!(
            "<Folder><name>at {west}</name><Placemark><Polygon><outerBoundaryIs><LinearRing><coordinates>{ring}</coordinates>\
             </LinearRing></outerBoundaryIs></Polygon></Placemark></Folder>"
        )
    };
    let document = format!("<Document>{}{}</Document>", folder(9.001), folder(9.007));
    let kml = format!("<?xml version=\"1.0\"?><kml xmlns=\"http://www.opengis.net/kml/2.2\">{document}</kml>");
    fs::write(at.join("two.kml"), kml).unwrap();
    let found = changed(at, &["--cutline", "two.kml"]);
    let near = |from: usize, to: usize| found.iter().filter(|(x, _)| (from..to).contains(x)).count();
    // 0.001 degrees are 7.9 columns here.
    assert!(near(7, 24) > 200 && near(54, 72) > 200 && near(24, 54) == 0, "{found:?}");
}

#[test]
fn polygons_that_cannot_be_taken_as_they_are_are_refused() {
    let dir = with_scene();
    let at = dir.path();
    let one = square(10, 10, 20);
    layers(&at.join("systems.gpkg"), &[(one.as_str(), 32632), ("POLYGON ((9 45, 10 45, 10 46, 9 45))", 4326)]);
    assert!(refused(at, &["--cutline", "systems.gpkg"]).contains("systems.gpkg: its layers have different"));
    let arc = "CURVEPOLYGON (CIRCULARSTRING (500100 4999600, 500200 4999700, 500300 4999600, 500200 4999500, 500100 4999600))";
    layers(&at.join("curved.gpkg"), &[(one.as_str(), 32632), (arc, 32632)]);
    let said = refused(at, &["--cutline", "curved.gpkg"]);
    assert!(said.contains("curved.gpkg: a polygon of it has curved edges"), "{said}");
}

#[test]
fn a_polygon_around_the_earth_covers_the_scene() {
    let dir = with_scene();
    let ring = "[[-180,-90],[180,-90],[180,90],[-180,90],[-180,-90]]";
    fs::write(dir.path().join("earth.geojson"), format!("{{\"type\":\"Polygon\",\"coordinates\":[{ring}]}}")).unwrap();
    let all = changed(dir.path(), &[]).len();
    assert_eq!(all, 96 * 80);
    assert_eq!(changed(dir.path(), &["--cutline", "earth.geojson"]).len(), all);
    assert_eq!(changed(dir.path(), &["--bbox", "-180,-90,180,90", "--bbox-crs", "EPSG:4326"]).len(), all);
}

#[test]
fn what_a_mask_does_not_hold_does_not_count() {
    let dir = with_scene();
    let at = dir.path();
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    for (name, outside, nodata) in
        [("nan.tif", f32::NAN, None), ("far.tif", -9999.0, Some(-9999.0)), ("negative.tif", -1.0, None)]
    {
        let mask = driver.create_with_band_type::<f32, _>(at.join(name), 96, 80, 1).unwrap();
        let values = (0..96 * 80).map(|i| if i % 96 < 40 { outside } else { 1.0 }).collect();
        let mut band = mask.rasterband(1).unwrap();
        band.write((0, 0), (96, 80), &mut Buffer::new((96, 80), values)).unwrap();
        if nodata.is_some() {
            band.set_no_data_value(nodata).unwrap();
        }
        mask.close().unwrap();
        let found = changed(at, &["--mask", name]);
        let first = if name == "negative.tif" { 0 } else { 40 };
        assert_eq!(found.len(), (96 - first) * 80, "{name}");
        assert!(found.iter().all(|(x, _)| *x >= first), "{name}");
    }
}

#[test]
fn the_change_of_all_bands_has_all_bands() {
    let dir = folder();
    let at = dir.path();
    let made = scene(&at.join("s.tif"), 4, &["PHOTOMETRIC=RGB", "ALPHA=NO"], texture);
    for (i, name) in ["red", "green", "blue", "nir"].into_iter().enumerate() {
        made.rasterband(i + 1).unwrap().set_description(name).unwrap();
    }
    made.close().unwrap();
    half(at, &["s.tif", "-o", "out.tif", "--all-bands", "--change", "change.tif"]);
    let (before, after, change) =
        (pixels(&at.join("s.tif")), pixels(&at.join("out.tif")), pixels(&at.join("change.tif")));
    assert_eq!(change.len(), 4);
    for (band, change) in change.iter().enumerate() {
        let wanted: Vec<f64> = after[band].iter().zip(&before[band]).map(|(after, before)| after - before).collect();
        assert_eq!(*change, wanted, "band {band}");
        assert!(wanted.iter().any(|v| *v != 0.0), "band {band}");
    }
    let layer = Dataset::open(at.join("change.tif")).unwrap();
    assert_eq!(layer.rasterband(4).unwrap().description().unwrap(), "change of nir");
}
