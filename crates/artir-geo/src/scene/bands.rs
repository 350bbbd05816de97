//! Selection of the bands to restore.

use gdal::{Dataset, raster::ColorInterpretation};

use crate::{error::Reason, ffi};

/// Numbers of different bands, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BandNumbers(Vec<usize>);

impl BandNumbers {
    /// `None` for no band, for a band 0, and for a band that is named twice.
    pub fn new(numbers: impl Into<Vec<usize>>) -> Option<Self> {
        let numbers = numbers.into();
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        (sorted.first().is_some_and(|first| *first > 0) && sorted.len() == numbers.len()).then_some(Self(numbers))
    }

    /// The numbers.
    pub fn as_slice(&self) -> &[usize] {
        &self.0
    }
}

/// Finds the bands to restore (counted from 1): the requested ones, or red, green and blue by colour interpretation, or
/// the only band.
pub(super) fn find(dataset: &Dataset, asked: Option<&BandNumbers>) -> Result<Vec<usize>, Reason> {
    let count = dataset.raster_count();
    if let Some(BandNumbers(bands)) = asked {
        return match bands.iter().find(|b| **b > count) {
            Some(&band) => Err(Reason::NoBand { band, count }),
            None => Ok(bands.clone()),
        };
    }
    let find = |wanted: ColorInterpretation| {
        let number = wanted.c_int();
        (1..=count).find(|i| dataset.rasterband(*i).is_ok_and(|b| ffi::colour(&b) == number))
    };
    let rgb = [ColorInterpretation::RedBand, ColorInterpretation::GreenBand, ColorInterpretation::BlueBand];
    match rgb.map(find) {
        [Some(r), Some(g), Some(b)] => Ok(vec![r, g, b]),
        _ if count == 1 => Ok(vec![1]),
        _ => Err(Reason::NoColours),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_bands_are_different_and_start_at_one() {
        assert_eq!(BandNumbers::new([4, 3, 2]).unwrap().as_slice(), [4, 3, 2]);
        for bad in [&[][..], &[0, 1], &[2, 2]] {
            assert_eq!(BandNumbers::new(bad), None, "{bad:?}");
        }
    }
}
