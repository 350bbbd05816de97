//! The time from the injection to the moment that the values' decay is corrected to, the start of the scan.
//!
//! Headers disagree on both ends. Series are reconstructed again, and their SeriesTime becomes that of the reconstruction;
//! anonymisers shift some dates and not others; clocks of the injector and of the scanner differ. Each way below is taken
//! only where it leads to an uptake that the half-life allows.

use std::ops::RangeInclusive;

use dicom_dictionary_std::tags;

use super::clock::{DAY, DateTime, Moment, date, date_time, time, zone};
use super::no_suv;
use crate::{
    Finding, Reason,
    read::{dataset::DataSet, view::View},
};

/// Owner of GE's private scan date and time, element 0D of group 0009.
const GE: &str = "GEMS_PETD_01";
/// Largest difference of the injector's and the scanner's clocks, seconds. An injection may seem that much later than the start.
const SKEW: f64 = 3600.0;
/// Largest plausible uptake in half-lives: less than 2 % of the dose is left.
const HALF_LIVES: f64 = 6.0;
/// SeriesTime may be later than AcquisitionTime by this much, seconds: writers round them differently.
const SAME_TIME: f64 = 1.0;
/// An acquisition without a date that comes this little after the start, seconds, was after midnight: scans are shorter.
const LONGEST_SCAN: f64 = 21_600.0;
/// Two times of one injection may differ by this much, seconds: one of them is often given to the minute.
const SAME_MINUTE: f64 = 60.0;

/// Times derived from all slices of a series.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SeriesClock {
    /// SeriesTime is later than the acquisition of a slice, and so not the start of the scan.
    rewritten: bool,
    /// A slice has neither SeriesTime nor the moment that its decay is corrected to.
    missing: bool,
    earliest_acquisition: Option<Moment>,
}

impl SeriesClock {
    pub(crate) fn add(&mut self, frame: &Times) {
        self.missing |= frame.series.is_none() && frame.decay_reference.is_none();
        let Some(acquisition) = frame.acquisition else { return };
        self.rewritten |= frame.series.is_some_and(|series| later(series, acquisition) > SAME_TIME);
        if self.earliest_acquisition.is_none_or(|earliest| is_before(acquisition, earliest)) {
            self.earliest_acquisition = Some(acquisition);
        }
    }

    /// Whether the times of slices have to serve for the start of the scan.
    pub(crate) fn is_by_slices(self) -> bool {
        self.rewritten || self.missing
    }
}

/// The time from the injection to the start of the scan.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Uptake {
    /// Negative where the injection seems to follow the start.
    pub(super) seconds: f64,
    pub(super) findings: Vec<Finding>,
}

/// Times of scan and injection in a header.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    series: Option<Moment>,
    acquisition: Option<Moment>,
    /// GE's own time of the scan.
    ge: Option<Moment>,
    /// Start of the scan by the frame, after QIBA's pseudo-code for altered series.
    by_frame: Option<Moment>,
    half_life: Option<f64>,
    /// RadiopharmaceuticalStartDateTime, on the clock of the object's other times.
    injection: Option<Moment>,
    /// RadiopharmaceuticalStartTime, seconds since midnight.
    injection_time: Option<f64>,
    /// The moment that decay is corrected to, as Enhanced PET gives it.
    decay_reference: Option<Moment>,
    findings: Vec<Finding>,
}

