//! The whole path of a series with residuals that are plain functions, on objects made here and on real ones.

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::uids;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use artir_core::{Sink, Work};
use dicom_dictionary_std::tags;
use ndarray::{Array2, Axis};

use super::*;
use crate::{
    Finding, Modality, OutputSyntax, Scan,
    read::{
        dataset::{DataSet, Stop},
        file::DicomFile,
        frame::PixelFormat,
        slice::Slice,
        worker::Decoder,
    },
    scan,
};

/// A CT slice of 6x5 pixels at a height of `z` mm, with padding value -2000.
pub(crate) fn slice(z: f64, uid: &str, first: i16) -> InMemDicomObject {
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

pub(crate) fn save(object: InMemDicomObject, path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let meta = FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
    object.with_meta(meta).unwrap().write_to_file(path).unwrap();
}

pub(super) const WHAT: Restoring<'static> =
    Restoring { provenance: "p", decides: "p", task: "a test", sight: Sight { slices: 1, apart: f64::INFINITY } };

pub(crate) fn run(series: &Series, out: &Path, residual: f32) -> Result<SeriesReport, Error> {
    run_with(series, out, residual, &RestoreOptions::default())
}

pub(crate) fn run_with(
    series: &Series,
    out: &Path,
    residual: f32,
    options: &RestoreOptions,
) -> Result<SeriesReport, Error> {
    let each = move |slice: &&Slice| Array2::from_elem(slice.frame.stored.raw_dim(), residual);
    restore_with(series, &WHAT, out, options, pool(1, move |slices| Ok(slices.iter().map(each).collect())))
}

/// A pool with a function that returns the residuals of slices.
fn pool<'a>(
    at_once: usize,
    mut residuals: impl FnMut(&[&Slice]) -> Result<Vec<Array2<f32>>, Error> + 'a,
) -> Pool<'a, Step> {
    Pool::new(at_once, move |steps: &mut [&mut Step]| {
        let slices: Vec<&Slice> = steps
            .iter()
            .map(|step| match &**step {
                Step::Frame(seen, _) => seen.middle(),
                _ => panic!("a step without an image"),
            })
            .collect();
        let found = residuals(&slices)?;
        for (step, found) in steps.iter_mut().zip(found) {
            if let Some((_, mut sink)) = step.image() {
                sink.write(0, found.insert_axis(Axis(0)).view())?;
            }
        }
        Ok(())
    })
}

pub(crate) fn open_set(path: &Path) -> DataSet {
    DicomFile::open(path, Stop::AtEnd).unwrap().set
}

