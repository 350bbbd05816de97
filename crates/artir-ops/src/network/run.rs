//! One run of the network: which map lies where, and the passes over them.

use std::sync::{Mutex, PoisonError};

use super::buffer::Buffer;
use super::cascade::{self, Cascade, Into, Modulation, Plane, Step};
use super::ends::{self, Planes};
use super::gated;
use super::lanes::UNIT;
use super::map::{Map, Tile};
use super::resample;
use super::tensor::Tensor;
use super::tiling::{Known, Reach};
use super::weights::{Architecture, Block, Weights};
use crate::Error;
use crate::instructions::{Instructions, Precision};
use crate::large_kernel::{Engine, Parallel, Serial, Shape};

/// The network with its weights, ready to run on images of any size from any number of threads.
pub struct Network {
    of: Architecture,
    weights: Weights,
    instructions: Instructions,
    /// Threads that work is divided for. Found once: asking the processor reads system files.
    threads: usize,
    tilings: Known,
    /// Memory of earlier runs, for the next one of the same size.
    kept: Mutex<Vec<Buffer>>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("of", &self.of).finish_non_exhaustive()
    }
}

/// H and W must be multiples of this.
const MULTIPLE: usize = 4;
/// Images of a batch of at most so many pixels go one to a thread: tiles of a small image are too few for many threads,
/// and each computes its borders anew.
const SMALL_IMAGE: usize = 512 * 512;

/// Work is divided for at most so many threads: more would make tiles smaller than their surroundings.
const MOST_THREADS: usize = 1024;

impl Network {
    /// Checks and prepares the weights, which come in the order of the operator's inputs.
    ///
    /// # Errors
    /// [`Error::Architecture`] for widths that the loops do not have, [`Error::WeightCount`], [`Error::WeightShape`] and
    /// [`Error::WeightValue`] for weights that do not fit.
    pub fn new(of: Architecture, tensors: Vec<Tensor>, precision: Precision) -> Result<Self, Error> {
        Self::with_instructions(of, tensors, precision.instructions())
    }

