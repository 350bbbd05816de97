//! `--report`: what was done, for machines.

use std::path::Path;

use artir_core::Restorer;
use artir_dicom::{Error, Series, SeriesReport};
use serde::Serialize;

use super::Args;
use crate::{image::publish, outcome::Failure};

/// Version of the form. It grows when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema: u32,
    artir: &'static str,
    model: String,
    model_sha256: String,
    series: Vec<Entry>,
    /// Files that are DICOM and cannot be read.
    damaged: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Entry {
    series: usize,
    /// Name of the derived series' folder.
    folder: String,
    /// `written`, `partial` or `refused`.
    outcome: &'static str,
    slices: usize,
    /// Slices that an earlier run had completed.
    resumed: usize,
    findings: Vec<String>,
    /// Why it was refused, or slices are missing.
    problems: Vec<String>,
    /// All that decided the pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    provenance: Option<String>,
    /// Of a PET series that was restored in SUV, least and largest: SUVbw (g/mL) = factor x rescaled value.
    #[serde(skip_serializing_if = "Option::is_none")]
    suv_factor: Option<[f64; 2]>,
    /// Time from the injection to the start of the scan, least and largest.
    #[serde(skip_serializing_if = "Option::is_none")]
    uptake_s: Option<[f64; 2]>,
}

impl Report {
    pub(super) fn new(restorer: &Restorer) -> Self {
        Self {
            schema: SCHEMA,
            artir: artir_core::VERSION,
            model: restorer.card().name.clone(),
            model_sha256: restorer.model_hash().to_owned(),
            series: Vec::new(),
            damaged: Vec::new(),
        }
    }

    pub(super) fn damaged(&mut self, error: &Error, args: &Args) {
        self.damaged.push(args.told(error));
    }

    pub(super) fn written(&mut self, number: usize, series: &Series, done: &SeriesReport, args: &Args) {
        self.series.push(Entry {
            series: number,
            folder: series.folder.clone(),
            outcome: if done.failed.is_empty() { "written" } else { "partial" },
            slices: series.slices(),
            resumed: done.resumed,
            findings: series.findings.iter().chain(&done.findings).map(ToString::to_string).collect(),
            problems: done.failed.iter().map(|e| args.told(e)).collect(),
            provenance: Some(done.provenance.clone()),
            suv_factor: done.suv.as_ref().and_then(|suv| suv.factor),
            uptake_s: done.suv.as_ref().and_then(|suv| suv.uptake_s),
        });
    }

    pub(super) fn refused(&mut self, number: usize, series: &Series, reason: &str) {
        self.series.push(Entry {
            series: number,
            folder: series.folder.clone(),
            outcome: "refused",
            slices: series.slices(),
            resumed: 0,
            findings: series.findings.iter().map(ToString::to_string).collect(),
            problems: vec![reason.to_owned()],
            provenance: None,
            suv_factor: None,
            uptake_s: None,
        });
    }

    pub(super) fn write(&self, path: &Path, overwrite: bool) -> Result<(), Failure> {
        if path.exists() && !overwrite {
            return Err(Failure::usage(format!("{}: is there already: use --overwrite", path.display())));
        }
        publish(path, |file, _| serde_json::to_writer_pretty(file, self).map_err(Failure::failed))
    }
}
