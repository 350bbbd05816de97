//! Detects before restoring whether the result can hold the scene's metadata. It writes an empty file of the same
//! description with the code that writes the result, and compares it.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use artir_core::Card;
use artir_files::is_taken;

use super::{
    beside, cog, file,
    layout::Layout,
    options::{Format, WriteOptions},
    publish::{BESIDE, data_of, is_virtual, same_file},
    virtual_raster,
};
use crate::{
    error::{Error, Reason},
    ffi,
    scene::{Scene, description::Description},
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

/// The same. Returns the sidecar files of older results with these names, which must be removed with them.
pub(crate) fn prepare(scene: &Scene, out: &Path, options: &WriteOptions) -> Result<Vec<PathBuf>, Error> {
    let fail = |reason: Reason| Error::Write { path: out.display().to_string(), reason };
    let mut stale = Vec::new();
    for name in files(out) {
        check_name(scene, &name, options)?;
        stale.extend(beside::in_the_way(&name, options.overwrite)?);
    }
    form(scene, options).map_err(fail)?;
    if is_virtual(out) {
        form_virtual(scene, options).map_err(fail)?;
    }
    Ok(stale)
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
pub(crate) fn form(scene: &Scene, options: &WriteOptions) -> Result<(), Reason> {
    Stage::new().with(|stage| tiff(scene, options, stage).map(drop))
}

fn form_virtual(scene: &Scene, options: &WriteOptions) -> Result<(), Reason> {
    Stage::new().with(|stage| {
        let (data, wanted) = tiff(scene, options, stage)?;
        virtual_raster::copy(scene, &wanted, &data, &stage.path("scene.vrt"))
    })
}

/// Writes the empty file and compares it. Returns its path and the expected description.
fn tiff(scene: &Scene, options: &WriteOptions, stage: &Stage) -> Result<(PathBuf, Description), Reason> {
    let layout = Layout::of(scene, &options.creation, options.threads)?.empty();
    let mut wanted = scene.info.description.clone();
    let path = stage.path("scene.tif");
    if options.format == Format::GeoTiff {
        let target = file::create(scene, &wanted, &layout, &path)?;
        file::finish(scene, &wanted, target, &layout, &path, true)?;
        stage.check(&path)?;
        return Ok((path, wanted));
    }
    wanted.overviews.clear();
    wanted.size = (wanted.size.0.min(SMALL), wanted.size.1.min(SMALL));
    let layout = layout.intermediate();
    let target = file::create(scene, &wanted, &layout, &path)?;
    file::finish(scene, &wanted, target, &layout, &path, true)?;
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
        let done = done.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for name in self.names().iter().map(|n| n.to_string_lossy()) {
            let belongs = |stem: &str| name == stem || BESIDE.iter().any(|e| name == format!("{stem}{e}"));
            if !belongs(&done) && !belongs("scene.tif") {
                return Err(format!("GDAL would write a part of it to a separate file ({name})").into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
