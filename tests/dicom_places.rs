//! Where series come from and go to: standard input, folders and bodies of DICOMweb, ZIP files, and names of files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Output, Stdio},
};

use artir_tests::{artir, dicom, models, text};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use made::{files, names};
use serde_json::Value;

/// A series of three slices in `in`, and a model that returns its input.
fn study() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    made::series(&dir.path().join("in"), 3, 0.0);
    fs::write(dir.path().join("one.onnx"), models::ct_identity()).unwrap();
    dir
}

fn ct(dir: &Path, arguments: &[&str]) -> Output {
    let all = [&["ct"], arguments, &["--model", "one.onnx"]].concat();
    artir().args(all).current_dir(dir).output().unwrap()
}

/// The pixels of some files, in their order.
fn pixels<'a>(files: impl IntoIterator<Item = &'a Path>) -> Vec<Vec<u8>> {
    let read =
        |path| dicom_object::open_file(path).unwrap().element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap().to_vec();
    files.into_iter().map(read).collect()
}

fn pixels_in(folder: &Path) -> Vec<Vec<u8>> {
    pixels(files(folder).iter().map(std::path::PathBuf::as_path))
}

/// The only folder of a series.
fn series(out: &Path) -> std::path::PathBuf {
    let names = names(out);
    assert_eq!(names.len(), 1, "{names:?}");
    out.join(&names[0])
}

#[test]
fn what_can_be_refused_is_refused_before_standard_input_is_read() {
    let dir = study();
    fs::write(dir.path().join("there.json"), "notes").unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    for (arguments, said) in [
        (&["-o", "out", "--report", "there.json"][..], "already exists"),
        (&["-o", "file/out"], "file is not a folder"),
        (&["-o", "out", "--device", "cuda:99"], ""),
        (&["-o", "file/out.zip"], "file is not a folder"),
        (&["-o", "out.zip", "--resume"], "use a folder with --resume"),
    ] {
        let mut command = artir();
        command.args(["ct", "-", "--model", "one.onnx"]).args(arguments).current_dir(dir.path());
        let mut run = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // Standard input stays open: a run that reads it would wait for its end.
        let input = run.stdin.take();
        let mut stderr = String::new();
        run.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert!(!run.wait().unwrap().success() && stderr.contains(said), "{arguments:?}: {stderr}");
        drop(input);
    }
}

#[test]
fn a_tar_on_standard_input_is_restored() {
    let dir = study();
    let tar = std::process::Command::new("tar").args(["cf", "-", "in"]).current_dir(dir.path()).output().unwrap();
    let mut command = artir();
    command.args(["ct", "-", "-o", "out", "--model", "one.onnx", "--report", "r.json", "--show-paths"]);
    let mut run = command.current_dir(dir.path()).stdin(Stdio::piped()).spawn().unwrap();
    run.stdin.take().unwrap().write_all(&tar.stdout).unwrap();
    assert!(run.wait().unwrap().success());
    assert_eq!(pixels_in(&series(&dir.path().join("out"))), pixels_in(&dir.path().join("in")));
}

