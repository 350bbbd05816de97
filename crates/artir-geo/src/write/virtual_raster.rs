//! Writes a result as a virtual raster: a TIFF with the pixels, and a VRT of the same name that describes it.

use std::path::Path;

use gdal::{DriverManager, raster::RasterCreationOptions};

use super::metadata::open_again;
use crate::{
    error::Reason,
    ffi::{self, Object},
    scene::description::Description,
};

/// Writes the VRT over a TIFF, and compares it with a description.
pub(crate) fn copy(wanted: &Description, data: &Path, to: &Path) -> Result<(), Reason> {
    let source = open_again(data)?;
    let driver = DriverManager::get_driver_by_name("VRT")?;
    let copy = ffi::checked(|| source.create_copy(&driver, to, &RasterCreationOptions::new()))?;
    // GDAL copies some domains; a VRT holds any.
    for (name, items) in &wanted.domains {
        Object::dataset(&copy).set_domain(name, items);
    }
    // Beside a table of greys, GDAL calls the band a palette.
    for (i, wanted) in wanted.bands.iter().enumerate() {
        let band = copy.rasterband(i + 1)?;
        if ffi::colour(&band) != wanted.colour {
            ffi::set_colour(&band, wanted.colour);
        }
    }
    ffi::checked(|| copy.close())?;
    let differences = wanted.differences(&Description::of(&open_again(to)?)?);
    match differences.first() {
        Some((what, ..)) => Err(format!("the virtual raster would differ in {what}").into()),
        None => Ok(()),
    }
}
