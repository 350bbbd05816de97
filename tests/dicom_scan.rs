//! What `artir ct` and `artir pet` take for a series, what they leave out, and what they say of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use artir_tests::{
    artir,
    dicom::{self, put_pixels, value},
    models, real,
};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR, value::DataSetSequence};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use serde_json::Value;

const SIDE: u16 = 64;

/// A text attribute of another value than usual.
type Change<'a> = (Tag, VR, &'a str);

/// A CT slice `z` mm up, of patient P1, whose pixels depend on `z`.
fn ct_slice(z: u16, changes: &[Change<'_>]) -> InMemDicomObject {
    let mut o = InMemDicomObject::new_empty();
    let uid = format!("1.2.3.100.{z}");
    let position = format!("0\\0\\{z}");
    for (tag, vr, text) in [
        (tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        (tags::SOP_INSTANCE_UID, VR::UI, uid.as_str()),
        (tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3.1"),
        (tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.2"),
        (tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.2.3.3"),
        (tags::PATIENT_ID, VR::LO, "P1"),
        (tags::MODALITY, VR::CS, "CT"),
        (tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL"),
        (tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0"),
        (tags::IMAGE_POSITION_PATIENT, VR::DS, position.as_str()),
        (tags::PIXEL_SPACING, VR::DS, "0.5\\0.5"),
        (tags::RESCALE_SLOPE, VR::DS, "1"),
        (tags::RESCALE_INTERCEPT, VR::DS, "-1024"),
    ] {
        o.put(DataElement::new(tag, vr, PrimitiveValue::from(text)));
    }
    put_pixels(&mut o, SIDE, (0..SIDE * SIDE).map(|i| 900 + z + i % 97).collect());
    for (tag, vr, text) in changes {
        o.put(DataElement::new(*tag, *vr, PrimitiveValue::from(*text)));
    }
    o
}

fn save(object: InMemDicomObject, path: &Path) {
    dicom::save(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, path);
}

/// A series of three slices in a folder.
fn series(folder: &Path, from: u16, changes: &[Change<'_>]) {
    for z in [from, from + 5, from + 10] {
        save(ct_slice(z, changes), &folder.join(format!("{z:03}.dcm")));
    }
}

/// A run of `artir ct` or `pet` in a folder whose `in` is restored to `out`, with a report, by a model that halves.
struct Run {
    code: Option<i32>,
    stderr: String,
    report: Option<Value>,
    /// The derived series, each the files of its folder.
    out: Vec<Vec<PathBuf>>,
}

fn run(dir: &Path, command: &str, more: &[&str]) -> Run {
    let (task, unit, range) =
        if command == "ct" { ("ct-denoise", "HU", [-1024.0, 3071.0]) } else { ("pet-enhance", "SUV", [0.0, 100.0]) };
    fs::write(dir.join("model.onnx"), models::multiplies(task, unit, range, 0.5)).unwrap();
    drop(fs::remove_dir_all(dir.join("out")));
    drop(fs::remove_file(dir.join("report.json")));
    let fixed = ["in", "-o", "out", "--model", "model.onnx", "--report", "report.json", "--show-paths"];
    let done: Output = artir().arg(command).args(fixed).args(more).current_dir(dir).output().unwrap();
    let report = fs::read(dir.join("report.json")).ok();
    let entries = |folder: &Path| {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(folder).map(|d| d.map(|e| e.unwrap().path()).collect()).unwrap_or_default();
        entries.sort();
        entries
    };
    let images = |folder: &Path| entries(folder).into_iter().filter(|p| p.extension().is_some_and(|e| e == "dcm"));
    Run {
        code: done.status.code(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
        report: report.map(|text| serde_json::from_slice(&text).unwrap()),
        out: entries(&dir.join("out")).iter().filter(|p| p.is_dir()).map(|f| images(f).collect()).collect(),
    }
}

impl Run {
    /// Files of a reason in a list of the report.
    fn files(&self, list: &str, reason: &str) -> Vec<String> {
        let lists = self.report.as_ref().unwrap()[list].as_array().unwrap().clone();
        let found = lists.iter().filter(|l| l["reason"].as_str().unwrap().contains(reason));
        let of = |l: &Value| {
            let files = l["files"].as_array().unwrap().clone();
            assert_eq!(l["count"].as_u64().unwrap() as usize, files.len());
            files.into_iter().map(|f| f.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        found.flat_map(of).collect()
    }

    fn slices(&self) -> Vec<usize> {
        let mut counts: Vec<usize> = self.out.iter().map(Vec::len).collect();
        counts.sort();
        counts
    }

    fn lines(&self) -> Vec<&str> {
        self.stderr.lines().filter(|l| l.starts_with("artir: ")).collect()
    }
}

/// Copies a folder of files that may not be written.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::write(target, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

#[test]
fn two_patients_under_one_series_uid_are_refused_by_attribute() {
    let dir = tempfile::tempdir().unwrap();
    series(&dir.path().join("in/a"), 0, &[(tags::PATIENT_ID, VR::LO, "SECRETONE")]);
    series(&dir.path().join("in/b"), 15, &[(tags::PATIENT_ID, VR::LO, "SECRETTWO")]);
    let alone = run(dir.path(), "ct", &[]);
    assert_eq!((alone.code, alone.out.len()), (Some(3), 0), "{}", alone.stderr);
    assert_eq!(alone.lines().len(), 1, "{}", alone.stderr);
    assert!(alone.stderr.contains("in/a/000.dcm") && alone.stderr.contains("PatientID (0010,0020)"));
    assert!(!alone.stderr.contains("SECRET") && !alone.stderr.contains("1.2.3"), "{}", alone.stderr);
    assert_eq!(alone.files("refused", "PatientID").len(), 6);
    // No flag makes one patient of two.
    assert_eq!(run(dir.path(), "ct", &["--allow-partial"]).code, Some(3));
    // Another series beside them is restored.
    series(&dir.path().join("in/a/c"), 40, &[(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.9")]);
    let beside = run(dir.path(), "ct", &[]);
    assert_eq!((beside.code, beside.slices()), (Some(4), vec![3]), "{}", beside.stderr);
    let listed = artir().args(["ct", "--list=json", "in"]).current_dir(dir.path()).output().unwrap();
    assert_eq!(listed.status.code(), Some(4));
    let list: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(list["refused"].as_array().unwrap().len(), 6);
}

#[test]
fn frames_of_reference_and_studies_become_series_of_their_own() {
    for (tag, name) in [(tags::FRAME_OF_REFERENCE_UID, "(0020,0052)"), (tags::STUDY_INSTANCE_UID, "(0020,000D)")] {
        let dir = tempfile::tempdir().unwrap();
        series(&dir.path().join("in/a"), 0, &[]);
        series(&dir.path().join("in/b"), 15, &[(tag, VR::UI, "1.2.3.77")]);
        let split = run(dir.path(), "ct", &[]);
        assert_eq!((split.code, split.slices()), (Some(0), vec![3, 3]), "{}", split.stderr);
        assert!(split.stderr.contains(name), "{}", split.stderr);
        let uids: Vec<String> = split.out.iter().map(|s| value(&s[0], tags::SERIES_INSTANCE_UID)).collect();
        assert_ne!(uids[0], uids[1]);
    }
}

#[test]
fn padded_and_missing_identifiers_do_not_split_a_series() {
    let dir = tempfile::tempdir().unwrap();
    save(ct_slice(0, &[]), &dir.path().join("in/0.dcm"));
    let padded = [(tags::PATIENT_ID, VR::LO, " P1 "), (tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.2.3.3\0\0")];
    save(ct_slice(5, &padded), &dir.path().join("in/1.dcm"));
    let empty = [(tags::PATIENT_ID, VR::LO, ""), (tags::FRAME_OF_REFERENCE_UID, VR::UI, "")];
    save(ct_slice(10, &empty), &dir.path().join("in/2.dcm"));
    let mut bare = ct_slice(15, &[]);
    for tag in [tags::PATIENT_ID, tags::FRAME_OF_REFERENCE_UID, tags::STUDY_INSTANCE_UID] {
        bare.remove_element(tag);
    }
    save(bare, &dir.path().join("in/3.dcm"));
    let whole = run(dir.path(), "ct", &[]);
    assert_eq!((whole.code, whole.slices()), (Some(0), vec![4]), "{}", whole.stderr);
    assert!(whole.lines().is_empty(), "{}", whole.stderr);
}

#[test]
fn copies_are_set_aside_and_different_slices_of_one_uid_refuse_their_series() {
    let dir = tempfile::tempdir().unwrap();
    series(&dir.path().join("in"), 0, &[]);
    fs::copy(dir.path().join("in/005.dcm"), dir.path().join("in/copy.dcm")).unwrap();
    let copied = run(dir.path(), "ct", &[]);
    assert_eq!((copied.code, copied.slices()), (Some(0), vec![3]), "{}", copied.stderr);
    assert_eq!(copied.files("set_aside", "byte-identical"), ["copy.dcm"]);

    // One byte of one pixel differs.
    let mut bytes = fs::read(dir.path().join("in/copy.dcm")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(dir.path().join("in/copy.dcm"), bytes).unwrap();
    let refused = run(dir.path(), "ct", &[]);
    assert_eq!((refused.code, refused.out.len()), (Some(3), 0), "{}", refused.stderr);
    assert_eq!(refused.lines().len(), 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("in/copy.dcm") && refused.stderr.contains("(0008,0018)"), "{}", refused.stderr);
    let entry = &refused.report.as_ref().unwrap()["series"][0];
    assert_eq!((entry["outcome"].as_str(), entry["clashing"][0].as_str()), (Some("refused"), Some("copy.dcm")));
    let dry = run(dir.path(), "ct", &["--dry-run"]);
    assert_eq!(dry.code, Some(3));
    // A list tells of it too.
    let list = |form| artir().args(["ct", form, "--show-paths", "in"]).current_dir(dir.path()).output().unwrap();
    let (table, json) = (list("--list"), list("--list=json"));
    assert_eq!((table.status.code(), json.status.code()), (Some(4), Some(4)));
    assert!(String::from_utf8_lossy(&table.stderr).contains("series 1: in/copy.dcm: 1 file(s)"));
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["series"][0]["clashing"][0].as_str(), Some("copy.dcm"));

    let partial = run(dir.path(), "ct", &["--allow-partial"]);
    assert_eq!((partial.code, partial.slices()), (Some(4), vec![3]), "{}", partial.stderr);
    let entry = &partial.report.as_ref().unwrap()["series"][0];
    assert_eq!((entry["outcome"].as_str(), entry["clashing"][0].as_str()), (Some("partial"), Some("copy.dcm")));
    assert!(entry["problems"][0].as_str().unwrap().contains("copy.dcm"));
}

#[test]
fn a_slice_without_a_place_keeps_its_series_from_being_written() {
    let dir = tempfile::tempdir().unwrap();
    series(&dir.path().join("in"), 0, &[]);
    let lost = |changes: &[Change<'_>]| {
        let mut object = ct_slice(20, changes);
        object.remove_element(tags::IMAGE_POSITION_PATIENT);
        save(object, &dir.path().join("in/020.dcm"));
    };
    lost(&[]);
    fs::create_dir(dir.path().join("in/more")).unwrap();
    // Beside the others, and in a folder of its own.
    for (place, next) in [("in/020.dcm", "in/more/020.dcm"), ("in/more/020.dcm", "in/020.dcm")] {
        let refused = run(dir.path(), "ct", &[]);
        assert_eq!((refused.code, refused.slices()), (Some(3), vec![]), "{}", refused.stderr);
        let said = format!("{place}: a CT image without ImagePositionPatient");
        assert!(refused.stderr.contains(&said), "{}", refused.stderr);
        fs::rename(dir.path().join(place), dir.path().join(next)).unwrap();
    }
    let partial = run(dir.path(), "ct", &["--allow-partial"]);
    assert_eq!((partial.code, partial.slices()), (Some(4), vec![3]), "{}", partial.stderr);
    // One that is not chosen, one of another series, and a localizer.
    let chosen = run(dir.path(), "ct", &["--select", "SOPInstanceUID!=1.2.3.100.20"]);
    assert_eq!((chosen.code, chosen.slices()), (Some(0), vec![3]), "{}", chosen.stderr);
    let other_series = (tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.9");
    for change in [other_series, (tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\LOCALIZER")] {
        lost(&[change]);
        let beside = run(dir.path(), "ct", &[]);
        assert_eq!((beside.code, beside.slices()), (Some(0), vec![3]), "{}", beside.stderr);
    }
}

#[test]
fn a_uid_shared_between_parts_of_a_split_series_refuses_both() {
    let dir = tempfile::tempdir().unwrap();
    series(&dir.path().join("in/a"), 0, &[]);
    let other = [(tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.2.3.77")];
    series(&dir.path().join("in/b"), 20, &other);
    let shared = [other[0], (tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.100.5")];
    save(ct_slice(35, &shared), &dir.path().join("in/b/z.dcm"));
    let both = run(dir.path(), "ct", &[]);
    assert_eq!((both.code, both.out.len()), (Some(3), 0), "{}", both.stderr);
    // In another series it is another slice: nothing is lost.
    let apart = [(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.9"), (tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.100.5")];
    save(ct_slice(35, &apart), &dir.path().join("in/b/z.dcm"));
    assert_eq!(run(dir.path(), "ct", &[]).slices(), [1, 3, 3]);
}

#[test]
fn what_is_not_hu_is_set_aside_beside_what_is() {
    let iodine: &[Change<'_>] = &[(tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY\\AXIAL\\IODINE")];
    let unspecified: &[Change<'_>] =
        &[(tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY\\AXIAL\\MAT_SPECIFIC"), (tags::RESCALE_TYPE, VR::LO, "US")];
    let effective: &[Change<'_>] = &[(tags::RESCALE_TYPE, VR::LO, "Z_EFF")];
    let rendering: &[Change<'_>] = &[
        (tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY\\OTHER\\VRT"),
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB"),
    ];
    for (other, reason) in [(iodine, "IODINE"), (unspecified, "MAT_SPECIFIC"), (effective, "Z_EFF"), (rendering, "RGB")]
    {
        let dir = tempfile::tempdir().unwrap();
        let apart: &[Change<'_>] = &[(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.9")];
        series(&dir.path().join("in/map"), 0, &[apart, other].concat());
        let alone = run(dir.path(), "ct", &[]);
        assert_eq!((alone.code, alone.out.len()), (Some(3), 0), "{reason}: {}", alone.stderr);
        assert!(alone.lines().len() == 1 && alone.stderr.contains(reason), "{}", alone.stderr);
        assert_eq!(alone.files("set_aside", reason).len(), 3);
        series(&dir.path().join("in/hu"), 0, &[]);
        let beside = run(dir.path(), "ct", &[]);
        assert_eq!((beside.code, beside.slices()), (Some(0), vec![3]), "{reason}: {}", beside.stderr);
        assert!(beside.lines().len() == 1 && beside.stderr.contains("3 file(s) skipped"), "{}", beside.stderr);
        assert_eq!(beside.files("set_aside", reason), ["map/000.dcm", "map/005.dcm", "map/010.dcm"]);
    }
}

fn real_world(unit: &str) -> DataElement<InMemDicomObject> {
    let mut code = InMemDicomObject::new_empty();
    code.put(DataElement::new(tags::CODE_VALUE, VR::SH, PrimitiveValue::from(unit)));
    let sequence = |item| DataSetSequence::from(vec![item]);
    let mut mapping = InMemDicomObject::new_empty();
    mapping.put(DataElement::new(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, VR::SQ, sequence(code)));
    DataElement::new(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, VR::SQ, sequence(mapping))
}

#[test]
fn real_world_units_tell_maps_from_hu() {
    let dir = tempfile::tempdir().unwrap();
    for (z, unit) in [(0, "[hnsf'U]"), (5, "mg/cm3")] {
        let mut object = ct_slice(z, &[]);
        object.put(real_world(unit));
        save(object, &dir.path().join(format!("in/{z}.dcm")));
    }
    let done = run(dir.path(), "ct", &[]);
    assert_eq!((done.code, done.slices()), (Some(0), vec![1]), "{}", done.stderr);
    assert_eq!(done.files("set_aside", "real-world"), ["5.dcm"]);
}

#[test]
fn pet_without_attenuation_correction_gives_way_to_the_corrected_series() {
    let Some(study) = real("cases/dicom/pet-study-with-nac/in") else { return };
    let dir = tempfile::tempdir().unwrap();
    copy(&study, &dir.path().join("in"));
    for units in ["suv", "native"] {
        let done = run(dir.path(), "pet", &["--units", units]);
        assert_eq!((done.code, done.slices()), (Some(0), vec![4]), "{units}: {}", done.stderr);
        assert_eq!(done.files("set_aside", "lacks ATTN").len(), 4);
    }
    // The corrected series of another study is no reason to leave one out.
    for entry in fs::read_dir(dir.path().join("in/AC")).unwrap() {
        let path = entry.unwrap().path();
        let mut object = dicom_object::open_file(&path).unwrap();
        object.put(DataElement::new(tags::STUDY_INSTANCE_UID, VR::UI, PrimitiveValue::from("1.2.3.77")));
        object.write_to_file(&path).unwrap();
    }
    let studies = run(dir.path(), "pet", &["--units", "native"]);
    assert_eq!((studies.code, studies.slices()), (Some(0), vec![4, 4]), "{}", studies.stderr);
    fs::remove_dir_all(dir.path().join("in/AC")).unwrap();
    let alone = run(dir.path(), "pet", &[]);
    assert_eq!((alone.code, alone.out.len()), (Some(3), 0), "{}", alone.stderr);
    for part in ["CorrectedImage (0028,0051)", "--units native"] {
        assert!(alone.stderr.contains(part), "{}", alone.stderr);
    }
    let native = run(dir.path(), "pet", &["--units", "native"]);
    assert_eq!((native.code, native.slices()), (Some(0), vec![4]), "{}", native.stderr);
}

#[test]
fn artir_s_own_series_are_restored_again_only_when_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    series(&dir.path().join("in/source"), 0, &[]);
    let first = run(dir.path(), "ct", &[]);
    assert_eq!(first.slices(), [3]);
    copy(first.out[0][0].parent().unwrap(), &dir.path().join("in/derived"));
    let second = run(dir.path(), "ct", &[]);
    assert_eq!((second.code, second.slices()), (Some(0), vec![3]), "{}", second.stderr);
    assert_eq!(second.files("set_aside", "restored by artir").len(), 3);
    assert!(second.stderr.contains("--include-derived"), "{}", second.stderr);
    let both = run(dir.path(), "ct", &["--include-derived"]);
    assert_eq!((both.code, both.slices()), (Some(0), vec![3, 3]), "{}", both.stderr);
    fs::remove_dir_all(dir.path().join("in/source")).unwrap();
    let alone = run(dir.path(), "ct", &[]);
    assert_eq!((alone.code, alone.out.len()), (Some(3), 0), "{}", alone.stderr);
    assert!(alone.stderr.contains("--include-derived"), "{}", alone.stderr);
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_and_loops_are_set_aside() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    series(&dir.path().join("in"), 0, &[]);
    symlink("/nowhere/at/all", dir.path().join("in/9999.dcm")).unwrap();
    symlink("..", dir.path().join("in/up")).unwrap();
    symlink("itself", dir.path().join("in/itself")).unwrap();
    let done = run(dir.path(), "ct", &[]);
    assert_eq!((done.code, done.slices()), (Some(0), vec![3]), "{}", done.stderr);
    for (reason, file) in [("a broken link", "9999.dcm"), ("cannot be followed", "itself")] {
        assert_eq!(done.files("set_aside", reason), [file], "{}", done.stderr);
    }
    // The input's own parent holds the model and the report: files, and the input again.
    assert!(done.stderr.contains("file(s) skipped"), "{}", done.stderr);
    // An input that is not there is an error.
    assert_eq!(artir().args(["ct", "--list", "lost"]).current_dir(dir.path()).output().unwrap().status.code(), Some(3));
}

/// The superuser may read every folder, so artir runs as somebody else.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_may_not_be_read_is_set_aside() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    series(&dir.path().join("in"), 0, &[]);
    let locked = dir.path().join("in/locked");
    fs::create_dir(&locked).unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(dir.path(), 0o755);
    mode(&locked, 0o000);
    let binary = dir.path().join("artir");
    fs::copy(artir().get_program(), &binary).unwrap();
    let listed = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&binary)
        .args(["ct", "--list", "in"])
        .current_dir(dir.path())
        .output();
    mode(&locked, 0o755);
    let Ok(listed) = listed else {
        println!("skipped: no setpriv");
        return;
    };
    let stderr = String::from_utf8_lossy(&listed.stderr).into_owned();
    if stderr.contains("setpriv:") {
        println!("skipped: setpriv may not change the user");
        return;
    }
    assert_eq!(listed.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("1 file(s) skipped: a folder without read permission"), "{stderr}");
    assert!(String::from_utf8_lossy(&listed.stdout).contains("64 x 64"));
}

/// The stored values of a slice, whatever its signs.
fn stored(path: &Path) -> Vec<i16> {
    let object = dicom_object::open_file(path).unwrap();
    let bytes = object.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap().into_owned();
    bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

#[test]
fn pixels_outside_the_field_of_view_stay_whatever_fills_them() {
    let dir = tempfile::tempdir().unwrap();
    let middle = f64::from(SIDE - 1) / 2.0;
    let is_outside =
        |i: usize| (f64::from(i as u16 / SIDE) - middle).hypot(f64::from(i as u16 % SIDE) - middle) > middle + 0.5;
    for fill in [-2000i16, -1000, -1, 0, 24] {
        let mut object = ct_slice(0, &[]);
        let words: Vec<u16> = (0..usize::from(SIDE * SIDE))
            .map(|i| if is_outside(i) { fill.cast_unsigned() } else { 900 + 2 * (i % 97) as u16 })
            .collect();
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.into())));
        save(object, &dir.path().join("in/0.dcm"));
        let done = run(dir.path(), "ct", &[]);
        let (before, after) = (stored(&dir.path().join("in/0.dcm")), stored(&done.out[0][0]));
        for (i, (before, after)) in before.iter().zip(&after).enumerate() {
            // HU above -1024 are halved.
            let expected = if is_outside(i) { *before } else { (f64::from(*before) / 2.0).round() as i16 };
            assert_eq!(*after, expected, "{fill} at {i}");
        }
    }
}

/// With the built-in model, which looks far around each pixel.
#[test]
fn a_slice_without_the_padding_tag_comes_out_as_with_it() {
    let Some(case) = real("cases/dicom/ct-fov-no-padding-tag/in") else { return };
    let dir = tempfile::tempdir().unwrap();
    let slice = "0001.dcm";
    fs::create_dir_all(dir.path().join("without")).unwrap();
    fs::write(dir.path().join("without").join(slice), fs::read(case.join(slice)).unwrap()).unwrap();
    let mut tagged = dicom_object::open_file(dir.path().join("without").join(slice)).unwrap();
    let fill = stored(&dir.path().join("without").join(slice))[0];
    tagged.put(DataElement::new(tags::PIXEL_PADDING_VALUE, VR::SS, PrimitiveValue::from(fill)));
    fs::create_dir_all(dir.path().join("with")).unwrap();
    tagged.write_to_file(dir.path().join("with").join(slice)).unwrap();
    let restored = |input: &str| {
        let out = dir.path().join(format!("out-{input}"));
        let run = artir().arg("ct").arg(input).arg("-o").arg(&out).current_dir(dir.path()).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let folder = fs::read_dir(&out).unwrap().next().unwrap().unwrap().path();
        stored(&folder.join("0001.dcm"))
    };
    let before = stored(&dir.path().join("without").join(slice));
    let (with, without) = (restored("with"), restored("without"));
    assert_eq!(with, without);
    let changed =
        |padding: bool| before.iter().zip(&without).filter(|(b, a)| (**b == fill) == padding && b != a).count();
    assert!(changed(true) == 0 && changed(false) > 10_000, "{} {}", changed(true), changed(false));
}
