//! Names of the files of a derived series.

use std::{collections::HashSet, path::Path};

use super::place::Place;

/// How the files of a derived series are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileNames {
    /// By the order of slices: `0001.dcm`, `0002.dcm`, ...
    #[default]
    Order,
    /// By InstanceNumber (0020,0013).
    Instance,
    /// As the source's file, which may hold the patient's name.
    Source,
}

/// The longest name, in bytes. Most file systems take 255; a number may be added to it.
const LONGEST: usize = 200;

impl FileNames {
    /// A name for each place. Names are unique, also where a file system does not tell capitals from small letters.
    pub(super) fn of(self, places: &[Place<'_>]) -> Vec<String> {
        let mut taken = HashSet::new();
        let unique = |(i, place): (usize, &Place<'_>)| {
            let (stem, ending) = self.wanted(i, place);
            let numbered = (2..).map(|n| format!("{stem}-{n}{ending}"));
            let mut names = std::iter::once(format!("{stem}{ending}")).chain(numbered);
            names.find(|name| taken.insert(name.to_lowercase())).unwrap_or_default()
        };
        places.iter().enumerate().map(unique).collect()
    }

    /// Stem and ending.
    fn wanted(self, index: usize, place: &Place<'_>) -> (String, String) {
        let numbered = |n: i64| (format!("{n:04}"), ".dcm".to_owned());
        match (self, &place.single) {
            (Self::Order, _) => numbered(index as i64 + 1),
            // The number that the slice of a frame gets.
            (Self::Instance, Some(single)) => numbered(single.number as i64),
            (Self::Instance, None) => numbered(place.instance.instance_number),
            (Self::Source, single) => {
                let (mut stem, ending) = source_name(&place.instance.path);
                if let Some(single) = single {
                    stem.push_str(&format!("-{:04}", single.frame + 1));
                }
                (stem, ending)
            }
        }
    }
}

/// Stem and ending of a source's file. Characters that a manifest's line cannot hold, and those that a file system may refuse,
/// become `_`; so does a dot that would hide the file.
fn source_name(path: &Path) -> (String, String) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER || "\\/:*?\"<>|".contains(c);
    let mut name: String = name.chars().map(|c| if plain(c) { '_' } else { c }).collect();
    if name.starts_with('.') {
        name.replace_range(..1, "_");
    }
    // A name without an ending may be a UID, whose last number is no ending.
    let ending = [".dcm", ".ima", ".dicom", ".dic"].iter().find(|e| name.to_lowercase().ends_with(*e));
    let at = name.len() - ending.map_or(0, |ending| ending.len());
    let (stem, ending) = name.split_at(at);
    let end = (0..=stem.len().min(LONGEST)).rev().find(|end| stem.is_char_boundary(*end)).unwrap_or(0);
    (stem[..end].to_owned(), ending.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::{options::RestoreOptions, plan::places, tests};

    #[test]
    fn source_names_stay_as_far_as_a_file_can_have_them() {
        for (source, stem, ending) in [
            ("a b.dcm", "a b", ".dcm"),
            ("IM0001", "IM0001", ""),
            ("1.2.840.5", "1.2.840.5", ""),
            ("X.IMA", "X", ".IMA"),
            ("\u{5934}\u{90e8}.dcm", "\u{5934}\u{90e8}", ".dcm"),
            ("a\nb.dcm", "a_b", ".dcm"),
            (".dcm", "_dcm", ""),
        ] {
            assert_eq!(source_name(Path::new(source)), (stem.to_owned(), ending.to_owned()), "{source}");
        }
        let long = "\u{e9}".repeat(150);
        assert_eq!(source_name(Path::new(&long)).0, "\u{e9}".repeat(100));
    }

    #[test]
    fn names_are_unique_whatever_they_come_from() {
        let objects = [("b/x.dcm", 0.0, 3), ("a/X.dcm", 1.0, 3), ("a/y", 2.0, 12)];
        let objects = objects.map(|(name, z, number)| {
            let mut object = tests::slice(z, &format!("1.2.3.{z}"), 1);
            let number = dicom_core::PrimitiveValue::from(number.to_string());
            let vr = dicom_core::VR::IS;
            object.put(dicom_core::DataElement::new(dicom_dictionary_std::tags::INSTANCE_NUMBER, vr, number));
            (name, object)
        });
        let (_dir, found) = tests::folder(&objects);
        let names = |names| -> Vec<String> {
            let options = RestoreOptions::default().file_names(names);
            places(&found.series[0], &options).into_iter().map(|place| place.name).collect()
        };
        assert_eq!(names(FileNames::Order), ["0001.dcm", "0002.dcm", "0003.dcm"]);
        assert_eq!(names(FileNames::Instance), ["0003.dcm", "0003-2.dcm", "0012.dcm"]);
        assert_eq!(names(FileNames::Source), ["x.dcm", "X-2.dcm", "y"]);
    }
}
