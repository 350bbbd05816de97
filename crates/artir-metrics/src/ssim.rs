//! SSIM (Wang et al., IEEE Transactions on Image Processing 13, 2004), C1 = (0.01 L)^2 and C2 = (0.03 L)^2.
//!
//! Four local means are enough: of a, b, a^2 + b^2 and a b. They are taken separably, a strip of columns at a time, so
//! that the rows which a window covers stay in the first-level cache; nothing of the image's size is made. The sums of
//! window stay in registers, as many columns side by side as a vector of this processor holds.

use ndarray::Array2;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{SsimWindow, planes::Planes};

/// Columns that the widest vector holds; rows in memory are whole multiples of it.
const LANES: usize = 8;
/// Output columns of a strip. Eleven rows of four quantities then take 50 KB.
const STRIP: usize = 128;
/// Output rows of a job.
const BAND: usize = 128;
/// Quantities that are averaged.
const QUANTITIES: usize = 4;

/// Mean SSIM over the planes and over all windows without a left-out pixel; `None` when there is no such window.
pub(super) fn ssim(planes: &Planes<'_>, range: f64, window: SsimWindow) -> Option<f64> {
    match window {
        SsimWindow::Uniform7 => windows::<3>(planes, range, &Kernel::uniform()),
        SsimWindow::GaussianPadded => windows::<5>(planes, range, &Kernel::gaussian(5)),
        SsimWindow::GaussianValid | SsimWindow::GaussianReduced => windows::<5>(planes, range, &Kernel::gaussian(0)),
    }
}

/// The same for windows that reach `R` pixels from their centre.
fn windows<const R: usize>(planes: &Planes<'_>, range: f64, kernel: &Kernel) -> Option<f64> {
    let (channels, rows, columns) = planes.dim();
    let shrink = 2 * (R - kernel.padding);
    let (height, width) = (rows.checked_sub(shrink)?, columns.checked_sub(shrink)?);
    if height == 0 || width == 0 {
        return None;
    }
    let counted = planes.valid().map(|valid| whole_windows::<R>(valid, kernel, (height, width)));
    let arch = pulp::Arch::new();
    let jobs: Vec<(usize, usize, usize)> = (0..channels)
        .flat_map(|c| {
            let bands = (0..height).step_by(BAND);
            bands.flat_map(move |y| (0..width).step_by(STRIP).map(move |x| (c, y, x)))
        })
        .collect();
    let sums = jobs.into_par_iter().map_init(Scratch::<R>::new, |scratch, (c, y, x)| {
        let part = Part { c, rows: y..(y + BAND).min(height), columns: x..(x + STRIP).min(width) };
        arch.dispatch(Job { scratch, planes, kernel, range, part, counted: counted.as_ref() })
    });
    let sum = sums.collect::<Vec<f64>>().into_iter().sum::<f64>();
    let windows = counted.map_or(height * width, |c| c.iter().filter(|ok| **ok).count()) * channels;
    (windows > 0).then(|| sum / windows as f64)
}

/// A symmetric separable window.
struct Kernel {
    /// Weights from the centre outwards.
    half: [f64; 6],
    /// Rows and columns of zeros around the image.
    padding: usize,
    /// Factor on covariances.
    sample: f64,
}

impl Kernel {
    /// 7x7; scikit-image scales the covariance by n / (n - 1), n = 49.
    fn uniform() -> Self {
        Self { half: [1.0 / 7.0; 6], padding: 0, sample: 49.0 / 48.0 }
    }

    /// 11x11, sigma 1.5.
    fn gaussian(padding: usize) -> Self {
        let raw: [f64; 6] = std::array::from_fn(|i| (-((i * i) as f64) / (2.0 * 1.5 * 1.5)).exp());
        let sum = raw[0] + 2.0 * raw[1..].iter().sum::<f64>();
        Self { half: raw.map(|w| w / sum), padding, sample: 1.0 }
    }
}

