//! `artir ct` and `artir pet` on series as hospitals have them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use artir_tests::{artir, models, real, run};
use dicom_core::{DataElement, PrimitiveValue, VR, header::Header};
use dicom_dictionary_std::tags;

fn text(out: &[u8]) -> String {
    String::from_utf8_lossy(out).into_owned()
}

/// The files of a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    out.sort();
    out
}

/// Copies every so many slices of a real series.
fn some(series: &Path, to: &Path, step: usize) {
    fs::create_dir_all(to).unwrap();
    for file in files(series).iter().step_by(step) {
        fs::copy(file, to.join(file.file_name().unwrap())).unwrap();
    }
}

/// An `artir ct` with a model that returns its input.
fn ct(dir: &Path, arguments: &[&str]) -> Output {
    let model = dir.join("identity.onnx");
    fs::write(&model, models::ct_identity()).unwrap();
    artir().arg("ct").args(arguments).arg("--model").arg(&model).current_dir(dir).output().unwrap()
}

#[test]
fn a_list_tells_what_a_study_holds() {
    let Some(folder) = real("dicom/ct-head-ge-tilted") else { return };
    let out = run([Path::new("ct"), Path::new("--list"), &folder]);
    assert!(out.status.success());
    let table = text(&out.stdout);
    assert!(table.contains("512 x 512") && table.contains("gantry tilted by 18.5 degrees"), "{table}");
    assert!(table.contains("uneven spacing"), "{table}");
    let out = run([Path::new("ct"), Path::new("--list=json"), &folder]);
    let list: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(list["series"][0]["slices"].as_array().unwrap().len(), 16);
    let file = list["series"][0]["slices"][0]["file"].as_str().unwrap();
    assert!(file.starts_with("file-"), "names are hidden: {file}");
    let out = run([Path::new("ct"), Path::new("--list=json"), Path::new("--show-paths"), &folder]);
    let list: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(list["series"][0]["slices"][0]["file"].as_str().unwrap().ends_with(".dcm"));
}

