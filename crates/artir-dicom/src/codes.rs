//! Coded entries (PS3.3, 8.8; terms of PS3.16, annex D).

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use crate::read::dataset::DataSet;

/// A coded entry.
pub(crate) struct Code {
    value: &'static str,
    scheme: &'static str,
    meaning: &'static str,
}

/// CID 7202, Source Image Purposes of Reference.
pub(crate) const SOURCE_IMAGE: Code =
    Code { value: "121322", scheme: "DCM", meaning: "Source image for image processing operation" };
/// CID 7005, Contributing Equipment Purposes of Reference.
pub(crate) const PROCESSING_EQUIPMENT: Code = Code { value: "109102", scheme: "DCM", meaning: "Processing Equipment" };
/// CID 7203, Image Derivation, has no term for denoising by a learned model, and is extensible: a private one.
pub(crate) const RESTORATION: Code =
    Code { value: "NN-RESTORATION", scheme: "99ARTIR", meaning: "Restoration by a neural network" };

/// The beginning of DerivationDescription in artir's results.
pub(crate) const DESCRIPTION: &str = "Restored by a neural network (";

impl Code {
    /// The item of a code sequence.
    pub(crate) fn item(&self) -> DataSet {
        let mut item = DataSet::default();
        item.put_text(tags::CODE_VALUE, VR::SH, self.value);
        item.put_text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, self.scheme);
        item.put_text(tags::CODE_MEANING, VR::LO, self.meaning);
        item
    }

    /// Whether one of a code sequence's items is this code.
    pub(crate) fn is_among(&self, items: &[DataSet]) -> bool {
        items.iter().any(|item| {
            item.text(tags::CODE_VALUE) == Some(self.value)
                && item.text(tags::CODING_SCHEME_DESIGNATOR) == Some(self.scheme)
        })
    }

    /// Puts a sequence of this one code.
    pub(crate) fn put(&self, set: &mut DataSet, sequence: Tag) {
        set.put_items(sequence, vec![self.item()]);
    }
}