/// The weighted sum of the first `2 R + 1` vectors.
#[inline(always)]
fn blend<S: Simd, const R: usize>(simd: S, half: &[S::f64s; 6], window: &[S::f64s; 11]) -> S::f64s {
    let mut sum = simd.mul_f64s(half[0], window[R]);
    for (k, weight) in half.iter().enumerate().take(R + 1).skip(1) {
        sum = simd.mul_add_e_f64s(*weight, simd.add_f64s(window[R - k], window[R + k]), sum);
    }
    sum
}

/// Which windows hold no left-out pixel.
fn whole_windows<const R: usize>(
    valid: &Array2<bool>,
    kernel: &Kernel,
    (height, width): (usize, usize),
) -> Array2<bool> {
    // Left-out pixels above and to the left, exclusive: a summed-area table.
    let (rows, columns) = valid.dim();
    let mut table = Array2::<u32>::zeros((rows + 1, columns + 1));
    for ((y, x), ok) in valid.indexed_iter() {
        let here = u32::from(!ok) + table[(y, x + 1)] + table[(y + 1, x)] - table[(y, x)];
        table[(y + 1, x + 1)] = here;
    }
    let reach = 2 * R + 1;
    Array2::from_shape_fn((height, width), |(y, x)| {
        let span = |i: usize, n: usize| (i.saturating_sub(kernel.padding), (i + reach - kernel.padding).min(n));
        let ((top, bottom), (left, right)) = (span(y, rows), span(x, columns));
        table[(bottom, right)] + table[(top, left)] == table[(top, right)] + table[(bottom, left)]
    })
}

/// Output pixels of one job.
struct Part {
    c: usize,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
}

/// One part, to be computed with the widest vectors of this processor. Its `Output` is the sum of the SSIM of the part's
/// windows.
struct Job<'a, const R: usize> {
    scratch: &'a mut Scratch<R>,
    planes: &'a Planes<'a>,
    kernel: &'a Kernel,
    range: f64,
    part: Part,
    counted: Option<&'a Array2<bool>>,
}

impl<const R: usize> WithSimd for Job<'_, R> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let Self { scratch, planes, kernel, range, part, counted } = self;
        let (c1, c2) = (simd.splat_f64s((0.01 * range).powi(2)), simd.splat_f64s((0.03 * range).powi(2)));
        let (sample, two) = (simd.splat_f64s(kernel.sample), simd.splat_f64s(2.0));
        let half = kernel.half.map(|w| simd.splat_f64s(w));
        let width = part.columns.len();
        for y in part.rows.start..part.rows.start + 2 * R {
            scratch.load(planes, kernel, &part, y);
        }
        let (mut total, mut rest) = (simd.splat_f64s(0.0), 0.0);
        for y in part.rows.clone() {
            scratch.load(planes, kernel, &part, y + 2 * R);
            scratch.average(simd, &half, y);
            for x in (0..width).step_by(S::F64_LANES) {
                let a = scratch.mean(simd, &half, 0, x);
                let b = scratch.mean(simd, &half, 1, x);
                let squares = scratch.mean(simd, &half, 2, x);
                let product = scratch.mean(simd, &half, 3, x);
                let ab = simd.mul_f64s(a, b);
                let both = simd.mul_add_e_f64s(a, a, simd.mul_f64s(b, b));
                let covariance = simd.mul_f64s(sample, simd.sub_f64s(product, ab));
                let variances = simd.mul_f64s(sample, simd.sub_f64s(squares, both));
                let above = simd.mul_f64s(simd.mul_add_e_f64s(two, ab, c1), simd.mul_add_e_f64s(two, covariance, c2));
                let below = simd.mul_f64s(simd.add_f64s(both, c1), simd.add_f64s(variances, c2));
                let values = simd.div_f64s(above, below);
                if counted.is_none() && x + S::F64_LANES <= width {
                    total = simd.add_f64s(total, values);
                } else {
                    for (i, value) in pulp::bytemuck::cast_slice::<_, f64>(&[values]).iter().enumerate().take(width - x)
                    {
                        if counted.is_none_or(|c| c[(y, part.columns.start + x + i)]) {
                            rest += value;
                        }
                    }
                }
            }
        }
        rest + simd.reduce_sum_f64s(total)
    }
}

