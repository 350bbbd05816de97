//! Restores a series: one thread reads and decodes, one infers, one encodes and writes.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use artir_core::{ErrorKind, MemoryUse, Progress, Restorer, Shape, Sink, Source, Window};
use artir_files::Manifest;
use dicom_dictionary_std::tags;
use ndarray::{Array2, ArrayView3, Axis, s};

mod identity;

use crate::{
    Error, Finding, Instance, Series,
    codec::OutputSyntax,
    dataset::Stop,
    derive::{CAUTION, Derivation, SeriesDescription},
    file::DicomFile,
    frame::PixelFormat,
    slice::Slice,
    staging::{self, Identity, Staging},
    suv::{PetUnits, SuvSummary},
    units::Scale,
    worker::Decoder,
    write::{Header, Object},
};

/// Options of a derived series.
#[derive(Clone, Debug)]
pub struct RestoreOptions {
    /// Replace an existing derived series.
    pub overwrite: bool,
    /// Continue an interrupted run, or update a published series of the same model and settings: objects of unchanged
    /// sources are kept, the rest is made again.
    pub resume: bool,
    /// Publish a series without the slices that failed.
    pub allow_partial: bool,
    /// Text appended to SeriesDescription. As much of it is written as VR LO holds: the first 64 characters of ASCII,
    /// without backslashes.
    pub suffix: String,
    /// SeriesDescription in full, instead.
    pub series_description: Option<String>,
    /// Creation time as VR DT, to the second; `None` writes none, so that outputs are reproducible.
    pub timestamp: Option<String>,
    /// Transfer syntax of the derived pixels.
    pub syntax: OutputSyntax,
    /// Unit of PET values for the network.
    pub units: PetUnits,
    /// Program and arguments that run [`crate::serve`], to decode in; `None` decodes in this process.
    pub codec_process: Option<(PathBuf, Vec<OsString>)>,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self {
            overwrite: false,
            resume: false,
            allow_partial: false,
            suffix: "artir".into(),
            series_description: None,
            timestamp: None,
            syntax: OutputSyntax::Native,
            units: PetUnits::Suv,
            codec_process: None,
        }
    }
}

impl RestoreOptions {
    pub(crate) fn decoder(&self) -> Decoder {
        match &self.codec_process {
            Some((program, arguments)) => Decoder::isolated(program.clone(), arguments.clone()),
            None => Decoder::in_process(),
        }
    }
}

/// The written series.
#[derive(Debug)]
pub struct SeriesReport {
    /// The folder.
    pub folder: PathBuf,
    /// File names in it, in slice order.
    pub files: Vec<String>,
    /// The derived SeriesInstanceUID.
    pub series_uid: String,
    /// The model and settings that determine the pixels, in words.
    pub provenance: String,
    /// Slices that an earlier run had completed, published or not.
    pub resumed: usize,
    /// The reasons why slices are missing.
    pub failed: Vec<Error>,
    /// Findings of the restoration, in addition to those of the scan.
    pub findings: Vec<Finding>,
    /// SUV factors and uptake times of a PET series that was restored in SUV.
    pub suv: Option<SuvSummary>,
}

