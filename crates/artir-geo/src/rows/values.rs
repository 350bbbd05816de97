//! Nodata of pixels, and adding residuals to stored values.

use super::samples::{Sample, nodata_as};
use crate::scene::interval::Interval;

/// Validity of pixels, and the conversion of residuals to stored values.
#[derive(Clone, Copy)]
pub(crate) struct Meaning<'a> {
    pub(crate) interval: Interval,
    /// Nodata values of the restored bands.
    pub(crate) nodata: &'a [Option<f64>],
}

/// Marks pixels that are nodata in every band as invalid. `valid` holds the masks' result on entry.
pub(crate) fn mark_valid<T: Sample>(planes: &[Vec<T>], nodata: &[Option<f64>], valid: &mut [bool]) {
    let nodata: Vec<Option<T>> = nodata.iter().map(|n| nodata_as(*n)).collect();
    if nodata.iter().any(Option::is_none) {
        return;
    }
    for (i, ok) in valid.iter_mut().enumerate() {
        *ok &= planes.iter().zip(&nodata).any(|(plane, n)| Some(plane[i]) != *n);
    }
}

/// Adds residuals (display units) to stored values from `at` on, rounding to nearest and saturating. `residual` has a
/// slice for each plane.
///
/// An invalid pixel is not changed. A valid one stays valid: if rounding would make every band nodata, the band that
/// moved furthest takes the nearest other value.
pub(crate) fn add<T: Sample>(
    planes: &mut [Vec<T>],
    at: usize,
    residual: &[&[f32]],
    valid: Option<&[bool]>,
    meaning: Meaning<'_>,
) {
    let nodata: Vec<Option<T>> = meaning.nodata.iter().map(|n| nodata_as(*n)).collect();
    let count = residual.first().map_or(0, |r| r.len());
    if nodata.iter().any(Option::is_none) {
        // Some band has no nodata value, so no pixel can become invalid.
        for (plane, residual) in planes.iter_mut().zip(residual) {
            for (i, (value, r)) in plane[at..at + count].iter_mut().zip(*residual).enumerate() {
                if *r != 0.0 && valid.is_none_or(|v| v[at + i]) {
                    *value = T::nearest(value.value() + meaning.interval.stored(*r));
                }
            }
        }
        return;
    }
    let mut before = vec![T::default(); planes.len()];
    for i in 0..count {
        if valid.is_some_and(|v| !v[at + i]) {
            continue;
        }
        let mut all_nodata = true;
        for (band, plane) in planes.iter_mut().enumerate() {
            let value = &mut plane[at + i];
            before[band] = *value;
            let r = residual[band][i];
            if r != 0.0 {
                *value = T::nearest(value.value() + meaning.interval.stored(r));
            }
            all_nodata &= Some(*value) == nodata[band];
        }
        // A pixel with nodata in every band is invalid and was skipped.
        if all_nodata && before.iter().zip(&nodata).any(|(v, n)| Some(*v) != *n) {
            let moved = |band: usize| (planes[band][at + i].value() - before[band].value()).abs();
            let band = (0..planes.len()).max_by(|a, b| moved(*a).total_cmp(&moved(*b))).unwrap_or(0);
            let wanted = before[band].value() + meaning.interval.stored(residual[band][i]);
            let value = &mut planes[band][at + i];
            let above = if wanted == value.value() { before[band].value() > wanted } else { wanted > value.value() };
            *value = value.neighbour(above);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EIGHT_BIT: Interval = Interval::BYTES;

    proptest! {
        #[test]
        fn valid_pixels_stay_valid_and_invalid_ones_unchanged(
            pixel: [u8; 3], r in -2f32..2.0, g in -2f32..2.0, b in -2f32..2.0, nodata: [Option<u8>; 3]
        ) {
            let nodata = nodata.map(|n| n.map(f64::from));
            let mut planes: Vec<Vec<u8>> = pixel.iter().map(|v| vec![*v]).collect();
            let mut valid = [true];
            mark_valid(&planes, &nodata, &mut valid);
            let meaning = Meaning { interval: EIGHT_BIT, nodata: &nodata };
            add(&mut planes, 0, &[&[r], &[g], &[b]], Some(&valid), meaning);
            let mut after = [true];
            mark_valid(&planes, &nodata, &mut after);
            prop_assert_eq!(valid, after);
            for i in 0..3 {
                let exact = (f64::from(pixel[i]) + f64::from([r, g, b][i]) * 255.0).clamp(0.0, 255.0);
                if valid[0] {
                    prop_assert!((f64::from(planes[i][0]) - exact).abs() <= 1.5);
                } else {
                    prop_assert_eq!(planes[i][0], pixel[i]);
                }
            }
        }

        #[test]
        fn a_zero_residual_changes_no_bit(values: [f64; 3], nodata: Option<f64>) {
            let mut planes: Vec<Vec<f64>> = values.iter().map(|v| vec![*v]).collect();
            let meaning = Meaning { interval: EIGHT_BIT, nodata: &[nodata; 3] };
            add(&mut planes, 0, &[&[0.0], &[0.0], &[0.0]], None, meaning);
            for (a, b) in planes.iter().zip(values) {
                prop_assert_eq!(a[0].to_bits(), b.to_bits());
            }
        }
    }

    #[test]
    fn a_valid_pixel_that_would_become_nodata_takes_the_next_value() {
        let meaning = Meaning { interval: EIGHT_BIT, nodata: &[Some(0.0)] };
        let mut planes = vec![vec![9u8, 0, 3]];
        add(&mut planes, 0, &[&[-1.0, 0.5, -3.0 / 255.0]], Some(&[true, false, true]), meaning);
        assert_eq!(planes[0], [1, 0, 1]);
        let meaning = Meaning { interval: Interval::UNIT, ..meaning };
        let mut planes = vec![vec![0.5f32]];
        add(&mut planes, 0, &[&[-0.5]], Some(&[true]), meaning);
        assert!(planes[0][0] > 0.0 && planes[0][0] < 1e-30);
    }
}
