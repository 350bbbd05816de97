//! DICOM objects made in code.

use std::{fs, path::Path};

use dicom_core::{DataElement, PrimitiveValue, Tag, VR, value::DataSetSequence};
use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

/// Puts text attributes of one VR.
pub fn put(object: &mut InMemDicomObject, vr: VR, attributes: &[(Tag, &str)]) {
    for (tag, value) in attributes {
        object.put(DataElement::new(*tag, vr, PrimitiveValue::from(*value)));
    }
}

/// Puts a sequence.
pub fn put_items(object: &mut InMemDicomObject, tag: Tag, items: Vec<InMemDicomObject>) {
    object.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
}

/// Puts the Image Pixel module of square frames of 16 signed bits, and their pixels.
pub fn put_pixels(object: &mut InMemDicomObject, side: u16, words: Vec<u16>) {
    put(object, VR::CS, &[(tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2")]);
    for (tag, value) in [
        (tags::ROWS, side),
        (tags::COLUMNS, side),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 16),
        (tags::HIGH_BIT, 15),
        (tags::PIXEL_REPRESENTATION, 1),
        (tags::SAMPLES_PER_PIXEL, 1),
    ] {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.into())));
}

/// Writes an object as a file, and makes its folder.
///
/// # Panics
/// When it cannot be written.
pub fn save(object: InMemDicomObject, syntax: &str, path: &Path) {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let file = object.with_meta(FileMetaTableBuilder::new().transfer_syntax(syntax));
    let written = file.map_err(|e| e.to_string()).and_then(|file| file.write_to_file(path).map_err(|e| e.to_string()));
    written.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// An attribute of a file as text, without its padding.
///
/// # Panics
/// When the file cannot be read or lacks the attribute.
pub fn value(path: &Path, tag: Tag) -> String {
    let object = dicom_object::open_file(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let element = object.element(tag).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let text = element.to_str().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.trim_end_matches(['\0', ' ']).to_owned()
}
