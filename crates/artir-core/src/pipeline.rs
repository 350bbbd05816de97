//! The way of an image through the network, over a [`Source`] and a [`Sink`].

mod memory;

use std::fmt;

use ndarray::{Array2, Array3, Array4, ArrayView3, Axis, s};

use crate::{
    Card, Device, Error, Image, Model, Progress, Range, Session, Shape, TileLimits, TilePlan, VERSION, Window,
    blend::Blend, fill::fill_invalid, runtime_version,
};

/// Where pixels come from.
pub trait Source {
    /// The domain's own error.
    type Error;

    /// The whole image's extent.
    fn shape(&self) -> Shape;

    /// Physical values of a window that lies inside the image, in the unit of the model's card
    /// (HU, SUV, or 0 to 1). What stands at invalid pixels does not matter.
    fn read(&mut self, window: Window) -> Result<Image, Self::Error>;
}

/// Where residuals go.
pub trait Sink {
    /// The domain's own error.
    type Error;

    /// Takes the residual (restored minus input, physical unit, times the strength) of full-width
    /// rows from `first_row` on, `[channel, row, column]`. Bands come from top to bottom, each row
    /// once; the residual is exactly 0 at invalid pixels.
    fn write(&mut self, first_row: usize, residual: ArrayView3<'_, f32>) -> Result<(), Self::Error>;
}

/// How a model is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The device.
    pub device: Device,
    /// Threads of one run; 0 takes every core.
    pub threads: usize,
    /// Tile edge in pixels; `None` takes the whole image when it fits `memory`, else the card's.
    pub tile: Option<usize>,
    /// Overlap in pixels; `None` takes the card's.
    pub overlap: Option<usize>,
    /// Bytes that inference may use.
    pub memory: u64,
    /// Share of the residual that is applied, 0 to 1.
    pub strength: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { device: Device::Auto, threads: 0, tile: None, overlap: None, memory: 2 << 30, strength: 1.0 }
    }
}

/// What decides an output's pixels: it enters derived UIDs and descriptions.
#[derive(Clone, Debug, PartialEq)]
pub struct Provenance {
    /// artir's version.
    pub artir_version: String,
    /// The model's name and version.
    pub model: String,
    /// The model's hash.
    pub model_hash: String,
    /// The runtime and its version.
    pub runtime: String,
    /// The device.
    pub device: String,
    /// The precision.
    pub precision: String,
    /// The tile plan.
    pub tiles: String,
    /// The strength.
    pub strength: f32,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "artir {}; model {} sha256:{}; {} on {} {}; {}; strength {}",
            self.artir_version,
            self.model,
            self.model_hash,
            self.runtime,
            self.device,
            self.precision,
            self.tiles,
            self.strength
        )
    }
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunReport {
    /// Tiles that the network saw.
    pub tiles: usize,
    /// Tiles left out since no pixel of theirs is valid.
    pub skipped: usize,
    /// Pixels that were invalid or not finite, and so left as they are.
    pub invalid_pixels: u64,
}

/// A model with its settings.
#[derive(Debug)]
pub struct Restorer {
    model: Model,
    session: Session,
    settings: Settings,
    runtime: String,
}

impl Restorer {
    /// Loads a model.
    pub fn new(model: Model, settings: Settings) -> Result<Self, Error> {
        if !(0.0..=1.0).contains(&settings.strength) {
            return Err(Error::Setting(format!("--strength {}: must be 0 to 1", settings.strength)));
        }
        let session = Session::new(&model, settings.device, settings.threads)?;
        let runtime = format!("onnxruntime {}", runtime_version()?);
        Ok(Self { model, session, settings, runtime })
    }

    /// The model's card.
    pub fn card(&self) -> &Card {
        self.model.card()
    }

    /// The model's hash.
    pub fn model_hash(&self) -> &str {
        self.model.hash()
    }

    /// Share of the residual that is applied.
    pub fn strength(&self) -> f32 {
        self.settings.strength
    }

    /// What decides the pixels of outputs of any extent.
    pub fn identity(&self) -> String {
        let s = &self.settings;
        let tiles = format!("tile {:?} overlap {:?} memory {}", s.tile, s.overlap, s.memory);
        let provider = self.session.provider().name();
        format!("{} {} on {provider}; {tiles}; strength {}", self.model.hash(), self.runtime, s.strength)
    }

