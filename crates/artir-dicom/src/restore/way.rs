//! The way of a slice from its file to the derived object.

use artir_core::{Feed, Pool, PoolEnded, Sink, Work};
use artir_metrics::ct_noise;
use dicom_dictionary_std::tags;
use ndarray::{Array2, ArrayView3, Axis, s};

use super::{
    options::RestoreOptions,
    place::{Place, Planned},
    scale::Scale,
};
use crate::{
    Error, Instance, Modality, Reason, Repair, Rescale, Series,
    read::{
        dataset::Stop,
        file::DicomFile,
        frame::PixelFormat,
        slice::{Slice, SliceSource},
        worker::Decoder,
    },
    write::{
        derive::Derivation,
        object::{Header, Object},
        staging::Staging,
    },
};

/// What goes through the pool. An object opens with its key; its frames follow until it closes.
pub(super) enum Step {
    Open(String, Box<Header>),
    /// A slice, and its residual once it is restored.
    Frame(Slice, Array2<f32>),
    /// All frames have come; these departures from the standard were found in their pixels.
    Close(Vec<Repair>),
    /// The object that is open, or was to be opened, cannot be read.
    Failed(Error),
}

impl Work for Step {
    type Error = Error;
    type Source<'a> = SliceSource<'a>;
    type Sink<'a> = ResidualSink<'a>;

    fn image(&mut self) -> Option<(SliceSource<'_>, ResidualSink<'_>)> {
        match self {
            Self::Frame(slice, residual) => {
                let shape = slice.frame.stored.raw_dim();
                Some((slice.source(), ResidualSink { residual, rows: shape[0], columns: shape[1] }))
            }
            _ => None,
        }
    }
}

/// Keeps a slice's residual: a new slope for a PET slice depends on all of it.
pub(super) struct ResidualSink<'a> {
    residual: &'a mut Array2<f32>,
    rows: usize,
    columns: usize,
}

impl Sink for ResidualSink<'_> {
    type Error = Error;

    fn write(&mut self, first: usize, residual: ArrayView3<'_, f32>) -> Result<(), Error> {
        if self.residual.dim() != (self.rows, self.columns) {
            *self.residual = Array2::zeros((self.rows, self.columns));
        }
        let rows = residual.dim().1;
        self.residual.slice_mut(s![first..first + rows, ..]).assign(&residual.index_axis(Axis(0), 0));
        Ok(())
    }
}

/// The objects that were made.
#[derive(Default)]
pub(super) struct Written {
    /// Real-world value mappings that were removed.
    pub(super) dropped_mappings: usize,
    pub(super) failed: Vec<Error>,
    /// Departures from the standard in the pixels, one entry for each object.
    pub(super) repairs: Vec<Repair>,
    /// Noise of CT slices with enough soft tissue: the key of their object, their frame, and HU before and after.
    pub(super) noise: Vec<(String, usize, [f64; 2])>,
}

/// The settings of a run that its slices share.
pub(super) struct Run<'a> {
    pub(super) series: &'a Series,
    pub(super) scale: &'a Scale,
    pub(super) derivation: &'a Derivation<'a>,
    pub(super) options: &'a RestoreOptions,
}

/// Takes every slice of some objects the whole way. Returns how the network ended, and the written objects.
pub(super) fn restore_slices(
    run: &Run<'_>,
    todo: &[Planned<'_>],
    decoder: &mut Decoder,
    mut staging: Staging,
    pool: Pool<'_, Step>,
) -> (Result<(), Error>, Result<(Staging, Written), Error>) {
    let Run { series, scale, derivation, options } = *run;
    // 1. Read: each frame's bytes are decoded to stored values. Their HU or SUV are computed as the network asks for them.
    let read = |feed: Feed<Step>| {
        // Objects that are made of one file follow each other, and it is opened once.
        let mut open_file: Option<(&Instance, DicomFile, PixelFormat)> = None;
        for object in todo {
            let Place { instance, frames, single, .. } = &object.place;
            let mut read_object = |feed: &Feed<Step>| -> Result<Result<(), PoolEnded>, Error> {
                let known = open_file.take().filter(|(of, ..)| std::ptr::eq(*of, *instance));
                let (_, file, format) = open_file.insert(match known {
                    Some(known) => known,
                    None => open(series, instance, options.rescale).map(|(file, format)| (*instance, file, format))?,
                });
                let header = Header {
                    path: instance.path.clone(),
                    source: file.set.clone(),
                    format: format.clone(),
                    multi_frame: series.multi_frame,
                    single: *single,
                };
                if feed.send(Step::Open(object.key.clone(), Box::new(header))).is_err() {
                    return Ok(Err(PoolEnded));
                }
                for frame in frames.clone() {
                    let slice = scale
                        .per_unit(&instance.path, frame)
                        .and_then(|unit| Slice::read(file, format, frame, series.modality, unit, decoder))
                        .map_err(|reason| Error::file(&instance.path, reason))?;
                    if feed.send(Step::Frame(slice, Array2::default((0, 0)))).is_err() {
                        return Ok(Err(PoolEnded));
                    }
                }
                Ok(feed.send(Step::Close(file.pixel_repairs())))
            };
            let sent = read_object(&feed).unwrap_or_else(|e| feed.send(Step::Failed(e)));
            if sent.is_err() {
                return;
            }
        }
    };
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
                (Step::Frame(slice, residual), Some((key, mut object))) => {
                    if let Some(noise) = noise(series.modality, &slice, &residual) {
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

/// The noise of a CT slice before and after, HU.
fn noise(modality: Modality, slice: &Slice, residual: &Array2<f32>) -> Option<[f64; 2]> {
    let (values, valid) = (slice.values(), slice.valid());
    if modality != Modality::Ct || values.dim() != residual.dim() {
        return None;
    }
    let measure = |values: &Array2<f32>| ct_noise(values.view(), valid.as_ref().map(|v| v.view()));
    Some([measure(&values)?, measure(&(&values + residual))?])
}

/// Opens the file of an instance, which must be as it was when it was found.
pub(super) fn open(
    series: &Series,
    instance: &Instance,
    rescale: Option<Rescale>,
) -> Result<(DicomFile, PixelFormat), Error> {
    let mut file = DicomFile::open(&instance.path, Stop::AtEnd)?;
    let format = PixelFormat::of_file(&mut file).map_err(|reason| Error::file(&instance.path, reason))?;
    let same = (u32::from(format.layout.rows), u32::from(format.layout.columns)) == (series.rows, series.columns);
    if format.frames != instance.frames() || !same || file.set.text(tags::SOP_INSTANCE_UID) != Some(&instance.uid) {
        return Err(Error::file(&instance.path, Reason::Changed));
    }
    if let Some(rescale) = rescale.filter(|_| series.modality == Modality::Ct) {
        rescale.put(&mut file.set);
    }
    Ok((file, format))
}
