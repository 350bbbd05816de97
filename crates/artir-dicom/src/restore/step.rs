//! What goes through the pool, and the files that it comes from.

use std::sync::Arc;

use artir_core::{Sink, Work};
use dicom_dictionary_std::tags;
use ndarray::{Array2, ArrayView3, Axis, s};

use super::{
    neighbours::{FrameAt, Neighbours},
    options::RestoreOptions,
    place::Planned,
    scale::Scale,
};
use crate::{
    Error, Instance, Modality, Reason, Repair, Rescale, Series,
    read::{
        dataset::Stop,
        file::DicomFile,
        frame::PixelFormat,
        slice::{Slice, SliceSource},
    },
    write::{derive::Derivation, object::Header},
};

/// What goes through the pool. An object opens with its key; its frames follow until it closes.
pub(super) enum Step {
    Open(String, Box<Header>),
    /// A slice with its neighbours, and its residual once it is restored.
    Frame(Seen, Array2<f32>),
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
            Self::Frame(seen, residual) => {
                let (rows, columns) = seen.middle().frame.stored.dim();
                Some((seen.source(), ResidualSink { residual, rows, columns }))
            }
            _ => None,
        }
    }
}

/// What the network sees of a slice: an odd number of neighbours in the order of their positions, the slice in the middle.
pub(super) struct Seen(pub(super) Vec<Arc<Slice>>);

impl Seen {
    /// The slice that is restored.
    pub(super) fn middle(&self) -> &Slice {
        &self.0[self.0.len() / 2]
    }

    /// The slice that is restored, without its neighbours.
    pub(super) fn into_middle(mut self) -> Slice {
        let middle = self.0.swap_remove(self.0.len() / 2);
        drop(self);
        Arc::unwrap_or_clone(middle)
    }

    pub(super) fn source(&self) -> SliceSource<'_> {
        SliceSource(self.0.iter().map(|slice| &**slice).collect())
    }
}

/// Keeps a slice's residual: a new slope for a PET slice depends on all of it. Those of its neighbours are not used.
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
        let (channels, rows, _) = residual.dim();
        self.residual.slice_mut(s![first..first + rows, ..]).assign(&residual.index_axis(Axis(0), channels / 2));
        Ok(())
    }
}

/// The settings of a run that its slices share.
pub(super) struct Run<'a> {
    pub(super) series: &'a Series,
    pub(super) scale: &'a Scale,
    /// All objects of the derived series.
    pub(super) objects: &'a [Planned<'a>],
    pub(super) neighbours: &'a Neighbours,
    pub(super) derivation: &'a Derivation<'a>,
    pub(super) options: &'a RestoreOptions,
}

impl Run<'_> {
    /// What the network sees of a frame.
    pub(super) fn seen(&self, at: FrameAt) -> Vec<FrameAt> {
        self.neighbours.seen(&self.objects[at.object].place, at)
    }

    /// How many slices the network sees at once.
    pub(super) fn slices(&self) -> usize {
        self.neighbours.slices
    }
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
