//! The first and the last convolution: from image planes to a map, and from a map onto the image.

use super::buffer::{Buffer, Cutter, with_scratch};
use super::expand::{AddBias, MAX_RUNS};
use super::lanes::{Lanes, UNIT, with_lanes};
use super::map::{Map, Tile};
use super::operands::Runs;
use super::pointwise::{Packed, Pixels, Single, pointwise};
use super::ring::Ring;
use crate::instructions::Instructions;

/// An image, `[channel][row][column]`, shared by the jobs of a pass as a [`Map`] is.
#[derive(Clone, Copy)]
pub(super) struct Planes {
    start: *mut f32,
    pub(super) channels: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

// SAFETY: as for `Map`.
unsafe impl Sync for Planes {}
// SAFETY: as for `Map`.
unsafe impl Send for Planes {}

impl Planes {
    pub(super) fn new(start: *mut f32, channels: usize, rows: usize, columns: usize) -> Self {
        Self { start, channels, rows, columns }
    }

    /// The image at this distance in the batch.
    ///
    /// # Safety
    /// The batch has that many.
    pub(super) unsafe fn image(self, number: usize) -> Self {
        // SAFETY: passed on to the caller.
        Self { start: unsafe { self.start.add(number * self.channels * self.rows * self.columns) }, ..self }
    }

