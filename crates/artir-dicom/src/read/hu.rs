//! Conversion between stored values and output units (HU, Bq/mL), and adding residuals to stored values.

use std::sync::Arc;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use ndarray::{Array2, ArrayView2};

use super::dataset::{DataSet, words};
use crate::{Reason, terms::quotable};

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

/// Whether a rescale type is HU, which some writers spell in small letters.
pub(crate) fn is_hounsfield(rescale_type: &str) -> bool {
    rescale_type.eq_ignore_ascii_case("HU")
}

/// The largest value that is restored. Far larger ones overflow the numbers of 32 bits that the network takes.
const LARGEST: f64 = 1e30;

/// The modality LUT (PS3.3, C.11.1).
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Transform {
    /// Output = stored x slope + intercept. The slope is never 0.
    Linear { slope: f64, intercept: f64 },
    /// A table of outputs, the first for the stored value `first`; values beyond its ends take the end's.
    Table { first: i32, outputs: Arc<[u16]> },
}

impl Transform {
    /// Stored values are values.
    pub(crate) const NONE: Self = Self::Linear { slope: 1.0, intercept: 0.0 };

    /// Reads RescaleSlope and RescaleIntercept, or a Modality LUT Sequence. `signed` is whether stored values are.
    ///
    /// # Errors
    /// Words that name the attribute that is missing, or does not lead to the unit.
    pub(crate) fn read(set: &DataSet, type_wanted: Option<&str>, signed: bool) -> Result<Self, Reason> {
        if let Some(table) = set.items(tags::MODALITY_LUT_SEQUENCE).first() {
            return Self::table(table, type_wanted, signed);
        }
        let number =
            |tag: Tag, name: &str| set.number(tag).ok_or_else(|| Reason::Attribute(format!("{name} is missing")));
        let slope = number(tags::RESCALE_SLOPE, "RescaleSlope (0028,1053)")?;
        let intercept = number(tags::RESCALE_INTERCEPT, "RescaleIntercept (0028,1052)")?;
        if slope == 0.0 {
            return Err(Reason::attribute("RescaleSlope (0028,1053) is 0"));
        }
        if slope.abs() * 65_536.0 + intercept.abs() > LARGEST {
            let reason = "RescaleSlope (0028,1053) or RescaleIntercept (0028,1052) leads to values that no unit has";
            return Err(Reason::attribute(reason));
        }
        // Older CT objects have no RescaleType, or "US" for unspecified (PS3.3, C.8.2.1).
        match (type_wanted, set.text(tags::RESCALE_TYPE)) {
            (Some(wanted), Some(found)) if !found.eq_ignore_ascii_case(wanted) && found != "US" => {
                let reason = format!("RescaleType (0028,1054) is {}, not {wanted}", quotable(Some(found)));
                Err(Reason::Unsupported(reason))
            }
            _ => Ok(Self::Linear { slope, intercept }),
        }
    }

    fn table(item: &DataSet, type_wanted: Option<&str>, signed: bool) -> Result<Self, Reason> {
        let found = item.text(tags::MODALITY_LUT_TYPE);
        let is_wanted = type_wanted.zip(found).is_some_and(|(wanted, found)| found.eq_ignore_ascii_case(wanted));
        if !is_wanted {
            return Err(Reason::Unsupported(format!("ModalityLUTType (0028,3004) is {}", quotable(found))));
        }
        // One VR serves for all three values. The first and the last are never negative, and the second is signed where
        // the pixels are (PS3.3, C.11.1.1), whichever of US and SS a writer chose.
        let descriptor: Vec<u16> =
            words(item.bytes(tags::LUT_DESCRIPTOR).unwrap_or_default()).map(u16::from_le_bytes).collect();
        let [entries, first, bits] = descriptor[..] else {
            return Err(Reason::attribute("LUTDescriptor (0028,3002) is missing or has not three values"));
        };
        // A table of 65,536 entries writes their number as 0.
        let entries = if entries == 0 { 65_536 } else { usize::from(entries) };
        let first = if signed { i32::from(first.cast_signed()) } else { i32::from(first) };
        let data = item.bytes(tags::LUT_DATA).ok_or_else(|| Reason::attribute("LUTData (0028,3006) is missing"))?;
        let outputs: Vec<u16> = match bits {
            16 => words(data).map(u16::from_le_bytes).collect(),
            8 if data.len() >= 2 * entries => data.chunks_exact(2).map(|c| u16::from(c[0])).collect(),
            8 => data.iter().map(|b| u16::from(*b)).collect(),
            bits => return Err(Reason::Attribute(format!("LUTDescriptor (0028,3002) has entries of {bits} bits"))),
        };
        if outputs.len() < entries {
            let reason = format!("LUTData (0028,3006) has {} entries where {entries} are needed", outputs.len());
            return Err(Reason::Attribute(reason));
        }
        Ok(Self::Table { first, outputs: outputs[..entries].into() })
    }
}

