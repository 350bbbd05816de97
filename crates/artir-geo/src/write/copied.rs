//! Formats that GDAL writes by copying a finished file: cloud optimized GeoTIFF, JPEG 2000, PNG, ERDAS Imagine.

use std::path::Path;

use gdal::DriverManager;

use super::{
    creation::{check, check_together},
    layout::{can_predict, compression, to_options},
    metadata::open_again,
    options::{Format, WriteOptions},
};
use crate::{
    error::Reason,
    ffi::{self, RawRows},
    open::drivers::structure,
    scene::Scene,
};

/// Rows that are compared at a time.
const ROWS: usize = 256;

/// Copies the GeoTIFF at `from` to a file of another format at `to`, and compares the values of both.
pub(crate) fn write(
    scene: &Scene,
    from: &Path,
    to: &Path,
    format: Format,
    options: &WriteOptions,
) -> Result<(), Reason> {
    let threads = if options.threads == 0 { "ALL_CPUS".into() } else { options.threads.to_string() };
    let mut pairs: Vec<(String, String)> = match format {
        Format::Cog => {
            let compression = compression(scene);
            let mut pairs = vec![
                ("COMPRESS".into(), compression.into()),
                ("BIGTIFF".into(), "IF_SAFER".into()),
                ("NUM_THREADS".into(), threads),
            ];
            if scene.info.tags.is_some_and(|t| matches!(t.predictor, Some(2 | 3))) && can_predict(compression) {
                pairs.push(("PREDICTOR".into(), "YES".into()));
            }
            if let Some(edge) = block_of_cog(scene) {
                pairs.push(("BLOCKSIZE".into(), edge.to_string()));
            }
            pairs
        }
        Format::Jp2 => vec![("QUALITY".into(), "100".into()), ("REVERSIBLE".into(), "YES".into())],
        Format::Imagine => vec![("COMPRESSED".into(), "YES".into())],
        _ => Vec::new(),
    };
    for option in &options.creation {
        check(format, option)?;
        pairs.retain(|(key, _)| key != option.key());
        pairs.push((option.key().into(), option.value().into()));
    }
    check_together(&scene.info.description, format, &pairs)?;
    let source = open_again(from)?;
    let name = format.driver();
    let driver = DriverManager::get_driver_by_name(name).map_err(|_| format!("this GDAL has no {name} driver"))?;
    let copy = ffi::checked(|| source.create_copy(&driver, to, &to_options(&pairs)?))?;
    ffi::checked(|| copy.close())?;
    if format == Format::Cog { Ok(()) } else { same_values(from, to) }
}

/// The edge of a COG's blocks, which decides how many overviews its result has.
fn block_of_cog(scene: &Scene) -> Option<usize> {
    let (columns, rows) = scene.info.block;
    let is_cog = structure(&scene.dataset, "LAYOUT").as_deref() == Some("COG");
    // GDAL's COG driver takes no others.
    (is_cog && columns == rows && columns >= 128 && columns % 16 == 0).then_some(columns)
}

/// Drivers of other formats can lose values without a word.
fn same_values(from: &Path, to: &Path) -> Result<(), Reason> {
    let (a, b) = (open_again(from)?, open_again(to)?);
    let (columns, rows) = a.raster_size();
    if b.raster_size() != (columns, rows) || b.raster_count() != a.raster_count() {
        return Err("the format cannot hold the scene's bands".into());
    }
    for row in (0..rows).step_by(ROWS) {
        let at = RawRows { row, rows: ROWS.min(rows - row), columns };
        for i in 1..=a.raster_count() {
            let (from, to) = (a.rasterband(i)?, b.rasterband(i)?);
            if ffi::type_number(&from) != ffi::type_number(&to)
                || ffi::read_raw(&from, &at)? != ffi::read_raw(&to, &at)?
            {
                return Err(format!("the format cannot hold the values of band {i} without loss").into());
            }
        }
    }
    Ok(())
}
