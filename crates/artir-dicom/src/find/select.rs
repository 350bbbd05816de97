//! Choosing objects by their attributes: `Modality=CT,SliceThickness<=3,ImageType~AXIAL`.

use std::str::FromStr;

use dicom_core::{DataDictionary, Tag, dictionary::DataDictionaryEntry};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use crate::read::dataset::DataSet;

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
        let values = values(set, self.tag);
        let wanted = self.value.parse::<f64>().ok();
        let equal = |value: &String| match (value.parse::<f64>(), wanted) {
            (Ok(value), Some(wanted)) => value == wanted,
            _ => value.eq_ignore_ascii_case(&self.value),
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

/// All values of an attribute, of the object or of the functional groups of its first frame.
fn values(set: &DataSet, tag: Tag) -> Vec<String> {
    let groups = [tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE];
    let of_groups = groups.iter().filter_map(|groups| set.items(*groups).first()).flat_map(|groups| {
        groups.iter().filter_map(|(sequence, _)| groups.items(sequence).first()).collect::<Vec<_>>()
    });
    let Some(holder) = std::iter::once(set).chain(of_groups).find(|holder| holder.contains(tag)) else {
        return Vec::new();
    };
    match holder.numbers(tag) {
        Some(numbers) => numbers.iter().map(ToString::to_string).collect(),
        // Values in other character sets are compared as far as they are UTF-8.
        None => {
            let text = String::from_utf8_lossy(holder.bytes(tag).unwrap_or_default()).into_owned();
            text.split('\\').map(|v| v.trim_matches([' ', '\0']).to_owned()).filter(|v| !v.is_empty()).collect()
        }
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
}
