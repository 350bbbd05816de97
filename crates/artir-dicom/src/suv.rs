//! Standardised uptake values by body weight (QIBA FDG-PET/CT profile, vendor-neutral pseudo-code).

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use crate::header::{number, text};

/// GE's private scan date and time, element 0D of the block that GEMS_PETD_01 owns in group 0009.
const GE_SCAN_DATE_TIME: Tag = Tag(0x0009, 0x100d);

/// g/mL of SUVbw for each unit of the rescaled value.
///
/// # Errors
/// Words that name the attribute that is missing or does not fit.
pub(crate) fn factor(object: &InMemDicomObject) -> Result<f64, String> {
    match text(object, tags::UNITS).as_deref() {
        Some("BQML") => becquerel_factor(object),
        Some("GML") => match text(object, tags::SUV_TYPE).as_deref() {
            None | Some("BW") => Ok(1.0),
            Some(other) => Err(format!("SUVType (0054,1006) {other} is not body weight")),
        },
        Some(other) => Err(format!("Units (0054,1001) {other} are not supported by this version")),
        None => Err("Units (0054,1001) is missing".into()),
    }
}

/// SUV = value x weight x 1000 / decay-corrected dose.
fn becquerel_factor(object: &InMemDicomObject) -> Result<f64, String> {
    let corrected = text(object, tags::CORRECTED_IMAGE).unwrap_or_default();
    for needed in ["ATTN", "DECY"] {
        if !corrected.split('\\').any(|c| c.trim() == needed) {
            return Err(format!("CorrectedImage (0028,0051) lacks {needed}, which SUV needs"));
        }
    }
    let positive = |value: Option<f64>, name: &str| {
        value.filter(|v| *v > 0.0).ok_or_else(|| format!("{name} is missing or not positive, and SUV needs it"))
    };
    let weight = positive(number(object, tags::PATIENT_WEIGHT), "PatientWeight (0010,1030)")?;
    let drug = object
        .get(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE)
        .and_then(|e| e.items())
        .and_then(<[_]>::first)
        .ok_or("RadiopharmaceuticalInformationSequence (0054,0016) is missing, and SUV needs it")?;
    let dose = positive(number(drug, tags::RADIONUCLIDE_TOTAL_DOSE), "RadionuclideTotalDose (0018,1074)")?;
    let decay = match text(object, tags::DECAY_CORRECTION).as_deref() {
        Some("ADMIN") => 1.0,
        Some("START") => {
            let half_life = positive(number(drug, tags::RADIONUCLIDE_HALF_LIFE), "RadionuclideHalfLife (0018,1075)")?;
            let scan = scan_time(object)
                .ok_or("no usable scan time (SeriesDate, SeriesTime, AcquisitionTime), and SUV needs it")?;
            let given = injection_time(object, drug)
                .ok_or("RadiopharmaceuticalStartTime (0018,1072) is missing, and SUV needs it")?;
            let elapsed = scan - given;
            if !(0.0..=86_400.0).contains(&elapsed) {
                return Err("the scan does not follow the injection within a day".into());
            }
            (-elapsed / half_life * std::f64::consts::LN_2).exp()
        }
        other => return Err(format!("DecayCorrection (0054,1102) is {}, not START", other.unwrap_or("missing"))),
    };
    Ok(weight * 1000.0 / (dose * decay))
}

/// The start of the scan: the series', unless its time was changed to be later than the acquisition; then GE's own.
fn scan_time(object: &InMemDicomObject) -> Option<f64> {
    let series = moment(&text(object, tags::SERIES_DATE)?, &text(object, tags::SERIES_TIME)?)?;
    let date = text(object, tags::ACQUISITION_DATE).or_else(|| text(object, tags::SERIES_DATE))?;
    let acquisition = moment(&date, &text(object, tags::ACQUISITION_TIME)?)?;
    if series <= acquisition {
        return Some(series);
    }
    date_time(&text(object, GE_SCAN_DATE_TIME)?)
}

fn injection_time(object: &InMemDicomObject, drug: &InMemDicomObject) -> Option<f64> {
    if let Some(given) = text(drug, tags::RADIOPHARMACEUTICAL_START_DATE_TIME).and_then(|t| date_time(&t)) {
        return Some(given);
    }
    let time = text(drug, tags::RADIOPHARMACEUTICAL_START_TIME)?;
    let date = text(object, tags::SERIES_DATE)?;
    let given = moment(&date, &time)?;
    // Without a date of its own, an injection that seems to follow the scan was given the day before.
    let scan = scan_time(object)?;
    Some(if given > scan { given - 86_400.0 } else { given })
}

/// VR DT without its time zone.
fn date_time(text: &str) -> Option<f64> {
    let local = text.split(['+', '-']).next()?;
    let (date, time) = local.split_at_checked(8)?;
    moment(date, time)
}

/// Seconds since a fixed day, from VR DA and TM.
fn moment(date: &str, time: &str) -> Option<f64> {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<i64>().ok()).flatten();
    if date.len() != 8 || !date.is_ascii() || !time.is_ascii() || time.len() < 2 {
        return None;
    }
    let (year, month, day) = (digits(&date[..4])?, digits(&date[4..6])?, digits(&date[6..])?);
    let part = |from: usize| time.get(from..from + 2).map_or(Some(0), digits);
    let seconds: f64 = time.get(4..).map_or(Some(0.0), |s| s.parse().ok())?;
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
    use super::*;

    #[test]
    fn days_and_fractions_are_counted() {
        let at = |d, t| moment(d, t).unwrap();
        assert_eq!(at("20240301", "000000") - at("20240228", "235959"), 86_401.0);
        assert_eq!(at("20230101", "010203.5") - at("20230101", "01"), 123.5);
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
}
