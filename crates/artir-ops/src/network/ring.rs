//! The last rows of a map that flows by.

use super::buffer::Cutter;
use super::expand::odd;
use super::lanes::{Lanes, UNIT};
use super::map::Map;
use super::norm::Run;
use super::pointwise::operands;

/// `ROWS` rows of some columns, which stay until their place is needed again.
#[derive(Clone, Copy)]
pub(super) struct Ring<const ROWS: usize> {
    start: *mut f32,
    units: usize,
    width: usize,
    /// Words from one column to the next.
    step: usize,
    /// The map's column at the start of the ring; may be left of the map.
    first: isize,
}

impl<const ROWS: usize> Ring<ROWS> {
    /// Words in a ring at most.
    pub(super) fn len(units: usize, width: usize) -> usize {
        ROWS * units * odd(width) * UNIT
    }

    /// A ring of zeros for `width` columns of float32 from column `first` of the map on.
    pub(super) fn new(cutter: &mut Cutter, units: usize, width: usize, first: isize) -> Self {
        Self::with_step(cutter, units, width, first, UNIT)
    }

    /// The same for operands of sums over channels.
    pub(super) fn of_operands<V: Lanes>(cutter: &mut Cutter, units: usize, width: usize, first: isize) -> Self {
        Self::with_step(cutter, units, width, first, V::WORDS)
    }

    fn with_step(cutter: &mut Cutter, units: usize, width: usize, first: isize, step: usize) -> Self {
        let len = ROWS * units * odd(width) * step;
        let start = cutter.cut(len);
        // SAFETY: the piece has `len` words.
        unsafe { start.write_bytes(0, len) };
        Self { start, units, width, step, first }
    }

    /// Words from one unit of a row to the next.
    #[inline(always)]
    pub(super) fn stride(&self) -> usize {
        odd(self.width) * self.step
    }

    /// Position of a column of the map in a row's first unit.
    ///
    /// # Safety
    /// The column lies in the ring.
    #[inline(always)]
    pub(super) unsafe fn at(&self, row: isize, column: isize) -> *mut f32 {
        let (slot, column) = (row.rem_euclid(ROWS as isize) as usize, (column - self.first) as usize);
        debug_assert!(column < self.width);
        // SAFETY: passed on to the caller; every row has a slot.
        unsafe { self.start.add(slot * self.units * self.stride() + column * self.step) }
    }

    /// The units of a row from a column on.
    ///
    /// # Safety
    /// As for [`Ring::at`].
    #[inline(always)]
    pub(super) unsafe fn run(&self, row: isize, column: isize) -> Run {
        // SAFETY: passed on to the caller.
        Run { start: unsafe { self.at(row, column) }, stride: self.stride() }
    }

    /// Copies a row of a map, as far as its columns lie in the ring; zeros where the row is outside the map.
    ///
    /// # Safety
    /// Nobody else uses the ring, and nobody writes to the map's row.
    #[inline(always)]
    pub(super) unsafe fn copy(&self, from: Map, row: isize) {
        // SAFETY: passed on to the caller.
        unsafe {
            let Some((source, place, count)) = self.meet(from, row) else { return };
            for unit in 0..self.units {
                let to = place.add(unit * self.stride());
                to.copy_from_nonoverlapping(source.start.add(unit * source.stride), count * UNIT);
            }
        }
    }

    /// The same, as operands.
    ///
    /// # Safety
    /// The instructions exist; the rest as for [`Ring::copy`].
    #[inline(always)]
    pub(super) unsafe fn copy_operands<V: Lanes>(&self, from: Map, row: isize) {
        // SAFETY: passed on to the caller.
        unsafe {
            let Some((source, place, count)) = self.meet(from, row) else { return };
            operands::<V>(source, self.units, count, place, self.stride());
        }
    }

    /// Where the pixels of a map's row that lie in the ring stand, where they go, and how many they are. A row outside the
    /// map has none, and is cleared.
    ///
    /// # Safety
    /// Nobody else uses the ring.
    #[inline(always)]
    unsafe fn meet(&self, from: Map, row: isize) -> Option<(Run, *mut f32, usize)> {
        if !(0..from.rows as isize).contains(&row) {
            // SAFETY: passed on to the caller.
            unsafe { self.clear(row) };
            return None;
        }
        let (start, end) = (self.first.max(0), (self.first + self.width as isize).min(from.columns as isize));
        // SAFETY: the row lies in the map, and the columns in both the map and the ring.
        unsafe {
            let source = Run { start: from.at(row as usize, 0, start as usize), stride: from.unit_stride() };
            Some((source, self.at(row, start), (end - start) as usize))
        }
    }

    /// Fills a row with zeros: one outside the map.
    ///
    /// # Safety
    /// Nobody else uses the ring.
    #[inline(always)]
    pub(super) unsafe fn clear(&self, row: isize) {
        // SAFETY: a row has that many words.
        unsafe { self.at(row, self.first).write_bytes(0, self.units * self.stride()) }
    }
}
