//! Standardised uptake values by body weight (QIBA FDG-PET/CT profile, vendor-neutral pseudo-code).
//!
//! `clock.rs` reads dates and times, `uptake.rs` finds the time from injection to scan.

mod clock;
mod uptake;

use std::ops::RangeInclusive;

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};

pub(crate) use self::uptake::SeriesClock;
use self::uptake::Times;
use super::{dataset::DataSet, view::View};
use crate::{Finding, Reason, terms::quotable};

/// Owner of Philips' SUV factor and activity factor, elements 00 and 09 of group 7053. Both apply to rescaled values.
const PHILIPS: &str = "Philips PET Private Group";
/// Plausible doses for people and animals, Bq.
const DOSE: RangeInclusive<f64> = 1e6..=1e10;
/// The same in MBq.
const MEGABECQUERELS: RangeInclusive<f64> = 1.0..=1e4;
/// Plausible weights of people and animals, kg.
const WEIGHT: RangeInclusive<f64> = 0.5..=500.0;
/// Plausible sizes of people, m: the formulas of lean and ideal mass hold for no others.
const SIZE: RangeInclusive<f64> = 1.0..=2.5;

/// Unit of a PET series' values for the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PetUnits {
    /// SUVbw, g/mL. A series without the needed attributes is refused.
    #[default]
    Suv,
    /// SUV by lean body mass after James, g/mL: PatientSize and PatientSex are needed too.
    SuvLbm,
    /// SUV by ideal body weight, g/mL: PatientSize and PatientSex are needed too.
    SuvIbw,
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
    /// SUVbw for each rescaled unit, by a real-world value mapping.
    mapped: Option<f64>,
    /// The body's mass that the unit counts by, for each unit of its weight.
    mass: f64,
    constants: [Option<f64>; 4],
    findings: Vec<Finding>,
}

/// What is the same for all slices of a series, since it has one patient and one injection.
const CONSTANTS: [&str; 4] = [
    "PatientWeight (0010,1030)",
    "RadionuclideTotalDose (0018,1074)",
    "RadionuclideHalfLife (0018,1075)",
    "RadiopharmaceuticalStartTime (0018,1072)",
];

/// How far two values of one constant may lie apart, relative: writers round them differently.
const SAME_CONSTANT: f64 = 1e-3;

/// The attribute of the patient or of the injection that differs among the frames of a series, if one does.
pub(crate) fn conflict<'a>(frames: impl Iterator<Item = &'a Evidence>) -> Option<&'static str> {
    let mut first: [Option<f64>; 4] = [None; 4];
    for frame in frames {
        for ((first, found), name) in first.iter_mut().zip(frame.constants).zip(CONSTANTS) {
            match (*first, found) {
                (Some(a), Some(b)) if (a - b).abs() > SAME_CONSTANT * a.abs() => return Some(name),
                (None, found) => *first = found,
                _ => {}
            }
        }
    }
    None
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
    pub(crate) fn read(view: &View<'_>, units: PetUnits) -> Result<Self, Reason> {
        let agent = agent(view);
        // Where SUV does not need the dose, the first of several agents tells the tracer and the times.
        let drug = agent.unwrap_or_else(|_| view.all_items(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE).first());
        let mut findings: Vec<Finding> = drug.and_then(other_tracer).into_iter().collect();
        let mapped = real_world(view, |unit| unit.contains("SUVbw"));
        let scale = match (scale(view, agent, &mut findings), mapped) {
            (Ok(scale), _) => scale,
            (Err(_), Some(factor)) => {
                findings.push(Finding::SuvFromMapping);
                Scale::Final(factor)
            }
            (Err(reason), None) => return Err(reason),
        };
        let times = Times::read(view, drug);
        let constants = constants(view, drug, &times);
        Ok(Self { scale, times, mapped, mass: mass(view, units)?, constants, findings })
    }

    /// The factor, using the times of all slices of the series.
    ///
    /// # Errors
    /// Text that names the missing or invalid attributes.
    pub(crate) fn suv(&self, series: SeriesClock) -> Result<Suv, Reason> {
        let uptake = self.times.uptake(series);
        let mut findings = self.findings.clone();
        let (factor, uptake) = match (self.scale, uptake, self.mapped) {
            (Scale::Final(factor), uptake, _) => (factor, uptake.ok().map(|u| u.seconds)),
            (Scale::AtInjection(factor), Ok(uptake), _) => {
                let left = (-uptake.seconds / self.times.half_life()? * std::f64::consts::LN_2).exp();
                findings.extend(uptake.findings);
                (factor / left, Some(uptake.seconds))
            }
            (Scale::AtInjection(_), Err(_), Some(factor)) => {
                findings.push(Finding::SuvFromMapping);
                (factor, None)
            }
            (Scale::AtInjection(_), Err(reason), None) => return Err(reason),
        };
        // SUV = activity x mass / dose.
        Ok(Suv { factor: factor * self.mass, uptake, findings })
    }
}

