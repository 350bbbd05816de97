//! NIfTI and NRRD volumes, which `artir ct` and `artir pet` restore as they restore series.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use artir_core::{Progress, Restorer};
use artir_dicom::{Modality, NoiseChoice, Scan};
use artir_volume::{Error, Options, Plan, Quantity, Reason, Volume, is_volume};
use serde::Serialize;

use super::{
    Run,
    args::{Args, ListForm, Names, Syntax},
    report::{Noise, Report, VolumeEntry},
    strength, table,
};
use crate::{
    flags,
    outcome::{Failure, Tally},
    outputs::{Kind, Outputs},
};

/// Version of the schema of the list. It grows when a field changes its meaning or is removed.
const SCHEMA: u32 = 1;

/// Whether the inputs are volumes. They are named as files, and not among DICOM.
pub(super) fn are_inputs(args: &Args) -> Result<bool, Failure> {
    let (volumes, others): (Vec<&PathBuf>, Vec<_>) = args.inputs.iter().partition(|input| is_volume(input));
    let (Some(volume), Some(other)) = (volumes.first(), others.first()) else { return Ok(!volumes.is_empty()) };
    let reason = format!("a volume, and {} is none: restore DICOM and volumes in runs of their own", other.display());
    Err(Failure::usage(format!("{}: {reason}", volume.display())))
}

/// What to do with volumes in a folder in which no series was found: folders are searched for DICOM alone, since a volume does
/// not say what it shows.
pub(super) fn hint_of_folder(scan: &Scan, args: &Args) -> String {
    let files = scan.set_aside.iter().map(|file| &file.path);
    let volumes: Vec<&PathBuf> = files.filter(|path| is_volume(path)).collect();
    let Some(first) = volumes.first() else { return String::new() };
    let (count, first) = (volumes.len(), args.name(first));
    let kind = "volumes (NIfTI, NRRD or the like), which are named as files";
    format!("; {count} of them are {kind}, such as {}", first.display())
}

/// Refuses options that only one of the two kinds of inputs has.
pub(super) fn check_flags(args: &Args, volumes: bool) -> Result<(), Failure> {
    let only_dicom = [
        ("--resume", args.resume),
        ("--allow-partial", args.allow_partial),
        ("--select", args.select.is_some()),
        ("--series", !args.series.is_empty()),
        ("--largest", args.largest),
        ("--series-description", args.series_description.is_some()),
        ("--timestamp", args.timestamp.is_some()),
        ("--transfer-syntax", !matches!(args.transfer_syntax, Syntax::Explicit)),
        ("--names", !matches!(args.names, Names::Order)),
        ("--show-uids", args.show_uids),
        ("--preview", args.preview),
        ("a ZIP as output", args.zip().is_some()),
    ];
    let wrong = only_dicom.iter().find(|(_, given)| volumes && *given);
    match wrong {
        Some((flag, _)) => Err(Failure::usage(format!("{flag}: is for DICOM series, and the inputs are volumes"))),
        None if args.float && !volumes => {
            Err(Failure::usage("--float: is for NIfTI and NRRD volumes, and the inputs are DICOM"))
        }
        None => Ok(()),
    }
}

/// An error with the flag that helps.
fn failure(e: &Error, modality: Modality) -> Failure {
    let text = match e {
        Error::File { path, reason } => format!("{}: {}", path.display(), hint(reason, modality)),
        Error::Exists { .. } => format!("{e}: use --overwrite"),
        Error::Core(e) => flags::core(e),
        other => other.to_string(),
    };
    Failure::new(e.kind(), text)
}

fn hint(reason: &Reason, modality: Modality) -> String {
    match (reason, modality) {
        (Reason::UnknownUnit, Modality::Ct) => format!("{reason}: add --units hu if they are HU"),
        (Reason::UnknownUnit, _) => {
            format!("{reason}: add --units suv if they are SUV, or --units native for any other unit")
        }
        (Reason::OtherUnit(_), Modality::Ct) => format!("{reason}: use artir pet"),
        (Reason::OtherUnit(_), _) => format!("{reason}: use artir ct"),
        (Reason::NoPatient, _) => format!("{reason}: use --units suv or --units native"),
        (Reason::NotHounsfield, _) => format!("{reason}; --rescale 1,-1024 restores it as HU + 1024"),
        (Reason::DoesNotFit(_), _) => format!("{reason}; --float writes 32-bit floats"),
        (Reason::Restored, _) => format!("{reason}: use --include-derived to restore it again"),
        (other, _) => other.to_string(),
    }
}

fn options(args: &Args, quantity: Option<Quantity>) -> Options {
    Options::default()
        .quantity(quantity)
        .rescale(args.rescale)
        .float(args.float)
        .include_derived(args.include_derived)
        .overwrite(args.overwrite)
}

