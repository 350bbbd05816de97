//! Layer norm and the 1x1 convolution after it, a row at a time.

use super::buffer::{Buffer, Cutter};
use super::lanes::{Lanes, UNIT};
use super::norm::{Run, normalise};
use super::operands::{Operands, Runs};
use super::pointwise::{Finish, Packed, Sums, Target, Unit, pointwise};
use super::tensor::Matrix;
use crate::instructions::Instructions;

/// Most units that one pixel's inputs may have.
pub(super) const MAX_RUNS: usize = 64;

/// Layer norm, whose weight and bias are folded in, and a 1x1 convolution with bias.
pub(super) struct Expand {
    weights: Packed,
    bias: Buffer,
}

impl Expand {
    /// `W (n * gain + shift) + bias = (W diag gain) n + (W shift + bias)`, in f64, for the given rows of `W`.
    pub(super) fn new(
        gain: &[f32],
        shift: &[f32],
        weight: &Matrix,
        bias: Option<&[f32]>,
        rows: std::ops::Range<usize>,
        instructions: Instructions,
    ) -> Self {
        let first = rows.start;
        let folded: Vec<f32> = rows
            .clone()
            .map(|o| {
                let moved = weight.row(o).iter().zip(shift).map(|(w, s)| f64::from(*w) * f64::from(*s));
                (moved.sum::<f64>() + bias.map_or(0.0, |b| f64::from(b[o]))) as f32
            })
            .collect();
        let scaled = |o: usize, i: usize| (f64::from(weight.row(first + o)[i]) * f64::from(gain[i])) as f32;
        Self {
            weights: Packed::new(gain.len(), rows.len(), instructions, scaled),
            bias: Buffer::from(folded.as_slice()),
        }
    }

    /// Units of input channels.
    pub(super) fn inputs(&self) -> usize {
        self.weights.inputs / UNIT
    }

    /// Units of output channels.
    pub(super) fn outputs(&self) -> usize {
        self.weights.units
    }

    /// Words of scratch for rows of `width` pixels.
    pub(super) fn scratch(&self, width: usize) -> usize {
        Operands::len(self.inputs(), width)
    }

    /// Scratch for rows of up to `width` pixels.
    pub(super) fn cut<V: Lanes>(&self, cutter: &mut Cutter, width: usize) -> *mut f32 {
        Operands::cut::<V>(cutter, self.inputs(), width)
    }

    /// Writes `count` pixels to `to`, whose units lie `stride` float32 apart.
    ///
    /// # Safety
    /// The instructions exist; `from`, `scratch` (see [`Expand::cut`]) and `to` have that many pixels and do not overlap.
    #[inline(always)]
    pub(super) unsafe fn row<V: Lanes>(&self, from: Run, count: usize, scratch: *mut f32, to: *mut f32, stride: usize) {
        let normed = Operands::new::<V>(scratch, self.inputs(), count);
        let mut runs = Runs::new();
        // SAFETY: passed on to the caller.
        unsafe {
            normalise::<V>(from, normed, self.inputs(), count);
            let pixels = normed.pixels::<V>(self.inputs(), count, &mut runs);
            let finish = AddBias { bias: &self.bias, to, stride };
            pointwise::<V, Unit, _>(pixels, &self.weights, &finish);
        }
    }
}

/// An odd number of cache lines, so that the units of a pixel do not fall into the same few sets of a cache.
#[inline(always)]
pub(super) fn odd(width: usize) -> usize {
    width | 1
}

/// Adds a bias and stores.
pub(super) struct AddBias<'a> {
    pub(super) bias: &'a Buffer,
    pub(super) to: *mut f32,
    pub(super) stride: usize,
}

impl<V: Lanes> Finish<V> for AddBias<'_> {
    #[inline(always)]
    unsafe fn put(&self, pixel: usize, unit: usize, sum: V) {
        // SAFETY: whoever makes one has room for every pixel and unit; the bias has one value for each channel.
        unsafe {
            let bias = V::load(self.bias.as_slice().as_ptr().add(unit * UNIT));
            sum.add(bias).store(self.to.add(unit * self.stride + pixel * UNIT));
        }
    }
}

impl<V: Lanes> Sums<V> for AddBias<'_> {
    fn target(&self) -> Target {
        Target { to: self.to, stride: self.stride, bias: Some(self.bias.as_slice().as_ptr()), residual: None }
    }
}

/// Adds a bias and the block's input, and stores.
pub(super) struct AddResidual<'a> {
    pub(super) bias: &'a Buffer,
    pub(super) residual: Run,
    pub(super) to: *mut f32,
    pub(super) stride: usize,
}

impl<V: Lanes> Finish<V> for AddResidual<'_> {
    #[inline(always)]
    unsafe fn put(&self, pixel: usize, unit: usize, sum: V) {
        // SAFETY: whoever makes one has room for every pixel and unit at both places.
        unsafe {
            let bias = V::load(self.bias.as_slice().as_ptr().add(unit * UNIT));
            let residual = V::load(self.residual.start.add(unit * self.residual.stride + pixel * UNIT));
            residual.add(sum.add(bias)).store(self.to.add(unit * self.stride + pixel * UNIT));
        }
    }
}

impl<V: Lanes> Sums<V> for AddResidual<'_> {
    fn target(&self) -> Target {
        let bias = Some(self.bias.as_slice().as_ptr());
        Target { to: self.to, stride: self.stride, bias, residual: Some(self.residual) }
    }
}
