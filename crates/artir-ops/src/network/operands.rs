//! Where the operands of sums over channels lie in working memory.
//!
//! Vectors want a unit's pixels side by side. Tiles want a pixel's channels side by side, in pairs of units; the missing unit
//! of an odd number is zeros.

use super::buffer::Cutter;
use super::expand::{MAX_RUNS, odd};
use super::lanes::{Lanes, UNIT};
use super::pointwise::Pixels;

/// Words of a pixel for tiles.
pub(super) fn pixel_words(units: usize) -> usize {
    units.next_multiple_of(2) * UNIT / 2
}

/// Distances in a row of operands, in words.
#[derive(Clone, Copy)]
pub(super) struct Strides {
    pub(super) unit: usize,
    pub(super) pixel: usize,
}

impl Strides {
    /// Of rows of `count` pixels.
    #[inline(always)]
    pub(super) fn new<V: Lanes>(units: usize, count: usize) -> Self {
        if V::TILES {
            Self { unit: V::WORDS, pixel: pixel_words(units) }
        } else {
            Self { unit: odd(count) * V::WORDS, pixel: V::WORDS }
        }
    }

    /// Distances of the runs of neighbouring words that make up `units` units of a pixel, and how many they are.
    #[inline(always)]
    pub(super) fn runs<V: Lanes>(&self, units: usize) -> impl Iterator<Item = usize> {
        let unit = self.unit;
        (0..if V::TILES { 1 } else { units }).map(move |n| n * unit)
    }
}

/// A row of operands.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    pub(super) start: *mut f32,
    pub(super) strides: Strides,
}

impl Operands {
    /// Words that rows of up to `width` pixels take at most, whatever the instructions. Tiles read sixteen pixels at least.
    pub(super) fn len(units: usize, width: usize) -> usize {
        units.next_multiple_of(2) * odd(width).max(UNIT) * UNIT
    }

    /// Working memory for rows of up to `width` pixels.
    pub(super) fn cut<V: Lanes>(cutter: &mut Cutter, units: usize, width: usize) -> *mut f32 {
        let len = Self::len(units, width);
        let start = cutter.cut(len);
        if V::TILES && !units.is_multiple_of(2) {
            // SAFETY: the piece has `len` words.
            unsafe { start.write_bytes(0, len) };
        }
        start
    }

    /// A row of `count` pixels in memory from [`Operands::cut`].
    #[inline(always)]
    pub(super) fn new<V: Lanes>(start: *mut f32, units: usize, count: usize) -> Self {
        Self { start, strides: Strides::new::<V>(units, count) }
    }

    /// Position of a unit of a pixel.
    ///
    /// # Safety
    /// The row has both.
    #[inline(always)]
    pub(super) unsafe fn at(&self, unit: usize, pixel: usize) -> *mut f32 {
        // SAFETY: passed on to the caller.
        unsafe { self.start.add(unit * self.strides.unit + pixel * self.strides.pixel) }
    }

    /// The row as input of [`super::pointwise::pointwise`].
    #[inline(always)]
    pub(super) fn pixels<'a, V: Lanes>(&self, units: usize, count: usize, runs: &'a mut Runs) -> Pixels<'a> {
        runs.clear();
        self.strides.runs::<V>(units).for_each(|run| runs.push(run));
        Pixels { start: self.start, step: self.strides.pixel, runs: runs.as_slice(), count }
    }
}

/// A list of runs, without memory of its own.
pub(super) struct Runs {
    distances: [usize; MAX_RUNS],
    used: usize,
}

impl Runs {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { distances: [0; MAX_RUNS], used: 0 }
    }

    #[inline(always)]
    fn clear(&mut self) {
        self.used = 0;
    }

    #[inline(always)]
    pub(super) fn push(&mut self, distance: usize) {
        self.distances[self.used] = distance;
        self.used += 1;
    }

    #[inline(always)]
    pub(super) fn as_slice(&self) -> &[usize] {
        &self.distances[..self.used]
    }
}
