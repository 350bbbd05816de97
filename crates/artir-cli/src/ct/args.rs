//! Flags of `artir ct` and `artir pet`.

use std::path::{Path, PathBuf};

use artir_dicom::{
    Description, DisplayWindow, Error, Modality, OutputSyntax, PetUnits, RestoreOptions, Scan, ScanOptions, Timestamp,
};
use clap::ValueEnum;

use crate::{
    common::{Inference, codec_process},
    ct::hint,
    outcome::Failure,
    outputs::may_replace_report,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// DICOM files, folders (searched recursively) or a DICOMDIR
    #[arg(required = true, value_name = "SERIES")]
    pub(super) inputs: Vec<PathBuf>,
    /// Folder for the results; each derived series gets its own folder in it
    #[arg(short, long, value_name = "FOLDER", required_unless_present = "list")]
    pub(super) output: Option<PathBuf>,
    /// List the series and write nothing
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "table")]
    pub(super) list: Option<ListForm>,
    /// Overwrite existing results
    #[arg(long)]
    pub(super) overwrite: bool,
    /// Continue an interrupted run of the same model and settings, or update a derived series: changed and new slices are
    /// restored, removed slices are deleted, and the others are kept
    #[arg(long)]
    pub(super) resume: bool,
    /// Write a series without its unusable slices. If different files share one SOPInstanceUID, the first one in the order
    /// of paths is used
    #[arg(long)]
    pub(super) allow_partial: bool,
    /// Also restore series that artir itself has derived
    #[arg(long)]
    pub(super) include_derived: bool,
    /// SeriesDescription of the derived series [default: the source's, followed by "artir"]
    #[arg(long, value_name = "TEXT", value_parser = parse_description)]
    pub(super) series_description: Option<Description>,
    /// Write creation times: now, or a time as YYYYMMDDHHMMSS. Without this option, the same input gives the same bytes
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "now",
          value_parser = parse_timestamp)]
    pub(super) timestamp: Option<Timestamp>,
    /// Transfer syntax of the derived pixels
    #[arg(long, value_name = "SYNTAX", value_enum, default_value_t = Syntax::Explicit)]
    pub(super) transfer_syntax: Syntax,
    /// Write a JSON report of the run to this file
    #[arg(long, value_name = "FILE.json")]
    pub(super) report: Option<PathBuf>,
    /// Write an HTML page next to each derived series that shows its slices before, after, and the difference
    #[arg(long)]
    pub(super) preview: bool,
    /// Window of --preview: abdomen, bone, brain, lung, mediastinum, pet, or CENTRE/WIDTH in HU or SUV [default: abdomen,
    /// for PET pet]
    #[arg(long, value_name = "WINDOW", requires = "preview", allow_hyphen_values = true)]
    pub(super) window: Option<DisplayWindow>,
    /// Write file names, instead of tokens, into --report and --list=json
    #[arg(long)]
    pub(super) show_paths: bool,
    /// Print the planned work and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) inference: Inference,
}

/// Options specific to `artir pet`.
#[derive(Debug, clap::Args)]
pub(crate) struct PetArgs {
    #[command(flatten)]
    pub(crate) series: Args,
    /// Unit of the network's input: SUV, or the series' own unit scaled to a body mean of 1
    #[arg(long, value_enum, default_value_t = Units::Suv)]
    pub(crate) units: Units,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ListForm {
    Table,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Syntax {
    /// Explicit VR Little Endian, uncompressed
    Explicit,
    JpeglsLossless,
    Rle,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Units {
    Suv,
    Native,
}

impl From<Units> for PetUnits {
    fn from(units: Units) -> Self {
        match units {
            Units::Suv => Self::Suv,
            Units::Native => Self::Native,
        }
    }
}

impl From<Syntax> for OutputSyntax {
    fn from(syntax: Syntax) -> Self {
        match syntax {
            Syntax::Explicit => Self::Native,
            Syntax::JpeglsLossless => Self::JpegLsLossless,
            Syntax::Rle => Self::RleLossless,
        }
    }
}

impl Args {
    pub(super) fn options(&self, units: PetUnits) -> Result<RestoreOptions, Failure> {
        let (program, arguments) = codec_process()?;
        Ok(RestoreOptions::default()
            .overwrite(self.overwrite)
            .resume(self.resume)
            .allow_partial(self.allow_partial)
            .series_description(self.series_description.clone())
            .timestamp(self.timestamp.clone())
            .syntax(self.transfer_syntax.into())
            .units(units)
            .codec_process(program, arguments))
    }

    /// Whether the report may replace the file at its path.
    pub(super) fn replaces_report(&self, path: &Path) -> bool {
        may_replace_report(path, self.overwrite, self.resume)
    }

    pub(super) fn scan(&self, modality: Modality, units: PetUnits) -> Result<Scan, Error> {
        let mut options = ScanOptions::new(modality);
        options.include_derived = self.include_derived;
        options.units = units;
        artir_dicom::scan_with(&self.inputs, options)
    }

    /// A file's name for a report: a token by default, because file names can hold a patient's name.
    pub(super) fn shown(&self, path: &Path) -> String {
        let relative = self.inputs.iter().find_map(|input| path.strip_prefix(input).ok()).unwrap_or(path);
        let relative = if relative.as_os_str().is_empty() { path } else { relative };
        if self.show_paths {
            relative.display().to_string()
        } else {
            format!("file-{}", artir_core::token(&relative.to_string_lossy()))
        }
    }

    /// An error's text for a report, without file names unless they were asked for.
    pub(super) fn error_text(&self, error: &Error) -> String {
        match error {
            Error::File { path, reason } => format!("{}: {}", self.shown(path), hint::reason(reason)),
            Error::NoSeries { .. } => hint::no_series(error),
            other => hint::error(other),
        }
    }
}

fn parse_description(text: &str) -> Result<Description, artir_dicom::OptionError> {
    Description::new(text)
}

fn parse_timestamp(text: &str) -> Result<Timestamp, artir_dicom::OptionError> {
    if text == "now" {
        Timestamp::new(chrono::Local::now().format("%Y%m%d%H%M%S").to_string())
    } else {
        Timestamp::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_a_time() {
        assert_eq!(parse_timestamp("now").unwrap().as_str().len(), 14);
        assert!(parse_timestamp("yesterday").is_err());
    }
}