#[test]
fn files_are_named_by_number_or_as_their_sources() {
    let dir = study();
    let at = |name: &str| dir.path().join(name);
    // From the last slice to the first, so that neither names nor numbers follow the order of slices.
    for (i, (from, to)) in [("0001.dcm", "c 3.dcm"), ("0002.dcm", "b"), ("0003.dcm", "a.IMA")].into_iter().enumerate() {
        let mut object = dicom_object::open_file(at("in").join(from)).unwrap();
        let number = PrimitiveValue::from((12 - i).to_string());
        object.put(DataElement::new(tags::INSTANCE_NUMBER, VR::IS, number));
        object.write_to_file(at("in").join(to)).unwrap();
        fs::remove_file(at("in").join(from)).unwrap();
    }
    let sources = ["c 3.dcm", "b", "a.IMA"].map(|name| at("in").join(name));
    let expected = pixels(sources.iter().map(std::path::PathBuf::as_path));
    for (form, in_order) in [
        ("order", ["0001.dcm", "0002.dcm", "0003.dcm"]),
        ("instance", ["0012.dcm", "0011.dcm", "0010.dcm"]),
        ("source", ["c 3.dcm", "b", "a.IMA"]),
    ] {
        let out = format!("out-{form}");
        let done =
            ct(dir.path(), &["in", "-o", &out, "--names", form, "--preview", "--report", &format!("{form}.json")]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        let report: Value = serde_json::from_slice(&fs::read(at(&format!("{form}.json"))).unwrap()).unwrap();
        let folder = at(&out).join(report["series"][0]["folder"].as_str().unwrap());
        let found = pixels(in_order.map(|name| folder.join(name)).iter().map(std::path::PathBuf::as_path));
        assert_eq!(found, expected, "{form}");
        assert_eq!(files(&folder).len(), 3);
        assert!(fs::read_to_string(folder.with_extension("html")).unwrap().contains("All 3 slices"), "{form}");
        // The manifest knows these names: nothing is made again.
        let again = ct(dir.path(), &["in", "-o", &out, "--names", form, "--resume"]);
        assert!(text(&again.stdout).contains("3 of them before"), "{}", text(&again.stdout));
    }
    // Other names for the same objects: the series is published again under them.
    let renamed = ct(dir.path(), &["in", "-o", "out-order", "--names", "source", "--resume"]);
    assert!(renamed.status.success(), "{}", text(&renamed.stderr));
    let folder = fs::read_dir(at("out-order")).unwrap().map(|e| e.unwrap().path()).find(|path| path.is_dir()).unwrap();
    assert!(folder.join("c 3.dcm").exists() && !folder.join("0001.dcm").exists());
}

/// Names and contents of a ZIP, in its order, read by its central directory.
fn unzipped(zip: &Path) -> Vec<(String, Vec<u8>)> {
    let into = tempfile::tempdir().unwrap();
    let done =
        std::process::Command::new("python3").args(["-m", "zipfile", "-e"]).args([zip, into.path()]).output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    made::contents(into.path()).into_iter().collect()
}

#[test]
fn a_zip_holds_what_a_folder_would_and_appears_whole() {
    let dir = study();
    let at = |name: &str| dir.path().join(name);
    assert!(ct(dir.path(), &["in", "-o", "out", "--preview"]).status.success());
    let dry = ct(dir.path(), &["in", "-o", "out.zip", "--dry-run"]);
    assert!(dry.status.success() && !at("out.zip").exists(), "{}", text(&dry.stderr));
    let done = ct(dir.path(), &["in", "-o", "out.zip", "--preview", "--report", "r.json"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let in_folder: Vec<_> =
        made::contents(&at("out")).into_iter().filter(|(name, _)| !name.ends_with(".artir-manifest")).collect();
    assert_eq!(unzipped(&at("out.zip")), in_folder);
    assert_eq!(names(dir.path()), ["in", "one.onnx", "out", "out.zip", "r.json"]);
    // The same input gives the same bytes.
    assert!(ct(dir.path(), &["in", "-o", "again.zip", "--preview"]).status.success());
    assert_eq!(fs::read(at("out.zip")).unwrap(), fs::read(at("again.zip")).unwrap());
    // Compressed pixels are only stored; an existing ZIP stays unless it may be replaced.
    let taken = ct(dir.path(), &["in", "-o", "out.zip"]);
    assert!(taken.status.code() == Some(2) && text(&taken.stderr).contains("--overwrite"), "{}", text(&taken.stderr));
    let packed = ct(dir.path(), &["in", "-o", "out.zip", "--transfer-syntax", "rle", "--overwrite"]);
    assert!(packed.status.success(), "{}", text(&packed.stderr));
    assert_eq!(unzipped(&at("out.zip")).len(), 3);
    // A ZIP of a study goes in, and what comes out must not take its place.
    assert!(ct(dir.path(), &["out.zip", "-o", "from-zip", "--include-derived"]).status.success());
    assert_eq!(pixels_in(&series(&at("from-zip"))), pixels_in(&at("in")));
    fs::create_dir(at("archives")).unwrap();
    fs::rename(at("again.zip"), at("archives/study.zip")).unwrap();
    let source = fs::read(at("archives/study.zip")).unwrap();
    for output in [["-o", "archives/study.zip"], ["--report", "archives/study.zip"]] {
        let into = if output[0] == "-o" { &[][..] } else { &["-o", "elsewhere"] };
        let lost = ct(dir.path(), &[&["archives", "--include-derived", "--overwrite"], &output[..], into].concat());
        assert_eq!(lost.status.code(), Some(2), "{output:?}: {}", text(&lost.stderr));
        assert!(text(&lost.stderr).contains("archive"), "{}", text(&lost.stderr));
        assert_eq!(fs::read(at("archives/study.zip")).unwrap(), source);
    }
}

#[test]
fn a_zip_of_nothing_does_not_appear() {
    let dir = study();
    for file in files(&dir.path().join("in")) {
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() - 100]).unwrap();
    }
    let refused = ct(dir.path(), &["in", "-o", "out.zip"]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused.stderr));
    assert_eq!(names(dir.path()), ["in", "one.onnx"]);
}

