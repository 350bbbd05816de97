//! `artir ct` and `artir pet`: DICOM series in, derived series out.

mod args;
pub(crate) mod hint;
mod list;
mod report;
mod strength;
mod table;
mod volumes;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use artir_core::{ErrorKind, Progress, Restorer, Task};
use artir_dicom::{Modality, PetUnits, RestoreOptions, Scan, Series, SeriesReport, ZipOutput};

use artir_volume::Quantity;

use self::args::Args;
use self::list::{joined, list, log_skipped};
pub(crate) use self::{
    args::{CtArgs, PetArgs},
    report::Report,
};
use crate::{
    common::Host,
    outcome::{Failure, Tally},
    outputs::{self, Outputs, end_with_report},
    progress::Terminal,
};

/// What differs between the two commands.
#[derive(Clone, Copy)]
struct Kind {
    modality: Modality,
    units: PetUnits,
    /// Of the values of volumes.
    quantity: Option<Quantity>,
    /// Noise to leave, HU.
    noise: Option<f64>,
}

impl Kind {
    /// Refuses a unit for CT series. PET has a unit of its own for series too.
    fn check(&self, are_volumes: bool) -> Result<(), Failure> {
        if self.modality == Modality::Ct && self.quantity.is_some() && !are_volumes {
            let reason = "--units hu: is for NIfTI and NRRD volumes; the unit of a DICOM series is that of its headers";
            return Err(Failure::usage(reason));
        }
        Ok(())
    }
}

impl CtArgs {
    fn kind(&self) -> Kind {
        let quantity = self.units.map(Quantity::from);
        Kind { modality: Modality::Ct, units: PetUnits::Suv, quantity, noise: self.noise }
    }
}

impl PetArgs {
    fn kind(&self) -> Kind {
        let units = self.units.map_or(PetUnits::Suv, PetUnits::from);
        Kind { modality: Modality::Pet, units, quantity: self.units.map(Quantity::from), noise: None }
    }
}

pub(crate) fn run_ct(args: CtArgs, quiet: bool) -> Result<ExitCode, Failure> {
    let kind = args.kind();
    run(args.series, kind, quiet)
}

pub(crate) fn run_pet(args: PetArgs, quiet: bool) -> Result<ExitCode, Failure> {
    let kind = args.kind();
    run(args.series, kind, quiet)
}

fn run(mut args: Args, kind: Kind, quiet: bool) -> Result<ExitCode, Failure> {
    args.read_lists()?;
    let args = &args;
    let are_volumes = volumes::are_inputs(args)?;
    volumes::check_flags(args, are_volumes)?;
    kind.check(are_volumes)?;
    if let Some(form) = args.list {
        if are_volumes {
            return volumes::list(args, kind.modality, kind.quantity, form);
        }
        let scan = args.scan(kind.modality, kind.units)?;
        return match scan.nothing_found(&args.inputs, kind.modality) {
            Some(found) => nothing(&scan, found, args, Tally::default()).map(|tally| tally.code()),
            None => list(args, &scan, kind.units, form),
        };
    }
    // From here on, Ctrl-C stops the work and the report is still written.
    let mut host = Host::new(quiet);
    let mut checks = checks(args);
    if let Some(path) = &args.report {
        checks.add("the report", path, outputs::Kind::File, args.replaces_report(path))?;
        // Folders are searched later, and a report is written even if that fails: it must not replace a slice.
        if artir_dicom::is_dicom(path) || artir_dicom::is_archive(path) {
            let reason = "the report would take the place of a DICOM file or an archive: write it elsewhere";
            return Err(Failure::usage(format!("{}: {reason}", path.display())));
        }
    }
    let mut report = Report::default();
    let ended = restore(args, kind, are_volumes, checks, quiet, &mut host, &mut report);
    let ended = ended.map(|tally| tally.code());
    let Some(path) = args.report.as_deref().filter(|_| !args.dry_run) else { return ended };
    if let Err(failure) = &ended {
        report.ended(&failure.message);
    }
    end_with_report(ended, path, args.replaces_report(path), &report)
}

/// `artir ct` as a job of a batch, with its report. An interrupted series is continued, and an old result is replaced.
pub(crate) fn job_ct(args: CtArgs, host: &mut Host) -> (Result<Tally, Failure>, Report) {
    let kind = args.kind();
    job(args.series, kind, host)
}

/// `artir pet` as a job of a batch.
pub(crate) fn job_pet(args: PetArgs, host: &mut Host) -> (Result<Tally, Failure>, Report) {
    let kind = args.kind();
    job(args.series, kind, host)
}

fn job(mut args: Args, kind: Kind, host: &mut Host) -> (Result<Tally, Failure>, Report) {
    let mut report = Report::default();
    let mut run = || {
        let are_volumes = volumes::are_inputs(&args)?;
        args.overwrite = true;
        args.resume = !are_volumes && args.zip().is_none();
        volumes::check_flags(&args, are_volumes)?;
        kind.check(are_volumes)?;
        restore(&args, kind, are_volumes, checks(&args), true, host, &mut report)
    };
    let ended = run();
    if let Err(failure) = &ended {
        report.ended(&failure.message);
    }
    (ended, report)
}

