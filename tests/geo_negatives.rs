//! `artir geo` on scenes whose stored 0 is white: TIFFs with the photometric interpretation MINISWHITE, and tables of greys.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use artir_geo::{MosaicRange, OpenOptions, SceneValues};
use artir_tests::{
    artir, names,
    scenes::{folder, geo, half, inspect, pixels, ranges},
    text,
};
use gdal::{
    Dataset, DriverManager, Metadata,
    raster::{Buffer, GdalType, RasterCreationOptions},
};

const SIZE: (usize, usize) = (80, 60);

/// The brightness of a pixel, from 0 to 1.
fn brightness(x: usize, y: usize) -> f64 {
    (20 + (x * 7 + y * 13) % 201) as f64 / 255.0
}

fn write<T: GdalType + Copy>(path: &Path, options: &[&str], value: impl Fn(f64) -> T) -> Dataset {
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let options = RasterCreationOptions::from_iter(options.iter().chain(&["PHOTOMETRIC=MINISWHITE"]).copied());
    let mut made = driver.create_with_band_type_with_options::<T, _>(path, SIZE.0, SIZE.1, 1, &options).unwrap();
    made.set_geo_transform(&[500_000.0, 10.0, 0.0, 5_000_000.0, 0.0, -10.0]).unwrap();
    made.set_spatial_ref(&gdal::spatial_ref::SpatialRef::from_epsg(32632).unwrap()).unwrap();
    let values = (0..SIZE.0 * SIZE.1).map(|i| value(brightness(i % SIZE.0, i / SIZE.0))).collect();
    made.rasterband(1).unwrap().write((0, 0), SIZE, &mut Buffer::new(SIZE, values)).unwrap();
    made
}

/// A TIFF of so many bits whose 0 is white.
fn negative(path: &Path, bits: u32) {
    let most = f64::from(u32::MAX >> (32 - bits));
    let stored = |b: f64| (most * (1.0 - b)).round();
    let few = format!("NBITS={bits}");
    match bits {
        8 => write(path, &[], |b| stored(b) as u8),
        16 => write(path, &[], |b| stored(b) as u16),
        32 => write(path, &[], |b| stored(b) as u32),
        1..8 => write(path, &[&few], |b| stored(b) as u8),
        _ => write(path, &[&few], |b| stored(b) as u16),
    }
    .close()
    .unwrap();
}

/// Whether a reader of a file shows its 0 as white.
fn is_shown_white(path: &Path) -> bool {
    let dataset = Dataset::open(path).unwrap();
    let band = dataset.rasterband(1).unwrap();
    let table = band.color_table();
    let first = table.as_ref().and_then(|table| table.entry_as_rgb(0));
    let white = first.is_some_and(|entry| (entry.r, entry.g, entry.b) == (255, 255, 255));
    white || dataset.metadata_item("MINISWHITE", "IMAGE_STRUCTURE").as_deref() == Some("YES")
}

#[test]
fn a_result_states_that_zero_is_white_or_is_refused_before_the_work() {
    let dir = folder();
    let at = dir.path();
    let formats = ["a.tif", "b.vrt", "c.img", "d.tif --format cog", "e.png", "f.jp2"];
    for (bits, written) in [(1, 1), (4, 1), (8, 5), (12, 1), (16, 4), (32, 1)] {
        let most = f64::from(u32::MAX >> (32 - bits));
        negative(&at.join("s.tif"), bits);
        let stored = pixels(&at.join("s.tif")).remove(0);
        // White and black, in the order of the stored values.
        let range = format!("0,{most}");
        for (i, format) in formats.iter().enumerate() {
            let out: Vec<&str> = format.split(' ').collect();
            let arguments = [&["s.tif", "--nodata", "none", "--range", &range, "-o"], out.as_slice()].concat();
            if i >= written {
                let before = names(at);
                let done = geo(at, &[&arguments[..], &["--model", "half.onnx"]].concat());
                let said = text(&done.stderr);
                assert_eq!((done.status.code(), said.lines().count()), (Some(3), 1), "{bits} bits, {format}: {said}");
                assert!(
                    said.contains("its 0 is white, which") && said.contains("write a GeoTIFF (.tif, --format gtiff)"),
                    "{said}"
                );
                assert_eq!(said.contains("gdal_translate -expand gray"), bits <= 8, "{said}");
                assert_eq!(names(at), before, "{format}");
                continue;
            }
            let said = half(at, &[&arguments[..], &["--strict"]].concat());
            assert!(!said.contains("cannot hold"), "{said}");
            assert_eq!(ranges(at), [[most, 0.0]], "black and white");
            let out = at.join(out[0]);
            for (found, stored) in pixels(&out).remove(0).iter().zip(&stored) {
                let wanted = most - (most - stored) / 2.0;
                // The network computes with 24 bits.
                assert!((found - wanted).abs() <= 0.5 + most * 1e-7, "{bits} bits, {format}: {stored} {found}");
            }
            assert!(is_shown_white(&out), "{bits} bits, {format}");
            for file in names(at).into_iter().filter(|name| !["s.tif", "half.onnx", "same.onnx"].contains(&&**name)) {
                fs::remove_file(at.join(file)).unwrap();
            }
        }
    }
}

