//! `artir ct` and `artir pet`: DICOM series in, derived series out.

mod report;
mod table;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use artir_core::{ErrorKind, Restorer, Task};
use artir_dicom::{
    DisplayWindow, Finding, Modality, OutputSyntax, PetUnits, RestoreOptions, Scan, ScanOptions, Series, SeriesReport,
};
use clap::ValueEnum;

use self::report::Report;
use crate::{
    common::Inference,
    outcome::{Failure, Tally},
    progress::Terminal,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// DICOM files, folders (searched recursively) or a DICOMDIR
    #[arg(required = true, value_name = "SERIES")]
    inputs: Vec<PathBuf>,
    /// Folder for the derived series, each a folder of its own
    #[arg(short, long, value_name = "FOLDER", required_unless_present = "list")]
    output: Option<PathBuf>,
    /// Say what series there are, and do nothing
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "table")]
    list: Option<ListForm>,
    /// Replace what is there already
    #[arg(long)]
    overwrite: bool,
    /// Take up what an interrupted run of the same model and settings left
    #[arg(long)]
    resume: bool,
    /// Publish a series without the slices that cannot be used. Of different files with one SOPInstanceUID it keeps the
    /// first in the order of their paths
    #[arg(long)]
    allow_partial: bool,
    /// Restore series that artir has derived, too
    #[arg(long)]
    include_derived: bool,
    /// SeriesDescription of the derived series [default: the source's and "artir"]
    #[arg(long, value_name = "TEXT", value_parser = parse_description)]
    series_description: Option<String>,
    /// Write creation times: now, or a time as YYYYMMDDHHMMSS. Without, the same input gives the same bytes
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "now",
          value_parser = parse_timestamp)]
    timestamp: Option<String>,
    /// How derived pixels are encoded
    #[arg(long, value_name = "SYNTAX", value_enum, default_value_t = Syntax::Explicit)]
    transfer_syntax: Syntax,
    /// Write what was done to a JSON file
    #[arg(long, value_name = "FILE.json")]
    report: Option<PathBuf>,
    /// Write a page beside each derived series to scroll through: before, after, difference
    #[arg(long)]
    preview: bool,
    /// Window of --preview: abdomen, bone, brain, lung, mediastinum, pet, or CENTRE/WIDTH in HU or SUV [default: abdomen,
    /// for PET pet]
    #[arg(long, value_name = "WINDOW", requires = "preview", allow_hyphen_values = true)]
    window: Option<DisplayWindow>,
    /// Name files in --report and --list=json, not hashes of their names
    #[arg(long)]
    show_paths: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    inference: Inference,
}

