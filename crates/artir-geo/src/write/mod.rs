//! Writes the restored scene: made in a hidden folder next to its final path, compared with its source, then published.

pub(crate) mod beside;
mod cog;
mod file;
mod identity;
pub(crate) mod journal;
pub(crate) mod layout;
pub(crate) mod metadata;
pub(crate) mod options;
mod overviews;
pub(crate) mod publish;
pub(crate) mod rehearse;
pub(crate) mod small_scene;
mod virtual_raster;

use std::path::{Path, PathBuf};

use artir_core::{Progress, Restorer, RunReport};
use artir_files::{HiddenFolder, OutputFolder, is_taken};

use self::{
    file::{create, finish},
    identity::identity,
    journal::Journal,
    layout::Layout,
    options::{Format, WriteOptions},
    publish::{BESIDE, Staged, is_virtual},
    rehearse::{check_model, prepare},
};
use crate::{
    error::{Error, Reason},
    ffi,
    rows::{
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
}

/// Files of the journal in the hidden folder.
const JOURNAL_FILES: [&str; 3] = ["journal", "rows", "lock"];

/// The tile plan of a scene, in words.
///
/// # Errors
/// The core's own.
pub fn plan(scene: &Scene, restorer: &Restorer) -> Result<String, Error> {
    Ok(restorer.plan(scene.shape(), memory_use(&scene.info))?.describe())
}

/// Restores a scene into `out`; where that ends in `.vrt`, into a TIFF of the same name and a virtual raster over it.
/// The file appears only after it is complete and was compared with its source.
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
    let decides = restorer.decides_for(scene.shape(), memory_use(&scene.info))?;
    let mut run = |first: usize, source: &mut SceneSource<'_>, sink: &mut SceneSink<'_>| {
        // Rows of an earlier run count as completed.
        progress.advance(first as u64 * scene.shape().columns as u64);
        restorer.run_from(first, source, sink, progress)
    };
    restore_with(scene, decides.as_str(), out, options, &mut run)
}

/// A run from a row on, from source to sink.
type Run<'a> = &'a mut dyn FnMut(usize, &mut SceneSource<'_>, &mut SceneSink<'_>) -> Result<RunReport, Error>;

/// Restores a scene with any function that passes residuals from source to sink.
fn restore_with(
    scene: &Scene,
    pixels: &str,
    out: &Path,
    options: &WriteOptions,
    run: Run<'_>,
) -> Result<SceneReport, Error> {
    let name = out.display().to_string();
    let fail = |reason: Reason| Error::Write { path: name.clone(), reason };
    recover(out)?;
    let stale = prepare(scene, out, options)?;
    let layout = Layout::of(scene, &options.creation, options.threads).map_err(&fail)?;
    let parent = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _made = OutputFolder::create(parent).map_err(|e| fail(e.into()))?;
    let mut folder = HiddenFolder::open(out).map_err(|e| fail(e.into()))?;
    let staged = folder.path().join("scene.tif");
    // Remove all other files of an earlier run: GDAL would read some of them with the new file.
    folder.clear(|name| JOURNAL_FILES.iter().any(|f| name == *f)).map_err(|e| fail(e.into()))?;

    let identity = identity(scene, pixels, options).hash();
    let columns = scene.shape().columns;
    let row_bytes = columns * ffi::type_bytes(scene.info.kind());
    let journal = Journal::open(&folder, &identity, options.resume, scene.info.bands.len(), row_bytes);
    let journal = journal.map_err(|e| fail(e.into()))?;
    let rows_resumed = journal.rows_done();

    let cog = options.format == Format::Cog;
    let layout = if cog { layout.intermediate() } else { layout };
    let target = create(scene, &scene.info.description, &layout, &staged).map_err(&fail)?;
    let strips = Strips::default();
    let strip_rows = strip_rows(layout.block_rows(), scene.shape().rows);
    let info = &scene.info;
    let mut source =
        SceneSource { scene: info, dataset: info.reopen()?, strips: &strips, strip_rows, first_row: rows_resumed };
    let mut sink = SceneSink {
        scene: info,
        strips: &strips,
        source: info.reopen()?,
        interleaved: layout.get("INTERLEAVE") == Some("PIXEL"),
        target,
        journal,
        name: name.clone(),
    };
    let result = replay(&mut sink).and_then(|()| run(rows_resumed, &mut source, &mut sink));
    let report = match result {
        Ok(report) => report,
        Err(e) => {
            if e.kind() == artir_core::ErrorKind::Interrupted {
                folder.keep();
            }
            return Err(e);
        }
    };
    let intermediate = Description { overviews: Vec::new(), ..info.description.clone() };
    let wanted = if cog { &intermediate } else { &info.description };
    finish(scene, wanted, sink.target, &layout, &staged, false).map_err(&fail)?;
    let mut done = staged.clone();
    if cog {
        done = folder.path().join("cog.tif");
        cog::write(scene, &staged, &done, &options.creation, options.threads).map_err(&fail)?;
        scene.info.description.complete(&scene.dataset, &done).map_err(&fail)?;
    }
    nothing_else(&folder, &done).map_err(&fail)?;
    let staged = Staged::new(&folder, &done, out, &stale).map_err(|e| fail(e.into()))?;
    if is_virtual(out) {
        let (data, main) = (staged.data(out), staged.main(out));
        virtual_raster::copy(scene, &info.description, &data, &main).map_err(&fail)?;
    }
    let beside = match staged.publish(&mut folder, out, options.overwrite) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            // Its place was free when the run began. The rows stay, so that no work is lost.
            folder.keep();
            return Err(fail(Reason::Taken));
        }
        other => other.map_err(|e| fail(e.into()))?,
    };
    beside::verify(&info.description, out, &beside).map_err(&fail)?;
    Ok(SceneReport { path: out.to_owned(), beside, run: report, rows_resumed })
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
    for rows in sink.journal.strips().to_vec() {
        let path = sink.name.clone();
        let read = sink.journal.next(rows).map_err(|e| Error::Write { path, reason: e.into() })?;
        let mut planes = read;
        sink.write_rows(row, rows, &mut planes)?;
        row += rows;
    }
    Ok(())
}

/// Some drivers write additional files with other names, which would then be missing.
fn nothing_else(folder: &HiddenFolder, done: &Path) -> Result<(), Reason> {
    let stem = done.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for entry in std::fs::read_dir(folder.path())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let belongs = |stem: &str| BESIDE.iter().any(|ending| name == format!("{stem}{ending}"));
        if !JOURNAL_FILES.contains(&&*name)
            && name != stem
            && name != "scene.tif"
            && !belongs(&stem)
            && !belongs("scene.tif")
        {
            return Err(format!("GDAL would write a part of it to a separate file ({name})").into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
