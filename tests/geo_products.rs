//! `artir geo` on products that are named by their folder or their metadata.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use artir_tests::{
    scenes::{folder, geo, half, halved, inspect, pixels, ranges, scene, texture},
    text,
};
use gdal::{Dataset, Metadata, raster::ColorInterpretation};

/// A product folder of Landsat or Sentinel-2 with bands of this texture.
fn landsat(dir: &Path, level: &str, xml: bool) -> PathBuf {
    let name = format!("LC09_{level}_193029_20230715_20230716_02_T1");
    let product = dir.join(&name);
    fs::create_dir(&product).unwrap();
    let prefix = if level == "L2SP" { "SR_" } else { "" };
    let mut items = vec![
        ("LANDSAT_PRODUCT_ID".to_owned(), name.clone()),
        ("PROCESSING_LEVEL".into(), level.into()),
        ("COLLECTION_NUMBER".into(), "02".into()),
        ("SPACECRAFT_ID".into(), "LANDSAT_9".into()),
        ("SUN_ELEVATION".into(), "30.0".into()),
        ("FILE_NAME_QUALITY_L1_PIXEL".into(), format!("{name}_QA_PIXEL.TIF")),
    ];
    for band in 1..=7 {
        let file = format!("{name}_{prefix}B{band}.TIF");
        let made = scene(&product.join(&file), 1, &[], |_, x, y| if x < 5 { 0 } else { 8000 + texture(band, x, y) });
        made.rasterband(1).unwrap().set_no_data_value(Some(0.0)).unwrap();
        made.close().unwrap();
        items.push((format!("FILE_NAME_BAND_{band}"), file));
        let (mult, add) = if level == "L2SP" { ("2.75e-05", "-0.2") } else { ("2.0000E-05", "-0.100000") };
        items.push((format!("REFLECTANCE_MULT_BAND_{band}"), mult.into()));
        items.push((format!("REFLECTANCE_ADD_BAND_{band}"), add.into()));
    }
    scene(&product.join(format!("{name}_QA_PIXEL.TIF")), 1, &[], |_, x, _| if x < 48 { 21_824 } else { 22_280 })
        .close()
        .unwrap();
    let (ending, lines): (&str, String) = if xml {
        let inside: String = items.iter().map(|(k, v)| format!("<{k}>{v}</{k}>")).collect();
        ("xml", format!("<LANDSAT_METADATA_FILE><A>{inside}</A></LANDSAT_METADATA_FILE>"))
    } else {
        let inside: String = items.iter().map(|(k, v)| format!("    {k} = \"{v}\"\n")).collect();
        ("txt", format!("GROUP = LANDSAT_METADATA_FILE\n{inside}END_GROUP = LANDSAT_METADATA_FILE\nEND\n"))
    };
    fs::write(product.join(format!("{name}_MTL.{ending}")), lines).unwrap();
    product
}

#[test]
fn landsat_is_named_by_its_folder_or_its_metadata() {
    for (level, xml, black) in [("L2SP", false, 0.2 / 2.75e-5), ("L2SP", true, 0.2 / 2.75e-5), ("L1TP", false, 5000.0)]
    {
        let dir = folder();
        let at = dir.path();
        let product = landsat(at, level, xml);
        let name = product.file_name().unwrap().to_str().unwrap();
        let told = inspect(at, &[name]);
        assert!(told["product"].as_str().is_some_and(|p| p.contains("Landsat 9") && p.contains(level)), "{told}");
        assert_eq!(told["restores"]["bands"], serde_json::json!([1, 2, 3]));
        half(at, &[name, "-o", "out/"]);
        let ranges = ranges(at);
        assert!((ranges[0][0] - black).abs() < 1e-6, "{ranges:?}");
        let out = at.join(format!("out/{name}.tif"));
        let after = pixels(&out);
        assert_eq!(after.len(), 7);
        for (band, number) in [4, 3, 2].into_iter().enumerate() {
            for (i, after) in after[band].iter().enumerate() {
                let (x, y) = (i % 96, i / 96);
                let before = f64::from(8000 + texture(number, x, y));
                let wanted = if x < 5 { 0.0 } else { halved(before, ranges[band]) };
                assert!((after - wanted).abs() <= 1.0, "{level}, band {number}: {before} {after} {wanted}");
            }
        }
        let dataset = Dataset::open(&out).unwrap();
        let first = dataset.rasterband(1).unwrap();
        assert_eq!((first.color_interpretation(), first.no_data_value()), (ColorInterpretation::RedBand, Some(0.0)));
        assert!(first.description().unwrap().ends_with("B4"));
        // Clouds of QA_PIXEL stay as they are.
        half(at, &[name, "-o", "masked.tif", "--mask-clouds"]);
        let masked = pixels(&at.join("masked.tif"));
        assert_eq!(masked[0][90], f64::from(8000 + texture(4, 90, 0)));
        assert_eq!(masked[0][20], after[0][20]);
        let metadata = fs::read_dir(&product)
            .unwrap()
            .map(|e| e.unwrap().path())
            .find(|p| p.display().to_string().contains("_MTL"))
            .unwrap();
        half(at, &[metadata.to_str().unwrap(), "-o", "by_name.tif"]);
        assert_eq!(pixels(&at.join("by_name.tif")), after);
        // No product reaches outside its folder.
        let bad = fs::read_to_string(&metadata)
            .unwrap()
            .replace(&format!("{name}_SR_B4.TIF"), "../half.onnx")
            .replace(&format!("{name}_B4.TIF"), "../half.onnx");
        fs::write(&metadata, bad).unwrap();
        let refused = geo(at, &[name, "-o", "none.tif", "--model", "half.onnx", "-q"]);
        assert!(
            refused.status.code() == Some(3) && text(&refused.stderr).contains("outside its folder"),
            "{}",
            text(&refused.stderr)
        );
    }
}

