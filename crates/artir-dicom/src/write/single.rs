//! A frame of a file that should hold one, as a slice of its own.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use crate::{
    decimal::decimal_string,
    read::{dataset::DataSet, view::View},
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
}
