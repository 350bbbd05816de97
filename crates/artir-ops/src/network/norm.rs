//! Layer norm over the channels of each pixel. Its weight and bias are part of the 1x1 convolution that follows.

use super::lanes::{Lanes, UNIT};
use super::operands::Operands;

/// The epsilon of every layer norm in the network.
const EPSILON: f32 = 1e-6;

/// A run of pixels: where its first unit starts, and the distance in float32 to the next unit.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) start: *const f32,
    pub(super) stride: usize,
}

/// Writes `(x - mean) / sqrt(variance + epsilon)` of `count` pixels of `units` units to `to`. Variance is that of all
/// channels, summed after the mean is known.
///
/// # Safety
/// The instructions exist, both places have that many pixels and do not overlap.
#[inline(always)]
pub(super) unsafe fn normalise<V: Lanes>(from: Run, to: Operands, units: usize, count: usize) {
    let mut first = 0;
    // SAFETY: passed on to the caller. The last chunk is pushed back so that it is full too.
    unsafe {
        while first < count {
            if count < UNIT {
                chunk::<V>(from, to, units, 0, count);
                return;
            }
            first = first.min(count - UNIT);
            chunk::<V>(from, to, units, first, UNIT);
            first += UNIT;
        }
    }
}

/// # Safety
/// As for [`normalise`]; `count` is at most sixteen.
#[inline(always)]
unsafe fn chunk<V: Lanes>(from: Run, to: Operands, units: usize, first: usize, count: usize) {
    // SAFETY: passed on to the caller.
    unsafe {
        let share = V::splat(1.0 / (units * UNIT) as f32);
        let at = |unit: usize, pixel: usize| V::load(from.start.add(unit * from.stride + (first + pixel) * UNIT));
        let mut parts = [V::splat(0.0); UNIT];
        for (pixel, part) in parts.iter_mut().enumerate().take(count) {
            *part = at(0, pixel);
            for unit in 1..units {
                *part = part.add(at(unit, pixel));
            }
        }
        let mut means = [0.0; UNIT];
        V::sums(&parts).mul(share).store(means.as_mut_ptr());
        for (pixel, part) in parts.iter_mut().enumerate().take(count) {
            let mean = V::splat(means[pixel]);
            let off = at(0, pixel).sub(mean);
            *part = off.mul(off);
            for unit in 1..units {
                let off = at(unit, pixel).sub(mean);
                *part = off.fma(off, *part);
            }
        }
        let mut scales = [0.0; UNIT];
        V::sums(&parts).fma(share, V::splat(EPSILON)).inverse_root().store(scales.as_mut_ptr());
        for unit in 0..units {
            for pixel in 0..count {
                let value = at(unit, pixel).sub(V::splat(means[pixel])).mul(V::splat(scales[pixel]));
                value.store_operands(to.at(unit, first + pixel));
            }
        }
    }
}
