//! The last rows of a map that flows by.

use super::buffer::Cutter;
use super::expand::odd;
use super::lanes::{Lanes, UNIT};
use super::map::Map;
use super::norm::Run;
use super::operands::{Operands, Strides};
use super::pointwise::operands;

/// `ROWS` rows of some columns, which stay until their place is needed again.
#[derive(Clone, Copy)]
pub(super) struct Ring<const ROWS: usize> {
    start: *mut f32,
    units: usize,
    width: usize,
    /// Words of a row.
    row: usize,
    strides: Strides,
    /// The map's column at the start of the ring; may be left of the map.
    first: isize,
}

impl<const ROWS: usize> Ring<ROWS> {
    /// Words in a ring at most.
    pub(super) fn len(units: usize, width: usize) -> usize {
        ROWS * units.next_multiple_of(2) * odd(width).max(2 * UNIT + 1) * UNIT
    }

    /// A ring of zeros for `width` columns of float32 from column `first` of the map on.
    pub(super) fn new(cutter: &mut Cutter, units: usize, width: usize, first: isize) -> Self {
        let strides = Strides { unit: odd(width) * UNIT, pixel: UNIT };
        Self::cut(cutter, units, width, units * strides.unit, strides, first)
    }

    /// The same for operands of sums over channels, of at least as many columns as tiles read.
    pub(super) fn of_operands<V: Lanes>(cutter: &mut Cutter, units: usize, width: usize, first: isize) -> Self {
        let columns = width.max(2 * UNIT + 1);
        let strides = Strides::new::<V>(units, columns);
        let row = if V::TILES { columns * strides.pixel } else { units * strides.unit };
        Self::cut(cutter, units, width, row, strides, first)
    }

    fn cut(cutter: &mut Cutter, units: usize, width: usize, row: usize, strides: Strides, first: isize) -> Self {
        let start = cutter.cut(ROWS * row);
        // SAFETY: the piece has as many words.
        unsafe { start.write_bytes(0, ROWS * row) };
        Self { start, units, width, row, strides, first }
    }

    /// Words from one unit of a row to the next.
    #[inline(always)]
    pub(super) fn stride(&self) -> usize {
        self.strides.unit
    }

    #[inline(always)]
    pub(super) fn strides(&self) -> Strides {
        self.strides
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
        unsafe { self.start.add(slot * self.row + column * self.strides.pixel) }
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
            operands::<V>(source, self.units, count, Operands { start: place, strides: self.strides });
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
        unsafe { self.at(row, self.first).write_bytes(0, self.row) }
    }
}
