use dicom_core::{Tag, VR};

use super::*;

fn drug(attributes: &[(Tag, &str)]) -> DataSet {
    let mut drug = DataSet::default();
    for (tag, text) in [
        (tags::RADIONUCLIDE_TOTAL_DOSE, "370000000"),
        (tags::RADIONUCLIDE_HALF_LIFE, "6586.2"),
        (tags::RADIOPHARMACEUTICAL_START_TIME, "100000"),
    ] {
        drug.put_text(tag, VR::UN, text);
    }
    put(&mut drug, attributes);
    drug
}

/// An empty text removes an attribute.
fn put(set: &mut DataSet, attributes: &[(Tag, &str)]) {
    for (tag, text) in attributes {
        set.put_text(*tag, VR::UN, text);
    }
}

/// 74 kg, 370 MBq of F-18 at 10:00, a scan at 11:00.
fn pet(attributes: &[(Tag, &str)], of_drug: &[(Tag, &str)]) -> DataSet {
    let mut set = DataSet::default();
    for (tag, text) in [
        (tags::UNITS, "BQML"),
        (tags::CORRECTED_IMAGE, "DECY\\ATTN\\SCAT"),
        (tags::DECAY_CORRECTION, "START"),
        (tags::PATIENT_WEIGHT, "74"),
        (tags::SERIES_DATE, "20200101"),
        (tags::SERIES_TIME, "110000"),
        (tags::ACQUISITION_TIME, "110500"),
    ] {
        set.put_text(tag, VR::UN, text);
    }
    put(&mut set, attributes);
    set.put_items(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![drug(of_drug)]);
    set
}

fn suv(attributes: &[(Tag, &str)], of_drug: &[(Tag, &str)]) -> Result<Suv, Reason> {
    of_slice(&View::new(&pet(attributes, of_drug), 0))
}

/// The uptake time, seconds, and the assumptions for it.
fn uptake(attributes: &[(Tag, &str)], of_drug: &[(Tag, &str)]) -> (f64, Vec<Finding>) {
    let suv = suv(attributes, of_drug).unwrap();
    (suv.uptake.unwrap(), suv.findings)
}

const HOUR: f64 = 3600.0;
/// 74,000 g / (370e6 Bq x 2^(-3600 / 6586.2)).
const EXPECTED: f64 = 2e-4 * 1.460_636_746_2;

#[track_caller]
fn close(a: f64, b: f64) {
    assert!((a / b - 1.0).abs() < 1e-6, "{a} {b}");
}

#[test]
fn becquerels_and_counts_become_uptake() {
    let hour = suv(&[], &[]).unwrap();
    close(hour.factor, EXPECTED);
    assert_eq!((hour.uptake, hour.findings), (Some(HOUR), vec![]));
    let sugar = suv(&[(tags::UNITS, "GML")], &[(tags::RADIOPHARMACEUTICAL_START_TIME, "")]).unwrap();
    assert_eq!((sugar.factor, sugar.uptake), (1.0, None));
    let counts = |attributes: &[(Tag, &str)]| {
        let all = [&[(tags::UNITS, "CNTS"), (Tag(0x7053, 0x0010), PHILIPS)], attributes].concat();
        suv(&all, &[])
    };
    assert!(counts(&[]).unwrap_err().to_string().contains("7053"));
    let activity = (Tag(0x7053, 0x1009), "2.5 ");
    close(counts(&[activity]).unwrap().factor, 2.5 * EXPECTED);
    close(counts(&[activity, (Tag(0x7053, 0x1000), "0.00037")]).unwrap().factor, 0.00037);
    // De-identification changes the name of the owner, or removes it.
    for owner in [" PHILIPS  PET PRIVATE GROUP", ""] {
        let philips = [activity, (Tag(0x7053, 0x0010), owner), (tags::MANUFACTURER, "Philips Medical Systems")];
        close(counts(&philips).unwrap().factor, 2.5 * EXPECTED);
    }
    assert!(counts(&[activity, (Tag(0x7053, 0x0010), ""), (tags::MANUFACTURER, "SIEMENS")]).is_err());
}

#[test]
fn decay_correction_to_the_injection_needs_no_times() {
    let admin = (tags::DECAY_CORRECTION, "ADMIN");
    close(suv(&[admin], &[]).unwrap().factor, 2e-4);
    let without = suv(&[admin], &[(tags::RADIOPHARMACEUTICAL_START_TIME, "")]).unwrap();
    assert_eq!((without.factor, without.uptake), (2e-4, None));
    assert!(suv(&[(tags::DECAY_CORRECTION, "NONE")], &[]).unwrap_err().to_string().contains("is NONE"));
}

