//! Overlap-save: which frames cover a map.

use std::ops::Range;

use super::fft::Frame;
use super::map::Block;
use super::{Shape, Taps};

/// Sides of frames. All have fast transforms; the largest square one needs 4 MB of scratch a thread.
const SIDES: [usize; 12] = [16, 24, 32, 48, 64, 96, 128, 192, 256, 320, 384, 512];

/// One side of a map, cut into frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axis {
    extent: usize,
    /// Frame side.
    side: usize,
    /// Output pixels of a frame; the last frame may have fewer.
    step: usize,
    /// Input pixels before a frame's first output pixel.
    lead: usize,
}

impl Axis {
    /// `None` when a frame of this side has no room for outputs between its borders.
    fn new(extent: usize, side: usize, radius: usize) -> Option<Self> {
        if side >= extent + radius {
            // The whole extent in one frame: the zeros behind it serve as the border before it, too.
            return Some(Self { extent, side, step: extent, lead: 0 });
        }
        let room = side.checked_sub(2 * radius).filter(|&room| room > 0)?;
        let step = extent.div_ceil(extent.div_ceil(room));
        Some(Self { extent, side, step, lead: radius })
    }

    fn frames(&self) -> usize {
        self.extent.div_ceil(self.step)
    }

    fn outputs(&self, index: usize) -> Range<usize> {
        index * self.step..((index + 1) * self.step).min(self.extent)
    }

    fn origin(&self, index: usize) -> isize {
        (index * self.step) as isize - self.lead as isize
    }
}

/// A map's grid of frames, all of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    rows: Axis,
    columns: Axis,
}

impl Plan {
    /// The cheapest grid for maps of this shape, which must not be empty.
    pub(crate) fn new(shape: Shape, taps: &Taps) -> Option<Self> {
        let plans = |extent| SIDES.into_iter().filter_map(move |side| Axis::new(extent, side, taps.radius()));
        let grids = plans(shape.height).flat_map(|rows| plans(shape.width).map(move |columns| Self { rows, columns }));
        grids.min_by(|a, b| a.cost().total_cmp(&b.cost()))
    }

    /// Relative time of the whole grid, as measured (see `engine`): the transforms' n log n, and a penalty for
    /// frames that outgrow the second-level cache.
    pub(crate) fn cost(&self) -> f64 {
        let area = (self.rows.side * self.columns.side) as f64;
        let penalty = if area > 80_000.0 { 1.25 } else { 1.0 };
        (self.rows.frames() * self.columns.frames()) as f64 * area * (area.log2() + 6.0) * penalty
    }

    /// Height and width of a frame, in pixels.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.rows.side, self.columns.side)
    }

    /// Frames of one map.
    pub(crate) fn frames(&self) -> usize {
        self.rows.frames() * self.columns.frames()
    }

    /// Frame `index` of a batch, map by map and row by row.
    pub(crate) fn frame(&self, index: usize) -> Frame {
        let (map, index) = (index / self.frames(), index % self.frames());
        let (row, column) = (index / self.columns.frames(), index % self.columns.frames());
        let block = Block { map, rows: self.rows.outputs(row), columns: self.columns.outputs(column) };
        Frame { block, top: self.rows.origin(row), left: self.columns.origin(column) }
    }
}
