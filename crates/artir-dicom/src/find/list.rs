//! The result of a scan as JSON.

use std::path::Path;

use serde::Serialize;

use super::{Scan, Series, survey::Survey};
use crate::{Error, Modality, PetUnits, Reason};

/// Version of the schema below. It grows when a field changes its meaning or is removed.
const SCHEMA: u32 = 1;

/// The output of `--list=json`. Files are paths relative to the input that they were found in.
#[derive(Debug, Serialize)]
pub struct Listing {
    schema: u32,
    series: Vec<ListedSeries>,
    set_aside: Vec<ListedFile>,
    /// Slices of series that cannot be restored.
    refused: Vec<ListedFile>,
    damaged: Vec<ListedFile>,
}

#[derive(Debug, Serialize)]
struct ListedSeries {
    /// Name of the folder that the derived series would go to.
    folder: String,
    series_uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slice_thickness_mm: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kvp: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exposure_mas: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ctdi_vol_mgy: Option<f64>,
    modality: &'static str,
    multi_frame: bool,
    rows: u32,
    columns: u32,
    /// Distance of rows, then of columns.
    pixel_spacing_mm: [f64; 2],
    slice_spacing_mm: f64,
    /// Files that share a SOPInstanceUID with a slice, and differ from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clashing: Vec<String>,
    findings: Vec<String>,
    /// The reason why it would be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    slices: Vec<ListedSlice>,
}

#[derive(Debug, Serialize)]
struct ListedSlice {
    file: String,
    /// Counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<u32>,
    position_mm: f64,
    /// SUVbw (g/mL) = factor x rescaled value (Bq/mL, counts or g/mL).
    #[serde(skip_serializing_if = "Option::is_none")]
    suv_factor: Option<f64>,
    /// Time from the injection to the start of the scan.
    #[serde(skip_serializing_if = "Option::is_none")]
    uptake_s: Option<f64>,
    /// The reason why there is no factor, or no slice.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct ListedFile {
    file: String,
    reason: String,
}

/// How a listing shows what it names.
pub struct Shown<'a> {
    /// The printed name of a file.
    pub file: &'a dyn Fn(&Path) -> String,
    /// The text of a reason.
    pub reason: &'a dyn Fn(&Reason) -> String,
}

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

/// Lists a scan. For PET every header is read once more, for its SUV
/// factor and uptake time.
pub fn list(scan: &Scan, units: PetUnits, shown: &Shown<'_>) -> Listing {
    let listed = |path: &Path, reason: &Reason| ListedFile { file: (shown.file)(path), reason: (shown.reason)(reason) };
    let damaged = scan.damaged.iter().filter_map(|e| match e {
        Error::File { path, reason } => Some(listed(path, reason)),
        _ => None,
    });
    let mut set_aside: Vec<ListedFile> = scan.set_aside.iter().map(|f| listed(&f.path, &f.reason)).collect();
    set_aside.sort_by(|a, b| a.file.cmp(&b.file));
    Listing {
        schema: SCHEMA,
        series: scan.series.iter().map(|s| list_series(scan, s, units, shown)).collect(),
        set_aside,
        refused: scan.refused.iter().flat_map(|r| r.files.iter().map(|path| listed(path, &r.reason))).collect(),
        damaged: damaged.collect(),
    }
}

fn list_series(scan: &Scan, series: &Series, units: PetUnits, shown: &Shown<'_>) -> ListedSeries {
    let survey = match series.modality {
        Modality::Ct => Survey::default(),
        Modality::Pet => Survey::of(series, units),
    };
    let slices = series.instances.iter().flat_map(|instance| {
        let file = (shown.file)(&instance.path);
        let factors = survey.file(&instance.path);
        let frames = instance.along_normal.iter().enumerate();
        frames
            .map(|(i, position)| ListedSlice {
                file: file.clone(),
                frame: (instance.frames() > 1 || series.multi_frame).then_some(i as u32 + 1),
                position_mm: *position,
                suv_factor: factors.get(i).and_then(|f| f.as_ref().ok()).map(|suv| suv.factor),
                uptake_s: factors.get(i).and_then(|f| f.as_ref().ok()).and_then(|suv| suv.uptake),
                problem: factors.get(i).and_then(|f| f.as_ref().err()).map(shown.reason),
            })
            .collect::<Vec<_>>()
    });
    ListedSeries {
        folder: series.folder.clone(),
        series_uid: series.uid.clone(),
        description: series.details.description.clone(),
        kernel: series.details.kernel.clone(),
        slice_thickness_mm: series.details.thickness_mm,
        kvp: series.details.kvp,
        exposure_mas: series.details.exposure_mas,
        ctdi_vol_mgy: series.details.ctdi_vol_mgy,
        modality: series.modality.name(),
        multi_frame: series.multi_frame,
        rows: series.rows,
        columns: series.columns,
        pixel_spacing_mm: series.pixel_spacing,
        slice_spacing_mm: series.slice_spacing,
        clashing: series.clashing.iter().map(|path| (shown.file)(path)).collect(),
        findings: series.findings.iter().chain(&survey.summary().findings).map(ToString::to_string).collect(),
        refused: scan.obstacle(series).map(|e| match &e {
            Error::File { reason, .. } => (shown.reason)(reason),
            other => other.to_string(),
        }),
        slices: slices.collect(),
    }
}