#[test]
fn zones_of_the_injection_and_of_the_decay_reference_are_compared() {
    let moments = |reference: &str, injection: &str| {
        uptake(
            &[(tags::DECAY_CORRECTION, ""), (tags::DECAY_CORRECTION_DATE_TIME, reference)],
            &[(tags::RADIOPHARMACEUTICAL_START_TIME, ""), (tags::RADIOPHARMACEUTICAL_START_DATE_TIME, injection)],
        )
    };
    assert_eq!(moments("20200101110000+0000", "20200101110000+0100"), (HOUR, vec![]));
    assert_eq!(moments("20200101110000+0100", "20200101090000+0000"), (HOUR, vec![]));
    assert_eq!(moments("20200101110000", "20200101100000"), (HOUR, vec![]));
}

#[test]
fn what_suv_needs_is_named_when_it_is_missing() {
    for (tag, name) in [
        (tags::PATIENT_WEIGHT, "(0010,1030)"),
        (tags::DECAY_CORRECTION, "(0054,1102)"),
        (tags::CORRECTED_IMAGE, "(0028,0051)"),
        (tags::UNITS, "(0054,1001)"),
    ] {
        assert!(suv(&[(tag, "")], &[]).unwrap_err().to_string().contains(name), "{name}");
    }
    for (tag, name) in [
        (tags::RADIONUCLIDE_TOTAL_DOSE, "(0018,1074)"),
        (tags::RADIONUCLIDE_HALF_LIFE, "(0018,1075)"),
        (tags::RADIOPHARMACEUTICAL_START_TIME, "(0018,1072)"),
    ] {
        assert!(suv(&[], &[(tag, "")]).unwrap_err().to_string().contains(name), "{name}");
    }
    let timeless = suv(&[(tags::SERIES_TIME, ""), (tags::ACQUISITION_TIME, "")], &[]);
    assert!(timeless.unwrap_err().to_string().contains("SeriesTime (0008,0031)"));
    let mut set = pet(&[], &[]);
    set.remove(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE);
    assert!(of_slice(&View::new(&set, 0)).unwrap_err().to_string().contains("(0054,0016)"));
}

#[test]
fn doses_and_weights_are_bounded() {
    for (value, fits) in
        [("370", false), ("999999", false), ("1e6", true), ("1e10", true), ("1.1e10", false), ("-1", false)]
    {
        match suv(&[], &[(tags::RADIONUCLIDE_TOTAL_DOSE, value)]) {
            Ok(_) => assert!(fits, "{value}"),
            Err(e) => {
                assert!(!fits && e.to_string().contains("(0018,1074) is not within 1 MBq to 10 GBq"), "{value}: {e}")
            }
        }
    }
    for (value, fits) in
        [("74000", false), ("0.49", false), ("0.5", true), ("500", true), ("501", false), ("-1", false)]
    {
        match suv(&[(tags::PATIENT_WEIGHT, value)], &[]) {
            Ok(_) => assert!(fits, "{value}"),
            Err(e) => {
                assert!(!fits && e.to_string().contains("(0010,1030) is not within 0.5 to 500 kg"), "{value}: {e}")
            }
        }
    }
}

#[test]
fn clocks_may_differ_by_an_hour_and_no_more() {
    let at = |time| suv(&[], &[(tags::RADIOPHARMACEUTICAL_START_TIME, time)]);
    let after = at("110010").unwrap();
    close(after.factor, 2e-4 * 2f64.powf(-10.0 / 6586.2));
    assert_eq!((after.uptake, after.findings), (Some(-10.0), vec![Finding::InjectionAfterStart(10.0)]));
    assert_eq!(at("120000").unwrap().uptake, Some(-HOUR));
    assert!(at("120001").unwrap_err().to_string().contains("(0018,1072)"));
    // 6 half-lives are 10 h 58 min 37.2 s.
    assert_eq!(at("000123").unwrap().uptake, Some(39_517.0));
    assert!(at("000122").unwrap_err().to_string().contains("6 half-lives"));
    // O-15: 6 half-lives are 733 s, either way.
    let oxygen =
        |time| suv(&[], &[(tags::RADIONUCLIDE_HALF_LIFE, "122.24"), (tags::RADIOPHARMACEUTICAL_START_TIME, time)]);
    assert_eq!(oxygen("111213").unwrap().uptake, Some(-733.0));
    assert!(oxygen("111214").is_err() && oxygen("104746").is_err());
}

