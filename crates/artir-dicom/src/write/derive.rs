//! The derived object: changed, removed and kept attributes (PS3.3, C.7.6.1 and C.12.1).

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use crate::{
    Modality, codes,
    read::dataset::{DataSet, Element, Value, is_text},
    uid,
};

/// Attributes that the derived objects of a series share.
#[derive(Clone, Debug)]
pub(crate) struct Derivation<'a> {
    pub(crate) modality: Modality,
    pub(crate) series_instance_uid: &'a str,
    /// Text of DerivationDescription, ASCII.
    pub(crate) description: &'a str,
    /// SeriesDescription in full, or the text appended to the source's.
    pub(crate) series_description: SeriesDescription<'a>,
    /// Name, version and hash of the model, for ContributingEquipmentSequence.
    pub(crate) model: &'a str,
    /// VR DT of now, when creation times are wanted.
    pub(crate) timestamp: Option<&'a str>,
}

/// SeriesDescription of the derived series.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SeriesDescription<'a> {
    Full(&'a str),
    Suffix(&'a str),
}

/// SeriesNumber of the derived series: the source's plus this.
const SERIES_NUMBER_STEP: i64 = 1000;

/// Attributes that are no longer true of the derived pixels or of the new instance.
const STALE: [Tag; 22] = [
    // Bytes to the end of the data set, retired.
    Tag(0x0008, 0x0001),
    tags::INSTANCE_CREATION_DATE,
    tags::INSTANCE_CREATION_TIME,
    tags::INSTANCE_CREATOR_UID,
    tags::SMALLEST_IMAGE_PIXEL_VALUE,
    tags::LARGEST_IMAGE_PIXEL_VALUE,
    tags::SMALLEST_PIXEL_VALUE_IN_SERIES,
    tags::LARGEST_PIXEL_VALUE_IN_SERIES,
    // Smallest and largest value in plane, retired.
    Tag(0x0028, 0x0110),
    Tag(0x0028, 0x0111),
    tags::HISTOGRAM_SEQUENCE,
    tags::ICON_IMAGE_SEQUENCE,
    tags::DIGITAL_SIGNATURES_SEQUENCE,
    tags::MAC_PARAMETERS_SEQUENCE,
    tags::DATA_SET_TRAILING_PADDING,
    tags::PIXEL_DATA_PROVIDER_URL,
    tags::EXTENDED_OFFSET_TABLE,
    tags::EXTENDED_OFFSET_TABLE_LENGTHS,
    tags::ENCAPSULATED_PIXEL_DATA_VALUE_TOTAL_LENGTH,
    tags::FLOAT_PIXEL_DATA,
    tags::DOUBLE_FLOAT_PIXEL_DATA,
    tags::PIXEL_DATA,
];

/// Whether an attribute of the source does not go into the derived object.
pub(crate) fn is_stale(tag: Tag) -> bool {
    // Group lengths (element 0) would have to be computed anew, and are retired. Group 0004 and below is not of images. Mean and
    // standard deviation under an overlay (60xx,1302 and 1303) are of the source's pixels.
    let statistics = (0x6000..=0x60ff).contains(&tag.group()) && [0x1302, 0x1303].contains(&tag.element());
    tag.element() == 0 || tag.group() <= 4 || statistics || STALE.contains(&tag)
}

/// Makes the derived data set from the source's, without pixels and without SOPInstanceUID, which depends on the pixels.
pub(crate) fn derive(source: &DataSet, derivation: &Derivation<'_>, lossy: bool) -> DataSet {
    let mut set = source.clone();
    set.retain(|tag, _| !is_stale(*tag));
    set.put_text(tags::SERIES_INSTANCE_UID, VR::UI, derivation.series_instance_uid);
    let image_type = image_type(&source.texts(tags::IMAGE_TYPE), derivation.modality);
    set.put_text(tags::IMAGE_TYPE, VR::CS, &image_type);
    let number = source.integer(tags::SERIES_NUMBER).unwrap_or(0).saturating_add(SERIES_NUMBER_STEP);
    set.put_text(tags::SERIES_NUMBER, VR::IS, &number.clamp(-(1 << 31), (1 << 31) - 1).to_string());
    // PRODUCT would claim approved software (PS3.3, C.8.13.2.1.1).
    if source.text(tags::CONTENT_QUALIFICATION) != Some("SERVICE") {
        set.put_text(tags::CONTENT_QUALIFICATION, VR::CS, "RESEARCH");
    }
    put_series_description(&mut set, derivation.series_description);
    put_equipment(&mut set, derivation);
    // The result of a lossy source is lossy, even if the source lacks the attribute (PS3.3, C.7.6.1.1.5).
    if lossy {
        set.put_text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01");
    }
    put_character_set(&mut set);
    if let Some(now) = derivation.timestamp {
        set.put_text(tags::INSTANCE_CREATION_DATE, VR::DA, &now[..8]);
        set.put_text(tags::INSTANCE_CREATION_TIME, VR::TM, &now[8..]);
    }
    // Parts of one concatenation stay parts of one (PS3.3, C.7.6.16.2.2.4).
    for tag in [tags::CONCATENATION_UID, tags::SOP_INSTANCE_UID_OF_CONCATENATION_SOURCE] {
        if let Some(old) = source.text(tag) {
            let new = uid::derive(&[b"concatenation", old.as_bytes(), derivation.series_instance_uid.as_bytes()]);
            set.put_text(tag, VR::UI, &new);
        }
    }
    set
}

/// Names the character set of text that is not ASCII, where the source does not: UTF-8 if it all is, else Latin-1, which gives
/// every byte a character (PS3.3, C.12.1.1.2).
fn put_character_set(set: &mut DataSet) {
    if set.text(tags::SPECIFIC_CHARACTER_SET).is_some_and(|name| name != "ISO_IR 6") {
        return;
    }
    let mut foreign = Vec::new();
    foreign_texts(set, &mut foreign);
    if !foreign.is_empty() {
        let utf8 = foreign.iter().all(|text| std::str::from_utf8(text).is_ok());
        set.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, if utf8 { "ISO_IR 192" } else { "ISO_IR 100" });
    }
}

