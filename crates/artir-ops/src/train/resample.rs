//! Twice the size by bilinear interpolation with half-pixel centres, and back.

use super::memory::Map;
use super::wide::Wide;
use crate::instructions::Instructions;
use crate::network::lanes::with_lanes;

/// Shares of the nearer and of the farther of two neighbours.
const NEAR: f32 = 0.75;
const FAR: f32 = 0.25;

/// Writes to `to` the map `from` at twice its size.
///
/// # Safety
/// The instructions exist; sizes and channels fit, and nobody else writes to either.
pub(super) unsafe fn forward(instructions: Instructions, from: Map, to: Map) {
    // SAFETY: passed on to the caller.
    unsafe { with_lanes!(instructions, forward_job(from: Map, to: Map)) }
}

/// Writes to `to` the gradient of the smaller map, from that of the larger one.
///
/// # Safety
/// As for [`forward`].
pub(super) unsafe fn backward(instructions: Instructions, gradient: Map, to: Map) {
    // SAFETY: passed on to the caller.
    unsafe { with_lanes!(instructions, backward_job(gradient: Map, to: Map)) }
}

/// The farther neighbour of place `place` of the larger map, in the smaller one of `len`.
#[inline(always)]
fn farther(place: usize, len: usize) -> usize {
    if place.is_multiple_of(2) { (place / 2).saturating_sub(1) } else { (place / 2 + 1).min(len - 1) }
}

#[inline(always)]
unsafe fn forward_job<V: Wide>(from: Map, to: Map) {
    for row in 0..to.rows {
        let rows = [(row / 2, NEAR), (farther(row, from.rows), FAR)];
        for unit in 0..from.units {
            for column in 0..to.columns {
                let columns = [(column / 2, NEAR), (farther(column, from.columns), FAR)];
                // SAFETY: passed on to the caller.
                unsafe {
                    let mut sum = V::splat(0.0);
                    for (y, high) in rows {
                        for (x, wide) in columns {
                            sum = V::load(from.at(y, unit, x)).fma(V::splat(high * wide), sum);
                        }
                    }
                    sum.store(to.at(row, unit, column));
                }
            }
        }
    }
}

/// The four places of the larger map that take from one of the smaller. At the border a place takes both of its shares from
/// one neighbour, which is what repeating it here amounts to.
#[inline(always)]
fn takers(place: usize, len: usize) -> [(usize, f32); 4] {
    [
        ((2 * place).saturating_sub(1), FAR),
        (2 * place, NEAR),
        (2 * place + 1, NEAR),
        ((2 * place + 2).min(2 * len - 1), FAR),
    ]
}

#[inline(always)]
unsafe fn backward_job<V: Wide>(gradient: Map, to: Map) {
    for row in 0..to.rows {
        let rows = takers(row, to.rows);
        for unit in 0..to.units {
            for column in 0..to.columns {
                let columns = takers(column, to.columns);
                // SAFETY: passed on to the caller.
                unsafe {
                    let mut sum = V::splat(0.0);
                    for (y, high) in rows {
                        for (x, wide) in columns {
                            sum = V::load(gradient.at(y, unit, x)).fma(V::splat(high * wide), sum);
                        }
                    }
                    sum.store(to.at(row, unit, column));
                }
            }
        }
    }
}
