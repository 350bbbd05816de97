//! The way of a slice from its file to the derived object.

use artir_core::{Feed, Pool};
use artir_metrics::{ct_noise, pet_noise};
use ndarray::Array2;

use super::{
    floor::keep_non_negative,
    reading,
    step::{Run, Step},
};
use crate::{
    Error, Modality, Repair,
    read::{slice::Slice, suv::PetUnits, worker::Decoder},
    write::{object::Object, staging::Staging},
};

/// The objects that were made.
#[derive(Default)]
pub(super) struct Written {
    /// Real-world value mappings that were removed.
    pub(super) dropped_mappings: usize,
    /// Results of PET that would have been negative where their slice has no negative value.
    pub(super) raised: usize,
    pub(super) failed: Vec<Error>,
    /// Departures from the standard in the pixels, one entry for each object.
    pub(super) repairs: Vec<Repair>,
    /// Noise of slices with enough tissue: the key of their object, their frame, and HU or SUV before and after.
    pub(super) noise: Vec<(String, usize, [f64; 2])>,
}

/// Takes every slice of some of the run's objects the whole way. Returns how the network ended, and the written objects.
pub(super) fn restore_slices(
    run: &Run<'_>,
    todo: &[usize],
    decoder: &mut Decoder,
    mut staging: Staging,
    pool: Pool<'_, Step>,
) -> (Result<(), Error>, Result<(Staging, Written), Error>) {
    let Run { series, derivation, options, .. } = *run;
    // 1. Read: each frame's bytes are decoded to stored values, its neighbours' too if the model sees them. Their HU or SUV are
    // computed as the network asks for them.
    let read = |feed: Feed<Step>| reading::feed(run, todo, decoder, &feed);
    // 2. to 6. The pool normalises the values to the network's range, tiles them if the memory requires it, infers, blends the
    // tiles, and denormalises the result to a residual in HU or SUV: `artir_core::Restorer::run`.
    // 7. Write: the residual is added to the stored values, which are encoded as the pixels of the derived object.
    let write = |restored: &mut dyn Iterator<Item = Step>| -> Result<(Staging, Written), Error> {
        let mut written = Written::default();
        let mut open: Option<(String, Object)> = None;
        let mut frame = 0;
        for step in restored {
            let result = match (step, open.take()) {
                (Step::Open(key, header), _) => {
                    frame = 0;
                    Object::new(*header, options.syntax, &staging).map(|object| open = Some((key, object)))
                }
                (Step::Frame(seen, mut residual), Some((key, mut object))) => {
                    let slice = seen.into_middle();
                    if series.modality == Modality::Pet {
                        written.raised += raised(&slice, &mut residual);
                    }
                    if let Some(noise) = noise(series.modality, options.units, &slice, &residual) {
                        written.noise.push((key.clone(), frame, noise));
                    }
                    frame += 1;
                    let pushed = object.push(slice, residual, derivation, options.syntax);
                    pushed.map(|()| open = Some((key, object)))
                }
                (Step::Close(repairs), Some((key, object))) => {
                    written.repairs.extend(repairs);
                    object
                        .finish(&key, derivation, options.syntax, &mut staging)
                        .map(|dropped_mappings| written.dropped_mappings += dropped_mappings)
                }
                (Step::Failed(e), _) => Err(e),
                // The rest of an object that failed.
                (Step::Frame(..) | Step::Close(_), None) => Ok(()),
            };
            match result {
                Ok(()) => {}
                // An unusable slice may be left out of a partial series; a write error ends it.
                Err(e @ Error::File { .. }) if options.allow_partial => written.failed.push(e),
                Err(e) => return Err(e),
            }
        }
        Ok((staging, written))
    };
    pool.run(read, write)
}

/// Keeps the result of a PET slice from falling below 0 ([`keep_non_negative`]); the number of pixels.
fn raised(slice: &Slice, residual: &mut Array2<f32>) -> usize {
    let (values, valid) = (slice.values(), slice.valid());
    if values.dim() != residual.dim() {
        return 0;
    }
    keep_non_negative(values.view(), valid.as_ref().map(|v| v.view()), residual).unwrap_or(0)
}

/// The noise of a slice before and after, in HU or SUV. That of PET in its own units is not measured, since their scale is unknown.
fn noise(modality: Modality, units: PetUnits, slice: &Slice, residual: &Array2<f32>) -> Option<[f64; 2]> {
    let measure = match (modality, units) {
        (Modality::Ct, _) => ct_noise,
        (Modality::Pet, PetUnits::Native) => return None,
        (Modality::Pet, _) => pet_noise,
    };
    let (values, valid) = (slice.values(), slice.valid());
    if values.dim() != residual.dim() {
        return None;
    }
    let measure = |values: &Array2<f32>| measure(values.view(), valid.as_ref().map(|v| v.view()));
    Some([measure(&values)?, measure(&(&values + residual))?])
}
