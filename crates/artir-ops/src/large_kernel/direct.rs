//! The direct loop: both correlations of a block at once, two rows and several registers of columns in flight.
//!
//! Every loaded input serves two output rows and two kernels, so the multiply-add units set the pace, not memory.
//! A tap is only ever multiplied with the input that the definition pairs it with: no zero taps pad the kernel's
//! rows, since zero times NaN would poison a pixel that the definition leaves alone.

use super::map::{Block, Input, Output};
use super::scratch::{Scratch, lend};
use super::vector::{Portable, Vector};
use super::{Element, Taps};
use crate::instructions::Instructions;

/// Rows and columns worked on at a time: the padded input of such a block stays in the first-level cache.
pub(crate) const BLOCK_ROWS: usize = 16;
/// Two strips of the widest loop below.
pub(crate) const BLOCK_COLUMNS: usize = 192;

/// One kernel's taps, laid out for the loop.
pub(crate) struct Direct {
    size: usize,
    has_bias: bool,
    /// `[K, K]` pairs of (weight, bias).
    taps: Vec<[f32; 2]>,
    instructions: Instructions,
}

impl Direct {
    /// `instructions` must come from [`Instructions::available`].
    pub(crate) fn new(taps: &Taps, instructions: Instructions) -> Self {
        let bias = taps.bias();
        let pair = |(tap, &weight)| [weight, bias.map_or(0.0, |bias| bias[tap])];
        Self {
            size: taps.size(),
            has_bias: bias.is_some(),
            taps: taps.weight().iter().enumerate().map(pair).collect(),
            instructions,
        }
    }

    /// Computes the output in `block`, of any size.
    ///
    /// # Safety
    /// No other thread may write to `block` of `output` meanwhile.
    pub(crate) unsafe fn run<E: Element>(
        &self,
        input: &Input<'_, E>,
        output: &Output<'_, E>,
        block: &Block,
        scratch: &mut Scratch,
    ) {
        for y in block.rows.clone().step_by(BLOCK_ROWS) {
            for x in block.columns.clone().step_by(BLOCK_COLUMNS) {
                let part = Block {
                    map: block.map,
                    rows: y..(y + BLOCK_ROWS).min(block.rows.end),
                    columns: x..(x + BLOCK_COLUMNS).min(block.columns.end),
                };
                // SAFETY: `part` lies in `block`, which the caller owns.
                unsafe { self.part(input, output, &part, scratch) };
            }
        }
    }

    unsafe fn part<E: Element>(
        &self,
        input: &Input<'_, E>,
        output: &Output<'_, E>,
        part: &Block,
        scratch: &mut Scratch,
    ) {
        let radius = self.size / 2;
        let (rows, columns) = (part.rows.len(), part.columns.len());
        // Registers may read and write past the last column, by less than one register of the widest kind.
        let padded = columns.next_multiple_of(16);
        let stride = padded + self.size - 1;
        let patch = lend(&mut scratch.patch, (rows + self.size - 1) * stride);
        for (i, row) in patch.chunks_exact_mut(stride).enumerate() {
            let y = (part.rows.start + i) as isize - radius as isize;
            input.padded_row(part.map, y, part.columns.start as isize - radius as isize, row);
        }
        let line = lend(&mut scratch.line, 2 * padded);
        for y in (0..rows).step_by(2) {
            // Kernel rows that only meet rows above or below the map are skipped: there the patch is zero.
            let top = part.rows.start + y;
            let inside = radius.saturating_sub(top)..(input.shape.height + radius - top);
            let pair = Pair { patch: &patch[y * stride..], stride, inside, both: rows - y > 1 };
            self.pair(&pair, line);
            for (i, line) in line.chunks_exact(padded).take(rows - y).enumerate() {
                // SAFETY: the row lies in `part`, which the caller owns.
                unsafe { output.write(part.map, top + i, part.columns.start, &line[..columns]) };
            }
        }
    }

