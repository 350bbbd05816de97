//! `artir pet` on headers as scanners and archives write them: SUV is right, or refused by name.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use artir_tests::{
    dicom::put,
    pet::{Study, drug, listed, quiet, slice, text},
    real,
};
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use serde_json::Value;

const EXPLICIT: &str = uids::EXPLICIT_VR_LITTLE_ENDIAN;
/// F-18, seconds.
const HALF_LIFE: f64 = 6586.2;

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
fn slices_that_contradict_each_other_are_refused_by_the_attribute() {
    type Change<'a> = &'a dyn Fn(&mut InMemDicomObject);
    let cases: [(&str, Change<'_>); 3] = [
        ("PatientWeight (0010,1030)", &|o| put(o, VR::DS, &[(tags::PATIENT_WEIGHT, "81")])),
        ("RadionuclideTotalDose (0018,1074)", &|o| drug(o, VR::DS, tags::RADIONUCLIDE_TOTAL_DOSE, "270000000")),
        ("RadiopharmaceuticalStartTime (0018,1072)", &|o| {
            drug(o, VR::TM, tags::RADIOPHARMACEUTICAL_START_TIME, "103000");
        }),
    ];
    for (name, change) in cases {
        let mut other = slice(2, quiet());
        change(&mut other);
        let study = Study::new(vec![slice(1, quiet()), other], EXPLICIT);
        let refused = study.run(&["-o", "out"]);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(3), "{said}");
        assert!(said.contains(&format!("{name} differs among the slices")), "{said}");
        assert!(!study.dir.path().join("out").exists());
    }
}

#[test]
fn a_method_that_names_no_correction_gives_way_to_the_corrected_series() {
    let mut uncorrected = slice(2, quiet());
    put(&mut uncorrected, VR::UI, &[(tags::SERIES_INSTANCE_UID, "1.2.4")]);
    put(&mut uncorrected, VR::CS, &[(tags::CORRECTED_IMAGE, "")]);
    put(&mut uncorrected, VR::LO, &[(tags::ATTENUATION_CORRECTION_METHOD, "none, 0.000000 cm-1,")]);
    let study = Study::new(vec![slice(1, quiet()), uncorrected], EXPLICIT);
    let (report, files) = study.restore(&[]);
    assert_eq!((report["series"].as_array().unwrap().len(), files.len()), (1, 1), "{report:#}");
    let reason = report["set_aside"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("AttenuationCorrectionMethod (0054,1101) names none"), "{reason}");
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
    // Times that contradict each other lead to no SUV, also without SeriesTime.
    let mut beds = vec![bed(1, "110000", "89858.37"), bed(2, "110000", "329858.37")];
    for _ in 0..2 {
        let said = text(&Study::new(beds.clone(), EXPLICIT).run(&["-o", "out"]).stderr);
        assert!(said.contains("different starts of the scan"), "{said}");
        for bed in &mut beds {
            bed.remove_element(tags::SERIES_TIME);
        }
    }
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
