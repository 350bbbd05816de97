//! The loop over tiles, with networks that are plain functions.

use ndarray::{Array2, Array3, s};
use proptest::prelude::*;

use super::{
    tiles::{Infer, Job},
    *,
};
use crate::{NoProgress, Range, TileLimits};

struct Memory {
    image: Image,
}

impl Source for Memory {
    type Error = Error;

    fn shape(&self) -> Shape {
        self.image.shape()
    }

    fn read(&mut self, w: Window) -> Result<Image, Error> {
        let cut = |a: usize, n: usize| a..a + n;
        let (r, c) = (cut(w.row, w.rows), cut(w.column, w.columns));
        Ok(Image {
            data: self.image.data.slice(s![.., r.clone(), c.clone()]).to_owned(),
            valid: self.image.valid.as_ref().map(|v| v.slice(s![r, c]).to_owned()),
        })
    }
}

struct Collect {
    out: Array3<f32>,
    next: usize,
}

impl Sink for Collect {
    type Error = Error;

    fn write(&mut self, first: usize, residual: ArrayView3<'_, f32>) -> Result<(), Error> {
        assert_eq!(first, self.next, "rows must come in order, each once");
        self.next += residual.dim().1;
        self.out.slice_mut(s![.., first..self.next, ..]).assign(&residual);
        Ok(())
    }
}

fn run(image: &Image, plan: &TilePlan, infer: Infer<'_>) -> Result<(Array3<f32>, RunReport), Error> {
    run_from(0, image, plan, infer)
}

fn run_from(
    first_row: usize,
    image: &Image,
    plan: &TilePlan,
    infer: Infer<'_>,
) -> Result<(Array3<f32>, RunReport), Error> {
    run_in_batches(1, first_row, image, plan, infer)
}

fn run_in_batches(
    batch: usize,
    first_row: usize,
    image: &Image,
    plan: &TilePlan,
    infer: Infer<'_>,
) -> Result<(Array3<f32>, RunReport), Error> {
    let range = Range::new([-1024.0, 3072.0], [0.0, 1.0]).unwrap();
    let mut sink = Collect { out: Array3::from_elem(image.data.raw_dim(), f32::NAN), next: first_row };
    let mut source = Memory { image: image.clone() };
    let job = Job { plan, range, strength: 1.0, first_row, batch };
    let report = job.run(&mut source, &mut sink, &NoProgress, infer)?;
    assert_eq!(sink.next, image.data.dim().1);
    Ok((sink.out, report))
}

