//! The restored scene: beside its final name, tiled, checked, then renamed.

use std::path::{Path, PathBuf};

use artir_core::{OutputFolder, Progress, Restorer, RunReport, Sink, Window};
use gdal::{
    Dataset, DriverManager, Metadata,
    raster::{Buffer, RasterCreationOptions},
    spatial_ref::SpatialRef,
};
use ndarray::{Array3, ArrayView3};

use crate::{
    Error, Scene, bands, ffi,
    georef::Description,
    raster::{SceneSource, same_file},
    verify::verify,
};

/// How a restored scene is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Replace what is there already.
    pub overwrite: bool,
}

/// What was written.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneReport {
    /// The file.
    pub path: PathBuf,
    /// What the pipeline did.
    pub run: RunReport,
}

/// Rows that are read and written at a time.
const STRIP: usize = 256;

/// Restores a scene into `out`; nothing appears there before the file is complete and was compared with its source.
///
/// # Errors
/// [`Error::Scene`] for pixels that cannot be read, [`Error::Exists`], [`Error::Write`], and the core's own.
pub fn restore_scene(
    scene: &Scene,
    restorer: &Restorer,
    out: &Path,
    options: &WriteOptions,
    progress: &dyn Progress,
) -> Result<SceneReport, Error> {
    progress.start(&scene.path, scene.shape().pixels());
    restore_with(scene, out, options, &mut |source, sink| restorer.run(source, sink, progress))
}

/// The path of a scene with any function that carries residuals from source to sink.
fn restore_with(
    scene: &Scene,
    out: &Path,
    options: &WriteOptions,
    run: &mut dyn FnMut(&mut SceneSource<'_>, &mut SceneSink<'_>) -> Result<RunReport, Error>,
) -> Result<SceneReport, Error> {
    let fail = |reason: String| Error::Write { path: out.display().to_string(), reason };
    if same_file(&scene.path, out) {
        return Err(fail("it is the scene itself".into()));
    }
    if out.exists() && !options.overwrite {
        return Err(Error::Exists { path: out.display().to_string() });
    }
    let parent = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _made = OutputFolder::create(parent).map_err(|e| fail(e.to_string()))?;
    // A folder, so that sidecar files which GDAL may write go with it.
    let staging = tempfile::Builder::new().prefix(".artir-").tempdir_in(parent).map_err(|e| fail(e.to_string()))?;
    let path = staging.path().join("scene.tif");
    let description = Description::of(&scene.dataset).map_err(&fail)?;
    let mut target = create(scene, &path).map_err(&fail)?;
    description.apply(&scene.dataset, &mut target).map_err(&fail)?;
    let mut sink = SceneSink { scene, target, path: out.display().to_string() };
    let report = run(&mut SceneSource(scene), &mut sink)?;
    sink.pass_through()?;
    let (closed, noted) = ffi::watch(|| sink.target.close());
    closed.map_err(|e| fail(e.to_string()))?;
    if let Some(message) = noted {
        return Err(fail(message));
    }
    verify(&path, &description).map_err(&fail)?;
    if staging.path().join("scene.tif.aux.xml").exists() {
        return Err(fail("some metadata does not fit into a GeoTIFF, and this version keeps no file beside it".into()));
    }
    std::fs::rename(&path, out).map_err(|e| fail(e.to_string()))?;
    Ok(SceneReport { path: out.to_owned(), run: report })
}

/// A new file with the source's layout: tiles, interleave and lossless compression as they were.
fn create(scene: &Scene, path: &Path) -> Result<Dataset, String> {
    let text = |e: gdal::errors::GdalError| e.to_string();
    let source = &scene.dataset;
    let structure = |key: &str| source.metadata_item(key, "IMAGE_STRUCTURE");
    let compression = match structure("COMPRESSION").as_deref() {
        None => "NONE",
        // The names that GDAL reports and the names that it takes differ for none of these.
        Some("LZW") => "LZW",
        Some("PACKBITS") => "PACKBITS",
        Some("ZSTD") => "ZSTD",
        Some("DEFLATE") => "DEFLATE",
        Some(other) => {
            tracing::warn!("the source is compressed with {other}, which is lossy or rare: writing DEFLATE");
            "DEFLATE"
        }
    };
    let mut creation = RasterCreationOptions::new();
    let mut add = |key: &str, value: &str| creation.add_name_value(key, value).map_err(text);
    add("COMPRESS", compression)?;
    add("BIGTIFF", "IF_SAFER")?;
    // Nothing says which band is what but the source: without this GDAL takes a third band of three for blue.
    add("PHOTOMETRIC", if scene.rgb == [1, 2, 3] { "RGB" } else { "MINISBLACK" })?;
    if compression != "NONE" {
        add("NUM_THREADS", "ALL_CPUS")?;
    }
    let pixel = structure("INTERLEAVE").as_deref() == Some("PIXEL");
    add("INTERLEAVE", if pixel { "PIXEL" } else { "BAND" })?;
    let (columns, rows) = source.raster_size();
    let (width, height) = source.rasterband(1).map_err(text)?.block_size();
    // Strips of the whole width, however high, are written as tiles once a scene is large enough to care.
    let tiled = (width != columns && width % 16 == 0 && height % 16 == 0) || columns.min(rows) >= 1024;
    if tiled {
        let edge = |n: usize| if n.is_multiple_of(16) && n < columns { n } else { 256 };
        add("TILED", "YES")?;
        add("BLOCKXSIZE", &edge(width).to_string())?;
        add("BLOCKYSIZE", &if width % 16 == 0 && width != columns { height } else { 256 }.to_string())?;
    }
    if ffi::overview_count(&source.rasterband(1).map_err(text)?) > 0 {
        tracing::warn!("the source's overviews are not carried over: add them with gdaladdo");
    }
    let driver = DriverManager::get_driver_by_name("GTiff").map_err(text)?;
    let (made, noted) = ffi::watch(|| {
        let count = source.raster_count();
        driver.create_with_band_type_with_options::<u8, _>(path, columns, rows, count, &creation)
    });
    made.map_err(|e| noted.unwrap_or_else(|| e.to_string()))
}

