//! `artir ct` and `artir pet`: DICOM series in, derived series out.

mod report;
mod table;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use artir_core::{ErrorKind, Progress, Restorer, Task};
use artir_dicom::{
    DisplayWindow, Finding, Modality, OutputSyntax, PetUnits, RestoreOptions, Scan, ScanOptions, Series, SeriesReport,
};
use clap::ValueEnum;

use self::report::Report;
use crate::{
    common::{Inference, codec_process},
    outcome::{Failure, Tally},
    outputs::{Kind, Outputs},
    progress::Terminal,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// DICOM files, folders (searched recursively) or a DICOMDIR
    #[arg(required = true, value_name = "SERIES")]
    inputs: Vec<PathBuf>,
    /// Folder for the results; each derived series gets its own folder in it
    #[arg(short, long, value_name = "FOLDER", required_unless_present = "list")]
    output: Option<PathBuf>,
    /// List the series and write nothing
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "table")]
    list: Option<ListForm>,
    /// Overwrite existing results
    #[arg(long)]
    overwrite: bool,
    /// Continue an interrupted run of the same model and settings, or update a derived series: changed and new slices are
    /// restored, removed slices are deleted, and the others are kept
    #[arg(long)]
    resume: bool,
    /// Write a series without its unusable slices. If different files share one SOPInstanceUID, the first one in the order
    /// of paths is used
    #[arg(long)]
    allow_partial: bool,
    /// Also restore series that artir itself has derived
    #[arg(long)]
    include_derived: bool,
    /// SeriesDescription of the derived series [default: the source's, followed by "artir"]
    #[arg(long, value_name = "TEXT", value_parser = parse_description)]
    series_description: Option<String>,
    /// Write creation times: now, or a time as YYYYMMDDHHMMSS. Without this option, the same input gives the same bytes
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "now",
          value_parser = parse_timestamp)]
    timestamp: Option<String>,
    /// Transfer syntax of the derived pixels
    #[arg(long, value_name = "SYNTAX", value_enum, default_value_t = Syntax::Explicit)]
    transfer_syntax: Syntax,
    /// Write a JSON report of the run to this file
    #[arg(long, value_name = "FILE.json")]
    report: Option<PathBuf>,
    /// Write an HTML page next to each derived series that shows its slices before, after, and the difference
    #[arg(long)]
    preview: bool,
    /// Window of --preview: abdomen, bone, brain, lung, mediastinum, pet, or CENTRE/WIDTH in HU or SUV [default: abdomen,
    /// for PET pet]
    #[arg(long, value_name = "WINDOW", requires = "preview", allow_hyphen_values = true)]
    window: Option<DisplayWindow>,
    /// Write file names, instead of tokens, into --report and --list=json
    #[arg(long)]
    show_paths: bool,
    /// Print the planned work and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    inference: Inference,
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
enum ListForm {
    Table,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Syntax {
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

pub(crate) fn run(args: &Args, modality: Modality, units: PetUnits, quiet: bool) -> Result<ExitCode, Failure> {
    if let Some(form) = args.list {
        let scan = args.scan(modality, units)?;
        return match scan.nothing_found(&args.inputs, modality) {
            Some(nothing) => args.nothing(&scan, nothing),
            None => list(args, &scan, form),
        };
    }
    // From here on, Ctrl-C stops the work and the report is still written.
    let progress = Terminal::new(quiet);
    let output = args.output.as_deref().ok_or_else(|| Failure::usage("--output is missing"))?;
    let inputs = args.inputs.iter().filter(|input| input.is_file()).cloned().chain(args.inference.model_file());
    let mut checks = Outputs::new(inputs);
    if let Some(path) = &args.report {
        checks.add("the report", path, Kind::File, args.overwrite)?;
        // Folders are searched later, and a report is written even if that fails: it must not replace a slice.
        if artir_dicom::is_dicom(path) {
            let reason = "the report would take the place of a DICOM file: write it elsewhere";
            return Err(Failure::usage(format!("{}: {reason}", path.display())));
        }
    }
    let mut report = Report::default();
    let run = Run { args, modality, units, quiet, output, progress: &progress };
    let mut ended = run.all(checks, &mut report);
    if let Some(path) = args.report.as_deref().filter(|_| !args.dry_run) {
        if let Err(failure) = &ended {
            report.ended(&failure.message);
        }
        // The error that ended the run matters more than a report that cannot be written.
        match (&ended, report.write(path, args.overwrite)) {
            (Ok(_), Err(failure)) => ended = Err(failure),
            (Err(_), Err(failure)) => eprintln!("artir: {}", failure.message),
            _ => {}
        }
    }
    ended
}

/// One run over all series.
struct Run<'a> {
    args: &'a Args,
    modality: Modality,
    units: PetUnits,
    quiet: bool,
    output: &'a Path,
    progress: &'a Terminal,
}

impl Run<'_> {
    /// Checks the outputs first, then restores one series after the other. An error here ends the whole command.
    fn all(&self, mut checks: Outputs, report: &mut Report) -> Result<ExitCode, Failure> {
        let Self { args, output, .. } = *self;
        let task = match self.modality {
            Modality::Pet => Task::PetEnhance,
            _ => Task::CtDenoise,
        };
        let restorer = args.inference.restorer_for(task)?;
        report.model(&restorer);
        let options = args.options(self.units)?;
        // An output folder that cannot be written is refused before folders are searched.
        Outputs::default().add("a series", &output.join("series"), Kind::Folder, true)?;
        let note = |report: &mut Report, e: &artir_dicom::Error| report.ended(&args.error_text(e));
        let inputs: Vec<_> = args.inputs.iter().map(|input| input.display().to_string()).collect();
        self.progress.begin("scan", &inputs.join(", "));
        let scan = args.scan(self.modality, self.units).inspect_err(|e| note(report, e))?;
        report.scanned(&scan, args);
        if let Some(nothing) = scan.nothing_found(&args.inputs, self.modality) {
            note(report, &nothing);
            return args.nothing(&scan, nothing);
        }
        if !self.quiet {
            log_skipped(&scan);
        }
        let mut tally = Tally::default();
        unusable(&scan, &mut tally)?;
        let mut possible = Vec::new();
        for (i, series) in scan.series.iter().enumerate() {
            let number = i + 1;
            let checked = match args.obstacle(&scan, series) {
                Some(reason) => {
                    report.refused(number, series, &args.error_text(&reason), args);
                    let would = if args.dry_run { "would not be written" } else { "not written" };
                    Err(Failure::input(format!("series {number}: {would}: {reason}")))
                }
                None => args.check(output, series, &mut checks).inspect_err(|failure| {
                    report.refused(number, series, &failure.message, args);
                }),
            };
            match checked {
                Ok(()) => possible.push((number, series)),
                Err(failure) => tally.fail(failure)?,
            }
        }
        // With --resume, part of the output may already exist.
        for (_, series) in possible.iter().filter(|_| !args.resume) {
            checks.needs(&output.join(&series.folder), series.least_space(&options));
        }
        if let Err(failure) = checks.check_space() {
            for (number, series) in possible {
                report.refused(number, series, &failure.message, args);
            }
            return Err(failure);
        }
        for (number, series) in possible {
            if args.dry_run {
                if let Some(problem) = self.without_suv(series) {
                    tally.fail(Failure::input(format!("series {number}: would not be written: {problem}")))?;
                    continue;
                }
                tally.written += 1;
                say!("series {number}: {} slices would go to {}", series.slices(), series.folder);
                if let Some(clash) = series.clash() {
                    tally.fail(Failure::input(format!("series {number}: would be skipped: {clash}")))?;
                }
            } else {
                self.one(number, series, &restorer, &options, report, &mut tally)?;
            }
        }
        Ok(tally.code())
    }

