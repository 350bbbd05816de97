//! What tells the time slices of a dynamic or gated series apart.

use dicom_dictionary_std::tags;

use super::Instance;
use crate::read::{dataset::DataSet, view::View};

/// An attribute that tells time slices at one position apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// TemporalPositionIndex, TemporalPositionIdentifier, or the position in the cardiac or respiratory cycle.
    Position,
    /// FrameReferenceTime of PET.
    Reference,
    /// AcquisitionNumber.
    Acquisition,
    /// AcquisitionTime.
    Clock,
}

impl Time {
    /// The most telling first.
    pub(super) const ALL: [Self; 4] = [Self::Position, Self::Reference, Self::Acquisition, Self::Clock];

    /// Of an object's first frame.
    pub(super) fn of_object(self, instance: &Instance) -> Option<f64> {
        instance.times.first()?.get(self)
    }
}

/// The times of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Times([Option<f64>; 4]);

impl Times {
    pub(super) fn read(view: &View<'_>) -> Self {
        let content = view.group(tags::FRAME_CONTENT_SEQUENCE);
        let cardiac = view.group(tags::CARDIAC_SYNCHRONIZATION_SEQUENCE);
        let breath = view.group(tags::RESPIRATORY_SYNCHRONIZATION_SEQUENCE);
        let position = [
            (content, tags::TEMPORAL_POSITION_INDEX),
            (content, tags::TEMPORAL_POSITION_IDENTIFIER),
            (cardiac, tags::NOMINAL_PERCENTAGE_OF_CARDIAC_PHASE),
            (cardiac, tags::NOMINAL_CARDIAC_TRIGGER_DELAY_TIME),
            (breath, tags::NOMINAL_PERCENTAGE_OF_RESPIRATORY_PHASE),
            (view.set, tags::TRIGGER_TIME),
        ];
        let first = |of: &[(&DataSet, dicom_core::Tag)]| of.iter().find_map(|(set, tag)| set.number(*tag));
        // Times of one day, as they are written.
        let clock = |tag| view.text(tag).and_then(|text| text.replace(':', "").parse().ok());
        Self([
            first(&position),
            view.number(tags::FRAME_REFERENCE_TIME),
            view.number(tags::ACQUISITION_NUMBER).or_else(|| content.number(tags::FRAME_ACQUISITION_NUMBER)),
            clock(tags::ACQUISITION_TIME),
        ])
    }

    pub(super) fn get(&self, time: Time) -> Option<f64> {
        self.0[time as usize]
    }
}
