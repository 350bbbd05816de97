//! The slices beside a slice, for models that see several.
//!
//! Two slices are neighbours if they follow each other in position, at the usual distance of the series and no farther than
//! the model has seen, and are of one thickness, stack and time. Where a slice has none on one side, that of the other
//! side stands for it, as a mirror at the end of the series would show it; where it has none at all, the slice itself.

use artir_core::{CardInput, mirrored};

use super::place::Place;
use crate::read::geometry::SAME_POSITION;

/// The slices that a model sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    /// How many, the restored one in the middle.
    pub(super) slices: usize,
    /// The largest distance of two of them, mm.
    pub(super) apart: Option<f64>,
}

impl From<&CardInput> for Sight {
    fn from(input: &CardInput) -> Self {
        Self { slices: input.slices, apart: input.slices_apart }
    }
}

/// A frame of one of some objects, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameAt {
    pub(super) object: usize,
    pub(super) frame: u32,
}

/// What the network sees of each frame.
pub(super) struct Neighbours {
    /// By object, and by frame from its first on: frames in the order of their positions, the frame itself in the middle.
    seen: Vec<Vec<Vec<FrameAt>>>,
    /// How many slices that are.
    pub(super) slices: usize,
    /// Frames that lack a neighbour.
    pub(super) incomplete: usize,
}

/// The usual distance of neighbours times this has a slice missing in between.
const GAP: f64 = 1.5;
/// Relative difference of thicknesses that are the same.
const SAME_THICKNESS: f64 = 0.02;

impl Neighbours {
    /// The neighbours in some objects of a series, in slice order, whose slices are usually `spacing` mm apart.
    pub(super) fn of(places: &[&Place<'_>], spacing: f64, sight: Sight) -> Self {
        let side = (sight.slices / 2) as isize;
        let most = (GAP * spacing).min(sight.apart.map_or(f64::INFINITY, |apart| apart + SAME_POSITION));
        let mut seen: Vec<Vec<Vec<FrameAt>>> =
            places.iter().map(|place| vec![Vec::new(); place.frames.len()]).collect();
        let mut incomplete = 0;
        for run in runs(places, &in_line(places), most) {
            for (at, frame) in (0isize..).zip(&run) {
                let all = (at - side..=at + side).map(|other| run[mirrored(other, run.len())]);
                seen[frame.object][places[frame.object].own(frame.frame) as usize] = all.collect();
                incomplete += usize::from(at < side || at + side >= run.len() as isize);
            }
        }
        Self { seen, slices: sight.slices, incomplete }
    }

    /// What the network sees of a frame, counted from the first of its object.
    pub(super) fn seen(&self, object: usize, own: u32) -> &[FrameAt] {
        &self.seen[object][own as usize]
    }

    /// The frames of other objects that it sees of an object's.
    pub(super) fn beside(&self, object: usize) -> impl Iterator<Item = FrameAt> {
        self.seen[object].iter().flatten().copied().filter(move |frame| frame.object != object)
    }
}

/// Frames that follow each other as neighbours, all in one direction.
fn runs(places: &[&Place<'_>], line: &[FrameAt], most: f64) -> Vec<Vec<FrameAt>> {
    let mut out: Vec<Vec<FrameAt>> = Vec::new();
    let mut direction = 0.0;
    for (i, frame) in line.iter().enumerate() {
        let way = if i > 0 { way(places, line[i - 1], *frame, most) } else { None };
        match (way, out.last_mut()) {
            (Some(way), Some(run)) if way * direction >= 0.0 => {
                direction = way;
                run.push(*frame);
            }
            _ => {
                direction = 0.0;
                out.push(vec![*frame]);
            }
        }
    }
    out
}

/// All frames in an order in which neighbours follow each other: that of the series, and within an object that of positions,
/// stack by stack.
fn in_line(places: &[&Place<'_>]) -> Vec<FrameAt> {
    let mut line = Vec::new();
    for (object, place) in places.iter().enumerate() {
        let first = line.len();
        line.extend(place.frames.clone().map(|frame| FrameAt { object, frame }));
        let key = |at: &FrameAt| (place.instance.stack(at.frame as usize), position(places, *at));
        let own = &mut line[first..];
        let mut sorted = own.to_vec();
        sorted.sort_by(|a, b| {
            let ((stack_a, a), (stack_b, b)) = (key(a), key(b));
            stack_a.cmp(&stack_b).then(a.total_cmp(&b))
        });
        // Frames of several times at one place stay in their own order, in which one time follows another.
        let same = |pair: &[FrameAt]| {
            let ((stack_a, a), (stack_b, b)) = (key(&pair[0]), key(&pair[1]));
            stack_a == stack_b && (a - b).abs() < SAME_POSITION
        };
        if !sorted.windows(2).any(same) {
            own.copy_from_slice(&sorted);
        }
    }
    line
}

fn position(places: &[&Place<'_>], at: FrameAt) -> f64 {
    places[at.object].instance.along_normal.get(at.frame as usize).copied().unwrap_or(f64::NAN)
}

/// The way from a frame to the next in line, mm, if they are neighbours.
fn way(places: &[&Place<'_>], from: FrameAt, to: FrameAt, most: f64) -> Option<f64> {
    let way = position(places, to) - position(places, from);
    let (a, b) = (places[from.object].instance, places[to.object].instance);
    let one_stack = from.object != to.object || a.stack(from.frame as usize) == b.stack(to.frame as usize);
    let one_thickness = match (a.thickness, b.thickness) {
        (Some(a), Some(b)) => (a - b).abs() <= SAME_THICKNESS * a.max(b),
        (a, b) => a == b,
    };
    let near = way.abs() >= SAME_POSITION && way.abs() <= most;
    (near && one_stack && one_thickness).then_some(way)
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
        let what = Restoring { sight: Sight { slices, apart: Some(6.0) }, ..WHAT };
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
        let (all, _) = seen(&[(0.0, PLAIN), (5.0, PLAIN), (5.0, PLAIN), (10.0, PLAIN)], 3);
        assert_eq!(all, [[101, 100, 101], [100, 101, 100], [103, 102, 103], [102, 103, 102]]);
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
}
