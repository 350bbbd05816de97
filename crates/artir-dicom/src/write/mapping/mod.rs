//! Real-world value mappings (PS3.3, C.7.6.16.2.11) of a frame whose rescale slope has changed.
//!
//! They map stored values, so that a new slope would make them false. All else that refers to stored values either goes
//! from every derived object (smallest and largest pixel values, histograms) or keeps its meaning (padding pixels keep
//! PixelPaddingValue). Windows, VOI LUTs and the factors of Philips apply to rescaled values, and stay.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use crate::{
    Reason,
    read::{
        dataset::{DataSet, Element, Value},
        slice::Slice,
        view::View,
    },
};

/// y = slope x + intercept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) slope: f64,
    pub(crate) intercept: f64,
}

impl Line {
    pub(crate) fn at(self, x: f64) -> f64 {
        self.slope * x + self.intercept
    }
}

/// A frame's stored values have a new meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct NewRescale {
    /// The source's rescale.
    pub(crate) from: Line,
    /// The derived object's. Both slopes are above 0.
    pub(crate) to: Line,
    /// Least and largest value that the stored bits hold.
    pub(crate) limits: (i32, i32),
}

impl NewRescale {
    /// A source's stored value, as a line over the new stored values.
    fn source(&self) -> Line {
        Line {
            slope: self.to.slope / self.from.slope,
            intercept: (self.to.intercept - self.from.intercept) / self.from.slope,
        }
    }

    /// A new stored value for one of the source, not rounded.
    fn stored(&self, source: f64) -> f64 {
        (self.from.at(source) - self.to.intercept) / self.to.slope
    }

    /// Restates the mappings of a classic object or of a frame's groups. Returns how many could not follow: tables, and items
    /// that are no mapping. Ranges that no longer hold a stored value are dropped without a finding, since no pixel is in them.
    pub(crate) fn restate(&self, set: &mut DataSet) -> usize {
        if !set.contains(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE) {
            return 0;
        }
        let items = set.items_mut(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE);
        let mut dropped = 0;
        items.retain_mut(|item| {
            dropped += usize::from(cannot_follow(item, self.limits));
            item.remove(tags::REAL_WORLD_VALUE_LUT_DATA);
            self.restate_line(item).is_some()
        });
        if items.is_empty() {
            set.remove(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE);
        }
        dropped
    }

    /// Restates a linear mapping; `None` where there is none, or its range holds no stored value any more.
    fn restate_line(&self, item: &mut DataSet) -> Option<()> {
        let Mapping { line, range, real_range } = Mapping::read(item, self.limits)?;
        let source = self.source();
        put_double(item, tags::REAL_WORLD_VALUE_SLOPE, line.slope * source.slope);
        put_double(item, tags::REAL_WORLD_VALUE_INTERCEPT, line.at(source.intercept));
        if let Some((first, last)) = range {
            let (lo, hi) = self.limits;
            // The new values between v - 1/2 and v + 1/2 of the source belong to v, so that ranges that meet still do. A range
            // up to the end of the stored values still goes up to it.
            let border = |v: f64| self.stored(v).ceil().clamp(f64::from(lo) - 1.0, f64::from(hi) + 1.0) as i32;
            let first = if first <= lo { lo } else { border(f64::from(first) - 0.5).max(lo) };
            let last = if last >= hi { hi } else { (border(f64::from(last) + 0.5) - 1).min(hi) };
            if first > last {
                return None;
            }
            // US or SS, as PixelRepresentation has it (PS3.5, A.2).
            let vr = if lo < 0 { VR::SS } else { VR::US };
            for (tag, v) in
                [(tags::REAL_WORLD_VALUE_FIRST_VALUE_MAPPED, first), (tags::REAL_WORLD_VALUE_LAST_VALUE_MAPPED, last)]
            {
                item.insert(tag, Element { vr, value: Value::Bytes((v as u16).to_le_bytes().to_vec()) });
            }
        }
        if let Some((first, last)) = real_range {
            let (lo, hi) = (f64::from(self.limits.0), f64::from(self.limits.1));
            let first = if first <= lo { self.stored(first).min(lo) } else { self.stored(first) };
            let last = if last >= hi { self.stored(last).max(hi) } else { self.stored(last) };
            put_double(item, tags::DOUBLE_FLOAT_REAL_WORLD_VALUE_FIRST_VALUE_MAPPED, first);
            put_double(item, tags::DOUBLE_FLOAT_REAL_WORLD_VALUE_LAST_VALUE_MAPPED, last);
        }
        Some(())
    }

