//! The weights as the model file has them, handed out one after the other and checked on the way.

use crate::Error;

/// One weight: its name in the model, its shape and its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Name in the model file, used in errors.
    pub name: String,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Values, row-major.
    pub values: Vec<f32>,
}

/// A weight of two dimensions: `[output][input]`, whatever taps an input has.
pub(super) struct Matrix {
    values: Vec<f32>,
    columns: usize,
}

impl Matrix {
    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }
}

/// Hands out the weights in the order of the operator's inputs.
pub(super) struct Reader {
    tensors: std::vec::IntoIter<Tensor>,
}

impl Reader {
    pub(super) fn new(tensors: Vec<Tensor>) -> Self {
        Self { tensors: tensors.into_iter() }
    }

    /// The next weight, of this shape.
    pub(super) fn next(&mut self, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let tensor = self.tensors.next().ok_or(Error::WeightCount { more: false })?;
        let Tensor { name, shape: found, values } = tensor;
        if found != shape || values.len() != shape.iter().product::<usize>() {
            return Err(Error::WeightShape { name, found, wanted: shape.to_vec() });
        }
        if values.iter().any(|v| !v.is_finite()) {
            return Err(Error::WeightValue { name });
        }
        Ok(values)
    }

    /// The next weight as a matrix.
    pub(super) fn matrix(&mut self, shape: &[usize]) -> Result<Matrix, Error> {
        let columns = shape[1..].iter().product();
        Ok(Matrix { values: self.next(shape)?, columns })
    }

    /// Nothing may be left.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        self.tensors.next().map_or(Ok(()), |_| Err(Error::WeightCount { more: true }))
    }
}
