//! `artir pet` and real-world value mappings: they follow a new RescaleSlope, or are left out with a finding.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use artir_tests::{
    dicom::{put, put_items},
    pet::{SIDE, Study, pet, quiet, slice},
    real,
};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

const IMPLICIT: &str = uids::IMPLICIT_VR_LITTLE_ENDIAN;
const EXPLICIT: &str = uids::EXPLICIT_VR_LITTLE_ENDIAN;

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
    // A finished series that is taken up again reports them too, into the same report.
    let (again, _) = study.restore(&["--resume"]);
    assert_eq!(again["series"][0]["findings"], report["series"][0]["findings"]);
    assert_eq!(again["series"][0]["resumed"], 1);
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