#[test]
fn an_injection_before_midnight_was_the_day_before() {
    let scan = [(tags::SERIES_TIME, "002500"), (tags::ACQUISITION_TIME, "002500")];
    assert_eq!(uptake(&scan, &[(tags::RADIOPHARMACEUTICAL_START_TIME, "234000")]), (2700.0, vec![]));
    // Without any date too.
    let dateless = [&scan[..], &[(tags::SERIES_DATE, "")]].concat();
    assert_eq!(uptake(&dateless, &[(tags::RADIOPHARMACEUTICAL_START_TIME, "234000")]), (2700.0, vec![]));
    // An injection that seems to follow a scan just before midnight.
    let scan = [(tags::SERIES_TIME, "235955"), (tags::ACQUISITION_TIME, "235955")];
    let after = vec![Finding::InjectionAfterStart(10.0)];
    assert_eq!(uptake(&scan, &[(tags::RADIOPHARMACEUTICAL_START_TIME, "000005")]), (-10.0, after));
    let dated = [(tags::RADIOPHARMACEUTICAL_START_DATE_TIME, "20200102000005")];
    assert_eq!(uptake(&scan, &dated), (-10.0, vec![Finding::InjectionTimesDiffer, Finding::InjectionAfterStart(10.0)]));
}

#[test]
fn a_scan_that_passes_midnight_began_the_day_before() {
    let injected = (tags::RADIOPHARMACEUTICAL_START_TIME, "225000");
    // The slices of one series: their acquisitions, and the uptake that all of them lead to.
    let series = |day: &str, start: &str, acquisitions: [&str; 3]| {
        let read = |acquired: &str| {
            let times = [(tags::SERIES_DATE, day), (tags::SERIES_TIME, start), (tags::ACQUISITION_TIME, acquired)];
            Evidence::read(&View::new(&pet(&times, &[injected]), 0), PetUnits::Suv).unwrap()
        };
        let slices = acquisitions.map(read);
        let mut clock = SeriesClock::default();
        slices.iter().for_each(|slice| clock.add(&slice.times));
        slices.map(|slice| slice.suv(clock).unwrap().uptake.unwrap())
    };
    // Without AcquisitionDate, and without any date.
    for day in ["20200101", ""] {
        for acquisitions in [["235001", "000500", "002000"], ["002000", "235001", "000500"]] {
            assert_eq!(series(day, "235000", acquisitions), [HOUR; 3], "{day} {acquisitions:?}");
        }
    }
    // Where SeriesTime is missing too, or was rewritten after midnight.
    for start in ["", "030000"] {
        for acquisitions in [["235000", "000500", "002000"], ["002000", "235000", "000500"]] {
            assert_eq!(series("", start, acquisitions), [HOUR; 3], "{start} {acquisitions:?}");
        }
    }
    // A SeriesTime that was rewritten in the evening is no start of a scan that passes midnight.
    let evening = [(tags::SERIES_TIME, "213000"), (tags::ACQUISITION_TIME, "110000")];
    let (seconds, findings) = uptake(&evening, &[]);
    assert_eq!((seconds, findings.len()), (HOUR, 1));
}

#[test]
fn slices_of_one_injection_have_one_dose_weight_and_time() {
    let frames = |attributes: &[(Tag, &str)], of_drug: &[(Tag, &str)]| {
        let read = |set: DataSet| Evidence::read(&View::new(&set, 0), PetUnits::Suv).unwrap();
        let all = [read(pet(&[], &[])), read(pet(attributes, of_drug))];
        conflict(all.iter())
    };
    assert_eq!(frames(&[], &[]), None);
    assert_eq!(frames(&[(tags::PATIENT_WEIGHT, "74.04")], &[]), None);
    assert_eq!(frames(&[], &[(tags::RADIOPHARMACEUTICAL_START_TIME, "100000.5")]), None);
    assert_eq!(frames(&[(tags::PATIENT_WEIGHT, "80")], &[]), Some("PatientWeight (0010,1030)"));
    for (tag, other, name) in [
        (tags::RADIONUCLIDE_TOTAL_DOSE, "371000000", "RadionuclideTotalDose (0018,1074)"),
        (tags::RADIONUCLIDE_HALF_LIFE, "4062", "RadionuclideHalfLife (0018,1075)"),
        (tags::RADIOPHARMACEUTICAL_START_TIME, "101500", "RadiopharmaceuticalStartTime (0018,1072)"),
    ] {
        assert_eq!(frames(&[], &[(tag, other)]), Some(name));
    }
}

