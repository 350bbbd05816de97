//! PSNR, SSIM and RMSE under named protocols.
//!
//! A figure means nothing without its protocol: the truncation, the range, the window. Each is a
//! [`Protocol`], and every [`Figures`] carries its name.

use ndarray::{Array2, ArrayView2, ArrayView3};
use rayon::prelude::*;

/// How the range L of PSNR and SSIM is found.
#[derive(Clone, Copy, Debug, PartialEq)]
enum PeakRange {
    /// A number that the protocol states.
    Fixed(f64),
    /// Maximum minus minimum of the truncated reference.
    Reference,
}

/// The window that SSIM's local statistics are taken over.
#[derive(Clone, Copy, Debug, PartialEq)]
enum SsimWindow {
    /// 11x11 Gaussian of sigma 1.5, zero padding of 5, mean over the whole image.
    GaussianPadded,
    /// 7x7 uniform, sample covariance, mean without a border of 3 (scikit-image's default).
    Uniform7,
}

/// A measurement protocol.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Protocol {
    name: &'static str,
    unit: &'static str,
    truncation: Option<(f64, f64)>,
    range: PeakRange,
    window: SsimWindow,
}

impl Protocol {
    /// Low-dose CT in HU, truncated to [-160, 240], range 400 (RED-CNN's evaluation code; CTformer).
    pub const LDCT_400: Self = Self {
        name: "ldct-400",
        unit: "HU",
        truncation: Some((-160.0, 240.0)),
        range: PeakRange::Fixed(400.0),
        window: SsimWindow::GaussianPadded,
    };
    /// As `ldct-400`, but the range is that of the truncated reference slice (Restore-RWKV).
    pub const LDCT_SLICE: Self = Self { name: "ldct-slice", range: PeakRange::Reference, ..Self::LDCT_400 };
    /// PET in SUV, truncated to [0, 20], range of the truncated reference slice (Restore-RWKV).
    pub const PET_SLICE: Self =
        Self { name: "pet-slice", unit: "SUV", truncation: Some((0.0, 20.0)), ..Self::LDCT_SLICE };
    /// RGB display values 0 to 1, clipped, not quantised (PromptIR).
    pub const RGB: Self = Self {
        name: "rgb",
        unit: "1",
        truncation: Some((0.0, 1.0)),
        range: PeakRange::Fixed(1.0),
        window: SsimWindow::Uniform7,
    };

    /// Every protocol.
    pub const ALL: [Self; 4] = [Self::LDCT_400, Self::LDCT_SLICE, Self::PET_SLICE, Self::RGB];

    /// The protocol of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name == name)
    }

    /// The name that figures are printed with.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The unit of the RMSE.
    pub fn unit(&self) -> &'static str {
        self.unit
    }
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// The protocol's name.
    pub protocol: &'static str,
    /// Peak signal to noise ratio, dB; infinite for identical images.
    pub psnr: f64,
    /// Structural similarity, at most 1; `None` where the image is smaller than the window.
    pub ssim: Option<f64>,
    /// Root mean square error, in the protocol's unit.
    pub rmse: f64,
}

/// Why nothing was measured.
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
    /// There is no pixel.
    #[error("the images are empty")]
    Empty,
    /// A value is NaN or infinite.
    #[error("the images hold values that are not finite")]
    NotFinite,
    /// The protocol takes its range from the reference, which is constant.
    #[error("the truncated reference is constant, so the protocol's range is 0")]
    NoRange,
}

/// Measures a result against its reference, both `[channel, row, column]` in the protocol's unit.
pub fn measure(
    result: ArrayView3<'_, f32>,
    reference: ArrayView3<'_, f32>,
    protocol: &Protocol,
) -> Result<Figures, MetricsError> {
    if result.dim() != reference.dim() {
        return Err(MetricsError::Sizes { result: result.dim(), reference: reference.dim() });
    }
    if result.is_empty() {
        return Err(MetricsError::Empty);
    }
    if result.iter().chain(&reference).any(|v| !v.is_finite()) {
        return Err(MetricsError::NotFinite);
    }
    let (lo, hi) = protocol.truncation.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
    let cut = |plane: ArrayView2<'_, f32>| plane.mapv(|v| f64::from(v).clamp(lo, hi));
    let planes: Vec<(Array2<f64>, Array2<f64>)> =
        result.outer_iter().zip(reference.outer_iter()).map(|(a, b)| (cut(a), cut(b))).collect();
    let range = match protocol.range {
        PeakRange::Fixed(range) => range,
        PeakRange::Reference => {
            let values = planes.iter().flat_map(|(_, b)| b.iter().copied());
            let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), v| (l.min(v), m.max(v)));
            most - least
        }
    };
    if range <= 0.0 {
        return Err(MetricsError::NoRange);
    }
    let squares: f64 =
        planes.par_iter().map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>()).sum();
    let mse = squares / result.len() as f64;
    let ssims: Option<Vec<f64>> = planes.par_iter().map(|(a, b)| ssim(a, b, range, protocol.window)).collect();
    Ok(Figures {
        protocol: protocol.name,
        psnr: 10.0 * (range * range / mse).log10(),
        ssim: ssims.map(|s| s.iter().sum::<f64>() / s.len() as f64),
        rmse: mse.sqrt(),
    })
}