    /// The same with instructions of the caller's choice.
    ///
    /// # Errors
    /// As for [`Network::new`].
    ///
    /// # Panics
    /// When this processor does not have the instructions.
    pub fn with_instructions(of: Architecture, tensors: Vec<Tensor>, by: Instructions) -> Result<Self, Error> {
        assert!(by.exist(), "{by:?} are not available");
        let weights = Weights::new(&of, tensors, by)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { of, weights, instructions: by, threads, tilings: Known::default(), kept: Mutex::default() })
    }

    /// Divides work for so many threads instead of as many as the processor has. It changes no result.
    pub fn divide_for(&mut self, threads: std::num::NonZeroUsize) {
        self.threads = threads.get().min(MOST_THREADS);
    }

    /// Configuration of this network.
    pub fn architecture(&self) -> &Architecture {
        &self.of
    }

    /// Restores `[batch, channel, row, column]` into `output` of the same shape.
    ///
    /// # Errors
    /// [`Error::ImageShape`] unless channels are the network's and rows and columns multiples of 4 above zero,
    /// [`Error::BufferLength`] when a buffer does not have the shape, and the errors of `parallel`; the output's contents
    /// are then unspecified.
    pub fn run(
        &self,
        input: &[f32],
        output: &mut [f32],
        shape: [usize; 4],
        parallel: &dyn Parallel,
    ) -> Result<(), Error> {
        let [batch, channels, rows, columns] = shape;
        let fits =
            channels == self.of.image_channels && rows.is_multiple_of(MULTIPLE) && columns.is_multiple_of(MULTIPLE);
        if !fits || rows == 0 || columns == 0 {
            return Err(Error::ImageShape { shape, channels: self.of.image_channels });
        }
        let image = channels * rows * columns;
        for len in [input.len(), output.len()] {
            if len != batch * image {
                return Err(Error::BufferLength { got: len, want: batch * image, shape: [batch, rows, columns] });
            }
        }
        let to = Planes::new(output.as_mut_ptr(), channels, rows, columns);
        let one = |n: usize, threads: usize, parallel: &dyn Parallel| {
            let from = Planes::new(input[n * image..].as_ptr().cast_mut(), channels, rows, columns);
            // SAFETY: image `n` lies in both buffers, whose lengths were checked, and no other job has the same number.
            unsafe { self.image(from, to.image(n), threads, parallel) }
        };
        if batch > 1 && rows * columns <= SMALL_IMAGE {
            let failed: Mutex<Option<Error>> = Mutex::default();
            parallel.run(batch, &|n| {
                if let Err(e) = one(n, 1, &Serial) {
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
                }
            })?;
            return failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err);
        }
        (0..batch).try_for_each(|n| one(n, self.threads, parallel))
    }

    /// Restores one image.
    ///
    /// # Safety
    /// Both are images of the network's channels and of one size, with multiples of [`MULTIPLE`] rows and columns. Nobody
    /// writes to `from` and nobody else uses `to`.
    unsafe fn image(&self, from: Planes, to: Planes, threads: usize, parallel: &dyn Parallel) -> Result<(), Error> {
        let (rows, columns, units) = (from.rows, from.columns, self.of.width / UNIT);
        let layout = Layout::new(rows, columns, units);
        let mut buffer = self.borrow(layout.len());
        let pass = Pass { instructions: self.instructions, threads, tilings: &self.tilings, parallel };
        // SAFETY: the buffer has the layout's length and is used by nobody else; the rest is passed on to the caller.
        let result = unsafe { pass.network(&self.weights, from, to, &layout, buffer.as_mut_ptr()) };
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        result
    }

    /// Memory of this length: that of an earlier run if the length is equal, so that no run holds more than it needs.
    fn borrow(&self, len: usize) -> Buffer {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|buffer| buffer.len() == len);
        let found = kept.pop();
        drop(kept);
        found.unwrap_or_else(|| Buffer::new(len))
    }
}

/// Where the maps of a run lie, in float32 from the start of its memory. With `n` the size of a map of full resolution,
/// one of level 2 takes `n / 2` and one of level 3 `n / 4`.
struct Layout {
    rows: usize,
    columns: usize,
    units: usize,
}

/// A quarter of a full map.
#[derive(Clone, Copy)]
struct Quarter(usize);

/// Full maps: the encoder's stays in the first.
const FULL: [Quarter; 2] = [Quarter(0), Quarter(4)];
/// Level 2, while the second full map is not in use: the encoder's stays in the first.
const HALF: [Quarter; 2] = [Quarter(4), Quarter(6)];
/// Level 3, while the second map of level 2 is not in use.
const SMALL: [Quarter; 3] = [Quarter(6), Quarter(7), Quarter(8)];
/// Everything above.
const QUARTERS: usize = 9;

impl Layout {
    fn new(rows: usize, columns: usize, units: usize) -> Self {
        Self { rows, columns, units }
    }

    fn quarter(&self) -> usize {
        Map::len(self.rows / 4, self.columns / 4, 4 * self.units)
    }

    fn plane(&self) -> usize {
        ((self.rows / 4) * (self.columns / 4)).next_multiple_of(UNIT)
    }

    /// Float32 in all, the large kernels' two planes included.
    fn len(&self) -> usize {
        QUARTERS * self.quarter() + 2 * self.plane()
    }

    /// A map of level 0 (full), 1 or 2.
    ///
    /// # Safety
    /// `start` has [`Layout::len`] float32.
    unsafe fn map(&self, start: *mut f32, at: Quarter, level: usize, units: usize) -> Map {
        // SAFETY: the caller's promise: every quarter lies in the run's memory.
        let start = unsafe { start.add(at.0 * self.quarter()) };
        Map::new(start, self.rows >> level, self.columns >> level, units)
    }

