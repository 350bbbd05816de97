//! The objects of a derived series: which are to be made, and which an earlier run has made already.

use std::path::Path;

use artir_files::{Entry, Manifest};
use dicom_dictionary_std::tags;

use super::{
    identity,
    neighbours::{Neighbours, Sight},
    options::RestoreOptions,
    place::{Place, Planned},
    scale::Scale,
};
use crate::{
    Error, Instance, Modality, Reason, Repair, Series,
    read::{dataset::Stop, file::DicomFile, frame::PixelFormat, view::View},
    write::{mapping, single::SingleFrame, staging::Identity},
};

pub(super) fn slices<'a>(objects: impl IntoIterator<Item = &'a Planned<'a>>) -> usize {
    objects.into_iter().map(|object| object.place.frames.len()).sum()
}

/// The objects of a derived series, in slice order.
pub(crate) fn places<'a>(series: &'a Series, options: &RestoreOptions) -> Vec<Place<'a>> {
    let mut out: Vec<Place<'a>> = Vec::new();
    for instance in &series.instances {
        let place = |frames, single| Place { name: String::new(), instance, frames, single };
        if !instance.are_slices() {
            out.push(place(0..instance.frames(), None));
            continue;
        }
        let first = out.len();
        let frames = (0..instance.frames()).filter_map(|frame| {
            let position = instance.position(frame)?;
            let number = first + frame as usize + 1;
            Some(place(frame..frame + 1, Some(SingleFrame { frame, position, number })))
        });
        out.extend(frames);
    }
    let names = options.names.of(&out);
    out.iter_mut().zip(names).for_each(|(place, name)| place.name = name);
    out
}

/// What a series becomes.
pub(super) struct Planning<'a> {
    /// Its objects in slice order.
    pub(super) objects: Vec<Planned<'a>>,
    /// What the network sees of their frames.
    pub(super) neighbours: Neighbours,
    /// Where a series may be partial, the reasons why some objects are missing.
    pub(super) unreadable: Vec<Error>,
}

/// Plans the objects of a series.
pub(super) fn objects<'a>(
    series: &'a Series,
    scale: &Scale,
    sight: Sight,
    options: &RestoreOptions,
) -> Result<Planning<'a>, Error> {
    let (mut objects, mut unreadable) = (Vec::new(), Vec::new());
    // The places of one instance follow each other, and its file is hashed once.
    let mut last: Option<(&Instance, Result<String, Reason>)> = None;
    for place in places(series, options) {
        let known = last.take().filter(|(instance, _)| std::ptr::eq(*instance, place.instance));
        let is_new = known.is_none();
        let (instance, sha256) = known.unwrap_or_else(|| (place.instance, identity::hash_source(place.instance)));
        match &sha256 {
            Ok(sha256) => objects.push(Planned { key: identity::key(&place, sha256, scale), place }),
            Err(reason) => {
                let error = Error::file(&instance.path, reason.clone());
                if !options.allow_partial {
                    return Err(error);
                }
                unreadable.extend(is_new.then_some(error));
            }
        }
        last = Some((instance, sha256));
    }
    let places: Vec<&Place<'_>> = objects.iter().map(|object| &object.place).collect();
    let neighbours = Neighbours::of(&places, series, sight);
    let own: Vec<String> = objects.iter().map(|object| object.key.clone()).collect();
    for (i, object) in objects.iter_mut().enumerate() {
        let beside = neighbours.beside(i).map(|at| (own[at.object].as_str(), at.frame));
        object.key = identity::key_among(&own[i], beside);
    }
    Ok(Planning { objects, neighbours, unreadable })
}

/// Whether a folder holds exactly this derived series and is complete.
pub(super) fn is_published(manifest: &Manifest, folder: &Path, identity: &Identity, objects: &[Planned<'_>]) -> bool {
    let same = |(entry, object): (&Entry, &Planned<'_>)| entry.key == object.key && entry.name == object.place.name;
    (&manifest.series, &manifest.settings) == (&identity.series, &identity.settings)
        && manifest.entries.len() == objects.len()
        && manifest.entries.iter().zip(objects).all(same)
        && manifest.entries.iter().all(|entry| Manifest::open(folder, entry).is_some())
}

/// What a run that keeps an object of an earlier run reports of it too.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) dropped_mappings: usize,
    /// Of this run only: a result of 0 does not tell that it would have been negative.
    pub(super) raised: usize,
    pub(super) repairs: Vec<Repair>,
}

impl Kept {
    pub(super) fn add(&mut self, modality: Modality, place: &Place<'_>, derived: &Path) -> Result<(), Error> {
        let source = place.instance;
        self.dropped_mappings += dropped_mappings(modality, place, derived)?;
        let mut file = DicomFile::open(&source.path, Stop::AtEnd)?;
        let format = PixelFormat::of_file(&mut file).map_err(|reason| Error::file(&source.path, reason))?;
        // Reading a frame finds its fragments. It was restored, so that no error is left to be reported.
        drop(file.frame_bytes(0, format.frames, format.layout.bytes() as u64));
        self.repairs.extend(file.pixel_repairs());
        Ok(())
    }
}

/// The real-world value mappings that an earlier run removed from its object.
fn dropped_mappings(modality: Modality, place: &Place<'_>, derived: &Path) -> Result<usize, Error> {
    // A CT slice keeps its rescale, and with it all mappings.
    if modality != Modality::Pet {
        return Ok(0);
    }
    let source = place.instance;
    let before = DicomFile::open(&source.path, Stop::AtPixels)?;
    let after = DicomFile::open(derived, Stop::AtPixels)?;
    let limits = PixelFormat::read(&before.set).map_err(|reason| Error::file(&source.path, reason))?.limits();
    let slope = |file: &DicomFile, frame| {
        View::new(&file.set, frame).group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE).number(tags::RESCALE_SLOPE)
    };
    let renewed = place.frames.clone().filter(|frame| slope(&before, *frame) != slope(&after, place.own(*frame)));
    Ok(renewed.map(|frame| mapping::unable_to_follow(&View::new(&before.set, frame), limits)).sum())
}
