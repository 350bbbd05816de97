//! The parts of a scene that its file holds. A virtual raster has no sources elsewhere, and a sparse TIFF no blocks.

use gdal::Dataset;

use crate::{
    error::Reason,
    ffi::{self, Coverage, Part},
};

/// Edge of the smallest part that is looked at, pixels.
const LEAST: usize = 256;
/// Parts that are looked at.
const MOST: usize = 4096;

/// What a file holds of a part of these bands together.
pub(crate) fn coverage(dataset: &Dataset, bands: &[usize], part: Part) -> Result<Coverage, Reason> {
    let mut found = None;
    for number in bands {
        let of_band = ffi::coverage(&dataset.rasterband(*number)?, part);
        found = Some(match found {
            None => of_band,
            Some(before) if before == of_band => before,
            Some(_) => Coverage::Some,
        });
    }
    Ok(found.unwrap_or(Coverage::Full))
}

/// Whether a file lacks some of the pixels of these bands.
pub(super) fn has_holes(dataset: &Dataset, bands: &[usize]) -> Result<bool, Reason> {
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
    use super::*;

    #[test]
    fn quarters_cover_a_part() {
        let part = Part { at: (3, 5), size: (7, 1) };
        let found: Vec<Part> = quarters(part).collect();
        assert_eq!(found, [Part { at: (3, 5), size: (4, 1) }, Part { at: (7, 5), size: (3, 1) }]);
    }
}
