//! Two AVX registers.

use std::arch::x86_64::*;

use super::{Gelu, Lanes, UNIT};
use crate::network::gelu::rational;

/// Sixteen float32 in two registers.
///
/// No closures below: they do not have the caller's instructions, so that every intrinsic in them would be a call.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(pub(crate) [__m256; 2]);

// SAFETY of every block below: the caller runs on AVX2 and FMA, and pointers lead to sixteen values.
#[allow(clippy::undocumented_unsafe_blocks, reason = "the comment above holds for all of them")]
impl Lanes for Avx2 {
    const WIDE: bool = false;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self(unsafe { [_mm256_set1_ps(value); 2] })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe {
            _mm256_storeu_ps(to, self.0[0]);
            _mm256_storeu_ps(to.add(8), self.0[1]);
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { [_mm256_add_ps(self.0[0], other.0[0]), _mm256_add_ps(self.0[1], other.0[1])] })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(unsafe { [_mm256_sub_ps(self.0[0], other.0[0]), _mm256_sub_ps(self.0[1], other.0[1])] })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(unsafe { [_mm256_mul_ps(self.0[0], other.0[0]), _mm256_mul_ps(self.0[1], other.0[1])] })
    }

    #[inline(always)]
    unsafe fn fma(self, factor: Self, term: Self) -> Self {
        Self(unsafe {
            [_mm256_fmadd_ps(self.0[0], factor.0[0], term.0[0]), _mm256_fmadd_ps(self.0[1], factor.0[1], term.0[1])]
        })
    }

    #[inline(always)]
    unsafe fn inverse_root(self) -> Self {
        unsafe {
            let one = _mm256_set1_ps(1.0);
            let [low, high] = self.0;
            Self([_mm256_div_ps(one, _mm256_sqrt_ps(low)), _mm256_div_ps(one, _mm256_sqrt_ps(high))])
        }
    }

    #[inline(always)]
    unsafe fn sums(of: &[Self; UNIT]) -> Self {
        unsafe {
            let mut sums = [_mm256_setzero_ps(); 2];
            for (n, sum) in sums.iter_mut().enumerate() {
                let mut pairs = [_mm256_setzero_ps(); 4];
                for (i, pair) in pairs.iter_mut().enumerate() {
                    let [a, b] = [of[8 * n + 2 * i].0, of[8 * n + 2 * i + 1].0];
                    *pair = _mm256_hadd_ps(_mm256_add_ps(a[0], a[1]), _mm256_add_ps(b[0], b[1]));
                }
                let low = _mm256_hadd_ps(pairs[0], pairs[1]);
                let high = _mm256_hadd_ps(pairs[2], pairs[3]);
                let crossed = _mm256_permute2f128_ps::<0x31>(low, high);
                *sum = _mm256_add_ps(_mm256_permute2f128_ps::<0x20>(low, high), crossed);
            }
            Self(sums)
        }
    }

    #[inline(always)]
    unsafe fn twice(self) -> [Self; 2] {
        unsafe {
            let mut doubled = [self; 2];
            for (to, v) in doubled.iter_mut().zip(self.0) {
                let (low, high) = (_mm256_unpacklo_ps(v, v), _mm256_unpackhi_ps(v, v));
                *to = Self([_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high)]);
            }
            doubled
        }
    }

    #[inline(always)]
    unsafe fn double_gelu(self, _: &Gelu) -> Self {
        unsafe {
            let limit = _mm256_set1_ps(rational::LARGEST);
            let negative = _mm256_set1_ps(-rational::LARGEST);
            let root = _mm256_set1_ps(std::f32::consts::FRAC_1_SQRT_2);
            let mut values = self.0;
            for x in &mut values {
                // The bound comes first: `min` and `max` return the second operand for NaN, so NaN is preserved.
                let z = _mm256_max_ps(negative, _mm256_min_ps(limit, _mm256_mul_ps(*x, root)));
                let square = _mm256_mul_ps(z, z);
                let mut quotient = [_mm256_setzero_ps(); 2];
                for (value, of) in quotient.iter_mut().zip([&rational::ABOVE[..], &rational::BELOW[..]]) {
                    for &c in of {
                        *value = _mm256_fmadd_ps(*value, square, _mm256_set1_ps(c));
                    }
                }
                let erf = _mm256_div_ps(_mm256_mul_ps(z, quotient[0]), quotient[1]);
                *x = _mm256_fmadd_ps(*x, erf, *x);
            }
            Self(values)
        }
    }
}
