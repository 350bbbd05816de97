//! Encodings written by hand and by another library.

use std::io::Cursor;

use dicom_dictionary_std::tags;
use proptest::prelude::*;

use super::*;
use crate::read::dataset::{Form, ReadError, Reader, Stop, tests::implicit};

fn parse(bytes: &[u8], form: Form) -> Result<DataSet, ReadError> {
    Reader::new(Cursor::new(bytes), 0, bytes.len() as u64, form).unwrap().read(Stop::AtEnd)
}

fn written(set: &DataSet) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, set).unwrap();
    out
}

#[test]
fn implicit_elements_get_their_vr_and_keep_their_bytes() {
    let bytes = [
        implicit((0x0008, 0x0005), b"ISO 2022 IR 6\\ISO 2022 IR 87"),
        // Kanji by escape sequences, and a trailing zero where a blank belongs.
        implicit((0x0010, 0x0010), b"YAMADA^TAR=\x1b$B;3ED\x1b(B\0"),
        implicit((0x0028, 0x0103), &[1, 0]),
        implicit((0x0028, 0x0120), &[0x30, 0xf8]),
        implicit((0x0029, 0x0010), b"OWNER "),
        implicit((0x0029, 0x1001), b"\xff\x00\x80anything"),
    ]
    .concat();
    let set = parse(&bytes, Form::IMPLICIT).unwrap();
    let vrs: Vec<VR> = set.iter().map(|(_, e)| e.vr).collect();
    assert_eq!(vrs, [VR::CS, VR::PN, VR::US, VR::SS, VR::LO, VR::UN]);
    assert_eq!(set.integer(tags::PIXEL_PADDING_VALUE), Some(-2000));
    let again = parse(&written(&set), Form::EXPLICIT).unwrap();
    // The odd private value is padded, as every value must be; all others keep their bytes.
    let private = Tag(0x0029, 0x1001);
    assert_eq!(again.bytes(private).unwrap(), b"\xff\x00\x80anything\0");
    for (tag, element) in set.iter().filter(|(tag, _)| *tag != private) {
        assert_eq!(again.get(tag), Some(element), "{tag}");
    }
}

#[test]
fn the_sign_of_an_icon_is_not_that_of_the_image() {
    let item = |inside: &[u8]| implicit((0xfffe, 0xe000), inside);
    let icon = [implicit((0x0028, 0x0103), &[0, 0]), implicit((0x0028, 0x0107), &[0xff, 0xff])].concat();
    let mapping = implicit((0x0040, 0x9096), &item(&implicit((0x0040, 0x9216), &[0x00, 0xfc])));
    let bytes = [
        implicit((0x0028, 0x0103), &[1, 0]),
        implicit((0x0088, 0x0200), &item(&icon)),
        implicit((0x5200, 0x9230), &item(&mapping)),
    ]
    .concat();
    let set = parse(&bytes, Form::IMPLICIT).unwrap();
    let largest = set.items(tags::ICON_IMAGE_SEQUENCE)[0].integer(tags::LARGEST_IMAGE_PIXEL_VALUE);
    let groups = &set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)[0];
    let mapping = &groups.items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE)[0];
    assert_eq!((largest, mapping.integer(tags::REAL_WORLD_VALUE_FIRST_VALUE_MAPPED)), (Some(65_535), Some(-1024)));
}

#[test]
fn big_endian_numbers_are_turned_round_and_text_is_not() {
    let mut bytes = vec![0, 0x28, 0, 0x10, b'U', b'S', 0, 2, 1, 2];
    bytes.extend([0, 0x28, 0, 0x30, b'D', b'S', 0, 4]);
    bytes.extend(b"0.5 ");
    let set = parse(&bytes, Form::BIG_ENDIAN).unwrap();
    assert_eq!((set.integer(tags::ROWS), set.number(tags::PIXEL_SPACING)), (Some(0x102), Some(0.5)));
}

