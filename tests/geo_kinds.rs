//! `artir geo` on kinds of values and georeferencing that few scenes have.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use artir_tests::{
    scenes::{folder, geo, half, halved, inspect, pixels, ranges},
    text,
};
use gdal::{
    Dataset, DriverManager,
    raster::{Buffer, RasterCreationOptions},
};

/// A one-band TIFF of 40 x 30 bytes.
fn bytes(path: &std::path::Path, options: &[&str], value: impl Fn(usize, usize) -> u8) {
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let options = RasterCreationOptions::from_iter(options.iter().copied());
    let made = driver.create_with_band_type_with_options::<u8, _>(path, 40, 30, 1, &options).unwrap();
    let values = (0..40 * 30).map(|i| value(i % 40, i / 40)).collect();
    made.rasterband(1).unwrap().write((0, 0), (40, 30), &mut Buffer::new((40, 30), values)).unwrap();
    made.close().unwrap();
}

#[test]
fn signed_bytes_stay_signed() {
    let dir = folder();
    let at = dir.path();
    let value = |x: usize, y: usize| ((x * 5 + y) % 200) as i16 - 100;
    bytes(&at.join("s.tif"), &["PIXELTYPE=SIGNEDBYTE"], |x, y| value(x, y) as i8 as u8);
    let told = inspect(at, &["s.tif"]);
    assert_eq!(told["bands"][0]["type"], "Int8");
    half(at, &["s.tif", "-o", "out.tif"]);
    let range = ranges(at)[0];
    assert!((-101.0..=-95.0).contains(&range[0]) && (90.0..=100.0).contains(&range[1]), "{range:?}");
    let stored = Dataset::open(at.join("out.tif")).unwrap();
    let band = stored.rasterband(1).unwrap();
    let read = band.read_as::<u8>((0, 0), (40, 30), (40, 30), None).unwrap();
    for (i, after) in read.data().iter().enumerate() {
        let before = f64::from(value(i % 40, i / 40));
        // What is positive does not become negative.
        let wanted = halved(before, range).max(if before > 0.0 { 0.0 } else { f64::MIN });
        assert!((f64::from(*after as i8) - wanted).abs() <= 1.0, "{i}: {after} {wanted}");
    }
    let same = geo(at, &["s.tif", "-o", "same.tif", "--model", "same.onnx", "-q"]);
    assert!(same.status.success(), "{}", text(&same.stderr));
    let compared = geo(at, &["--compare", "s.tif", "same.tif"]);
    assert!(compared.status.success(), "{}", text(&compared.stdout));
    // A plain byte is another type.
    bytes(&at.join("u.tif"), &[], |x, y| value(x, y) as i8 as u8);
    let differ = text(&geo(at, &["--compare", "s.tif", "u.tif"]).stdout);
    assert!(differ.contains("Int8") && differ.contains("Byte"), "{differ}");
}

