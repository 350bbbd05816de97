//! The patient, study and frame of reference of an object.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use crate::read::dataset::DataSet;

/// Patient, study and frame of reference of an object. Empty values are treated as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// PatientID, in the bytes of its character set.
    pub(super) patient_id: Option<Vec<u8>>,
    issuer: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
    birth_date: Option<Vec<u8>>,
    sex: Option<Vec<u8>>,
    pub(super) study_uid: Option<String>,
    pub(super) frame_of_reference: Option<String>,
}

/// One of the values that distinguish patients.
type Field = fn(&Identity) -> Option<&Vec<u8>>;

/// PatientID as errors name it.
const PATIENT_ID: &str = "PatientID (0010,0020)";
/// StudyInstanceUID as findings name it.
pub(super) const STUDY: &str = "StudyInstanceUID (0020,000D)";
/// FrameOfReferenceUID as findings name it.
pub(super) const FRAME_OF_REFERENCE: &str = "FrameOfReferenceUID (0020,0052)";

impl Identity {
    pub(super) fn read(set: &DataSet) -> Self {
        let uid = |tag| set.text(tag).map(str::to_owned);
        Self {
            patient_id: trimmed(set, tags::PATIENT_ID),
            issuer: trimmed(set, tags::ISSUER_OF_PATIENT_ID),
            name: trimmed(set, tags::PATIENT_NAME).map(plain_name),
            birth_date: trimmed(set, tags::PATIENT_BIRTH_DATE),
            sex: trimmed(set, tags::PATIENT_SEX),
            study_uid: uid(tags::STUDY_INSTANCE_UID),
            frame_of_reference: uid(tags::FRAME_OF_REFERENCE_UID),
        }
    }

    /// StudyInstanceUID.
    pub(super) fn study(&self) -> Option<&String> {
        self.study_uid.as_ref()
    }
}

/// A value without its padding, in whatever character set.
fn trimmed(set: &DataSet, tag: Tag) -> Option<Vec<u8>> {
    let pad = |b: &u8| [b' ', 0].contains(b);
    let bytes = set.bytes(tag)?;
    let from = bytes.iter().position(|b| !pad(b))?;
    let to = bytes.iter().rposition(|b| !pad(b))?;
    Some(bytes[from..=to].to_vec())
}

/// A name in capitals and without the delimiters of empty components (PS3.5, 6.2.1), which writers leave out or keep.
fn plain_name(mut name: Vec<u8>) -> Vec<u8> {
    name.make_ascii_uppercase();
    while name.last().is_some_and(|b| b"^= ".contains(b)) {
        name.pop();
    }
    name
}

/// The attribute by which the objects of one SeriesInstanceUID are seen to be of several patients.
///
/// PatientID, its issuer, birth date and sex must agree wherever they are given. The name may be spelled anew in the middle
/// of a study: beside a PatientID it counts only where two names have no part in common.
pub(super) fn conflict<'a>(identities: impl Iterator<Item = &'a Identity> + Clone) -> Option<&'static str> {
    let differs = |of: Field| {
        let mut values = identities.clone().filter_map(of);
        values.next().is_some_and(|first| values.any(|v| v != first))
    };
    let unnumbered = identities.clone().any(|i| i.patient_id.is_none());
    let fields: [(&'static str, Field); 4] = [
        (PATIENT_ID, |i| i.patient_id.as_ref()),
        ("IssuerOfPatientID (0010,0021)", |i| i.issuer.as_ref()),
        ("PatientBirthDate (0010,0030)", |i| i.birth_date.as_ref()),
        ("PatientSex (0010,0040)", |i| i.sex.as_ref()),
    ];
    let found = fields.into_iter().find(|(_, of)| differs(*of)).map(|(name, _)| name);
    let names = || identities.clone().filter_map(|i| i.name.as_ref());
    let other = || names().next().is_some_and(|first| names().any(|name| have_no_common_part(first, name)));
    let by_name = unnumbered && differs(|i| i.name.as_ref()) || other();
    found.or_else(|| by_name.then_some("PatientName (0010,0010)"))
}

/// Whether two names, in capitals, are of two people. In other character sets than ASCII, one name may be spelled in two ways.
/// A part may be an initial, or run on into the next, as in DOEJOHN.
fn have_no_common_part(a: &[u8], b: &[u8]) -> bool {
    let parts = |name: &[u8]| -> Vec<Vec<u8>> {
        let parts = name.split(|b| !b.is_ascii_alphanumeric());
        parts.filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect()
    };
    let (of_a, of_b) = (parts(a), parts(b));
    let are_known = a.is_ascii() && b.is_ascii() && !of_a.is_empty() && !of_b.is_empty();
    let are_one = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    are_known && !of_a.iter().any(|a| of_b.iter().any(|b| are_one(a, b)))
}

#[cfg(test)]
mod tests {
    use dicom_core::VR;

    use super::*;

    fn identity(values: &[(Tag, &[u8])]) -> Identity {
        let mut set = DataSet::default();
        for (tag, value) in values {
            set.put_raw_text(*tag, VR::LO, value.to_vec());
        }
        Identity::read(&set)
    }

    #[test]
    fn padding_and_missing_values_are_no_conflict() {
        let ids: [&[u8]; 6] = [b"A1", b"A1 ", b" A1\0", b"", b"  ", b"\0"];
        let all: Vec<_> = ids.iter().map(|id| identity(&[(tags::PATIENT_ID, id)])).collect();
        assert_eq!(conflict(all.iter()), None);
        assert_eq!(all[3], Identity::default());
    }

    #[test]
    fn patients_that_differ_are_told_by_attribute() {
        let told = |a: &[(Tag, &[u8])], b: &[(Tag, &[u8])]| conflict([identity(a), identity(b)].iter());
        let id = tags::PATIENT_ID;
        assert_eq!(told(&[(id, b"A1")], &[(id, b"A2")]), Some(PATIENT_ID));
        // In a character set of several bytes.
        assert_eq!(told(&[(id, b"\xb0\xa1")], &[(id, b"\xb0\xa2")]), Some(PATIENT_ID));
        let born = tags::PATIENT_BIRTH_DATE;
        let same = told(&[(id, b"ANON"), (born, b"19500101")], &[(id, b"ANON"), (born, b"19600101")]);
        assert_eq!(same, Some("PatientBirthDate (0010,0030)"));
        let name = tags::PATIENT_NAME;
        assert_eq!(told(&[(name, b"A^B")], &[(name, b"C^D")]), Some("PatientName (0010,0010)"));
        assert_eq!(told(&[(name, b"A^B")], &[(name, b"a^b^^")]), None);
        assert_eq!(told(&[(id, b"1"), (name, b"A^B")], &[(id, b"1"), (name, b"A^B^JUNIOR")]), None);
        // An anonymiser gave all patients one PatientID.
        let named = |a: &[u8], b: &[u8]| told(&[(id, b"ANON"), (name, a)], &[(id, b"ANON"), (name, b)]);
        assert_eq!(named(b"DOE^JOHN", b"ROE^JANE"), Some("PatientName (0010,0010)"));
        assert_eq!(named(b"DOE^JOHN", b"John Doe"), None);
        assert_eq!(named(b"M\xfcLLER^HANS", b"M\xc3\xbcLLER^H"), None);
        assert_eq!(named(b"DOE^JOHN", b"***"), None);
        assert_eq!(named(b"MUELLER^H", b"MULLER^HANS"), None);
        assert_eq!(named(b"DOEJOHN", b"DOE^JOHN"), None);
    }
}