/// Restores a series into `out/FOLDER/NNNN.dcm`. The folder appears only after every slice is written.
///
/// # Errors
/// [`Error::File`] for a slice that cannot be used (the whole series is then refused, unless partial series are
/// allowed), and errors of the core and the file system.
pub fn restore_series(
    series: &Series,
    restorer: &Restorer,
    out: &Path,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<SeriesReport, Error> {
    let slice_pixels = u64::from(series.rows) * u64::from(series.columns);
    progress.start(&series.folder, slice_pixels * series.slices() as u64);
    let shape = Shape { channels: 1, rows: series.rows as usize, columns: series.columns as usize };
    let provenance = restorer.provenance(shape, MemoryUse::default())?.to_string();
    let task = restorer.card().task.name();
    let decides = restorer.decides_for(shape, MemoryUse::default())?;
    let what = Restoring { provenance: &provenance, decides: decides.as_str(), task };
    let run = |restorer: &Restorer, slice: &Slice| -> Result<Array2<f32>, Error> {
        let mut sink = Collect { residual: Array2::zeros(slice.frame.stored.raw_dim()) };
        restorer.run(&mut slice.source(), &mut sink, progress)?;
        Ok(sink.residual)
    };
    let shared = match restorer.side_by_side(shape, MemoryUse::default()).min(series.slices()) {
        0 | 1 => Vec::new(),
        parts => restorer.split_threads(parts)?,
    };
    let together = restorer.batch_size(shape, MemoryUse::default())?.max(shared.len());
    let report = restore_with(series, &what, out, options, together, &mut |slices| {
        if let [slice] = slices {
            return Ok(vec![run(restorer, slice)?]);
        }
        if !shared.is_empty() {
            return side_by_side(&shared, slices, run);
        }
        let whole = Window { row: 0, column: 0, rows: shape.rows, columns: shape.columns };
        let images = slices.iter().map(|slice| slice.source().read(whole)).collect::<Result<_, Error>>()?;
        let residuals = restorer.residuals(images, progress)?;
        Ok(residuals.into_iter().map(|residual| residual.index_axis_move(Axis(0), 0)).collect())
    })?;
    progress.advance(slice_pixels * report.resumed as u64);
    Ok(report)
}

/// Each slice by a restorer of its own, on a thread of its own.
fn side_by_side(
    restorers: &[Restorer],
    slices: &[&Slice],
    run: impl Fn(&Restorer, &Slice) -> Result<Array2<f32>, Error> + Send + Copy,
) -> Result<Vec<Array2<f32>>, Error> {
    thread::scope(|scope| {
        let work = slices.iter().zip(restorers).map(|(slice, restorer)| scope.spawn(move || run(restorer, slice)));
        let running: Vec<_> = work.collect();
        let results =
            running.into_iter().map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        results.collect()
    })
}

/// Origin and settings of the restored pixels.
#[derive(Clone, Copy)]
struct Restoring<'a> {
    /// The origin of the pixels, in words.
    provenance: &'a str,
    /// The model and settings that determine the pixels, as text with a version.
    decides: &'a str,
    task: &'a str,
}

/// A message between threads. An object opens with its key; its frames follow until it closes.
enum Step {
    Open(String, Box<Header>),
    Frame(Slice, Array2<f32>),
    Close,
    /// The object that is open, or was to be opened, cannot be read.
    Failed(Error),
}

/// Steps that may wait between two threads: enough to overlap work, few enough to bound memory.
const QUEUE: usize = 2;

/// A function that gives the residuals of slices.
type Residuals<'a> = &'a mut dyn FnMut(&[&Slice]) -> Result<Vec<Array2<f32>>, Error>;

/// Restores a series with any function that returns the residuals of up to `together` slices.
fn restore_with(
    series: &Series,
    what: &Restoring<'_>,
    out: &Path,
    options: &RestoreOptions,
    together: usize,
    residuals: Residuals<'_>,
) -> Result<SeriesReport, Error> {
    let series_text = identity::series(series, what, options);
    let series_uid = identity::series_uid(&series_text);
    let identity = identity::identity(&series_text, what, options);
    let target = out.join(&series.folder);
    if !options.allow_partial
        && let Some(clash) = series.clash()
    {
        return Err(clash);
    }
    let mut decoder = options.decoder();
    let scale = Scale::of(series, options.units, &mut decoder)?;
    let suv = scale.suv_summary();
    let mut findings: Vec<Finding> = suv.iter().flat_map(|suv| suv.findings.clone()).collect();
    let (objects, unreadable) = objects(series, &scale, options)?;
    let provenance = what.provenance.to_owned();
    let published = if options.resume {
        staging::recover(&target, false)?;
        Manifest::read(&target)
    } else {
        None
    };
    if let Some(manifest) = published.as_ref().filter(|m| is_published(m, &target, &identity, &objects)) {
        staging::recover(&target, true)?;
        let files = manifest.entries.iter().map(|entry| entry.name.clone()).collect();
        let (resumed, failed) = (slices(&objects), unreadable);
        return Ok(SeriesReport { folder: target, files, series_uid, provenance, resumed, failed, findings, suv });
    }
    let mut staging = Staging::open(target, &identity, options.overwrite, options.resume)?;
    if let Some(manifest) = &published {
        let wanted: Vec<&str> = objects.iter().map(|object| object.key.as_str()).collect();
        staging.take_over(manifest, &wanted)?;
    }
    let (done, todo): (Vec<_>, Vec<_>) = objects.into_iter().partition(|object| staging.is_done(&object.key));
    let resumed = slices(&done);
    let description = format!("Restored by a neural network ({}): {}. {CAUTION}", what.task, what.provenance);
    let derivation = Derivation {
        modality: series.modality,
        series_instance_uid: &series_uid,
        description: &description,
        series_description: match &options.series_description {
            Some(text) => SeriesDescription::Full(text),
            None => SeriesDescription::Suffix(&options.suffix),
        },
        model: what.provenance,
        timestamp: options.timestamp.as_deref(),
    };
    let queue = QUEUE.max(together);
    let (decoded_to, decoded) = sync_channel(queue);
    let (restored_to, restored) = sync_channel(queue);
    let (inferred, written) = thread::scope(|scope| {
        scope.spawn(|| decode_all(series, &todo, &scale, &mut decoder, decoded_to));
        let writer = scope.spawn(|| write_all(staging, &derivation, options, restored));
        let inferred = infer_all(decoded, restored_to, together, residuals);
        let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (inferred, written)
    });
    let (staging, new) = written?;
    if let Err(e) = inferred {
        if e.kind() == ErrorKind::Interrupted {
            staging.suspend();
        }
        return Err(e);
    }
    let mut named: Vec<(String, String)> = done.into_iter().chain(todo).map(|o| (o.name, o.key)).collect();
    named.sort_by_key(|(name, _)| (name.len(), name.clone()));
    let manifest = staging.manifest(&named);
    let failed: Vec<Error> = unreadable.into_iter().chain(new.failed).collect();
    if manifest.entries.is_empty() {
        let nothing = || Error::write(out, "the series has no slices");
        return Err(failed.into_iter().next().unwrap_or_else(nothing));
    }
    let folder = staging.publish(&manifest)?;
    let files = manifest.entries.into_iter().map(|entry| entry.name).collect();
    if new.dropped_mappings > 0 {
        findings.push(Finding::MappingsDropped(new.dropped_mappings));
    }
    Ok(SeriesReport { folder, files, series_uid, provenance, resumed, failed, findings, suv })
}