/// What `artir pet` has beside.
#[derive(Debug, clap::Args)]
pub(crate) struct PetArgs {
    #[command(flatten)]
    pub(crate) series: Args,
    /// What the network sees: SUV, or the series' own unit scaled to a body mean of 1
    #[arg(long, value_enum, default_value_t = Units::Suv)]
    pub(crate) units: Units,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ListForm {
    Table,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Syntax {
    /// Explicit VR Little Endian, not compressed
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

pub(crate) fn run(args: &Args, modality: Modality, units: PetUnits, quiet: bool) -> Result<ExitCode, Failure> {
    let mut options = ScanOptions::new(modality);
    options.include_derived = args.include_derived;
    options.units = units;
    let scan = artir_dicom::scan_with(&args.inputs, options)?;
    if let Some(nothing) = scan.nothing_found(&args.inputs, modality) {
        // The first of several is the error that the command ends with.
        for refused in scan.refused.iter().skip(1) {
            eprintln!("artir: {}", refused.error());
        }
        if args.list.is_none() && !args.dry_run {
            Report::new(&scan, args).write(args)?;
        }
        return Err(nothing.into());
    }
    if let Some(form) = args.list {
        return list(args, &scan, form);
    }
    if !quiet {
        tell(&scan);
    }
    if args.dry_run {
        return dry_run(args, &scan);
    }
    let output = args.output.as_deref().ok_or_else(|| Failure::usage("--output is missing"))?;
    let task = match modality {
        Modality::Pet => Task::PetEnhance,
        _ => Task::CtDenoise,
    };
    let restorer = args.inference.restorer_for(task)?;
    let options = args.options(units)?;
    let mut tally = Tally::default();
    let mut report = Report::new(&scan, args);
    report.model(&restorer);
    let ended = restore_all(args, &scan, &restorer, output, &options, &mut report, &mut tally, quiet);
    report.write(args)?;
    ended?;
    Ok(tally.code())
}

/// Restores one series after the other. A failure is one of the whole command.
#[expect(clippy::too_many_arguments, reason = "the command's own state, which it needs afterwards")]
fn restore_all(
    args: &Args,
    scan: &Scan,
    restorer: &Restorer,
    output: &Path,
    options: &RestoreOptions,
    report: &mut Report,
    tally: &mut Tally,
    quiet: bool,
) -> Result<(), Failure> {
    let progress = Terminal::new(quiet);
    unusable(scan, tally)?;
    for (i, series) in scan.series.iter().enumerate() {
        let number = i + 1;
        if let Some(reason) = args.obstacle(scan, series) {
            report.refused(number, series, &args.told(&reason), args);
            tally.fail(Failure::input(format!("series {number}: not written: {reason}")))?;
            continue;
        }
        match artir_dicom::restore_series(series, restorer, output, options, &progress) {
            Ok(done) => {
                tally.written += 1;
                report.written(number, series, &done, args);
                args.preview(number, series, &done, options)?;
                if !quiet && !done.findings.is_empty() {
                    eprintln!("artir: series {number}: {}", joined(&done.findings));
                }
                if !quiet {
                    let resumed =
                        if done.resumed > 0 { format!(", {} of them before", done.resumed) } else { String::new() };
                    say!(
                        "series {number}: {} slices written to {}{resumed}",
                        series.slices() - done.failed.len(),
                        series.folder
                    );
                }
                if let Some(clash) = series.clash() {
                    tally.fail(Failure::input(format!("series {number}: left out: {clash}")))?;
                }
                for error in done.failed {
                    tally.fail(error.into())?;
                }
            }
            Err(e) => {
                let hint = matches!(e, artir_dicom::Error::Core(_)) && e.kind() == ErrorKind::Interrupted;
                if hint && !quiet {
                    eprintln!("artir: series {number}: interrupted; --resume goes on with it");
                }
                report.refused(number, series, &args.told(&e), args);
                tally.fail(e.into())?;
            }
        }
    }
    Ok(())
}

/// Notes the files that cannot be read, and those whose series cannot be told.
fn unusable(scan: &Scan, tally: &mut Tally) -> Result<(), Failure> {
    for error in &scan.damaged {
        tally.fail(Failure::new(error.kind(), error))?;
    }
    for refused in &scan.refused {
        tally.fail(refused.error().into())?;
    }
    Ok(())
}

/// Says which series would be written, and ends as the run itself would as far as headers tell.
fn dry_run(args: &Args, scan: &Scan) -> Result<ExitCode, Failure> {
    let mut tally = Tally::default();
    unusable(scan, &mut tally)?;
    for (i, series) in scan.series.iter().enumerate() {
        let number = i + 1;
        if let Some(reason) = args.obstacle(scan, series) {
            tally.fail(Failure::input(format!("series {number}: would not be written: {reason}")))?;
            continue;
        }
        tally.written += 1;
        say!("series {number}: {} slices would go to {}", series.slices(), series.folder);
        if let Some(clash) = series.clash() {
            tally.fail(Failure::input(format!("series {number}: would be left out: {clash}")))?;
        }
    }
    Ok(tally.code())
}

impl Args {
    fn options(&self, units: PetUnits) -> Result<RestoreOptions, Failure> {
        // Codecs in C and C++ run in a process of their own: a damaged frame may bring it down, and not this one.
        let program = std::env::current_exe().map_err(|e| Failure::failed(format!("artir's own path: {e}")))?;
        Ok(RestoreOptions {
            overwrite: self.overwrite,
            resume: self.resume,
            allow_partial: self.allow_partial,
            series_description: self.series_description.clone(),
            timestamp: self.timestamp.clone(),
            syntax: self.transfer_syntax.into(),
            units,
            codec_process: Some((program, vec!["decode-frames".into()])),
            ..RestoreOptions::default()
        })
    }

    fn preview(
        &self,
        number: usize,
        series: &Series,
        done: &SeriesReport,
        options: &RestoreOptions,
    ) -> Result<(), Failure> {
        if !self.preview {
            return Ok(());
        }
        let default = if series.modality == Modality::Pet { "pet" } else { "abdomen" };
        let window = self.window.map_or_else(|| default.parse().map_err(Failure::failed), Ok)?;
        let page = done.folder.with_extension("html");
        if page.exists() && !self.overwrite {
            return Err(Failure::usage(format!("{}: is there already: use --overwrite", page.display())));
        }
        artir_dicom::preview_series(series, done, &format!("series {number}"), &page, window, options)?;
        Ok(())
    }

    /// Why a series is refused before any of it is decoded.
    fn obstacle(&self, scan: &Scan, series: &Series) -> Option<artir_dicom::Error> {
        if self.allow_partial {
            return None;
        }
        let doubtful = scan.damaged_beside(series).count();
        if doubtful == 0 {
            return series.clash();
        }
        let path = series.instances.first().map(|i| i.path.clone()).unwrap_or_default();
        let reason = format!(
            "{doubtful} file(s) beside its slices cannot be read and may be of it; --allow-partial does without them"
        );
        Some(artir_dicom::Error::File { path, reason })
    }

    /// A file's name as a report may tell it: names can hold a patient's.
    fn shown(&self, path: &Path) -> String {
        let relative = self.inputs.iter().find_map(|input| path.strip_prefix(input).ok()).unwrap_or(path);
        let relative = if relative.as_os_str().is_empty() { path } else { relative };
        if self.show_paths {
            relative.display().to_string()
        } else {
            format!("file-{}", artir_dicom::short_hash(&relative.to_string_lossy()))
        }
    }

    /// An error's text as a report may tell it.
    fn told(&self, error: &artir_dicom::Error) -> String {
        match error {
            artir_dicom::Error::File { path, reason } => format!("{}: {reason}", self.shown(path)),
            other => other.to_string(),
        }
    }
}

fn list(args: &Args, scan: &Scan, form: ListForm) -> Result<ExitCode, Failure> {
    match form {
        ListForm::Json => {
            let listing = artir_dicom::list(scan, &|path| args.shown(path));
            let text = serde_json::to_string_pretty(&listing).map_err(Failure::failed)?;
            say!("{text}");
        }
        ListForm::Table => {
            say!("{}", table::render(&scan.series));
            tell_files(scan);
            for error in &scan.damaged {
                eprintln!("artir: {error}");
            }
            for refused in &scan.refused {
                eprintln!("artir: {}", refused.error());
            }
        }
    }
    Ok(if scan.damaged.is_empty() && scan.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(4) })
}

/// What was left out, counted by reason, and what is unusual about the series.
fn tell(scan: &Scan) {
    tell_files(scan);
    for (i, series) in scan.series.iter().enumerate().filter(|(_, s)| !s.findings.is_empty()) {
        eprintln!("artir: series {}: {}", i + 1, joined(&series.findings));
    }
}

fn tell_files(scan: &Scan) {
    for (reason, files) in scan.set_aside_by_reason() {
        eprintln!("artir: {} file(s) set aside: {reason}", files.len());
    }
}

fn joined(findings: &[Finding]) -> String {
    let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// VR LO: 64 characters, none of them a backslash or a control.
fn parse_description(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 64 || !text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'\\') {
        return Err("must be 1 to 64 ASCII characters without a backslash".into());
    }
    Ok(text.to_owned())
}

/// VR DT to the second.
fn parse_timestamp(text: &str) -> Result<String, String> {
    if text == "now" {
        return Ok(chrono::Local::now().format("%Y%m%d%H%M%S").to_string());
    }
    chrono::NaiveDateTime::parse_from_str(text, "%Y%m%d%H%M%S")
        .ok()
        .filter(|_| text.len() == 14)
        .map(|_| text.to_owned())
        .ok_or_else(|| "must be YYYYMMDDHHMMSS".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_and_times_are_checked() {
        assert!(parse_description("Abdomen, restored").is_ok());
        for bad in ["", "a\\b", "\u{e9}", &"x".repeat(65)] {
            assert!(parse_description(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_timestamp("20240229235959").unwrap(), "20240229235959");
        assert_eq!(parse_timestamp("now").unwrap().len(), 14);
        for bad in ["20230229235959", "2024", "", "20240229235960x"] {
            assert!(parse_timestamp(bad).is_err(), "{bad}");
        }
    }
}
