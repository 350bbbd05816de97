//! One network in training: forward and backward over a batch, an image to a thread.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::memory::{Gradients, Map, Pool, Scratch};
use super::operand::Kind;
use super::program::{Act, Layer, Program};
use super::resample;
use crate::Error;
use crate::instructions::Instructions;
use crate::network::Architecture;
use crate::network::buffer::Buffer;
use crate::network::lanes::UNIT;

/// The network's layers and, for each image of a batch, the maps of its last pass.
pub struct Trainer {
    of: Architecture,
    kind: Kind,
    program: Program,
    parameters: Vec<f32>,
    /// Where each layer's sums for gradients begin, and how many they are.
    sums: Vec<usize>,
    sums_len: usize,
    images: Vec<Image>,
    /// Batch, rows and columns of the pass whose maps are kept.
    kept: Option<(usize, [usize; 2])>,
}

impl std::fmt::Debug for Trainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer").field("of", &self.of).finish_non_exhaustive()
    }
}

/// One image's maps and working memory.
#[derive(Default)]
struct Image {
    scratch: Scratch,
    pool: Pool,
    values: Vec<Option<Buffer>>,
    /// Additional state of each node.
    kept: Vec<Vec<Buffer>>,
    sums: Buffer,
    size: [usize; 2],
}

/// How a trainer multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Products {
    /// bfloat16 with the processor's tiles, or by pairs, or else float32: the best there is.
    Best,
    /// bfloat16 by pairs, without tiles.
    Pairs,
    /// float32 with these instructions.
    Exact(Instructions),
}

impl Products {
    fn kind(self) -> Option<Kind> {
        let exact = Instructions::available()[0];
        let kind = match self {
            // Training holds its tiles for a whole pass, so that its loops are those of pairs.
            Self::Best => match Instructions::fast().last() {
                Some(&instructions) => Kind { instructions, tiles: Instructions::fast()[0].tiles() },
                None => Kind { instructions: exact, tiles: false },
            },
            Self::Pairs => Kind { instructions: *Instructions::fast().last()?, tiles: false },
            Self::Exact(instructions) => Kind { instructions, tiles: false },
        };
        kind.instructions.exist().then_some(kind)
    }
}

/// Image sides must be multiples of this.
const MULTIPLE: usize = 4;

impl Trainer {
    /// A network without parameters yet.
    ///
    /// # Errors
    /// [`Error::Architecture`] for widths that the loops do not have, or products that the processor does not.
    pub fn new(of: Architecture, products: Products) -> Result<Self, Error> {
        of.check()?;
        let widest_kernel = of.kernel_sizes.iter().any(|k| k.is_multiple_of(2));
        if of.kernel_sizes.is_empty() || widest_kernel {
            return Err(Error::Architecture);
        }
        let kind = products.kind().ok_or(Error::Architecture)?;
        let program = Program::new(&of, kind);
        let mut sums_len = 0;
        let mut sums = Vec::new();
        for layer in &program.layers {
            sums.push(sums_len);
            sums_len += layer.sums_len().next_multiple_of(UNIT);
        }
        Ok(Self { of, kind, program, parameters: Vec::new(), sums, sums_len, images: Vec::new(), kept: None })
    }

    /// Numbers in the flat list of parameters.
    pub fn parameters(&self) -> usize {
        self.program.parameters
    }

