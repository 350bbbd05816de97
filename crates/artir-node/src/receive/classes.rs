//! The SOP classes that a route takes: those whose objects may be slices that it restores.

use artir_dicom::Modality;
use dicom_dictionary_std::uids;

use crate::config::Route;

const CT: [&str; 4] = [
    uids::CT_IMAGE_STORAGE,
    uids::ENHANCED_CT_IMAGE_STORAGE,
    uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE,
    // Volumes of some CT consoles.
    uids::MULTI_FRAME_GRAYSCALE_WORD_SECONDARY_CAPTURE_IMAGE_STORAGE,
];
const PET: [&str; 3] = [
    uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE,
    uids::ENHANCED_PET_IMAGE_STORAGE,
    uids::LEGACY_CONVERTED_ENHANCED_PET_IMAGE_STORAGE,
];

/// The storage classes of a route.
pub(super) fn of(route: &Route) -> impl Iterator<Item = &'static str> {
    route
        .work()
        .flat_map(|(modality, _)| match modality {
            Modality::Pet => PET.as_slice(),
            _ => CT.as_slice(),
        })
        .copied()
}
