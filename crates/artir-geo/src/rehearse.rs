//! Detects before restoring whether the result can hold the scene's metadata. It writes an empty file of the same
//! description with the code that writes the result, and compares it.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use artir_core::Card;
use artir_files::is_taken;

use crate::{
    Error, Format, Scene, WriteOptions, beside, cog,
    description::Description,
    layout::Layout,
    publish::{data_of, is_virtual},
    raster::same_file,
    virtual_raster,
    write::{self, BESIDE},
};

/// Edge of the empty scene that a COG is made of, pixels: GDAL makes its overviews anew, which costs as much as the scene is
/// large.
const SMALL: usize = 64;

/// Refuses a scene that a model does not take.
///
/// # Errors
/// [`Error::Scene`] that names the model's bands.
pub fn check_model(scene: &Scene, card: &Card) -> Result<(), Error> {
    let (takes, has) = (card.input.channels, scene.bands().len());
    if takes == has {
        return Ok(());
    }
    let reason = format!("the model '{}' takes {takes} band(s), and {has} would be restored: see --bands", card.name);
    Err(Error::Scene { path: scene.info.path.clone(), reason })
}

/// Finds all reasons why a scene cannot be written as `out`, except for its pixels and the disk.
///
/// # Errors
/// Those of [`crate::restore_scene`].
pub fn rehearse(scene: &Scene, out: &Path, options: &WriteOptions) -> Result<(), Error> {
    let fail = |reason: String| Error::Write { path: out.display().to_string(), reason };
    for name in files(out) {
        check_name(scene, &name, options)?;
    }
    stale(out, options.overwrite)?;
    form(scene, options).map_err(&fail)?;
    if is_virtual(out) { form_virtual(scene, options).map_err(fail) } else { Ok(()) }
}

/// The files of a result, without sidecar files.
fn files(out: &Path) -> Vec<PathBuf> {
    if is_virtual(out) { vec![out.to_owned(), data_of(out)] } else { vec![out.to_owned()] }
}

/// Sidecar files of older results with these names, which must be removed with them.
///
/// # Errors
/// Those of [`beside::in_the_way`].
pub(crate) fn stale(out: &Path, overwrite: bool) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for name in files(out) {
        found.extend(beside::in_the_way(&name, overwrite)?);
    }
    Ok(found)
}

/// Refuses a name that is in use.
fn check_name(scene: &Scene, out: &Path, options: &WriteOptions) -> Result<(), Error> {
    let fail = |reason: &str| Error::Write { path: out.display().to_string(), reason: reason.to_owned() };
    if crate::ffi::file_list(&scene.dataset).iter().any(|f| same_file(f, out)) {
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
    match out.to_str() {
        None => return Err(fail("its name is not UTF-8, which GDAL needs")),
        Some(name) if name.starts_with("/vsi") => return Err(fail("results are written to files alone")),
        Some(_) => {}
    }
    Ok(())
}

/// Checks that the result's format holds all of the scene's metadata.
///
/// # Errors
/// Text that names the fields that it does not hold.
pub(crate) fn form(scene: &Scene, options: &WriteOptions) -> Result<(), String> {
    Stage::new().with(|stage| tiff(scene, options, stage).map(drop))
}

fn form_virtual(scene: &Scene, options: &WriteOptions) -> Result<(), String> {
    Stage::new().with(|stage| {
        let (data, wanted) = tiff(scene, options, stage)?;
        virtual_raster::copy(scene, &wanted, &data, &stage.path("scene.vrt"))
    })
}

/// Writes the empty file and compares it. Returns its path and the expected description.
fn tiff(scene: &Scene, options: &WriteOptions, stage: &Stage) -> Result<(PathBuf, Description), String> {
    let layout = Layout::of(scene, &options.creation, options.threads)?.empty();
    let mut wanted = scene.info.description.clone();
    let path = stage.path("scene.tif");
    if options.format == Format::GeoTiff {
        let target = write::create(scene, &wanted, &layout, &path)?;
        write::finish(scene, &wanted, target, &layout, &path, true)?;
        stage.check(&path)?;
        return Ok((path, wanted));
    }
    wanted.overviews.clear();
    wanted.size = (wanted.size.0.min(SMALL), wanted.size.1.min(SMALL));
    let layout = layout.intermediate();
    let target = write::create(scene, &wanted, &layout, &path)?;
    write::finish(scene, &wanted, target, &layout, &path, true)?;
    let done = stage.path("cog.tif");
    cog::write(scene, &path, &done, &options.creation, options.threads)?;
    wanted.complete(&scene.dataset, &done)?;
    stage.check(&done)?;
    Ok((done, wanted))
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
    fn with<T>(&self, work: impl FnOnce(&Self) -> Result<T, String>) -> Result<T, String> {
        // GDAL's message names a file in memory, which means nothing to the user.
        let result = work(self).map_err(|why| why.replace(&format!("{}/", self.0.display()), ""));
        for name in self.names() {
            // Best effort: an empty file is a few kilobytes of memory.
            drop(gdal::vsi::unlink_mem_file(self.0.join(name)));
        }
        result
    }

    /// Some drivers write additional files with other names, which would then be missing.
    fn check(&self, done: &Path) -> Result<(), String> {
        let done = done.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for name in self.names().iter().map(|n| n.to_string_lossy()) {
            let belongs = |stem: &str| name == stem || BESIDE.iter().any(|e| name == format!("{stem}{e}"));
            if !belongs(&done) && !belongs("scene.tif") {
                return Err(format!("GDAL would write a part of it to a separate file ({name})"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
