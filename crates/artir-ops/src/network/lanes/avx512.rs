//! One AVX-512 register.

use std::arch::x86_64::*;

use super::{Gelu, Lanes, UNIT};

/// Sixteen float32 in a register. With `PAIRS`, operands of sums over channels are pairs of bfloat16; with `TILES` these are
/// multiplied by tiles.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Avx512<const PAIRS: bool, const TILES: bool = false>(pub(crate) __m512);

// SAFETY of every block below: the caller runs on AVX-512F, with `PAIRS` on AVX512-BF16 too, and pointers lead to sixteen
// values.
#[allow(clippy::undocumented_unsafe_blocks, reason = "the comment above holds for all of them")]
impl<const PAIRS: bool, const TILES: bool> Lanes for Avx512<PAIRS, TILES> {
    const WIDE: bool = true;
    const TILES: bool = TILES;
    const WORDS: usize = if PAIRS { UNIT / 2 } else { UNIT };

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn fma(self, factor: Self, term: Self) -> Self {
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, term.0) })
    }

    #[inline(always)]
    unsafe fn store_operands(self, to: *mut f32) {
        unsafe {
            if PAIRS {
                let halves: __m256bh = _mm512_cvtneps_pbh(self.0);
                to.cast::<__m256bh>().write_unaligned(halves);
            } else {
                self.store(to);
            }
        }
    }

    #[inline(always)]
    unsafe fn dot(self, weights: Self, sum: Self) -> Self {
        unsafe {
            if PAIRS {
                let pairs = |of: Self| std::mem::transmute::<__m512, __m512bh>(of.0);
                Self(_mm512_dpbf16_ps(sum.0, pairs(self), pairs(weights)))
            } else {
                self.fma(weights, sum)
            }
        }
    }

    #[inline(always)]
    unsafe fn inverse_root(self) -> Self {
        Self(unsafe { _mm512_div_ps(_mm512_set1_ps(1.0), _mm512_sqrt_ps(self.0)) })
    }

    /// A tree of interleavings and additions: thirty shuffles for all sixteen sums.
    #[inline(always)]
    unsafe fn sums(of: &[Self; UNIT]) -> Self {
        unsafe {
            let mut quads = [_mm512_setzero_ps(); 4];
            for (i, quad) in quads.iter_mut().enumerate() {
                let pair = |a: __m512, b: __m512| {
                    _mm512_castps_pd(_mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)))
                };
                let first = pair(of[4 * i].0, of[4 * i + 1].0);
                let second = pair(of[4 * i + 2].0, of[4 * i + 3].0);
                let low = _mm512_castpd_ps(_mm512_unpacklo_pd(first, second));
                let high = _mm512_castpd_ps(_mm512_unpackhi_pd(first, second));
                *quad = _mm512_add_ps(low, high);
            }
            let merge = |a, b| _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
            Self(merge(merge(quads[0], quads[1]), merge(quads[2], quads[3])))
        }
    }

    #[inline(always)]
    unsafe fn twice(self) -> [Self; 2] {
        unsafe {
            let low = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
            let high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
            [Self(_mm512_permutexvar_ps(low, self.0)), Self(_mm512_permutexvar_ps(high, self.0))]
        }
    }

    /// By the table: one permutation reads each coefficient from two registers, which leaves the
    /// multiply-add units to the convolutions.
    #[inline(always)]
    unsafe fn double_gelu(self, gelu: &Gelu) -> Self {
        unsafe {
            let size = _mm512_abs_ps(self.0);
            let t = _mm512_min_ps(size, _mm512_set1_ps(Gelu::LARGEST));
            let magic = _mm512_set1_ps(Gelu::ROUND);
            let rounded = _mm512_fmadd_ps(t, _mm512_set1_ps(Gelu::SCALE), magic);
            let index = _mm512_castps_si512(rounded);
            let rest = _mm512_fmsub_ps(t, _mm512_set1_ps(Gelu::SCALE), _mm512_sub_ps(rounded, magic));
            let pick = |of: &[f32; 32]| {
                let (low, high) = (_mm512_load_ps(of.as_ptr()), _mm512_load_ps(of.as_ptr().add(UNIT)));
                _mm512_permutex2var_ps(low, index, high)
            };
            let table = gelu.table();
            let mut erf = _mm512_fmadd_ps(pick(&table[3]), rest, pick(&table[2]));
            erf = _mm512_fmadd_ps(erf, rest, pick(&table[1]));
            erf = _mm512_fmadd_ps(erf, rest, pick(&table[0]));
            Self(_mm512_fmadd_ps(size, erf, self.0))
        }
    }
}
