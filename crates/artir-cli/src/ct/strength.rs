//! `--noise`: the strength of each series is chosen by the noise that is measured in it.

use artir_core::{Progress, Restorer};
use artir_dicom::{RestoreOptions, Series};

use crate::outcome::Failure;

/// Gives the restorer the strength that leaves `target` HU of noise in a series, and logs it. A series whose noise cannot be
/// measured gets the model's usual strength, and a line for the report.
///
/// # Errors
/// Errors of the core.
pub(super) fn choose(
    number: usize,
    series: &Series,
    restorer: &mut Restorer,
    target: f64,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Option<String>, Failure> {
    let Some(choice) = artir_dicom::choose_strength(series, restorer, target, options, progress)? else {
        let used = format!(
            "no slice shows enough soft tissue to measure its noise in: the model's own strength of {:.2} was used",
            restorer.strength()
        );
        eprintln!("artir: series {number}: {used}");
        return Ok(Some(used));
    };
    let (strength, before, after) = (choice.strength, choice.before, choice.after);
    eprintln!("artir: series {number}: {before:.1} HU of noise, {after:.1} HU at the chosen strength of {strength:.2}");
    if after > 1.05 * target {
        eprintln!("artir: series {number}: the model cannot reach {target} HU");
    } else if strength == 0.0 {
        eprintln!("artir: series {number}: it has no more than {target} HU of noise and stays as it is");
    }
    Ok(None)
}
