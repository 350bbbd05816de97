//! The large-kernel mixer: a cascade of segments, each modulated by a larger kernel than the one before.
//!
//! With `n = norm(x)` and `e_i` the i-th segment of `expand(n)`, `z = e_0`, and then for each step
//! `m = Xs * z * Wc * local(e_i)`, where `Xs` comes from the dynamic large kernel of the mean over `z`'s channels and `Wc`
//! from that mean's mean. Between steps every channel of `m` is doubled and goes through a 7x7 convolution; after the last
//! one `x + project(m)` is the result. Segments are widened anew in each step, which costs a layer norm and saves the
//! map of all segments.

use super::buffer::{Buffer, Cutter, with_scratch};
use super::depthwise::{Local, depthwise};
use super::expand::{AddResidual, Expand};
use super::lanes::{Lanes, UNIT, with_lanes, with_tiles};
use super::map::{Map, Tile};
use super::norm::Run;
use super::operands::{Operands, Runs};
use super::pointwise::{Finish, Packed, StoreOperands, Unit, pointwise};
use super::ring::Ring;
use crate::instructions::Instructions;
use crate::large_kernel::Engine;

/// One step of the cascade.
pub(super) struct Step {
    pub(super) kernel: Engine,
    /// `Wc = slope * mean + offset`, channel by channel.
    pub(super) slope: Buffer,
    pub(super) offset: Buffer,
    pub(super) expand: Expand,
    pub(super) local: Local,
    /// The 7x7 convolution of the doubled channels; the last step has none.
    pub(super) refine: Option<Local>,
}

/// The mixer of one block.
pub(super) struct Cascade {
    /// Makes the first segment.
    pub(super) first: Expand,
    pub(super) steps: Vec<Step>,
    pub(super) project: Packed,
    pub(super) bias: Buffer,
}

/// A map of one channel, row-major, shared by the jobs of a pass as a [`Map`] is.
#[derive(Clone, Copy)]
pub(super) struct Plane {
    start: *mut f32,
    columns: usize,
}

// SAFETY: as for `Map`.
unsafe impl Sync for Plane {}
// SAFETY: as for `Map`.
unsafe impl Send for Plane {}

impl Plane {
    pub(super) fn new(start: *mut f32, columns: usize) -> Self {
        Self { start, columns }
    }

    /// Position of a pixel.
    ///
    /// # Safety
    /// The pixel lies in the plane.
    #[inline(always)]
    unsafe fn at(&self, row: usize, column: usize) -> *mut f32 {
        // SAFETY: passed on to the caller.
        unsafe { self.start.add(row * self.columns + column) }
    }
}

/// The factors of a step: `z`, its large-kernel map and its channel weights.
#[derive(Clone, Copy)]
pub(super) struct Modulation<'a> {
    pub(super) map: Map,
    pub(super) spatial: Plane,
    pub(super) channels: &'a Buffer,
}

/// The means over channels of `count` pixels.
///
/// # Safety
/// The instructions exist and both places have that many pixels.
#[inline(always)]
unsafe fn collapse<V: Lanes>(from: Run, units: usize, count: usize, to: *mut f32) {
    // SAFETY: passed on to the caller. The last chunk is pushed back so that it is full too.
    unsafe {
        let share = V::splat(1.0 / (units * UNIT) as f32);
        let mut first = 0;
        while first < count {
            let chunk = UNIT.min(count);
            first = first.min(count - chunk);
            let mut sums = [V::splat(0.0); UNIT];
            for (pixel, sum) in sums.iter_mut().enumerate().take(chunk) {
                for unit in 0..units {
                    *sum = sum.add(V::load(from.start.add(unit * from.stride + (first + pixel) * UNIT)));
                }
            }
            let mut means = [0.0f32; UNIT];
            V::sums(&sums).mul(share).store(means.as_mut_ptr());
            to.add(first).copy_from_nonoverlapping(means.as_ptr(), chunk);
            first += chunk;
        }
    }
}

/// Makes the first segment and its mean over channels.
///
/// # Safety
/// As for [`super::gated::run`], the planes included.
pub(super) unsafe fn begin(instructions: Instructions, expand: &Expand, from: Map, to: Map, mean: Plane, tile: Tile) {
    with_scratch(expand.scratch(tile.right - tile.left), |cutter| {
        // SAFETY: passed on to the caller.
        unsafe {
            with_tiles!(instructions, begin_job(cutter: &mut Cutter, expand: &Expand, from: Map, to: Map, mean: Plane, tile: Tile))
        }
    });
}