struct Scratch<const R: usize> {
    /// The rows under the window, `[row modulo window][quantity][column]`; columns that a narrow part does not reach are
    /// left from another part, and their results are not summed.
    ring: Vec<f64>,
    /// Vertical means, `[quantity][column]`.
    vertical: Vec<f64>,
}

impl<const R: usize> Scratch<R> {
    const ROWS: usize = 2 * R + 1;
    /// Columns of a row in memory: the strip, the window's reach at both sides, whole lanes.
    const STRIDE: usize = (STRIP + 2 * R).next_multiple_of(LANES);

    fn new() -> Self {
        Self { ring: vec![0.0; Self::ROWS * QUANTITIES * Self::STRIDE], vertical: vec![0.0; QUANTITIES * Self::STRIDE] }
    }

    /// Reads padded row `y` into the ring.
    #[inline(always)]
    fn load(&mut self, planes: &Planes<'_>, kernel: &Kernel, part: &Part, y: usize) {
        let (_, rows, columns) = planes.dim();
        let length = part.columns.len() + 2 * R;
        let at = y % Self::ROWS * QUANTITIES * Self::STRIDE;
        let row = &mut self.ring[at..at + QUANTITIES * Self::STRIDE];
        let (a, rest) = row.split_at_mut(Self::STRIDE);
        let (b, rest) = rest.split_at_mut(Self::STRIDE);
        let (squares, product) = rest.split_at_mut(Self::STRIDE);
        let (a, b) = (&mut a[..length], &mut b[..length]);
        match y.checked_sub(kernel.padding).filter(|y| *y < rows) {
            None => {
                a.fill(0.0);
                b.fill(0.0);
            }
            Some(y) => {
                // Columns of the strip that lie inside the image.
                let first = part.columns.start.saturating_sub(kernel.padding);
                let before = (first + kernel.padding) - part.columns.start;
                let inside = (length - before).min(columns - first);
                planes.read(part.c, y, first, &mut a[before..before + inside], &mut b[before..before + inside]);
                for side in [0..before, before + inside..length] {
                    a[side.clone()].fill(0.0);
                    b[side].fill(0.0);
                }
            }
        }
        for (((a, b), s), p) in a.iter().zip(&*b).zip(squares).zip(product) {
            *s = a * a + b * b;
            *p = a * b;
        }
    }

    /// Vertical means of output row `y`.
    #[inline(always)]
    fn average<S: Simd>(&mut self, simd: S, half: &[S::f64s; 6], y: usize) {
        for q in 0..QUANTITIES {
            let to = S::as_mut_simd_f64s(&mut self.vertical[q * Self::STRIDE..][..Self::STRIDE]).0;
            let mut rows: [&[S::f64s]; 11] = [&[]; 11];
            for (k, row) in rows.iter_mut().enumerate().take(Self::ROWS) {
                let at = ((y + k) % Self::ROWS * QUANTITIES + q) * Self::STRIDE;
                *row = &S::as_simd_f64s(&self.ring[at..at + Self::STRIDE]).0[..to.len()];
            }
            for (i, to) in to.iter_mut().enumerate() {
                let mut window = [simd.splat_f64s(0.0); 11];
                for (v, row) in window.iter_mut().zip(&rows).take(Self::ROWS) {
                    *v = row[i];
                }
                *to = blend::<S, R>(simd, half, &window);
            }
        }
    }

    /// Means of quantity `q` from column `x` on, out of the vertical ones.
    #[inline(always)]
    fn mean<S: Simd>(&self, simd: S, half: &[S::f64s; 6], q: usize, x: usize) -> S::f64s {
        let row = &self.vertical[q * Self::STRIDE + x..][..2 * R + S::F64_LANES];
        let mut window = [simd.splat_f64s(0.0); 11];
        for (k, v) in window.iter_mut().enumerate().take(Self::ROWS) {
            *v = S::as_simd_f64s(&row[k..k + S::F64_LANES]).0[0];
        }
        blend::<S, R>(simd, half, &window)
    }
}
