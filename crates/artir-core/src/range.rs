//! Physical range <-> network range.

/// An affine map of a physical interval onto the interval that a network was trained on.
///
/// `network = network_lo + (physical - lo) * gain`, with physical values clamped to `[lo, hi]` on
/// the way in. On the way out only differences travel, so that a value beyond the interval (metal
/// in CT) keeps its excess: see [`Range::residual`].
///
/// ```
/// use artir_core::Range;
///
/// // HU onto 0 to 1.
/// let range = Range::new([-1024.0, 3072.0], [0.0, 1.0]).expect("a range");
/// assert_eq!((range.to_network(1024.0), range.to_network(9000.0)), (0.5, 1.0));
/// assert_eq!(range.residual(0.25), 1024.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    lo: f32,
    hi: f32,
    network_lo: f32,
    gain: f64,
}

impl Range {
    /// Maps the physical interval `[lo, hi]` onto `[network_lo, network_hi]`; `None` unless all
    /// four are finite and both intervals have a positive length.
    pub fn new([lo, hi]: [f32; 2], [network_lo, network_hi]: [f32; 2]) -> Option<Self> {
        let finite = [lo, hi, network_lo, network_hi].iter().all(|v| v.is_finite());
        if !finite || hi <= lo || network_hi <= network_lo {
            return None;
        }
        let gain = (f64::from(network_hi) - f64::from(network_lo)) / (f64::from(hi) - f64::from(lo));
        Some(Self { lo, hi, network_lo, gain })
    }

    /// A physical value in network units, clamped to the trained interval.
    pub fn to_network(&self, physical: f32) -> f32 {
        let inside = f64::from(physical.clamp(self.lo, self.hi)) - f64::from(self.lo);
        (f64::from(self.network_lo) + inside * self.gain) as f32
    }

    /// A difference in network units as a difference in physical units. Zero stays exactly zero.
    pub fn residual(&self, network: f32) -> f32 {
        (f64::from(network) / self.gain) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_the_ends_and_clamps_beyond_them() {
        let r = Range::new([-1024.0, 3072.0], [0.0, 1.0]).unwrap();
        assert_eq!(r.to_network(-1024.0), 0.0);
        assert_eq!(r.to_network(3072.0), 1.0);
        assert_eq!(r.to_network(-5000.0), 0.0);
        assert_eq!(r.to_network(30000.0), 1.0);
        assert!((r.to_network(0.0) - 0.25).abs() < 1e-7);
    }

    #[test]
    fn a_residual_is_the_inverse_scale_and_zero_is_zero() {
        let r = Range::new([0.0, 20.0], [0.0, 1.0]).unwrap();
        assert!((r.residual(0.5) - 10.0).abs() < 1e-6);
        assert_eq!(r.residual(0.0), 0.0);
    }

    #[test]
    fn empty_or_infinite_intervals_are_no_range() {
        assert!(Range::new([1.0, 1.0], [0.0, 1.0]).is_none());
        assert!(Range::new([0.0, 1.0], [1.0, 0.0]).is_none());
        assert!(Range::new([f32::NEG_INFINITY, 1.0], [0.0, 1.0]).is_none());
        assert!(Range::new([0.0, f32::NAN], [0.0, 1.0]).is_none());
    }
}
