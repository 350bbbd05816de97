//! SSIM (Wang et al., IEEE Transactions on Image Processing 13, 2004), C1 = (0.01 L)^2 and C2 = (0.03 L)^2.
//!
//! Four local means are enough: of a, b, a^2 + b^2 and a b. They are taken separably, a strip of columns at a time, so
//! that the rows which a window covers stay in the first-level cache; nothing of the image's size is made.

use ndarray::Array2;
use rayon::prelude::*;

use super::{SsimWindow, planes::Planes};

/// Output columns of a strip. Eleven rows of four quantities then take 50 KB.
const STRIP: usize = 128;
/// Output rows of a job.
const BAND: usize = 64;
/// Quantities that are averaged.
const QUANTITIES: usize = 4;

/// Mean SSIM over the planes and over all windows without a left-out pixel; `None` when there is no such window.
pub(super) fn ssim(planes: &Planes<'_>, range: f64, window: SsimWindow) -> Option<f64> {
    let kernel = Kernel::new(window);
    let (channels, rows, columns) = planes.dim();
    let shrink = 2 * (kernel.radius() - kernel.padding);
    let (height, width) = (rows.checked_sub(shrink)?, columns.checked_sub(shrink)?);
    if height == 0 || width == 0 {
        return None;
    }
    let counted = planes.valid().map(|valid| whole_windows(valid, &kernel, (height, width)));
    let jobs: Vec<(usize, usize, usize)> = (0..channels)
        .flat_map(|c| {
            let bands = (0..height).step_by(BAND);
            bands.flat_map(move |y| (0..width).step_by(STRIP).map(move |x| (c, y, x)))
        })
        .collect();
    let sums = jobs.into_par_iter().map_init(
        || Scratch::new(&kernel),
        |scratch, (c, y, x)| {
            let part = Part { c, rows: y..(y + BAND).min(height), columns: x..(x + STRIP).min(width) };
            scratch.sum(planes, &kernel, range, &part, counted.as_ref())
        },
    );
    let sum = sums.collect::<Vec<f64>>().into_iter().sum::<f64>();
    let windows = counted.map_or(height * width, |c| c.iter().filter(|ok| **ok).count()) * channels;
    (windows > 0).then(|| sum / windows as f64)
}

/// A symmetric separable window.
struct Kernel {
    /// Weights from the centre outwards.
    half: Vec<f64>,
    /// Rows and columns of zeros around the image.
    padding: usize,
    /// Factor on covariances.
    sample: f64,
}

impl Kernel {
    fn new(window: SsimWindow) -> Self {
        if window == SsimWindow::Uniform7 {
            // scikit-image scales the covariance by n / (n - 1), n = 49.
            return Self { half: vec![1.0 / 7.0; 4], padding: 0, sample: 49.0 / 48.0 };
        }
        let raw: Vec<f64> = (0..=5).map(|i| (-f64::from(i * i) / (2.0 * 1.5 * 1.5)).exp()).collect();
        let sum = raw[0] + 2.0 * raw[1..].iter().sum::<f64>();
        let padding = if window == SsimWindow::GaussianPadded { 5 } else { 0 };
        Self { half: raw.into_iter().map(|w| w / sum).collect(), padding, sample: 1.0 }
    }

    fn radius(&self) -> usize {
        self.half.len() - 1
    }
}

