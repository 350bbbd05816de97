//! Inputs made here, runs over them, and what a folder holds afterwards.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use artir_phantom::dicom::write_series;
use artir_tests::{artir, models};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use ndarray::{Array2, Array3};
use serde_json::Value;

/// A CT series of small slices in a folder; `level` tells slices of one source from those of another.
pub(crate) fn series(folder: &Path, slices: usize, level: f32) {
    let slice =
        |i: usize| Array2::from_shape_fn((96, 112), |(y, x)| level + (i * 13) as f32 + ((y * 7 + x * 3) % 50) as f32);
    write_series(folder, &(0..slices).map(slice).collect::<Vec<_>>(), 1.5).unwrap();
}

/// HU of a DICOM slice, row by row.
pub(crate) fn hu(file: &Path) -> Vec<f64> {
    let object = dicom_object::open_file(file).unwrap();
    let number = |tag| object.element(tag).unwrap().to_float64().unwrap();
    let words: Vec<i32> = object.element(tags::PIXEL_DATA).unwrap().to_multi_int().unwrap();
    let signed = number(tags::PIXEL_REPRESENTATION) == 1.0;
    let value = |word: i32| if signed { f64::from(word as i16) } else { f64::from(word) };
    let (slope, intercept) = (number(tags::RESCALE_SLOPE), number(tags::RESCALE_INTERCEPT));
    words.into_iter().map(|word| value(word) * slope + intercept).collect()
}

/// Makes a series another one, by its UIDs.
pub(crate) fn rename_series(folder: &Path, uid: &str) {
    for (i, file) in files(folder).into_iter().enumerate() {
        let mut object = dicom_object::open_file(&file).unwrap();
        object.put(DataElement::new(tags::SERIES_INSTANCE_UID, VR::UI, PrimitiveValue::from(uid)));
        let own = format!("{uid}.{i}");
        object.put(DataElement::new(tags::SOP_INSTANCE_UID, VR::UI, PrimitiveValue::from(own.as_str())));
        object.meta_mut().media_storage_sop_instance_uid = own;
        object.write_to_file(&file).unwrap();
    }
}

/// A series with a UID of its own, in a folder of `dir`: its files.
pub(crate) fn input(dir: &Path, name: &str, slices: usize, uid: &str) -> Vec<PathBuf> {
    let folder = dir.join(name);
    series(&folder, slices, 100.0);
    rename_series(&folder, uid);
    files(&folder)
}

/// A scene of three bands.
pub(crate) fn scene(path: &Path, rows: usize, columns: usize) {
    let rgb = Array3::from_shape_fn((3, rows, columns), |(c, y, x)| ((y / 3 + x / 5 + 40 * c) % 200) as u8);
    let grid = [500_000.1, 2.5, 0.0, 5_400_000.3, 0.0, -2.5];
    artir_geo::write_rgb_geotiff(path, &rgb, grid, 32632).unwrap();
}

/// A photograph; `seed` tells one from another.
pub(crate) fn photo(path: &Path, seed: u8) {
    let pixel = |x: u32, y: u32| image::Rgb([(x * 3) as u8, (y * 5) as u8, seed.wrapping_mul(31)]);
    image::RgbImage::from_fn(80, 60, pixel).save(path).unwrap();
}

/// Models that return their input (`one`), and half of it (`half`), for CT and for scenes.
pub(crate) fn models(folder: &Path) {
    for (name, factor) in [("one", 1.0), ("half", 0.5)] {
        let ct = models::multiplies("ct-denoise", "HU", [-1024.0, 3071.0], factor);
        fs::write(folder.join(format!("ct-{name}.onnx")), ct).unwrap();
        fs::write(folder.join(format!("rgb-{name}.onnx")), models::rgb_multiplies(factor)).unwrap();
    }
}

/// Runs artir in a folder.
pub(crate) fn run(dir: &Path, arguments: &[&str]) -> Output {
    artir().args(arguments).current_dir(dir).output().unwrap()
}

/// The files of a folder, sorted, without hidden ones.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    out.retain(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'));
    out.sort();
    out
}

/// Names in a folder, hidden ones too.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut out: Vec<_> = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    out.sort();
    out
}

/// All that lies below a folder: path and bytes.
pub(crate) fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut out = BTreeMap::new();
    for name in names(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            out.extend(contents(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            out.insert(name, fs::read(&path).unwrap());
        }
    }
    out
}

/// Contents without what lies in hidden folders, where runs work.
pub(crate) fn visible(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut out = contents(folder);
    out.retain(|path, _| !path.starts_with(".artir-"));
    out
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A manifest of jobs.
pub(crate) fn write_jobs(dir: &Path, jobs: &[Value]) {
    let lines: String = jobs.iter().map(|job| format!("{job}\n")).collect();
    fs::write(dir.join("jobs.jsonl"), lines).unwrap();
}
