//! Choosing objects by their attributes: `Modality=CT,SliceThickness<=3,ImageType~AXIAL`.

use std::str::FromStr;

use dicom_core::{DataDictionary, Tag, dictionary::DataDictionaryEntry};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use crate::read::{characters, dataset::DataSet};

/// Conditions on attributes, all of which an object must meet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    conditions: Vec<Condition>,
}

/// The reason why a text is no selection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// A part has no operator.
    #[error("`{0}` has no operator: use =, !=, <, <=, >, >=, ~ (contains) or !~ between attribute and value")]
    Operator(String),
    /// No attribute of the standard has this keyword, and it is no tag.
    #[error("`{0}` is neither the keyword of an attribute, such as SliceThickness, nor a tag, such as 0018,0050")]
    Attribute(String),
    /// The operator needs a number.
    #[error("`{0}` is no number, and <, <=, > and >= need one")]
    Number(String),
}

#[derive(Clone, Debug, PartialEq)]
struct Condition {
    tag: Tag,
    operator: Operator,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Contains,
    Lacks,
}

/// Longer operators first, so that `<=` is not read as `<`.
const OPERATORS: [(&str, Operator); 8] = [
    ("!=", Operator::NotEqual),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("!~", Operator::Lacks),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("~", Operator::Contains),
];

impl FromStr for Selection {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, SelectionError> {
        let conditions = parts(text).into_iter().map(|part| Condition::read(&part)).collect::<Result<_, _>>()?;
        Ok(Self { conditions })
    }
}

/// The parts between commas. A comma within a tag (four hexadecimal digits on both sides, at the start of a part) and commas
/// within quotes separate nothing.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let hex = |text: &str| text.len() == 4 && text.bytes().all(|b| b.is_ascii_hexdigit());
    for (at, c) in text.char_indices() {
        let Some(part) = parts.last_mut() else { break };
        let is_tag = || {
            let after: String = text[at + 1..].chars().take(4).collect();
            hex(part.trim().trim_start_matches('(')) && hex(&after)
        };
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted && !is_tag() => parts.push(String::new()),
            c => part.push(c),
        }
    }
    parts
}

impl Condition {
    fn read(text: &str) -> Result<Self, SelectionError> {
        // The first operator in the text, and of those that start there the longest.
        let found = OPERATORS.iter().filter_map(|(sign, operator)| Some((text.find(sign)?, *sign, *operator)));
        let (at, sign, operator) = found
            .min_by_key(|(at, sign, _)| (*at, usize::MAX - sign.len()))
            .ok_or_else(|| SelectionError::Operator(text.trim().to_owned()))?;
        let (name, value) = (text[..at].trim(), text[at + sign.len()..].trim().to_owned());
        let tag = attribute(name).ok_or_else(|| SelectionError::Attribute(name.to_owned()))?;
        let ordered = matches!(operator, Operator::Less | Operator::AtMost | Operator::Greater | Operator::AtLeast);
        if ordered && value.parse::<f64>().is_err() {
            return Err(SelectionError::Number(value));
        }
        Ok(Self { tag, operator, value })
    }

    /// An attribute that is missing equals nothing and contains nothing.
    fn is_met(&self, set: &DataSet) -> bool {
        let Found { values, are_names } = Found::read(set, self.tag);
        let wanted = self.value.parse::<f64>().ok();
        let equal = |value: &String| match (value.parse::<f64>(), wanted) {
            (Ok(value), Some(wanted)) if !are_names => value == wanted,
            _ => value.to_lowercase() == self.value.to_lowercase(),
        };
        let contains = |value: &String| value.to_lowercase().contains(&self.value.to_lowercase());
        let compares = |with: fn(&f64, &f64) -> bool| {
            values.iter().filter_map(|v| v.parse().ok()).any(|value: f64| wanted.is_some_and(|w| with(&value, &w)))
        };
        match self.operator {
            Operator::Equal => values.iter().any(equal),
            Operator::NotEqual => !values.iter().any(equal),
            Operator::Less => compares(f64::lt),
            Operator::AtMost => compares(f64::le),
            Operator::Greater => compares(f64::gt),
            Operator::AtLeast => compares(f64::ge),
            Operator::Contains => values.iter().any(contains),
            Operator::Lacks => !values.iter().any(contains),
        }
    }
}

/// The tag of a keyword, or of `gggg,eeee`, with or without brackets.
fn attribute(name: &str) -> Option<Tag> {
    if let Some(entry) = StandardDataDictionary.by_name(name) {
        return Some(entry.tag());
    }
    let digits: String = name.chars().filter(|c| !"(),".contains(*c)).collect();
    let number = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 8)?;
    Some(Tag((number >> 16) as u16, number as u16))
}

/// What an object says of an attribute.
#[derive(Default)]
struct Found {
    values: Vec<String>,
    /// They are no numbers, even where they consist of digits.
    are_names: bool,
}