/// An object to be made of an instance.
struct Planned<'a> {
    /// Its file's name in the series.
    name: String,
    /// Hash of its sources.
    key: String,
    instance: &'a Instance,
}

fn slices(objects: &[Planned<'_>]) -> usize {
    objects.iter().map(|object| object.instance.along_normal.len()).sum()
}

/// The objects of a series in slice order, and why some are missing from them where a series may be partial.
fn objects<'a>(
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
fn is_published(manifest: &Manifest, folder: &Path, identity: &Identity, objects: &[Planned<'_>]) -> bool {
    let same =
        |(entry, object): (&artir_files::Entry, &Planned<'_>)| entry.key == object.key && entry.name == object.name;
    (&manifest.series, &manifest.settings) == (&identity.series, &identity.settings)
        && manifest.entries.len() == objects.len()
        && manifest.entries.iter().zip(objects).all(same)
        && manifest.entries.iter().all(|entry| Manifest::open(folder, entry).is_some())
}

/// Reads and decodes. Stops early when the receiver has ended.
fn decode_all(series: &Series, todo: &[Planned<'_>], scale: &Scale, decoder: &mut Decoder, to: SyncSender<Step>) {
    for Planned { key, instance, .. } in todo {
        let fail = |reason: String| Error::file(&instance.path, reason);
        // The outer result tells whether the receiver still runs.
        let mut decode = || -> Result<Result<(), Error>, ()> {
            let send = |step| to.send(step).map_err(drop);
            let opened = open(series, instance);
            let (mut file, header) = match opened {
                Ok(opened) => opened,
                Err(e) => return Ok(Err(e)),
            };
            let format = header.format.clone();
            send(Step::Open(key.clone(), Box::new(header)))?;
            for frame in 0..format.frames {
                let slice = scale
                    .per_unit(&instance.path, frame)
                    .and_then(|unit| Slice::read(&mut file, &format, frame, series.modality, unit, decoder));
                match slice {
                    Ok(slice) => send(Step::Frame(slice, Array2::zeros((0, 0))))?,
                    Err(reason) => return Ok(Err(fail(reason))),
                }
            }
            send(Step::Close)?;
            Ok(Ok(()))
        };
        match decode() {
            Ok(Ok(())) => {}
            Ok(Err(e)) => {
                if to.send(Step::Failed(e)).is_err() {
                    return;
                }
            }
            Err(()) => return,
        }
    }
}

fn open(series: &Series, instance: &Instance) -> Result<(DicomFile, Header), Error> {
    let file = DicomFile::open(&instance.path, Stop::AtEnd)?;
    let fail = |reason: String| Error::file(&instance.path, reason);
    let format = PixelFormat::read(&file.set).map_err(fail)?;
    let same = (u32::from(format.layout.rows), u32::from(format.layout.columns)) == (series.rows, series.columns);
    if format.frames != instance.frames() || !same || file.set.text(tags::SOP_INSTANCE_UID) != Some(&instance.uid) {
        return Err(Error::file(&instance.path, "the file has changed since it was scanned"));
    }
    let header = Header {
        path: instance.path.clone(),
        source: file.set.clone(),
        format,
        transfer_syntax: file.transfer_syntax.clone(),
        multi_frame: series.multi_frame,
    };
    Ok((file, header))
}

/// Adds residuals to slices, `together` at a time, and forwards all other steps.
fn infer_all(
    from: Receiver<Step>,
    to: SyncSender<Step>,
    together: usize,
    residuals: Residuals<'_>,
) -> Result<(), Error> {
    // Steps from a slice on that waits for others. Earlier steps are forwarded immediately, so that a complete object
    // is written even when the next one fails.
    let mut waiting = Vec::new();
    let mut slices = 0;
    for step in from {
        let is_slice = matches!(step, Step::Frame(..));
        if slices == 0 && !is_slice {
            if to.send(step).is_err() {
                // The writer has ended and reports the reason.
                return Ok(());
            }
            continue;
        }
        waiting.push(step);
        slices += usize::from(is_slice);
        if slices >= together {
            if !infer(&mut waiting, &to, residuals)? {
                return Ok(());
            }
            slices = 0;
        }
    }
    infer(&mut waiting, &to, residuals).map(|_| ())
}

/// Adds residuals to the slices among some steps and forwards all of them. Returns whether the receiver still runs.
fn infer(waiting: &mut Vec<Step>, to: &SyncSender<Step>, residuals: Residuals<'_>) -> Result<bool, Error> {
    let slices: Vec<&Slice> = waiting
        .iter()
        .filter_map(|step| match step {
            Step::Frame(slice, _) => Some(slice),
            _ => None,
        })
        .collect();
    let mut found = if slices.is_empty() { Vec::new() } else { residuals(&slices)? }.into_iter();
    for step in waiting.drain(..) {
        let step = match (step, found.as_slice().is_empty()) {
            (Step::Frame(slice, _), false) => Step::Frame(slice, found.next().unwrap_or_default()),
            (Step::Frame(..), true) => {
                return Err(artir_core::Error::from(artir_core::InferenceError::NotFinite).into());
            }
            (other, _) => other,
        };
        if to.send(step).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The writer's result.
#[derive(Default)]
struct Written {
    /// Real-world value mappings that were removed.
    dropped_mappings: usize,
    failed: Vec<Error>,
}

fn write_all(
    mut staging: Staging,
    derivation: &Derivation<'_>,
    options: &RestoreOptions,
    from: Receiver<Step>,
) -> Result<(Staging, Written), Error> {
    let mut written = Written::default();
    let mut open: Option<(String, Object)> = None;
    for step in from {
        let result = match step {
            Step::Open(key, header) => Object::new(*header, options.syntax, &staging).map(|o| open = Some((key, o))),
            Step::Frame(slice, residual) => match &mut open {
                Some((_, object)) => object.push(slice, residual, derivation, options.syntax),
                None => Ok(()),
            },
            Step::Close => match open.take() {
                Some((key, object)) => object
                    .finish(&key, derivation, options.syntax, &mut staging)
                    .map(|dropped_mappings| written.dropped_mappings += dropped_mappings),
                None => Ok(()),
            },
            Step::Failed(e) => Err(e),
        };
        if let Err(e) = result {
            open = None;
            // An unusable slice may be skipped; a write error may not.
            if !options.allow_partial || !matches!(e, Error::File { .. }) {
                return Err(e);
            }
            written.failed.push(e);
        }
    }
    Ok((staging, written))
}

/// Keeps a slice's residual.
struct Collect {
    residual: Array2<f32>,
}

impl Sink for Collect {
    type Error = Error;

    fn write(&mut self, first: usize, residual: ArrayView3<'_, f32>) -> Result<(), Error> {
        let rows = residual.dim().1;
        self.residual.slice_mut(s![first..first + rows, ..]).assign(&residual.index_axis(Axis(0), 0));
        Ok(())
    }
}

#[cfg(test)]
mod real_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::seeds;
