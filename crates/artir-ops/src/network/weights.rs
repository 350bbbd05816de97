//! From the model's weights to those that the loops read.

use super::buffer::Buffer;
use super::cascade::{Cascade, Step};
use super::depthwise::Local;
use super::ends::{Head, MAX_IMAGE_CHANNELS, Tail};
use super::expand::{Expand, MAX_RUNS};
use super::gated::Gated;
use super::gelu::Gelu;
use super::lanes::UNIT;
use super::pointwise::Packed;
use super::resample::Up;
use super::tensor::{Matrix, Reader, Tensor};
use crate::Error;
use crate::instructions::Instructions;
use crate::large_kernel::{Engine, Taps};

/// Configuration of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architecture {
    /// Blocks at levels 1, 2 and 3, each in the encoder and in the decoder, and in refinement.
    pub depths: [usize; 4],
    /// Channels at full resolution; level 2 has twice, level 3 four times as many.
    pub width: usize,
    /// Channels of the image, in and out.
    pub image_channels: usize,
    /// Sides of the large kernels of a mixer, smallest first, in taps.
    pub kernel_sizes: Vec<usize>,
}

impl Architecture {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let steps = self.kernel_sizes.len();
        let narrowest = if steps == 0 { 0 } else { (4 * self.width) >> (steps - 1) };
        let units_fit = self.width.is_multiple_of(UNIT) && narrowest.is_multiple_of(UNIT) && narrowest > 0;
        // The widest sum is over the nine taps of the way down to level 3, or over a feed-forward's hidden channels.
        let widest = (18 * self.width).max(12 * self.width) / UNIT;
        let image_fits = (1..=MAX_IMAGE_CHANNELS).contains(&self.image_channels);
        if units_fit && widest <= MAX_RUNS && image_fits { Ok(()) } else { Err(Error::Architecture) }
    }
}

/// A block of levels 1 and 2, or of level 3.
pub(super) enum Block {
    /// Split-multiply attention and feed-forward in one go.
    Near(Box<[Gated; 2]>),
    /// The large-kernel mixer, and the feed-forward after it.
    Far(Box<(Cascade, Gated)>),
}

/// All weights of a network.
pub(super) struct Weights {
    pub(super) head: Head,
    pub(super) encoder1: Vec<Block>,
    pub(super) down1: Packed,
    pub(super) encoder2: Vec<Block>,
    pub(super) down2: Packed,
    /// Both stages of level 3.
    pub(super) level3: Vec<Block>,
    pub(super) up2: Up,
    pub(super) decoder2: Vec<Block>,
    pub(super) up1: Up,
    /// The decoder's last stage and refinement.
    pub(super) decoder1: Vec<Block>,
    pub(super) tail: Tail,
}

impl Weights {
    pub(super) fn new(of: &Architecture, tensors: Vec<Tensor>, instructions: Instructions) -> Result<Self, Error> {
        of.check()?;
        let mut read = Builder { reader: Reader::new(tensors), instructions };
        let [first, second, third, last] = of.depths;
        let (width, image) = (of.width, of.image_channels);
        let made = Self {
            head: read.head(image, width)?,
            encoder1: read.stage(first, width, None)?,
            down1: read.down(width, 2 * width)?,
            encoder2: read.stage(second, 2 * width, None)?,
            down2: read.down(2 * width, 4 * width)?,
            level3: read.stage(2 * third, 4 * width, Some(&of.kernel_sizes))?,
            up2: read.up(4 * width, 2 * width)?,
            decoder2: read.stage(second, 2 * width, None)?,
            up1: read.up(2 * width, width)?,
            decoder1: read.stage(first + last, width, None)?,
            tail: read.tail(width, image)?,
        };
        read.reader.finish()?;
        Ok(made)
    }
}

struct Builder {
    reader: Reader,
    instructions: Instructions,
}

impl Builder {
    fn head(&mut self, image: usize, width: usize) -> Result<Head, Error> {
        let weight = self.reader.matrix(&[width, image, 3, 3])?;
        let bias = self.reader.next(&[width])?;
        let weights = Packed::new(9 * image, width, self.instructions.exact(), |o, i| weight.row(o)[i]);
        Ok(Head { weights, bias: Buffer::from(bias.as_slice()) })
    }

    fn tail(&mut self, width: usize, image: usize) -> Result<Tail, Error> {
        let weight = self.reader.matrix(&[image, width, 3, 3])?;
        let bias = self.reader.next(&[image])?;
        let mut ordered = Vec::with_capacity(9 * width * image);
        for channel in 0..image {
            for tap in 0..9 {
                ordered.extend((0..width).map(|input| weight.row(channel)[9 * input + tap]));
            }
        }
        Ok(Tail { weights: Buffer::from(ordered.as_slice()), bias })
    }

    fn down(&mut self, inputs: usize, outputs: usize) -> Result<Packed, Error> {
        let weight = self.reader.matrix(&[outputs, inputs, 3, 3])?;
        let ordered = |o: usize, i: usize| weight.row(o)[9 * (i % inputs) + i / inputs];
        Ok(Packed::grouped(9, inputs, outputs, self.instructions, ordered))
    }