impl Found {
    /// All values of an attribute, of the object or of the functional groups of its first frame.
    fn read(set: &DataSet, tag: Tag) -> Self {
        let groups = [tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE];
        let of_groups = groups.iter().filter_map(|groups| set.items(*groups).first()).flat_map(|groups| {
            groups.iter().filter_map(|(sequence, _)| groups.items(sequence).first()).collect::<Vec<_>>()
        });
        let mut places = std::iter::once(set).chain(of_groups);
        let Some((holder, element)) = places.find_map(|holder| Some((holder, holder.get(tag)?))) else {
            return Self::default();
        };
        let values = match holder.numbers(tag) {
            Some(numbers) => numbers.iter().map(ToString::to_string).collect(),
            None => {
                let text = characters::decoded(set, holder.bytes(tag).unwrap_or_default());
                text.split('\\').map(|v| v.trim_matches([' ', '\0']).to_owned()).filter(|v| !v.is_empty()).collect()
            }
        };
        Self { values, are_names: characters::names_something(element.vr) }
    }
}

impl Selection {
    /// Whether an object meets all conditions.
    pub(super) fn is_met(&self, set: &DataSet) -> bool {
        self.conditions.iter().all(|condition| condition.is_met(set))
    }
}

#[cfg(test)]
mod tests {
    use dicom_core::VR;

    use super::*;

    fn object() -> DataSet {
        let mut set = DataSet::default();
        set.put_text(tags::MODALITY, VR::CS, "CT");
        set.put_text(tags::SLICE_THICKNESS, VR::DS, "2.50");
        set.put_text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL");
        set.put_text(tags::SERIES_DESCRIPTION, VR::LO, "Thorax, soft");
        set.put_us(tags::ROWS, 512);
        set
    }

    #[test]
    fn conditions_are_met_or_not() {
        let met = |text: &str| text.parse::<Selection>().unwrap().is_met(&object());
        for yes in [
            "Modality=CT",
            "modality=ct".replace("modality", "Modality").as_str(),
            "SliceThickness<=2.5,ImageType~axial",
            "SliceThickness=2.5",
            "0018,0050<3,(0028,0010)=512",
            "00280010>=512",
            "SeriesDescription=\"Thorax, soft\"",
            "ImageType!~LOCALIZER, Modality!=PT",
            "KVP!=120",
        ] {
            assert!(met(yes), "{yes}");
        }
        for no in [
            "Modality=PT",
            "SliceThickness<2.5",
            "SliceThickness>2.5",
            "KVP=120",
            "KVP<1000",
            "ImageType~HELIX",
            "Modality=CT,Rows<512",
        ] {
            assert!(!met(no), "{no}");
        }
    }

    #[test]
    fn what_is_no_selection_is_refused() {
        let error = |text: &str| text.parse::<Selection>().unwrap_err();
        assert!(matches!(error("Modality"), SelectionError::Operator(_)));
        assert!(matches!(error("Modalitee=CT"), SelectionError::Attribute(_)));
        assert!(matches!(error("SliceThickness<thin"), SelectionError::Number(_)));
        assert!(matches!(error("Modality=CT,"), SelectionError::Operator(_)));
    }

    #[test]
    fn names_are_no_numbers() {
        let met = |vr: VR, there: &str, asked: &str| {
            let mut set = DataSet::default();
            set.put_text(tags::PATIENT_ID, vr, there);
            format!("PatientID={asked}").parse::<Selection>().unwrap().is_met(&set)
        };
        for (there, asked) in [("00123", "123"), ("1E2", "100"), ("5", "5.0")] {
            assert!(!met(VR::LO, there, asked) && met(VR::LO, there, there), "{there} {asked}");
            assert!(met(VR::DS, there, asked), "{there} {asked}");
        }
        // NaN, which no number equals, is a name like others.
        assert!(met(VR::LO, "Nan", "NAN"));
    }

    #[test]
    fn text_is_compared_in_its_character_set() {
        let mut set = DataSet::default();
        set.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100");
        set.put_raw_text(tags::SERIES_DESCRIPTION, VR::LO, b"\xdcbersicht ".to_vec());
        let mut group = DataSet::default();
        group.put_raw_text(tags::CONVOLUTION_KERNEL, VR::SH, b"sch\xe4rfer".to_vec());
        let mut groups = DataSet::default();
        groups.put_items(tags::CT_RECONSTRUCTION_SEQUENCE, vec![group]);
        set.put_items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![groups]);
        let met = |text: &str| text.parse::<Selection>().unwrap().is_met(&set);
        for yes in ["=\u{dc}bersicht", "=\u{fc}BERSICHT", "~\u{fc}ber", "!=Ubersicht"] {
            assert!(met(&format!("SeriesDescription{yes}")), "{yes}");
        }
        assert!(!met("SeriesDescription!~\u{fc}bersicht") && met("ConvolutionKernel=SCH\u{c4}RFER"));
    }
}
