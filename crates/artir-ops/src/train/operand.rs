//! Which words a product of matrices takes.

use crate::instructions::Instructions;
use crate::network::lanes::UNIT;

/// Which operands and instructions products take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) instructions: Instructions,
    /// Whether the processor's tiles multiply the pairs.
    pub(super) tiles: bool,
}

impl Kind {
    /// The same in float32.
    pub(super) fn exact(self) -> Self {
        Self { instructions: self.instructions.exact(), tiles: false }
    }

    /// Words of a pixel's channels. Tiles have 32 channels; missing ones are zeros.
    pub(super) fn words(self, channels: usize) -> usize {
        if self.tiles {
            channels.next_multiple_of(2 * UNIT) / 2
        } else if self.instructions.pairs() {
            channels / 2
        } else {
            channels
        }
    }

    /// Words of a channel's pixels in sums over pixels.
    pub(super) fn groups(self, pixels: usize) -> usize {
        if self.tiles {
            padded(pixels) / 2
        } else if self.instructions.pairs() {
            pixels.div_ceil(2)
        } else {
            pixels
        }
    }

    /// Rows of a product over this many pixels. Surplus rows at the end must be ignored.
    pub(super) fn pixel_rows(self, pixels: usize) -> usize {
        if self.tiles { pixels.next_multiple_of(UNIT) } else { pixels }
    }
}

/// Pixels that every row of working memory has room for, so that products may go on beyond the map.
pub(super) fn padded(pixels: usize) -> usize {
    pixels.next_multiple_of(2 * UNIT)
}
