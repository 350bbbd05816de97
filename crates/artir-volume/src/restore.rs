//! Restoring: the axial slices of a volume go through the network one by one.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
};

use artir_core::{
    CardInput, Error as CoreError, Image, ImageSource, MemoryUse, Progress, Restorer, Shape, Sink, Work, mirrored,
};
use artir_dicom::{
    Modality, NoiseChoice, are_grey_levels, are_unscaled, body_mean, choose_strength_of, keep_non_negative,
    outside_field_of_view,
};
use artir_metrics::{ct_noise, pet_noise};
use ndarray::{Array2, ArrayView2, ArrayView3, Axis, s};

use crate::{
    Error, Finding, Plan, Reason, Volume,
    sample::{Sample, Storage},
    write::Output,
};

/// The noise of an axial slice before and after its restoration, in HU or SUV.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct VolumeNoise {
    /// The slice within its frame, from 0, along the axis of slices.
    pub slice: usize,
    /// The frame, from 0.
    pub frame: usize,
    /// Before.
    pub before: f64,
    /// After.
    pub after: f64,
}

/// A written volume.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VolumeReport {
    /// The file.
    pub path: PathBuf,
    /// Axial slices of all frames.
    pub slices: usize,
    /// The model and settings that determine the voxels, in words.
    pub provenance: String,
    /// Findings of header and voxels.
    pub findings: Vec<Finding>,
    /// Noise of the slices that show enough tissue, in HU or SUV.
    pub noise: Vec<VolumeNoise>,
}

/// Step in rows and columns of the voxels that a scale is found from, as for DICOM.
const STRIDE: usize = 4;
/// Slices that the choice of a strength looks at.
const SAMPLES: usize = 7;

type Measure = fn(ArrayView2<'_, f32>, Option<ArrayView2<'_, bool>>) -> Option<f64>;

/// How the noise of a slice is measured. That of PET in its own units is not, since their scale is unknown.
fn measure(plan: &Plan) -> Option<Measure> {
    match plan.modality {
        Modality::Ct => Some(ct_noise),
        _ => (!plan.native).then_some(pet_noise as Measure),
    }
}

/// The lowest value that has a meaning: lower ones may end where the datatype ends, as in DICOM.
fn lowest(modality: Modality) -> f64 {
    if modality == Modality::Ct { -1024.0 } else { 0.0 }
}

/// Whether the values of a slice are those of a label map: several whole numbers from 0 to 255, and no more than organs in one
/// slice. HU have noise, and those of a brain without its skull more values than that.
fn are_labels(values: impl Iterator<Item = f64>) -> bool {
    let mut labels = [false; 256];
    for value in values {
        if value.fract() != 0.0 || !(0.0..=255.0).contains(&value) {
            return false;
        }
        labels[value as usize] = true;
    }
    let count = labels.iter().filter(|label| **label).count();
    (2..=32).contains(&count)
}

/// The voxels of a volume, and what they mean.
struct Voxels<'a> {
    volume: &'a Volume,
    plan: &'a Plan,
    bytes: Vec<u8>,
    /// Network unit for each unit of the values.
    per_unit: f64,
}