#[test]
fn offsets_from_utc_are_honoured() {
    const DATED: Tag = tags::RADIOPHARMACEUTICAL_START_DATE_TIME;
    const ZONE: Tag = tags::TIMEZONE_OFFSET_FROM_UTC;
    let no_time = (tags::RADIOPHARMACEUTICAL_START_TIME, "");
    // 10:00 in the object's zone, although written in another zone.
    for (zone, injection) in [
        ("-0500", "20200101150000+0000"),
        ("-0500", "20200101100000-0500"),
        ("+0530", "20200101100000+0530"),
        ("+0530", "20200101043000+0000"),
        ("+0000", "20200101100000"),
    ] {
        assert_eq!(uptake(&[(ZONE, zone)], &[no_time, (DATED, injection)]), (HOUR, vec![]), "{zone} {injection}");
    }
    // UTC is a day ahead.
    let evening = [(ZONE, "-0800"), (tags::SERIES_TIME, "200000"), (tags::ACQUISITION_TIME, "200000")];
    assert_eq!(uptake(&evening, &[no_time, (DATED, "20200102030000+0000")]), (HOUR, vec![]));
    // If the object's zone is unknown, the time of day decides.
    assert_eq!(uptake(&[], &[(DATED, "20200101100000-0500")]), (HOUR, vec![]));
    assert_eq!(uptake(&[], &[(DATED, "20200101150000+0000")]), (HOUR, vec![]));
    assert_eq!(uptake(&[], &[no_time, (DATED, "20200101100000-0500")]), (HOUR, vec![Finding::ZoneAssumed]));
    assert!(suv(&[], &[no_time, (DATED, "20200101150000+0000")]).unwrap_err().to_string().contains("(0008,0201)"));
}

#[test]
fn a_date_that_was_not_shifted_gives_way_to_the_time() {
    let dated = |text| [(tags::RADIOPHARMACEUTICAL_START_DATE_TIME, text)];
    assert_eq!(uptake(&[], &dated("20200101100000")), (HOUR, vec![]));
    assert_eq!(uptake(&[], &dated("19970311100000")), (HOUR, vec![Finding::InjectionDateIgnored]));
    assert_eq!(uptake(&[], &dated("20250311100000")), (HOUR, vec![Finding::InjectionDateIgnored]));
    // A date alone that does not fit may hide a late scan as well as an anonymised date.
    for text in ["19970311100000", "20191231100000", "20200101120001"] {
        let no_time = [(tags::RADIOPHARMACEUTICAL_START_TIME, ""), dated(text)[0]];
        let refused = suv(&[], &no_time).unwrap_err().to_string();
        assert!(refused.contains("(0018,1078) is neither within 6 half-lives"), "{text}: {refused}");
    }
    let dateless = [(tags::SERIES_DATE, ""), (tags::ACQUISITION_DATE, "")];
    let no_time = [(tags::RADIOPHARMACEUTICAL_START_TIME, ""), dated("19970311100000")[0]];
    assert_eq!(uptake(&dateless, &no_time), (HOUR, vec![]));
    assert_eq!(uptake(&[], &dated("20200101093000")), (1.5 * HOUR, vec![Finding::InjectionTimesDiffer]));
    assert_eq!(uptake(&[], &dated("20200101")), (HOUR, vec![]), "a date alone");
}

#[test]
fn long_lived_nuclides_need_the_day_of_the_injection() {
    let yttrium = (tags::RADIONUCLIDE_HALF_LIFE, "230400");
    let dated = |text| [yttrium, (tags::RADIOPHARMACEUTICAL_START_DATE_TIME, text)];
    let three_days = suv(&[], &dated("20191229100000")).unwrap();
    assert_eq!(three_days.uptake, Some(73.0 * HOUR));
    close(three_days.factor, 2e-4 * 2f64.powf(73.0 * HOUR / 230_400.0));
    // 6 half-lives are 16 days.
    assert_eq!(suv(&[], &dated("20191216110000")).unwrap().uptake, Some(16.0 * 24.0 * HOUR));
    for refused in [&dated("20191216105959")[..], &dated("19970311100000"), &[yttrium]] {
        assert!(suv(&[], refused).unwrap_err().to_string().contains("(0018,1078)"), "{refused:?}");
    }
}

