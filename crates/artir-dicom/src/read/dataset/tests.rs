//! Departures from the standard that are read, and what they become.

use std::{collections::BTreeSet, io::Cursor};

use dicom_dictionary_std::tags;

use super::*;
use crate::Repair;

fn read(bytes: &[u8], form: Form) -> (Result<DataSet, ReadError>, BTreeSet<Repair>) {
    let mut reader = Reader::new(Cursor::new(bytes), 0, bytes.len() as u64, form).unwrap();
    let set = reader.read(Stop::AtEnd);
    (set, reader.repairs().clone())
}

/// An explicit element whose length has two bytes.
fn explicit(tag: (u16, u16), vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let mut out = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
    out.extend(vr);
    out.extend((value.len() as u16).to_le_bytes());
    out.extend(value);
    out
}

/// An explicit element whose length has four bytes.
fn long(tag: (u16, u16), vr: &[u8; 2], length: u32, value: &[u8]) -> Vec<u8> {
    let mut out = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
    out.extend(vr);
    out.extend([0, 0]);
    out.extend(length.to_le_bytes());
    out.extend(value);
    out
}

/// An implicit little-endian element.
pub(crate) fn implicit(tag: (u16, u16), value: &[u8]) -> Vec<u8> {
    let mut out = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
    out.extend((value.len() as u32).to_le_bytes());
    out.extend(value);
    out
}

fn rows() -> Vec<u8> {
    explicit((0x0028, 0x0010), b"US", &[2, 0])
}

fn only(repair: Repair) -> BTreeSet<Repair> {
    BTreeSet::from([repair])
}

#[test]
fn an_unknown_vr_is_read_in_each_form_of_its_length() {
    const HISTORY: (u16, u16) = (0x0010, 0x21b0);
    let forms = |vr: &[u8; 2]| {
        [explicit(HISTORY, vr, b"G0000000"), long(HISTORY, vr, 8, b"G0000000"), implicit(HISTORY, b"G0000000")]
    };
    for vr in [b"--", b"??", b"  ", b"\0\0", b"un", b"ZZ"] {
        for (form, element) in forms(vr).into_iter().enumerate() {
            // In the middle of a data set, at its end, and in an item of known and of unknown length.
            let item = [element.clone(), rows()].concat();
            let known = implicit((0xfffe, 0xe000), &item);
            let open = [implicit((0xfffe, 0xe000), &[]), element.clone(), implicit((0xfffe, 0xe00d), &[])].concat();
            let mut open = open;
            open[4..8].fill(0xff);
            let nested = |items: &[u8]| long((0x0008, 0x1140), b"SQ", items.len() as u32, items);
            for (bytes, inside) in [
                ([element.clone(), rows()].concat(), false),
                (element.clone(), false),
                (nested(&known), true),
                ([nested(&open), rows()].concat(), true),
            ] {
                let (set, repairs) = read(&bytes, Form::EXPLICIT);
                let set = set.unwrap_or_else(|e| panic!("{vr:?} {form}: {e}"));
                let holder = if inside { &set.items(tags::REFERENCED_IMAGE_SEQUENCE)[0] } else { &set };
                let found = holder.get(tags::ADDITIONAL_PATIENT_HISTORY).unwrap();
                assert_eq!(found.value, Value::Bytes(b"G0000000".to_vec()), "{vr:?} {form}");
                assert_eq!((found.vr, repairs), (VR::LT, only(Repair::UnknownVr)), "{vr:?} {form}");
            }
        }
    }
    // Nothing follows that is an element.
    let (lost, _) = read(&[explicit(HISTORY, b"--", b"G0000000"), vec![1; 20]].concat(), Form::EXPLICIT);
    assert!(lost.unwrap_err().to_string().contains("no value representation"));
}

#[test]
fn repeated_elements_keep_the_first_unless_the_pixels_hang_on_them() {
    let private = explicit((0x0019, 0x1001), b"LO", b"A ");
    let other = explicit((0x0019, 0x1001), b"LO", b"B ");
    for second in [&private, &other] {
        let (set, repairs) = read(&[private.clone(), second.clone(), rows()].concat(), Form::EXPLICIT);
        assert_eq!(set.unwrap().bytes(Tag(0x0019, 0x1001)), Some(b"A ".as_slice()));
        assert_eq!(repairs, only(Repair::RepeatedElement));
    }
    let (same, _) = read(&[rows(), rows()].concat(), Form::EXPLICIT);
    assert_eq!(same.unwrap().integer(tags::ROWS), Some(2));
    let (differ, _) = read(&[rows(), explicit((0x0028, 0x0010), b"US", &[3, 0])].concat(), Form::EXPLICIT);
    assert!(differ.unwrap_err().to_string().contains("(0028,0010) appears twice"));
}

