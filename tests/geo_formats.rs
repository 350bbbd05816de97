//! `artir geo`: formats by the output's name, creation options, and what a result states of how it was made.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path, process::Output};

use artir_tests::{artir, models, names, scenes::pixels, text};
use gdal::{Dataset, DriverManager, Metadata, raster::RasterCreationOptions};
use ndarray::Array3;

/// A folder with a georeferenced scene and a model that halves what it sees.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let rgb = Array3::from_shape_fn((3, 70, 90), |(c, y, x)| (60 + (y / 3 + x / 5 + 40 * c) % 120) as u8);
    let grid = [500_000.0, 10.0, 0.0, 5_000_000.0, 0.0, -10.0];
    artir_geo::write_rgb_geotiff(&dir.path().join("scene.tif"), &rgb, grid, 32632).unwrap();
    let wide = Array3::from_shape_fn((3, 150, 200), |(c, y, x)| (60 + (y / 3 + x / 5 + 40 * c) % 120) as u8);
    artir_geo::write_rgb_geotiff(&dir.path().join("wide.tif"), &wide, grid, 32632).unwrap();
    fs::write(dir.path().join("half.onnx"), models::rgb_multiplies(0.5)).unwrap();
    dir
}

fn geo(dir: &Path, arguments: &[&str]) -> Output {
    artir().arg("geo").args(arguments).args(["--model", "half.onnx", "-q"]).current_dir(dir).output().unwrap()
}

fn succeed(dir: &Path, arguments: &[&str]) {
    let done = geo(dir, arguments);
    assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
}

fn refused(dir: &Path, arguments: &[&str], code: i32) -> String {
    let before = names(dir);
    let done = geo(dir, arguments);
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(code), "{arguments:?}: {said}");
    assert_eq!((said.lines().count(), names(dir)), (1, before), "{arguments:?}: {said}");
    said
}

#[test]
fn the_ending_decides_the_format_and_every_format_holds_the_same() {
    let dir = folder();
    let at = dir.path();
    succeed(at, &["scene.tif", "-o", "a.tif"]);
    let wanted = pixels(&at.join("a.tif"));
    for (name, driver) in
        [("b.jp2", "JP2OpenJPEG"), ("c.png", "PNG"), ("d.img", "HFA"), ("e.vrt", "VRT"), ("f.tiff", "GTiff")]
    {
        succeed(at, &["scene.tif", "-o", name]);
        let dataset = Dataset::open(at.join(name)).unwrap();
        assert_eq!(dataset.driver().short_name(), driver);
        assert_eq!(dataset.geo_transform().unwrap(), [500_000.0, 10.0, 0.0, 5_000_000.0, 0.0, -10.0], "{name}");
        assert_eq!(pixels(&at.join(name)), wanted, "{name}");
    }
    // A COG gives a COG.
    succeed(at, &["scene.tif", "-o", "cog.tif", "--format", "cog"]);
    succeed(at, &["cog.tif", "-o", "again.tif"]);
    succeed(at, &["cog.tif", "-o", "plain.tif", "--format", "gtiff"]);
    let layout = |name: &str| Dataset::open(at.join(name)).unwrap().metadata_item("LAYOUT", "IMAGE_STRUCTURE");
    assert_eq!(layout("again.tif").as_deref(), Some("COG"));
    assert_eq!(layout("plain.tif"), None);
    // Under a virtual raster, too.
    succeed(at, &["cog.tif", "-o", "under.vrt"]);
    assert_eq!(layout("under.tif").as_deref(), Some("COG"));
    assert_eq!(pixels(&at.join("under.vrt")), pixels(&at.join("again.tif")));
    // With the blocks of its source, a COG has as many overviews.
    succeed(at, &["wide.tif", "-o", "cog128.tif", "--format", "cog", "--co", "BLOCKSIZE=128"]);
    succeed(at, &["cog128.tif", "-o", "again128.tif"]);
    let blocks = |name: &str| {
        let dataset = Dataset::open(at.join(name)).unwrap();
        let band = dataset.rasterband(1).unwrap();
        (band.block_size(), band.overview_count().unwrap())
    };
    assert_eq!(blocks("again128.tif"), blocks("cog128.tif"));
    assert_eq!(blocks("again128.tif"), ((128, 128), 1));
    assert!(refused(at, &["scene.tif", "-o", "x.xyz"], 2).contains("x.xyz"));
    assert!(refused(at, &["scene.tif", "-o", "x.jp2", "--format", "cog"], 2).contains("x.jp2"));
}

#[test]
fn creation_options_are_those_of_the_driver() {
    let dir = folder();
    let at = dir.path();
    for (option, words) in [
        ("NOTANOPTION=1", "no such option"),
        ("COMPRESS=JPEG", "would change"),
        ("COMPRESS=FAST", "would change"),
        ("TILED=perhaps", "does not take"),
        ("MAX_Z_ERROR=1", "would change"),
    ] {
        let said = refused(at, &["scene.tif", "-o", "x.tif", "--co", option], 2);
        assert!(said.contains(words) && said.contains(&format!("--co {option}")), "{said}");
    }
    assert!(refused(at, &["scene.tif", "-o", "x.png", "--co", "TILED=YES"], 2).contains("PNG"));
    for options in
        [&["TFW=YES"][..], &["SPARSE_OK=TRUE"], &["COMPRESS=LERC", "MAX_Z_ERROR=0"], &["COMPRESS=ZSTD", "TILED=YES"]]
    {
        let all: Vec<&str> = options.iter().flat_map(|o| ["--co", *o]).collect();
        succeed(at, &[&["scene.tif", "-o", "y.tif", "--overwrite"], &all[..]].concat());
        succeed(at, &["scene.tif", "-o", "z.tif", "--overwrite"]);
        assert_eq!(pixels(&at.join("y.tif")), pixels(&at.join("z.tif")), "{options:?}");
    }
    succeed(at, &["scene.tif", "-o", "w.tif", "--co", "TFW=YES"]);
    assert!(fs::read_to_string(at.join("w.tfw")).unwrap().starts_with("10.0"));
    succeed(at, &["scene.tif", "-o", "v.jp2", "--co", "RESOLUTIONS=2"]);
}

