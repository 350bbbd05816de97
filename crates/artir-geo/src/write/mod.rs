//! Writes the restored scene: made in a hidden folder next to its final path, compared with its source, then published.

pub(crate) mod beside;
pub(crate) mod change;
mod copied;
mod creation;
mod file;
pub(crate) mod finished;
mod haze;
pub(crate) mod identity;
pub(crate) mod layout;
pub(crate) mod metadata;
pub(crate) mod options;
mod overviews;
pub(crate) mod publish;
pub(crate) mod rehearse;
pub(crate) mod small_scene;
pub(crate) mod space;
mod virtual_raster;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use artir_core::{Progress, Restorer, RunReport};
use artir_files::{HiddenFolder, OutputFolder, is_taken};

use self::{
    file::{alone, create, finish, on_one_thread},
    haze::OtherBands,
    identity::identity,
    layout::Layout,
    options::WriteOptions,
    publish::{Staged, is_virtual, is_written_with},
    rehearse::{check_model, prepare},
};
use crate::{
    error::{Error, Reason},
    ffi,
    rows::{
        journal::{self, Journal},
        sink::SceneSink,
        strips::{SceneSource, Strips, memory_use, strip_rows},
    },
    scene::{Scene, description::Description},
};

/// The written result.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneReport {
    /// The file.
    pub path: PathBuf,
    /// Sidecar files: `.aux.xml` for fields that the format cannot hold, and those that the source had.
    pub beside: Vec<PathBuf>,
    /// Counts of the pipeline.
    pub run: RunReport,
    /// Rows that an interrupted run had completed.
    pub rows_resumed: usize,
    /// What the result cannot hold of what the scene states.
    pub lost: Vec<String>,
}

/// The tile plan of a scene, in words.
///
/// # Errors
/// The core's own.
pub fn plan(scene: &Scene, restorer: &Restorer) -> Result<String, Error> {
    let shape = scene.info.shape_for(restorer.card().input.channels);
    Ok(restorer.plan(shape, memory_use(&scene.info))?.describe())
}

/// Restores a scene into `out`; where that ends in `.vrt`, into a TIFF of the same name and a virtual raster over it.
/// The file appears only after it is complete and was compared with its source. With `resume` and without `overwrite`, the
/// result of an earlier run of the same model, settings and sources stays as it is.
///
/// # Errors
/// [`Error::Scene`] for pixels that cannot be read, [`Error::Exists`], [`Error::Write`], and the core's own.
pub fn restore_scene(
    scene: &Scene,
    restorer: &Restorer,
    out: &Path,
    options: &WriteOptions,
    progress: &dyn Progress,
) -> Result<SceneReport, Error> {
    check_model(scene, restorer.card())?;
    progress.start(&scene.info.path, scene.shape().pixels());
    let channels = restorer.card().input.channels;
    let options = &with_provenance(scene, restorer, options);
    let decides = restorer.decides_for(scene.info.shape_for(channels), memory_use(&scene.info))?;
    let mut run = |first: usize, source: &mut SceneSource<'_>, sink: &mut SceneSink<'_>| {
        // Rows of an earlier run count as completed.
        progress.advance(first as u64 * scene.shape().columns as u64);
        restorer.run_from(first, source, sink, progress)
    };
    restore_with(scene, channels, decides.as_str(), out, options, &mut run)
}

fn with_provenance(scene: &Scene, restorer: &Restorer, options: &WriteOptions) -> WriteOptions {
    WriteOptions { provenance: provenance(scene, restorer, options.all_bands), ..options.clone() }
}

