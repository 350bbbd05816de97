//! PSNR, SSIM, RMSE and LPIPS under named protocols; the noise of a CT slice.
//!
//! A figure means nothing without its protocol: the truncation, the range, the window, the colour space. Each is a
//! [`Protocol`], and every [`Figures`] carries its name. Sums are taken in `f64`.
//!
//! ```
//! use artir_metrics::{Protocol, measure};
//! use ndarray::Array3;
//!
//! let reference = Array3::from_shape_fn((1, 32, 32), |(_, y, x)| (y * x % 7) as f32 / 7.0);
//! let result = reference.mapv(|v| v + 0.01);
//! let figures = measure(result.view(), reference.view(), &Protocol::RGB)?;
//! // A difference of a hundredth of the range at every pixel is 40 dB.
//! assert!((figures.psnr - 40.0).abs() < 0.01);
//! # Ok::<(), artir_metrics::MetricsError>(())
//! ```

#![deny(unsafe_code)]

mod lpips;
mod noise;
mod planes;
mod protocol;
mod ssim;

use std::borrow::Cow;

use ndarray::{ArrayView2, ArrayView3, s};
use pulp::{Simd, WithSimd, bytemuck};
use rayon::prelude::*;

pub use lpips::{Lpips, LpipsError};
pub use noise::{ct_noise, median, pet_noise};
use planes::{Planes, Reduced};
pub use protocol::{Colour, PeakRange, Protocol, SsimWindow, named_window};

/// The measured figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// The protocol's name.
    pub protocol: Cow<'static, str>,
    /// Peak signal to noise ratio, dB; infinite for identical images.
    pub psnr: f64,
    /// Structural similarity, at most 1; `None` where no window fits, or where the protocol has none.
    pub ssim: Option<f64>,
    /// Root mean square error, in the protocol's unit.
    pub rmse: f64,
    /// Pixels that were left out: masked, or not finite in either image.
    pub left_out: usize,
}

/// The reason why nothing was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// The two images differ in size.
    #[error("sizes differ: {result:?} against {reference:?} (channels, rows, columns)")]
    Sizes {
        /// Of the result.
        result: (usize, usize, usize),
        /// Of the reference.
        reference: (usize, usize, usize),
    },
    /// The mask has another size than the images.
    #[error("the mask is {mask:?}, the images are {image:?} (rows, columns)")]
    MaskSize {
        /// Of the mask.
        mask: (usize, usize),
        /// Of the images.
        image: (usize, usize),
    },
    /// The protocol measures luma, which is that of one channel or of three.
    #[error("the protocol measures luma, of one channel or three (channels, rows, columns), and the images have {0}")]
    Channels(usize),
    /// There is no pixel, or fewer than the protocol's crop needs.
    #[error("the images are empty, or smaller than the protocol's crop")]
    Empty,
    /// No pixel is valid in both images.
    #[error("there is nothing to measure: every pixel is masked, NaN or infinite in one of the images")]
    NoneCounted,
    /// An image has values far beyond those that its protocol would clip to.
    #[error("the protocol takes display values from 0 to 1, and their mean is above 1.5: divide 0 to 255 by 255")]
    NotDisplay,
    /// The protocol takes its range from the reference, which is constant.
    #[error("the truncated reference is constant, so the protocol's range is 0")]
    NoRange,
}

/// Measures a result against its reference, both `[channel, row, column]`: HU or SUV where the protocol's unit is that,
/// display values 0 to 1 otherwise.
pub fn measure(
    result: ArrayView3<'_, f32>,
    reference: ArrayView3<'_, f32>,
    protocol: &Protocol,
) -> Result<Figures, MetricsError> {
    measure_where(result, reference, None, protocol)
}

