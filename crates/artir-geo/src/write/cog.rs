//! Cloud optimized GeoTIFF: a finished GeoTIFF, copied by GDAL's COG driver.

use std::path::Path;

use gdal::DriverManager;

use super::{
    layout::{can_predict, compression, refuse_lossy, to_options},
    metadata::open_again,
    options::CreationOption,
};
use crate::{error::Reason, ffi, scene::Scene};

/// Copies the GeoTIFF at `from` to a COG at `to`.
pub(crate) fn write(
    scene: &Scene,
    from: &Path,
    to: &Path,
    creation: &[CreationOption],
    threads: usize,
) -> Result<(), Reason> {
    let compression = compression(scene);
    let mut options: Vec<(String, String)> = vec![
        ("COMPRESS".into(), compression.into()),
        ("BIGTIFF".into(), "IF_SAFER".into()),
        ("NUM_THREADS".into(), if threads == 0 { "ALL_CPUS".into() } else { threads.to_string() }),
    ];
    if scene.info.tags.is_some_and(|t| matches!(t.predictor, Some(2 | 3))) && can_predict(compression) {
        options.push(("PREDICTOR".into(), "YES".into()));
    }
    for option in creation {
        refuse_lossy(option)?;
        options.retain(|(key, _)| key != option.key());
        options.push((option.key().into(), option.value().into()));
    }
    let options = to_options(&options)?;
    let source = open_again(from)?;
    let driver = DriverManager::get_driver_by_name("COG").map_err(|_| "this GDAL has no COG driver")?;
    let copy = ffi::checked(|| source.create_copy(&driver, to, &options))?;
    ffi::checked(|| copy.close())
}