    /// Checks the mappings of a frame that was written and read again: each pixel must be mapped to what the source's mapping
    /// gives for its rescaled value, within a step.
    ///
    /// # Errors
    /// Words for mappings that do not agree.
    pub(crate) fn check(&self, read: &Slice, source: &View<'_>, derived: &View<'_>) -> Result<(), Reason> {
        let mapping = |item: &DataSet| Mapping::read(item, self.limits);
        let (before, after) = (in_effect(source), in_effect(derived));
        let kept = before.into_iter().filter(|item| self.restate_line(&mut (*item).clone()).is_some());
        let (before, after): (Vec<_>, Vec<_>) =
            (kept.filter_map(mapping).collect(), after.into_iter().map(mapping).collect());
        if before.len() != after.len() {
            return Err(Reason::Mapping);
        }
        for (before, after) in before.iter().zip(after) {
            let after = after.ok_or(Reason::Mapping)?;
            let wrong = |stored: &i32| {
                let now = f64::from(*stored);
                // From the file's own slope, not from the one that was meant.
                let then = (read.encoding.rescale(*stored) - self.from.intercept) / self.from.slope;
                let maps = |m: &Mapping, stored: f64| {
                    m.range.is_none_or(|(first, last)| (f64::from(first)..=f64::from(last)).contains(&stored))
                };
                let apart = (after.line.at(now) - before.line.at(then)).abs();
                let far = apart.is_nan() || apart > after.line.slope.abs();
                far || (maps(before, then) && !maps(&after, now))
            };
            if read.frame.stored.iter().filter(|v| !read.encoding.is_padding(**v)).any(wrong) {
                return Err(Reason::Mapping);
            }
        }
        Ok(())
    }
}

/// A linear mapping.
struct Mapping {
    line: Line,
    /// First and last stored value that it maps.
    range: Option<(i32, i32)>,
    /// The same in double precision.
    real_range: Option<(f64, f64)>,
}

impl Mapping {
    fn read(item: &DataSet, limits: (i32, i32)) -> Option<Self> {
        let slope = item.number(tags::REAL_WORLD_VALUE_SLOPE)?;
        let intercept = item.number(tags::REAL_WORLD_VALUE_INTERCEPT)?;
        // Some writers give a negative value as US, or a large one as SS.
        let whole = |tag: Tag| {
            let value = item.integer(tag).and_then(|v| i32::try_from(v).ok())?;
            Some(if limits.0 < 0 { i32::from(value as u16 as i16) } else { i32::from(value as u16) })
        };
        let (first, last) = (tags::REAL_WORLD_VALUE_FIRST_VALUE_MAPPED, tags::REAL_WORLD_VALUE_LAST_VALUE_MAPPED);
        // A range that is none when it is read by the pixels' sign is read as it is written.
        let written = |tag: Tag| item.integer(tag).and_then(|v| i32::try_from(v).ok());
        let range = whole(first).zip(whole(last)).filter(|(first, last)| first <= last);
        let range = range.or_else(|| written(first).zip(written(last)));
        let real_range = item
            .number(tags::DOUBLE_FLOAT_REAL_WORLD_VALUE_FIRST_VALUE_MAPPED)
            .zip(item.number(tags::DOUBLE_FLOAT_REAL_WORLD_VALUE_LAST_VALUE_MAPPED));
        Some(Self { line: Line { slope, intercept }, range, real_range })
    }
}

/// How many mappings of a frame cannot follow a new slope: tables, and items that are no mapping.
pub(crate) fn unable_to_follow(view: &View<'_>, limits: (i32, i32)) -> usize {
    in_effect(view).into_iter().filter(|item| cannot_follow(item, limits)).count()
}

fn cannot_follow(item: &DataSet, limits: (i32, i32)) -> bool {
    item.contains(tags::REAL_WORLD_VALUE_LUT_DATA) || Mapping::read(item, limits).is_none()
}

/// Whether a frame has mappings.
pub(crate) fn is_mapped(view: &View<'_>) -> bool {
    !in_effect(view).is_empty()
}

/// Gives every frame the mappings that are in effect for it, so that each can be restated with its frame.
pub(crate) fn unshare(set: &mut DataSet) {
    let frames = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).len() as u32;
    let of_frame = |frame| in_effect(&View::new(set, frame)).into_iter().cloned().collect::<Vec<_>>();
    let mappings: Vec<_> = (0..frames).map(of_frame).collect();
    if mappings.iter().all(Vec::is_empty) {
        return;
    }
    remove(set);
    for groups in [tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE] {
        if set.contains(groups) {
            set.items_mut(groups).iter_mut().for_each(remove);
        }
    }
    for (frame, items) in set.items_mut(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).iter_mut().zip(mappings) {
        if !items.is_empty() {
            frame.put_items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, items);
        }
    }
}

/// Attributes of converted objects that have no functional group (PS3.3, C.7.6.16.2.25).
const ASIDE: [Tag; 2] =
    [tags::UNASSIGNED_SHARED_CONVERTED_ATTRIBUTES_SEQUENCE, tags::UNASSIGNED_PER_FRAME_CONVERTED_ATTRIBUTES_SEQUENCE];

fn remove(groups: &mut DataSet) {
    groups.remove(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE);
    for aside in ASIDE {
        if groups.contains(aside) {
            for item in groups.items_mut(aside) {
                item.remove(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE);
            }
        }
    }
}

/// The mappings of a frame: its own, else those that it shares, else the object's, else those
/// that a conversion stored separately.
pub(crate) fn in_effect<'a>(view: &View<'a>) -> Vec<&'a DataSet> {
    let aside = view.places().flat_map(|place| ASIDE.into_iter().flat_map(|sequence| place.items(sequence)));
    let holders = view.places().chain(aside);
    let mut found = holders.map(|holder| holder.items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE));
    found.find(|items| !items.is_empty()).unwrap_or_default().iter().collect()
}

fn put_double(item: &mut DataSet, tag: Tag, value: f64) {
    item.insert(tag, Element { vr: VR::FD, value: Value::Bytes(value.to_le_bytes().to_vec()) });
}

#[cfg(test)]
mod tests;
