//! The modalities that artir restores: CT and PET.

use dicom_dictionary_std::uids;

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
    pub(crate) fn multi_frame_classes(self) -> [&'static str; 2] {
        match self {
            Self::Ct => [uids::ENHANCED_CT_IMAGE_STORAGE, uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE],
            Self::Pet => [uids::ENHANCED_PET_IMAGE_STORAGE, uids::LEGACY_CONVERTED_ENHANCED_PET_IMAGE_STORAGE],
        }
    }

    /// The other of the two.
    pub(crate) fn other(self) -> Option<Self> {
        match self {
            Self::Ct => Some(Self::Pet),
            Self::Pet => Some(Self::Ct),
        }
    }

    /// Whether a class holds this modality in some objects.
    pub(crate) fn may_own(self, class: &str) -> bool {
        self == Self::Ct && class == uids::MULTI_FRAME_GRAYSCALE_WORD_SECONDARY_CAPTURE_IMAGE_STORAGE
    }
}
