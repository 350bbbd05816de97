//! The change layer: restored minus input, in stored values, so that an analyst sees where the restoration acted.

use std::path::Path;

use artir_files::NewFile;
use gdal::{
    DriverManager, Metadata,
    raster::{Buffer, RasterCreationOptions},
};

use super::{
    beside::{in_the_way, is_read_with},
    haze::OtherBands,
    metadata::open_again,
    options::WriteOptions,
};
use crate::{
    error::{Error, Reason},
    ffi::{self, RawRows},
    scene::Scene,
    values::samples::Planes,
};

/// Rows that are subtracted at a time.
const ROWS: usize = 256;

/// Finds the reasons why a change layer must not have a name: GDAL would read it with the result, or an older layer's
/// sidecar file with it.
///
/// # Errors
/// [`Error::Write`] that names the file.
pub fn check_change(result: &Path, to: &Path, overwrite: bool) -> Result<(), Error> {
    if is_read_with(result, to) {
        let reason = format!("GDAL would read it with {}: write it elsewhere", result.display());
        return Err(Error::Write { path: to.display().to_string(), reason: reason.into() });
    }
    in_the_way(to, overwrite).map(drop)
}

/// Writes a GeoTIFF of 32-bit floating-point numbers on the scene's grid, with a band for each restored one: the result's
/// stored value minus the scene's. Pixels that did not change are 0. `options` are those that the result was written with.
///
/// # Errors
/// [`Error::Exists`] for a file that exists and may not be overwritten, [`Error::Scene`] for pixels that cannot be read, and
/// [`Error::Write`].
pub fn write_change(scene: &Scene, result: &Path, to: &Path, options: &WriteOptions) -> Result<(), Error> {
    let overwrite = options.overwrite;
    if artir_files::is_taken(to) && !overwrite {
        return Err(Error::Exists { path: to.display().to_string() });
    }
    let fail = |reason: Reason| Error::Write { path: to.display().to_string(), reason };
    let stale = in_the_way(to, overwrite)?;
    let file = NewFile::create(to).map_err(|e| fail(e.into()))?;
    let mut bands = scene.info.bands.clone();
    if options.all_bands {
        let others = OtherBands::of(&scene.info, &scene.dataset);
        bands.extend(others.map_err(|reason| Error::Scene { path: scene.info.path.clone(), reason })?.numbers());
    }
    write(scene, result, &bands, &file.path()).map_err(&fail)?;
    file.publish(overwrite).map_err(|e| fail(e.into()))?;
    // Statistics that a viewer left there are those of the older layer.
    stale.iter().try_for_each(std::fs::remove_file).map_err(|e| fail(e.into()))
}

fn write(scene: &Scene, result: &Path, bands: &[usize], path: &Path) -> Result<(), Reason> {
    let (columns, rows) = scene.info.description.size;
    let options = RasterCreationOptions::from_iter([
        "COMPRESS=DEFLATE",
        "PREDICTOR=3",
        "BIGTIFF=IF_SAFER",
        "PHOTOMETRIC=MINISBLACK",
        "INTERLEAVE=BAND",
    ]);
    let driver = DriverManager::get_driver_by_name("GTiff")?;
    let target = ffi::checked(|| {
        driver.create_with_band_type_with_options::<f32, _>(path, columns, rows, bands.len(), &options)
    })?;
    let description = &scene.info.description;
    // Before the control points, whose place hangs on it.
    if description.is_point() {
        ffi::Object::dataset(&target).set_domain("", &["AREA_OR_POINT=Point".into()]);
    }
    if let Some(coefficients) = description.domains.get("RPC") {
        ffi::Object::dataset(&target).set_domain("RPC", coefficients);
    }
    description.georef.apply(&scene.dataset, &target, description.is_point());
    for (i, number) in bands.iter().enumerate() {
        let name = &description.bands[number - 1].description;
        let name = if name.is_empty() { format!("change of band {number}") } else { format!("change of {name}") };
        target.rasterband(i + 1)?.set_description(&name)?;
    }
    let result = open_again(result)?;
    for row in (0..rows).step_by(ROWS) {
        let at = RawRows { row, rows: ROWS.min(rows - row), columns };
        let read = |dataset: &gdal::Dataset| -> Result<Planes, Reason> {
            let mut planes = scene.info.planes();
            planes.read_rows(dataset, bands, &at)?;
            Ok(planes)
        };
        let (before, after) = (read(&scene.dataset)?, read(&result)?);
        for i in 0..bands.len() {
            let pairs = after.values(i).into_iter().zip(before.values(i));
            // Values that are not finite do not change.
            let values: Vec<f32> =
                pairs.map(|(a, b)| if a == b || !b.is_finite() { 0.0 } else { (a - b) as f32 }).collect();
            let mut band = target.rasterband(i + 1)?;
            let size = (columns, at.rows);
            ffi::checked(|| band.write((0, row as isize), size, &mut Buffer::new(size, values)))?;
        }
    }
    ffi::checked(|| target.close())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OpenOptions, write_rgb_geotiff};

    #[test]
    fn a_layer_is_read_with_no_result_and_no_older_file_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["o.tif.aux.xml", "o.tif.msk", "o.tfw"] {
            let refused = check_change(&at("o.tif"), &at(name), true).unwrap_err().to_string();
            assert!(refused.contains("would read it with"), "{name}: {refused}");
        }
        check_change(&at("o.tif"), &at("change.tif"), false).unwrap();
        let rgb = ndarray::Array3::from_elem((3, 20, 30), 7);
        write_rgb_geotiff(&at("scene.tif"), &rgb, [0.0, 1.0, 0.0, 0.0, 0.0, -1.0], 32632).unwrap();
        let scene = Scene::open(&at("scene.tif").display().to_string(), &OpenOptions::default()).unwrap();
        std::fs::write(at("change.tif.aux.xml"), "<PAMDataset/>").unwrap();
        assert!(check_change(&at("o.tif"), &at("change.tif"), false).is_err());
        let options = WriteOptions::default().with_overwrite(true);
        write_change(&scene, &at("scene.tif"), &at("change.tif"), &options).unwrap();
        assert!(at("change.tif").exists() && !at("change.tif.aux.xml").exists());
    }
}