/// The same over the pixels where `valid`, `[row, column]`, is true. SSIM counts the windows that hold no other pixel.
pub fn measure_where(
    result: ArrayView3<'_, f32>,
    reference: ArrayView3<'_, f32>,
    valid: Option<ArrayView2<'_, bool>>,
    protocol: &Protocol,
) -> Result<Figures, MetricsError> {
    if result.dim() != reference.dim() {
        return Err(MetricsError::Sizes { result: result.dim(), reference: reference.dim() });
    }
    if result.is_empty() {
        return Err(MetricsError::Empty);
    }
    let (channels, rows, columns) = result.dim();
    if protocol.colour == Colour::MatlabLuma && ![1, 3].contains(&channels) {
        return Err(MetricsError::Channels(channels));
    }
    if let Some(mask) = valid.as_ref().map(ArrayView2::dim).filter(|mask| *mask != (rows, columns)) {
        return Err(MetricsError::MaskSize { mask, image: (rows, columns) });
    }
    // The middle that the protocol measures.
    let whole = |n: usize| n / protocol.multiple * protocol.multiple;
    let middle = |n: usize| (n - whole(n)) / 2..(n - whole(n)) / 2 + whole(n);
    if whole(rows) == 0 || whole(columns) == 0 {
        return Err(MetricsError::Empty);
    }
    let part = s![.., middle(rows), middle(columns)];
    let (result, reference) = (result.slice_move(part), reference.slice_move(part));
    let valid = valid.map(|v| v.slice_move(s![middle(rows), middle(columns)]));
    if !protocol.is_physical() && [result, reference].into_iter().any(|image| !are_display(image, valid)) {
        return Err(MetricsError::NotDisplay);
    }
    let (_, rows, columns) = result.dim();
    let mut planes = Planes::new(result, reference, valid, protocol);
    let of_reference = protocol.range == PeakRange::Reference;
    let mut sums = Sums::of(&planes, of_reference);
    if !sums.finite {
        planes.leave_out_non_finite();
        sums = Sums::of(&planes, of_reference);
    }
    let counted = planes.counted();
    if counted == 0 {
        return Err(MetricsError::NoneCounted);
    }
    let range = match protocol.range {
        PeakRange::Fixed(range) => range,
        PeakRange::Reference => sums.most - sums.least,
    };
    if range <= 0.0 {
        return Err(MetricsError::NoRange);
    }
    let mse = sums.squares / (counted * planes.dim().0) as f64;
    let ssim = protocol.window.and_then(|window| {
        let reduced = if window == SsimWindow::GaussianReduced { planes.reduced() } else { None };
        match &reduced {
            // Truncated and averaged: left-out values that are not finite have spoilt only areas that do not count.
            Some(Reduced { a, b, valid }) => {
                let valid = valid.as_ref().map(|v| v.view());
                ssim::ssim(&Planes::new(a.view(), b.view(), valid, &Protocol::RGB), range, window)
            }
            None => ssim::ssim(&planes, range, window),
        }
    });
    Ok(Figures {
        protocol: protocol.name().clone(),
        psnr: 10.0 * (range * range / mse).log10(),
        ssim,
        rmse: mse.sqrt(),
        left_out: rows * columns - counted,
    })
}

/// Whether values can be those of display, 0 to 1 and somewhat beyond. Protocols clip to that range, so that nearly all of an
/// image from 0 to 255 would become 1.
pub fn are_display(image: ArrayView3<'_, f32>, valid: Option<ArrayView2<'_, bool>>) -> bool {
    /// The highest mean of their absolute values.
    const MOST: f64 = 1.5;
    /// Every so many rows are enough for a mean.
    const STEP: usize = 8;
    let (mut sum, mut count) = (0.0, 0usize);
    for plane in image.outer_iter() {
        for (y, row) in plane.outer_iter().enumerate().step_by(STEP) {
            for (x, v) in row.iter().enumerate() {
                if v.is_finite() && valid.is_none_or(|valid| valid[(y, x)]) {
                    sum += f64::from(v.abs());
                    count += 1;
                }
            }
        }
    }
    sum <= MOST * count as f64
}

/// Sums over the pixels that count.
struct Sums {
    squares: f64,
    /// Least and greatest value of the reference.
    least: f64,
    most: f64,
    /// Whether all values are finite, left-out pixels among them.
    finite: bool,
}

