//! One range for the scenes of a mosaic, from a sample of each of them.

use std::collections::BTreeMap;

use super::{Scene, options::OpenOptions, radiometry::Radiometry};
use crate::{
    error::{Error, Reason},
    values::{
        band,
        interval::{Interval, RangeChoice, TAILS},
    },
};

/// Parts of a pixel that a sampled pixel is weighed in, so that weights are whole numbers, whose sum knows no order.
const PARTS: f64 = 256.0;
/// Bits of a value that are not counted apart. What is left holds every value of 16 bits exactly.
const DROPPED: u32 = 7;

/// How black and white of a scene are found.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeRule(Rule);

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    /// By its type, whatever its pixels are.
    Fixed(Vec<Interval>),
    /// From stored values.
    Stored,
    /// From reflectance, by what each band states.
    Reflectance(Vec<Radiometry>),
}

impl RangeRule {
    /// In words; scenes of one mosaic must have the same.
    pub fn unit(&self) -> String {
        match &self.0 {
            Rule::Fixed(intervals) => {
                let first = intervals.first().copied().unwrap_or(Interval::BYTES);
                format!("stored values {} to {} by the type", first.black(), first.white())
            }
            Rule::Stored => "stored values".into(),
            Rule::Reflectance(_) => "reflectance".into(),
        }
    }
}

/// What a scene adds to the range of its mosaic.
#[derive(Debug)]
pub struct SceneValues {
    rule: RangeRule,
    counts: BTreeMap<u32, u64>,
}

impl SceneValues {
    /// Reads a sample of a scene, with the rule of [`OpenOptions::range`].
    ///
    /// # Errors
    /// [`Error::Scene`] as by [`Scene::open`], and for a range that does not follow from pixels.
    pub fn read(path: &str, options: &OpenOptions) -> Result<Self, Error> {
        Self::try_read(path, options).map_err(|reason| Error::Scene { path: path.to_owned(), reason })
    }

    fn try_read(path: &str, options: &OpenOptions) -> Result<Self, Reason> {
        let mut scene = Scene::describe(path, options)?;
        let bytes = scene.info.kind() == gdal_sys::GDALDataType::GDT_Byte;
        match options.range {
            RangeChoice::Auto if bytes => {
                scene.find_values()?;
                let ascending = |interval: Interval| {
                    if scene.info.is_negative() { interval.negative() } else { interval }
                };
                let rule = RangeRule(Rule::Fixed(scene.intervals().into_iter().map(ascending).collect()));
                return Ok(Self { rule, counts: BTreeMap::new() });
            }
            RangeChoice::Auto | RangeChoice::Percentile if scene.info.is_negative() => {
                return Err(
                    "its stored 0 is white, and a mosaic's range is found for scenes whose 0 is black: give --range \
                            LO,HI (the stored values of white and black)"
                        .into(),
                );
            }
            RangeChoice::Auto | RangeChoice::Percentile => {}
            _ => return Err("its range is given, and does not follow from its pixels".into()),
        }
        let (planes, valid, _) = scene.sample()?;
        let all: f64 = match scene.info.has_holes {
            true => super::coverage::parts(&scene.dataset, &scene.info.bands)?
                .iter()
                .map(|part| part.size.0 as f64 * part.size.1 as f64)
                .sum(),
            false => scene.shape().columns as f64 * scene.shape().rows as f64,
        };
        let weight = ((all / valid.len().max(1) as f64 * PARTS).round() as u64).max(1);
        let mut counts = BTreeMap::new();
        for (band, values) in band::counted(&planes, &scene.info.values, &valid).into_iter().enumerate() {
            let radiometry = scene.info.radiometry.as_ref().map(|all| all[band]);
            for value in values {
                let value = radiometry.map_or(value, |radiometry| radiometry.physical(value));
                *counts.entry(key(value)).or_default() += weight;
            }
        }
        let rule = scene.info.radiometry.take().map_or(Rule::Stored, Rule::Reflectance);
        Ok(Self { rule: RangeRule(rule), counts })
    }

    /// How black and white are found.
    pub fn rule(&self) -> &RangeRule {
        &self.rule
    }
}

