//! The tile plan: the whole image if it fits the memory, else tiles.

use super::{MemoryUse, ensemble};
use crate::{Card, Error, Settings, Shape, TileLimits, TilePlan, error::SettingError};

/// Tiles do not become smaller than this edge, in pixels.
const SMALLEST_TILE: usize = 128;

/// Where the card's tiles do not fit the memory, smaller ones are tried in steps of this many pixels. The largest that fits has
/// the least overlap to pay for.
const STEP: usize = 64;

/// The card's overlap takes at most a quarter of a tile, which costs 1.8 times the image, or this many pixels where the user
/// named the tile.
const NARROW: usize = 64;

/// Chooses between the whole image and tiles.
pub(super) fn plan(card: &Card, settings: &Settings, shape: Shape, held: MemoryUse) -> Result<TilePlan, Error> {
    let allowed = settings.memory;
    if let Some(tile) = settings.tile {
        let plan = tiled(card, shape, tile, overlap_of(card, settings, tile, NARROW))?;
        let bytes = needed(card, settings, shape, held, (tile, plan.len() == 1));
        return if bytes <= allowed { Ok(plan) } else { Err(too_large(tile, bytes, allowed)) };
    }
    if needed(card, settings, shape, held, (shape.rows.max(shape.columns), true)) <= allowed {
        return Ok(TilePlan::whole(shape.rows, shape.columns, card.multiple));
    }
    let smallest = SMALLEST_TILE.max(card.multiple);
    let mut tile = card.tile.max(smallest);
    loop {
        let bytes = needed(card, settings, shape, held, (tile, false));
        if bytes <= allowed {
            let overlap = overlap_of(card, settings, tile, 0);
            let tile = if settings.overlap.is_none() { spread(card, shape, tile, overlap).max(smallest) } else { tile };
            return tiled(card, shape, tile, overlap);
        }
        if tile == smallest {
            return Err(Error::Memory { needed_mib: bytes.div_ceil(1 << 20), allowed_mib: allowed >> 20 });
        }
        tile = tile.saturating_sub(STEP).next_multiple_of(card.multiple).max(smallest);
    }
}

fn tiled(card: &Card, shape: Shape, tile: usize, overlap: usize) -> Result<TilePlan, Error> {
    TilePlan::tiled(shape.rows, shape.columns, TileLimits { tile, overlap, multiple: card.multiple })
}

/// The smallest tile that covers the image by as many tiles: they are spread evenly, so that larger ones only overlap more.
fn spread(card: &Card, shape: Shape, tile: usize, overlap: usize) -> usize {
    let edge = |length: usize| {
        let length = length.next_multiple_of(card.multiple);
        if length <= tile {
            return length;
        }
        let shared = overlap + card.multiple - 1;
        let count = (length - tile).div_ceil(tile.saturating_sub(shared).max(1)) + 1;
        (length + (count - 1) * shared).div_ceil(count)
    };
    edge(shape.rows).max(edge(shape.columns)).next_multiple_of(card.multiple).min(tile)
}

/// The overlap of tiles. A requested overlap is kept, or refused if the tiles are too small for it. The card's overlap shrinks
/// with the tiles, to a quarter of their edge or to `least`.
fn overlap_of(card: &Card, settings: &Settings, tile: usize, least: usize) -> usize {
    let most = TilePlan::most_overlap(tile, card.multiple);
    settings.overlap.unwrap_or(card.overlap.min((tile / 4).max(least)).min(most))
}

fn too_large(tile: usize, bytes: u64, allowed: u64) -> Error {
    SettingError::TileMemory { tile, needed_mib: bytes.div_ceil(1 << 20), allowed_mib: allowed >> 20 }.into()
}

/// The number of images of this extent to restore in parallel: as many as keep the threads busy and fit the memory. It
/// exceeds 1 only if an image is small for the number of threads.
pub(super) fn side_by_side(card: &Card, settings: &Settings, shape: Shape, held: MemoryUse, threads: usize) -> usize {
    let edge = shape.rows.max(shape.columns);
    let bytes = needed(card, settings, shape, held, (edge, true));
    if settings.tile.is_some() || bytes > settings.memory {
        return 1;
    }
    // The narrowest pass has a quarter of the image's rows and columns. A job covers JOB_ROWS x JOB_COLUMNS.
    let jobs = (shape.rows / 4).div_ceil(JOB_ROWS) * (shape.columns / 4).div_ceil(JOB_COLUMNS);
    let busy = (jobs / JOBS_A_THREAD).max(1);
    // Each worker also needs a session, and three slices with their residuals wait in the queues.
    let waiting = 3 * 8 * (shape.rows * shape.columns * shape.channels) as u64;
    let room = (settings.memory - FIXED_BYTES) / (bytes - FIXED_BYTES + SESSION_BYTES + waiting);
    threads.div_ceil(busy).min(usize::try_from(room).unwrap_or(usize::MAX)).max(1)
}

