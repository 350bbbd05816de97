//! `artir pet` on headers and mappings as scanners and archives write them: SUV is right, or refused by name.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use artir_tests::{artir, models, real};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR, value::DataSetSequence};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use serde_json::Value;

const IMPLICIT: &str = uids::IMPLICIT_VR_LITTLE_ENDIAN;
const EXPLICIT: &str = uids::EXPLICIT_VR_LITTLE_ENDIAN;
/// F-18, seconds.
const HALF_LIFE: f64 = 6586.2;

fn text(out: &[u8]) -> String {
    String::from_utf8_lossy(out).into_owned()
}

fn put(object: &mut InMemDicomObject, vr: VR, attributes: &[(Tag, &str)]) {
    for (tag, value) in attributes {
        object.put(DataElement::new(*tag, vr, PrimitiveValue::from(*value)));
    }
}

fn put_items(object: &mut InMemDicomObject, tag: Tag, items: Vec<InMemDicomObject>) {
    object.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
}

/// Rows and columns of a slice.
const SIDE: u16 = 16;

/// What all objects have: 74 kg, 370 MBq of F-18 at 10:00, 4x4 mm pixels of 16 signed bits.
fn pet(class: &str, number: u16, frames: &[Vec<i16>]) -> InMemDicomObject {
    let mut o = InMemDicomObject::new_empty();
    put(
        &mut o,
        VR::UI,
        &[(tags::SOP_CLASS_UID, class), (tags::SERIES_INSTANCE_UID, "1.2.3"), (tags::STUDY_INSTANCE_UID, "1.2")],
    );
    put(&mut o, VR::UI, &[(tags::SOP_INSTANCE_UID, &format!("1.2.3.{number}"))]);
    put(
        &mut o,
        VR::CS,
        &[
            (tags::MODALITY, "PT"),
            (tags::IMAGE_TYPE, "ORIGINAL\\PRIMARY"),
            (tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2"),
        ],
    );
    for (tag, value) in [
        (tags::ROWS, SIDE),
        (tags::COLUMNS, SIDE),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 16),
        (tags::HIGH_BIT, 15),
        (tags::PIXEL_REPRESENTATION, 1),
        (tags::SAMPLES_PER_PIXEL, 1),
    ] {
        o.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    put(&mut o, VR::DS, &[(tags::PATIENT_WEIGHT, "74")]);
    let mut drug = InMemDicomObject::new_empty();
    put(&mut drug, VR::DS, &[(tags::RADIONUCLIDE_TOTAL_DOSE, "370000000"), (tags::RADIONUCLIDE_HALF_LIFE, "6586.2")]);
    put(&mut drug, VR::TM, &[(tags::RADIOPHARMACEUTICAL_START_TIME, "100000")]);
    put_items(&mut o, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![drug]);
    let words: Vec<u16> = frames.iter().flatten().map(|v| *v as u16).collect();
    o.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.into())));
    o
}

