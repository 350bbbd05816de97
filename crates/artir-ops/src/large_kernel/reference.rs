//! The definition in float64, against which every faster path is tested.

use super::Taps;

/// `Y[p] = sum of (w[k] X[p] + b[k]) X[p + k]` for one map, in float64, by the definition and nothing cleverer.
///
/// `map` is `[height, width]` row-major; taps outside the map are left out. Takes `height * width * K * K` steps.
/// A `map` shorter than the shape gives an empty result.
pub fn reference(map: &[f32], height: usize, width: usize, taps: &Taps) -> Vec<f64> {
    let (size, radius) = (taps.size(), taps.radius());
    if height.checked_mul(width).is_none_or(|count| count > map.len()) {
        return Vec::new();
    }
    let mut out = Vec::with_capacity(height * width);
    for y in 0..height {
        for x in 0..width {
            let centre = f64::from(map[y * width + x]);
            let mut sum = 0.0;
            for i in radius.saturating_sub(y)..size.min(height + radius - y) {
                for j in radius.saturating_sub(x)..size.min(width + radius - x) {
                    let neighbour = f64::from(map[(y + i - radius) * width + x + j - radius]);
                    let weight = f64::from(taps.weight()[i * size + j]);
                    let bias = taps.bias().map_or(0.0, |bias| f64::from(bias[i * size + j]));
                    sum += (weight * centre + bias) * neighbour;
                }
            }
            out.push(sum);
        }
    }
    out
}