#[test]
fn times_of_one_moment_may_be_rounded_apart() {
    let early = [(tags::SERIES_TIME, "110000.000000"), (tags::ACQUISITION_TIME, "105959.999995")];
    assert_eq!(uptake(&early, &[]), (HOUR, vec![]));
    assert_eq!(uptake(&[(tags::ACQUISITION_TIME, "")], &[]), (HOUR, vec![]));
}

#[test]
fn a_rewritten_series_time_gives_way_to_the_scanner_s() {
    let ge = [(Tag(0x0009, 0x0010), "GEMS_PETD_01"), (Tag(0x0009, 0x100d), "20200101110000.00")];
    let frame = [
        (tags::ACQUISITION_TIME, "110500"),
        (tags::FRAME_REFERENCE_TIME, "389858.37"),
        (tags::ACTUAL_FRAME_DURATION, "180000"),
    ];
    for rewritten in [[(tags::SERIES_TIME, "163000")], [(tags::SERIES_TIME, "")], [(tags::SERIES_DATE, "20200102")]] {
        // AcquisitionDate differs; otherwise the rewritten SeriesTime could not be detected.
        let rewritten = [&rewritten[..], &[(tags::ACQUISITION_DATE, "20200101")]].concat();
        let with = |more: &[(Tag, &str)]| uptake(&[&rewritten, more].concat(), &[]);
        assert_eq!(with(&ge), (HOUR, vec![Finding::ScanStartFrom("GE's scan time (0009,xx0D)")]));
        // The mean count rate of 180 s of F-18 is reached after 89.858 s: 300 s before the frame, the scan began.
        let (seconds, findings) = with(&frame);
        assert!((seconds - HOUR).abs() < 1e-3, "{seconds}");
        assert_eq!(findings, [Finding::ScanStartFrom("FrameReferenceTime (0054,1300)")]);
        let earliest = vec![Finding::ScanStartFrom("the earliest AcquisitionTime (0008,0032)")];
        assert_eq!(with(&[]), (HOUR + 300.0, earliest.clone()));
        // GE gives every bed the start of the scan as its AcquisitionTime.
        let of_ge = [&frame[..], &[(tags::MANUFACTURER, "GE MEDICAL SYSTEMS")]].concat();
        assert_eq!(with(&of_ge), (HOUR + 300.0, earliest));
    }
}

#[test]
fn missing_corrections_and_other_masses() {
    let methods = [(tags::CORRECTED_IMAGE, ""), (tags::ATTENUATION_CORRECTION_METHOD, "measured")];
    let assumed = suv(&methods, &[]).unwrap();
    close(assumed.factor, EXPECTED);
    assert_eq!(assumed.findings, [Finding::CorrectionsAssumed]);
    for none in ["NONE", "none, 0.000000 cm-1,", "No attenuation correction"] {
        let uncorrected = suv(&[methods[0], (tags::ATTENUATION_CORRECTION_METHOD, none)], &[]);
        assert!(uncorrected.unwrap_err().to_string().contains("lacks ATTN"), "{none}");
    }
    let lacking = suv(&[(tags::CORRECTED_IMAGE, "DECY"), methods[1]], &[]).unwrap_err().to_string();
    assert!(lacking.contains("lacks ATTN"), "{lacking}");
    let by = |units, more: &[(Tag, &str)]| {
        let set = pet(&[&[(tags::PATIENT_SIZE, "1.80"), (tags::PATIENT_SEX, "M")], more].concat(), &[]);
        let view = View::new(&set, 0);
        let evidence = Evidence::read(&view, units)?;
        let mut clock = SeriesClock::default();
        clock.add(&evidence.times);
        evidence.suv(clock).map(|suv| suv.factor)
    };
    // 1.10 x 74 - 128 x (74 / 180)^2 kg, and 48 + 1.06 x 28 kg.
    close(by(PetUnits::SuvLbm, &[]).unwrap(), EXPECTED * (81.4 - 128.0 * (74.0f64 / 180.0).powi(2)) / 74.0);
    close(by(PetUnits::SuvIbw, &[]).unwrap(), EXPECTED * 77.68 / 74.0);
    let woman = [(tags::PATIENT_SEX, "F")];
    close(by(PetUnits::SuvLbm, &woman).unwrap(), EXPECTED * (79.18 - 148.0 * (74.0f64 / 180.0).powi(2)) / 74.0);
    close(by(PetUnits::SuvIbw, &woman).unwrap(), EXPECTED * 70.98 / 74.0);
    for (tag, name) in [(tags::PATIENT_SIZE, "(0010,1020)"), (tags::PATIENT_SEX, "(0010,0040)")] {
        assert!(by(PetUnits::SuvLbm, &[(tag, "")]).unwrap_err().to_string().contains(name), "{name}");
        close(by(PetUnits::Suv, &[(tag, "")]).unwrap(), EXPECTED);
    }
}