/// A slice that was scanned at 11:00, with a slope of 10 Bq/mL.
fn slice(number: u16, pixels: Vec<i16>) -> InMemDicomObject {
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
fn drug(object: &mut InMemDicomObject, vr: VR, tag: Tag, value: &str) {
    object
        .update_value(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, |v| {
            put(&mut v.items_mut().unwrap()[0], vr, &[(tag, value)]);
        })
        .then_some(())
        .unwrap();
}

/// Values of a quiet slice: at a slope of 10, far fewer than a thousand steps.
fn quiet() -> Vec<i16> {
    (0..SIDE * SIDE).map(|i| (i % 73) as i16).collect()
}

fn save(object: InMemDicomObject, syntax: &str, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    object.with_meta(FileMetaTableBuilder::new().transfer_syntax(syntax)).unwrap().write_to_file(path).unwrap();
}

/// A folder of objects, and a model that halves what it sees.
struct Study {
    dir: tempfile::TempDir,
}

impl Study {
    fn new(objects: Vec<InMemDicomObject>, syntax: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (i, object) in objects.into_iter().enumerate() {
            save(object, syntax, &dir.path().join(format!("in/{i}.dcm")));
        }
        let model = models::multiplies("pet-enhance", "SUV", [0.0, 1000.0], 0.5);
        fs::write(dir.path().join("half.onnx"), model).unwrap();
        Self { dir }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = artir();
        command.args(["pet", "in"]).args(arguments).args(["--model", "half.onnx"]);
        command.current_dir(self.dir.path()).output().unwrap()
    }

    /// Restores the study; the report, and the files of its only series.
    fn restore(&self, arguments: &[&str]) -> (Value, Vec<PathBuf>) {
        let done = self.run(&[&["-o", "out", "--report", "r.json"], arguments].concat());
        assert!(done.status.success(), "{}", text(&done.stderr));
        let report: Value = serde_json::from_slice(&fs::read(self.dir.path().join("r.json")).unwrap()).unwrap();
        let folder = self.dir.path().join("out").join(report["series"][0]["folder"].as_str().unwrap());
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        files.retain(|path| !path.ends_with(artir_tests::MANIFEST));
        files.sort();
        (report, files)
    }
}

fn listed(folder: &Path) -> Value {
    let out = artir().args(["pet", "--list=json"]).arg(folder).output().unwrap();
    serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{}", text(&out.stderr)))
}

/// A mapping to SUV of stored values, in the form of a functional group's or an object's item.
fn mapping(slope: f64, range: (i16, i16)) -> InMemDicomObject {
    let mut unit = InMemDicomObject::new_empty();
    put(&mut unit, VR::SH, &[(tags::CODE_VALUE, "g/ml{SUVbw}"), (tags::CODING_SCHEME_DESIGNATOR, "UCUM")]);
    let mut item = InMemDicomObject::new_empty();
    put(&mut item, VR::SH, &[(tags::LUT_LABEL, "SUVbw")]);
    put_items(&mut item, tags::MEASUREMENT_UNITS_CODE_SEQUENCE, vec![unit]);
    for (tag, v) in
        [(tags::REAL_WORLD_VALUE_FIRST_VALUE_MAPPED, range.0), (tags::REAL_WORLD_VALUE_LAST_VALUE_MAPPED, range.1)]
    {
        item.put(DataElement::new(tag, VR::SS, PrimitiveValue::from(v)));
    }
    for (tag, v) in [(tags::REAL_WORLD_VALUE_SLOPE, slope), (tags::REAL_WORLD_VALUE_INTERCEPT, 0.0)] {
        item.put(DataElement::new(tag, VR::FD, PrimitiveValue::from(v)));
    }
    item
}

/// What a viewer shows for the pixels of a frame: each by the first mapping that maps it.
fn real_world(object: &InMemDicomObject, groups: &InMemDicomObject, frame: usize) -> Vec<Option<f64>> {
    let pixels = object.element(tags::PIXEL_DATA).unwrap().to_multi_int::<u16>().unwrap();
    let size = usize::from(SIDE * SIDE);
    let items = groups.element(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE).unwrap().items().unwrap();
    let lines: Vec<[f64; 4]> = items
        .iter()
        .map(|item| {
            [
                tags::REAL_WORLD_VALUE_SLOPE,
                tags::REAL_WORLD_VALUE_INTERCEPT,
                tags::REAL_WORLD_VALUE_FIRST_VALUE_MAPPED,
                tags::REAL_WORLD_VALUE_LAST_VALUE_MAPPED,
            ]
            .map(|tag| item.element(tag).unwrap().to_float64().unwrap())
        })
        .collect();
    let shown = |stored: f64| {
        let line = lines.iter().find(|[_, _, first, last]| (*first..=*last).contains(&stored))?;
        Some(line[0] * stored + line[1])
    };
    pixels[frame * size..(frame + 1) * size].iter().map(|w| shown(f64::from(*w as i16))).collect()
}

fn slope(set: &InMemDicomObject) -> f64 {
    set.element(tags::RESCALE_SLOPE).unwrap().to_float64().unwrap()
}

/// Restoring halves the values, and so must the mapped ones be halves. The mapping has two pieces: SUV 0.002 a step up to 19,
/// and 0.004 above.
#[test]
fn mappings_follow_a_new_slope() {
    for (syntax, output) in
        [(EXPLICIT, "explicit"), (IMPLICIT, "explicit"), (EXPLICIT, "rle"), (EXPLICIT, "jpegls-lossless")]
    {
        let mut object = slice(1, quiet());
        let pieces = vec![mapping(0.002, (0, 19)), mapping(0.004, (20, 32767))];
        put_items(&mut object, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, pieces);
        let study = Study::new(vec![object], syntax);
        let (report, files) = study.restore(&["--transfer-syntax", output]);
        assert_eq!(report["series"][0]["findings"], serde_json::json!([]));
        if output != "explicit" {
            // These pixels are encoded; that artir reads them again and compares is enough here.
            continue;
        }
        let derived = dicom_object::open_file(&files[0]).unwrap();
        let new = slope(&derived);
        assert!(new < 0.1, "the slice needs a finer slope: {new}");
        for (i, shown) in real_world(&derived, &derived, 0).into_iter().enumerate() {
            let halved = f64::from(quiet()[i]) / 2.0;
            // 19.5 lies between the pieces, and rounding decides.
            if halved == 19.5 {
                continue;
            }
            let expected = halved * if halved < 19.5 { 0.002 } else { 0.004 };
            let step = 0.004 * new / 10.0;
            assert!((shown.unwrap() - expected).abs() <= step, "{shown:?} for {halved}");
        }
        let items = derived.element(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE).unwrap().items().unwrap();
        let bound = |item: usize, tag| {
            let element = items[item].element(tag).unwrap();
            (element.vr(), element.to_int::<i32>().unwrap())
        };
        let last = bound(0, tags::REAL_WORLD_VALUE_LAST_VALUE_MAPPED);
        let first = bound(1, tags::REAL_WORLD_VALUE_FIRST_VALUE_MAPPED);
        assert_eq!((last.0, first.1), (VR::SS, last.1 + 1), "no gap and no overlap");
        assert_eq!(f64::from(first.1), (19.5 * 10.0 / new).ceil());
        assert_eq!(bound(1, tags::REAL_WORLD_VALUE_LAST_VALUE_MAPPED).1, 32767);
    }
}

#[test]
fn a_table_is_left_out_with_a_finding() {
    let mut table = mapping(1.0, (0, 72));
    table.remove_element(tags::REAL_WORLD_VALUE_SLOPE);
    table.remove_element(tags::REAL_WORLD_VALUE_INTERCEPT);
    let values: Vec<f64> = (0..73).map(|v| f64::from(v * v)).collect();
    table.put(DataElement::new(tags::REAL_WORLD_VALUE_LUT_DATA, VR::FD, PrimitiveValue::F64(values.into())));
    let mut object = slice(1, quiet());
    put_items(&mut object, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, vec![table, mapping(0.002, (0, 72))]);
    let study = Study::new(vec![object.clone()], EXPLICIT);
    let (report, files) = study.restore(&[]);
    let finding = report["series"][0]["findings"][0].as_str().unwrap();
    assert!(finding.contains("1 item(s) of RealWorldValueMappingSequence (0040,9096)"), "{finding}");
    let items = |file: &Path| {
        let derived = dicom_object::open_file(file).unwrap();
        derived.element(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE).unwrap().items().unwrap().len()
    };
    assert_eq!(items(&files[0]), 1);
    // A slice that keeps its slope keeps its table.
    let study = Study::new(vec![object], EXPLICIT);
    let (report, files) = study.restore(&["--strength", "0"]);
    assert_eq!((report["series"][0]["findings"].as_array().unwrap().len(), items(&files[0])), (0, 2));
}

/// An Enhanced PET object of two frames, a quiet one that needs a finer slope and a bright one that keeps its own. Rescale and
/// mapping are shared, or each frame has its own.
fn enhanced(shared: bool) -> InMemDicomObject {
    let bright = (0..SIDE * SIDE).map(|i| (i * 100) as i16).collect();
    let mut o = pet(uids::ENHANCED_PET_IMAGE_STORAGE, 1, &[quiet(), bright]);
    put(&mut o, VR::IS, &[(tags::NUMBER_OF_FRAMES, "2")]);
    let group = |attributes: &[(Tag, &str)]| {
        let mut group = InMemDicomObject::new_empty();
        put(&mut group, VR::DS, attributes);
        vec![group]
    };
    let put_meaning = |groups: &mut InMemDicomObject| {
        let rescale = group(&[(tags::RESCALE_SLOPE, "10"), (tags::RESCALE_INTERCEPT, "0")]);
        put_items(groups, tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, rescale);
        put_items(groups, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, vec![mapping(0.002, (-32768, 32767))]);
    };
    let mut common = InMemDicomObject::new_empty();
    put_items(&mut common, tags::PIXEL_MEASURES_SEQUENCE, group(&[(tags::PIXEL_SPACING, "4\\4")]));
    let axial = group(&[(tags::IMAGE_ORIENTATION_PATIENT, "1\\0\\0\\0\\1\\0")]);
    put_items(&mut common, tags::PLANE_ORIENTATION_SEQUENCE, axial);
    let mut frames = Vec::new();
    for position in ["0\\0\\0", "0\\0\\3"] {
        let mut frame = InMemDicomObject::new_empty();
        put_items(&mut frame, tags::PLANE_POSITION_SEQUENCE, group(&[(tags::IMAGE_POSITION_PATIENT, position)]));
        if !shared {
            put_meaning(&mut frame);
        }
        frames.push(frame);
    }
    if shared {
        put_meaning(&mut common);
    }
    put_items(&mut o, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![common]);
    put_items(&mut o, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames);
    o
}

#[test]
fn mappings_of_frames_follow_their_own_slopes() {
    for shared in [true, false] {
        let object = enhanced(shared);
        let pixels = object.element(tags::PIXEL_DATA).unwrap().to_multi_int::<u16>().unwrap();
        let study = Study::new(vec![object], EXPLICIT);
        let (_, files) = study.restore(&["--units", "native"]);
        let derived = dicom_object::open_file(&files[0]).unwrap();
        let common = &derived.element(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).unwrap().items().unwrap()[0];
        assert!(
            common.element(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE).is_err(),
            "not shared and the frames' own at once"
        );
        let frames = derived.element(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).unwrap().items().unwrap();
        let slopes: Vec<f64> = frames
            .iter()
            .map(|f| slope(&f.element(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE).unwrap().items().unwrap()[0]))
            .collect();
        assert!(slopes[0] < 0.1 && slopes[1] == 10.0, "{slopes:?}");
        for (n, frame) in frames.iter().enumerate() {
            let source = &pixels[n * usize::from(SIDE * SIDE)..];
            for (shown, source) in real_world(&derived, frame, n).into_iter().zip(source) {
                let expected = 0.002 * f64::from(*source as i16) / 2.0;
                assert!(
                    (shown.unwrap() - expected).abs() <= 0.002 * slopes[n] / 10.0,
                    "frame {n}: {shown:?} {expected}"
                );
            }
        }
    }
}

/// The series of the issue: the value that a viewer shows by the mapping is the one that it shows by SUV factor and slope.
#[test]
fn a_slope_for_all_slices_and_its_mappings() {
    let Some(case) = real("cases/dicom/pet-rwvm-global-slope/in") else { return };
    let study = Study::new(vec![], EXPLICIT);
    fs::create_dir(study.dir.path().join("in")).unwrap();
    for entry in fs::read_dir(&case).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), study.dir.path().join("in").join(entry.file_name())).unwrap();
    }
    let (report, files) = study.restore(&[]);
    let factor = report["series"][0]["suv_factor"][0].as_f64().unwrap();
    let mut renewed = 0;
    for file in &files {
        let derived = dicom_object::open_file(file).unwrap();
        let slope = slope(&derived);
        renewed += usize::from(slope != 10.0);
        let item = &derived.element(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE).unwrap().items().unwrap()[0];
        let mapped = item.element(tags::REAL_WORLD_VALUE_SLOPE).unwrap().to_float64().unwrap();
        assert!((mapped / (factor * slope) - 1.0).abs() < 1e-6, "{mapped} {}", factor * slope);
    }
    assert!(renewed > 0, "no slice needed a new slope, so that nothing was tested");
}

