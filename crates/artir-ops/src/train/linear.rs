//! A convolution over all channels, with the operations before and after it multiplied into its weights: a layer norm's
//! weight and bias, and the scale of a residual. Gradients come back the same way.

use crate::network::buffer::Buffer;
use crate::network::lanes::UNIT;

use super::memory::Gradients;
use super::operand::Kind;

/// Where a convolution's parameters lie in the flat list of all parameters.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// 1 or 9.
    pub(super) taps: usize,
    pub(super) weight: usize,
    pub(super) bias: Option<usize>,
    /// Weight and bias of the layer norm before it.
    pub(super) norm: Option<(usize, usize)>,
    /// Scale of each output.
    pub(super) scale: Option<usize>,
}

impl Linear {
    fn factors(&self, of: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let list = |at: Option<usize>, len: usize| at.map_or_else(|| vec![1.0; len], |at| of[at..at + len].to_vec());
        (list(self.scale, self.outputs), list(self.norm.map(|n| n.0), self.inputs))
    }

    /// All weights with their factors, `[output][input][tap]`.
    pub(super) fn folded(&self, of: &[f32]) -> Vec<f32> {
        let (scale, gain) = self.factors(of);
        let mut out = Vec::with_capacity(self.outputs * self.inputs * self.taps);
        for (row, scale) in of[self.weight..].chunks_exact(self.inputs * self.taps).zip(&scale) {
            for (weights, gain) in row.chunks_exact(self.taps).zip(&gain) {
                out.extend(weights.iter().map(|w| w * (scale * gain)));
            }
        }
        out
    }

    /// The bias that goes with [`Linear::folded`].
    pub(super) fn folded_bias(&self, of: &[f32]) -> Vec<f32> {
        let (scale, _) = self.factors(of);
        (0..self.outputs)
            .map(|o| {
                let row = &of[self.weight + o * self.inputs * self.taps..];
                let moved = self.norm.map_or(0.0, |(_, shift)| {
                    (0..self.inputs).map(|i| f64::from(row[i * self.taps]) * f64::from(of[shift + i])).sum()
                });
                ((moved + self.bias.map_or(0.0, |b| f64::from(of[b + o]))) * f64::from(scale[o])) as f32
            })
            .collect()
    }

    /// Adds the parameters' gradients to `to`, from those of [`Linear::folded`] and of its bias.
    pub(super) fn unfold(
        &self,
        of: &[f32],
        weights: impl Fn(usize, usize, usize) -> f32,
        bias: Option<&[f32]>,
        to: &Gradients,
    ) {
        let (scale, gain) = self.factors(of);
        let (row_len, taps) = (self.inputs * self.taps, self.taps);
        let mut gains = vec![0.0f64; self.inputs];
        let mut shifts = vec![0.0f64; self.inputs];
        for o in 0..self.outputs {
            let given = bias.map_or(0.0, |b| b[o]);
            let mut along = 0.0f64;
            for i in 0..self.inputs {
                let shift = self.norm.map_or(0.0, |(_, shift)| of[shift + i]);
                let mut both = 0.0f32;
                let mut first = 0.0;
                for tap in 0..taps {
                    let at = self.weight + o * row_len + i * taps + tap;
                    let slope = weights(o, i, tap);
                    both += slope * of[at];
                    first = of[at];
                    to.add(at, (slope * gain[i] + given * shift) * scale[o]);
                }
                if self.norm.is_some() {
                    gains[i] += f64::from(both * scale[o]);
                    shifts[i] += f64::from(given * first * scale[o]);
                    along += f64::from(given * first * shift);
                }
                along += f64::from(both * gain[i]);
            }
            if let Some(b) = self.bias {
                to.add(b + o, given * scale[o]);
                along += f64::from(given * of[b + o]);
            }
            if let Some(s) = self.scale {
                to.add(s + o, along as f32);
            }
        }
        if let Some((gain, shift)) = self.norm {
            for i in 0..self.inputs {
                to.add(gain + i, gains[i] as f32);
                to.add(shift + i, shifts[i] as f32);
            }
        }
    }
}

/// Weights somewhere in a list, by output and input; zeros beyond their numbers.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a> {
    pub(super) values: &'a [f32],
    pub(super) outputs: usize,
    pub(super) inputs: usize,
    pub(super) output_step: usize,
    pub(super) input_step: usize,
}

impl Weights<'_> {
    /// Inputs for outputs: the way back.
    pub(super) fn turned(self) -> Self {
        Self {
            outputs: self.inputs,
            inputs: self.outputs,
            output_step: self.input_step,
            input_step: self.output_step,
            ..self
        }
    }

    #[inline(always)]
    fn at(&self, output: usize, input: usize) -> f32 {
        if output < self.outputs && input < self.inputs {
            self.values[output * self.output_step + input * self.input_step]
        } else {
            0.0
        }
    }
}

/// The bits of the nearest bfloat16, ties to even. Not for NaN, which a training step stops at anyway.
#[inline(always)]
fn half(value: f32) -> u32 {
    let bits = value.to_bits();
    bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16
}

/// Right operand of sums over `inputs` channels: `[unit of outputs][word of inputs][output]`.
pub(super) fn packed(kind: Kind, inputs: usize, outputs: usize, of: Weights<'_>, to: &mut [f32]) {
    let words = kind.words(inputs);
    let pairs = kind.instructions.pairs();
    for (unit, to) in to[..words * outputs].chunks_exact_mut(words * UNIT).enumerate() {
        for (word, to) in to.chunks_exact_mut(UNIT).enumerate() {
            for (lane, to) in to.iter_mut().enumerate() {
                let output = unit * UNIT + lane;
                *to = if pairs {
                    f32::from_bits(half(of.at(output, 2 * word)) | half(of.at(output, 2 * word + 1)) << 16)
                } else {
                    of.at(output, word)
                };
            }
        }
    }
}

/// Room for [`packed`].
pub(super) fn packed_len(kind: Kind, inputs: usize, outputs: usize) -> usize {
    kind.words(inputs) * outputs
}

/// A buffer made anew or used again.
pub(super) fn sized(buffer: &mut Buffer, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        *buffer = Buffer::new(len);
    }
    buffer.as_mut_slice()
}
