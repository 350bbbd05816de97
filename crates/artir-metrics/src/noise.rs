//! The noise of a CT slice, measured in the slice itself.

use ndarray::{Array2, ArrayView2};

/// Edge of the squares whose standard deviation is taken, pixels: about 5 mm in a body scan.
const EDGE: usize = 7;
/// Mean of a square of soft tissue, HU.
const TISSUE: [f64; 2] = [0.0, 100.0];
/// Squares of soft tissue that a measurement needs.
const LEAST_SQUARES: usize = 200;
/// Least and greatest noise that is told apart, HU.
const RANGE: [f64; 2] = [0.05, 1000.0];
/// Width of a bin of the histogram, as a ratio of neighbouring noise levels.
const BIN: f64 = 1.01;
/// Bins to either side that smooth the histogram.
const SMOOTHING: usize = 8;

/// The noise in HU: the most frequent standard deviation of small squares of soft tissue (the global noise level of
/// Christianson et al., AJR 205, 2015). Anatomy raises the deviation of the squares that it crosses, not the most frequent
/// one. `None` for a slice with too little soft tissue; `valid` is false where a pixel does not count.
///
/// ```
/// use ndarray::Array2;
///
/// // Soft tissue of 50 HU with a pattern that deviates by 10 HU.
/// let slice = Array2::from_shape_fn((64, 64), |(y, x)| if (x + y) % 2 == 0 { 40.0 } else { 60.0 });
/// let noise = artir_metrics::ct_noise(slice.view(), None).unwrap();
/// assert!((noise - 10.0).abs() < 0.2);
/// ```
pub fn ct_noise(hu: ArrayView2<'_, f32>, valid: Option<ArrayView2<'_, bool>>) -> Option<f64> {
    let (rows, columns) = hu.dim();
    if rows < EDGE || columns < EDGE || valid.as_ref().is_some_and(|valid| valid.dim() != (rows, columns)) {
        return None;
    }
    let counts = |y: usize, x: usize| valid.as_ref().is_none_or(|v| v[(y, x)]) && hu[(y, x)].is_finite();
    // Sums over rectangles from the upper left corner: of pixels that do not count, values and squares. Values are taken
    // from the middle of the tissue's range, so that the squares keep their digits.
    let middle = (TISSUE[0] + TISSUE[1]) / 2.0;
    let mut sums = Array2::from_elem((rows + 1, columns + 1), [0.0f64; 3]);
    for y in 0..rows {
        for x in 0..columns {
            let value = if counts(y, x) { f64::from(hu[(y, x)]) - middle } else { 0.0 };
            let own = [if counts(y, x) { 0.0 } else { 1.0 }, value, value * value];
            let (above, left, both) = (sums[(y, x + 1)], sums[(y + 1, x)], sums[(y, x)]);
            sums[(y + 1, x + 1)] = std::array::from_fn(|i| own[i] + above[i] + left[i] - both[i]);
        }
    }
    let bins = ((RANGE[1] / RANGE[0]).ln() / BIN.ln()).ceil() as usize + 1;
    let (mut histogram, mut squares) = (vec![0usize; bins], 0);
    let n = (EDGE * EDGE) as f64;
    for y in 0..=rows - EDGE {
        for x in 0..=columns - EDGE {
            let [a, b, c, d] = [(y + EDGE, x + EDGE), (y, x + EDGE), (y + EDGE, x), (y, x)].map(|at| sums[at]);
            let [missing, sum, square]: [f64; 3] = std::array::from_fn(|i| a[i] - b[i] - c[i] + d[i]);
            let mean = sum / n + middle;
            if missing > 0.5 || !(TISSUE[0]..=TISSUE[1]).contains(&mean) {
                continue;
            }
            let deviation = ((square - sum * sum / n) / (n - 1.0)).max(0.0).sqrt().clamp(RANGE[0], RANGE[1]);
            histogram[((deviation / RANGE[0]).ln() / BIN.ln()) as usize] += 1;
            squares += 1;
        }
    }
    (squares >= LEAST_SQUARES).then(|| most_frequent(&histogram))
}

/// The deviation of greatest density: the peak of the histogram, smoothed by a triangle, divided by the width of its bins. Without
/// the division, the wide bins of large deviations would win, where squares cross the borders of organs.
fn most_frequent(histogram: &[usize]) -> f64 {
    let reach = SMOOTHING as isize;
    let level = |bin: usize| RANGE[0] * BIN.powf(bin as f64 + 0.5);
    let smooth = |bin: usize| -> f64 {
        let part = |by: isize| {
            let at = bin.checked_add_signed(by).and_then(|at| histogram.get(at)).copied().unwrap_or(0);
            at as f64 * (reach + 1 - by.abs()) as f64
        };
        (-reach..=reach).map(part).sum::<f64>() / level(bin)
    };
    let heights: Vec<f64> = (0..histogram.len()).map(smooth).collect();
    let peak = (0..heights.len()).fold(0, |best, bin| if heights[bin] > heights[best] { bin } else { best });
    level(peak)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise by the sum of twelve uniform numbers, of an LCG.
    fn noisy(sigma: f32, of: impl Fn(usize, usize) -> f32) -> Array2<f32> {
        let mut state = 1u64;
        let mut uniform = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        Array2::from_shape_fn((256, 256), |(y, x)| of(y, x) + sigma * ((0..12).map(|_| uniform()).sum::<f32>() - 6.0))
    }

    /// Organs in a body in air, with sharp edges and a rib.
    fn body(y: usize, x: usize) -> f32 {
        let from = |cy: f32, cx: f32| (y as f32 - cy).hypot(x as f32 - cx);
        match () {
            () if from(128.0, 128.0) > 110.0 => -1000.0,
            () if from(128.0, 128.0) > 104.0 => 700.0,
            () if from(110.0, 90.0) < 40.0 => 65.0,
            () if from(150.0, 165.0) < 25.0 => 20.0,
            () if (x / 3).is_multiple_of(9) && y > 170 => 90.0,
            () => 45.0,
        }
    }

    #[test]
    fn the_noise_of_a_body_is_found_whatever_its_anatomy() {
        for sigma in [3.0, 12.0, 40.0] {
            let found = ct_noise(noisy(sigma, body).view(), None).unwrap();
            assert!((found / f64::from(sigma) - 1.0).abs() < 0.05, "{sigma}: {found}");
        }
        // Less noise is less, in small steps too.
        let levels = [10.0, 10.5, 11.0].map(|sigma| ct_noise(noisy(sigma, body).view(), None).unwrap());
        assert!(levels[0] < levels[1] && levels[1] < levels[2], "{levels:?}");
    }

    #[test]
    fn what_does_not_count_is_left_out() {
        let mut slice = noisy(10.0, |_, _| 50.0);
        let valid = Array2::from_shape_fn((256, 256), |(y, _)| y < 128);
        for y in 128..256 {
            for x in 0..256 {
                slice[(y, x)] = if (x + y) % 2 == 0 { f32::NAN } else { 50.0 };
            }
        }
        let found = ct_noise(slice.view(), Some(valid.view())).unwrap();
        assert!((found - 10.0).abs() < 0.5, "{found}");
        let air = noisy(10.0, |_, _| -1000.0);
        assert_eq!(ct_noise(air.view(), None), None);
        assert_eq!(ct_noise(Array2::zeros((5, 500)).view(), None), None);
    }
}