    /// Why a PET series has no SUV. Slices without are left out of a partial series.
    fn without_suv(&self, series: &Series) -> Option<artir_dicom::Error> {
        let needed = self.modality == Modality::Pet && self.units == PetUnits::Suv && !self.args.allow_partial;
        if needed { artir_dicom::suv_problem(series) } else { None }
    }

    fn one(
        &self,
        number: usize,
        series: &Series,
        restorer: &Restorer,
        options: &RestoreOptions,
        report: &mut Report,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let restored = match self.progress.is_cancelled() {
            true => Err(artir_core::Error::Interrupted.into()),
            false => artir_dicom::restore_series(series, restorer, self.output, options, self.progress),
        };
        match restored {
            Ok(done) => {
                tally.written += 1;
                report.written(number, series, &done, self.args);
                if !self.quiet && !done.findings.is_empty() {
                    eprintln!("artir: series {number}: {}", joined(&done.findings));
                }
                if !self.quiet {
                    let resumed =
                        if done.resumed > 0 { format!(", {} of them before", done.resumed) } else { String::new() };
                    say!(
                        "series {number}: {} slices written to {}{resumed}",
                        series.slices() - done.failed.len(),
                        series.folder
                    );
                }
                if let Err(failure) = self.args.preview(number, series, &done, options, report) {
                    tally.fail(failure)?;
                }
                if let Some(clash) = series.clash() {
                    tally.fail(Failure::input(format!("series {number}: skipped: {clash}")))?;
                }
                for error in done.failed {
                    tally.fail(error.into())?;
                }
                Ok(())
            }
            Err(e) => {
                let hint = matches!(e, artir_dicom::Error::Core(_)) && e.kind() == ErrorKind::Interrupted;
                if hint && !self.quiet {
                    eprintln!("artir: series {number}: interrupted; continue it with --resume");
                }
                report.refused(number, series, &self.args.error_text(&e), self.args);
                tally.fail(e.into())
            }
        }
    }
}

/// Records unreadable files, and files whose series is unknown.
fn unusable(scan: &Scan, tally: &mut Tally) -> Result<(), Failure> {
    for error in &scan.damaged {
        tally.fail(Failure::new(error.kind(), error))?;
    }
    for refused in &scan.refused {
        tally.fail(refused.error().into())?;
    }
    Ok(())
}

