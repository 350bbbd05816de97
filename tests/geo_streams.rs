//! `artir geo` between pipes: a scene on standard input, its result on standard output.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Output, Stdio},
};

use artir_tests::{artir, models, names, scenes::pixels, text};
use gdal::{Dataset, Metadata};
use ndarray::Array3;

const MODEL: [&str; 3] = ["--model", "half.onnx", "-q"];

/// A folder with a georeferenced scene, a model that halves what it sees, and a folder for temporary files.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let rgb = Array3::from_shape_fn((3, 70, 90), |(c, y, x)| (60 + (y / 3 + x / 5 + 40 * c) % 120) as u8);
    let grid = [500_000.0, 10.0, 0.0, 5_000_000.0, 0.0, -10.0];
    artir_geo::write_rgb_geotiff(&dir.path().join("scene.tif"), &rgb, grid, 32632).unwrap();
    fs::write(dir.path().join("half.onnx"), models::rgb_multiplies(0.5)).unwrap();
    fs::create_dir(dir.path().join("tmp")).unwrap();
    dir
}

/// Temporary files of artir's own. ONNX Runtime has some of its own.
fn temporary(dir: &Path) -> Vec<String> {
    names(&dir.join("tmp")).into_iter().filter(|name| name.starts_with("artir")).collect()
}

/// Runs the command with bytes on standard input. Whoever ends without reading all of them closes the pipe.
fn piped(dir: &Path, bytes: &[u8], arguments: &[&str]) -> Output {
    let mut command = artir();
    command.arg("geo").args(arguments).current_dir(dir).env("TMPDIR", dir.join("tmp"));
    let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = streams.spawn().unwrap();
    let (mut to, bytes) = (child.stdin.take().unwrap(), bytes.to_vec());
    let writer = std::thread::spawn(move || to.write_all(&bytes));
    let done = child.wait_with_output().unwrap();
    drop(writer.join().unwrap());
    done
}

fn succeed(dir: &Path, bytes: &[u8], arguments: &[&str]) -> Vec<u8> {
    let done = piped(dir, bytes, &[arguments, &MODEL].concat());
    assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
    assert_eq!(temporary(dir), [""; 0], "temporary files stay");
    done.stdout
}

/// The one line of a run that ended with `code`, wrote nothing, and left nothing.
fn refused(dir: &Path, bytes: &[u8], arguments: &[&str], code: i32) -> String {
    let before = names(dir);
    let done = piped(dir, bytes, &[arguments, &MODEL].concat());
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(done.stdout.is_empty() && said.lines().count() == 1, "{arguments:?}: {said}");
    assert!(names(dir) == before && temporary(dir).is_empty(), "{arguments:?}: something is left");
    said
}

#[test]
fn a_scene_goes_through_pipes_as_through_files() {
    let dir = folder();
    let at = dir.path();
    let scene = fs::read(at.join("scene.tif")).unwrap();
    succeed(at, &[], &["scene.tif", "-o", "file.tif"]);
    let file = fs::read(at.join("file.tif")).unwrap();
    for (input, output) in [("/vsistdin/", "/vsistdout/"), ("-", "-"), ("scene.tif", "-")] {
        let bytes = succeed(at, &scene, &[input, "-o", output]);
        assert!(bytes == file, "{input} {output}: {} and {} bytes", bytes.len(), file.len());
    }
    assert!(succeed(at, &scene, &["-", "-o", "other.tif"]).is_empty());
    assert!(fs::read(at.join("other.tif")).unwrap() == file);
    fs::create_dir(at.join("folder")).unwrap();
    succeed(at, &scene, &["-", "-o", "folder"]);
    assert_eq!(names(&at.join("folder")), ["stdin.tif"]);
    fs::write(at.join("cog.tif"), succeed(at, &scene, &["-", "-o", "-", "--format", "cog"])).unwrap();
    let cog = Dataset::open(at.join("cog.tif")).unwrap();
    assert_eq!(cog.metadata_item("LAYOUT", "IMAGE_STRUCTURE").as_deref(), Some("COG"));
    assert_eq!(pixels(&at.join("cog.tif")), pixels(&at.join("file.tif")));
    // A COG on standard input gives a COG, as from a file.
    let again = succeed(at, &fs::read(at.join("cog.tif")).unwrap(), &["-", "-o", "-"]);
    fs::write(at.join("again.tif"), again).unwrap();
    let again = Dataset::open(at.join("again.tif")).unwrap();
    assert_eq!(again.metadata_item("LAYOUT", "IMAGE_STRUCTURE").as_deref(), Some("COG"));
}