fn foreign_texts(set: &DataSet, found: &mut Vec<Vec<u8>>) {
    for (_, element) in set.iter() {
        match &element.value {
            Value::Bytes(bytes) if is_text(element.vr) && !bytes.is_ascii() => found.push(bytes.clone()),
            Value::Items(items) => items.iter().for_each(|item| foreign_texts(item, found)),
            _ => {}
        }
    }
}

/// Adds the source references of a classic object.
/// `frame` is that of the source, counted from 1, where the object is made of one.
pub(crate) fn put_source(set: &mut DataSet, source: &DataSet, frame: Option<u32>, derivation: &Derivation<'_>) {
    let reference = source_reference(source, frame);
    set.put_items(tags::SOURCE_IMAGE_SEQUENCE, vec![reference]);
    put_description(set, derivation.description);
    set.items_mut(tags::DERIVATION_CODE_SEQUENCE).push(codes::RESTORATION.item());
}

/// Appends to the source's DerivationDescription if both fit (VR ST: 1,024 characters), else replaces it.
pub(crate) fn put_description(set: &mut DataSet, description: &str) {
    let mut text = set.bytes(tags::DERIVATION_DESCRIPTION).map(<[u8]>::to_vec).unwrap_or_default();
    while text.last().is_some_and(|b| [b' ', 0].contains(b)) {
        text.pop();
    }
    if !text.is_empty() {
        text.extend(b"\r\n");
    }
    if text.len() + description.len() > 1024 {
        text.clear();
    }
    text.extend(description.bytes().take(1024));
    set.put_raw_text(tags::DERIVATION_DESCRIPTION, VR::ST, text);
}

/// An item that refers to the source (PS3.3, table 10-3), or to one of its frames, counted from 1.
pub(crate) fn source_reference(source: &DataSet, frame: Option<u32>) -> DataSet {
    let mut item = DataSet::default();
    for (from, to) in [
        (tags::SOP_CLASS_UID, tags::REFERENCED_SOP_CLASS_UID),
        (tags::SOP_INSTANCE_UID, tags::REFERENCED_SOP_INSTANCE_UID),
    ] {
        item.put_text(to, VR::UI, source.text(from).unwrap_or_default());
    }
    if let Some(frame) = frame {
        item.put_text(tags::REFERENCED_FRAME_NUMBER, VR::IS, &frame.to_string());
    }
    codes::SOURCE_IMAGE.put(&mut item, tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE);
    item.put_text(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, "YES");
    item
}

