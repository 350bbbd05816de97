//! The noise of a CT or PET slice, measured in the slice itself.

use std::collections::VecDeque;

use ndarray::ArrayView2;

/// Width of a bin of the histogram, as a ratio of neighbouring noise levels.
const BIN: f64 = 1.01;
/// Bins to either side that smooth the histogram.
const SMOOTHING: usize = 8;

/// What is measured.
struct Measure {
    /// Edge of the squares whose standard deviation is taken, pixels.
    edge: usize,
    /// Mean of a square that counts.
    tissue: [f64; 2],
    /// Squares that a measurement needs.
    least_squares: usize,
    /// Least and greatest noise that can be distinguished.
    range: [f64; 2],
}

/// Soft tissue in HU; the squares are about 5 mm in a body scan.
const CT: Measure = Measure { edge: 7, tissue: [0.0, 100.0], least_squares: 200, range: [0.05, 1000.0] };

/// Muscle, blood and liver in SUV; the squares are about 20 mm in a body scan.
const PET: Measure = Measure { edge: 5, tissue: [0.3, 4.0], least_squares: 100, range: [0.0005, 10.0] };

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
    measure(hu, valid, &CT)
}

/// The noise in SUV, as [`ct_noise`] finds it: the most frequent standard deviation of squares of 5 x 5 pixels whose mean SUV
/// lies between 0.3 and 4. Uptake that varies within a square raises it, so it compares two versions of one slice better than
/// two scanners. `None` for a slice with too little of a body in it.
pub fn pet_noise(suv: ArrayView2<'_, f32>, valid: Option<ArrayView2<'_, bool>>) -> Option<f64> {
    measure(suv, valid, &PET)
}

fn measure(image: ArrayView2<'_, f32>, valid: Option<ArrayView2<'_, bool>>, of: &Measure) -> Option<f64> {
    let Measure { edge, tissue, range, .. } = *of;
    let (rows, columns) = image.dim();
    if rows < edge || columns < edge || valid.as_ref().is_some_and(|valid| valid.dim() != (rows, columns)) {
        return None;
    }
    // Sums over rectangles from the upper left corner: of pixels that do not count, values and squares. Values are taken
    // from the middle of the tissue's range, so that the squares keep their digits. As many rows are kept as a square needs,
    // which the processor's cache holds.
    let middle = f64::midpoint(tissue[0], tissue[1]);
    let mut sums: VecDeque<Vec<[f64; 3]>> = vec![vec![[0.0; 3]; columns + 1]; edge + 1].into();
    let bins = ((range[1] / range[0]).ln() / BIN.ln()).ceil() as usize + 1;
    let (mut histogram, mut squares) = (vec![0usize; bins], 0);
    let n = (edge * edge) as f64;
    for (y, row) in image.outer_iter().enumerate() {
        let (Some(mut below), Some(above)) = (sums.pop_front(), sums.back()) else { return None };
        let own_valid = valid.as_ref().map(|valid| valid.row(y));
        let mut left = [0.0; 3];
        for (x, value) in row.iter().enumerate() {
            let counts = value.is_finite() && own_valid.as_ref().is_none_or(|valid| valid[x]);
            let value = if counts { f64::from(*value) - middle } else { 0.0 };
            let own = [if counts { 0.0 } else { 1.0 }, value, value * value];
            left = std::array::from_fn(|i| own[i] + above[x + 1][i] + left[i] - above[x][i]);
            below[x + 1] = left;
        }
        sums.push_back(below);
        let (Some(top), Some(bottom)) = (sums.front(), sums.back()) else { return None };
        if y + 1 < edge {
            continue;
        }
        for (((a, b), c), d) in bottom[edge..].iter().zip(&top[edge..]).zip(bottom).zip(top) {
            let [missing, sum, square]: [f64; 3] = std::array::from_fn(|i| a[i] - b[i] - c[i] + d[i]);
            let mean = sum / n + middle;
            if missing > 0.5 || !(tissue[0]..=tissue[1]).contains(&mean) {
                continue;
            }
            let deviation = ((square - sum * sum / n) / (n - 1.0)).max(0.0).sqrt().clamp(range[0], range[1]);
            histogram[((deviation / range[0]).ln() / BIN.ln()) as usize] += 1;
            squares += 1;
        }
    }
    (squares >= of.least_squares).then(|| most_frequent(&histogram, range[0]))
}

/// The deviation of greatest density: the peak of the histogram, smoothed by a triangle, divided by the width of its bins. Without
/// the division, the wide bins of large deviations would win, where squares cross the borders of organs.
fn most_frequent(histogram: &[usize], least: f64) -> f64 {
    let reach = SMOOTHING as isize;
    let level = |bin: usize| least * BIN.powf(bin as f64 + 0.5);
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

/// The median; `None` of no values.
///
/// ```
/// use artir_metrics::median;
///
/// assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
/// assert_eq!((median(vec![4.0, 1.0]), median(vec![])), (Some(2.5), None));
/// ```
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

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
    fn the_noise_of_a_pet_slice_is_found_beside_air_and_a_hot_spot() {
        let uptake = |y: usize, x: usize| {
            let from = |cy: f32, cx: f32| (y as f32 - cy).hypot(x as f32 - cx);
            match () {
                () if from(128.0, 128.0) > 90.0 => 0.0,
                () if from(100.0, 100.0) < 3.0 => 9.0,
                () if from(140.0, 160.0) < 30.0 => 2.2,
                () => 0.9,
            }
        };
        for sigma in [0.05, 0.2, 0.5] {
            let found = pet_noise(noisy(sigma, uptake).view(), None).unwrap();
            assert!((found / f64::from(sigma) - 1.0).abs() < 0.08, "{sigma}: {found}");
        }
        assert_eq!(pet_noise(Array2::zeros((256, 256)).view(), None), None);
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