    /// The products' kind in words.
    pub fn products(&self) -> &'static str {
        match self.kind {
            Kind { tiles: true, .. } => "bf16 products by AMX tiles",
            Kind { instructions, .. } if instructions.pairs() => "bf16 products by AVX512-BF16",
            Kind { instructions, .. } if instructions.wide() => "f32 by AVX-512",
            Kind { instructions: Instructions::Portable, .. } => "f32, portable",
            _ => "f32 by AVX2 or NEON",
        }
    }

    /// Multiply-adds a second of `threads` threads with the vector instructions of the products. Tiles are not counted.
    pub fn peak(&self, threads: usize, time: Duration) -> f64 {
        crate::peak::by(self.kind.instructions, threads, time)
    }

    /// Restores `[batch, channel, row, column]` into `y`. With `keep`, the values for [`Trainer::backward`] are kept.
    ///
    /// # Errors
    /// [`Error::ImageShape`] unless rows and columns are multiples of 4 above zero, [`Error::ListLength`] for lists of
    /// wrong lengths.
    pub fn forward(
        &mut self,
        parameters: &[f32],
        x: &[f32],
        y: &mut [f32],
        shape: [usize; 4],
        threads: usize,
        keep: bool,
    ) -> Result<(), Error> {
        let [batch, channels, rows, columns] = shape;
        if channels != self.of.image_channels || rows == 0 || columns == 0 || rows % MULTIPLE + columns % MULTIPLE > 0 {
            return Err(Error::ImageShape { shape, channels: self.of.image_channels });
        }
        let area = channels * rows * columns;
        check_len(parameters.len(), self.parameters())?;
        check_len(x.len(), batch * area)?;
        check_len(y.len(), batch * area)?;
        self.parameters.clear();
        self.parameters.extend_from_slice(parameters);
        let layers = Mutex::new(self.program.layers.iter_mut());
        on_threads(threads, || {
            loop {
                let next = layers.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(layer) = next else { break };
                layer.pack(parameters);
            }
        });
        if self.images.len() < batch {
            self.images.resize_with(batch, Image::default);
        }
        let (program, kind) = (&self.program, self.kind);
        let jobs = self.images.iter_mut().zip(x.chunks_exact(area)).zip(y.chunks_exact_mut(area));
        let jobs = Mutex::new(jobs);
        on_threads(threads, || {
            let _tiles = held(kind);
            loop {
                let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(((image, x), y)) = next else { break };
                image.forward(program, kind, channels, [rows, columns], x, y, keep);
            }
        });
        self.kept = keep.then_some((batch, [rows, columns]));
        Ok(())
    }

    /// From the gradient of the last kept pass's result: writes those of all parameters, and adds up that of its input, if
    /// wanted. The maps are used up.
    ///
    /// # Errors
    /// [`Error::NothingKept`], or [`Error::ListLength`] for lists of wrong lengths.
    pub fn backward(
        &mut self,
        dy: &[f32],
        gradients: &mut [f32],
        dx: Option<&mut [f32]>,
        threads: usize,
    ) -> Result<(), Error> {
        let (batch, [rows, columns]) = self.kept.take().ok_or(Error::NothingKept)?;
        let channels = self.of.image_channels;
        let area = channels * rows * columns;
        check_len(dy.len(), batch * area)?;
        check_len(gradients.len(), self.parameters())?;
        let mut parts: Vec<Option<&mut [f32]>> = match dx {
            Some(dx) => {
                check_len(dx.len(), batch * area)?;
                dx.chunks_exact_mut(area).map(Some).collect()
            }
            None => (0..batch).map(|_| None).collect(),
        };
        let (program, kind, sums, sums_len) = (&self.program, self.kind, &self.sums, self.sums_len);
        let jobs = self.images[..batch].iter_mut().zip(dy.chunks_exact(area)).zip(parts.iter_mut());
        let jobs = Mutex::new(jobs);
        on_threads(threads, || {
            let _tiles = held(kind);
            loop {
                let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(((image, dy), dx)) = next else { break };
                image.backward(program, kind, channels, (sums, sums_len), dy, dx.as_deref_mut());
            }
        });
        gradients.fill(0.0);
        // SAFETY: a layer adds at its own parameters alone, and each layer is one job.
        let to = unsafe { Gradients::new(gradients.as_mut_ptr(), gradients.len()) };
        let images = &self.images[..batch];
        let parameters = &self.parameters;
        let layers = Mutex::new(program.layers.iter().zip(sums));
        on_threads(threads, || {
            loop {
                let next = layers.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((layer, &begin)) = next else { break };
                // Images are added in their order, whatever thread made them.
                let part = |image: &Image| image.sums.as_slice()[begin..begin + layer.sums_len()].to_vec();
                let mut total = part(&images[0]);
                for image in &images[1..] {
                    total.iter_mut().zip(part(image)).for_each(|(total, more)| *total += more);
                }
                layer.unfold(parameters, &total, &to);
            }
        });
        Ok(())
    }
}

