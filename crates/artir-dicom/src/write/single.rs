//! A frame of a file that should hold one, as a slice of its own.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use crate::{
    decimal::decimal_string,
    read::{dataset::DataSet, view::View},
    write::mapping::{self, NewRescale},
};

/// A frame that becomes a slice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SingleFrame {
    /// The frame of the source, counted from 0.
    pub(crate) frame: u32,
    /// Centre of its first pixel, mm.
    pub(crate) position: [f64; 3],
    /// Its InstanceNumber in the derived series.
    pub(crate) number: usize,
}

/// Attributes of several frames, and of the position of the first.
const OF_ALL_FRAMES: [Tag; 16] = [
    tags::NUMBER_OF_FRAMES,
    tags::FRAME_INCREMENT_POINTER,
    tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::DIMENSION_ORGANIZATION_SEQUENCE,
    tags::DIMENSION_INDEX_SEQUENCE,
    tags::SLICE_LOCATION,
    tags::SLICE_LOCATION_VECTOR,
    tags::GRID_FRAME_OFFSET_VECTOR,
    tags::FRAME_TIME,
    tags::FRAME_TIME_VECTOR,
    tags::REPRESENTATIVE_FRAME_NUMBER,
    tags::START_TRIM,
    tags::STOP_TRIM,
    tags::CINE_RATE,
    tags::RECOMMENDED_DISPLAY_FRAME_RATE,
];

/// NumberOfFramesInOverlay, of group 60xx.
const FRAMES_IN_OVERLAY: u16 = 0x0015;

/// Functional groups whose attributes a slice has itself.
const GROUPS: [Tag; 4] = [
    tags::PIXEL_MEASURES_SEQUENCE,
    tags::PLANE_ORIENTATION_SEQUENCE,
    tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
    tags::FRAME_VOILUT_SEQUENCE,
];

impl SingleFrame {
    /// Makes the header of a frame that of a slice.
    pub(crate) fn put(&self, set: &mut DataSet, source: &DataSet) {
        let view = View::new(source, self.frame);
        for sequence in GROUPS {
            let group = view.group(sequence);
            // Without such a group, the attributes are where they should be.
            if !std::ptr::eq(group, source) {
                for (tag, element) in group.iter() {
                    set.insert(tag, element.clone());
                }
            }
        }
        let mappings: Vec<DataSet> = mapping::in_effect(&view).into_iter().cloned().collect();
        if !mappings.is_empty() {
            set.put_items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, mappings);
        }
        // An overlay with a plane for each frame would lie over every slice with the first frame's.
        let overlays: Vec<u16> = set
            .iter()
            .filter(|(tag, _)| (0x6000..=0x60ff).contains(&tag.group()) && tag.element() == FRAMES_IN_OVERLAY)
            .map(|(tag, _)| tag.group())
            .collect();
        set.retain(|tag, _| !OF_ALL_FRAMES.contains(tag) && !overlays.contains(&tag.group()));
        let position = self.position.map(decimal_string);
        set.put_text(tags::IMAGE_POSITION_PATIENT, VR::DS, &position.join("\\"));
        set.put_text(tags::INSTANCE_NUMBER, VR::IS, &self.number.to_string());
    }
}

/// Makes a new rescale the only one of a slice. Functional groups, which its class should not have, would contradict it. Where
/// they were in effect, the slice's own intercept may be another one.
pub(crate) fn put_rescale(set: &mut DataSet, rescale: &NewRescale) {
    for groups in [tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE] {
        if set.contains(groups) {
            for group in set.items_mut(groups) {
                group.remove(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
            }
        }
    }
    set.put_text(tags::RESCALE_SLOPE, VR::DS, &decimal_string(rescale.to.slope));
    // An equal one keeps its spelling.
    if set.number(tags::RESCALE_INTERCEPT) != Some(rescale.to.intercept) {
        set.put_text(tags::RESCALE_INTERCEPT, VR::DS, &decimal_string(rescale.to.intercept));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_has_nothing_of_other_frames() {
        let mut source = DataSet::default();
        source.put_text(tags::FRAME_TIME_VECTOR, VR::DS, "0\\1\\1");
        source.put_us(tags::REPRESENTATIVE_FRAME_NUMBER, 3);
        source.put_text(Tag(0x6000, FRAMES_IN_OVERLAY), VR::IS, "3");
        source.put_us(Tag(0x6000, 0x0010), 64);
        source.put_us(Tag(0x6002, 0x0010), 64);
        let mut set = source.clone();
        SingleFrame { frame: 1, position: [0.0, 0.0, 5.0], number: 2 }.put(&mut set, &source);
        let left: Vec<Tag> = set.iter().map(|(tag, _)| tag).collect();
        assert_eq!(left, [tags::INSTANCE_NUMBER, tags::IMAGE_POSITION_PATIENT, Tag(0x6002, 0x0010)]);
    }

    #[test]
    fn a_new_slope_is_the_only_one() {
        let line = |slope| mapping::Line { slope, intercept: -3.0 };
        let rescale = NewRescale { from: line(10.0), to: line(0.5), limits: (0, 65535) };
        let (mut group, mut groups, mut set) = (DataSet::default(), DataSet::default(), DataSet::default());
        group.put_text(tags::RESCALE_SLOPE, VR::DS, "10");
        groups.put_items(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, vec![group]);
        set.put_items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![groups]);
        // The slice has none, one that the groups contradict, and the same in another spelling.
        for (own, written) in [(None, "-3"), (Some("0"), "-3"), (Some("-3.00"), "-3.00")] {
            let mut set = set.clone();
            if let Some(own) = own {
                set.put_text(tags::RESCALE_INTERCEPT, VR::DS, own);
            }
            put_rescale(&mut set, &rescale);
            let found = View::new(&set, 0).group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
            assert_eq!(
                (found.number(tags::RESCALE_SLOPE), found.text(tags::RESCALE_INTERCEPT)),
                (Some(0.5), Some(written))
            );
        }
    }

    #[test]
    fn a_slice_keeps_the_mapping_of_its_frame() {
        let groups = |unit: &str| {
            let (mut mapping, mut group) = (DataSet::default(), DataSet::default());
            mapping.put_text(tags::LUT_LABEL, VR::SH, unit);
            group.put_items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, vec![mapping]);
            group
        };
        let mut source = DataSet::default();
        source.put_items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![groups("shared")]);
        source.put_items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, vec![groups("own"), DataSet::default()]);
        for (frame, label) in [(0, "own"), (1, "shared")] {
            let mut set = source.clone();
            SingleFrame { frame, position: [0.0; 3], number: 1 }.put(&mut set, &source);
            let mappings = set.items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE);
            assert_eq!(mappings.iter().map(|m| m.text(tags::LUT_LABEL)).collect::<Vec<_>>(), [Some(label)]);
        }
    }
}