/// Mean SSIM of two planes (Wang et al., IEEE Transactions on Image Processing 13, 2004), with
/// C1 = (0.01 L)^2 and C2 = (0.03 L)^2.
fn ssim(a: &Array2<f64>, b: &Array2<f64>, range: f64, window: SsimWindow) -> Option<f64> {
    let (taps, padded, sample): (Vec<f64>, bool, f64) = match window {
        SsimWindow::GaussianPadded => {
            let weights: Vec<f64> = (-5i32..=5).map(|i| (-f64::from(i * i) / (2.0 * 1.5 * 1.5)).exp()).collect();
            let sum: f64 = weights.iter().sum();
            (weights.into_iter().map(|w| w / sum).collect(), true, 1.0)
        }
        // scikit-image scales the covariance by n / (n - 1), n = 49.
        SsimWindow::Uniform7 => (vec![1.0 / 7.0; 7], false, 49.0 / 48.0),
    };
    let (rows, columns) = a.dim();
    if !padded && (rows < taps.len() || columns < taps.len()) {
        return None;
    }
    let local = |plane: Array2<f64>| filter(&plane, &taps, padded);
    let (mean_a, mean_b) = (local(a.clone()), local(b.clone()));
    let (square_a, square_b, product) = (local(a * a), local(b * b), local(a * b));
    let (c1, c2) = ((0.01 * range).powi(2), (0.03 * range).powi(2));
    let mut sum = 0.0;
    for (i, ma) in mean_a.indexed_iter() {
        let mb = mean_b[i];
        let va = sample * (square_a[i] - ma * ma);
        let vb = sample * (square_b[i] - mb * mb);
        let covariance = sample * (product[i] - ma * mb);
        sum += (2.0 * ma * mb + c1) * (2.0 * covariance + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
    }
    Some(sum / mean_a.len() as f64)
}

/// A separable correlation: with zeros beyond the border (same size out), or inside alone.
fn filter(plane: &Array2<f64>, taps: &[f64], padded: bool) -> Array2<f64> {
    let (rows, columns) = plane.dim();
    let reach = taps.len() / 2;
    let shrink = if padded { 0 } else { 2 * reach };
    let mut across = Array2::zeros((rows, columns - shrink));
    for ((y, x), to) in across.indexed_iter_mut() {
        for (k, tap) in taps.iter().enumerate() {
            let from = if padded { (x + k).checked_sub(reach) } else { Some(x + k) };
            if let Some(v) = from.and_then(|from| plane.get((y, from))) {
                *to += tap * v;
            }
        }
    }
    let mut out = Array2::zeros((rows - shrink, columns - shrink));
    for y in 0..rows - shrink {
        for (k, tap) in taps.iter().enumerate() {
            let from = if padded { (y + k).checked_sub(reach) } else { Some(y + k) };
            if let Some(from) = from.filter(|from| *from < rows) {
                out.row_mut(y).scaled_add(*tap, &across.row(from));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

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
        assert_eq!(measure(c.view(), a.view(), &Protocol::RGB), Err(MetricsError::NotFinite));
        let flat = Array3::from_elem((1, 20, 20), 5000.0);
        assert_eq!(measure(flat.view(), flat.view(), &Protocol::PET_SLICE), Err(MetricsError::NoRange));
        let none = Array3::<f32>::zeros((3, 0, 0));
        assert_eq!(measure(none.view(), none.view(), &Protocol::RGB), Err(MetricsError::Empty));
    }

    const RGB_PSNR: f64 = 11.777498;
    const RGB_SSIM: f64 = 0.600195;
    const LDCT_PSNR: f64 = 10.918237;
    const LDCT_SSIM: f64 = 0.432754;
    const LDCT_RMSE: f64 = 113.801537;
}
