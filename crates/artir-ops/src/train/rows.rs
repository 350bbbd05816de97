//! Operations on one row of pixels between products: operands, layer norm, and its gradient.

use super::memory::{Scratch, Units};
use super::operand::{Kind, padded};
use super::wide::Wide;
use crate::network::lanes::UNIT;

/// The epsilon of every layer norm in the network.
const EPSILON: f32 = 1e-6;

/// Writes operands of sums over channels, `words` words a pixel.
///
/// # Safety
/// The instructions exist, and both places have that many pixels.
#[inline(always)]
pub(super) unsafe fn operands<V: Wide>(from: Units, units: usize, count: usize, to: *mut f32, words: usize) {
    for unit in 0..units {
        for pixel in 0..count {
            // SAFETY: passed on to the caller.
            unsafe { V::load(from.at(unit, pixel)).store_operands(to.add(pixel * words + unit * V::WORDS)) }
        }
    }
}

/// Operands of sums over pixels: `[group of pixels][channel]`, of every `step`-th pixel from `first` on; pixels outside
/// `0..limit` are zeros.
///
/// # Safety
/// The instructions exist; `from` has `limit` pixels, `to` an even number of pixels for `count`.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "all of them are places and sizes of one loop")]
pub(super) unsafe fn groups<V: Wide>(
    from: Units,
    units: usize,
    count: usize,
    first: isize,
    step: usize,
    limit: usize,
    to: *mut f32,
    between: usize,
) {
    // SAFETY: passed on to the caller.
    unsafe {
        let at = |unit: usize, pixel: usize| {
            let place = first + (pixel * step) as isize;
            if pixel < count && (0..limit as isize).contains(&place) {
                V::load(from.at(unit, place as usize))
            } else {
                V::splat(0.0)
            }
        };
        for unit in 0..units {
            for pixel in (0..count).step_by(2) {
                let to = to.add(pixel / V::GROUP * between + unit * UNIT);
                V::store_group(at(unit, pixel), at(unit, pixel + 1), to, between);
            }
        }
    }
}

/// Adds a row's pixels to the sixteen sums at `to`. A row is summed first: over a whole map, one sum after the other, the
/// rounding errors of f32 would grow with the map.
///
/// # Safety
/// The instructions exist, and the row has `count` pixels.
#[inline(always)]
pub(super) unsafe fn add_up<V: Wide>(row: Units, unit: usize, count: usize, to: *mut f32) {
    // SAFETY: passed on to the caller.
    unsafe {
        let mut total = V::splat(0.0);
        for pixel in 0..count {
            total = total.add(V::load(row.at(unit, pixel)));
        }
        total.add(V::load(to)).store(to);
    }
}

/// The left operand of sums over pixels: channels are rows.
pub(super) struct Across {
    kind: Kind,
    /// `[group][channel]`.
    pub(super) plain: *mut f32,
    channels: usize,
    turned: *mut f32,
    pixels: usize,
}

impl Across {
    pub(super) fn new(scratch: &mut Scratch, kind: Kind, channels: usize, pixels: usize) -> Self {
        let len = padded(pixels) * channels;
        let (plain, turned) = (scratch.zeros(len), if kind.tiles { scratch.cut(len) } else { std::ptr::null_mut() });
        Self { kind, plain, channels, turned, pixels }
    }

    /// The operand, and words from one channel and from one group to the next; `plain` must have been written.
    ///
    /// # Safety
    /// The instructions exist.
    #[inline(always)]
    pub(super) unsafe fn operand<V: Wide>(&self) -> (*const f32, usize, usize) {
        if !self.kind.tiles {
            return (self.plain, 1, self.channels);
        }
        let groups = self.kind.groups(self.pixels);
        for channel in (0..self.channels).step_by(UNIT) {
            for group in (0..groups).step_by(UNIT) {
                // SAFETY: groups are a multiple of sixteen with tiles; both places have room for all of them.
                unsafe {
                    let from = self.plain.add(group * self.channels + channel);
                    V::transpose(from, self.channels, self.turned.add(channel * groups + group), groups);
                }
            }
        }
        (self.turned, groups, 1)
    }
}

/// Mean and `1 / sqrt(variance + epsilon)` of each pixel's channels.
pub(super) struct Moments {
    means: *mut f32,
    scales: *mut f32,
}

/// Runs `chunk` over a row, sixteen pixels at a time and then the rest.
macro_rules! chunks {
    ($count:expr, |$first:ident, $some:ident| $chunk:expr) => {
        let whole = $count / UNIT * UNIT;
        for $first in (0..whole).step_by(UNIT) {
            let $some = UNIT;
            $chunk
        }
        if whole < $count {
            let ($first, $some) = (whole, $count - whole);
            $chunk
        }
    };
}

impl Moments {
    pub(super) fn new(scratch: &mut Scratch, pixels: usize) -> Self {
        Self { means: scratch.cut(padded(pixels)), scales: scratch.cut(padded(pixels)) }
    }

