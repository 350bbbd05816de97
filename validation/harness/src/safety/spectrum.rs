//! Noise power spectrum of the even part of the body, averaged by radius.

use ndarray::{Array2, s};
use rustfft::{FftPlanner, num_complex::Complex64};

use super::body::EVEN;
use artir_phantom::ct::Scan;

/// Edge of the window, pixels.
const SIZE: usize = 64;
/// Bands of frequency up to Nyquist's.
pub(super) const BINS: usize = 8;

pub(super) struct Spectrum {
    pixel: f64,
    /// First row and column of the window.
    first: (usize, usize),
    sums: [f64; BINS],
    counts: [f64; BINS],
}

impl Spectrum {
    pub(super) fn new(scan: &Scan) -> Self {
        let at = |v: f64| (v / scan.pixel + scan.size as f64 / 2.0).round() as usize - SIZE / 2;
        Self { pixel: scan.pixel, first: (at(EVEN.1), at(EVEN.0)), sums: [0.0; BINS], counts: [0.0; BINS] }
    }

    /// Adds an image of noise, under a Hann window whose power is 1 on average.
    pub(super) fn add(&mut self, noise: &Array2<f32>) {
        let (row, column) = self.first;
        let part = noise.slice(s![row..row + SIZE, column..column + SIZE]);
        let hann =
            |i: usize| (1.0 - (2.0 * std::f64::consts::PI * i as f64 / SIZE as f64).cos()) * (2.0f64 / 3.0).sqrt();
        let mut values: Vec<Complex64> =
            part.indexed_iter().map(|((y, x), v)| Complex64::new(f64::from(*v) * hann(y) * hann(x), 0.0)).collect();
        let fft = FftPlanner::new().plan_fft_forward(SIZE);
        fft.process(&mut values);
        let mut turned: Vec<Complex64> = (0..SIZE * SIZE).map(|i| values[i % SIZE * SIZE + i / SIZE]).collect();
        fft.process(&mut turned);
        for (i, v) in turned.iter().enumerate() {
            let f = |i: usize| i.min(SIZE - i) as f64 / SIZE as f64;
            let bin = (f(i / SIZE).hypot(f(i % SIZE)) / 0.5 * BINS as f64) as usize;
            if bin < BINS {
                self.sums[bin] += v.norm_sqr() * (self.pixel / SIZE as f64).powi(2);
                self.counts[bin] += 1.0;
            }
        }
    }

    /// Middle of a band, cycles/mm.
    pub(super) fn frequency(&self, bin: usize) -> f64 {
        (bin as f64 + 0.5) / BINS as f64 * 0.5 / self.pixel
    }

    /// Mean power of a band, HU^2 mm^2; the integral over the plane of frequencies is the variance.
    pub(super) fn power(&self, bin: usize) -> f64 {
        self.sums[bin] / self.counts[bin].max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use artir_phantom::Random;

    #[test]
    fn white_noise_is_flat_and_integrates_to_its_variance() {
        let scan = Scan::default();
        let mut random = Random::new(1);
        let mut spectrum = Spectrum::new(&scan);
        for _ in 0..40 {
            spectrum.add(&Array2::from_shape_simple_fn((512, 512), || 10.0 * random.normal() as f32));
        }
        // Variance over the area of the plane of frequencies, (1 / pixel)^2.
        let level = 100.0 * scan.pixel * scan.pixel;
        for bin in 1..BINS {
            assert!((spectrum.power(bin) / level - 1.0).abs() < 0.1, "{bin}: {}", spectrum.power(bin) / level);
        }
    }
}