fn check_len(given: usize, wanted: usize) -> Result<(), Error> {
    if given == wanted { Ok(()) } else { Err(Error::ListLength { got: given, want: wanted }) }
}

/// Runs `work` on this many threads, including the current one.
fn on_threads(threads: usize, work: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(&work);
        }
        work();
    });
}

/// Tiles for this thread, if products take them.
#[cfg(target_arch = "x86_64")]
fn held(kind: Kind) -> Option<crate::network::tiles::Tiles> {
    // SAFETY: a kind has tiles only where they are available.
    kind.tiles.then(|| unsafe { crate::network::tiles::Tiles::new() })
}

#[cfg(not(target_arch = "x86_64"))]
fn held(_: Kind) {}

impl Image {
    fn map(&mut self, program: &Program, value: usize) -> Map {
        let (of, [rows, columns]) = (program.values[value], self.size);
        let (rows, columns) = (rows >> of.halved, columns >> of.halved);
        let pool = &mut self.pool;
        let buffer = self.values[value].get_or_insert_with(|| pool.take(Map::len(rows, columns, of.units)));
        Map::new(buffer.as_mut_ptr(), rows, columns, of.units)
    }

    fn give_back(&mut self, value: usize) {
        if let Some(buffer) = self.values[value].take() {
            self.pool.give(buffer);
        }
    }

    /// All maps are free again; those of another size are given up.
    fn begin(&mut self, program: &Program, size: [usize; 2]) {
        self.values.resize_with(program.values.len(), || None);
        for value in 0..self.values.len() {
            self.give_back(value);
        }
        for buffer in self.kept.drain(..).flatten() {
            self.pool.give(buffer);
        }
        if self.size != size {
            self.pool.clear();
            self.size = size;
        }
        self.kept.resize_with(program.nodes.len(), Vec::new);
    }

    #[allow(clippy::too_many_arguments, reason = "one call, from one place")]
    fn forward(
        &mut self,
        program: &Program,
        kind: Kind,
        channels: usize,
        size: [usize; 2],
        x: &[f32],
        y: &mut [f32],
        keep: bool,
    ) {
        self.begin(program, size);
        let given = self.map(program, 0);
        // SAFETY: the map was made for the image, by the same program; this thread alone has it.
        unsafe { put_image(x, channels, given) };
        for (number, node) in program.nodes.iter().enumerate() {
            let from: Vec<Map> = node.from.iter().map(|&value| self.map(program, value)).collect();
            let to = self.map(program, node.to);
            // SAFETY: the maps were made for the layer, by the same program; this thread alone has them.
            unsafe {
                match node.act {
                    Act::Up => resample::forward(kind.instructions, from[0], to),
                    Act::Layer(layer) => match &program.layers[layer] {
                        Layer::Gated(layer) => layer.forward(&mut self.scratch, from[0], to),
                        Layer::Dense(layer) => layer.forward(&mut self.scratch, &from, to, false),
                        Layer::Mixer(layer) => {
                            self.kept[number] = layer.forward(&mut self.scratch, &mut self.pool, from[0], to);
                        }
                    },
                }
            }
            if !keep {
                let later = &program.nodes[number + 1..];
                for &value in &node.from {
                    if !later.iter().any(|node| node.from.contains(&value)) {
                        self.give_back(value);
                    }
                }
                for buffer in std::mem::take(&mut self.kept[number]) {
                    self.pool.give(buffer);
                }
            }
        }
        let last = program.values.len() - 1;
        let made = self.map(program, last);
        y.copy_from_slice(x);
        // SAFETY: as for `put_image`.
        unsafe { add_image(made, channels, y) };
    }

