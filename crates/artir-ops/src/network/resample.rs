//! From one level to the next.
//!
//! Down is a 3x3 convolution of stride 2. Up is bilinear interpolation to twice the size and a 3x3 convolution, whose
//! result is joined with the encoder's map by a 1x1 convolution. Interpolation works on positions, the sums over
//! channels on channels, so the two change places: each of the nine taps is applied to the small map, a quarter of
//! the multiplications, and its nine results are interpolated, shifted and added. The 1x1 convolution's first half is
//! multiplied into the nine taps beforehand.

use super::buffer::{Cutter, with_scratch};
use super::expand::odd;
use super::lanes::{Lanes, UNIT, with_tiles};
use super::map::{Map, Tile};
use super::norm::Run;
use super::operands::{Operands, Runs, Strides};
use super::pointwise::{Packed, Pixels, Store, Unit, operands, pointwise};
use super::ring::Ring;
use crate::instructions::Instructions;

/// Writes the tile of `to`, half the size of `from`. The weights' inputs are `[tap row][tap column][channel]`.
///
/// # Safety
/// As for [`super::gated::run`].
pub(super) unsafe fn down(instructions: Instructions, weights: &Packed, from: Map, to: Map, tile: Tile) {
    with_scratch(Ring::<3>::len(from.units, 2 * (tile.right - tile.left) + 1), |cutter| {
        // SAFETY: passed on to the caller.
        unsafe {
            with_tiles!(instructions, down_job(cutter: &mut Cutter, weights: &Packed, from: Map, to: Map, tile: Tile))
        }
    });
}

#[inline(always)]
unsafe fn down_job<V: Lanes>(cutter: &mut Cutter, weights: &Packed, from: Map, to: Map, tile: Tile) {
    let count = tile.right - tile.left;
    let width = 2 * count + 1;
    let left = 2 * tile.left as isize - 1;
    let ring = Ring::<3>::of_operands::<V>(cutter, from.units, width, left);
    let mut next = 2 * tile.top as isize - 1;
    for row in tile.top..tile.bottom {
        let middle = 2 * row as isize;
        // SAFETY: rows and columns are cut off at the map's borders; the rest is passed on to the caller.
        unsafe {
            while next <= middle + 1 {
                ring.copy_operands::<V>(from, next);
                next += 1;
            }
            let start = ring.at(0, left);
            let mut runs = Runs::new();
            for y in -1..=1 {
                for x in 0..3 {
                    let tap = ring.at(middle + y, left + x).offset_from(start) as usize;
                    ring.strides().runs::<V>(from.units).for_each(|run| runs.push(tap + run));
                }
            }
            let step = 2 * ring.strides().pixel;
            let pixels = Pixels { start: start.cast_const(), step, runs: runs.as_slice(), count };
            let store = Store { to: to.at(row, 0, tile.left), stride: to.unit_stride() };
            pointwise::<V, Unit, _>(pixels, weights, &store);
        }
    }
}

/// The weights of one way up.
pub(super) struct Up {
    /// The nine taps, with the joining convolution multiplied in: outputs are `[tap row][tap column][channel]`.
    pub(super) taps: Packed,
    /// The joining convolution's other half, for the encoder's map.
    pub(super) skip: Packed,
}

/// Interpolates `from`, convolves, joins with the encoder's map in `onto` and writes the result there. The tile counts
/// `from`'s pixels.
///
/// # Safety
/// As for [`super::gated::run`], with the four pixels of `onto` for each pixel of the tile being this job's to read and
/// write.
pub(super) unsafe fn up(instructions: Instructions, weights: &Up, from: Map, onto: Map, tile: Tile) {
    with_scratch(up_scratch(from.units, onto.units, tile.right - tile.left), |cutter| {
        // SAFETY: passed on to the caller.
        unsafe {
            with_tiles!(instructions, up_job(cutter: &mut Cutter, weights: &Up, from: Map, onto: Map, tile: Tile))
        }
    });
}

