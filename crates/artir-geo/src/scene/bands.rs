//! Selection of the bands to restore.

use gdal::{
    Dataset, Metadata,
    raster::{ColorInterpretation, RasterBand},
};

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

/// Finds the bands to restore (counted from 1): the requested ones, or red, green and blue by colour interpretation, else by
/// wavelength or name, or the only band beside opacity.
pub(super) fn find(dataset: &Dataset, asked: Option<Vec<usize>>) -> Result<Vec<usize>, Reason> {
    let count = dataset.raster_count();
    if let Some(bands) = asked {
        return match bands.iter().find(|b| **b > count) {
            Some(&band) => Err(Reason::NoBand { band, count }),
            None => Ok(bands),
        };
    }
    let find = |wanted: ColorInterpretation| {
        let number = wanted.c_int();
        (1..=count).find(|i| dataset.rasterband(*i).is_ok_and(|b| ffi::colour(&b) == number))
    };
    let rgb = [ColorInterpretation::RedBand, ColorInterpretation::GreenBand, ColorInterpretation::BlueBand];
    if let [Some(r), Some(g), Some(b)] = rgb.map(find) {
        return Ok(vec![r, g, b]);
    }
    if count == 1 || count == 2 && find(ColorInterpretation::AlphaBand) == Some(2) {
        return Ok(vec![1]);
    }
    let names: Vec<Name> =
        (1..=count).map(|i| dataset.rasterband(i).map(|b| Name::of(&b))).collect::<Result<_, _>>()?;
    by_wavelength(&names).or_else(|| by_word(&names)).ok_or(Reason::NoColours)
}

/// The central wavelengths of all bands, nm, as they state them or as they are called.
pub(crate) fn wavelengths(dataset: &Dataset) -> Result<Vec<Option<f64>>, Reason> {
    (1..=dataset.raster_count()).map(|i| Ok(Name::of(&dataset.rasterband(i)?).place())).collect()
}

/// What a band is called, and its central wavelength, nm.
#[derive(Clone, Debug, Default)]
struct Name {
    words: Vec<String>,
    wavelength: Option<f64>,
}

impl Name {
    fn of(band: &RasterBand<'_>) -> Self {
        let item = |keys: &[&str], domain: &str| keys.iter().find_map(|key| band.metadata_item(key, domain));
        let description = band.description().unwrap_or_default();
        let called = item(&["BANDNAME", "band_name", "long_name"], "").unwrap_or_default();
        let wavelength = item(&["WAVELENGTH", "wavelength", "CENTRAL_WAVELENGTH", "central_wavelength"], "");
        let micrometres = item(&["CENTRAL_WAVELENGTH_UM"], "IMAGERY");
        Self::from_texts(&description, &called, wavelength.or(micrometres).as_deref())
    }

    /// A wavelength below 30 is one in micrometres.
    fn from_texts(description: &str, called: &str, wavelength: Option<&str>) -> Self {
        let of_text = |text: &str| {
            let mut numbers =
                text.split(|c: char| !c.is_ascii_digit() && c != '.').filter_map(|w| w.parse::<f64>().ok());
            numbers.find(|v| (0.3..=30.0).contains(v) || (300.0..=30_000.0).contains(v))
        };
        // "B4, central wavelength 665 nm" and "red (665.0 Nanometers)".
        let lower = description.to_lowercase();
        let told = ["nm", "nanometer", "micrometer", "wavelength"].iter().any(|unit| lower.contains(unit));
        let found = wavelength.and_then(of_text).or_else(|| {
            let after = lower.split("wavelength").last().unwrap_or(&lower);
            told.then(|| of_text(after)).flatten().filter(|v| *v >= 300.0)
        });
        let text = format!("{description} {called}").to_lowercase();
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned);
        Self { words: words.collect(), wavelength: found.map(|v| if v < 30.0 { v * 1000.0 } else { v }) }
    }

    /// Its wavelength, or the usual one of what it is called.
    fn place(&self) -> Option<f64> {
        let called = |words: &[&str]| words.iter().all(|word| self.words.iter().any(|w| w == word));
        self.wavelength.or_else(|| {
            [
                (&["red", "edge"][..], 705.0),
                (&["rededge"], 705.0),
                (&["nir"], 865.0),
                (&["near", "infrared"], 865.0),
                (&["swir1"], 1610.0),
                (&["swir", "1"], 1610.0),
                (&["swir16"], 1610.0),
                (&["swir2"], 2200.0),
                (&["swir", "2"], 2200.0),
                (&["swir22"], 2200.0),
            ]
            .into_iter()
            .find_map(|(words, wavelength)| called(words).then_some(wavelength))
        })
    }

    /// Whether it is called by a colour and nothing that makes it another one, such as `red edge`.
    fn is(&self, colour: &str) -> bool {
        const OTHERS: [&str; 10] =
            ["edge", "rededge", "nir", "near", "infrared", "ir", "coastal", "pan", "yellow", "aerosol"];
        let other = |word: &String| OTHERS.contains(&word.as_str());
        self.words.iter().any(|w| w == colour) && !self.words.iter().any(other)
    }
}