#[inline(always)]
unsafe fn begin_job<V: Lanes>(cutter: &mut Cutter, expand: &Expand, from: Map, to: Map, mean: Plane, tile: Tile) {
    let count = tile.right - tile.left;
    let scratch = expand.cut::<V>(cutter, count);
    for row in tile.top..tile.bottom {
        // SAFETY: passed on to the caller.
        unsafe {
            let run = Run { start: from.at(row, 0, tile.left), stride: from.unit_stride() };
            let out = to.at(row, 0, tile.left);
            expand.row::<V>(run, count, scratch, out, to.unit_stride());
            let made = Run { start: out, stride: to.unit_stride() };
            collapse::<V>(made, to.units, count, mean.at(row, tile.left));
        }
    }
}

/// Where a step's product goes.
#[derive(Clone, Copy)]
pub(super) enum Into<'a> {
    /// To a map of twice the channels, each twice.
    Doubled(Map),
    /// Through the projection, and onto the block's input.
    Projected(Map, &'a Cascade),
}

/// Float32 of scratch of [`modulate`] for a tile `count` columns wide.
fn modulate_scratch(step: &Step, count: usize) -> usize {
    let units = step.expand.outputs();
    Ring::<3>::len(units, count + 2) + step.expand.scratch(count + 2) + Operands::len(units, count)
}

/// `Xs * z * Wc * local(e)` over a tile.
///
/// # Safety
/// As for [`super::gated::run`], the planes included.
pub(super) unsafe fn modulate(
    instructions: Instructions,
    step: &Step,
    from: Map,
    by: Modulation<'_>,
    into: Into<'_>,
    tile: Tile,
) {
    with_scratch(modulate_scratch(step, tile.right - tile.left), |cutter| {
        // SAFETY: passed on to the caller.
        unsafe {
            with_tiles!(instructions, modulate_job(cutter: &mut Cutter, step: &Step, from: Map, by: Modulation<'_>, into: Into<'_>, tile: Tile))
        }
    });
}