/// Rows and columns of one job at the network operator's narrowest pass.
const JOB_ROWS: usize = 16;
const JOB_COLUMNS: usize = 32;
/// Jobs per thread that let all threads end at about the same time.
const JOBS_A_THREAD: usize = 4;

/// The plan, with tiles reduced until one fits the device's memory. `holds` tries a tile of the given rows and columns.
/// A tile size that the user requested is not reduced.
///
/// # Errors
/// [`Error::DeviceMemory`] when not even the smallest tile fits, and what `holds` reports.
pub(super) fn plan_that_fits(
    card: &Card,
    settings: &Settings,
    shape: Shape,
    held: MemoryUse,
    holds: &mut dyn FnMut(usize, usize) -> Result<bool, Error>,
) -> Result<TilePlan, Error> {
    let mut plan = plan(card, settings, shape, held)?;
    let smallest = SMALLEST_TILE.max(card.multiple);
    loop {
        let size = |spans: &[crate::Span]| spans.iter().map(|span| span.padded).max().unwrap_or(0);
        let (rows, columns) = (size(&plan.rows), size(&plan.columns));
        if holds(rows, columns)? {
            return Ok(plan);
        }
        let largest = rows.max(columns);
        // From the whole image to the card's tile, then by halves.
        let next = if largest > card.tile { card.tile } else { (largest / 2).next_multiple_of(card.multiple) };
        if settings.tile.is_some() || next < smallest || next >= largest {
            return Err(Error::DeviceMemory { smaller_tiles: settings.tile.is_some() });
        }
        tracing::info!("the GPU's memory does not hold {rows} x {columns} pixels: using tiles of {next}");
        plan = tiled(card, shape, next, overlap_of(card, settings, next, 0))?;
    }
}

/// Bytes that a run needs: the network's memory, two row bands of residuals (one being blended, one on its way to the
/// sink), the rows held by source and sink, and the blending weights of every row and column. The sum saturates, since a
/// raster may claim any extent.
fn needed(card: &Card, settings: &Settings, shape: Shape, held: MemoryUse, (tile, whole): (usize, bool)) -> u64 {
    let product = |factors: &[u64]| factors.iter().fold(1u64, |all, factor| all.saturating_mul(*factor));
    let pad = |n: usize| n.checked_next_multiple_of(card.multiple).unwrap_or(n) as u64;
    let edge = |n: usize| if whole { pad(n) } else { pad(n).min(tile as u64) };
    let (rows, columns) = (edge(shape.rows), edge(shape.columns));
    let wide = shape.columns as u64;
    let residuals = product(&[2 * 4, rows, wide, shape.channels as u64]);
    let rows_held = product(&[if whole { 1 } else { 2 }, rows, wide, held.per_pixel]);
    let weights = product(&[WEIGHT_BYTES, (shape.rows as u64).saturating_add(wide)]);
    let network = product(&[rows, columns, bytes_per_pixel(card, settings.ensemble)]);
    [network, residuals, rows_held, weights, held.fixed, FIXED_BYTES].into_iter().fold(0, u64::saturating_add)
}

/// Bytes of blending weights for each row and column: the sum and, for at most two overlapping tiles, a weight as f64 and
/// one as f32.
const WEIGHT_BYTES: u64 = 8 + 2 * (8 + 4);

/// Resident bytes of each additional session.
const SESSION_BYTES: u64 = 16 << 20;

/// Resident bytes before the first pixel: ONNX Runtime, weights, code.
const FIXED_BYTES: u64 = 100 << 20;

