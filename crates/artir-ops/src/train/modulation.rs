//! One step of the large-kernel mixer, `Xs z Wc DW3x3(segment)`, forward and backward.

use super::local_map;
use super::memory::{Gradients, Map, Scratch};
use super::plane::{Plane, Taps, Target, correlate};
use super::taps::Local;
use super::wide::Wide;
use crate::instructions::Instructions;
use crate::network::buffer::Buffer;
use crate::network::lanes::{UNIT, with_lanes};

/// Where a step's parameters lie: the large kernel's taps `a` and `b`, weight and bias of the channel weights, and the
/// convolutions of single channels.
pub(super) struct Step {
    pub(super) channels: usize,
    pub(super) size: usize,
    pub(super) scaled: usize,
    pub(super) added: usize,
    pub(super) weigh: usize,
    pub(super) weigh_bias: usize,
    pub(super) local: Local,
    /// The next layer, on doubled channels, unless this is the last step.
    pub(super) refine: Option<Local>,
    /// `a`, `b`, and both turned round.
    pub(super) kernels: Buffer,
    pub(super) weights: Buffer,
}

/// Values of a step's forward pass that its backward pass needs.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    pub(super) z: Map,
    pub(super) segment: Map,
    pub(super) local: Map,
    pub(super) product: Map,
    /// X', `a * X'` and Xs, a plane each.
    pub(super) planes: *mut f32,
}

impl Step {
    fn taps(&self) -> usize {
        self.size * self.size
    }

    pub(super) fn units(&self) -> usize {
        self.channels / UNIT
    }

    /// Reads the parameters anew.
    pub(super) fn pack(&mut self, parameters: &[f32]) {
        let taps = self.taps();
        let (a, b) = (&parameters[self.scaled..][..taps], &parameters[self.added..][..taps]);
        let all: Vec<f32> = a.iter().chain(b).chain(a.iter().rev()).chain(b.iter().rev()).copied().collect();
        self.kernels = Buffer::from(all.as_slice());
        let list = |at: usize| &parameters[at..at + self.channels];
        self.weights = Buffer::from([list(self.weigh), list(self.weigh_bias)].concat().as_slice());
        self.local.pack(parameters);
        if let Some(refine) = &mut self.refine {
            refine.pack(parameters);
        }
    }

    /// Float32 of sums for gradients: of `a`, `b`, the channel weights' weight and bias, and the convolutions.
    pub(super) fn sums_len(&self) -> usize {
        2 * self.taps() + 2 * self.channels + self.local.sums_len() + self.refine.as_ref().map_or(0, Local::sums_len)
    }

    /// Adds the parameters' gradients to `to`.
    pub(super) fn unfold(&self, sums: &[f32], to: &Gradients) {
        let mut rest = sums;
        for (at, len) in [
            (self.scaled, self.taps()),
            (self.added, self.taps()),
            (self.weigh, self.channels),
            (self.weigh_bias, self.channels),
        ] {
            let (list, after) = rest.split_at(len);
            list.iter().enumerate().for_each(|(i, sum)| to.add(at + i, *sum));
            rest = after;
        }
        let (local, refine) = rest.split_at(self.local.sums_len());
        self.local.unfold(local, to);
        if let Some(of) = &self.refine {
            of.unfold(refine, to);
        }
    }

    /// One of the four kernels of `kernels`.
    fn kernel(&self, which: usize) -> Taps {
        let start = self.kernels.as_slice()[which * self.taps()..].as_ptr();
        Taps { start, stride: self.size, rows: self.size, columns: self.size }
    }

    /// Fills `kept` from its `z` and `segment`, and writes the next step's `z`, if there is one.
    ///
    /// # Safety
    /// The instructions exist; all places have fitting sizes, and nobody else writes to them.
    pub(super) unsafe fn forward(&self, by: Instructions, scratch: &mut Scratch, kept: &Kept, next: Option<Map>) {
        scratch.reset();
        let of = self;
        // SAFETY: passed on to the caller.
        unsafe { with_lanes!(by, forward_job(of: &Step, scratch: &mut Scratch, kept: &Kept, next: Option<Map>)) }
    }

    /// Writes the gradients of `z` and of `segment`, from that of the next step's `z` or, in the last step, of the product;
    /// adds to the sums.
    ///
    /// # Safety
    /// As for [`Step::forward`]; `sums` has [`Step::sums_len`] float32.
    pub(super) unsafe fn backward(
        &self,
        by: Instructions,
        scratch: &mut Scratch,
        kept: &Kept,
        gradient: Map,
        onto: [Map; 2],
        sums: *mut f32,
    ) {
        scratch.reset();
        let of = self;
        // SAFETY: passed on to the caller.
        unsafe {
            with_lanes!(by, backward_job(of: &Step, scratch: &mut Scratch, kept: &Kept, gradient: Map, onto: [Map; 2], sums: *mut f32))
        }
    }
}

