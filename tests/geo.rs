//! `artir geo` over the built binary: what it keeps, what it refuses, what is left when it fails.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use artir_tests::{artir, models, names, text};
use ndarray::Array3;

/// A folder with a scene of three bands, `scene.tif`, and a model that changes nothing, `identity.onnx`.
fn folder(rows: usize, columns: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut state = 1u32;
    let rgb = Array3::from_shape_fn((3, rows, columns), |(c, y, x)| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((y / 3 + x / 5 + 40 * c) % 200) as u8 + (state >> 28) as u8
    });
    let grid = [500_000.1, 2.5, 0.0, 5_400_000.3, 0.0, -2.5];
    artir_geo::write_rgb_geotiff(&dir.path().join("scene.tif"), &rgb, grid, 32632).unwrap();
    fs::write(dir.path().join("identity.onnx"), models::rgb_identity()).unwrap();
    dir
}

fn geo(dir: &Path, arguments: &[&str]) -> Output {
    artir().arg("geo").args(arguments).current_dir(dir).output().unwrap()
}

/// With the model that changes nothing, quietly.
fn identity(dir: &Path, arguments: &[&str]) -> Output {
    let mut all = arguments.to_vec();
    all.extend(["--model", "identity.onnx", "-q"]);
    geo(dir, &all)
}

