//! `--noise`: the strength of each series is chosen by the noise that is measured in it.

use artir_core::{Progress, Restorer};
use artir_dicom::{NoiseChoice, RestoreOptions, Series};

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
    let choice = artir_dicom::choose_strength(series, restorer, target, options, progress)?;
    Ok(tell(&format!("series {number}"), choice, restorer, target))
}

/// Logs the strength that was chosen for a series or volume. Returns a line for the report where none could be.
pub(super) fn tell(name: &str, choice: Option<NoiseChoice>, restorer: &Restorer, target: f64) -> Option<String> {
    let Some(choice) = choice else {
        let used = format!(
            "no slice shows enough soft tissue to measure its noise in: the model's own strength of {:.2} was used",
            restorer.strength()
        );
        say_error!("artir: {name}: {used}");
        return Some(used);
    };
    let (strength, before, after) = (choice.strength, choice.before, choice.after);
    say_error!("artir: {name}: {before:.1} HU of noise, {after:.1} HU at the chosen strength of {strength:.2}");
    if after > 1.05 * target {
        say_error!("artir: {name}: the model cannot reach {target} HU");
    } else if strength == 0.0 {
        say_error!("artir: {name}: it has no more than {target} HU of noise and stays as it is");
    }
    None
}
