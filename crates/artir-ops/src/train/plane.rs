//! The dynamic large kernel in training: correlations of one plane.
//!
//! Maps of the bottleneck are small, and most taps of a large kernel fall outside of them and are left out. At 32 x 32 pixels
//! (a patch of 128) this takes as long as transforms by FFT would, at 64 x 64 four times as long; it is about a hundredth of a
//! step either way (docs/lab/training-step.md).

use super::memory::Scratch;
use super::wide::Wide;
use crate::network::lanes::UNIT;

/// Columns that one go of the loop makes.
const WIDTH: usize = 2 * UNIT;

/// A plane with zeros on both sides, so that a vector may begin and end outside of it.
#[derive(Clone, Copy)]
pub(super) struct Plane {
    start: *mut f32,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Plane {
    pub(super) fn new(scratch: &mut Scratch, rows: usize, columns: usize) -> Self {
        Self { start: scratch.zeros(rows * (columns + 2 * WIDTH)), rows, columns }
    }

    /// Position of a pixel.
    ///
    /// # Safety
    /// The pixel lies in the plane or among the zeros beside it.
    #[inline(always)]
    pub(super) unsafe fn at(&self, row: usize, column: usize) -> *mut f32 {
        // SAFETY: passed on to the caller.
        unsafe { self.start.add(row * self.stride() + WIDTH + column) }
    }

    /// Float32 from one row to the next.
    pub(super) fn stride(&self) -> usize {
        self.columns + 2 * WIDTH
    }

    /// Position of a pixel, which may lie left of the plane.
    ///
    /// # Safety
    /// As for [`Plane::at`].
    #[inline(always)]
    unsafe fn beside(&self, row: usize, column: isize) -> *const f32 {
        debug_assert!(column >= -(WIDTH as isize) && column <= (self.columns + WIDTH) as isize);
        // SAFETY: passed on to the caller.
        unsafe { self.start.add(row * self.stride()).offset(WIDTH as isize + column) }
    }
}

/// A kernel, row-major, of `rows` times `columns` taps.
#[derive(Clone, Copy)]
pub(super) struct Taps {
    pub(super) start: *const f32,
    pub(super) stride: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// Where the results of one kernel go, row-major, and whether they are added.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) start: *mut f32,
    pub(super) stride: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) add: bool,
}

/// `to[y][x] = sum over taps (i, j) of tap[i][j] of[y + i - top][x + j - left]`, for `N` kernels at once.
///
/// # Safety
/// The instructions exist, and all places have the sizes that they claim.
#[inline(always)]
pub(super) unsafe fn correlate<V: Wide, const N: usize>(
    of: Plane,
    kernels: [Taps; N],
    (top, left): (usize, usize),
    to: [Target; N],
) {
    let (rows, columns) = (to[0].rows, to[0].columns);
    for y in 0..rows {
        let first_row = top.saturating_sub(y);
        let last_row = kernels[0].rows.min((of.rows + top).saturating_sub(y));
        for x in (0..columns).step_by(WIDTH) {
            // Taps under which at least one of the go's pixels lies in the plane.
            let first = left.saturating_sub(x + WIDTH - 1);
            let last = kernels[0].columns.min((of.columns + left).saturating_sub(x));
            // SAFETY: passed on to the caller.
            unsafe {
                let mut sums = [[[V::splat(0.0); 2]; 2]; N];
                for i in first_row..last_row {
                    let row = of.beside(y + i - top, 0);
                    let mut taps = [std::ptr::null(); N];
                    for (tap, kernel) in taps.iter_mut().zip(kernels) {
                        *tap = kernel.start.add(i * kernel.stride);
                    }
                    let row = row.wrapping_offset(x as isize - left as isize);
                    let mut j = first;
                    while j + 2 <= last {
                        step(row, taps, j, 0, &mut sums);
                        step(row, taps, j + 1, 1, &mut sums);
                        j += 2;
                    }
                    if j < last {
                        step(row, taps, j, 0, &mut sums);
                    }
                }
                for (sums, to) in sums.into_iter().zip(to) {
                    let mut values = [0.0f32; WIDTH];
                    sums[0][0].add(sums[1][0]).store(values.as_mut_ptr());
                    sums[0][1].add(sums[1][1]).store(values.as_mut_ptr().add(UNIT));
                    let place = to.start.add(y * to.stride + x);
                    for (i, value) in values.iter().enumerate().take(columns - x) {
                        *place.add(i) = if to.add { *place.add(i) + value } else { *value };
                    }
                }
            }
        }
    }
}

/// Adds the products of tap `j` of each kernel to one of its two sums. No closure: those do not have the loop's instructions.
///
/// # Safety
/// As for [`correlate`].
#[inline(always)]
unsafe fn step<V: Wide, const N: usize>(
    row: *const f32,
    taps: [*const f32; N],
    j: usize,
    which: usize,
    sums: &mut [[[V; 2]; 2]; N],
) {
    // SAFETY: passed on to the caller.
    unsafe {
        let seen = row.wrapping_add(j);
        let seen = [V::load(seen), V::load(seen.add(UNIT))];
        for (sums, tap) in sums.iter_mut().zip(taps) {
            let tap = V::splat(*tap.add(j));
            for (sum, seen) in sums[which].iter_mut().zip(seen) {
                *sum = tap.fma(seen, *sum);
            }
        }
    }
}
