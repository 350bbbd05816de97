//! The checked weights of one operator.

use crate::Error;

/// Largest kernel side that the operator accepts, in taps.
pub(crate) const MAX_KERNEL_SIZE: usize = 127;

/// Weights `w` and optional weights `b`, each `[K, K]` row-major, all finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Taps {
    size: usize,
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
}

impl Taps {
    /// Checks and keeps the taps.
    ///
    /// # Errors
    /// [`Error::KernelSize`] unless `kernel_size` is odd and in 1..=127, [`Error::TapShape`] unless `weight` (and
    /// `bias`) hold `kernel_size` squared values, [`Error::TapValue`] when one of them is not finite.
    pub fn new(kernel_size: i64, weight: Vec<f32>, bias: Option<Vec<f32>>) -> Result<Self, Error> {
        let size = kernel_size_from(kernel_size)?;
        check("w", size, &weight)?;
        if let Some(bias) = &bias {
            check("b", size, bias)?;
        }
        Ok(Self { size, weight, bias })
    }

    /// Side of the kernel, K, in taps.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Taps on each side of the centre, `K / 2`.
    pub fn radius(&self) -> usize {
        self.size / 2
    }

    /// The taps that `X[p]` scales, `[K, K]` row-major.
    pub fn weight(&self) -> &[f32] {
        &self.weight
    }

    /// The taps that are the same at every pixel, `[K, K]` row-major; `None` means zeros.
    pub fn bias(&self) -> Option<&[f32]> {
        self.bias.as_deref()
    }

    /// Sum of the taps' magnitudes: no correlation with them exceeds this times the largest input.
    pub(crate) fn gain(&self) -> f64 {
        let sum = |taps: &[f32]| taps.iter().map(|&tap| f64::from(tap.abs())).sum::<f64>();
        sum(&self.weight) + self.bias().map_or(0.0, sum)
    }
}

/// The attribute `kernel_size` as a side length.
pub(crate) fn kernel_size_from(value: i64) -> Result<usize, Error> {
    match usize::try_from(value) {
        Ok(size) if size % 2 == 1 && size <= MAX_KERNEL_SIZE => Ok(size),
        _ => Err(Error::KernelSize(value)),
    }
}

fn check(input: &'static str, size: usize, taps: &[f32]) -> Result<(), Error> {
    if taps.len() != size * size {
        let shape = vec![i64::try_from(taps.len()).unwrap_or(i64::MAX)];
        return Err(Error::TapShape { input, shape, kernel_size: size });
    }
    if taps.iter().any(|tap| !tap.is_finite()) {
        return Err(Error::TapValue { input });
    }
    Ok(())
}