    /// How an image of this extent will be cut.
    pub fn plan(&self, shape: Shape) -> Result<TilePlan, Error> {
        plan(self.card(), &self.settings, shape)
    }

    /// What decides the pixels of an output of this extent.
    pub fn provenance(&self, shape: Shape) -> Result<Provenance, Error> {
        let card = self.card();
        Ok(Provenance {
            artir_version: VERSION.into(),
            model: format!("{} {}", card.name, card.version),
            model_hash: self.model.hash().into(),
            runtime: self.runtime.clone(),
            device: self.session.provider().name().into(),
            precision: "f32".into(),
            tiles: self.plan(shape)?.describe(),
            strength: self.settings.strength,
        })
    }

    /// Restores one image.
    pub fn run<E, S, K>(&self, source: &mut S, sink: &mut K, progress: &dyn Progress) -> Result<RunReport, E>
    where
        E: From<Error>,
        S: Source<Error = E>,
        K: Sink<Error = E>,
    {
        let shape = source.shape();
        let card = self.card();
        if shape.channels != card.input.channels {
            let (model, expected) = (card.name.clone(), card.input.channels);
            return Err(Error::Channels { model, expected, found: shape.channels }.into());
        }
        let plan = self.plan(shape)?;
        let mut infer = |tile: Array4<f32>| self.session.run(tile.view());
        run_tiles(&plan, card.range(), self.settings.strength, source, sink, progress, &mut infer)
    }
}

/// Chooses between one piece and tiles.
fn plan(card: &Card, settings: &Settings, shape: Shape) -> Result<TilePlan, Error> {
    let overlap = settings.overlap.unwrap_or(card.overlap);
    let tiled = |tile: usize, overlap: usize| {
        let limits = TileLimits { tile, overlap, multiple: card.multiple };
        TilePlan::tiled(shape.rows, shape.columns, limits)
    };
    if let Some(tile) = settings.tile {
        return tiled(tile, overlap);
    }
    let allowed = settings.memory;
    if needed(card, shape, shape.rows.max(shape.columns), true) <= allowed {
        return Ok(TilePlan::whole(shape.rows, shape.columns, card.multiple));
    }
    let smallest = 128.max(card.multiple);
    let mut tile = card.tile.max(smallest);
    loop {
        let bytes = needed(card, shape, tile, false);
        if bytes <= allowed {
            return tiled(tile, overlap.min(tile / 4));
        }
        if tile / 2 < smallest {
            return Err(Error::Memory { needed_mib: bytes >> 20, allowed_mib: allowed >> 20 });
        }
        tile = (tile / 2).next_multiple_of(card.multiple);
    }
}

/// Bytes that a run needs: the network's own, plus the band that blending holds.
fn needed(card: &Card, shape: Shape, tile: usize, whole: bool) -> u64 {
    let pad = |n: usize| n.next_multiple_of(card.multiple) as u64;
    let (rows, columns) = if whole { (pad(shape.rows), pad(shape.columns)) } else { (tile as u64, tile as u64) };
    let band = rows * shape.columns as u64 * shape.channels as u64 * 4;
    rows * columns * bytes_per_pixel(card) + band + FIXED_BYTES
}

/// Resident bytes before the first pixel: ONNX Runtime, weights, code.
const FIXED_BYTES: u64 = 100 << 20;

/// Peak resident bytes of the network for each pixel. Two tensors of 6C channels at full
/// resolution exist at a time, and others beside them.
fn bytes_per_pixel(card: &Card) -> u64 {
    let width = if card.variant == "B" { 48 } else { 32 };
    width * BYTES_PER_PIXEL_AND_CHANNEL
}

/// Measured: peak resident sizes of variant T (ONNX Runtime 1.31.1, two threads) were 1.15, 4.38, 10.4 and 16.9 GiB for
/// square images of 512, 1024, 1536 and 2048 pixels; this gives 1.27, 4.79, 10.6 and 18.8.
const BYTES_PER_PIXEL_AND_CHANNEL: u64 = 150;

type Infer<'a> = &'a mut dyn FnMut(Array4<f32>) -> Result<Array4<f32>, Error>;

