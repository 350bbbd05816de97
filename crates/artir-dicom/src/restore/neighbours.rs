//! The slices beside a slice, for models that see several.
//!
//! Two slices are neighbours if they follow each other in position, no farther apart than one and a half times the usual distance
//! of the series and than the model has seen, lie above one another, and are of one thickness, stack and time. A slice that
//! shares its place with another of its time has no neighbour, and is none: nothing tells which of the two would be. Where a
//! slice has no neighbour on one side, that of the other side stands for it, as a mirror at the end of the series would show
//! it; where it has none at all, the slice itself.

use std::collections::HashSet;

use artir_core::{CardInput, mirrored};

use super::place::Place;
use crate::{Series, read::geometry::SAME_POSITION};

/// The slices that a model sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    /// How many, the restored one in the middle.
    pub(super) slices: usize,
    /// The largest distance of two of them, mm.
    pub(super) apart: f64,
}

impl From<&CardInput> for Sight {
    fn from(input: &CardInput) -> Self {
        Self { slices: input.slices, apart: input.most_apart() }
    }
}

/// A frame of one of some objects, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FrameAt {
    pub(super) object: usize,
    pub(super) frame: u32,
}

/// What the network sees of each frame.
pub(super) struct Neighbours {
    /// By object, and by frame from its first on: frames in the order of their positions, the frame itself in the middle. Empty
    /// for a model of one slice, which sees each frame alone.
    seen: Vec<Vec<Vec<FrameAt>>>,
    /// How many slices it sees.
    pub(super) slices: usize,
    /// Frames that lack a neighbour.
    pub(super) incomplete: usize,
}

/// Beyond this many usual distances, a slice is missing between two.
const GAP: f64 = 1.5;
/// Relative difference of thicknesses that are the same.
const SAME_THICKNESS: f64 = 0.02;

impl Neighbours {
    /// The neighbours in some objects of a series, in slice order.
    pub(super) fn of(places: &[&Place<'_>], series: &Series, sight: Sight) -> Self {
        if sight.slices == 1 {
            return Self { seen: Vec::new(), slices: 1, incomplete: 0 };
        }
        let line = in_line(places);
        let rule = Rule {
            places,
            most: (GAP * series.slice_spacing).min(sight.apart),
            pixel: series.pixel_spacing[0].min(series.pixel_spacing[1]),
            doubles: doubles(places, &line),
        };
        let side = (sight.slices / 2) as isize;
        let mut seen: Vec<Vec<Vec<FrameAt>>> =
            places.iter().map(|place| vec![Vec::new(); place.frames.len()]).collect();
        let mut incomplete = 0;
        for chain in rule.chains(&line) {
            for (at, frame) in (0isize..).zip(&chain) {
                let all = (at - side..=at + side).map(|other| chain[mirrored(other, chain.len())]);
                seen[frame.object][places[frame.object].own(frame.frame) as usize] = all.collect();
                incomplete += usize::from(at < side || at + side >= chain.len() as isize);
            }
        }
        Self { seen, slices: sight.slices, incomplete }
    }

    /// What the network sees of a frame of an object.
    pub(super) fn seen(&self, place: &Place<'_>, at: FrameAt) -> Vec<FrameAt> {
        match self.seen.get(at.object) {
            Some(object) => object[place.own(at.frame) as usize].clone(),
            None => vec![at],
        }
    }

    /// The frames of other objects that it sees of an object's.
    pub(super) fn beside(&self, object: usize) -> impl Iterator<Item = FrameAt> {
        let all = self.seen.get(object).into_iter().flatten().flatten();
        all.copied().filter(move |frame| frame.object != object)
    }
}

/// Neighbours of which some are lost: what lies beyond a lost one is not seen, and the rest is mirrored as at an end. `None` if
/// the middle one is lost.
pub(super) fn without_lost<T: Clone>(slices: &[Option<T>]) -> Option<Vec<T>> {
    let middle = slices.len() / 2;
    slices[middle].as_ref()?;
    let before = slices[..middle].iter().rev().take_while(|slice| slice.is_some()).count();
    let after = slices[middle + 1..].iter().take_while(|slice| slice.is_some()).count();
    let chain = &slices[middle - before..=middle + after];
    let offset = before as isize - middle as isize;
    (0..slices.len() as isize).map(|i| chain[mirrored(i + offset, chain.len())].clone()).collect()
}

/// What makes two frames neighbours.
struct Rule<'a> {
    places: &'a [&'a Place<'a>],
    /// Their largest distance, mm.
    most: f64,
    /// Distance of pixels, mm: slices that are shifted by more do not lie above one another.
    pixel: f64,
    /// Frames at a place and time that another frame has too.
    doubles: HashSet<FrameAt>,
}

