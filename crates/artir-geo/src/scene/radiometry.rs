//! The physical meaning of stored values: reflectance by scale and offset, and the values that a band can have.

use super::{description::Description, domains::Domains};
use crate::{
    ffi,
    values::interval::{Interval, TAILS},
};

/// The linear relation of a band: physical value = stored value x scale + offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Radiometry {
    scale: f64,
    offset: f64,
}

impl Radiometry {
    /// `None` unless both are finite, the scale is positive, and they change something.
    fn new(scale: f64, offset: f64) -> Option<Self> {
        let fine = scale.is_finite() && offset.is_finite() && scale > 0.0 && (scale, offset) != (1.0, 0.0);
        fine.then_some(Self { scale, offset })
    }

    /// A physical value as a stored one.
    pub(crate) fn stored(self, physical: f64) -> f64 {
        (physical - self.offset) / self.scale
    }

    /// A stored value as a physical one.
    pub(crate) fn physical(self, stored: f64) -> f64 {
        stored * self.scale + self.offset
    }

    /// The physical value of a stored step.
    pub(crate) fn step(self) -> f64 {
        self.scale
    }

    /// Stored values for physical black and white.
    pub(crate) fn interval(self, black: f64, white: f64) -> Option<Interval> {
        Interval::new(self.stored(black), self.stored(white))
    }
}

/// The radiometry of restored bands, from the bands' own scale and offset, or from what the product states; `None` unless all
/// of them have one. Zero must be a value that can be stored: a temperature's is not, and has no black there.
pub(crate) fn radiometry(description: &Description, bands: &[usize]) -> Option<Vec<Radiometry>> {
    let own = bands.iter().map(|number| of_band(description, *number));
    let found: Vec<Radiometry> = match own.collect() {
        Some(own) => own,
        None => vec![sentinel2(description.domains.get("")?)?; bands.len()],
    };
    let storable = |(number, found): (&usize, &Radiometry)| {
        let limits = limits(description, *number);
        (limits[0]..=limits[1]).contains(&found.stored(0.0))
    };
    bands.iter().zip(&found).all(storable).then_some(found)
}

/// The radiometry of a band, from its own scale and offset.
pub(crate) fn of_band(description: &Description, number: usize) -> Option<Radiometry> {
    let band = &description.bands[number - 1];
    Radiometry::new(band.scale, band.offset)
}

/// Sentinel-2 products as GDAL reads them: metadata of the product, and no scale in the bands.
fn sentinel2(items: &[String]) -> Option<Radiometry> {
    let item = |key: &str| items.iter().find_map(|i| i.strip_prefix(key)?.strip_prefix('='));
    if !item("PRODUCT_TYPE").is_some_and(|kind| kind.starts_with("S2MSI")) {
        return None;
    }
    let quantification = item("BOA_QUANTIFICATION_VALUE")
        .or_else(|| item("L1C_TOA_QUANTIFICATION_VALUE"))
        .or_else(|| item("QUANTIFICATION_VALUE"));
    let scale = 1.0 / quantification?.parse::<f64>().ok()?;
    // Since processing baseline 04.00, all bands are stored with 1000 added.
    let baseline: f64 = item("PROCESSING_BASELINE")?.parse().ok()?;
    Radiometry::new(scale, if baseline >= 4.0 { -1000.0 * scale } else { 0.0 })
}

/// The smallest and the largest stored value of a band: those of its type, of its bits, and of the range that it states.
pub(crate) fn limits(description: &Description, number: usize) -> [f64; 2] {
    let band = &description.bands[number - 1];
    let [mut low, mut high] = ffi::type_limits(band.kind);
    if let Some(bits) = band.bits.filter(|bits| low == 0.0 && *bits < 32) {
        high = high.min(f64::from((1u64 << bits) as u32) - 1.0);
    }
    let [valid_low, valid_high] = stated(&band.domains);
    low = valid_low.filter(|v| (low..high).contains(v)).unwrap_or(low);
    high = valid_high.filter(|v| *v > low && *v <= high).unwrap_or(high);
    [low, high]
}

/// The range that a band's metadata states, by the conventions of netCDF.
fn stated(domains: &Domains) -> [Option<f64>; 2] {
    let items = domains.get("").map(Vec::as_slice).unwrap_or_default();
    let item = |wanted: &str| {
        let pairs = items.iter().filter_map(|i| i.split_once('='));
        pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    };
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|v| v.is_finite());
    if let Some((low, high)) = item("valid_range").and_then(|range| {
        let range = range.trim_matches(['{', '}']);
        range.split_once(',')
    }) {
        return [number(low), number(high)];
    }
    [item("valid_min").and_then(number), item("valid_max").and_then(number)]
}

/// Physical white: the 99.5th percentile of the values that count, of all restored bands together. `None` unless it is
/// above zero.
pub(super) fn white_of_sample(counted: &[Vec<f64>], radiometry: &[Radiometry]) -> Option<f64> {
    let bands = counted.iter().zip(radiometry);
    let mut values: Vec<f64> =
        bands.flat_map(|(of_band, band)| of_band.iter().map(move |v| band.physical(*v))).collect();
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let white = values[(last as f64 * TAILS[1]).round() as usize];
    let white = if white > 0.0 { white } else { values[last] };
    (white > 0.0).then_some(white)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflectance_is_linear_in_stored_values() {
        let found = Radiometry::new(1e-4, -0.1).unwrap();
        assert!((found.stored(0.0) - 1000.0).abs() < 1e-9 && (found.physical(2000.0) - 0.1).abs() < 1e-12);
        let interval = found.interval(0.0, 1.0).unwrap();
        assert!((interval.black() - 1000.0).abs() < 1e-9 && (interval.white() - 11_000.0).abs() < 1e-9);
        for (scale, offset) in [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (f64::NAN, 0.0)] {
            assert_eq!(Radiometry::new(scale, offset), None);
        }
    }

    #[test]
    fn products_state_what_their_bands_do_not() {
        let items = |baseline: &str| {
            ["BOA_QUANTIFICATION_VALUE=10000", &format!("PROCESSING_BASELINE={baseline}"), "PRODUCT_TYPE=S2MSI2A"]
                .map(str::to_owned)
        };
        assert_eq!(sentinel2(&items("04.00")), Radiometry::new(1e-4, -0.1));
        assert_eq!(sentinel2(&items("05.09")), Radiometry::new(1e-4, -0.1));
        assert_eq!(sentinel2(&items("03.01")), Radiometry::new(1e-4, 0.0));
        assert_eq!(sentinel2(&items("04.00")[..2]), None, "of another product");
    }

    #[test]
    fn a_range_is_read_as_it_is_stated() {
        let of =
            |items: &[&str]| stated(&Domains::from([(String::new(), items.iter().map(|i| (*i).into()).collect())]));
        assert_eq!(of(&["valid_range={1,65455}"]), [Some(1.0), Some(65_455.0)]);
        assert_eq!(of(&["VALID_MAX=10000", "x=y"]), [None, Some(10_000.0)]);
        assert_eq!(of(&["valid_min=none"]), [None, None]);
    }
}
