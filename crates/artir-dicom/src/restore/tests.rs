//! The whole path of a series with residuals that are plain functions, on objects made here and on real ones.

use std::collections::BTreeSet;

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::uids;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use super::*;
use crate::{Modality, scan};

/// A CT slice of 6x5 pixels at a height of `z` mm, with padding value -2000.
fn slice(z: f64, uid: &str, first: i16) -> InMemDicomObject {
    let mut o = InMemDicomObject::new_empty();
    for (tag, vr, text) in [
        (tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        (tags::SOP_INSTANCE_UID, VR::UI, uid),
        (tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3"),
        (tags::MODALITY, VR::CS, "CT"),
        (tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL"),
        (tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0"),
        (tags::PIXEL_SPACING, VR::DS, "0.7\\0.7"),
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        (tags::RESCALE_SLOPE, VR::DS, "2"),
        (tags::RESCALE_INTERCEPT, VR::DS, "-1024"),
        (tags::PATIENT_NAME, VR::PN, "SECRET^NAME"),
        (tags::SERIES_NUMBER, VR::IS, "7"),
    ] {
        o.put(DataElement::new(tag, vr, PrimitiveValue::from(text)));
    }
    o.put(DataElement::new(tags::IMAGE_POSITION_PATIENT, VR::DS, PrimitiveValue::from(format!("0\\0\\{z}"))));
    for (tag, value) in [
        (tags::ROWS, 6u16),
        (tags::COLUMNS, 5),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 16),
        (tags::HIGH_BIT, 15),
        (tags::PIXEL_REPRESENTATION, 1),
        (tags::SAMPLES_PER_PIXEL, 1),
    ] {
        o.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    o.put(DataElement::new(tags::PIXEL_PADDING_VALUE, VR::SS, PrimitiveValue::from(-2000i16)));
    let mut words = vec![first as u16; 30];
    words[0] = -2000i16 as u16;
    o.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.into())));
    o
}

fn save(object: InMemDicomObject, path: &Path) {
    let meta = FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
    object.with_meta(meta).unwrap().write_to_file(path).unwrap();
}

fn run(series: &Series, out: &Path, residual: f32) -> Result<SeriesReport, Error> {
    restore_with(series, "p", "d", out, &DeriveOptions::default(), &mut |slice| {
        Ok(Array2::from_elem(slice.frame.stored.raw_dim(), residual))
    })
}

#[test]
fn a_series_is_sorted_restored_and_derived() {
    let dir = tempfile::tempdir().unwrap();
    for (name, z, uid) in [("a", 5.0, "1.2.3.1"), ("b", -5.0, "1.2.3.2"), ("c", 0.0, "1.2.3.3")] {
        save(slice(z, uid, 500), &dir.path().join(name));
    }
    std::fs::write(dir.path().join("notes.txt"), "not an image").unwrap();
    let found = scan(&[dir.path().to_owned()], Modality::Ct).unwrap();
    assert_eq!((found.series.len(), found.set_aside.len()), (1, 1));
    let heights: Vec<f64> = found.series[0].slices.iter().map(|s| s.along_normal).collect();
    assert_eq!(heights, [-5.0, 0.0, 5.0]);

    let out = tempfile::tempdir().unwrap();
    let report = run(&found.series[0], out.path(), 3.0).unwrap();
    assert_eq!(report.files.len(), 3);
    let file = report.folder.join(&report.files[0]);
    let object = header::open(&file, true).unwrap();
    let text = |tag| header::text(&object, tag).unwrap();
    assert_eq!(text(tags::IMAGE_TYPE), "DERIVED\\PRIMARY\\AXIAL");
    assert_eq!(text(tags::SERIES_INSTANCE_UID), report.series_uid);
    assert_eq!(text(tags::SERIES_NUMBER), "1007");
    assert_eq!(text(tags::PATIENT_NAME), "SECRET^NAME");
    assert_ne!(text(tags::SOP_INSTANCE_UID), "1.2.3.2");
    let references = object.get(tags::SOURCE_IMAGE_SEQUENCE).and_then(|e| e.items()).unwrap();
    assert_eq!(header::text(&references[0], tags::REFERENCED_SOP_INSTANCE_UID).unwrap(), "1.2.3.2");
    let frame = Frame::decode(&object, &file).unwrap();
    assert_eq!(frame.stored[(0, 0)], -2000, "padding is not touched");
    // 3 HU at a slope of 2 is a step and a half, rounded away from zero.
    assert!(frame.stored.iter().skip(1).all(|v| *v == 502));

    assert!(matches!(run(&found.series[0], out.path(), 0.0), Err(Error::Exists { .. })));
    let again = tempfile::tempdir().unwrap();
    let second = run(&found.series[0], again.path(), 3.0).unwrap();
    for name in &report.files {
        let (a, b) = (std::fs::read(report.folder.join(name)), std::fs::read(second.folder.join(name)));
        assert_eq!(a.unwrap(), b.unwrap(), "a second run must give the same bytes");
    }
}

#[test]
fn truncated_pixels_name_the_file_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.dcm");
    save(slice(0.0, "1.2.3.1", 1), &path);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    let out = tempfile::tempdir().unwrap();
    let failed = scan(&[dir.path().to_owned()], Modality::Ct).and_then(|s| run(&s.series[0], out.path(), 0.0));
    let message = failed.unwrap_err().to_string();
    assert!(message.contains("cut.dcm") && !message.contains("SECRET"), "{message}");
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn folders_without_a_series_say_what_they_hold() {
    let dir = tempfile::tempdir().unwrap();
    let none = scan(&[dir.path().to_owned()], Modality::Ct).unwrap_err();
    assert!(none.to_string().contains("no files"), "{none}");
    std::fs::write(dir.path().join("a.txt"), "x").unwrap();
    let text = scan(&[dir.path().to_owned()], Modality::Pet).unwrap_err();
    assert!(text.to_string().contains("not a DICOM file"), "{text}");
    assert_eq!(text.kind(), artir_core::ErrorKind::Input);
    assert!(scan(&[dir.path().join("nowhere")], Modality::Ct).is_err());
}

#[test]
fn every_flipped_byte_of_a_header_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.dcm");
    save(slice(0.0, "1.2.3.1", 1), &path);
    let whole = std::fs::read(&path).unwrap();
    let out = tempfile::tempdir().unwrap();
    std::panic::set_hook(Box::new(|_| {}));
    for i in (132..whole.len()).step_by(7) {
        let mut bad = whole.clone();
        bad[i] ^= 0xff;
        std::fs::write(&path, bad).unwrap();
        // Success or a named error; a panic would fail the test.
        if let Ok(found) = scan(std::slice::from_ref(&path), Modality::Ct) {
            let options = DeriveOptions { overwrite: true, ..DeriveOptions::default() };
            for series in &found.series {
                drop(restore_with(series, "p", "d", out.path(), &options, &mut |s| {
                    Ok(Array2::zeros(s.frame.stored.raw_dim()))
                }));
            }
        }
    }
    drop(std::panic::take_hook());
}

