//! Restoring an image that lies in memory.

use ndarray::{Array3, ArrayView3, s};

use super::{Restorer, Sink, Source};
use crate::{Error, Image, Progress, Shape, Window};

/// Reads the windows of an image in memory.
#[derive(Clone, Copy, Debug)]
pub struct ImageSource<'a>(pub &'a Image);

impl Source for ImageSource<'_> {
    type Error = Error;

    fn shape(&self) -> Shape {
        self.0.shape()
    }

    fn read(&mut self, w: Window) -> Result<Image, Error> {
        let (rows, columns) = (w.row..w.row + w.rows, w.column..w.column + w.columns);
        Ok(Image {
            data: self.0.data.slice(s![.., rows.clone(), columns.clone()]).to_owned(),
            valid: self.0.valid.as_ref().map(|valid| valid.slice(s![rows, columns]).to_owned()),
        })
    }
}

struct Sum(Array3<f32>);

impl Sink for Sum {
    type Error = Error;

    fn write(&mut self, first: usize, residual: ArrayView3<'_, f32>) -> Result<(), Error> {
        let mut rows = self.0.slice_mut(s![.., first..first + residual.dim().1, ..]);
        rows += &residual;
        Ok(())
    }
}

impl Restorer {
    /// Restores an image in memory: input plus residual, neither clamped nor rounded, `[channel, row, column]`.
    pub fn restore(&self, image: &Image, progress: &dyn Progress) -> Result<Array3<f32>, Error> {
        let mut out = Sum(image.data.clone());
        self.run(&mut ImageSource(image), &mut out, progress)?;
        Ok(out.0)
    }
}
