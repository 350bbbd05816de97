//! A rescale in place of the header's, and CT values that need one.

use std::str::FromStr;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::{
    dataset::{DataSet, Stop},
    file::DicomFile,
    frame::PixelFormat,
    hu::{Transform, is_hounsfield},
    slice::Slice,
    view::View,
    worker::Decoder,
};
use crate::{Error, Modality, Reason, decimal::decimal_string};

/// A linear rescale to HU, where the header has none, or a wrong one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rescale {
    slope: f64,
    intercept: f64,
}

/// The scale that the windows of a header are in.
#[derive(Clone, Copy, Debug)]
enum Before {
    /// That of its slope and intercept.
    Linear([f64; 2]),
    /// That of its table.
    Table,
    /// It states none. Who removed its rescale has left the windows in HU.
    Unstated,
}

/// The reason why two numbers are no rescale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be SLOPE,INTERCEPT, such as 1,-1024, with a slope other than 0")]
pub struct RescaleError;

impl Rescale {
    /// Checks a rescale.
    ///
    /// # Errors
    /// [`RescaleError`] for numbers that are not finite, and a slope of 0.
    pub fn new(slope: f64, intercept: f64) -> Result<Self, RescaleError> {
        let usable = slope.is_finite() && slope != 0.0 && intercept.is_finite();
        if usable { Ok(Self { slope, intercept }) } else { Err(RescaleError) }
    }

    /// RescaleSlope.
    pub fn slope(self) -> f64 {
        self.slope
    }

    /// RescaleIntercept.
    pub fn intercept(self) -> f64 {
        self.intercept
    }

    /// Slope and intercept as they are written.
    pub(crate) fn terms(self) -> [String; 2] {
        [self.slope, self.intercept].map(|v| v.to_string())
    }

    /// Takes the place of a header's modality LUT, in its functional groups too. Windows follow it, since they are of its output
    /// (PS3.3, C.11.2). VOI LUTs, and mappings of stored values to HU, which would contradict it, are removed.
    pub(crate) fn put(self, set: &mut DataSet) {
        let [slope, intercept] = self.terms();
        let group = View::new(set, 0).group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
        let stated = [group.number(tags::RESCALE_SLOPE), group.number(tags::RESCALE_INTERCEPT)];
        let before = match (group.items(tags::MODALITY_LUT_SEQUENCE), stated) {
            ([], [None, None]) => Before::Unstated,
            ([], [slope, intercept]) => Before::Linear([slope.unwrap_or(1.0), intercept.unwrap_or(0.0)]),
            _ => Before::Table,
        };
        let apply = |set: &mut DataSet| {
            set.remove(tags::MODALITY_LUT_SEQUENCE);
            set.put_text(tags::RESCALE_SLOPE, VR::DS, &slope);
            set.put_text(tags::RESCALE_INTERCEPT, VR::DS, &intercept);
            set.put_text(tags::RESCALE_TYPE, VR::LO, "HU");
        };
        let mut in_groups = false;
        for groups in [tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE] {
            if !set.contains(groups) {
                continue;
            }
            for group in set.items_mut(groups) {
                if group.contains(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE) {
                    group.items_mut(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE).iter_mut().for_each(apply);
                    in_groups = true;
                }
            }
        }
        if !in_groups {
            apply(set);
        }
        self.put_windows(set, before);
    }

    /// Brings windows from the scale that they were in to this one's, or removes them.
    fn put_windows(self, set: &mut DataSet, before: Before) {
        set.remove(tags::VOILUT_SEQUENCE);
        drop_hounsfield_mappings(set);
        let windows = (set.numbers(tags::WINDOW_CENTER), set.numbers(tags::WINDOW_WIDTH));
        if let (Some(centers), Some(widths)) = windows {
            let restated = match before {
                Before::Unstated => Some([centers, widths]),
                Before::Linear([slope, intercept]) => {
                    let ratio = self.slope / slope;
                    let center = |c: f64| ratio * (c - intercept) + self.intercept;
                    let restated = [
                        centers.into_iter().map(center).collect::<Vec<_>>(),
                        widths.into_iter().map(|w| ratio.abs() * w).collect(),
                    ];
                    restated.iter().flatten().all(|v| v.is_finite()).then_some(restated)
                }
                Before::Table => None,
            };
            for (tag, values) in [tags::WINDOW_CENTER, tags::WINDOW_WIDTH].into_iter().zip(restated.iter().flatten()) {
                let texts: Vec<String> = values.iter().map(|v| decimal_string(*v)).collect();
                set.put_text(tag, VR::DS, &texts.join("\\"));
            }
            if restated.is_none() {
                set.remove(tags::WINDOW_CENTER);
                set.remove(tags::WINDOW_WIDTH);
            }
        }
        for groups in [tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE] {
            if !set.contains(groups) {
                continue;
            }
            for group in set.items_mut(groups) {
                drop_hounsfield_mappings(group);
                if group.contains(tags::FRAME_VOILUT_SEQUENCE) {
                    group
                        .items_mut(tags::FRAME_VOILUT_SEQUENCE)
                        .iter_mut()
                        .for_each(|item| self.put_windows(item, before));
                }
            }
        }
    }
}

