//! `artir geo` on scenes as satellites deliver them: layouts, radiometry and nodata.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path, process::Command};

use artir_tests::{
    models, names, real,
    scenes::{folder, geo, half, halved, inspect, pixels, ranges, scene, texture},
    text,
};
use gdal::{Dataset, Metadata, raster::ColorInterpretation};

fn tool(program: &str, arguments: &[&str], dir: &Path) {
    let done = Command::new(program).args(arguments).current_dir(dir).output().unwrap();
    assert!(done.status.success(), "{program} {arguments:?}: {}", text(&done.stderr));
}

#[test]
fn reflectance_is_the_same_with_and_without_an_offset() {
    let dir = folder();
    let at = dir.path();
    for (name, add, offset) in [("old.tif", 0, 0.0), ("new.tif", 1000, -0.1)] {
        let made = scene(&at.join(name), 3, &["PHOTOMETRIC=RGB"], |b, x, y| texture(b, x, y) + add);
        for i in 1..=3 {
            let mut band = made.rasterband(i).unwrap();
            band.set_scale(1e-4).unwrap();
            band.set_offset(offset).unwrap();
        }
        made.close().unwrap();
    }
    half(at, &["old.tif", "new.tif", "-o", "out/"]);
    let (old, new) = (pixels(&at.join("out/old.tif")), pixels(&at.join("out/new.tif")));
    let of_old = ranges(at);
    assert!(of_old.iter().all(|[black, white]| black.abs() < 1e-6 && *white > 2000.0), "{of_old:?}");
    for (band, (old, new)) in old.iter().zip(&new).enumerate() {
        for (i, (a, b)) in old.iter().zip(new).enumerate() {
            assert!((a - (b - 1000.0)).abs() <= 1.0, "band {band}, pixel {i}: {a} {b}");
            let stored = f64::from(texture(band, i % 96, i / 96));
            let wanted = halved(stored, of_old[band]);
            assert!((a - wanted).abs() <= 1.0, "band {band}, pixel {i}: {a} of {stored}");
        }
    }
    // A range of stored values for each band.
    half(at, &["old.tif", "-o", "each.tif", "--range", "0,9000,400,9000,800,9000"]);
    let each = pixels(&at.join("each.tif"));
    for (band, black) in [0.0, 400.0, 800.0].into_iter().enumerate() {
        let stored = f64::from(texture(band, 5, 0));
        assert!((each[band][5] - (stored + black) / 2.0).abs() <= 1.0, "band {band}");
    }
}

