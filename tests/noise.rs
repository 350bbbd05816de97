//! `artir ct --noise`, and the noise in the report; ensembles.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use artir_phantom::{
    Random,
    dicom::{write_pet_series, write_series},
};
use artir_tests::{artir, models, text};
use ndarray::Array2;
use serde_json::Value;

/// A series of two slices through a body with an organ, with 25 HU of noise.
fn body(folder: &Path) {
    let mut random = Random::new(1);
    let mut slice = || {
        Array2::from_shape_fn((256, 256), |(y, x)| {
            let from = |cy: f32, cx: f32| (y as f32 - cy).hypot(x as f32 - cx);
            let tissue = match () {
                () if from(128.0, 128.0) > 110.0 => -1000.0,
                () if from(110.0, 90.0) < 40.0 => 70.0,
                () => 45.0,
            };
            tissue + 25.0 * random.normal() as f32
        })
    };
    write_series(folder, &[slice(), slice()], 1.5).unwrap();
}

fn ct_run(dir: &Path, more: &[&str]) -> (Option<i32>, String, Value) {
    let mut arguments = vec!["ct", "in", "-o", "out", "--overwrite", "--report", "report.json"];
    arguments.extend(more);
    let done = artir().args(arguments).current_dir(dir).output().unwrap();
    let report = fs::read_to_string(dir.join("report.json")).unwrap_or_default();
    (done.status.code(), text(&done.stderr), serde_json::from_str(&report).unwrap_or_default())
}

#[test]
fn the_strength_is_chosen_by_the_noise_that_is_to_stay() {
    let dir = tempfile::tempdir().unwrap();
    body(&dir.path().join("in"));
    let (code, said, report) = ct_run(dir.path(), &["--noise", "12"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("HU at the chosen strength of 0."), "{said}");
    let noise = report["series"][0]["noise"].as_array().unwrap();
    assert_eq!(noise.iter().map(|slice| slice["file"].as_str().unwrap()).collect::<Vec<_>>(), ["0001.dcm", "0002.dcm"]);
    for slice in noise {
        let [before, after] = ["before_hu", "after_hu"].map(|key| slice[key].as_f64().unwrap());
        assert!((before - 25.0).abs() < 2.0 && (after - 12.0).abs() < 1.0, "{slice}");
    }
    let provenance = report["series"][0]["provenance"].as_str().unwrap();
    let strength: f64 = provenance.rsplit("strength ").next().unwrap().parse().unwrap();
    assert!((0.05..0.95).contains(&strength), "{provenance}");

    // A series with less noise stays as it is, bit for bit.
    let (code, said, report) = ct_run(dir.path(), &["--noise", "500"]);
    assert!(code == Some(0) && said.contains("stays as it is"), "{said}");
    let slice = &report["series"][0]["noise"][0];
    assert_eq!(slice["before_hu"], slice["after_hu"]);
    // A network that removes nothing cannot leave less.
    fs::write(dir.path().join("one.onnx"), models::ct_identity()).unwrap();
    let (code, said, _) = ct_run(dir.path(), &["--noise", "2", "--model", "one.onnx"]);
    assert!(code == Some(0) && said.contains("cannot reach 2 HU"), "{said}");
}

#[test]
fn the_report_states_the_noise_of_pet_in_suv() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(1);
    let slice = Array2::from_shape_fn((96, 96), |(y, x)| {
        let inside = (y as f32 - 48.0).hypot(x as f32 - 48.0) < 40.0;
        if inside { (1.5 + 0.2 * random.normal() as f32).max(0.0) } else { 0.0 }
    });
    write_pet_series(&dir.path().join("in"), &[slice], 4.0).unwrap();
    let report = |more: &[&str]| -> Value {
        let arguments = ["pet", "in", "-o", "out", "--overwrite", "--report", "report.json"];
        let done = artir().args(arguments).args(more).current_dir(dir.path()).output().unwrap();
        assert!(done.status.success(), "{}", text(&done.stderr));
        serde_json::from_str(&fs::read_to_string(dir.path().join("report.json")).unwrap()).unwrap()
    };
    let restored = report(&[]);
    let noise = &restored["series"][0]["noise"][0];
    let [before, after] = ["before_suv", "after_suv"].map(|key| noise[key].as_f64().unwrap());
    assert!((before - 0.2).abs() < 0.03 && after < before, "{noise}");
    assert!(report(&["--units", "native"])["series"][0]["noise"].is_null());
}

#[test]
fn where_no_noise_can_be_measured_the_model_s_own_strength_is_used_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let air = Array2::from_elem((64, 64), -1000.0f32);
    write_series(&dir.path().join("in"), &[air], 1.0).unwrap();
    let (code, said, report) = ct_run(dir.path(), &["--noise", "9"]);
    let used = "the model's own strength of 0.80 was used";
    assert!(code == Some(0) && said.contains("soft tissue") && said.contains(used), "{said}");
    let series = &report["series"][0];
    assert_eq!(series["outcome"], "written");
    assert!(series["findings"].to_string().contains(used), "{series}");
    assert!(series["provenance"].as_str().unwrap().ends_with("strength 0.8"), "{series}");
}

#[test]
fn a_noise_that_means_nothing_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    body(&dir.path().join("in"));
    for wrong in [&["--noise", "9", "--strength", "0.5"][..], &["--noise", "0"], &["--noise=-1"], &["--noise", "x"]] {
        assert_eq!(ct_run(dir.path(), wrong).0, Some(2), "{wrong:?}");
    }
    let pet = artir().args(["pet", "in", "-o", "out", "--noise", "3"]).current_dir(dir.path()).output().unwrap();
    assert_eq!(pet.status.code(), Some(2));
}

#[test]
fn an_ensemble_of_a_network_that_changes_nothing_changes_nothing_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    body(&dir.path().join("in"));
    fs::write(dir.path().join("one.onnx"), models::ct_identity()).unwrap();
    let (code, said, report) = ct_run(dir.path(), &["--ensemble", "--model", "one.onnx"]);
    assert_eq!(code, Some(0), "{said}");
    let series = &report["series"][0];
    assert!(series["provenance"].as_str().unwrap().ends_with("mean over eight flips and rotations"), "{series}");
    let folder = dir.path().join("out").join(series["folder"].as_str().unwrap());
    let pixels = |path: &Path| {
        let object = dicom_object::open_file(path).unwrap();
        object.element(dicom_dictionary_std::tags::PIXEL_DATA).unwrap().to_bytes().unwrap().into_owned()
    };
    for name in ["0001.dcm", "0002.dcm"] {
        assert_eq!(pixels(&folder.join(name)), pixels(&dir.path().join("in").join(name)), "{name}");
    }
}