/// The largest number below one half, 0.49999999999999994. With one half itself, that number would be rounded up: their sum is
/// nearest to 1.
const UNDER_HALF: f64 = 0.5f64.next_down();

/// The conversion of stored values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Encoding {
    /// Smallest and largest value that the stored bits hold.
    pub(crate) limits: (i32, i32),
    pub(crate) transform: Transform,
    pub(crate) padding: Option<Padding>,
}

impl Encoding {
    /// The output value of a stored one.
    pub(crate) fn rescale(&self, stored: i32) -> f64 {
        match &self.transform {
            Transform::Linear { slope, intercept } => f64::from(stored) * slope + intercept,
            Transform::Table { first, outputs } => {
                let last = outputs.len() - 1;
                let at = usize::try_from(stored.saturating_sub(*first)).unwrap_or(0).min(last);
                f64::from(outputs[at])
            }
        }
    }

    pub(crate) fn is_padding(&self, stored: i32) -> bool {
        self.padding.is_some_and(|p| p.contains(stored))
    }

    /// The stored value nearest to one that need not be whole, within the stored bits and outside the padding.
    pub(crate) fn nearest(&self, wanted: f64) -> i32 {
        let (lo, hi) = self.limits;
        // Rounds as `f64::round` does, half away from zero, but without a call into the mathematical library.
        let value = ((wanted + UNDER_HALF.copysign(wanted)) as i32).clamp(lo, hi);
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
            // If padding covers the whole range, no pixel is valid and this is not reached.
            (false, false) => value,
        }
    }

    /// Adds a residual in output units. Padding stays as it is, and a zero residual changes nothing.
    pub(crate) fn add(&self, stored: &mut Array2<i32>, residual: ArrayView2<'_, f32>) {
        match &self.transform {
            Transform::Linear { slope, .. } => stored.zip_mut_with(&residual, |stored, r| {
                if *r != 0.0 && !self.is_padding(*stored) {
                    *stored = self.nearest(f64::from(*stored) + f64::from(*r) / slope);
                }
            }),
            Transform::Table { first, outputs } => {
                let inverse = Inverse::new(*first, outputs, |v| {
                    (self.limits.0..=self.limits.1).contains(&v) && !self.is_padding(v)
                });
                stored.zip_mut_with(&residual, |stored, r| {
                    if *r != 0.0 && !self.is_padding(*stored) {
                        *stored = inverse.nearest(self.rescale(*stored) + f64::from(*r), *stored);
                    }
                });
            }
        }
    }
}

/// A table read backwards.
struct Inverse {
    /// Outputs and their stored values, in the order of both.
    pairs: Vec<(u16, i32)>,
}

impl Inverse {
    fn new(first: i32, outputs: &[u16], usable: impl Fn(i32) -> bool) -> Self {
        let mut pairs: Vec<(u16, i32)> = outputs.iter().copied().zip(first..).filter(|(_, v)| usable(*v)).collect();
        pairs.sort_unstable();
        Self { pairs }
    }