/// SUV factor and uptake time of a slice with another header.
fn factor(change: impl FnOnce(&mut InMemDicomObject)) -> (f64, f64) {
    let mut object = slice(1, quiet());
    change(&mut object);
    let study = Study::new(vec![object], EXPLICIT);
    let list = listed(&study.dir.path().join("in"));
    let slice = &list["series"][0]["slices"][0];
    let number = |key: &str| slice[key].as_f64().unwrap_or_else(|| panic!("{list:#}"));
    (number("suv_factor"), number("uptake_s"))
}

/// 74 kg and 370 MBq after so many seconds of decay.
fn decayed(seconds: f64) -> f64 {
    2e-4 * 2f64.powf(seconds / HALF_LIFE)
}

#[test]
fn list_and_report_state_factor_and_uptake() {
    let study = Study::new(vec![slice(1, quiet()), slice(2, quiet())], EXPLICIT);
    let (report, _) = study.restore(&[]);
    let entry = &report["series"][0];
    for end in 0..2 {
        assert!((entry["suv_factor"][end].as_f64().unwrap() / decayed(3600.0) - 1.0).abs() < 1e-12, "{entry}");
        assert_eq!(entry["uptake_s"][end].as_f64(), Some(3600.0));
    }
    assert_eq!(factor(|_| {}).1, 3600.0);
    let table = study.run(&["--list"]);
    let table = text(&table.stdout);
    assert!(table.contains("SUV factor") && table.contains("2.9213e-4"), "{table}");
    assert!(table.contains("uptake, min") && table.contains("60.0"), "{table}");
}

