//! `--list`, and the lines about what a search found.

use std::process::ExitCode;

use artir_dicom::{Finding, PetUnits, Reason, Scan, Shown};

use super::{
    args::{Args, ListForm},
    table,
};
use crate::{ct::hint, outcome::Failure};

pub(super) fn list(args: &Args, scan: &Scan, units: PetUnits, form: ListForm) -> Result<ExitCode, Failure> {
    match form {
        ListForm::Json => {
            let listing =
                artir_dicom::list(scan, units, &Shown { file: &|path| args.shown(path), reason: &hint::reason });
            let text = serde_json::to_string_pretty(&listing).map_err(Failure::failed)?;
            say!("{text}");
        }
        ListForm::Table => {
            say!("{}", table::render(scan, units));
            tell_files(scan);
            for error in &scan.damaged {
                say_error!("artir: {}", args.error(error));
            }
            for refused in &scan.refused {
                say_error!("artir: {}", args.error(&refused.error()));
            }
            for (i, clash) in scan.series.iter().enumerate().filter_map(|(i, s)| Some((i, s.clash()?))) {
                say_error!("artir: series {}: {}", i + 1, args.error(&clash));
            }
        }
    }
    // As when they are restored.
    let whole = scan.damaged.is_empty() && scan.refused.is_empty() && scan.series.iter().all(|s| s.clashing.is_empty());
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(4) })
}

/// Logs skipped files, counted by reason, and unusual properties of the series.
pub(super) fn log_skipped(scan: &Scan) {
    tell_files(scan);
    for (i, series) in scan.series.iter().enumerate() {
        // Files that share another's SOPInstanceUID are an error and have their own line.
        let findings: Vec<Finding> =
            series.findings.iter().filter(|f| !matches!(f, Finding::Clashing(_))).cloned().collect();
        if !findings.is_empty() {
            say_error!("artir: series {}: {}", i + 1, joined(&findings));
        }
    }
}

fn tell_files(scan: &Scan) {
    // A folder of DICOMweb has metadata beside every object.
    let told = scan.set_aside_by_reason().into_iter().filter(|(reason, _)| !matches!(reason, Reason::Metadata));
    for (reason, files) in told {
        say_error!("artir: {} file(s) skipped: {}", files.len(), hint::reason(reason));
    }
}

pub(super) fn joined(findings: &[Finding]) -> String {
    let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
