//! Which stored values count, and how residuals change them.

use super::{
    interval::Interval,
    samples::{Planes, Sample, nodata_as, on_planes},
};

/// How the stored values of a restored band are read and changed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BandValues {
    /// Black and white.
    pub(crate) interval: Interval,
    /// The stored value that is no value of the scene.
    pub(crate) nodata: Option<f64>,
    /// The stored value that readers of the result take for nodata, also where another one was chosen for the scene.
    pub(crate) declared: Option<f64>,
    /// The stored value of zero: reflectance is negative below it.
    pub(crate) zero: f64,
    /// The smallest and the largest stored value that the band can have.
    pub(crate) limits: [f64; 2],
}

impl BandValues {
    /// Whether a stored value is one of the band's, and not nodata.
    fn holds<T: Sample>(value: T, nodata: Option<T>) -> bool {
        Some(value) != nodata && value.value().is_finite()
    }

    /// A stored value with a residual (display units) added, rounded to nearest. It stays within the band's limits; what was
    /// above zero does not fall below it, and no value becomes nodata: that of the scene, the first of `taken`, or the one that the
    /// result declares, the second.
    fn moved<T: Sample>(&self, before: T, taken: [Option<T>; 2], residual: f32) -> T {
        let from = before.value();
        if residual == 0.0 || !Self::holds(before, taken[0]) || T::nearest(from) != before {
            return before;
        }
        let floor = if from > self.zero {
            self.zero.max(self.limits[0])
        } else if self.interval.black() < self.zero {
            self.limits[0]
        } else {
            from
        };
        let floor = if T::INTEGER { floor.ceil() } else { floor };
        let wanted = from + self.interval.stored(residual);
        let mut after = T::nearest(wanted.max(floor.min(from)).min(self.limits[1].max(from)));
        // The two may be next to each other. A value that was the declared one counts, and may stay it.
        for _ in taken {
            if after != before && taken.contains(&Some(after)) {
                after = after.neighbour(from > after.value());
            }
        }
        after
    }
}

/// The values of each band that count: those of the pixels that are valid and that the band does not lack.
pub(crate) fn counted(planes: &Planes, bands: &[BandValues], valid: &[bool]) -> Vec<Vec<f64>> {
    fn of_band<T: Sample>(plane: &[T], band: &BandValues, valid: &[bool]) -> Vec<f64> {
        let nodata = nodata_as(band.nodata);
        let held = plane.iter().zip(valid).filter(|(value, ok)| **ok && BandValues::holds(**value, nodata));
        held.map(|(value, _)| value.value()).collect()
    }
    on_planes!(planes, p => p.iter().zip(bands).map(|(plane, band)| of_band(plane, band, valid)).collect())
}

/// The pixels that read as what a file does not hold: zero or nodata in all bands.
pub(crate) fn blank(planes: &Planes, bands: &[BandValues]) -> Vec<bool> {
    fn of_band<T: Sample>(plane: &[T], band: &BandValues, blank: &mut [bool]) {
        let nodata = [nodata_as(band.nodata), nodata_as(band.declared)];
        for (value, blank) in plane.iter().zip(blank) {
            *blank &= value.value() == 0.0 || !value.value().is_finite() || nodata.contains(&Some(*value));
        }
    }
    on_planes!(planes, p => {
        let mut out = vec![true; p.first().map_or(0, Vec::len)];
        p.iter().zip(bands).for_each(|(plane, band)| of_band(plane, band, &mut out));
        out
    })
}

/// Marks pixels without a value in any band as invalid, and those that have the value `fill` in all bands. `valid` holds the
/// masks' result on entry.
pub(crate) fn mark_valid<T: Sample>(planes: &[Vec<T>], bands: &[BandValues], fill: Option<f64>, valid: &mut [bool]) {
    let nodata: Vec<Option<T>> = bands.iter().map(|b| nodata_as(b.nodata)).collect();
    if !T::INTEGER || nodata.iter().all(Option::is_some) {
        for (i, ok) in valid.iter_mut().enumerate() {
            *ok &= planes.iter().zip(&nodata).any(|(plane, n)| BandValues::holds(plane[i], *n));
        }
    }
    if let Some(fill) = nodata_as::<T>(fill) {
        for (i, ok) in valid.iter_mut().enumerate() {
            *ok &= planes.iter().any(|plane| plane[i] != fill);
        }
    }
}

/// Marks the pixels of a plane that have no value of their own: nodata of this band alone, or a number that is not finite.
/// False when there are none.
pub(crate) fn mark_missing<T: Sample>(plane: &[T], band: &BandValues, missing: &mut [bool]) -> bool {
    let nodata: Option<T> = nodata_as(band.nodata);
    if nodata.is_none() && T::INTEGER {
        return false;
    }
    let mut any = false;
    for (value, missing) in plane.iter().zip(missing) {
        *missing = !BandValues::holds(*value, nodata);
        any |= *missing;
    }
    any
}

