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

/// How a map is divided into jobs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiling {
    rows: usize,
    columns: usize,
    down: usize,
    across: usize,
}

impl Tiling {
    /// Tiles of up to `widest` columns, all of about one width, and of up to `highest` rows. Neither threads nor
    /// instructions enter, and results would not depend on them if they did.
    pub(super) fn new(rows: usize, columns: usize, highest: usize, widest: usize) -> Self {
        Self { rows, columns, down: rows.div_ceil(highest), across: columns.div_ceil(widest) }
    }

    pub(super) fn jobs(&self) -> usize {
        self.down * self.across
    }

    pub(super) fn tile(&self, job: usize) -> Tile {
        let (y, x) = (job / self.across, job % self.across);
        let cut = |length: usize, parts: usize, part: usize| {
            let (short, longer) = (length / parts, length % parts);
            part * short + part.min(longer)
        };
        Tile {
            top: cut(self.rows, self.down, y),
            bottom: cut(self.rows, self.down, y + 1),
            left: cut(self.columns, self.across, x),
            right: cut(self.columns, self.across, x + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_a_map_once() {
        for (rows, columns, highest, widest) in [(1, 1, 64, 128), (64, 300, 64, 128), (131, 127, 32, 50), (5, 7, 1, 2)]
        {
            let tiling = Tiling::new(rows, columns, highest, widest);
            let mut seen = vec![0; rows * columns];
            for job in 0..tiling.jobs() {
                let tile = tiling.tile(job);
                assert!(tile.right - tile.left <= widest);
                assert!(tile.bottom - tile.top <= highest);
                for y in tile.top..tile.bottom {
                    seen[y * columns + tile.left..y * columns + tile.right].iter_mut().for_each(|n| *n += 1);
                }
            }
            assert!(seen.iter().all(|n| *n == 1));
        }
    }
}
