//! The derived object: what changes, what goes, what stays (PS3.3, C.7.6.1 and C.12.4).

use dicom_core::{DataElement, PrimitiveValue, Tag, VR, header::Header, value::DataSetSequence};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use crate::{header, suv::decimal_string};

/// What a derived slice says of itself.
pub(crate) struct Derivation<'a> {
    pub(crate) sop_instance_uid: &'a str,
    pub(crate) series_instance_uid: &'a str,
    /// Text of DerivationDescription.
    pub(crate) description: &'a str,
    pub(crate) series_suffix: &'a str,
    /// A RescaleSlope other than the source's.
    pub(crate) slope: Option<f64>,
}

/// SeriesNumber of the derived series: the source's plus this.
const SERIES_NUMBER_STEP: i64 = 1000;

/// Attributes that are no longer true of the derived pixels.
const STALE: [Tag; 9] = [
    tags::SMALLEST_IMAGE_PIXEL_VALUE,
    tags::LARGEST_IMAGE_PIXEL_VALUE,
    tags::SMALLEST_PIXEL_VALUE_IN_SERIES,
    tags::LARGEST_PIXEL_VALUE_IN_SERIES,
    tags::ICON_IMAGE_SEQUENCE,
    tags::DIGITAL_SIGNATURES_SEQUENCE,
    tags::MAC_PARAMETERS_SEQUENCE,
    tags::DATA_SET_TRAILING_PADDING,
    tags::PIXEL_DATA,
];

/// Makes the derived data set from the source's, with new pixels.
pub(crate) fn derive(
    source: &InMemDicomObject,
    derivation: &Derivation<'_>,
    pixels: Vec<u8>,
    bits_allocated: u16,
) -> InMemDicomObject {
    let mut object = source.clone();
    object.retain(|e| {
        let tag = e.tag();
        // Group lengths (element 0) would have to be computed anew, and are retired.
        tag.element() != 0 && !STALE.contains(&tag)
    });
    let put = |object: &mut InMemDicomObject, tag, vr, value: &str| {
        object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    };
    put(&mut object, tags::SOP_INSTANCE_UID, VR::UI, derivation.sop_instance_uid);
    put(&mut object, tags::SERIES_INSTANCE_UID, VR::UI, derivation.series_instance_uid);
    put(&mut object, tags::DERIVATION_DESCRIPTION, VR::ST, derivation.description);
    object.put(DataElement::new(tags::IMAGE_TYPE, VR::CS, PrimitiveValue::Strs(image_type(source).into())));
    let number = header::integer(source, tags::SERIES_NUMBER).unwrap_or(0).saturating_add(SERIES_NUMBER_STEP);
    put(&mut object, tags::SERIES_NUMBER, VR::IS, &number.to_string());
    let description = header::text(source, tags::SERIES_DESCRIPTION).unwrap_or_default();
    put(&mut object, tags::SERIES_DESCRIPTION, VR::LO, &suffixed(&description, derivation.series_suffix));
    if let Some(slope) = derivation.slope {
        put(&mut object, tags::RESCALE_SLOPE, VR::DS, &decimal_string(slope));
    }
    object.put(sequence(tags::DERIVATION_CODE_SEQUENCE, vec![code("113087", "Smoothing")]));
    object.put(sequence(tags::SOURCE_IMAGE_SEQUENCE, vec![source_image(source)]));
    let mut equipment: Vec<InMemDicomObject> = source
        .get(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE)
        .and_then(|e| e.items())
        .map(<[_]>::to_vec)
        .unwrap_or_default();
    equipment.push(contributing_equipment());
    object.put(sequence(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, equipment));
    let data = if bits_allocated == 8 {
        DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::from(pixels))
    } else {
        let words: Vec<u16> = pixels.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect();
        DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.into()))
    };
    object.put(data);
    object
}

/// The source's ImageType with value 1 DERIVED; the others stay.
fn image_type(source: &InMemDicomObject) -> Vec<String> {
    let text = header::text(source, tags::IMAGE_TYPE).unwrap_or_default();
    let mut values: Vec<String> = text.split('\\').map(|v| v.trim().to_owned()).collect();
    values[0] = "DERIVED".into();
    if values.len() < 2 || values[1].is_empty() {
        values.resize(values.len().max(2), String::new());
        values[1] = "PRIMARY".into();
    }
    values
}

/// The description with a suffix, within the 64 characters of VR LO.
fn suffixed(description: &str, suffix: &str) -> String {
    let room = 64usize.saturating_sub(suffix.chars().count() + 1);
    let kept: String = description.chars().take(room).collect();
    format!("{} {suffix}", kept.trim_end()).trim_start().to_owned()
}

fn source_image(source: &InMemDicomObject) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    for (from, to) in [
        (tags::SOP_CLASS_UID, tags::REFERENCED_SOP_CLASS_UID),
        (tags::SOP_INSTANCE_UID, tags::REFERENCED_SOP_INSTANCE_UID),
    ] {
        let uid = header::text(source, from).unwrap_or_default();
        item.put(DataElement::new(to, VR::UI, PrimitiveValue::from(uid)));
    }
    let purpose = code("121322", "Source image for image processing operation");
    item.put(sequence(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, vec![purpose]));
    item.put(DataElement::new(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, PrimitiveValue::from("YES")));
    item
}

fn contributing_equipment() -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    item.put(sequence(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, vec![code("109102", "Processing Equipment")]));
    for (tag, vr, value) in [
        (tags::MANUFACTURER, VR::LO, "artir"),
        (tags::MANUFACTURER_MODEL_NAME, VR::LO, "artir"),
        (tags::SOFTWARE_VERSIONS, VR::LO, artir_core::VERSION),
        (tags::CONTRIBUTION_DESCRIPTION, VR::ST, "Image restoration by a neural network"),
    ] {
        item.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    }
    item
}

/// A coded entry of the DICOM Controlled Terminology (PS3.16, annex D).
fn code(value: &str, meaning: &str) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    for (tag, vr, value) in [
        (tags::CODE_VALUE, VR::SH, value),
        (tags::CODING_SCHEME_DESIGNATOR, VR::SH, "DCM"),
        (tags::CODE_MEANING, VR::LO, meaning),
    ] {
        item.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    }
    item
}

fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::SQ, DataSetSequence::from(items))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_keep_within_their_vr() {
        assert_eq!(suffixed("Abdomen", "artir"), "Abdomen artir");
        assert_eq!(suffixed("", "artir"), "artir");
        let long = suffixed(&"x".repeat(80), "artir");
        assert_eq!(long.chars().count(), 64);
        assert!(long.ends_with(" artir"));
    }
}
