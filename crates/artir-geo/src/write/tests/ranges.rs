//! Scenes whose bands lack pixels: those count neither for black and white nor as values.

use std::path::Path;

use gdal::{
    DriverManager, Metadata,
    raster::{Buffer, RasterCreationOptions},
};

use super::{
    open, pixels, run_some,
    virtual_raster::{Size, source, virtual_raster},
};
use crate::{
    ffi::{self, Nodata},
    write::options::WriteOptions,
};

/// Columns and rows of all scenes here.
const SIZE: Size = (100, 80);
const MISSING: i16 = -9999;

/// A GeoTIFF of signed values, each a function of band, column and row. The first three bands are red, green and blue,
/// and the fourth is near infrared.
fn image(path: &Path, bands: usize, nodata: Option<i16>, value: impl Fn(usize, usize, usize) -> i16) {
    let options = RasterCreationOptions::from_iter(["PHOTOMETRIC=RGB", "ALPHA=NO"]);
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let made = driver.create_with_band_type_with_options::<i16, _>(path, SIZE.0, SIZE.1, bands, &options).unwrap();
    for number in 0..bands {
        let values = (0..SIZE.0 * SIZE.1).map(|i| value(number, i % SIZE.0, i / SIZE.0)).collect();
        let mut band = made.rasterband(number + 1).unwrap();
        band.write((0, 0), SIZE, &mut Buffer::new(SIZE, values)).unwrap();
        band.set_description(["red", "green", "blue", "nir"][number]).unwrap();
        if let Some(nodata) = nodata {
            ffi::set_nodata(&band, Nodata::Float(f64::from(nodata)));
        }
    }
    made.close().unwrap();
}

fn texture(band: usize, x: usize, y: usize) -> i16 {
    (500 + 100 * band + (x * 17 + y * 31) % 1900) as i16
}

#[test]
fn nodata_of_one_band_is_neither_black_nor_white() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("edges.tif");
    for missing in [-9999, 30_000] {
        image(&path, 3, Some(missing), |band, x, y| match (band, x, y) {
            (0, ..8, _) | (2, _, ..4) => missing,
            _ => texture(band, x, y),
        });
        let range = open(&path, None).unwrap().intervals()[0];
        assert_eq!(range.black(), 0.0, "{missing}");
        assert!((2000.0..=2700.0).contains(&range.white()), "{missing}: {}", range.white());
    }
}

#[test]
fn a_gap_of_a_mosaic_is_neither_black_nor_white() {
    let dir = tempfile::tempdir().unwrap();
    image(&dir.path().join("scene.tif"), 3, None, |band, x, y| -texture(band, x, y));
    // Around a gap of columns 20 to 79 and rows 10 to 69.
    let around = [[0, 0, 100, 10], [0, 10, 20, 60], [80, 10, 20, 60], [0, 70, 100, 10]];
    let band = |band: usize| around.map(|part| source("scene.tif", band, part)).concat();
    let bands: Vec<String> = (1..=3).map(band).collect();
    let path = virtual_raster(&dir.path().join("mosaic.vrt"), "Int16", SIZE, &bands, "");
    let range = open(&path, None).unwrap().intervals()[0];
    assert!(range.black() < -2000.0 && range.white() < -450.0, "{range:?}");
}

#[test]
fn fill_that_is_far_from_all_values_stays_in_every_band() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fill.tif");
    // All bands lack a collar, and each band ends elsewhere beside it.
    let value = |band: usize, x: usize, y: usize| {
        if x < 10 + 2 * band { MISSING } else { texture(band, x, y) }
    };
    image(&path, 4, None, value);
    let scene = open(&path, None).unwrap();
    assert!(scene.undeclared_fill().is_some_and(|(fill, _)| fill == f64::from(MISSING)));
    assert_eq!(scene.intervals()[0].black(), 0.0);
    let out = dir.path().join("out.tif");
    let options = WriteOptions::default().with_all_bands(true);
    run_some(&scene, &out, -0.05, &options, usize::MAX).unwrap();
    for (band, (before, after)) in pixels(&path).iter().zip(&pixels(&out)).enumerate() {
        let (before, after) = (before.chunks_exact(2), after.chunks_exact(2));
        for (i, (before, after)) in before.zip(after).enumerate() {
            let is_missing = i % SIZE.0 < 10 + 2 * band;
            assert_eq!(before == after, is_missing, "band {band}, pixel {i}");
        }
    }
}