impl Times {
    pub(super) fn read(view: &View<'_>, drug: Option<&DataSet>) -> Self {
        let reference = view
            .text(tags::DECAY_CORRECTION_DATE_TIME)
            .filter(|_| view.text(tags::DECAY_CORRECTION).is_none())
            .and_then(date_time);
        // Without an own attribute, the zone of that moment is the one that the injection is compared in.
        let object_zone = view.text(tags::TIMEZONE_OFFSET_FROM_UTC).and_then(zone);
        let object_zone = object_zone.or(reference.and_then(|moment| moment.offset));
        let (series_day, acquisition_day) =
            (view.text(tags::SERIES_DATE).and_then(date), view.text(tags::ACQUISITION_DATE).and_then(date));
        let clock = |tag| view.text(tag).and_then(time);
        let series = clock(tags::SERIES_TIME).map(|seconds| Moment { day: series_day.or(acquisition_day), seconds });
        let acquisition = clock(tags::ACQUISITION_TIME)
            .map(|seconds| {
                let passes_midnight = |start: Moment| start.seconds - seconds > DAY - LONGEST_SCAN;
                let next_day = acquisition_day.is_none() && series.is_some_and(passes_midnight);
                Moment { day: acquisition_day.or(series_day), seconds: if next_day { seconds + DAY } else { seconds } }
            })
            .or_else(|| view.text(tags::ACQUISITION_DATE_TIME).and_then(date_time).map(|t| on_clock(t, object_zone)));
        let ge = view.private(0x0009, GE, 0x0d).and_then(|(set, tag)| date_time(set.text(tag)?));
        let half_life = drug.and_then(|d| d.number(tags::RADIONUCLIDE_HALF_LIFE)).filter(|v| *v > 0.0);
        let by_frame = || {
            // Scanners of GE may write the start of the scan as AcquisitionTime of every bed.
            if view.text(tags::MANUFACTURER).is_some_and(|m| m.to_ascii_uppercase().starts_with("GE")) {
                return None;
            }
            let milliseconds = |tag| view.number(tag).filter(|v| *v > 0.0).map(|v| v / 1000.0);
            let reference = milliseconds(tags::FRAME_REFERENCE_TIME)?;
            let mean = mean_count_time(milliseconds(tags::ACTUAL_FRAME_DURATION)?, half_life?);
            Some(acquisition?.plus(mean - reference))
        };
        let injection_time = drug.and_then(|d| d.text(tags::RADIOPHARMACEUTICAL_START_TIME)).and_then(time);
        let dated = drug.and_then(|d| d.text(tags::RADIOPHARMACEUTICAL_START_DATE_TIME)).and_then(date_time);
        let mut findings = Vec::new();
        let injection = dated.and_then(|t| local(t, object_zone, injection_time, &mut findings));
        Self {
            series,
            acquisition,
            ge: ge.map(|t| on_clock(t, object_zone)),
            by_frame: by_frame(),
            half_life,
            injection,
            injection_time,
            decay_reference: reference.map(|t| on_clock(t, object_zone)),
            findings,
        }
    }

    pub(super) fn half_life(&self) -> Result<f64, Reason> {
        self.half_life
            .ok_or_else(|| no_suv("RadionuclideHalfLife (0018,1075) is missing or not positive, and SUV needs it"))
    }

    /// RadiopharmaceuticalStartTime, seconds since midnight.
    pub(super) fn injection_time(&self) -> Option<f64> {
        self.injection_time
    }

    /// The uptake time.
    ///
    /// # Errors
    /// Words that name the attributes that are missing or do not fit.
    pub(super) fn uptake(&self, series: SeriesClock) -> Result<Uptake, Reason> {
        let half_life = self.half_life()?;
        let mut findings = self.findings.clone();
        let scan = self.scan_start(series, &mut findings)?;
        let longest = HALF_LIVES * half_life;
        // An hour would be 30 half-lives of O-15.
        let allowed = -SKEW.min(longest)..=longest;
        let by_date = self.injection.and_then(|injection| scan.since(injection));
        let seconds = match by_date.filter(|seconds| allowed.contains(seconds)) {
            Some(seconds) => {
                let differ = |(a, b): (Moment, f64)| {
                    let apart = (a.seconds - b).rem_euclid(DAY);
                    apart.min(DAY - apart) >= SAME_MINUTE
                };
                if self.injection.zip(self.injection_time).is_some_and(differ) {
                    findings.push(Finding::InjectionTimesDiffer);
                }
                seconds
            }
            // Without a second time of the injection, nothing tells which part of the first one is wrong.
            None if by_date.is_some() && self.injection_time.is_none() => {
                return Err(out_of_bounds("RadiopharmaceuticalStartDateTime (0018,1078)"));
            }
            None => {
                let seconds = self.by_time_of_day(scan, &allowed)?;
                if by_date.is_some() {
                    findings.push(Finding::InjectionDateIgnored);
                }
                seconds
            }
        };
        if seconds < 0.0 {
            findings.push(Finding::InjectionAfterStart(-seconds));
        }
        Ok(Uptake { seconds, findings })
    }

