//! Series of an archive on a network.

use super::{Lines, job};
use crate::{
    Command, Error,
    orthanc::{Miss, Orthanc, base},
};

/// The CT and PET series of an Orthanc, by the modality that it lists. No object is read.
pub(super) fn series(address: &str, command: Option<Command>, lines: &mut Lines<'_>) -> Result<(), Error> {
    let fail = |reason: String| Error::Archive { address: shown(address), reason };
    if matches!(command, Some(Command::Geo | Command::Image)) {
        return Err(fail("an Orthanc holds CT and PET series alone, no scenes and photographs".into()));
    }
    let base = base(address).map_err(|reason| fail(reason.into()))?;
    let orthanc = Orthanc::new(base).map_err(|miss| fail(miss.reason))?;
    let listed = orthanc.series(base, |series| {
        let own = match series.main_dicom_tags.modality.trim() {
            "CT" => Command::Ct,
            "PT" => Command::Pet,
            _ => {
                lines.leave_out("a series of another modality than CT and PET");
                return Ok(());
            }
        };
        if command.is_some_and(|command| command != own) {
            return Ok(());
        }
        if !series.has_plain_id() {
            return Err(Ended::Other(fail("it lists a series whose ID is none of Orthanc's".into())));
        }
        let uid = series.main_dicom_tags.uid.trim();
        let input = vec![format!("{base}/series/{}/archive", series.id)];
        let identity = if uid.is_empty() { &series.id } else { uid };
        lines.add(&job(own, identity, input)).map_err(Ended::Other)
    });
    listed.map_err(|ended| match ended {
        Ended::Other(error) => error,
        Ended::Archive(miss) => fail(miss.reason),
    })
}

/// Why the list ended early.
enum Ended {
    Other(Error),
    Archive(Miss),
}

impl From<Miss> for Ended {
    fn from(miss: Miss) -> Self {
        Self::Archive(miss)
    }
}

/// An address for an error, without credentials that somebody put into it.
fn shown(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => address.to_owned(),
    }
}