/// Rows that one job sums.
const ROWS: usize = 32;

impl Sums {
    const NONE: Self = Self { squares: 0.0, least: f64::INFINITY, most: f64::NEG_INFINITY, finite: true };

    /// `range`: whether the reference's least and greatest value are asked for.
    fn of(planes: &Planes<'_>, range: bool) -> Self {
        let (channels, rows, columns) = planes.dim();
        let jobs: Vec<_> = (0..channels).flat_map(|c| (0..rows).step_by(ROWS).map(move |y| (c, y))).collect();
        let arch = pulp::Arch::new();
        let parts = jobs.into_par_iter().map_init(
            || (vec![0.0; columns], vec![0.0; columns]),
            |(a, b), (c, first)| {
                arch.dispatch(SumRows { planes, range, c, rows: first..(first + ROWS).min(rows), a, b })
            },
        );
        // In order, so that the sum is the same with any number of threads.
        parts.collect::<Vec<_>>().into_iter().fold(Self::NONE, |all, part| Self {
            squares: all.squares + part.squares,
            least: all.least.min(part.least),
            most: all.most.max(part.most),
            finite: all.finite && part.finite,
        })
    }
}

/// The sums over some rows of plane `c`, with the widest vectors of this processor; `a` and `b` hold a row each.
struct SumRows<'a> {
    planes: &'a Planes<'a>,
    range: bool,
    c: usize,
    rows: std::ops::Range<usize>,
    a: &'a mut [f64],
    b: &'a mut [f64],
}