    /// # Safety
    /// The instructions exist, and `from` has `count` pixels, as do these.
    #[inline(always)]
    pub(super) unsafe fn measure<V: Wide>(&self, from: Units, units: usize, count: usize) {
        // SAFETY: passed on to the caller.
        unsafe {
            let share = V::splat(1.0 / (units * UNIT) as f32);
            chunks!(count, |first, some| {
                let at = |unit: usize, pixel: usize| V::load(from.at(unit, first + pixel));
                let mut parts = [V::splat(0.0); UNIT];
                for (pixel, part) in parts.iter_mut().enumerate().take(some) {
                    *part = at(0, pixel);
                    for unit in 1..units {
                        *part = part.add(at(unit, pixel));
                    }
                }
                let means = self.means.add(first);
                V::sums(&parts).mul(share).store(means);
                for (pixel, part) in parts.iter_mut().enumerate().take(some) {
                    let mean = V::splat(*means.add(pixel));
                    let off = at(0, pixel).sub(mean);
                    *part = off.mul(off);
                    for unit in 1..units {
                        let off = at(unit, pixel).sub(mean);
                        *part = off.fma(off, *part);
                    }
                }
                let variance = V::sums(&parts).fma(share, V::splat(EPSILON));
                variance.inverse_root().store(self.scales.add(first));
            });
        }
    }

    /// A pixel's unit less its mean, over its deviation.
    ///
    /// # Safety
    /// As for [`Moments::measure`], which must have seen the pixel.
    #[inline(always)]
    pub(super) unsafe fn unit<V: Wide>(&self, from: Units, unit: usize, pixel: usize) -> V {
        // SAFETY: passed on to the caller.
        unsafe {
            let off = V::load(from.at(unit, pixel)).sub(V::splat(*self.means.add(pixel)));
            off.mul(V::splat(*self.scales.add(pixel)))
        }
    }

    /// The normalised row as operands of sums over channels.
    ///
    /// # Safety
    /// As for [`operands`] and [`Moments::measure`], which must have seen the row.
    #[inline(always)]
    pub(super) unsafe fn operands<V: Wide>(&self, from: Units, units: usize, count: usize, to: *mut f32, words: usize) {
        for unit in 0..units {
            for pixel in 0..count {
                // SAFETY: passed on to the caller.
                unsafe {
                    self.unit::<V>(from, unit, pixel).store_operands(to.add(pixel * words + unit * V::WORDS));
                }
            }
        }
    }

    /// The normalised row as operands of sums over pixels.
    ///
    /// # Safety
    /// As for [`groups`] and [`Moments::measure`], which must have seen the row.
    #[inline(always)]
    pub(super) unsafe fn groups<V: Wide>(&self, from: Units, units: usize, count: usize, to: *mut f32) {
        let between = units * UNIT;
        for unit in 0..units {
            for pixel in (0..count).step_by(2) {
                // SAFETY: passed on to the caller.
                unsafe {
                    let next = if pixel + 1 < count { self.unit::<V>(from, unit, pixel + 1) } else { V::splat(0.0) };
                    let to = to.add(pixel / V::GROUP * between + unit * UNIT);
                    V::store_group(self.unit::<V>(from, unit, pixel), next, to, between);
                }
            }
        }
    }

    /// Adds to `onto` the gradient of the layer norm's input, from that of its result, `of`.
    ///
    /// # Safety
    /// As for [`Moments::measure`], which must have seen the row; all places have `count` pixels.
    #[inline(always)]
    pub(super) unsafe fn backward<V: Wide>(&self, from: Units, of: Units, onto: Units, units: usize, count: usize) {
        // SAFETY: passed on to the caller.
        unsafe {
            let share = V::splat(1.0 / (units * UNIT) as f32);
            chunks!(count, |first, some| {
                let mut plain = [V::splat(0.0); UNIT];
                let mut along = [V::splat(0.0); UNIT];
                for pixel in 0..some {
                    for unit in 0..units {
                        let slope = V::load(of.at(unit, first + pixel));
                        plain[pixel] = plain[pixel].add(slope);
                        along[pixel] = slope.fma(self.unit::<V>(from, unit, first + pixel), along[pixel]);
                    }
                }
                let (mut shifts, mut tilts) = ([0.0f32; UNIT], [0.0f32; UNIT]);
                V::sums(&plain).mul(share).store(shifts.as_mut_ptr());
                V::sums(&along).mul(share).store(tilts.as_mut_ptr());
                for pixel in 0..some {
                    let scale = V::splat(*self.scales.add(first + pixel));
                    let (shift, tilt) = (V::splat(shifts[pixel]), V::splat(tilts[pixel]));
                    for unit in 0..units {
                        let normal = self.unit::<V>(from, unit, first + pixel);
                        let slope = V::load(of.at(unit, first + pixel)).sub(shift).sub(normal.mul(tilt));
                        let to = onto.at(unit, first + pixel);
                        slope.fma(scale, V::load(to)).store(to);
                    }
                }
            });
        }
    }
}
