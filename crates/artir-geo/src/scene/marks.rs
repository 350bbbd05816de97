//! Rasters that mark pixels of a scene as invalid: a mask of the user's, or the product's mask of clouds.

use gdal::{Dataset, raster::Buffer};

use crate::{
    error::Reason,
    ffi,
    open::{
        self,
        policy::Access,
        product::{CloudMask, MaskKind},
    },
};

/// A raster that marks pixels as invalid.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Marks {
    path: String,
    /// `None`: zero is invalid.
    kind: Option<MaskKind>,
}

/// An open raster of marks.
pub(crate) struct OpenMarks {
    dataset: Dataset,
    kind: Option<MaskKind>,
}

impl Marks {
    pub(super) fn zero_is_invalid(path: &str) -> Self {
        Self { path: path.to_owned(), kind: None }
    }

    pub(super) fn clouds(mask: CloudMask) -> Self {
        Self { path: mask.path.to_string_lossy().into_owned(), kind: Some(mask.kind) }
    }

    /// The file.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Checks that the raster covers a scene of this size pixel by pixel, or in pixels of another size.
    pub(super) fn check(&self, access: &Access, (columns, rows): (usize, usize)) -> Result<(), Reason> {
        let (wide, high) = self.open(access)?.dataset.raster_size();
        if wide == 0 || high == 0 || wide.saturating_mul(rows) != high.saturating_mul(columns) {
            let why = format!("the mask has {wide}x{high} pixels, which do not cover {columns}x{rows}");
            return Err(Reason::Unfit(why).of(self.path.clone()));
        }
        Ok(())
    }

    pub(super) fn open(&self, access: &Access) -> Result<OpenMarks, Reason> {
        let opened = open::open(&self.path, access).map_err(|why| why.of(self.path.clone()))?;
        Ok(OpenMarks { dataset: opened.dataset, kind: self.kind })
    }
}

impl OpenMarks {
    /// Clears `valid` where the raster marks pixels of the scene's rows from `row` on, all columns of them.
    pub(crate) fn read(&self, row: usize, scene: (usize, usize), valid: &mut [bool]) -> Result<(), Reason> {
        let (columns, all) = scene;
        let (wide, high) = self.dataset.raster_size();
        let rows = valid.len() / columns.max(1);
        let of_row = |r: usize| (r * high / all).min(high - 1);
        let (first, last) = (of_row(row), of_row(row + rows - 1));
        let size = (wide, last - first + 1);
        let band = self.dataset.rasterband(1)?;
        let buffer: Buffer<f64> = ffi::checked(|| band.read_as((0, first as isize), size, size, None))?;
        for (i, line) in valid.chunks_exact_mut(columns).enumerate() {
            let marks = &buffer.data()[(of_row(row + i) - first) * wide..][..wide];
            for (column, ok) in line.iter_mut().enumerate() {
                let mark = marks[column * wide / columns];
                *ok &= self.kind.map_or(mark != 0.0, |kind| !kind.is_cloud(mark));
            }
        }
        Ok(())
    }
}
