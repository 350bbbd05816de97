//! `artir ct` and `artir pet`: DICOM series in, derived series out.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use artir_core::Task;
use artir_dicom::{DeriveOptions, Modality, Scan};

use crate::{
    common::{Inference, Output},
    outcome::{Failure, Tally},
    progress::Terminal,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// DICOM files or folders, searched recursively
    #[arg(required = true, value_name = "SERIES")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    inference: Inference,
}

pub(crate) fn run(args: &Args, modality: Modality, quiet: bool) -> Result<ExitCode, Failure> {
    let scan = artir_dicom::scan(&args.inputs, modality)?;
    tell_set_aside(&scan, quiet);
    if args.output.dry_run {
        for (i, series) in scan.series.iter().enumerate() {
            say!("series {}: {} slices", i + 1, series.slices.len());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let task = match modality {
        Modality::Pet => Task::PetEnhance,
        _ => Task::CtDenoise,
    };
    let restorer = args.inference.restorer_for(task)?;
    let options = DeriveOptions { overwrite: args.output.overwrite, ..DeriveOptions::default() };
    let progress = Terminal::new(quiet);
    let mut tally = Tally::default();
    for (i, series) in scan.series.iter().enumerate() {
        match artir_dicom::restore_series(series, &restorer, &args.output.output, &options, &progress) {
            Ok(report) => {
                tally.written += 1;
                if !quiet {
                    say!("series {}: {} slices written", i + 1, report.files.len());
                }
            }
            Err(e) => tally.fail(e.into())?,
        }
    }
    Ok(tally.code())
}

/// What was left out, counted by reason.
fn tell_set_aside(scan: &Scan, quiet: bool) {
    if quiet {
        return;
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for file in &scan.set_aside {
        *reasons.entry(file.reason.as_str()).or_default() += 1;
    }
    for (reason, count) in reasons {
        eprintln!("artir: {count} file(s) set aside: {reason}");
    }
}