/// The stored values of every frame.
pub(crate) fn stored(path: &Path, modality: Modality) -> Vec<Array2<i32>> {
    let mut file = DicomFile::open(path, Stop::AtEnd).unwrap();
    let format = PixelFormat::read(&file.set).unwrap();
    let mut decoder = Decoder::in_process();
    let mut frame = |i| Slice::read(&mut file, &format, i, modality, 1.0, &mut decoder).unwrap();
    (0..format.frames).map(|i| frame(i).frame.stored).collect()
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
    let heights: Vec<f64> = found.series[0].instances.iter().map(|s| s.along_normal[0]).collect();
    assert_eq!(heights, [-5.0, 0.0, 5.0]);

    let out = tempfile::tempdir().unwrap();
    let report = run(&found.series[0], out.path(), 3.0).unwrap();
    assert_eq!(report.files.len(), 3);
    let file = report.folder.join(&report.files[0]);
    let object = open_set(&file);
    let text = |tag| object.text(tag).unwrap();
    assert_eq!(text(tags::IMAGE_TYPE), "DERIVED\\PRIMARY\\AXIAL");
    assert_eq!(text(tags::SERIES_INSTANCE_UID), report.series_uid);
    assert_eq!(text(tags::SERIES_NUMBER), "1007");
    assert_eq!(text(tags::PATIENT_NAME), "SECRET^NAME");
    assert_ne!(text(tags::SOP_INSTANCE_UID), "1.2.3.2");
    let references = object.items(tags::SOURCE_IMAGE_SEQUENCE);
    assert_eq!(references[0].text(tags::REFERENCED_SOP_INSTANCE_UID).unwrap(), "1.2.3.2");
    let values = &stored(&file, Modality::Ct)[0];
    assert_eq!(values[(0, 0)], -2000, "padding is not touched");
    // 3 HU at a slope of 2 is a step and a half, rounded away from zero.
    assert!(values.iter().skip(1).all(|v| *v == 502));

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

/// Slices of one series in a folder of their own.
pub(crate) fn folder(slices: &[(&str, InMemDicomObject)]) -> (tempfile::TempDir, Scan) {
    let dir = tempfile::tempdir().unwrap();
    for (name, object) in slices {
        save(object.clone(), &dir.path().join(name));
    }
    let found = scan(&[dir.path().to_owned()], Modality::Ct).unwrap();
    (dir, found)
}

#[test]
fn copies_are_set_aside_and_doubles_are_reported() {
    let (_dir, found) = folder(&[
        ("a", slice(0.0, "1.2.3.1", 1)),
        ("b", slice(0.0, "1.2.3.1", 1)),
        ("c", slice(0.0, "1.2.3.2", 1)),
        ("d", slice(5.0, "1.2.3.3", 1)),
    ]);
    assert_eq!(found.set_aside.len(), 1);
    assert!(found.set_aside[0].path.ends_with("b") && found.set_aside[0].reason.to_string().contains("byte-identical"));
    assert_eq!(found.series[0].slices(), 3);
    assert_eq!(found.series[0].findings, [Finding::Coincident(1)]);
}

#[test]
fn phases_at_the_same_positions_stay_one_series_of_time_slices() {
    let phase = |z: f64, uid: &str, acquisition: &str| {
        let mut o = slice(z, uid, 1);
        o.put(DataElement::new(tags::ACQUISITION_NUMBER, VR::IS, PrimitiveValue::from(acquisition)));
        o
    };
    let (_dir, found) = folder(&[
        ("a", phase(0.0, "1.2.3.1", "1")),
        ("b", phase(5.0, "1.2.3.2", "1")),
        ("c", phase(0.0, "1.2.3.3", "2")),
        ("d", phase(5.0, "1.2.3.4", "2")),
    ]);
    assert_eq!(found.series.len(), 1);
    assert_eq!(found.series[0].findings, [Finding::TimeSlices(2)]);
    let order: Vec<&str> = found.series[0].instances.iter().map(|i| i.uid.as_str()).collect();
    assert_eq!(order, ["1.2.3.1", "1.2.3.2", "1.2.3.3", "1.2.3.4"]);
    // Acquisitions that follow each other along the body, and share a position.
    let (_dir, found) = folder(&[
        ("a", phase(0.0, "1.2.3.1", "1")),
        ("b", phase(5.0, "1.2.3.2", "1")),
        ("c", phase(5.0, "1.2.3.3", "2")),
        ("d", phase(10.0, "1.2.3.4", "2")),
    ]);
    assert_eq!(found.series.len(), 1);
    assert_eq!(found.series[0].findings, [Finding::Coincident(1)]);
}

#[test]
fn orientations_that_jitter_are_one_and_kernels_are_not() {
    let turned = |z: f64, uid: &str, by: f64, kernel: &str| {
        let mut o = slice(z, uid, 1);
        let text = format!("1\\{by}\\0\\{}\\1\\0", -by);
        o.put(DataElement::new(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, PrimitiveValue::from(text)));
        o.put(DataElement::new(tags::CONVOLUTION_KERNEL, VR::SH, PrimitiveValue::from(kernel)));
        o
    };
    let series = |of: [(f64, &str); 3]| {
        let slices: Vec<_> = of.iter().zip(["a", "b", "c"]).enumerate().collect();
        let objects: Vec<_> = slices
            .iter()
            .map(|(i, ((by, kernel), name))| (*name, turned(*i as f64, &format!("1.2.3.{i}"), *by, kernel)))
            .collect();
        let (_dir, found) = folder(&objects);
        found.series.iter().map(Series::slices).collect::<Vec<_>>()
    };
    assert_eq!(series([(0.000_499, ""), (0.000_501, ""), (0.000_499, "")]), [3]);
    assert_eq!(series([(0.0, ""), (0.3, ""), (0.0, "")]), [2, 1]);
    assert_eq!(series([(0.0, "SOFT"), (0.0, "BONE"), (0.0, "SOFT")]), [1, 2]);
    assert_eq!(series([(0.0, "SOFT"), (0.0, ""), (0.0, "soft")]), [3]);
}

#[test]
fn a_slice_that_fails_ends_the_series_unless_it_may_be_partial() {
    let (dir, found) = folder(&[("a", slice(0.0, "1.2.3.1", 1)), ("b", slice(5.0, "1.2.3.2", 1))]);
    let path = dir.path().join("a");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    let out = tempfile::tempdir().unwrap();
    let error = run(&found.series[0], out.path(), 1.0).unwrap_err().to_string();
    assert!(error.contains("/a: "), "{error}");
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
    let options = RestoreOptions { allow_partial: true, ..RestoreOptions::default() };
    let report = run_with(&found.series[0], out.path(), 1.0, &options).unwrap();
    assert_eq!((report.files, report.failed.len()), (vec!["0002.dcm".to_owned()], 1));
}

#[test]
fn objects_under_gzip_lie_where_their_archives_do() {
    let (dir, _) = folder(&[("a", slice(0.0, "1.2.3.1", 1)), ("b", slice(5.0, "1.2.3.2", 1))]);
    let pack = |name: &str, bytes: &[u8]| {
        let file = std::fs::File::create(dir.path().join(name)).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap();
    };
    for name in ["a", "b"] {
        let path = dir.path().join(name);
        pack(&format!("{name}.dcm.gz"), &std::fs::read(&path).unwrap());
        std::fs::remove_file(path).unwrap();
    }
    let found = scan(&[dir.path().to_owned()], Modality::Ct).unwrap();
    assert_eq!((found.series[0].instances.len(), found.obstacle(&found.series[0]).is_none()), (2, true));
    // One whose copy broke off, and one that was damaged before it was packed.
    let whole = std::fs::read(dir.path().join("b.dcm.gz")).unwrap();
    std::fs::write(dir.path().join("b.dcm.gz"), &whole[..whole.len() - 20]).unwrap();
    pack("c.dcm.gz", &[[0; 128].as_slice(), b"DICM", &[7; 300]].concat());
    let found = scan(&[dir.path().to_owned()], Modality::Ct).unwrap();
    assert_eq!(found.series[0].instances.len(), 1);
    assert_eq!(found.damaged_beside(&found.series[0]).count(), 2);
    assert!(found.obstacle(&found.series[0]).is_some());
}

#[test]
fn files_that_cannot_be_read_are_named_beside_the_series() {
    let (dir, _) = folder(&[("a", slice(0.0, "1.2.3.1", 1))]);
    let whole = std::fs::read(dir.path().join("a")).unwrap();
    std::fs::write(dir.path().join("b"), &whole[..300]).unwrap();
    let found = scan(&[dir.path().to_owned()], Modality::Ct).unwrap();
    assert_eq!(found.damaged_beside(&found.series[0]).count(), 1);
    assert!(found.damaged[0].to_string().contains("/b: damaged or truncated"), "{}", found.damaged[0]);
    // What a copy that failed leaves of a slice.
    std::fs::write(dir.path().join("c.dcm"), b"").unwrap();
    let found = scan(&[dir.path().to_owned()], Modality::Ct).unwrap();
    assert_eq!(found.damaged_beside(&found.series[0]).count(), 2);
    assert!(found.damaged[1].to_string().contains("/c.dcm: damaged or truncated: "), "{}", found.damaged[1]);
}

#[test]
fn compressed_output_holds_the_same_values() {
    let (dir, found) = folder(&[("a", slice(0.0, "1.2.3.1", 40))]);
    let plain = stored(&dir.path().join("a"), Modality::Ct);
    for syntax in [OutputSyntax::RleLossless, OutputSyntax::JpegLsLossless] {
        let out = tempfile::tempdir().unwrap();
        let options = RestoreOptions { syntax, ..RestoreOptions::default() };
        let report = run_with(&found.series[0], out.path(), 0.0, &options).unwrap();
        let file = report.folder.join(&report.files[0]);
        assert_eq!(DicomFile::open(&file, Stop::AtPixels).unwrap().transfer_syntax, syntax.uid());
        assert_eq!(stored(&file, Modality::Ct), plain, "{syntax:?}");
    }
}

#[test]
fn times_and_descriptions_are_written_when_they_are_asked_for() {
    let mut object = slice(0.0, "1.2.3.1", 40);
    object.put(DataElement::new(tags::INSTANCE_CREATION_DATE, VR::DA, PrimitiveValue::from("19990101")));
    let (_dir, found) = folder(&[("a", object)]);
    let out = tempfile::tempdir().unwrap();
    let first = run(&found.series[0], out.path(), 1.0).unwrap();
    assert!(
        !open_set(&first.folder.join("0001.dcm")).contains(tags::INSTANCE_CREATION_DATE),
        "the source's is not true"
    );
    let options = RestoreOptions {
        overwrite: true,
        timestamp: Some(Timestamp::new("20240229235958").unwrap()),
        series_description: Some(Description::new("Denoised").unwrap()),
        ..RestoreOptions::default()
    };
    run_with(&found.series[0], out.path(), 1.0, &options).unwrap();
    let set = open_set(&first.folder.join("0001.dcm"));
    assert_eq!(set.text(tags::INSTANCE_CREATION_DATE), Some("20240229"));
    assert_eq!(set.text(tags::INSTANCE_CREATION_TIME), Some("235958"));
    assert_eq!(set.text(tags::SERIES_DESCRIPTION), Some("Denoised"));
    let equipment = &set.items(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE)[0];
    assert!(equipment.text(tags::CONTRIBUTION_DESCRIPTION).unwrap().contains("Research use only"));
}

#[test]
fn a_series_that_is_there_is_recognised_by_resume() {
    let (_dir, found) = folder(&[("a", slice(0.0, "1.2.3.1", 40)), ("b", slice(5.0, "1.2.3.2", 40))]);
    let out = tempfile::tempdir().unwrap();
    run(&found.series[0], out.path(), 1.0).unwrap();
    let options = RestoreOptions { resume: true, ..RestoreOptions::default() };
    let again = run_with(&found.series[0], out.path(), 1.0, &options).unwrap();
    assert_eq!((again.resumed, again.files.len()), (2, 2));
    // Another model's result is not taken for this one's.
    let other = Restoring { decides: "another", ..WHAT };
    let refused = restore_with(&found.series[0], &other, out.path(), &options, pool(1, |_| unreachable!()));
    assert!(matches!(refused, Err(Error::Exists { .. })));
}

#[test]
fn an_interrupted_series_is_taken_up_where_it_was() {
    let uids = ["1.2.3.1", "1.2.3.2", "1.2.3.3"];
    let slices: Vec<_> =
        uids.iter().zip(["a", "b", "c"]).map(|(uid, n)| (n, slice(uid.len() as f64, uid, 9))).collect();
    let (_dir, found) = folder(&slices);
    let (out, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = run(&found.series[0], whole.path(), 4.0).unwrap();
    let options = RestoreOptions { resume: true, ..RestoreOptions::default() };
    let mut seen = 0;
    let stopping = pool(1, |slices| {
        seen += 1;
        if seen == 3 {
            return Err(artir_core::Error::Interrupted.into());
        }
        Ok(vec![Array2::from_elem(slices[0].frame.stored.raw_dim(), 4.0)])
    });
    let stopped = restore_with(&found.series[0], &WHAT, out.path(), &options, stopping);
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Interrupted);
    assert!(!out.path().join(&found.series[0].folder).exists());
    let report = run_with(&found.series[0], out.path(), 4.0, &options).unwrap();
    assert!(report.resumed == 2, "{}", report.resumed);
    for name in &expected.files {
        let (a, b) = (std::fs::read(expected.folder.join(name)), std::fs::read(report.folder.join(name)));
        assert_eq!(a.unwrap(), b.unwrap(), "{name}");
    }
}

#[test]
fn slices_seen_together_give_the_same_files() {
    let names = ["a", "b", "c", "d", "e"];
    let slices: Vec<_> = (0..5).map(|i| (names[i], slice(i as f64, &format!("1.2.3.{i}"), 100 * i as i16))).collect();
    let (_dir, found) = folder(&slices);
    let files = |together: usize| {
        let out = tempfile::tempdir().unwrap();
        let mut sizes = Vec::new();
        let pool = pool(together, |slices| {
            sizes.push(slices.len());
            // A residual of its own for each slice, so that none may get another's.
            Ok(slices.iter().map(|s| s.frame.stored.mapv(|v| 10.0 + v as f32 / 10.0)).collect())
        });
        let report = restore_with(&found.series[0], &WHAT, out.path(), &RestoreOptions::default(), pool).unwrap();
        let read = |name| std::fs::read(report.folder.join(name)).unwrap();
        (report.files.iter().map(read).collect::<Vec<_>>(), sizes)
    };
    let (alone, sizes) = files(1);
    assert_eq!((alone.len(), sizes), (5, vec![1; 5]));
    for (together, sizes) in [(2, vec![2, 2, 1]), (5, vec![5]), (8, vec![5])] {
        assert_eq!(files(together), (alone.clone(), sizes), "{together} at once");
    }
}

#[test]
fn an_adversary_of_a_header_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.dcm");
    save(slice(0.0, "1.2.3.1", 1), &path);
    let whole = std::fs::read(&path).unwrap();
    let out = tempfile::tempdir().unwrap();
    let options = RestoreOptions { overwrite: true, ..RestoreOptions::default() };
    for i in 132..whole.len() {
        for value in [whole[i] ^ 0xff, whole[i].wrapping_add(1)] {
            let mut bad = whole.clone();
            bad[i] = value;
            std::fs::write(&path, bad).unwrap();
            // Success or a named error; a panic would fail the test.
            if let Ok(found) = scan(std::slice::from_ref(&path), Modality::Ct) {
                for series in &found.series {
                    drop(run_with(series, out.path(), 1.0, &options));
                }
            }
        }
    }
}

