//! Writing a description into a new file, and comparing what was written with what was meant.

use std::path::Path;

use gdal::{Dataset, DatasetOptions, GdalOpenFlags, Metadata};

use crate::{
    description::Description,
    ffi::{self, Object},
    georef::same_crs,
};

/// Domains that GDAL would write into files of formats of their own, and read back changed.
const BESIDE: [&str; 1] = ["IMD"];

impl Description {
    /// Writes the description into a new file of the same size, as far as its format holds it. What GDAL refuses here
    /// shows when the file is opened again.
    pub(crate) fn apply(&self, source: &Dataset, target: &mut Dataset) -> Result<(), String> {
        // First, while the file's directory is not laid out yet: what bands are, and then what they say.
        for (i, wanted) in self.bands.iter().enumerate() {
            let to = target.rasterband(i + 1).map_err(|e| e.to_string())?;
            if ffi::colour(&to) != wanted.colour {
                ffi::set_colour(&to, wanted.colour);
            }
        }
        for (name, items) in self.domains.iter().filter(|(name, _)| !BESIDE.contains(&name.as_str())) {
            Object::dataset(target).set_domain(name, items);
        }
        self.georef.apply(source, target, self.is_point());
        // A TIFF has one nodata value for all bands; several go beside the file.
        let shared = self.bands.windows(2).all(|pair| pair[0].nodata == pair[1].nodata);
        for (i, wanted) in self.bands.iter().enumerate() {
            let mut to = target.rasterband(i + 1).map_err(|e| e.to_string())?;
            if let Some(value) = wanted.nodata.filter(|_| shared) {
                ffi::set_nodata(&to, value);
            }
            let from = source.rasterband(i + 1).map_err(|e| e.to_string())?;
            self.apply_band(i, &from, &mut to);
        }
        Ok(())
    }

    fn apply_band(&self, i: usize, from: &gdal::raster::RasterBand<'_>, to: &mut gdal::raster::RasterBand<'_>) {
        let wanted = &self.bands[i];
        if ffi::colour(to) != wanted.colour {
            ffi::set_colour(to, wanted.colour);
        }
        if !wanted.description.is_empty() {
            drop(to.set_description(&wanted.description));
        }
        if !wanted.unit.is_empty() {
            ffi::set_unit(to, &wanted.unit);
        }
        if (wanted.scale, wanted.offset) != (1.0, 0.0) {
            drop(to.set_scale(wanted.scale).and_then(|()| to.set_offset(wanted.offset)));
        }
        if !wanted.categories.is_empty() {
            ffi::set_categories(to, &wanted.categories);
        }
        if !wanted.colour_table.is_empty() {
            ffi::copy_colour_table(from, to);
        }
        if wanted.attribute_table.is_some() {
            ffi::copy_attribute_table(from, to);
        }
        for (name, items) in &wanted.domains {
            Object::band(to).set_domain(name, items);
        }
    }

    /// Opens a finished file and puts beside it (`.aux.xml`) what its format could not hold, so that GDAL reads it back.
    /// Then compares.
    ///
    /// # Errors
    /// The fields that still differ.
    pub(crate) fn complete(&self, source: &Dataset, path: &Path) -> Result<(), String> {
        // What stands beside a file can hide what stands in it, which then has to go beside it too.
        const ROUNDS: usize = 3;
        for _ in 0..ROUNDS {
            let mut written = open_again(path)?;
            let found = Self::of(&written)?;
            if self.differences(&found).is_empty() {
                return Ok(());
            }
            self.add_beside(source, &mut written, &found)?;
            ffi::checked(|| written.close())?;
            self.add_nodata(path, &found)?;
        }
        let differences = self.differences(&Self::of(&open_again(path)?)?);
        let names: Vec<_> = differences.into_iter().map(|(what, ..)| what).collect();
        if names.is_empty() { Ok(()) } else { Err(format!("the result would differ in {}", names.join(", "))) }
    }

    /// Sets fields of a file that is open for reading alone, which GDAL then keeps beside it.
    fn add_beside(&self, source: &Dataset, target: &mut Dataset, found: &Self) -> Result<(), String> {
        if self.georef != found.georef {
            if !same_crs(&self.georef.crs, &found.georef.crs) {
                ffi::copy_crs(source, target);
            }
            if let Some(geotransform) = self.georef.geotransform.filter(|g| Some(*g) != found.georef.geotransform) {
                ffi::set_geotransform(target, geotransform);
            }
            if self.georef.gcps != found.georef.gcps || !same_crs(&self.georef.gcp_crs, &found.georef.gcp_crs) {
                ffi::set_gcps(target, &self.georef.gcps, source);
            }
        }
        for (name, items) in self.domains.iter().filter(|(name, items)| found.domains.get(*name) != Some(items)) {
            Object::dataset(target).set_domain(name, items);
        }
        for (i, (wanted, found)) in self.bands.iter().zip(&found.bands).enumerate() {
            if wanted == found {
                continue;
            }
            let mut to = target.rasterband(i + 1).map_err(|e| e.to_string())?;
            let from = source.rasterband(i + 1).map_err(|e| e.to_string())?;
            self.apply_band(i, &from, &mut to);
        }
        Ok(())
    }
}

impl Description {
    /// Nodata values that differ by band, through a handle each: on one, GDAL (3.6.2) takes a value that it was given for
    /// another band as set for all.
    fn add_nodata(&self, path: &Path, found: &Self) -> Result<(), String> {
        for (i, (wanted, found)) in self.bands.iter().zip(&found.bands).enumerate() {
            let Some(value) = wanted.nodata.filter(|n| Some(*n) != found.nodata) else { continue };
            let written = open_again(path)?;
            ffi::set_nodata(&written.rasterband(i + 1).map_err(|e| e.to_string())?, value);
            ffi::checked(|| written.close())?;
        }
        Ok(())
    }
}

/// Opens a file that was just written, as its users will.
pub(crate) fn open_again(path: &Path) -> Result<Dataset, String> {
    let flags = GdalOpenFlags::GDAL_OF_RASTER | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR;
    let how = DatasetOptions { open_flags: flags, ..DatasetOptions::default() };
    // Nothing that GDAL could take for a driver's prefix is left at the start.
    let colon = path.is_relative() && path.to_string_lossy().contains(':');
    let path = if colon { &Path::new(".").join(path) } else { path };
    let (opened, noted) = ffi::watch(|| Dataset::open_ex(path, how));
    opened.map_err(|_| format!("it cannot be opened again: {}", noted.unwrap_or_default()))
}