/// Which windows hold no left-out pixel.
fn whole_windows(valid: &Array2<bool>, kernel: &Kernel, (height, width): (usize, usize)) -> Array2<bool> {
    // Left-out pixels above and to the left, exclusive: a summed-area table.
    let (rows, columns) = valid.dim();
    let mut table = Array2::<u32>::zeros((rows + 1, columns + 1));
    for ((y, x), ok) in valid.indexed_iter() {
        let here = u32::from(!ok) + table[(y, x + 1)] + table[(y + 1, x)] - table[(y, x)];
        table[(y + 1, x + 1)] = here;
    }
    let reach = 2 * kernel.radius() + 1;
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

struct Scratch {
    /// The rows under the window, `[row modulo window][quantity][column]`.
    ring: Vec<f64>,
    /// Vertical means, `[quantity][column]`.
    vertical: Vec<f64>,
    /// Local means, `[quantity][column]`.
    means: Vec<f64>,
    stride: usize,
}

impl Scratch {
    fn new(kernel: &Kernel) -> Self {
        let stride = STRIP + 2 * kernel.radius();
        let rows = 2 * kernel.radius() + 1;
        Self {
            ring: vec![0.0; rows * QUANTITIES * stride],
            vertical: vec![0.0; QUANTITIES * stride],
            means: vec![0.0; QUANTITIES * STRIP],
            stride,
        }
    }

    /// Sum of the SSIM of the windows in a part.
    fn sum(
        &mut self,
        planes: &Planes<'_>,
        kernel: &Kernel,
        range: f64,
        part: &Part,
        counted: Option<&Array2<bool>>,
    ) -> f64 {
        let radius = kernel.radius();
        let (c1, c2) = ((0.01 * range).powi(2), (0.03 * range).powi(2));
        let width = part.columns.len();
        for y in part.rows.start..part.rows.start + 2 * radius {
            self.load(planes, kernel, part, y);
        }
        let mut total = 0.0;
        for y in part.rows.clone() {
            self.load(planes, kernel, part, y + 2 * radius);
            self.average(kernel, y, width);
            let mean = |q: usize| &self.means[q * STRIP..q * STRIP + width];
            let (a, b, squares, product) = (mean(0), mean(1), mean(2), mean(3));
            let value = |x: usize| {
                let (both, ab) = (a[x] * a[x] + b[x] * b[x], a[x] * b[x]);
                let covariance = kernel.sample * (product[x] - ab);
                let variances = kernel.sample * (squares[x] - both);
                (2.0 * ab + c1) * (2.0 * covariance + c2) / ((both + c1) * (variances + c2))
            };
            total += match counted {
                None => (0..width).map(value).sum::<f64>(),
                Some(counted) => {
                    let counts = |x: usize| counted[(y, part.columns.start + x)];
                    (0..width).filter(|x| counts(*x)).map(value).sum::<f64>()
                }
            };
        }
        total
    }

    /// Reads padded row `y` into the ring.
    fn load(&mut self, planes: &Planes<'_>, kernel: &Kernel, part: &Part, y: usize) {
        let (_, rows, columns) = planes.dim();
        let (window, length) = (2 * kernel.radius() + 1, part.columns.len() + 2 * kernel.radius());
        let at = y % window * QUANTITIES * self.stride;
        let row = &mut self.ring[at..at + QUANTITIES * self.stride];
        let (a, rest) = row.split_at_mut(self.stride);
        let (b, rest) = rest.split_at_mut(self.stride);
        let (squares, product) = rest.split_at_mut(self.stride);
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

    /// Local means of output row `y`.
    fn average(&mut self, kernel: &Kernel, y: usize, width: usize) {
        let radius = kernel.radius();
        let (window, length) = (2 * radius + 1, width + 2 * radius);
        for q in 0..QUANTITIES {
            let row = |y: usize| &self.ring[(y % window * QUANTITIES + q) * self.stride..][..length];
            let vertical = &mut self.vertical[..length];
            for (to, v) in vertical.iter_mut().zip(row(y + radius)) {
                *to = kernel.half[0] * v;
            }
            for (k, weight) in kernel.half.iter().enumerate().skip(1) {
                for ((to, up), down) in vertical.iter_mut().zip(row(y + radius - k)).zip(row(y + radius + k)) {
                    *to += weight * (up + down);
                }
            }
            let means = &mut self.means[q * STRIP..q * STRIP + width];
            for (to, v) in means.iter_mut().zip(&vertical[radius..]) {
                *to = kernel.half[0] * v;
            }
            for (k, weight) in kernel.half.iter().enumerate().skip(1) {
                for ((to, left), right) in means.iter_mut().zip(&vertical[radius - k..]).zip(&vertical[radius + k..]) {
                    *to += weight * (left + right);
                }
            }
        }
    }
}