/// SUVbw by the QIBA pseudo-code, from the attributes as another library reads them.
#[test]
fn suv_factors_agree_with_another_computation() {
    let Some(folder) = real("dicom/pet-ge-bqml") else { return };
    let out = run([Path::new("pet"), Path::new("--list=json"), Path::new("--show-paths"), &folder]);
    let list: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let slices = list["series"][0]["slices"].as_array().unwrap();
    assert_eq!(slices.len(), 267);
    for slice in slices.iter().step_by(50) {
        let object = dicom_object::open_file(folder.join(slice["file"].as_str().unwrap())).unwrap();
        let number = |tag| object.element(tag).unwrap().to_float64().unwrap();
        let drug = &object.element(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE).unwrap().items().unwrap()[0];
        let of_drug = |tag| drug.element(tag).unwrap().to_float64().unwrap();
        let clock = |text: String| {
            let part = |r: std::ops::Range<usize>| text[r].parse::<f64>().unwrap();
            part(0..2) * 3600.0 + part(2..4) * 60.0 + text[4..].trim().parse::<f64>().unwrap()
        };
        let scan = clock(object.element(tags::SERIES_TIME).unwrap().to_str().unwrap().into_owned());
        let given = clock(drug.element(tags::RADIOPHARMACEUTICAL_START_TIME).unwrap().to_str().unwrap().into_owned());
        let decay = 0.5f64.powf((scan - given) / of_drug(tags::RADIONUCLIDE_HALF_LIFE));
        let expected = number(tags::PATIENT_WEIGHT) * 1000.0 / (of_drug(tags::RADIONUCLIDE_TOTAL_DOSE) * decay);
        let found = slice["suv_factor"].as_f64().unwrap();
        assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn pet_without_weight_names_the_tag_and_goes_by_native_units() {
    let Some(series) = real("dicom/pet-ge-bqml") else { return };
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    some(&series, &input, 60);
    for file in files(&input) {
        let mut object = dicom_object::open_file(&file).unwrap();
        object.remove_element(tags::PATIENT_WEIGHT);
        object.write_to_file(&file).unwrap();
    }
    let model = dir.path().join("m.onnx");
    fs::write(&model, models::multiplies("pet-enhance", "SUV", [0.0, 1000.0], 0.5)).unwrap();
    let pet = |more: &[&str]| {
        let mut command = artir();
        command.arg("pet").arg(&input).arg("-o").arg(dir.path().join("out")).arg("--model").arg(&model).args(more);
        command.output().unwrap()
    };
    let refused = pet(&[]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(text(&refused.stderr).contains("PatientWeight (0010,1030)"), "{}", text(&refused.stderr));
    let done = pet(&["--units", "native"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
}

#[test]
fn a_dicomdir_leads_to_its_files() {
    let Some(folder) = real("dicom/robustness/pydicom/test_files/dicomdirtests") else { return };
    let out = run([Path::new("ct"), Path::new("--list=json"), &folder.join("DICOMDIR")]);
    let list: serde_json::Value =
        serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{}", text(&out.stderr)));
    let slices: usize = list["series"].as_array().unwrap().iter().map(|s| s["slices"].as_array().unwrap().len()).sum();
    assert_eq!(slices, 9, "two of the eleven are localizers");
}

#[test]
fn a_report_says_what_was_done_and_names_no_file() {
    let Some(series) = real("dicom/ct-abdomen-ge") else { return };
    let dir = tempfile::tempdir().unwrap();
    some(&series, &dir.path().join("in"), 10);
    let broken = dir.path().join("in/zz-broken.dcm");
    fs::write(&broken, &fs::read(&files(&series)[0]).unwrap()[..700]).unwrap();
    let refused = ct(dir.path(), &["in", "-o", "out"]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("zz-broken.dcm"));
    assert!(!dir.path().join("out").exists());
    let partial = ct(dir.path(), &["in", "-o", "out", "--allow-partial", "--report", "r.json"]);
    assert_eq!(partial.status.code(), Some(4), "{}", text(&partial.stderr));
    let report = fs::read_to_string(dir.path().join("r.json")).unwrap();
    assert!(!report.contains("zz-broken"), "{report}");
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["series"][0]["outcome"], "written");
    assert_eq!((report["series"][0]["slices"].as_u64(), report["damaged"].as_array().unwrap().len()), (Some(5), 1));
}

/// The marker stands in every text of every slice, also of those that cannot be read to their end.
#[test]
fn what_tells_who_the_patient_is_appears_nowhere() {
    const MARKER: &str = "ZZPATIENTZZ";
    // A listing shows description and kernel to whoever asks for it.
    const LISTED: &str = "ZZLISTEDZZ";
    let Some(series) = real("dicom/ct-abdomen-ge") else { return };
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    some(&series, &input, 8);
    for (i, file) in files(&input).iter().enumerate() {
        let mut object = dicom_object::open_file(file).unwrap();
        let named: Vec<_> = object
            .iter()
            .filter(|e| {
                matches!(e.vr(), VR::PN | VR::LO | VR::SH | VR::ST | VR::LT | VR::UT) && e.tag().group() % 2 == 0
            })
            .map(|e| (e.tag(), e.vr()))
            .collect();
        assert!(named.len() > 10);
        let more = [(tags::PATIENT_COMMENTS, VR::LT), (tags::IMAGE_COMMENTS, VR::LT), (tags::RESCALE_TYPE, VR::LO)];
        for (tag, vr) in named.into_iter().chain(more) {
            // One slice has it in RescaleType too, which is read, and refused.
            if tag != tags::RESCALE_TYPE || i == 3 {
                let listed = [tags::SERIES_DESCRIPTION, tags::CONVOLUTION_KERNEL].contains(&tag);
                let marker = if listed { LISTED } else { MARKER };
                object.put(DataElement::new(tag, vr, PrimitiveValue::from(marker)));
            }
        }
        object.write_to_file(file).unwrap();
        let whole = fs::read(file).unwrap();
        match i {
            1 => fs::write(file, &whole[..900]).unwrap(),
            2 => fs::write(file, &whole[..whole.len() - 1000]).unwrap(),
            _ => {}
        }
    }
    let mut said = String::new();
    for arguments in [
        vec!["in", "-o", "out", "-vv", "--report", "report.json"],
        vec![
            "in",
            "-o",
            "out",
            "-vv",
            "--log-format",
            "json",
            "--allow-partial",
            "--overwrite",
            "--report",
            "report.json",
        ],
        vec!["in", "--list"],
        vec!["in", "--list=json"],
        vec!["in", "-o", "out", "--dry-run"],
    ] {
        let out = ct(dir.path(), &arguments);
        let (shown, told) = (text(&out.stdout), text(&out.stderr));
        assert!(arguments[1].starts_with("--list") || !shown.contains(LISTED), "{shown}");
        assert!(!told.contains(LISTED), "{told}");
        said += &(shown + &told);
    }
    said += &fs::read_to_string(dir.path().join("report.json")).unwrap();
    assert!(said.contains("damaged or truncated") && said.contains("RescaleType"), "{said}");
    assert!(!said.contains(MARKER), "{said}");
    assert!(!fs::read_to_string(dir.path().join("report.json")).unwrap().contains(LISTED));
    // It is in the output, where it belongs.
    let folder = files(&dir.path().join("out")).into_iter().find(|p| p.is_dir()).unwrap();
    let (manifest, slices): (Vec<_>, Vec<_>) =
        files(&folder).into_iter().partition(|p| p.ends_with(artir_tests::MANIFEST));
    assert!(!fs::read_to_string(&manifest[0]).unwrap().contains(MARKER), "the manifest holds hashes");
    let object = dicom_object::open_file(&slices[0]).unwrap();
    assert_eq!(object.element(tags::PATIENT_NAME).unwrap().to_str().unwrap().trim(), MARKER);
}

/// Killed at any moment, a series is not there in part, and `--resume` completes it to the same bytes.
#[test]
fn a_killed_run_is_resumed_to_the_same_bytes() {
    let Some(series) = real("dicom/ct-abdomen-ge") else { return };
    let dir = tempfile::tempdir().unwrap();
    some(&series, &dir.path().join("in"), 2);
    assert!(ct(dir.path(), &["in", "-o", "whole"]).status.success());
    let whole = files(&dir.path().join("whole"));
    let name = whole[0].file_name().unwrap();
    let model = dir.path().join("identity.onnx");
    let mut resumed = 0;
    for round in 0..10u64 {
        let out = dir.path().join(format!("out-{round}"));
        let mut child = artir()
            .args(["ct", "in", "-q", "-o"])
            .arg(&out)
            .arg("--model")
            .arg(&model)
            .current_dir(dir.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Moments that are spread over a run of some tenths of a second.
        std::thread::sleep(Duration::from_millis(40 + 53 * round * round / 4));
        child.kill().unwrap();
        child.wait().unwrap();
        let published = out.join(name);
        assert!(!published.exists() || files(&published).len() == files(&whole[0]).len(), "a partial series");
        let done = ct(dir.path(), &["in", "-o", out.to_str().unwrap(), "--resume"]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        resumed += usize::from(text(&done.stdout).contains("of them before"));
        let (a, b) = (files(&whole[0]), files(&published));
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(&b) {
            assert_eq!(fs::read(a).unwrap(), fs::read(b).unwrap(), "{}", b.display());
        }
        assert_eq!(files(&out).len(), 1, "nothing else is left");
    }
    println!("{resumed} of 10 runs had something to take up");
}

#[test]
fn a_preview_stands_beside_its_series_and_names_nobody() {
    let Some(series) = real("dicom/ct-head-ge-tilted") else { return };
    let dir = tempfile::tempdir().unwrap();
    some(&series, &dir.path().join("in"), 4);
    let arguments = ["in", "-o", "out", "--preview", "--window", "40/80"];
    let done = ct(dir.path(), &arguments);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let pages: Vec<_> = files(&dir.path().join("out")).into_iter().filter(|p| p.extension().is_some()).collect();
    let page = fs::read_to_string(&pages[0]).unwrap();
    assert_eq!(page.matches("iVBORw0KGgo").count(), 12);
    assert!(page.contains("Content-Security-Policy") && page.contains("Not for diagnosis"));
    let object = dicom_object::open_file(&files(&series)[0]).unwrap();
    for tag in [tags::PATIENT_ID, tags::SERIES_INSTANCE_UID, tags::STUDY_DATE] {
        if let Ok(value) = object.element(tag).map(|e| e.to_str().unwrap().trim().to_owned())
            && value.len() > 4
        {
            assert!(!page.contains(&value), "{tag}");
        }
    }
    assert_eq!(ct(dir.path(), &["in", "-o", "o", "--window", "lung"]).status.code(), Some(2), "--window alone");
}

#[test]
fn compressed_series_read_back_the_same() {
    let Some(series) = real("dicom/ct-abdomen-ge") else { return };
    let dir = tempfile::tempdir().unwrap();
    some(&series, &dir.path().join("in"), 20);
    assert!(ct(dir.path(), &["in", "-o", "explicit"]).status.success());
    for syntax in ["rle", "jpegls-lossless"] {
        let done = ct(dir.path(), &["in", "-o", syntax, "--transfer-syntax", syntax]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        let again = ct(dir.path(), &[syntax, "-o", &format!("{syntax}-again"), "--strength", "0", "--include-derived"]);
        assert!(again.status.success(), "{}", text(&again.stderr));
        let pixels = |folder: &str| {
            let series = files(&dir.path().join(folder)).remove(0);
            let pixels = |file: &PathBuf| {
                let object = dicom_object::open_file(file).unwrap();
                object.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap().into_owned()
            };
            files(&series).iter().filter(|file| !file.ends_with(artir_tests::MANIFEST)).map(pixels).collect::<Vec<_>>()
        };
        assert_eq!(pixels("explicit"), pixels(&format!("{syntax}-again")), "{syntax}");
        let size = |folder: &str| {
            files(&files(&dir.path().join(folder))[0]).iter().map(|f| fs::metadata(f).unwrap().len()).sum::<u64>()
        };
        assert!(size(syntax) < size("explicit") * 3 / 4, "{syntax}");
    }
}