#[test]
fn repeated_elements_that_tell_the_patient_or_the_scan_must_agree() {
    for (tag, vr) in [((0x0010, 0x0020), b"LO"), ((0x0010, 0x1030), b"DS"), ((0x0008, 0x0031), b"TM")] {
        let twice = |second: &[u8]| {
            let both = [explicit(tag, vr, b"70"), explicit(tag, vr, second)].concat();
            read(&both, Form::EXPLICIT)
        };
        let differ = twice(b"20").0.unwrap_err().to_string();
        assert!(differ.contains("appears twice, with different values"), "{tag:?}: {differ}");
        let (same, repairs) = twice(b"70  ");
        assert!(same.is_ok(), "{tag:?}");
        assert_eq!(repairs, only(Repair::RepeatedElement));
    }
    // A description is no decision.
    let description = |text: &[u8]| explicit((0x0008, 0x103e), b"LO", text);
    let (set, _) = read(&[description(b"A "), description(b"B ")].concat(), Form::EXPLICIT);
    assert_eq!(set.unwrap().text(tags::SERIES_DESCRIPTION), Some("A"));
}

#[test]
fn private_data_in_fragments_is_kept_and_a_sequence_of_vr_ob_is_read() {
    const PRIVATE: (u16, u16) = (0x0019, 0x1002);
    let tag = Tag(PRIVATE.0, PRIVATE.1);
    let item = |bytes: &[u8]| implicit((0xfffe, 0xe000), bytes);
    let end = implicit((0xfffe, 0xe0dd), &[]);
    let data = long(PRIVATE, b"OB", u32::MAX, &[item(&[]), item(b"abcd"), end.clone()].concat());
    let (set, _) = read(&[data, rows()].concat(), Form::EXPLICIT);
    let set = set.unwrap();
    assert_eq!(set.get(tag).unwrap().value, Value::Fragments(vec![Vec::new(), b"abcd".to_vec()]));
    assert_eq!(set.integer(tags::ROWS), Some(2));
    let mut open = [item(&[]), rows(), implicit((0xfffe, 0xe00d), &[])].concat();
    open[4..8].fill(0xff);
    let (set, _) = read(&[long(PRIVATE, b"OB", u32::MAX, &[open, end].concat()), rows()].concat(), Form::EXPLICIT);
    assert_eq!(set.unwrap().items(tag)[0].integer(tags::ROWS), Some(2));
}

#[test]
fn sequences_of_vr_un_are_read_in_both_encodings() {
    const DRUG: (u16, u16) = (0x0054, 0x0016);
    let dose = [implicit((0x0018, 0x1074), b"370 "), explicit((0x0018, 0x1074), b"DS", b"370 ")];
    for (content, is_implicit) in dose.iter().zip([true, false]) {
        let known = implicit((0xfffe, 0xe000), content);
        let mut open = [implicit((0xfffe, 0xe000), &[]), content.clone(), implicit((0xfffe, 0xe00d), &[])].concat();
        open[4..8].fill(0xff);
        let end = implicit((0xfffe, 0xe0dd), &[]);
        for (bytes, repaired) in [
            (long(DRUG, b"UN", known.len() as u32, &known), true),
            (long(DRUG, b"UN", open.len() as u32, &open), true),
            // Of undefined length, the implicit form is the standard's own.
            (long(DRUG, b"UN", u32::MAX, &[open.clone(), end].concat()), !is_implicit),
        ] {
            let (set, repairs) = read(&bytes, Form::EXPLICIT);
            let set = set.unwrap();
            let items = set.items(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE);
            assert_eq!(items[0].number(tags::RADIONUCLIDE_TOTAL_DOSE), Some(370.0));
            assert_eq!(set.get(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE).unwrap().vr, VR::SQ);
            assert_eq!(repairs.contains(&Repair::SequenceAsUnknown), repaired);
        }
    }
    // Content that is no sequence stays as it is, and so does any private element.
    for tag in [DRUG, (0x0019, 0x1001)] {
        let (set, repairs) = read(&long(tag, b"UN", 4, b"\xfe\xff\0\xe0"), Form::EXPLICIT);
        assert_eq!(set.unwrap().bytes(Tag(tag.0, tag.1)), Some(b"\xfe\xff\0\xe0".as_slice()));
        assert!(repairs.is_empty());
    }
}

#[test]
fn an_attribute_of_the_standard_in_vr_un_has_its_own() {
    let signed = explicit((0x0028, 0x0103), b"US", &[1, 0]);
    let padding = long((0x0028, 0x0120), b"UN", 2, &(-2000i16).to_le_bytes());
    let slope = long((0x0040, 0x9225), b"UN", 8, &0.5f64.to_le_bytes());
    let (set, repairs) = read(&[signed, padding, slope].concat(), Form::EXPLICIT);
    let set = set.unwrap();
    assert_eq!(set.integer(tags::PIXEL_PADDING_VALUE), Some(-2000));
    assert_eq!(set.number(tags::REAL_WORLD_VALUE_SLOPE), Some(0.5));
    assert_eq!((set.get(tags::PIXEL_PADDING_VALUE).unwrap().vr, repairs), (VR::SS, only(Repair::UnknownVr)));
    // A value of another length stays what it is.
    let (set, repairs) = read(&long((0x0028, 0x0120), b"UN", 3, b"abc"), Form::EXPLICIT);
    assert_eq!((set.unwrap().get(tags::PIXEL_PADDING_VALUE).unwrap().vr, repairs), (VR::UN, BTreeSet::new()));
}