fn noise(channels: usize, rows: usize, columns: usize) -> Image {
    let mut state = 1u32;
    Image::new(Array3::from_shape_simple_fn((channels, rows, columns), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as f32 / 8.0 - 4000.0
    }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_identity_network_changes_no_bit(
        rows in 1usize..160, columns in 1usize..160, tile4 in 4usize..24, part in 0usize..=100
    ) {
        let tile = tile4 * 4;
        let limits = TileLimits { tile, overlap: tile / 2 * part / 100, multiple: 4 };
        let plan = TilePlan::tiled(rows, columns, limits).unwrap();
        let mut sizes = Vec::new();
        let (out, _) = run(&noise(2, rows, columns), &plan, &mut |t| {
            sizes.push(t.dim());
            Ok(t.to_owned())
        }).unwrap();
        prop_assert!(out.iter().all(|v| *v == 0.0));
        prop_assert!(sizes.iter().all(|(_, _, h, w)| h % 4 == 0 && w % 4 == 0));
    }
}

#[test]
fn a_constant_residual_arrives_in_physical_units() {
    let plan = TilePlan::tiled(130, 90, TileLimits { tile: 64, overlap: 16, multiple: 4 }).unwrap();
    let (out, report) = run(&noise(1, 130, 90), &plan, &mut |t| Ok(&t + 0.25)).unwrap();
    // a quarter of the network's range is a quarter of 4096 HU
    assert!(out.iter().all(|v| (v - 1024.0).abs() < 0.01), "{:?}", out.iter().next());
    assert_eq!(report.tiles, plan.len());
}

#[test]
fn values_beyond_the_range_are_clamped_for_the_network_alone() {
    let image = Image::new(Array3::from_elem((1, 8, 8), 30_000.0));
    let plan = TilePlan::whole(8, 8, 4);
    let (out, _) = run(&image, &plan, &mut |t| {
        assert!(t.iter().all(|v| *v == 1.0));
        Ok(t.to_owned())
    })
    .unwrap();
    assert!(out.iter().all(|v| *v == 0.0));
}

#[test]
fn invalid_and_infinite_pixels_reach_no_network_and_are_not_changed() {
    let mut image = noise(2, 20, 20);
    image.data[(0, 3, 3)] = f32::NAN;
    image.data[(1, 4, 4)] = f32::INFINITY;
    let mut valid = Array2::from_elem((20, 20), true);
    valid[(10, 10)] = false;
    image.valid = Some(valid);
    let plan = TilePlan::tiled(20, 20, TileLimits { tile: 16, overlap: 4, multiple: 4 }).unwrap();
    let (out, _) = run(&image, &plan, &mut |t| {
        assert!(t.iter().all(|v| v.is_finite()));
        Ok(&t + 0.5)
    })
    .unwrap();
    for ((_, r, c), v) in out.indexed_iter() {
        let untouched = [(3, 3), (4, 4), (10, 10)].contains(&(r, c));
        assert_eq!(*v == 0.0, untouched, "{r} {c}: {v}");
    }
}

#[test]
fn tiles_without_a_valid_pixel_are_skipped() {
    let mut image = noise(1, 64, 16);
    let mut valid = Array2::from_elem((64, 16), true);
    valid.slice_mut(s![..32, ..]).fill(false);
    image.valid = Some(valid);
    let plan = TilePlan::tiled(64, 16, TileLimits { tile: 16, overlap: 0, multiple: 4 }).unwrap();
    let (out, report) = run(&image, &plan, &mut |t| Ok(&t + 0.5)).unwrap();
    assert!(report.skipped >= 1 && report.tiles >= 2);
    assert!(out.slice(s![0, ..32, ..]).iter().all(|v| *v == 0.0));
    assert!(out.slice(s![0, 32.., ..]).iter().all(|v| *v > 0.0));
}

#[test]
fn a_network_that_gives_nan_is_an_error() {
    let plan = TilePlan::whole(8, 8, 4);
    let failed = run(&noise(1, 8, 8), &plan, &mut |t| {
        let mut t = t.to_owned();
        t[(0, 0, 1, 1)] = f32::NAN;
        Ok(t)
    });
    assert!(matches!(failed, Err(Error::Inference(_))));
}

#[test]
fn cancelling_ends_the_run() {
    struct Stop;
    impl Progress for Stop {
        fn is_cancelled(&self) -> bool {
            true
        }
    }
    let image = noise(1, 8, 8);
    let range = Range::new([0.0, 1.0], [0.0, 1.0]).unwrap();
    let mut sink = Collect { out: Array3::zeros((1, 8, 8)), next: 0 };
    let mut source = Memory { image };
    let plan = TilePlan::whole(8, 8, 4);
    let job = Job { plan: &plan, range, strength: 1.0, first_row: 0, batch: 1 };
    let ended = job.run(&mut source, &mut sink, &Stop, &mut |t| Ok(t.to_owned()));
    assert!(matches!(ended, Err(Error::Interrupted)));
    assert_eq!(sink.next, 0);
}

#[test]
fn a_run_that_starts_late_gives_the_same_rows() {
    let image = noise(2, 150, 50);
    let plan = TilePlan::tiled(150, 50, TileLimits { tile: 32, overlap: 16, multiple: 4 }).unwrap();
    // Depends on the whole tile, so that a missing neighbour would show.
    let mut infer = |t: ArrayView4<'_, f32>| {
        let mean = t.mean().unwrap_or(0.0);
        Ok(t.mapv(|v| v + mean + 0.1 * v * v))
    };
    let (whole, _) = run(&image, &plan, &mut infer).unwrap();
    for first in [1, 15, 16, 17, 40, 100, 149] {
        let (late, _) = run_from(first, &image, &plan, &mut infer).unwrap();
        assert_eq!(whole.slice(s![.., first.., ..]), late.slice(s![.., first.., ..]), "from row {first}");
    }
    assert_eq!(run_from(150, &image, &plan, &mut infer).unwrap().1.tiles, 0);
}

#[test]
fn an_error_of_either_end_ends_the_run() {
    struct Full;
    impl Sink for Full {
        type Error = Error;
        fn write(&mut self, first: usize, _: ArrayView3<'_, f32>) -> Result<(), Error> {
            if first > 30 { Err(crate::SettingError::NeedsTiles.into()) } else { Ok(()) }
        }
    }
    struct Torn(Memory);
    impl Source for Torn {
        type Error = Error;
        fn shape(&self) -> Shape {
            self.0.shape()
        }
        fn read(&mut self, w: Window) -> Result<Image, Error> {
            if w.row > 60 { Err(crate::SettingError::Strength(9.0).into()) } else { self.0.read(w) }
        }
    }
    let image = noise(1, 150, 50);
    let plan = TilePlan::tiled(150, 50, TileLimits { tile: 32, overlap: 8, multiple: 4 }).unwrap();
    let range = Range::new([0.0, 1.0], [0.0, 1.0]).unwrap();
    let job = Job { plan: &plan, range, strength: 1.0, first_row: 0, batch: 1 };
    let mut infer = |t: ArrayView4<'_, f32>| Ok(t.to_owned());
    let mut sink = Collect { out: Array3::zeros((1, 150, 50)), next: 0 };
    let torn = job.run(&mut Torn(Memory { image: image.clone() }), &mut sink, &NoProgress, &mut infer);
    assert!(matches!(torn, Err(Error::Setting(crate::SettingError::Strength(_)))));
    let full = job.run(&mut Memory { image }, &mut Full, &NoProgress, &mut infer);
    assert!(matches!(full, Err(Error::Setting(crate::SettingError::NeedsTiles))));
}

