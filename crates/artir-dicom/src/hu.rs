//! Stored values <-> Hounsfield units, and what restoring does to stored values.

use ndarray::{Array2, ArrayView2};

/// The stored values that mean "no pixel here" (PixelPaddingValue, and PixelPaddingRangeLimit where there is one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Padding {
    pub(crate) lo: i32,
    pub(crate) hi: i32,
}

impl Padding {
    pub(crate) fn contains(&self, stored: i32) -> bool {
        (self.lo..=self.hi).contains(&stored)
    }
}

/// How stored values are to be read and written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Encoding {
    pub(crate) bits_stored: u16,
    pub(crate) signed: bool,
    /// RescaleSlope; output units for each step of the stored value. Never 0.
    pub(crate) slope: f64,
    /// RescaleIntercept, output units.
    pub(crate) intercept: f64,
    pub(crate) padding: Option<Padding>,
}

impl Encoding {
    /// Least and largest value that the stored bits hold.
    pub(crate) fn limits(&self) -> (i32, i32) {
        let bits = u32::from(self.bits_stored);
        if self.signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
    }

    /// The modality LUT: stored times slope plus intercept (PS3.3, C.11.1.1.2).
    pub(crate) fn rescale(&self, stored: i32) -> f64 {
        f64::from(stored) * self.slope + self.intercept
    }

    pub(crate) fn is_padding(&self, stored: i32) -> bool {
        self.padding.is_some_and(|p| p.contains(stored))
    }

    /// The stored value nearest to one that need not be whole, within the stored bits and outside the padding.
    pub(crate) fn nearest(&self, wanted: f64) -> i32 {
        let (lo, hi) = self.limits();
        let value = wanted.round().clamp(f64::from(lo), f64::from(hi)) as i32;
        let Some(padding) = self.padding.filter(|p| p.contains(value)) else { return value };
        let (below, above) = (padding.lo.saturating_sub(1), padding.hi.saturating_add(1));
        match (below >= lo, above <= hi) {
            (true, true) => {
                if wanted - f64::from(below) <= f64::from(above) - wanted {
                    below
                } else {
                    above
                }
            }
            (true, false) => below,
            (false, true) => above,
            // Padding fills the whole range: then no pixel is valid, and none gets here.
            (false, false) => value,
        }
    }

    /// Adds a residual in output units. Padding stays as it is, and a zero residual changes nothing.
    pub(crate) fn add(&self, stored: &mut Array2<i32>, residual: ArrayView2<'_, f32>) {
        stored.zip_mut_with(&residual, |stored, r| {
            if *r != 0.0 && !self.is_padding(*stored) {
                *stored = self.nearest(f64::from(*stored) + f64::from(*r) / self.slope);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;
    use proptest::prelude::*;

    use super::*;

    const CT: Encoding = Encoding {
        bits_stored: 16,
        signed: true,
        slope: 1.0,
        intercept: -1024.0,
        padding: Some(Padding { lo: -2000, hi: -2000 }),
    };

    proptest! {
        #[test]
        fn valid_values_stay_valid_and_in_range(
            bits in 8u16..=16, signed: bool, slope in 0.1f64..10.0, at in -40_000i32..70_000, wide in 0i32..30,
            stored in -40_000i32..70_000, residual in -1e5f32..1e5
        ) {
            let mut e = Encoding { bits_stored: bits, signed, slope, intercept: 0.0, padding: None };
            let (lo, hi) = e.limits();
            let at = at.clamp(lo, hi - 40);
            e.padding = Some(Padding { lo: at, hi: at + wide });
            let stored = stored.clamp(lo, hi);
            let mut slice = arr2(&[[stored]]);
            e.add(&mut slice, arr2(&[[residual]]).view());
            let now = slice[(0, 0)];
            prop_assert!((lo..=hi).contains(&now));
            if e.is_padding(stored) { prop_assert_eq!(now, stored); } else { prop_assert!(!e.is_padding(now)); }
        }
    }

    #[test]
    fn the_residual_is_rounded_to_the_nearest_step() {
        let mut slice = arr2(&[[0, 100, -2000, 32767]]);
        CT.add(&mut slice, arr2(&[[0.4, -10.6, 50.0, 10.0]]).view());
        assert_eq!(slice, arr2(&[[0, 89, -2000, 32767]]));
        let half = Encoding { slope: 0.5, ..CT };
        let mut slice = arr2(&[[10]]);
        half.add(&mut slice, arr2(&[[1.0]]).view());
        assert_eq!(slice, arr2(&[[12]]));
    }

    #[test]
    fn a_value_that_would_become_padding_takes_its_neighbour() {
        assert_eq!(CT.nearest(-2000.4), -2001);
        assert_eq!(CT.nearest(-1999.6), -1999);
        let lowest = Encoding { padding: Some(Padding { lo: -32768, hi: -32768 }), ..CT };
        assert_eq!(lowest.nearest(-40_000.0), -32767);
    }
}