/// The tree of a DICOMweb client: objects without endings under UIDs, and their metadata.
fn dicomweb(root: &Path, from: &Path) {
    let mut all = Vec::new();
    for file in files(from) {
        let object = dicom_object::open_file(&file).unwrap();
        let uid = |tag| object.element(tag).unwrap().to_str().unwrap().trim_end_matches('\0').to_owned();
        let series = root.join(uid(tags::STUDY_INSTANCE_UID)).join("series").join(uid(tags::SERIES_INSTANCE_UID));
        let instances = series.join("instances");
        fs::create_dir_all(&instances).unwrap();
        let name = uid(tags::SOP_INSTANCE_UID);
        fs::copy(&file, instances.join(&name)).unwrap();
        let metadata = serde_json::json!([{"00080018": {"vr": "UI", "Value": [name]}}]);
        fs::write(instances.join(format!("{name}.json")), metadata.to_string()).unwrap();
        all.push(metadata[0].clone());
        fs::write(series.join("metadata"), Value::Array(all.clone()).to_string()).unwrap();
    }
}

#[test]
fn folders_and_bodies_of_dicomweb_are_restored_and_their_metadata_is_set_aside_quietly() {
    let dir = study();
    let at = |name: &str| dir.path().join(name);
    dicomweb(&at("web"), &at("in"));
    let done = ct(dir.path(), &["web", "-o", "out", "--report", "r.json"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(!text(&done.stderr).contains("skipped"), "{}", text(&done.stderr));
    let report: Value = serde_json::from_slice(&fs::read(at("r.json")).unwrap()).unwrap();
    assert_eq!(report["set_aside"][0]["count"], 4);
    assert!(report["set_aside"][0]["reason"].as_str().unwrap().contains("DICOMweb"), "{report}");
    assert_eq!(pixels_in(&series(&at("out"))), pixels_in(&at("in")));

    let mut body = Vec::new();
    for file in files(&at("in")) {
        body.extend(b"--A1b2\r\nContent-Type: application/dicom;transfer-syntax=1.2.840.10008.1.2.1\r\n\r\n");
        body.extend(fs::read(file).unwrap());
        body.extend(b"\r\n");
    }
    body.extend(b"--A1b2--\r\n");
    fs::write(at("response.bin"), &body).unwrap();
    let done = ct(dir.path(), &["response.bin", "-o", "from-body"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(pixels_in(&series(&at("from-body"))), pixels_in(&at("in")));
    // A response that broke off in its last part.
    fs::write(at("response.bin"), &body[..body.len() - 2000]).unwrap();
    let broken = ct(dir.path(), &["response.bin", "-o", "from-broken"]);
    assert!(!broken.status.success() && !at("from-broken").exists(), "{}", text(&broken.stderr));
}

/// An Enhanced CT object of four frames, two in each stack.
fn stacks() -> InMemDicomObject {
    let item = |puts: &[(dicom_core::Tag, VR, &str)]| {
        let mut item = InMemDicomObject::new_empty();
        puts.iter().for_each(|(tag, vr, text)| dicom::put(&mut item, *vr, &[(*tag, *text)]));
        item
    };
    let mut object = item(&[
        (tags::SOP_CLASS_UID, VR::UI, uids::ENHANCED_CT_IMAGE_STORAGE),
        (tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4"),
        (tags::STUDY_INSTANCE_UID, VR::UI, "1.2"),
        (tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3"),
        (tags::MODALITY, VR::CS, "CT"),
        (tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\VOLUME\\NONE"),
        (tags::NUMBER_OF_FRAMES, VR::IS, "4"),
    ]);
    let frame = |(stack, z): (&str, &str)| {
        let mut frame = InMemDicomObject::new_empty();
        let position = format!("0\\0\\{z}");
        for (sequence, attribute) in [
            (tags::FRAME_CONTENT_SEQUENCE, (tags::STACK_ID, VR::SH, stack)),
            (tags::PLANE_POSITION_SEQUENCE, (tags::IMAGE_POSITION_PATIENT, VR::DS, position.as_str())),
        ] {
            dicom::put_items(&mut frame, sequence, vec![item(&[attribute])]);
        }
        frame
    };
    let mut shared = InMemDicomObject::new_empty();
    for (sequence, attributes) in [
        (tags::PLANE_ORIENTATION_SEQUENCE, &[(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0")][..]),
        (tags::PIXEL_MEASURES_SEQUENCE, &[(tags::PIXEL_SPACING, VR::DS, "0.5\\0.5")]),
        (
            tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
            &[
                (tags::RESCALE_SLOPE, VR::DS, "1"),
                (tags::RESCALE_INTERCEPT, VR::DS, "-1024"),
                (tags::RESCALE_TYPE, VR::LO, "HU"),
            ],
        ),
    ] {
        dicom::put_items(&mut shared, sequence, vec![item(attributes)]);
    }
    dicom::put_items(&mut object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]);
    let frames = [("HEAD", "0"), ("HEAD", "2"), ("NECK", "0"), ("NECK", "5")].map(frame);
    dicom::put_items(&mut object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames.to_vec());
    dicom::put_pixels(&mut object, 16, (0..16 * 16 * 4).map(|i| i % 900).collect());
    object
}

#[test]
fn stacks_and_echoes_are_volumes_of_their_own() {
    let dir = study();
    let list = |folder: &str| -> Vec<(usize, String)> {
        let listed = artir().args(["ct", "--list=json", folder]).current_dir(dir.path()).output().unwrap();
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        let series = listed["series"].as_array().unwrap().iter();
        series.map(|s| (s["slices"].as_array().unwrap().len(), s["findings"].to_string())).collect()
    };
    // Stacks of one object stay in it; each is looked at by itself, so that nothing coincides and the spacing is even.
    dicom::save(stacks(), uids::EXPLICIT_VR_LITTLE_ENDIAN, &dir.path().join("stacks/1.dcm"));
    let [(4, findings)] = &list("stacks")[..] else { panic!("{:?}", list("stacks")) };
    assert_eq!(findings, "[\"2 stacks of frames by StackID (0020,9056)\"]");
    // Slices of two echoes at the same positions.
    for (echo, tag, vr) in [("echo", tags::ECHO_TIME, VR::DS), ("number", tags::ECHO_NUMBERS, VR::IS)] {
        for (i, file) in files(&dir.path().join("in")).iter().enumerate() {
            for time in ["1", "2"] {
                let mut object = dicom_object::open_file(file).unwrap();
                object.put(DataElement::new(tag, vr, PrimitiveValue::from(time)));
                object.put(DataElement::new(
                    tags::SOP_INSTANCE_UID,
                    VR::UI,
                    PrimitiveValue::from(format!("1.2.3.{time}.{i}")),
                ));
                fs::create_dir_all(dir.path().join(echo)).unwrap();
                object.write_to_file(dir.path().join(echo).join(format!("{time}-{i}"))).unwrap();
            }
        }
        let found = list(echo);
        assert_eq!(found.iter().map(|(slices, _)| *slices).collect::<Vec<_>>(), [3, 3], "{found:?}");
        assert!(found.iter().all(|(_, findings)| findings.contains("EchoTime (0018,0081) differs")), "{found:?}");
    }
}

#[test]
fn a_tar_under_gzip_is_an_archive() {
    let dir = study();
    let tar =
        std::process::Command::new("tar").args(["czf", "study.tgz", "in"]).current_dir(dir.path()).status().unwrap();
    assert!(tar.success());
    let done = ct(dir.path(), &["study.tgz", "-o", "out"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(pixels_in(&series(&dir.path().join("out"))), pixels_in(&dir.path().join("in")));
}

#[test]
fn messages_name_a_file_of_an_archive_below_its_archive() {
    let dir = study();
    let at = |name: &str| dir.path().join(name);
    let damaged = files(&at("in")).remove(1);
    let whole = fs::read(&damaged).unwrap();
    fs::write(&damaged, &whole[..whole.len() - 64]).unwrap();
    let tar = |to: &str| {
        let made = std::process::Command::new("tar").args(["cf", to, "in"]).current_dir(dir.path()).output().unwrap();
        assert!(made.status.success(), "{}", text(&made.stderr));
        made.stdout
    };
    tar("study.tar");
    let member = Path::new("in").join(damaged.file_name().unwrap());
    for (input, standard_input) in [("study.tar", vec![]), ("-", tar("-"))] {
        let arguments = ["ct", input, "-o", "out", "--model", "one.onnx", "--report", "r.json", "--show-paths"];
        let mut run = artir();
        run.args(arguments).arg("--overwrite").current_dir(dir.path());
        let mut run = run.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        run.stdin.take().unwrap().write_all(&standard_input).unwrap();
        let done = run.wait_with_output().unwrap();
        let said = text(&done.stderr);
        assert_eq!(done.status.code(), Some(3), "{said}");
        assert!(said.contains(&format!("{input}/{}", member.display())), "{said}");
        let report = fs::read_to_string(at("r.json")).unwrap();
        for words in [&said, &report] {
            assert!(!words.contains("/tmp") && !words.contains(std::env::temp_dir().to_str().unwrap()), "{words}");
            assert!(words.contains(member.to_str().unwrap()), "{words}");
        }
    }
}
