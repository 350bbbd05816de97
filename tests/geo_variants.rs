//! `artir geo` on layouts that few products have: opacity beside one band, odd grids and types, numbers that are not finite.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{path::Path, process::Command};

use artir_tests::{
    scenes::{folder, geo, half, halved, pixels, ranges},
    text,
};
use gdal::{
    Dataset, DriverManager,
    raster::{Buffer, ColorInterpretation, GdalType, RasterCreationOptions},
};

const SIZE: (usize, usize) = (70, 50);

/// A TIFF whose bands have the colours named.
fn write<T: GdalType + Copy>(
    path: &Path,
    options: &[&str],
    colours: &[ColorInterpretation],
    value: impl Fn(usize, usize, usize) -> T,
) -> Dataset {
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let options = RasterCreationOptions::from_iter(options.iter().copied());
    let made =
        driver.create_with_band_type_with_options::<T, _>(path, SIZE.0, SIZE.1, colours.len(), &options).unwrap();
    for (i, colour) in colours.iter().enumerate() {
        let number = colour.c_int();
        let mut band = made.rasterband(i + 1).unwrap();
        band.set_color_interpretation(ColorInterpretation::from_c_int(number).unwrap()).unwrap();
        let values = (0..SIZE.0 * SIZE.1).map(|at| value(i, at % SIZE.0, at / SIZE.0)).collect();
        band.write((0, 0), SIZE, &mut Buffer::new(SIZE, values)).unwrap();
    }
    made
}

const RGB: [ColorInterpretation; 3] =
    [ColorInterpretation::RedBand, ColorInterpretation::GreenBand, ColorInterpretation::BlueBand];

/// The values of the result, and that strength 0 gives the scene back.
fn restored(at: &Path) -> Vec<Vec<f64>> {
    half(at, &["s.tif", "-o", "o.tif"]);
    let same =
        geo(at, &["s.tif", "-o", "same.tif", "--model", "same.onnx", "--strength", "0", "--overwrite", "--strict"]);
    assert!(same.status.success(), "{}", text(&same.stderr));
    let compared = geo(at, &["--compare", "s.tif", "same.tif"]);
    assert!(compared.status.success(), "{}", text(&compared.stdout));
    pixels(&at.join("o.tif"))
}

#[test]
fn opacity_beside_a_grey_band_marks_pixels_and_stays() {
    let dir = folder();
    let at = dir.path();
    let colours = [ColorInterpretation::GrayIndex, ColorInterpretation::AlphaBand];
    let value = |band: usize, x: usize, y: usize| match band {
        0 => (40 + (x * 5 + y * 3) % 180) as u8,
        _ if x < 20 => 0,
        _ => 255,
    };
    for options in [&["ALPHA=YES"][..], &["ALPHA=PREMULTIPLIED", "TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=32"]] {
        write(&at.join("s.tif"), options, &colours, value).close().unwrap();
        let found = restored(at);
        let [range] = ranges(at)[..] else { panic!("one band is restored") };
        for (i, (grey, alpha)) in found[0].iter().zip(&found[1]).enumerate() {
            let (x, y) = (i % SIZE.0, i / SIZE.0);
            let before = f64::from(value(0, x, y));
            let wanted = if x < 20 { before } else { halved(before, range) };
            assert!((grey - wanted).abs() <= 0.5 && *alpha == f64::from(value(1, x, y)), "{x} {y}: {before} {grey}");
        }
    }
}

