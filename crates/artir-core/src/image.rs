//! Images as the network sees them: planar `f32`, with a mask of the pixels that count.

use ndarray::{Array2, Array3};

/// The extent of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Channels: 1 for CT and PET, 3 for RGB.
    pub channels: usize,
    /// Rows (height), pixels.
    pub rows: usize,
    /// Columns (width), pixels.
    pub columns: usize,
}

impl Shape {
    /// Rows times columns.
    pub fn pixels(&self) -> u64 {
        self.rows as u64 * self.columns as u64
    }
}

/// A rectangle of pixels inside an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First row.
    pub row: usize,
    /// First column.
    pub column: usize,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
}

/// Pixels in the physical unit of a model's card (HU, SUV, or display values 0 to 1).
#[derive(Clone, Debug)]
pub struct Image {
    /// Values, `[channel, row, column]`.
    pub data: Array3<f32>,
    /// True where the pixel was measured, `[row, column]`; `None` when all were. Values at invalid
    /// pixels are ignored: the pipeline fills them for the network and never changes them.
    pub valid: Option<Array2<bool>>,
}

impl Image {
    /// An image without invalid pixels.
    pub fn new(data: Array3<f32>) -> Self {
        Self { data, valid: None }
    }

    /// The image's extent.
    pub fn shape(&self) -> Shape {
        let (channels, rows, columns) = self.data.dim();
        Shape { channels, rows, columns }
    }
}