/// Level 1 is stored without the sun's angle. Before Collection 2, its metadata call the level the type of the data.
#[test]
fn older_landsat_has_the_level_that_it_states() {
    let dir = folder();
    let at = dir.path();
    let product = landsat(at, "L1TP", false);
    let name = product.file_name().unwrap().to_str().unwrap();
    let metadata = product.join(format!("{name}_MTL.txt"));
    let text_of = fs::read_to_string(&metadata).unwrap();
    fs::write(&metadata, text_of.replace("PROCESSING_LEVEL", "DATA_TYPE").replace("\"02\"", "\"01\"")).unwrap();
    let told = inspect(at, &[name]);
    assert!(told["product"].as_str().is_some_and(|p| p.contains("Collection 1 L1TP")), "{told}");
    half(at, &[name, "-o", "out.tif"]);
    let dataset = Dataset::open(at.join("out.tif")).unwrap();
    let first = dataset.rasterband(1).unwrap();
    // Sine of 30 degrees.
    assert!((first.scale().unwrap() - 4e-5).abs() < 1e-12 && (first.offset().unwrap() + 0.2).abs() < 1e-12);
    assert_eq!(first.description().unwrap(), "B4");
    // A level that is not stated is not guessed.
    fs::write(&metadata, text_of.replace("PROCESSING_LEVEL", "UNKNOWN")).unwrap();
    let refused = geo(at, &[name, "-o", "none.tif", "--model", "half.onnx", "-q"]);
    let said = text(&refused.stderr);
    assert!(refused.status.code() == Some(3) && said.contains("lacks PROCESSING_LEVEL"), "{said}");
    assert!(said.lines().count() == 1 && !at.join("none.tif").exists(), "{said}");
}

#[test]
fn planetscope_is_blue_green_red() {
    let dir = folder();
    let at = dir.path();
    fs::create_dir(at.join("order")).unwrap();
    scene(&at.join("order/20230101_101010_AnalyticMS_SR.tif"), 4, &["PHOTOMETRIC=MINISBLACK"], texture)
        .close()
        .unwrap();
    scene(&at.join("order/20230101_101010_udm2.tif"), 8, &[], |_, x, _| u16::from(x < 30)).close().unwrap();
    let told = inspect(at, &["order"]);
    assert_eq!(
        (&told["restores"]["bands"], &told["product"]),
        (&serde_json::json!([3, 2, 1]), &"PlanetScope, 4 bands".into())
    );
    half(at, &["order", "-o", "out/", "--mask-clouds"]);
    let after = pixels(&at.join("out/20230101_101010_AnalyticMS_SR.tif"));
    assert_eq!((after[0][10], after[0][40]), (f64::from(texture(0, 10, 0)) / 2.0, f64::from(texture(0, 40, 0))));
    assert_eq!(after[3][10], f64::from(texture(3, 10, 0)), "near infrared");
    // Three bands of such an image are in the order that their file states.
    let name = "20230101_101010_AnalyticMS_SR_rgb.tif";
    scene(&at.join(name), 3, &["PHOTOMETRIC=RGB"], texture).close().unwrap();
    assert_eq!(inspect(at, &[name])["restores"]["bands"], serde_json::json!([1, 2, 3]));
}
