//! Scenes for tests, and `artir geo` on them with a model that halves what it sees: a restored value lies in the middle between
//! the stored one and black, which shows which stored value was black.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::{fs, path::Path, process::Output};

use gdal::{
    Dataset, DriverManager,
    raster::{Buffer, RasterCreationOptions},
};

use crate::{artir, models, text};

/// A folder with a model that halves, and one that changes nothing.
pub fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("half.onnx"), models::rgb_multiplies(0.5)).unwrap();
    fs::write(dir.path().join("same.onnx"), models::rgb_identity()).unwrap();
    dir
}

/// Runs `artir geo` in a folder.
pub fn geo(dir: &Path, arguments: &[&str]) -> Output {
    artir().arg("geo").args(arguments).current_dir(dir).output().unwrap()
}

/// With the model that halves; the report is `r.json`.
pub fn half(dir: &Path, arguments: &[&str]) -> String {
    let done = geo(dir, &[arguments, &["--model", "half.onnx", "--overwrite", "--report", "r.json"]].concat());
    assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
    text(&done.stderr)
}

/// Black and white of each restored band in the last run of [`half`].
pub fn ranges(dir: &Path) -> Vec<[f64; 2]> {
    let report: serde_json::Value = serde_json::from_slice(&fs::read(dir.join("r.json")).unwrap()).unwrap();
    serde_json::from_value(report["scenes"][0]["done"]["range"].clone()).unwrap()
}

/// A stored value after the model that halves. The network sees nothing beyond white.
pub fn halved(value: f64, [black, white]: [f64; 2]) -> f64 {
    value - (value.clamp(black, white) - black) / 2.0
}

/// What `--inspect` prints.
pub fn inspect(dir: &Path, arguments: &[&str]) -> serde_json::Value {
    let done = geo(dir, &[&["--inspect"], arguments, &["--model", "half.onnx"]].concat());
    assert!(done.status.success(), "{}", text(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

/// All values of all bands.
pub fn pixels(path: &Path) -> Vec<Vec<f64>> {
    let dataset = Dataset::open(path).unwrap();
    let size = dataset.raster_size();
    let read = |i| dataset.rasterband(i).unwrap().read_as::<f64>((0, 0), size, size, None).unwrap();
    (1..=dataset.raster_count()).map(|i| read(i).data().to_vec()).collect()
}

/// A georeferenced GeoTIFF of 96 x 80 values of 16 bits, each a function of band, column and row.
pub fn scene(path: &Path, bands: usize, options: &[&str], value: impl Fn(usize, usize, usize) -> u16) -> Dataset {
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let options = RasterCreationOptions::from_iter(options.iter().copied());
    let size = (96, 80);
    let mut made = driver.create_with_band_type_with_options::<u16, _>(path, size.0, size.1, bands, &options).unwrap();
    made.set_geo_transform(&[500_000.0, 10.0, 0.0, 5_000_000.0, 0.0, -10.0]).unwrap();
    made.set_spatial_ref(&gdal::spatial_ref::SpatialRef::from_epsg(32632).unwrap()).unwrap();
    for band in 0..bands {
        let values = (0..size.0 * size.1).map(|i| value(band, i % size.0, i / size.0)).collect();
        made.rasterband(band + 1).unwrap().write((0, 0), size, &mut Buffer::new(size, values)).unwrap();
    }
    made
}

/// A texture of values from 1500 on, the brighter the higher the band.
pub fn texture(band: usize, x: usize, y: usize) -> u16 {
    1500 + 300 * band as u16 + ((x * 7 + y * 13) % 200) as u16 * 5
}