#[test]
fn a_table_of_greys_from_white_to_black_is_brightness_and_stays() {
    let dir = folder();
    let at = dir.path();
    negative(&at.join("s.tif"), 8);
    let stored = pixels(&at.join("s.tif")).remove(0);
    for (name, of) in [("p.png", "PNG"), ("p.img", "HFA"), ("p.vrt", "VRT")] {
        let from = Dataset::open(at.join("s.tif")).unwrap();
        let driver = DriverManager::get_driver_by_name(of).unwrap();
        from.create_copy(&driver, at.join(name), &RasterCreationOptions::new()).unwrap().close().unwrap();
        for out in ["o.tif", "o.png", "o.img"] {
            half(at, &[name, "-o", out]);
            assert_eq!(ranges(at), [[255.0, 0.0]], "{name} to {out}");
            assert!(is_shown_white(&at.join(out)), "{name} to {out}");
            let found = pixels(&at.join(out)).remove(0);
            let darker = |(found, stored): (&f64, &f64)| (found - (255.0 - (255.0 - stored) / 2.0)).abs() <= 0.5;
            assert!(found.iter().zip(&stored).all(darker), "{name} to {out}");
        }
    }
}

#[test]
fn nodata_masks_overviews_and_parts_of_negatives_are_kept() {
    let dir = folder();
    let at = dir.path();
    let path = at.join("s.tif");
    let fresh = |nodata: Option<f64>| {
        drop(fs::remove_file(&path));
        let made = write(&path, &[], |b| (255.0 * (1.0 - b)).round() as u8);
        let mut band = made.rasterband(1).unwrap();
        band.set_no_data_value(nodata).unwrap();
        made
    };
    let before = |i: usize| (255.0 * (1.0 - brightness(i % SIZE.0, i / SIZE.0))).round();
    let is_halved = |i: usize, found: f64| (found - (255.0 - (255.0 - before(i)) / 2.0)).abs() <= 0.5;
    // Nodata that is black, white, or in between.
    for nodata in [255.0, 0.0, 100.0] {
        let made = fresh(Some(nodata));
        let rows = Buffer::new((SIZE.0, 8), vec![nodata as u8; SIZE.0 * 8]);
        made.rasterband(1).unwrap().write((0, 0), (SIZE.0, 8), &mut rows.clone()).unwrap();
        made.close().unwrap();
        for out in ["o.tif", "o.png", "o.img"] {
            half(at, &["s.tif", "-o", out]);
            let found = pixels(&at.join(out)).remove(0);
            assert!(found[..SIZE.0 * 8].iter().all(|v| *v == nodata), "{nodata} {out}");
            let rest = (SIZE.0 * 8..found.len()).filter(|i| before(*i) != nodata);
            // No value becomes nodata: it takes the next one.
            assert!(
                rest.clone().all(|i| found[i] != nodata && is_halved(i, found[i]) || (found[i] - nodata).abs() == 1.0)
            );
            assert!(is_shown_white(&at.join(out)), "{nodata} {out}");
            assert_eq!(
                Dataset::open(at.join(out)).unwrap().rasterband(1).unwrap().no_data_value(),
                Some(nodata),
                "{out}"
            );
        }
    }
    // A mask, and overviews made of the restored pixels.
    let mut made = fresh(None);
    made.rasterband(1).unwrap().create_mask_band(true).unwrap();
    let valid: Vec<u8> = (0..SIZE.0 * SIZE.1).map(|i| if i % SIZE.0 < 20 { 0 } else { 255 }).collect();
    {
        let band = made.rasterband(1).unwrap();
        band.open_mask_band().unwrap().write((0, 0), SIZE, &mut Buffer::new(SIZE, valid)).unwrap();
    }
    made.build_overviews("AVERAGE", &[2], &[]).unwrap();
    made.close().unwrap();
    half(at, &["s.tif", "-o", "o.tif"]);
    let found = pixels(&at.join("o.tif")).remove(0);
    for (i, found) in found.iter().enumerate() {
        assert!(if i % SIZE.0 < 20 { *found == before(i) } else { is_halved(i, *found) }, "{i}: {found}");
    }
    let opened = Dataset::open(at.join("o.tif")).unwrap();
    let overview = opened.rasterband(1).unwrap().overview(0).unwrap();
    assert_eq!(overview.size(), (40, 30));
    let small = overview.read_as::<f64>((0, 0), (40, 30), (40, 30), None).unwrap();
    for i in (0..40 * 30).filter(|i| i % 40 >= 10) {
        let corner = (i / 40) * 2 * SIZE.0 + i % 40 * 2;
        let mean = [0, 1, SIZE.0, SIZE.0 + 1].iter().map(|more| found[corner + more]).sum::<f64>() / 4.0;
        assert!((small.data()[i] - mean).abs() <= 1.0, "overview {i}");
    }
    // Parts of the scene.
    fresh(None).close().unwrap();
    fs::write(
        at.join("cut.geojson"),
        r#"{"type":"Polygon","coordinates":[[[500200,4999700],[500500,4999700],[500500,4999500],[500200,4999500],[500200,4999700]]],
        "crs":{"type":"name","properties":{"name":"EPSG:32632"}}}"#,
    )
    .unwrap();
    for part in [["--window", "20,30,30,20"], ["--cutline", "cut.geojson"]] {
        half(at, &[&["s.tif", "-o", "o.tif"][..], &part].concat());
        for (i, found) in pixels(&at.join("o.tif"))[0].iter().enumerate() {
            let inside = (20..50).contains(&(i % SIZE.0)) && (30..50).contains(&(i / SIZE.0));
            assert!(if inside { is_halved(i, *found) } else { *found == before(i) }, "{part:?} {i}: {found}");
        }
    }
}

