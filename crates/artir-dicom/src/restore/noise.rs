//! The noise of a series: measured by slice, and for CT the strength that leaves a given level.

use artir_core::{Image, Progress, Restorer};
use artir_metrics::{ct_noise, median};
use ndarray::{Array2, Axis};

use super::{
    RestoreOptions,
    neighbours::{FrameAt, Neighbours, Sight, without_lost},
    place::Place,
    plan::places,
    scale::Scale,
    step::open,
};
use crate::{
    Error, Series,
    read::{slice::Slice, worker::Decoder},
};

/// The noise of a slice before and after its restoration, in HU or SUV.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SliceNoise {
    /// Name of the file in the derived series' folder.
    pub file: String,
    /// Frame within the file, from 0.
    pub frame: usize,
    /// Before.
    pub before: f64,
    /// After.
    pub after: f64,
}

/// The strength that leaves a noise level.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct NoiseChoice {
    /// Share of the residual to apply, in hundredths.
    pub strength: f32,
    /// Noise of the source, HU: the median over the slices that were measured.
    pub before: f64,
    /// Noise at this strength, HU.
    pub after: f64,
}

/// Slices that the choice of a strength looks at.
const SAMPLES: usize = 7;

/// Chooses the strength at which the noise of a CT series is `target` HU, in the median over some of its slices, and gives it
/// to the restorer. A series with less noise gets strength 0, one that keeps more at full strength gets 1. `None` for a
/// series without a slice of enough soft tissue; the restorer then has the strength of the model's card.
///
/// # Errors
/// Errors of the core. A slice that cannot be read is left out.
pub fn choose_strength(
    series: &Series,
    restorer: &mut Restorer,
    target: f64,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Option<NoiseChoice>, Error> {
    let mut decoder = options.decoder();
    let scale = Scale::of(series, options, &mut decoder)?;
    let places = places(series, options);
    let neighbours = Neighbours::of(&places.iter().collect::<Vec<_>>(), series, Sight::from(&restorer.card().input));
    let frames =
        |(object, place): (usize, &Place<'_>)| place.frames.clone().map(move |frame| FrameAt { object, frame });
    let all: Vec<FrameAt> = places.iter().enumerate().flat_map(frames).collect();
    let count = SAMPLES.min(all.len());
    let images = (0..count).filter_map(|n| {
        // The middles of equal parts: the ends of a series often show other anatomy.
        let middle = all[(2 * n + 1) * all.len() / (2 * count)];
        let mut image = |at: FrameAt| {
            let slice = read(series, places[at.object].instance, at.frame, &scale, options, &mut decoder).ok()?;
            Some(Image { data: slice.values().insert_axis(Axis(0)), valid: slice.valid() })
        };
        let seen: Vec<_> = neighbours.seen(&places[middle.object], middle).into_iter().map(&mut image).collect();
        without_lost(&seen).map(Image::of_neighbours)
    });
    Ok(choose_strength_of(images, restorer, target, progress)?)
}

/// Chooses the strength by some axial slices in HU, each with the neighbours that the model sees, as [`choose_strength`] does.
///
/// # Errors
/// Errors of the core.
pub fn choose_strength_of(
    slices: impl IntoIterator<Item = Image>,
    restorer: &mut Restorer,
    target: f64,
    progress: &dyn Progress,
) -> Result<Option<NoiseChoice>, artir_core::Error> {
    restorer.set_strength(1.0)?;
    let mut samples = Vec::new();
    for image in slices {
        let middle = image.data.dim().0 / 2;
        let before = image.data.index_axis(Axis(0), middle);
        if ct_noise(before, image.valid.as_ref().map(|v| v.view())).is_none() {
            continue;
        }
        let residual = restorer.restore(&image, &Quiet(progress))?.index_axis_move(Axis(0), middle) - before;
        samples.push((before.to_owned(), residual, image.valid));
    }
    let noise = |strength: f32| {
        let measured = samples.iter().filter_map(|(before, residual, valid)| {
            let after: Array2<f32> = before + &(residual * strength);
            ct_noise(after.view(), valid.as_ref().map(|v| v.view()))
        });
        median(measured.collect())
    };
    let Some(before) = noise(0.0) else {
        restorer.set_strength(restorer.card().strength.unwrap_or(1.0))?;
        return Ok(None);
    };
    let strength = strength_for(target, before, &|strength| noise(strength).unwrap_or(before));
    restorer.set_strength(strength)?;
    Ok(Some(NoiseChoice { strength, before, after: noise(strength).unwrap_or(before) }))
}

/// The strength in hundredths whose noise is nearest to the target. Noise falls as the strength rises.
fn strength_for(target: f64, before: f64, noise: &dyn Fn(f32) -> f64) -> f32 {
    if before <= target {
        return 0.0;
    }
    let (mut low, mut high) = (0, 100);
    if noise(1.0) >= target {
        return 1.0;
    }
    while high - low > 1 {
        let middle = (low + high) / 2;
        if noise(middle as f32 / 100.0) > target { low = middle } else { high = middle }
    }
    let [low, high] = [low, high].map(|hundredths| hundredths as f32 / 100.0);
    if (noise(low) - target).abs() < (noise(high) - target).abs() { low } else { high }
}

fn read(
    series: &Series,
    instance: &crate::Instance,
    frame: u32,
    scale: &Scale,
    options: &RestoreOptions,
    decoder: &mut Decoder,
) -> Result<Slice, Error> {
    let (mut file, format) = open(series, instance, options.rescale)?;
    scale
        .per_unit(&instance.path, frame)
        .and_then(|unit| Slice::read(&mut file, &format, frame, series.modality, unit, decoder))
        .map_err(|reason| Error::file(&instance.path, reason))
}

/// Passes on the wish to stop, and reports no progress: these slices are restored once more.
struct Quiet<'a>(&'a dyn Progress);

impl Progress for Quiet<'_> {
    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strength_meets_its_target_or_stops_at_the_ends() {
        let noise = |strength: f32| 20.0 * (1.0 - 0.8 * f64::from(strength));
        let strength = |target: f64| strength_for(target, noise(0.0), &noise);
        assert_eq!([25.0, 20.0, 4.0, 1.0].map(strength), [0.0, 0.0, 1.0, 1.0]);
        for target in [5.0, 10.0, 17.3] {
            let left = noise(strength(target));
            assert!((left - target).abs() <= 0.09, "{target}: {left}");
        }
    }
}
