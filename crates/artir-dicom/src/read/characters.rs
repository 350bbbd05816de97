//! Text as characters, for what users compare and read. Derived objects keep the bytes.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_encoding::text::{SpecificCharacterSet, TextCodec};

use super::dataset::{DataSet, is_text};

/// Begins an escape sequence of ISO 2022 (PS3.5, 6.1.2.5).
const ESCAPE: u8 = 0x1b;
/// Its characters take the place of ASCII's, so that its decoder needs the escape sequences.
const KANJI: &str = "ISO 2022 IR 87";

/// A value as characters. `object` names their set (PS3.3, C.12.1.1.2). Without a name that is known, the value counts as UTF-8
/// if it is, else as Latin-1.
pub(crate) fn decoded(object: &DataSet, bytes: &[u8]) -> String {
    let escapes = bytes.contains(&ESCAPE);
    let names = object.texts(tags::SPECIFIC_CHARACTER_SET);
    let sets: Vec<(&str, SpecificCharacterSet)> = names
        .iter()
        .filter_map(|name| Some((*name, SpecificCharacterSet::from_code(name)?)))
        .filter(|(_, set)| *set != SpecificCharacterSet::ISO_IR_6)
        .collect();
    // The first set is that of values without escape sequences.
    let kanji = || sets.iter().find(|(name, _)| *name == KANJI);
    let chosen = if escapes { kanji().or(sets.last()) } else { sets.first() };
    let may_be_utf8 = chosen.is_none_or(|(name, _)| !has_wide_characters(name));
    // Many writers of UTF-8 name another set of one byte a character, in which such bytes make no words.
    if !escapes
        && (bytes.is_ascii() || may_be_utf8)
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return text.to_owned();
    }
    let decoded = chosen.map(|(name, set)| match *name {
        KANJI => set.decode(bytes),
        _ => set.decode(&without_escapes(bytes)),
    });
    decoded.and_then(Result::ok).unwrap_or_else(|| bytes.iter().map(|byte| char::from(*byte)).collect())
}

/// Whether a character of a set may have two bytes, which may be those of another character in UTF-8.
fn has_wide_characters(name: &str) -> bool {
    name.starts_with("ISO 2022") || name.starts_with("GB") || name == "ISO_IR 13"
}

/// A value without its escape sequences: an escape, intermediate bytes, and a final one (ISO 2022).
fn without_escapes(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        if *byte == ESCAPE {
            for byte in rest.by_ref() {
                if !(0x20..=0x2f).contains(byte) {
                    break;
                }
            }
        } else {
            out.push(*byte);
        }
    }
    out
}

/// Whether values of a VR name or describe something, also where they consist of digits: 007 and 7 are two of them.
pub(crate) fn names_something(vr: VR) -> bool {
    is_text(vr) || [VR::AE, VR::CS, VR::UI, VR::UR].contains(&vr)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(set: &str, bytes: &[u8]) -> String {
        let mut object = DataSet::default();
        object.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, set);
        decoded(&object, bytes)
    }

    #[test]
    fn text_is_read_in_the_set_that_the_object_names() {
        assert_eq!(text("ISO_IR 100", b"\xdcbersicht"), "\u{dc}bersicht");
        assert_eq!(text("ISO_IR 144", b"\xb3\xde\xdb\xde\xd2\xd0"), "Голова");
        assert_eq!(text("ISO_IR 192", "腹部".as_bytes()), "腹部");
        assert_eq!(text("GB18030", b"\xd0\xd8\xb2\xbf"), "胸部");
        assert_eq!(text("\\ISO 2022 IR 87", b"CT \x1b$BJ\"It\x1b(B"), "CT 腹部");
        assert_eq!(text("ISO 2022 IR 13\\ISO 2022 IR 87", b"\xb6\xdd\xbf\xde\xb3"), "ｶﾝｿﾞｳ");
        assert_eq!(text("\\ISO 2022 IR 149", b"\x1b$)C\xb1\xe8"), "김");
        assert_eq!(text("ISO 2022 IR 100", b"\x1b-A\xdc"), "\u{dc}");
    }

    #[test]
    fn text_without_a_usable_name_is_utf8_or_latin1() {
        for set in ["", "ISO_IR 6", "ISO_IR 100", "no such set"] {
            assert_eq!(text(set, "\u{dc}bersicht".as_bytes()), "\u{dc}bersicht", "{set}");
            assert_eq!(text(set, b"\xdcbersicht"), "\u{dc}bersicht", "{set}");
            assert_eq!(text(set, b"Thorax"), "Thorax", "{set}");
        }
        assert_eq!(text("ISO_IR 6", b"\x1b"), "\u{1b}");
        assert_eq!(without_escapes(b"a\x1b$)Cb\x1b"), b"ab");
    }
}
