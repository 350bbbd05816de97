//! Buffer of rows between reading and writing. Every row is read once; a strip waits until all its rows are restored.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use artir_core::{Image, MemoryUse, Shape, Source, Window};
use gdal::Dataset;
use ndarray::{Array2, Array3, s};

use super::missing::fill_missing;
use crate::{
    error::Error,
    ffi::{self, Coverage, Part, RawRows},
    scene::{
        CACHE_BYTES, MOST_BYTES, SceneInfo,
        coverage::{coverage, missing_parts},
        marks::OpenMarks,
        validity::read_mask,
    },
    values::{
        band,
        interval::Interval,
        samples::{Planes, Sample, on_planes},
    },
};

/// Whole rows of the restored bands.
pub(crate) struct Strip {
    /// First row.
    pub(crate) row: usize,
    pub(crate) rows: usize,
    pub(crate) planes: Mutex<Planes>,
    /// Row after row; `None` when every pixel counts.
    pub(crate) valid: Option<Vec<bool>>,
}

impl Strip {
    /// One past its last row.
    pub(crate) fn end(&self) -> usize {
        self.row + self.rows
    }

    pub(crate) fn planes(&self) -> MutexGuard<'_, Planes> {
        lock(&self.planes)
    }
}

/// The strips that are read but not yet written, from top to bottom. Reader and writer share them: the reader uses
/// original rows, the writer changes rows above those.
#[derive(Default)]
pub(crate) struct Strips(Mutex<VecDeque<Arc<Strip>>>);

/// A panic in one thread ends the run, so its partial data are never used.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Strips {
    /// The strip that holds a row.
    pub(crate) fn at(&self, row: usize) -> Option<Arc<Strip>> {
        lock(&self.0).iter().find(|s| (s.row..s.end()).contains(&row)).cloned()
    }

    /// Forgets all strips that end at or before a row.
    pub(crate) fn forget_before(&self, row: usize) {
        let mut strips = lock(&self.0);
        while strips.front().is_some_and(|s| s.end() <= row) {
            strips.pop_front();
        }
    }

    fn end(&self) -> Option<usize> {
        lock(&self.0).back().map(|s| s.end())
    }

    fn push(&self, strip: Strip) {
        lock(&self.0).push_back(Arc::new(strip));
    }
}

/// Rows of a strip: a multiple of the output's block, so that every block is written once and whole.
pub(crate) fn strip_rows(block_rows: usize, rows: usize) -> usize {
    const LEAST: usize = 128;
    let block = block_rows.clamp(1, rows.max(1));
    LEAST.div_ceil(block).max(1).saturating_mul(block).min(rows.max(1))
}

/// Passes a scene to the pipeline.
pub(crate) struct SceneSource<'a> {
    pub(crate) scene: &'a SceneInfo,
    /// The reader's own handle on the scene.
    pub(crate) dataset: Dataset,
    /// Rasters that mark pixels as invalid.
    pub(crate) marks: Vec<OpenMarks>,
    /// Channels of the model: a single band goes in as often.
    pub(crate) channels: usize,
    pub(crate) strips: &'a Strips,
    pub(crate) strip_rows: usize,
    /// Rows above this one are already written: the sink does not need them.
    pub(crate) first_row: usize,
    /// The last rows that were looked at for pixels in the file: first, number, and whether there are any.
    pub(crate) held: Option<(usize, usize, bool)>,
}

/// Memory of reader and writer.
pub(crate) fn memory_use(scene: &SceneInfo) -> MemoryUse {
    let value = ffi::type_bytes(scene.kind()) as u64;
    // In addition to the cache: a strip being read, one being written, and its compressed copy in GDAL.
    let strip = scene.row_of_blocks(strip_rows(scene.block.1, scene.description.size.1)).min(MOST_BYTES);
    MemoryUse { fixed: CACHE_BYTES + 3 * strip as u64, per_pixel: value * scene.bands.len() as u64 + 1 }
}

