//! Dates and times of a header (PS3.5, 6.2: VR DA, TM and DT) on one clock.

use dicom_core::chrono::{Datelike, NaiveDate};

pub(super) const DAY: f64 = 86_400.0;

/// A local date and time. Anonymisers often remove the date and leave the time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moment {
    /// Days since a fixed day.
    pub(super) day: Option<i64>,
    /// Seconds since midnight.
    pub(super) seconds: f64,
}

/// A value of VR DT.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DateTime {
    pub(super) clock: Moment,
    /// Offset from UTC, seconds.
    pub(super) offset: Option<f64>,
}

impl Moment {
    /// Seconds from an earlier moment to this one; `None` where one of them has no date.
    pub(super) fn since(self, earlier: Self) -> Option<f64> {
        Some((self.day? - earlier.day?) as f64 * DAY + self.seconds - earlier.seconds)
    }

    pub(super) fn plus(self, seconds: f64) -> Self {
        let total = self.seconds + seconds;
        Self { day: self.day.map(|day| day + total.div_euclid(DAY) as i64), seconds: total.rem_euclid(DAY) }
    }
}

/// Days since a fixed day, from VR DA. ACR-NEMA wrote dots between year, month and day.
pub(super) fn date(text: &str) -> Option<i64> {
    let text = text.trim().replace('.', "");
    if text.len() != 8 {
        return None;
    }
    let number = |range| text.get(range).and_then(digits);
    let date = NaiveDate::from_ymd_opt(number(0..4)?.try_into().ok()?, number(4..6)?, number(6..8)?)?;
    Some(i64::from(date.num_days_from_ce()))
}

/// Seconds since midnight, from VR TM. ACR-NEMA wrote colons between hours, minutes and seconds.
pub(super) fn time(text: &str) -> Option<f64> {
    let text = text.trim().replace(':', "");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    if ![2, 4, 6].contains(&whole.len())
        || (!fraction.is_empty() && digits(&fraction[..fraction.len().min(6)]).is_none())
    {
        return None;
    }
    let part = |from: usize| whole.get(from..from + 2).map_or(Some(0), digits);
    let (hours, minutes, seconds) = (part(0)?, part(2)?, part(4)?);
    // 60 is a leap second.
    if hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let fraction = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse::<f64>().ok()? };
    Some(f64::from(hours * 3600 + minutes * 60 + seconds) + fraction)
}

/// A value of VR DT that has a time of day.
pub(super) fn date_time(text: &str) -> Option<DateTime> {
    let text = text.trim();
    let sign = text.find(['+', '-']);
    let (clock, offset) = match sign {
        Some(at) => (&text[..at], Some(zone(&text[at..])?)),
        None => (text, None),
    };
    let (day, clock) = clock.split_at_checked(8)?;
    Some(DateTime { clock: Moment { day: Some(date(day)?), seconds: time(clock)? }, offset })
}

/// Seconds that a zone is ahead of UTC, from `+HHMM` or `-HHMM`.
pub(super) fn zone(text: &str) -> Option<f64> {
    let text = text.trim();
    let sign = match text.as_bytes().first()? {
        b'+' => 1.0,
        b'-' => -1.0,
        _ => return None,
    };
    if text.len() != 5 {
        return None;
    }
    let (hours, minutes) = (text.get(1..3).and_then(digits)?, text.get(3..5).and_then(digits)?);
    (hours <= 14 && minutes <= 59).then(|| sign * f64::from(hours * 3600 + minutes * 60))
}

fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: &str, clock: &str) -> Moment {
        Moment { day: date(day), seconds: time(clock).unwrap() }
    }

    #[test]
    fn days_and_fractions_are_counted() {
        assert_eq!(at("20240301", "000000").since(at("20240228", "235959")), Some(86_401.0));
        assert_eq!(at("20230101", "010203.5").since(at("20230101", "01")), Some(123.5));
        assert_eq!(at("2023.01.01", "01:02:03"), at("20230101", "010203"));
        assert_eq!(at("", "01").since(at("20230101", "01")), None);
        assert_eq!(at("20240301", "000010").plus(-20.0), at("20240229", "235950"));
        assert_eq!(at("", "000010").plus(-20.0), at("", "235950"));
        assert_eq!(time("123514.999995"), Some(45_314.999_995));
    }

    #[test]
    fn what_is_no_date_or_time_is_refused() {
        for text in ["2023", "20230230", "20231301", "2023010a", "+2230101", ""] {
            assert_eq!(date(text), None, "{text}");
        }
        for text in ["", "1", "24", "1260", "125961", "12a0", "120000.x", "123", "\u{e9}\u{e9}"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn offsets_from_utc_are_kept() {
        let noon = at("20230101", "120000.25");
        assert_eq!(date_time("20230101120000.25"), Some(DateTime { clock: noon, offset: None }));
        assert_eq!(date_time("20230101120000.25+0130"), Some(DateTime { clock: noon, offset: Some(5400.0) }));
        assert_eq!(date_time("20230101120000.25-0500"), Some(DateTime { clock: noon, offset: Some(-18_000.0) }));
        for text in ["20230101", "2023010112-05", "20230101120000+05:00", "x", "202301011200+9900"] {
            assert_eq!(date_time(text), None, "{text}");
        }
    }
}