/// The loop itself, over any network.
fn run_tiles<E, S, K>(
    plan: &TilePlan,
    range: Range,
    strength: f32,
    source: &mut S,
    sink: &mut K,
    progress: &dyn Progress,
    infer: Infer<'_>,
) -> Result<RunReport, E>
where
    E: From<Error>,
    S: Source<Error = E>,
    K: Sink<Error = E>,
{
    let channels = source.shape().channels;
    let mut report = RunReport::default();
    let mut blend = Blend::new(channels, plan);
    for (i, rows) in plan.rows.iter().enumerate() {
        for (j, columns) in plan.columns.iter().enumerate() {
            if progress.is_cancelled() {
                return Err(Error::Interrupted.into());
            }
            let window = Window { row: rows.start, column: columns.start, rows: rows.len, columns: columns.len };
            let image = source.read(window)?;
            let expected = (channels, rows.len, columns.len);
            if image.data.dim() != expected {
                return Err(Error::WindowSize { expected, found: image.data.dim() }.into());
            }
            let mut tile = Tile::prepare(image, range);
            report.invalid_pixels += tile.invalid();
            if tile.any_valid {
                let input = tile.padded(rows.padded, columns.padded);
                let output = infer(input)?;
                let residual = tile.residual(output, range, strength)?;
                blend.add(plan, (i, j), residual.view());
                report.tiles += 1;
            } else {
                report.skipped += 1;
            }
        }
        let (first, band) = blend.complete(plan, i);
        let pixels = (band.dim().1 * band.dim().2) as u64;
        sink.write(first, band)?;
        blend.advance(plan, i);
        progress.advance(pixels);
    }
    Ok(report)
}

/// A window in network units.
struct Tile {
    data: Array3<f32>,
    valid: Option<Array2<bool>>,
    any_valid: bool,
}

impl Tile {
    /// Fills what is invalid or not finite, and maps to network units. One NaN would poison the
    /// global mean of the whole tile.
    fn prepare(image: Image, range: Range) -> Self {
        let Image { mut data, mut valid } = image;
        if data.iter().any(|v| !v.is_finite()) {
            let mask = valid.get_or_insert_with(|| Array2::from_elem((data.dim().1, data.dim().2), true));
            for plane in data.outer_iter() {
                for (ok, v) in mask.iter_mut().zip(plane) {
                    *ok &= v.is_finite();
                }
            }
        }
        let any_valid = match &valid {
            Some(mask) => fill_invalid(&mut data, mask),
            None => true,
        };
        if any_valid {
            data.mapv_inplace(|v| range.to_network(v));
        }
        Self { data, valid, any_valid }
    }

    fn invalid(&self) -> u64 {
        self.valid.as_ref().map_or(0, |m| m.iter().filter(|ok| !**ok).count() as u64)
    }

    /// The tile with its lower and right edge reflected up to the given size, `[1, channel, row,
    /// column]`.
    fn padded(&mut self, rows: usize, columns: usize) -> Array4<f32> {
        let (channels, h, w) = self.data.dim();
        if (h, w) == (rows, columns) {
            return self.data.clone().insert_axis(Axis(0));
        }
        Array4::from_shape_fn((1, channels, rows, columns), |(_, c, y, x)| self.data[(c, reflect(y, h), reflect(x, w))])
    }

    /// Output minus input, in physical units, 0 at invalid pixels.
    fn residual(&self, output: Array4<f32>, range: Range, strength: f32) -> Result<Array3<f32>, Error> {
        let (_, h, w) = self.data.dim();
        let mut residual = output.index_axis(Axis(0), 0).slice(s![.., ..h, ..w]).to_owned();
        let mut finite = true;
        residual.zip_mut_with(&self.data, |r, input| {
            finite &= r.is_finite();
            *r = range.residual(*r - input) * strength;
        });
        if !finite {
            return Err(Error::Inference("the network gave a value that is not finite".into()));
        }
        if let Some(mask) = &self.valid {
            for mut plane in residual.outer_iter_mut() {
                plane.zip_mut_with(mask, |r, ok| {
                    if !ok {
                        *r = 0.0;
                    }
                });
            }
        }
        Ok(residual)
    }
}

/// Index `i` of an axis of `n` pixels, reflected at its end without repeating the edge, as often as
/// it takes.
fn reflect(i: usize, n: usize) -> usize {
    if n == 1 {
        return 0;
    }
    let period = 2 * (n - 1);
    let i = i % period;
    if i < n { i } else { period - i }
}

#[cfg(test)]
mod tests;