impl WithSimd for SumRows<'_> {
    type Output = Sums;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Sums {
        let Self { planes, range, c, rows, a, b } = self;
        let mut out = Sums::NONE;
        let mut squares = simd.splat_f64s(0.0);
        for y in rows {
            out.finite &= planes.is_finite(c, y);
            planes.read(c, y, 0, a, b);
            let ((a, rest_a), (b, rest_b)) = (S::as_simd_f64s(a), S::as_simd_f64s(b));
            for (a, b) in a.iter().zip(b) {
                let difference = simd.sub_f64s(*a, *b);
                squares = simd.mul_add_e_f64s(difference, difference, squares);
            }
            for (a, b) in rest_a.iter().zip(rest_b) {
                out.squares += (a - b) * (a - b);
            }
            if range {
                let values = bytemuck::cast_slice(b).iter().chain(rest_b);
                for (x, v) in values.enumerate() {
                    if planes.valid().is_none_or(|valid| valid[(y, x)]) {
                        out.least = out.least.min(*v);
                        out.most = out.most.max(*v);
                    }
                }
            }
        }
        out.squares += simd.reduce_sum_f64s(squares);
        out
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array3};

    use super::*;

    /// a[c, y, x] and b[c, y, x] by integer formulas, so that Python can make the same:
    /// `a = ((7*y + 13*x + 29*c + (x*y) % 17) % 101) / 100; b = ((7*y + 13*x + 29*c) % 101) / 100`
    fn pair(channels: usize, rows: usize, columns: usize) -> (Array3<f32>, Array3<f32>) {
        let at = |(c, y, x): (usize, usize, usize)| 7 * y + 13 * x + 29 * c;
        let a = Array3::from_shape_fn((channels, rows, columns), |(c, y, x)| {
            ((at((c, y, x)) + (x * y) % 17) % 101) as f32 / 100.0
        });
        let b = Array3::from_shape_fn((channels, rows, columns), |i| (at(i) % 101) as f32 / 100.0);
        (a, b)
    }

    #[test]
    fn rgb_agrees_with_scikit_image() {
        // skimage.metrics.peak_signal_noise_ratio(b, a, data_range=1),
        // structural_similarity(b, a, data_range=1, channel_axis=0), a and b as float64 of float32
        let (a, b) = pair(3, 41, 57);
        let f = measure(a.view(), b.view(), &Protocol::RGB).unwrap();
        assert!((f.psnr - RGB_PSNR).abs() < 1e-4, "{}", f.psnr);
        assert!((f.ssim.unwrap() - RGB_SSIM).abs() < 1e-4, "{:?}", f.ssim);
    }

    #[test]
    fn ldct_agrees_with_its_formula() {
        // scipy.ndimage.correlate1d(mode="constant") with the 11-tap Gaussian, on 600 * a - 250 etc.
        let (a, b) = pair(1, 41, 57);
        let (a, b) = (a * 600.0 - 250.0, b * 600.0 - 250.0);
        let f = measure(a.view(), b.view(), &Protocol::LDCT_400).unwrap();
        assert!((f.psnr - LDCT_PSNR).abs() < 1e-4, "{}", f.psnr);
        assert!((f.ssim.unwrap() - LDCT_SSIM).abs() < 1e-4, "{:?}", f.ssim);
        assert!((f.rmse - LDCT_RMSE).abs() < 1e-3, "{}", f.rmse);
    }

    #[test]
    fn identical_images_are_infinitely_good() {
        let (a, _) = pair(3, 20, 20);
        let f = measure(a.view(), a.view(), &Protocol::RGB).unwrap();
        assert!(f.psnr.is_infinite() && f.rmse == 0.0);
        assert!((f.ssim.unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_measured_is_an_error() {
        let (a, _) = pair(3, 20, 20);
        let (b, _) = pair(3, 20, 21);
        assert!(matches!(measure(a.view(), b.view(), &Protocol::RGB), Err(MetricsError::Sizes { .. })));
        let mut c = a.clone();
        c[(0, 0, 0)] = f32::NAN;
        let figures = measure(c.view(), a.view(), &Protocol::RGB).unwrap();
        assert_eq!((figures.left_out, figures.rmse), (1, 0.0));
        c.fill(f32::INFINITY);
        assert_eq!(measure(c.view(), a.view(), &Protocol::RGB), Err(MetricsError::NoneCounted));
        let flat = Array3::from_elem((1, 20, 20), 5000.0);
        assert_eq!(measure(flat.view(), flat.view(), &Protocol::PET_SLICE), Err(MetricsError::NoRange));
        let none = Array3::<f32>::zeros((3, 0, 0));
        assert_eq!(measure(none.view(), none.view(), &Protocol::RGB), Err(MetricsError::Empty));
        for (channels, fits) in [(1, true), (2, false), (3, true), (4, false), (20, false)] {
            let (a, b) = pair(channels, 20, 20);
            let found = measure(a.view(), b.view(), &Protocol::Y_DERAIN);
            assert_eq!(found.is_ok(), fits, "{channels}: {found:?}");
            assert!(fits || found == Err(MetricsError::Channels(channels)));
        }
    }

    #[test]
    fn values_that_are_none_of_display_are_refused() {
        let (a, b) = pair(3, 41, 57);
        let bytes = |image: &Array3<f32>| image.mapv(|v| (v * 255.0).round());
        for protocol in [Protocol::RGB, Protocol::RS_DEHAZE, Protocol::Y_DERAIN] {
            for (a, b) in [(bytes(&a), bytes(&b)), (bytes(&a), b.clone()), (a.clone(), bytes(&b))] {
                assert_eq!(measure(a.view(), b.view(), &protocol), Err(MetricsError::NotDisplay));
            }
            // Noise may go far beyond, and so may pixels that do not count.
            let mut noisy = a.mapv(|v| (v - 0.5) * 4.0);
            assert!(measure(noisy.view(), b.view(), &protocol).is_ok());
            noisy.slice_mut(s![.., .., ..9]).fill(-9999.0);
            let valid = Array2::from_shape_fn((41, 57), |(_, x)| x >= 9);
            assert!(measure_where(noisy.view(), b.view(), Some(valid.view()), &protocol).is_ok());
            assert!(measure(noisy.view(), b.view(), &protocol).is_err());
        }
        // HU have no such range.
        assert!(measure(bytes(&a).view(), bytes(&b).view(), &Protocol::LDCT_400).is_ok());
    }

    #[test]
    fn masked_pixels_do_not_count() {
        let (a, b) = pair(3, 40, 150);
        // The left 30 columns are damaged and masked: the figures equal those of the other columns alone.
        let valid = Array2::from_shape_fn((40, 150), |(_, x)| x >= 30);
        let mut damaged = a.clone();
        damaged.slice_mut(s![.., .., ..30]).fill(0.77);
        for protocol in [Protocol::RGB, Protocol::RS_DEHAZE, Protocol::Y_DERAIN] {
            let part = s![.., .., 30..];
            let expected = measure(a.slice(part), b.slice(part), &protocol).unwrap();
            let found = measure_where(damaged.view(), b.view(), Some(valid.view()), &protocol).unwrap();
            assert!((found.psnr - expected.psnr).abs() < 1e-9 && (found.rmse - expected.rmse).abs() < 1e-12);
            let ssim = |f: &Figures| f.ssim.unwrap();
            assert!((ssim(&found) - ssim(&expected)).abs() < 1e-9, "{}", protocol.name());
            assert_eq!(found.left_out, 40 * 30);
        }
        // Areas of 2x2 that a left-out pixel touches do not count either: 30 columns are 15 of them.
        let (a, b) = pair(3, 512, 600);
        let mut damaged = a.clone();
        damaged.slice_mut(s![.., .., ..30]).fill(f32::NAN);
        let part = s![.., .., 30..];
        let expected = measure(a.slice(part), b.slice(part), &Protocol::RS_DEHAZE_DEHAZEFORMER).unwrap();
        let found = measure(damaged.view(), b.view(), &Protocol::RS_DEHAZE_DEHAZEFORMER).unwrap();
        assert!((found.ssim.unwrap() - expected.ssim.unwrap()).abs() < 1e-9, "{found:?} {expected:?}");
        let small = Array2::from_elem((3, 3), true);
        let wrong = measure_where(a.view(), a.view(), Some(small.view()), &Protocol::RGB);
        assert!(matches!(wrong, Err(MetricsError::MaskSize { .. })));
    }

    #[test]
    fn airnets_protocol_measures_the_middle() {
        let (mut a, b) = pair(3, 35, 50);
        let inside = measure(a.slice(s![.., 1..33, 1..49]), b.slice(s![.., 1..33, 1..49]), &Protocol::RGB).unwrap();
        a.slice_mut(s![.., 0, ..]).fill(0.0);
        let found = measure(a.view(), b.view(), &Protocol::RGB_NOISE_AIRNET).unwrap();
        assert_eq!((found.psnr, found.ssim), (inside.psnr, inside.ssim));
        let small = measure(a.slice(s![.., ..9, ..]), b.slice(s![.., ..9, ..]), &Protocol::RGB_NOISE_AIRNET);
        assert_eq!(small, Err(MetricsError::Empty));
    }

    #[test]
    fn windows_have_names_of_their_own() {
        let lung = Protocol::LDCT_400.with_window(-1350.0, 150.0).unwrap();
        assert_eq!(lung.name(), "ldct-400 window -1350,150");
        let (a, b) = pair(1, 30, 30);
        // A fixed range is the window's width: 10 log10(1500^2 / MSE).
        let figures = measure((a * 100.0).view(), (b * 100.0).view(), &lung).unwrap();
        assert!((figures.psnr - 20.0 * (1500.0 / figures.rmse).log10()).abs() < 1e-9);
        assert!(Protocol::RGB.with_window(0.0, 1.0).is_none());
        assert!(Protocol::LDCT_400.with_window(5.0, 5.0).is_none());
    }

    const RGB_PSNR: f64 = 11.777498;
    const RGB_SSIM: f64 = 0.600195;
    const LDCT_PSNR: f64 = 10.918237;
    const LDCT_SSIM: f64 = 0.432754;
    const LDCT_RMSE: f64 = 113.801537;
}