/// The values of [`CONSTANTS`]. Frames of several agents differ in theirs.
fn constants(view: &View<'_>, drug: Option<&DataSet>, times: &Times) -> [Option<f64>; 4] {
    let weight = view.number(tags::PATIENT_WEIGHT);
    if view.all_items(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE).len() > 1 {
        return [weight, None, None, None];
    }
    let dose = drug.and_then(|drug| drug.number(tags::RADIONUCLIDE_TOTAL_DOSE));
    [weight, dose, times.half_life().ok(), times.injection_time()]
}

/// The item of the agent that a frame shows, if there is one; an error where several could be meant.
type Agent<'a> = Result<Option<&'a DataSet>, &'static str>;

/// Finds the agent that a frame shows. Enhanced PET names one of several by its number (PS3.3, C.8.22.4 and C.8.22.5.11). Items that
/// give one dose and one time are one agent.
fn agent<'a>(view: &View<'a>) -> Agent<'a> {
    const DECIDE: [Tag; 6] = [
        tags::RADIONUCLIDE_TOTAL_DOSE,
        tags::RADIONUCLIDE_HALF_LIFE,
        tags::RADIOPHARMACEUTICAL_START_TIME,
        tags::RADIOPHARMACEUTICAL_STOP_TIME,
        tags::RADIOPHARMACEUTICAL_START_DATE_TIME,
        tags::RADIOPHARMACEUTICAL_STOP_DATE_TIME,
    ];
    let all = view.all_items(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE);
    let Some(first) = all.first() else { return Ok(None) };
    if all.iter().all(|item| DECIDE.iter().all(|tag| item.get(*tag) == first.get(*tag))) {
        return Ok(Some(first));
    }
    let used = match view.items(tags::RADIOPHARMACEUTICAL_USAGE_SEQUENCE) {
        [one] => one.integer(tags::RADIOPHARMACEUTICAL_AGENT_NUMBER),
        _ => None,
    };
    let named = all.iter().find(|item| used.is_some() && item.integer(tags::RADIOPHARMACEUTICAL_AGENT_NUMBER) == used);
    named.map(Some).ok_or(
        "RadiopharmaceuticalInformationSequence (0054,0016) has several items, and \
         RadiopharmaceuticalUsageSequence (0018,9737) does not name the one that SUV needs",
    )
}

/// The factor of a slice without its series.
///
/// # Errors
/// Text that names the missing or invalid attributes.
pub(crate) fn of_slice(view: &View<'_>) -> Result<Suv, Reason> {
    let evidence = Evidence::read(view, PetUnits::Suv)?;
    let mut clock = SeriesClock::default();
    clock.add(&evidence.times);
    evidence.suv(clock)
}

fn scale(view: &View<'_>, agent: Agent<'_>, findings: &mut Vec<Finding>) -> Result<Scale, Reason> {
    let rescaled = view.group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE).text(tags::RESCALE_TYPE);
    // Enhanced PET has its unit in RescaleType, or in its real-world value mapping.
    let units = view.text(tags::UNITS).or(rescaled.filter(|unit| ["BQML", "GML", "CNTS"].contains(unit)));
    match units {
        Some("BQML") => becquerels(view, agent, 1.0, findings),
        Some("GML") => match view.text(tags::SUV_TYPE) {
            None | Some("BW") => Ok(Scale::Final(1.0)),
            other => Err(no_suv(format!("SUVType (0054,1006) is {}, not body weight", quotable(other)))),
        },
        Some("CNTS") => counts(view, agent, findings),
        Some(other) => {
            Err(no_suv(format!("Units (0054,1001) are {}, which does not lead to SUV", quotable(Some(other)))))
        }
        None => match real_world(view, |unit| unit.eq_ignore_ascii_case("Bq/ml")) {
            Some(activity) => becquerels(view, agent, activity, findings),
            None => Err(no_suv("Units (0054,1001) is missing, and SUV needs it")),
        },
    }
}