/// The folder of real data, or a line that says why the test is skipped.
fn real(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("ARTIR_REAL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let folder = root.join("dicom").join(part);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no real data at dicom/{part} (ARTIR_REAL_DATA)");
    None
}

/// Errors that dciodvfy reports for a file, without the values that must differ.
fn dciodvfy(path: &Path) -> Option<BTreeSet<String>> {
    let out = std::process::Command::new("dciodvfy").arg("-new").arg(path).output().ok()?;
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    Some(text.lines().filter(|l| l.starts_with("Error")).map(str::to_owned).collect())
}

#[test]
fn real_series_pass_unchanged_and_valid() {
    for (part, modality, slices) in [
        ("ct-abdomen-ge", Modality::Ct, 41),
        ("ct-head-ge-tilted", Modality::Ct, 16),
        ("pet-ge-bqml", Modality::Pet, 267),
    ] {
        let Some(folder) = real(part) else { continue };
        let mut found = scan(&[folder], modality).unwrap();
        assert_eq!(found.series.iter().map(|s| s.slices.len()).sum::<usize>(), slices, "{part}");
        let series = &mut found.series[0];
        series.slices.truncate(45);
        let out = tempfile::tempdir().unwrap();
        let report = run(series, out.path(), 0.0).unwrap();
        for (header, name) in series.slices.iter().zip(&report.files) {
            let derived = report.folder.join(name);
            let (a, b) = (header::open(&header.path, true).unwrap(), header::open(&derived, true).unwrap());
            let (fa, fb) = (Frame::decode(&a, &header.path).unwrap(), Frame::decode(&b, &derived).unwrap());
            assert_eq!(fa.stored, fb.stored, "{part} {name}");
            for tag in [
                tags::FRAME_OF_REFERENCE_UID,
                tags::IMAGE_POSITION_PATIENT,
                tags::IMAGE_ORIENTATION_PATIENT,
                tags::PIXEL_SPACING,
                tags::STUDY_INSTANCE_UID,
                tags::RESCALE_SLOPE,
                tags::PATIENT_ID,
            ] {
                assert_eq!(header::text(&a, tag), header::text(&b, tag), "{part} {name} {tag}");
            }
            if let (Some(before), Some(after)) = (dciodvfy(&header.path), dciodvfy(&derived)) {
                let new: Vec<_> = after.difference(&before).collect();
                assert!(new.is_empty(), "{part} {name}: {new:?}");
            }
        }
    }
}

#[test]
fn localizers_are_set_aside() {
    let Some(folder) = real("ct-phantom-philips-mixed") else { return };
    let found = scan(&[folder], Modality::Ct).unwrap();
    assert!(found.set_aside.iter().any(|s| s.reason.contains("localizer")), "{:?}", found.set_aside);
}

#[test]
fn a_pet_slice_that_outgrows_its_slope_gets_a_larger_one() {
    let Some(folder) = real("pet-ge-bqml") else { return };
    let found = scan(&[folder], Modality::Pet).unwrap();
    let mut series = found.series[0].clone();
    series.slices.drain(..series.slices.len() / 2);
    series.slices.truncate(1);
    let out = tempfile::tempdir().unwrap();
    let report = run(&series, out.path(), 2.0).unwrap();
    let source = header::open(&series.slices[0].path, true).unwrap();
    let derived = header::open(&report.folder.join(&report.files[0]), true).unwrap();
    let factor = suv::factor(&source).unwrap();
    let (a, b) = (Frame::decode(&source, Path::new("")).unwrap(), Frame::decode(&derived, Path::new("")).unwrap());
    assert!(b.encoding.slope > a.encoding.slope);
    let top = b.encoding.rescale(*b.stored.iter().max().unwrap()) * factor;
    for (a_stored, b_stored) in a.stored.iter().zip(&b.stored) {
        let difference = (b.encoding.rescale(*b_stored) - a.encoding.rescale(*a_stored)) * factor;
        assert!((difference - 2.0).abs() < 1e-3 * top, "{difference}");
    }
}
