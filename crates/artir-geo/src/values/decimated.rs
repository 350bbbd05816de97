//! Reading parts of bands scaled down, by leaving pixels out.

use gdal::{Dataset, raster::RasterBand};

use super::samples::Sample;
use crate::{
    error::Reason,
    ffi::{self, Part},
    open::drivers,
    scene::CACHE_BYTES,
};

/// A part of a raster, and the columns and rows that it is scaled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimated {
    pub(crate) part: Part,
    pub(crate) out: (usize, usize),
}

impl Decimated {
    /// The pixels that are read.
    pub(crate) fn pixels(&self) -> usize {
        self.out.0 * self.out.1
    }

    /// The same pixels row by row. GDAL takes the source row in which the middle of a row lies.
    fn rows(&self) -> impl Iterator<Item = Self> {
        // GDAL's own allowance for rounding.
        const ALLOWANCE: f64 = 1e-10;
        let Self { part: Part { at, size }, out } = *self;
        let step = size.1 as f64 / out.1 as f64;
        let last = (at.1 + size.1).saturating_sub(1);
        (0..out.1).map(move |row| {
            let row = ((row as f64 + 0.5) * step + at.1 as f64 + ALLOWANCE) as usize;
            Self { part: Part { at: (at.0, row.min(last)), size: (size.0, 1) }, out: (out.0, 1) }
        })
    }
}

/// Reads parts of bands, one part after another: a plane for each band.
///
/// Where blocks hold the pixels of all bands, each band alone would have GDAL decode the blocks of a large part anew. It is
/// read row by row then, all bands of a row, which takes the same pixels out of blocks that are still in GDAL's cache.
pub(super) fn read<T: Sample>(dataset: &Dataset, bands: &[usize], parts: &[Decimated]) -> Result<Vec<Vec<T>>, Reason> {
    let bands = bands.iter().map(|number| dataset.rasterband(*number)).collect::<Result<Vec<_>, _>>()?;
    let mut planes = vec![vec![T::default(); parts.iter().map(Decimated::pixels).sum()]; bands.len()];
    let mut start = 0;
    for part in parts {
        let pieces: Vec<Decimated> =
            if is_better_by_rows::<T>(dataset, &bands, part)? { part.rows().collect() } else { vec![*part] };
        for piece in pieces {
            let (Part { at, size }, out) = (piece.part, piece.out);
            for (band, plane) in bands.iter().zip(&mut planes) {
                let to = &mut plane[start..start + piece.pixels()];
                // A damaged block can be filled with zeros and only noted as an error.
                ffi::checked(|| band.read_into_slice((at.0 as isize, at.1 as isize), size, out, to, None))?;
            }
            start += piece.pixels();
        }
    }
    Ok(planes)
}