/// Shares of the two source pixels in the interpolated pixels at -1, 0, 1 and 2 from the first of the two that a source
/// pixel turns into: which source pixel, relative to that one, and the next.
const NEAR: f32 = 0.75;
const FAR: f32 = 0.25;

/// Words of scratch of [`up`] for a tile `count` columns wide, with the operands of one row of either map.
fn up_scratch(from_units: usize, units: usize, count: usize) -> usize {
    let operands = Operands::len(from_units, count + 2) + Operands::len(units, 2 * count);
    Ring::<3>::len(9 * units, count + 2) + 3 * units * odd(count + 2) * UNIT + units * odd(2 * count) * UNIT + operands
}

/// The pixels of a map's row from column `first` on, as operands: in `scratch` if they must be turned into such, else where
/// they stand.
///
/// # Safety
/// The instructions exist, the row has `count` pixels from there on, and `scratch` has room for them.
#[inline(always)]
unsafe fn row_operands<'a, V: Lanes>(
    map: Map,
    row: usize,
    first: usize,
    count: usize,
    scratch: *mut f32,
    runs: &'a mut Runs,
) -> Pixels<'a> {
    // SAFETY: passed on to the caller.
    let start = unsafe { map.at(row, 0, first) };
    let row = if V::WORDS == UNIT {
        Operands { start, strides: Strides { unit: map.unit_stride(), pixel: UNIT } }
    } else {
        let row = Operands::new::<V>(scratch, map.units, count);
        // SAFETY: passed on to the caller.
        unsafe { operands::<V>(Run { start, stride: map.unit_stride() }, map.units, count, row) };
        row
    };
    row.pixels::<V>(map.units, count, runs)
}

#[inline(always)]
unsafe fn up_job<V: Lanes>(cutter: &mut Cutter, weights: &Up, from: Map, onto: Map, tile: Tile) {
    let count = tile.right - tile.left;
    let units = onto.units;
    let (left, right) = (tile.left as isize, tile.right as isize);
    let (rows, columns) = (from.rows as isize, from.columns as isize);
    // A column more on each side; repeated at the map's border, as the interpolation wants.
    let width = count + 2;
    let sums_stride = odd(width) * UNIT;
    let joined_stride = odd(2 * count) * UNIT;
    let ring = Ring::<3>::new(cutter, 9 * units, width, left - 1);
    let sums = cutter.cut(3 * units * sums_stride);
    let joined = cutter.cut(units * joined_stride);
    let of_from = Operands::cut::<V>(cutter, from.units, width);
    let of_onto = Operands::cut::<V>(cutter, units, 2 * count);
    let mut runs = Runs::new();
    let clamped = |row: isize| row.clamp(0, rows - 1);
    let mut next = clamped(tile.top as isize - 1);
    for row in tile.top as isize..tile.bottom as isize {
        // SAFETY: rows and columns are cut off at the map's borders; the rest is passed on to the caller.
        unsafe {
            while next <= clamped(row + 1) {
                let (start, end) = ((left - 1).max(0), (right + 1).min(columns));
                let (first, reach) = (start as usize, (end - start) as usize);
                let pixels = row_operands::<V>(from, next as usize, first, reach, of_from, &mut runs);
                let store = Store { to: ring.at(next, start), stride: ring.stride() };
                pointwise::<V, Unit, _>(pixels, &weights.taps, &store);
                next += 1;
            }
            for odd_row in [false, true] {
                let out = 2 * row as usize + usize::from(odd_row);
                let edges = [odd_row || row > 0, true, !odd_row || row + 1 < rows];
                let source = [-1, 0, 1].map(|by| ring.at(clamped(row + by), left - 1).cast_const());
                vertical::<V>(source, ring.stride(), odd_row, edges, sums, sums_stride, units, width);
                // The columns beyond the map repeat those at its border.
                for unit in 0..3 * units {
                    let line = sums.add(unit * sums_stride);
                    if left == 0 {
                        V::load(line.add(UNIT)).store(line);
                    }
                    if right == columns {
                        V::load(line.add(count * UNIT)).store(line.add((count + 1) * UNIT));
                    }
                }
                let pixels = row_operands::<V>(onto, out, 2 * tile.left, 2 * count, of_onto, &mut runs);
                pointwise::<V, Unit, _>(pixels, &weights.skip, &Store { to: joined, stride: joined_stride });
                for unit in 0..units {
                    let lines = [0, 1, 2].map(|x| sums.add((x * units + unit) * sums_stride).cast_const());
                    let to = onto.at(out, unit, 2 * tile.left);
                    horizontal::<V>(lines, joined.add(unit * joined_stride), to, count, left == 0, right == columns);
                }
            }
        }
    }
}

