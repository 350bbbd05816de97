//! Detects before restoring whether the result can hold the scene's metadata. It writes an empty file of the same
//! description with the code that writes the result, and compares it.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use artir_core::Card;
use artir_files::is_taken;

use super::{
    beside, copied, file,
    haze::OtherBands,
    layout::{self, Layout},
    metadata::open_again,
    options::WriteOptions,
    publish::{data_of, is_virtual, is_written_with, same_file},
    virtual_raster,
};
use crate::{
    error::{Error, Reason},
    ffi,
    open::{drivers::driver, name::after_prefix},
    scene::{Scene, description::Description},
};

/// Edge of the empty scene that a COG or another copy is made of, pixels: GDAL writes it whole, which costs as much as the
/// scene is large.
const SMALL: usize = 64;

/// Refuses a scene that a model does not take.
///
/// # Errors
/// [`Error::Scene`] that names the model's bands.
pub fn check_model(scene: &Scene, card: &Card) -> Result<(), Error> {
    let (takes, has) = (card.input.channels, scene.bands().len());
    // A single band goes into every channel.
    if takes == has || has == 1 {
        return Ok(());
    }
    let reason = Reason::Model { model: card.name.clone(), takes, has };
    Err(Error::Scene { path: scene.info.path.clone(), reason })
}

/// Finds all reasons why a scene cannot be written as `out`, except for its pixels and the disk.
///
/// # Errors
/// Those of [`crate::restore_scene`].
pub fn rehearse(scene: &Scene, out: &Path, options: &WriteOptions) -> Result<(), Error> {
    prepare(scene, out, options).map(drop)
}

/// What a result will be.
#[derive(Debug)]
pub(crate) struct Promise {
    /// What it will state.
    pub(crate) description: Description,
    /// What the GeoTIFF will state that a COG is made of.
    pub(crate) intermediate: Description,
    /// What it cannot hold of what the scene states.
    pub(crate) lost: Vec<String>,
    /// Sidecar files of older results with its names, which must be removed.
    pub(crate) stale: Vec<PathBuf>,
}

/// Finds what a result will be, or all reasons why a scene cannot be written as `out`, except for its pixels and the disk.
pub(crate) fn prepare(scene: &Scene, out: &Path, options: &WriteOptions) -> Result<Promise, Error> {
    let fail = |reason: Reason| Error::Write { path: out.display().to_string(), reason };
    let mut stale = Vec::new();
    for name in files(out) {
        check_name(scene, &name, options)?;
        stale.extend(beside::in_the_way(&name, options.overwrite)?);
    }
    if options.all_bands {
        let found = OtherBands::of(&scene.info, &scene.dataset);
        found.map_err(|reason| Error::Scene { path: scene.info.path.clone(), reason })?;
    }
    let promise = Stage::new().with(|stage| {
        let (data, promise) = tiff(scene, options, stage)?;
        if is_virtual(out) {
            layout::format(scene, options).check_white(scene, true)?;
            // The file under it is a small one, where the result is a copy.
            let size = open_again(&data)?.raster_size();
            let small = Description { size, ..promise.description.clone() };
            virtual_raster::copy(&small, &data, &stage.path("scene.vrt"))?;
        }
        Ok(promise)
    });
    Ok(Promise { stale, ..promise.map_err(fail)? })
}

/// The files of a result, without sidecar files.
fn files(out: &Path) -> Vec<PathBuf> {
    if is_virtual(out) { vec![out.to_owned(), data_of(out)] } else { vec![out.to_owned()] }
}

/// Refuses a name that is in use.
fn check_name(scene: &Scene, out: &Path, options: &WriteOptions) -> Result<(), Error> {
    let fail = |reason: &str| Error::Write { path: out.display().to_string(), reason: reason.into() };
    if ffi::file_list(&scene.dataset).iter().any(|f| same_file(f, out)) {
        return Err(fail("it is the scene itself"));
    }
    if is_taken(out) && !options.overwrite {
        return Err(Error::Exists { path: out.display().to_string() });
    }
    if out.is_dir() {
        return Err(fail("it is a folder"));
    }
    if out.file_name().is_none() {
        return Err(fail("it has no file name"));
    }
    let data = data_of(out).file_name().unwrap_or_default().to_string_lossy().into_owned();
    if is_virtual(out) && after_prefix(&data).is_some() {
        let why = format!("GDAL would take the name of its TIFF, {data}, for that of a part of a file");
        return Err(fail(&why));
    }
    match out.to_str() {
        None => return Err(fail("its name is not UTF-8, which GDAL needs")),
        Some(name) if name.starts_with("/vsi") => return Err(fail("results are written to files alone")),
        Some(_) => {}
    }
    Ok(())
}

/// What a result cannot hold of what the scene states.
///
/// # Errors
/// What it must hold and cannot, and with strict options all that it cannot hold.
pub(crate) fn form(scene: &Scene, options: &WriteOptions) -> Result<Vec<String>, Reason> {
    Stage::new().with(|stage| tiff(scene, options, stage).map(|(_, promise)| promise.lost))
}