/// Philips: counts to SUV at once, or to Bq/mL.
fn counts(view: &View<'_>, agent: Agent<'_>, findings: &mut Vec<Finding>) -> Result<Scale, Reason> {
    // De-identification may have removed the owner and left its elements.
    let is_philips = view.text(tags::MANUFACTURER).is_some_and(|m| m.to_ascii_lowercase().starts_with("philips"));
    let ownerless = (0x10..=0xff).all(|block| view.text(Tag(0x7053, block)).is_none());
    let private = |element| {
        let found = view.private(0x7053, PHILIPS, element);
        let (set, tag) =
            found.or((is_philips && ownerless).then_some((view.set, Tag(0x7053, 0x1000 | u16::from(element)))))?;
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
    becquerels(view, agent, activity, findings)
}

/// SUV = value x weight x 1000 / decay-corrected dose, for values of `activity` Bq/mL each.
fn becquerels(view: &View<'_>, agent: Agent<'_>, activity: f64, findings: &mut Vec<Finding>) -> Result<Scale, Reason> {
    check_corrections(view, findings)?;
    let weight = within(view.number(tags::PATIENT_WEIGHT), WEIGHT, "PatientWeight (0010,1030)", "0.5 to 500 kg")?;
    let drug = agent
        .map_err(no_suv)?
        .ok_or_else(|| no_suv("RadiopharmaceuticalInformationSequence (0054,0016) is missing, and SUV needs it"))?;
    let dose = drug.number(tags::RADIONUCLIDE_TOTAL_DOSE);
    // Enhanced PET counts in MBq (PS3.3, C.8.22.4), and some writers in Bq nevertheless: no dose lies in both ranges.
    let is_enhanced = view.text(tags::SOP_CLASS_UID) == Some(uids::ENHANCED_PET_IMAGE_STORAGE);
    let dose = dose.map(|dose| if is_enhanced && MEGABECQUERELS.contains(&dose) { 1e6 * dose } else { dose });
    let dose = within(dose, DOSE, "RadionuclideTotalDose (0018,1074)", "1 MBq to 10 GBq, in Bq")?;
    let factor = activity * weight * 1000.0 / dose;
    match view.text(tags::DECAY_CORRECTION) {
        Some("ADMIN") => Ok(Scale::Final(factor)),
        Some("START") => Ok(Scale::AtInjection(factor)),
        // Enhanced PET gives the moment that decay is corrected to.
        None if view.text(tags::DECAY_CORRECTION_DATE_TIME).is_some() => Ok(Scale::AtInjection(factor)),
        other => Err(no_suv(format!("DecayCorrection (0054,1102) is {}, not START or ADMIN", quotable(other)))),
    }
}

/// Attenuation and decay must be corrected. Enhanced PET says so in attributes of its own. Where CorrectedImage is missing, the
/// methods of the corrections stand for it.
fn check_corrections(view: &View<'_>, findings: &mut Vec<Finding>) -> Result<(), Reason> {
    let listed = view.text(tags::CORRECTED_IMAGE);
    let attenuation = view.text(tags::ATTENUATION_CORRECTION_METHOD).is_some_and(|m| !names_no_correction(m));
    let decay = view.text(tags::DECAY_CORRECTION).is_some_and(|c| c != "NONE");
    for (needed, said, method) in [
        ("ATTN", view.text(tags::ATTENUATION_CORRECTED), attenuation),
        ("DECY", view.text(tags::DECAY_CORRECTED), decay),
    ] {
        let is_listed = listed.is_some_and(|l| l.split('\\').any(|c| c.trim().eq_ignore_ascii_case(needed)));
        if is_listed || said == Some("YES") {
            continue;
        }
        if listed.is_some() || said.is_some() || !method {
            return Err(no_suv(format!("CorrectedImage (0028,0051) lacks {needed}, which SUV needs")));
        }
        if !findings.contains(&Finding::CorrectionsAssumed) {
            findings.push(Finding::CorrectionsAssumed);
        }
    }
    Ok(())
}

/// Whether an AttenuationCorrectionMethod says that there was no correction. Some writers add numbers after a comma.
pub(crate) fn names_no_correction(method: &str) -> bool {
    let first = method.split(',').next().unwrap_or_default().trim().to_ascii_lowercase();
    let begins = |with: &str| first.split(|c: char| !c.is_ascii_alphabetic()).next() == Some(with);
    ["none", "no", "non", "not", "nac", "off", "uncorrected"].into_iter().any(begins)
}

/// The factor from rescaled values to those of a linear real-world value mapping whose unit is wanted.
fn real_world(view: &View<'_>, wanted: impl Fn(&str) -> bool) -> Option<f64> {
    let group = view.group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
    let (slope, intercept) = (group.number(tags::RESCALE_SLOPE)?, group.number(tags::RESCALE_INTERCEPT)?);
    view.items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE).iter().find_map(|item| {
        let unit = item.items(tags::MEASUREMENT_UNITS_CODE_SEQUENCE).first()?.text(tags::CODE_VALUE)?;
        let mapped = item.number(tags::REAL_WORLD_VALUE_SLOPE)?;
        let factor = mapped / slope;
        // Both lines must be 0 at one stored value.
        let same = (item.number(tags::REAL_WORLD_VALUE_INTERCEPT)? - factor * intercept).abs() <= 1e-6 * mapped.abs();
        (wanted(unit) && same && factor > 0.0).then_some(factor)
    })
}