impl Rule<'_> {
    /// Rows of frames that follow each other as neighbours, each in one direction.
    fn chains(&self, line: &[FrameAt]) -> Vec<Vec<FrameAt>> {
        let mut out: Vec<Vec<FrameAt>> = Vec::new();
        let mut direction = 0.0;
        for (i, frame) in line.iter().enumerate() {
            let step = if i > 0 { self.step(line[i - 1], *frame) } else { None };
            match (step, out.last_mut()) {
                (Some(step), Some(chain)) if step * direction >= 0.0 => {
                    direction = step;
                    chain.push(*frame);
                }
                _ => {
                    direction = 0.0;
                    out.push(vec![*frame]);
                }
            }
        }
        out
    }

    /// The way along the normal from a frame to the next in line, mm, if they are neighbours.
    fn step(&self, from: FrameAt, to: FrameAt) -> Option<f64> {
        let instance = |at: FrameAt| self.places[at.object].instance;
        let (a, b) = (instance(from), instance(to));
        let step = position(self.places, to) - position(self.places, from);
        let (start, end) = (a.position(from.frame)?, b.position(to.frame)?);
        let way: f64 = (0..3).map(|axis| (end[axis] - start[axis]).powi(2)).sum();
        let shift = (way - step * step).max(0.0).sqrt();
        let one_stack = a.stack(from.frame as usize) == b.stack(to.frame as usize);
        let one_thickness = match (a.thickness, b.thickness) {
            (Some(a), Some(b)) => (a - b).abs() <= SAME_THICKNESS * a.max(b),
            (a, b) => a == b,
        };
        let near = step.abs() >= SAME_POSITION && step.abs() <= self.most && shift <= self.pixel;
        let single = !self.doubles.contains(&from) && !self.doubles.contains(&to);
        let one_time = a.time(from.frame) == b.time(to.frame);
        (near && one_stack && one_thickness && single && one_time).then_some(step)
    }
}

