//! GELU in its exact form, `x (1 + erf(x / sqrt 2)) / 2`.
//!
//! Computed as `2 GELU(x) = x + |x| erf(|x| / sqrt 2)`; the half goes into the convolution that follows, where it costs
//! nothing and rounds nothing. Processors that permute sixteen lanes take erf from a table of cubic polynomials, others
//! from a quotient of polynomials.

use std::sync::OnceLock;

/// Coefficients of a rational approximation of erf(z), highest power of z^2 first; `z ABOVE / BELOW` for |z| up to
/// `LARGEST`, beyond which erf is 1 in float32. These are the numbers that the Eigen library uses; their error is under
/// 2e-7.
pub(crate) mod rational {
    pub(crate) const LARGEST: f32 = 3.832_507;
    pub(crate) const ABOVE: [f32; 5] =
        [2.290_506_6e-4, 3.408_291e-3, 5.095_569_6e-2, 1.852_083_2e-1, std::f32::consts::FRAC_2_SQRT_PI];
    pub(crate) const BELOW: [f32; 7] =
        [-1.179_160_3e-7, 2.354_796_6e-5, 1.017_962_5e-3, 1.407_047e-2, 1.109_851_8e-1, 4.974_692_5e-1, 1.0];
}

/// The table: erf(t / sqrt 2) for t in `[0, LARGEST]` as cubic polynomials of the distance from one of 32 equidistant
/// nodes, in units of their distance.
pub(crate) struct Gelu {
    /// `[power][node]`.
    table: &'static Table,
}

#[repr(align(64))]
struct Table([[f32; 32]; 4]);

impl Gelu {
    /// Nodes for each unit of t.
    pub(crate) const SCALE: f32 = 5.5;
    /// The last node and half a distance, where erf is 1 to 2e-8.
    pub(crate) const LARGEST: f32 = 31.0 / Self::SCALE;
    /// Adding this leaves the nearest integer in the lowest bits of a float32.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "used by AVX-512 alone"))]
    pub(crate) const ROUND: f32 = 12_582_912.0;

    pub(crate) fn new() -> Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        Self { table: TABLE.get_or_init(|| make(|t| erf(t * std::f64::consts::FRAC_1_SQRT_2))) }
    }

    /// The table of twice the derivative, less 1: erf(t / sqrt 2) + 2 t phi(t), phi the normal density.
    pub(crate) fn slope() -> Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        let slope = |t: f64| {
            let density = (-0.5 * t * t).exp() / std::f64::consts::TAU.sqrt();
            erf(t * std::f64::consts::FRAC_1_SQRT_2) + 2.0 * t * density
        };
        Self { table: TABLE.get_or_init(|| make(slope)) }
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn table(&self) -> &[[f32; 32]; 4] {
        &self.table.0
    }

    /// One value of `2 GELU`, by the table.
    pub(crate) fn doubled(&self, x: f32) -> f32 {
        let size = x.abs();
        x + size * self.at(size)
    }

    /// The table's function at a positive number.
    pub(crate) fn at(&self, size: f32) -> f32 {
        // `min` gives the bound for NaN, and the last line gives NaN for NaN.
        let t = size.min(Self::LARGEST) * Self::SCALE;
        // Truncation of a positive number and a half: to the nearest node.
        let node = (t + 0.5) as usize;
        let rest = t - node as f32;
        let [c0, c1, c2, c3] = self.table.0.each_ref().map(|c| c[node & 31]);
        ((c3 * rest + c2) * rest + c1) * rest + c0
    }
}

/// Interpolates at the four Chebyshev points around each node.
fn make(of: impl Fn(f64) -> f64) -> Table {
    let mut table = Table([[0.0; 32]; 4]);
    let at: [f64; 4] = std::array::from_fn(|k| 0.5 * (std::f64::consts::PI * (2 * k + 1) as f64 / 8.0).cos());
    for node in 0..32 {
        let values = at.map(|r| of((node as f64 + r) / f64::from(Gelu::SCALE)));
        for (power, c) in interpolate(at, values).into_iter().enumerate() {
            table.0[power][node] = c as f32;
        }
    }
    table
}

/// Coefficients, lowest first, of the cubic through four points: Newton's divided differences, multiplied out.
fn interpolate(x: [f64; 4], mut y: [f64; 4]) -> [f64; 4] {
    for level in 1..4 {
        for i in (level..4).rev() {
            y[i] = (y[i] - y[i - 1]) / (x[i] - x[i - level]);
        }
    }
    let mut c = [0.0; 4];
    for i in (0..4).rev() {
        for power in (1..4).rev() {
            c[power] = c[power - 1] - x[i] * c[power];
        }
        c[0] = y[i] - x[i] * c[0];
    }
    c
}

/// The error function by its series of positive terms (Abramowitz and Stegun, 7.1.6), to full f64 precision for |z|
/// under 6.
fn erf(z: f64) -> f64 {
    let (mut term, mut sum) = (z, z);
    for n in 1..200 {
        term *= 2.0 * z * z / (2 * n + 1) as f64;
        sum += term;
    }
    2.0 / std::f64::consts::PI.sqrt() * (-z * z).exp() * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_is_that_of_the_tables() {
        // Abramowitz and Stegun, table 7.1.
        for (z, value) in [(0.0, 0.0), (0.5, 0.520_499_877_8), (1.0, 0.842_700_792_9), (2.0, 0.995_322_265_0)] {
            assert!((erf(z) - value).abs() < 1e-10);
        }
    }

    #[test]
    fn the_table_is_right_to_a_millionth() {
        let gelu = Gelu::new();
        for i in -80_000..80_000 {
            let x = i as f32 / 8_000.0;
            let exact = f64::from(x) * (1.0 + erf(f64::from(x) * std::f64::consts::FRAC_1_SQRT_2).clamp(-1.0, 1.0));
            let exact = if x.abs() > 8.0 { 2.0 * f64::from(x.max(0.0)) } else { exact };
            assert!((f64::from(gelu.doubled(x)) - exact).abs() < 1e-6 * f64::from(x.abs()).max(1.0), "{x}");
        }
    }

    #[test]
    fn what_is_not_finite_stays_so() {
        let gelu = Gelu::new();
        assert!(gelu.doubled(f32::NAN).is_nan());
        assert_eq!(gelu.doubled(f32::INFINITY), f32::INFINITY);
        assert_eq!(gelu.doubled(1e30), 2e30);
        assert_eq!(gelu.doubled(-1e3), 0.0);
    }
}
