//! What goes through the pool, and the files that it comes from.

use artir_core::{Sink, Work};
use dicom_dictionary_std::tags;
use ndarray::{Array2, ArrayView3, Axis, s};

use super::{options::RestoreOptions, scale::Scale};
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

/// The settings of a run that its slices share.
pub(super) struct Run<'a> {
    pub(super) series: &'a Series,
    pub(super) scale: &'a Scale,
    pub(super) derivation: &'a Derivation<'a>,
    pub(super) options: &'a RestoreOptions,
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
