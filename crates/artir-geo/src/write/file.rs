//! The file of a result: created with all metadata, and completed with overviews when its pixels are written.

use std::path::Path;

use gdal::Dataset;

use super::{
    layout::Layout,
    metadata::open_again,
    options::{Format, WriteOptions},
    overviews::overviews,
};
use crate::{
    error::Reason,
    ffi::{self, ThreadOption},
    scene::{Scene, description::Description},
};

/// Keeps GDAL from writing `.aux.xml` files where the result is one file, as long as it lives.
pub(crate) fn alone(options: &WriteOptions) -> Option<ThreadOption> {
    options.one_file.then(|| ThreadOption::set("GDAL_PAM_ENABLED", "NO")).flatten()
}

/// Keeps GDAL from compressing on threads of its own where rows of the result are read while it is written, as long as it lives:
/// GDAL 3.6 crashes then. `GDAL_NUM_THREADS` of the environment would start them.
pub(crate) fn on_one_thread(options: &WriteOptions) -> Option<ThreadOption> {
    options.all_bands.then(|| ThreadOption::set("GDAL_NUM_THREADS", "1")).flatten()
}

/// A new file with the metadata of a description.
pub(crate) fn create(
    scene: &Scene,
    description: &Description,
    layout: &Layout,
    path: &Path,
) -> Result<Dataset, Reason> {
    let _mask = ThreadOption::set("GDAL_TIFF_INTERNAL_MASK", if mask_is_beside(scene) { "NO" } else { "YES" });
    let mut target = layout.create(scene, description, path)?;
    description.apply(&scene.dataset, &mut target)?;
    if description.mask && !ffi::create_mask(&target) {
        return Err("its mask of valid pixels cannot be kept".into());
    }
    Ok(target)
}

/// Refuses a mask with soft edges where the result's mask is part of a TIFF, which has one bit.
pub(crate) fn check_mask(scene: &Scene, format: Format) -> Result<(), Reason> {
    let has_bytes = mask_is_beside(scene) && !format.is_copied();
    if has_bytes || !scene.has_soft_mask()? {
        return Ok(());
    }
    Err("its mask has several values above 0 (soft edges), and that of a GeoTIFF has one bit: give the scene a band of opacity \
         (alpha) in place of the mask, or a mask of 0 and 255 alone"
        .into())
}

/// Whether the source's mask is a file of its own.
fn mask_is_beside(scene: &Scene) -> bool {
    ffi::file_list(&scene.dataset).iter().any(|f| f.to_ascii_lowercase().ends_with(".msk"))
}

/// Adds overviews and the fields that the format cannot hold. Returns what the file states. `empty` overviews have their size
/// but no pixels.
pub(crate) fn finish(
    scene: &Scene,
    description: &Description,
    target: Dataset,
    layout: &Layout,
    path: &Path,
    empty: bool,
) -> Result<Description, Reason> {
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