/// Adds residuals (display units) to stored values, where `changes`.
pub(crate) fn add<T: Sample>(values: &mut [T], residual: &[f32], changes: Option<&[bool]>, band: &BandValues) {
    let taken = [nodata_as(band.nodata), nodata_as(band.declared)];
    for (i, (value, r)) in values.iter_mut().zip(residual).enumerate() {
        if changes.is_none_or(|changes| changes[i]) {
            *value = band.moved(*value, taken, *r);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn band(interval: Interval, nodata: Option<f64>) -> BandValues {
        BandValues { interval, nodata, declared: None, zero: 0.0, limits: [f64::MIN, f64::MAX] }
    }

    proptest! {
        #[test]
        fn a_value_stays_a_value_and_nodata_stays_nodata(value: u8, r in -2f32..2.0, nodata: Option<u8>) {
            let band = band(Interval::BYTES, nodata.map(f64::from));
            let mut values = [value];
            add(&mut values, &[r], None, &band);
            if Some(value) == nodata {
                prop_assert_eq!(values[0], value);
            } else {
                prop_assert_ne!(Some(values[0]), nodata);
                let exact = (f64::from(value) + f64::from(r) * 255.0).clamp(0.0, 255.0);
                prop_assert!((f64::from(values[0]) - exact).abs() <= 1.5);
            }
        }

        #[test]
        fn a_zero_residual_changes_no_bit(value: f64, nodata: Option<f64>) {
            let mut values = [value];
            add(&mut values, &[0.0], None, &band(Interval::BYTES, nodata));
            prop_assert_eq!(values[0].to_bits(), value.to_bits());
        }

        #[test]
        fn what_was_positive_stays_so_and_the_limits_hold(value in 0u16..2000, r in -2f32..2.0) {
            // Reflectance of Landsat, Collection 2: zero lies between two stored values.
            let interval = Interval::new(727.27, 9000.0).unwrap();
            let band =
                BandValues { interval, nodata: Some(0.0), declared: None, zero: 727.27, limits: [0.0, 4095.0] };
            let mut values = [value];
            add(&mut values, &[r], None, &band);
            let after = f64::from(values[0]);
            if f64::from(value) > band.zero {
                prop_assert!(after >= band.zero, "{value} {after}");
            } else if value > 0 {
                prop_assert!(values[0] >= value, "{value} {after}");
            }
            prop_assert!(after <= 4095.0);
        }
    }

    #[test]
    fn a_value_that_would_become_nodata_takes_the_next_one() {
        let mut values = [9u8, 0, 3];
        add(&mut values, &[-1.0, 0.5, -3.0 / 255.0], Some(&[true, false, true]), &band(Interval::BYTES, Some(0.0)));
        assert_eq!(values, [1, 0, 1]);
        let mut values = [0.5f32];
        add(&mut values, &[-0.5], None, &band(Interval::UNIT, Some(0.0)));
        assert!(values[0] > 0.0 && values[0] < 1e-30);
    }

    #[test]
    fn no_value_becomes_the_nodata_that_the_result_declares() {
        let of = |nodata| BandValues { declared: Some(0.0), ..band(Interval::BYTES, nodata) };
        // Every value counts, and 0 is no value in the result.
        let mut values = [9u8, 0, 0];
        add(&mut values, &[-1.0, 5.0 / 255.0, -0.1], None, &of(None));
        assert_eq!(values, [1, 5, 0]);
        // Two values side by side, and no more room than the value itself.
        let mut values = [9u8, 2, 1, 0];
        add(&mut values, &[-1.0; 4], None, &of(Some(1.0)));
        assert_eq!(values, [2, 2, 1, 0]);
    }

    #[test]
    fn large_integers_that_no_double_holds_stay() {
        let mut values = [i64::MAX - 1, 12];
        add(&mut values, &[0.1, 0.1], None, &band(Interval::new(0.0, 100.0).unwrap(), None));
        assert_eq!(values, [i64::MAX - 1, 22]);
    }

    #[test]
    fn values_count_where_the_band_has_them() {
        let bands = [band(Interval::BYTES, Some(-9999.0)), band(Interval::BYTES, None)];
        let planes = Planes::F32(vec![vec![-9999.0, 2.0, f32::NAN, 4.0], vec![5.0, 6.0, 0.0, -9999.0]]);
        let found = counted(&planes, &bands, &[true, true, true, false]);
        assert_eq!(found, [vec![2.0], vec![5.0, 6.0, 0.0]]);
        let found = counted(&planes, &bands, &[true; 4]);
        assert_eq!(found, [vec![2.0, 4.0], vec![5.0, 6.0, 0.0, -9999.0]]);
    }

    #[test]
    fn what_reads_as_missing_is_zero_or_nodata_in_all_bands() {
        let declared = BandValues { declared: Some(9.0), ..band(Interval::BYTES, None) };
        let planes = Planes::U8(vec![vec![0, 0, 7, 0], vec![0, 9, 9, 1]]);
        assert_eq!(blank(&planes, &[band(Interval::BYTES, Some(7.0)), declared]), [true, true, true, false]);
        assert_eq!(blank(&Planes::U8(Vec::new()), &[]), [false; 0]);
    }

    #[test]
    fn pixels_count_where_any_band_has_a_value() {
        let bands = [band(Interval::BYTES, Some(0.0)), band(Interval::BYTES, Some(9.0))];
        let mut valid = [true; 4];
        mark_valid(&[vec![0u8, 0, 5, 7], vec![9, 4, 9, 7]], &bands, Some(7.0), &mut valid);
        assert_eq!(valid, [false, true, true, false]);
        let mut missing = [false; 4];
        assert!(mark_missing(&[0u8, 0, 5, 7], &bands[0], &mut missing));
        assert_eq!(missing, [true, true, false, false]);
        let none = band(Interval::UNIT, None);
        let mut valid = [true; 2];
        mark_valid(&[vec![f32::NAN, 1.0], vec![f32::NAN, f32::NAN]], &[none.clone(), none], None, &mut valid);
        assert_eq!(valid, [false, true]);
    }
}
