//! A low-dose CT slice of an analytic body, made with the physics of a scanner.
//!
//! Photons are counted along every ray through a body of ellipses (Beer-Lambert, Poisson, electronic noise), and the
//! slice is reconstructed by filtered back-projection, once from the exact and once from the noisy rays. The noise-free reconstruction is the truth: it differs from the measured one by the noise alone.

use std::f64::consts::PI;

use ndarray::Array2;
use rayon::prelude::*;

use super::{
    Random,
    backprojection::Geometry,
    ellipse::{Ellipse, line_integral},
};

/// Linear attenuation of water in 1/mm at the effective energy of a 120 kV spectrum.
const WATER: f64 = 0.0195;
/// Standard deviation of the detector's electronic noise, in photons.
const ELECTRONIC: f64 = 8.0;

/// How the slice is scanned.
#[derive(Clone, Copy, Debug)]
pub struct Scan {
    /// Edge of the slice, pixels.
    pub size: usize,
    /// Pixel spacing, mm.
    pub pixel: f64,
    /// Projections over half a turn.
    pub views: usize,
    /// Photons of an unattenuated ray.
    pub photons: f64,
}

impl Default for Scan {
    /// About 30 HU of noise in the middle of the body: a quarter of an ordinary abdominal dose.
    fn default() -> Self {
        Self { size: 512, pixel: 0.75, views: 400, photons: 1.2e5 }
    }
}

/// One slice, in HU, `[row, column]`.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Reconstructed without noise.
    pub truth: Array2<f32>,
    /// Reconstructed from counted photons.
    pub measured: Array2<f32>,
}

/// Scans slice `index` of the body; neighbours differ as those of a patient do. The same arguments give the same slice.
pub fn slice(scan: &Scan, index: usize) -> Slice {
    scan_body(scan, &body(index as f64), index as u64)
}

/// Scans a body of one's own; `seed` draws the photons.
pub fn scan_body(scan: &Scan, body: &[Ellipse], seed: u64) -> Slice {
    let geometry = Geometry { size: scan.size, pixel: scan.pixel, views: scan.views };
    let exact = geometry.rays(|angle, s| line_integral(body, angle, s) * WATER / 1000.0);
    let noisy: Vec<Vec<f64>> = exact
        .par_iter()
        .enumerate()
        .map(|(view, rays)| {
            let mut random = Random::new(seed << 32 | view as u64);
            rays.iter().map(|p| count(*p, scan.photons, &mut random)).collect()
        })
        .collect();
    let hu = |rays: &[Vec<f64>]| {
        geometry.reconstruct(rays, soft).mapv(|mu| ((mu / WATER - 1.0) * 1000.0).clamp(-1024.0, 3071.0) as f32)
    };
    Slice { truth: hu(&exact), measured: hu(&noisy) }
}

/// A soft-tissue kernel: a raised cosine that ends at 0.8 cycles a pixel.
fn soft(f: f64) -> f64 {
    if f < 0.8 { 0.5 + 0.5 * (PI * f / 0.8).cos() } else { 0.0 }
}

/// A line integral as measured by counting photons.
fn count(p: f64, photons: f64, random: &mut Random) -> f64 {
    let expected = photons * (-p).exp();
    let counted = random.poisson(expected) + ELECTRONIC * random.normal();
    // A ray without light has no logarithm; scanners clip it like this.
    (photons / counted.max(1.0)).ln()
}