#[test]
fn sequences_of_every_form_are_read() {
    let item = implicit((0x0008, 0x0100), b"121322");
    let known = [implicit((0xfffe, 0xe000), &item), implicit((0xfffe, 0xe000), &[])].concat();
    let mut open = vec![0xfe, 0xff, 0, 0xe0, 0xff, 0xff, 0xff, 0xff];
    open.extend(&item);
    open.extend([0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0, 0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
    let head = [0x08, 0, 0x12, 0x21, 0xff, 0xff, 0xff, 0xff];
    let with_open: Vec<u8> = head.iter().chain(&open).copied().collect();
    let with_known = implicit((0x0008, 0x2112), &known);
    // The same, of a VR that its writer did not know: implicit within explicit.
    let unknown: Vec<u8> =
        [0x08, 0, 0x12, 0x21, b'U', b'N', 0, 0, 0xff, 0xff, 0xff, 0xff].iter().chain(&open).copied().collect();
    for (bytes, form, items) in
        [(with_open, Form::IMPLICIT, 1), (with_known, Form::IMPLICIT, 2), (unknown, Form::EXPLICIT, 1)]
    {
        let set = parse(&bytes, form).unwrap();
        let found = set.items(tags::SOURCE_IMAGE_SEQUENCE);
        assert_eq!(found.len(), items);
        assert_eq!(found[0].text(tags::CODE_VALUE), Some("121322"));
        assert_eq!(parse(&written(&set), Form::EXPLICIT).unwrap(), set);
    }
}

#[test]
fn lengths_of_groups_within_items_are_not_written() {
    let item = [implicit((0x0008, 0x0000), &[14, 0, 0, 0]), implicit((0x0008, 0x0100), b"121322")].concat();
    let set = parse(&implicit((0x0008, 0x2112), &implicit((0xfffe, 0xe000), &item)), Form::IMPLICIT).unwrap();
    let tags_of =
        |set: &DataSet| -> Vec<Tag> { set.items(tags::SOURCE_IMAGE_SEQUENCE)[0].iter().map(|(tag, _)| tag).collect() };
    assert_eq!(tags_of(&set), [Tag(0x0008, 0x0000), tags::CODE_VALUE]);
    assert_eq!(tags_of(&parse(&written(&set), Form::EXPLICIT).unwrap()), [tags::CODE_VALUE]);
}

#[test]
fn lies_about_length_are_found_before_anything_is_allocated() {
    let too_long = [0x08, 0, 0x60, 0, 0xff, 0xff, 0xff, 0x7f, b'C', b'T'];
    assert!(parse(&too_long, Form::IMPLICIT).unwrap_err().to_string().contains("claims"));
    let mut nested = Vec::new();
    for _ in 0..100_000 {
        nested.extend([0x08, 0, 0x12, 0x21, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0, 0xe0, 0xff, 0xff, 0xff, 0xff]);
    }
    assert!(parse(&nested, Form::IMPLICIT).unwrap_err().to_string().contains("deeply"));
    let twice = [implicit((0x0028, 0x0010), &[1, 0]), implicit((0x0028, 0x0010), &[2, 0])].concat();
    assert!(parse(&twice, Form::IMPLICIT).unwrap_err().to_string().contains("twice"));
    let pixels = implicit((0x7fe0, 0x0010), &[0; 8]);
    assert!(parse(&pixels[..12], Form::IMPLICIT).unwrap_err().to_string().contains("but 4 are left"));
}

#[test]
fn a_text_that_explicit_lengths_cannot_hold_becomes_unknown() {
    let long = implicit((0x0028, 0x3006), &vec![7; 70_000]);
    let set = parse(&long, Form::IMPLICIT).unwrap();
    assert_eq!(set.get(tags::LUT_DATA).unwrap().vr, VR::OW);
    let mut set = DataSet::default();
    set.put_text(tags::IMAGE_COMMENTS, VR::LT, &"x".repeat(70_000));
    let again = parse(&written(&set), Form::EXPLICIT).unwrap();
    assert_eq!(again.get(tags::IMAGE_COMMENTS).unwrap().vr, VR::UN);
    assert_eq!(again.bytes(tags::IMAGE_COMMENTS).unwrap().len(), 70_000);
}

#[test]
fn private_blocks_are_found_by_their_owner() {
    let mut set = DataSet::default();
    set.put_text(Tag(0x7053, 0x0010), VR::LO, "Somebody else");
    // An owner may have several blocks.
    for (block, element) in [(0x0011, 0x1109), (0x0012, 0x1200)] {
        set.put_text(Tag(0x7053, block), VR::LO, "Philips PET Private Group");
        set.put_text(Tag(0x7053, element), VR::DS, "2.5");
    }
    set.put_text(Tag(0x7053, 0x1000), VR::DS, "1");
    assert_eq!(set.private(0x7053, "Philips PET Private Group", 9), Some(Tag(0x7053, 0x1109)));
    assert_eq!(set.private(0x7053, "Philips PET Private Group", 0), Some(Tag(0x7053, 0x1200)));
    assert_eq!(set.private(0x7053, "Philips PET Private Group", 1), None);
    assert_eq!(set.private(0x7053, "Nobody", 9), None);
}

#[test]
fn another_library_reads_what_is_written() {
    let mut inner = DataSet::default();
    inner.put_text(tags::CODE_MEANING, VR::LO, "odd");
    let mut set = DataSet::default();
    set.put_text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3");
    set.put_us(tags::ROWS, 512);
    set.put_items(tags::DERIVATION_CODE_SEQUENCE, vec![inner]);
    let syntax = dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN.erased();
    let bytes = written(&set);
    let read = dicom_object::InMemDicomObject::read_dataset_with_ts(bytes.as_slice(), &syntax).unwrap();
    assert_eq!(read.element(tags::SOP_INSTANCE_UID).unwrap().to_str().unwrap(), "1.2.3");
    assert_eq!(read.element(tags::ROWS).unwrap().to_int::<u16>().unwrap(), 512);
    let items = read.element(tags::DERIVATION_CODE_SEQUENCE).unwrap().items().unwrap();
    assert_eq!(items[0].element(tags::CODE_MEANING).unwrap().to_str().unwrap().trim(), "odd");
}

proptest! {
    #[test]
    fn anything_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400), explicit: bool, big_endian: bool) {
        drop(parse(&bytes, Form { explicit, big_endian }));
    }
}
