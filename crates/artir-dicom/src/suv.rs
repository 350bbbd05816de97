//! Standardised uptake values by body weight (QIBA FDG-PET/CT profile, vendor-neutral pseudo-code).

use dicom_dictionary_std::tags;

use crate::{dataset::DataSet, terms::told, view::View};

/// Owner of GE's private scan date and time, element 0D of group 0009.
const GE: &str = "GEMS_PETD_01";
/// Owner of Philips' SUV factor and activity factor, elements 00 and 09 of group 7053.
const PHILIPS: &str = "Philips PET Private Group";

/// What the values of a PET series are shown to the network as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PetUnits {
    /// SUVbw, g/mL; a series that lacks what it needs is refused.
    #[default]
    Suv,
    /// The series' own unit, scaled so that the body's mean is 1, which is what SUVbw is by its definition.
    Native,
}

/// g/mL of SUVbw for each unit of the rescaled value.
///
/// # Errors
/// Words that name the attribute that is missing or does not fit.
pub(crate) fn factor(view: &View<'_>) -> Result<f64, String> {
    match view.text(tags::UNITS) {
        Some("BQML") => becquerel_factor(view),
        Some("GML") => match view.text(tags::SUV_TYPE) {
            None | Some("BW") => Ok(1.0),
            other => Err(format!("SUVType (0054,1006) is {}, not body weight", told(other))),
        },
        Some("CNTS") => counts_factor(view),
        Some(other) => Err(format!(
            "Units (0054,1001) are {}, which does not lead to SUV: --units native takes them",
            told(Some(other))
        )),
        None => Err("Units (0054,1001) is missing: --units native takes values as they are".into()),
    }
}

/// Philips: counts to SUV at once, or to Bq/mL.
fn counts_factor(view: &View<'_>) -> Result<f64, String> {
    let private = |element| {
        let (set, tag) = view.private(0x7053, PHILIPS, element)?;
        set.number(tag).filter(|v| *v > 0.0)
    };
    if let Some(factor) = private(0x00) {
        return Ok(factor);
    }
    let activity = private(0x09).ok_or(
        "Units (0054,1001) are CNTS, and neither Philips' SUV factor (7053,xx00) nor its activity factor (7053,xx09) \
         is there: --units native takes counts as they are",
    )?;
    Ok(activity * becquerel_factor(view)?)
}

/// SUV = value x weight x 1000 / decay-corrected dose.
fn becquerel_factor(view: &View<'_>) -> Result<f64, String> {
    let corrected = view.text(tags::CORRECTED_IMAGE).unwrap_or_default();
    for needed in ["ATTN", "DECY"] {
        if !corrected.split('\\').any(|c| c.trim() == needed) {
            return Err(format!("CorrectedImage (0028,0051) lacks {needed}, which SUV needs"));
        }
    }
    let positive = |value: Option<f64>, name: &str| {
        value.filter(|v| *v > 0.0).ok_or_else(|| format!("{name} is missing or not positive, and SUV needs it"))
    };
    let weight = positive(view.number(tags::PATIENT_WEIGHT), "PatientWeight (0010,1030)")?;
    let drug = view
        .first_item(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE)
        .ok_or("RadiopharmaceuticalInformationSequence (0054,0016) is missing, and SUV needs it")?;
    let dose = positive(drug.number(tags::RADIONUCLIDE_TOTAL_DOSE), "RadionuclideTotalDose (0018,1074)")?;
    let decay = match view.text(tags::DECAY_CORRECTION) {
        Some("ADMIN") => 1.0,
        Some("START") => {
            let half_life = positive(drug.number(tags::RADIONUCLIDE_HALF_LIFE), "RadionuclideHalfLife (0018,1075)")?;
            let scan = scan_time(view).ok_or(
                "no usable scan time (SeriesDate (0008,0021), SeriesTime (0008,0031), AcquisitionTime (0008,0032)), \
                 and SUV needs it",
            )?;
            let given = injection_time(view, drug, scan)
                .ok_or("RadiopharmaceuticalStartTime (0018,1072) is missing, and SUV needs it")?;
            let elapsed = scan - given;
            if !(0.0..=86_400.0).contains(&elapsed) {
                return Err("the scan does not follow the injection (0018,1072) within a day".into());
            }
            (-elapsed / half_life * std::f64::consts::LN_2).exp()
        }
        other => return Err(format!("DecayCorrection (0054,1102) is {}, not START", told(other))),
    };
    Ok(weight * 1000.0 / (dose * decay))
}

