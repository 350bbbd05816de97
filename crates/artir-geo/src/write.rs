//! Writes the restored scene: made in a hidden folder next to its final path, compared with its source, then published.

use std::path::{Path, PathBuf};

use artir_core::{Progress, Restorer, RunReport};
use artir_files::{HiddenFolder, OutputFolder, is_taken};
use gdal::{Dataset, Metadata};

use crate::{
    Error, Scene, beside, cog,
    description::Description,
    ffi::{self, ThreadOption},
    identity::identity,
    journal::Journal,
    layout::Layout,
    publish::{Staged, is_virtual},
    rehearse::{self, check_model, rehearse},
    sink::SceneSink,
    strips::{SceneSource, Strips, memory_use, strip_rows},
    virtual_raster,
    write_metadata::open_again,
};

/// The format of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// GeoTIFF, laid out like its source.
    #[default]
    GeoTiff,
    /// Cloud optimized GeoTIFF.
    Cog,
}

/// Options for writing a restored scene.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Overwrite an existing result.
    pub overwrite: bool,
    /// Continue an interrupted run.
    pub resume: bool,
    /// The format.
    pub format: Format,
    /// Creation options of GDAL's driver, by name and value, over those that follow from the source.
    pub creation: Vec<(String, String)>,
    /// Threads that compress; 0 takes every core.
    pub threads: usize,
}

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

/// Endings of files that belong to a GeoTIFF.
pub(crate) const BESIDE: [&str; 4] = [".aux.xml", ".ovr", ".msk", ".msk.ovr"];

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
    let fail = |reason: String| Error::Write { path: name.clone(), reason };
    recover(out)?;
    rehearse(scene, out, options)?;
    let layout = Layout::of(scene, &options.creation, options.threads).map_err(&fail)?;
    let stale = rehearse::stale(out, options.overwrite)?;
    let parent = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _made = OutputFolder::create(parent).map_err(|e| fail(e.to_string()))?;
    let mut folder = HiddenFolder::open(out).map_err(|e| fail(e.to_string()))?;
    let staged = folder.path().join("scene.tif");
    // Remove all other files of an earlier run: GDAL would read some of them with the new file.
    folder.clear(|name| JOURNAL_FILES.iter().any(|f| name == *f)).map_err(|e| fail(e.to_string()))?;

    let identity = identity(scene, pixels, options).hash();
    let columns = scene.shape().columns;
    let row_bytes = columns * ffi::type_bytes(scene.info.kind());
    let journal = Journal::open(&folder, &identity, options.resume, scene.info.bands.len(), row_bytes);
    let journal = journal.map_err(|e| fail(e.to_string()))?;
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
    let staged = Staged::new(&folder, &done, out, &stale).map_err(|e| fail(e.to_string()))?;
    if is_virtual(out) {
        let (data, main) = (staged.data(out), staged.main(out));
        virtual_raster::copy(scene, &info.description, &data, &main).map_err(&fail)?;
    }
    let beside = match staged.publish(&mut folder, out, options.overwrite) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            // Its place was free when the run began. The rows stay, so that no work is lost.
            folder.keep();
            let reason =
                "its place was taken while it was made: free it and use --resume, or use --resume with --overwrite";
            return Err(fail(reason.into()));
        }
        other => other.map_err(|e| fail(e.to_string()))?,
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
        HiddenFolder::open(out).map_err(|e| Error::Write { path: out.display().to_string(), reason: e.to_string() })?;
    if !(free && is_taken(out)) {
        folder.keep();
    }
    Ok(())
}

/// A new file with the metadata of a description.
pub(crate) fn create(
    scene: &Scene,
    description: &Description,
    layout: &Layout,
    path: &Path,
) -> Result<Dataset, String> {
    let _mask = ThreadOption::set("GDAL_TIFF_INTERNAL_MASK", if mask_is_beside(scene) { "NO" } else { "YES" });
    let mut target = layout.create(scene, description, path)?;
    description.apply(&scene.dataset, &mut target)?;
    if description.mask && !ffi::create_mask(&target) {
        return Err("its mask of valid pixels cannot be kept".into());
    }
    Ok(target)
}

/// Whether the source's mask is a file of its own.
fn mask_is_beside(scene: &Scene) -> bool {
    ffi::file_list(&scene.dataset).iter().any(|f| f.to_ascii_lowercase().ends_with(".msk"))
}

