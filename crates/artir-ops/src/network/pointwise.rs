//! Sums over channels: 1x1 convolutions, and every convolution that can be written as one.
//!
//! The loop keeps the sums of some pixels times some units of output channels in registers. For each input channel it
//! reads that many units of weights, and multiplies them with one value of each pixel. Where the instructions have products
//! of pairs of bfloat16 and were asked for, a step takes two input channels, and inputs and weights are rounded to
//! bfloat16; sums stay in f32.

use half::bf16;

use super::buffer::Buffer;
use super::lanes::{Lanes, UNIT};
use super::norm::Run;
use crate::instructions::Instructions;

/// Weights in the order in which the loop reads them: `[panel][word of inputs][output channel of the panel]`. A word is one
/// input channel in f32 or two in bfloat16, the first in its lower half.
pub(super) struct Packed {
    data: Buffer,
    /// Input channels.
    pub(super) inputs: usize,
    /// Words that they take.
    words: usize,
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
        let words = if instructions.pairs() { inputs / 2 } else { inputs };
        let word = |output: usize, word: usize| {
            if words == inputs {
                return weight(output, word);
            }
            let half = |input: usize| u32::from(bf16::from_f32(weight(output, input)).to_bits());
            f32::from_bits(half(2 * word) | half(2 * word + 1) << 16)
        };
        let mut data = Vec::with_capacity(words * outputs);
        for first in (0..units).step_by(panel) {
            for input in 0..words {
                data.extend((first * UNIT..(first + panel) * UNIT).map(|output| word(output, input)));
            }
        }
        Self { data: Buffer::from(data.as_slice()), inputs, words, units, panel }
    }
}

/// Processing of the sums.
pub(super) trait Finish<V: Lanes> {
    /// Takes the sum for the tile's pixel and the unit of output channels.
    ///
    /// # Safety
    /// See the implementation.
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

/// Stores values as operands of another sum over channels.
pub(super) struct StoreOperands {
    pub(super) to: *mut f32,
    /// Words from one unit to the next.
    pub(super) stride: usize,
}

impl<V: Lanes> Finish<V> for StoreOperands {
    #[inline(always)]
    unsafe fn put(&self, pixel: usize, unit: usize, value: V) {
        // SAFETY: whoever makes one has room for every pixel and unit.
        unsafe { value.store_operands(self.to.add(unit * self.stride + pixel * V::WORDS)) }
    }
}

/// Turns `count` pixels of `units` units into operands, whose units lie `stride` words apart.
///
/// # Safety
/// The instructions exist; both places have that many pixels and do not overlap.
#[inline(always)]
pub(super) unsafe fn operands<V: Lanes>(from: Run, units: usize, count: usize, to: *mut f32, stride: usize) {
    for unit in 0..units {
        for pixel in 0..count {
            // SAFETY: passed on to the caller.
            unsafe {
                let value = V::load(from.start.add(unit * from.stride + pixel * UNIT));
                value.store_operands(to.add(unit * stride + pixel * V::WORDS));
            }
        }
    }
}

/// How the values of one run of inputs are multiplied.
pub(super) trait Operands<V: Lanes> {
    /// Words in a run.
    const WORDS: usize;

    /// `word * weights + sum`.
    ///
    /// # Safety
    /// The instructions exist.
    unsafe fn dot(word: V, weights: V, sum: V) -> V;
}

/// A unit of channels, written by [`Lanes::store_operands`].
pub(super) struct Unit;

impl<V: Lanes> Operands<V> for Unit {
    const WORDS: usize = V::WORDS;

    #[inline(always)]
    unsafe fn dot(word: V, weights: V, sum: V) -> V {
        // SAFETY: passed on to the caller.
        unsafe { word.dot(weights, sum) }
    }
}

/// A single value in f32, whatever the instructions; the weights are packed for exact instructions.
pub(super) struct Single;

impl<V: Lanes> Operands<V> for Single {
    const WORDS: usize = 1;

    #[inline(always)]
    unsafe fn dot(word: V, weights: V, sum: V) -> V {
        // SAFETY: passed on to the caller.
        unsafe { word.fma(weights, sum) }
    }
}

/// Where the input's values stand: the runs of neighbouring words that make up the input channels, as distances in words
/// from a pixel, and the distance from one pixel to the next.
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
/// The instructions exist. `pixels` lead to readable operands of kind `O`, whose runs make up the input channels, and
/// `finish` must be callable with every pixel and unit.
#[inline(always)]
pub(super) unsafe fn pointwise<V: Lanes, O: Operands<V>, F: Finish<V>>(
    pixels: Pixels<'_>,
    weights: &Packed,
    finish: &F,
) {
    debug_assert_eq!(pixels.runs.len() * O::WORDS, weights.words);
    // SAFETY: passed on to the caller.
    unsafe {
        if V::WIDE {
            match weights.panel {
                4 => panels::<V, O, 6, 4, F>(pixels, weights, finish),
                3 => panels::<V, O, 8, 3, F>(pixels, weights, finish),
                2 => panels::<V, O, 12, 2, F>(pixels, weights, finish),
                _ => panels::<V, O, 14, 1, F>(pixels, weights, finish),
            }
        } else {
            panels::<V, O, 6, 1, F>(pixels, weights, finish);
        }
    }
}

/// # Safety
/// As for [`pointwise`].
#[inline(always)]
unsafe fn panels<V: Lanes, O: Operands<V>, const PIXELS: usize, const UNITS: usize, F: Finish<V>>(
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
                    group::<V, O, 1, UNITS, F>(pixels, panel, pixel, unit, finish);
                    pixel += 1;
                } else {
                    let from = pixel.min(pixels.count - PIXELS);
                    group::<V, O, PIXELS, UNITS, F>(pixels, panel, from, unit, finish);
                    pixel = from + PIXELS;
                }
            }
            panel = panel.add(weights.words * UNITS * UNIT);
        }
    }
}

/// # Safety
/// As for [`pointwise`], with pixels `first..first + PIXELS` and units `unit..unit + UNITS`.
#[inline(always)]
unsafe fn group<V: Lanes, O: Operands<V>, const PIXELS: usize, const UNITS: usize, F: Finish<V>>(
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
            for lane in 0..O::WORDS {
                let mut weight = [V::splat(0.0); UNITS];
                for (u, weight) in weight.iter_mut().enumerate() {
                    *weight = V::load(weights.add(u * UNIT));
                }
                weights = weights.add(UNITS * UNIT);
                for (p, sums) in sums.iter_mut().enumerate() {
                    let value = V::splat(*values.add(p * pixels.step + lane));
                    for (sum, weight) in sums.iter_mut().zip(weight) {
                        *sum = O::dot(value, weight, *sum);
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
