//! The two images as the protocol sees them, row by row: truncated, quantised, as luma. Only luma is a copy.

use std::borrow::Cow;

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, s};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{Colour, Protocol};

/// A pair of images under a protocol.
pub(super) struct Planes<'a> {
    a: Cow<'a, [f32]>,
    b: Cow<'a, [f32]>,
    /// Planes to compare, rows, columns.
    size: (usize, usize, usize),
    /// False where a pixel is left out, `[row, column]`; `None` when all count.
    valid: Option<Array2<bool>>,
    quantised: bool,
    truncation: (f64, f64),
}

impl<'a> Planes<'a> {
    /// Both images have one size. Pixels that `valid` leaves out do not count.
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
        let (channels, rows, columns) = a.dim();
        let mut planes = Self {
            size: (channels, rows, columns),
            a: flat(a),
            b: flat(b),
            valid: valid.map(|v| v.to_owned()),
            quantised: protocol.quantised,
            truncation: protocol.truncation.unwrap_or((f64::NEG_INFINITY, f64::INFINITY)),
        };
        if protocol.colour == Colour::MatlabLuma && channels == 3 {
            planes.a = Cow::Owned(luma(&planes.a));
            planes.b = Cow::Owned(luma(&planes.b));
            planes.size.0 = 1;
            planes.quantised = false;
        }
        planes
    }

    /// Whether all values of a row of plane `c` are finite in both images.
    #[inline(always)]
    pub(super) fn is_finite(&self, c: usize, row: usize) -> bool {
        // Infinities and NaNs are the bit patterns from infinity's on, but for the sign.
        let mut largest = 0;
        for image in [&self.a, &self.b] {
            for v in self.row(image, c, row) {
                largest = largest.max(v.to_bits() & 0x7fff_ffff);
            }
        }
        largest < f32::INFINITY.to_bits()
    }

    /// Leaves out the pixels that are not finite in one of the images.
    pub(super) fn leave_out_non_finite(&mut self) {
        let (channels, rows, columns) = self.size;
        let mut mask = self.valid.take().unwrap_or_else(|| Array2::from_elem((rows, columns), true));
        for (y, mut mask) in mask.outer_iter_mut().enumerate() {
            for c in 0..channels {
                for image in [&self.a, &self.b] {
                    mask.iter_mut().zip(self.row(image, c, y)).for_each(|(ok, v)| *ok &= v.is_finite());
                }
            }
        }
        self.valid = Some(mask);
    }

    /// Planes to compare, rows, columns.
    pub(super) fn dim(&self) -> (usize, usize, usize) {
        self.size
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
    #[inline(always)]
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

    #[inline(always)]
    fn row<'b>(&self, image: &'b [f32], c: usize, row: usize) -> &'b [f32] {
        let (_, rows, columns) = self.size;
        &image[(c * rows + row) * columns..][..columns]
    }

    #[inline(always)]
    fn read_one(&self, image: &[f32], c: usize, row: usize, column: usize, out: &mut [f64]) {
        let from = &self.row(image, c, row)[column..column + out.len()];
        let (lo, hi) = self.truncation;
        if self.quantised {
            for (out, v) in out.iter_mut().zip(from) {
                *out = byte(*v);
            }
        } else {
            for (out, v) in out.iter_mut().zip(from) {
                *out = f64::from(*v).max(lo).min(hi);
            }
        }
    }

    /// Both images averaged over areas so that the shorter side has about 256 pixels (DehazeFormer's
    /// `adaptive_avg_pool2d`), and which of the areas hold no left-out pixel; `None` when they are that small already.
    pub(super) fn reduced(&self) -> Option<Reduced> {
        let (channels, rows, columns) = self.dim();
        let ratio = ((rows.min(columns) as f64 / 256.0).round_ties_even() as usize).max(1);
        if ratio == 1 {
            return None;
        }
        let (h, w) = (rows / ratio, columns / ratio);
        let reach = |i: usize, n: usize, from: usize| i * from / n..((i + 1) * from).div_ceil(n);
        let mean = |image: &[f32]| {
            let mut out = Array3::<f32>::zeros((channels, h, w));
            let mut row = vec![0.0; columns];
            let mut sums = vec![0.0; w];
            for c in 0..channels {
                for i in 0..h {
                    sums.fill(0.0);
                    for y in reach(i, h, rows) {
                        self.read_one(image, c, y, 0, &mut row);
                        for (j, sum) in sums.iter_mut().enumerate() {
                            *sum += row[reach(j, w, columns)].iter().sum::<f64>();
                        }
                    }
                    for (j, sum) in sums.iter().enumerate() {
                        out[(c, i, j)] = (sum / (reach(i, h, rows).len() * reach(j, w, columns).len()) as f64) as f32;
                    }
                }
            }
            out
        };
        let (a, b) = rayon::join(|| mean(&self.a), || mean(&self.b));
        let valid = self.valid.as_ref().map(|valid| {
            Array2::from_shape_fn((h, w), |(i, j)| {
                valid.slice(s![reach(i, h, rows), reach(j, w, columns)]).iter().all(|ok| *ok)
            })
        });
        Some(Reduced { a, b, valid })
    }
}

/// Two images, `[channel, row, column]`, and which pixels count.
pub(super) struct Reduced {
    pub(super) a: Array3<f32>,
    pub(super) b: Array3<f32>,
    pub(super) valid: Option<Array2<bool>>,
}

/// `img_as_ubyte`: clip, scale, round. The only tie that a 32-bit float can hit is 127.5, which goes up both by this and
/// by rounding to even.
#[inline(always)]
fn byte(v: f32) -> f64 {
    (f64::from(v).clamp(0.0, 1.0) * 255.0 + 0.5).floor()
}

/// The 8-bit luma of an image of three planes: whole numbers, and NaN where a value is not finite.
fn luma(rgb: &[f32]) -> Vec<f32> {
    /// Values of one job.
    const PART: usize = 1 << 16;
    struct Job<'a>(&'a mut [f32], [&'a [f32]; 3]);
    impl WithSimd for Job<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let Self(out, [r, g, b]) = self;
            for (((out, r), g), b) in out.iter_mut().zip(r).zip(g).zip(b) {
                let sum = 65.481 * byte(*r) + 128.553 * byte(*g) + 24.966 * byte(*b);
                // 0, or NaN for a value that is not finite.
                let nothing = 0.0 * r + 0.0 * g + 0.0 * b;
                *out = (16.0 + sum / 255.0 + 0.5).floor() as f32 + nothing;
            }
        }
    }
    let n = rgb.len() / 3;
    let arch = pulp::Arch::new();
    let mut out = vec![0.0; n];
    out.par_chunks_mut(PART).enumerate().for_each(|(i, out)| {
        let from = |c: usize| &rgb[c * n + i * PART..][..out.len()];
        let from = [from(0), from(1), from(2)];
        arch.dispatch(Job(out, from));
    });
    out
}
