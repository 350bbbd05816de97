//! How a map is divided into jobs.
//!
//! A job computes its tile's surroundings anew, so few large tiles cost least; threads that wait for the last job cost, too.
//! The division with the shortest time by count of work is chosen. It changes no result.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::lanes::UNIT;
use super::map::Tile;

/// Rows of a tile at most: what a job keeps of a column stays in the second cache.
const HIGHEST: usize = 128;
/// Rows of a tile at least, where there are as many.
const LOWEST: usize = 8;
/// Float32 of a row of a tile at most: channels times columns.
const ROW: usize = 256 * UNIT;

/// Shares of a pass's work by how many pixels around the tile they are done for: the first for none, then 1 and 2.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach(pub(super) [f64; 3]);

impl Reach {
    /// Nothing outside the tile.
    pub(super) const NONE: Self = Self([1.0, 0.0, 0.0]);
    /// A 1x1 convolution before a 3x3 convolution of single channels, and one of half its size after it.
    pub(super) const ONE: Self = Self([0.35, 0.65, 0.0]);
    /// Two such halves, of two and of six times the map's channels.
    pub(super) const TWO: Self = Self([0.3, 0.55, 0.15]);

    /// Work of a tile, in pixels.
    fn work(self, rows: usize, columns: usize) -> f64 {
        let pixels = |beyond: usize| ((rows + 2 * beyond) * (columns + 2 * beyond)) as f64;
        self.0.into_iter().enumerate().map(|(beyond, share)| share * pixels(beyond)).sum()
    }
}

/// A division of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tiling {
    rows: usize,
    columns: usize,
    down: usize,
    across: usize,
}

impl Tiling {
    /// The division for a pass over a map of `units` units of channels by so many threads.
    pub(super) fn new(rows: usize, columns: usize, units: usize, reach: Reach, threads: usize) -> Self {
        let widest = (ROW / (units * UNIT)).max(UNIT);
        let mut best = (f64::INFINITY, Self { rows, columns, down: 1, across: 1 });
        for across in columns.div_ceil(widest)..=(columns / UNIT).max(columns.div_ceil(widest)) {
            for down in rows.div_ceil(HIGHEST)..=(rows / LOWEST).max(rows.div_ceil(HIGHEST)) {
                let tiling = Self { rows, columns, down, across };
                let time = tiling.time(reach, threads);
                if time < best.0 {
                    best = (time, tiling);
                }
                // More jobs than this only cost more.
                if tiling.jobs() > 16 * threads {
                    break;
                }
            }
        }
        best.1
    }

    /// Time until the last thread ends, in pixels of work. Threads that are held up by others get a tenth of a tile.
    fn time(&self, reach: Reach, threads: usize) -> f64 {
        let tile = reach.work(self.rows.div_ceil(self.down), self.columns.div_ceil(self.across));
        let turns = self.jobs().div_ceil(threads);
        tile * (turns as f64 + if threads > 1 { 0.1 } else { 0.0 })
    }

    pub(super) fn jobs(&self) -> usize {
        self.down * self.across
    }

    pub(super) fn tile(&self, job: usize) -> Tile {
        let (y, x) = (job / self.across, job % self.across);
        let cut = |length: usize, parts: usize, part: usize| {
            let (short, longer) = (length / parts, length % parts);
            part * short + part.min(longer)
        };
        Tile {
            top: cut(self.rows, self.down, y),
            bottom: cut(self.rows, self.down, y + 1),
            left: cut(self.columns, self.across, x),
            right: cut(self.columns, self.across, x + 1),
        }
    }
}

/// Divisions that were found before. The search takes as long as a small image's pass does on many threads, and every run of a series
/// or a scene has the same passes.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<Wanted, Tiling>>);

/// Rows, columns, units, threads, and the bits of the reach.
type Wanted = ([usize; 4], [u64; 3]);

impl Known {
    /// Divisions that are kept: those of some sizes of image.
    const MOST: usize = 256;