/// What a result states of how it was made. No time is among it: the same run gives the same bytes.
fn provenance(scene: &Scene, restorer: &Restorer, all_bands: bool) -> Vec<(String, String)> {
    let card = restorer.card();
    let range: Vec<String> = scene.intervals().iter().map(|i| format!("{},{}", i.black(), i.white())).collect();
    let bands: Vec<String> = scene.bands().iter().map(usize::to_string).collect();
    [
        ("VERSION", artir_core::VERSION.to_owned()),
        ("MODEL", format!("{} {}", card.name, card.version)),
        ("MODEL_SHA256", restorer.model_hash().to_owned()),
        ("STRENGTH", restorer.strength().to_string()),
        ("BANDS", bands.join(",")),
        ("RANGE", range.join(" ")),
        ("ALL_BANDS", if all_bands { "YES" } else { "NO" }.to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec()
}

/// A run from a row on, from source to sink.
type Run<'a> = &'a mut dyn FnMut(usize, &mut SceneSource<'_>, &mut SceneSink<'_>) -> Result<RunReport, Error>;

/// Restores a scene with any function that passes residuals from source to sink.
fn restore_with(
    scene: &Scene,
    channels: usize,
    pixels: &str,
    out: &Path,
    options: &WriteOptions,
    run: Run<'_>,
) -> Result<SceneReport, Error> {
    let name = out.display().to_string();
    let fail = |reason: Reason| Error::Write { path: name.clone(), reason };
    recover(out)?;
    let asked = options.resume && !options.overwrite;
    if let Some(done) = asked.then(|| finished::of_run(scene, pixels, out, options)).flatten() {
        return Ok(done);
    }
    let mut promise = prepare(scene, out, options)?;
    let others = options.all_bands.then(|| OtherBands::of(&scene.info, &scene.dataset)).transpose();
    let others = others.map_err(|reason| Error::Scene { path: scene.info.path.clone(), reason })?;
    let format = layout::format(scene, options);
    let layout = Layout::of(scene, options, format).map_err(&fail)?;
    let parent = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _made = OutputFolder::create(parent).map_err(|e| fail(e.into()))?;
    let mut folder = HiddenFolder::open(out).map_err(|e| fail(e.into()))?;
    let staged = folder.path().join("scene.tif");
    let in_work = |e: std::io::Error| match &options.work {
        Some(work) => Error::Write { path: work.display().to_string(), reason: e.into() },
        None => fail(e.into()),
    };
    let _made = options.work.as_deref().map(OutputFolder::create).transpose().map_err(in_work)?;
    let mut work = options.work.as_deref().map(|work| journal::folder_in(work, out)).transpose().map_err(in_work)?;
    // Remove all other files of an earlier run: GDAL would read some of them with the new file.
    let stays = |name: &OsStr| work.is_none() && journal::FILES.iter().any(|f| name == *f);
    folder.clear(stays).map_err(|e| fail(e.into()))?;

    let identity = identity(scene, pixels, options).hash();
    let columns = scene.shape().columns;
    let row_bytes = columns * ffi::type_bytes(scene.info.kind());
    let place = work.as_ref().unwrap_or(&folder);
    let journal = Journal::open(place, &identity, options.resume, scene.info.bands.len(), row_bytes);
    let journal = journal.map_err(in_work)?;
    let rows_resumed = journal.rows_done();

    let mut wanted = scene.info.description.with_provenance(&options.provenance);
    for description in [&mut wanted, &mut promise.description, &mut promise.intermediate] {
        description.state_run(&identity);
    }
    let layout = if format.is_copied() { layout.intermediate() } else { layout };
    let _one_thread = on_one_thread(options);
    let target = {
        let _alone = alone(options);
        create(scene, &wanted, &layout, &staged).map_err(&fail)?
    };
    let strips = Strips::default();
    let strip_rows = strip_rows(layout.block_rows(), scene.shape().rows);
    let info = &scene.info;
    let mut source = SceneSource {
        scene: info,
        dataset: info.reopen()?,
        marks: info.open_marks()?,
        channels,
        strips: &strips,
        strip_rows,
        first_row: rows_resumed,
        held: None,
    };
    let mut sink = SceneSink {
        scene: info,
        strips: &strips,
        strip_rows,
        source: info.reopen()?,
        interleaved: layout.get("INTERLEAVE") == Some("PIXEL"),
        target,
        journal,
        later: others.as_ref().map_or_else(Vec::new, OtherBands::numbers),
        name: name.clone(),
    };
    let result = replay(&mut sink).and_then(|()| run(rows_resumed, &mut source, &mut sink));
    let report = match result {
        Ok(report) => report,
        Err(e) => {
            if e.kind() == artir_core::ErrorKind::Interrupted {
                work.as_mut().unwrap_or(&mut folder).keep();
            }
            return Err(e);
        }
    };
    if let Some(others) = others {
        others.restore(info, &sink.source, &sink.target, strip_rows).map_err(|why| info.unreadable(why))?;
    }
    let _alone = alone(options);
    let without_overviews = Description { overviews: Vec::new(), ..wanted.clone() };
    let first = if format.is_copied() { &without_overviews } else { &wanted };
    let found = finish(scene, first, sink.target, &layout, &staged, false).map_err(&fail)?;
    promise.intermediate.must_equal(&found).map_err(&fail)?;
    let mut done = staged.clone();
    if format.is_copied() {
        done = folder.path().join("copy.tif");
        copied::write(scene, &staged, &done, format, options).map_err(&fail)?;
        let found = wanted.complete(&scene.dataset, &done).map_err(&fail)?;
        promise.description.must_equal(&found).map_err(&fail)?;
    }
    nothing_else(&folder, &done).map_err(&fail)?;
    let staged = Staged::new(&folder, &done, out, &promise.stale).map_err(|e| fail(e.into()))?;
    if is_virtual(out) {
        let (data, main) = (staged.data(out), staged.main(out));
        virtual_raster::copy(&promise.description, &data, &main).map_err(&fail)?;
    }
    let beside = match staged.publish(&mut folder, out, options.overwrite) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            // Its place was free when the run began. The rows stay, so that no work is lost.
            work.as_mut().unwrap_or(&mut folder).keep();
            return Err(fail(Reason::Taken));
        }
        other => other.map_err(|e| fail(e.into()))?,
    };
    beside::verify(&promise.description, out, &beside).map_err(&fail)?;
    Ok(SceneReport { path: out.to_owned(), beside, run: report, rows_resumed, lost: promise.lost })
}

