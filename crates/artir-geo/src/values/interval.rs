//! The stored values that the network receives as black and white.

/// The rule for black and white.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RangeChoice {
    /// All values of 8-bit scenes, as [`RangeChoice::Percentile`] for all others.
    #[default]
    Auto,
    /// Stored values chosen by the user.
    Interval(Interval),
    /// Stored values chosen by the user, for red, green and blue.
    EachBand([Interval; 3]),
    /// From zero to the 99.5th percentile of the valid pixels of all restored bands together. Zero is that of reflectance,
    /// where the bands state scale and offset; else the stored zero, or the 0.5th percentile where stored values are negative.
    /// Black is not the darkest pixel, since that would hide haze from the network.
    Percentile,
    /// Reflectance 0 to 1, where the bands state scale and offset; else the stored values 0 to 10,000.
    Reflectance,
}

/// Stored values for black and white: the same for the whole scene, so that tiles stay consistent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    lo: f64,
    hi: f64,
}

/// Shares of the pixels below and above the interval, of a decimated scene.
pub(crate) const TAILS: [f64; 2] = [0.005, 0.995];

impl Interval {
    /// 0 to 1.
    pub(crate) const UNIT: Self = Self { lo: 0.0, hi: 1.0 };
    /// All values of 8 bits.
    pub(crate) const BYTES: Self = Self { lo: 0.0, hi: 255.0 };
    /// Reflectance from 0 to 1, stored in ten-thousandths.
    pub(crate) const REFLECTANCE: Self = Self { lo: 0.0, hi: 10_000.0 };

    /// Black at `lo`, white at `hi`; `None` unless both are finite and apart.
    pub fn new(lo: f64, hi: f64) -> Option<Self> {
        (lo.is_finite() && hi.is_finite() && lo < hi && (hi - lo).is_finite()).then_some(Self { lo, hi })
    }

    /// The stored value for black.
    pub fn black(self) -> f64 {
        self.lo
    }

    /// The stored value for white.
    pub fn white(self) -> f64 {
        self.hi
    }

    /// The same stored values with black and white exchanged, for a band whose 0 is white.
    pub(crate) fn negative(self) -> Self {
        Self { lo: self.hi, hi: self.lo }
    }

    /// A stored value in display units: 0 black, 1 white.
    pub(crate) fn display(self, stored: f64) -> f32 {
        ((stored - self.lo) / (self.hi - self.lo)) as f32
    }

    /// A difference in display units as one of stored values. Zero stays exactly zero.
    pub(crate) fn stored(self, difference: f32) -> f64 {
        f64::from(difference) * (self.hi - self.lo)
    }

    /// By percentiles of the values of each band that count, in a sample of the scene. `None` without two different
    /// values.
    pub(crate) fn of_sample(counted: &[Vec<f64>]) -> Option<Self> {
        Self::of_values(counted.concat())
    }

    /// The stored values of white and black, in this order, of a single band whose 0 is white. Black is the largest value that
    /// an unsigned band can have; in other bands it is a percentile, as white is.
    pub(crate) fn of_negative(counted: &[Vec<f64>], [least, most]: &[f64; 2]) -> Option<Self> {
        let black = if *least == 0.0 { *most } else { 0.0 };
        let found = Self::of_values(counted.first()?.iter().map(|v| black - v).collect())?;
        Self::new(black - found.hi, black - found.lo)
    }

    fn of_values(mut values: Vec<f64>) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        values.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        let lo = if values[0] >= 0.0 { 0.0 } else { at(TAILS[0]) };
        let hi = if at(TAILS[1]) > lo { at(TAILS[1]) } else { values[values.len() - 1] };
        Self::new(lo, hi)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_leave_out_tails() {
        let mut values: Vec<f64> = (0..1000).map(|v| f64::from(v + 100)).collect();
        values.push(60_000.0);
        let found = Interval::of_sample(&[values[..500].to_vec(), values[500..].to_vec()]).unwrap();
        assert_eq!((found.lo, found.hi), (0.0, 1095.0));
        assert_eq!(Interval::of_sample(&[values[..500].to_vec(), Vec::new()]).unwrap().hi, 597.0);
        let found = Interval::of_sample(&[vec![-2.0, 3.0]]).unwrap();
        assert_eq!((found.lo, found.hi), (-2.0, 3.0));
    }

    #[test]
    fn a_negative_has_the_range_of_its_positive() {
        let positive: Vec<f64> = (0..1000).map(|v| f64::from(v + 100)).collect();
        let stored: Vec<f64> = positive.iter().map(|v| 65_535.0 - v).collect();
        let wanted = Interval::of_sample(&[positive]).unwrap();
        let found = Interval::of_negative(&[stored], &[0.0, 65_535.0]).unwrap().negative();
        assert_eq!((found.black(), found.white()), (65_535.0 - wanted.black(), 65_535.0 - wanted.white()));
        assert_eq!((found.display(65_535.0), found.display(found.white())), (0.0, 1.0));
        let found = Interval::of_negative(&[vec![-2.0, 3.0]], &[f64::MIN, f64::MAX]).unwrap().negative();
        assert_eq!((found.black(), found.white()), (3.0, -2.0));
    }

    #[test]
    fn nothing_to_go_by_is_no_interval() {
        assert_eq!(Interval::of_sample(&[vec![0.0, 0.0]]), None);
        assert_eq!(Interval::of_sample(&[Vec::new()]), None);
        assert_eq!(Interval::new(1.0, 1.0), None);
        assert_eq!(Interval::new(f64::NAN, 1.0), None);
        assert_eq!(Interval::new(-1.7e308, 1.7e308), None);
    }
}