#[test]
fn black_and_white_are_greys_and_colours_are_a_palette() {
    let dir = folder();
    let at = dir.path();
    bytes(&at.join("bits.tif"), &["NBITS=1"], |x, y| u8::from((x / 4 + y / 3) % 2 == 0));
    let same = geo(at, &["bits.tif", "-o", "same.tif", "--model", "same.onnx", "-q"]);
    assert!(same.status.success(), "{}", text(&same.stderr));
    assert_eq!(pixels(&at.join("same.tif")), pixels(&at.join("bits.tif")));
    let entry = |[r, g, b]: [u8; 3]| format!("<Entry c1=\"{r}\" c2=\"{g}\" c3=\"{b}\" c4=\"255\"/>");
    let table: String = (0..=255).map(|i| entry([i, 255 - i, i / 2])).collect();
    bytes(&at.join("index.tif"), &[], |x, y| (x * 6 + y) as u8);
    fs::write(
        at.join("palette.vrt"),
        format!(
            "<VRTDataset rasterXSize=\"40\" rasterYSize=\"30\"><VRTRasterBand dataType=\"Byte\" band=\"1\">\
             <ColorInterp>Palette</ColorInterp><ColorTable>{table}</ColorTable><SimpleSource>\
             <SourceFilename relativeToVRT=\"1\">index.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
        ),
    )
    .unwrap();
    let refused = geo(at, &["palette.vrt", "-o", "none.tif", "--model", "same.onnx", "-q"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(text(&refused.stderr).contains("gdal_translate -expand rgb"), "{}", text(&refused.stderr));
}

/// GDAL writes JSON into a TIFF with an equals sign in place of its first colon.
#[test]
fn metadata_of_any_form_are_kept() {
    let dir = folder();
    let at = dir.path();
    bytes(&at.join("a.tif"), &[], |x, y| (x * 6 + y) as u8);
    let json = "<Metadata domain=\"json:X\" format=\"json\">{\"a\":1,\"b\":{\"c\":[1,2]}}</Metadata>";
    let items = "<Metadata domain=\"OWN\"><MDI key=\"k\">v</MDI></Metadata>";
    fs::write(
        at.join("m.vrt"),
        format!(
            "<VRTDataset rasterXSize=\"40\" rasterYSize=\"30\">{json}{items}<VRTRasterBand dataType=\"Byte\" band=\"1\">\
             {items}<ColorInterp>Gray</ColorInterp><SimpleSource><SourceFilename relativeToVRT=\"1\">a.tif</SourceFilename>\
             </SimpleSource></VRTRasterBand></VRTDataset>"
        ),
    )
    .unwrap();
    for out in ["out.tif", "out.jp2", "under.vrt"] {
        let done = geo(at, &["m.vrt", "-o", out, "--model", "same.onnx", "--strict"]);
        assert!(done.status.success(), "{out}: {}", text(&done.stderr));
        let compared = geo(at, &["--compare", "m.vrt", out]);
        assert!(compared.status.success(), "{out}: {}", text(&compared.stdout));
    }
}

/// `.aux.xml` holds names, and rounds points. Points that it would round lose their names.
#[test]
fn control_points_are_kept_to_the_last_digit() {
    let dir = folder();
    let at = dir.path();
    bytes(&at.join("a.tif"), &[], |x, y| (x * 6 + y) as u8);
    let points_of = |more: f64| {
        [(0.0, 0.0), (40.0, 0.0), (40.0, 30.0), (0.0, 30.0)]
            .map(|(x, y)| [x + more, y + more, 9.0 + x + more, 50.0 - y - more])
    };
    let vrt = |names: [&str; 4], more: f64| {
        let points: String = points_of(more)
            .iter()
            .zip(names)
            .map(|([pixel, line, x, y], name)| {
                format!("<GCP Id=\"{name}\" Pixel=\"{pixel}\" Line=\"{line}\" X=\"{x}\" Y=\"{y}\"/>")
            })
            .collect();
        fs::write(
            at.join("points.vrt"),
            format!(
                "<VRTDataset rasterXSize=\"40\" rasterYSize=\"30\"><GCPList Projection=\"EPSG:4326\">{points}</GCPList>\
                 <VRTRasterBand dataType=\"Byte\" band=\"1\"><ColorInterp>Gray</ColorInterp><SimpleSource>\
                 <SourceFilename relativeToVRT=\"1\">a.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
            ),
        )
        .unwrap();
    };
    let run = |more: &[&str]| {
        let arguments = [&["points.vrt", "-o", "out.tif", "--model", "same.onnx", "--overwrite"], more].concat();
        geo(at, &arguments)
    };
    let named = ["church", "b", "c", "d"];
    let (none, numbers) = ([""; 4], ["1", "2", "3", "4"]);
    for (names, more, lost) in
        [(none, 0.0, false), (none, 1e-7, false), (numbers, 1e-7, false), (named, 0.0, false), (named, 1e-7, true)]
    {
        vrt(names, more);
        let done = run(&[]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        assert_eq!(text(&done.stderr).contains("names of the ground control points"), lost, "{}", text(&done.stderr));
        let found = Dataset::open(at.join("out.tif")).unwrap();
        let points: Vec<[f64; 4]> = found.gcps().iter().map(|p| [p.pixel(), p.line(), p.x(), p.y()]).collect();
        assert_eq!(points, points_of(more));
        assert_eq!(found.gcps()[0].id() == "church", names == named && !lost);
        assert_eq!(run(&["--strict"]).status.code(), Some(if lost { 3 } else { 0 }), "{names:?}");
    }
}

/// A TIFF whose 0 is white (MINISWHITE) has the same picture as its negative, in which 0 is black.
#[test]
fn where_zero_is_white_the_same_brightness_is_restored() {
    fn made<T: gdal::raster::GdalType + Copy>(path: &Path, white: bool, nodata: Option<f64>, values: Vec<T>) {
        let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
        let photometric = if white { "PHOTOMETRIC=MINISWHITE" } else { "PHOTOMETRIC=MINISBLACK" };
        let options = RasterCreationOptions::from_iter([photometric]);
        let made = driver.create_with_band_type_with_options::<T, _>(path, 40, 30, 1, &options).unwrap();
        let mut band = made.rasterband(1).unwrap();
        band.set_no_data_value(nodata).unwrap();
        band.write((0, 0), (40, 30), &mut Buffer::new((40, 30), values)).unwrap();
        made.close().unwrap();
    }
    let dir = folder();
    let at = dir.path();
    let (white, black) = (at.join("white.tif"), at.join("black.tif"));
    for bits in [8, 16, 32] {
        for nodata in [false, true] {
            let most = f64::from(u32::MAX >> (32 - bits));
            let values: Vec<f64> =
                (0..1200).map(|i| if nodata && i < 80 { 0.0 } else { f64::from(20 + i * 7 % 201) }).collect();
            let negative: Vec<f64> = values.iter().map(|v| most - v).collect();
            for (path, of, fill) in [(&black, &values, 0.0), (&white, &negative, most)] {
                let fill = nodata.then_some(fill);
                match bits {
                    8 => made(path, path == &white, fill, of.iter().map(|v| *v as u8).collect()),
                    16 => made(path, path == &white, fill, of.iter().map(|v| *v as u16).collect()),
                    _ => made(path, path == &white, fill, of.iter().map(|v| *v as u32).collect()),
                }
            }
            half(at, &["black.tif", "-o", "b.tif"]);
            half(at, &["white.tif", "-o", "w.tif"]);
            let [[from, to]] = ranges(at)[..] else { panic!("one band") };
            assert_eq!((from, to < from), (most, true), "black and white");
            let (b, w) = (pixels(&at.join("b.tif")), pixels(&at.join("w.tif")));
            for ((b, w), before) in b[0].iter().zip(&w[0]).zip(&values) {
                assert!((b - (most - w)).abs() <= 1.0, "{bits} bits: {b} {w}");
                assert!(*before == 0.0 || *b < *before, "darker: {before} {b}");
            }
            let structure = |name: &str| {
                let opened = Dataset::open(at.join(name)).unwrap();
                gdal::Metadata::metadata_item(&opened, "MINISWHITE", "IMAGE_STRUCTURE")
            };
            assert_eq!((structure("w.tif").as_deref(), structure("b.tif")), (Some("YES"), None));
            let same = geo(
                at,
                &["white.tif", "-o", "same.tif", "--model", "half.onnx", "--strength", "0", "--overwrite", "--strict"],
            );
            assert!(same.status.success(), "{}", text(&same.stderr));
            let compared = geo(at, &["--compare", "white.tif", "same.tif"]);
            assert!(compared.status.success(), "{}", text(&compared.stdout));
        }
    }
}
