//! How a model is run.

use artir_ops::Precision;

use crate::{Device, error::SettingError};

/// The largest number of threads of a run. ONNX Runtime starts as many as requested, without a limit of its own.
pub const MOST_THREADS: usize = 1024;

/// How a model is run: on which device, in what tiles, and how much of its effect is applied.
///
/// ```
/// use artir_core::{Device, Settings};
///
/// let settings = Settings::default().device(Device::Cpu).memory(4 << 30).strength(0.8)?;
/// assert!(settings.strength(1.5).is_err());
/// # Ok::<(), artir_core::SettingError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) device: Device,
    pub(crate) threads: usize,
    pub(crate) precision: Precision,
    pub(crate) tile: Option<usize>,
    pub(crate) overlap: Option<usize>,
    pub(crate) memory: u64,
    pub(crate) strength: f32,
}

impl Default for Settings {
    /// Any device, all cores, single precision, 2 GiB, the whole effect.
    fn default() -> Self {
        Self {
            device: Device::Auto,
            threads: 0,
            precision: Precision::F32,
            tile: None,
            overlap: None,
            memory: 2 << 30,
            strength: 1.0,
        }
    }
}

impl Settings {
    /// The device.
    pub fn device(self, device: Device) -> Self {
        Self { device, ..self }
    }

    /// Threads of one run; 0 takes every core.
    ///
    /// # Errors
    /// [`SettingError::Threads`] for more than [`MOST_THREADS`].
    pub fn threads(self, threads: usize) -> Result<Self, SettingError> {
        if threads > MOST_THREADS {
            return Err(SettingError::Threads { threads, most: MOST_THREADS });
        }
        Ok(Self { threads, ..self })
    }

    /// Precision of the network's products.
    pub fn precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Tile edge in pixels, which must fit the memory. `None` takes the whole image when it fits, else the card's tile, or
    /// less. A model's stride decides which edges are valid, so the restorer checks it.
    pub fn tile(self, tile: Option<usize>) -> Self {
        Self { tile, ..self }
    }

    /// Overlap of tiles in pixels, at most half of a tile; `None` takes the card's, or less in small tiles.
    pub fn overlap(self, overlap: Option<usize>) -> Self {
        Self { overlap, ..self }
    }

    /// Memory that inference may use, in bytes.
    pub fn memory(self, bytes: u64) -> Self {
        Self { memory: bytes, ..self }
    }

    /// Factor on the residual, 0 to 1.
    ///
    /// # Errors
    /// [`SettingError::Strength`] for any other number.
    pub fn strength(self, strength: f32) -> Result<Self, SettingError> {
        if !(0.0..=1.0).contains(&strength) {
            return Err(SettingError::Strength(strength));
        }
        Ok(Self { strength, ..self })
    }
}