/// An upper abdomen: fat, muscle, liver with lesions, spleen, kidneys, aorta, spine, ribs, and gas.
fn body(z: f64) -> Vec<Ellipse> {
    let e = |x, y, a, b, turn, value| Ellipse { x, y, a, b, turn, value };
    let mut out = vec![
        e(0.0, 0.0, 165.0, 115.0, 0.0, 900.0),         // subcutaneous fat, -100 HU
        e(0.0, 0.0, 150.0, 100.0, 0.0, 150.0),         // body wall, 50 HU
        e(0.0, -3.0, 136.0, 86.0, 0.0, -130.0),        // inner fat, -80 HU
        e(-62.0, -8.0, 58.0 - z, 62.0, 20.0, 185.0),   // liver, 105 HU
        e(88.0, 12.0, 32.0, 44.0 - z, -20.0, 200.0),   // spleen, 120 HU
        e(-58.0, 48.0, 20.0, 27.0, 15.0, 60.0 + 55.0), // kidneys, partly over the liver
        e(60.0, 52.0, 22.0, 28.0, -15.0, 235.0),
        e(0.0, 58.0, 24.0, 21.0, 0.0, 330.0),      // vertebral body, 250 HU
        e(0.0, 58.0, 19.0, 16.0, 0.0, -60.0),      // its spongy part
        e(0.0, 86.0, 9.0, 8.0, 0.0, -20.0),        // spinal canal
        e(0.0, 96.0, 6.0, 12.0, 0.0, 480.0),       // spinous process
        e(-2.0, 26.0, 12.0, 12.0, 0.0, 260.0),     // aorta, 180 HU
        e(-26.0, 22.0, 10.0, 8.0, 0.0, 45.0),      // vena cava
        e(48.0, -40.0, 34.0, 24.0, 10.0, 110.0),   // stomach
        e(50.0, -52.0, 20.0, 9.0, 0.0, -900.0),    // its gas
        e(12.0, -8.0 + z, 30.0, 8.0, 25.0, 120.0), // pancreas
    ];
    // Lesions of falling size, 30 and 20 HU under the liver, which noise hides.
    for (i, (x, y)) in [(-90.0, -20.0), (-60.0, -42.0), (-48.0, 4.0), (-84.0, 14.0)].into_iter().enumerate() {
        let radius = 8.0 - 1.7 * i as f64;
        out.push(e(x, y, radius, radius, 0.0, if i % 2 == 0 { -30.0 } else { -20.0 }));
    }
    for (x, y, turn) in [(-138.0, 18.0, 70.0), (138.0, 18.0, -70.0), (-118.0, 56.0, 45.0), (118.0, 56.0, -45.0)] {
        out.push(e(x, y, 13.0, 4.0, turn, 550.0));
    }
    for (x, y) in [(-100.0, -4.0), (-72.0, 10.0), (-42.0, -30.0)] {
        out.push(e(x, y + z, 3.0, 2.2, 30.0 * z, 60.0)); // vessels
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(image: &Array2<f32>, scan: &Scan, x: f64, y: f64) -> (f64, f64) {
        let centre = (scan.size as f64 - 1.0) / 2.0;
        let at = |v: f64| (v / scan.pixel + centre).round() as usize;
        let part = image.slice(ndarray::s![at(y) - 3..at(y) + 4, at(x) - 3..at(x) + 4]).mapv(f64::from);
        (part.mean().unwrap(), part.std(0.0))
    }

    #[test]
    fn organs_have_their_hounsfield_units() {
        let scan = Scan { size: 256, pixel: 1.5, views: 300, photons: 4.0e4 };
        let slice = slice(&scan, 0);
        for (x, y, hu) in [(-40.0, -20.0, 105.0), (95.0, 10.0, 120.0), (-2.0, 26.0, 180.0), (20.0, -70.0, -80.0)] {
            let (mean, _) = region(&slice.truth, &scan, x, y);
            assert!((mean - hu).abs() < 6.0, "{x},{y}: {mean} for {hu}");
        }
        let (air, _) = region(&slice.truth, &scan, -180.0, -180.0);
        assert!(air < -985.0, "{air}");
    }

    #[test]
    fn noise_has_no_mean_and_falls_with_dose() {
        // Enough photons behind the body that counting, not the detector's electronics, makes the noise.
        let scan = Scan { size: 128, pixel: 3.0, views: 200, photons: 1.0e6 };
        let noise = |scan: &Scan| {
            let s = slice(scan, 1);
            let part = (&s.measured - &s.truth).slice(ndarray::s![40..88, 40..88]).mapv(f64::from);
            (part.mean().unwrap(), part.std(0.0))
        };
        let ((mean, low), (_, high)) = (noise(&scan), noise(&Scan { photons: 4.0e6, ..scan }));
        assert!(mean.abs() < low / 3.0, "{mean} {low}");
        assert!((low / high - 2.0).abs() < 0.1, "four times the dose halves the noise: {low} {high}");
    }

    #[test]
    fn the_same_slice_comes_twice() {
        let scan = Scan { size: 64, pixel: 6.0, views: 60, photons: 1.0e4 };
        assert_eq!(slice(&scan, 2).measured, slice(&scan, 2).measured);
        assert_ne!(slice(&scan, 2).measured, slice(&scan, 3).measured);
    }
}