impl SceneSource<'_> {
    fn read_strip(&self, row: usize) -> Result<Strip, Error> {
        let scene = self.scene;
        let shape = scene.shape();
        let rows = self.strip_rows.min(shape.rows - row);
        let size = (shape.columns, rows);
        let mut planes = scene.planes();
        let at = RawRows { row, rows, columns: shape.columns };
        planes.read_rows(&self.dataset, &scene.bands, &at).map_err(|why| scene.unreadable(why))?;
        let mut valid = vec![true; rows * shape.columns];
        read_mask(&self.dataset, scene.bands[0], scene.validity, (0, row), size, size, &mut valid)
            .map_err(|why| scene.unreadable(why))?;
        let fill = scene.fill.map(|fill| fill.value);
        on_planes!(&planes, p => band::mark_valid(p, &scene.values, fill, &mut valid));
        if scene.has_holes && scene.values.iter().any(|values| values.nodata.is_none()) {
            // What the file does not hold reads as zero, which is a value where no nodata is known.
            let part = Part { at: (0, row), size };
            let missing = missing_parts(&self.dataset, &scene.bands, part).map_err(|why| scene.unreadable(why))?;
            for Part { at: (x, y), size: (columns, rows) } in missing {
                let lines = valid.chunks_exact_mut(shape.columns).skip(y - row).take(rows);
                lines.for_each(|line| line[x..x + columns].fill(false));
            }
        }
        for marks in &self.marks {
            marks.read(row, scene.description.size, &mut valid).map_err(|why| scene.unreadable(why))?;
        }
        if let Some(region) = &scene.region {
            let lines = valid.chunks_exact_mut(shape.columns).enumerate();
            lines.for_each(|(i, line)| region.keep_near(row + i, line));
        }
        let any = valid.iter().any(|ok| !ok);
        Ok(Strip { row, rows, planes: Mutex::new(planes), valid: any.then_some(valid) })
    }
}

impl Source for SceneSource<'_> {
    type Error = Error;

    fn shape(&self) -> Shape {
        self.scene.shape_for(self.channels)
    }

    fn is_empty(&mut self, w: Window) -> Result<bool, Error> {
        if !self.scene.has_holes {
            return Ok(false);
        }
        let is_empty = |dataset: &Dataset, part: Part| {
            let found = coverage(dataset, &self.scene.bands, part).map_err(|why| self.scene.unreadable(why))?;
            Ok::<_, Error>(found == Coverage::None)
        };
        let any = match self.held {
            Some((row, rows, any)) if (row, rows) == (w.row, w.rows) => any,
            _ => {
                let columns = self.scene.shape().columns;
                let any = !is_empty(&self.dataset, Part { at: (0, w.row), size: (columns, w.rows) })?;
                self.held = Some((w.row, w.rows, any));
                any
            }
        };
        Ok(!any || is_empty(&self.dataset, Part { at: (w.column, w.row), size: (w.columns, w.rows) })?)
    }

    fn memory_use(&self) -> MemoryUse {
        memory_use(self.scene)
    }

    fn read(&mut self, w: Window) -> Result<Image, Error> {
        // Rows above this tile that the sink no longer needs.
        self.strips.forget_before(w.row.min(self.first_row));
        let start = w.row - w.row % self.strip_rows;
        // Rows between two images of a wide raster were never read.
        let mut next = self.strips.end().unwrap_or(start).max(start);
        while next < w.row + w.rows {
            let strip = self.read_strip(next)?;
            next += strip.rows;
            self.strips.push(strip);
        }
        let Shape { channels, columns, .. } = Source::shape(self);
        let bands = &self.scene.values;
        let mut data = Array3::zeros((channels, w.rows, w.columns));
        let mut valid: Option<Array2<bool>> = None;
        let mut gaps: Option<Array3<bool>> = None;
        let mut flags = vec![false; w.columns];
        let mut row = w.row;
        while row < w.row + w.rows {
            let missing = || self.scene.unreadable("rows were dropped too early");
            let strip = self.strips.at(row).ok_or_else(missing)?;
            let planes = strip.planes();
            let end = strip.end().min(w.row + w.rows);
            for r in row..end {
                let from = (r - strip.row) * columns + w.column;
                for (channel, mut plane) in data.outer_iter_mut().enumerate() {
                    let mut to = plane.row_mut(r - w.row);
                    // A single band goes into every channel.
                    let band = channel.min(bands.len() - 1);
                    // Rows of a fresh array lie in one piece.
                    if let Some(to) = to.as_slice_mut() {
                        on_planes!(&*planes, p => display(&p[band][from..], bands[band].interval, to));
                    }
                    let missing = on_planes!(&*planes, p => {
                        band::mark_missing(&p[band][from..from + w.columns], &bands[band], &mut flags)
                    });
                    if missing {
                        let all = gaps.get_or_insert_with(|| Array3::from_elem((channels, w.rows, w.columns), false));
                        let mut line = all.slice_mut(s![channel, r - w.row, ..]);
                        line.iter_mut().zip(&flags).for_each(|(to, missing)| *to = *missing);
                    }
                }
                if let Some(flags) = &strip.valid {
                    let all = valid.get_or_insert_with(|| Array2::from_elem((w.rows, w.columns), true));
                    all.row_mut(r - w.row).iter_mut().zip(&flags[from..]).for_each(|(to, ok)| *to = *ok);
                }
            }
            row = end;
        }
        if let Some(gaps) = gaps {
            fill_missing(&mut data, &gaps, valid.as_ref());
        }
        Ok(Image { data, valid })
    }
}

/// Stored values in display units.
fn display<T: Sample>(from: &[T], interval: Interval, to: &mut [f32]) {
    for (to, v) in to.iter_mut().zip(from) {
        *to = interval.display(v.value());
    }
}
