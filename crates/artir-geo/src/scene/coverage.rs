//! The parts of a scene that its file holds. A virtual raster has no sources elsewhere, and a sparse TIFF no blocks.

use std::ops::Range;

use gdal::{Dataset, raster::RasterBand};

use crate::{
    error::Reason,
    ffi::{self, Coverage, Part},
    open::drivers::driver,
    values::decimated::Decimated,
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

/// The parts that the file holds for none of these bands, to the pixel. Sources of a virtual raster and blocks are rectangles: each
/// cut goes the way that leaves more parts alike, so that few are looked at.
pub(crate) fn missing_parts(dataset: &Dataset, bands: &[usize], whole: Part) -> Result<Vec<Part>, Reason> {
    let look = |part: Part| Ok::<_, Reason>((part, is_missing(dataset, bands, part)?));
    let mut open = vec![look(whole)?];
    let mut out = Vec::new();
    let mut looked = 0;
    while let Some((part, found)) = open.pop() {
        looked += 1;
        match found {
            Some(true) => out.push(part),
            Some(false) => {}
            // Sources whose edges lie between pixels are never found to end. The rest of a raster of more pieces than a mosaic has in
            // some rows counts as held.
            None if looked > MOST => {}
            None => {
                let tall = part.size.1 > part.size.0;
                let mut ways = Vec::new();
                // Of equal ways, the last one counts: that across the longer side.
                for [first, second] in [cut(part, !tall), cut(part, tall)].into_iter().flatten() {
                    ways.push([look(first)?, look(second)?]);
                }
                let alike = |way: &[(Part, Option<bool>); 2]| way.iter().filter(|(_, found)| found.is_some()).count();
                open.extend(ways.into_iter().max_by_key(alike).into_iter().flatten());
            }
        }
    }
    Ok(out)
}

/// Marks pixels of a sample as invalid that show what the file holds for none of these bands. `blank` are those that
/// read so. Of a part that is scaled down, a pixel shows one of those that it covers, or of the next.
pub(super) fn mark_gaps(
    dataset: &Dataset,
    bands: &[usize],
    sample: &[Decimated],
    blank: &[bool],
    valid: &mut [bool],
) -> Result<(), Reason> {
    let mut start = 0;
    for Decimated { part, out } in sample {
        let pixels = start..start + out.0 * out.1;
        start = pixels.end;
        let (blank, valid) = (&blank[pixels.clone()], &mut valid[pixels]);
        if !blank.contains(&true) {
            continue;
        }
        for missing in missing_parts(dataset, bands, *part)? {
            let across = shown(missing.at.0 - part.at.0, missing.size.0, part.size.0, out.0);
            for row in shown(missing.at.1 - part.at.1, missing.size.1, part.size.1, out.1) {
                for i in across.clone().map(|column| row * out.0 + column) {
                    valid[i] &= !blank[i];
                }
            }
        }
    }
    Ok(())
}

/// The pixels of a line of `out` that can show one of `length` pixels from `from` on, where they show `size` pixels.
fn shown(from: usize, length: usize, size: usize, out: usize) -> Range<usize> {
    let around = usize::from(out < size);
    let first = (from * out / size).saturating_sub(around);
    first..((from + length) * out).div_ceil(size).saturating_add(around).min(out)
}

/// Whether the file holds nothing of a part in any of the bands; `None` where it holds some of it in one band.
fn is_missing(dataset: &Dataset, bands: &[usize], part: Part) -> Result<Option<bool>, Reason> {
    let mut missing = true;
    for number in bands {
        match ffi::coverage(&dataset.rasterband(*number)?, part)? {
            Coverage::Some => return Ok(None),
            Coverage::Full => missing = false,
            Coverage::None => {}
        }
    }
    Ok(Some(missing))
}

/// A part in two, one below the other or side by side, at the roundest binary number between: blocks begin at such. `None` for a
/// part of one row or column.
fn cut(part: Part, below: bool) -> Option<[Part; 2]> {
    let (from, length) = if below { (part.at.1, part.size.1) } else { (part.at.0, part.size.0) };
    if length < 2 {
        return None;
    }
    let last = from + length - 1;
    let zeros = (from ^ last).ilog2();
    let middle = (last >> zeros) << zeros;
    let piece = |from: usize, length: usize| {
        let Part { at: (x, y), size: (columns, rows) } = part;
        if below {
            Part { at: (x, from), size: (columns, length) }
        } else {
            Part { at: (from, y), size: (length, rows) }
        }
    };
    Some([piece(from, middle - from), piece(middle, from + length - middle)])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::write::tests::virtual_raster::{source, virtual_raster};

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
        assert!(why.starts_with("finding its pixels: "), "{why}");
        // It counts as complete, so that its size is compared with what the header claims.
        let dataset = Dataset::open(&path).unwrap();
        let share = share(&dataset, &dataset.rasterband(1).unwrap());
        assert!((share - 1.0).abs() < f64::EPSILON, "{share}");
    }

    /// A virtual raster of 300 x 200 pixels; each of its bands is one source at these places: first column and row, columns, rows.
    fn mosaic(folder: &std::path::Path, bands: [&[[usize; 4]]; 2]) -> Dataset {
        let driver = gdal::DriverManager::get_driver_by_name("GTiff").unwrap();
        driver.create_with_band_type::<u8, _>(folder.join("a.tif"), 300, 200, 1).unwrap().close().unwrap();
        let bands = bands.map(|places| places.iter().map(|place| source("a.tif", 1, *place)).collect());
        let path = virtual_raster(&folder.join("m.vrt"), "Byte", (300, 200), &bands, "");
        Dataset::open(&path).unwrap()
    }

    #[test]
    fn what_a_mosaic_lacks_is_found_to_the_pixel() {
        // Around a hole of columns 101 to 150 and rows 37 to 90.
        let around = [[0, 0, 300, 37], [0, 37, 101, 54], [151, 37, 149, 54], [0, 91, 300, 109]];
        let folder = tempfile::tempdir().unwrap();
        // A source across the hole in another band: there the pixel is held.
        let across = [[0, 0, 300, 60]];
        let dataset = mosaic(folder.path(), [&around, &across]);
        let missing = |bands: &[usize], whole: Part| {
            let mut out = vec![false; 300 * 200];
            for Part { at, size } in missing_parts(&dataset, bands, whole).unwrap() {
                for y in at.1..at.1 + size.1 {
                    out[y * 300 + at.0..][..size.0].fill(true);
                }
            }
            out
        };
        let expected = |inside: &dyn Fn(usize, usize) -> bool| -> Vec<bool> {
            (0..300 * 200).map(|i| (101..151).contains(&(i % 300)) && inside(i % 300, i / 300)).collect()
        };
        let whole = Part { at: (0, 0), size: (300, 200) };
        assert!(missing(&[1], whole) == expected(&|_, y| (37..91).contains(&y)));
        assert!(missing(&[1, 2], whole) == expected(&|_, y| (60..91).contains(&y)));
        let strip = Part { at: (0, 50), size: (300, 20) };
        assert!(missing(&[1], strip) == expected(&|_, y| (50..70).contains(&y)));
    }

    #[test]
    fn pixels_of_a_sample_that_show_a_gap_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = mosaic(folder.path(), [&[[0, 0, 300, 37], [0, 37, 101, 163], [151, 37, 149, 163]], &[]]);
        let marked = |sample: &[Decimated], blank: &dyn Fn(usize) -> bool| {
            let pixels: usize = sample.iter().map(Decimated::pixels).sum();
            let mut valid = vec![true; pixels];
            let blank: Vec<bool> = (0..pixels).map(blank).collect();
            mark_gaps(&dataset, &[1], sample, &blank, &mut valid).unwrap();
            valid
        };
        let above = Decimated { part: Part { at: (100, 0), size: (60, 30) }, out: (60, 30) };
        let part = Decimated { part: Part { at: (90, 30), size: (40, 10) }, out: (40, 10) };
        let valid = marked(&[above, part], &|_| true);
        let gap = |i: usize| i >= 1800 && (i - 1800) % 40 >= 11 && (i - 1800) / 40 >= 7;
        assert!((0..valid.len()).all(|i| valid[i] != gap(i)));
        // Scaled down: the gap begins at column 101 / 3 and row 37 / 4, and neighbours of these may show it.
        let whole = Decimated { part: Part { at: (0, 0), size: (300, 200) }, out: (100, 50) };
        let valid = marked(&[whole], &|i| i % 100 != 40);
        let near = |i: usize| (32..52).contains(&(i % 100)) && i / 100 >= 8;
        assert!((0..valid.len()).all(|i| valid[i] != (near(i) && i % 100 != 40)));
    }

    #[test]
    fn a_part_is_cut_at_round_numbers() {
        let part = Part { at: (100, 7), size: (60, 1) };
        let pieces = [Part { at: (100, 7), size: (28, 1) }, Part { at: (128, 7), size: (32, 1) }];
        assert_eq!((cut(part, false), cut(part, true)), (Some(pieces), None));
    }

    #[test]
    fn quarters_cover_a_part() {
        let part = Part { at: (3, 5), size: (7, 1) };
        let found: Vec<Part> = quarters(part).collect();
        assert_eq!(found, [Part { at: (3, 5), size: (4, 1) }, Part { at: (7, 5), size: (3, 1) }]);
    }
}