#[test]
fn decimal_commas_become_points_and_other_commas_stay() {
    let texts: [(&[u8], &[u8]); 4] = [
        (b"0,7031\\0,7031 ", b"0.7031\\0.7031 "),
        (b"1,0 ", b"1.0 "),
        (b"1,000.5 ", b"1,000.5 "),
        (b"1,2,3 ", b"1,2,3 "),
    ];
    for (text, expected) in texts {
        let (set, repairs) = read(&explicit((0x0028, 0x0030), b"DS", text), Form::EXPLICIT);
        assert_eq!(set.unwrap().bytes(tags::PIXEL_SPACING), Some(expected));
        assert_eq!(repairs.contains(&Repair::DecimalComma), text != expected);
    }
    let (set, repairs) = read(&explicit((0x0008, 0x103e), b"LO", b"a,b "), Form::EXPLICIT);
    assert_eq!((set.unwrap().text(tags::SERIES_DESCRIPTION), repairs.len()), (Some("a,b"), 0));
}

#[test]
fn what_follows_the_pixels_is_left_out() {
    let pixels = long((0x7fe0, 0x0010), b"OW", 4, &[1, 2, 3, 4]);
    let surplus: [&[u8]; 6] = [
        &[0; 512],
        &[0; 3],
        &[0xff; 9],
        &[0, 4, 0, 4, 9, 9, 9, 9, 9, 9],
        &[0x18, 0xfc, 0x18, 0xfc, 0x18, 0xfc, 0x18, 0xfc],
        b"x",
    ];
    for tail in surplus {
        for form in [Form::EXPLICIT, Form::IMPLICIT] {
            let pixels =
                if form == Form::EXPLICIT { pixels.clone() } else { implicit((0x7fe0, 0x0010), &[1, 2, 3, 4]) };
            let (set, repairs) = read(&[pixels, tail.to_vec()].concat(), form);
            assert!(set.unwrap().contains(tags::PIXEL_DATA), "{tail:?}");
            assert_eq!(repairs, only(Repair::TrailingBytes), "{tail:?} {form:?}");
        }
    }
    let padding = long((0xfffc, 0xfffc), b"OB", 4, &[0; 4]);
    let (set, repairs) = read(&[pixels, padding].concat(), Form::EXPLICIT);
    assert!(set.unwrap().contains(tags::DATA_SET_TRAILING_PADDING) && repairs.is_empty());
}

#[test]
fn encapsulated_pixels_end_without_their_delimiter() {
    let fragment = implicit((0xfffe, 0xe000), &[1, 2, 3, 4]);
    let body = [implicit((0xfffe, 0xe000), &[]), fragment.clone(), fragment].concat();
    let ends: [(&[u8], bool); 6] = [
        (&[0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0], true),
        (&[0xfe, 0xff, 0xdd, 0xe0, 0xff, 0xff, 0xff, 0xff], false),
        (&[], false),
        (&[0xfe, 0xff, 0xdd], false),
        (&[0; 64], false),
        (&[0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0], false),
    ];
    for (end, valid) in ends {
        let (set, repairs) = read(&long((0x7fe0, 0x0010), b"OB", u32::MAX, &[&body, end].concat()), Form::EXPLICIT);
        match &set.unwrap().get(tags::PIXEL_DATA).unwrap().value {
            Value::Pixels(Pixels::Encapsulated { fragments, .. }) => assert_eq!(fragments.len(), 2, "{end:?}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(!repairs.contains(&Repair::NoDelimiter), valid, "{end:?}");
    }
    // A fragment that is cut is a loss of pixels.
    let (cut, _) = read(&long((0x7fe0, 0x0010), b"OB", u32::MAX, &body[..body.len() - 1]), Form::EXPLICIT);
    assert!(cut.unwrap_err().to_string().contains("a fragment claims 4 bytes"));
}

#[test]
fn text_without_a_character_set_is_noticed() {
    let name = explicit((0x0010, 0x0010), b"PN", b"Sch\xe4del ");
    assert_eq!(read(&name, Form::EXPLICIT).1, only(Repair::NoCharacterSet));
    let named = [explicit((0x0008, 0x0005), b"CS", b"ISO_IR 100"), name].concat();
    assert!(read(&named, Form::EXPLICIT).1.is_empty());
    assert!(read(&explicit((0x0010, 0x0010), b"PN", b"Smith "), Form::EXPLICIT).1.is_empty());
}
