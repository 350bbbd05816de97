//! One piece or tiles, by the memory that each would take.

use super::{Footprint, Settings};
use crate::{Card, Error, Shape, TileLimits, TilePlan};

/// Chooses between one piece and tiles.
pub(super) fn plan(card: &Card, settings: &Settings, shape: Shape, held: Footprint) -> Result<TilePlan, Error> {
    let overlap = settings.overlap.unwrap_or(card.overlap);
    let tiled = |tile: usize, overlap: usize| {
        let limits = TileLimits { tile, overlap, multiple: card.multiple };
        TilePlan::tiled(shape.rows, shape.columns, limits)
    };
    if let Some(tile) = settings.tile {
        return tiled(tile, overlap);
    }
    let allowed = settings.memory;
    if needed(card, shape, held, shape.rows.max(shape.columns), true) <= allowed {
        return Ok(TilePlan::whole(shape.rows, shape.columns, card.multiple));
    }
    let smallest = 128.max(card.multiple);
    let mut tile = card.tile.max(smallest);
    loop {
        let bytes = needed(card, shape, held, tile, false);
        if bytes <= allowed {
            return tiled(tile, overlap.min(tile / 4));
        }
        if tile / 2 < smallest {
            return Err(Error::Memory { needed_mib: bytes >> 20, allowed_mib: allowed >> 20 });
        }
        tile = (tile / 2).next_multiple_of(card.multiple);
    }
}

/// Bytes that a run needs: the network's own, two row bands of residuals (one that tiles are blended into and one on its
/// way to the sink), and what source and sink hold of the rows in between.
fn needed(card: &Card, shape: Shape, held: Footprint, tile: usize, whole: bool) -> u64 {
    let pad = |n: usize| n.next_multiple_of(card.multiple) as u64;
    let (rows, columns) = if whole { (pad(shape.rows), pad(shape.columns)) } else { (tile as u64, tile as u64) };
    let band = rows * shape.columns as u64;
    let residuals = 2 * band * shape.channels as u64 * 4;
    let rows_held = band * held.per_pixel * if whole { 1 } else { 2 };
    rows * columns * bytes_per_pixel(card) + residuals + rows_held + held.fixed + FIXED_BYTES
}

/// Resident bytes before the first pixel: ONNX Runtime, weights, code.
const FIXED_BYTES: u64 = 100 << 20;

/// Peak resident bytes for each pixel: the operator's maps, which are two of full resolution and an eighth of that
/// (nine bytes for each channel of width), and four copies of the image as float32: as given, padded, as restored, and
/// the restored one in the pipeline's hands. Measured with variant T on square images of 512, 1024 and 2048 pixels: 166,
/// 440 and 1,524 MiB, for which this gives 190, 460 and 1,540.
fn bytes_per_pixel(card: &Card) -> u64 {
    let width = if card.variant == "B" { 48 } else { 32 };
    9 * width + 16 * card.input.channels as u64
}
