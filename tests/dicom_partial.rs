//! Series of which some slices cannot be restored, and runs that are taken up again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use artir_tests::{
    dicom::{put, put_items, put_pixels, save},
    pet::text,
    run,
};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

const SIDE: u16 = 64;

/// An Enhanced CT object of two frames, `number` in its series.
fn enhanced(number: usize) -> InMemDicomObject {
    let mut o = InMemDicomObject::new_empty();
    put(
        &mut o,
        VR::UI,
        &[
            (tags::SOP_CLASS_UID, uids::ENHANCED_CT_IMAGE_STORAGE),
            (tags::SOP_INSTANCE_UID, &format!("1.2.3.{number}")),
            (tags::SERIES_INSTANCE_UID, "1.2.3"),
            (tags::STUDY_INSTANCE_UID, "1.2"),
        ],
    );
    put(&mut o, VR::CS, &[(tags::MODALITY, "CT"), (tags::IMAGE_TYPE, "ORIGINAL\\PRIMARY\\AXIAL\\NONE")]);
    put(&mut o, VR::IS, &[(tags::NUMBER_OF_FRAMES, "2")]);
    put_pixels(&mut o, SIDE, (0..2 * SIDE * SIDE).map(|i| 900 + i % 97).collect());
    let group = |sequence: Tag, attributes: &[(Tag, &str)]| {
        let mut item = InMemDicomObject::new_empty();
        put(&mut item, VR::DS, attributes);
        (sequence, vec![item])
    };
    let mut shared = InMemDicomObject::new_empty();
    for (sequence, items) in [
        group(tags::PIXEL_MEASURES_SEQUENCE, &[(tags::PIXEL_SPACING, "0.5\\0.5")]),
        group(tags::PLANE_ORIENTATION_SEQUENCE, &[(tags::IMAGE_ORIENTATION_PATIENT, "1\\0\\0\\0\\1\\0")]),
        group(
            tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
            &[(tags::RESCALE_SLOPE, "1"), (tags::RESCALE_INTERCEPT, "-1024")],
        ),
    ] {
        put_items(&mut shared, sequence, items);
    }
    let frames = [0, 1].map(|frame| {
        let position = format!("0\\0\\{}", 2 * number + frame);
        let (sequence, items) = group(tags::PLANE_POSITION_SEQUENCE, &[(tags::IMAGE_POSITION_PATIENT, &position)]);
        let mut own = InMemDicomObject::new_empty();
        put_items(&mut own, sequence, items);
        own
    });
    put_items(&mut o, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]);
    put_items(&mut o, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames.to_vec());
    o
}

#[test]
fn a_partial_series_counts_frames_and_not_objects() {
    let dir = tempfile::tempdir().unwrap();
    for number in 1..4 {
        save(enhanced(number), uids::EXPLICIT_VR_LITTLE_ENDIAN, &dir.path().join(format!("in/{number}.dcm")));
    }
    let cut = dir.path().join("in/2.dcm");
    let whole = fs::read(&cut).unwrap();
    fs::write(&cut, &whole[..whole.len() - 100]).unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    let arguments = ["ct".as_ref(), input.as_os_str(), "-o".as_ref(), output.as_os_str()];
    let partial = run(arguments.into_iter().chain(["--allow-partial".as_ref(), "--strength".as_ref(), "0".as_ref()]));
    assert_eq!(partial.status.code(), Some(4), "{}", text(&partial.stderr));
    assert!(text(&partial.stdout).contains(": 4 slices written"), "{}", text(&partial.stdout));
}
