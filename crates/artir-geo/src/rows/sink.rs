//! Adds residuals to stored values and writes them strip by strip. Other bands are copied unchanged.

use std::sync::Arc;

use artir_core::{Shape, Sink, every};
use gdal::{Dataset, raster::RasterBand};
use ndarray::{ArrayView3, Axis};

use super::{
    journal::Journal,
    strips::{Strip, Strips},
};
use crate::{
    error::{Error, Reason},
    ffi::{self, Coverage, Part, RawRows},
    scene::{SceneInfo, coverage::coverage},
    values::{band, samples::on_planes},
};

/// Writes restored rows.
pub(crate) struct SceneSink<'a> {
    pub(crate) scene: &'a SceneInfo,
    pub(crate) strips: &'a Strips,
    pub(crate) strip_rows: usize,
    /// A separate handle on the scene, for the bands that are copied.
    pub(crate) source: Dataset,
    pub(crate) target: Dataset,
    /// Blocks of the new file hold all bands.
    pub(crate) interleaved: bool,
    pub(crate) journal: Journal,
    /// Bands that are written later, counted from 1.
    pub(crate) later: Vec<usize>,
    /// The output's final name.
    pub(crate) name: String,
}

impl Sink for SceneSink<'_> {
    type Error = Error;

    fn write(&mut self, first: usize, residual: ArrayView3<'_, f32>) -> Result<(), Error> {
        let (_, rows, _) = residual.dim();
        self.each_strip(first, rows, &mut |sink, strip, row, end| {
            let residual = residual.slice(ndarray::s![.., row - first..end - first, ..]);
            match strip {
                Some(strip) => sink.add(strip, row, &residual),
                // Below an image in a wide raster.
                None if sink.scene.has_holes && residual.iter().all(|r| *r == 0.0) => {}
                None => return Err(sink.scene.unreadable("rows were dropped too early")),
            }
            Ok(())
        })
    }

    fn pass(&mut self, first: usize, shape: Shape) -> Result<(), Error> {
        self.each_strip(first, shape.rows, &mut |_, _, _, _| Ok(()))
    }
}