/// Removes real-world value mappings to HU.
fn drop_hounsfield_mappings(set: &mut DataSet) {
    const SEQUENCE: Tag = tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE;
    if !set.contains(SEQUENCE) {
        return;
    }
    let unit = |item: &DataSet| {
        item.items(tags::MEASUREMENT_UNITS_CODE_SEQUENCE)
            .first()
            .and_then(|unit| unit.text(tags::CODE_VALUE))
            .map(str::to_owned)
    };
    let items = set.items_mut(SEQUENCE);
    items.retain(|item| unit(item).is_none_or(|unit| !unit.eq_ignore_ascii_case("[hnsf'U]") && !is_hounsfield(&unit)));
    if items.is_empty() {
        set.remove(SEQUENCE);
    }
}

impl FromStr for Rescale {
    type Err = RescaleError;

    fn from_str(text: &str) -> Result<Self, RescaleError> {
        let number = |text: &str| text.trim().parse().map_err(|_| RescaleError);
        let (slope, intercept) = text.split_once(',').ok_or(RescaleError)?;
        Self::new(number(slope)?, number(intercept)?)
    }
}

/// Shares of the values of a slice: in CT, air lies at -1000 HU and soft tissue around 0.
#[derive(Clone, Copy, Debug, Default)]
struct Shares {
    below: f64,
    /// Where air lies in values of HU + 1024.
    air: f64,
    /// Where soft tissue lies in values of HU + 1024.
    tissue: f64,
}

impl Shares {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let (mut all, mut found) = (0.0, Self::default());
        for value in values {
            all += 1.0;
            found.below += f64::from(value < -100.0);
            found.air += f64::from((0.0..=124.0).contains(&value));
            found.tissue += f64::from((900.0..=1200.0).contains(&value));
        }
        let share = |n: f64| if all > 0.0 { n / all } else { 0.0 };
        Self { below: share(found.below), air: share(found.air), tissue: share(found.tissue) }
    }

    /// Whether the values are HU + 1024 and not HU: no image of a body is without anything below -100 HU and has that much
    /// between 900 and 1200 HU, where only the densest bone is.
    fn are_unscaled(self) -> bool {
        self.below < 1e-3 && (self.tissue > 0.3 || self.tissue > 0.05 && self.air > 0.05)
    }
}

/// Whether the values of a slice of a body, said to be HU, are HU + 1024.
pub fn are_unscaled(values: impl Iterator<Item = f64>) -> bool {
    Shares::of(values).are_unscaled()
}

/// Whether the rescale of a file's header, or of its first frame, leaves the stored values as they are.
pub(crate) fn changes_nothing(path: &std::path::Path) -> bool {
    let Ok(file) = DicomFile::open(path, Stop::AtPixels) else { return false };
    let group = View::new(&file.set, 0).group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
    Transform::read(group, None, false).is_ok_and(|transform| transform == Transform::NONE)
}

/// Refuses CT whose header claims HU although its values are HU + 1024, or grey levels. Looks at one frame, and only where the
/// rescale changes nothing.
///
/// # Errors
/// [`Reason::NotHounsfield`] and [`Reason::Unsupported`]. Whatever else is wrong with the file is an error when it is restored.
pub(crate) fn check_hounsfield(path: &std::path::Path, decoder: &mut Decoder) -> Result<(), Error> {
    let Ok(mut file) = DicomFile::open(path, Stop::AtEnd) else { return Ok(()) };
    let Ok(format) = PixelFormat::of_file(&mut file) else { return Ok(()) };
    let Ok(slice) = Slice::read(&mut file, &format, format.frames / 2, Modality::Ct, 1.0, decoder) else {
        return Ok(());
    };
    if slice.encoding.transform != Transform::NONE {
        return Ok(());
    }
    let valid = slice.valid();
    let is_valid = |at| valid.as_ref().is_none_or(|valid| valid[at]);
    let values = slice.frame.stored.indexed_iter().filter(|(at, _)| is_valid(*at)).map(|(_, v)| f64::from(*v));
    let values: Vec<f64> = values.collect();
    if are_unscaled(values.iter().copied()) {
        return Err(Error::file(path, Reason::NotHounsfield));
    }
    if are_grey_levels(values.into_iter()) {
        let reason = "its values are not HU: they are grey levels from 0 to 255, which the rescale leaves as they are";
        return Err(Error::file(path, Reason::unsupported(reason)));
    }
    Ok(())
}