/// The range of the scenes of a mosaic that share a unit. It does not depend on their order.
#[derive(Debug, Default)]
pub struct MosaicRange {
    counts: BTreeMap<u32, u64>,
}

impl MosaicRange {
    /// Adds a scene.
    pub fn add(&mut self, scene: &SceneValues) {
        for (key, count) in &scene.counts {
            *self.counts.entry(*key).or_default() += count;
        }
    }

    /// Black and white for all of them, in the unit of their rule, as a single scene of all pixels would have them.
    fn interval(&self, rule: &Rule) -> Interval {
        let total: u64 = self.counts.values().sum();
        let at = |share: f64| {
            let wanted = (total.saturating_sub(1) as f64 * share) as u64;
            let mut before = 0;
            let found = self.counts.iter().find(|(_, count)| {
                before += **count;
                before > wanted
            });
            found.map_or(0.0, |(key, _)| value(*key))
        };
        let (least, most) = (at(0.0), at(1.0));
        let black = match rule {
            Rule::Stored if least < 0.0 => at(TAILS[0]),
            _ => 0.0,
        };
        let white = if at(TAILS[1]) > black { at(TAILS[1]) } else { most };
        Interval::new(black, white).unwrap_or(Interval::UNIT)
    }

    /// Black and white in the unit of a rule, for a report.
    pub fn range(&self, rule: &RangeRule) -> [f64; 2] {
        let interval = match &rule.0 {
            Rule::Fixed(intervals) => intervals.first().copied().unwrap_or(Interval::BYTES),
            rule => self.interval(rule),
        };
        [interval.black(), interval.white()]
    }

    /// Stored values for black and white of a scene: one pair, or a pair for each band where bands differ.
    pub fn stored(&self, rule: &RangeRule) -> Vec<Interval> {
        let mut all = match &rule.0 {
            Rule::Fixed(intervals) => intervals.clone(),
            Rule::Stored => vec![self.interval(&rule.0)],
            Rule::Reflectance(bands) => {
                let shared = self.interval(&rule.0);
                let of = |band: &Radiometry| band.interval(shared.black(), shared.white()).unwrap_or(Interval::UNIT);
                bands.iter().map(of).collect()
            }
        };
        if all.windows(2).all(|pair| pair[0] == pair[1]) {
            all.truncate(1);
        }
        all
    }
}

/// A number whose order is that of values.
fn key(value: f64) -> u32 {
    let bits = ((value as f32) + 0.0).to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    ordered >> DROPPED
}

fn value(key: u32) -> f64 {
    let ordered = key << DROPPED;
    // The dropped bits are 0 in a negative value too, so that whole numbers come back as they were.
    let dropped = (1 << DROPPED) - 1;
    f64::from(f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !(ordered | dropped) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(numbers: impl Iterator<Item = f64>, rule: Rule) -> SceneValues {
        let mut counts = BTreeMap::new();
        for number in numbers {
            *counts.entry(key(number)).or_default() += 256;
        }
        SceneValues { rule: RangeRule(rule), counts }
    }

    #[test]
    fn values_of_sixteen_bits_are_counted_exactly_and_in_order() {
        for number in (0..=65_535).chain(-32_768..0).map(f64::from) {
            assert_eq!(value(key(number)), number);
        }
        let ordered = [-1e9, -3.5, -0.0, 0.0, 1e-6, 0.25, 7.0, 1e12];
        assert!(ordered.windows(2).all(|pair| key(pair[0]) <= key(pair[1])));
    }

    #[test]
    fn a_mosaic_has_the_range_of_all_its_pixels() {
        let mut mosaic = MosaicRange::default();
        for half in [0..500, 500..1000] {
            mosaic.add(&values(half.map(|n| f64::from(n + 100)), Rule::Stored));
        }
        // As of one scene with the values 100 to 1099.
        assert_eq!(mosaic.range(&RangeRule(Rule::Stored)), [0.0, 1094.0]);
        let mut below = MosaicRange::default();
        below.add(&values([-2.0, 3.0].into_iter(), Rule::Stored));
        assert_eq!(below.range(&RangeRule(Rule::Stored)), [-2.0, 3.0]);
        assert_eq!(MosaicRange::default().stored(&RangeRule(Rule::Stored)), [Interval::UNIT]);
    }
}