#[test]
fn a_result_states_how_it_was_made_and_compares_as_the_scene() {
    let dir = folder();
    let at = dir.path();
    succeed(at, &["scene.tif", "-o", "a.tif", "--strength", "0"]);
    let dataset = Dataset::open(at.join("a.tif")).unwrap();
    assert!(dataset.metadata_item("TIFFTAG_SOFTWARE", "").unwrap().starts_with("artir "));
    let item = |key: &str| dataset.metadata_item(key, "ARTIR").unwrap();
    assert_eq!((item("MODEL"), item("BANDS"), item("STRENGTH")), ("multiplies 1".into(), "1,2,3".into(), "0".into()));
    assert_eq!(item("MODEL_SHA256").len(), 64);
    let same = geo(at, &["--compare", "scene.tif", "a.tif"]);
    assert!(same.status.success(), "{}", text(&same.stdout));
    // The record of a result that is restored again is that of the last run.
    succeed(at, &["a.tif", "-o", "b.tif"]);
    let again = Dataset::open(at.join("b.tif")).unwrap();
    assert_eq!(again.metadata_item("STRENGTH", "ARTIR").as_deref(), Some("1"));
    assert_eq!(again.metadata_item("SOURCE_SOFTWARE", "ARTIR"), None);
}

/// An ERDAS Imagine file keeps a histogram of each band as a table, which is no longer true of restored pixels.
#[test]
fn histograms_are_left_out_like_other_statistics() {
    let dir = folder();
    let at = dir.path();
    let erdas = DriverManager::get_driver_by_name("HFA").unwrap();
    let with_figures = RasterCreationOptions::from_iter(["STATISTICS=YES"]);
    let made = Dataset::open(at.join("scene.tif")).unwrap().create_copy(&erdas, at.join("s.img"), &with_figures);
    made.unwrap().close().unwrap();
    let histogram = |name: &str| {
        let dataset = Dataset::open(at.join(name)).unwrap();
        dataset.rasterband(1).unwrap().metadata_item("STATISTICS_HISTOBINVALUES", "")
    };
    assert!(histogram("s.img").is_some_and(|counts| counts.contains("|0|")), "the test's own scene");
    for out in ["o.img", "o.tif"] {
        succeed(at, &["s.img", "-o", out, "--bands", "1,2,3"]);
        assert_eq!(histogram(out), None, "{out}");
        let beside = fs::read_to_string(at.join(out).with_extension(format!("{}.aux.xml", &out[2..])));
        assert!(!beside.unwrap_or_default().contains("AttributeTable"), "{out}");
    }
}

#[test]
fn a_change_layer_and_a_stac_item_describe_a_result() {
    let dir = folder();
    let at = dir.path();
    succeed(at, &["scene.tif", "-o", "a.tif", "--change", "change.tif", "--stac", "--window", "10,20,30,40"]);
    let (before, after) = (pixels(&at.join("scene.tif")), pixels(&at.join("a.tif")));
    for (band, change) in pixels(&at.join("change.tif")).iter().enumerate() {
        for (i, change) in change.iter().enumerate() {
            assert_eq!(*change, after[band][i] - before[band][i]);
        }
    }
    let grid = Dataset::open(at.join("change.tif")).unwrap().geo_transform().unwrap();
    assert_eq!(grid, [500_000.0, 10.0, 0.0, 5_000_000.0, 0.0, -10.0]);
    let item: serde_json::Value = serde_json::from_slice(&fs::read(at.join("a.stac.json")).unwrap()).unwrap();
    assert_eq!((&item["type"], &item["id"], &item["stac_version"]), (&"Feature".into(), &"a".into(), &"1.0.0".into()));
    let asset = &item["assets"]["data"];
    assert_eq!(asset["href"], "./a.tif");
    // A reference is a URI, in which these signs have a meaning.
    succeed(at, &["scene.tif", "-o", "a #1%20.tif", "--stac"]);
    let named: serde_json::Value = serde_json::from_slice(&fs::read(at.join("a #1%20.stac.json")).unwrap()).unwrap();
    assert_eq!(named["assets"]["data"]["href"], "./a%20%231%2520.tif");
    assert_eq!(asset["file:size"], fs::metadata(at.join("a.tif")).unwrap().len());
    assert!(asset["file:checksum"].as_str().is_some_and(|sum| sum.starts_with("1220") && sum.len() == 68));
    let west = item["bbox"][0].as_f64().unwrap();
    assert!((west - 9.0).abs() < 1e-6 && item["properties"]["proj:epsg"] == 32632, "{item}");
    let said = refused(at, &["scene.tif", "-o", "b.tif", "--change", "scene.tif", "--overwrite"], 2);
    assert!(said.contains("would overwrite an input"), "{said}");
    assert!(refused(at, &["scene.tif", "a.tif", "-o", "out/", "--change", "c.tif"], 2).contains("--change"));
}
