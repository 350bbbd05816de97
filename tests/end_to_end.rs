//! The binary, as its users run it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use artir_tests::{models, real, run};
use dicom_dictionary_std::tags;

/// Exit code and standard error.
fn fails(arguments: &[&Path]) -> (Option<i32>, String) {
    let out = run(arguments);
    (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(files(&path));
        } else if !path.ends_with(artir_tests::MANIFEST) {
            out.push(path);
        }
    }
    out.sort();
    out
}

/// The checksums of the built-in models stand in the repository's cards.
fn zoo(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/zoo").join(name)
}

#[test]
fn bad_input_is_named_in_one_line_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("empty")).unwrap();
    fs::create_dir(at("texts")).unwrap();
    fs::write(at("texts/a.txt"), "no image").unwrap();
    fs::write(at("text.tif"), "no raster").unwrap();
    fs::write(at("text.png"), "no picture").unwrap();
    let mut model = fs::read(zoo("ct-ldct-t.onnx")).unwrap();
    let middle = model.len() / 2;
    model[middle] ^= 4;
    fs::write(at("flipped.onnx"), model).unwrap();
    let mut cases = vec![("ct", at("empty")), ("ct", at("texts")), ("geo", at("text.tif")), ("image", at("text.png"))];
    if let Some(slice) = real("dicom/ct-abdomen-ge").map(|f| files(&f)[0].clone()) {
        let whole = fs::read(slice).unwrap();
        fs::write(at("cut.dcm"), &whole[..whole.len() / 2]).unwrap();
        cases.push(("ct", at("cut.dcm")));
    }
    for (command, input) in cases {
        let (code, said) = fails(&[Path::new(command), &input, Path::new("-o"), &at("out"), Path::new("-q")]);
        assert_eq!(code, Some(3), "{}: {said}", input.display());
        assert!(said.contains(&input.display().to_string()), "{said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
        assert!(!at("out").exists(), "{}", input.display());
    }
    let (code, said) = fails(&[Path::new("models"), Path::new("verify"), &at("flipped.onnx")]);
    assert_eq!(code, Some(3));
    assert!(said.contains("flipped.onnx") && said.contains("checksum"), "{said}");
}