/// Injections on another clock than the scan: each has an uptake of an hour, but for the skew.
#[test]
fn injections_are_found_on_the_scan_s_clock() {
    let near = |(found, uptake): (f64, f64), seconds: f64| {
        assert!((uptake - seconds).abs() < 1e-6 && (found / decayed(seconds) - 1.0).abs() < 1e-9, "{found} {uptake}");
    };
    near(factor(|o| drug(o, VR::TM, tags::RADIOPHARMACEUTICAL_START_TIME, "110010")), -10.0);
    near(factor(|o| drug(o, VR::TM, tags::RADIOPHARMACEUTICAL_START_TIME, "115500")), -3300.0);
    near(
        factor(|o| {
            put(o, VR::SH, &[(tags::TIMEZONE_OFFSET_FROM_UTC, "-0500")]);
            drug(o, VR::DT, tags::RADIOPHARMACEUTICAL_START_DATE_TIME, "20200102150000.000+0000");
        }),
        3600.0,
    );
    near(factor(|o| drug(o, VR::DT, tags::RADIOPHARMACEUTICAL_START_DATE_TIME, "20200102140000+0400")), 3600.0);
    near(
        factor(|o| {
            put(o, VR::TM, &[(tags::SERIES_TIME, "001500"), (tags::ACQUISITION_TIME, "001500")]);
            drug(o, VR::TM, tags::RADIOPHARMACEUTICAL_START_TIME, "231500");
        }),
        3600.0,
    );
}