#[derive(Debug, Serialize)]
struct Listing {
    schema: u32,
    volumes: Vec<Listed>,
    damaged: Vec<Unread>,
}

#[derive(Debug, Serialize)]
struct Listed {
    file: String,
    format: &'static str,
    datatype: &'static str,
    rows: usize,
    columns: usize,
    slices: usize,
    frames: usize,
    /// Distance of rows, of columns and of slices.
    spacing_mm: [f64; 3],
    findings: Vec<String>,
    /// The reason why it would be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

#[derive(Debug, Serialize)]
struct Unread {
    file: String,
    reason: String,
}

/// `--list`.
pub(super) fn list(
    args: &Args,
    modality: Modality,
    quantity: Option<Quantity>,
    form: ListForm,
) -> Result<ExitCode, Failure> {
    let mut listing = Listing { schema: SCHEMA, volumes: Vec::new(), damaged: Vec::new() };
    let mut tally = Tally::default();
    let reason = |e: &Error| match e {
        Error::File { reason, .. } => hint(reason, modality),
        other => other.to_string(),
    };
    for path in &args.inputs {
        let opened = Volume::open(path).map(|volume| {
            let refused = volume.plan(modality, &options(args, quantity)).err();
            (volume.summary(), refused)
        });
        match opened {
            Ok((summary, refused)) => {
                match &refused {
                    Some(e) => tally.fail(failure(e, modality))?,
                    None => tally.written += 1,
                }
                listing.volumes.push(Listed {
                    file: args.shown(path),
                    format: summary.format,
                    datatype: summary.datatype,
                    rows: summary.rows,
                    columns: summary.columns,
                    slices: summary.slices,
                    frames: summary.frames,
                    spacing_mm: summary.spacing_mm,
                    findings: summary.findings.iter().map(ToString::to_string).collect(),
                    refused: refused.as_ref().map(reason),
                });
            }
            Err(e) => {
                listing.damaged.push(Unread { file: args.shown(path), reason: reason(&e) });
                tally.fail(failure(&e, modality))?;
            }
        }
    }
    match form {
        ListForm::Json => say!("{}", serde_json::to_string_pretty(&listing).map_err(Failure::failed)?),
        ListForm::Table => say!("{}", table(&listing.volumes)),
    }
    Ok(tally.code())
}

fn table(volumes: &[Listed]) -> String {
    let head = ["volume", "format", "datatype", "slices", "frames", "matrix", "pixels, mm", "spacing, mm", "findings"];
    let rows = volumes.iter().enumerate().map(|(i, v)| {
        let [rows, columns, slices] = v.spacing_mm;
        let mut findings = v.findings.clone();
        findings.extend(v.refused.as_ref().map(|why| format!("would be refused: {why}")));
        vec![
            (i + 1).to_string(),
            v.format.to_owned(),
            v.datatype.to_owned(),
            v.slices.to_string(),
            v.frames.to_string(),
            format!("{} x {}", v.rows, v.columns),
            format!("{rows:.3} x {columns:.3}"),
            format!("{slices:.2}"),
            if findings.is_empty() { "-".into() } else { findings.join("; ") },
        ]
    });
    table::aligned(std::iter::once(head.map(String::from).to_vec()).chain(rows).collect())
}

/// One volume on its way.
struct Job {
    number: usize,
    volume: Volume,
    plan: Plan,
    target: PathBuf,
}

/// Checks the outputs first, then restores one volume after the other. An error here ends the whole command.
pub(super) fn all(
    run: &Run<'_>,
    quantity: Option<Quantity>,
    mut checks: Outputs,
    report: &mut Report,
    restorer: &mut Restorer,
    mut tally: Tally,
) -> Result<Tally, Failure> {
    let Run { args, modality, .. } = *run;
    let mut jobs = Vec::new();
    for (path, number) in args.inputs.iter().zip(1..) {
        let planned = Volume::open(path)
            .and_then(|volume| volume.plan(modality, &options(args, quantity)).map(|plan| (volume, plan)))
            .map_err(|e| failure(&e, modality));
        let checked = planned.and_then(|(volume, plan)| {
            let target = target(run, path)?;
            check(&volume, &target, args, modality, &mut checks)?;
            Ok(Job { number, volume, plan, target })
        });
        match checked {
            Ok(job) => {
                // Voxels shrink to an eighth at most.
                checks.needs(&job.target, job.volume.size() / 8);
                jobs.push(job);
            }
            Err(e) => refuse(run, (number, path), e, report, &mut tally)?,
        }
    }
    checks.check_space()?;
    for job in jobs {
        if args.dry_run {
            tally.written += 1;
            let summary = job.volume.summary();
            say!(
                "volume {}: {} slices would go to {}",
                job.number,
                summary.slices * summary.frames,
                job.target.display()
            );
        } else if let Err(e) = one(run, &job, restorer, report) {
            refuse(run, (job.number, job.volume.path()), e, report, &mut tally)?;
        } else {
            tally.written += 1;
        }
    }
    Ok(tally)
}

fn refuse(
    run: &Run<'_>,
    (number, path): (usize, &Path),
    failure: Failure,
    report: &mut Report,
    tally: &mut Tally,
) -> Result<(), Failure> {
    // Reports have no file names unless they were asked for: neither the source's nor those of its results.
    let name = run.args.shown(path);
    let target = target(run, path).unwrap_or_default();
    let voxels = ["raw.gz", "raw"].map(|ending| target.with_extension(ending));
    let mut problem = failure.message.clone();
    let files = voxels.iter().chain([&target]).map(PathBuf::as_path).chain([path]);
    for file in files.filter(|file| !file.as_os_str().is_empty()) {
        problem = problem.replace(&file.display().to_string(), &run.args.shown(file));
    }
    report.volume(VolumeEntry { number, name, problems: vec![problem], ..VolumeEntry::default() });
    tally.fail(failure)
}

/// The path of a result: the output itself if it is named as a volume, else the source's name in it.
fn target(run: &Run<'_>, path: &Path) -> Result<PathBuf, Failure> {
    let Run { args, output, .. } = *run;
    let named = args.output.is_some() && !output.is_dir() && is_volume(output);
    match (named, args.inputs.len()) {
        (false, _) => Ok(output.join(path.file_name().unwrap_or_default())),
        (true, 1) => Ok(output.to_owned()),
        (true, _) => Err(Failure::usage(format!("{}: several volumes need a folder", output.display()))),
    }
}

/// Checks the files of a result. A dry run without an output has none.
fn check(volume: &Volume, target: &Path, args: &Args, modality: Modality, checks: &mut Outputs) -> Result<(), Failure> {
    if args.output.is_none() {
        return Ok(());
    }
    for result in volume.results(target).map_err(|e| failure(&e, modality))? {
        if volume.files().iter().any(|file| artir_files::same_file(file, &result)) {
            let reason = "the result would overwrite its own source: use another output";
            return Err(Failure::usage(format!("{}: {reason}", result.display())));
        }
        checks.add("a volume", &result, Kind::File, args.overwrite)?;
    }
    Ok(())
}

fn one(run: &Run<'_>, job: &Job, restorer: &mut Restorer, report: &mut Report) -> Result<(), Failure> {
    let Run { args, modality, progress, quiet, noise, .. } = *run;
    let Job { number, volume, plan, target } = job;
    let name = format!("volume {number}");
    let fail = |e: Error| failure(&e, modality);
    let remark = match noise {
        Some(wanted) => {
            let choice: Option<NoiseChoice> = volume.choose_strength(plan, restorer, wanted, progress).map_err(fail)?;
            strength::tell(&name, choice, restorer, wanted)
        }
        None => None,
    };
    let summary = volume.summary();
    let pixels = (summary.rows * summary.columns * summary.slices * summary.frames) as u64;
    progress.start(&name, pixels);
    let done = match progress.is_cancelled() {
        true => Err(artir_core::Error::Interrupted.into()),
        false => volume.restore(plan, restorer, target, progress),
    };
    let done = done.map_err(fail)?;
    if !quiet && !done.findings.is_empty() {
        let texts: Vec<String> = done.findings.iter().map(ToString::to_string).collect();
        say_error!("artir: {name}: {}", texts.join("; "));
    }
    if !quiet {
        say!("{name}: {} slices written to {}", done.slices, target.display());
    }
    report.volume(VolumeEntry {
        number: *number,
        name: args.shown(target),
        slices: done.slices,
        findings: done.findings.iter().map(ToString::to_string).chain(remark).collect(),
        provenance: Some(done.provenance),
        noise: done.noise.iter().map(|noise| Noise::of_volume(noise, modality)).collect(),
        problems: Vec::new(),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use artir_core::ErrorKind;

    use super::*;

    #[test]
    fn reasons_name_the_flag_that_helps() {
        let hint = |reason, modality| super::hint(&reason, modality);
        assert!(hint(Reason::UnknownUnit, Modality::Ct).contains("--units hu"));
        assert!(hint(Reason::UnknownUnit, Modality::Pet).contains("--units native"));
        assert!(hint(Reason::OtherUnit("SUV"), Modality::Ct).contains("artir pet"));
        assert!(hint(Reason::DoesNotFit("int16"), Modality::Ct).contains("--float"));
        let exists = failure(&Error::Exists { path: "a.nii".into() }, Modality::Ct);
        assert!(exists.kind == ErrorKind::Usage && exists.message.contains("--overwrite"));
    }
}
