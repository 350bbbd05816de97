//! A sample of a large scene from some of its blocks, for previews: whoever waits for one cannot wait until the whole scene is
//! read.

use gdal::Dataset;

use crate::{
    error::Reason,
    ffi::Part,
    values::{
        decimated::Decimated,
        samples::{Planes, on_planes},
    },
};

/// Edge of the sample, pixels.
const EDGE: usize = 1024;
/// The least edge of a block that is read, pixels. Rows of one pixel would all be of one place.
const LEAST: usize = 64;
/// Blocks along each axis: the fewest and the most. In between they have about `READ` pixels together.
const FEWEST: usize = 3;
const MOST: usize = 8;
const READ: usize = 4096;

/// Blocks on a grid that reaches from border to border, so that a collar is seen.
pub(super) struct Grid {
    pub(super) parts: Vec<Decimated>,
    /// Parts in a row of the grid, and columns and rows of each.
    across: usize,
    each: (usize, usize),
}

impl Grid {
    /// `None` for a scene that is read as fast as a whole: a small one, or one with overviews.
    pub(super) fn of(dataset: &Dataset, band: usize) -> Result<Option<Self>, Reason> {
        let band = dataset.rasterband(band)?;
        let has_overviews = band.overview_count()? > 0;
        let found = Self::over(dataset.raster_size(), band.block_size());
        Ok(found.filter(|_| !has_overviews))
    }

    fn over(size: (usize, usize), block: (usize, usize)) -> Option<Self> {
        let (across, down) = (spans(size.0, block.0), spans(size.1, block.1));
        let read: usize = across.iter().map(|s| s.1).sum::<usize>() * down.iter().map(|s| s.1).sum::<usize>();
        // Less than half is worth it.
        if size.0.checked_mul(size.1).is_some_and(|all| read > all / 2) {
            return None;
        }
        let each = (EDGE / across.len(), EDGE / down.len());
        let part = |(y, rows): &(usize, usize), (x, columns): &(usize, usize)| Decimated {
            part: Part { at: (*x, *y), size: (*columns, *rows) },
            out: each,
        };
        let parts = down.iter().flat_map(|rows| across.iter().map(|columns| part(rows, columns))).collect();
        Some(Self { parts, across: across.len(), each })
    }

    /// Columns of the sample.
    pub(super) fn columns(&self) -> usize {
        self.across * self.each.0
    }

    /// Arranges values that were read part after part as one image, whose border is the scene's.
    pub(super) fn arrange(&self, planes: &mut Planes, valid: &mut Vec<bool>) {
        let (columns, rows) = self.each;
        let line = |part: usize, y: usize| (part * rows + y) * columns..(part * rows + y + 1) * columns;
        let lines = (0..self.parts.len() / self.across).flat_map(|down| {
            (0..rows).flat_map(move |y| (0..self.across).flat_map(move |x| line(down * self.across + x, y)))
        });
        let order: Vec<usize> = lines.collect();
        on_planes!(planes, p => for plane in p.iter_mut() {
            *plane = order.iter().map(|i| plane[*i]).collect();
        });
        *valid = order.iter().map(|i| valid[*i]).collect();
    }
}

/// Some of the blocks along an axis, the first and the last among them: where each begins, and its length.
fn spans(length: usize, block: usize) -> Vec<(usize, usize)> {
    let block = block.clamp(1, length.max(1));
    let edge = block * LEAST.div_ceil(block);
    let count = length.div_ceil(edge).max(1);
    let some = (READ / edge).clamp(FEWEST, MOST).min(count);
    let number = |i: usize| if some == 1 { 0 } else { i * (count - 1) / (some - 1) };
    (0..some).map(|i| (number(i) * edge, edge.min(length - number(i) * edge))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_reach_from_border_to_border() {
        for (length, block, expected) in [
            (10_980, 512, vec![0, 1536, 3072, 4608, 6144, 7680, 9216, 10_752]),
            (10_980, 1024, vec![0, 3072, 6144, 10_240]),
            (10_980, 1, vec![0, 1536, 3072, 4672, 6208, 7808, 9344, 10_944]),
            (10_980, 10_980, vec![0]),
            (100, 512, vec![0]),
        ] {
            let found = spans(length, block);
            assert_eq!(found.iter().map(|s| s.0).collect::<Vec<_>>(), expected, "{length} {block}");
            let (at, edge) = found[found.len() - 1];
            assert_eq!(at + edge, length);
        }
    }

    #[test]
    fn only_a_large_scene_is_sampled_by_blocks() {
        assert!(Grid::over((1500, 1000), (256, 256)).is_none());
        assert!(Grid::over((10_980, 10_980), (10_980, 10_980)).is_none(), "one block");
        let grid = Grid::over((10_980, 10_980), (512, 512)).unwrap();
        assert_eq!((grid.parts.len(), grid.columns()), (64, 1024));
        let strips = Grid::over((20_000, 20_000), (20_000, 1)).unwrap();
        assert_eq!((strips.parts.len(), strips.columns(), strips.each), (8, 1024, (1024, 128)));
        let small: usize = strips.parts.iter().map(|p| p.part.size.1).sum();
        assert_eq!(small, 7 * 64 + 32);
    }

    #[test]
    fn parts_become_one_image() {
        // Four parts of 2 x 1 pixels, two in a row.
        let part = Decimated { part: Part { at: (0, 0), size: (2, 1) }, out: (2, 1) };
        let grid = Grid { parts: vec![part; 4], across: 2, each: (2, 1) };
        let mut planes = Planes::U8(vec![(0..8).collect()]);
        let mut valid = vec![true; 8];
        grid.arrange(&mut planes, &mut valid);
        assert_eq!(planes.values(0), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        let tall = Grid { each: (1, 2), ..grid };
        tall.arrange(&mut planes, &mut valid);
        assert_eq!(planes.values(0), [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
        assert_eq!(valid.len(), 8);
    }
}
