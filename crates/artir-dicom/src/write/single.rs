//! A frame of a file that should hold one, as a slice of its own.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::decimal::decimal_string;
use crate::read::{dataset::DataSet, view::View};

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
const OF_ALL_FRAMES: [Tag; 9] = [
    tags::NUMBER_OF_FRAMES,
    tags::FRAME_INCREMENT_POINTER,
    tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::DIMENSION_ORGANIZATION_SEQUENCE,
    tags::DIMENSION_INDEX_SEQUENCE,
    tags::SLICE_LOCATION,
    tags::SLICE_LOCATION_VECTOR,
    tags::FRAME_TIME,
];

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
        set.retain(|tag, _| !OF_ALL_FRAMES.contains(tag));
        let position = self.position.map(decimal_string);
        set.put_text(tags::IMAGE_POSITION_PATIENT, VR::DS, &position.join("\\"));
        set.put_text(tags::INSTANCE_NUMBER, VR::IS, &self.number.to_string());
    }
}
