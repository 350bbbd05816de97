//! Restored PET is not negative where its source is not.

use ndarray::{Array2, ArrayView2};

/// Raises the residual of a PET slice so that no result is negative, if no value of the source is. Returns the number of
/// results that became 0; `None` for a slice with negative values, whose reconstruction allows them, and whose residual stays.
///
/// `valid` is false at pixels that do not count; their residual is 0.
pub fn keep_non_negative(
    values: ArrayView2<'_, f32>,
    valid: Option<ArrayView2<'_, bool>>,
    residual: &mut Array2<f32>,
) -> Option<usize> {
    let counts = |at| valid.as_ref().is_none_or(|valid| valid[at]);
    if values.indexed_iter().any(|(at, value)| *value < 0.0 && counts(at)) {
        return None;
    }
    let mut raised = 0;
    residual.zip_mut_with(&values, |residual, value| {
        if *residual < 0.0 && value + *residual < 0.0 {
            *residual = -value;
            raised += 1;
        }
    });
    Some(raised)
}

#[cfg(test)]
mod tests {
    use dicom_core::{DataElement, PrimitiveValue, VR};
    use dicom_dictionary_std::{tags, uids};
    use ndarray::array;

    use super::*;
    use crate::{
        Finding, Modality, PetUnits, RestoreOptions,
        restore::tests::{run_with, save, slice, stored},
    };

    /// Stored values after a residual far below all values, and the findings, for a PET slice of these values.
    fn restored(words: [i16; 30]) -> (Vec<i32>, Vec<Finding>) {
        let mut object = slice(0.0, "1.2.3.1", 0);
        for (tag, vr, text) in [
            (tags::SOP_CLASS_UID, VR::UI, uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE),
            (tags::MODALITY, VR::CS, "PT"),
            (tags::UNITS, VR::CS, "BQML"),
            (tags::RESCALE_SLOPE, VR::DS, "0.5"),
            (tags::RESCALE_INTERCEPT, VR::DS, "0"),
        ] {
            object.put(DataElement::new(tag, vr, PrimitiveValue::from(text)));
        }
        object.remove_element(tags::PIXEL_PADDING_VALUE);
        let words = words.map(|word| word as u16);
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.as_slice().into())));
        let dir = tempfile::tempdir().unwrap();
        save(object, &dir.path().join("a"));
        let found = crate::scan(&[dir.path().to_owned()], Modality::Pet).unwrap();
        let out = tempfile::tempdir().unwrap();
        let options = RestoreOptions { units: PetUnits::Native, ..RestoreOptions::default() };
        let report = run_with(&found.series[0], out.path(), -0.1, &options).unwrap();
        let values = stored(&report.folder.join(&report.files[0]), Modality::Pet).remove(0);
        (values.into_iter().collect(), report.findings)
    }

    #[test]
    fn a_restored_pet_slice_is_not_negative_unless_its_source_is() {
        let mut words = [1000; 30];
        // The scale of the series needs a value above the mean.
        (words[0], words[3], words[7]) = (2000, 0, 1);
        let (values, findings) = restored(words);
        assert!(values[1] < 1000 && values[1] > 0, "{values:?}");
        assert_eq!((values[3], values[7]), (0, 0));
        assert!(findings.contains(&Finding::NotBelowZero(2)), "{findings:?}");
        words[3] = -1;
        let (values, findings) = restored(words);
        assert!(values[3] < -1 && values[7] < 0, "{values:?}");
        assert!(!findings.iter().any(|f| matches!(f, Finding::NotBelowZero(_))), "{findings:?}");
    }

    #[test]
    fn results_below_zero_become_zero_where_the_source_has_none() {
        let values = array![[1.0, 0.0, 2.0]];
        let mut residual = array![[-1.5, -0.1, -0.5]];
        assert_eq!(keep_non_negative(values.view(), None, &mut residual), Some(2));
        assert_eq!(&values + &residual, array![[0.0, 0.0, 1.5]]);
    }

    #[test]
    fn a_source_with_negative_values_keeps_its_residual() {
        let values = array![[1.0, -0.2, 2.0]];
        let mut residual = array![[-1.5, -0.1, -0.5]];
        assert_eq!(keep_non_negative(values.view(), None, &mut residual), None);
        assert_eq!(residual, array![[-1.5, -0.1, -0.5]]);
    }

    #[test]
    fn pixels_that_do_not_count_are_not_values_of_the_source() {
        let values = array![[1.0, -9.0, f32::NAN]];
        let valid = array![[true, false, false]];
        let mut residual = array![[-1.5, 0.0, 0.0]];
        assert_eq!(keep_non_negative(values.view(), Some(valid.view()), &mut residual), Some(1));
        assert_eq!(residual, array![[-1.0, 0.0, 0.0]]);
    }
}
