//! Lanes of float32 for the direct loop: AVX-512, AVX2 with FMA, and arrays that any compiler vectorises.

/// A register's worth of float32.
///
/// # Safety
/// The implementations on machine registers may be used only where their instructions exist, which is why every
/// method is unsafe: the caller must be a function that has the matching `target_feature`.
pub(super) trait Vector: Copy {
    /// Values in one register.
    const LANES: usize;

    /// The same value in every lane.
    unsafe fn splat(value: f32) -> Self;
    /// Reads `LANES` values; `from` must have as many.
    unsafe fn load(from: *const f32) -> Self;
    /// Writes `LANES` values; `to` must have room for as many.
    unsafe fn store(self, to: *mut f32);
    /// `self * factor + term`.
    unsafe fn multiply_add(self, factor: Self, term: Self) -> Self;
}

/// Lanes without explicit instructions: the compiler generates SSE2 or NEON.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; 8]);

impl Vector for Portable {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 8])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller hands over `LANES` readable values; arrays of f32 need no more alignment than f32.
        Self(unsafe { from.cast::<[f32; 8]>().read() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as in `load`, for writing.
        unsafe { to.cast::<[f32; 8]>().write(self.0) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, term: Self) -> Self {
        // Not `mul_add`: without FMA instructions that is a call into the C library for every lane.
        Self(std::array::from_fn(|lane| self.0[lane] * factor.0[lane] + term.0[lane]))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Vector;

    impl Vector for __m256 {
        const LANES: usize = 8;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: the caller runs on AVX.
            unsafe { _mm256_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the caller runs on AVX and hands over `LANES` readable values.
            unsafe { _mm256_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: the caller runs on AVX and hands over room for `LANES` values.
            unsafe { _mm256_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn multiply_add(self, factor: Self, term: Self) -> Self {
            // SAFETY: the caller runs on FMA.
            unsafe { _mm256_fmadd_ps(self, factor, term) }
        }
    }

    impl Vector for __m512 {
        const LANES: usize = 16;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: the caller runs on AVX-512F.
            unsafe { _mm512_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the caller runs on AVX-512F and hands over `LANES` readable values.
            unsafe { _mm512_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: the caller runs on AVX-512F and hands over room for `LANES` values.
            unsafe { _mm512_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn multiply_add(self, factor: Self, term: Self) -> Self {
            // SAFETY: the caller runs on AVX-512F.
            unsafe { _mm512_fmadd_ps(self, factor, term) }
        }
    }
}