impl Args {
    fn options(&self, units: PetUnits) -> Result<RestoreOptions, Failure> {
        Ok(RestoreOptions {
            overwrite: self.overwrite,
            resume: self.resume,
            allow_partial: self.allow_partial,
            series_description: self.series_description.clone(),
            timestamp: self.timestamp.clone(),
            syntax: self.transfer_syntax.into(),
            units,
            codec_process: Some(codec_process()?),
            ..RestoreOptions::default()
        })
    }

    fn scan(&self, modality: Modality, units: PetUnits) -> Result<Scan, artir_dicom::Error> {
        let mut options = ScanOptions::new(modality);
        options.include_derived = self.include_derived;
        options.units = units;
        artir_dicom::scan_with(&self.inputs, options)
    }

    /// Ends a scan that found no series. Each refused series is reported as a separate error.
    fn nothing(&self, scan: &Scan, nothing: artir_dicom::Error) -> Result<ExitCode, Failure> {
        if scan.refused.is_empty() {
            return Err(nothing.into());
        }
        let mut tally = Tally::default();
        unusable(scan, &mut tally)?;
        Ok(tally.code())
    }

    /// Checks that a series and its page can be written. With --resume, existing files are checked later.
    fn check(&self, output: &Path, series: &Series, checks: &mut Outputs) -> Result<(), Failure> {
        let target = output.join(&series.folder);
        if series.instances.iter().any(|instance| artir_files::is_within(&instance.path, &target)) {
            let reason = "the derived series would overwrite its own source: use another output folder";
            return Err(Failure::usage(format!("{}: {reason}", target.display())));
        }
        let replace = self.overwrite || self.resume;
        checks.add("a series", &target, Kind::Folder, replace)?;
        match self.preview {
            true => checks.add("a preview", &page(&target), Kind::File, replace),
            false => Ok(()),
        }
    }

    fn preview(
        &self,
        number: usize,
        series: &Series,
        done: &SeriesReport,
        options: &RestoreOptions,
        report: &mut Report,
    ) -> Result<(), Failure> {
        if !self.preview {
            return Ok(());
        }
        let default = if series.modality == Modality::Pet { "pet" } else { "abdomen" };
        let window = self.window.map_or_else(|| default.parse().map_err(Failure::failed), Ok)?;
        let page = page(&done.folder);
        artir_dicom::preview_series(series, done, &format!("series {number}"), &page, window, options).map_err(|e| {
            report.problem(&self.error_text(&e));
            e.into()
        })
    }

    /// The reason to refuse a series before any of its pixels are decoded.
    fn obstacle(&self, scan: &Scan, series: &Series) -> Option<artir_dicom::Error> {
        if self.allow_partial {
            return None;
        }
        let doubtful = scan.damaged_beside(series).count();
        if doubtful == 0 {
            return series.clash();
        }
        let path = series.instances.first().map(|i| i.path.clone()).unwrap_or_default();
        let reason =
            format!("{doubtful} unreadable file(s) in its folder may belong to it; --allow-partial skips them");
        Some(artir_dicom::Error::File { path, reason })
    }

    /// A file's name for a report: a token by default, because file names can hold a patient's name.
    fn shown(&self, path: &Path) -> String {
        let relative = self.inputs.iter().find_map(|input| path.strip_prefix(input).ok()).unwrap_or(path);
        let relative = if relative.as_os_str().is_empty() { path } else { relative };
        if self.show_paths {
            relative.display().to_string()
        } else {
            format!("file-{}", artir_core::token(&relative.to_string_lossy()))
        }
    }

    /// An error's text for a report, without file names unless they were asked for.
    fn error_text(&self, error: &artir_dicom::Error) -> String {
        match error {
            artir_dicom::Error::File { path, reason } => format!("{}: {reason}", self.shown(path)),
            artir_dicom::Error::NoSeries { what, detail, .. } => format!("no {what} series found{detail}"),
            other => other.to_string(),
        }
    }
}

/// The page of a derived series.
fn page(folder: &Path) -> PathBuf {
    folder.with_extension("html")
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
            for (i, clash) in scan.series.iter().enumerate().filter_map(|(i, s)| Some((i, s.clash()?))) {
                eprintln!("artir: series {}: {clash}", i + 1);
            }
        }
    }
    // As when they are restored.
    let whole = scan.damaged.is_empty() && scan.refused.is_empty() && scan.series.iter().all(|s| s.clashing.is_empty());
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(4) })
}

/// Logs skipped files, counted by reason, and unusual properties of the series.
fn log_skipped(scan: &Scan) {
    tell_files(scan);
    for (i, series) in scan.series.iter().enumerate() {
        // Files that share another's SOPInstanceUID are an error and have their own line.
        let findings: Vec<Finding> =
            series.findings.iter().filter(|f| !matches!(f, Finding::Clashing(_))).cloned().collect();
        if !findings.is_empty() {
            eprintln!("artir: series {}: {}", i + 1, joined(&findings));
        }
    }
}

fn tell_files(scan: &Scan) {
    for (reason, files) in scan.set_aside_by_reason() {
        eprintln!("artir: {} file(s) skipped: {reason}", files.len());
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