/// Whether values that are said to be HU are the grey levels of a picture: none is beyond 8 bits, and some are white, as bone is
/// in a window. A brain without its skull has no bone.
pub fn are_grey_levels(values: impl Iterator<Item = f64>) -> bool {
    let (mut all, mut white) = (0usize, 0usize);
    for value in values {
        if !(0.0..=255.0).contains(&value) {
            return false;
        }
        all += 1;
        white += usize::from(value >= 250.0);
    }
    // A thousandth of the slice.
    white * 1000 > all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_with_shifted_peaks_are_unscaled() {
        let shares = |of: &[(f64, usize)]| Shares::of(of.iter().flat_map(|(v, n)| std::iter::repeat_n(*v, *n)));
        assert!(shares(&[(24.0, 500), (1060.0, 400), (1900.0, 20)]).are_unscaled());
        assert!(shares(&[(1060.0, 900), (1500.0, 100)]).are_unscaled(), "no air in view");
        assert!(!shares(&[(-1000.0, 500), (40.0, 400), (1000.0, 100)]).are_unscaled());
        assert!(!shares(&[(0.0, 900), (400.0, 100)]).are_unscaled(), "clipped at 0 HU");
        assert!(!shares(&[]).are_unscaled());
    }

    #[test]
    fn grey_levels_of_a_picture_are_no_hu() {
        let grey = |of: &[(f64, usize)]| are_grey_levels(of.iter().flat_map(|(v, n)| std::iter::repeat_n(*v, *n)));
        assert!(grey(&[(0.0, 500), (128.0, 400), (255.0, 20)]));
        // A brain without its skull; HU that were cut off at 0; air.
        assert!(!grey(&[(0.0, 500), (40.0, 400), (90.0, 20)]));
        assert!(!grey(&[(0.0, 500), (255.0, 20), (900.0, 1)]) && !grey(&[(255.0, 20), (-1000.0, 1)]));
        assert!(!grey(&[]));
    }

    #[test]
    fn rescales_are_read_and_put_where_the_old_one_is() {
        assert_eq!("1,-1024".parse(), Rescale::new(1.0, -1024.0));
        for bad in ["", "1", "0,1", "nan,1", "1,inf", "1,2,3"] {
            assert_eq!(bad.parse::<Rescale>(), Err(RescaleError), "{bad}");
        }
        let mut group = DataSet::default();
        group.put_items(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, vec![DataSet::default()]);
        let mut set = DataSet::default();
        set.put_items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![group]);
        Rescale { slope: 1.0, intercept: -1024.0 }.put(&mut set);
        let group = &set.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE)[0];
        assert_eq!(
            group.items(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE)[0].number(tags::RESCALE_INTERCEPT),
            Some(-1024.0)
        );
        assert!(!set.contains(tags::RESCALE_INTERCEPT));
    }

    #[test]
    fn windows_follow_and_what_contradicts_goes() {
        let mut set = DataSet::default();
        set.put_text(tags::WINDOW_CENTER, VR::DS, "1064\\524");
        set.put_text(tags::WINDOW_WIDTH, VR::DS, "400\\1500");
        set.put_text(tags::RESCALE_SLOPE, VR::DS, "1");
        set.put_text(tags::RESCALE_INTERCEPT, VR::DS, "0");
        set.put_items(tags::VOILUT_SEQUENCE, vec![DataSet::default()]);
        let mapping = |unit: &str| {
            let (mut code, mut item) = (DataSet::default(), DataSet::default());
            code.put_text(tags::CODE_VALUE, VR::SH, unit);
            item.put_items(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, vec![code]);
            item
        };
        set.put_items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, vec![mapping("[hnsf'U]"), mapping("mg/cm3")]);
        Rescale { slope: 1.0, intercept: -1024.0 }.put(&mut set);
        assert_eq!(set.text(tags::WINDOW_CENTER), Some("40\\-500"));
        assert_eq!(set.text(tags::WINDOW_WIDTH), Some("400\\1500"));
        assert!(!set.contains(tags::VOILUT_SEQUENCE));
        assert_eq!(set.items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE), [mapping("mg/cm3")]);
        // From slope 2 and -1024 to slope 1 and 0: half as wide.
        Rescale { slope: 2.0, intercept: -1024.0 }.put(&mut set);
        set.put_text(tags::WINDOW_CENTER, VR::DS, "-24");
        set.put_text(tags::WINDOW_WIDTH, VR::DS, "400");
        Rescale { slope: 1.0, intercept: 0.0 }.put(&mut set);
        assert_eq!((set.text(tags::WINDOW_CENTER), set.text(tags::WINDOW_WIDTH)), (Some("500"), Some("200")));
        // A header without any rescale has its windows in HU, as its scanner wrote them.
        let mut bare = DataSet::default();
        bare.put_text(tags::WINDOW_CENTER, VR::DS, "40");
        bare.put_text(tags::WINDOW_WIDTH, VR::DS, "400");
        Rescale { slope: 1.0, intercept: -1024.0 }.put(&mut bare);
        assert_eq!(bare.text(tags::WINDOW_CENTER), Some("40"));
        // Behind a table, a window has no scale that is known.
        set.put_items(tags::MODALITY_LUT_SEQUENCE, vec![DataSet::default()]);
        Rescale { slope: 1.0, intercept: 0.0 }.put(&mut set);
        assert!(!set.contains(tags::WINDOW_CENTER) && !set.contains(tags::WINDOW_WIDTH));
    }
}
