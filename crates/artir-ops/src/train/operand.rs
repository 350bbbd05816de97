//! What a product of matrices takes: kind of words, operands, sizes, initial sums.

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

/// A left and a right operand whose product is one of those to be added.
#[derive(Clone, Copy)]
pub(super) struct Term {
    pub(super) left: *const f32,
    pub(super) right: *const f32,
}

/// Sizes, and distances in words.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub(super) rows: usize,
    /// Units of lanes.
    pub(super) units: usize,
    /// Words of each term.
    pub(super) words: usize,
    pub(super) left_row: usize,
    /// 1 with tiles.
    pub(super) left_word: usize,
    pub(super) right_word: usize,
    pub(super) right_unit: usize,
    pub(super) out_row: usize,
    pub(super) out_unit: usize,
}

impl Extent {
    /// Sums over channels: `rows` pixels of `words` words each, by packed weights, into `units` units that lie `out_unit` apart.
    pub(super) fn over_channels(rows: usize, units: usize, words: usize, out_unit: usize) -> Self {
        Self {
            rows,
            units,
            words,
            left_row: words,
            left_word: 1,
            right_word: UNIT,
            right_unit: words * UNIT,
            out_row: UNIT,
            out_unit,
        }
    }
}

/// The initial value of the sums.
#[derive(Clone, Copy)]
pub(super) enum Start {
    Zero,
    /// A value for each lane.
    Bias(*const f32),
    /// The output's current values.
    Out,
}
