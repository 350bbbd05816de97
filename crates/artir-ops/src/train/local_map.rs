//! Convolutions of single channels on whole maps, 3x3 and 7x7: those of the large-kernel mixer, whose maps are small.

use super::memory::{Map, Scratch};
use super::taps::{Local, tap_sums};
use super::wide::Wide;
use crate::network::depthwise::depthwise;
use crate::network::lanes::UNIT;

/// One unit of a map, with zeros around it.
struct Framed {
    start: *mut f32,
    columns: usize,
}

impl Framed {
    fn new<const K: usize>(scratch: &mut Scratch, map: Map) -> Self {
        let columns = map.columns + K - 1;
        Self { start: scratch.zeros((map.rows + K - 1) * columns * UNIT), columns }
    }

    /// Position of the pixel under the top left tap for a pixel of the map.
    ///
    /// # Safety
    /// It lies in the frame.
    #[inline(always)]
    unsafe fn at(&self, row: usize, column: usize) -> *mut f32 {
        // SAFETY: passed on to the caller.
        unsafe { self.start.add((row * self.columns + column) * UNIT) }
    }

    /// The `K` rows under a kernel.
    ///
    /// # Safety
    /// The pixel lies in the map.
    #[inline(always)]
    unsafe fn rows<const K: usize>(&self, row: usize, column: usize) -> [*const f32; K] {
        // SAFETY: passed on to the caller; the frame has `K - 1` more rows than the map.
        std::array::from_fn(|y| unsafe { self.at(row + y, column).cast_const() })
    }

    /// # Safety
    /// Nobody writes to the map.
    #[inline(always)]
    unsafe fn take<const K: usize>(&self, map: Map, unit: usize) {
        for row in 0..map.rows {
            // SAFETY: the frame has room for the map.
            unsafe {
                let to = self.at(row + K / 2, K / 2);
                to.copy_from_nonoverlapping(map.at(row, unit, 0), map.columns * UNIT);
            }
        }
    }
}

/// Writes the convolution of every unit.
///
/// # Safety
/// The instructions exist; the maps have the same size, and nobody else writes to them.
#[inline(always)]
pub(super) unsafe fn forward<V: Wide, const K: usize>(local: &Local, scratch: &mut Scratch, from: Map, to: Map) {
    let framed = Framed::new::<K>(scratch, from);
    for unit in 0..from.units {
        // SAFETY: passed on to the caller.
        unsafe {
            framed.take::<K>(from, unit);
            convolve::<V, K>(&framed, local.forward(unit), to, unit);
        }
    }
}

/// Writes the gradient of `from` to `to`, and adds those of taps and bias to `sums`.
///
/// # Safety
/// As for [`forward`]; `sums` has [`Local::sums_len`] float32.
#[inline(always)]
pub(super) unsafe fn backward<V: Wide, const K: usize>(
    local: &Local,
    scratch: &mut Scratch,
    from: Map,
    gradient: Map,
    to: Map,
    sums: *mut f32,
) {
    let (seen, slopes) = (Framed::new::<K>(scratch, from), Framed::new::<K>(scratch, from));
    for unit in 0..from.units {
        // SAFETY: passed on to the caller.
        unsafe {
            seen.take::<K>(from, unit);
            slopes.take::<K>(gradient, unit);
            convolve::<V, K>(&slopes, local.backward(unit), to, unit);
            for row in 0..from.rows {
                let sums = sums.add(unit * local.sums_of_unit());
                tap_sums::<V, K>(seen.rows(row, 0), gradient.at(row, unit, 0), from.columns, sums);
            }
        }
    }
}

#[inline(always)]
unsafe fn convolve<V: Wide, const K: usize>(framed: &Framed, taps: *const f32, to: Map, unit: usize) {
    for row in 0..to.rows {
        let mut column = 0;
        while column < to.columns {
            // SAFETY: passed on to the caller.
            unsafe {
                if to.columns - column >= 8 {
                    strip::<V, K, 8>(framed, taps, to, unit, row, column);
                    column += 8;
                } else {
                    strip::<V, K, 1>(framed, taps, to, unit, row, column);
                    column += 1;
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn strip<V: Wide, const K: usize, const PIXELS: usize>(
    framed: &Framed,
    taps: *const f32,
    to: Map,
    unit: usize,
    row: usize,
    column: usize,
) {
    // SAFETY: passed on to the caller.
    unsafe {
        let sums = depthwise::<V, K, PIXELS>(framed.rows(row, column), taps);
        for (p, sum) in sums.into_iter().enumerate() {
            sum.store(to.at(row, unit, column + p));
        }
    }
}
