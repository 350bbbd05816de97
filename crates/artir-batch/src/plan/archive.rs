//! Series of an archive on a network.

use super::{Ended, Lines, job};
use crate::{
    Command, Error,
    network::{
        address::{archive, shown},
        orthanc::Orthanc,
    },
};

/// The CT and PET series of an Orthanc, by the modality that it lists. No object is read.
pub(super) fn series(address: &str, command: Option<Command>, lines: &mut Lines<'_>) -> Result<(), Error> {
    let fail = |reason: String| Error::Archive { address: shown(address), reason };
    if matches!(command, Some(Command::Geo | Command::Image)) {
        return Err(fail("an Orthanc holds CT and PET series alone, no scenes and photographs".into()));
    }
    let base = archive(address).map_err(|reason| fail(reason.into()))?;
    let orthanc = Orthanc::new(base).map_err(|miss| miss.of(address))?;
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
    listed.map_err(|ended| ended.of(address))
}
