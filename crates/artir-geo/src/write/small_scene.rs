//! Reads and writes small scenes of 8 bits, for demonstrations and tests.

use std::path::Path;

use artir_core::Shape;
use artir_files::NewFile;
use gdal::{
    DriverManager,
    raster::{Buffer, RasterCreationOptions},
    spatial_ref::SpatialRef,
};
use ndarray::Array3;

use crate::{
    error::{Error, Reason},
    ffi,
    scene::{Scene, options::OpenOptions},
    values::samples::Planes,
};

/// Writes an RGB GeoTIFF, `[channel, row, column]`, on a north-up or rotated grid of an EPSG system.
///
/// # Errors
/// [`Error::Write`] with GDAL's reason.
pub fn write_rgb_geotiff(path: &Path, rgb: &Array3<u8>, geotransform: [f64; 6], epsg: u32) -> Result<(), Error> {
    let fail = |reason: Reason| Error::Write { path: path.display().to_string(), reason };
    let file = NewFile::create(path).map_err(|e| fail(e.into()))?;
    let write = || -> gdal::errors::Result<()> {
        let (_, rows, columns) = rgb.dim();
        let mut creation = RasterCreationOptions::new();
        creation.add_name_value("PHOTOMETRIC", "RGB")?;
        creation.add_name_value("COMPRESS", "DEFLATE")?;
        let driver = DriverManager::get_driver_by_name("GTiff")?;
        let mut dataset =
            driver.create_with_band_type_with_options::<u8, _>(file.path(), columns, rows, 3, &creation)?;
        dataset.set_geo_transform(&geotransform)?;
        dataset.set_spatial_ref(&SpatialRef::from_epsg(epsg)?)?;
        for (i, plane) in rgb.outer_iter().enumerate() {
            let mut buffer = Buffer::new((columns, rows), plane.iter().copied().collect());
            dataset.rasterband(i + 1)?.write((0, 0), (columns, rows), &mut buffer)?;
        }
        dataset.close()
    };
    let (written, noted) = ffi::watch(write);
    written.map_err(|e| fail(e.into()))?;
    noted.map_or(Ok(()), |message| Err(fail(Reason::Gdal(message))))?;
    file.publish(true).map_err(|e| fail(e.into()))
}

/// The red, green and blue band of an 8-bit scene, `[channel, row, column]`.
///
/// # Errors
/// As for [`Scene::open`], and for scenes of other types.
pub fn read_rgb(path: &Path) -> Result<Array3<u8>, Error> {
    let name = path.display().to_string();
    let scene = Scene::open(&name, &OpenOptions::default())?;
    let Shape { rows, columns, .. } = scene.shape();
    let fail = |reason: &str| Error::Scene { path: name.clone(), reason: reason.into() };
    let mut planes = scene.info.planes();
    let all = ffi::RawRows { row: 0, rows, columns };
    planes.read_rows(&scene.dataset, &scene.info.bands, &all).map_err(|why| scene.info.unreadable(why))?;
    match planes {
        Planes::U8(planes) if planes.len() == 3 => {
            Array3::from_shape_vec((3, rows, columns), planes.concat()).map_err(|e| fail(&e.to_string()))
        }
        _ => Err(fail("not an 8-bit image of three bands")),
    }
}
