//! CT and PET as scanners, archives and anonymisers write them: every folder of the collected cases gives what is expected of
//! it. The network is left out (`--strength 0`), so that modality values must stay what they are.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Output,
};

use artir_tests::{pet::text, real, run};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileDicomObject, InMemDicomObject};
use serde_json::Value;

type Object = FileDicomObject<InMemDicomObject>;

/// What a run over a case gave.
struct Done {
    _dir: tempfile::TempDir,
    output: Output,
    report: Value,
    /// The derived objects, series by series.
    series: Vec<Vec<Object>>,
}

fn restore(case: &str, more: &[&str]) -> Option<Done> {
    let input = real(&format!("cases/dicom/{case}/in"))?;
    Some(restore_path(case, &input, more))
}

fn restore_path(case: &str, input: &Path, more: &[&str]) -> Done {
    let dir = tempfile::tempdir().unwrap();
    let (out, report) = (dir.path().join("out"), dir.path().join("r.json"));
    let command = if case.starts_with("ct") { "ct" } else { "pet" };
    let mut arguments: Vec<std::ffi::OsString> = vec![command.into(), input.into(), "-o".into(), out.clone().into()];
    arguments.extend(["--strength", "0", "--show-paths", "--report"].map(Into::into));
    arguments.push(report.clone().into());
    arguments.extend(more.iter().map(Into::into));
    let output = run(arguments);
    let report: Value =
        std::fs::read(&report).map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap_or(Value::Null));
    let folders = report["series"].as_array().cloned().unwrap_or_default();
    let series = folders.iter().filter_map(|series| read(&out.join(series["folder"].as_str()?))).collect();
    Done { _dir: dir, output, report, series }
}

/// The objects in a folder; `None` if it is not there.
fn read(folder: &Path) -> Option<Vec<Object>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "dcm"));
    files.sort();
    Some(files.iter().map(|path| dicom_object::open_file(path).unwrap_or_else(|e| panic!("{e}"))).collect())
}

impl Done {
    fn slices(&self) -> Vec<usize> {
        let mut counts: Vec<usize> = self.series.iter().map(Vec::len).collect();
        counts.sort();
        counts
    }

    fn findings(&self) -> String {
        self.report["series"].as_array().unwrap().iter().map(|series| series["findings"].to_string()).collect()
    }

    fn said(&self) -> String {
        text(&self.output.stderr)
    }

    fn objects(&self) -> impl Iterator<Item = &Object> {
        self.series.iter().flatten()
    }
}

fn number(object: &InMemDicomObject, tag: dicom_core::Tag) -> f64 {
    object.element(tag).unwrap().to_float64().unwrap()
}

fn height(object: &InMemDicomObject) -> i64 {
    let position = object.element(tags::IMAGE_POSITION_PATIENT).unwrap().to_multi_float64().unwrap();
    (position[2] * 100.0).round() as i64
}

fn words(object: &InMemDicomObject) -> Vec<u16> {
    object.element(tags::PIXEL_DATA).unwrap().to_multi_int().unwrap()
}

/// The pixels of the CT slices that most cases are made of, by height.
fn plain() -> Option<BTreeMap<i64, Vec<u16>>> {
    let folder = real("cases/dicom/ct-charset-missing/in")?;
    Some(read(&folder)?.iter().map(|object| (height(object), words(object))).collect())
}

