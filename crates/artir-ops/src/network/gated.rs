//! The blocks that act on a neighbourhood of one pixel: `y + project(gate(local(expand(norm(y)))))`.
//!
//! A job goes down a tile row by row. Each row is normalised and widened once; three widened rows stay for the 3x3
//! convolution, whose result is gated and narrowed at once. What follows a block's first half goes on to its second half
//! the same way, so that nothing wider than the map itself ever leaves the cache.

use super::buffer::{Buffer, Cutter, with_scratch};
use super::depthwise::{Local, depthwise};
use super::expand::{AddResidual, Expand};
use super::gelu::Gelu;
use super::lanes::{Lanes, UNIT, with_tiles};
use super::map::{Map, Tile};
use super::norm::Run;
use super::operands::{Operands, Runs};
use super::pointwise::{Packed, Unit, pointwise};
use super::ring::Ring;
use crate::instructions::Instructions;

/// One half of a block. `local` has twice as many units as `project` has inputs: the gated values, and the gate.
pub(super) struct Gated {
    pub(super) expand: Expand,
    pub(super) local: Local,
    /// Whether GELU is applied to the first factor. It returns twice its value: the second factor's taps are halved then.
    pub(super) gelu: Option<Gelu>,
    pub(super) project: Packed,
    pub(super) bias: Buffer,
}

impl Gated {
    fn hidden(&self) -> usize {
        self.local.units() / 2
    }

    #[inline(always)]
    unsafe fn gate<V: Lanes>(&self, rows: [Run; 3], to: Operands, count: usize) {
        // SAFETY: passed on to the caller.
        unsafe {
            if V::WIDE {
                self.strips::<V, 8>(rows, to, count);
            } else {
                self.strips::<V, 4>(rows, to, count);
            }
        }
    }