/// Writes the rows that an earlier run restored.
fn replay(sink: &mut SceneSink<'_>) -> Result<(), Error> {
    let mut row = 0;
    for rows in sink.journal.strips().to_vec() {
        let path = sink.name.clone();
        let read = sink.journal.next(rows).map_err(|e| Error::Write { path, reason: e.to_string() })?;
        let mut planes = read;
        sink.write_rows(row, rows, &mut planes)?;
        row += rows;
    }
    Ok(())
}

/// Adds overviews and the fields that the format cannot hold, then compares with the description. `empty` overviews have
/// their size but no pixels.
pub(crate) fn finish(
    scene: &Scene,
    description: &Description,
    target: Dataset,
    layout: &Layout,
    path: &Path,
    empty: bool,
) -> Result<(), String> {
    let beside = ffi::file_list(&scene.dataset).iter().any(|f| f.to_ascii_lowercase().ends_with(".ovr"));
    let mut target = target;
    let wanted = !description.overviews.is_empty();
    if wanted && !beside {
        // Flush first: all blocks must have their place in the file before the overviews.
        ffi::checked(|| target.flush_cache())?;
        overviews(scene, &mut target, layout, empty)?;
    }
    // Only this call reports a full disk.
    ffi::checked(|| target.close())?;
    if wanted && beside {
        let mut reader = open_again(path)?;
        overviews(scene, &mut reader, layout, empty)?;
        ffi::checked(|| reader.close())?;
    }
    description.complete(&scene.dataset, path)
}

/// Builds overviews of the sizes that the source's have.
fn overviews(scene: &Scene, target: &mut Dataset, layout: &Layout, empty: bool) -> Result<(), String> {
    let (columns, rows) = scene.dataset.raster_size();
    let factor = |(c, r): &(usize, usize)| {
        let long = if columns >= rows { columns as f64 / *c as f64 } else { rows as f64 / *r as f64 };
        long.round() as i32
    };
    let levels: Vec<i32> = scene.info.description.overviews.iter().map(factor).filter(|f| *f > 1).collect();
    if levels.is_empty() {
        return Ok(());
    }
    let first = scene.dataset.rasterband(1).map_err(|e| e.to_string())?;
    let told = first.overview(0).ok().and_then(|o| o.metadata_item("RESAMPLING", ""));
    let compression = layout.get("COMPRESS").unwrap_or("NONE");
    let _options = [
        ThreadOption::set("COMPRESS_OVERVIEW", compression),
        ThreadOption::set("PREDICTOR_OVERVIEW", layout.get("PREDICTOR").unwrap_or("1")),
        ThreadOption::set("INTERLEAVE_OVERVIEW", layout.get("INTERLEAVE").unwrap_or("PIXEL")),
        ThreadOption::set("BIGTIFF_OVERVIEW", "IF_SAFER"),
    ];
    let resampling = if empty { "NONE" } else { told.as_deref().unwrap_or("AVERAGE") };
    ffi::checked(|| target.build_overviews(resampling, &levels, &[]))?;
    let first = target.rasterband(1).map_err(|e| e.to_string())?;
    let built = (0..first.overview_count().unwrap_or(0)).filter_map(|i| first.overview(i as usize).ok());
    let wanted = scene.info.description.overviews.iter().filter(|o| factor(o) > 1);
    if built.map(|o| o.size()).ne(wanted.copied()) {
        return Err("its overviews have sizes that GDAL does not build".into());
    }
    Ok(())
}

pub(crate) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Some drivers write additional files with other names, which would then be missing.
fn nothing_else(folder: &HiddenFolder, done: &Path) -> Result<(), String> {
    let stem = done.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for entry in std::fs::read_dir(folder.path()).map_err(|e| e.to_string())? {
        let name = entry.map_err(|e| e.to_string())?.file_name().to_string_lossy().into_owned();
        let belongs = |stem: &str| BESIDE.iter().any(|ending| name == format!("{stem}{ending}"));
        if !JOURNAL_FILES.contains(&&*name)
            && name != stem
            && name != "scene.tif"
            && !belongs(&stem)
            && !belongs("scene.tif")
        {
            return Err(format!("GDAL would write a part of it to a separate file ({name})"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
