//! A scene from above with fields, woods, roads, roofs and a river, clear and under haze.

use ndarray::{Array2, Array3};

use super::Random;

/// A scene, `[channel, row, column]`, 8 bits.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Without haze.
    pub clear: Array3<u8>,
    /// Through haze.
    pub hazy: Array3<u8>,
}

/// Makes the scene of a seed, `size` pixels on an edge.
///
/// The haze follows atmospheric scattering, I = J t + A (1 - t), with a transmission that varies smoothly between
/// about 0.45 and 0.8 (Narasimhan and Nayar, IJCV 48, 2002).
pub fn scene(size: usize, seed: u64) -> Scene {
    let clear = ground(size, seed);
    let depth = smooth(size, 3, seed + 100);
    let airlight = [0.80, 0.82, 0.85];
    let hazy = Array3::from_shape_fn((3, size, size), |(c, y, x)| {
        let t = (-(0.22 + 0.58 * depth[(y, x)])).exp();
        byte(clear[(c, y, x)] * t + airlight[c] * (1.0 - t))
    });
    Scene { clear: clear.mapv(byte), hazy }
}

fn byte(v: f64) -> u8 {
    (v * 255.0).round().clamp(0.0, 255.0) as u8
}

/// Reflectance-like colours, 0 to 1.
fn ground(size: usize, seed: u64) -> Array3<f64> {
    let mut random = Random::new(seed);
    let (relief, grain, woods) =
        (smooth(size, 4, seed + 1), smooth(size, size / 3, seed + 2), smooth(size, 7, seed + 3));
    let n = size as f64;
    let cells = 7;
    let fields: Vec<[f64; 3]> = (0..cells * cells)
        .map(|_| {
            let kinds =
                [[0.30, 0.36, 0.18], [0.45, 0.40, 0.26], [0.22, 0.31, 0.15], [0.52, 0.47, 0.34], [0.36, 0.29, 0.20]];
            let base = kinds[(random.uniform() * 5.0) as usize % 5];
            let shade = 0.85 + 0.3 * random.uniform();
            base.map(|v| v * shade)
        })
        .collect();
    let roofs: Vec<(f64, f64, f64, f64, [f64; 3])> = (0..70)
        .map(|_| {
            let (x, y) = (n * (0.55 + 0.4 * random.uniform()), n * (0.08 + 0.35 * random.uniform()));
            let tone = 0.35 + 0.4 * random.uniform();
            let red = if random.uniform() < 0.4 { [0.62, 0.33, 0.26] } else { [tone, tone, tone * 1.02] };
            (x, y, 4.0 + 6.0 * random.uniform(), 4.0 + 6.0 * random.uniform(), red)
        })
        .collect();
    Array3::from_shape_fn((3, size, size), |(c, row, column)| {
        let (x, y) = (column as f64, row as f64);
        // Field borders bend a little.
        let bend = |v: f64, r: f64| (((v + 14.0 * r) / n * cells as f64) as usize).min(cells - 1);
        let field = bend(y, relief[(row, column)]) * cells + bend(x, relief[(column, row)]);
        let furrows = 0.02 * ((x * (field % 3) as f64 + y * (1 + field % 2) as f64) * 0.9).sin();
        let mut v = fields[field][c] + furrows + 0.06 * (grain[(row, column)] - 0.5);
        if woods[(row, column)] > 0.62 {
            v = [0.10, 0.17, 0.08][c] * (0.6 + 0.9 * grain[(row, column)]);
        }
        let road = (y - n * 0.47 - 0.12 * x).abs().min((x - n * 0.5 + 0.2 * y).abs());
        if road < 2.5 {
            v = 0.46 + 0.03 * grain[(row, column)];
        }
        for (rx, ry, w, h, tone) in &roofs {
            if (x - rx).abs() < *w && (y - ry).abs() < *h {
                v = tone[c] * if x > *rx { 0.85 } else { 1.0 };
            } else if (x - rx - 3.0).abs() < *w && (y - ry - 3.0).abs() < *h {
                v *= 0.55; // shadow
            }
        }
        let river = (x - n * 0.2 - n * 0.06 * (y / n * 7.0).sin()).abs();
        if river < n * 0.03 {
            v = [0.10, 0.17, 0.21][c] + 0.01 * grain[(row, column)];
        }
        v.clamp(0.02, 0.98)
    })
}

/// Smooth noise from 0 to 1: octaves of a random grid of `cells`, bilinear with eased steps.
fn smooth(size: usize, cells: usize, seed: u64) -> Array2<f64> {
    let mut random = Random::new(seed);
    let mut out = Array2::zeros((size, size));
    let (mut cells, mut weight) = (cells.max(1), 1.0);
    for _ in 0..3 {
        let grid = Array2::from_shape_simple_fn((cells + 2, cells + 2), || random.uniform());
        let place = |i: usize| {
            let at = i as f64 * cells as f64 / size as f64;
            let part = at.fract();
            (at as usize, part * part * (3.0 - 2.0 * part))
        };
        for ((y, x), to) in out.indexed_iter_mut() {
            let ((i, v), (j, u)) = (place(y), place(x));
            let top = grid[(i, j)] * (1.0 - u) + grid[(i, j + 1)] * u;
            let bottom = grid[(i + 1, j)] * (1.0 - u) + grid[(i + 1, j + 1)] * u;
            *to += weight * (top * (1.0 - v) + bottom * v);
        }
        cells *= 2;
        weight *= 0.5;
    }
    out.mapv_into(|v: f64| (v / 1.75).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn haze_brightens_the_dark_and_flattens() {
        let s = scene(128, 5);
        let mean = |a: &Array3<u8>| a.iter().map(|v| f64::from(*v)).sum::<f64>() / a.len() as f64;
        let spread = |a: &Array3<u8>| a.mapv(f64::from).std(0.0);
        assert!(mean(&s.hazy) > mean(&s.clear) + 10.0);
        assert!(spread(&s.hazy) < 0.9 * spread(&s.clear));
        assert_eq!(scene(128, 5).hazy, s.hazy);
    }
}
