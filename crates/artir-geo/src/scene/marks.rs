//! Files that mark pixels of a scene as invalid: a mask of the user's, or the product's mask of clouds.

use gdal::{Dataset, raster::Buffer};

use super::{georef::coordinates, region::Region};
use crate::{
    error::Reason,
    ffi,
    open::{
        self,
        policy::Access,
        product::{CloudMask, MaskKind, cloud_polygons},
    },
};

/// A file that marks pixels as invalid.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Marks {
    path: String,
    form: Form,
}

/// How a file marks pixels.
#[derive(Clone, Debug, PartialEq)]
enum Form {
    /// A raster that is zero, or holds nothing, where a pixel is invalid.
    Zero,
    /// A raster of clouds.
    Clouds(MaskKind),
    /// Polygons of clouds.
    Polygons(Region),
}

/// Open marks.
pub(crate) enum OpenMarks {
    /// A raster; `None`: zero is invalid.
    Raster(Dataset, Option<MaskKind>),
    /// The inside is invalid.
    Polygons(Region),
}

impl Marks {
    pub(super) fn zero_is_invalid(path: &str) -> Self {
        Self { path: path.to_owned(), form: Form::Zero }
    }

    /// The mask of clouds of a scene.
    pub(super) fn clouds(mask: &CloudMask, scene: &Dataset) -> Result<Self, Reason> {
        let path = mask.path.to_string_lossy().into_owned();
        let form = match mask.kind {
            MaskKind::Polygons => {
                let polygons = cloud_polygons(&mask.path).map_err(|why| why.of(path.clone()))?;
                Form::Polygons(Region::inside(&polygons, scene)?)
            }
            kind => Form::Clouds(kind),
        };
        Ok(Self { path, form })
    }

    /// The file.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Checks that the raster covers a scene pixel by pixel, or in pixels of another size, and lies where the scene does.
    pub(super) fn check(&self, access: &Access, scene: &Dataset) -> Result<(), Reason> {
        let OpenMarks::Raster(dataset, _) = self.open(access)? else { return Ok(()) };
        let ((columns, rows), (wide, high)) = (scene.raster_size(), dataset.raster_size());
        if wide == 0 || high == 0 || wide.saturating_mul(rows) != high.saturating_mul(columns) {
            let why = format!("the mask has {wide}x{high} pixels, which do not cover {columns}x{rows}");
            return Err(Reason::Unfit(why).of(self.path.clone()));
        }
        let (Some(own), Some(grid)) = (grid_of(&dataset), grid_of(scene)) else { return Ok(()) };
        let ends = |g: &[f64; 6], (columns, rows): (usize, usize)| {
            [(0, 0), (columns, 0), (columns, rows)].map(|(x, y)| coordinates(g, x as f64, y as f64))
        };
        let (its, scenes) = (ends(&own, (wide, high)), ends(&grid, (columns, rows)));
        let pixel = |g: &[f64; 6]| g[1].hypot(g[4]).max(g[2].hypot(g[5]));
        let near = |(a, b): (&[f64; 2], &[f64; 2])| (a[0] - b[0]).hypot(a[1] - b[1]) <= pixel(&own).max(pixel(&grid));
        if !its.iter().zip(&scenes).all(near) {
            let [[x, y], _, [end_x, end_y]] = its;
            let [[scene_x, scene_y], _, [scene_end_x, scene_end_y]] = scenes;
            let why = format!(
                "the mask does not lie where the scene does: it reaches from {x}, {y} to {end_x}, {end_y}, and the scene \
                 from {scene_x}, {scene_y} to {scene_end_x}, {scene_end_y}"
            );
            return Err(Reason::Unfit(why).of(self.path.clone()));
        }
        Ok(())
    }

    pub(super) fn open(&self, access: &Access) -> Result<OpenMarks, Reason> {
        let kind = match &self.form {
            Form::Polygons(region) => return Ok(OpenMarks::Polygons(region.clone())),
            Form::Clouds(kind) => Some(*kind),
            Form::Zero => None,
        };
        let opened = open::open(&self.path, access).map_err(|why| why.of(self.path.clone()))?;
        Ok(OpenMarks::Raster(opened.dataset, kind))
    }
}

/// The grid of a raster that has one. GDAL gives some files without one their columns and rows as coordinates, and QGIS saves
/// such files with rows that count down from 0.
fn grid_of(dataset: &Dataset) -> Option<[f64; 6]> {
    const NONE: [[f64; 6]; 2] = [[0.0, 1.0, 0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]];
    ffi::geotransform(dataset).filter(|grid| !NONE.contains(grid))
}

impl OpenMarks {
    /// Clears `valid` where pixels of the scene's rows from `row` on, all columns of them, are marked.
    pub(crate) fn read(&self, row: usize, scene: (usize, usize), valid: &mut [bool]) -> Result<(), Reason> {
        let (columns, all) = scene;
        let (dataset, kind) = match self {
            Self::Raster(dataset, kind) => (dataset, kind),
            Self::Polygons(region) => {
                let mut inside = vec![false; columns];
                for (i, line) in valid.chunks_exact_mut(columns).enumerate() {
                    region.mark(row + i, &mut inside);
                    line.iter_mut().zip(&inside).for_each(|(ok, inside)| *ok &= !inside);
                }
                return Ok(());
            }
        };
        let (wide, high) = dataset.raster_size();
        let rows = valid.len() / columns.max(1);
        let of_row = |r: usize| (r * high / all).min(high - 1);
        let (first, last) = (of_row(row), of_row(row + rows - 1));
        let size = (wide, last - first + 1);
        let band = dataset.rasterband(1)?;
        let buffer: Buffer<f64> = ffi::checked(|| band.read_as((0, first as isize), size, size, None))?;
        let nodata = ffi::nodata(&band).and_then(ffi::Nodata::value);
        let counts = |mark: f64| match kind {
            Some(kind) => !kind.is_cloud(mark),
            None => mark != 0.0 && !mark.is_nan() && !is_outside(mark, nodata),
        };
        for (i, line) in valid.chunks_exact_mut(columns).enumerate() {
            let marks = &buffer.data()[(of_row(row + i) - first) * wide..][..wide];
            for (column, ok) in line.iter_mut().enumerate() {
                *ok &= counts(marks[column * wide / columns]);
            }
        }
        Ok(())
    }
}

/// Whether a mark is a number below 0 that the mask declares as nodata, as tools write it around what they computed. 255 is
/// declared by some of them, too, and marks pixels that count.
fn is_outside(mark: f64, nodata: Option<f64>) -> bool {
    mark < 0.0 && nodata.is_some_and(|nodata| mark == nodata || mark as f32 == nodata as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_below_zero_are_nodata_of_a_mask() {
        for (mark, nodata, outside) in [
            (-9999.0, Some(-9999.0), true),
            (f64::from(f32::MIN), Some(-3.402_823_466e38), true),
            (255.0, Some(255.0), false),
            (-1.0, Some(-9999.0), false),
            (-9999.0, None, false),
        ] {
            assert_eq!(is_outside(mark, nodata), outside, "{mark} {nodata:?}");
        }
    }
}