/// Files of every encoding, small, for fuzzers to start from.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let mut out = Vec::new();
    for (name, syntax) in [
        ("explicit", uids::EXPLICIT_VR_LITTLE_ENDIAN),
        ("implicit", uids::IMPLICIT_VR_LITTLE_ENDIAN),
        ("big-endian", crate::read::file::EXPLICIT_VR_BIG_ENDIAN),
        ("deflated", uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN),
    ] {
        let meta = FileMetaTableBuilder::new().transfer_syntax(syntax);
        slice(0.0, "1.2.3.1", 40).with_meta(meta).unwrap().write_to_file(&path).unwrap();
        out.push((name.to_owned(), std::fs::read(&path).unwrap()));
    }
    let explicit = out[0].1.clone();
    save(slice(0.0, "1.2.3.1", 40), &path);
    let found = scan(std::slice::from_ref(&path), Modality::Ct).unwrap();
    for (name, syntax) in [("rle", OutputSyntax::RleLossless), ("jpeg-ls", OutputSyntax::JpegLsLossless)] {
        let options = RestoreOptions { syntax, overwrite: true, ..RestoreOptions::default() };
        let report = run_with(&found.series[0], dir.path(), 1.0, &options).unwrap();
        out.push((name.to_owned(), std::fs::read(report.folder.join(&report.files[0])).unwrap()));
    }
    out.push(("no-preamble".to_owned(), explicit[132..].to_vec()));
    out
}