#[test]
fn implausible_headers_are_refused_and_native_units_take_them() {
    type Change<'a> = &'a dyn Fn(&mut InMemDicomObject);
    let cases: [(&str, Change<'_>); 5] = [
        ("RadionuclideTotalDose (0018,1074) is not within 1 MBq to 10 GBq", &|o| {
            drug(o, VR::DS, tags::RADIONUCLIDE_TOTAL_DOSE, "370");
        }),
        ("PatientWeight (0010,1030) is not within 0.5 to 500 kg", &|o| {
            put(o, VR::DS, &[(tags::PATIENT_WEIGHT, "74000")])
        }),
        ("PatientWeight (0010,1030) is not within 0.5 to 500 kg", &|o| put(o, VR::DS, &[(tags::PATIENT_WEIGHT, "-1")])),
        ("(0018,1072) is neither within 6 half-lives", &|o| {
            drug(o, VR::TM, tags::RADIOPHARMACEUTICAL_START_TIME, "120100");
        }),
        // 109.77 minutes instead of seconds.
        ("(0018,1072) is neither within 6 half-lives", &|o| drug(o, VR::DS, tags::RADIONUCLIDE_HALF_LIFE, "109.77")),
    ];
    for (reason, change) in cases {
        let mut object = slice(1, quiet());
        change(&mut object);
        let study = Study::new(vec![object], EXPLICIT);
        let refused = study.run(&["-o", "out", "--report", "r.json"]);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(3), "{said}");
        assert!(said.contains(reason) && said.contains("--units native"), "{said}");
        assert!(
            said.contains("0.dcm") && !said.contains("74000"),
            "it names the file, and not the patient's value: {said}"
        );
        assert!(!study.dir.path().join("out").exists());
        let dry = study.run(&["-o", "out", "--dry-run"]);
        assert!(dry.status.code() == Some(3) && text(&dry.stderr).contains(reason), "{}", text(&dry.stderr));
        let list = listed(&study.dir.path().join("in"));
        assert!(list["series"][0]["slices"][0]["problem"].as_str().unwrap().contains(reason), "{list:#}");
        let native = study.run(&["-o", "out", "--units", "native"]);
        assert!(native.status.success(), "{}", text(&native.stderr));
    }
}