/// The start of the scan: the series', unless its time was changed to be later than the acquisition; then GE's own.
fn scan_time(view: &View<'_>) -> Option<f64> {
    let series = moment(view.text(tags::SERIES_DATE)?, view.text(tags::SERIES_TIME)?)?;
    let date = view.text(tags::ACQUISITION_DATE).or_else(|| view.text(tags::SERIES_DATE))?;
    let acquisition = moment(date, view.text(tags::ACQUISITION_TIME)?)?;
    if series <= acquisition {
        return Some(series);
    }
    let (set, tag) = view.private(0x0009, GE, 0x0d)?;
    date_time(set.text(tag)?)
}

fn injection_time(view: &View<'_>, drug: &DataSet, scan: f64) -> Option<f64> {
    if let Some(given) = drug.text(tags::RADIOPHARMACEUTICAL_START_DATE_TIME).and_then(date_time) {
        return Some(given);
    }
    let time = drug.text(tags::RADIOPHARMACEUTICAL_START_TIME)?;
    let given = moment(view.text(tags::SERIES_DATE)?, time)?;
    // Without a date of its own, an injection that seems to follow the scan was given the day before.
    Some(if given > scan { given - 86_400.0 } else { given })
}

/// VR DT without its time zone.
fn date_time(text: &str) -> Option<f64> {
    let local = text.split(['+', '-']).next()?.trim();
    let (date, time) = local.split_at_checked(8)?;
    moment(date, time)
}

/// Seconds since a fixed day, from VR DA and TM; the colons of ACR-NEMA times are let pass.
fn moment(date: &str, time: &str) -> Option<f64> {
    let time = time.replace(':', "");
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<i64>().ok()).flatten();
    if date.len() != 8 || !date.is_ascii() || !time.is_ascii() || time.len() < 2 {
        return None;
    }
    let (year, month, day) = (digits(&date[..4])?, digits(&date[4..6])?, digits(&date[6..])?);
    let part = |from: usize| time.get(from..from + 2).map_or(Some(0), digits);
    let seconds: f64 = time.get(4..).filter(|s| !s.is_empty()).map_or(Some(0.0), |s| s.parse().ok())?;
    // Days of the proleptic Gregorian calendar, counted from March (Richards, Explanatory Supplement, chapter 15).
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day;
    Some((days * 86_400 + part(0)? * 3600 + part(2)? * 60) as f64 + seconds)
}

/// A number as VR DS: at most 16 characters, as exact as they allow, never below the number.
pub(crate) fn decimal_string(value: f64) -> String {
    let plain = value.to_string();
    if plain.len() <= 16 {
        return plain;
    }
    for digits in (0..=14).rev() {
        let text = format!("{value:.digits$e}");
        if text.len() > 16 {
            continue;
        }
        // Rounded down, a slope would make the largest value saturate.
        if text.parse::<f64>().is_ok_and(|v| v >= value) {
            return text;
        }
        let step = 10f64.powi(value.abs().log10().floor() as i32 - digits as i32);
        let up = format!("{:.digits$e}", value + step);
        if up.len() <= 16 {
            return up;
        }
    }
    format!("{value:.0e}")
}

#[cfg(test)]
mod tests {
    use dicom_core::{Tag, VR};

    use super::*;

    #[test]
    fn days_and_fractions_are_counted() {
        let at = |d, t| moment(d, t).unwrap();
        assert_eq!(at("20240301", "000000") - at("20240228", "235959"), 86_401.0);
        assert_eq!(at("20230101", "010203.5") - at("20230101", "01"), 123.5);
        assert_eq!(at("20230101", "01:02:03"), at("20230101", "010203"));
        assert!((date_time("20230101120000.00+0100").unwrap() - at("20230101", "120000")).abs() < 1e-9);
        assert!(moment("2023", "12").is_none() && moment("20230101", "ab").is_none());
    }