    /// The stored value whose output is nearest; of several, the one nearest to `old`.
    fn nearest(&self, wanted: f64, old: i32) -> i32 {
        let above = self.pairs.partition_point(|(output, _)| f64::from(*output) < wanted);
        let near = |at: usize| self.pairs.get(at).map(|(output, _)| *output);
        let below = above.checked_sub(1).and_then(near);
        let output = match (below, near(above)) {
            (Some(b), Some(a)) if wanted - f64::from(b) < f64::from(a) - wanted => b,
            (_, Some(a)) => a,
            (Some(b), None) => b,
            (None, None) => return old,
        };
        let same = self.pairs.partition_point(|(o, _)| *o < output);
        let equals = self.pairs[same..].iter().take_while(|(o, _)| *o == output);
        equals.map(|(_, v)| *v).min_by_key(|v| v.abs_diff(old)).unwrap_or(old)
    }
}

#[cfg(test)]
mod tests {
    use dicom_core::VR;
    use ndarray::arr2;
    use proptest::prelude::*;

    use super::*;

    fn encoding(slope: f64) -> Encoding {
        Encoding {
            limits: (-32768, 32767),
            transform: Transform::Linear { slope, intercept: -1024.0 },
            padding: Some(Padding { lo: -2000, hi: -2000 }),
        }
    }

