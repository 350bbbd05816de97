//! `--noise`: the strength of each series is chosen by the noise that is measured in it.

use artir_core::{Progress, Restorer};
use artir_dicom::{RestoreOptions, Series};

use crate::outcome::Failure;

/// Gives the restorer the strength that leaves `target` HU of noise in a series, and logs it.
///
/// # Errors
/// A series whose noise cannot be measured, and errors of the core.
pub(super) fn choose(
    number: usize,
    series: &Series,
    restorer: &mut Restorer,
    target: f64,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let Some(choice) = artir_dicom::choose_strength(series, restorer, target, options, progress)? else {
        let reason = "no slice shows enough soft tissue to measure its noise in: use --strength";
        return Err(Failure::input(format!("series {number}: not written: {reason}")));
    };
    let (strength, before, after) = (choice.strength, choice.before, choice.after);
    eprintln!("artir: series {number}: {before:.1} HU of noise, {after:.1} HU at the chosen strength of {strength:.2}");
    if after > 1.05 * target {
        eprintln!("artir: series {number}: the model cannot reach {target} HU");
    } else if strength == 0.0 {
        eprintln!("artir: series {number}: it has no more than {target} HU of noise and stays as it is");
    }
    Ok(())
}