/// Writes the empty file and compares it. Returns its path and what the result will be.
fn tiff(scene: &Scene, options: &WriteOptions, stage: &Stage) -> Result<(PathBuf, Promise), Reason> {
    let _alone = file::alone(options);
    let format = layout::format(scene, options);
    format.check_white(scene, false)?;
    copied::check_size(&scene.info, format, options)?;
    file::check_mask(scene, format)?;
    let layout = Layout::of(scene, options, format)?.empty();
    let source = &scene.info.description.with_provenance(&options.provenance);
    let path = stage.path("scene.tif");
    let mut lost = Vec::new();
    if !format.is_copied() {
        let target = file::create(scene, source, &layout, &path)?;
        let found = file::finish(scene, source, target, &layout, &path, true)?;
        let description = promised(source, &found, &mut lost)?;
        lost.extend(orientation(scene));
        stage.check(&path)?;
        stage.refuse_beside(&path, options)?;
        refuse_lost(&lost, options)?;
        let intermediate = description.clone();
        return Ok((path, Promise { description, intermediate, lost, stale: Vec::new() }));
    }
    let size = (source.size.0.min(SMALL), source.size.1.min(SMALL));
    let small = Description { overviews: Vec::new(), size, ..source.clone() };
    let layout = layout.intermediate();
    let target = file::create(scene, &small, &layout, &path)?;
    let found = file::finish(scene, &small, target, &layout, &path, true)?;
    // What the GeoTIFF lacks may yet get a place beside the COG.
    let intermediate = promised(&small, &found, &mut Vec::new())?;
    let done = stage.path("copy.tif");
    copied::write(scene, &path, &done, format, options)?;
    let found = small.complete(&scene.dataset, &done)?;
    let description = promised(&small, &found, &mut lost)?;
    lost.extend(orientation(scene));
    stage.check(&done)?;
    stage.refuse_beside(&done, options)?;
    refuse_lost(&lost, options)?;
    let whole = |d: Description| Description { size: source.size, ..d };
    let description = Description { overviews: source.overviews.clone(), ..whole(description) };
    Ok((done, Promise { description, intermediate: whole(intermediate), lost, stale: Vec::new() }))
}

/// A description that gives way to what a file holds.
///
/// # Errors
/// Fields that a result must hold.
fn promised(wanted: &Description, found: &Description, lost: &mut Vec<String>) -> Result<Description, Reason> {
    if let Some(why) = wanted.shown_as_another(found) {
        return Err(why.into());
    }
    let mut out = wanted.clone();
    *lost = out.give_way(found);
    out.must_equal(found)?;
    Ok(out)
}

/// How viewers turn the scene, by TIFF tag 274 or Exif, where they would show its result as it is stored: GDAL reads
/// rows and columns as they are stored, and writes no such tag.
fn orientation(scene: &Scene) -> Option<String> {
    let info = &scene.info;
    let of_exif = || {
        let is_turned = !matches!(driver(&scene.dataset).as_str(), "GTiff" | "VRT");
        let items = info.description.domains.get("").filter(|_| is_turned)?;
        items.iter().find_map(|item| item.strip_prefix("EXIF_Orientation="))?.trim().parse::<u64>().ok()
    };
    let number = info.tags.and_then(|tags| tags.orientation).or_else(of_exif).filter(|n| (2..=8).contains(n))?;
    Some(format!("orientation ({number}: viewers turn the scene, and show the result as it is stored)"))
}

fn refuse_lost(lost: &[String], options: &WriteOptions) -> Result<(), Reason> {
    if !options.strict || lost.is_empty() {
        return Ok(());
    }
    Err(format!("the result would differ in {}", lost.join(", ")).into())
}

/// A folder in memory.
struct Stage(PathBuf);

impl Stage {
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(format!("/vsimem/artir-rehearsal-{}-{number}", std::process::id()).into())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<PathBuf> {
        gdal::vsi::read_dir(&self.0, false).unwrap_or_default()
    }

    /// Runs `work` and removes its files.
    fn with<T>(&self, work: impl FnOnce(&Self) -> Result<T, Reason>) -> Result<T, Reason> {
        // GDAL's message names a file in memory, which means nothing to the user.
        let result = work(self).map_err(|why| why.without_folder(&self.0.display().to_string()));
        for name in self.names() {
            // Best effort: an empty file is a few kilobytes of memory.
            drop(gdal::vsi::unlink_mem_file(self.0.join(name)));
        }
        result
    }

    /// Some drivers write additional files with other names, which would then be missing.
    fn check(&self, done: &Path) -> Result<(), Reason> {
        let first = self.path("scene.tif");
        for name in self.names().iter().map(|n| n.to_string_lossy()) {
            if !is_written_with(done, &name) && !is_written_with(&first, &name) {
                return Err(format!("GDAL would write a part of it to a separate file ({name})").into());
            }
        }
        Ok(())
    }

    /// Refuses a result of several files where the caller takes one.
    fn refuse_beside(&self, done: &Path, options: &WriteOptions) -> Result<(), Reason> {
        let own = done.file_name().unwrap_or_default().to_string_lossy();
        let stem = done.file_stem().unwrap_or_default().to_string_lossy();
        let names: Vec<_> = self.names().iter().map(|name| name.to_string_lossy().into_owned()).collect();
        let beside = names.iter().filter(|name| **name != own && is_written_with(done, name));
        let endings: Vec<&str> =
            beside.filter_map(|name| name.strip_prefix(&*own).or(name.strip_prefix(&*stem))).collect();
        if !options.one_file || endings.is_empty() {
            return Ok(());
        }
        let why = "a part of it would lie in another file beside it, which a stream cannot carry";
        Err(format!("{why} ({}): write to a named file", endings.join(", ")).into())
    }
}

#[cfg(test)]
mod tests;
