//! SUV factors of a whole series. All slices are needed, since a rewritten start of the scan shows in only some of them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::Series;
use crate::{
    Error, Finding, PetUnits, Reason,
    read::{
        dataset::Stop,
        file::DicomFile,
        suv::{self, Evidence, SeriesClock, Suv},
        view::View,
    },
};

/// How far the factors of a series may lie apart, relative, where its slices' own times had to serve for SeriesTime, or where
/// its slices contradict each other.
const SAME_FACTOR: f64 = 5e-3;

/// The reason why a series without a usable SeriesTime has no SUV.
const STARTS_DIFFER: &str = "SeriesTime (0008,0031) is missing or later than AcquisitionTime (0008,0032), and the slices \
                             lead to different starts of the scan";

/// SUV properties of a PET series for `--list` and the report.
#[derive(Clone, Debug)]
pub struct SuvSummary {
    /// Least and largest SUV factor of its slices: SUVbw (g/mL) = factor x rescaled value (Bq/mL, counts or g/mL). `None`
    /// where no slice has one.
    pub factor: Option<[f64; 2]>,
    /// Least and largest time from the injection to the start of the scan, seconds.
    pub uptake_s: Option<[f64; 2]>,
    /// Assumptions that were made.
    pub findings: Vec<Finding>,
    /// The reason why a slice has no factor.
    pub problem: Option<Reason>,
}

/// The factors of a series, frame by frame.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    frames: BTreeMap<PathBuf, Vec<Result<Suv, Reason>>>,
}

/// Reads the headers of a PET series.
pub fn suv_summary(series: &Series, units: PetUnits) -> SuvSummary {
    Survey::of(series, units).summary()
}

/// The error of the first slice of a PET series that has no SUV factor.
pub fn suv_problem(series: &Series, units: PetUnits) -> Option<Error> {
    let survey = Survey::of(series, units);
    series.instances.iter().find_map(|instance| {
        let reason = survey.file(&instance.path).iter().find_map(|frame| frame.as_ref().err())?;
        Some(Error::file(&instance.path, reason.clone()))
    })
}

impl Survey {
    /// Reads the headers of a PET series. Slices without a factor keep the reason.
    pub(crate) fn of(series: &Series, units: PetUnits) -> Self {
        let mut clock = SeriesClock::default();
        let mut evidence = Vec::new();
        for instance in &series.instances {
            let read = match DicomFile::open(&instance.path, Stop::AtPixels) {
                Ok(file) => {
                    let read = |frame| Evidence::read(&View::new(&file.set, frame), units);
                    (0..instance.frames()).map(read).collect()
                }
                Err(Error::File { reason, .. }) => vec![Err(reason); instance.along_normal.len()],
                Err(other) => vec![Err(Reason::Damaged(other.to_string())); instance.along_normal.len()],
            };
            for frame in read.iter().flatten() {
                clock.add(&frame.times);
            }
            evidence.push((instance.path.clone(), read));
        }
        let conflict = suv::conflict(evidence.iter().flat_map(|(_, read)| read).flatten());
        let resolve = |frame: Result<Evidence, Reason>| frame.and_then(|e| e.suv(clock));
        let frames = evidence.into_iter().map(|(path, read)| (path, read.into_iter().map(resolve).collect()));
        let mut survey = Self { frames: frames.collect() };
        if survey.factors().is_none_or(|[least, most]| most / least - 1.0 <= SAME_FACTOR) {
            return survey;
        }
        let reason = match conflict {
            Some(attribute) => format!("{attribute} differs among the slices of this series, so that SUV is unknown"),
            None if clock.is_by_slices() => STARTS_DIFFER.to_owned(),
            None => return survey,
        };
        survey.frames.values_mut().flatten().for_each(|frame| *frame = Err(Reason::NoSuv(reason.clone())));
        survey
    }

    /// The frames of a file, in its own order.
    pub(crate) fn file(&self, path: &Path) -> &[Result<Suv, Reason>] {
        self.frames.get(path).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn summary(&self) -> SuvSummary {
        let mut findings: Vec<Finding> = Vec::new();
        let known = self.frames.values().flatten().flatten();
        for finding in known.clone().flat_map(|suv| &suv.findings) {
            // Frames repeat the findings of their series; one of each kind is enough.
            if !findings.iter().any(|f| std::mem::discriminant(f) == std::mem::discriminant(finding)) {
                findings.push(finding.clone());
            }
        }
        findings.sort_by_key(ToString::to_string);
        let factor = self.factors();
        if let Some([least, most]) = factor.filter(|[least, most]| most / least - 1.0 > 1e-6) {
            findings.push(Finding::SuvFactorsDiffer(least, most));
        }
        let problems = self.frames.values().flatten().filter_map(|frame| frame.as_ref().err());
        SuvSummary {
            factor,
            uptake_s: range(known.filter_map(|suv| suv.uptake)),
            findings,
            problem: problems.min_by_key(|reason| reason.to_string()).cloned(),
        }
    }

    fn factors(&self) -> Option<[f64; 2]> {
        range(self.frames.values().flatten().flatten().map(|suv| suv.factor))
    }
}

fn range(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    values.fold(None, |range, v| {
        let [least, most] = range.unwrap_or([v, v]);
        Some([v.min(least), v.max(most)])
    })
}