#[inline(always)]
unsafe fn modulate_job<V: Lanes>(
    cutter: &mut Cutter,
    step: &Step,
    from: Map,
    by: Modulation<'_>,
    into: Into<'_>,
    tile: Tile,
) {
    let count = tile.right - tile.left;
    let units = step.expand.outputs();
    let (left, columns) = (tile.left as isize, from.columns as isize);
    let inside = |row: isize| (0..from.rows as isize).contains(&row);
    let ring = Ring::<3>::new(cutter, units, count + 2, left - 1);
    let scratch = step.expand.cut::<V>(cutter, count + 2);
    let product = Operands::new::<V>(Operands::cut::<V>(cutter, units, count), units, count);
    for row in tile.top as isize - 1..=tile.bottom as isize {
        // SAFETY: rows and columns are cut off at the map's borders, scratch was made for the widest row, and the
        // rest is passed on to the caller.
        unsafe {
            if inside(row) {
                let (start, end) = ((left - 1).max(0), (tile.right as isize + 1).min(columns));
                let run = Run { start: from.at(row as usize, 0, start as usize), stride: from.unit_stride() };
                step.expand.row::<V>(run, (end - start) as usize, scratch, ring.at(row, start), ring.stride());
            } else {
                ring.clear(row);
            }
            if row <= tile.top as isize {
                continue;
            }
            let row = row - 1;
            let rows = [-1, 0, 1].map(|above| ring.run(row + above, left - 1));
            let at = Pixel { row: row as usize, column: tile.left };
            match into {
                Into::Doubled(map) => products::<V, _>(step, rows, by, at, count, &Twice { map, at }),
                Into::Projected(map, cascade) => {
                    products::<V, _>(step, rows, by, at, count, &StoreOperands(product));
                    let mut runs = Runs::new();
                    let pixels = product.pixels::<V>(units, count, &mut runs);
                    let residual = Run { start: from.at(at.row, 0, at.column), stride: from.unit_stride() };
                    let (to, stride) = (map.at(at.row, 0, at.column), map.unit_stride());
                    let finish = AddResidual { bias: &cascade.bias, residual, to, stride };
                    pointwise::<V, Unit, _>(pixels, &cascade.project, &finish);
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Pixel {
    row: usize,
    column: usize,
}

/// Stores every channel twice.
struct Twice {
    map: Map,
    at: Pixel,
}

impl<V: Lanes> Finish<V> for Twice {
    #[inline(always)]
    unsafe fn put(&self, pixel: usize, unit: usize, value: V) {
        // SAFETY: whoever makes one has room for every pixel and twice the units.
        unsafe {
            let [low, high] = value.twice();
            low.store(self.map.at(self.at.row, 2 * unit, self.at.column + pixel));
            high.store(self.map.at(self.at.row, 2 * unit + 1, self.at.column + pixel));
        }
    }
}

/// The products of one row of pixels.
///
/// # Safety
/// `rows` have `count + 2` pixels of all units; the rest as for [`modulate`].
#[inline(always)]
unsafe fn products<V: Lanes, F: Finish<V>>(
    step: &Step,
    rows: [Run; 3],
    by: Modulation<'_>,
    at: Pixel,
    count: usize,
    finish: &F,
) {
    const STRIP: usize = 4;
    // SAFETY: passed on to the caller. The last strip is pushed back so that it is full too.
    unsafe {
        for unit in 0..by.map.units {
            let channels = V::load(by.channels.as_slice()[unit * UNIT..].as_ptr());
            let mut pixel = 0;
            while pixel < count {
                let first = if count < STRIP { pixel } else { pixel.min(count - STRIP) };
                let here = rows.map(|row| row.start.add(unit * row.stride + first * UNIT));
                if count < STRIP {
                    let local = depthwise::<V, 3, 1>(here, step.local.unit(unit));
                    multiply(local, unit, first, channels, by, at, finish);
                    pixel += 1;
                } else {
                    let local = depthwise::<V, 3, STRIP>(here, step.local.unit(unit));
                    multiply(local, unit, first, channels, by, at, finish);
                    pixel = first + STRIP;
                }
            }
        }
    }
}

/// Some neighbouring products.
///
/// # Safety
/// As for [`products`].
#[inline(always)]
unsafe fn multiply<V: Lanes, F: Finish<V>, const PIXELS: usize>(
    local: [V; PIXELS],
    unit: usize,
    first: usize,
    channels: V,
    by: Modulation<'_>,
    at: Pixel,
    finish: &F,
) {
    for (p, local) in local.into_iter().enumerate() {
        let column = at.column + first + p;
        // SAFETY: passed on to the caller.
        unsafe {
            let spatial = V::splat(*by.spatial.at(at.row, column));
            let value = spatial.mul(V::load(by.map.at(at.row, unit, column))).mul(channels);
            finish.put(first + p, unit, value.mul(local));
        }
    }
}

/// The 7x7 convolution of a doubled map, and the mean over channels of its result.
///
/// # Safety
/// As for [`super::gated::run`], the planes included.
pub(super) unsafe fn refine(instructions: Instructions, local: &Local, from: Map, to: Map, mean: Plane, tile: Tile) {
    with_scratch(Ring::<7>::len(from.units, tile.right - tile.left + 6), |cutter| {
        // SAFETY: passed on to the caller.
        unsafe {
            with_lanes!(instructions, refine_job(cutter: &mut Cutter, local: &Local, from: Map, to: Map, mean: Plane, tile: Tile))
        }
    });
}

#[inline(always)]
unsafe fn refine_job<V: Lanes>(cutter: &mut Cutter, local: &Local, from: Map, to: Map, mean: Plane, tile: Tile) {
    const REACH: isize = 3;
    let count = tile.right - tile.left;
    let left = tile.left as isize;
    let ring = Ring::<7>::new(cutter, from.units, count + 6, left - REACH);
    for row in tile.top as isize - REACH..tile.bottom as isize + REACH {
        // SAFETY: rows and columns are cut off at the map's borders; the rest is passed on to the caller.
        unsafe {
            ring.copy(from, row);
            let row = row - REACH;
            if row < tile.top as isize {
                continue;
            }
            let rows: [Run; 7] = std::array::from_fn(|y| ring.run(row + y as isize - REACH, left - REACH));
            for unit in 0..from.units {
                let here = rows.map(|row| row.start.wrapping_add(unit * row.stride));
                let out = to.at(row as usize, unit, tile.left);
                if V::WIDE {
                    seven::<V, 12>(here, local.unit(unit), out, count);
                } else {
                    seven::<V, 2>(here, local.unit(unit), out, count);
                }
            }
            let made = Run { start: to.at(row as usize, 0, tile.left), stride: to.unit_stride() };
            collapse::<V>(made, to.units, count, mean.at(row as usize, tile.left));
        }
    }
}

/// # Safety
/// The rows have `count + 6` pixels, `to` has `count`.
#[inline(always)]
unsafe fn seven<V: Lanes, const PIXELS: usize>(rows: [*const f32; 7], taps: *const f32, to: *mut f32, count: usize) {
    let mut pixel = 0;
    while pixel < count {
        // SAFETY: passed on to the caller. The last strip is pushed back so that it is full too.
        unsafe {
            if count < PIXELS {
                let [value] = depthwise::<V, 7, 1>(rows.map(|row| row.add(pixel * UNIT)), taps);
                value.store(to.add(pixel * UNIT));
                pixel += 1;
            } else {
                let first = pixel.min(count - PIXELS);
                let values = depthwise::<V, 7, PIXELS>(rows.map(|row| row.add(first * UNIT)), taps);
                for (p, value) in values.into_iter().enumerate() {
                    value.store(to.add((first + p) * UNIT));
                }
                pixel = first + PIXELS;
            }
        }
    }
}
