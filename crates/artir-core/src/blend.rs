//! Weighted accumulation of tiles in row bands.
//!
//! Only the rows that a tile row touches are held: a band of (tile rows x image columns). Rows
//! that no later tile touches leave the band as soon as they are complete.

use ndarray::{Array3, ArrayView1, ArrayView3, Zip, s};

use crate::tile::{Span, TilePlan};

/// Accumulates residuals of tiles, tile row after tile row.
pub(crate) struct Blend {
    /// `[channel, row - first, column]`.
    band: Array3<f32>,
    /// Image row of the band's first row.
    first: usize,
    /// One past the last image row that a residual was added to; the rows from here on are zero.
    touched: usize,
    row_weights: Vec<Vec<f32>>,
    column_weights: Vec<Vec<f32>>,
}

impl Blend {
    /// Starts at a row of tiles, counted in the plan.
    pub(crate) fn new(channels: usize, plan: &TilePlan, tile_row: usize) -> Self {
        let height = plan.rows.iter().map(|r| r.len).max().unwrap_or(0);
        let width = plan.columns.last().map_or(0, Span::end);
        Self {
            band: Array3::zeros((channels, height, width)),
            first: plan.rows.get(tile_row).map_or(0, |r| r.start),
            touched: 0,
            row_weights: TilePlan::weights(&plan.rows),
            column_weights: TilePlan::weights(&plan.columns),
        }
    }

    /// Adds a line of the residual of tile (`row`, `column`) of the plan: of a channel, and of row `down` in the tile.
    pub(crate) fn add(
        &mut self,
        plan: &TilePlan,
        (row, column): (usize, usize),
        channel: usize,
        down: usize,
        residual: &[f32],
    ) {
        let (rows, columns) = (plan.rows[row], plan.columns[column]);
        self.touched = self.touched.max(rows.end());
        let target = self.band.slice_mut(s![channel, rows.start - self.first + down, columns.start..columns.end()]);
        let (wy, wx) = (self.row_weights[row][down], ArrayView1::from(&self.column_weights[column]));
        Zip::from(target).and(ArrayView1::from(residual)).and(wx).for_each(|to, from, wx| *to += from * (wy * wx));
    }

    /// Whether no row of the band has a residual.
    pub(crate) fn is_blank(&self) -> bool {
        self.touched <= self.first
    }

    /// The rows that are complete once tile row `row` is, and the image row of the first of them.
    pub(crate) fn complete(&self, plan: &TilePlan, row: usize) -> (usize, ArrayView3<'_, f32>) {
        let end = Self::end_of(plan, row);
        (self.first, self.band.slice(s![.., ..end - self.first, ..]))
    }

    /// Forgets the complete rows and makes room for the next tile row.
    pub(crate) fn advance(&mut self, plan: &TilePlan, row: usize) {
        let done = Self::end_of(plan, row) - self.first;
        if self.is_blank() {
            // All rows are zero, and stay so.
            self.first += done;
            return;
        }
        let height = self.band.dim().1;
        for mut plane in self.band.outer_iter_mut() {
            for r in 0..height {
                if r + done < height {
                    let (mut to, from) = plane.multi_slice_mut((s![r, ..], s![r + done, ..]));
                    to.assign(&from);
                } else {
                    plane.slice_mut(s![r, ..]).fill(0.0);
                }
            }
        }
        self.first += done;
    }

    fn end_of(plan: &TilePlan, row: usize) -> usize {
        plan.rows.get(row + 1).map_or(plan.rows[row].end(), |next| next.start)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::TileLimits;

    /// Blends tiles cut out of `image` and returns the rows in the order in which they leave.
    fn through(image: &Array3<f32>, plan: &TilePlan) -> Array3<f32> {
        let (channels, rows, columns) = image.dim();
        let mut out = Array3::from_elem((channels, rows, columns), f32::NAN);
        let mut blend = Blend::new(channels, plan, 0);
        for (i, r) in plan.rows.iter().enumerate() {
            for (j, c) in plan.columns.iter().enumerate() {
                let tile = image.slice(s![.., r.start..r.end(), c.start..c.end()]);
                for (channel, plane) in tile.outer_iter().enumerate() {
                    for (down, line) in plane.outer_iter().enumerate() {
                        blend.add(plan, (i, j), channel, down, &line.to_vec());
                    }
                }
            }
            let (first, band) = blend.complete(plan, i);
            out.slice_mut(s![.., first..first + band.dim().1, ..]).assign(&band);
            blend.advance(plan, i);
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn blending_tiles_of_an_image_gives_the_image(
            rows in 1usize..200, columns in 1usize..200, tile4 in 4usize..20, part in 0usize..=100
        ) {
            let tile = tile4 * 4;
            let limits = TileLimits { tile, overlap: tile / 2 * part / 100, multiple: 4 };
            let plan = TilePlan::tiled(rows, columns, limits).unwrap();
            let image = Array3::from_shape_fn((2, rows, columns), |(c, y, x)| {
                ((c * 31 + y * 7 + x * 13) % 101) as f32 - 50.0
            });
            for (a, b) in through(&image, &plan).iter().zip(&image) {
                prop_assert!((a - b).abs() < 1e-4);
            }
        }
    }
}
