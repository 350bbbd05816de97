//! Models that see neighbouring slices, over series and volumes. The model of these tests gives the mean of three.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::{fs, path::Path};

use artir_phantom::{
    Random,
    dicom::{write_pet_series, write_series},
};
use artir_tests::{
    models, text,
    volumes::{Nifti, parts},
};
use made::{files, hu, names};
use ndarray::Array2;
use serde_json::Value;

/// A folder with the model, for slices up to 5 mm apart, as those of the tests are.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mean.onnx"), models::ct_mean_of_neighbours(5.0)).unwrap();
    dir
}

/// A series 5 mm apart, whose slices lie on no line: the mean of a slice's neighbours is another value than the slice.
fn series(folder: &Path, slices: usize) {
    let slice = |i: usize| Array2::from_shape_fn((96, 112), |(y, x)| (13 * i * i + (y * 7 + x * 3) % 50) as f32);
    write_series(folder, &(0..slices).map(slice).collect::<Vec<_>>(), 1.5).unwrap();
}

fn ct(dir: &Path, more: &[&str]) -> Value {
    let done =
        made::run(dir, &[&["ct", "--model", "mean.onnx", "--report", "report.json", "--overwrite"], more].concat());
    assert!(done.status.success(), "{}", text(&done.stderr));
    serde_json::from_slice(&fs::read(dir.join("report.json")).unwrap()).unwrap()
}

/// The results in `out`, in slice order, are the means of three slices of the source each.
fn check(out: &Path, source: &[Vec<f64>], seen: &[[usize; 3]]) {
    let results = files(&out.join(&names(out)[0]));
    assert_eq!(results.len(), seen.len());
    for (file, seen) in results.iter().zip(seen) {
        for (i, found) in hu(file).into_iter().enumerate() {
            let mean = seen.iter().map(|slice| source[*slice][i]).sum::<f64>() / 3.0;
            assert!((found - mean).abs() <= 0.51, "{seen:?}, pixel {i}: {found}, not {mean}");
        }
    }
}

fn findings(report: &Value) -> String {
    report["series"][0]["findings"].to_string()
}

#[test]
fn each_slice_of_a_series_is_restored_with_those_beside_it() {
    let dir = folder();
    series(&dir.path().join("in"), 5);
    let source: Vec<Vec<f64>> = files(&dir.path().join("in")).iter().map(|file| hu(file)).collect();
    // More threads than slices, and another form of the result.
    for more in [&[][..], &["--threads", "16"], &["--transfer-syntax", "rle"]] {
        let report = ct(dir.path(), &[&["in", "-o", "out"], more].concat());
        assert!(findings(&report).contains("2 slice(s) lack a neighbour"), "{}", findings(&report));
        if more.first() != Some(&"--transfer-syntax") {
            let seen = [[1, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 3]];
            check(&dir.path().join("out"), &source, &seen);
        }
    }
    // Half of the way from each slice to its mean.
    ct(dir.path(), &["in", "-o", "half", "--strength", "0.5"]);
    let out = dir.path().join("half");
    let second = hu(&files(&out.join(&names(&out)[0]))[1]);
    for (i, found) in second.into_iter().enumerate() {
        let mean = (0..3).map(|slice| source[slice][i]).sum::<f64>() / 3.0;
        assert!((found - f64::midpoint(source[1][i], mean)).abs() <= 0.51);
    }
}

#[test]
fn no_slice_sees_over_a_gap_or_farther_than_the_model_has_seen() {
    let dir = folder();
    series(&dir.path().join("in"), 7);
    let mut all = files(&dir.path().join("in"));
    fs::remove_file(all.remove(3)).unwrap();
    let source: Vec<Vec<f64>> = all.iter().map(|file| hu(file)).collect();
    let report = ct(dir.path(), &["in", "-o", "out"]);
    assert!(findings(&report).contains("4 slice(s) lack a neighbour"), "{}", findings(&report));
    check(&dir.path().join("out"), &source, &[[1, 0, 1], [0, 1, 2], [1, 2, 1], [4, 3, 4], [3, 4, 5], [4, 5, 4]]);
    // The slices are 5 mm apart.
    fs::write(dir.path().join("mean.onnx"), models::ct_mean_of_neighbours(4.0)).unwrap();
    ct(dir.path(), &["in", "-o", "alone"]);
    check(&dir.path().join("alone"), &source, &[0, 1, 2, 3, 4, 5].map(|i| [i; 3]));
}