    fn pair(&self, pair: &Pair<'_>, line: &mut [f32]) {
        let padded = line.len() / 2;
        assert!(padded.is_multiple_of(16) && pair.stride >= padded + self.size - 1);
        assert!(pair.patch.len() >= (self.size + usize::from(pair.both)) * pair.stride);
        assert_eq!(self.taps.len(), self.size * self.size);
        // SAFETY: the instructions were found on this processor. The assertions hold for `strips`: lines of whole
        // registers, patch rows with K - 1 columns to spare, and one patch row more than K when both rows are wanted.
        unsafe {
            match (self.instructions, self.has_bias) {
                (Instructions::Portable, true) => strips::<Portable, 2, 1, true>(self, pair, line),
                (Instructions::Portable, false) => strips::<Portable, 2, 1, false>(self, pair, line),
                // The compiler has NEON for the portable lanes.
                #[cfg(target_arch = "aarch64")]
                (Instructions::Neon, true) => strips::<Portable, 2, 1, true>(self, pair, line),
                #[cfg(target_arch = "aarch64")]
                (Instructions::Neon, false) => strips::<Portable, 2, 1, false>(self, pair, line),
                #[cfg(target_arch = "x86_64")]
                (Instructions::Avx2, true) => avx2::<true>(self, pair, line),
                #[cfg(target_arch = "x86_64")]
                (Instructions::Avx2, false) => avx2::<false>(self, pair, line),
                #[cfg(target_arch = "x86_64")]
                (Instructions::Avx512 | Instructions::Avx512Bf16 | Instructions::Avx512Amx, true) => {
                    avx512::<true>(self, pair, line)
                }
                #[cfg(target_arch = "x86_64")]
                (Instructions::Avx512 | Instructions::Avx512Bf16 | Instructions::Avx512Amx, false) => {
                    avx512::<false>(self, pair, line)
                }
            }
        }
    }
}

