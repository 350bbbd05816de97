//! The objects of a derived series: which are to be made, and which an earlier run has made already.

use std::path::Path;

use artir_files::{Entry, Manifest};
use dicom_dictionary_std::tags;

use super::{identity, options::RestoreOptions, scale::Scale, way::pixel_repairs};
use crate::{
    Error, Instance, Modality, Repair, Series,
    read::{dataset::Stop, file::DicomFile, frame::PixelFormat, view::View},
    write::{mapping, staging::Identity},
};

/// An object to be made of an instance.
pub(super) struct Planned<'a> {
    /// Its file's name in the series.
    pub(super) name: String,
    /// Hash of its sources.
    pub(super) key: String,
    pub(super) instance: &'a Instance,
}

pub(super) fn slices<'a>(objects: impl IntoIterator<Item = &'a Planned<'a>>) -> usize {
    objects.into_iter().map(|object| object.instance.along_normal.len()).sum()
}

/// The objects of a series in slice order. Where a series may be partial, also the reasons why some are missing from them.
pub(super) fn objects<'a>(
    series: &'a Series,
    scale: &Scale,
    options: &RestoreOptions,
) -> Result<(Vec<Planned<'a>>, Vec<Error>), Error> {
    let (mut objects, mut unreadable) = (Vec::new(), Vec::new());
    for (i, instance) in series.instances.iter().enumerate() {
        match identity::key(instance, scale) {
            Ok(key) => objects.push(Planned { name: name(i), key, instance }),
            Err(e) if options.allow_partial => unreadable.push(e),
            Err(e) => return Err(e),
        }
    }
    Ok((objects, unreadable))
}

/// File name of the object at an index.
pub(crate) fn name(index: usize) -> String {
    format!("{:04}.dcm", index + 1)
}

/// Whether a folder holds exactly this derived series and is complete.
pub(super) fn is_published(manifest: &Manifest, folder: &Path, identity: &Identity, objects: &[Planned<'_>]) -> bool {
    let same = |(entry, object): (&Entry, &Planned<'_>)| entry.key == object.key && entry.name == object.name;
    (&manifest.series, &manifest.settings) == (&identity.series, &identity.settings)
        && manifest.entries.len() == objects.len()
        && manifest.entries.iter().zip(objects).all(same)
        && manifest.entries.iter().all(|entry| Manifest::open(folder, entry).is_some())
}

/// What a run that keeps an object of an earlier run reports of it too.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) dropped_mappings: usize,
    pub(super) repairs: Vec<Repair>,
}

impl Kept {
    pub(super) fn add(&mut self, modality: Modality, source: &Instance, derived: &Path) -> Result<(), Error> {
        self.dropped_mappings += dropped_mappings(modality, source, derived)?;
        let mut file = DicomFile::open(&source.path, Stop::AtEnd)?;
        let format = PixelFormat::of_file(&mut file).map_err(|reason| Error::file(&source.path, reason))?;
        // Reading a frame finds its fragments. It was restored, so that no error is left to be reported.
        drop(file.frame_bytes(0, format.frames, format.layout.bytes() as u64));
        self.repairs.extend(pixel_repairs(&file));
        Ok(())
    }
}

/// The real-world value mappings that an earlier run removed from its object.
fn dropped_mappings(modality: Modality, source: &Instance, derived: &Path) -> Result<usize, Error> {
    // A CT slice keeps its rescale, and with it all mappings.
    if modality != Modality::Pet {
        return Ok(0);
    }
    let before = DicomFile::open(&source.path, Stop::AtPixels)?;
    let after = DicomFile::open(derived, Stop::AtPixels)?;
    let limits = PixelFormat::read(&before.set).map_err(|reason| Error::file(&source.path, reason))?.limits();
    let slope = |file: &DicomFile, frame| {
        View::new(&file.set, frame).group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE).number(tags::RESCALE_SLOPE)
    };
    let renewed = (0..source.frames()).filter(|frame| slope(&before, *frame) != slope(&after, *frame));
    Ok(renewed.map(|frame| mapping::unable_to_follow(&View::new(&before.set, frame), limits)).sum())
}
