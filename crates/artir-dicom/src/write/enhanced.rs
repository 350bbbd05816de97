//! Functional groups of a derived multi-frame object (PS3.3, C.7.6.16).

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use crate::{
    Modality, Reason, codes,
    decimal::decimal_string,
    read::dataset::DataSet,
    write::{
        derive::{Derivation, image_type, is_stale, put_description, source_reference},
        mapping::{self, NewRescale},
    },
};

/// Brings the functional groups up to date. `rescales` has the new rescale of the frames that need one. Returns how many
/// real-world value mappings could not follow.
///
/// # Errors
/// Words for groups that do not fit the frames.
pub(crate) fn put_groups(
    set: &mut DataSet,
    source: &DataSet,
    derivation: &Derivation<'_>,
    rescales: &[Option<NewRescale>],
) -> Result<usize, Reason> {
    let frame_type = match derivation.modality {
        Modality::Ct => tags::CT_IMAGE_FRAME_TYPE_SEQUENCE,
        Modality::Pet => tags::PET_FRAME_TYPE_SEQUENCE,
    };
    if rescales.iter().any(Option::is_some) {
        unshare(set, tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
        mapping::unshare(set);
    }
    // A group must not be both among the shared groups and among the frames' own (PS3.3, C.7.6.16.1.1).
    unshare(set, tags::DERIVATION_IMAGE_SEQUENCE);
    for shared in set.items_mut(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE) {
        derive_frame_type(shared, frame_type, derivation.modality);
        drop_stale(shared);
    }
    let frames = set.items_mut(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    if frames.len() != rescales.len() {
        let reason = format!("{} frames, and functional groups for {}", rescales.len(), frames.len());
        return Err(Reason::Attribute(reason));
    }
    let mut dropped = 0;
    for ((frame, rescale), number) in frames.iter_mut().zip(rescales).zip(1..) {
        derive_frame_type(frame, frame_type, derivation.modality);
        drop_stale(frame);
        if let Some(rescale) = rescale {
            let groups = frame.items_mut(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
            let group = groups
                .first_mut()
                .ok_or_else(|| Reason::attribute("a new slope, and no PixelValueTransformationSequence for it"))?;
            group.put_text(tags::RESCALE_SLOPE, VR::DS, &decimal_string(rescale.to.slope));
            dropped += rescale.restate(frame);
        }
        let derivations = frame.items_mut(tags::DERIVATION_IMAGE_SEQUENCE);
        let mut item = DataSet::default();
        put_description(&mut item, derivation.description);
        codes::RESTORATION.put(&mut item, tags::DERIVATION_CODE_SEQUENCE);
        item.put_items(tags::SOURCE_IMAGE_SEQUENCE, vec![source_reference(source, Some(number))]);
        derivations.push(item);
    }
    put_evidence(set, source);
    Ok(dropped)
}

/// Moves a shared group into every frame that has none of its own.
fn unshare(set: &mut DataSet, sequence: Tag) {
    let moved = set.items_mut(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first_mut().and_then(|s| s.remove(sequence));
    let Some(group) = moved else { return };
    for frame in set.items_mut(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE) {
        if !frame.contains(sequence) {
            frame.insert(sequence, group.clone());
        }
    }
}

fn derive_frame_type(groups: &mut DataSet, sequence: Tag, modality: Modality) {
    if !groups.contains(sequence) {
        return;
    }
    for item in groups.items_mut(sequence) {
        let derived = image_type(&item.texts(tags::FRAME_TYPE), modality);
        item.put_text(tags::FRAME_TYPE, VR::CS, &derived);
    }
}

/// Removes converted attributes that were valid for the old pixels only.
fn drop_stale(groups: &mut DataSet) {
    for sequence in [
        tags::UNASSIGNED_PER_FRAME_CONVERTED_ATTRIBUTES_SEQUENCE,
        tags::UNASSIGNED_SHARED_CONVERTED_ATTRIBUTES_SEQUENCE,
    ] {
        if groups.contains(sequence) {
            groups.items_mut(sequence).iter_mut().for_each(|item| item.retain(|tag, _| !is_stale(*tag)));
        }
    }
}

/// SourceImageEvidenceSequence: the study and series that the frames' sources are of (PS3.3, C.8.15.2.1.1).
fn put_evidence(set: &mut DataSet, source: &DataSet) {
    let uid = |tag| source.text(tag).unwrap_or_default().to_owned();
    let mut instance = DataSet::default();
    instance.put_text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, &uid(tags::SOP_CLASS_UID));
    instance.put_text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, &uid(tags::SOP_INSTANCE_UID));
    let mut series = DataSet::default();
    series.put_text(tags::SERIES_INSTANCE_UID, VR::UI, &uid(tags::SERIES_INSTANCE_UID));
    series.put_items(tags::REFERENCED_SOP_SEQUENCE, vec![instance]);
    let mut study = DataSet::default();
    study.put_text(tags::STUDY_INSTANCE_UID, VR::UI, &uid(tags::STUDY_INSTANCE_UID));
    study.put_items(tags::REFERENCED_SERIES_SEQUENCE, vec![series]);
    set.items_mut(tags::SOURCE_IMAGE_EVIDENCE_SEQUENCE).push(study);
}
