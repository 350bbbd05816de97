//! Sums over channels: 1x1 convolutions, and every convolution that can be written as one.
//!
//! The loop keeps the sums of some pixels times some units of output channels in registers. For each input channel it
//! reads that many units of weights, and multiplies them with one value of each pixel. Where the instructions have products
//! of pairs of bfloat16 and were asked for, a step takes two input channels, and inputs and weights are rounded to
//! bfloat16; sums stay in f32. With tiles the processor makes sixteen times sixteen sums at once (`by_tiles`).

use half::bf16;

use super::buffer::Buffer;
#[cfg(target_arch = "x86_64")]
use super::extent::{Extent, Start, Term};
use super::lanes::{Lanes, UNIT};
use super::norm::Run;
use super::operands::{Operands, pixel_words};
#[cfg(target_arch = "x86_64")]
use super::tiles;
use crate::instructions::Instructions;

/// Weights in the order in which the loop reads them: `[panel][word of inputs][output channel of the panel]`. A word is one
/// input channel in f32 or two in bfloat16, the first in its lower half.
pub(super) struct Packed {
    data: Buffer,
    /// Input channels.
    pub(super) inputs: usize,
    /// Words that they take.
    words: usize,
    /// Words of a group of inputs that lie side by side, for tiles.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "tiles are of another processor"))]
    group: usize,
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
        Self::grouped(1, inputs, outputs, instructions, weight)
    }

    /// The same for `groups` times `inputs` channels, each group of which lies side by side in a pixel of operands.
    pub(super) fn grouped(
        groups: usize,
        inputs: usize,
        outputs: usize,
        instructions: Instructions,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let units = outputs / UNIT;
        let panel = if instructions.wide() && !instructions.tiles() {
            // 24 sums in flight: 4 x 6, 3 x 8 or 2 x 12.
            [4, 3, 2, 1].into_iter().find(|n| units.is_multiple_of(*n)).unwrap_or(1)
        } else {
            1
        };
        // For tiles, zeros where a group's last pair of units lacks its second one.
        let group = if instructions.tiles() { 2 * pixel_words(inputs / UNIT) } else { inputs };
        let padded = |output: usize, input: usize| {
            if input % group < inputs { weight(output, input / group * inputs + input % group) } else { 0.0 }
        };
        let factors = if instructions.pairs() { 2 } else { 1 };
        let words = groups * group / factors;
        let data = if instructions.pairs() {
            pack(words, panel, units, pairs(padded))
        } else {
            pack(words, panel, units, padded)
        };
        Self { data, inputs: groups * inputs, words, group: group / factors, units, panel }
    }
}

/// Words of two weights in bfloat16.
fn pairs(weight: impl Fn(usize, usize) -> f32) -> impl Fn(usize, usize) -> f32 {
    move |output, word| {
        let half = |input: usize| u32::from(bf16::from_f32(weight(output, input)).to_bits());
        f32::from_bits(half(2 * word) | half(2 * word + 1) << 16)
    }
}

fn pack(words: usize, panel: usize, units: usize, word: impl Fn(usize, usize) -> f32) -> Buffer {
    let mut data = Vec::with_capacity(words * units * UNIT);
    for first in (0..units).step_by(panel) {
        for input in 0..words {
            data.extend((first * UNIT..(first + panel) * UNIT).map(|output| word(output, input)));
        }
    }
    Buffer::from(data.as_slice())
}

/// Processing of values, pixel by pixel.
pub(super) trait Finish<V: Lanes> {
    /// Takes the value for the tile's pixel and the unit of output channels.
    ///
    /// # Safety
    /// See the implementation.
    unsafe fn put(&self, pixel: usize, unit: usize, value: V);
}

/// The same for sums over channels. Tiles write their sums themselves, so they must know where.
pub(super) trait Sums<V: Lanes>: Finish<V> {
    fn target(&self) -> Target;
}

/// Where sums go, as float32 whose pixels lie side by side, and what is added to them.
#[derive(Clone, Copy)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "tiles are of another processor"))]
pub(super) struct Target {
    pub(super) to: *mut f32,
    /// Float32 from one unit to the next.
    pub(super) stride: usize,
    pub(super) bias: Option<*const f32>,
    pub(super) residual: Option<Run>,
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

impl<V: Lanes> Sums<V> for Store {
    fn target(&self) -> Target {
        Target { to: self.to, stride: self.stride, bias: None, residual: None }
    }
}

/// Stores values as operands of another sum over channels.
pub(super) struct StoreOperands(pub(super) Operands);

impl<V: Lanes> Finish<V> for StoreOperands {
    #[inline(always)]
    unsafe fn put(&self, pixel: usize, unit: usize, value: V) {
        // SAFETY: whoever makes one has room for every pixel and unit.
        unsafe { value.store_operands(self.0.at(unit, pixel)) }
    }
}

/// Turns `count` pixels of `units` units into operands.
///
/// # Safety
/// The instructions exist; both places have that many pixels and do not overlap.
#[inline(always)]
pub(super) unsafe fn operands<V: Lanes>(from: Run, units: usize, count: usize, to: Operands) {
    for unit in 0..units {
        for pixel in 0..count {
            // SAFETY: passed on to the caller.
            unsafe {
                let value = V::load(from.start.add(unit * from.stride + pixel * UNIT));
                value.store_operands(to.at(unit, pixel));
            }
        }
    }
}

/// How the values of one run of inputs are multiplied.
pub(super) trait Factors<V: Lanes> {
    /// Words in a run.
    const WORDS: usize;
    /// Whether tiles multiply them.
    const TILES: bool;

