//! A low-count PET slice of an analytic body, made with the physics of a scanner.
//!
//! Activity along every line of response is attenuated by the body, counted (Poisson), corrected for attenuation, and
//! reconstructed by filtered back-projection with the blur of a detector. The same without counting noise is the truth.

use std::f64::consts::PI;

use ndarray::Array2;
use rayon::prelude::*;

use super::{
    Random,
    backprojection::Geometry,
    ellipse::{Ellipse, line_integral},
};

/// Linear attenuation of water at 511 keV, 1/mm.
const WATER: f64 = 0.0096;
/// Detector resolution, full width at half maximum, mm.
const RESOLUTION: f64 = 5.0;

/// How the slice is scanned.
#[derive(Clone, Copy, Debug)]
pub struct Scan {
    /// Edge of the slice, pixels.
    pub size: usize,
    /// Pixel spacing, mm.
    pub pixel: f64,
    /// Projections over half a turn.
    pub views: usize,
    /// Counts expected in the whole slice.
    pub counts: f64,
}

impl Default for Scan {
    /// Noise of about a quarter of the liver's uptake: a small part of an ordinary dose.
    fn default() -> Self {
        Self { size: 192, pixel: 2.6, views: 240, counts: 8.0e5 }
    }
}

/// One slice, in SUV, `[row, column]`.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Reconstructed without counting noise.
    pub truth: Array2<f32>,
    /// Reconstructed from counts; not below 0, as scanners store it.
    pub measured: Array2<f32>,
}

/// Scans slice `index` of the body. The same arguments give the same slice.
pub fn slice(scan: &Scan, index: usize) -> Slice {
    let z = index as f64;
    let (activity, outline) = (activity(z), [body(1.0)]);
    let geometry = Geometry { size: scan.size, pixel: scan.pixel, views: scan.views };
    let exact = geometry.rays(|angle, s| line_integral(&activity, angle, s));
    let survives = geometry.rays(|angle, s| (-WATER * line_integral(&outline, angle, s)).exp());
    let pairs = || exact.iter().flatten().zip(survives.iter().flatten());
    let sensitivity = scan.counts / pairs().map(|(p, s)| p * s).sum::<f64>();
    let counted: Vec<Vec<f64>> = (exact.par_iter().zip(&survives).enumerate())
        .map(|(view, (rays, survives))| {
            let mut random = Random::new((index as u64) << 32 | 1 << 31 | view as u64);
            let count = |(p, s): (&f64, &f64)| random.poisson(p * s * sensitivity) / (s * sensitivity);
            rays.iter().zip(survives).map(count).collect()
        })
        .collect();
    // A Gaussian's spectrum; FWHM is 2.3548 standard deviations.
    let sigma = RESOLUTION / 2.3548 / scan.pixel;
    let blur = |f: f64| (-2.0 * (PI * sigma * f).powi(2)).exp();
    let suv = |rays: &[Vec<f64>]| geometry.reconstruct(rays, blur).mapv(|v| v.max(0.0) as f32);
    Slice { truth: suv(&exact), measured: suv(&counted) }
}

fn body(value: f64) -> Ellipse {
    Ellipse { x: 0.0, y: 0.0, a: 165.0, b: 115.0, turn: 0.0, value }
}

/// FDG in an upper abdomen: background, liver, spleen, kidneys, marrow, and lesions from 16 to 5 mm across.
fn activity(z: f64) -> Vec<Ellipse> {
    let e = |x, y, a, b, turn, value| Ellipse { x, y, a, b, turn, value };
    let mut out = vec![
        body(0.5),
        e(0.0, 0.0, 150.0, 100.0, 0.0, 0.3),
        e(-62.0, -8.0, 58.0 - z, 62.0, 20.0, 1.4), // liver, 2.2
        e(88.0, 12.0, 32.0, 44.0 - z, -20.0, 1.0), // spleen, 1.8
        e(-40.0, 58.0, 16.0, 22.0, 15.0, 3.0),     // kidneys
        e(60.0, 52.0, 18.0, 24.0, -15.0, 3.2),
        e(0.0, 58.0, 24.0, 21.0, 0.0, 0.6),  // marrow
        e(-2.0, 26.0, 12.0, 12.0, 0.0, 0.9), // blood
    ];
    let lesions =
        [(-90.0, -20.0, 8.0, 4.0), (-55.0, -38.0, 5.0, 4.0), (20.0, -50.0, 6.0, 6.0), (110.0, -30.0, 4.0, 5.0)];
    out.extend(lesions.map(|(x, y, radius, value)| e(x, y, radius, radius, 0.0, value)));
    out.push(e(30.0, 10.0 + z, 2.5, 2.5, 0.0, 8.0));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(image: &Array2<f32>, scan: &Scan, x: f64, y: f64) -> f64 {
        let at = |v: f64| (v / scan.pixel + (scan.size as f64 - 1.0) / 2.0).round() as usize;
        image.slice(ndarray::s![at(y) - 2..at(y) + 3, at(x) - 2..at(x) + 3]).mapv(f64::from).mean().unwrap()
    }

    #[test]
    fn organs_have_their_uptake_and_lesions_lose_some_to_resolution() {
        let scan = Scan { size: 128, pixel: 4.0, views: 120, counts: 1e6 };
        let truth = slice(&scan, 0).truth;
        for (x, y, suv) in [(-70.0, 10.0, 2.2), (95.0, 10.0, 1.8), (0.0, -70.0, 0.8)] {
            let found = mean(&truth, &scan, x, y);
            assert!((found - suv).abs() < 0.1, "{x},{y}: {found} for {suv}");
        }
        let peak = truth.iter().copied().fold(0.0, f32::max);
        assert!((3.5..9.0).contains(&peak), "{peak}");
    }

    #[test]
    fn noise_falls_with_counts_and_attenuation_makes_the_middle_noisy() {
        let noise = |counts: f64, from: usize, to: usize| {
            let s = slice(&Scan { size: 96, pixel: 5.0, views: 120, counts }, 1);
            (&s.measured - &s.truth).slice(ndarray::s![from..to, 40..56]).mapv(f64::from).std(0.0)
        };
        let (low, high) = (noise(1e6, 40, 56), noise(4e6, 40, 56));
        assert!((low / high - 2.0).abs() < 0.3, "four times the counts halve the noise: {low} {high}");
        assert!(low > 1.2 * noise(1e6, 28, 32), "less at the edge of the body");
    }
}