#[test]
fn of_several_agents_the_named_one_counts() {
    let with = |usage: Option<&str>| {
        let mut set = pet(&[], &[(tags::RADIOPHARMACEUTICAL_AGENT_NUMBER, "1")]);
        let mut other = set.items(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE)[0].clone();
        let dose = 2.0 * other.number(tags::RADIONUCLIDE_TOTAL_DOSE).unwrap();
        other.put_text(tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, &dose.to_string());
        other.put_text(tags::RADIOPHARMACEUTICAL_AGENT_NUMBER, VR::IS, "2");
        set.items_mut(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE).push(other);
        if let Some(number) = usage {
            let mut item = DataSet::default();
            item.put_text(tags::RADIOPHARMACEUTICAL_AGENT_NUMBER, VR::IS, number);
            let mut groups = DataSet::default();
            groups.put_items(tags::RADIOPHARMACEUTICAL_USAGE_SEQUENCE, vec![item]);
            set.put_items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![groups]);
        }
        of_slice(&View::new(&set, 0)).map(|suv| suv.factor)
    };
    close(with(Some("1")).unwrap(), EXPECTED);
    close(with(Some("2")).unwrap(), EXPECTED / 2.0);
    for unknown in [None, Some("3")] {
        assert!(with(unknown).unwrap_err().to_string().contains("(0018,9737)"), "{unknown:?}");
    }
    // One agent that is written twice is one.
    let mut twice = pet(&[], &[]);
    let mut same = twice.items(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE)[0].clone();
    same.put_text(tags::RADIOPHARMACEUTICAL_AGENT_NUMBER, VR::IS, "2");
    twice.items_mut(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE).push(same);
    close(of_slice(&View::new(&twice, 0)).unwrap().factor, EXPECTED);
}

#[test]
fn enhanced_pet_counts_its_dose_in_megabecquerels() {
    let dose = pet(&[], &[]).items(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE)[0]
        .number(tags::RADIONUCLIDE_TOTAL_DOSE)
        .unwrap();
    let mega = (dose / 1e6).to_string();
    let with = |class: &str, dose: &str| {
        suv(&[(tags::SOP_CLASS_UID, class)], &[(tags::RADIONUCLIDE_TOTAL_DOSE, dose)]).map(|suv| suv.factor)
    };
    let (enhanced, classic) = ("1.2.840.10008.5.1.4.1.1.130", "1.2.840.10008.5.1.4.1.1.128");
    close(with(enhanced, &mega).unwrap(), EXPECTED);
    close(with(enhanced, &dose.to_string()).unwrap(), EXPECTED);
    assert!(with(classic, &mega).unwrap_err().to_string().contains("in Bq"));
}

#[test]
fn tracers_other_than_fdg_are_told() {
    let named = |name: &str| suv(&[], &[(tags::RADIOPHARMACEUTICAL, name)]).unwrap().findings;
    assert_eq!(named("PSMA Ga-68"), [Finding::OtherTracer]);
    assert_eq!((named("FDG -- fluorodeoxyglucose"), named("18F-FDG"), named("")), (vec![], vec![], vec![]));
    let coded = |value: &str| {
        let mut set = pet(&[], &[]);
        let mut code = DataSet::default();
        code.put_text(tags::CODE_VALUE, VR::SH, value);
        let drug = &mut set.items_mut(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE)[0];
        drug.put_items(tags::RADIOPHARMACEUTICAL_CODE_SEQUENCE, vec![code]);
        of_slice(&View::new(&set, 0)).unwrap().findings
    };
    assert_eq!((coded("35321007"), coded("C-B1031"), coded("C-B103C")), (vec![], vec![], vec![Finding::OtherTracer]));
}
