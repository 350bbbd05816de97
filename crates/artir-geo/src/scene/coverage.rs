//! The parts of a scene that its file holds. A virtual raster has no sources elsewhere, and a sparse TIFF no blocks.

use gdal::{Dataset, raster::RasterBand};

use crate::{
    error::Reason,
    ffi::{self, Coverage, Part},
    open::drivers::driver,
};

/// Edge of the smallest part that is looked at, pixels.
const LEAST: usize = 256;
/// Parts that are looked at.
const MOST: usize = 4096;
/// Blocks of a file that GDAL may look at.
const MOST_BLOCKS: usize = 1 << 20;

/// What a file holds of a part of these bands together.
pub(crate) fn coverage(dataset: &Dataset, bands: &[usize], part: Part) -> Result<Coverage, Reason> {
    let mut found = None;
    for number in bands {
        let of_band = ffi::coverage(&dataset.rasterband(*number)?, part)?;
        found = Some(match found {
            None => of_band,
            Some(before) if before == of_band => before,
            Some(_) => Coverage::Some,
        });
    }
    Ok(found.unwrap_or(Coverage::Full))
}

/// The share of a band's pixels that its file holds, from 0 to 1; 1 where it is not known.
pub(super) fn share(dataset: &Dataset, band: &RasterBand<'_>) -> f64 {
    if blocks(dataset, band) > MOST_BLOCKS { 1.0 } else { ffi::held_share(band) }
}

fn blocks(dataset: &Dataset, band: &RasterBand<'_>) -> usize {
    let ((columns, rows), (width, height)) = (dataset.raster_size(), band.block_size());
    columns.div_ceil(width.max(1)).saturating_mul(rows.div_ceil(height.max(1)))
}

/// Whether a file lacks some of the pixels of these bands. GDAL looks at each block of a file, so too many of them are not
/// looked at; of a virtual raster, it looks at the sources.
pub(super) fn has_holes(dataset: &Dataset, bands: &[usize]) -> Result<bool, Reason> {
    if driver(dataset) != "VRT" && blocks(dataset, &dataset.rasterband(bands[0])?) > MOST_BLOCKS {
        return Ok(false);
    }
    let whole = Part { at: (0, 0), size: dataset.raster_size() };
    Ok(coverage(dataset, bands, whole)? != Coverage::Full)
}

/// Parts that together hold all pixels that the file has, and not many others.
pub(super) fn parts(dataset: &Dataset, bands: &[usize]) -> Result<Vec<Part>, Reason> {
    let mut open = std::collections::VecDeque::from([Part { at: (0, 0), size: dataset.raster_size() }]);
    let mut out = Vec::new();
    let mut looked = 0;
    // The largest come first, so that all are of about one size when the search ends early.
    while let Some(part) = open.pop_front() {
        looked += 1;
        match coverage(dataset, bands, part)? {
            Coverage::None => {}
            Coverage::Some if looked < MOST && part.size.0.max(part.size.1) > LEAST => open.extend(quarters(part)),
            Coverage::Some | Coverage::Full => out.push(part),
        }
    }
    Ok(out)
}

fn quarters(part: Part) -> impl Iterator<Item = Part> {
    let halves = |from: usize, length: usize| {
        let half = length.div_ceil(2);
        [(from, half), (from + half, length - half)]
    };
    let (across, down) = (halves(part.at.0, part.size.0), halves(part.at.1, part.size.1));
    let all = down
        .into_iter()
        .flat_map(move |(y, rows)| across.map(|(x, columns)| Part { at: (x, y), size: (columns, rows) }));
    all.filter(|part| part.size.0 > 0 && part.size.1 > 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A TIFF that ends behind its header: the tables of its strips would lie beyond its end.
    fn header_of_tiff(strips: u32) -> Vec<u8> {
        const SHORT: u16 = 3;
        const LONG: u16 = 4;
        let tags: [(u16, u16, u32, u32); 9] = [
            (256, LONG, 1, 8),                      // ImageWidth
            (257, LONG, 1, strips),                 // ImageLength
            (258, SHORT, 1, 8),                     // BitsPerSample
            (259, SHORT, 1, 1),                     // Compression: none
            (262, SHORT, 1, 1),                     // PhotometricInterpretation: black is zero
            (273, LONG, strips, 5000),              // StripOffsets
            (277, SHORT, 1, 1),                     // SamplesPerPixel
            (278, LONG, 1, 1),                      // RowsPerStrip
            (279, LONG, strips, 5000 + 4 * strips), // StripByteCounts
        ];
        let mut out = b"II*\0".to_vec();
        out.extend(8u32.to_le_bytes());
        out.extend((tags.len() as u16).to_le_bytes());
        for (tag, kind, count, value) in tags {
            out.extend(tag.to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend(count.to_le_bytes());
            out.extend(value.to_le_bytes());
        }
        out.extend(0u32.to_le_bytes());
        out
    }

    #[test]
    fn a_file_that_was_cut_behind_its_header_is_not_sparse() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.tif");
        fs::write(&path, header_of_tiff(64)).unwrap();
        // GDAL reports the fault once, and then calls all blocks missing.
        let why = has_holes(&Dataset::open(&path).unwrap(), &[1]).unwrap_err().to_string();
        assert!(why.starts_with("its table of blocks: "), "{why}");
        // It counts as complete, so that its size is compared with what the header claims.
        let dataset = Dataset::open(&path).unwrap();
        let share = share(&dataset, &dataset.rasterband(1).unwrap());
        assert!((share - 1.0).abs() < f64::EPSILON, "{share}");
    }

    #[test]
    fn quarters_cover_a_part() {
        let part = Part { at: (3, 5), size: (7, 1) };
        let found: Vec<Part> = quarters(part).collect();
        assert_eq!(found, [Part { at: (3, 5), size: (4, 1) }, Part { at: (7, 5), size: (3, 1) }]);
    }
}
