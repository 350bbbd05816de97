//! Values for pixels that one band lacks and others have, so that the network sees the scene go on.

use ndarray::{Array2, Array3, s};

/// Neighbours in a row that the difference between a band and the others is taken from.
const NEIGHBOURS: usize = 8;

/// Fills missing values, `[channel, row, column]`: the mean of the bands that the pixel has, plus the difference between the
/// band and that mean at the nearest pixels of the row that have all bands. Invalid pixels stay as they are.
pub(crate) fn fill_missing(data: &mut Array3<f32>, missing: &Array3<bool>, valid: Option<&Array2<bool>>) {
    let (channels, rows, columns) = data.dim();
    // The bands' means over the last row that has whole pixels, for rows that have none.
    let mut carried = vec![0.0; channels];
    for row in 0..rows {
        if !missing.slice(s![.., row, ..]).iter().any(|m| *m) {
            continue;
        }
        let counts = |x: &usize| valid.is_none_or(|valid| valid[(row, *x)]);
        let has = |c: usize, x: usize| !missing[(c, row, x)];
        let whole: Vec<usize> = (0..columns).filter(counts).filter(|x| (0..channels).all(|c| has(c, *x))).collect();
        let means = |xs: &[usize]| -> Vec<f32> {
            (0..channels).map(|c| xs.iter().map(|x| data[(c, row, *x)]).sum::<f32>() / xs.len() as f32).collect()
        };
        if !whole.is_empty() {
            carried = means(&whole);
        }
        let mut filled = Vec::new();
        for x in (0..columns).filter(counts) {
            let (own, lacking): (Vec<usize>, Vec<usize>) = (0..channels).partition(|c| has(*c, x));
            if own.is_empty() || lacking.is_empty() {
                continue;
            }
            let at = whole.partition_point(|w| *w < x);
            let left = &whole[at.saturating_sub(NEIGHBOURS)..at];
            let right = &whole[at..(at + NEIGHBOURS).min(whole.len())];
            let far = |edge: Option<&usize>| edge.map(|w| w.abs_diff(x) as f32);
            // What the bands are near here; the nearer side counts for more.
            let near: Vec<f32> = match (far(left.last()), far(right.first())) {
                (Some(l), Some(r)) => {
                    means(left).iter().zip(means(right)).map(|(a, b)| (a * r + b * l) / (l + r)).collect()
                }
                (Some(_), None) => means(left),
                (None, Some(_)) => means(right),
                (None, None) => carried.clone(),
            };
            let of_own = |values: &dyn Fn(usize) -> f32| own.iter().map(|c| values(*c)).sum::<f32>() / own.len() as f32;
            let step = of_own(&|c| data[(c, row, x)]) - of_own(&|c| near[c]);
            filled.extend(lacking.into_iter().map(|c| ((c, row, x), near[c] + step)));
        }
        for (at, value) in filled {
            data[at] = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_that_ends_earlier_goes_on_as_the_others_do() {
        // Bands that differ by 0.1 from each other, with a texture that they share; the third ends at column 12.
        let texture = |x: usize| 0.3 + 0.05 * ((x * 7 % 5) as f32);
        let mut data = Array3::from_shape_fn((3, 4, 20), |(c, _, x)| texture(x) + 0.1 * c as f32);
        let whole = data.clone();
        let missing = Array3::from_shape_fn((3, 4, 20), |(c, r, x)| c == 2 && (x >= 12 || r == 3));
        missing.indexed_iter().filter(|(_, m)| **m).for_each(|(at, _)| data[at] = -9999.0);
        let mut valid = Array2::from_elem((4, 20), true);
        valid[(0, 19)] = false;
        fill_missing(&mut data, &missing, Some(&valid));
        for (at, value) in data.indexed_iter() {
            if at == (2, 0, 19) {
                assert_eq!(*value, -9999.0, "an invalid pixel is not filled here");
            } else {
                assert!((value - whole[at]).abs() < 1e-5, "{at:?}: {value} {}", whole[at]);
            }
        }
    }
}