/// Outputs that must not take the place of an input.
fn checks(args: &Args) -> Outputs {
    Outputs::new(args.inputs.iter().filter(|input| input.is_file()).cloned().chain(args.inference.model_file()))
}

fn restore(
    args: &Args,
    kind: Kind,
    are_volumes: bool,
    checks: Outputs,
    quiet: bool,
    host: &mut Host,
    report: &mut Report,
) -> Result<Tally, Failure> {
    let task = match kind.modality {
        Modality::Pet => Task::PetEnhance,
        _ => Task::CtDenoise,
    };
    let tally = Tally::new(host.silent);
    let (progress, restorer) = host.parts(&args.inference, task)?;
    report.model(restorer);
    let Kind { modality, units, quantity, noise } = kind;
    // Only --dry-run goes without an output folder.
    let output = args.output.as_deref().unwrap_or(Path::new("."));
    let run = Run { args, modality, units, noise, quiet, output, progress };
    match are_volumes {
        true => volumes::all(&run, quantity, checks, report, restorer, tally),
        false => run.all(checks, report, restorer, tally),
    }
}

/// One run over all series.
struct Run<'a> {
    args: &'a Args,
    modality: Modality,
    units: PetUnits,
    /// Noise to leave, HU.
    noise: Option<f64>,
    quiet: bool,
    output: &'a Path,
    progress: &'a Terminal,
}