#[test]
fn tiles_seen_together_give_what_they_give_alone() {
    let mut image = noise(2, 150, 400);
    let plan = TilePlan::tiled(150, 400, TileLimits { tile: 64, overlap: 16, multiple: 4 }).unwrap();
    // The second tile of the first row has nothing to see.
    let (rows, columns) = (plan.rows[0], plan.columns[1]);
    let mut valid = Array2::from_elem((150, 400), true);
    valid.slice_mut(s![..rows.end(), columns.start..columns.end()]).fill(false);
    image.valid = Some(valid);
    let work = |tiles: ArrayView4<'_, f32>| tiles.mapv(|v| v * 0.75 + 0.1);
    let alone = run(&image, &plan, &mut |tiles| Ok(work(tiles))).unwrap();
    assert_eq!(alone.1.skipped, 1);
    for batch in [2, 3, 100] {
        let mut largest = 0;
        let together = run_in_batches(batch, 0, &image, &plan, &mut |tiles| {
            largest = largest.max(tiles.dim().0);
            Ok(work(tiles))
        });
        assert_eq!(together.unwrap(), alone, "{batch} at once");
        assert_eq!(largest, batch.min(plan.columns.len()));
    }
}

#[test]
fn restorers_that_share_threads_give_the_same_bits() {
    let settings = Settings { device: crate::Device::Cpu, threads: 5, ..Settings::default() };
    let whole = Restorer::new(crate::zoo::open("ct-ldct-t").unwrap(), settings).unwrap();
    let shared = whole.split_threads(3).unwrap();
    assert_eq!(shared.iter().map(|one| one.settings.threads).collect::<Vec<_>>(), [2, 2, 1]);
    let image = Array4::from_shape_fn((1, 1, 60, 72), |(_, _, y, x)| ((y * 7 + x * 3) % 23) as f32 / 23.0);
    let expected = whole.session.run(image.view()).unwrap();
    for one in &shared {
        assert_eq!(one.session.run(image.view()).unwrap(), expected);
    }
}

/// A source of which only the upper left corner is known to hold anything, and a sink that lists what it gets.
struct Corner {
    image: Image,
    rows: usize,
    read: Vec<Window>,
}

impl Source for Corner {
    type Error = Error;

    fn shape(&self) -> Shape {
        self.image.shape()
    }

    fn is_empty(&mut self, w: Window) -> Result<bool, Error> {
        Ok(w.row >= self.rows || w.column >= 20)
    }

    fn read(&mut self, w: Window) -> Result<Image, Error> {
        self.read.push(w);
        Ok(Image::new(self.image.data.slice(s![.., w.row..w.row + w.rows, w.column..w.column + w.columns]).to_owned()))
    }
}

struct Listed(Vec<(usize, usize, bool)>);

impl Sink for Listed {
    type Error = Error;

    fn write(&mut self, first: usize, residual: ArrayView3<'_, f32>) -> Result<(), Error> {
        self.0.push((first, residual.dim().1, residual.iter().any(|r| *r != 0.0)));
        Ok(())
    }

    fn pass(&mut self, first: usize, shape: Shape) -> Result<(), Error> {
        self.0.push((first, shape.rows, false));
        Ok(())
    }
}