#[test]
fn decoders_side_by_side_change_nothing() {
    let slices: Vec<_> =
        (0..7).map(|i| (format!("{i}"), slice(f64::from(i), &format!("1.2.3.{i}"), 100 + i as i16))).collect();
    let slices: Vec<_> = slices.iter().map(|(name, object)| (name.as_str(), object.clone())).collect();
    let (dir, found) = folder(&slices);
    let read = |decoders, partial: bool| {
        let out = tempfile::tempdir().unwrap();
        let options = RestoreOptions::default().decoders(Some(decoders)).allow_partial(partial);
        let report = run_with(&found.series[0], out.path(), 3.0, &options)?;
        let files = report.files.iter().map(|name| (name.clone(), std::fs::read(report.folder.join(name)).unwrap()));
        Ok::<_, Error>((files.collect::<Vec<_>>(), report.failed.len()))
    };
    let (one, failed) = read(1, false).unwrap();
    assert_eq!((one.len(), failed), (7, 0));
    for decoders in [2, 3, 20] {
        assert_eq!(read(decoders, false).unwrap().0, one, "{decoders}");
    }
    // A slice that cannot be read is left out, or ends the series, whoever reads it.
    std::fs::write(dir.path().join("4"), b"damaged").unwrap();
    for decoders in [1, 3] {
        let (files, failed) = read(decoders, true).unwrap();
        let expected: Vec<_> = one.iter().filter(|(name, _)| name != "0005.dcm").cloned().collect();
        assert!(files == expected && failed == 1, "{decoders}");
        assert!(read(decoders, false).is_err(), "{decoders}");
    }
}
