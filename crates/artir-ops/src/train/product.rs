//! Products of matrices whose operands lie in rows of working memory.
//!
//! `out[row][lane of a unit] = sum over words of left[row][word] right[word][lane]`. A word is a float32, or a pair of
//! bfloat16 where the processor multiplies those; sums are float32. The same loop serves sums over channels, where rows are
//! pixels, and sums over pixels, where rows are channels of one map and lanes are channels of another. With tiles (AMX) the
//! processor does sixteen times sixteen sums at once.

use crate::network::extent::{Extent, Start, Term};
use crate::network::lanes::{UNIT, with_lanes};
#[cfg(target_arch = "x86_64")]
use crate::network::tiles;

use super::operand::Kind;
use super::wide::Wide;

/// # Safety
/// The kind's instructions exist, and this thread holds [`tiles::Tiles`] if it has tiles; operands and `out` are as large as
/// `of` says; `out` overlaps nothing.
pub(super) unsafe fn product(kind: Kind, terms: &[Term], of: &Extent, out: *mut f32, start: Start) {
    // SAFETY: passed on to the caller.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if kind.tiles {
            tiles::product(terms, of, out, start);
            return;
        }
        with_lanes!(kind.instructions, panels(terms: &[Term], of: &Extent, out: *mut f32, start: Start));
    }
}

/// # Safety
/// As for [`product`].
#[inline(always)]
unsafe fn panels<V: Wide>(terms: &[Term], of: &Extent, out: *mut f32, start: Start) {
    let mut unit = 0;
    while unit < of.units {
        let left = of.units - unit;
        // Sums in flight: 4 x 6, 3 x 8 or 2 x 12 where there are 32 registers.
        // SAFETY: passed on to the caller.
        unsafe {
            if V::WIDE && left.is_multiple_of(4) {
                panel::<V, 6, 4>(terms, of, unit, out, start);
                unit += 4;
            } else if V::WIDE && left >= 3 {
                panel::<V, 8, 3>(terms, of, unit, out, start);
                unit += 3;
            } else if V::WIDE && left == 2 {
                panel::<V, 12, 2>(terms, of, unit, out, start);
                unit += 2;
            } else if V::WIDE {
                panel::<V, 14, 1>(terms, of, unit, out, start);
                unit += 1;
            } else {
                panel::<V, 6, 1>(terms, of, unit, out, start);
                unit += 1;
            }
        }
    }
}

/// # Safety
/// As for [`product`].
#[inline(always)]
unsafe fn panel<V: Wide, const ROWS: usize, const UNITS: usize>(
    terms: &[Term],
    of: &Extent,
    unit: usize,
    out: *mut f32,
    start: Start,
) {
    let mut row = 0;
    // SAFETY: passed on to the caller.
    unsafe {
        while row + ROWS <= of.rows {
            block::<V, ROWS, UNITS>(terms, of, row, unit, out, start);
            row += ROWS;
        }
        while row + 2 <= of.rows {
            block::<V, 2, UNITS>(terms, of, row, unit, out, start);
            row += 2;
        }
        if row < of.rows {
            block::<V, 1, UNITS>(terms, of, row, unit, out, start);
        }
    }
}

/// # Safety
/// As for [`product`].
#[inline(always)]
unsafe fn block<V: Wide, const ROWS: usize, const UNITS: usize>(
    terms: &[Term],
    of: &Extent,
    row: usize,
    unit: usize,
    out: *mut f32,
    start: Start,
) {
    // SAFETY: passed on to the caller.
    unsafe {
        let place = |r: usize, u: usize| out.add((row + r) * of.out_row + (unit + u) * of.out_unit);
        let mut sums = [[V::splat(0.0); UNITS]; ROWS];
        for (r, sums) in sums.iter_mut().enumerate() {
            for (u, sum) in sums.iter_mut().enumerate() {
                match start {
                    Start::Zero => {}
                    Start::Bias(bias) => *sum = V::load(bias.add((unit + u) * UNIT)),
                    Start::Out => *sum = V::load(place(r, u)),
                }
            }
        }
        for term in terms {
            let left = term.left.add(row * of.left_row);
            let right = term.right.add(unit * of.right_unit);
            for word in 0..of.words {
                let mut weights = [V::splat(0.0); UNITS];
                for (u, weight) in weights.iter_mut().enumerate() {
                    *weight = V::load(right.add(word * of.right_word + u * of.right_unit));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let value = V::splat(*left.add(r * of.left_row + word * of.left_word));
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum = value.dot(weight, *sum);
                    }
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (u, sum) in sums.into_iter().enumerate() {
                sum.store(place(r, u));
            }
        }
    }
}