/// Work on rows of a strip, from one row to before another. `None` for a strip that was not read.
type OnStrip<'a> = &'a mut dyn FnMut(&SceneSink<'_>, Option<&Strip>, usize, usize) -> Result<(), Error>;

impl SceneSink<'_> {
    /// Works on rows strip by strip, and writes each strip whose last row is among them.
    fn each_strip(&mut self, first: usize, rows: usize, work: OnStrip<'_>) -> Result<(), Error> {
        let mut row = first;
        while row < first + rows {
            let strip = self.strips.at(row);
            let start = row - row % self.strip_rows;
            let whole = strip.as_ref().map_or(start + self.strip_rows, |strip| strip.end());
            let whole = whole.min(self.scene.description.size.1);
            let end = whole.min(first + rows);
            work(&*self, strip.as_deref(), row, end)?;
            if end == whole {
                match strip {
                    Some(strip) => self.finish(&strip)?,
                    None => self.copy(start, whole - start)?,
                }
                self.strips.forget_before(end);
            }
            row = end;
        }
        Ok(())
    }

    /// Whether the file holds nothing of rows, in any band, and they read as nodata or zero, as those of a sparse TIFF do. Where the
    /// bands' nodata values differ, the new file is not sparse, and GDAL would fill what is not written with zeros.
    fn is_hole(&self, row: usize, rows: usize) -> Result<bool, Reason> {
        let (description, columns) = (&self.scene.description, self.scene.description.size.0);
        let all: Vec<usize> = (1..=description.bands.len()).collect();
        let held = coverage(&self.source, &all, Part { at: (0, row), size: (columns, rows) })?;
        if held != Coverage::None || description.mask || !description.shares_nodata() {
            return Ok(false);
        }
        for (number, band) in all.iter().zip(&description.bands) {
            // A virtual raster that hides its nodata value still reads as it.
            let mut planes = self.scene.planes();
            planes.read_rows(&self.source, &[*number], &RawRows { row, rows: 1, columns })?;
            let fill = band.nodata.and_then(ffi::Nodata::value).unwrap_or(0.0);
            let alike = |v: &f64| *v == fill || v.is_nan() && fill.is_nan();
            if !planes.values(0).iter().all(alike) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Copies rows that were not read, unless the file holds none of them.
    fn copy(&mut self, row: usize, rows: usize) -> Result<(), Error> {
        let columns = self.scene.description.size.0;
        if self.is_hole(row, rows).map_err(|why| self.scene.unreadable(why))? {
            // The new file does not hold them either, and both read alike.
            return self.journal.add(rows, &[]).map_err(|e| self.fail(e));
        }
        let mut planes = self.scene.planes();
        let at = RawRows { row, rows, columns };
        planes.read_rows(&self.source, &self.scene.bands, &at).map_err(|why| self.scene.unreadable(why))?;
        let mut bytes: Vec<Vec<u8>> = (0..self.scene.bands.len()).map(|i| planes.bytes(i)).collect();
        self.journal.add(rows, &bytes).map_err(|e| self.fail(e))?;
        self.write_rows(row, rows, &mut bytes)
    }

    /// Adds residuals to rows of a strip from `row` on. A single band takes the mean over the model's channels.
    fn add(&self, strip: &Strip, row: usize, residual: &ArrayView3<'_, f32>) {
        let bands = &self.scene.values;
        let (_, rows, columns) = residual.dim();
        let mean = (bands.len() == 1).then(|| residual.mean_axis(Axis(0))).flatten();
        let mut planes = strip.planes();
        let mut changes = vec![true; columns];
        for r in 0..rows {
            let at = (row + r - strip.row) * columns;
            match &self.scene.region {
                Some(region) => region.mark(row + r, &mut changes),
                None => changes.fill(true),
            }
            if let Some(valid) = &strip.valid {
                changes.iter_mut().zip(&valid[at..]).for_each(|(changes, ok)| *changes &= *ok);
            }
            for (band, values) in bands.iter().enumerate() {
                let line = match &mean {
                    Some(mean) => mean.row(r),
                    None => residual.slice(ndarray::s![band, r, ..]),
                };
                let Some(line) = line.to_slice() else { continue };
                // No value would change.
                if every(line, |r| r == 0.0) {
                    continue;
                }
                on_planes!(&mut *planes, p => band::add(&mut p[band][at..at + columns], line, Some(&changes), values));
            }
        }
    }

    /// Records a complete strip and writes it.
    fn finish(&mut self, strip: &Arc<Strip>) -> Result<(), Error> {
        let planes = strip.planes();
        let mut all: Vec<Vec<u8>> = (0..self.scene.bands.len()).map(|i| planes.bytes(i)).collect();
        drop(planes);
        self.journal.add(strip.rows, &all).map_err(|e| self.fail(e))?;
        self.write_rows(strip.row, strip.rows, &mut all)
    }

    /// Writes rows of all bands: the restored ones from `restored`, the others from the scene.
    pub(crate) fn write_rows(&self, row: usize, rows: usize, restored: &mut [Vec<u8>]) -> Result<(), Error> {
        let columns = self.scene.description.size.0;
        let at = RawRows { row, rows, columns };
        let count = self.scene.description.bands.len();
        let mut together = Vec::new();
        for number in (1..=count).filter(|number| self.interleaved || !self.later.contains(number)) {
            let mut passing;
            let bytes = match self.scene.bands.iter().position(|b| *b == number) {
                Some(i) => &mut restored[i],
                None => {
                    let from = self.source.rasterband(number).map_err(|e| self.scene.unreadable(e))?;
                    passing = ffi::read_raw(&from, &at).map_err(|why| self.scene.unreadable(why))?;
                    &mut passing
                }
            };
            if self.interleaved {
                together.append(bytes);
            } else {
                let to = self.target.rasterband(number).map_err(|e| self.fail(e))?;
                ffi::write_raw(&to, &at, bytes).map_err(|why| self.fail(why))?;
            }
        }
        if self.interleaved {
            ffi::write_all(&self.target, &at, &mut together).map_err(|why| self.fail(why))?;
        }
        if self.scene.description.mask {
            let mut bytes =
                on_mask(&self.source, |m| ffi::read_raw(m, &at)).map_err(|why| self.scene.unreadable(why))?;
            on_mask(&self.target, |m| ffi::write_raw(m, &at, &mut bytes)).map_err(|why| self.fail(why))?;
        }
        Ok(())
    }

    fn fail(&self, reason: impl Into<Reason>) -> Error {
        Error::Write { path: self.name.clone(), reason: reason.into() }
    }
}

/// Runs `work` on the mask that all bands of a dataset share.
fn on_mask<T>(dataset: &Dataset, work: impl FnOnce(&RasterBand<'_>) -> Result<T, Reason>) -> Result<T, Reason> {
    let band = dataset.rasterband(1)?;
    work(&band.open_mask_band()?)
}
