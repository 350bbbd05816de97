//! How much disk a result takes at least.

use artir_core::Shape;

use crate::{Format, Scene, WriteOptions, ffi, layout::Layout};

/// Restored values compress at most by so much; what passes through, as masks do, may compress by more.
const MOST_COMPRESSED: u64 = 20;

/// Bytes that restoring a scene takes at least, until it has its name: the journal of restored rows, and the result. A
/// smaller number than the truth, since nobody knows how well restored pixels compress.
pub fn least_space(scene: &Scene, options: &WriteOptions) -> u64 {
    let Shape { channels, rows, columns } = scene.shape();
    let value = ffi::type_bytes(scene.facts.kind()) as u64;
    let pixels = (rows as u64).saturating_mul(columns as u64).saturating_mul(value);
    let journal = pixels.saturating_mul(channels as u64);
    let whole = pixels.saturating_mul(scene.facts.description.bands.len() as u64);
    let layout = Layout::of(scene, &options.creation, options.threads);
    let plain = layout.is_ok_and(|l| l.get("COMPRESS").is_some_and(|c| c.eq_ignore_ascii_case("NONE")))
        && options.format == Format::GeoTiff
        // Blocks of one value are left out of sparse files.
        && !options.creation.iter().any(|(key, _)| key.eq_ignore_ascii_case("SPARSE_OK"));
    journal.saturating_add(if plain { whole } else { whole / MOST_COMPRESSED })
}