/// Stack, time and position of a frame.
fn place_of(places: &[&Place<'_>], at: FrameAt) -> (usize, f64, f64) {
    let instance = places[at.object].instance;
    (instance.stack(at.frame as usize), instance.time(at.frame), position(places, at))
}

fn position(places: &[&Place<'_>], at: FrameAt) -> f64 {
    places[at.object].instance.along_normal.get(at.frame as usize).copied().unwrap_or(f64::NAN)
}

/// All frames in an order in which neighbours follow each other: that of the series, and within an object by stack, time and
/// position.
fn in_line(places: &[&Place<'_>]) -> Vec<FrameAt> {
    let mut line = Vec::new();
    for (object, place) in places.iter().enumerate() {
        let first = line.len();
        line.extend(place.frames.clone().map(|frame| FrameAt { object, frame }));
        line[first..].sort_by(|a, b| by_place(place_of(places, *a), place_of(places, *b)));
    }
    line
}

fn by_place(a: (usize, f64, f64), b: (usize, f64, f64)) -> std::cmp::Ordering {
    a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.total_cmp(&b.2))
}

/// The frames at a stack, time and position that another frame has too.
fn doubles(places: &[&Place<'_>], line: &[FrameAt]) -> HashSet<FrameAt> {
    let mut sorted: Vec<((usize, f64, f64), FrameAt)> = line.iter().map(|at| (place_of(places, *at), *at)).collect();
    sorted.sort_by(|a, b| by_place(a.0, b.0));
    let same = |pair: &&[((usize, f64, f64), FrameAt)]| {
        let ((stack_a, time_a, a), (stack_b, time_b, b)) = (pair[0].0, pair[1].0);
        stack_a == stack_b && time_a == time_b && (a - b).abs() < SAME_POSITION
    };
    sorted.windows(2).filter(same).flatten().map(|(_, at)| *at).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use artir_core::{Pool, Sink, Source, Window, Work};
    use dicom_core::{DataElement, PrimitiveValue, VR};
    use dicom_dictionary_std::tags;
    use ndarray::Array3;

    use super::*;
    use crate::{
        Error, Finding, Modality, RestoreOptions, Series, SeriesReport,
        restore::{
            Restoring, restore_with,
            step::Step,
            tests::{WHAT, folder, slice, stored},
        },
    };

    /// CT slices of these heights in mm and thicknesses, whose values are 100, 101 and so on in the given order.
    fn series(slices: &[(f64, Option<&str>)]) -> (tempfile::TempDir, Series) {
        let objects: Vec<_> = (0i16..)
            .zip(slices)
            .map(|(i, (z, thickness))| {
                let mut object = slice(*z, &format!("1.2.3.{i}"), 100 + i);
                if let Some(thickness) = thickness {
                    object.put(DataElement::new(tags::SLICE_THICKNESS, VR::DS, PrimitiveValue::from(*thickness)));
                }
                (format!("{i}"), object)
            })
            .collect();
        let objects: Vec<_> = objects.iter().map(|(name, object)| (name.as_str(), object.clone())).collect();
        let (dir, mut found) = folder(&objects);
        (dir, found.series.remove(0))
    }

    /// Restores a series by a model of so many slices. Returns what it saw of each slice, by the slice's value. Each slice gets
    /// a residual of 2 HU, and its neighbours far more, which must not reach them.
    fn restore(
        series: &Series,
        slices: usize,
        out: &Path,
        options: &RestoreOptions,
        most: usize,
    ) -> (Result<SeriesReport, Error>, BTreeMap<i32, Vec<i32>>) {
        let mut seen = BTreeMap::new();
        let pool = Pool::new(1, |steps: &mut [&mut Step]| {
            if seen.len() == most {
                return Err(artir_core::Error::Interrupted.into());
            }
            let Some((mut source, mut sink)) = steps[0].image() else { panic!("a step without an image") };
            let image = source.read(Window { row: 0, column: 0, rows: 6, columns: 5 })?;
            // Stored values; the slope is 2, the intercept -1024.
            let values: Vec<i32> =
                image.data.outer_iter().map(|plane| ((plane[(1, 1)] + 1024.0) / 2.0) as i32).collect();
            assert_eq!(image.data[(slices / 2, 1, 1)], source.0[slices / 2].values()[(1, 1)]);
            seen.insert(values[slices / 2], values);
            let residual = |(c, _, _)| if c == slices / 2 { 2.0 } else { 500.0 };
            sink.write(0, Array3::from_shape_fn((slices, 6, 5), residual).view())
        });
        let what = Restoring { sight: Sight { slices, apart: 6.0 }, ..WHAT };
        let report = restore_with(series, &what, out, options, pool);
        (report, seen)
    }

    fn seen(slices: &[(f64, Option<&str>)], count: usize) -> (Vec<Vec<i32>>, usize) {
        let (_dir, series) = series(slices);
        let out = tempfile::tempdir().unwrap();
        let (report, seen) = restore(&series, count, out.path(), &RestoreOptions::default(), usize::MAX);
        let report = report.unwrap();
        for name in &report.files {
            let value = stored(&report.folder.join(name), Modality::Ct)[0][(1, 1)];
            assert!(seen.contains_key(&(value - 1)), "{value}");
        }
        let incomplete = report.findings.iter().find_map(|finding| match finding {
            Finding::NeighboursMissing(n) => Some(*n),
            _ => None,
        });
        (seen.into_values().collect(), incomplete.unwrap_or(0))
    }

    const PLAIN: Option<&str> = None;

    #[test]
    fn slices_see_their_neighbours_and_ends_are_mirrored() {
        // The order of files does not matter.
        let (all, incomplete) = seen(&[(5.0, PLAIN), (0.0, PLAIN), (10.0, PLAIN), (15.0, PLAIN)], 3);
        assert_eq!(all, [[101, 100, 102], [100, 101, 100], [100, 102, 103], [102, 103, 102]]);
        assert_eq!(incomplete, 2);
        let (all, incomplete) = seen(&[(0.0, PLAIN), (5.0, PLAIN), (10.0, PLAIN), (15.0, PLAIN)], 5);
        assert_eq!(all[0], [102, 101, 100, 101, 102]);
        assert_eq!(all[2], [100, 101, 102, 103, 102]);
        assert_eq!(incomplete, 4);
        let (all, incomplete) = seen(&[(0.0, PLAIN), (5.0, PLAIN)], 1);
        assert_eq!((all, incomplete), (vec![vec![100], vec![101]], 0));
    }

    #[test]
    fn no_slice_sees_over_a_gap_or_another_thickness_or_one_at_its_own_place() {
        let gap = [(0.0, PLAIN), (5.0, PLAIN), (20.0, PLAIN), (25.0, PLAIN), (30.0, PLAIN)];
        let (all, incomplete) = seen(&gap, 3);
        assert_eq!(all, [[101, 100, 101], [100, 101, 100], [103, 102, 103], [102, 103, 104], [103, 104, 103]]);
        assert_eq!(incomplete, 4);
        let (thin, thick) = (Some("2.5"), Some("5"));
        let (all, _) = seen(&[(0.0, thin), (5.0, thin), (10.0, thick), (15.0, PLAIN), (20.0, PLAIN)], 3);
        assert_eq!(all, [[101, 100, 101], [100, 101, 100], [102, 102, 102], [104, 103, 104], [103, 104, 103]]);
        // Nothing tells which of two slices at one place would be the neighbour.
        let (all, _) = seen(&[(0.0, PLAIN), (5.0, PLAIN), (5.0, PLAIN), (10.0, PLAIN), (15.0, PLAIN)], 3);
        assert_eq!(all, [[100, 100, 100], [101, 101, 101], [102, 102, 102], [104, 103, 104], [103, 104, 103]]);
        // 8 mm are farther apart than the model has seen.
        let (all, incomplete) = seen(&[(0.0, PLAIN), (8.0, PLAIN), (16.0, PLAIN)], 3);
        assert_eq!(all, [[100, 100, 100], [101, 101, 101], [102, 102, 102]]);
        assert_eq!(incomplete, 3);
    }

    #[test]
    fn a_run_that_was_stopped_sees_the_slices_that_are_done() {
        let slices: Vec<_> = (0..6).map(|i| (f64::from(i), PLAIN)).collect();
        let (dir, series) = series(&slices);
        let (out, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let options = RestoreOptions { resume: true, ..RestoreOptions::default() };
        let (expected, all) = restore(&series, 3, whole.path(), &options, usize::MAX);
        let (stopped, first) = restore(&series, 3, out.path(), &options, 3);
        assert!(stopped.is_err() && first.len() == 3);
        // Several decoders read what one would.
        let (report, rest) = restore(&series, 3, out.path(), &options.clone().decoders(Some(3)), usize::MAX);
        let report = report.unwrap();
        assert!((1..=3).contains(&report.resumed));
        assert!(rest.iter().all(|(value, seen)| all[value] == *seen) && rest.len() == 6 - report.resumed);
        let expected = expected.unwrap();
        let read = |report: &SeriesReport, name: &String| std::fs::read(report.folder.join(name)).unwrap();
        assert!(expected.files.iter().all(|name| read(&expected, name) == read(&report, name)));
        // A slice that has changed is made anew, and so are those that see it.
        crate::restore::tests::save(slice(5.0, "1.2.3.5", 900), &dir.path().join("5"));
        let (again, made) = restore(&series, 3, out.path(), &options.overwrite(true), usize::MAX);
        assert_eq!((again.unwrap().resumed, made.into_keys().collect::<Vec<_>>()), (4, vec![104, 900]));
    }

    #[test]
    fn a_neighbour_that_cannot_be_read_is_replaced_by_the_other() {
        let slices: Vec<_> = (0..5).map(|i| (f64::from(i), PLAIN)).collect();
        let (dir, series) = series(&slices);
        // Shorter than its header says, with the header as it was found.
        let path = dir.path().join("2");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 40]).unwrap();
        let out = tempfile::tempdir().unwrap();
        for lanes in [1, 2] {
            let options = RestoreOptions::default().allow_partial(true).overwrite(true).decoders(Some(lanes));
            let (report, seen) = restore(&series, 3, out.path(), &options, usize::MAX);
            assert_eq!(report.unwrap().failed.len(), 1);
            let seen: Vec<_> = seen.into_values().collect();
            assert_eq!(seen, [[101, 100, 101], [100, 101, 100], [104, 103, 104], [103, 104, 103]]);
        }
    }

    #[test]
    fn phases_do_not_see_each_other_and_neither_do_slices_that_are_shifted() {
        let object = |i: i16, z: f64, x: &str, phase: &str| {
            let mut object = slice(z, &format!("1.2.3.{i}"), 100 + i);
            object.put(DataElement::new(
                tags::IMAGE_POSITION_PATIENT,
                VR::DS,
                PrimitiveValue::from(format!("{x}\\0\\{z}")),
            ));
            object.put(DataElement::new(tags::TEMPORAL_POSITION_IDENTIFIER, VR::IS, PrimitiveValue::from(phase)));
            object
        };
        let found = |objects: Vec<dicom_object::InMemDicomObject>| {
            let named: Vec<_> = objects.into_iter().enumerate().map(|(i, object)| (format!("{i}"), object)).collect();
            let named: Vec<_> = named.iter().map(|(name, object)| (name.as_str(), object.clone())).collect();
            let (_dir, mut found) = folder(&named);
            let series = found.series.remove(0);
            let out = tempfile::tempdir().unwrap();
            let (report, seen) = restore(&series, 3, out.path(), &RestoreOptions::default(), usize::MAX);
            report.unwrap();
            seen.into_values().collect::<Vec<_>>()
        };
        // Two phases, position by position.
        let phases = (0..6).map(|i| object(i, f64::from(i / 2) * 5.0, "0", if i % 2 == 0 { "1" } else { "2" }));
        let expected =
            [[102, 100, 102], [103, 101, 103], [100, 102, 104], [101, 103, 105], [102, 104, 102], [103, 105, 103]];
        assert_eq!(found(phases.collect()), expected);
        // From the third slice on, the image begins 20 mm farther to the left.
        let moved = (0..4).map(|i| object(i, f64::from(i) * 5.0, if i < 2 { "0" } else { "20" }, "1"));
        assert_eq!(found(moved.collect()), [[101, 100, 101], [100, 101, 100], [103, 102, 103], [102, 103, 102]]);
    }

    #[test]
    fn what_lies_beyond_a_lost_slice_is_not_seen() {
        let whole = |slices: &[Option<i32>]| without_lost(slices);
        assert_eq!(whole(&[Some(1), Some(2), Some(3), Some(4), Some(5)]), Some(vec![1, 2, 3, 4, 5]));
        assert_eq!(whole(&[Some(1), None, Some(3), Some(4), Some(5)]), Some(vec![5, 4, 3, 4, 5]));
        assert_eq!(whole(&[None, Some(2), Some(3), None, Some(5)]), Some(vec![3, 2, 3, 2, 3]));
        assert_eq!(whole(&[None, Some(3), None]), Some(vec![3, 3, 3]));
        assert_eq!(whole(&[Some(1), None, Some(2)]), None);
        assert_eq!(whole(&[Some(7)]), Some(vec![7]));
    }
}