/// The source's ImageType, or FrameType, with value 1 DERIVED; PET has no other value 2 than PRIMARY.
pub(crate) fn image_type(source: &[&str], modality: Modality) -> String {
    let mut values = source.to_vec();
    values.resize(values.len().max(2), "");
    values[0] = "DERIVED";
    if values[1].is_empty() || modality == Modality::Pet {
        values[1] = "PRIMARY";
    }
    values.join("\\")
}

fn put_series_description(set: &mut DataSet, wanted: SeriesDescription<'_>) {
    const LONGEST: usize = 64;
    match wanted {
        SeriesDescription::Full(text) => set.put_text(tags::SERIES_DESCRIPTION, VR::LO, text),
        SeriesDescription::Suffix(suffix) => {
            let mut text = set.bytes(tags::SERIES_DESCRIPTION).map(<[u8]>::to_vec).unwrap_or_default();
            while text.last().is_some_and(|b| [b' ', 0].contains(b)) {
                text.pop();
            }
            // A suffix that leaves no room for the source's text is all that is written, as far as VR LO holds it.
            let suffix: String =
                suffix.chars().filter(|c| (' '..='~').contains(c) && *c != '\\').take(LONGEST).collect();
            let room = LONGEST.saturating_sub(suffix.len() + 1);
            if text.len() > room {
                // In other character sets a cut may fall within a character or an escape sequence: then nothing is cut
                // and nothing appended.
                if !text.is_ascii() || text.contains(&0x1b) {
                    return;
                }
                text.truncate(room);
            }
            // ISO 2022 returns to its first set before the end of a value (PS3.5, 6.1.2.5.3), so ASCII may follow.
            let mut whole = text.trim_ascii_end().to_vec();
            if !whole.is_empty() {
                whole.push(b' ');
            }
            whole.extend(suffix.bytes());
            set.put_raw_text(tags::SERIES_DESCRIPTION, VR::LO, whole);
        }
    }
}

fn put_equipment(set: &mut DataSet, derivation: &Derivation<'_>) {
    let mut item = DataSet::default();
    codes::PROCESSING_EQUIPMENT.put(&mut item, tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE);
    let contribution: String = format!("{}. {}", derivation.model, CAUTION).chars().take(1024).collect();
    for (tag, vr, value) in [
        (tags::MANUFACTURER, VR::LO, "artir"),
        (tags::MANUFACTURER_MODEL_NAME, VR::LO, "artir"),
        (tags::SOFTWARE_VERSIONS, VR::LO, artir_core::VERSION),
        (tags::CONTRIBUTION_DESCRIPTION, VR::ST, contribution.as_str()),
    ] {
        item.put_text(tag, vr, value);
    }
    if let Some(now) = derivation.timestamp {
        item.put_text(tags::CONTRIBUTION_DATE_TIME, VR::DT, now);
    }
    set.items_mut(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE).push(item);
}

/// Caution in every derived object.
pub(crate) const CAUTION: &str = "Research use only. Not for diagnosis.";

/// The file meta information of a derived object (PS3.10, 7.1).
pub(crate) fn meta(set: &DataSet, transfer_syntax: &str) -> DataSet {
    let mut meta = DataSet::default();
    meta.insert(tags::FILE_META_INFORMATION_VERSION, Element { vr: VR::OB, value: Value::Bytes(vec![0, 1]) });
    let uid = |tag| set.text(tag).unwrap_or_default();
    meta.put_text(tags::MEDIA_STORAGE_SOP_CLASS_UID, VR::UI, uid(tags::SOP_CLASS_UID));
    meta.put_text(tags::MEDIA_STORAGE_SOP_INSTANCE_UID, VR::UI, uid(tags::SOP_INSTANCE_UID));
    meta.put_text(tags::TRANSFER_SYNTAX_UID, VR::UI, transfer_syntax);
    meta.put_text(tags::IMPLEMENTATION_CLASS_UID, VR::UI, IMPLEMENTATION_CLASS_UID);
    meta.put_text(tags::IMPLEMENTATION_VERSION_NAME, VR::SH, IMPLEMENTATION_VERSION_NAME);
    meta
}