/// The finding for a tracer that the model was not trained on. A header that names none leads to no finding.
fn other_tracer(drug: &DataSet) -> Option<Finding> {
    // FDG in SRT, SNOMED CT, and GE's scheme.
    const FDG: [&str; 3] = ["C-B1031", "35321007", "Y-X1743"];
    let codes = drug.items(tags::RADIOPHARMACEUTICAL_CODE_SEQUENCE);
    let code = codes.iter().find_map(|item| item.text(tags::CODE_VALUE));
    let meaning = codes.iter().find_map(|item| item.text(tags::CODE_MEANING));
    let name = drug.text(tags::RADIOPHARMACEUTICAL);
    let is_fdg = |text: &str| {
        let text = text.to_ascii_lowercase();
        ["fdg", "fluorodeoxyglucose", "fludeoxyglucose"].iter().any(|name| text.contains(name))
    };
    let known = code.is_some() || meaning.is_some() || name.is_some();
    let fdg = code.is_some_and(|code| FDG.contains(&code)) || [meaning, name].into_iter().flatten().any(is_fdg);
    (known && !fdg).then_some(Finding::OtherTracer)
}

/// The body's mass that a unit counts by, for each unit of its weight.
fn mass(view: &View<'_>, units: PetUnits) -> Result<f64, Reason> {
    let of: fn(f64, f64, bool) -> f64 = match units {
        PetUnits::SuvLbm => |kg, cm, male| {
            let ratio = (kg / cm).powi(2);
            if male { 1.10 * kg - 128.0 * ratio } else { 1.07 * kg - 148.0 * ratio }
        },
        PetUnits::SuvIbw => |_, cm, male| {
            if male { 48.0 + 1.06 * (cm - 152.0) } else { 45.5 + 0.91 * (cm - 152.0) }
        },
        PetUnits::Suv | PetUnits::Native => return Ok(1.0),
    };
    let weight = within(view.number(tags::PATIENT_WEIGHT), WEIGHT, "PatientWeight (0010,1030)", "0.5 to 500 kg")?;
    let size = within(view.number(tags::PATIENT_SIZE), SIZE, "PatientSize (0010,1020)", "1 to 2.5 m")?;
    let male = match view.text(tags::PATIENT_SEX) {
        Some("M") => true,
        Some("F") => false,
        _ => return Err(no_suv("PatientSex (0010,0040) is neither M nor F, and this SUV needs it")),
    };
    let mass = of(weight, 100.0 * size, male);
    if mass > 0.2 * weight {
        Ok(mass / weight)
    } else {
        Err(no_suv("PatientSize (0010,1020) and PatientWeight (0010,1030) lead to no mass of a body"))
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
