//! Arrays of sixteen float32, without instructions of their own.

use super::{Gelu, Lanes, UNIT};

/// Sixteen float32 in an array.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Portable([f32; UNIT]);

impl Portable {
    #[inline(always)]
    fn with(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl Lanes for Portable {
    const WIDE: bool = false;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; UNIT])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller hands over sixteen readable values; arrays of f32 need no more alignment than f32.
        Self(unsafe { from.cast::<[f32; UNIT]>().read() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as in `load`, for writing.
        unsafe { to.cast::<[f32; UNIT]>().write(self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.with(other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.with(other, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.with(other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn fma(self, factor: Self, term: Self) -> Self {
        // Not `mul_add`: without FMA instructions that is a call into the C library for every lane.
        Self(std::array::from_fn(|i| self.0[i] * factor.0[i] + term.0[i]))
    }

    #[inline(always)]
    unsafe fn inverse_root(self) -> Self {
        Self(self.0.map(|v| 1.0 / v.sqrt()))
    }

    #[inline(always)]
    unsafe fn sums(of: &[Self; UNIT]) -> Self {
        Self(std::array::from_fn(|i| of[i].0.iter().sum()))
    }

    #[inline(always)]
    unsafe fn twice(self) -> [Self; 2] {
        [Self(std::array::from_fn(|i| self.0[i / 2])), Self(std::array::from_fn(|i| self.0[8 + i / 2]))]
    }

    #[inline(always)]
    unsafe fn double_gelu(self, gelu: &Gelu) -> Self {
        Self(self.0.map(|x| gelu.doubled(x)))
    }
}