#[test]
fn a_scene_comes_out_as_geotiff_and_cog_and_compares_equal() {
    let dir = folder(700, 500);
    let at = dir.path();
    for format in ["gtiff", "cog"] {
        let out = format!("{format}.tif");
        let report = format!("{format}.json");
        let done = identity(at, &["scene.tif", "-o", &out, "--format", format, "--report", &report, "--tile", "256"]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        let same = geo(at, &["--compare", "scene.tif", &out]);
        assert!(same.status.success() && same.stdout.is_empty(), "{}", text(&same.stdout));
        let report: serde_json::Value = serde_json::from_slice(&fs::read(at.join(report)).unwrap()).unwrap();
        assert_eq!(report["scenes"][0]["outcome"], "written");
        assert_eq!(report["scenes"][0]["done"]["bands"], serde_json::json!([1, 2, 3]));
        assert_eq!(report["scenes"][0]["name"], "scene.tif", "scenes are not patients");
        assert_eq!(report["scenes"][0]["done"]["result"], out.as_str());
        assert_eq!(report["scenes"][0]["done"]["size"], "500x700", "columns x rows");
    }
    let inspected = geo(at, &["--inspect", "cog.tif"]);
    let told: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(told["geotransform"], serde_json::json!([500_000.1, 2.5, 0.0, 5_400_000.3, 0.0, -2.5]));
    assert_eq!(told["restores"]["range"], serde_json::json!([0.0, 255.0]));
    // The built-in model changes something, and only what may change.
    assert!(geo(at, &["scene.tif", "-o", "clear.tif", "-q", "--tile", "256"]).status.success());
    let differs = geo(at, &["--compare", "scene.tif", "clear.tif"]);
    assert_eq!(differs.status.code(), Some(1));
    assert!(text(&differs.stdout).lines().all(|l| l.starts_with("pixels of band")), "{}", text(&differs.stdout));
    assert!(geo(at, &["--compare", "scene.tif", "clear.tif", "--except-bands", "1,2,3"]).status.success());
}

#[test]
fn several_scenes_go_into_a_folder_and_a_bad_one_is_named() {
    let dir = folder(90, 70);
    let at = dir.path();
    fs::copy(at.join("scene.tif"), at.join("other.tif")).unwrap();
    fs::write(at.join("bad.tif"), "no image").unwrap();
    let done = identity(at, &["scene.tif", "bad.tif", "other.tif", "-o", "out/"]);
    assert_eq!(done.status.code(), Some(4));
    assert!(text(&done.stderr).contains("bad.tif"), "{}", text(&done.stderr));
    assert_eq!(names(&at.join("out")), ["other.tif", "scene.tif"]);
    let again = identity(at, &["scene.tif", "-o", "out/"]);
    assert_eq!(again.status.code(), Some(2), "what is there is not replaced unasked");
    assert_eq!(identity(at, &["scene.tif", "-o", "scene.tif", "--overwrite"]).status.code(), Some(2));
}

#[test]
fn a_virtual_raster_is_confined_to_its_folder() {
    let dir = folder(64, 64);
    let at = dir.path();
    fs::create_dir(at.join("inner")).unwrap();
    let band = |i: usize, source: &str| {
        let colour = ["Red", "Green", "Blue"][i - 1];
        format!(
            "<VRTRasterBand dataType=\"Byte\" band=\"{i}\"><ColorInterp>{colour}</ColorInterp><SimpleSource>\
             <SourceFilename relativeToVRT=\"1\">{source}</SourceFilename><SourceBand>{i}</SourceBand></SimpleSource>\
             </VRTRasterBand>"
        )
    };
    let vrt = |source: &str| {
        let bands: String = (1..=3).map(|i| band(i, source)).collect();
        format!("<VRTDataset rasterXSize=\"64\" rasterYSize=\"64\">{bands}</VRTDataset>")
    };
    fs::write(at.join("inside.vrt"), vrt("scene.tif")).unwrap();
    fs::write(at.join("inner/outside.vrt"), vrt("../scene.tif")).unwrap();
    let inside = identity(at, &["inside.vrt", "-o", "a.tif"]);
    assert!(inside.status.success(), "{}", text(&inside.stderr));
    let outside = identity(at, &["inner/outside.vrt", "-o", "b.tif"]);
    assert_eq!(outside.status.code(), Some(3));
    assert!(text(&outside.stderr).contains("--allow-path") && !at.join("b.tif").exists());
    assert!(identity(at, &["inner/outside.vrt", "-o", "b.tif", "--allow-remote"]).status.success());
    assert!(geo(at, &["--compare", "a.tif", "b.tif"]).status.success());
}

#[test]
fn a_damaged_block_is_an_error_and_leaves_nothing() {
    let dir = folder(400, 300);
    let at = dir.path();
    let mut bytes = fs::read(at.join("scene.tif")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 40].fill(0xff);
    fs::write(at.join("torn.tif"), bytes).unwrap();
    let done = identity(at, &["torn.tif", "-o", "out/torn.tif"]);
    assert_eq!(done.status.code(), Some(3), "{}", text(&done.stderr));
    assert!(text(&done.stderr).starts_with("artir: torn.tif: its pixels: "), "{}", text(&done.stderr));
    assert!(!at.join("out").exists());
}

/// A file that cannot grow is what a full disk is, but for the words.
#[test]
#[cfg(unix)]
fn a_full_disk_is_an_error_and_leaves_nothing() {
    let dir = folder(1500, 1500);
    let at = dir.path();
    let binary: PathBuf = artir().get_program().into();
    let before = names(at);
    for (format, blocks) in [("gtiff", 256), ("gtiff", 20_000), ("cog", 256), ("cog", 9_000)] {
        // The signal of the limit is ignored, so that writing fails as it does on a full disk.
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let done = Command::new("bash")
            .args(["-c", &script])
            .arg(&binary)
            .args(["geo", "scene.tif", "-o", "full.tif", "--model", "identity.onnx", "-q", "--format", format])
            .args(["--co", "COMPRESS=NONE"])
            .current_dir(at)
            .output()
            .unwrap();
        if at.join("full.tif").exists() {
            // Enough after all: then it is whole.
            assert!(done.status.success() && geo(at, &["--compare", "scene.tif", "full.tif"]).status.success());
            fs::remove_file(at.join("full.tif")).unwrap();
            assert!(blocks > 256, "750 KB cannot hold the result");
        } else {
            assert_eq!(done.status.code(), Some(3), "{format} {blocks}: {}", text(&done.stderr));
            assert!(text(&done.stderr).contains("full.tif"), "{}", text(&done.stderr));
        }
        assert_eq!(names(at), before, "{format} {blocks}");
    }
}

/// Killed at any moment, a scene is not there, and `--resume` gives the same bytes as an uninterrupted run.
#[test]
fn a_killed_scene_is_resumed_to_the_same_bytes() {
    let dir = folder(1600, 900);
    let at = dir.path();
    let arguments = ["scene.tif", "--tile", "128", "--overlap", "32"];
    assert!(identity(at, &[&arguments[..], &["-o", "whole.tif"]].concat()).status.success());
    let whole = fs::read(at.join("whole.tif")).unwrap();
    let mut taken_up = 0;
    for round in 0..10u64 {
        let mut child = artir()
            .arg("geo")
            .args(arguments)
            .args(["-o", "out.tif", "--model", "identity.onnx", "-q"])
            .current_dir(at)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Moments that are spread over a run of some tenths of a second.
        std::thread::sleep(Duration::from_millis(60 + 9 * round * round));
        child.kill().unwrap();
        child.wait().unwrap();
        // Killed after the scene got its name, the run has left it whole.
        if at.join("out.tif").exists() {
            assert_eq!(fs::read(at.join("out.tif")).unwrap(), whole, "round {round}");
        }
        let resumed = [&arguments[..], &["-o", "out.tif", "--resume", "--overwrite", "--report", "r.json"]].concat();
        let done = identity(at, &resumed);
        assert!(done.status.success(), "{}", text(&done.stderr));
        let report: serde_json::Value = serde_json::from_slice(&fs::read(at.join("r.json")).unwrap()).unwrap();
        taken_up += usize::from(report["scenes"][0]["done"]["rows_resumed"].as_u64() > Some(0));
        assert_eq!(fs::read(at.join("out.tif")).unwrap(), whole, "round {round}");
        fs::remove_file(at.join("out.tif")).unwrap();
        assert_eq!(names(at), ["identity.onnx", "r.json", "scene.tif", "whole.tif"]);
    }
    println!("{taken_up} of 10 runs had something to take up");
}

/// Of several scenes, `--resume` leaves those that a run of the same settings has finished, and refuses other results.
#[test]
fn finished_scenes_of_an_interrupted_run_stay() {
    let dir = folder(90, 70);
    let at = dir.path();
    let scenes = ["a.tif", "b.tif", "c.tif"];
    for name in scenes {
        fs::copy(at.join("scene.tif"), at.join(name)).unwrap();
    }
    let all = [&scenes[..], &["-o", "out/", "--report", "r.json"]].concat();
    for format in ["gtiff", "cog"] {
        let all = [&all[..], &["--format", format]].concat();
        let first = identity(at, &[&all[..], &["--overwrite"]].concat());
        assert!(first.status.success(), "{}", text(&first.stderr));
        let whole = fs::read(at.join("out/b.tif")).unwrap();
        for gone in ["out/b.tif", "out/b.tif.aux.xml"] {
            fs::remove_file(at.join(gone)).ok();
        }
        let touched = |name: &str| at.join("out").join(name).metadata().unwrap().modified().unwrap();
        let before = [touched("a.tif"), touched("c.tif")];
        let resumed = identity(at, &[&all[..], &["--resume", "--stac"]].concat());
        assert!(resumed.status.success(), "{}", text(&resumed.stderr));
        assert_eq!([touched("a.tif"), touched("c.tif")], before, "{format}");
        assert_eq!(fs::read(at.join("out/b.tif")).unwrap(), whole, "{format}");
        // What is missing next to a finished result is written.
        for name in scenes {
            fs::remove_file(at.join("out").join(name).with_extension("stac.json")).unwrap();
        }
        let report: serde_json::Value = serde_json::from_slice(&fs::read(at.join("r.json")).unwrap()).unwrap();
        let told: Vec<_> =
            report["scenes"].as_array().unwrap().iter().map(|s| (&s["name"], &s["done"]["rows_resumed"])).collect();
        let rows = serde_json::json!([["a.tif", 90], ["b.tif", 0], ["c.tif", 90]]);
        assert_eq!(serde_json::json!(told), rows, "{format}");
    }
    // A strict run, another strength, and another source of the same name give another result.
    let strict = identity(at, &[&all[..], &["--resume", "--format", "cog", "--strict"]].concat());
    assert!(!strict.status.success() && text(&strict.stderr).matches("already exists").count() == 3);
    let other = identity(at, &[&all[..], &["--resume", "--format", "cog", "--strength", "0.5"]].concat());
    assert!(
        !other.status.success() && text(&other.stderr).matches("already exists").count() == 3,
        "{}",
        text(&other.stderr)
    );
    let edited = folder(90, 71);
    fs::copy(edited.path().join("scene.tif"), at.join("a.tif")).unwrap();
    let other = identity(at, &[&all[..], &["--resume", "--format", "cog"]].concat());
    assert_eq!(other.status.code(), Some(4), "{}", text(&other.stderr));
    assert!(text(&other.stderr).contains("out/a.tif: already exists"), "{}", text(&other.stderr));
    assert_eq!(text(&other.stderr).lines().count(), 1, "{}", text(&other.stderr));
}

/// The format that is asked for decides, and not the way in which it is.
#[test]
fn a_finished_result_of_another_format_is_not_taken() {
    let dir = folder(90, 70);
    let at = dir.path();
    let done = identity(at, &["scene.tif", "-o", "cog.tif", "--format", "cog"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    // By itself, a COG gives a COG.
    let done = identity(at, &["cog.tif", "-o", "out.tif"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let same = identity(at, &["cog.tif", "-o", "out.tif", "--resume", "--format", "cog"]);
    assert!(same.status.success(), "{}", text(&same.stderr));
    let other = identity(at, &["cog.tif", "-o", "out.tif", "--resume", "--format", "gtiff"]);
    assert!(!other.status.success() && text(&other.stderr).contains("already exists"), "{}", text(&other.stderr));
}
