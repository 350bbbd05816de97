//! The flags that help: the command line adds them to the errors of the library, which knows no flags.

use artir_dicom::{Error, Modality, Reason};

use crate::{flags, outcome::Failure};

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self::new(e.kind(), error(&e))
    }
}

/// A reason with the flag that helps, where there is one.
pub(crate) fn reason(reason: &Reason) -> String {
    match reason {
        Reason::NoSuv(_) => format!("{reason}; --units native restores without SUV"),
        Reason::NotUptake(_) => format!("{reason}; --units native restores it without SUV"),
        Reason::Clash(_) => format!("{reason}: --allow-partial keeps the first file of each SOPInstanceUID"),
        Reason::UnreadableBeside(_) => format!("{reason}; --allow-partial skips them"),
        Reason::NotHounsfield => format!("{reason}; --rescale 1,-1024 restores it as HU + 1024"),
        Reason::OtherModality(Modality::Pet) => format!("{reason}: use artir pet"),
        Reason::OtherModality(_) => format!("{reason}: use artir ct"),
        Reason::Restored => format!("{reason}: use --include-derived to restore it again"),
        other => other.to_string(),
    }
}

/// An error with the flag that helps, where there is one.
pub(crate) fn error(error: &Error) -> String {
    match error {
        Error::File { path, reason: why } => format!("{}: {}", path.display(), reason(why)),
        Error::NoSeries { input, .. } => format!("{input}: {}", no_series(error)),
        Error::Exists { .. } => format!("{error}: use --overwrite"),
        Error::Core(e) => flags::core(e),
        other => other.to_string(),
    }
}

/// The error of a search that found nothing, without the names of the inputs.
pub(crate) fn no_series(error: &Error) -> String {
    let Error::NoSeries { what, reasons, .. } = error else { return error.to_string() };
    let listed: Vec<String> = reasons.iter().map(|(why, n)| format!("{n} file(s): {}", reason(why))).collect();
    let listed = if listed.is_empty() { "no files".into() } else { listed.join("; ") };
    format!("no {what} series found ({listed})")
}
