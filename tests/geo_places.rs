//! `artir geo` over the built binary: which places results and reports may have, and what a kill between two renames left.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::Path,
    process::{Command, Output},
};

use artir_tests::{artir, models};
use ndarray::Array3;

/// A folder with a scene and a model that changes nothing.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let rgb = Array3::from_shape_fn((3, 16, 16), |(c, y, x)| (y + x + 40 * c) as u8);
    artir_geo::write_rgb_geotiff(&dir.path().join("scene.tif"), &rgb, [0.5, 2.5, 0.0, 7.5, 0.0, -2.5], 32632).unwrap();
    fs::write(dir.path().join("identity.onnx"), models::rgb_identity()).unwrap();
    dir
}

fn geo<S: AsRef<OsStr>>(dir: &Path, arguments: &[S]) -> Output {
    let mut command: Command = artir();
    command.arg("geo").args(arguments).args(["--model", "identity.onnx", "-q"]).current_dir(dir).output().unwrap()
}

/// The one line of a run that ended with `code`.
fn refused<S: AsRef<OsStr>>(dir: &Path, arguments: &[S], code: i32) -> String {
    let done = geo(dir, arguments);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(code), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

fn succeed<S: AsRef<OsStr>>(dir: &Path, arguments: &[S]) {
    let done = geo(dir, arguments);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn names(dir: &Path) -> Vec<String> {
    let mut out: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    out.sort();
    out
}

/// A scene whose result has a file beside it: a TIFF holds one nodata value.
fn with_several_nodata(dir: &Path) {
    let band = |i: usize, colour: &str| {
        format!(
            "<VRTRasterBand dataType=\"Byte\" band=\"{i}\"><NoDataValue>{i}</NoDataValue><ColorInterp>{colour}</ColorInterp>\
             <SimpleSource><SourceFilename relativeToVRT=\"1\">scene.tif</SourceFilename><SourceBand>{i}</SourceBand>\
             </SimpleSource></VRTRasterBand>"
        )
    };
    let bands: String = ["Red", "Green", "Blue"].iter().enumerate().map(|(i, colour)| band(i + 1, colour)).collect();
    let text = format!("<VRTDataset rasterXSize=\"16\" rasterYSize=\"16\">{bands}</VRTDataset>");
    fs::write(dir.join("several.vrt"), text).unwrap();
}

#[test]
fn a_report_never_takes_the_place_of_an_input_or_of_a_part_of_a_result() {
    let dir = folder();
    let at = dir.path();
    let scene = fs::read(at.join("scene.tif")).unwrap();
    for name in ["GTIFF_DIR:1:scene.tif", "vrt://scene.tif?bands=1,2,3", "scene.tif"] {
        let said = refused(at, &[name, "-o", "out.tif", "--report", "scene.tif", "--overwrite"], 2);
        assert!(said.contains("input"), "{said}");
        assert_eq!(fs::read(at.join("scene.tif")).unwrap(), scene);
    }
    for (out, report) in [("out.tif", "out.tif.aux.xml"), ("out.tif", "OUT.TFW"), ("out.vrt", "out.tif.msk")] {
        let said = refused(at, &["scene.tif", "-o", out, "--report", report], 2);
        assert!(said.contains(report), "{said}");
    }
    assert_eq!(names(at), ["identity.onnx", "scene.tif"]);
}

#[test]
fn a_run_that_two_names_end_is_reported() {
    let dir = folder();
    let at = dir.path();
    refused(at, &["scene.tif", "./scene.tif", "-o", "out/", "--report", "report.json"], 2);
    let report: serde_json::Value = serde_json::from_slice(&fs::read(at.join("report.json")).unwrap()).unwrap();
    assert!(report["problem"].as_str().is_some_and(|why| why.contains("two scenes")), "{report}");
}

#[test]
fn a_report_names_a_result_without_its_folder_unless_it_is_asked_to() {
    let dir = folder();
    let at = dir.path();
    fs::create_dir(at.join("doe-jane")).unwrap();
    fs::write(at.join("doe-jane/scene.tfw"), "1\n0\n0\n-1\n0\n0\n").unwrap();
    refused(at, &["scene.tif", "-o", "doe-jane/", "--report", "report.json"], 3);
    let report = fs::read_to_string(at.join("report.json")).unwrap();
    assert!(report.contains("is left from an older file") && report.contains("scene.tfw"), "{report}");
    assert!(!report.contains("doe-jane"), "{report}");
}

#[test]
fn places_that_gdal_cannot_write_are_known_before() {
    let dir = folder();
    let at = dir.path();
    for out in [&b"o\xff.tif"[..], b"d\xff/o.tif", b"/vsimem/o.tif", b"/vsizip/o.zip/o.tif"] {
        let out = OsStr::from_bytes(out);
        let arguments = [OsStr::new("scene.tif"), OsStr::new("-o"), out];
        let said = refused(at, &arguments, 3);
        assert_eq!(refused(at, &[&arguments[..], &[OsStr::new("--dry-run")]].concat(), 3), said);
    }
    assert_eq!(names(at), ["identity.onnx", "scene.tif"]);
    // What begins like a driver's name is a file like others.
    succeed(at, &["scene.tif", "-o", "GTIFF_DIR:1:o.tif"]);
    assert!(at.join("GTIFF_DIR:1:o.tif").exists());
}

#[test]
fn a_result_that_was_half_published_is_whole_before_anything_is_checked() {
    let dir = folder();
    let at = dir.path();
    with_several_nodata(at);
    let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    for (out, list) in [
        ("o.tif", vec![("o.tif.aux.xml", "staged.aux.xml")]),
        ("o.vrt", vec![("o.tif", "staged.tif"), ("o.tif.aux.xml", "staged.aux.xml")]),
    ] {
        succeed(at, &["several.vrt", "-o", out]);
        let whole = names(at);
        let main = fs::read(at.join(out)).unwrap();
        // As a kill leaves it before the last rename.
        let hidden = at.join(format!(".artir-{out}"));
        fs::create_dir(&hidden).unwrap();
        fs::rename(at.join(out), hidden.join("staged")).unwrap();
        let beside: String = list.iter().map(|(to, from)| format!("beside {} {}\n", hex(from), hex(to))).collect();
        fs::write(hidden.join("publish"), format!("artir-publish 1\nmain {}\n{beside}end\n", hex("staged"))).unwrap();
        let said = refused(at, &["several.vrt", "-o", out], 2);
        assert!(said.contains(&format!("{out}: already exists: use --overwrite")), "{said}");
        assert_eq!(fs::read(at.join(out)).unwrap(), main);
        assert_eq!(names(at), whole);
        for name in list.iter().map(|(name, _)| *name).chain([out]) {
            fs::remove_file(at.join(name)).unwrap();
        }
    }
}

/// The files of a scene are listed before it is opened, which must not reach a network either.
#[test]
fn a_scene_on_a_network_is_not_asked_for_without_permission() {
    let dir = folder();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let address = server.local_addr().unwrap();
    for name in [format!("/vsicurl/http://{address}/x.tif"), format!("http://{address}/x.tif")] {
        let said = refused(dir.path(), &[&name, "-o", "out.tif"], 3);
        assert!(said.contains("--allow-remote"), "{said}");
        let asked = server.accept();
        assert!(asked.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock), "{name}: it was asked for");
    }
}
