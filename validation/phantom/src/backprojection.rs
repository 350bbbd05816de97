//! Parallel rays and their reconstruction by filtered back-projection (Kak and Slaney, Principles of Computerized
//! Tomographic Imaging, 1988, chapter 3).

use std::f64::consts::PI;

use ndarray::Array2;
use rayon::prelude::*;
use rustfft::{FftPlanner, num_complex::Complex64};

/// A slice's grid and the rays through it: detector bins of half a pixel over one and a half times the width, which
/// covers the diagonal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    /// Edge of the slice, pixels.
    pub(super) size: usize,
    /// Pixel spacing, mm.
    pub(super) pixel: f64,
    /// Projections over half a turn.
    pub(super) views: usize,
}

impl Geometry {
    pub(super) fn bins(&self) -> usize {
        self.size * 3
    }

    /// Bin width, mm.
    pub(super) fn width(&self) -> f64 {
        self.pixel / 2.0
    }

    fn angle(&self, view: usize) -> f64 {
        PI * view as f64 / self.views as f64
    }

    /// `[view][bin]` of the values of `ray` for an angle and a distance from the centre in mm.
    pub(super) fn rays(&self, ray: impl Fn(f64, f64) -> f64 + Sync) -> Vec<Vec<f64>> {
        let bins = self.bins();
        let at = |bin: usize| (bin as f64 + 0.5 - bins as f64 / 2.0) * self.width();
        (0..self.views)
            .into_par_iter()
            .map(|view| (0..bins).map(|bin| ray(self.angle(view), at(bin))).collect())
            .collect()
    }

    /// The image, `[row, column]`, in the rays' unit a mm. `window` weighs frequencies, in cycles a pixel.
    pub(super) fn reconstruct(&self, rays: &[Vec<f64>], window: impl Fn(f64) -> f64) -> Array2<f64> {
        let (bins, width) = (self.bins(), self.width());
        let length = (2 * bins).next_power_of_two();
        let response = response(length, width, window);
        let mut planner = FftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(length), planner.plan_fft_inverse(length));
        let filtered: Vec<Vec<f64>> = rays
            .par_iter()
            .map(|p| {
                let mut line: Vec<Complex64> = p.iter().map(|v| Complex64::new(*v, 0.0)).collect();
                line.resize(length, Complex64::default());
                forward.process(&mut line);
                line.iter_mut().zip(&response).for_each(|(v, r)| *v *= r);
                inverse.process(&mut line);
                line[..bins].iter().map(|v| v.re).collect()
            })
            .collect();
        let angles: Vec<(f64, f64)> = (0..self.views).map(|v| self.angle(v).sin_cos()).collect();
        let centre = (self.size as f64 - 1.0) / 2.0;
        let rows: Vec<Vec<f64>> = (0..self.size)
            .into_par_iter()
            .map(|row| {
                let y = (row as f64 - centre) * self.pixel;
                let pixel = |column: usize| {
                    let x = (column as f64 - centre) * self.pixel;
                    let mut sum = 0.0;
                    for (line, (sin, cos)) in filtered.iter().zip(&angles) {
                        let at = (x * cos + y * sin) / width + bins as f64 / 2.0 - 0.5;
                        let low = at.floor();
                        if low >= 0.0 && (low as usize) + 1 < bins {
                            let (i, part) = (low as usize, at - low);
                            sum += line[i] * (1.0 - part) + line[i + 1] * part;
                        }
                    }
                    sum * PI / self.views as f64
                };
                (0..self.size).map(pixel).collect()
            })
            .collect();
        Array2::from_shape_fn((self.size, self.size), |(y, x)| rows[y][x])
    }
}

/// Spectrum of the ramp, sampled in space so that its mean is right (Kak and Slaney, equation 61), times the window;
/// divided by the transform's length.
fn response(length: usize, width: f64, window: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut ramp: Vec<Complex64> = (0..length)
        .map(|i| {
            let n = if i <= length / 2 { i as f64 } else { i as f64 - length as f64 };
            let value = if i == 0 {
                1.0 / (4.0 * width)
            } else if i % 2 == 1 {
                -1.0 / (PI * PI * n * n * width)
            } else {
                0.0
            };
            Complex64::new(value, 0.0)
        })
        .collect();
    FftPlanner::new().plan_fft_forward(length).process(&mut ramp);
    // A bin is half a pixel: twice the cycles a bin are the cycles a pixel.
    let cycles = |i: usize| 2.0 * i.min(length - i) as f64 / length as f64;
    ramp.iter().enumerate().map(|(i, v)| v.re * window(cycles(i)) / length as f64).collect()
}
