//! Buffer of rows between reading and writing. Every row is read once; a strip waits until all its rows are restored.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use artir_core::{Image, MemoryUse, Shape, Source, Window};
use gdal::Dataset;
use ndarray::{Array2, Array3};

use super::{
    samples::{Planes, Sample, on_planes},
    values,
};
use crate::{
    error::Error,
    ffi::{self, RawRows},
    scene::{CACHE_BYTES, MOST_BYTES, SceneInfo, interval::Interval, validity::read_mask},
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
    pub(crate) strips: &'a Strips,
    pub(crate) strip_rows: usize,
    /// Rows above this one are already written: the sink does not need them.
    pub(crate) first_row: usize,
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
        on_planes!(&planes, p => values::mark_valid(p, &scene.nodata, &mut valid));
        let any = valid.iter().any(|ok| !ok);
        Ok(Strip { row, rows, planes: Mutex::new(planes), valid: any.then_some(valid) })
    }
}

impl Source for SceneSource<'_> {
    type Error = Error;

    fn shape(&self) -> Shape {
        self.scene.shape()
    }

    fn memory_use(&self) -> MemoryUse {
        memory_use(self.scene)
    }

    fn read(&mut self, w: Window) -> Result<Image, Error> {
        // Rows above this tile that the sink no longer needs.
        self.strips.forget_before(w.row.min(self.first_row));
        let start = w.row - w.row % self.strip_rows;
        let mut next = self.strips.end().unwrap_or(start);
        while next < w.row + w.rows {
            let strip = self.read_strip(next)?;
            next += strip.rows;
            self.strips.push(strip);
        }
        let columns = self.scene.shape().columns;
        let mut data = Array3::zeros((self.scene.bands.len(), w.rows, w.columns));
        let mut valid: Option<Array2<bool>> = None;
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
                    // Rows of a fresh array lie in one piece.
                    if let Some(to) = to.as_slice_mut() {
                        on_planes!(&*planes, p => display(&p[channel][from..], self.scene.interval, to));
                    }
                }
                if let Some(flags) = &strip.valid {
                    let all = valid.get_or_insert_with(|| Array2::from_elem((w.rows, w.columns), true));
                    all.row_mut(r - w.row).iter_mut().zip(&flags[from..]).for_each(|(to, ok)| *to = *ok);
                }
            }
            row = end;
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