#[test]
fn numbers_that_are_not_finite_and_the_least_number_stay_as_they_are() {
    let dir = folder();
    let at = dir.path();
    let value = |band: usize, x: usize, y: usize| match (band, x, y) {
        (_, 0..8, _) => f64::NAN,
        (0, 30, 20..30) => f64::NEG_INFINITY,
        (2, _, 40) => f64::INFINITY,
        _ => 0.2 + 0.05 * band as f64 + 0.002 * ((x * 7 + y * 13) % 200) as f64,
    };
    for nodata in [None, Some(f64::NAN)] {
        let made = write(&at.join("s.tif"), &["PHOTOMETRIC=RGB"], &RGB, value);
        (1..=3).for_each(|i| made.rasterband(i).unwrap().set_no_data_value(nodata).unwrap());
        made.close().unwrap();
        let found = restored(at);
        let [range] = ranges(at)[..1] else { panic!("a range") };
        for (band, plane) in found.iter().enumerate() {
            for (i, found) in plane.iter().enumerate() {
                let before = value(band, i % SIZE.0, i / SIZE.0);
                let same = found.to_bits() == before.to_bits();
                let moved = (found - halved(before, range)).abs() < 1e-6;
                assert!(if before.is_finite() { moved } else { same }, "band {band}, {i}: {before} {found}");
            }
        }
    }
    // The least number of 32 bits as fill that nobody declares.
    let least = f64::from(f32::MIN);
    let value =
        |_: usize, x: usize, y: usize| if x < 12 { f32::MIN } else { 0.1 + ((x * 7 + y * 13) % 90) as f32 / 100.0 };
    write(&at.join("s.tif"), &["PHOTOMETRIC=RGB"], &RGB, value).close().unwrap();
    let said = half(at, &["s.tif", "-o", "o.tif"]);
    assert!(said.contains("-3.4028234663852886e38") && said.contains("--nodata -3.4028234663852886e38"), "{said}");
    let found = pixels(&at.join("o.tif"));
    assert!(found.iter().all(|plane| (0..SIZE.0 * SIZE.1).all(|i| (plane[i] == least) == (i % SIZE.0 < 12))));
    assert!(ranges(at)[0][1] < 1.1, "{:?}", ranges(at));
}

#[test]
fn reflectance_in_floating_point_values_is_zero_to_one() {
    let dir = folder();
    let at = dir.path();
    for (most, white) in [(0.4, 1.0), (4.0, 1.0), (4000.0, 10_000.0)] {
        let value = |_: usize, x: usize, y: usize| most * (0.1 + ((x * 7 + y * 13) % 90) as f32 / 100.0);
        write(&at.join("s.tif"), &["PHOTOMETRIC=RGB"], &RGB, value).close().unwrap();
        half(at, &["s.tif", "-o", "o.tif", "--range", "reflectance"]);
        assert_eq!(ranges(at)[0], [0.0, white], "{most}");
    }
    write(&at.join("s.tif"), &["PHOTOMETRIC=RGB"], &RGB, |_, x, y| 1 + (x + y) as u16 % 9).close().unwrap();
    half(at, &["s.tif", "-o", "o.tif", "--range", "reflectance"]);
    assert_eq!(ranges(at)[0], [0.0, 10_000.0], "integers");
}

#[test]
fn a_mask_of_one_band_is_refused_and_restored_as_one_of_all() {
    let dir = folder();
    let at = dir.path();
    let [red, green, blue] = RGB;
    let alpha = [red, green, blue, ColorInterpretation::AlphaBand];
    let value = |band: usize, x: usize, y: usize| match band {
        3 if x < 20 => 0,
        3 => 255,
        _ => (40 + (x * 5 + y * 3) % 180) as u8,
    };
    write(&at.join("a.tif"), &["PHOTOMETRIC=RGB", "ALPHA=YES"], &alpha, value).close().unwrap();
    let source = |band: usize| {
        format!(
            "<SimpleSource><SourceFilename relativeToVRT=\"1\">a.tif</SourceFilename><SourceBand>{band}</SourceBand></SimpleSource>"
        )
    };
    let bands: String = ["Red", "Green", "Blue"]
        .iter()
        .enumerate()
        .map(|(i, colour)| {
            let mask = format!("<MaskBand><VRTRasterBand dataType=\"Byte\">{}</VRTRasterBand></MaskBand>", source(4));
            let mask = if i == 1 { mask } else { String::new() };
            let own = source(i + 1);
            format!("<VRTRasterBand dataType=\"Byte\" band=\"{}\"><ColorInterp>{colour}</ColorInterp>{own}{mask}</VRTRasterBand>", i + 1)
        })
        .collect();
    std::fs::write(at.join("b.vrt"), format!("<VRTDataset rasterXSize=\"70\" rasterYSize=\"50\">{bands}</VRTDataset>"))
        .unwrap();
    let done = geo(at, &["b.vrt", "-o", "o.tif", "--model", "same.onnx"]);
    let said = text(&done.stderr);
    assert!(done.status.code() == Some(3) && said.contains("gdal_translate -mask mask,2"), "{said}");
    let mut made = Command::new("gdal_translate");
    made.args(["-q", "-of", "VRT", "-mask", "mask,2", "b.vrt", "s.vrt"]).current_dir(at);
    assert!(made.status().unwrap().success());
    half(at, &["s.vrt", "-o", "o.tif"]);
    let found = pixels(&at.join("o.tif"));
    for (i, found) in found[0].iter().enumerate() {
        let before = f64::from(value(0, i % SIZE.0, i / SIZE.0));
        let wanted = if i % SIZE.0 < 20 { before } else { halved(before, [0.0, 255.0]) };
        assert!((found - wanted).abs() <= 0.5, "{i}: {before} {found}");
    }
}

