//! Standardised uptake values by body weight (QIBA FDG-PET/CT profile, vendor-neutral pseudo-code).
//!
//! `clock.rs` reads dates and times, `uptake.rs` finds the time from injection to scan.

mod clock;
mod uptake;

use std::ops::RangeInclusive;

use dicom_dictionary_std::tags;

pub(crate) use self::uptake::SeriesClock;
use self::uptake::Times;
use super::{dataset::DataSet, view::View};
use crate::{Finding, Reason, terms::quotable};

/// Owner of Philips' SUV factor and activity factor, elements 00 and 09 of group 7053. Both apply to rescaled values.
const PHILIPS: &str = "Philips PET Private Group";
/// Plausible doses for people and animals, Bq.
const DOSE: RangeInclusive<f64> = 1e6..=1e10;
/// Plausible weights of people and animals, kg.
const WEIGHT: RangeInclusive<f64> = 0.5..=500.0;

/// Unit of a PET series' values for the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PetUnits {
    /// SUVbw, g/mL. A series without the needed attributes is refused.
    #[default]
    Suv,
    /// The series' own unit, scaled so that the body's mean is 1, which is what SUVbw is by its definition.
    Native,
}

/// The conversion to SUVbw.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Suv {
    /// SUVbw (g/mL) = factor x rescaled value (Bq/mL, counts or g/mL). Decay since the injection is in it.
    pub(crate) factor: f64,
    /// Seconds from the injection to the start of the scan, negative where the injection seems to follow it; `None`
    /// where the factor does not depend on it and the header does not tell.
    pub(crate) uptake: Option<f64>,
    pub(crate) findings: Vec<Finding>,
}

/// Attributes of a header for SUV. The factor may depend on the other slices of its series.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    scale: Scale,
    pub(crate) times: Times,
}

/// g/mL of SUVbw for each unit of the rescaled value.
#[derive(Clone, Copy, Debug)]
enum Scale {
    /// The header's factor, or values that are decay-corrected to the injection.
    Final(f64),
    /// Before the decay from the injection to the start of the scan.
    AtInjection(f64),
}

impl Evidence {
    /// Reads a frame's header.
    ///
    /// # Errors
    /// Text that names the missing or invalid attribute.
    pub(crate) fn read(view: &View<'_>) -> Result<Self, Reason> {
        let drug = view.first_item(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE);
        Ok(Self { scale: scale(view, drug)?, times: Times::read(view, drug) })
    }

    /// The factor, using the times of all slices of the series.
    ///
    /// # Errors
    /// Text that names the missing or invalid attributes.
    pub(crate) fn suv(&self, series: SeriesClock) -> Result<Suv, Reason> {
        let uptake = self.times.uptake(series);
        match self.scale {
            Scale::Final(factor) => Ok(Suv { factor, uptake: uptake.ok().map(|u| u.seconds), findings: Vec::new() }),
            Scale::AtInjection(factor) => {
                let uptake = uptake?;
                let left = (-uptake.seconds / self.times.half_life()? * std::f64::consts::LN_2).exp();
                Ok(Suv { factor: factor / left, uptake: Some(uptake.seconds), findings: uptake.findings })
            }
        }
    }
}

/// The factor of a slice without its series.
///
/// # Errors
/// Text that names the missing or invalid attributes.
pub(crate) fn of_slice(view: &View<'_>) -> Result<Suv, Reason> {
    let evidence = Evidence::read(view)?;
    let mut clock = SeriesClock::default();
    clock.add(&evidence.times);
    evidence.suv(clock)
}

fn scale(view: &View<'_>, drug: Option<&DataSet>) -> Result<Scale, Reason> {
    match view.text(tags::UNITS) {
        Some("BQML") => becquerels(view, drug, 1.0),
        Some("GML") => match view.text(tags::SUV_TYPE) {
            None | Some("BW") => Ok(Scale::Final(1.0)),
            other => Err(no_suv(format!("SUVType (0054,1006) is {}, not body weight", quotable(other)))),
        },
        Some("CNTS") => counts(view, drug),
        Some(other) => {
            Err(no_suv(format!("Units (0054,1001) are {}, which does not lead to SUV", quotable(Some(other)))))
        }
        None => Err(no_suv("Units (0054,1001) is missing, and SUV needs it")),
    }
}

/// Philips: counts to SUV at once, or to Bq/mL.
fn counts(view: &View<'_>, drug: Option<&DataSet>) -> Result<Scale, Reason> {
    let private = |element| {
        let (set, tag) = view.private(0x7053, PHILIPS, element)?;
        set.number(tag).filter(|v| *v > 0.0)
    };
    if let Some(factor) = private(0x00) {
        return Ok(Scale::Final(factor));
    }
    let activity = private(0x09).ok_or_else(|| {
        no_suv(
            "Units (0054,1001) are CNTS, and neither Philips' SUV factor (7053,xx00) nor its activity factor \
             (7053,xx09) is there",
        )
    })?;
    becquerels(view, drug, activity)
}

/// SUV = value x weight x 1000 / decay-corrected dose, for values of `activity` Bq/mL each.
fn becquerels(view: &View<'_>, drug: Option<&DataSet>, activity: f64) -> Result<Scale, Reason> {
    let corrected = view.text(tags::CORRECTED_IMAGE).unwrap_or_default();
    for needed in ["ATTN", "DECY"] {
        if !corrected.split('\\').any(|c| c.trim() == needed) {
            return Err(no_suv(format!("CorrectedImage (0028,0051) lacks {needed}, which SUV needs")));
        }
    }
    let weight = within(view.number(tags::PATIENT_WEIGHT), WEIGHT, "PatientWeight (0010,1030)", "0.5 to 500 kg")?;
    let drug =
        drug.ok_or_else(|| no_suv("RadiopharmaceuticalInformationSequence (0054,0016) is missing, and SUV needs it"))?;
    let dose = drug.number(tags::RADIONUCLIDE_TOTAL_DOSE);
    let dose = within(dose, DOSE, "RadionuclideTotalDose (0018,1074)", "1 MBq to 10 GBq, in Bq")?;
    let factor = activity * weight * 1000.0 / dose;
    match view.text(tags::DECAY_CORRECTION) {
        Some("ADMIN") => Ok(Scale::Final(factor)),
        Some("START") => Ok(Scale::AtInjection(factor)),
        other => Err(no_suv(format!("DecayCorrection (0054,1102) is {}, not START or ADMIN", quotable(other)))),
    }
}

/// A value that must lie within bounds. The error does not quote it: it may be a patient's.
fn within(value: Option<f64>, bounds: RangeInclusive<f64>, name: &str, words: &str) -> Result<f64, Reason> {
    match value {
        None => Err(no_suv(format!("{name} is missing, and SUV needs it"))),
        Some(value) if bounds.contains(&value) => Ok(value),
        Some(_) => Err(no_suv(format!("{name} is not within {words}"))),
    }
}

fn no_suv(text: impl Into<String>) -> Reason {
    Reason::NoSuv(text.into())
}

#[cfg(test)]
mod tests;