/// For each tap column, the sum of its three taps, interpolated to one row of the result: the upper or the lower of the
/// two that a source row turns into. `present` lists the tap rows that meet the interpolated map.
///
/// # Safety
/// The instructions exist, and all lines have `width` pixels.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "all of them are places and sizes of one loop")]
unsafe fn vertical<V: Lanes>(
    source: [*const f32; 3],
    stride: usize,
    odd_row: bool,
    present: [bool; 3],
    sums: *mut f32,
    sums_stride: usize,
    units: usize,
    width: usize,
) {
    // Tap row y meets interpolated row 2 row + y - 1 (or one more for the lower row), which lies between two source rows.
    let (first, share): ([usize; 3], [(f32, f32); 3]) = if odd_row {
        ([0, 1, 1], [(FAR, NEAR), (NEAR, FAR), (FAR, NEAR)])
    } else {
        ([0, 0, 1], [(NEAR, FAR), (FAR, NEAR), (NEAR, FAR)])
    };
    // SAFETY: passed on to the caller.
    unsafe {
        for line in 0..3 * units {
            let lines: [[*const f32; 2]; 3] =
                std::array::from_fn(|y| [0, 1].map(|n| source[first[y] + n].add((3 * units * y + line) * stride)));
            let to = sums.add(line * sums_stride);
            for pixel in 0..width {
                let mut sum = V::splat(0.0);
                for y in 0..3 {
                    if present[y] {
                        let at = |n: usize| V::load(lines[y][n].add(pixel * UNIT));
                        sum = at(0).fma(V::splat(share[y].0), at(1).fma(V::splat(share[y].1), sum));
                    }
                }
                sum.store(to.add(pixel * UNIT));
            }
        }
    }
}

/// Interpolates and adds the three tap columns of a row, on top of the encoder's part.
///
/// # Safety
/// The instructions exist; `lines` have `count + 2` pixels, the other places twice `count`.
#[inline(always)]
unsafe fn horizontal<V: Lanes>(
    lines: [*const f32; 3],
    joined: *const f32,
    to: *mut f32,
    count: usize,
    at_left: bool,
    at_right: bool,
) {
    // SAFETY: passed on to the caller.
    unsafe {
        let (near, far) = (V::splat(NEAR), V::splat(FAR));
        for pixel in 0..count {
            let here = lines.map(|line| line.add(pixel * UNIT));
            let mut even = V::load(joined.add(2 * pixel * UNIT));
            if !(at_left && pixel == 0) {
                even = between(here[0], near, far, even);
            }
            even = between(here[1], far, near, even);
            even = between(here[2].add(UNIT), near, far, even);
            even.store(to.add(2 * pixel * UNIT));
            let mut uneven = V::load(joined.add((2 * pixel + 1) * UNIT));
            uneven = between(here[0], far, near, uneven);
            uneven = between(here[1].add(UNIT), near, far, uneven);
            if !(at_right && pixel + 1 == count) {
                uneven = between(here[2].add(UNIT), far, near, uneven);
            }
            uneven.store(to.add((2 * pixel + 1) * UNIT));
        }
    }
}

/// Adds the mean of two neighbouring pixels with these weights. No closure: those do not have the loop's instructions.
///
/// # Safety
/// The instructions exist, and both pixels.
#[inline(always)]
unsafe fn between<V: Lanes>(pixels: *const f32, first: V, second: V, sum: V) -> V {
    // SAFETY: passed on to the caller.
    unsafe { V::load(pixels).fma(first, V::load(pixels.add(UNIT)).fma(second, sum)) }
}
