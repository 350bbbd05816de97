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

/// The attributes of PixelValueTransformationSequence.
const RESCALE: [Tag; 3] = [tags::RESCALE_INTERCEPT, tags::RESCALE_SLOPE, tags::RESCALE_TYPE];

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
    let renewed = rescales.iter().any(Option::is_some);
    if renewed {
        unshare_rescale(set);
        mapping::unshare(set);
    }
    // A group must not be both among the shared groups and among the frames' own (PS3.3, C.7.6.16.1.1).
    unshare(set, tags::DERIVATION_IMAGE_SEQUENCE);
    for shared in set.items_mut(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE) {
        derive_frame_type(shared, frame_type, derivation.modality);
        drop_stale(shared, renewed);
    }
    let frames = set.items_mut(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    if frames.len() != rescales.len() {
        let reason = format!("{} frames, and functional groups for {}", rescales.len(), frames.len());
        return Err(Reason::Attribute(reason));
    }
    let mut dropped = 0;
    for ((frame, rescale), number) in frames.iter_mut().zip(rescales).zip(1..) {
        derive_frame_type(frame, frame_type, derivation.modality);
        drop_stale(frame, renewed);
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
        if frame.items(sequence).is_empty() {
            frame.insert(sequence, group.clone());
        }
    }
}

/// Gives every frame the rescale that is in effect for it. The object's own, which some writers repeat beside the groups or
/// have in their place, goes: beside new slopes it would be false.
fn unshare_rescale(set: &mut DataSet) {
    let mut of_object = DataSet::default();
    for tag in RESCALE {
        if let Some(element) = set.remove(tag) {
            of_object.insert(tag, element);
        }
    }
    unshare(set, tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
    for frame in set.items_mut(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE) {
        if frame.items(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE).is_empty() {
            frame.put_items(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, vec![of_object.clone()]);
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

/// Removes converted attributes that were valid for the old pixels only. `renewed` is whether frames have new slopes.
fn drop_stale(groups: &mut DataSet, renewed: bool) {
    let goes = |tag: Tag| is_stale(tag) || renewed && RESCALE.contains(&tag);
    for sequence in [
        tags::UNASSIGNED_PER_FRAME_CONVERTED_ATTRIBUTES_SEQUENCE,
        tags::UNASSIGNED_SHARED_CONVERTED_ATTRIBUTES_SEQUENCE,
    ] {
        if groups.contains(sequence) {
            groups.items_mut(sequence).iter_mut().for_each(|item| item.retain(|tag, _| !goes(*tag)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::{derive::SeriesDescription, mapping::Line};

    fn rescale(slope: &str) -> DataSet {
        let mut set = DataSet::default();
        set.put_text(tags::RESCALE_SLOPE, VR::DS, slope);
        set.put_text(tags::RESCALE_INTERCEPT, VR::DS, "0");
        set.put_text(tags::RESCALE_TYPE, VR::LO, "BQML");
        set
    }

    /// Slope and intercept.
    type Rescale = (Option<f64>, Option<f64>);

    /// The rescales of the frames of an object whose first frame has a new slope, and what is left in the object.
    fn derived(source: &DataSet) -> (Vec<Rescale>, DataSet) {
        let derivation = Derivation {
            modality: Modality::Pet,
            series_instance_uid: "1.2",
            description: "d",
            series_description: SeriesDescription::Suffix("artir"),
            model: "m",
            timestamp: None,
        };
        let line = |slope| Line { slope, intercept: 0.0 };
        let new = NewRescale { from: line(10.0), to: line(0.5), limits: (-32768, 32767) };
        let mut set = source.clone();
        put_groups(&mut set, source, &derivation, &[Some(new), None]).unwrap();
        let of_frame = |frame: &DataSet| {
            let group = &frame.items(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE)[0];
            (group.number(tags::RESCALE_SLOPE), group.number(tags::RESCALE_INTERCEPT))
        };
        (set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).iter().map(of_frame).collect(), set)
    }

    #[test]
    fn no_other_rescale_is_left_beside_new_slopes() {
        let expected = [(Some(0.5), Some(0.0)), (Some(10.0), Some(0.0))];
        // The object's own alone, beside shared groups, beside the frames', and kept aside by a conversion.
        let frames = |frame: DataSet| {
            let mut set = DataSet::default();
            set.put_items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, vec![frame.clone(), frame]);
            set
        };
        let with_group = |mut set: DataSet| {
            set.put_items(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, vec![rescale("10")]);
            set
        };
        let mut aside = with_group(DataSet::default());
        aside.put_items(tags::UNASSIGNED_PER_FRAME_CONVERTED_ATTRIBUTES_SEQUENCE, vec![rescale("10")]);
        let mut shared = frames(DataSet::default());
        shared.put_items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![with_group(DataSet::default())]);
        let sources = [frames(DataSet::default()), shared, frames(with_group(DataSet::default())), frames(aside)];
        for mut source in sources {
            for (tag, element) in rescale("10").iter() {
                source.insert(tag, element.clone());
            }
            let (slopes, set) = derived(&source);
            assert_eq!(slopes, expected);
            let mut places: Vec<&DataSet> = vec![&set];
            for groups in [tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE] {
                for group in set.items(groups) {
                    places.extend(group.items(tags::UNASSIGNED_PER_FRAME_CONVERTED_ATTRIBUTES_SEQUENCE));
                }
            }
            assert!(places.iter().all(|place| RESCALE.iter().all(|tag| !place.contains(*tag))));
        }
    }
}
