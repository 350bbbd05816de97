//! The network's multiply-adds without the network.

use super::lanes::{Lanes, UNIT, with_lanes};
#[cfg(target_arch = "x86_64")]
use super::tiles;
use crate::instructions::Instructions;

/// Multiplies and adds in registers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe {
    instructions: Instructions,
}

/// Rounds of one run.
const ROUNDS: usize = 20_000;
/// Sums in flight, as the pointwise loop has them: enough for every processor's latency where registers are wide, and as
/// many as fit where they are not.
const WIDE: usize = 24;
const NARROW: usize = 6;

impl Probe {
    /// # Panics
    /// When this processor does not have the instructions.
    pub(crate) fn new(instructions: Instructions) -> Self {
        assert!(instructions.exist(), "{instructions:?} are not available");
        Self { instructions }
    }

    /// Multiply-adds that one run made.
    pub(crate) fn run(&self) -> usize {
        #[cfg(target_arch = "x86_64")]
        if self.instructions.tiles() {
            // SAFETY: the instructions exist.
            return unsafe {
                let _tiles = tiles::Tiles::new();
                tiles::rounds(ROUNDS)
            };
        }
        let mut result = [0.0f32; UNIT];
        let to = result.as_mut_ptr();
        // SAFETY: the instructions exist, and `to` has room for sixteen values.
        unsafe { with_lanes!(self.instructions, rounds(to: *mut f32)) };
        let sums = if self.instructions.wide() { WIDE } else { NARROW };
        std::hint::black_box(result);
        let factors = if self.instructions.pairs() { 2 } else { 1 };
        ROUNDS * sums * UNIT * factors
    }
}

/// # Safety
/// The instructions exist, and `to` has room for sixteen values.
#[inline(always)]
unsafe fn rounds<V: Lanes>(to: *mut f32) {
    // SAFETY: passed on to the caller.
    unsafe { if V::WIDE { rounds_of::<V, WIDE>(to) } else { rounds_of::<V, NARROW>(to) } }
}

/// # Safety
/// As for [`rounds`].
#[inline(always)]
unsafe fn rounds_of<V: Lanes, const SUMS: usize>(to: *mut f32) {
    // SAFETY: passed on to the caller.
    unsafe {
        // Zero times one, of which the compiler does not know.
        let word = V::splat(std::hint::black_box(0.0));
        let weight = V::splat(std::hint::black_box(1.0));
        let mut sums = [V::splat(0.0); SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = word.dot(weight, *sum);
            }
        }
        let total = sums.into_iter().reduce(|a, b| a.add(b)).unwrap_or(word);
        total.store(to);
    }
}