impl Voxels<'_> {
    fn value(&self, at: usize) -> f64 {
        self.volume.form.storage.get(&self.bytes, at) * self.plan.slope + self.plan.intercept
    }

    /// An axial slice in network units, and the pixels that count.
    fn slice(&self, slice: usize) -> (Array2<f32>, Option<Array2<bool>>) {
        let grid = &self.volume.grid;
        let first = grid.slice(slice);
        let values = Array2::from_shape_fn((grid.rows, grid.columns), |at| {
            (self.value(grid.pixel(first, at)) * self.per_unit) as f32
        });
        let outside = (self.plan.modality == Modality::Ct).then(|| {
            // A float has no step to be rounded to.
            let is_whole = self.volume.form.storage.sample.limits().is_some();
            let step = if is_whole { self.plan.slope.abs() } else { 0.0 };
            let [rows, columns, _] = grid.spacing;
            outside_field_of_view(&values, [rows, columns], step)
        });
        let mut valid = values.mapv(f32::is_finite);
        if let Some(outside) = outside.flatten() {
            valid.zip_mut_with(&outside, |valid, outside| *valid &= !outside);
        }
        let all = valid.iter().all(|valid| *valid);
        (values, (!all).then_some(valid))
    }

    /// An axial slice with the neighbours that a model sees, by the rule of series: those of its own frame, mirrored at the ends;
    /// the slice alone where they are farther apart than the model has seen. `recent` holds the slices that were made last.
    fn seen(&self, slice: usize, input: &CardInput, recent: &mut VecDeque<(usize, Image)>) -> Image {
        let grid = &self.volume.grid;
        let mut image = |slice: usize| {
            if let Some((_, image)) = recent.iter().find(|(known, _)| *known == slice) {
                return image.clone();
            }
            let (values, valid) = self.slice(slice);
            let image = Image { data: values.insert_axis(Axis(0)), valid };
            if input.slices > 1 {
                recent.push_back((slice, image.clone()));
                if recent.len() > input.slices {
                    recent.pop_front();
                }
            }
            image
        };
        let is_near = grid.spacing[2] <= input.most_apart();
        let (first, own) = (slice - slice % grid.slices, slice % grid.slices);
        let offsets = 0..input.slices as isize;
        let at = offsets.map(|i| if is_near { i + own as isize - (input.slices / 2) as isize } else { own as isize });
        Image::of_neighbours(at.map(|at| image(first + mirrored(at, grid.slices))).collect())
    }

    /// Refuses CT whose values are HU + 1024, grey levels or labels. The middle slice stands for all.
    fn check_hounsfield(&self) -> Result<(), Reason> {
        if self.plan.modality != Modality::Ct || self.plan.rescaled {
            return Ok(());
        }
        let (values, valid) = self.slice(self.volume.grid.all_slices() / 2);
        let is_valid = |at| valid.as_ref().is_none_or(|valid| valid[at]);
        let counted = || values.indexed_iter().filter(|(at, _)| is_valid(*at)).map(|(_, v)| f64::from(*v));
        if are_unscaled(counted()) {
            Err(Reason::NotHounsfield)
        } else if are_grey_levels(counted()) {
            Err(Reason::GreyLevels)
        } else if are_labels(counted()) {
            Err(Reason::Labels)
        } else {
            Ok(())
        }
    }

    /// The factor that gives the body a mean of 1.
    fn native_scale(&self) -> Result<f64, Reason> {
        let grid = &self.volume.grid;
        let mut samples = Vec::new();
        for slice in 0..grid.all_slices() {
            let first = grid.slice(slice);
            for row in (0..grid.rows).step_by(STRIDE) {
                let row = (0..grid.columns).step_by(STRIDE).map(|column| self.value(grid.pixel(first, (row, column))));
                samples.extend(row.filter(|v| v.is_finite()));
            }
        }
        body_mean(&samples).map(|mean| 1.0 / mean).ok_or(Reason::NoActivity)
    }
}

/// A slice on its way.
struct Step {
    slice: usize,
    image: Image,
    residual: Array2<f32>,
}

impl Work for Step {
    type Error = CoreError;
    type Source<'a> = ImageSource<'a>;
    type Sink<'a> = Residual<'a>;

    fn image(&mut self) -> Option<(ImageSource<'_>, Residual<'_>)> {
        Some((ImageSource(&self.image), Residual(&mut self.residual)))
    }
}

/// Takes a slice's residual, not those of its neighbours.
struct Residual<'a>(&'a mut Array2<f32>);

impl Sink for Residual<'_> {
    type Error = CoreError;

    fn write(&mut self, first: usize, residual: ArrayView3<'_, f32>) -> Result<(), CoreError> {
        let (channels, rows, _) = residual.dim();
        self.0.slice_mut(s![first..first + rows, ..]).assign(&residual.index_axis(Axis(0), channels / 2));
        Ok(())
    }
}

/// The voxels of the result.
struct Restored<'a> {
    source: &'a Voxels<'a>,
    bytes: Vec<u8>,
    storage: Storage,
}

impl<'a> Restored<'a> {
    /// The voxels of the source, as its datatype or as floats.
    fn of(source: &'a Voxels<'a>) -> Self {
        let storage = source.volume.form.storage;
        if !source.plan.float {
            return Self { source, bytes: source.bytes.clone(), storage };
        }
        let storage = Storage { sample: Sample::F32, ..storage };
        let count = source.volume.form.voxels();
        let mut bytes = vec![0; count * storage.sample.width()];
        (0..count).for_each(|at| storage.put(&mut bytes, at, source.value(at)));
        Self { source, bytes, storage }
    }

    /// Adds the residual of a slice. Where it is 0, nothing changes. No result is less than `least`, but for rounding to a step.
    fn add(&mut self, slice: usize, residual: &Array2<f32>, least: f64) -> Result<(), Reason> {
        let Voxels { volume, plan, bytes, per_unit } = self.source;
        let grid = &volume.grid;
        let first = grid.slice(slice);
        for (at, r) in residual.indexed_iter().filter(|(_, r)| **r != 0.0) {
            let at = grid.pixel(first, at);
            let added = f64::from((f64::from(*r) / per_unit) as f32);
            let value = if plan.float {
                (self.source.value(at) + added).max(least)
            } else {
                let wanted = volume.form.storage.get(bytes, at) + added / plan.slope;
                let is_less = wanted * plan.slope + plan.intercept < least;
                let wanted = if is_less { (least - plan.intercept) / plan.slope } else { wanted };
                match self.storage.sample.limits() {
                    None => wanted,
                    Some(limits) => self.within(limits, wanted.round())?,
                }
            };
            self.storage.put(&mut self.bytes, at, value);
        }
        Ok(())
    }