/// artir's implementation class UID, generated once in the 2.25 form.
pub const IMPLEMENTATION_CLASS_UID: &str = "2.25.190531236274935671240189273519274186302";

/// At most 16 characters, as VR SH holds.
const IMPLEMENTATION_VERSION_NAME: &str =
    concat!("ARTIR_", env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));

#[cfg(test)]
mod tests {
    use super::*;

    fn described(source: &[u8], suffix: &str) -> Vec<u8> {
        let mut set = DataSet::default();
        set.put_raw_text(tags::SERIES_DESCRIPTION, VR::LO, source.to_vec());
        put_series_description(&mut set, SeriesDescription::Suffix(suffix));
        set.bytes(tags::SERIES_DESCRIPTION).unwrap().to_vec()
    }

    #[test]
    fn descriptions_keep_within_their_vr_and_character_set() {
        assert_eq!(described(b"Abdomen ", "artir"), b"Abdomen artir ");
        assert_eq!(described(b"", "artir"), b"artir ");
        let long = described(&[b'x'; 80], "artir");
        assert!(long.len() == 64 && long.ends_with(b"x artir"));
        for suffix in [62, 63, 64, 65, 200].map(|n| "y".repeat(n)) {
            let described = described(b"Abdomen", &suffix);
            assert!(described.len() <= 64 && described.trim_ascii_end().ends_with(b"yy"), "{}", suffix.len());
        }
        assert_eq!(described(b"Abdomen", "a\\b\u{e9}"), b"Abdomen ab");
        // Greek in ISO_IR 126 keeps its bytes; a long text of several bytes a character is not cut.
        assert_eq!(described(b"\xc1\xc2\xc3", "artir"), b"\xc1\xc2\xc3 artir ");
        let japanese = [b"\x1b$B".as_slice(), &[b'f'; 60], b"\x1b(B"].concat();
        assert_eq!(described(&japanese, "artir"), japanese);
    }

    #[test]
    fn image_types_keep_what_follows_the_second_value() {
        assert_eq!(image_type(&["ORIGINAL", "SECONDARY", "AXIAL"], Modality::Ct), "DERIVED\\SECONDARY\\AXIAL");
        assert_eq!(image_type(&["ORIGINAL", "SECONDARY"], Modality::Pet), "DERIVED\\PRIMARY");
        assert_eq!(image_type(&[], Modality::Ct), "DERIVED\\PRIMARY");
    }

    #[test]
    fn a_history_is_kept_while_it_fits() {
        let mut set = DataSet::default();
        set.put_text(tags::DERIVATION_DESCRIPTION, VR::ST, "Averaged");
        put_description(&mut set, "Restored");
        assert_eq!(set.text(tags::DERIVATION_DESCRIPTION).unwrap(), "Averaged\r\nRestored");
        set.put_text(tags::DERIVATION_DESCRIPTION, VR::ST, &"x".repeat(1020));
        put_description(&mut set, "Restored");
        assert_eq!(set.text(tags::DERIVATION_DESCRIPTION).unwrap(), "Restored");
    }

    #[test]
    fn lengths_and_statistics_of_the_source_do_not_go_into_the_result() {
        let mut source = DataSet::default();
        for tag in [
            Tag(0x0008, 0x0001),
            tags::ENCAPSULATED_PIXEL_DATA_VALUE_TOTAL_LENGTH,
            tags::DOUBLE_FLOAT_PIXEL_DATA,
            tags::LARGEST_IMAGE_PIXEL_VALUE,
            Tag(0x6002, 0x1302),
            Tag(0x0009, 0x0000),
        ] {
            source.put_us(tag, 7);
        }
        source.put_us(tags::ROWS, 7);
        let derivation = Derivation {
            modality: Modality::Ct,
            series_instance_uid: "1.2",
            description: "d",
            series_description: SeriesDescription::Suffix("artir"),
            model: "m",
            timestamp: None,
        };
        let left = derive(&source, &derivation, false);
        assert!(left.contains(tags::ROWS) && left.contains(tags::SERIES_INSTANCE_UID));
        assert!(source.iter().all(|(tag, _)| tag == tags::ROWS || !left.contains(tag)));
    }
}