/// Two neighbouring output rows, or the last one of an odd block.
struct Pair<'a> {
    /// The padded input from the upper output row's first kernel row on.
    patch: &'a [f32],
    stride: usize,
    /// Patch rows that lie in the map.
    inside: std::ops::Range<usize>,
    /// Whether the lower row is wanted.
    both: bool,
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const BIAS: bool>(direct: &Direct, pair: &Pair<'_>, line: &mut [f32]) {
    // SAFETY: this function has the instructions, the caller keeps the rest of `strips`' conditions.
    unsafe { strips::<std::arch::x86_64::__m256, 3, 1, BIAS>(direct, pair, line) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512<const BIAS: bool>(direct: &Direct, pair: &Pair<'_>, line: &mut [f32]) {
    // SAFETY: as in `avx2`.
    unsafe { strips::<std::arch::x86_64::__m512, 6, 2, BIAS>(direct, pair, line) }
}

/// Walks a pair of rows from left to right by strips of `WIDE`, then `NARROW`, then one register.
///
/// # Safety
/// The processor has `V`'s instructions. `line` holds two rows of a multiple of 16 columns each, `pair.patch` has K
/// rows (one more for `pair.both`) with K - 1 columns more than that, `direct.taps` has K * K entries.
#[inline(always)]
unsafe fn strips<V: Vector, const WIDE: usize, const NARROW: usize, const BIAS: bool>(
    direct: &Direct,
    pair: &Pair<'_>,
    line: &mut [f32],
) {
    let columns = line.len() / 2;
    let mut x = 0;
    while x < columns {
        let left = (columns - x) / V::LANES;
        // SAFETY: the strip ends at or before `columns`; the rest is the caller's promise.
        unsafe {
            if left >= WIDE {
                strip::<V, WIDE, BIAS>(direct, pair, x, line);
                x += WIDE * V::LANES;
            } else if left >= NARROW {
                strip::<V, NARROW, BIAS>(direct, pair, x, line);
                x += NARROW * V::LANES;
            } else {
                strip::<V, 1, BIAS>(direct, pair, x, line);
                x += V::LANES;
            }
        }
    }
}

/// Sums of one strip: `[row][register]`.
type Sums<V, const N: usize> = [[V; N]; 2];

/// `N` registers of columns from column `x` on, for both rows.
///
/// # Safety
/// As for [`strips`], and the strip ends inside the line.
#[inline(always)]
unsafe fn strip<V: Vector, const N: usize, const BIAS: bool>(
    direct: &Direct,
    pair: &Pair<'_>,
    x: usize,
    line: &mut [f32],
) {
    let (size, columns) = (direct.size, line.len() / 2);
    let (start, end) = (pair.inside.start, pair.inside.end);
    // SAFETY: patch row t and kernel row t (upper output row) or t - 1 (lower) stay below K, or K + 1 for the patch
    // when both rows are wanted; columns reach x + N * LANES + K - 1, which the patch has.
    unsafe {
        let zero = V::splat(0.0);
        let mut weight: Sums<V, N> = [[zero; N]; 2];
        let mut bias: Sums<V, N> = [[zero; N]; 2];
        let patch = pair.patch.as_ptr().add(x);
        if pair.both {
            // The first patch row meets the upper output row alone, the last one the lower alone.
            if start == 0 {
                accumulate::<V, N, BIAS, true, false>(direct, patch, 0, &mut weight, &mut bias);
            }
            for t in start.max(1)..end.min(size) {
                let row = patch.add(t * pair.stride);
                accumulate::<V, N, BIAS, true, true>(direct, row, t, &mut weight, &mut bias);
            }
            if end > size {
                let row = patch.add(size * pair.stride);
                accumulate::<V, N, BIAS, false, true>(direct, row, size, &mut weight, &mut bias);
            }
        } else {
            for t in start..end.min(size) {
                let row = patch.add(t * pair.stride);
                accumulate::<V, N, BIAS, true, false>(direct, row, t, &mut weight, &mut bias);
            }
        }
        let rows = 1 + usize::from(pair.both);
        for row in 0..rows {
            let centre = patch.add((size / 2 + row) * pair.stride + size / 2);
            let to = line.as_mut_ptr().add(row * columns + x);
            for n in 0..N {
                let value = V::load(centre.add(n * V::LANES));
                let product = value.multiply_add(weight[row][n], bias[row][n]);
                product.store(to.add(n * V::LANES));
            }
        }
    }
}

/// Adds one patch row's part to the sums of the upper and, or, the lower output row.
///
/// # Safety
/// As for [`strip`]; `t` is the patch row's number, below K for `UPPER`, in 1..=K for `LOWER`.
#[inline(always)]
unsafe fn accumulate<V: Vector, const N: usize, const BIAS: bool, const UPPER: bool, const LOWER: bool>(
    direct: &Direct,
    row: *const f32,
    t: usize,
    weight: &mut Sums<V, N>,
    bias: &mut Sums<V, N>,
) {
    let size = direct.size;
    // SAFETY: the caller bounds `t`, so the kernel rows lie in the taps; `row` has N registers + K - 1 columns.
    unsafe {
        let taps = direct.taps.as_ptr();
        let upper = taps.wrapping_add(t * size);
        let lower = taps.wrapping_add((t * size).wrapping_sub(size));
        for j in 0..size {
            let mut values = [V::splat(0.0); N];
            for (n, value) in values.iter_mut().enumerate() {
                *value = V::load(row.add(j + n * V::LANES));
            }
            for (active, taps, sum) in [(UPPER, upper, 0), (LOWER, lower, 1)] {
                if active {
                    let [tap, offset] = *taps.add(j);
                    let (tap, offset) = (V::splat(tap), V::splat(offset));
                    for n in 0..N {
                        weight[sum][n] = tap.multiply_add(values[n], weight[sum][n]);
                        if BIAS {
                            bias[sum][n] = offset.multiply_add(values[n], bias[sum][n]);
                        }
                    }
                }
            }
        }
    }
}