#[test]
fn previews_reports_and_surveys_follow_brightness() {
    let dir = folder();
    let at = dir.path();
    negative(&at.join("s.tif"), 8);
    half(at, &["s.tif", "-o", "o.tif", "--preview"]);
    let page = fs::read_to_string(at.join("o.html")).unwrap();
    for words in ["and more is black, ", "and less is white.", "before minus after, since 0 is white: blue is darker"] {
        assert!(page.contains(words), "{words}");
    }
    // The restored scene is darker.
    let mean = page.split("white is no change; mean ").nth(1).unwrap().split('<').next().unwrap();
    assert!(mean.replace('−', "-").parse::<f64>().unwrap() < -20.0, "{mean}");
    let stated = inspect(at, &["s.tif"]);
    assert_eq!(
        (&stated["bands"][0]["white_is_zero"], &stated["bands"][0]["colour_table"]),
        (&true.into(), &serde_json::json!([]))
    );
    assert_eq!(stated["restores"]["range"], serde_json::json!([255.0, 0.0]));
    let values = |name: &str| SceneValues::read(at.join(name).to_str().unwrap(), &OpenOptions::default());
    let bytes = values("s.tif").unwrap();
    let stored = MosaicRange::default().stored(bytes.rule());
    // As --range takes them.
    assert_eq!(stored.iter().map(|i| (i.black(), i.white())).collect::<Vec<_>>(), [(0.0, 255.0)]);
    negative(&at.join("w.tif"), 16);
    let refused = values("w.tif").unwrap_err().to_string();
    assert!(refused.contains("its stored 0 is white") && refused.contains("--range"), "{refused}");
}

/// GDAL reads and writes JPEG 2000 with the library that it was built with, not with one of the same names in artir.
#[test]
fn gdal_keeps_its_own_jpeg_2000_library() {
    let program: PathBuf = artir().get_program().into();
    let listed = Command::new("nm").args(["-D", "--defined-only"]).arg(&program).output().unwrap();
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    let names = text(&listed.stdout);
    assert!(!names.lines().any(|line| line.contains(" opj_")), "{names}");
    // 32 bits are more than that library takes.
    let dir = folder();
    let at = dir.path();
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let made = driver.create_with_band_type::<u32, _>(at.join("s.tif"), 40, 30, 1).unwrap();
    let values = (0..1200).map(|i| i * 1_000_003).collect();
    made.rasterband(1).unwrap().write((0, 0), (40, 30), &mut Buffer::<u32>::new((40, 30), values)).unwrap();
    made.close().unwrap();
    let before = artir_tests::names(at);
    let done = geo(at, &["s.tif", "-o", "o.jp2", "--model", "half.onnx"]);
    assert_eq!((done.status.code(), text(&done.stderr).lines().count()), (Some(3), 1), "{}", text(&done.stderr));
    assert_eq!(artir_tests::names(at), before);
}