/// Whether blocks would be decoded several times: they hold all bands, and those of the part's rows do not fit GDAL's cache. A
/// row of blocks must fit it.
fn is_better_by_rows<T>(dataset: &Dataset, bands: &[RasterBand<'_>], of: &Decimated) -> Result<bool, Reason> {
    let [first, _, ..] = bands else { return Ok(false) };
    let row = dataset.raster_size().0.saturating_mul(dataset.raster_count()).saturating_mul(size_of::<T>());
    let fits = |rows: usize| row.saturating_mul(rows) as u64 <= CACHE_BYTES / 2;
    let (rows, block) = (of.part.size.1, first.block_size().1);
    Ok(of.out.1 < rows && !fits(rows) && fits(block) && takes_nearest_of_blocks(dataset, first)?)
}

/// Whether a block of the raster holds all bands, and GDAL takes the nearest pixels out of such blocks. In place of them it reads
/// overviews, those that JPEG has without a word too, and a virtual raster asks its sources for fewer pixels.
fn takes_nearest_of_blocks(dataset: &Dataset, band: &RasterBand<'_>) -> Result<bool, Reason> {
    let structure = |key, wanted: &dyn Fn(&str) -> bool| drivers::structure(dataset, key).is_some_and(|v| wanted(&v));
    let together = structure("INTERLEAVE", &|kind| kind == "PIXEL");
    let jpeg = structure("COMPRESSION", &|kind| kind.contains("JPEG"));
    Ok(drivers::driver(dataset) == "GTiff" && together && !jpeg && band.overview_count()? == 0)
}

#[cfg(test)]
mod tests {
    use gdal::{
        DriverManager,
        raster::{Buffer, RasterCreationOptions},
    };

    use super::*;

    /// Numbers that differ from place to place.
    fn value(band: usize, row: usize, column: usize) -> u16 {
        (row * 31 + column * 7 + band * 1009) as u16
    }

    #[test]
    fn rows_are_the_ones_that_gdal_takes() {
        let folder = tempfile::tempdir().unwrap();
        // The last one is too large for the cache, so that it is read by rows.
        for (columns, rows, out) in
            [(70, 203, (33, 100)), (64, 640, (64, 64)), (9, 1001, (9, 1000)), (4100, 2900, (1024, 1023))]
        {
            let path = folder.path().join("scene.tif");
            let options = RasterCreationOptions::from_iter(["INTERLEAVE=PIXEL", "BLOCKYSIZE=64"]);
            let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
            let scene = driver.create_with_band_type_with_options::<u16, _>(&path, columns, rows, 3, &options).unwrap();
            for band in 1..=3 {
                let values =
                    (0..rows).flat_map(|row| (0..columns).map(move |column| value(band, row, column))).collect();
                let mut whole = Buffer::new((columns, rows), values);
                scene.rasterband(band).unwrap().write((0, 0), (columns, rows), &mut whole).unwrap();
            }
            let of = Decimated { part: Part { at: (0, 0), size: (columns, rows) }, out };
            let below =
                Decimated { part: Part { at: (1, 3), size: (columns - 1, rows - 3) }, out: (out.0 / 2, out.1 / 2) };
            for of in [of, below] {
                let first = scene.rasterband(1).unwrap();
                let mut expected = vec![0u16; of.pixels()];
                let at = (of.part.at.0 as isize, of.part.at.1 as isize);
                first.read_into_slice(at, of.part.size, of.out, &mut expected, None).unwrap();
                let by_rows: Vec<Decimated> = of.rows().collect();
                assert_eq!(read::<u16>(&scene, &[1], &by_rows).unwrap(), [expected.clone()], "{of:?}");
                let bands: Vec<_> = (1..=3).map(|number| scene.rasterband(number).unwrap()).collect();
                assert_eq!(is_better_by_rows::<u16>(&scene, &bands, &of).unwrap(), columns > 4000, "{of:?}");
                let all = read::<u16>(&scene, &[1, 2, 3], &[of]).unwrap();
                for (plane, more) in all.iter().zip([0, 1009, 2018]) {
                    assert!(plane.iter().zip(&expected).all(|(v, first)| *v == first.wrapping_add(more)), "{of:?}");
                }
            }
        }
    }

    #[test]
    fn rasters_whose_pixels_gdal_takes_from_elsewhere_are_read_as_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let create = |driver: &str, options: &[&str]| {
            let path = folder.path().join("scene.tif");
            let options = RasterCreationOptions::from_iter(options.iter().copied());
            let driver = DriverManager::get_driver_by_name(driver).unwrap();
            drop(driver.create_with_band_type_with_options::<u8, _>(&path, 64, 64, 3, &options).unwrap());
            // Only a file that is opened again says how it is compressed.
            Dataset::open(&path).unwrap()
        };
        let found = |dataset: &Dataset| takes_nearest_of_blocks(dataset, &dataset.rasterband(1).unwrap()).unwrap();
        assert!(found(&create("GTiff", &["INTERLEAVE=PIXEL", "COMPRESS=DEFLATE"])));
        assert!(!found(&create("GTiff", &["INTERLEAVE=BAND"])));
        assert!(
            !found(&create("GTiff", &["INTERLEAVE=PIXEL", "COMPRESS=JPEG"])),
            "JPEG has overviews that are not listed"
        );
        let mut scene = create("GTiff", &["INTERLEAVE=PIXEL"]);
        let copy = scene.create_copy(
            &DriverManager::get_driver_by_name("VRT").unwrap(),
            folder.path().join("a.vrt"),
            &RasterCreationOptions::default(),
        );
        assert!(!found(&copy.unwrap()), "the sources of a virtual raster may be scaled");
        scene.build_overviews("NEAREST", &[2], &[]).unwrap();
        assert!(!found(&scene));
    }
}