    /// A value within the limits of the datatype. Only what is below the lowest value of the modality may be cut off.
    fn within(&self, (lo, hi): (f64, f64), wanted: f64) -> Result<f64, Reason> {
        let nearest = wanted.clamp(lo, hi);
        let Plan { modality, slope, intercept, .. } = *self.source.plan;
        if nearest == wanted || nearest * slope + intercept <= lowest(modality) {
            return Ok(nearest);
        }
        Err(Reason::DoesNotFit(self.storage.sample.name()))
    }
}

impl Volume {
    /// Restores the volume into a file of the same format.
    ///
    /// # Errors
    /// [`Error::File`] for voxels that cannot be read or are not HU, and for a name of another format; errors of the core and
    /// the file system.
    pub fn restore(
        &self,
        plan: &Plan,
        restorer: &Restorer,
        out: &Path,
        progress: &dyn Progress,
    ) -> Result<VolumeReport, Error> {
        let fail = |reason: Reason| Error::file(&self.path, reason);
        let output = Output::of(self, plan, out)?;
        let (voxels, trailing) = self.load(plan)?;
        let grid = &self.grid;
        let input = &restorer.card().input;
        let shape = Shape { channels: input.slices, rows: grid.rows, columns: grid.columns };
        let provenance = restorer.provenance(shape, MemoryUse::default())?.to_string();
        let count = grid.all_slices();
        let pool = restorer.pool(shape, MemoryUse::default(), count, progress)?;
        let produce = |feed: artir_core::Feed<Step>| {
            let mut recent = VecDeque::new();
            for slice in 0..count {
                let image = voxels.seen(slice, input, &mut recent);
                let residual = Array2::zeros((grid.rows, grid.columns));
                if feed.send(Step { slice, image, residual }).is_err() {
                    return;
                }
            }
        };
        let measure = measure(plan);
        let consume = |steps: &mut dyn Iterator<Item = Step>| -> Result<_, Reason> {
            let mut restored = Restored::of(&voxels);
            let (mut noise, mut not_finite, mut raised) = (Vec::new(), 0, 0);
            for Step { slice, image, mut residual } in steps {
                let values = image.data.index_axis(Axis(0), input.slices / 2);
                not_finite += values.iter().filter(|v| !v.is_finite()).count();
                let valid = image.valid.as_ref().map(|valid| valid.view());
                let mut least = f64::NEG_INFINITY;
                if plan.modality == Modality::Pet
                    && let Some(count) = keep_non_negative(values, valid, &mut residual)
                {
                    (least, raised) = (0.0, raised + count);
                }
                if let Some(measure) = measure {
                    let after = &values + &residual;
                    if let (Some(before), Some(after)) = (measure(values, valid), measure(after.view(), valid)) {
                        let (slice, frame) = (slice % grid.slices, slice / grid.slices);
                        noise.push(VolumeNoise { slice, frame, before, after });
                    }
                }
                restored.add(slice, &residual, least)?;
            }
            Ok((restored.bytes, noise, not_finite, raised))
        };
        let (inferred, consumed) = pool.run(produce, consume);
        let (bytes, noise, not_finite, raised) = consumed.map_err(fail)?;
        inferred?;
        output.write(&bytes, &provenance)?;
        let mut findings = self.summary().findings;
        findings.extend(trailing.then_some(Finding::TrailingBytes));
        findings.extend((not_finite > 0).then_some(Finding::NotFinite(not_finite)));
        findings.extend((raised > 0).then_some(Finding::NotBelowZero(raised)));
        Ok(VolumeReport { path: out.to_owned(), slices: count, provenance, findings, noise })
    }

    /// Chooses the strength at which the noise of a CT volume is `target` HU, and gives it to the restorer, as
    /// [`artir_dicom::choose_strength`] does for a series.
    ///
    /// # Errors
    /// As [`Volume::restore`].
    pub fn choose_strength(
        &self,
        plan: &Plan,
        restorer: &mut Restorer,
        target: f64,
        progress: &dyn Progress,
    ) -> Result<Option<NoiseChoice>, Error> {
        let (voxels, _) = self.load(plan)?;
        let all = self.grid.all_slices();
        let count = SAMPLES.min(all);
        let input = restorer.card().input.clone();
        let mut recent = VecDeque::new();
        let slices = (0..count).map(|n| voxels.seen((2 * n + 1) * all / (2 * count), &input, &mut recent));
        Ok(choose_strength_of(slices, restorer, target, progress)?)
    }

    /// Reads and checks the voxels.
    fn load<'a>(&'a self, plan: &'a Plan) -> Result<(Voxels<'a>, bool), Error> {
        let load = || {
            let (bytes, trailing) = self.voxels()?;
            let mut voxels = Voxels { volume: self, plan, bytes, per_unit: 1.0 };
            voxels.check_hounsfield()?;
            if plan.native {
                voxels.per_unit = voxels.native_scale()?;
            }
            Ok((voxels, trailing))
        };
        load().map_err(|reason: Reason| Error::file(&self.path, reason))
    }
}