/// Adds residuals to the scene's bytes and writes them.
struct SceneSink<'a> {
    scene: &'a Scene,
    target: Dataset,
    path: String,
}

impl SceneSink<'_> {
    fn write_band(&self, band: usize, w: Window, values: Vec<u8>) -> Result<(), Error> {
        let fail = |reason: String| Error::Write { path: self.path.clone(), reason };
        let size = (w.columns, w.rows);
        let (written, noted) = ffi::watch(|| -> gdal::errors::Result<()> {
            let mut buffer = Buffer::new(size, values);
            self.target.rasterband(band)?.write((w.column as isize, w.row as isize), size, &mut buffer)
        });
        written.map_err(|e| fail(e.to_string()))?;
        noted.map_or(Ok(()), |message| Err(fail(message)))
    }

    /// Copies every band that is not restored, bit for bit.
    fn pass_through(&self) -> Result<(), Error> {
        let (columns, rows) = self.scene.dataset.raster_size();
        for band in (1..=self.scene.dataset.raster_count()).filter(|b| !self.scene.rgb.contains(b)) {
            for row in (0..rows).step_by(STRIP) {
                let w = Window { row, column: 0, rows: STRIP.min(rows - row), columns };
                self.write_band(band, w, self.scene.read_band(band, w)?)?;
            }
        }
        Ok(())
    }
}

impl Sink for SceneSink<'_> {
    type Error = Error;

    fn write(&mut self, first: usize, residual: ArrayView3<'_, f32>) -> Result<(), Error> {
        let (_, rows, columns) = residual.dim();
        for start in (0..rows).step_by(STRIP) {
            let count = STRIP.min(rows - start);
            let w = Window { row: first + start, column: 0, rows: count, columns };
            let mut planes = [Vec::new(), Vec::new(), Vec::new()];
            for (plane, band) in planes.iter_mut().zip(self.scene.rgb) {
                *plane = self.scene.read_band(band, w)?;
            }
            for row in 0..count {
                for column in 0..columns {
                    let at = row * columns + column;
                    let mut pixel = [planes[0][at], planes[1][at], planes[2][at]];
                    let r = [0, 1, 2].map(|c| residual[(c, start + row, column)]);
                    bands::add(&mut pixel, r, self.scene.nodata);
                    for (plane, value) in planes.iter_mut().zip(pixel) {
                        plane[at] = value;
                    }
                }
            }
            for (plane, band) in planes.into_iter().zip(self.scene.rgb) {
                self.write_band(band, w, plane)?;
            }
        }
        Ok(())
    }
}

/// Writes an RGB GeoTIFF, `[channel, row, column]`, on a north-up or rotated grid of an EPSG system.
///
/// # Errors
/// [`Error::Write`] with GDAL's reason.
pub fn write_rgb_geotiff(path: &Path, rgb: &Array3<u8>, geotransform: [f64; 6], epsg: u32) -> Result<(), Error> {
    let write = || -> gdal::errors::Result<()> {
        let (_, rows, columns) = rgb.dim();
        let mut creation = RasterCreationOptions::new();
        creation.add_name_value("PHOTOMETRIC", "RGB")?;
        creation.add_name_value("COMPRESS", "DEFLATE")?;
        let driver = DriverManager::get_driver_by_name("GTiff")?;
        let mut dataset = driver.create_with_band_type_with_options::<u8, _>(path, columns, rows, 3, &creation)?;
        dataset.set_geo_transform(&geotransform)?;
        dataset.set_spatial_ref(&SpatialRef::from_epsg(epsg)?)?;
        for (i, plane) in rgb.outer_iter().enumerate() {
            let mut buffer = Buffer::new((columns, rows), plane.iter().copied().collect());
            dataset.rasterband(i + 1)?.write((0, 0), (columns, rows), &mut buffer)?;
        }
        dataset.close()
    };
    let fail = |reason: String| Error::Write { path: path.display().to_string(), reason };
    let (written, noted) = ffi::watch(write);
    written.map_err(|e| fail(e.to_string()))?;
    noted.map_or(Ok(()), |message| Err(fail(message)))
}

#[cfg(test)]
mod tests;