/// SeriesTime was rewritten while the scan went on: the slices scanned after it do not show it, but the first one does.
#[test]
fn a_rewritten_series_time_is_found_in_any_slice() {
    let bed = |number, acquired: &str, reference: &str| {
        let mut o = slice(number, quiet());
        put(&mut o, VR::TM, &[(tags::SERIES_TIME, "110300"), (tags::ACQUISITION_TIME, acquired)]);
        put(&mut o, VR::DS, &[(tags::FRAME_REFERENCE_TIME, reference), (tags::ACTUAL_FRAME_DURATION, "180000")]);
        o
    };
    // Frames begin 0 and 240 s after the start; their mean count rate is reached 89.858 s later.
    let study = Study::new(vec![bed(1, "110000", "89858.37"), bed(2, "110400", "329858.37")], EXPLICIT);
    let list = listed(&study.dir.path().join("in"));
    for slice in list["series"][0]["slices"].as_array().unwrap() {
        assert!((slice["uptake_s"].as_f64().unwrap() - 3600.0).abs() < 1e-3, "{list:#}");
    }
    assert!(list["series"][0]["findings"][0].as_str().unwrap().contains("FrameReferenceTime"), "{list:#}");
    // Times that contradict each other lead to no SUV.
    let study = Study::new(vec![bed(1, "110000", "89858.37"), bed(2, "110000", "329858.37")], EXPLICIT);
    let said = text(&study.run(&["-o", "out"]).stderr);
    assert!(said.contains("different starts of the scan"), "{said}");
}

