//! `--report`: a record of the run as JSON.

use artir_core::Restorer;
use artir_dicom::{Modality, Reason, Scan, Series, SeriesReport, SliceNoise};
use artir_volume::VolumeNoise;
use serde::Serialize;

use super::Args;
use super::hint;

/// Version of the report's schema. It grows when a field changes its meaning or is removed.
const SCHEMA: u32 = 1;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema: u32,
    artir: &'static str,
    /// Absent if no model could be loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_sha256: Option<String>,
    series: Vec<Entry>,
    /// Skipped files by reason: not slices of the modality, or copies.
    set_aside: Vec<Files>,
    /// Slices of series that cannot be restored whatever the flags.
    refused: Vec<Files>,
    /// Files that are DICOM and cannot be read.
    damaged: Vec<String>,
    /// The error that ended the whole run early.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Files with one reason.
#[derive(Debug, Serialize)]
struct Files {
    reason: String,
    count: usize,
    files: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Entry {
    series: usize,
    /// Name of the derived series' folder, or of the restored volume's file.
    folder: String,
    /// SeriesInstanceUID of the source, with `--show-uids`.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_series_uid: Option<String>,
    /// SeriesInstanceUID of the derived series, with `--show-uids`.
    #[serde(skip_serializing_if = "Option::is_none")]
    derived_series_uid: Option<String>,
    /// `written`, `partial` or `refused`.
    outcome: &'static str,
    slices: usize,
    /// Slices that an earlier run had completed.
    resumed: usize,
    /// Files left out because they share a SOPInstanceUID with another slice, and differ from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clashing: Vec<String>,
    findings: Vec<String>,
    /// The reason why it was refused or is incomplete.
    problems: Vec<String>,
    /// The model and all settings that determine the pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    provenance: Option<String>,
    /// Of a PET series that was restored in SUV, least and largest: SUVbw (g/mL) = factor x rescaled value.
    #[serde(skip_serializing_if = "Option::is_none")]
    suv_factor: Option<[f64; 2]>,
    /// Time from the injection to the start of the scan, least and largest.
    #[serde(skip_serializing_if = "Option::is_none")]
    uptake_s: Option<[f64; 2]>,
    /// Noise of the slices that this run restored and that show enough tissue.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    noise: Vec<Noise>,
}

/// The noise of a slice: the most frequent standard deviation of small squares of soft tissue, in HU for CT and SUV for PET.
#[derive(Debug, Serialize)]
pub(super) struct Noise {
    /// The slice's file in the derived series.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The axial slice of a volume, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    slice: Option<usize>,
    frame: usize,
    #[serde(flatten)]
    levels: Levels,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Levels {
    Ct { before_hu: f64, after_hu: f64 },
    Pet { before_suv: f64, after_suv: f64 },
}

impl Default for Report {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            artir: artir_core::VERSION,
            model: None,
            model_sha256: None,
            series: Vec::new(),
            set_aside: Vec::new(),
            refused: Vec::new(),
            damaged: Vec::new(),
            problem: None,
        }
    }
}

impl Report {
    /// Records the files that a scan found outside any series.
    pub(super) fn scanned(&mut self, scan: &Scan, args: &Args) {
        let files = |why: &Reason, files: Vec<String>| Files { reason: hint::reason(why), count: files.len(), files };
        let set_aside = scan.set_aside_by_reason().into_iter();
        self.set_aside =
            set_aside.map(|(why, f)| files(why, f.iter().map(|path| args.shown(path)).collect())).collect();
        let refused = scan.refused.iter();
        self.refused =
            refused.map(|r| files(&r.reason, r.files.iter().map(|path| args.shown(path)).collect())).collect();
        self.damaged = scan.damaged.iter().map(|e| args.error_text(e)).collect();
    }

    /// Records the error that ended the whole run. The first one recorded, which names no file, is kept.
    pub(super) fn ended(&mut self, problem: &str) {
        self.problem.get_or_insert_with(|| problem.to_owned());
    }

    /// Records a failure of the series that was added last, other than a failed slice.
    pub(super) fn problem(&mut self, problem: &str) {
        if let Some(entry) = self.series.last_mut() {
            entry.problems.push(problem.to_owned());
        }
    }