#[test]
fn values_keep_their_range_and_what_they_are() {
    let dir = folder();
    let at = dir.path();
    fs::write(at.join("more.onnx"), models::rgb_multiplies(40.0)).unwrap();
    let made = scene(&at.join("s.tif"), 3, &["PHOTOMETRIC=RGB", "NBITS=12"], texture);
    made.close().unwrap();
    let done = geo(at, &["s.tif", "-o", "bright.tif", "--model", "more.onnx", "-q"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(pixels(&at.join("bright.tif")).iter().flatten().all(|v| *v <= 4095.0), "12 bits");
    fs::write(at.join("less.onnx"), models::rgb_multiplies(-40.0)).unwrap();
    let made = scene(&at.join("r.tif"), 3, &["PHOTOMETRIC=RGB"], texture);
    for i in 1..=3 {
        let mut band = made.rasterband(i).unwrap();
        band.set_scale(2.75e-5).unwrap();
        band.set_offset(-0.0275).unwrap();
        band.set_no_data_value(Some(1000.0)).unwrap();
    }
    made.close().unwrap();
    let done = geo(at, &["r.tif", "-o", "dark.tif", "--model", "less.onnx", "-q"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let dark = pixels(&at.join("dark.tif"));
    assert!(dark.iter().flatten().all(|v| *v == 1001.0), "1000 is reflectance 0, and nodata");
}

#[test]
fn nodata_of_one_band_stays_and_the_others_are_restored() {
    let dir = folder();
    let at = dir.path();
    // Bands that end a few columns apart, as those of Landsat do.
    let value = |b: usize, x: usize, y: usize| if x < 10 + 4 * b { 0 } else { texture(b, x, y) };
    let made = scene(&at.join("edges.tif"), 3, &["PHOTOMETRIC=RGB"], value);
    for i in 1..=3 {
        made.rasterband(i).unwrap().set_no_data_value(Some(0.0)).unwrap();
    }
    made.close().unwrap();
    half(at, &["edges.tif", "-o", "out.tif"]);
    let ranges = ranges(at);
    for (band, values) in pixels(&at.join("out.tif")).iter().enumerate() {
        for (i, after) in values.iter().enumerate() {
            let before = f64::from(value(band, i % 96, i / 96));
            assert!(
                (after - halved(before, ranges[band])).abs() <= 0.5,
                "band {band}, column {}: {before} {after}",
                i % 96
            );
        }
    }
}

#[test]
fn undeclared_fill_is_told_and_kept_out_of_the_range() {
    let dir = folder();
    let at = dir.path();
    let collar = |b: usize, x: usize, y: usize| if x + y < 60 { 0 } else { texture(b, x, y) };
    scene(&at.join("collar.tif"), 3, &["PHOTOMETRIC=RGB"], collar).close().unwrap();
    let said = half(at, &["collar.tif", "-o", "out.tif"]);
    assert!(said.contains("collar.tif") && said.contains("--nodata 0"), "{said}");
    let plain = |name: &str| inspect(at, &[name])["restores"]["range"].clone();
    scene(&at.join("whole.tif"), 3, &["PHOTOMETRIC=RGB"], texture).close().unwrap();
    let (with, without) = (plain("collar.tif"), plain("whole.tif"));
    let white = |range: &serde_json::Value| range[1].as_f64().unwrap();
    assert!((white(&with) - white(&without)).abs() < 20.0, "{with} {without}");
    assert!(!half(at, &["collar.tif", "-o", "out.tif", "--nodata", "0"]).contains("--nodata"), "stated");
    assert!(!half(at, &["collar.tif", "-o", "out.tif", "--nodata", "none"]).contains("--nodata"));
    assert!(!half(at, &["whole.tif", "-o", "out.tif"]).contains("--nodata"));
    // Reflectance as floating-point numbers, with -9999 where there is none.
    tool("gdal_translate", &["-q", "-ot", "Float32", "-scale", "0", "10000", "0", "1", "collar.tif", "f.tif"], at);
    let update = gdal::DatasetOptions { open_flags: gdal::GdalOpenFlags::GDAL_OF_UPDATE, ..Default::default() };
    let made = Dataset::open_ex(at.join("f.tif"), update).unwrap();
    for i in 1..=3 {
        let mut band = made.rasterband(i).unwrap();
        let mut values = band.read_as::<f32>((0, 0), (96, 80), (96, 80), None).unwrap();
        values.data_mut().iter_mut().filter(|v| **v == 0.0).for_each(|v| *v = -9999.0);
        band.write((0, 0), (96, 80), &mut values).unwrap();
    }
    made.close().unwrap();
    let said = half(at, &["f.tif", "-o", "out.tif"]);
    assert!(said.contains("-9999"), "{said}");
    let (before, after) = (pixels(&at.join("f.tif")), pixels(&at.join("out.tif")));
    let range = ranges(at)[0];
    for (a, b) in before.iter().flatten().zip(after.iter().flatten()) {
        assert!(if *a == -9999.0 { b == a } else { (b - halved(*a, range)).abs() < 1e-6 }, "{a} {b}");
    }
}

/// Arguments, and the pixels that they let change.
type Part<'a> = (&'a [&'a str], &'a dyn Fn(usize, usize) -> bool);

#[test]
fn a_mask_and_a_part_of_the_scene_leave_the_rest_as_it_is() {
    let dir = folder();
    let at = dir.path();
    scene(&at.join("s.tif"), 3, &["PHOTOMETRIC=RGB"], texture).close().unwrap();
    scene(&at.join("mask.tif"), 1, &[], |_, x, _| u16::from(x >= 40)).close().unwrap();
    // Columns and rows as coordinates are no place that could differ from the scene's.
    let mut placeless = scene(&at.join("placeless.tif"), 1, &[], |_, x, _| u16::from(x >= 40));
    placeless.set_geo_transform(&[0.0, 1.0, 0.0, 0.0, 0.0, -1.0]).unwrap();
    placeless.close().unwrap();
    let polygon = r#"{"type":"FeatureCollection","crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::32632"}},
        "features":[{"type":"Feature","properties":{},"geometry":{"type":"Polygon","coordinates":[
        [[500200,4999900],[500600,4999900],[500600,4999500],[500200,4999500],[500200,4999900]]]}}]}"#;
    fs::write(at.join("cut.geojson"), polygon).unwrap();
    let square = |x: usize, y: usize| (20..60).contains(&x) && (10..50).contains(&y);
    let parts: [Part<'_>; 6] = [
        (&["--mask", "mask.tif"], &|x, _| x >= 40),
        (&["--mask", "placeless.tif"], &|x, _| x >= 40),
        (&["--window", "20,10,40,40"], &square),
        (&["--bbox", "500200,4999500,500600,4999900"], &square),
        (&["--cutline", "cut.geojson"], &square),
        (&["--window", "20,10,40,40", "--mask", "mask.tif"], &|x, y| square(x, y) && x >= 40),
    ];
    for (arguments, changes) in parts {
        half(at, &[&["s.tif", "-o", "out.tif"], arguments].concat());
        let range = ranges(at)[0];
        for (band, values) in pixels(&at.join("out.tif")).iter().enumerate() {
            for (i, after) in values.iter().enumerate() {
                let (x, y) = (i % 96, i / 96);
                let before = f64::from(texture(band, x, y));
                let wanted = if changes(x, y) { halved(before, range) } else { before };
                assert!((after - wanted).abs() <= 0.5, "{arguments:?}: band {band} at {x}, {y}: {before} {after}");
            }
        }
    }
    // The same box in longitude and latitude covers the same pixels but for its border.
    let corners = "9.00254,45.14975,9.00763,45.15337";
    half(at, &["s.tif", "-o", "out.tif", "--bbox", corners, "--bbox-crs", "EPSG:4326"]);
    let changed = pixels(&at.join("out.tif"))[0]
        .iter()
        .enumerate()
        .filter(|(i, v)| **v != f64::from(texture(0, i % 96, i / 96)))
        .count();
    assert!((1400..1800).contains(&changed), "{changed} of 1600");
    // A mask of the next scene, and one of the same corner with larger pixels.
    for (name, grid) in [
        ("next.tif", [500_960.0, 10.0, 0.0, 5_000_000.0, 0.0, -10.0]),
        ("large.tif", [500_000.0, 20.0, 0.0, 5_000_000.0, 0.0, -20.0]),
    ] {
        let mut mask = scene(&at.join(name), 1, &[], |_, x, _| u16::from(x >= 40));
        mask.set_geo_transform(&grid).unwrap();
        mask.close().unwrap();
    }
    for (arguments, words) in [
        (&["--mask", "next.tif"][..], "next.tif: the mask does not lie where the scene does"),
        (&["--mask", "large.tif"], "large.tif: the mask does not lie where the scene does"),
        (&["--window", "90,0,40,40"], "beyond"),
        (&["--bbox", "0,0,10,10"], "no pixel"),
        (&["--mask", "cut.geojson"], "cut.geojson"),
        (&["--cutline", "mask.tif"], "mask.tif"),
        (&["--mask-clouds"], "no mask of clouds"),
    ] {
        let done = geo(at, &[&["s.tif", "-o", "none.tif", "--model", "half.onnx", "-q"], arguments].concat());
        let said = text(&done.stderr);
        assert!(
            done.status.code() == Some(3) && said.contains(words) && said.lines().count() == 1,
            "{arguments:?}: {said}"
        );
        assert!(!at.join("none.tif").exists());
    }
}

#[test]
fn one_band_is_restored_through_a_model_of_colours() {
    let dir = folder();
    let at = dir.path();
    scene(&at.join("pan.tif"), 1, &["NBITS=11"], |_, x, y| texture(0, x, y) / 2).close().unwrap();
    half(at, &["pan.tif", "-o", "out.tif"]);
    let range = ranges(at)[0];
    for (i, after) in pixels(&at.join("out.tif"))[0].iter().enumerate() {
        let before = f64::from(texture(0, i % 96, i / 96) / 2);
        assert!((after - halved(before, range)).abs() <= 0.5, "{before} {after}");
    }
    assert_eq!(inspect(at, &["pan.tif"])["restores"]["bands"], serde_json::json!([1]));
}

#[test]
fn other_formats_and_layouts_come_out_with_their_values() {
    let dir = folder();
    let at = dir.path();
    let made = scene(&at.join("s.tif"), 4, &["PHOTOMETRIC=MINISBLACK"], texture);
    made.close().unwrap();
    for (format, name) in
        [("HFA", "a.img"), ("ENVI", "b.dat"), ("ERS", "c.ers"), ("EHdr", "d.bil"), ("NITF", "e.ntf"), ("VRT", "f.vrt")]
    {
        tool("gdal_translate", &["-q", "-of", format, "s.tif", name], at);
    }
    tool(
        "gdal_translate",
        &[
            "-q",
            "-of",
            "JP2OpenJPEG",
            "-co",
            "QUALITY=100",
            "-co",
            "REVERSIBLE=YES",
            "-co",
            "NBITS=13",
            "s.tif",
            "g.jp2",
        ],
        at,
    );
    tool("gdalbuildvrt", &["-q", "-separate", "h.vrt", "s.tif", "a.img", "g.jp2"], at);
    for name in ["a.img", "b.dat", "c.ers", "d.bil", "e.ntf", "f.vrt", "g.jp2", "h.vrt"] {
        half(at, &[name, "-o", "out.tif", "--bands", "1,2,3"]);
        let range = ranges(at)[0];
        let (before, after) = (pixels(&at.join(name)), pixels(&at.join("out.tif")));
        for (band, (before, after)) in before.iter().zip(&after).enumerate() {
            for (a, b) in before.iter().zip(after) {
                let wanted = if band < 3 { halved(*a, range) } else { *a };
                assert!((b - wanted).abs() <= 0.5, "{name}, band {}: {a} {b}", band + 1);
            }
        }
        for path in names(at).iter().filter(|n| n.starts_with("out.")) {
            fs::remove_file(at.join(path)).unwrap();
        }
    }
    // What a TIFF cannot hold is told, and an error where that is wanted.
    let refused = geo(at, &["h.vrt", "-o", "out.tif", "--bands", "1,2,3", "--model", "half.onnx", "-q", "--strict"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(text(&refused.stderr).contains("colour interpretation of band 1"), "{}", text(&refused.stderr));
    assert!(half(at, &["h.vrt", "-o", "out.tif", "--bands", "1,2,3"]).contains("colour interpretation of band 1"));
}

/// A PNG has red, green, blue and opacity, in this order.
#[test]
fn no_result_shows_a_band_as_another() {
    let dir = folder();
    let at = dir.path();
    scene(&at.join("s.tif"), 4, &["PHOTOMETRIC=MINISBLACK"], texture).close().unwrap();
    let stack = |name: &str, colours: &[&str]| {
        let bands: String = colours
            .iter()
            .zip(1..)
            .map(|(colour, i)| {
                format!(
                    "<VRTRasterBand dataType=\"UInt16\" band=\"{i}\"><ColorInterp>{colour}</ColorInterp><SimpleSource>\
                     <SourceFilename relativeToVRT=\"1\">s.tif</SourceFilename><SourceBand>{i}</SourceBand>\
                     </SimpleSource></VRTRasterBand>"
                )
            })
            .collect();
        fs::write(at.join(name), format!("<VRTDataset rasterXSize=\"96\" rasterYSize=\"80\">{bands}</VRTDataset>"))
            .unwrap();
    };
    stack("order.vrt", &["Blue", "Green", "Red"]);
    stack("infrared.vrt", &["Red", "Green", "Blue", "Undefined"]);
    stack("opacity.vrt", &["Alpha", "Red", "Green", "Blue"]);
    for (name, why) in [
        ("order.vrt", "band 1 (Blue) as Red"),
        ("infrared.vrt", "band 4 (Undefined) as Alpha"),
        ("opacity.vrt", "band 1 (Alpha) as Red"),
    ] {
        for more in [&["-q"][..], &["-q", "--dry-run"]] {
            let done = geo(at, &[&[name, "-o", "out.png", "--model", "half.onnx"], more].concat());
            let said = text(&done.stderr);
            assert!(done.status.code() == Some(3) && said.contains(why), "{name}: {said}");
            assert!(said.lines().count() == 1 && !at.join("out.png").exists(), "{said}");
        }
        half(at, &[name, "-o", "out.tif"]);
    }
    // Bands of which nothing is known may be shown in colours.
    stack("plain.vrt", &["Undefined"; 3]);
    half(at, &["plain.vrt", "-o", "plain.png", "--bands", "1,2,3"]);
    stack("opaque.vrt", &["Red", "Green", "Blue", "Alpha"]);
    half(at, &["opaque.vrt", "-o", "opaque.png"]);
}

#[test]
fn bands_are_found_by_what_they_are_called() {
    let dir = folder();
    let at = dir.path();
    let made = scene(&at.join("planet.tif"), 4, &["PHOTOMETRIC=MINISBLACK"], texture);
    for (i, name) in ["blue", "green", "red", "nir"].into_iter().enumerate() {
        made.rasterband(i + 1).unwrap().set_description(name).unwrap();
        made.rasterband(i + 1).unwrap().set_color_interpretation(ColorInterpretation::Undefined).unwrap();
    }
    made.close().unwrap();
    assert_eq!(inspect(at, &["planet.tif"])["restores"]["bands"], serde_json::json!([3, 2, 1]));
}

#[test]
fn every_case_that_was_found_has_its_expected_result() {
    let Some(cases) = real("cases/geotiff") else { return };
    let dir = folder();
    let at = dir.path();
    let case = |name: &str| cases.join(name).display().to_string();
    // Name, arguments, and the stored value that is black.
    let safe = "sentinel2_safe/S2A_MSIL2A_20220817T102631_N0400_R108_T32TQM_20220817T162201.SAFE";
    let xml = format!("{safe}/MTD_MSIL2A.xml");
    for (name, arguments, black) in [
        ("s2_jp2_nbits15/T32_TCI16.jp2", &["--bands", "1,2,3"][..], 0.0),
        ("s2_jp2_nbits15/stack.vrt", &["--bands", "1,2,3"], 0.0),
        ("s2_jp2_nbits15/T32_B02_10m.jp2", &[], 0.0),
        ("s2_offset1000/s2_pb0300.tif", &[], 0.0),
        ("s2_offset1000/s2_pb0400.tif", &[], 1000.0),
        ("landsat_c2l2/LC08_SR_432.tif", &[], 0.2 / 2.75e-5),
        ("stack_vrt_undefined/stack.vrt", &["--bands", "1,2,3"], 0.0),
        ("stack_vrt_undefined/stack_rgb.vrt", &[], 0.0),
        ("metadata_leading_blanks/nitf11.ntf", &[], 0.0),
        ("undefined_colour_other_drivers/e.ers", &["--bands", "1,2,3"], 0.0),
        ("undefined_colour_other_drivers/eh.bil", &["--bands", "1,2,3"], 0.0),
        ("undefined_colour_other_drivers/h.img", &["--bands", "1,2,3"], 0.0),
        ("undefined_colour_other_drivers/n.ntf", &["--bands", "1,2,3"], 0.0),
        ("band_edges_differ/edges.tif", &[], 0.0),
        ("nodata_new_holes/dos.tif", &[], 0.0),
        ("pan_dry_run/pan.tif", &[], 0.0),
        ("co_tiled/strips42.tif", &["--co", "TILED=YES"], 0.0),
        ("stale_sidecars/nog.tif", &[], 0.0),
        ("colon_in_name/S2_2024-05-01T10:11:12.tif", &[], 0.0),
        (safe, &[], 1000.0),
        (xml.as_str(), &[], 1000.0),
    ] {
        let scene = case(name);
        half(at, &[&[scene.as_str(), "-o", "out.tif"], arguments].concat());
        let after = pixels(&at.join("out.tif"));
        let ranges = ranges(at);
        assert!(ranges.iter().all(|range| (range[0] - black).abs() < 1e-6), "{name}: {ranges:?}");
        let before = if name.contains(".SAFE") {
            let band = |name: &str| {
                let folder = cases.join(safe).join("GRANULE/L2A_T32TQM_A037352_20220817T103209/IMG_DATA/R10m");
                pixels(&folder.join(format!("T32TQM_20220817T102631_{name}_10m.jp2"))).remove(0)
            };
            ["B04", "B03", "B02", "B08"].map(band).to_vec()
        } else {
            pixels(Path::new(&scene))
        };
        assert_eq!(before.len(), after.len(), "{name}");
        let dataset = Dataset::open(at.join("out.tif")).unwrap();
        for (i, (before, after)) in before.iter().zip(&after).enumerate() {
            let nodata = dataset.rasterband(i + 1).unwrap().no_data_value();
            for (a, b) in before.iter().zip(after) {
                let fine = if i >= ranges.len() || Some(*a) == nodata {
                    a == b
                } else if *a > black {
                    // One more where half of it would be nodata.
                    (b - halved(*a, ranges[i])).abs() <= 1.5 && *b >= black && Some(*b) != nodata
                } else {
                    a == b
                };
                assert!(fine, "{name}, band {}: {a} {b}", i + 1);
            }
        }
        drop(dataset);
        for path in names(at).iter().filter(|n| n.starts_with("out.")) {
            fs::remove_file(at.join(path)).unwrap();
        }
    }
    let lake = geo(at, &[&case("vrt_symlinked_tiles/lake/m.vrt"), "-o", "out.tif", "--model", "half.onnx", "-q"]);
    assert!(lake.status.code() == Some(3) && text(&lake.stderr).lines().count() == 1, "{}", text(&lake.stderr));
    let endless = case("hang_color_profile/gradient-3c-32b-float.tiff");
    assert_eq!(geo(at, &[&endless, "-o", "out.tif", "--model", "half.onnx", "-q"]).status.code(), Some(3));
}