    /// The large kernels' two planes.
    ///
    /// # Safety
    /// As for [`Layout::map`].
    unsafe fn planes(&self, start: *mut f32) -> [*mut f32; 2] {
        // SAFETY: the caller's promise: the planes lie after the maps.
        [0, 1].map(|n| unsafe { start.add(QUARTERS * self.quarter() + n * self.plane()) })
    }
}

struct Pass<'a> {
    instructions: Instructions,
    threads: usize,
    tilings: &'a Known,
    parallel: &'a dyn Parallel,
}

impl Pass<'_> {
    /// Runs a job for each tile of a map.
    fn tiles(&self, over: Map, reach: Reach, job: impl Fn(Tile) + Sync) -> Result<(), Error> {
        let tiling = self.tilings.tiling(over.rows, over.columns, over.units, reach, self.threads);
        match tiling.jobs() {
            1 => {
                job(tiling.tile(0));
                Ok(())
            }
            jobs => self.parallel.run(jobs, &|n| job(tiling.tile(n))),
        }
    }

    /// Restores one image.
    ///
    /// # Safety
    /// `start` has [`Layout::len`] float32 that nobody else uses, `from` and `to` are images of the layout's size, nobody
    /// writes to `from`, and nobody else uses `to`.
    unsafe fn network(
        &self,
        weights: &Weights,
        from: Planes,
        to: Planes,
        layout: &Layout,
        start: *mut f32,
    ) -> Result<(), Error> {
        let (by, units) = (self.instructions, layout.units);
        // SAFETY: the caller's promise about `start`.
        let (full, half, level3) = unsafe {
            (
                FULL.map(|at| layout.map(start, at, 0, units)),
                HALF.map(|at| layout.map(start, at, 1, 2 * units)),
                layout.map(start, SMALL[0], 2, 4 * units),
            )
        };
        // Why all of this is sound: jobs have tiles of their own, each pass reads maps that it does not write (or only its
        // own pixels of them), and maps that lie in the same memory are not in use at the same time, see `Layout`.
        let [mut here, mut there] = full;
        if weights.encoder1.len() % 2 == 1 {
            (here, there) = (there, here);
        }
        // SAFETY: see above.
        self.tiles(here, Reach::NONE, |tile| unsafe {
            ends::head(by, &weights.head, from, here, tile);
        })?;
        // SAFETY: see above.
        let level1 = unsafe { self.near(&weights.encoder1, here, there)? };
        let [mut here, mut there] = half;
        if weights.encoder2.len() % 2 == 1 {
            (here, there) = (there, here);
        }
        // SAFETY: see above.
        self.tiles(here, Reach::NONE, |tile| unsafe {
            resample::down(by, &weights.down1, level1, here, tile);
        })?;
        // SAFETY: see above.
        let level2 = unsafe { self.near(&weights.encoder2, here, there)? };
        // SAFETY: see above.
        self.tiles(level3, Reach::NONE, |tile| unsafe {
            resample::down(by, &weights.down2, level2, level3, tile);
        })?;
        for block in &weights.level3 {
            if let Block::Far(mixer) = block {
                let (cascade, feed) = mixer.as_ref();
                // SAFETY: the caller's promise about `start`.
                let between = unsafe { self.far(cascade, level3, layout, start)? };
                // SAFETY: see above.
                self.tiles(level3, Reach::ONE, |tile| unsafe {
                    gated::run(by, std::slice::from_ref(feed), between, level3, tile);
                })?;
            }
        }
        // SAFETY: see above.
        self.tiles(level3, Reach::ONE, |tile| unsafe {
            resample::up(by, &weights.up2, level3, level2, tile);
        })?;
        // SAFETY: see above.
        let done2 = unsafe { self.near(&weights.decoder2, level2, half[1])? };
        // SAFETY: see above.
        self.tiles(done2, Reach::ONE, |tile| unsafe {
            resample::up(by, &weights.up1, done2, level1, tile);
        })?;
        // SAFETY: see above.
        let done1 = unsafe { self.near(&weights.decoder1, level1, full[1])? };
        // SAFETY: see above.
        self.tiles(done1, Reach::NONE, |tile| unsafe {
            ends::tail(by, &weights.tail, done1, from, to, tile);
        })
    }

    /// Blocks between two maps, starting from the first; returns the one that has the result.
    ///
    /// # Safety
    /// The maps have one size and the blocks' channels, do not overlap, and are used by nobody else.
    unsafe fn near(&self, blocks: &[Block], mut here: Map, mut there: Map) -> Result<Map, Error> {
        for block in blocks {
            if let Block::Near(halves) = block {
                self.tiles(here, Reach::TWO, |tile| {
                    // SAFETY: as in `network`.
                    unsafe { gated::run(self.instructions, halves.as_slice(), here, there, tile) };
                })?;
                (here, there) = (there, here);
            }
        }
        Ok(here)
    }

    /// The large-kernel mixer of the map in the first place of level 3; returns the map in the third.
    ///
    /// # Safety
    /// As for [`Pass::network`].
    unsafe fn far(&self, cascade: &Cascade, from: Map, layout: &Layout, start: *mut f32) -> Result<Map, Error> {
        let by = self.instructions;
        // SAFETY: passed on to the caller.
        let [mean, spatial] = unsafe { layout.planes(start) };
        let (means, large) = (Plane::new(mean, from.columns), Plane::new(spatial, from.columns));
        // SAFETY: passed on to the caller.
        let place = |n: usize, units: usize| unsafe { layout.map(start, SMALL[n], 2, units) };
        let mut z = place(1, cascade.first.outputs());
        // SAFETY: as in `network`.
        self.tiles(from, Reach::NONE, |tile| unsafe { cascade::begin(by, &cascade.first, from, z, means, tile) })?;
        for step in &cascade.steps {
            // SAFETY: no job is running, and the planes have the map's pixels.
            let channels = unsafe { self.channels(step, from, mean, spatial)? };
            let modulation = Modulation { map: z, spatial: large, channels: &channels };
            let Some(refine) = &step.refine else {
                let to = place(2, from.units);
                let into = Into::Projected(to, cascade);
                // SAFETY: as in `network`.
                self.tiles(from, Reach::ONE, |tile| unsafe {
                    cascade::modulate(by, step, from, modulation, into, tile)
                })?;
                return Ok(to);
            };
            let doubled = place(2, 2 * z.units);
            let into = Into::Doubled(doubled);
            // SAFETY: as in `network`.
            self.tiles(from, Reach::ONE, |tile| unsafe { cascade::modulate(by, step, from, modulation, into, tile) })?;
            z = place(1, doubled.units);
            // SAFETY: as in `network`.
            self.tiles(z, Reach::NONE, |tile| unsafe { cascade::refine(by, refine, doubled, z, means, tile) })?;
        }
        Ok(place(2, from.units))
    }

    /// The large kernel's map, and the channel weights.
    ///
    /// # Safety
    /// The planes have a float32 for each pixel of the map, and nobody else uses them.
    unsafe fn channels(&self, step: &Step, of: Map, mean: *mut f32, spatial: *mut f32) -> Result<Buffer, Error> {
        let shape = Shape { batch: 1, height: of.rows, width: of.columns };
        let pixels = of.rows * of.columns;
        // SAFETY: passed on to the caller.
        let (mean, spatial) =
            unsafe { (std::slice::from_raw_parts(mean, pixels), std::slice::from_raw_parts_mut(spatial, pixels)) };
        let kernel: &Engine = &step.kernel;
        kernel.run(mean, spatial, shape, self.parallel)?;
        let average = (mean.iter().map(|v| f64::from(*v)).sum::<f64>() / pixels as f64) as f32;
        let weights: Vec<f32> = step
            .slope
            .as_slice()
            .iter()
            .zip(step.offset.as_slice())
            .map(|(slope, offset)| slope * average + offset)
            .collect();
        Ok(Buffer::from(weights.as_slice()))
    }
}