/// Brings to its end what a killed run had begun to publish under a name, before anything there is taken for an older
/// result's. Rows that an interrupted run left stay.
///
/// # Errors
/// [`Error::Write`] when another run is at work there, and for what the file system reports.
pub fn recover(out: &Path) -> Result<(), Error> {
    if !HiddenFolder::is_left(out) {
        return Ok(());
    }
    // While a result is being published, its name is free.
    let free = !is_taken(out);
    let mut folder =
        HiddenFolder::open(out).map_err(|e| Error::Write { path: out.display().to_string(), reason: e.into() })?;
    if !(free && is_taken(out)) {
        folder.keep();
    }
    Ok(())
}

/// Writes the rows that an earlier run restored.
fn replay(sink: &mut SceneSink<'_>) -> Result<(), Error> {
    let mut row = 0;
    loop {
        let next = sink.journal.next();
        let Some((rows, mut planes)) = next.map_err(|e| Error::Write { path: sink.name.clone(), reason: e.into() })?
        else {
            return Ok(());
        };
        if !planes.is_empty() {
            sink.write_rows(row, rows, &mut planes)?;
        }
        row += rows;
    }
}

/// Some drivers write additional files with other names, which would then be missing.
fn nothing_else(folder: &HiddenFolder, done: &Path) -> Result<(), Reason> {
    let first = folder.path().join("scene.tif");
    for entry in std::fs::read_dir(folder.path())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let known = journal::FILES.contains(&&*name) || is_written_with(done, &name) || is_written_with(&first, &name);
        if !known {
            return Err(format!("GDAL would write a part of it to a separate file ({name})").into());
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