    /// The start of the scan: the series', unless it was rewritten; then GE's own, the one that the frame leads to, or the
    /// earliest acquisition.
    fn scan_start(&self, series: SeriesClock, findings: &mut Vec<Finding>) -> Result<Moment, Reason> {
        if let Some(reference) = self.decay_reference {
            return Ok(reference);
        }
        if let Some(start) = self.series.filter(|_| !series.rewritten) {
            return Ok(start);
        }
        let before_frame = |start: &Moment| self.acquisition.is_none_or(|a| later(*start, a) <= SAME_TIME);
        let ways = [
            (self.ge.filter(before_frame), "GE's scan time (0009,xx0D)"),
            (self.by_frame, "FrameReferenceTime (0054,1300)"),
            (series.earliest_acquisition, "the earliest AcquisitionTime (0008,0032)"),
        ];
        let (start, way) = ways.into_iter().find_map(|(start, way)| Some((start?, way))).ok_or_else(|| {
            no_suv("no usable scan time: SeriesTime (0008,0031) and AcquisitionTime (0008,0032) are missing")
        })?;
        findings.push(Finding::ScanStartFrom(way));
        Ok(start)
    }

    /// The uptake time from the time of day of the injection, if there is only one day that fits.
    fn by_time_of_day(&self, scan: Moment, allowed: &RangeInclusive<f64>) -> Result<f64, Reason> {
        let time = self.injection_time.or(self.injection.map(|i| i.seconds)).ok_or_else(|| {
            no_suv(
                "RadiopharmaceuticalStartTime (0018,1072) is missing or no time, and SUV needs it or a \
                 RadiopharmaceuticalStartDateTime (0018,1078) whose zone is known by TimezoneOffsetFromUTC (0008,0201)",
            )
        })?;
        let first = match scan.seconds - time {
            too_early if too_early < *allowed.start() => too_early + DAY,
            late if late - DAY >= *allowed.start() => late - DAY,
            first => first,
        };
        if !allowed.contains(&first) {
            let name = match self.injection_time {
                Some(_) => "RadiopharmaceuticalStartTime (0018,1072)",
                None => "RadiopharmaceuticalStartDateTime (0018,1078)",
            };
            return Err(out_of_bounds(name));
        }
        if allowed.contains(&(first + DAY)) {
            return Err(no_suv(
                "the day of the injection is not known: RadiopharmaceuticalStartDateTime (0018,1078) is missing or not \
                 within 6 half-lives (0018,1075) before the scan, and for this half-life the time of day fits several days",
            ));
        }
        Ok(first)
    }
}

fn out_of_bounds(name: &str) -> Reason {
    no_suv(format!(
        "{name} is neither within 6 half-lives (0018,1075) before the start of the scan nor within an hour after it"
    ))
}

/// Seconds by which one moment of an object is later than another. Where one has no date, they count as of one day.
fn later(a: Moment, b: Moment) -> f64 {
    a.since(b).unwrap_or(a.seconds - b.seconds)
}

/// Whether one acquisition of a series was before another. Times without dates are of a scan that may pass midnight.
fn is_before(a: Moment, b: Moment) -> bool {
    let apart = later(b, a);
    let passes_midnight = b.since(a).is_none() && apart.abs() > DAY - LONGEST_SCAN;
    (apart > 0.0) != passes_midnight
}

/// A date and time on the clock of the object's other times. Where the zone of either is not known, both count as one.
fn on_clock(moment: DateTime, object_zone: Option<f64>) -> Moment {
    match moment.offset.zip(object_zone) {
        Some((own, object)) => moment.clock.plus(object - own),
        None => moment.clock,
    }
}

/// RadiopharmaceuticalStartDateTime on the clock of the object's other times; `None` where its zone has an offset from UTC
/// and the zone of the others is unknown.
fn local(moment: DateTime, object_zone: Option<f64>, time: Option<f64>, findings: &mut Vec<Finding>) -> Option<Moment> {
    let Some(own) = moment.offset.filter(|_| object_zone.is_none()) else {
        return Some(on_clock(moment, object_zone));
    };
    match time {
        Some(time) => ((moment.clock.seconds - time).abs() < SAME_MINUTE).then_some(moment.clock),
        // Exports convert to UTC. Any other offset is the scanner's own zone.
        None if own == 0.0 => None,
        None => {
            findings.push(Finding::ZoneAssumed);
            Some(moment.clock)
        }
    }
}

/// When, within a frame, the count rate of a decaying nuclide is its mean over the frame, seconds (PS3.3, C.8.9.4.1.5).
fn mean_count_time(duration: f64, half_life: f64) -> f64 {
    let decay = std::f64::consts::LN_2 / half_life;
    let during = decay * duration;
    // -expm1(-x) is 1 - exp(-x) without its rounding for frames that are short against the half-life.
    (during / -(-during).exp_m1()).ln() / decay
}