/// SUV factors of rebuilt headers: published ones, and those that SUV = value x weight / decayed dose gives.
#[test]
fn headers_of_many_scanners_lead_to_their_published_factors() {
    // 71 kg, 388.777472 MBq at 10:35:00, a scan at 11:20:11.
    let ge = |half_life: f64, seconds: f64| 71_000.0 / 388_777_472.0 * 2f64.powf(seconds / half_life);
    let hour = ge(6588.0, 2711.0);
    for (case, expected, exactness) in [
        ("suv-bqml_ac_dt_lessthan_s_dt_siemens", 0.0004069156854009332, 1e-9),
        ("suv-ge_medical_and_bqml", 0.0005367387681819742, 1e-9),
        ("suv-philips_bqml", 0.0007463747013889488, 1e-9),
        ("suv-philips_cnts_and_bqml_suv", 0.000551, 1e-9),
        ("suv-philips_cnts_and_suv", 0.000728, 1e-9),
        ("suv-radiopharm_datetime_undefined", 0.0003721089202818729, 1e-9),
        ("suv-siemens", 0.00042748316187197236, 1e-9),
        ("pet-injection-10s-after-start", ge(6588.0, -10.0), 1e-9),
        ("pet-timezone-negative", hour, 1e-9),
        ("pet-midnight", ge(6588.0, 2700.0), 1e-9),
        ("pet-y90-three-days", ge(230_400.0, 3.0 * 86_400.0 + 4811.0), 1e-9),
        ("pet-acq-5us-before-series", ge(6588.0, 3255.0), 1e-9),
        ("pet-startdatetime-not-shifted", hour, 1e-9),
        ("pet-no-acquisition-time", hour, 1e-9),
        ("pet-admin", ge(6588.0, 0.0), 1e-9),
        ("pet-psma-ga68", ge(4062.6, 2711.0), 1e-9),
        // 08:45:00 to the start of the first bed at 10:27:31.687; beds are timed to some tenths of a second.
        ("pet-siemens-altered-series-time", 123_600.0 / 587_929_992.675_78 * 2f64.powf(6151.687 / 6586.2), 1e-4),
    ] {
        let Some(folder) = real(&format!("cases/dicom/{case}/in")) else { return };
        let list = listed(&folder);
        let series = list["series"].as_array().unwrap();
        let slices: Vec<&Value> = series.iter().flat_map(|s| s["slices"].as_array().unwrap()).collect();
        assert!(!slices.is_empty(), "{case}");
        for slice in slices {
            let found = slice["suv_factor"].as_f64().unwrap_or_else(|| panic!("{case}: {slice:#}"));
            assert!((found / expected - 1.0).abs() < exactness, "{case}: {found} {expected}");
        }
    }
    // CPS_AND_BQML_AC_DT_-_S_DT of the same collection: rewritten SeriesTime, FrameReferenceTime 0.
    let (cps, _) = factor(|o| {
        put(o, VR::TM, &[(tags::SERIES_TIME, "134918.000000"), (tags::ACQUISITION_TIME, "130348.234000")]);
        put(
            o,
            VR::DS,
            &[(tags::PATIENT_WEIGHT, "69"), (tags::FRAME_REFERENCE_TIME, "0"), (tags::ACTUAL_FRAME_DURATION, "180000")],
        );
        drug(o, VR::DS, tags::RADIONUCLIDE_TOTAL_DOSE, "388000000");
        drug(o, VR::TM, tags::RADIOPHARMACEUTICAL_START_TIME, "120037.000000");
    });
    assert!((cps / 0.00026503312764157046 - 1.0).abs() < 1e-9, "{cps}");
    for (case, reason) in [("pet-dose-in-MBq", "(0018,1074)"), ("pet-weight-negative", "(0010,1030)")] {
        let Some(folder) = real(&format!("cases/dicom/{case}/in")) else { return };
        let problem = listed(&folder)["series"][0]["slices"][0]["problem"].to_string();
        assert!(problem.contains(reason) && problem.contains("is not within"), "{case}: {problem}");
    }
}
