//! The scale from a series' values to network units.

use std::path::Path;

use super::RestoreOptions;
use crate::{
    Error, Instance, Modality, Reason, Series,
    find::survey::{Survey, SuvSummary},
    read::{
        dataset::Stop,
        file::DicomFile,
        frame::PixelFormat,
        rescale::{self, check_hounsfield},
        slice::Slice,
        suv::PetUnits,
        worker::Decoder,
    },
};

/// Network unit for each rescaled unit.
pub(crate) enum Scale {
    /// All frames have the same: HU, or a PET series' own unit.
    Same(f64),
    /// Each frame has its SUV factor.
    Suv(Survey),
}

impl Scale {
    /// # Errors
    /// [`Error::File`] for a series that is to be restored in its own unit and cannot be scaled, and for CT that is not in HU.
    pub(crate) fn of(series: &Series, options: &RestoreOptions, decoder: &mut Decoder) -> Result<Self, Error> {
        match (series.modality, options.units) {
            (Modality::Ct, _) => {
                let looked_at = if options.rescale.is_none() { doubtful(series) } else { Vec::new() };
                looked_at.into_iter().try_for_each(|instance| check_hounsfield(&instance.path, decoder))?;
                Ok(Self::Same(1.0))
            }
            (Modality::Pet, PetUnits::Native) => native_scale(series, decoder).map(Self::Same),
            (Modality::Pet, units) => Ok(Self::Suv(Survey::of(series, units))),
        }
    }

    pub(crate) fn suv_summary(&self) -> Option<SuvSummary> {
        match self {
            Self::Same(_) => None,
            Self::Suv(survey) => Some(survey.summary()),
        }
    }

    /// # Errors
    /// The reason, for a frame without the attributes that SUV needs.
    pub(crate) fn per_unit(&self, path: &Path, frame: u32) -> Result<f64, Reason> {
        match self {
            Self::Same(scale) => Ok(*scale),
            Self::Suv(survey) => match survey.file(path).get(frame as usize) {
                Some(suv) => suv.as_ref().map(|suv| suv.factor).map_err(Clone::clone),
                None => Err(Reason::Changed),
            },
        }
    }
}

/// The slices of a CT series that are looked at for values other than HU. Where only some slices have a rescale that
/// changes nothing, the others tell nothing of them, and each is looked at. Else the middle slice stands for the series.
fn doubtful(series: &Series) -> Vec<&Instance> {
    let plain: Vec<&Instance> = series.instances.iter().filter(|i| rescale::changes_nothing(&i.path)).collect();
    if plain.len() < series.instances.len() {
        return plain;
    }
    series.instances.get(series.instances.len() / 2).into_iter().collect()
}

/// Step in rows and columns of the sampled pixels.
const STRIDE: usize = 4;

/// The factor that gives the body a mean of 1, as SUVbw has by its definition when the tracer is spread evenly.
///
/// The body is what exceeds a quarter of the mean of all values above the mean: chosen by trial on whole-body FDG, where
/// it leaves air out and takes lungs in.
///
/// # Errors
/// [`Error::File`] for a slice that cannot be read, or a series without activity.
fn native_scale(series: &Series, decoder: &mut Decoder) -> Result<f64, Error> {
    let mut samples: Vec<f64> = Vec::new();
    for instance in &series.instances {
        let fail = |reason: Reason| Error::file(&instance.path, reason);
        let mut file = DicomFile::open(&instance.path, Stop::AtEnd)?;
        let format = PixelFormat::of_file(&mut file).map_err(fail)?;
        for frame in 0..format.frames {
            let slice = Slice::read(&mut file, &format, frame, series.modality, 1.0, decoder).map_err(fail)?;
            let rows = slice.frame.stored.rows().into_iter().step_by(STRIDE);
            let values = rows.flat_map(|row| row.into_iter().step_by(STRIDE).copied().collect::<Vec<_>>());
            samples.extend(values.filter(|v| !slice.encoding.is_padding(*v)).map(|v| slice.encoding.rescale(v)));
        }
    }
    match body_mean(&samples) {
        Some(mean) => Ok(1.0 / mean),
        None => {
            let path = series.instances.first().map(|i| i.path.clone()).unwrap_or_default();
            let reason = "the series shows no activity, so its values cannot be scaled";
            Err(Error::file(&path, Reason::unsupported(reason)))
        }
    }
}

/// The mean of the body in samples of a PET series in any unit; `None` without activity.
pub fn body_mean(samples: &[f64]) -> Option<f64> {
    let mean_above = |least: f64| {
        let (sum, n) = samples.iter().filter(|v| **v > least).fold((0.0, 0u64), |(s, n), v| (s + v, n + 1));
        (n > 0).then(|| sum / n as f64)
    };
    let mean = mean_above(f64::NEG_INFINITY)?;
    let mean = mean_above(0.25 * mean_above(mean)?)?;
    (mean > 0.0).then_some(mean)
}

#[cfg(test)]
mod tests {
    use dicom_core::{DataElement, PrimitiveValue, VR};
    use dicom_dictionary_std::tags;

    use super::*;
    use crate::{
        restore::tests::{save, slice},
        scan,
    };

    #[test]
    fn slices_that_lost_their_intercept_are_found_among_others() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |intercepts: [&str; 3]| {
            for (z, intercept) in intercepts.into_iter().enumerate() {
                // Soft tissue as HU + 1024.
                let mut object = slice(z as f64, &format!("1.2.3.{z}"), 1060);
                for (tag, text) in [(tags::RESCALE_SLOPE, "1"), (tags::RESCALE_INTERCEPT, intercept)] {
                    object.put(DataElement::new(tag, VR::DS, PrimitiveValue::from(text)));
                }
                save(object, &dir.path().join(format!("{z}.dcm")));
            }
            let found = scan(&[dir.path().to_owned()], Modality::Ct).unwrap();
            let scale = Scale::of(&found.series[0], &RestoreOptions::default(), &mut Decoder::in_process());
            scale.err().map(|e| e.to_string())
        };
        assert_eq!(refused(["-1024"; 3]), None);
        for intercepts in [["0", "-1024", "-1024"], ["0"; 3]] {
            assert!(refused(intercepts).unwrap().contains("its values are not HU"), "{intercepts:?}");
        }
    }

    #[test]
    fn a_picture_in_the_class_of_ct_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut object = slice(0.0, "1.2.3.0", 254);
        for (tag, text) in [(tags::RESCALE_SLOPE, "1"), (tags::RESCALE_INTERCEPT, "0")] {
            object.put(DataElement::new(tag, VR::DS, PrimitiveValue::from(text)));
        }
        save(object, &dir.path().join("0.dcm"));
        let found = scan(&[dir.path().to_owned()], Modality::Ct).unwrap();
        let scale = |options: &RestoreOptions| Scale::of(&found.series[0], options, &mut Decoder::in_process()).err();
        let refused = scale(&RestoreOptions::default()).unwrap().to_string();
        assert!(refused.contains("0.dcm") && refused.contains("grey levels from 0 to 255"), "{refused}");
        // Who knows the rescale can give it.
        assert!(scale(&RestoreOptions::default().rescale(Some("8,-1024".parse().unwrap()))).is_none());
    }

    #[test]
    fn the_body_s_mean_leaves_air_out() {
        let mut samples = vec![0.01; 900];
        samples.extend([5000.0; 90]);
        samples.extend([20_000.0; 10]);
        assert!((body_mean(&samples).unwrap() - 6500.0).abs() < 1e-9);
        assert_eq!(body_mean(&[0.0; 10]), None);
        assert_eq!(body_mean(&[]), None);
    }
}