#[test]
fn other_formats_come_through_a_pipe_and_reports_name_the_streams() {
    let dir = folder();
    let at = dir.path();
    succeed(at, &[], &["scene.tif", "-o", "scene.jp2"]);
    let jp2 = fs::read(at.join("scene.jp2")).unwrap();
    let options =
        ["-", "-o", "-", "--bands", "1,2,3", "--report", "r.json", "--change", "change.tif", "--work", "work"];
    let bytes = succeed(at, &jp2, &options);
    fs::write(at.join("result.tif"), bytes).unwrap();
    assert_eq!(Dataset::open(at.join("result.tif")).unwrap().raster_size(), (90, 70));
    assert!(at.join("change.tif").is_file() && !at.join("work").exists());
    let report = fs::read_to_string(at.join("r.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(json["scenes"][0]["name"], "standard input");
    assert_eq!(json["scenes"][0]["done"]["result"], "standard output");
    assert!(!report.contains("artir-scene-"), "{report}");
    let told = piped(at, &jp2, &["-", "--inspect", "--bands", "1,2,3"]);
    let json: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(json["restores"]["bands"], serde_json::json!([1, 2, 3]), "{}", text(&told.stderr));
    let shown = piped(at, &jp2, &["-", "-o", "-", "--bands", "1,2,3", "--model", "half.onnx", "--progress", "json"]);
    assert!(text(&shown.stderr).contains("\"item\":\"standard input\""), "{}", text(&shown.stderr));
}

#[test]
fn what_a_stream_cannot_do_is_refused_before_it_is_read() {
    let dir = folder();
    let at = dir.path();
    fs::copy(at.join("scene.tif"), at.join("second.tif")).unwrap();
    for (arguments, flag) in [
        (&["-", "second.tif", "-o", "folder/"][..], "standard input"),
        (&["scene.tif", "second.tif", "-o", "-"], "--output"),
        (&["-", "-o", "x.tif", "--resume"], "--resume"),
        (&["scene.tif", "-o", "-", "--resume"], "--resume"),
        (&["scene.tif", "-o", "-", "--preview"], "--preview"),
        (&["scene.tif", "-o", "/vsistdout/", "--stac"], "--stac"),
        (&["scene.tif", "-o", "-", "--dry-run"], "--dry-run"),
    ] {
        // Not a scene: it would be refused for that if it were read.
        let said = refused(at, b"no scene", arguments, 2);
        assert!(said.contains(flag), "{arguments:?}: {said}");
    }
    let said = refused(at, b"no scene", &["-", "-o", "second.tif"], 2);
    assert!(said.contains("second.tif") && said.contains("--overwrite"), "{said}");
    // A file that GDAL writes beside a TIFF would be lost.
    let said = refused(at, &[], &["scene.tif", "-o", "-", "--co", "TFW=YES"], 3);
    assert!(said.contains("standard output") && said.contains(".tfw"), "{said}");
}

/// A TIFF holds one nodata value for all bands, and no first band without colour. Other bands' values go into `.aux.xml`.
#[test]
fn what_only_a_file_beside_it_could_hold_is_lost_with_a_warning_or_refused() {
    let dir = folder();
    let at = dir.path();
    let vrt = |nodata: [u8; 3], colours: [&str; 3]| {
        let band = |i: usize| {
            format!(
                "<VRTRasterBand dataType=\"Byte\" band=\"{n}\"><NoDataValue>{}</NoDataValue><ColorInterp>{}</ColorInterp>\
                 <SimpleSource><SourceFilename relativeToVRT=\"1\">scene.tif</SourceFilename><SourceBand>{n}</SourceBand>\
                 </SimpleSource></VRTRasterBand>",
                nodata[i],
                colours[i],
                n = i + 1
            )
        };
        let bands: String = (0..3).map(band).collect();
        let text = format!("<VRTDataset rasterXSize=\"90\" rasterYSize=\"70\">{bands}</VRTDataset>");
        fs::write(at.join("scene.vrt"), text).unwrap();
    };
    vrt([1, 2, 3], ["Red", "Green", "Blue"]);
    let said = refused(at, &[], &["scene.vrt", "-o", "-"], 3);
    assert!(said.contains("standard output") && said.contains("nodata"), "{said}");
    vrt([1, 1, 1], ["Undefined", "Undefined", "Undefined"]);
    let arguments = ["geo", "scene.vrt", "-o", "-", "--bands", "1,2,3", "--model", "half.onnx"];
    let done = artir().args(arguments).current_dir(at).env("TMPDIR", at.join("tmp")).output().unwrap();
    let said = text(&done.stderr);
    assert!(done.status.success() && said.contains("standard output: the result cannot hold"), "{said}");
    assert!(!said.contains("ARTIR"), "{said}");
    let said = refused(at, &[], &["scene.vrt", "-o", "-", "--bands", "1,2,3", "--strict"], 3);
    assert!(said.contains("colour interpretation"), "{said}");
}

#[test]
fn a_stream_that_is_no_scene_or_ends_early_is_named() {
    let dir = folder();
    let at = dir.path();
    let scene = fs::read(at.join("scene.tif")).unwrap();
    let vrt =
        b"<VRTDataset rasterXSize=\"9\" rasterYSize=\"9\"><VRTRasterBand dataType=\"Byte\" band=\"1\"><SimpleSource>\
        <SourceFilename relativeToVRT=\"1\">scene.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>";
    for (bytes, words) in [
        (&b""[..], "is empty"),
        (b"no scene", "GDAL cannot open it"),
        (&scene[..scene.len() / 2], "pixels"),
        (vrt, "scene.tif"),
    ] {
        let said = refused(at, bytes, &["/vsistdin/", "-o", "-"], 3);
        assert!(said.starts_with("artir: standard input: ") && said.contains(words), "{said}");
        assert!(!said.contains("artir-scene-"), "{said}");
    }
}

#[test]
fn a_reader_that_goes_away_is_an_error() {
    let dir = folder();
    let mut command = artir();
    command.args(["geo", "scene.tif", "-o", "-"]).args(MODEL).current_dir(dir.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    let said = text(&done.stderr);
    assert!(done.status.code() == Some(3) && said.starts_with("artir: standard output: cannot write"), "{said}");
}
