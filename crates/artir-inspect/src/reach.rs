//! The effective receptive field, measured by perturbation.
//!
//! The centre pixel of an image is raised and lowered, and the two results are compared. It takes forward passes alone, by the
//! operator that restores images. What one input pixel changes at a distance is what an output pixel takes from that distance,
//! since the network is the same at every pixel; only the picture's content differs.

use artir_core::{Card, Session};
use ndarray::{Array2, Array4, ArrayView4};

use crate::Error;

/// The perturbation, as a share of the network's range. A smaller one drowns in the rounding of 32-bit floats, a larger one
/// would be another image.
pub const PERTURBATION: f32 = 0.1;
/// A change below this share of the perturbation counts as none for [`Reach::furthest`]: rounding alone stays below it.
pub const LEAST_CHANGE: f64 = 1e-5;
/// Shares of the influence whose radius is measured.
pub const SHARES: [f64; 3] = [0.5, 0.9, 0.99];

/// The influence of a pixel on those around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reach {
    /// Absolute change of the output over that of the input, summed over channels, `[row, column]`.
    pub influence: Array2<f32>,
    /// Radii in pixels of the discs around the centre that hold [`SHARES`] of all influence.
    pub radii: [f64; 3],
    /// Distance in pixels of the furthest pixel that changes by [`LEAST_CHANGE`] or more.
    pub furthest: f64,
    /// Distance in pixels of the window's nearest edge: beyond it, nothing is seen.
    pub edge: usize,
}

/// Measures how far the centre pixel of an image in network units reaches.
///
/// # Errors
/// Errors of the session.
pub fn measure_reach(session: &Session, input: ArrayView4<'_, f32>, card: &Card) -> Result<Reach, Error> {
    let [low, high] = card.input.network_range;
    let change = PERTURBATION * (high - low);
    let (_, channels, rows, columns) = input.dim();
    let centre = (rows / 2, columns / 2);
    let run = |by: f32| {
        let mut image: Array4<f32> = input.to_owned();
        for channel in 0..channels {
            image[(0, channel, centre.0, centre.1)] += by;
        }
        session.run(image.view())
    };
    let (raised, lowered) = (run(change)?, run(-change)?);
    let scale = 2.0 * f64::from(change);
    let influence = Array2::from_shape_fn((rows, columns), |(y, x)| {
        let of = |c: usize| f64::from(raised[(0, c, y, x)]) - f64::from(lowered[(0, c, y, x)]);
        ((0..channels).map(|c| of(c).abs()).sum::<f64>() / scale) as f32
    });
    if influence.iter().any(|v| !v.is_finite()) {
        return Err(Error::NotFinite("restored".into()));
    }
    let edge = [centre.0, centre.1, rows - 1 - centre.0, columns - 1 - centre.1].into_iter().min().unwrap_or(0);
    let (radii, furthest) = radii(&influence, centre);
    Ok(Reach { influence, radii, furthest, edge })
}

fn radii(influence: &Array2<f32>, (row, column): (usize, usize)) -> ([f64; 3], f64) {
    let square = |(y, x): (usize, usize)| y.abs_diff(row).pow(2) + x.abs_diff(column).pow(2);
    let mut by_square: Vec<_> = influence.indexed_iter().map(|(at, value)| (square(at), f64::from(*value))).collect();
    by_square.sort_unstable_by_key(|(square, _)| *square);
    let furthest = by_square.iter().rfind(|(_, value)| *value >= LEAST_CHANGE).map_or(0, |(square, _)| *square);
    let total: f64 = by_square.iter().map(|(_, value)| value).sum();
    let radius = |share: f64| {
        let mut held = 0.0;
        let place = by_square.iter().find(|(_, value)| {
            held += value;
            held >= share * total
        });
        place.map_or(0.0, |(square, _)| (*square as f64).sqrt())
    };
    (SHARES.map(radius), (furthest as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 60 % in the centre, 32 % at a distance of 5, 7.5 % at 10, and 0.5 % at the corner, 5 sqrt(13) = 18 away.
    #[test]
    fn radii_hold_their_shares() {
        let mut influence = Array2::zeros((31, 25));
        influence[(15, 12)] = 0.6;
        influence[(18, 16)] = 0.32;
        influence[(5, 12)] = 0.075;
        influence[(30, 2)] = 0.005;
        let (radii, furthest) = radii(&influence, (15, 12));
        assert_eq!(radii, [0.0, 5.0, 10.0]);
        assert_eq!(furthest, (15.0_f64 * 15.0 + 10.0 * 10.0).sqrt());
        influence[(30, 2)] = 1e-7;
        assert_eq!(super::radii(&influence, (15, 12)).1, 10.0);
        assert_eq!(super::radii(&Array2::zeros((4, 4)), (2, 2)), ([0.0; 3], 0.0));
    }
}
