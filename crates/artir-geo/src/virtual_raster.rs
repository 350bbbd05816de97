//! A result as a virtual raster: a TIFF with the pixels, and a VRT of the same name that describes it.

use std::path::Path;

use gdal::{DriverManager, raster::RasterCreationOptions};

use crate::{
    Error, Scene, SceneReport, WriteOptions, beside,
    carry::open_again,
    description::Description,
    ffi::{self, Object},
    rehearse::rehearse,
    write::remove_with_beside,
};

/// Restores into a TIFF beside `out`, by `restore`, and describes that in `out`.
pub(crate) fn restore(
    scene: &Scene,
    out: &Path,
    options: &WriteOptions,
    restore: &mut dyn FnMut(&Path) -> Result<SceneReport, Error>,
) -> Result<SceneReport, Error> {
    let fail = |reason: String| Error::Write { path: out.display().to_string(), reason };
    rehearse(scene, out, options)?;
    let stale = beside::in_the_way(out, options.overwrite)?;
    let data = out.with_extension("tif");
    let mut done = restore(&data)?;
    if let Err(why) = describe(scene, &data, out) {
        // Best effort: a TIFF that nobody asked for does not stay.
        drop(remove_with_beside(&data));
        return Err(fail(why));
    }
    done.beside.insert(0, data);
    beside::remove(&stale, &done.beside).map_err(|e| fail(e.to_string()))?;
    beside::verify(&scene.facts.description, out, &done.beside).map_err(fail)?;
    done.path = out.to_owned();
    Ok(done)
}

/// Writes the VRT beside its name, compares it with the scene, and renames it. It names the TIFF relative to itself.
fn describe(scene: &Scene, data: &Path, out: &Path) -> Result<(), String> {
    let name = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let temporary = out.with_file_name(format!(".artir-{name}"));
    let write = || {
        copy(scene, &scene.facts.description, data, &temporary)?;
        std::fs::rename(&temporary, out).map_err(|e| e.to_string())
    };
    let written = write();
    if written.is_err() {
        drop(std::fs::remove_file(&temporary));
    }
    written
}

/// Writes the VRT over a TIFF, and compares it with a description.
pub(crate) fn copy(scene: &Scene, wanted: &Description, data: &Path, to: &Path) -> Result<(), String> {
    let source = open_again(data)?;
    let driver = DriverManager::get_driver_by_name("VRT").map_err(|e| e.to_string())?;
    let copy = ffi::checked(|| source.create_copy(&driver, to, &RasterCreationOptions::new()))?;
    // GDAL copies some domains; a VRT holds any.
    for (name, items) in &scene.facts.description.domains {
        Object::dataset(&copy).set_domain(name, items);
    }
    ffi::checked(|| copy.close())?;
    let differences = wanted.differences(&Description::of(&open_again(to)?)?);
    match differences.first() {
        Some((what, ..)) => Err(format!("the virtual raster would differ in {what}")),
        None => Ok(()),
    }
}