/// Each case, the slices of its series, and what the report finds.
const RESTORED: [(&str, &[usize], &[&str]); 31] = [
    ("ct-4d-phases-one-acquisition", &[8], &["2 time slices"]),
    ("ct-bits-12-values-16", &[3], &["values above BitsStored"]),
    ("ct-broken-sr-beside", &[3], &[]),
    ("ct-zip", &[3], &[]),
    ("ct-charset-gb18030", &[6], &[]),
    ("ct-charset-missing", &[6], &["SpecificCharacterSet (0008,0005) missing"]),
    ("ct-dangling-link", &[3], &[]),
    ("ct-decimal-comma", &[6], &["decimal comma"]),
    ("ct-dicomdir-dcm-ext", &[3], &[]),
    ("ct-dicomdir-in-folder", &[4], &[]),
    ("ct-dicomdir-mixed-case", &[3], &[]),
    ("ct-duplicate-element", &[6], &["element repeated"]),
    ("ct-ge-private-syntax", &[2], &[]),
    ("ct-iop-jitter", &[6], &[]),
    ("ct-mixed-kernels", &[3, 3], &["ConvolutionKernel (0018,1210) differs"]),
    ("ct-names", &[4], &[]),
    ("ct-photon-2-series-number", &[3], &[]),
    ("ct-pixel-tail", &[6], &["bytes after the pixels"]),
    ("ct-rle-no-delimiter", &[3], &["without a valid sequence delimiter"]),
    ("ct-rle-undefined-delimiter", &[3], &["without a valid sequence delimiter"]),
    ("ct-study-with-colour-vrt", &[6], &[]),
    ("ct-study-with-iodine-map", &[6], &[]),
    ("ct-trailing-zeros", &[6], &["bytes after the pixels"]),
    ("ct-two-stations-overlap", &[8], &["1 slice(s) at the position of another slice"]),
    ("ct-vr-dashes", &[6], &["unknown VR"]),
    ("ct-vr-spaces", &[6], &["unknown VR"]),
    ("ct-zero-last-fragment", &[3], &[]),
    ("pet-dynamic-acqnumbers", &[12], &["3 time slices"]),
    ("pet-radiopharm-sequence-UN", &[4], &["sequence of VR UN"]),
    ("pet-psma-ga68", &[4], &["not FDG"]),
    ("pet-corrected-image-nacl", &[2], &["CorrectedImage (0028,0051) is missing"]),
];

#[test]
fn series_are_restored_with_their_values_and_findings() {
    let Some(plain) = plain() else { return };
    for (case, slices, findings) in RESTORED {
        let Some(done) = restore(case, &[]) else { return };
        assert!(done.output.status.success(), "{case}: {}", done.said());
        assert_eq!(done.slices(), slices, "{case}");
        let found = done.findings();
        assert!(findings.iter().all(|finding| found.contains(finding)), "{case}: {found}");
        assert!(!findings.is_empty() || !found.contains("in spite of"), "{case}: {found}");
        for object in done.objects().filter(|_| case.starts_with("ct") && case != "ct-bits-12-values-16") {
            // One case has a slice more than the others.
            let expected = plain.get(&height(object));
            assert!(expected.is_some() || case == "ct-two-stations-overlap", "{case}: {}", height(object));
            assert!(expected.is_none_or(|expected| *expected == words(object)), "{case}: pixels");
            assert_eq!((number(object, tags::RESCALE_SLOPE), number(object, tags::RESCALE_INTERCEPT)), (1.0, -1024.0));
        }
    }
}

#[test]
fn what_is_written_is_right_where_the_source_was_not() {
    let Some(commas) = restore("ct-decimal-comma", &[]) else { return };
    for object in commas.objects() {
        let spacing = object.element(tags::PIXEL_SPACING).unwrap().to_multi_float64().unwrap();
        assert_eq!(spacing, [0.7031, 0.7031]);
    }
    let Some(unnamed) = restore("ct-charset-missing", &[]) else { return };
    for object in unnamed.objects() {
        assert_eq!(object.element(tags::SPECIFIC_CHARACTER_SET).unwrap().to_str().unwrap().trim(), "ISO_IR 100");
        assert_eq!(object.element(tags::SERIES_DESCRIPTION).unwrap().to_str().unwrap().trim(), "Sch\u{e4}del CT artir");
    }
    // Metal above 4095, in 16 bits.
    let Some(bits) = restore("ct-bits-12-values-16", &[]) else { return };
    let source = read(&real("cases/dicom/ct-bits-12-values-16/in").unwrap()).unwrap();
    let source: BTreeMap<_, _> = source.iter().map(|object| (height(object), words(object))).collect();
    for object in bits.objects() {
        let pixels = words(object);
        assert_eq!(pixels, source[&height(object)]);
        assert!(pixels.iter().any(|v| *v > 4095));
        assert_eq!((number(object, tags::BITS_STORED), number(object, tags::HIGH_BIT)), (16.0, 15.0));
    }
    // Near-lossless JPEG-LS is lossy, whatever the source says.
    // Its values are HU + 1024, and its rescale is none.
    let Some(near) = restore("ct-jpegls-near-lossless", &["--rescale", "1,-1024"]) else { return };
    assert_eq!(near.slices(), [2]);
    for object in near.objects() {
        assert_eq!(object.element(tags::LOSSY_IMAGE_COMPRESSION).unwrap().to_str().unwrap().trim(), "01");
        assert_eq!(object.meta().transfer_syntax().trim_end_matches('\0'), uids::EXPLICIT_VR_LITTLE_ENDIAN);
    }
    // The padding of a circle without PixelPaddingValue stays.
    let Some(circle) = restore("ct-fov-no-padding-tag", &[]) else { return };
    assert_eq!(circle.slices(), [2]);
}

