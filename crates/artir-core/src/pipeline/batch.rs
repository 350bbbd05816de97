//! Batches: several images in one run of the network, because one slice alone does not fill a GPU.

use ndarray::{Array3, Array4, Axis, concatenate, s};

use super::{MemoryUse, Restorer, prepared::Tile};
use crate::{Error, Image, Progress, Shape, error::SettingError};

impl Restorer {
    /// The number of images of this extent in one run of the network. It exceeds 1 only on a GPU, and only for images
    /// that are restored without tiles.
    ///
    /// # Errors
    /// As [`Restorer::plan`].
    pub(super) fn batch_size(&self, shape: Shape, held: MemoryUse) -> Result<usize, Error> {
        let plan = self.plan(shape, held)?;
        Ok(if plan.len() == 1 { self.session.batch(&plan) } else { 1 })
    }

    /// The residuals (restored minus input, physical unit, times the strength), `[channel, row, column]`, of images of
    /// one extent that are restored without tiles, as [`Restorer::run`] would pass them to a sink.
    ///
    /// # Errors
    /// [`Error::Channels`] and [`Error::WindowSize`] for images that do not fit the model or differ in extent,
    /// [`Error::Setting`] if images of this extent need tiles, [`Error::Interrupted`], and what the network
    /// reports.
    pub(super) fn residuals(&self, images: Vec<Image>, progress: &dyn Progress) -> Result<Vec<Array3<f32>>, Error> {
        let Some(expected) = images.first().map(|image| image.data.dim()) else { return Ok(Vec::new()) };
        let shape = images[0].shape();
        self.check_channels(shape)?;
        let plan = self.plan(shape, MemoryUse::default())?;
        let ([rows], [columns]) = (&plan.rows[..], &plan.columns[..]) else {
            return Err(SettingError::NeedsTiles.into());
        };
        if progress.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let (range, strength, count) = (self.card().range(), self.strength(), images.len());
        let mut tiles = Vec::with_capacity(count);
        for image in images {
            let found = image.data.dim();
            if found != expected {
                return Err(Error::WindowSize { expected, found });
            }
            tiles.push(Tile::prepare(image, range));
        }
        let inputs: Vec<_> =
            tiles.iter().filter(|t| t.any_valid).map(|t| t.padded(rows.padded, columns.padded)).collect();
        let output = if inputs.is_empty() {
            Array4::zeros((0, 0, 0, 0))
        } else {
            let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
            let together = concatenate(Axis(0), &views).map_err(Error::from)?;
            self.infer(together.view(), progress)?
        };
        let mut outputs = output.outer_iter();
        let mut residuals = Vec::with_capacity(count);
        for tile in &tiles {
            let mut residual = Array3::zeros(expected);
            if let Some(output) = tile.any_valid.then(|| outputs.next()).flatten() {
                let mut put = |channel, row, line: &[f32]| {
                    residual.slice_mut(s![channel, row, ..]).iter_mut().zip(line).for_each(|(to, from)| *to = *from);
                };
                tile.residual(output, range, strength, &mut put)?;
            }
            residuals.push(residual);
            progress.advance((shape.rows * shape.columns) as u64);
        }
        Ok(residuals)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::{Device, NoProgress, Settings, zoo};

    #[test]
    fn images_together_give_what_each_gives_alone() {
        let settings = Settings { device: Device::Cpu, threads: 1, ..Settings::default() };
        let restorer = Restorer::new(zoo::open("ct-ldct-t").unwrap(), settings).unwrap();
        let image = |seed: usize| {
            Image::new(Array3::from_shape_fn((1, 21, 30), |(_, y, x)| ((y * seed + x * 7) % 40) as f32 * 20.0 - 300.0))
        };
        let mut images = vec![image(3), image(5), image(11)];
        // One image with invalid pixels, one with invalid pixels only.
        images[1].valid = Some(Array2::from_shape_fn((21, 30), |(y, x)| y < 10 || x > 4));
        images[2].valid = Some(Array2::from_elem((21, 30), false));
        let together = restorer.residuals(images.clone(), &NoProgress).unwrap();
        for (image, residual) in images.iter().zip(&together) {
            let alone = restorer.restore(image, &NoProgress).unwrap() - &image.data;
            let worst = (&alone - residual).fold(0.0f32, |m, v| m.max(v.abs()));
            assert!(worst < 1e-3, "{worst}");
        }
        assert!(together[0].iter().any(|v| v.abs() > 0.1));
        assert!(together[1].slice(s![.., 10.., ..5]).iter().all(|v| *v == 0.0));
        assert!(together[2].iter().all(|v| *v == 0.0));
        assert!(restorer.residuals(Vec::new(), &NoProgress).unwrap().is_empty());
        let odd = vec![image(3), Image::new(Array3::zeros((1, 21, 31)))];
        assert!(matches!(restorer.residuals(odd, &NoProgress), Err(Error::WindowSize { .. })));
        let shape = Shape { channels: 1, rows: 21, columns: 30 };
        assert_eq!(restorer.batch_size(shape, MemoryUse::default()).unwrap(), 1, "one at a time on the CPU");
    }
}