/// Estimated peak bytes for each pixel = 9 x network width + 16 x image channels. The operator holds 2 1/4 maps of full
/// resolution as float32; the pipeline holds four float32 copies of the image (given, padded, restored, returned).
/// Measured with variant T on square images of 512, 1024 and 2048 pixels: 166,
/// 440 and 1,524 MiB, for which this gives 190, 460 and 1,540.
fn bytes_per_pixel(card: &Card, ensemble: bool) -> u64 {
    let width = if card.variant == "B" { 48 } else { 32 };
    let copies = 4 + if ensemble { ensemble::COPIES } else { 0 };
    9 * width + 4 * copies * card.input.channels as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card with small tiles.
    fn small_tiles() -> Card {
        Card { tile: 512, overlap: 64, ..crate::zoo::open("geo-haze-t").unwrap().card().clone() }
    }

    /// The tile edges that were tried when the device holds tiles of up to `room` pixels a side, and the outcome.
    fn tried(settings: &Settings, room: usize) -> (Vec<usize>, Result<TilePlan, Error>) {
        let card = small_tiles();
        let shape = Shape { channels: 3, rows: 1500, columns: 2000 };
        let mut tried = Vec::new();
        let plan = plan_that_fits(&card, settings, shape, MemoryUse::default(), &mut |rows, columns| {
            tried.push(rows.max(columns));
            Ok(rows.max(columns) <= room)
        });
        (tried, plan)
    }

    #[test]
    fn tiles_shrink_until_the_device_holds_them() {
        let roomy = Settings { memory: 64 << 30, ..Settings::default() };
        let (tries, plan) = tried(&roomy, 5000);
        assert_eq!((tries, plan.unwrap().len()), (vec![2000], 1));
        let (tries, plan) = tried(&roomy, 300);
        assert_eq!(tries, [2000, 512, 256]);
        let plan = plan.unwrap();
        assert!(plan.len() > 1 && plan.rows.iter().chain(&plan.columns).all(|span| span.padded == 256));
        let (tries, plan) = tried(&roomy, 100);
        assert_eq!(tries, [2000, 512, 256, 128]);
        assert!(matches!(plan, Err(Error::DeviceMemory { .. })));
    }

    #[test]
    fn a_coarse_multiple_does_not_go_round_in_circles() {
        let mut card = crate::zoo::open("geo-haze-t").unwrap().card().clone();
        card.multiple = 128;
        let shape = Shape { channels: 3, rows: 600, columns: 600 };
        let plan = plan_that_fits(&card, &Settings::default(), shape, MemoryUse::default(), &mut |_, _| Ok(false));
        assert!(matches!(plan, Err(Error::DeviceMemory { .. })));
    }

    #[test]
    fn a_tile_that_was_asked_for_stays() {
        let asked = Settings { tile: Some(400), ..Settings::default() };
        let (tries, plan) = tried(&asked, 300);
        assert_eq!(tries, [400]);
        assert!(matches!(plan, Err(Error::DeviceMemory { smaller_tiles: true })));
        assert!(tried(&asked, 400).1.is_ok());
    }

    fn planned(settings: &Settings, rows: usize, columns: usize) -> Result<TilePlan, Error> {
        plan(&small_tiles(), settings, Shape { channels: 3, rows, columns }, MemoryUse::default())
    }

    #[test]
    fn an_overlap_that_was_asked_for_is_kept_or_refused() {
        let asked = |overlap: usize, mib: u64| {
            let settings = Settings { overlap: Some(overlap), memory: mib << 20, ..Settings::default() };
            planned(&settings, 4000, 4000).map(|plan| (plan.rows[0].padded, plan.overlap))
        };
        assert_eq!(asked(200, 512).unwrap(), (512, 200));
        assert_eq!(asked(100, 200).unwrap(), (384, 100));
        let error = asked(200, 200).unwrap_err().to_string();
        assert!(error.contains("overlap of 200") && error.contains("192"), "{error}");
        assert!(asked(usize::MAX / 2 + 1, 512).is_err());
        // The card's overlap shrinks with the tiles without a warning.
        let small = Settings { tile: Some(64), ..Settings::default() };
        assert_eq!(planned(&small, 4000, 4000).unwrap().overlap, 32);
    }

    #[test]
    fn tiles_are_as_large_as_the_memory_allows_and_no_larger_than_their_number_needs() {
        let haze = crate::zoo::open("geo-haze-t").unwrap().card().clone();
        // Three bands of 16 bits and their mask; a strip of 128 rows is read, written and compressed.
        let plan_of = |edge: usize, memory: u64| {
            let held = MemoryUse { fixed: (64 << 20) + 3 * 128 * 6 * edge as u64, per_pixel: 7 };
            let settings = Settings { memory, ..Settings::default() };
            let shape = Shape { channels: 3, rows: edge, columns: edge };
            let found = plan(&haze, &settings, shape, held).unwrap();
            let (tile, count) = (found.rows[0].padded, found.rows.len());
            assert!(needed(&haze, &settings, shape, held, (tile, false)) <= memory);
            let limits = |tile| TileLimits { tile, overlap: found.overlap, multiple: 4 };
            let fewer = TilePlan::tiled(edge, edge, limits(tile - 4)).unwrap();
            assert!(fewer.rows.len() > count, "{edge}: tiles of {tile} share more than they need");
            (tile, count, found.overlap)
        };
        // Three tiles of 2048 would do for 4000 pixels; so do smaller ones.
        assert_eq!(plan_of(4000, 3 << 30), (1592, 3, haze.overlap));
        assert_eq!(plan_of(10_980, 8 << 30), (1904, 7, haze.overlap));
        // A Sentinel-2 tile has the whole overlap with the default memory, a very wide scene a quarter of its tiles.
        let (tile, _, overlap) = plan_of(10_980, 2 << 30);
        assert!(tile > 1536 && overlap == haze.overlap, "{tile} {overlap}");
        let (tile, _, overlap) = plan_of(60_000, 2 << 30);
        assert!((512..1024).contains(&tile) && overlap > tile / 5, "{tile} {overlap}");
        let (tile, ..) = plan_of(60_000, 4 << 30);
        assert!(tile > 1024, "more memory gives larger tiles: {tile}");
    }

    #[test]
    fn a_tile_that_was_asked_for_must_fit_the_memory() {
        let asked = |tile: usize| planned(&Settings { tile: Some(tile), ..Settings::default() }, 6000, 6000);
        assert!(asked(1024).is_ok());
        let error = asked(4096).unwrap_err().to_string();
        assert!(error.contains("tiles of 4096") && error.contains("2048 MiB"), "{error}");
        // A tile larger than the image means the whole image.
        let small = Settings { tile: Some(1 << 40), ..Settings::default() };
        assert_eq!(planned(&small, 500, 500).unwrap().len(), 1);
    }

    #[test]
    fn extents_that_no_memory_holds_are_refused() {
        let most = i32::MAX as usize;
        for (rows, columns) in [(most, most), (1, most), (most, 1), (usize::MAX, usize::MAX), (usize::MAX, 1)] {
            let refused = planned(&Settings::default(), rows, columns);
            assert!(matches!(refused, Err(Error::Memory { .. })), "{rows} x {columns}");
        }
    }

    #[test]
    fn other_failures_are_not_taken_for_lack_of_memory() {
        let card = crate::zoo::open("geo-haze-t").unwrap().card().clone();
        let shape = Shape { channels: 3, rows: 600, columns: 600 };
        let mut fails = |_, _| Err(crate::InferenceError::NotFinite.into());
        let plan = plan_that_fits(&card, &Settings::default(), shape, MemoryUse::default(), &mut fails);
        assert!(matches!(plan, Err(Error::Inference(_))));
    }

    #[test]
    fn small_images_go_side_by_side_where_there_are_many_threads() {
        let model = crate::zoo::open("ct-ldct-t").unwrap();
        let count = |edge: usize, threads: usize, memory: u64| {
            let shape = Shape { channels: 1, rows: edge, columns: edge };
            let settings = Settings { memory, ..Settings::default() };
            side_by_side(model.card(), &settings, shape, MemoryUse::default(), threads)
        };
        assert_eq!(count(512, 1, 2 << 30), 1);
        assert_eq!(count(512, 2, 2 << 30), 1);
        assert_eq!(count(512, 64, 2 << 30), 8);
        assert_eq!(count(2048, 64, 4 << 30), 1);
        // Two images of 512 x 512 fit, more do not. An image that needs tiles is restored alone.
        assert_eq!(count(512, 64, 310 << 20), 2);
        assert_eq!(count(128, 64, 2 << 30), 64);
        assert_eq!(count(4096, 64, 2 << 30), 1);
    }
}
