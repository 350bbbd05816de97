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
    ffi::{self, Crs, RawRows},
    open::drivers::structure,
    scene::{Scene, SceneInfo, description::Description},
};

/// Rows that are compared at a time.
const ROWS: usize = 256;

/// Refuses a scene that is too large for one ERDAS Imagine file. GDAL puts the pixels of a larger one into a second
/// file (`.ige`), and the name of that into the first.
pub(super) fn check_size(scene: &SceneInfo, format: Format, options: &WriteOptions) -> Result<(), Reason> {
    const MOST: u64 = 1 << 31;
    // What GDAL leaves for everything but pixels.
    const OTHER: u64 = 10_000_000;
    if format != Format::Imagine {
        return Ok(());
    }
    let asked = options.creation.iter().rev().find(|option| option.key() == "BLOCKSIZE");
    let asked = asked.and_then(|option| option.value().parse::<u64>().ok());
    let edge = asked.filter(|edge| (32..=2048).contains(edge)).unwrap_or(64);
    let (columns, rows) = scene.description.size;
    let blocks = (columns as u64).div_ceil(edge).saturating_mul((rows as u64).div_ceil(edge));
    let values = blocks.saturating_mul(edge * edge).saturating_mul(scene.description.bands.len() as u64);
    let bytes = values.saturating_mul(ffi::type_bytes(scene.kind()) as u64).saturating_add(OTHER);
    if bytes > MOST {
        return Err(
            "its pixels take more than the 2 GiB that one ERDAS Imagine file holds: write a GeoTIFF (.tif)".into()
        );
    }
    Ok(())
}

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
        // By itself, GDAL would go by the ending of `to`, which is no result's.
        Format::Jp2 => {
            let geo = if has_geojp2(&scene.info.description) { "YES" } else { "NO" };
            lossless(&[("CODEC", "JP2"), ("GMLJP2", "NO"), ("GEOJP2", geo)])
        }
        Format::J2k => lossless(&[("CODEC", "J2K")]),
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

/// Options of a JPEG 2000 file that holds every value.
fn lossless(more: &[(&str, &str)]) -> Vec<(String, String)> {
    let all = [("QUALITY", "100"), ("REVERSIBLE", "YES")].iter().chain(more);
    all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Whether a GeoTIFF in a box of a JPEG 2000 file holds the grid. It has no form for a system that is derived from
/// another, and GDAL reads a system out of one that has none. Of a grid whose rows run north, GDAL writes one whose rows
/// run south.
fn has_geojp2(description: &Description) -> bool {
    let georef = &description.georef;
    let plain = |crs: &Crs| !crs.wkt.contains("DERIVINGCONVERSION[");
    let southward = |grid: &[f64; 6]| grid[5] < 0.0 || grid[2] != 0.0 || grid[4] != 0.0;
    georef.geotransform.as_ref().is_some_and(southward) && georef.crs.as_ref().is_some_and(plain)
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