/// Runs `each` for sixteen pixels of a row at a time, fewer at its end.
macro_rules! chunks {
    ($map:expr, |$row:ident, $first:ident, $some:ident| $each:expr) => {
        for $row in 0..$map.rows {
            for $first in (0..$map.columns).step_by(UNIT) {
                let $some = UNIT.min($map.columns - $first);
                $each
            }
        }
    };
}

/// The channel weights Wc for a mean of X'.
#[inline(always)]
unsafe fn channel_weight<V: Wide>(of: &Step, unit: usize, mean: V) -> V {
    let list = of.weights.as_slice();
    // SAFETY: the lists have a value for each channel.
    unsafe {
        let weight = V::load(list[unit * UNIT..].as_ptr());
        weight.fma(mean, V::load(list[of.channels + unit * UNIT..].as_ptr()))
    }
}

/// The plane X' from the kept one, and its mean.
#[inline(always)]
unsafe fn framed(scratch: &mut Scratch, from: *const f32, rows: usize, columns: usize) -> (Plane, f32) {
    let plane = Plane::new(scratch, rows, columns);
    let mut sum = 0.0f64;
    for row in 0..rows {
        // SAFETY: passed on to the caller.
        unsafe {
            let line = from.add(row * columns);
            plane.at(row, 0).copy_from_nonoverlapping(line, columns);
            sum += (0..columns).map(|x| f64::from(*line.add(x))).sum::<f64>();
        }
    }
    (plane, (sum / (rows * columns) as f64) as f32)
}