#[test]
fn a_volume_is_restored_as_its_series_is() {
    let dir = folder();
    series(&dir.path().join("in"), 4);
    let slices = |folder: &Path| -> Vec<i16> {
        let rows = |file: &std::path::PathBuf| hu(file).into_iter().map(|v| v as i16).collect::<Vec<_>>();
        // As dcm2niix writes them: rows from back to front.
        files(folder)
            .iter()
            .flat_map(|file| rows(file).chunks(112).rev().flatten().copied().collect::<Vec<_>>())
            .collect()
    };
    let affine = [[-0.7, 0.0, 0.0, 1.0], [0.0, 0.7, 0.0, 2.0], [0.0, 0.0, 5.0, 3.0]];
    let once = slices(&dir.path().join("in"));
    // Two frames: the last slice of one is not beside the first of the other.
    let twice: Vec<i16> = once.iter().copied().chain(once.iter().map(|v| v + 40)).collect();
    fs::write(dir.path().join("v.nii"), Nifti::new(&[112, 96, 4, 2], &twice).affine(affine).bytes()).unwrap();
    ct(dir.path(), &["in", "-o", "series"]);
    ct(dir.path(), &["v.nii", "-o", "out", "--units", "hu"]);
    let out = dir.path().join("series");
    let expected = slices(&out.join(&names(&out)[0]));
    let file = fs::read(dir.path().join("out/v.nii")).unwrap();
    let found: Vec<i16> = parts(&file).1.chunks(2).map(|c| i16::from_le_bytes([c[0], c[1]])).collect();
    assert!(expected != once && found[..expected.len()] == expected);
    let next = found[expected.len()..].iter().zip(&expected);
    assert!(next.clone().all(|(found, expected)| (i32::from(*found) - i32::from(*expected) - 40).abs() <= 1));
    assert!(next.filter(|(found, expected)| **found - **expected == 40).count() > expected.len() * 9 / 10);
}

#[test]
fn pet_is_restored_with_neighbours_unless_another_model_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(1);
    let mut slice = || {
        Array2::from_shape_fn((96, 96), |(y, x)| {
            let inside = (y as f32 - 48.0).hypot(x as f32 - 48.0) < 40.0;
            if inside { (2.0 + random.normal() as f32).max(0.0) } else { 0.0 }
        })
    };
    let (first, second, last, other) = (slice(), slice(), slice(), slice());
    // Two series that differ in their last slice alone.
    for (name, last) in [("one", last), ("two", other)] {
        write_pet_series(&dir.path().join(name), &[first.clone(), second.clone(), last], 4.0).unwrap();
    }
    let equal = |model: &[&str]| -> Vec<bool> {
        let results = ["one", "two"].map(|name| {
            let done = made::run(dir.path(), &[&["pet", name, "-o", "out", "--overwrite"], model].concat());
            assert!(done.status.success(), "{}", text(&done.stderr));
            let out = dir.path().join("out");
            let results = files(&out.join(&names(&out)[0])).iter().map(|file| hu(file)).collect::<Vec<_>>();
            fs::remove_dir_all(&out).unwrap();
            results
        });
        (0..3).map(|i| results[0][i] == results[1][i]).collect()
    };
    assert_eq!(equal(&[]), [true, false, false]);
    assert_eq!(equal(&["--model", "pet-lowcount-t"]), [true, true, false]);
}

#[test]
fn pairs_of_single_slices_are_measured_with_the_slice_in_its_neighbours_places() {
    let dir = folder();
    for side in ["input", "reference"] {
        made::series(&dir.path().join(side), 2, if side == "input" { 3.0 } else { 0.0 });
    }
    let done = made::run(dir.path(), &["validate", "--init", "mine.toml"]);
    assert!(done.status.success());
    let suite = fs::read_to_string(dir.path().join("mine.toml")).unwrap();
    let suite = suite.replace("protocol = \"rgb\"", "protocol = \"ldct-400\"").replace("\"dehaze\"", "\"ct-denoise\"");
    fs::write(dir.path().join("mine.toml"), suite).unwrap();
    let done =
        made::run(dir.path(), &["validate", "mine.toml", "--data", ".", "-o", "results", "--model", "mean.onnx"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let results: Value = serde_json::from_slice(&fs::read(dir.path().join("results/results.json")).unwrap()).unwrap();
    let methods = &results["images"][0]["methods"];
    let psnr = |method: &str| methods[method]["psnr"].as_f64().unwrap();
    // The mean of three times the same slice is the slice.
    assert!((psnr("multiplies") - psnr("input")).abs() < 1e-3, "{methods}");
}
