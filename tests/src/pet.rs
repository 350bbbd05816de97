//! PET slices made in code, and a study of them for `artir pet`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use serde_json::Value;

use crate::{
    artir,
    dicom::{put, put_items, put_pixels, save},
    models,
};

/// Rows and columns of a slice.
pub const SIDE: u16 = 16;

/// What all objects have: 74 kg, 370 MBq of F-18 at 10:00, 4x4 mm pixels of 16 signed bits.
pub fn pet(class: &str, number: u16, frames: &[Vec<i16>]) -> InMemDicomObject {
    let mut o = InMemDicomObject::new_empty();
    put(
        &mut o,
        VR::UI,
        &[(tags::SOP_CLASS_UID, class), (tags::SERIES_INSTANCE_UID, "1.2.3"), (tags::STUDY_INSTANCE_UID, "1.2")],
    );
    put(&mut o, VR::UI, &[(tags::SOP_INSTANCE_UID, &format!("1.2.3.{number}"))]);
    put(&mut o, VR::CS, &[(tags::MODALITY, "PT"), (tags::IMAGE_TYPE, "ORIGINAL\\PRIMARY")]);
    put(&mut o, VR::DS, &[(tags::PATIENT_WEIGHT, "74")]);
    let mut drug = InMemDicomObject::new_empty();
    put(&mut drug, VR::DS, &[(tags::RADIONUCLIDE_TOTAL_DOSE, "370000000"), (tags::RADIONUCLIDE_HALF_LIFE, "6586.2")]);
    put(&mut drug, VR::TM, &[(tags::RADIOPHARMACEUTICAL_START_TIME, "100000")]);
    put_items(&mut o, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![drug]);
    let words: Vec<u16> = frames.iter().flatten().map(|v| *v as u16).collect();
    put_pixels(&mut o, SIDE, words);
    o
}

/// A slice that was scanned at 11:00, with a slope of 10 Bq/mL.
pub fn slice(number: u16, pixels: Vec<i16>) -> InMemDicomObject {
    let mut o = pet(uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE, number, &[pixels]);
    put(
        &mut o,
        VR::CS,
        &[(tags::UNITS, "BQML"), (tags::DECAY_CORRECTION, "START"), (tags::CORRECTED_IMAGE, "DECY\\ATTN\\SCAT")],
    );
    put(
        &mut o,
        VR::DS,
        &[
            (tags::RESCALE_SLOPE, "10"),
            (tags::RESCALE_INTERCEPT, "0"),
            (tags::PIXEL_SPACING, "4\\4"),
            (tags::IMAGE_ORIENTATION_PATIENT, "1\\0\\0\\0\\1\\0"),
            (tags::IMAGE_POSITION_PATIENT, &format!("0\\0\\{}", 3 * number)),
        ],
    );
    put(&mut o, VR::DA, &[(tags::SERIES_DATE, "20200102"), (tags::ACQUISITION_DATE, "20200102")]);
    put(&mut o, VR::TM, &[(tags::SERIES_TIME, "110000"), (tags::ACQUISITION_TIME, "110000")]);
    o
}

/// Changes the attributes of the radiopharmaceutical.
pub fn drug(object: &mut InMemDicomObject, vr: VR, tag: Tag, value: &str) {
    object
        .update_value(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, |v| {
            put(&mut v.items_mut().unwrap()[0], vr, &[(tag, value)]);
        })
        .then_some(())
        .unwrap();
}

/// Values of a quiet slice: at a slope of 10, far fewer than a thousand steps.
pub fn quiet() -> Vec<i16> {
    (0..SIDE * SIDE).map(|i| (i % 73) as i16).collect()
}

/// A folder of objects, and a model that halves what it sees.
#[derive(Debug)]
pub struct Study {
    /// The folder that holds `in` and `half.onnx`.
    pub dir: tempfile::TempDir,
}

impl Study {
    /// Makes a study of objects.
    pub fn new(objects: Vec<InMemDicomObject>, syntax: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (i, object) in objects.into_iter().enumerate() {
            save(object, syntax, &dir.path().join(format!("in/{i}.dcm")));
        }
        let model = models::multiplies("pet-enhance", "SUV", [0.0, 1000.0], 0.5);
        fs::write(dir.path().join("half.onnx"), model).unwrap();
        Self { dir }
    }

    /// Runs `artir pet` over it.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = artir();
        command.args(["pet", "in"]).args(arguments).args(["--model", "half.onnx"]);
        command.current_dir(self.dir.path()).output().unwrap()
    }

    /// Restores the study; the report, and the files of its only series.
    pub fn restore(&self, arguments: &[&str]) -> (Value, Vec<PathBuf>) {
        let done = self.run(&[&["-o", "out", "--report", "r.json"], arguments].concat());
        assert!(done.status.success(), "{}", text(&done.stderr));
        let report: Value = serde_json::from_slice(&fs::read(self.dir.path().join("r.json")).unwrap()).unwrap();
        let folder = self.dir.path().join("out").join(report["series"][0]["folder"].as_str().unwrap());
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        files.retain(|path| !path.ends_with(crate::MANIFEST));
        files.sort();
        (report, files)
    }
}

/// The JSON list of a folder.
pub fn listed(folder: &Path) -> Value {
    let out = artir().args(["pet", "--list=json"]).arg(folder).output().unwrap();
    serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{}", text(&out.stderr)))
}

/// Output as text.
pub fn text(out: &[u8]) -> String {
    String::from_utf8_lossy(out).into_owned()
}
