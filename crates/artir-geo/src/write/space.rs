//! Lower bound of a result's disk space.

use artir_core::Shape;

use super::{layout::Layout, options::WriteOptions};
use crate::{ffi, scene::Scene};

/// Largest compression ratio of restored values. Copied bands and masks may compress better.
const MOST_COMPRESSED: u64 = 20;

/// Bytes that a run takes at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Of the result.
    pub result: u64,
    /// Of the restored rows that an interrupted run leaves.
    pub journal: u64,
}

/// Lower bound of the bytes on disk while a scene is restored. The true number is larger, since the compression ratio of
/// restored pixels is not known in advance.
pub fn least_space(scene: &Scene, options: &WriteOptions) -> Space {
    let Shape { channels, rows, columns } = scene.shape();
    let value = ffi::type_bytes(scene.info.kind()) as u64;
    let pixels = (rows as u64).saturating_mul(columns as u64).saturating_mul(value);
    let whole = pixels.saturating_mul(scene.info.description.bands.len() as u64);
    if scene.info.has_holes {
        return Space::default();
    }
    let layout = Layout::of(scene, options, options.format);
    let plain = layout.is_ok_and(|l| l.get("COMPRESS").is_some_and(|c| c.eq_ignore_ascii_case("NONE")))
        && !options.format.is_copied()
        // Blocks of one value are left out of sparse files.
        && !options.creation.iter().any(|option| option.key() == "SPARSE_OK");
    Space {
        result: if plain { whole } else { whole / MOST_COMPRESSED },
        journal: pixels.saturating_mul(channels as u64) / MOST_COMPRESSED,
    }
}
