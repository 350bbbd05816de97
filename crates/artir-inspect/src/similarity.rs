//! Similarity of the channels of a map.

use ndarray::{Array2, ArrayView3, Axis, s};

/// Similarity of every two channels of a map, each taken as one long vector of its pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Similarity {
    /// Cosine of the angle between every two channels, -1 to 1; 0 for a channel that is 0 everywhere.
    pub cosine: Array2<f32>,
    /// Mean of the absolute cosine over pairs of different channels; 0 for a single channel.
    pub mean_absolute_cosine: f64,
    /// The same after each channel's mean is subtracted: the absolute correlation coefficient.
    pub mean_absolute_correlation: f64,
}

/// Pixels of one step of the sums: their copy in float64 stays small.
const PIXELS: usize = 1 << 14;

/// Measures a map `[channel, row, column]`.
///
/// ```
/// use ndarray::Array3;
///
/// // The second channel is twice the first, the third points the other way.
/// let map = Array3::from_shape_fn((3, 2, 2), |(c, y, x)| [1.0, 2.0, -1.0][c] * (y * 2 + x + 1) as f32);
/// let similarity = artir_inspect::channel_similarity(map.view());
/// assert!((similarity.cosine[(0, 1)] - 1.0).abs() < 1e-6 && (similarity.cosine[(0, 2)] + 1.0).abs() < 1e-6);
/// assert!((similarity.mean_absolute_cosine - 1.0).abs() < 1e-6);
/// ```
pub fn channel_similarity(map: ArrayView3<'_, f32>) -> Similarity {
    let (channels, rows, columns) = map.dim();
    let pixels = (rows * columns).max(1) as f64;
    // Rows of pixels that make a step together.
    let step = (PIXELS / columns.max(1)).max(1);
    let mut products = Array2::<f64>::zeros((channels, channels));
    let mut sums = vec![0.0; channels];
    for top in (0..rows).step_by(step) {
        let part = map.slice(s![.., top..(top + step).min(rows), ..]).mapv(f64::from);
        let width = part.len() / channels.max(1);
        let Ok(part) = part.into_shape_with_order((channels, width)) else { continue };
        products += &part.dot(&part.t());
        for (sum, row) in sums.iter_mut().zip(part.axis_iter(Axis(0))) {
            *sum += row.sum();
        }
    }
    let centred = Array2::from_shape_fn(products.dim(), |(i, j)| products[(i, j)] - sums[i] * sums[j] / pixels);
    let (cosine, mean_absolute_cosine) = normalised(&products, &products);
    let (_, mean_absolute_correlation) = normalised(&centred, &products);
    Similarity { cosine: cosine.mapv(|v| v as f32), mean_absolute_cosine, mean_absolute_correlation }
}

/// Products over the square roots of their diagonal, and the mean of their absolute values beside it. A diagonal that is nothing
/// but rounding of `scale` counts as 0.
fn normalised(products: &Array2<f64>, scale: &Array2<f64>) -> (Array2<f64>, f64) {
    const ROUNDING: f64 = 1e-12;
    let n = products.nrows();
    let root = |i: usize| {
        let square = products[(i, i)];
        if square > ROUNDING * scale[(i, i)] { square.sqrt() } else { 0.0 }
    };
    let roots: Vec<f64> = (0..n).map(root).collect();
    let out = Array2::from_shape_fn((n, n), |(i, j)| {
        let norm = roots[i] * roots[j];
        if norm > 0.0 { (products[(i, j)] / norm).clamp(-1.0, 1.0) } else { 0.0 }
    });
    let pairs = (n * n.saturating_sub(1)).max(1) as f64;
    let total: f64 = out.indexed_iter().filter(|((i, j), _)| i != j).map(|(_, v)| v.abs()).sum();
    (out, total / pairs)
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    /// Counted by hand: 1, 2, 2 has the length 3, and 2, 1, -2 too; their product is 2 + 2 - 4 = 0; with 4, 4, 2 of length 6
    /// they have 16 and 8.
    #[test]
    fn small_vectors_have_the_angles_that_paper_gives() {
        let values = [[1.0, 2.0, 2.0], [2.0, 1.0, -2.0], [4.0, 4.0, 2.0], [0.0; 3], [5.0; 3]];
        let map = Array3::from_shape_fn((5, 1, 3), |(c, _, x)| values[c][x]);
        let found = channel_similarity(map.view());
        let near = |a: f32, b: f64| assert!((f64::from(a) - b).abs() < 1e-6, "{a} {b}");
        near(found.cosine[(0, 1)], 0.0);
        near(found.cosine[(0, 2)], 16.0 / 18.0);
        near(found.cosine[(2, 1)], 8.0 / 18.0);
        near(found.cosine[(0, 3)], 0.0);
        near(found.cosine[(0, 4)], 25.0 / (3.0 * 75.0_f64.sqrt()));
        let cosines = [0.0, 16.0 / 18.0, 8.0 / 18.0, 25.0, 5.0, 50.0];
        let fives = |product: f64, length: f64| product / (length * 75.0_f64.sqrt());
        let sum = cosines[1] + cosines[2] + fives(25.0, 3.0) + fives(5.0, 3.0) + fives(50.0, 6.0);
        assert!((found.mean_absolute_cosine - sum / 10.0).abs() < 1e-9, "{}", found.mean_absolute_cosine);
        // Less their means: -2, 1, 1; 5, 2, -7; 2, 2, -4, each by 1/3. A constant channel correlates with nothing.
        let correlation = |a: [f64; 3], b: [f64; 3]| {
            let dot = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
            (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).abs()
        };
        let [a, b, c] = [[-2.0, 1.0, 1.0], [5.0, 2.0, -7.0], [2.0, 2.0, -4.0]];
        let sum = correlation(a, b) + correlation(a, c) + correlation(b, c);
        assert!((found.mean_absolute_correlation - sum / 10.0).abs() < 1e-9, "{}", found.mean_absolute_correlation);
    }

    #[test]
    fn a_large_map_is_summed_in_parts() {
        let map = Array3::from_shape_fn((2, 130, 300), |(c, y, x)| ((y * 7 + x * 3 + c * 5) % 11) as f32 - 4.0);
        let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
        for y in 0..130 {
            for x in 0..300 {
                let [a, b] = [0, 1].map(|c| f64::from(map[(c, y, x)]));
                (ab, aa, bb) = (ab + a * b, aa + a * a, bb + b * b);
            }
        }
        let found = channel_similarity(map.view());
        assert!((f64::from(found.cosine[(0, 1)]) - ab / (aa * bb).sqrt()).abs() < 1e-6);
        assert_eq!(channel_similarity(map.slice(s![..1, .., ..])).mean_absolute_cosine, 0.0);
    }
}