#[test]
fn packed_deliveries_are_refused_with_the_way_to_name_them() {
    let dir = folder();
    let at = dir.path();
    std::fs::write(at.join("a.zip"), b"PK").unwrap();
    std::fs::write(at.join("b.TAR"), b"x").unwrap();
    for (name, words) in [
        ("a.zip", "is an archive: unpack it"),
        ("b.TAR", "is an archive: unpack it"),
        ("/vsizip/a.zip/S2A.SAFE/MTD_MSIL2A.xml", "is a product in an archive: unpack the archive"),
        ("/vsizip/a.zip/S2A.SAFE", "is a product in an archive: unpack the archive"),
        ("/vsitar/b.TAR/LC08_MTL.txt", "is a product in an archive: unpack the archive"),
    ] {
        let done = geo(at, &[name, "-o", "o.tif", "--model", "same.onnx"]);
        assert_eq!(done.status.code(), Some(3), "{name}");
        let said = text(&done.stderr);
        assert!(said.lines().count() == 1 && said.contains(name) && said.contains(words), "{said}");
    }
}

#[test]
fn grids_of_any_orientation_and_blocks_of_any_size_are_kept() {
    let dir = folder();
    let at = dir.path();
    let value = |band: usize, x: usize, y: usize| (1000 + 40 * band + (x * 7 + y * 13) % 900) as u16;
    let grids = [
        [500_000.0, 8.66, -5.0, 5_000_000.0, -5.0, -8.66],
        [500_000.0, 10.0, 0.0, 5_000_000.0, 0.0, 10.0],
        [500_000.0, -10.0, 0.0, 5_000_000.0, 0.0, -10.0],
    ];
    let blocks = [
        &["BLOCKYSIZE=1", "INTERLEAVE=BAND"][..],
        &["BLOCKYSIZE=7", "COMPRESS=LZW", "PREDICTOR=2"],
        &["TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=48", "INTERLEAVE=BAND", "BIGTIFF=YES"],
        &["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=256", "COMPRESS=DEFLATE", "ENDIANNESS=BIG"],
    ];
    for (i, options) in blocks.iter().enumerate() {
        let mut made = write(&at.join("s.tif"), options, &RGB, value);
        let grid = grids[i % grids.len()];
        made.set_geo_transform(&grid).unwrap();
        let size = made.rasterband(1).unwrap().block_size();
        made.close().unwrap();
        let found = restored(at);
        let [range] = ranges(at)[..1] else { panic!("a range") };
        for (band, plane) in found.iter().enumerate() {
            for (i, found) in plane.iter().enumerate() {
                let before = f64::from(value(band, i % SIZE.0, i / SIZE.0));
                assert!(
                    (found - halved(before, range)).abs() <= 0.5,
                    "{options:?}, band {band}, {i}: {before} {found}"
                );
            }
        }
        let opened = Dataset::open(at.join("o.tif")).unwrap();
        assert_eq!((opened.geo_transform().unwrap(), opened.rasterband(1).unwrap().block_size()), (grid, size));
    }
}