    fn backward(
        &mut self,
        program: &Program,
        kind: Kind,
        channels: usize,
        (places, len): (&[usize], usize),
        dy: &[f32],
        dx: Option<&mut [f32]>,
    ) {
        if self.sums.len() < len {
            self.sums = Buffer::new(len);
        } else {
            self.sums.as_mut_slice().fill(0.0);
        }
        let sums = self.sums.as_mut_ptr();
        let mut slopes: Vec<Option<Buffer>> = program.values.iter().map(|_| None).collect();
        let place = |buffer: &mut Buffer, value: usize, [rows, columns]: [usize; 2]| {
            let of = program.values[value];
            Map::new(buffer.as_mut_ptr(), rows >> of.halved, columns >> of.halved, of.units)
        };
        let new = |pool: &mut Pool, value: usize, [rows, columns]: [usize; 2]| {
            let of = program.values[value];
            pool.take(Map::len(rows >> of.halved, columns >> of.halved, of.units))
        };
        let (size, last) = (self.size, program.values.len() - 1);
        let mut buffer = new(&mut self.pool, last, size);
        // SAFETY: the buffer is as long as the map; this thread alone has it.
        unsafe { put_image(dy, channels, place(&mut buffer, last, size)) };
        slopes[last] = Some(buffer);
        for (number, node) in program.nodes.iter().enumerate().rev() {
            let Some(mut buffer) = slopes[node.to].take() else { continue };
            let gradient = place(&mut buffer, node.to, size);
            let from: Vec<Map> = node.from.iter().map(|&value| self.map(program, value)).collect();
            // SAFETY: as in `forward`; a layer's sums begin at its place.
            unsafe {
                let in_place = match node.act {
                    Act::Up => {
                        let mut onto = new(&mut self.pool, node.from[0], size);
                        resample::backward(kind.instructions, gradient, place(&mut onto, node.from[0], size));
                        slopes[node.from[0]] = Some(onto);
                        false
                    }
                    Act::Layer(layer) => {
                        let sums = sums.add(places[layer]);
                        match &program.layers[layer] {
                            Layer::Gated(layer) => {
                                layer.backward(&mut self.scratch, from[0], gradient, sums);
                                true
                            }
                            Layer::Mixer(layer) => {
                                let kept = &mut self.kept[number];
                                layer.backward(&mut self.scratch, &mut self.pool, from[0], kept, gradient, sums);
                                true
                            }
                            Layer::Dense(layer) => {
                                let mut onto = Vec::new();
                                for &value in &node.from {
                                    if value == 0 && dx.is_none() {
                                        continue;
                                    }
                                    let there = slopes[value].is_some();
                                    let pool = &mut self.pool;
                                    let buffer = slopes[value].get_or_insert_with(|| new(pool, value, size));
                                    onto.push((place(buffer, value, size), there));
                                }
                                layer.backward(&mut self.scratch, &from, gradient, &onto, sums);
                                false
                            }
                        }
                    }
                };
                if in_place {
                    slopes[node.from[0]] = Some(buffer);
                } else {
                    self.pool.give(buffer);
                }
            }
            self.give_back(node.to);
            for buffer in std::mem::take(&mut self.kept[number]) {
                self.pool.give(buffer);
            }
        }
        if let (Some(dx), Some(mut buffer)) = (dx, slopes[0].take()) {
            dx.copy_from_slice(dy);
            // SAFETY: as for `put_image`.
            unsafe { add_image(place(&mut buffer, 0, size), channels, dx) };
            self.pool.give(buffer);
        }
    }
}

/// Planes into the first channels of a unit; the others are zeros.
///
/// # Safety
/// Nobody else uses the map.
unsafe fn put_image(planes: &[f32], channels: usize, to: Map) {
    for row in 0..to.rows {
        for column in 0..to.columns {
            let mut lanes = [0.0f32; UNIT];
            for (channel, lane) in lanes.iter_mut().enumerate().take(channels) {
                *lane = planes[(channel * to.rows + row) * to.columns + column];
            }
            // SAFETY: the pixel lies in the map, and a unit has sixteen channels.
            unsafe { to.at(row, 0, column).copy_from_nonoverlapping(lanes.as_ptr(), UNIT) };
        }
    }
}

/// Adds the first channels of a unit to planes.
///
/// # Safety
/// Nobody writes to the map, and a unit has that many channels.
unsafe fn add_image(from: Map, channels: usize, planes: &mut [f32]) {
    for row in 0..from.rows {
        for column in 0..from.columns {
            for channel in 0..channels {
                // SAFETY: the pixel lies in the map; the rest is passed on to the caller.
                let value = unsafe { *from.at(row, 0, column).add(channel) };
                planes[(channel * from.rows + row) * from.columns + column] += value;
            }
        }
    }
}
