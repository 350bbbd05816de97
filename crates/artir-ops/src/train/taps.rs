//! Convolutions of single channels in training: their taps, and the sums that are the taps' gradients.

use super::memory::Gradients;
use super::wide::Wide;
use crate::network::buffer::Buffer;
use crate::network::lanes::UNIT;

/// Where the parameters of a K x K convolution of single channels lie, and the taps in the loops' order.
pub(super) struct Local {
    size: usize,
    channels: usize,
    weight: usize,
    bias: Option<usize>,
    forward: Buffer,
    /// Turned round, without bias.
    backward: Buffer,
}

impl Local {
    pub(super) fn new(size: usize, channels: usize, weight: usize, bias: Option<usize>) -> Self {
        Self { size, channels, weight, bias, forward: Buffer::default(), backward: Buffer::default() }
    }

    fn taps(&self) -> usize {
        self.size * self.size
    }

    /// `[unit][tap, and then the bias][channel]`.
    pub(super) fn pack(&mut self, parameters: &[f32]) {
        let taps = self.taps();
        let make = |value: &dyn Fn(usize, usize) -> f32| {
            let mut out = Buffer::new((taps + 1) * self.channels);
            for (place, to) in out.as_mut_slice().chunks_exact_mut(UNIT).enumerate() {
                let (unit, tap) = (place / (taps + 1), place % (taps + 1));
                for (lane, to) in to.iter_mut().enumerate() {
                    *to = value(unit * UNIT + lane, tap);
                }
            }
            out
        };
        let tap = |channel: usize, tap: usize| parameters[self.weight + channel * taps + tap];
        let forward = make(&|channel, t| {
            if t < taps { tap(channel, t) } else { self.bias.map_or(0.0, |b| parameters[b + channel]) }
        });
        let backward = make(&|channel, t| if t < taps { tap(channel, taps - 1 - t) } else { 0.0 });
        (self.forward, self.backward) = (forward, backward);
    }

    #[inline(always)]
    pub(super) fn forward(&self, unit: usize) -> *const f32 {
        self.forward.as_slice()[unit * (self.taps() + 1) * UNIT..].as_ptr()
    }

    #[inline(always)]
    pub(super) fn backward(&self, unit: usize) -> *const f32 {
        self.backward.as_slice()[unit * (self.taps() + 1) * UNIT..].as_ptr()
    }

    /// Float32 of sums for the gradients of a unit: of each tap, and of the bias.
    pub(super) fn sums_of_unit(&self) -> usize {
        (self.taps() + 1) * UNIT
    }

    pub(super) fn sums_len(&self) -> usize {
        self.channels / UNIT * self.sums_of_unit()
    }

    /// Adds the parameters' gradients to `to`.
    pub(super) fn unfold(&self, sums: &[f32], to: &Gradients) {
        let taps = self.taps();
        for channel in 0..self.channels {
            let of = &sums[channel / UNIT * self.sums_of_unit() + channel % UNIT..];
            for tap in 0..taps {
                to.add(self.weight + channel * taps + tap, of[tap * UNIT]);
            }
            if let Some(bias) = self.bias {
                to.add(bias + channel, of[taps * UNIT]);
            }
        }
    }
}

/// Adds to `sums` the products of `count` pixels of a gradient with what each tap saw, and the gradient itself. `rows` as
/// for [`crate::network::depthwise::depthwise`].
///
/// # Safety
/// The instructions exist; the places have so many pixels.
#[inline(always)]
pub(super) unsafe fn tap_sums<V: Wide, const K: usize>(
    rows: [*const f32; K],
    given: *const f32,
    count: usize,
    sums: *mut f32,
) {
    // SAFETY: passed on to the caller.
    unsafe {
        if K == 3 && V::WIDE {
            let mut totals = [V::splat(0.0); 10];
            for pixel in 0..count {
                let slope = V::load(given.add(pixel * UNIT));
                for y in 0..3 {
                    for x in 0..3 {
                        let seen = V::load(rows[y].add((pixel + x) * UNIT));
                        totals[3 * y + x] = slope.fma(seen, totals[3 * y + x]);
                    }
                }
                totals[9] = totals[9].add(slope);
            }
            for (tap, total) in totals.into_iter().enumerate() {
                V::load(sums.add(tap * UNIT)).add(total).store(sums.add(tap * UNIT));
            }
            return;
        }
        let mut bias = V::splat(0.0);
        for (y, row) in rows.into_iter().enumerate() {
            let mut totals = [V::splat(0.0); K];
            for pixel in 0..count {
                let slope = V::load(given.add(pixel * UNIT));
                for (x, total) in totals.iter_mut().enumerate() {
                    *total = slope.fma(V::load(row.add((pixel + x) * UNIT)), *total);
                }
                if y == 0 {
                    bias = bias.add(slope);
                }
            }
            for (x, total) in totals.into_iter().enumerate() {
                let place = sums.add((y * K + x) * UNIT);
                V::load(place).add(total).store(place);
            }
        }
        let place = sums.add(K * K * UNIT);
        V::load(place).add(bias).store(place);
    }
}