    /// Position of a sample.
    ///
    /// # Safety
    /// The sample lies in the image.
    #[inline(always)]
    unsafe fn at(&self, channel: usize, row: usize, column: usize) -> *mut f32 {
        // SAFETY: passed on to the caller.
        unsafe { self.start.add((channel * self.rows + row) * self.columns + column) }
    }
}

/// The first convolution, 3x3. The weights' inputs are `[channel][tap row][tap column]`.
pub(super) struct Head {
    pub(super) weights: Packed,
    pub(super) bias: Buffer,
}

/// Writes the tile of `to`.
///
/// # Safety
/// As for [`super::gated::run`].
pub(super) unsafe fn head(instructions: Instructions, weights: &Head, from: Planes, to: Map, tile: Tile) {
    with_scratch(3 * from.channels * (tile.right - tile.left + 2), |cutter| {
        // SAFETY: passed on to the caller.
        unsafe {
            with_lanes!(instructions, head_job(cutter: &mut Cutter, weights: &Head, from: Planes, to: Map, tile: Tile))
        }
    });
}

#[inline(always)]
unsafe fn head_job<V: Lanes>(cutter: &mut Cutter, weights: &Head, from: Planes, to: Map, tile: Tile) {
    let count = tile.right - tile.left;
    let width = count + 2;
    let padded = cutter.cut(3 * from.channels * width);
    for row in tile.top..tile.bottom {
        // SAFETY: rows and columns are cut off at the image's borders; the rest is passed on to the caller.
        unsafe {
            let mut runs = Runs::new();
            for channel in 0..from.channels {
                for y in 0..3 {
                    let line = padded.add((channel * 3 + y) * width);
                    line.write_bytes(0, width);
                    if let Some(source) = (row + y).checked_sub(1).filter(|source| *source < from.rows) {
                        let (start, end) = (tile.left.saturating_sub(1), (tile.right + 1).min(from.columns));
                        let place = line.add(start + 1 - tile.left);
                        place.copy_from_nonoverlapping(from.at(channel, source, start), end - start);
                    }
                    for x in 0..3 {
                        runs.push((channel * 3 + y) * width + x);
                    }
                }
            }
            let pixels = Pixels { start: padded.cast_const(), step: 1, runs: runs.as_slice(), count };
            let finish = AddBias { bias: &weights.bias, to: to.at(row, 0, tile.left), stride: to.unit_stride() };
            pointwise::<V, Single, _>(pixels, &weights.weights, &finish);
        }
    }
}

/// The last convolution, 3x3: `[image channel][tap][unit]` of sixteen weights, and a bias for each image channel.
pub(super) struct Tail {
    pub(super) weights: Buffer,
    pub(super) bias: Vec<f32>,
}

/// Writes the tile of `to`: the image plus the convolution of the map.
///
/// # Safety
/// As for [`super::gated::run`].
pub(super) unsafe fn tail(
    instructions: Instructions,
    weights: &Tail,
    from: Map,
    image: Planes,
    to: Planes,
    tile: Tile,
) {
    with_scratch(Ring::<3>::len(from.units, tail_width(tile)), |cutter| {
        // SAFETY: passed on to the caller.
        unsafe {
            with_lanes!(instructions, tail_job(cutter: &mut Cutter, weights: &Tail, from: Map, image: Planes, to: Planes, tile: Tile))
        }
    });
}

/// Sums come in chunks of sixteen pixels; surplus pixels of the last chunk are computed and dropped.
fn tail_width(tile: Tile) -> usize {
    (tile.right - tile.left).next_multiple_of(UNIT) + 2
}

#[inline(always)]
unsafe fn tail_job<V: Lanes>(cutter: &mut Cutter, weights: &Tail, from: Map, image: Planes, to: Planes, tile: Tile) {
    let count = tile.right - tile.left;
    let left = tile.left as isize - 1;
    let width = tail_width(tile);
    let ring = Ring::<3>::new(cutter, from.units, width, left);
    for row in tile.top as isize - 1..=tile.bottom as isize {
        // SAFETY: rows and columns are cut off at the map's borders; the rest is passed on to the caller.
        unsafe {
            ring.copy(from, row);
            if row <= tile.top as isize {
                continue;
            }
            let row = row - 1;
            let rows = [-1, 0, 1].map(|above| ring.at(row + above, left).cast_const());
            for channel in 0..to.channels {
                let taps = weights.weights.as_slice()[channel * 9 * from.units * UNIT..].as_ptr();
                for first in (0..count).step_by(UNIT) {
                    let mut parts = [V::splat(0.0); UNIT];
                    let (low, high) = parts.split_at_mut(UNIT / 2);
                    for (half, parts) in [low, high].into_iter().enumerate() {
                        let rows = rows.map(|row| row.add((first + half * UNIT / 2) * UNIT));
                        products::<V, 8>(rows, ring.stride(), from.units, taps, parts);
                    }
                    let sums = V::sums(&parts).add(V::splat(weights.bias[channel]));
                    let mut values = [0.0f32; UNIT];
                    sums.store(values.as_mut_ptr());
                    for (x, value) in values.iter().enumerate().take(count - first) {
                        let column = tile.left + first + x;
                        let given = *image.at(channel, row as usize, column);
                        *to.at(channel, row as usize, column) = given + value;
                    }
                }
            }
        }
    }
}

/// Sixteen sums over every sixteenth channel and all taps, for some neighbouring pixels.
///
/// # Safety
/// The instructions exist; the rows have `PIXELS + 2` pixels of `units` units, `stride` float32 apart.
#[inline(always)]
unsafe fn products<V: Lanes, const PIXELS: usize>(
    rows: [*const f32; 3],
    stride: usize,
    units: usize,
    taps: *const f32,
    to: &mut [V],
) {
    // SAFETY: passed on to the caller.
    unsafe {
        let mut sums = [V::splat(0.0); PIXELS];
        for (y, row) in rows.into_iter().enumerate() {
            for x in 0..3 {
                for unit in 0..units {
                    let weight = V::load(taps.add(((y * 3 + x) * units + unit) * UNIT));
                    let pixels = row.add(unit * stride + x * UNIT);
                    for (p, sum) in sums.iter_mut().enumerate() {
                        *sum = V::load(pixels.add(p * UNIT)).fma(weight, *sum);
                    }
                }
            }
        }
        to.copy_from_slice(&sums);
    }
}

/// Most channels that an image may have: each has nine inputs of the first convolution.
pub(super) const MAX_IMAGE_CHANNELS: usize = MAX_RUNS / 9;
