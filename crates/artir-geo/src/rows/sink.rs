//! Adds residuals to stored values and writes them strip by strip. Other bands are copied unchanged.

use std::sync::Arc;

use artir_core::Sink;
use gdal::{Dataset, raster::RasterBand};
use ndarray::ArrayView3;

use super::{
    samples::on_planes,
    strips::{Strip, Strips},
    values::{self, Meaning},
};
use crate::{
    error::{Error, Reason},
    ffi::{self, RawRows},
    scene::SceneInfo,
    write::journal::Journal,
};

/// Writes restored rows.
pub(crate) struct SceneSink<'a> {
    pub(crate) scene: &'a SceneInfo,
    pub(crate) strips: &'a Strips,
    /// A separate handle on the scene, for the bands that are copied.
    pub(crate) source: Dataset,
    pub(crate) target: Dataset,
    /// Blocks of the new file hold all bands.
    pub(crate) interleaved: bool,
    pub(crate) journal: Journal,
    /// The output's final name.
    pub(crate) name: String,
}

impl Sink for SceneSink<'_> {
    type Error = Error;

    fn write(&mut self, first: usize, residual: ArrayView3<'_, f32>) -> Result<(), Error> {
        let (_, rows, _) = residual.dim();
        let mut row = first;
        while row < first + rows {
            let missing = || self.scene.unreadable("rows were dropped too early");
            let strip = self.strips.at(row).ok_or_else(missing)?;
            let end = strip.end().min(first + rows);
            self.add(&strip, row, &residual.slice(ndarray::s![.., row - first..end - first, ..]));
            if end == strip.end() {
                self.finish(&strip)?;
                self.strips.forget_before(end);
            }
            row = end;
        }
        Ok(())
    }
}

impl SceneSink<'_> {
    /// Adds residuals to rows of a strip from `row` on.
    fn add(&self, strip: &Strip, row: usize, residual: &ArrayView3<'_, f32>) {
        let meaning = Meaning { interval: self.scene.interval, nodata: &self.scene.nodata };
        let (channels, rows, columns) = residual.dim();
        let mut planes = strip.planes();
        for r in 0..rows {
            let of_row = |c: usize| residual.slice(ndarray::s![c, r, ..]).to_slice();
            let Some(of_row) = (0..channels).map(of_row).collect::<Option<Vec<_>>>() else { continue };
            let at = (row + r - strip.row) * columns;
            on_planes!(&mut *planes, p => values::add(p, at, &of_row, strip.valid.as_deref(), meaning));
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
        for number in 1..=count {
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
