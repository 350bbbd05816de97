//! Maps between the stages: `[row][unit of sixteen channels][column][channel]`.
//!
//! Within a row, each unit of channels is one run of memory. A convolution of single channels then reads straight
//! ahead, and a 1x1 convolution finds the channels of a pixel at a fixed distance.

use super::lanes::UNIT;

/// A map somewhere in memory, shared by the jobs of one pass, each of which writes its own pixels.
#[derive(Clone, Copy)]
pub(super) struct Map {
    start: *mut f32,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Units of sixteen channels.
    pub(super) units: usize,
}

// SAFETY: a `Map` is only a place. Who reads and writes there promises, job by job, that no two write to one pixel and
// no job reads another's output.
unsafe impl Sync for Map {}
// SAFETY: as above.
unsafe impl Send for Map {}

impl Map {
    /// Float32 in a map.
    pub(super) fn len(rows: usize, columns: usize, units: usize) -> usize {
        rows * columns * units * UNIT
    }

    /// A map at `start`, which has [`Map::len`] float32.
    pub(super) fn new(start: *mut f32, rows: usize, columns: usize, units: usize) -> Self {
        Self { start, rows, columns, units }
    }

    /// Float32 from one unit of a row to the next.
    pub(super) fn unit_stride(&self) -> usize {
        self.columns * UNIT
    }

    /// Position of the sixteen channels of a unit at a pixel.
    ///
    /// # Safety
    /// The pixel and the unit lie in the map.
    #[inline(always)]
    pub(super) unsafe fn at(&self, row: usize, unit: usize, column: usize) -> *mut f32 {
        debug_assert!(row < self.rows && unit < self.units && column < self.columns);
        // SAFETY: the caller promises that the pixel lies in the map, which lies in one allocation.
        unsafe { self.start.add(((row * self.units + unit) * self.columns + column) * UNIT) }
    }
}

/// A rectangle of pixels, one job's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    pub(super) top: usize,
    pub(super) bottom: usize,
    pub(super) left: usize,
    pub(super) right: usize,
}