impl Run<'_> {
    /// Checks the outputs first, then restores one series after the other. An error here ends the whole command.
    fn all(
        &self,
        mut checks: Outputs,
        report: &mut Report,
        restorer: &mut Restorer,
        mut tally: Tally,
    ) -> Result<Tally, Failure> {
        let Self { args, output, .. } = *self;
        let options = args.options(self.units)?;
        // An output that cannot be written is refused before folders are searched.
        match args.zip() {
            Some(zip) => {
                if args.resume {
                    let reason = "a ZIP is written anew by every run: use a folder with --resume";
                    return Err(Failure::usage(format!("{}: {reason}", zip.display())));
                }
                checks.add("the ZIP", zip, outputs::Kind::File, args.overwrite)?;
            }
            None => Outputs::default().add("a series", &output.join("series"), outputs::Kind::Folder, true)?,
        }
        let note = |report: &mut Report, e: &artir_dicom::Error| report.ended(&args.error_text(e));
        let inputs: Vec<_> = args.inputs.iter().map(|input| input.display().to_string()).collect();
        self.progress.begin("scan", &inputs.join(", "));
        let scan = args.scan(self.modality, self.units).inspect_err(|e| note(report, e))?;
        report.scanned(&scan, args);
        if let Some(nothing) = scan.nothing_found(&args.inputs, self.modality) {
            note(report, &nothing);
            return self::nothing(&scan, nothing, args, tally);
        }
        if let Some(zip) = args.zip().filter(|zip| scan.archives().any(|archive| artir_files::same_file(archive, zip)))
        {
            let reason = "the ZIP would take the place of an archive that was read: write it elsewhere";
            return Err(Failure::usage(format!("{}: {reason}", zip.display())));
        }
        if !self.quiet {
            log_skipped(&scan);
        }
        unusable(&scan, args, &mut tally)?;
        let mut possible = Vec::new();
        for (i, series) in scan.series.iter().enumerate() {
            let number = i + 1;
            let checked = match scan.obstacle(series).filter(|_| !args.allow_partial) {
                Some(reason) => {
                    report.refused(number, series, &args.error_text(&reason), args);
                    let would = if args.dry_run { "would not be written" } else { "not written" };
                    Err(Failure::input(format!("series {number}: {would}: {}", args.error(&reason))))
                }
                None => check(args, output, series, &mut checks).inspect_err(|failure| {
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
            let place = args.zip().map_or_else(|| output.join(&series.folder), Path::to_owned);
            checks.needs(&place, series.least_space(&options));
        }
        if let Err(failure) = checks.check_space() {
            for (number, series) in possible {
                report.refused(number, series, &failure.message, args);
            }
            return Err(failure);
        }
        let mut zip = match args.zip().filter(|_| !args.dry_run && !possible.is_empty()) {
            Some(zip) => Some(ZipOutput::create(zip, args.transfer_syntax.into())?),
            None => None,
        };
        let folder = zip.as_ref().map_or_else(|| output.to_owned(), ZipOutput::folder);
        for (number, series) in possible {
            if args.dry_run {
                if let Some(problem) = self.without_suv(series) {
                    tally.fail(Failure::input(format!(
                        "series {number}: would not be written: {}",
                        args.error(&problem)
                    )))?;
                    continue;
                }
                tally.written += 1;
                say!("series {number}: {} slices would go to {}", series.slices(), series.folder);
                if let Some(clash) = series.clash() {
                    tally.fail(Failure::input(format!("series {number}: would be skipped: {}", args.error(&clash))))?;
                }
            } else {
                self.one((number, series), &folder, restorer, &options, report, &mut tally)?;
                zip.as_mut().map_or(Ok(()), ZipOutput::add)?;
            }
        }
        if let Some(zip) = zip.filter(|_| tally.written > 0) {
            zip.publish(args.overwrite)?;
        }
        Ok(tally)
    }

    /// Why a PET series has no SUV. Slices without are left out of a partial series.
    fn without_suv(&self, series: &Series) -> Option<artir_dicom::Error> {
        let needed = self.modality == Modality::Pet && self.units != PetUnits::Native && !self.args.allow_partial;
        if needed { artir_dicom::suv_problem(series, self.units) } else { None }
    }

    /// Restores a series into a folder. `number` is that of the listing.
    fn one(
        &self,
        (number, series): (usize, &Series),
        folder: &Path,
        restorer: &mut Restorer,
        options: &RestoreOptions,
        report: &mut Report,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let chosen = self
            .noise
            .map_or(Ok(None), |target| strength::choose(number, series, restorer, target, options, self.progress));
        let remark = match chosen {
            Ok(remark) => remark,
            Err(failure) => {
                report.refused(number, series, &failure.message, self.args);
                return tally.fail(failure);
            }
        };
        let restored = match self.progress.is_cancelled() {
            true => Err(artir_core::Error::Interrupted.into()),
            false => artir_dicom::restore_series(series, restorer, folder, options, self.progress),
        };
        match restored {
            Ok(done) => {
                tally.written += 1;
                report.written(number, series, &done, remark, self.args);
                if !self.quiet && !done.findings.is_empty() {
                    say_error!("artir: series {number}: {}", joined(&done.findings));
                }
                if !self.quiet {
                    let resumed =
                        if done.resumed > 0 { format!(", {} of them before", done.resumed) } else { String::new() };
                    say!("series {number}: {} slices written to {}{resumed}", done.slices, series.folder);
                }
                if let Err(failure) = self.preview(number, series, &done, options, report) {
                    tally.fail(failure)?;
                }
                if let Some(clash) = series.clash() {
                    tally.fail(Failure::input(format!("series {number}: skipped: {}", self.args.error(&clash))))?;
                }
                for error in done.failed {
                    tally.fail(self.args.named(error).into())?;
                }
                Ok(())
            }
            Err(e) => {
                let interrupted = matches!(e, artir_dicom::Error::Core(_)) && e.kind() == ErrorKind::Interrupted;
                let hint = interrupted && self.args.zip().is_none();
                if hint && !self.quiet {
                    say_error!("artir: series {number}: interrupted; continue it with --resume");
                }
                report.refused(number, series, &self.args.error_text(&e), self.args);
                tally.fail(self.args.named(e).into())
            }
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
        if !self.args.preview {
            return Ok(());
        }
        let default = if series.modality == Modality::Pet { "pet" } else { "abdomen" };
        let window = self.args.window.map_or_else(|| default.parse().map_err(Failure::failed), Ok)?;
        let page = page(&done.folder);
        artir_dicom::preview_series(series, done, &format!("series {number}"), &page, window, options).map_err(|e| {
            report.problem(&self.args.error_text(&e));
            self.args.named(e).into()
        })
    }
}

/// Records unreadable files, and files whose series is unknown.
fn unusable(scan: &Scan, args: &Args, tally: &mut Tally) -> Result<(), Failure> {
    for error in &scan.damaged {
        tally.fail(Failure::new(error.kind(), args.error(error)))?;
    }
    for refused in &scan.refused {
        tally.fail(args.named(refused.error()).into())?;
    }
    Ok(())
}

/// Ends a scan that found no series. Each refused series is reported as a separate error.
fn nothing(scan: &Scan, nothing: artir_dicom::Error, args: &Args, mut tally: Tally) -> Result<Tally, Failure> {
    if scan.refused.is_empty() {
        let mut failure = Failure::from(args.named(nothing));
        failure.message.push_str(&volumes::hint_of_folder(scan, args));
        return Err(failure);
    }
    unusable(scan, args, &mut tally)?;
    Ok(tally)
}

/// Checks that a series and its page can be written. With --resume, existing files are checked later.
fn check(args: &Args, output: &Path, series: &Series, checks: &mut Outputs) -> Result<(), Failure> {
    if let Some(zip) = args.zip() {
        if series.instances.iter().any(|instance| artir_files::same_file(&instance.path, zip)) {
            let reason = "the ZIP would overwrite a slice: use another output";
            return Err(Failure::usage(format!("{}: {reason}", zip.display())));
        }
        return Ok(());
    }
    let target = output.join(&series.folder);
    if series.instances.iter().any(|instance| artir_files::is_within(&instance.path, &target)) {
        let reason = "the derived series would overwrite its own source: use another output folder";
        return Err(Failure::usage(format!("{}: {reason}", target.display())));
    }
    let replace = args.overwrite || args.resume;
    checks.add("a series", &target, outputs::Kind::Folder, replace)?;
    match args.preview {
        true => checks.add("a preview", &page(&target), outputs::Kind::File, replace),
        false => Ok(()),
    }
}

/// The page of a derived series.
fn page(folder: &Path) -> PathBuf {
    folder.with_extension("html")
}