#[test]
fn frames_of_multi_frame_objects_have_their_own_pixels() {
    let Some(plain) = plain() else { return };
    for (case, frames) in [
        ("ct-enhanced-eot", 4),
        ("ct-enhanced-fragments-bot", 4),
        ("ct-enhanced-fragments-no-bot", 4),
        ("ct-enhanced-two-phases", 8),
    ] {
        let Some(done) = restore(case, &[]) else { return };
        assert!(done.output.status.success(), "{case}: {}", done.said());
        let object = done.objects().next().unwrap();
        let groups = object.element(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).unwrap().items().unwrap();
        assert_eq!(groups.len(), frames, "{case}");
        let pixels = words(object);
        let mut heights = Vec::new();
        for (group, pixels) in groups.iter().zip(pixels.chunks(pixels.len() / frames)) {
            let z = height(&group.element(tags::PLANE_POSITION_SEQUENCE).unwrap().items().unwrap()[0]);
            heights.push(z);
            if case != "ct-enhanced-two-phases" {
                assert_eq!(pixels, plain[&z], "{case}: {z}");
            }
        }
        heights.dedup();
        assert!(heights.len() > 1, "{case}");
        let finding = match case {
            "ct-enhanced-two-phases" => "2 time slices",
            "ct-enhanced-fragments-no-bot" => "without an offset table",
            _ => "[]",
        };
        assert!(done.findings().contains(finding), "{case}: {}", done.findings());
    }
}

/// The class allows one frame, so that each becomes a slice, with what it takes from all of them.
#[test]
fn frames_of_a_single_frame_class_become_slices() {
    let Some(done) = restore("ct-multiframe-ct-class", &[]) else { return };
    assert!(done.output.status.success(), "{}", done.said());
    assert_eq!(done.slices(), [4]);
    for finding in ["several frames in a class of single slices", "placed by SliceThickness (0018,0050)"] {
        assert!(done.findings().contains(finding) && done.said().contains(finding), "{}", done.findings());
    }
    let source = read(&real("cases/dicom/ct-multiframe-ct-class/in").unwrap()).unwrap();
    let pixels = words(&source[0]);
    let mut uids = Vec::new();
    for (i, (object, frame)) in done.objects().zip(pixels.chunks(pixels.len() / 4)).enumerate() {
        assert_eq!(words(object), frame);
        assert_eq!(height(object), -22_500 + 500 * i as i64);
        assert_eq!(number(object, tags::INSTANCE_NUMBER), i as f64 + 1.0);
        assert!(object.element(tags::NUMBER_OF_FRAMES).is_err() && object.element(tags::SLICE_LOCATION).is_err());
        let reference = object.element(tags::SOURCE_IMAGE_SEQUENCE).unwrap().items().unwrap()[0].clone();
        assert_eq!(number(&reference, tags::REFERENCED_FRAME_NUMBER), i as f64 + 1.0);
        uids.push(object.element(tags::SOP_INSTANCE_UID).unwrap().to_str().unwrap().into_owned());
    }
    uids.sort();
    uids.dedup();
    assert_eq!(uids.len(), 4);
}

