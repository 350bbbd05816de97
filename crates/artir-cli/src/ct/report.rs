//! `--report`: what was done, for machines.

use std::path::Path;

use artir_core::Restorer;
use artir_dicom::{Error, Series, SeriesReport};
use serde::Serialize;

use super::Args;
use crate::{outcome::Failure, outputs::publish_text};

/// Version of the form. It grows when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema: u32,
    artir: &'static str,
    /// Absent where none could be loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_sha256: Option<String>,
    series: Vec<Entry>,
    /// Files that are DICOM and cannot be read.
    damaged: Vec<String>,
    /// What ended the whole run before its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl Default for Report {
    fn default() -> Self {
        let (schema, artir) = (SCHEMA, artir_core::VERSION);
        Self { schema, artir, model: None, model_sha256: None, series: Vec::new(), damaged: Vec::new(), problem: None }
    }
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
}

impl Report {
    pub(super) fn model(&mut self, restorer: &Restorer) {
        self.model = Some(restorer.card().name.clone());
        self.model_sha256 = Some(restorer.model_hash().to_owned());
    }

    /// Notes what ended the whole run. What was noted first, in words that name no file, stays.
    pub(super) fn ended(&mut self, problem: &str) {
        self.problem.get_or_insert_with(|| problem.to_owned());
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
            findings: series.findings.iter().map(ToString::to_string).collect(),
            problems: done.failed.iter().map(|e| args.told(e)).collect(),
            provenance: Some(done.provenance.clone()),
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
        });
    }

    /// Notes what failed of the series that was added last, beside its slices.
    pub(super) fn problem(&mut self, failure: &Failure) {
        if let Some(entry) = self.series.last_mut() {
            entry.problems.push(failure.message.clone());
        }
    }

    pub(super) fn write(&self, path: &Path, overwrite: bool) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).map_err(Failure::failed)?;
        publish_text(path, overwrite, &(text + "\n"))
    }
}
