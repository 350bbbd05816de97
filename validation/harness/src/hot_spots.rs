//! The change of SUVmax, the figure by which PET lesions are followed.

use ndarray::{ArrayView3, s};

/// A hot spot's least SUV in the reference: well above liver and blood.
const LEAST: f32 = 4.0;
/// Half the edge, in pixels, of the square in which a hot spot is the highest value.
const APART: usize = 4;
/// PET models and protocols end here.
const HIGHEST: f32 = 20.0;
/// How far, in pixels, the highest value may have moved in the result.
const MOVED: usize = 2;

/// Mean over the reference's hot spots of the result's SUVmax as a share of the reference's; none without a spot.
///
/// A hot spot is a value of at least 4 that no other within 4 pixels exceeds. Spots above 20 are left out.
pub(super) fn suv_max(result: ArrayView3<'_, f32>, reference: ArrayView3<'_, f32>) -> Option<f64> {
    let (channels, rows, columns) = reference.dim();
    if result.dim() != reference.dim() {
        return None;
    }
    let around = |image: ArrayView3<'_, f32>, channel: usize, (row, column): (usize, usize), by: usize| {
        let part = s![
            channel,
            row.saturating_sub(by)..(row + by + 1).min(rows),
            column.saturating_sub(by)..(column + by + 1).min(columns)
        ];
        image.slice(part).iter().copied().fold(f32::NEG_INFINITY, f32::max)
    };
    let mut shares = Vec::new();
    for channel in 0..channels {
        for row in 0..rows {
            for column in 0..columns {
                let value = reference[[channel, row, column]];
                if (LEAST..=HIGHEST).contains(&value) && around(reference, channel, (row, column), APART) <= value {
                    let found = around(result, channel, (row, column), MOVED).min(HIGHEST);
                    shares.push(f64::from(found) / f64::from(value));
                }
            }
        }
    }
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    fn spots(values: &[(usize, usize, f32)]) -> Array3<f32> {
        let mut image = Array3::from_elem((1, 24, 24), 1.0);
        for (row, column, value) in values {
            image[[0, *row, *column]] = *value;
        }
        image
    }

    #[test]
    fn spots_are_told_apart_and_found_again_nearby() {
        let reference = spots(&[(0, 0, 10.0), (2, 3, 8.0), (12, 12, 5.0), (20, 3, 3.9), (20, 20, 25.0)]);
        // The first fell to 9 and moved; 8 belongs to it; the third rose to 6; 3.9 is none; 25 is beyond the range.
        let result = spots(&[(1, 2, 9.0), (12, 12, 6.0), (20, 20, 2.0)]);
        let kept = suv_max(result.view(), reference.view()).unwrap();
        assert!((kept - (0.9 + 1.2) / 2.0).abs() < 1e-6, "{kept}");
    }

    #[test]
    fn what_is_farther_away_is_another_spot() {
        let kept = suv_max(spots(&[(5, 8, 9.0)]).view(), spots(&[(5, 5, 9.0)]).view()).unwrap();
        assert!((kept - 1.0 / 9.0).abs() < 1e-6, "{kept}");
    }

    #[test]
    fn without_spots_there_is_no_figure() {
        assert_eq!(suv_max(spots(&[]).view(), spots(&[]).view()), None);
    }
}
