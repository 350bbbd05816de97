//! `artir geo --report`: files are named without their folders, and no source of a scene is overwritten.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path, process::Output};

use artir_tests::{artir, models, text};
use ndarray::Array3;

/// `PERSON/scene.tif`, `PERSON/mosaic.vrt` over it, and a model that changes nothing.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let person = dir.path().join("jane doe");
    fs::create_dir(&person).unwrap();
    let rgb = Array3::from_shape_fn((3, 32, 48), |(c, y, x)| (y + x + 40 * c) as u8);
    artir_geo::write_rgb_geotiff(&person.join("scene.tif"), &rgb, [0.5, 2.5, 0.0, 7.5, 0.0, -2.5], 32632).unwrap();
    let vrt = |source: &str| {
        let band = |(i, colour): (usize, &str)| {
            format!(
                "<VRTRasterBand dataType=\"Byte\" band=\"{i}\"><ColorInterp>{colour}</ColorInterp><SimpleSource>\
                 <SourceFilename relativeToVRT=\"1\">{source}</SourceFilename><SourceBand>{i}</SourceBand>\
                 </SimpleSource></VRTRasterBand>"
            )
        };
        let bands: String = (1..).zip(["Red", "Green", "Blue"]).map(band).collect();
        format!("<VRTDataset rasterXSize=\"48\" rasterYSize=\"32\">{bands}</VRTDataset>")
    };
    fs::write(person.join("mosaic.vrt"), vrt("scene.tif")).unwrap();
    fs::write(person.join("nested.vrt"), vrt("mosaic.vrt")).unwrap();
    fs::write(person.join("broken.vrt"), vrt("../secret lake/gone.tif")).unwrap();
    fs::write(dir.path().join("identity.onnx"), models::rgb_identity()).unwrap();
    dir
}

fn geo(dir: &Path, arguments: &[&str]) -> Output {
    artir().arg("geo").args(arguments).args(["--model", "identity.onnx", "-q"]).current_dir(dir).output().unwrap()
}

#[test]
fn a_report_names_files_and_no_folder() {
    let dir = folder();
    let at = dir.path();
    let whole = at.join("jane doe/scene.tif").display().to_string();
    let done = geo(at, &[&whole, "jane doe/broken.vrt", "-o", "jane doe/out", "--report", "r.json"]);
    assert_eq!(done.status.code(), Some(2), "{}", text(&done.stderr));
    let done = geo(at, &[&whole, "jane doe/broken.vrt", "-o", "jane doe/out/", "--report", "r.json", "--overwrite"]);
    assert_eq!(done.status.code(), Some(4), "{}", text(&done.stderr));
    let report = fs::read_to_string(at.join("r.json")).unwrap();
    for word in ["jane", "doe", "lake", "secret", &at.display().to_string()] {
        assert!(!report.contains(word), "{word}: {report}");
    }
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["schema"], 2);
    let scenes = &report["scenes"];
    let (failed, written) = (&scenes[0], &scenes[1]);
    let (written, failed) = if written["outcome"] == "written" { (written, failed) } else { (failed, written) };
    assert_eq!((&written["name"], &written["done"]["size"]), (&"scene.tif".into(), &"48x32".into()));
    assert_eq!(failed["name"], "broken.vrt");
    assert!(failed["problem"].as_str().is_some_and(|why| why.contains("gone.tif")), "{failed}");
    let shown = ["--report", "s.json", "--show-paths", "--overwrite"];
    let done = geo(at, &[&[whole.as_str(), "-o", "jane doe/out/"], &shown[..]].concat());
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(fs::read_to_string(at.join("s.json")).unwrap().contains("jane doe"));
}

#[test]
fn no_source_of_a_virtual_raster_is_overwritten() {
    let dir = folder();
    let at = dir.path();
    let before = fs::read(at.join("jane doe/scene.tif")).unwrap();
    for scene in ["jane doe/mosaic.vrt", "jane doe/nested.vrt"] {
        for arguments in
            [["-o", "out.tif", "--report", "jane doe/scene.tif"], ["-o", "jane doe/scene.tif", "--report", "r.json"]]
        {
            let done = geo(at, &[&[scene, "--overwrite"], &arguments[..]].concat());
            assert_eq!(done.status.code(), Some(2), "{scene} {arguments:?}: {}", text(&done.stderr));
            assert!(text(&done.stderr).contains("would overwrite an input"), "{}", text(&done.stderr));
            assert_eq!(fs::read(at.join("jane doe/scene.tif")).unwrap(), before);
        }
    }
}
