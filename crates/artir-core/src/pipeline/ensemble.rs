//! The ensemble: the network's mean result over the eight flips and rotations of its input.
//!
//! A network is not exactly equivariant to flips and rotations, so their results differ by errors that partly cancel in the
//! mean. The network sees no pixel spacing, so an image whose pixels are not square is turned like any other.

use ndarray::{Array4, ArrayView4, Axis, Zip};

use crate::Error;

/// Copies of a tile that the ensemble holds in addition to those of a single run: turned, and summed.
pub(super) const COPIES: u64 = 2;

/// One of the eight ways to lay a rectangle onto itself or its transpose.
#[derive(Clone, Copy, Debug)]
struct Turn {
    transposed: bool,
    /// Rows and columns in reverse, after the transposition.
    reversed: [bool; 2],
}

impl Turn {
    fn all() -> impl Iterator<Item = Self> {
        (0..8).map(|n| Self { transposed: n & 4 != 0, reversed: [n & 1 != 0, n & 2 != 0] })
    }

    fn of(self, mut image: ArrayView4<'_, f32>) -> ArrayView4<'_, f32> {
        if self.transposed {
            image.swap_axes(2, 3);
        }
        self.reverse(&mut image);
        image
    }

    fn back(self, mut image: ArrayView4<'_, f32>) -> ArrayView4<'_, f32> {
        self.reverse(&mut image);
        if self.transposed {
            image.swap_axes(2, 3);
        }
        image
    }

    fn reverse(self, image: &mut ArrayView4<'_, f32>) {
        for (axis, reversed) in [2, 3].into_iter().zip(self.reversed) {
            if reversed {
                image.invert_axis(Axis(axis));
            }
        }
    }
}

/// The mean of eight runs on `[image, channel, row, column]`.
///
/// # Errors
/// The first error of `run`, and [`Error::Interrupted`].
pub(super) fn ensemble(
    input: ArrayView4<'_, f32>,
    mut run: impl FnMut(ArrayView4<'_, f32>) -> Result<Array4<f32>, Error>,
    is_cancelled: impl Fn() -> bool,
) -> Result<Array4<f32>, Error> {
    // Changes are summed, not results: the mean of eight equal results need not be that result in floating point, but a
    // network that changes nothing must change no bit.
    let mut sum = Array4::zeros(input.raw_dim());
    for turn in Turn::all() {
        if is_cancelled() {
            return Err(Error::Interrupted);
        }
        let turned = turn.of(input).as_standard_layout().into_owned();
        let restored = run(turned.view())?;
        Zip::from(&mut sum).and(turn.back(restored.view())).and(input).for_each(|sum, out, given| *sum += out - given);
    }
    Zip::from(&mut sum).and(input).for_each(|sum, given| *sum = given + *sum / 8.0);
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, s};

    use super::*;

    fn image() -> Array4<f32> {
        Array4::from_shape_fn((2, 1, 8, 12), |(n, _, y, x)| ((n * 31 + y * 7 + x * 13) % 29) as f32 / 7.0)
    }

    #[test]
    fn every_turn_is_undone_and_no_two_are_equal() {
        let image = image();
        let mut seen: Vec<Array4<f32>> = Vec::new();
        for turn in Turn::all() {
            let turned = turn.of(image.view()).to_owned();
            assert_eq!(turn.back(turned.view()), image);
            assert!(!seen.contains(&turned), "{turn:?}");
            seen.push(turned);
        }
        assert_eq!(seen.len(), 8);
    }

    #[test]
    fn a_network_that_changes_nothing_changes_no_bit() {
        let image = image().mapv(|v| v * 0.1);
        assert_eq!(ensemble(image.view(), |part| Ok(part.to_owned()), || false).unwrap(), image);
    }

    /// A network that adds the column's number: the mean over all turns adds the same to every corner of a square.
    #[test]
    fn the_result_is_the_mean_of_eight_runs() {
        let image = Array4::<f32>::zeros((1, 1, 4, 4));
        let slope = Array1::from_iter((0..4).map(|x| x as f32));
        let mut runs = 0;
        let mut run = |part: ArrayView4<'_, f32>| {
            runs += 1;
            Ok(&part + &slope)
        };
        let mean = ensemble(image.view(), &mut run, || false).unwrap();
        assert_eq!(runs, 8);
        assert!(mean.slice(s![0, 0, .., ..]).iter().all(|v| *v == 1.5), "{mean}");
    }

    #[test]
    fn it_stops_between_two_runs() {
        let mut runs = std::cell::Cell::new(0);
        let mut run = |part: ArrayView4<'_, f32>| {
            runs.set(runs.get() + 1);
            Ok(part.to_owned())
        };
        let stopped = ensemble(image().view(), &mut run, || runs.get() == 3);
        assert!(matches!(stopped, Err(Error::Interrupted)));
        assert_eq!(*runs.get_mut(), 3);
    }
}