    /// # Safety
    /// The rows have `count + 2` pixels of all units, `to` has `count` pixels of half as many.
    #[inline(always)]
    unsafe fn strips<V: Lanes, const PIXELS: usize>(&self, rows: [Run; 3], to: Operands, count: usize) {
        let hidden = self.hidden();
        for unit in 0..hidden {
            let mut pixel = 0;
            while pixel < count {
                // SAFETY: passed on to the caller. The last strip is pushed back so that it is full too.
                unsafe {
                    if count < PIXELS {
                        self.strip::<V, 1>(rows, unit, pixel, to);
                        pixel += 1;
                    } else {
                        let from = pixel.min(count - PIXELS);
                        self.strip::<V, PIXELS>(rows, unit, from, to);
                        pixel = from + PIXELS;
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn strip<V: Lanes, const PIXELS: usize>(&self, rows: [Run; 3], unit: usize, pixel: usize, to: Operands) {
        let other = unit + self.hidden();
        // SAFETY: passed on to the caller.
        unsafe {
            let at = |unit: usize| rows.map(|row| row.start.add(unit * row.stride + pixel * UNIT));
            let mut gated = depthwise::<V, 3, PIXELS>(at(unit), self.local.unit(unit));
            if let Some(gelu) = &self.gelu {
                for value in &mut gated {
                    *value = value.double_gelu(gelu);
                }
            }
            let gates = depthwise::<V, 3, PIXELS>(at(other), self.local.unit(other));
            for (p, (value, gate)) in gated.into_iter().zip(gates).enumerate() {
                value.mul(gate).store_operands(to.at(unit, pixel + p));
            }
        }
    }
}

/// Float32 of scratch for a tile `width` columns wide.
fn scratch(halves: &[Gated], width: usize) -> usize {
    let mut sum = 0;
    for (i, half) in halves.iter().enumerate() {
        let beyond = halves.len() - 1 - i;
        sum += half.expand.scratch(width + 2 * beyond + 2);
        sum += Ring::<3>::len(half.expand.outputs(), width + 2 * beyond + 2);
        sum += Operands::len(half.hidden(), width + 2 * beyond);
        sum += Ring::<3>::len(half.expand.inputs(), width + 2);
    }
    sum
}

/// Runs one or two halves, one after the other, over a tile: `from` to `to`.
///
/// # Safety
/// `instructions` exist on this processor. Nobody writes to `from`, and nobody else to the tile in `to`, meanwhile; both
/// maps have the same size and the blocks' units of channels.
pub(super) unsafe fn run(instructions: Instructions, halves: &[Gated], from: Map, to: Map, tile: Tile) {
    with_scratch(scratch(halves, tile.right - tile.left), |cutter| {
        // SAFETY: passed on to the caller.
        unsafe { with_tiles!(instructions, job(cutter: &mut Cutter, halves: &[Gated], from: Map, to: Map, tile: Tile)) }
    });
}

/// # Safety
/// As for [`run`].
#[inline(always)]
unsafe fn job<V: Lanes>(cutter: &mut Cutter, halves: &[Gated], from: Map, to: Map, tile: Tile) {
    let width = tile.right - tile.left;
    let (left, right, columns) = (tile.left as isize, tile.right as isize, from.columns as isize);
    let inside = |row: isize| (0..from.rows as isize).contains(&row);
    {
        /// A half at work: its widened rows, and the rows that it reads if they are not the map's.
        struct Stage<'a> {
            half: &'a Gated,
            /// Pixels that later halves want beyond the tile.
            beyond: isize,
            wide: Ring<3>,
            input: Ring<3>,
            normed: *mut f32,
            gated: *mut f32,
        }
        let make = |i: usize, cutter: &mut Cutter| {
            let half = &halves[i];
            let beyond = halves.len() - 1 - i;
            Stage {
                half,
                beyond: beyond as isize,
                wide: Ring::new(cutter, half.expand.outputs(), width + 2 * beyond + 2, left - beyond as isize - 1),
                input: Ring::new(cutter, half.expand.inputs(), width + 2, left - 1),
                normed: half.expand.cut::<V>(cutter, width + 2 * beyond + 2),
                gated: Operands::cut::<V>(cutter, half.hidden(), width + 2 * beyond),
            }
        };
        let stages: [Option<Stage<'_>>; 2] = std::array::from_fn(|i| (i < halves.len()).then(|| make(i, cutter)));
        let reach = halves.len() as isize;
        for row in tile.top as isize - reach..tile.bottom as isize + reach {
            let mut row = row;
            for (i, stage) in stages.iter().flatten().enumerate() {
                let reads = |row: isize, column: isize| {
                    // SAFETY: this is called for rows of the map alone, and columns of it that the ring holds too.
                    unsafe {
                        if i > 0 {
                            stage.input.run(row, column)
                        } else {
                            Run { start: from.at(row as usize, 0, column as usize), stride: from.unit_stride() }
                        }
                    }
                };
                // SAFETY: columns and rows are cut off at the map's borders; rings and scratch were made for the widest
                // row; the tile in `to` is this job's, and `from` is only read.
                unsafe {
                    let (start, end) = ((left - stage.beyond - 1).max(0), (right + stage.beyond + 1).min(columns));
                    if inside(row) {
                        let (wide, stride) = (stage.wide.at(row, start), stage.wide.stride());
                        let expand = &stage.half.expand;
                        expand.row::<V>(reads(row, start), (end - start) as usize, stage.normed, wide, stride);
                    } else {
                        stage.wide.clear(row);
                    }
                    // The row above has its three rows now, unless it is the first one.
                    row -= 1;
                    if row < tile.top as isize - stage.beyond || row >= tile.bottom as isize + stage.beyond {
                        break;
                    }
                    if !inside(row) {
                        continue;
                    }
                    let (start, end) = ((left - stage.beyond).max(0), (right + stage.beyond).min(columns));
                    let count = (end - start) as usize;
                    let rows = [-1, 0, 1].map(|above| stage.wide.run(row + above, start - 1));
                    let gated = Operands::new::<V>(stage.gated, stage.half.hidden(), count);
                    stage.half.gate::<V>(rows, gated, count);
                    let (out, out_stride) = match stages.get(i + 1) {
                        Some(Some(next)) => (next.input.at(row, start), next.input.stride()),
                        _ => (to.at(row as usize, 0, start as usize), to.unit_stride()),
                    };
                    let mut runs = Runs::new();
                    let pixels = gated.pixels::<V>(stage.half.hidden(), count, &mut runs);
                    let residual = reads(row, start);
                    let finish = AddResidual { bias: &stage.half.bias, residual, to: out, stride: out_stride };
                    pointwise::<V, Unit, _>(pixels, &stage.half.project, &finish);
                }
            }
        }
    }
}
