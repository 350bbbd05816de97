//! Restoring an image from a [`Source`] to a [`Sink`] through the network.

mod batch;
mod ensemble;
mod memory;
mod plan;
mod pool;
mod prepared;
mod tiles;

use std::fmt;

use artir_files::Encoding;
use artir_ops::Precision;
use ndarray::{Array3, Array4, ArrayView3, ArrayView4};

pub use self::{
    memory::ImageSource,
    pool::{Feed, Pool, PoolEnded, Work},
    prepared::{every, mirrored, network_input},
};
use crate::{
    Card, Device, Error, Image, Model, Progress, Provider, Session, SettingError, Settings, Shape, TilePlan, VERSION,
    Window, runtime_version, session::threads_or_all,
};

/// Provides the pixels of an image.
pub trait Source {
    /// The domain's own error.
    type Error;

    /// The whole image's extent.
    fn shape(&self) -> Shape;

    /// Physical values of a window that lies inside the image, in the unit of the model's card
    /// (HU, SUV, or 0 to 1). Values at invalid pixels are ignored.
    fn read(&mut self, window: Window) -> Result<Image, Self::Error>;

    /// Whether a window is known to hold no valid pixel before it is read. Such a window is not read, and the network does not
    /// see it. Windows come in the order in which they would be read.
    fn is_empty(&mut self, window: Window) -> Result<bool, Self::Error> {
        let _ = window;
        Ok(false)
    }

    /// Memory that source and sink use in addition to the pipeline's own.
    fn memory_use(&self) -> MemoryUse {
        MemoryUse::default()
    }
}

/// Memory of a source and its sink during a run, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Bytes independent of the image's size.
    pub fixed: u64,
    /// Bytes for each pixel of the rows that are read but not yet written.
    pub per_pixel: u64,
}

/// Receives residuals.
pub trait Sink {
    /// The domain's own error.
    type Error;

    /// Takes the residual (restored minus input, physical unit, times the strength) of full-width
    /// rows from `first_row` on, `[channel, row, column]`. Bands come from top to bottom, each row
    /// once; the residual is exactly 0 at invalid pixels.
    fn write(&mut self, first_row: usize, residual: ArrayView3<'_, f32>) -> Result<(), Self::Error>;

    /// Takes rows without any residual, in place of [`Sink::write`]: all their windows are empty ([`Source::is_empty`]).
    /// `shape` is that of the rows.
    fn pass(&mut self, first_row: usize, shape: Shape) -> Result<(), Self::Error> {
        let Shape { channels, rows, columns } = shape;
        self.write(first_row, Array3::zeros((channels, rows, columns)).view())
    }
}

/// The version of the algorithm from stored values to restored ones. It enters derived UIDs and the journals of interrupted
/// runs, which releases of artir and of ONNX Runtime do not: results keep their UIDs while no pixel changes.
///
/// Raise it by one with every change after which the same model, settings and source give other stored values: another
/// blending or filling of tiles, another rounding, another network for the same model file. Other speed, other error
/// messages and other attributes of the result are no reason.
pub const ALGORITHM: u32 = 2;

/// The origin of an output in words, for descriptions. Derived UIDs depend on [`Restorer::decides`] instead.
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
    /// The precision that the network ran in: f32 or bf16.
    pub precision: String,
    /// The tile plan.
    pub tiles: String,
    /// The strength.
    pub strength: f32,
    /// Whether the result is the mean over eight flips and rotations.
    pub ensemble: bool,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "artir {}; model {} sha256:{}; {} on {} {}; {}; strength {}{}",
            self.artir_version,
            self.model,
            self.model_hash,
            self.runtime,
            self.device,
            self.precision,
            self.tiles,
            self.strength,
            if self.ensemble { "; mean over eight flips and rotations" } else { "" }
        )
    }
}

/// Counts of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunReport {
    /// Tiles that the network restored.
    pub tiles: usize,
    /// Tiles skipped because none of their pixels is valid.
    pub skipped: usize,
    /// Pixels left unchanged because they are invalid or not finite.
    pub invalid_pixels: u64,
}