/// The bands nearest to the middles of red, green and blue.
fn by_wavelength(names: &[Name]) -> Option<Vec<usize>> {
    const COLOURS: [(f64, f64, f64); 3] = [(600.0, 660.0, 695.0), (510.0, 555.0, 600.0), (440.0, 485.0, 515.0)];
    let nearest = |(low, middle, high): (f64, f64, f64)| {
        let within = names.iter().enumerate().filter_map(|(i, n)| Some((i, n.wavelength?)));
        let within = within.filter(|(_, w)| (low..=high).contains(w));
        within.min_by(|a, b| (a.1 - middle).abs().total_cmp(&(b.1 - middle).abs())).map(|(i, _)| i + 1)
    };
    let found: Vec<usize> = COLOURS.into_iter().map(nearest).collect::<Option<_>>()?;
    (found[0] != found[1] && found[1] != found[2]).then_some(found)
}

/// The first bands that are called red, green and blue. One that is called so and no more comes first: `green` before `green i`.
fn by_word(names: &[Name]) -> Option<Vec<usize>> {
    let find = |colour: &str| {
        let called =
            |short: bool| names.iter().position(|n| n.is(colour) && (!short || n.words.iter().all(|w| w == colour)));
        called(true).or_else(|| called(false)).map(|i| i + 1)
    };
    ["red", "green", "blue"].into_iter().map(find).collect()
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

    fn named(names: &[(&str, Option<&str>)]) -> Option<Vec<usize>> {
        let names: Vec<Name> = names.iter().map(|(text, wavelength)| Name::from_texts(text, "", *wavelength)).collect();
        by_wavelength(&names).or_else(|| by_word(&names))
    }

    #[test]
    fn bands_are_found_by_wavelength_and_by_name() {
        let words = |names: &[&str]| named(&names.iter().map(|n| (*n, None)).collect::<Vec<_>>());
        assert_eq!(words(&["blue", "green", "red", "nir"]), Some(vec![3, 2, 1]));
        let eight = ["coastal_blue", "blue", "green_i", "green", "yellow", "red", "rededge", "nir"];
        assert_eq!(words(&eight), Some(vec![6, 4, 2]));
        assert_eq!(words(&["Red Edge", "Near Infrared", "Green", "Blue"]), None);
        let s2 = ["B4, central wavelength 665 nm", "B3, central wavelength 560 nm", "B2, central wavelength 490 nm"];
        assert_eq!(words(&s2), Some(vec![1, 2, 3]));
        assert_eq!(words(&["Band 1", "Band 2", "Band 3"]), None);
        let waves = ["443.0", "0.4825", "0.5625", "0.655", "0.865"].map(|w| ("Band", Some(w)));
        assert_eq!(named(&waves), Some(vec![4, 3, 2]));
    }
}
