//! Convolutions of single channels, K x K.

use super::buffer::Buffer;
use super::lanes::{Lanes, UNIT};

/// Weights and bias of units of channels: for each unit the `K * K` taps, row-major, and then the bias, sixteen values
/// each.
pub(crate) struct Local {
    data: Buffer,
    taps: usize,
}

impl Local {
    /// Takes `weight[channel][tap]` and `bias[channel]`, all times `scale(channel)`, a power of two.
    pub(crate) fn new(size: usize, weight: &[f32], bias: Option<&[f32]>, scale: impl Fn(usize) -> f32) -> Self {
        let taps = size * size;
        let channels = weight.len() / taps;
        let mut data = Vec::with_capacity((taps + 1) * channels);
        for unit in (0..channels).step_by(UNIT) {
            for tap in 0..=taps {
                data.extend((unit..unit + UNIT).map(|channel| {
                    let value =
                        if tap < taps { weight[channel * taps + tap] } else { bias.map_or(0.0, |b| b[channel]) };
                    value * scale(channel)
                }));
            }
        }
        Self { data: Buffer::from(data.as_slice()), taps }
    }

    /// Units of channels.
    pub(crate) fn units(&self) -> usize {
        self.data.len() / ((self.taps + 1) * UNIT)
    }

    /// The taps of a unit, then its bias.
    #[inline(always)]
    pub(crate) fn unit(&self, unit: usize) -> *const f32 {
        self.data.as_slice()[unit * (self.taps + 1) * UNIT..].as_ptr()
    }
}

/// `PIXELS` neighbouring outputs of one unit. `rows` lead to the input pixel under the first output's top left tap and
/// the same of the rows below.
///
/// # Safety
/// The instructions exist; each row has `PIXELS + K - 1` pixels of sixteen values; `taps` are those of [`Local::unit`].
#[inline(always)]
pub(crate) unsafe fn depthwise<V: Lanes, const K: usize, const PIXELS: usize>(
    rows: [*const f32; K],
    taps: *const f32,
) -> [V; PIXELS] {
    // SAFETY: passed on to the caller.
    unsafe {
        let mut sums = [V::load(taps.add(K * K * UNIT)); PIXELS];
        for (y, row) in rows.into_iter().enumerate() {
            let mut weights = [V::splat(0.0); K];
            for (x, weight) in weights.iter_mut().enumerate() {
                *weight = V::load(taps.add((y * K + x) * UNIT));
            }
            for (x, weight) in weights.into_iter().enumerate() {
                for (p, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(row.add((x + p) * UNIT)).fma(weight, *sum);
                }
            }
        }
        sums
    }
}