/// Every channel twice, in place.
#[inline(always)]
unsafe fn twice<V: Wide>(from: Map, to: Map) {
    for row in 0..from.rows {
        for unit in 0..from.units {
            for column in 0..from.columns {
                // SAFETY: passed on to the caller.
                unsafe {
                    let [low, high] = V::load(from.at(row, unit, column)).twice();
                    low.store(to.at(row, 2 * unit, column));
                    high.store(to.at(row, 2 * unit + 1, column));
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn forward_job<V: Wide>(of: &Step, scratch: &mut Scratch, kept: &Kept, next: Option<Map>) {
    let Kept { z, segment, local, product, planes } = *kept;
    let (rows, columns, units) = (z.rows, z.columns, z.units);
    let area = rows * columns;
    // SAFETY: passed on to the caller.
    unsafe {
        let (scaled, whole) = (planes.add(area), planes.add(2 * area));
        let share = V::splat(1.0 / of.channels as f32);
        chunks!(z, |row, first, some| {
            let mut parts = [V::splat(0.0); UNIT];
            for unit in 0..units {
                for (pixel, part) in parts.iter_mut().enumerate().take(some) {
                    *part = part.add(V::load(z.at(row, unit, first + pixel)));
                }
            }
            let mut means = [0.0f32; UNIT];
            V::sums(&parts).mul(share).store(means.as_mut_ptr());
            planes.add(row * columns + first).copy_from_nonoverlapping(means.as_ptr(), some);
        });
        let (plane, mean) = framed(scratch, planes, rows, columns);
        let target = |start: *mut f32| Target { start, stride: columns, rows, columns, add: false };
        let centre = (of.size / 2, of.size / 2);
        correlate::<V, 2>(plane, [of.kernel(0), of.kernel(1)], centre, [target(scaled), target(whole)]);
        for i in 0..area {
            *whole.add(i) += *planes.add(i) * *scaled.add(i);
        }
        local_map::forward::<V, 3>(&of.local, scratch, segment, local);
        for row in 0..rows {
            for unit in 0..units {
                let weight = channel_weight(of, unit, V::splat(mean));
                for column in 0..columns {
                    let gate = weight.mul(V::splat(*whole.add(row * columns + column)));
                    let both = V::load(z.at(row, unit, column)).mul(V::load(local.at(row, unit, column)));
                    gate.mul(both).store(product.at(row, unit, column));
                }
            }
        }
        if let (Some(next), Some(refine)) = (next, &of.refine) {
            let doubled = Map::new(scratch.cut(Map::len(rows, columns, 2 * units)), rows, columns, 2 * units);
            twice::<V>(product, doubled);
            local_map::forward::<V, 7>(refine, scratch, doubled, next);
        }
    }
}

#[inline(always)]
unsafe fn backward_job<V: Wide>(
    of: &Step,
    scratch: &mut Scratch,
    kept: &Kept,
    gradient: Map,
    onto: [Map; 2],
    sums: *mut f32,
) {
    let Kept { z, segment, local, product, planes } = *kept;
    let [onto_z, onto_segment] = onto;
    let (rows, columns, units) = (z.rows, z.columns, z.units);
    let area = rows * columns;
    // SAFETY: passed on to the caller.
    unsafe {
        let (sums_added, sums_weigh) = (sums.add(of.taps()), sums.add(2 * of.taps()));
        let sums_local = sums_weigh.add(2 * of.channels);
        let map = |scratch: &mut Scratch, units: usize| {
            Map::new(scratch.cut(Map::len(rows, columns, units)), rows, columns, units)
        };
        // The gradient of the product.
        let given = if let Some(refine) = &of.refine {
            let (doubled, slopes) = (map(scratch, 2 * units), map(scratch, 2 * units));
            twice::<V>(product, doubled);
            let sums = sums_local.add(of.local.sums_len());
            local_map::backward::<V, 7>(refine, scratch, doubled, gradient, slopes, sums);
            let given = map(scratch, units);
            for row in 0..rows {
                for unit in 0..2 * units {
                    for column in 0..columns {
                        let pairs = slopes.at(row, unit, column);
                        let to = given.at(row, unit / 2, column).add(unit % 2 * UNIT / 2);
                        for i in 0..UNIT / 2 {
                            *to.add(i) = *pairs.add(2 * i) + *pairs.add(2 * i + 1);
                        }
                    }
                }
            }
            given
        } else {
            gradient
        };
        let (scaled, whole) = (planes.add(area), planes.add(2 * area));
        let (plane, mean) = framed(scratch, planes, rows, columns);
        let slopes_local = map(scratch, units);
        // Gradients of Xs, and of Xs times X', which the scaled correlation takes; of Wc.
        let (added, times) = (Plane::new(scratch, rows, columns), Plane::new(scratch, rows, columns));
        let weigh = scratch.zeros(of.channels);
        chunks!(z, |row, first, some| {
            let mut parts = [V::splat(0.0); UNIT];
            for unit in 0..units {
                let weight = channel_weight(of, unit, V::splat(mean));
                let mut total = V::load(weigh.add(unit * UNIT));
                for (pixel, part) in parts.iter_mut().enumerate().take(some) {
                    let column = first + pixel;
                    let slope = V::load(given.at(row, unit, column));
                    let kernel = V::splat(*whole.add(row * columns + column));
                    let value = V::load(z.at(row, unit, column));
                    let gate = kernel.mul(weight);
                    slope.mul(gate).mul(value).store(slopes_local.at(row, unit, column));
                    let along = slope.mul(V::load(local.at(row, unit, column)));
                    along.mul(gate).store(onto_z.at(row, unit, column));
                    let along = along.mul(value);
                    *part = along.fma(weight, *part);
                    total = along.fma(kernel, total);
                }
                total.store(weigh.add(unit * UNIT));
            }
            let mut slopes = [0.0f32; UNIT];
            V::sums(&parts).store(slopes.as_mut_ptr());
            for (pixel, slope) in slopes.iter().enumerate().take(some) {
                *added.at(row, first + pixel) = *slope;
                *times.at(row, first + pixel) = slope * *planes.add(row * columns + first + pixel);
            }
        });
        local_map::backward::<V, 3>(&of.local, scratch, segment, slopes_local, onto_segment, sums_local);
        let mut of_mean = 0.0f32;
        for channel in 0..of.channels {
            let slope = *weigh.add(channel);
            *sums_weigh.add(channel) += slope * mean;
            *sums_weigh.add(of.channels + channel) += slope;
            of_mean += slope * of.weights.as_slice()[channel];
        }
        let centre = (of.size / 2, of.size / 2);
        let kernel = |of: Plane| Taps { start: of.at(0, 0), stride: of.stride(), rows, columns };
        let taps = |start: *mut f32| Target { start, stride: of.size, rows: of.size, columns: of.size, add: true };
        correlate::<V, 2>(plane, [kernel(times), kernel(added)], centre, [taps(sums), taps(sums_added)]);
        let back = scratch.cut(area);
        for i in 0..area {
            *back.add(i) = *added.at(i / columns, i % columns) * *scaled.add(i) + of_mean / area as f32;
        }
        let target = [Target { start: back, stride: columns, rows, columns, add: true }];
        correlate::<V, 1>(times, [of.kernel(2)], centre, target);
        correlate::<V, 1>(added, [of.kernel(3)], centre, target);
        for row in 0..rows {
            for unit in 0..units {
                for column in 0..columns {
                    let share = V::splat(*back.add(row * columns + column) / of.channels as f32);
                    let to = onto_z.at(row, unit, column);
                    V::load(to).add(share).store(to);
                }
            }
        }
    }
}