#[test]
fn a_device_that_is_not_there_is_an_error() {
    let Some(slice) = real("dicom/ct-abdomen-ge").map(|f| files(&f)[0].clone()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let out = run([
        Path::new("ct"),
        &slice,
        Path::new("-o"),
        &dir.path().join("o"),
        Path::new("--device"),
        Path::new("cuda"),
    ]);
    assert_eq!(out.status.code(), Some(5));
}

#[test]
fn a_ct_slice_is_restored_the_same_way_twice() {
    let Some(slice) = real("dicom/ct-abdomen-ge").map(|f| files(&f)[20].clone()) else { return };
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        let out = run([Path::new("ct"), &slice, Path::new("-o"), &dir.path().join(name)]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    let (a, b) = (files(&dir.path().join("a")), files(&dir.path().join("b")));
    assert_eq!((a.len(), b.len()), (1, 1));
    assert_eq!(fs::read(&a[0]).unwrap(), fs::read(&b[0]).unwrap());
    assert_ne!(fs::read(&a[0]).unwrap(), fs::read(&slice).unwrap());
}

#[test]
fn a_scene_keeps_what_gdalinfo_reports() {
    let Some(scene) = real("geotiff/rasterio/data/RGB.byte.tif") else { return };
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.tif");
    let done = run([Path::new("geo"), &scene, Path::new("-o"), &out]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let info = |path: &Path| -> serde_json::Value {
        let said = Command::new("gdalinfo").arg("-json").arg(path).output().unwrap();
        serde_json::from_slice(&said.stdout).unwrap()
    };
    let (a, b) = (info(&scene), info(&out));
    for field in ["size", "coordinateSystem", "geoTransform", "cornerCoordinates"] {
        assert_eq!(a[field], b[field], "{field}");
    }
    for (a, b) in a["bands"].as_array().unwrap().iter().zip(b["bands"].as_array().unwrap()) {
        for field in ["band", "type", "colorInterpretation", "noDataValue", "description", "unit"] {
            assert_eq!(a[field], b[field], "{field}");
        }
    }
    assert_eq!(a["bands"].as_array().map(Vec::len), b["bands"].as_array().map(Vec::len));
}

#[test]
fn strength_zero_gives_a_photograph_back() {
    let Some(photo) = real("images/mcmaster18").map(|f| files(&f)[0].clone()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.png");
    let done = run([Path::new("image"), &photo, Path::new("-o"), &out, Path::new("--strength"), Path::new("0")]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = run([Path::new("metrics"), &out, &photo]);
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(text.contains("inf dB") && text.contains("protocol  rgb"), "{text}");
}

/// A stored value in its unit, slice by slice, by position along the axis.
fn pet_values(folder: &Path) -> Vec<(f64, Vec<f64>)> {
    let mut out: Vec<_> = files(folder)
        .iter()
        .map(|file| {
            let object = dicom_object::open_file(file).unwrap();
            let number = |tag| object.element(tag).unwrap().to_multi_float64().unwrap();
            let (slope, intercept) = (number(tags::RESCALE_SLOPE)[0], number(tags::RESCALE_INTERCEPT)[0]);
            let stored = object.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap();
            let values =
                stored.chunks_exact(2).map(|b| f64::from(i16::from_le_bytes([b[0], b[1]])) * slope + intercept);
            (number(tags::IMAGE_POSITION_PATIENT)[2], values.collect())
        })
        .collect();
    out.sort_by(|a, b| a.0.total_cmp(&b.0));
    out
}

/// Without --model, the built-in one, which sees neighbouring slices: less noise than came in, the same activity.
#[test]
fn a_pet_series_is_restored_by_the_built_in_model() {
    let Some(series) = real("dicom/pet-ge-bqml") else { return };
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    fs::create_dir(&input).unwrap();
    let triples = files(&series).into_iter().enumerate().filter(|(i, _)| i % 90 < 3);
    for (_, file) in triples {
        fs::copy(&file, input.join(file.file_name().unwrap())).unwrap();
    }
    let out = dir.path().join("out");
    let done = run([Path::new("pet"), &input, Path::new("-o"), &out]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // What differs between neighbours in a row, and the sum of all.
    let rough = |v: &[f64]| v.windows(2).map(|p| (p[1] - p[0]).abs()).sum::<f64>();
    let sums = |slices: &[(f64, Vec<f64>)]| {
        let all = || slices.iter().map(|(_, v)| v);
        (all().map(|v| rough(v)).sum::<f64>(), all().flatten().sum::<f64>())
    };
    let ((before, activity), (after, kept)) = (sums(&pet_values(&input)), sums(&pet_values(&out)));
    assert!(after < 0.9 * before, "{after} of {before}");
    assert!((kept / activity - 1.0).abs() < 0.05, "{kept} of {activity}");
}

/// A network that halves: whatever PET unit, slope and weight come in, half of it must come out.
#[test]
fn a_pet_series_goes_to_suv_and_back() {
    let Some(series) = real("dicom/pet-ge-bqml") else { return };
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    fs::create_dir(&input).unwrap();
    for file in files(&series).iter().step_by(60) {
        fs::copy(file, input.join(file.file_name().unwrap())).unwrap();
    }
    let file = dir.path().join("halve.onnx");
    fs::write(&file, models::multiplies("pet-enhance", "SUV", [0.0, 1000.0], 0.5)).unwrap();
    let out = dir.path().join("out");
    let done = run([Path::new("pet"), &input, Path::new("-o"), &out, Path::new("--model"), &file]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let (before, after) = (pet_values(&input), pet_values(&out));
    assert_eq!(before.len(), after.len());
    for ((z, before), (restored_z, after)) in before.iter().zip(&after) {
        assert_eq!(z, restored_z);
        let largest = before.iter().fold(0.0f64, |m, v| m.max(*v));
        for (a, b) in before.iter().zip(after) {
            // Half of a step of the largest value's quantisation, in the source and in the result.
            assert!((a / 2.0 - b).abs() <= largest * 2.0 / 32767.0, "{a} {b} of {largest}");
        }
    }
}
