//! Sums over channels: 1x1 convolutions, and every convolution that can be written as one.
//!
//! The loop keeps the sums of some pixels times some units of output channels in registers. For each input channel it
//! reads that many units of weights, and multiplies them with one value of each pixel.

use super::buffer::Buffer;
use super::lanes::{Lanes, UNIT};
use crate::instructions::Instructions;

/// Weights in the order in which the loop reads them: `[panel][input channel][output channel of the panel]`.
pub(super) struct Packed {
    data: Buffer,
    /// Input channels.
    pub(super) inputs: usize,
    /// Units of output channels.
    pub(super) units: usize,
    /// Units of output channels of a panel: 1 to 4.
    panel: usize,
}

impl Packed {
    /// Packs `weight(output channel, input channel)`.
    pub(super) fn new(
        inputs: usize,
        outputs: usize,
        instructions: Instructions,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let units = outputs / UNIT;
        let panel = if instructions.wide() {
            // 24 sums in flight: 4 x 6, 3 x 8 or 2 x 12.
            [4, 3, 2, 1].into_iter().find(|n| units.is_multiple_of(*n)).unwrap_or(1)
        } else {
            1
        };
        let mut data = Vec::with_capacity(inputs * outputs);
        for first in (0..units).step_by(panel) {
            for input in 0..inputs {
                data.extend((first * UNIT..(first + panel) * UNIT).map(|output| weight(output, input)));
            }
        }
        Self { data: Buffer::from(data.as_slice()), inputs, units, panel }
    }
}

/// What becomes of the sums.
pub(super) trait Finish<V: Lanes> {
    /// Takes the sum for the tile's pixel and the unit of output channels.
    ///
    /// # Safety
    /// As the implementation says.
    unsafe fn put(&self, pixel: usize, unit: usize, sum: V);
}

/// Stores the sums.
pub(super) struct Store {
    pub(super) to: *mut f32,
    /// Float32 from one unit to the next.
    pub(super) stride: usize,
}

impl<V: Lanes> Finish<V> for Store {
    #[inline(always)]
    unsafe fn put(&self, pixel: usize, unit: usize, sum: V) {
        // SAFETY: whoever makes one has room for every pixel and unit.
        unsafe { sum.store(self.to.add(unit * self.stride + pixel * UNIT)) }
    }
}

/// Where the input's values stand: the runs of `LANES` neighbouring values that make up the input channels, as distances
/// in float32 from a pixel, and the distance from one pixel to the next.
#[derive(Clone, Copy)]
pub(super) struct Pixels<'a> {
    pub(super) start: *const f32,
    pub(super) step: usize,
    pub(super) runs: &'a [usize],
    pub(super) count: usize,
}

/// All sums of a row of pixels. Each may be handed over more than once, with the same value.
///
/// # Safety
/// The instructions exist. `pixels` lead to readable values, `runs.len() * LANES` is the number of input channels, and
/// `finish` must be callable with every pixel and unit.
#[inline(always)]
pub(super) unsafe fn pointwise<V: Lanes, const LANES: usize, F: Finish<V>>(
    pixels: Pixels<'_>,
    weights: &Packed,
    finish: &F,
) {
    debug_assert_eq!(pixels.runs.len() * LANES, weights.inputs);
    // SAFETY: passed on to the caller.
    unsafe {
        if V::WIDE {
            match weights.panel {
                4 => panels::<V, LANES, 6, 4, F>(pixels, weights, finish),
                3 => panels::<V, LANES, 8, 3, F>(pixels, weights, finish),
                2 => panels::<V, LANES, 12, 2, F>(pixels, weights, finish),
                _ => panels::<V, LANES, 14, 1, F>(pixels, weights, finish),
            }
        } else {
            panels::<V, LANES, 6, 1, F>(pixels, weights, finish);
        }
    }
}

/// # Safety
/// As for [`pointwise`].
#[inline(always)]
unsafe fn panels<V: Lanes, const LANES: usize, const PIXELS: usize, const UNITS: usize, F: Finish<V>>(
    pixels: Pixels<'_>,
    weights: &Packed,
    finish: &F,
) {
    let mut panel = weights.data.as_slice().as_ptr();
    for unit in (0..weights.units).step_by(UNITS) {
        // SAFETY: passed on to the caller. The last group is pushed back so that it is full too.
        unsafe {
            let mut pixel = 0;
            while pixel < pixels.count {
                if pixels.count < PIXELS {
                    group::<V, LANES, 1, UNITS, F>(pixels, panel, pixel, unit, finish);
                    pixel += 1;
                } else {
                    let from = pixel.min(pixels.count - PIXELS);
                    group::<V, LANES, PIXELS, UNITS, F>(pixels, panel, from, unit, finish);
                    pixel = from + PIXELS;
                }
            }
            panel = panel.add(weights.inputs * UNITS * UNIT);
        }
    }
}

/// # Safety
/// As for [`pointwise`], with pixels `first..first + PIXELS` and units `unit..unit + UNITS`.
#[inline(always)]
unsafe fn group<V: Lanes, const LANES: usize, const PIXELS: usize, const UNITS: usize, F: Finish<V>>(
    pixels: Pixels<'_>,
    panel: *const f32,
    first: usize,
    unit: usize,
    finish: &F,
) {
    // SAFETY: passed on to the caller.
    unsafe {
        let mut sums = [[V::splat(0.0); UNITS]; PIXELS];
        let start = pixels.start.add(first * pixels.step);
        let mut weights = panel;
        for &run in pixels.runs {
            let values = start.add(run);
            for lane in 0..LANES {
                let mut weight = [V::splat(0.0); UNITS];
                for (u, weight) in weight.iter_mut().enumerate() {
                    *weight = V::load(weights.add(u * UNIT));
                }
                weights = weights.add(UNITS * UNIT);
                for (p, sums) in sums.iter_mut().enumerate() {
                    let value = V::splat(*values.add(p * pixels.step + lane));
                    for (sum, weight) in sums.iter_mut().zip(weight) {
                        *sum = value.fma(weight, *sum);
                    }
                }
            }
        }
        for (p, sums) in sums.into_iter().enumerate() {
            for (u, sum) in sums.into_iter().enumerate() {
                finish.put(first + p, unit + u, sum);
            }
        }
    }
}
