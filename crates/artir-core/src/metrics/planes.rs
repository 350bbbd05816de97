//! The two images as the protocol sees them, row by row: truncated, quantised, as luma; without copies of the whole.

use std::borrow::Cow;

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, s};

use super::{Colour, Protocol};

/// A pair of images under a protocol.
pub(super) struct Planes<'a> {
    a: Cow<'a, [f32]>,
    b: Cow<'a, [f32]>,
    /// Channels of the input, rows, columns.
    size: (usize, usize, usize),
    /// False where a pixel is left out, `[row, column]`; `None` when all count.
    valid: Option<Array2<bool>>,
    luma: bool,
    quantised: bool,
    truncation: (f64, f64),
}

impl<'a> Planes<'a> {
    /// Both images have one size. Pixels that `valid` leaves out, or that are not finite in either image, do not count.
    pub(super) fn new(
        a: ArrayView3<'a, f32>,
        b: ArrayView3<'a, f32>,
        valid: Option<ArrayView2<'_, bool>>,
        protocol: &Protocol,
    ) -> Self {
        let flat = |view: ArrayView3<'a, f32>| match view.to_slice() {
            Some(slice) => Cow::Borrowed(slice),
            None => Cow::Owned(view.iter().copied().collect()),
        };
        let mut valid = valid.map(|v| v.to_owned());
        // The sum over an image is finite unless a value is not (or the sum overflows, which the closer look settles).
        if !(a.iter().sum::<f32>() + b.iter().sum::<f32>()).is_finite() {
            for plane in a.outer_iter().chain(b.outer_iter()) {
                if plane.iter().any(|v| !v.is_finite()) {
                    let mask = valid.get_or_insert_with(|| Array2::from_elem(plane.raw_dim(), true));
                    mask.zip_mut_with(&plane, |ok, v| *ok &= v.is_finite());
                }
            }
        }
        Self {
            size: a.dim(),
            a: flat(a),
            b: flat(b),
            valid,
            luma: protocol.colour == Colour::MatlabLuma && a.dim().0 == 3,
            quantised: protocol.quantised,
            truncation: protocol.truncation.unwrap_or((f64::NEG_INFINITY, f64::INFINITY)),
        }
    }

    /// Planes to compare, rows, columns.
    pub(super) fn dim(&self) -> (usize, usize, usize) {
        (if self.luma { 1 } else { self.size.0 }, self.size.1, self.size.2)
    }

    pub(super) fn valid(&self) -> Option<&Array2<bool>> {
        self.valid.as_ref()
    }

    /// Pixels that count.
    pub(super) fn counted(&self) -> usize {
        let (_, rows, columns) = self.size;
        self.valid.as_ref().map_or(rows * columns, |v| v.iter().filter(|ok| **ok).count())
    }

    /// Part of a row of plane `c` of both images, from `column` on; 0 where a pixel is left out.
    pub(super) fn read(&self, c: usize, row: usize, column: usize, a: &mut [f64], b: &mut [f64]) {
        self.read_one(&self.a, c, row, column, a);
        self.read_one(&self.b, c, row, column, b);
        if let Some(valid) = &self.valid {
            let valid = valid.slice(s![row, column..column + a.len()]);
            for ((a, b), ok) in a.iter_mut().zip(b).zip(valid) {
                if !ok {
                    (*a, *b) = (0.0, 0.0);
                }
            }
        }
    }

    fn read_one(&self, image: &[f32], c: usize, row: usize, column: usize, out: &mut [f64]) {
        let (_, rows, columns) = self.size;
        let start = |c: usize| (c * rows + row) * columns + column;
        let length = out.len();
        let from = |c: usize| &image[start(c)..start(c) + length];
        let (lo, hi) = self.truncation;
        // img_as_ubyte: clip, scale, round. The only tie that a 32-bit float can hit is 127.5, which goes up both by this
        // and by rounding to even.
        let round = |v: f64| f64::from((v + 0.5) as u32);
        let byte = |v: f32| round(f64::from(v).clamp(0.0, 1.0) * 255.0);
        if self.luma {
            let rgb = (from(0), from(1), from(2));
            for (i, out) in out.iter_mut().enumerate() {
                let sum = 65.481 * byte(rgb.0[i]) + 128.553 * byte(rgb.1[i]) + 24.966 * byte(rgb.2[i]);
                *out = round(16.0 + sum / 255.0);
            }
        } else if self.quantised {
            for (out, v) in out.iter_mut().zip(from(c)) {
                *out = byte(*v);
            }
        } else {
            for (out, v) in out.iter_mut().zip(from(c)) {
                *out = f64::from(*v).max(lo).min(hi);
            }
        }
    }

    /// Both images averaged over areas so that the shorter side has about 256 pixels (DehazeFormer's
    /// `adaptive_avg_pool2d`); `None` when they are that small already.
    pub(super) fn reduced(&self) -> Option<(Array3<f32>, Array3<f32>)> {
        let (channels, rows, columns) = self.dim();
        let ratio = ((rows.min(columns) as f64 / 256.0).round_ties_even() as usize).max(1);
        if ratio == 1 {
            return None;
        }
        let (h, w) = (rows / ratio, columns / ratio);
        let mut sums = (Array3::<f64>::zeros((channels, h, w)), Array3::<f64>::zeros((channels, h, w)));
        let mut counts = Array2::<f64>::zeros((h, w));
        let (mut a, mut b) = (vec![0.0; columns], vec![0.0; columns]);
        for c in 0..channels {
            for i in 0..h {
                for y in i * rows / h..((i + 1) * rows).div_ceil(h) {
                    self.read(c, y, 0, &mut a, &mut b);
                    for j in 0..w {
                        let part = j * columns / w..((j + 1) * columns).div_ceil(w);
                        sums.0[(c, i, j)] += a[part.clone()].iter().sum::<f64>();
                        sums.1[(c, i, j)] += b[part.clone()].iter().sum::<f64>();
                        if c == 0 {
                            counts[(i, j)] += part.len() as f64;
                        }
                    }
                }
            }
        }
        let mean = |sums: Array3<f64>| (sums / &counts).mapv(|v| v as f32);
        Some((mean(sums.0), mean(sums.1)))
    }
}