    #[test]
    fn decimal_strings_fit_and_never_fall_short() {
        for value in [1.0, 0.1, 1.0 / 3.0, 2.0 / 3.0, 0.000123456789123, 12345.678901234567, 1e-9 / 7.0] {
            let text = decimal_string(value);
            let back: f64 = text.parse().unwrap();
            assert!(text.len() <= 16 && back >= value && (back - value) / value < 1e-7, "{value} -> {text}");
        }
    }

    fn pet(units: &str) -> DataSet {
        let mut drug = DataSet::default();
        drug.put_text(tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, "370000000");
        drug.put_text(tags::RADIONUCLIDE_HALF_LIFE, VR::DS, "6586.2");
        drug.put_text(tags::RADIOPHARMACEUTICAL_START_TIME, VR::TM, "100000");
        let mut set = DataSet::default();
        for (tag, vr, text) in [
            (tags::UNITS, VR::CS, units),
            (tags::CORRECTED_IMAGE, VR::CS, "DECY\\ATTN\\SCAT"),
            (tags::DECAY_CORRECTION, VR::CS, "START"),
            (tags::PATIENT_WEIGHT, VR::DS, "74"),
            (tags::SERIES_DATE, VR::DA, "20200101"),
            (tags::SERIES_TIME, VR::TM, "110000"),
            (tags::ACQUISITION_TIME, VR::TM, "110500"),
        ] {
            set.put_text(tag, vr, text);
        }
        set.put_items(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![drug]);
        set
    }

    /// 74 kg, 370 MBq, an hour of decay: 74,000 g / (370e6 Bq x 2^(-3600 / 6586.2)).
    const EXPECTED: f64 = 2e-4 * 1.460_636_746_2;

    #[test]
    fn becquerels_and_counts_become_uptake() {
        let f = |set: &DataSet| factor(&View::new(set, 0));
        let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-6, "{a} {b}");
        close(f(&pet("BQML")).unwrap(), EXPECTED);
        assert_eq!(f(&pet("GML")).unwrap(), 1.0);
        assert!(f(&pet("CNTS")).unwrap_err().contains("7053"));
        let mut philips = pet("CNTS");
        philips.put_text(Tag(0x7053, 0x0010), VR::LO, PHILIPS);
        philips.put_text(Tag(0x7053, 0x1009), VR::UN, "2.5 ");
        close(f(&philips).unwrap(), 2.5 * EXPECTED);
        philips.put_text(Tag(0x7053, 0x1000), VR::DS, "0.00037");
        close(f(&philips).unwrap(), 0.00037);
    }

    #[test]
    fn what_suv_needs_is_named_when_it_is_missing() {
        for (tag, name) in [
            (tags::PATIENT_WEIGHT, "(0010,1030)"),
            (tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, "(0054,0016)"),
            (tags::SERIES_TIME, "(0008,0031)"),
            (tags::DECAY_CORRECTION, "(0054,1102)"),
            (tags::CORRECTED_IMAGE, "(0028,0051)"),
            (tags::UNITS, "(0054,1001)"),
        ] {
            let mut set = pet("BQML");
            set.remove(tag);
            assert!(factor(&View::new(&set, 0)).unwrap_err().contains(name), "{name}");
        }
        let mut set = pet("BQML");
        set.put_text(tags::DECAY_CORRECTION, VR::CS, "NONE");
        assert!(factor(&View::new(&set, 0)).unwrap_err().contains("NONE"));
    }

    #[test]
    fn a_changed_series_time_gives_way_to_the_scanner_s() {
        let mut set = pet("BQML");
        set.put_text(tags::SERIES_TIME, VR::TM, "150000");
        assert!(factor(&View::new(&set, 0)).unwrap_err().contains("scan time"));
        set.put_text(Tag(0x0009, 0x0010), VR::LO, GE);
        set.put_text(Tag(0x0009, 0x100d), VR::DT, "20200101110000.00");
        assert!((factor(&View::new(&set, 0)).unwrap() / EXPECTED - 1.0).abs() < 1e-6);
    }
}