    /// `word * weights + sum`.
    ///
    /// # Safety
    /// The instructions exist.
    unsafe fn dot(word: V, weights: V, sum: V) -> V;
}

/// A unit of channels, written by [`Lanes::store_operands`].
pub(super) struct Unit;

impl<V: Lanes> Factors<V> for Unit {
    const WORDS: usize = V::WORDS;
    const TILES: bool = V::TILES;

    #[inline(always)]
    unsafe fn dot(word: V, weights: V, sum: V) -> V {
        // SAFETY: passed on to the caller.
        unsafe { word.dot(weights, sum) }
    }
}

/// A single value in f32, whatever the instructions; the weights are packed for exact instructions.
pub(super) struct Single;

impl<V: Lanes> Factors<V> for Single {
    const WORDS: usize = 1;
    const TILES: bool = false;

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
pub(super) unsafe fn pointwise<V: Lanes, O: Factors<V>, F: Sums<V>>(pixels: Pixels<'_>, weights: &Packed, finish: &F) {
    // SAFETY: passed on to the caller.
    unsafe {
        if O::TILES {
            by_tiles::<V>(pixels, weights, finish.target());
            return;
        }
        debug_assert_eq!(pixels.runs.len() * O::WORDS, weights.words);
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

/// Most groups of a sum: the nine taps of a convolution.
#[cfg(target_arch = "x86_64")]
const MAX_GROUPS: usize = 9;

/// Sixteen pixels of a unit.
#[cfg(target_arch = "x86_64")]
#[repr(align(64))]
struct Square([f32; UNIT * UNIT]);

/// The same with tiles: each run is the channels of a pixel's group.
///
/// # Safety
/// As for [`pointwise`]; this thread holds the tiles.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn by_tiles<V: Lanes>(pixels: Pixels<'_>, weights: &Packed, target: Target) {
    debug_assert_eq!(pixels.runs.len() * weights.group, weights.words);
    // SAFETY: passed on to the caller. The last sixteen pixels are pushed back so that they are full too. Where a row has
    // fewer, surplus sums of whatever stands after its operands go to a place of their own.
    unsafe {
        let product = |first: usize, rows: usize, unit: usize, units: usize, to: *mut f32, out_unit: usize| {
            let of = Extent {
                rows,
                units,
                words: weights.group,
                left_row: pixels.step,
                left_word: 1,
                right_word: UNIT,
                right_unit: weights.words * UNIT,
                out_row: UNIT,
                out_unit,
            };
            let left = pixels.start.add(first * pixels.step);
            let right = weights.data.as_slice().as_ptr().add(unit * of.right_unit);
            let mut terms = [Term { left, right }; MAX_GROUPS];
            for (group, (term, run)) in terms.iter_mut().zip(pixels.runs).enumerate() {
                *term = Term { left: left.add(*run), right: right.add(group * weights.group * UNIT) };
            }
            let start = target.bias.map_or(Start::Zero, |bias| Start::Bias(bias.add(unit * UNIT)));
            tiles::product(&terms[..pixels.runs.len()], &of, to, start);
        };
        if pixels.count < UNIT {
            for unit in 0..weights.units {
                let mut sums = Square([0.0; UNIT * UNIT]);
                product(0, UNIT, unit, 1, sums.0.as_mut_ptr(), 0);
                let to = target.to.add(unit * target.stride);
                to.copy_from_nonoverlapping(sums.0.as_ptr(), pixels.count * UNIT);
            }
        } else {
            let rest = pixels.count % UNIT;
            product(0, pixels.count - rest, 0, weights.units, target.to, target.stride);
            if rest > 0 {
                let first = pixels.count - UNIT;
                product(first, UNIT, 0, weights.units, target.to.add(first * UNIT), target.stride);
            }
        }
        let Some(residual) = target.residual else { return };
        for unit in 0..weights.units {
            let (from, to) = (residual.start.add(unit * residual.stride), target.to.add(unit * target.stride));
            for at in (0..pixels.count).map(|pixel| pixel * UNIT) {
                V::load(from.add(at)).add(V::load(to.add(at))).store(to.add(at));
            }
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
unsafe fn by_tiles<V: Lanes>(_: Pixels<'_>, _: &Packed, _: Target) {
    unreachable!("tiles are of another processor")
}

/// # Safety
/// As for [`pointwise`].
#[inline(always)]
unsafe fn panels<V: Lanes, O: Factors<V>, const PIXELS: usize, const UNITS: usize, F: Finish<V>>(
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
unsafe fn group<V: Lanes, O: Factors<V>, const PIXELS: usize, const UNITS: usize, F: Finish<V>>(
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
