//! A result as a virtual raster: a TIFF with the pixels, and a VRT of the same name that describes it.

use std::path::Path;

use gdal::{DriverManager, raster::RasterCreationOptions};

use crate::{
    Error, Scene, SceneReport, WriteOptions,
    carry::open_again,
    description::Description,
    ffi::{self, Object},
    raster::same_file,
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
    if same_file(&scene.facts.path, out) {
        return Err(fail("it is the scene itself".into()));
    }
    if out.exists() && !options.overwrite {
        return Err(Error::Exists { path: out.display().to_string() });
    }
    let data = out.with_extension("tif");
    let mut done = restore(&data)?;
    if let Err(why) = describe(scene, &data, out) {
        // Best effort: a TIFF that nobody asked for does not stay.
        drop(remove_with_beside(&data));
        return Err(fail(why));
    }
    done.beside.insert(0, data);
    done.path = out.to_owned();
    Ok(done)
}

/// Writes the VRT beside its name, compares it with the scene, and renames it. It names the TIFF relative to itself.
fn describe(scene: &Scene, data: &Path, out: &Path) -> Result<(), String> {
    let name = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let temporary = out.with_file_name(format!(".artir-{name}"));
    let write = || {
        let source = open_again(data)?;
        let driver = DriverManager::get_driver_by_name("VRT").map_err(|e| e.to_string())?;
        let copy = ffi::checked(|| source.create_copy(&driver, &temporary, &RasterCreationOptions::new()))?;
        // GDAL copies some domains; a VRT holds any.
        for (name, items) in &scene.facts.description.domains {
            Object::dataset(&copy).set_domain(name, items);
        }
        ffi::checked(|| copy.close())?;
        let differences = scene.facts.description.differences(&Description::of(&open_again(&temporary)?)?);
        if let Some((what, ..)) = differences.first() {
            return Err(format!("the virtual raster would differ in {what}"));
        }
        std::fs::rename(&temporary, out).map_err(|e| e.to_string())
    };
    let written = write();
    if written.is_err() {
        drop(std::fs::remove_file(&temporary));
    }
    written
}
