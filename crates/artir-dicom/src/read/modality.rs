//! The modalities that artir restores: CT and PET.

use dicom_dictionary_std::{tags, uids};

use super::dataset::DataSet;

/// A modality to search for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Modality {
    /// CT Image Storage and its enhanced forms.
    Ct,
    /// Positron Emission Tomography Image Storage and its enhanced forms.
    Pet,
}

impl Modality {
    /// `CT` or `PET`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ct => "CT",
            Self::Pet => "PET",
        }
    }

    /// The unit of its values: `HU` or `SUV`.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Ct => "HU",
            Self::Pet => "SUV",
        }
    }

    /// The storage class of single slices.
    pub(crate) fn slice_class(self) -> &'static str {
        match self {
            Self::Ct => uids::CT_IMAGE_STORAGE,
            Self::Pet => uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE,
        }
    }

    /// The storage classes of multi-frame objects.
    fn multi_frame_classes(self) -> [&'static str; 2] {
        match self {
            Self::Ct => [uids::ENHANCED_CT_IMAGE_STORAGE, uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE],
            Self::Pet => [uids::ENHANCED_PET_IMAGE_STORAGE, uids::LEGACY_CONVERTED_ENHANCED_PET_IMAGE_STORAGE],
        }
    }

    /// Whether a class holds this modality in some objects.
    pub(crate) fn may_own(self, class: &str) -> bool {
        self == Self::Ct && class == uids::MULTI_FRAME_GRAYSCALE_WORD_SECONDARY_CAPTURE_IMAGE_STORAGE
    }

    /// Whether an object is of this modality, by its class. Volumes of some CT consoles are secondary captures of many
    /// frames, with the functional groups of Enhanced CT and a rescale that says it leads to HU.
    pub(crate) fn owns(self, class: &str, set: &DataSet) -> bool {
        class == self.slice_class()
            || self.multi_frame_classes().contains(&class)
            || (self == Self::Ct
                && class == uids::MULTI_FRAME_GRAYSCALE_WORD_SECONDARY_CAPTURE_IMAGE_STORAGE
                && set.text(tags::MODALITY) == Some("CT")
                && set.text(tags::RESCALE_TYPE) == Some("HU"))
    }
}