#[test]
fn a_dicomdir_names_files_as_media_and_copies_spell_them() {
    for (case, slices) in [("ct-dicomdir-dcm-ext", 3), ("ct-dicomdir-mixed-case", 3), ("ct-dicomdir-in-folder", 3)] {
        let Some(folder) = real(&format!("cases/dicom/{case}/in")) else { return };
        let done = restore_path(case, &folder.join("DICOMDIR"), &[]);
        assert_eq!(done.slices(), [slices], "{case}: {}", done.said());
    }
}

/// Each case that cannot be restored, and what the error says: the reason, and what to do.
#[test]
fn what_cannot_be_restored_is_refused_with_the_remedy() {
    for (case, code, said) in [
        ("ct-not-hu-intercept-0", 3, &["RescaleIntercept (0028,1052) is 0", "--rescale 1,-1024"][..]),
        ("ct-one-sop-uid-for-all", 3, &["(0008,0018)", "--allow-partial"]),
        ("ct-truncated-slice", 3, &["0004.dcm", "18432 bytes"]),
        ("ct-two-patients-one-series-uid", 3, &["PatientID (0010,0020)"]),
        ("pet-dose-in-MBq", 3, &["RadionuclideTotalDose (0018,1074)", "--units native"]),
        ("pet-weight-negative", 3, &["PatientWeight (0010,1030)", "--units native"]),
    ] {
        let Some(done) = restore(case, &[]) else { return };
        assert_eq!(done.output.status.code(), Some(code), "{case}: {}", done.said());
        assert!(said.iter().all(|words| done.said().contains(words)), "{case}: {}", done.said());
        assert!(done.series.is_empty(), "{case}");
    }
    let Some(rescaled) = restore("ct-not-hu-intercept-0", &["--rescale", "1,-1024"]) else { return };
    assert_eq!(rescaled.slices(), [6], "{}", rescaled.said());
    assert!(rescaled.objects().all(|object| number(object, tags::RESCALE_INTERCEPT) == -1024.0));
    let Some(partial) = restore("ct-truncated-slice", &["--allow-partial"]) else { return };
    assert_eq!((partial.output.status.code(), partial.slices()), (Some(4), vec![5]));
}

#[test]
fn pet_headers_lead_to_suv_where_they_can() {
    let factor = |case: &str, more: &[&str]| {
        let done = restore(case, more)?;
        assert!(done.output.status.success(), "{case}: {}", done.said());
        let range = done.report["series"][0]["suv_factor"].as_array().unwrap().clone();
        assert!((range[0].as_f64().unwrap() / range[1].as_f64().unwrap() - 1.0).abs() < 1e-9, "{case}");
        range[0].as_f64()
    };
    // 71 kg, 388.777472 MBq at 10:35:00, a scan at 11:20:11.
    let hour = 71_000.0 / 388_777_472.0 * 2f64.powf(2711.0 / 6588.0);
    for (case, expected) in [
        ("pet-enhanced", hour),
        ("pet-radiopharm-sequence-UN", hour),
        ("pet-corrected-image-nacl", hour),
        ("pet-dynamic-acqnumbers", hour),
        ("pet-study-with-nac", hour),
    ] {
        let Some(found) = factor(case, &[]) else { return };
        assert!((found / expected - 1.0).abs() < 1e-9, "{case}: {found} {expected}");
    }
    // Philips' own factor, whatever the case of the private creator.
    let Some(philips) = restore("pet-spaces-in-sort", &[]) else { return };
    assert!(philips.output.status.success(), "{}", philips.said());
    // The enhanced object's own mapping to SUV agrees.
    let source = read(&real("cases/dicom/pet-enhanced/in").unwrap()).unwrap();
    let groups = source[0].element(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).unwrap().items().unwrap();
    for group in groups {
        let first = |sequence| group.element(sequence).unwrap().items().unwrap()[0].clone();
        let mapped = number(&first(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE), tags::REAL_WORLD_VALUE_SLOPE);
        let slope = number(&first(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE), tags::RESCALE_SLOPE);
        assert!((mapped / slope / hour - 1.0).abs() < 1e-6);
    }
}

