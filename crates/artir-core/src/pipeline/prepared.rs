//! Preparation of one tile: filling, mapping to network units, padding, and mapping its residual back.

use ndarray::{Array2, Array3, Array4, ArrayView3, ArrayViewMut1, Axis, CowArray, Ix4, Zip, s};

use crate::{Card, Error, Image, InferenceError, Range, fill::fill_invalid};

/// An image as the network of a model sees it, `[1, channel, row, column]` in network units: pixels that are invalid or not finite
/// take the value of a nearest valid one. `None` when no pixel is valid.
pub fn network_input(image: Image, card: &Card) -> Option<Array4<f32>> {
    let tile = Tile::prepare(image, card.range());
    tile.any_valid.then(|| tile.data.insert_axis(Axis(0)))
}

/// A window in network units.
pub(super) struct Tile {
    data: Array3<f32>,
    valid: Option<Array2<bool>>,
    pub(super) any_valid: bool,
}

impl Tile {
    /// Fills pixels that are invalid or not finite, and maps to network units. One NaN would poison the
    /// global mean of the whole tile.
    pub(super) fn prepare(image: Image, range: Range) -> Self {
        let Image { mut data, mut valid } = image;
        let finite = match data.as_slice_memory_order() {
            Some(values) => every(values, f32::is_finite),
            None => data.iter().all(|v| v.is_finite()),
        };
        if !finite {
            let mask = valid.get_or_insert_with(|| Array2::from_elem((data.dim().1, data.dim().2), true));
            for plane in data.outer_iter() {
                for (ok, v) in mask.iter_mut().zip(plane) {
                    *ok &= v.is_finite();
                }
            }
        }
        let any_valid = match &valid {
            Some(mask) => fill_invalid(&mut data, mask),
            None => true,
        };
        if any_valid {
            data.mapv_inplace(|v| range.to_network(v));
        }
        Self { data, valid, any_valid }
    }

    /// Invalid pixels among the first `rows` x `columns`.
    pub(super) fn invalid(&self, rows: usize, columns: usize) -> u64 {
        let count = |mask: &Array2<bool>| mask.slice(s![..rows, ..columns]).iter().filter(|ok| !**ok).count() as u64;
        self.valid.as_ref().map_or(0, count)
    }

    /// The tile with its lower and right edge reflected up to the given size, `[1, channel, row,
    /// column]`.
    pub(super) fn padded(&self, rows: usize, columns: usize) -> CowArray<'_, f32, Ix4> {
        let (channels, h, w) = self.data.dim();
        if (h, w) == (rows, columns) {
            return self.data.view().insert_axis(Axis(0)).into();
        }
        let at = |(_, c, y, x)| self.data[(c, mirrored(y as isize, h), mirrored(x as isize, w))];
        Array4::from_shape_fn((1, channels, rows, columns), at).into()
    }

    /// Output `[channel, row, column]` minus input, in physical units, 0 at invalid pixels. Each row goes to `put`, with its
    /// channel and row, while it lies in the processor's cache. Rows that `put` was given before an error must not be used.
    pub(super) fn residual(
        &self,
        output: ArrayView3<'_, f32>,
        range: Range,
        strength: f32,
        put: &mut dyn FnMut(usize, usize, &[f32]),
    ) -> Result<(), Error> {
        let (_, h, w) = self.data.dim();
        let mut residual = vec![0.0; w];
        let mut finite = true;
        let planes = output.slice_move(s![.., ..h, ..w]);
        for (channel, (output, input)) in planes.outer_iter().zip(self.data.outer_iter()).enumerate() {
            for (row, (output, input)) in output.outer_iter().zip(input.outer_iter()).enumerate() {
                Zip::from(ArrayViewMut1::from(&mut residual[..])).and(output).and(input).for_each(
                    |r, output, input| {
                        finite &= output.is_finite();
                        *r = range.residual(output - input) * strength;
                    },
                );
                if let Some(mask) = &self.valid {
                    residual.iter_mut().zip(mask.row(row)).for_each(|(r, ok)| *r = if *ok { *r } else { 0.0 });
                }
                put(channel, row, &residual);
            }
        }
        if finite { Ok(()) } else { Err(InferenceError::NotFinite.into()) }
    }
}

/// Whether every value passes a test. It ends early only between pieces of 1024 values, so that the loop over a piece is
/// vectorised.
pub fn every(values: &[f32], test: impl Fn(f32) -> bool) -> bool {
    values.chunks(1024).all(|piece| piece.iter().fold(true, |all, value| all & test(*value)))
}

/// Index `i` of an axis of `n` places, mirrored at its ends without repeating them, as often as it takes.
///
/// # Panics
/// For an axis of no place.
pub fn mirrored(i: isize, n: usize) -> usize {
    assert!(n > 0, "an axis of no place has no index");
    if n == 1 {
        return 0;
    }
    let period = 2 * (n - 1);
    let i = i.rem_euclid(period as isize) as usize;
    i.min(period - i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflection_repeats_no_edge() {
        let seen: Vec<_> = (-2..9).map(|i| mirrored(i, 4)).collect();
        assert_eq!(seen, [2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2]);
        assert_eq!(mirrored(5, 1), 0);
    }
}
