//! Writes a description into a new file and compares the result with the description.

use std::path::Path;

use gdal::{Dataset, DatasetOptions, GdalOpenFlags, Metadata};

use crate::{
    error::Reason,
    ffi::{self, Object},
    open::{drivers, name::without_prefix},
    scene::{check::is_stated_by_tiff, description::Description, georef::same_crs},
};

/// A domain that GDAL would write into a separate file of a special format, and read back changed.
const BESIDE: &str = "IMD";

/// Whether a domain holds JSON. In a TIFF, GDAL (3.6.2) takes its first colon for an equals sign, so that it belongs into `.aux.xml`.
fn is_json(name: &str) -> bool {
    name.starts_with("json:")
}

/// Whether a domain can be written as it is. A transformation of ESRI's would give the result other ground control points
/// than those that GDAL read from it, and that the result holds itself.
fn can_be_written(name: &str, items: &[String]) -> bool {
    name != "xml:ESRI" || !items.iter().any(|item| item.contains("GeodataXform"))
}

/// Whether GDAL makes a table of greys, from white to black, of the photometric interpretation that both files have.
fn has_table_of_negative(source: &Dataset, target: &Dataset) -> bool {
    is_stated_by_tiff(source) && drivers::driver(target) == "GTiff"
}

impl Description {
    /// Writes the description into a new file of the same size, as far as its format supports it. The comparison after
    /// reopening finds everything that GDAL refused.
    pub(crate) fn apply(&self, source: &Dataset, target: &mut Dataset) -> Result<(), Reason> {
        // Set band interpretation first, before the file's directory is laid out, then the bands' metadata.
        for (i, wanted) in self.bands.iter().enumerate() {
            let to = target.rasterband(i + 1)?;
            if ffi::colour(&to) != wanted.colour && !wanted.white_is_zero {
                ffi::set_colour(&to, wanted.colour);
            }
        }
        let here = self.domains.iter().filter(|(name, _)| *name != BESIDE && !is_json(name));
        for (name, items) in here.filter(|(name, items)| can_be_written(name, items)) {
            Object::dataset(target).set_domain(name, items);
        }
        self.georef.apply(source, target, self.is_point());
        // A TIFF has one nodata value for all bands; different ones go into `.aux.xml`.
        let shared = self.shares_nodata();
        for (i, wanted) in self.bands.iter().enumerate() {
            let mut to = target.rasterband(i + 1)?;
            if let Some(value) = wanted.nodata.filter(|_| shared) {
                ffi::set_nodata(&to, value);
            }
            let from = source.rasterband(i + 1)?;
            self.apply_band(i, &from, &mut to, has_table_of_negative(source, target), false);
        }
        Ok(())
    }

    /// `beside`: into `.aux.xml`.
    fn apply_band(
        &self,
        i: usize,
        from: &gdal::raster::RasterBand<'_>,
        to: &mut gdal::raster::RasterBand<'_>,
        table_of_negative: bool,
        beside: bool,
    ) {
        let wanted = &self.bands[i];
        if ffi::colour(to) != wanted.colour && !wanted.white_is_zero {
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
        // Written as a table, what GDAL makes of the photometric interpretation would turn the file into a palette.
        if !wanted.colour_table.is_empty() || wanted.white_is_zero && !table_of_negative {
            ffi::copy_colour_table(from, to);
        }
        if wanted.attribute_table.is_some() {
            ffi::copy_attribute_table(from, to);
        }
        for (name, items) in wanted.domains.iter().filter(|(name, _)| beside || !is_json(name)) {
            Object::band(to).set_domain(name, items);
        }
    }

    /// Opens a finished file and writes the fields that its format does not support into `.aux.xml`, where GDAL reads them.
    /// Returns what the file states afterwards.
    ///
    /// # Errors
    /// Errors of GDAL.
    pub(crate) fn complete(&self, source: &Dataset, path: &Path) -> Result<Self, Reason> {
        // A field in `.aux.xml` can hide another one in the file, which must then be repeated in `.aux.xml`.
        const ROUNDS: usize = 3;
        for _ in 0..ROUNDS {
            let mut written = open_again(path)?;
            let found = Self::of(&written)?;
            if self.differences(&found).is_empty() {
                return Ok(found);
            }
            self.add_beside(source, &mut written, &found)?;
            ffi::checked(|| written.close())?;
            self.add_nodata(path, &found)?;
        }
        Self::of(&open_again(path)?)
    }

    /// Compares a finished file with the description that was promised.
    ///
    /// # Errors
    /// The fields that differ.
    pub(crate) fn must_equal(&self, found: &Self) -> Result<(), Reason> {
        let names: Vec<_> = self.differences(found).into_iter().map(|(what, ..)| what).collect();
        if names.is_empty() { Ok(()) } else { Err(format!("the result would differ in {}", names.join(", ")).into()) }
    }

    /// Sets fields of a file that is open read-only, so that GDAL writes them to `.aux.xml`.
    fn add_beside(&self, source: &Dataset, target: &mut Dataset, found: &Self) -> Result<(), Reason> {
        if self.georef != found.georef {
            if !same_crs(&self.georef.crs, &found.georef.crs) {
                ffi::copy_crs(source, target);
            }
            if let Some(geotransform) = self.georef.geotransform.filter(|g| Some(*g) != found.georef.geotransform) {
                ffi::set_geotransform(target, geotransform);
            }
            if self.georef.needs_points_beside(&found.georef) {
                ffi::set_gcps(target, &self.georef.gcps, source);
            }
        }
        let missing = self.domains.iter().filter(|(name, items)| found.domains.get(*name) != Some(items));
        for (name, items) in missing.filter(|(name, items)| can_be_written(name, items)) {
            Object::dataset(target).set_domain(name, items);
        }
        let table_of_negative = has_table_of_negative(source, target);
        for (i, (wanted, found)) in self.bands.iter().zip(&found.bands).enumerate() {
            if wanted == found {
                continue;
            }
            let mut to = target.rasterband(i + 1)?;
            let from = source.rasterband(i + 1)?;
            self.apply_band(i, &from, &mut to, table_of_negative, true);
        }
        Ok(())
    }
}

impl Description {
    /// Nodata values that differ by band, through a handle each: on one, GDAL (3.6.2) takes a value that it was given for
    /// another band as set for all.
    fn add_nodata(&self, path: &Path, found: &Self) -> Result<(), Reason> {
        for (i, (wanted, found)) in self.bands.iter().zip(&found.bands).enumerate() {
            let Some(value) = wanted.nodata.filter(|n| Some(*n) != found.nodata) else { continue };
            let written = open_again(path)?;
            ffi::set_nodata(&written.rasterband(i + 1)?, value);
            ffi::checked(|| written.close())?;
        }
        Ok(())
    }
}

/// Opens a file that was just written, as its users will.
pub(crate) fn open_again(path: &Path) -> Result<Dataset, Reason> {
    let flags = GdalOpenFlags::GDAL_OF_RASTER | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR;
    let how = DatasetOptions { open_flags: flags, ..DatasetOptions::default() };
    let path = without_prefix(path);
    let (opened, noted) = ffi::watch(|| Dataset::open_ex(&path, how));
    opened.map_err(|_| Reason::Gdal(noted.unwrap_or_default()).of("it cannot be reopened"))
}
