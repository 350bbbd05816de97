//! The tile plan: windows of the image and their overlaps.
//!
//! Near the edge of a tile the network lacks the surroundings that it has in the whole image. Tiles
//! therefore overlap, are all of one size, start at multiples of the network's stride, and are blended
//! over the inner part of their overlaps.

use crate::{Error, error::SettingError};

/// One tile along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First pixel.
    pub start: usize,
    /// Pixels inside the image.
    pub len: usize,
    /// Pixels that the network sees: `len`, reflected up to a multiple of the stride.
    pub padded: usize,
}

impl Span {
    /// One past the last pixel inside the image.
    pub fn end(&self) -> usize {
        self.start + self.len
    }
}

/// Constraints of a plan.
#[derive(Clone, Copy, Debug)]
pub struct TileLimits {
    /// Tile edge, pixels; a multiple of `multiple`.
    pub tile: usize,
    /// Least overlap of neighbours, pixels; at most half of `tile`, and none for tiles of one stride.
    pub overlap: usize,
    /// Stride of the network.
    pub multiple: usize,
}

/// Tiles that cover an image.
///
/// ```
/// use artir_core::{TileLimits, TilePlan};
///
/// let plan = TilePlan::tiled(600, 900, TileLimits { tile: 512, overlap: 64, multiple: 4 })?;
/// assert_eq!((plan.len(), plan.describe().as_str()), (4, "tile 512x512 overlap 64"));
/// # Ok::<(), artir_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TilePlan {
    /// Tiles from top to bottom.
    pub rows: Vec<Span>,
    /// Tiles from left to right.
    pub columns: Vec<Span>,
    /// Least overlap of neighbours, pixels.
    pub overlap: usize,
}

impl TilePlan {
    /// The whole image as one tile.
    pub fn whole(rows: usize, columns: usize, multiple: usize) -> Self {
        let one = |len: usize| vec![Span { start: 0, len, padded: len.next_multiple_of(multiple) }];
        Self { rows: one(rows), columns: one(columns), overlap: 0 }
    }

    /// Tiles of one size over an image of `rows` x `columns`.
    pub fn tiled(rows: usize, columns: usize, limits: TileLimits) -> Result<Self, Error> {
        let TileLimits { tile, overlap, multiple } = limits;
        if tile == 0 || tile % multiple != 0 {
            return Err(SettingError::Tile { tile, multiple }.into());
        }
        let most = Self::most_overlap(tile, multiple);
        if overlap > most {
            return Err(SettingError::Overlap { overlap, most, tile }.into());
        }
        Ok(Self { rows: axis(rows, limits), columns: axis(columns, limits), overlap })
    }

    /// The largest overlap that tiles of this edge can keep: half of it, as long as neighbours start a stride apart.
    pub(crate) fn most_overlap(tile: usize, multiple: usize) -> usize {
        (tile / 2).min(tile.saturating_sub(multiple))
    }

