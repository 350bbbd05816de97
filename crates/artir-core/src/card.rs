//! A model's card: its task, input, training and measured quality.
//!
//! The card travels inside the model file (see `model.rs`) as JSON of schema 1. Unknown fields
//! are ignored, so that later schemas can add to it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Range, error::CardError};

/// The task of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Task {
    /// Low-dose CT, in HU.
    CtDenoise,
    /// Low-count PET, in SUV.
    PetEnhance,
    /// Haze and thin cloud over land.
    Dehaze,
    /// Noise in photographs.
    RgbDenoise,
    /// Haze, rain, snow, noise, blur and low light in photographs, each alone.
    RgbRestore,
}

impl Task {
    /// The task's name in cards and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::CtDenoise => "ct-denoise",
            Self::PetEnhance => "pet-enhance",
            Self::Dehaze => "dehaze",
            Self::RgbDenoise => "rgb-denoise",
            Self::RgbRestore => "rgb-restore",
        }
    }
}

/// The unit of a model's input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Unit {
    /// Hounsfield units.
    #[serde(rename = "HU")]
    Hounsfield,
    /// Standardised uptake value by body weight, g/mL.
    #[serde(rename = "SUV")]
    Suv,
    /// Display values, 0 to 1.
    #[serde(rename = "1")]
    Display,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hounsfield => "HU",
            Self::Suv => "SUV",
            Self::Display => "display values",
        })
    }
}

/// The input and output of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardInput {
    /// Channels.
    pub channels: usize,
    /// Neighbouring slices of one channel each that the channels are, in the order of their positions. The middle channel of
    /// the result is the restored slice. 1: the channels are those of one image.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub slices: usize,
    /// The largest distance of neighbouring slices that the network saw in training, mm. Slices farther apart are no neighbours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slices_apart: Option<f64>,
    /// Unit of the physical range.
    pub unit: Unit,
    /// Physical interval that the network saw in training; values beyond it are clamped for the
    /// network only.
    pub range: [f32; 2],
    /// The interval that `range` is mapped onto.
    pub network_range: [f32; 2],
}

impl CardInput {
    /// The largest distance at which slices are neighbours, mm, with room for the rounding of positions.
    pub fn most_apart(&self) -> f64 {
        self.slices_apart.map_or(f64::INFINITY, |apart| apart + ROUNDING)
    }
}

/// How far a distance of slices may be off by the rounding of their positions, mm.
const ROUNDING: f64 = 0.01;

fn one() -> usize {
    1
}

fn is_one(slices: &usize) -> bool {
    *slices == 1
}

/// A data set that a model was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataSource {
    /// Its name.
    pub name: String,
    /// Its licence.
    pub licence: String,
    /// How to cite it.
    pub citation: String,
}

/// How a model was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// A summary in words.
    pub summary: String,
    /// The data sets it was trained on.
    pub data: Vec<DataSource>,
    /// Patches seen.
    pub patches: u64,
    /// Edge of a patch, pixels.
    pub patch_size: usize,
    /// Wall-clock hours.
    pub hours: f64,
    /// The hardware it was trained on.
    pub hardware: String,
}

/// A figure measured under a named protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The set of images.
    pub set: String,
    /// The protocol's name.
    pub protocol: String,
    /// Number of images.
    pub images: usize,
    /// Mean PSNR of the degraded input, dB; none where the input is the reference itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_psnr: Option<f64>,
    /// Mean PSNR of the model's output, dB.
    pub psnr: f64,
}

/// The card of a model.
///
/// ```
/// let model = artir_core::zoo::open("ct-ldct-t")?;
/// let card = model.card();
/// assert_eq!((card.task.name(), card.input.channels), ("ct-denoise", 1));
/// # Ok::<(), artir_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Schema version; 1.
    pub schema: u32,
    /// The model's name, by which `zoo::open` finds it.
    pub name: String,
    /// The model's version.
    pub version: String,
    /// Its task.
    pub task: Task,
    /// Size of the network: T, S or B.
    pub variant: String,
    /// Trainable parameters.
    pub parameters: u64,
    /// Multiply-adds for one 256x256 image.
    pub macs_256: u64,
    /// Its input and output.
    pub input: CardInput,
    /// Preferred tile edge, pixels.
    pub tile: usize,
    /// Preferred overlap of neighbouring tiles, pixels.
    pub overlap: usize,
    /// Height and width must be multiples of this.
    pub multiple: usize,
    /// Reach of the receptive field, pixels to each side.
    pub reach: usize,
    /// Share of the restoration, 0 to 1, that the figures hold for and that programs apply unless told otherwise. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<f32>,
    /// How it was trained.
    pub training: Training,
    /// Measured quality.
    pub figures: Vec<Figure>,
    /// Uses that are excluded, and known limits.
    pub limits: String,
    /// Licence of the weights.
    pub licence: String,
}

/// The largest tile edge that a card may prefer, pixels.
const MOST_TILE: usize = 1 << 15;
/// The version of the card's form that this artir reads.
const SCHEMA: u32 = 1;

impl Card {
    /// Reads a card from its JSON text and checks that its numbers make sense.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, CardError> {
        let card: Self = serde_json::from_slice(json)?;
        if card.schema != SCHEMA {
            return Err(CardError::Schema { found: card.schema, read: SCHEMA });
        }
        if card.input.channels == 0 || card.input.channels > 64 {
            return Err(CardError::Channels(card.input.channels));
        }
        let CardInput { channels, slices, slices_apart, .. } = card.input;
        if slices != 1 && (slices.is_multiple_of(2) || slices != channels) {
            return Err(CardError::Slices { slices, channels });
        }
        if let Some(apart) = slices_apart.filter(|apart| !(apart.is_finite() && *apart > 0.0)) {
            return Err(CardError::SlicesApart(apart));
        }
        if Range::new(card.input.range, card.input.network_range).is_none() {
            return Err(CardError::Range);
        }
        if card.multiple == 0 || card.multiple > 256 {
            return Err(CardError::Multiple(card.multiple));
        }
        let tiles = card.multiple..=MOST_TILE;
        if !tiles.contains(&card.tile) || !card.tile.is_multiple_of(card.multiple) || card.overlap > card.tile / 2 {
            return Err(CardError::Tiles { tile: card.tile, overlap: card.overlap });
        }
        if let Some(strength) = card.strength.filter(|strength| !(0.0..=1.0).contains(strength)) {
            return Err(CardError::Strength(strength));
        }
        // A card's texts are printed, so control characters for the terminal are refused.
        if card.texts().any(|text| text.chars().any(|c| c.is_control() && !['\n', '\t'].contains(&c))) {
            return Err(CardError::ControlCharacters);
        }
        Ok(card)
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let training = [&self.training.summary, &self.training.hardware];
        let data = self.training.data.iter().flat_map(|data| [&data.name, &data.licence, &data.citation]);
        let figures = self.figures.iter().flat_map(|figure| [&figure.set, &figure.protocol]);
        let own = [&self.name, &self.version, &self.variant, &self.limits, &self.licence];
        own.into_iter().chain(training).chain(data).chain(figures).map(String::as_str)
    }

    /// The map between physical and network values.
    pub fn range(&self) -> Range {
        // `parse` refuses every card without a valid range.
        Range::new(self.input.range, self.input.network_range)
            .unwrap_or_else(|| unreachable!("a card's range is checked when the card is read"))
    }
}