    proptest! {
        #[test]
        fn valid_values_stay_valid_and_in_range(
            bits in 8u32..=16, signed: bool, slope in 0.1f64..10.0, at in -40_000i32..70_000, wide in 0i32..30,
            stored in -40_000i32..70_000, residual in -1e5f32..1e5
        ) {
            let (lo, hi) = if signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) };
            let at = at.clamp(lo, hi - 40);
            let padding = Some(Padding { lo: at, hi: at + wide });
            let e = Encoding { limits: (lo, hi), transform: Transform::Linear { slope, intercept: 0.0 }, padding };
            let stored = stored.clamp(lo, hi);
            let mut slice = arr2(&[[stored]]);
            e.add(&mut slice, arr2(&[[residual]]).view());
            let now = slice[(0, 0)];
            prop_assert!((lo..=hi).contains(&now));
            if e.is_padding(stored) { prop_assert_eq!(now, stored); } else { prop_assert!(!e.is_padding(now)); }
        }

        #[test]
        fn values_are_rounded_half_away_from_zero(halves in -70_000i32..70_000, near in -1i32..=1) {
            let half = f64::from(halves) / 2.0;
            let wanted = match near {
                -1 => half.next_down(),
                0 => half,
                _ => half.next_up(),
            };
            let e = Encoding { limits: (-40_000, 40_000), padding: None, ..encoding(1.0) };
            prop_assert_eq!(f64::from(e.nearest(wanted)), wanted.round());
        }
    }

    #[test]
    fn the_residual_is_rounded_to_the_nearest_step() {
        let mut slice = arr2(&[[0, 100, -2000, 32767]]);
        encoding(1.0).add(&mut slice, arr2(&[[0.4, -10.6, 50.0, 10.0]]).view());
        assert_eq!(slice, arr2(&[[0, 89, -2000, 32767]]));
        let mut slice = arr2(&[[10]]);
        encoding(0.5).add(&mut slice, arr2(&[[1.0]]).view());
        assert_eq!(slice, arr2(&[[12]]));
    }

    #[test]
    fn a_value_that_would_become_padding_takes_its_neighbour() {
        assert_eq!(encoding(1.0).nearest(-2000.4), -2001);
        assert_eq!(encoding(1.0).nearest(-1999.6), -1999);
        let lowest = Encoding { padding: Some(Padding { lo: -32768, hi: -32768 }), ..encoding(1.0) };
        assert_eq!(lowest.nearest(-40_000.0), -32767);
    }

    fn with_table(kind: &str) -> DataSet {
        let mut item = DataSet::default();
        item.put_text(tags::MODALITY_LUT_TYPE, VR::CS, kind);
        let words = |w: &[u16]| w.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
        item.put_raw_text(tags::LUT_DESCRIPTOR, VR::US, words(&[5, 10, 16]));
        item.put_raw_text(tags::LUT_DATA, VR::OW, words(&[100, 200, 200, 300, 50]));
        let mut set = DataSet::default();
        set.put_items(tags::MODALITY_LUT_SEQUENCE, vec![item]);
        set
    }

    #[test]
    fn tables_are_followed_forwards_and_backwards() {
        let transform = Transform::read(&with_table("HU"), Some("HU"), false).unwrap();
        let e = Encoding { limits: (0, 4095), transform, padding: None };
        let outputs: Vec<f64> = [0, 10, 11, 12, 13, 14, 99].iter().map(|v| e.rescale(*v)).collect();
        assert_eq!(outputs, [100.0, 100.0, 200.0, 200.0, 300.0, 50.0, 50.0]);
        let mut slice = arr2(&[[10, 13, 11, 12, 13, 12]]);
        e.add(&mut slice, arr2(&[[95.0, -90.0, 0.0, 500.0, -500.0, 0.4]]).view());
        // 195 is nearest to 200, nearest stored value 11; 210 -> 200, which 12 is nearest to; 0.4 changes nothing.
        assert_eq!(slice, arr2(&[[11, 12, 11, 13, 14, 12]]));
        assert!(Transform::read(&with_table("OD"), Some("HU"), false).unwrap_err().to_string().contains("OD"));
    }

    #[test]
    fn the_descriptor_of_a_table_is_read_as_the_pixels_are() {
        let table = |vr: VR, descriptor: [u16; 3], signed: bool| {
            let mut set = with_table("HU");
            let item = &mut set.items_mut(tags::MODALITY_LUT_SEQUENCE)[0];
            item.put_raw_text(tags::LUT_DESCRIPTOR, vr, descriptor.iter().flat_map(|w| w.to_le_bytes()).collect());
            let outputs = std::iter::repeat_n(7u16.to_le_bytes(), 40_000).flatten().collect();
            item.put_raw_text(tags::LUT_DATA, VR::OW, outputs);
            match Transform::read(&set, Some("HU"), signed).unwrap() {
                Transform::Table { first, outputs } => (first, outputs.len()),
                other @ Transform::Linear { .. } => panic!("{other:?}"),
            }
        };
        for vr in [VR::US, VR::SS] {
            // Of -2000 on, and more entries than a signed number counts.
            assert_eq!(table(vr, [4096, 63_536, 16], true), (-2000, 4096), "{vr:?}");
            assert_eq!(table(vr, [2000, 63_536, 16], false), (63_536, 2000), "{vr:?}");
            assert_eq!(table(vr, [40_000, 0, 16], true), (0, 40_000), "{vr:?}");
        }
        assert!(Transform::read(&with_table("hu"), Some("HU"), false).is_ok(), "as RescaleType");
    }

    #[test]
    fn what_leads_to_no_unit_is_refused() {
        let mut set = DataSet::default();
        assert!(Transform::read(&set, Some("HU"), true).unwrap_err().to_string().contains("(0028,1053)"));
        set.put_text(tags::RESCALE_SLOPE, VR::DS, "1");
        set.put_text(tags::RESCALE_INTERCEPT, VR::DS, "-1024");
        set.put_text(tags::RESCALE_TYPE, VR::LO, "US");
        assert!(Transform::read(&set, Some("HU"), true).is_ok());
        for (slope, intercept) in [("1e36", "0"), ("1", "-1e38"), ("1e300", "0")] {
            let mut huge = set.clone();
            huge.put_text(tags::RESCALE_SLOPE, VR::DS, slope);
            huge.put_text(tags::RESCALE_INTERCEPT, VR::DS, intercept);
            assert!(Transform::read(&huge, None, true).unwrap_err().to_string().contains("no unit has"), "{slope}");
        }
        set.put_text(tags::RESCALE_TYPE, VR::LO, "Z_EFF");
        assert!(Transform::read(&set, Some("HU"), true).unwrap_err().to_string().contains("Z_EFF"));
    }
}