    /// As [`Tiling::new`].
    pub(super) fn tiling(&self, rows: usize, columns: usize, units: usize, reach: Reach, threads: usize) -> Tiling {
        let wanted = ([rows, columns, units, threads], reach.0.map(f64::to_bits));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= Self::MOST && !known.contains_key(&wanted) {
            known.clear();
        }
        *known.entry(wanted).or_insert_with(|| Tiling::new(rows, columns, units, reach, threads))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_divisions_are_those_that_would_be_found() {
        let known = Known::default();
        for _ in 0..2 {
            for size in 1..2 * Known::MOST {
                for (reach, threads) in [(Reach::ONE, 2), (Reach::TWO, 2), (Reach::TWO, 3)] {
                    let found = known.tiling(size, 64, 2, reach, threads);
                    assert_eq!(found, Tiling::new(size, 64, 2, reach, threads));
                }
            }
        }
        assert!(known.0.lock().unwrap().len() <= Known::MOST);
    }

    impl Tiling {
        /// Work of all jobs, in pixels.
        fn work(&self, reach: Reach) -> f64 {
            let of = |tile: Tile| reach.work(tile.bottom - tile.top, tile.right - tile.left);
            (0..self.jobs()).map(|job| of(self.tile(job))).sum()
        }
    }

    #[test]
    fn tiles_cover_a_map_once() {
        for (rows, columns, units, threads) in [(1, 1, 2, 1), (64, 300, 2, 7), (131, 127, 8, 2), (5, 7, 12, 64)] {
            for reach in [Reach::NONE, Reach::TWO] {
                let tiling = Tiling::new(rows, columns, units, reach, threads);
                let mut seen = vec![0; rows * columns];
                for job in 0..tiling.jobs() {
                    let tile = tiling.tile(job);
                    assert!((tile.right - tile.left) * units <= 256.max(UNIT * units));
                    assert!(tile.bottom - tile.top <= HIGHEST);
                    for y in tile.top..tile.bottom {
                        seen[y * columns + tile.left..y * columns + tile.right].iter_mut().for_each(|n| *n += 1);
                    }
                }
                assert!(seen.iter().all(|n| *n == 1));
            }
        }
    }

    /// The passes of variant T over an image of `size` pixels square: their maps' units and sides, reach, and work of a pixel
    /// in multiply-adds.
    fn passes(size: usize) -> Vec<(usize, usize, Reach, f64)> {
        let near = |level: usize| {
            let channels = 32 << level;
            (2 << level, size >> level, Reach::TWO, (12 * channels * channels + 72 * channels) as f64)
        };
        let feed = (8, size / 4, Reach::ONE, (9 * 128 * 128 + 54 * 128) as f64);
        let mixer = (8, size / 4, Reach::ONE, (3 * 128 * 128 + 18 * 128) as f64);
        [[near(0); 6].to_vec(), [near(1); 2].to_vec(), [feed, mixer, feed, mixer].to_vec()].concat()
    }

    /// How much longer all threads take together than one thread would, and how much of that is work done twice.
    fn inflation(size: usize, threads: usize) -> (f64, f64) {
        let (mut alone, mut together, mut waited) = (0.0, 0.0, 0.0);
        for (units, side, reach, cost) in passes(size) {
            let tiling = |threads| Tiling::new(side, side, units, reach, threads);
            alone += cost * tiling(1).work(reach);
            let many = tiling(threads);
            together += cost * many.work(reach);
            let largest = reach.work(side.div_ceil(many.down), side.div_ceil(many.across));
            waited += cost * (threads * many.jobs().div_ceil(threads)) as f64 * largest;
        }
        (waited / alone - 1.0, together / alone - 1.0)
    }

    #[test]
    fn many_threads_do_little_work_twice() {
        for (size, threads, twice) in [(512, 2, 0.01), (512, 16, 0.05), (512, 64, 0.09), (2048, 64, 0.02)] {
            let (time, work) = inflation(size, threads);
            println!(
                "{size} x {size}, {threads} threads: {:.1} % more work, {:.1} % more time",
                100.0 * work,
                100.0 * time
            );
            assert!(work < twice, "{size}, {threads} threads: {work}");
        }
    }
}