    pub(super) fn model(&mut self, restorer: &Restorer) {
        self.model = Some(restorer.card().name.clone());
        self.model_sha256 = Some(restorer.model_hash().to_owned());
    }

    /// Records a series with its files. `remark` is a finding of the command line.
    pub(super) fn written(
        &mut self,
        number: usize,
        series: &Series,
        done: &SeriesReport,
        remark: Option<String>,
        args: &Args,
    ) {
        let whole = done.failed.is_empty() && series.clashing.is_empty();
        let entry = Entry {
            outcome: if whole { "written" } else { "partial" },
            resumed: done.resumed,
            derived_series_uid: args.show_uids.then(|| done.series_uid.clone()),
            problems: series.clash().iter().chain(&done.failed).map(|e| args.error_text(e)).collect(),
            findings: series.findings.iter().chain(&done.findings).map(ToString::to_string).chain(remark).collect(),
            provenance: Some(done.provenance.clone()),
            suv_factor: done.suv.as_ref().and_then(|suv| suv.factor),
            uptake_s: done.suv.as_ref().and_then(|suv| suv.uptake_s),
            noise: done.noise.iter().map(|noise| Noise::of(noise, series.modality)).collect(),
            ..Entry::new(number, series, args)
        };
        self.series.push(entry);
    }

    pub(super) fn volume(&mut self, volume: VolumeEntry) {
        let VolumeEntry { number, name, slices, findings, problems, provenance, noise } = volume;
        let outcome = if provenance.is_some() { "written" } else { "refused" };
        let entry = Entry::empty(number, name, slices);
        self.series.push(Entry { outcome, findings, problems, provenance, noise, ..entry });
    }

    pub(super) fn refused(&mut self, number: usize, series: &Series, reason: &str, args: &Args) {
        let entry = Entry { problems: vec![reason.to_owned()], ..Entry::new(number, series, args) };
        self.series.push(entry);
    }
}

impl Noise {
    fn of(noise: &SliceNoise, modality: Modality) -> Self {
        let levels = Levels::of([noise.before, noise.after], modality);
        Self { file: Some(noise.file.clone()), slice: None, frame: noise.frame, levels }
    }

    pub(super) fn of_volume(noise: &VolumeNoise, modality: Modality) -> Self {
        let levels = Levels::of([noise.before, noise.after], modality);
        Self { file: None, slice: Some(noise.slice), frame: noise.frame, levels }
    }
}

impl Levels {
    fn of(levels: [f64; 2], modality: Modality) -> Self {
        let rounded = |parts: f64| levels.map(|level| (level * parts).round() / parts);
        match modality {
            Modality::Ct => {
                let [before_hu, after_hu] = rounded(1e2);
                Self::Ct { before_hu, after_hu }
            }
            _ => {
                let [before_suv, after_suv] = rounded(1e4);
                Self::Pet { before_suv, after_suv }
            }
        }
    }
}

impl Entry {
    /// A series of which no file is written.
    fn new(number: usize, series: &Series, args: &Args) -> Self {
        Self {
            source_series_uid: args.show_uids.then(|| series.uid.clone()),
            clashing: series.clashing.iter().map(|path| args.shown(path)).collect(),
            findings: series.findings.iter().map(ToString::to_string).collect(),
            ..Self::empty(number, series.folder.clone(), series.slices())
        }
    }

    /// A series or volume of which nothing is known but its size.
    fn empty(number: usize, folder: String, slices: usize) -> Self {
        Self {
            series: number,
            folder,
            source_series_uid: None,
            derived_series_uid: None,
            outcome: "refused",
            slices,
            resumed: 0,
            clashing: Vec::new(),
            findings: Vec::new(),
            problems: Vec::new(),
            provenance: None,
            suv_factor: None,
            uptake_s: None,
            noise: Vec::new(),
        }
    }
}

/// A volume for the report. One without provenance was refused.
#[derive(Debug, Default)]
pub(super) struct VolumeEntry {
    pub(super) number: usize,
    /// Name of the result, or of the source of a volume that was refused.
    pub(super) name: String,
    pub(super) slices: usize,
    pub(super) findings: Vec<String>,
    pub(super) problems: Vec<String>,
    pub(super) provenance: Option<String>,
    pub(super) noise: Vec<Noise>,
}