    /// Number of tiles.
    pub fn len(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// True when there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The plan in words, as it enters derived UIDs: `whole`, or `tile RxC overlap N`.
    pub fn describe(&self) -> String {
        match (self.rows.as_slice(), self.columns.as_slice()) {
            ([_], [_]) => "whole".into(),
            ([r, ..], [c, ..]) => {
                format!("tile {}x{} overlap {}", r.padded, c.padded, self.overlap)
            }
            _ => "empty".into(),
        }
    }

    /// Blending weights of each tile along one axis. A tile counts for nothing in the outer quarter of
    /// what it shares with a neighbour, and ramps up over the half between the quarters of both. The
    /// weights of all tiles add up to 1 at every pixel; where one tile alone counts its weight is exactly 1.
    pub(crate) fn weights(spans: &[Span]) -> Vec<Vec<f32>> {
        let total = spans.last().map_or(0, Span::end);
        let shared = |first: &Span, next: &Span| first.end().saturating_sub(next.start);
        let raw: Vec<Vec<f64>> = spans
            .iter()
            .enumerate()
            .map(|(k, s)| {
                let before = k.checked_sub(1).map(|k| shared(&spans[k], s));
                let after = spans.get(k + 1).map(|next| shared(s, next));
                (0..s.len).map(|i| trust(i, before).min(trust(s.len - 1 - i, after))).collect()
            })
            .collect();
        let mut sums = vec![0.0; total];
        for (span, weights) in spans.iter().zip(&raw) {
            for (sum, w) in sums[span.start..span.end()].iter_mut().zip(weights) {
                *sum += w;
            }
        }
        spans
            .iter()
            .zip(raw)
            .map(|(span, weights)| {
                let sums = &sums[span.start..span.end()];
                weights.into_iter().zip(sums).map(|(w, sum)| (w / sum) as f32).collect()
            })
            .collect()
    }
}

/// The weight of a pixel at this distance from an edge of its tile, which shares `overlap` pixels with a neighbour there.
fn trust(distance: usize, overlap: Option<usize>) -> f64 {
    let Some(overlap) = overlap else { return 1.0 };
    let trimmed = overlap / 4;
    let ramp = overlap - 2 * trimmed;
    match distance.checked_sub(trimmed) {
        None => 0.0,
        Some(within) => ((within + 1) as f64 / (ramp + 1) as f64).min(1.0),
    }
}

fn axis(length: usize, TileLimits { tile, overlap, multiple }: TileLimits) -> Vec<Span> {
    let padded = length.next_multiple_of(multiple);
    if padded <= tile {
        return if length == 0 { vec![] } else { vec![Span { start: 0, len: length, padded }] };
    }
    // The fewest tiles that keep the overlap, spread evenly; rounding a start down to the stride
    // can only take a gap of less than one stride, hence the stride in the numerator.
    let advance = (tile - overlap).saturating_sub(multiple - 1).max(multiple);
    let count = (padded - tile).div_ceil(advance) + 1;
    (0..count)
        .map(|i| {
            let even = i * (padded - tile) / (count - 1);
            let start = even - even % multiple;
            Span { start, len: tile.min(length - start), padded: tile }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tiles_cover_overlap_and_align(length in 1usize..3000, tile4 in 1usize..160, part in 0usize..=100) {
            let tile = tile4 * 4;
            let overlap = TilePlan::most_overlap(tile, 4) * part / 100;
            let spans = axis(length, TileLimits { tile, overlap, multiple: 4 });
            prop_assert_eq!(spans[0].start, 0);
            prop_assert_eq!(spans.last().unwrap().end(), length);
            for s in &spans {
                prop_assert_eq!(s.start % 4, 0);
                prop_assert_eq!(s.padded % 4, 0);
                prop_assert!(s.padded <= tile && s.len <= s.padded && s.padded - s.len < 4);
            }
            for pair in spans.windows(2) {
                prop_assert!(pair[1].start > pair[0].start);
                // the last tile's reflected part does not count as overlap
                prop_assert!(pair[0].start + tile >= pair[1].start + overlap);
            }
        }

        #[test]
        fn weights_add_up_to_one(length in 1usize..2000, tile4 in 4usize..100, part in 0usize..=100) {
            let tile = tile4 * 4;
            let overlap = tile / 2 * part / 100;
            let spans = axis(length, TileLimits { tile, overlap, multiple: 4 });
            let weights = TilePlan::weights(&spans);
            let mut sums = vec![0.0f32; length];
            for (s, w) in spans.iter().zip(&weights) {
                for (i, w) in w.iter().enumerate() {
                    prop_assert!(*w >= 0.0 && *w <= 1.0);
                    sums[s.start + i] += w;
                }
            }
            for s in sums {
                prop_assert!((s - 1.0).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn a_tile_counts_for_nothing_at_its_edge() {
        // Tiles of 384 over a slice of 512 share 256 pixels, not the 64 that were asked for.
        let spans = axis(512, TileLimits { tile: 384, overlap: 64, multiple: 4 });
        assert_eq!((spans.len(), spans[1].start), (2, 128));
        let weights = TilePlan::weights(&spans);
        assert!(weights[0][..192].iter().all(|w| *w == 1.0), "up to a quarter into the overlap");
        assert!(weights[0][320..].iter().all(|w| *w == 0.0), "the last quarter");
        assert!(weights[0][192..320].windows(2).all(|w| w[0] > w[1]), "a ramp between");
        let mirrored: Vec<f32> = weights[1].iter().rev().copied().collect();
        assert!(weights[0].iter().zip(&mirrored).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let limits = |tile, overlap| TileLimits { tile, overlap, multiple: 4 };
        assert!(TilePlan::tiled(100, 100, limits(0, 0)).is_err());
        assert!(TilePlan::tiled(100, 100, limits(30, 0)).is_err());
        assert!(TilePlan::tiled(100, 100, limits(64, 33)).is_err());
        assert!(TilePlan::tiled(100, 100, limits(64, 32)).is_ok());
        // The sum of two such overlaps overflows 64 bits.
        for huge in [usize::MAX, usize::MAX / 2 + 1, usize::MAX / 2] {
            let error = TilePlan::tiled(100, 100, limits(64, huge)).unwrap_err().to_string();
            assert!(error.contains(&huge.to_string()) && error.contains("32"), "{error}");
        }
        // Tiles of one stride lie side by side.
        assert!(TilePlan::tiled(100, 100, limits(4, 1)).is_err());
        assert!(TilePlan::tiled(100, 100, limits(4, 0)).is_ok());
    }

    #[test]
    fn a_plan_says_what_it_is() {
        assert_eq!(TilePlan::whole(5, 7, 4).describe(), "whole");
        let plan = TilePlan::tiled(600, 900, TileLimits { tile: 512, overlap: 64, multiple: 4 });
        assert_eq!(plan.unwrap().describe(), "tile 512x512 overlap 64");
    }
}
