//! What to do about an error of a scene: the flags that would have avoided it, which the library does not know.

use artir_geo::{Error, Permission, Reason};

use crate::outcome::Failure;

/// The error in one line, with what to do.
pub(super) fn message(error: &Error) -> String {
    match hint(error) {
        Some(hint) => format!("{error}: {hint}"),
        None => match error.reason().map(Reason::innermost) {
            // The option's own words follow the flag.
            Some(option @ Reason::Option { .. }) => {
                let (text, option) = (error.to_string(), option.to_string());
                text.replace(&option, &format!("--co {option}"))
            }
            _ => error.to_string(),
        },
    }
}

fn hint(error: &Error) -> Option<String> {
    if let Error::Exists { .. } = error {
        return Some("use --overwrite".into());
    }
    let reason = error.reason()?;
    match reason.needs() {
        Some(Permission::Network) => return Some("use --allow-remote".into()),
        Some(Permission::Folder(folder)) => return Some(format!("use --allow-path {} to allow it", folder.display())),
        Some(_) => return Some("use --allow-remote if it is to be trusted".into()),
        None => {}
    }
    Some(match reason.innermost() {
        Reason::NoColours => "use --bands with the numbers of red, green and blue, such as --bands 3,2,1".into(),
        Reason::NoBand { .. } | Reason::Model { .. } => "see --bands".into(),
        Reason::Stale(_) => "use --overwrite to remove it, or another name".into(),
        Reason::Taken => "move it away and use --resume, or use --resume with --overwrite".into(),
        _ => return None,
    })
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self::new(e.kind(), message(&e))
    }
}