    fn up(&mut self, inputs: usize, outputs: usize) -> Result<Up, Error> {
        let taps = self.reader.matrix(&[outputs, inputs, 3, 3])?;
        let join = self.reader.matrix(&[outputs, 2 * outputs, 1, 1])?;
        let product = |o: usize, i: usize| {
            let (tap, o) = (o / outputs, o % outputs);
            let terms = (0..outputs).map(|m| f64::from(join.row(o)[m]) * f64::from(taps.row(m)[9 * i + tap]));
            terms.sum::<f64>() as f32
        };
        Ok(Up {
            taps: Packed::new(inputs, 9 * outputs, self.instructions, product),
            skip: Packed::new(outputs, outputs, self.instructions, |o, i| join.row(o)[outputs + i]),
        })
    }

    fn stage(&mut self, blocks: usize, channels: usize, kernels: Option<&[usize]>) -> Result<Vec<Block>, Error> {
        (0..blocks)
            .map(|_| {
                Ok(match kernels {
                    None => Block::Near(Box::new([self.attention(channels)?, self.feed(channels)?])),
                    Some(kernels) => Block::Far(Box::new((self.cascade(channels, kernels)?, self.feed(channels)?))),
                })
            })
            .collect()
    }

    fn pointwise(&mut self, inputs: usize, outputs: usize) -> Result<Matrix, Error> {
        self.reader.matrix(&[outputs, inputs, 1, 1])
    }

    fn pack(&self, inputs: usize, outputs: usize, weight: &Matrix) -> Packed {
        Packed::new(inputs, outputs, self.instructions, |o, i| weight.row(o)[i])
    }

    fn attention(&mut self, channels: usize) -> Result<Gated, Error> {
        let (gain, shift) = (self.reader.next(&[channels])?, self.reader.next(&[channels])?);
        let (expand, bias) = (self.pointwise(channels, 2 * channels)?, self.reader.next(&[2 * channels])?);
        let (local, offset) = (self.reader.next(&[2 * channels, 1, 3, 3])?, self.reader.next(&[2 * channels])?);
        let (project, last) = (self.pointwise(channels, channels)?, self.reader.next(&[channels])?);
        Ok(Gated {
            expand: Expand::new(&gain, &shift, &expand, Some(&bias), 0..2 * channels, self.instructions),
            local: Local::new(3, &local, Some(&offset), |_| 1.0),
            gelu: None,
            project: self.pack(channels, channels, &project),
            bias: Buffer::from(last.as_slice()),
        })
    }

    fn feed(&mut self, channels: usize) -> Result<Gated, Error> {
        let hidden = 3 * channels;
        let (gain, shift) = (self.reader.next(&[channels])?, self.reader.next(&[channels])?);
        let expand = self.pointwise(channels, 2 * hidden)?;
        let local = self.reader.next(&[2 * hidden, 1, 3, 3])?;
        let project = self.pointwise(hidden, channels)?;
        Ok(Gated {
            expand: Expand::new(&gain, &shift, &expand, None, 0..2 * hidden, self.instructions),
            // GELU returns twice its value.
            local: Local::new(3, &local, None, |channel| if channel < hidden { 1.0 } else { 0.5 }),
            gelu: Some(Gelu::new()),
            project: self.pack(hidden, channels, &project),
            bias: Buffer::new(channels),
        })
    }

    fn cascade(&mut self, channels: usize, kernels: &[usize]) -> Result<Cascade, Error> {
        let (gain, shift) = (self.reader.next(&[channels])?, self.reader.next(&[channels])?);
        let (expand, bias) = (self.pointwise(channels, 2 * channels)?, self.reader.next(&[2 * channels])?);
        let instructions = self.instructions;
        let segment = |rows| Expand::new(&gain, &shift, &expand, Some(&bias), rows, instructions);
        let last = kernels.len() - 1;
        let narrowest = channels >> last;
        let mut steps = Vec::with_capacity(kernels.len());
        let mut row = narrowest;
        for (i, &size) in kernels.iter().enumerate() {
            let width = channels >> (last - i);
            let (a, b) = (self.reader.next(&[size * size])?, self.reader.next(&[size * size])?);
            let (slope, offset) = (self.reader.next(&[width, 1, 1, 1])?, self.reader.next(&[width])?);
            let (local, local_bias) = (self.reader.next(&[width, 1, 3, 3])?, self.reader.next(&[width])?);
            let refine = if i < last {
                let (weight, bias) = (self.reader.next(&[2 * width, 1, 7, 7])?, self.reader.next(&[2 * width])?);
                Some(Local::new(7, &weight, Some(&bias), |_| 1.0))
            } else {
                None
            };
            steps.push(Step {
                kernel: Engine::new(Taps::new(i64::try_from(size).unwrap_or(-1), a, Some(b))?),
                slope: Buffer::from(slope.as_slice()),
                offset: Buffer::from(offset.as_slice()),
                expand: segment(row..row + width),
                local: Local::new(3, &local, Some(&local_bias), |_| 1.0),
                refine,
            });
            row += width;
        }
        let (project, last) = (self.pointwise(channels, channels)?, self.reader.next(&[channels])?);
        Ok(Cascade {
            first: segment(0..narrowest),
            steps,
            project: self.pack(channels, channels, &project),
            bias: Buffer::from(last.as_slice()),
        })
    }
}
