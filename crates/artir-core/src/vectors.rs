//! Loops over values, compiled for the vectors of the processor at hand.

use std::sync::LazyLock;

use pulp::Arch;

/// What the processor has, which is asked for once.
static ARCH: LazyLock<Arch> = LazyLock::new(Arch::new);

/// Runs a loop over slices with the widest vectors that the processor has. Its results are the same bits on every processor: the
/// compiler neither reorders nor joins operations on floating-point numbers.
///
/// ```
/// let mut values = [1.5f32, 2.0, -3.0];
/// artir_core::vectorised(|| values.iter_mut().for_each(|v| *v *= 2.0));
/// assert_eq!(values, [3.0, 4.0, -6.0]);
/// ```
#[inline]
pub fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    ARCH.dispatch(work)
}

/// Whether every value passes a test. It ends early only between pieces of 1024 values, so that the loop over a piece is
/// vectorised.
pub fn every(values: &[f32], test: impl Fn(f32) -> bool) -> bool {
    let piece = |piece: &[f32]| vectorised(|| piece.iter().fold(true, |all, value| all & test(*value)));
    values.chunks(1024).all(piece)
}
