//! What an object is, by the beginning of its file: for programs that sort objects without reading them whole.

use std::path::Path;

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::{dataset::DataSet, file::DicomFile};
use crate::{Error, Reason};

/// Bytes of a file that are looked at. Private attributes of a megabyte come before the UIDs of some series.
const MOST: u64 = 4 << 20;

/// What an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectIdentity {
    /// SOPClassUID.
    pub sop_class_uid: String,
    /// SOPInstanceUID.
    pub sop_instance_uid: String,
    /// SeriesInstanceUID.
    pub series_instance_uid: String,
    /// TransferSyntaxUID.
    pub transfer_syntax: String,
    /// How many objects the series has, where the object states it.
    pub objects_in_series: Option<u32>,
}

/// Reads what an object is. Its pixels are not looked at, and no more than the first 4 MiB of its file.
///
/// # Errors
/// [`Error::File`] for a file that is not DICOM, or lacks one of the UIDs.
pub fn identify(path: &Path) -> Result<ObjectIdentity, Error> {
    let Some((set, transfer_syntax)) = DicomFile::beginning(path, MOST)? else {
        return Err(Error::file(path, Reason::NotDicom));
    };
    let uid = |tag: Tag, name: &str| {
        let missing = || Error::file(path, Reason::attribute(format!("{name} is missing")));
        set.text(tag).map(str::to_owned).ok_or_else(missing)
    };
    Ok(ObjectIdentity {
        sop_class_uid: uid(tags::SOP_CLASS_UID, "SOPClassUID (0008,0016)")?,
        sop_instance_uid: uid(tags::SOP_INSTANCE_UID, "SOPInstanceUID (0008,0018)")?,
        series_instance_uid: uid(tags::SERIES_INSTANCE_UID, "SeriesInstanceUID (0020,000E)")?,
        objects_in_series: objects_in_series(&set),
        transfer_syntax,
    })
}

/// The size of a series: stated outright by some archives, and for PET by the number of slices of its one volume.
fn objects_in_series(set: &DataSet) -> Option<u32> {
    let one_volume = || ["STATIC", "WHOLE BODY"].contains(set.texts(tags::SERIES_TYPE).first().unwrap_or(&""));
    let stated = set.integer(tags::NUMBER_OF_SERIES_RELATED_INSTANCES);
    let number = stated.or_else(|| set.integer(tags::NUMBER_OF_SLICES).filter(|_| one_volume()))?;
    u32::try_from(number).ok().filter(|n| *n > 0)
}

#[cfg(test)]
mod tests {
    use dicom_core::VR;

    use super::*;

    #[test]
    fn every_encoding_is_identified_and_the_rest_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        for (name, bytes) in crate::restore::tests::seeds() {
            std::fs::write(&path, &bytes).unwrap();
            let found = identify(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(!found.series_instance_uid.is_empty(), "{name}");
            // Cut within the pixels, it is still the same object.
            std::fs::write(&path, &bytes[..bytes.len() - 8]).unwrap();
            if name != "deflated" {
                assert_eq!(identify(&path).unwrap(), found, "{name}");
            }
            // Without the UIDs it is none, and no cut is a panic.
            for cut in (0..bytes.len()).step_by(7) {
                std::fs::write(&path, &bytes[..cut]).unwrap();
                drop(identify(&path));
            }
        }
        std::fs::write(&path, "not DICOM").unwrap();
        assert!(identify(&path).unwrap_err().to_string().ends_with("not a DICOM file"));
    }

    #[test]
    fn the_size_of_a_series_is_known_where_one_volume_is_the_series() {
        let size = |kind: &str, slices: u16, stated: Option<&str>| {
            let mut set = DataSet::default();
            set.put_text(tags::SERIES_TYPE, VR::CS, kind);
            set.put_us(tags::NUMBER_OF_SLICES, slices);
            if let Some(number) = stated {
                set.put_text(tags::NUMBER_OF_SERIES_RELATED_INSTANCES, VR::IS, number);
            }
            objects_in_series(&set)
        };
        assert_eq!(size("WHOLE BODY\\IMAGE", 267, None), Some(267));
        assert_eq!(size("DYNAMIC\\IMAGE", 35, None), None, "several volumes");
        assert_eq!(size("DYNAMIC\\IMAGE", 35, Some("70")), Some(70));
        assert_eq!(size("STATIC\\IMAGE", 0, None), None);
    }
}