#[test]
fn series_are_chosen_and_listed() {
    let chosen = |case: &str, more: &[&str]| restore(case, more).map(|done| (done.output.status.code(), done.slices()));
    for (more, slices) in [
        (&["--select", "ConvolutionKernel=BONE"][..], vec![3]),
        (&["--select", "ConvolutionKernel~o,ImagePositionPatient<-200"], vec![3, 3]),
        (&["--largest"], vec![3]),
    ] {
        let Some(found) = chosen("ct-mixed-kernels", more) else { return };
        assert_eq!(found, (Some(0), slices), "{more:?}");
    }
    let Some(folder) = real("cases/dicom/ct-two-stations-overlap/in") else { return };
    let list = run(["ct".as_ref(), folder.as_os_str(), "--list=json".as_ref()]);
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    let uid = list["series"][0]["series_uid"].as_str().unwrap();
    assert_eq!(list["series"][0]["description"], "CT CH/AB/PEL");
    assert_eq!(list["series"][0]["slice_thickness_mm"], 5.0);
    let table = run(["ct".as_ref(), folder.as_os_str(), "--list".as_ref()]);
    let table = text(&table.stdout);
    assert!(["CT CH/AB/PEL", uid, "description", "kernel"].iter().all(|w| table.contains(w)), "{table}");
    let chosen = restore_path("ct", &folder, &["--series", uid, "--show-uids"]);
    assert_eq!(chosen.slices(), [8]);
    assert_eq!(chosen.report["series"][0]["source_series_uid"], uid);
    let derived = chosen.series[0][0].element(tags::SERIES_INSTANCE_UID).unwrap().to_str().unwrap().into_owned();
    assert_eq!(chosen.report["series"][0]["derived_series_uid"], derived.trim_end_matches('\0'));
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("list.txt");
    std::fs::write(&list, format!("\u{feff}# one slice\r\n{}\r\n\r\n", folder.join("0001.dcm").display())).unwrap();
    let named = PathBuf::from(format!("@{}", list.display()));
    assert_eq!(restore_path("ct", &named, &[]).slices(), [1]);
    std::fs::write(&list, "# none\n").unwrap();
    let empty = restore_path("ct", &named, &[]);
    assert!(empty.output.status.code() == Some(3) && empty.said().contains("names no file"), "{}", empty.said());
    let none = restore_path("ct", &folder, &["--series", "1.2.3"]);
    assert!(none.output.status.code() == Some(3) && none.said().contains("not selected"), "{}", none.said());
    for wrong in [["--select", "Modalitee=CT"], ["--series", "abc"], ["--rescale", "0,1"]] {
        let refused = restore_path("ct", &folder, &wrong);
        assert_eq!(refused.output.status.code(), Some(2), "{wrong:?}: {}", refused.said());
    }
}

#[test]
fn the_wrong_command_names_the_right_one_and_a_dry_run_needs_no_folder() {
    let Some(pet) = real("cases/dicom/pet-admin/in") else { return };
    let Some(ct) = real("cases/dicom/ct-iop-jitter/in") else { return };
    for (command, folder, hint) in [("ct", &pet, "use artir pet"), ("pet", &ct, "use artir ct")] {
        let refused = run([command.as_ref(), folder.as_os_str(), "--dry-run".as_ref()]);
        assert_eq!(refused.status.code(), Some(3));
        assert!(text(&refused.stderr).contains(hint), "{}", text(&refused.stderr));
    }
    let dry = run(["ct".as_ref(), ct.as_os_str(), "--dry-run".as_ref()]);
    assert!(dry.status.success() && text(&dry.stdout).contains("6 slices would go to"), "{}", text(&dry.stderr));
}