#[test]
fn empty_windows_are_neither_read_nor_seen() {
    let plan = TilePlan::tiled(400, 90, TileLimits { tile: 64, overlap: 16, multiple: 4 }).unwrap();
    let range = Range::new([0.0, 1.0], [0.0, 1.0]).unwrap();
    let job = Job { plan: &plan, range, strength: 1.0, first_row: 0, batch: 1 };
    let mut source = Corner { image: noise(1, 400, 90), rows: 50, read: Vec::new() };
    let (mut sink, mut seen) = (Listed(Vec::new()), 0);
    let report = job.run(&mut source, &mut sink, &NoProgress, &mut |t| {
        seen += 1;
        Ok(&t + 0.25)
    });
    let report = report.unwrap();
    assert_eq!((report.tiles, seen, source.read.len()), (2, 2, 2), "two rows of tiles begin above row 50");
    assert_eq!(report.skipped, plan.len() - 2);
    // Every row once and in order; the rows of the network's tiles have a residual, those below pass in few parts.
    let ends: Vec<usize> = sink.0.iter().map(|(first, rows, _)| first + rows).collect();
    let starts: Vec<usize> = sink.0.iter().map(|(first, ..)| *first).collect();
    assert_eq!(starts[1..], ends[..ends.len() - 1]);
    assert_eq!((starts[0], ends[ends.len() - 1]), (0, 400));
    let last = plan.rows[1].end();
    assert!(sink.0.iter().all(|(first, _, changed)| *changed == (*first < last)), "{:?} {last}", sink.0);
    // A sink that knows nothing of it gets zeros.
    let mut sink = Collect { out: Array3::from_elem((1, 400, 90), f32::NAN), next: 0 };
    job.run(&mut source, &mut sink, &NoProgress, &mut |t| Ok(&t + 0.25)).unwrap();
    assert!(sink.out.slice(s![.., last.., ..]).iter().all(|r| *r == 0.0));
}

/// A change of this text changes the UIDs of derived series and restarts interrupted runs: see [`ALGORITHM`].
#[test]
fn what_decides_pixels_is_pinned_and_names_no_runtime() {
    let settings = Settings { device: crate::Device::Cpu, threads: 1, strength: Some(0.75), ..Settings::default() };
    let model = crate::zoo::open("ct-ldct-t").unwrap();
    let (hash, other) = (model.hash().to_owned(), Settings { overlap: Some(32), threads: 2, ..settings.clone() });
    let restorer = Restorer::new(model.clone(), settings).unwrap();
    let common = format!("artir-pixels 1\nalgorithm=2\nmodel={hash}\nprecision=f32\n");
    let shape = crate::Shape { channels: 1, rows: 512, columns: 512 };
    let text = restorer.decides_for(shape, MemoryUse::default()).unwrap();
    assert_eq!(text.as_str(), format!("{common}tiles=whole\nstrength=3fe8000000000000\n"));
    let any = restorer.decides();
    let rest = "overlap=auto\nmemory=2147483648\nstrength=3fe8000000000000\n";
    assert_eq!(any.as_str(), format!("{common}tiles=auto\n{rest}"));
    // Threads change no bit; an overlap does where there are tiles.
    let restorer = Restorer::new(model, other).unwrap();
    assert_eq!(restorer.decides_for(shape, MemoryUse::default()).unwrap(), text);
    assert_ne!(restorer.decides(), any);
}

#[test]
fn the_card_states_the_strength_unless_the_settings_do() {
    let model = crate::zoo::open("ct-ldct-t").unwrap();
    let stated = model.card().strength.unwrap();
    assert!(stated < 1.0);
    assert_eq!(Restorer::new(model.clone(), Settings::default()).unwrap().strength(), stated);
    let settings = Settings::default().strength(1.0).unwrap();
    assert_eq!(Restorer::new(model, settings).unwrap().strength(), 1.0);
}

#[test]
fn an_ensemble_is_part_of_what_decides_pixels_and_of_their_origin() {
    let settings = Settings::default().device(crate::Device::Cpu).threads(1).unwrap();
    let model = crate::zoo::open("ct-ldct-t").unwrap();
    let single = Restorer::new(model.clone(), settings.clone()).unwrap();
    let eight = Restorer::new(model, settings.ensemble(true)).unwrap();
    let shape = crate::Shape { channels: 1, rows: 512, columns: 512 };
    let decides = |of: &Restorer| of.decides_for(shape, MemoryUse::default()).unwrap().as_str().to_owned();
    assert_eq!(decides(&eight), decides(&single).replace("strength=", "ensemble=8\nstrength="));
    let origin = |of: &Restorer| of.provenance(shape, MemoryUse::default()).unwrap().to_string();
    assert!(origin(&eight).ends_with("strength 0.8; mean over eight flips and rotations"), "{}", origin(&eight));
    assert!(origin(&single).ends_with("strength 0.8"));
    // The mean is no single run's result, and close to one.
    let image =
        Image::new(ndarray::Array3::from_shape_fn((1, 24, 40), |(_, y, x)| ((y * 7 + x * 3) % 23) as f32 * 9.0));
    let (one, mean) = (single.restore(&image, &NoProgress).unwrap(), eight.restore(&image, &NoProgress).unwrap());
    let apart = (&one - &mean).mapv(f32::abs).mean().unwrap();
    assert!(apart > 0.0 && apart < 20.0, "{apart}");
}