/// The name of a precision in reports and derived UIDs: the type of the factors.
pub fn precision_name(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "f32",
        Precision::Fast => "bf16",
    }
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
    pub fn new(model: Model, mut settings: Settings) -> Result<Self, Error> {
        let session = Session::new(&model, settings.device, settings.threads, settings.precision)?;
        if let Provider::TensorRt(_) = session.provider() {
            // TensorRT builds one engine per size, which takes minutes.
            settings.tile.get_or_insert(model.card().tile);
        }
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

    /// Share of the residual that is applied: the settings', else the card's, else all of it.
    pub fn strength(&self) -> f32 {
        self.settings.strength.or(self.card().strength).unwrap_or(1.0)
    }

    /// The model, algorithm and settings that determine the pixels of outputs of any extent. Neither the runtime nor the
    /// device is part of it.
    pub fn decides(&self) -> Encoding {
        // `decides_with` writes the ensemble.
        let Settings { tile, overlap, memory, strength: _, ensemble: _, device: _, threads: _, precision: _ } =
            self.settings;
        let or_auto = |n: Option<usize>| n.map_or("auto".into(), |n| n.to_string());
        self.decides_with(&or_auto(tile))
            .text("overlap", &or_auto(overlap))
            .number("memory", memory)
            .float("strength", self.strength().into())
    }

    /// [`Restorer::decides`] and the tiles used for an output of this extent.
    pub fn decides_for(&self, shape: Shape, held: MemoryUse) -> Result<Encoding, Error> {
        let tiles = self.plan(shape, held)?.describe();
        Ok(self.decides_with(&tiles).float("strength", self.strength().into()))
    }

    fn decides_with(&self, tiles: &str) -> Encoding {
        let text = Encoding::new("artir-pixels", 1)
            .number("algorithm", ALGORITHM)
            .text("model", self.model.hash())
            .text("precision", precision_name(self.session.precision()))
            .text("tiles", tiles);
        // Without an ensemble, the text is the one that it was before there were any, and so are the UIDs.
        if self.settings.ensemble { text.number("ensemble", 8) } else { text }
    }

    /// The runtime and the device, in words.
    pub fn place(&self) -> String {
        format!("{} on {}", self.runtime, self.session.provider().name())
    }

    /// The tile plan for an image of this extent, given the memory of its source and sink.
    pub fn plan(&self, shape: Shape, held: MemoryUse) -> Result<TilePlan, Error> {
        let mut holds = |rows, columns| self.session.holds(rows, columns);
        plan::plan_that_fits(self.card(), &self.settings, shape, held, &mut holds)
    }

    /// How many images of this extent are best restored at once, each by a restorer of its own. Outputs do not depend on it.
    fn side_by_side(&self, shape: Shape, held: MemoryUse) -> usize {
        if self.session.provider() != Provider::Cpu {
            return 1;
        }
        let threads = threads_or_all(self.settings.threads);
        plan::side_by_side(self.card(), &self.settings, shape, held, threads)
    }

    /// As many restorers on the CPU that share this one's threads.
    fn split_threads(&self, parts: usize) -> Result<Vec<Self>, Error> {
        let threads = threads_or_all(self.settings.threads);
        let part = |n: usize| {
            let threads = (threads / parts + usize::from(n < threads % parts)).max(1);
            let (device, precision) = (Device::Cpu, self.session.precision());
            Self::new(self.model.clone(), Settings { device, precision, threads, ..self.settings.clone() })
        };
        (0..parts).map(part).collect()
    }

    /// The network's result on padded tiles of one size, `[tile, channel, row, column]` in network units.
    fn infer(&self, tiles: ArrayView4<'_, f32>, progress: &dyn Progress) -> Result<Array4<f32>, Error> {
        if !self.settings.ensemble {
            return self.session.run(tiles);
        }
        ensemble::ensemble(tiles, |turned| self.session.run(turned), || progress.is_cancelled())
    }

    /// Changes the share of the residual that is applied.
    ///
    /// # Errors
    /// [`SettingError::Strength`] for a number outside of 0 to 1.
    pub fn set_strength(&mut self, strength: f32) -> Result<(), SettingError> {
        self.settings = self.settings.clone().strength(strength)?;
        Ok(())
    }

    fn check_channels(&self, shape: Shape) -> Result<(), Error> {
        let card = self.card();
        let (model, expected, found) = (card.name.clone(), card.input.channels, shape.channels);
        if found == expected { Ok(()) } else { Err(Error::Channels { model, expected, found }) }
    }

    /// The settings that determine the pixels of an output of this extent.
    pub fn provenance(&self, shape: Shape, held: MemoryUse) -> Result<Provenance, Error> {
        let card = self.card();
        Ok(Provenance {
            artir_version: VERSION.into(),
            model: format!("{} {}", card.name, card.version),
            model_hash: self.model.hash().into(),
            runtime: self.runtime.clone(),
            device: self.session.provider().name().into(),
            precision: precision_name(self.session.precision()).into(),
            tiles: self.plan(shape, held)?.describe(),
            strength: self.strength(),
            ensemble: self.settings.ensemble,
        })
    }

    /// Restores one image. With more than one tile, source and sink run on threads of their own.
    pub fn run<E, S, K>(&self, source: &mut S, sink: &mut K, progress: &dyn Progress) -> Result<RunReport, E>
    where
        E: From<Error> + Send,
        S: Source<Error = E> + Send,
        K: Sink<Error = E> + Send,
    {
        self.run_from(0, source, sink, progress)
    }

    /// Restores the rows of an image from `first_row` on, bit for bit as [`Restorer::run`] would: the sink gets no
    /// row before it.
    pub fn run_from<E, S, K>(
        &self,
        first_row: usize,
        source: &mut S,
        sink: &mut K,
        progress: &dyn Progress,
    ) -> Result<RunReport, E>
    where
        E: From<Error> + Send,
        S: Source<Error = E> + Send,
        K: Sink<Error = E> + Send,
    {
        let shape = source.shape();
        self.check_channels(shape)?;
        let plan = self.plan(shape, source.memory_use())?;
        let (range, strength, batch) = (self.card().range(), self.strength(), self.session.batch(&plan));
        let job = tiles::Job { plan: &plan, range, strength, first_row, batch };
        let mut infer = |tiles: ArrayView4<'_, f32>| self.infer(tiles, progress);
        job.run(source, sink, progress, &mut infer)
    }
}

#[cfg(test)]
mod tests;
