//! What a product of matrices takes: operands, sizes, initial sums.

use super::lanes::UNIT;

/// A left and a right operand whose product is one of those to be added.
#[derive(Clone, Copy)]
pub(crate) struct Term {
    pub(crate) left: *const f32,
    pub(crate) right: *const f32,
}

/// Sizes, and distances in words.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) rows: usize,
    /// Units of lanes.
    pub(crate) units: usize,
    /// Words of each term.
    pub(crate) words: usize,
    pub(crate) left_row: usize,
    /// 1 with tiles.
    pub(crate) left_word: usize,
    pub(crate) right_word: usize,
    pub(crate) right_unit: usize,
    pub(crate) out_row: usize,
    pub(crate) out_unit: usize,
}

impl Extent {
    /// Sums over channels: `rows` pixels of `words` words each, by packed weights, into `units` units that lie `out_unit` apart.
    pub(crate) fn over_channels(rows: usize, units: usize, words: usize, out_unit: usize) -> Self {
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
pub(crate) enum Start {
    Zero,
    /// A value for each lane.
    Bias(*const f32),
    /// The output's current values.
    Out,
}
