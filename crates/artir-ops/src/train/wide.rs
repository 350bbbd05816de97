//! Operations of sixteen lanes that only training needs.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use crate::network::gelu::Gelu;
#[cfg(target_arch = "aarch64")]
use crate::network::lanes::Neon;
#[cfg(target_arch = "x86_64")]
use crate::network::lanes::{Avx2, Avx512};
use crate::network::lanes::{Lanes, Portable, UNIT};

/// The tables of GELU and of its derivative.
pub(super) struct Tables {
    value: Gelu,
    slope: Gelu,
}

impl Tables {
    pub(super) fn new() -> Self {
        Self { value: Gelu::new(), slope: Gelu::slope() }
    }
}

/// # Safety
/// As for [`Lanes`].
pub(super) trait Wide: Lanes {
    /// Neighbouring pixels in one word of operands of sums over pixels.
    const GROUP: usize = 1;

    /// Writes two neighbouring pixels as operands of sums over pixels. The second goes `next` words farther, unless both
    /// are one group.
    #[inline(always)]
    unsafe fn store_group(first: Self, second: Self, to: *mut f32, next: usize) {
        // SAFETY: passed on to the caller.
        unsafe {
            first.store(to);
            second.store(to.add(next));
        }
    }

    /// GELU in its exact form.
    #[inline(always)]
    unsafe fn gelu(self, tables: &Tables) -> Self {
        // SAFETY: passed on to the caller.
        unsafe { self.double_gelu(&tables.value).mul(Self::splat(0.5)) }
    }

    /// GELU, and its derivative.
    #[inline(always)]
    unsafe fn gelu_and_slope(self, tables: &Tables) -> (Self, Self) {
        let mut lanes = [0.0f32; UNIT];
        let mut slopes = [0.0f32; UNIT];
        // SAFETY: the arrays have sixteen values; the rest is passed on to the caller.
        unsafe {
            self.store(lanes.as_mut_ptr());
            for (value, slope) in lanes.iter_mut().zip(&mut slopes) {
                let x = *value;
                *slope = 0.5 + 0.5 * tables.slope.at(x.abs()).copysign(x);
                *value = 0.5 * tables.value.doubled(x);
            }
            (Self::load(lanes.as_ptr()), Self::load(slopes.as_ptr()))
        }
    }

    /// Swaps rows and columns of 16 x 16 words, from rows `from_step` apart to rows `to_step` apart.
    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
        for row in 0..UNIT {
            for column in 0..UNIT {
                // SAFETY: passed on to the caller.
                unsafe { *to.add(column * to_step + row) = *from.add(row * from_step + column) };
            }
        }
    }
}

impl Wide for Portable {}

#[cfg(target_arch = "aarch64")]
impl Wide for Neon {}

// SAFETY of every block below: as for the instructions' own `Lanes`.
#[cfg(target_arch = "x86_64")]
#[allow(clippy::undocumented_unsafe_blocks, reason = "the comment above holds for all of them")]
impl Wide for Avx2 {
    #[inline(always)]
    unsafe fn gelu(self, tables: &Tables) -> Self {
        unsafe { self.gelu_and_slope(tables).0 }
    }

    #[inline(always)]
    unsafe fn gelu_and_slope(self, _: &Tables) -> (Self, Self) {
        unsafe {
            let [(low, low_slope), (high, high_slope)] = [eight(self.0[0]), eight(self.0[1])];
            (Self([low, high]), Self([low_slope, high_slope]))
        }
    }
}

/// Horner's rule, highest power first. No closure: the compiler does not always inline one, and then every intrinsic in it
/// becomes a call.
///
/// # Safety
/// AVX2 and FMA exist.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn polynomial<const N: usize>(of: [f32; N], x: __m256) -> __m256 {
    // SAFETY: passed on to the caller.
    unsafe {
        let mut value = _mm256_set1_ps(of[0]);
        for c in &of[1..] {
            value = _mm256_fmadd_ps(value, x, _mm256_set1_ps(*c));
        }
        value
    }
}

/// GELU and its derivative: the normal distribution by a polynomial for the exponential and Abramowitz and Stegun's 7.1.26
/// for erf. A table would have to be gathered from memory.
///
/// # Safety
/// AVX2 and FMA exist.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn eight(x: __m256) -> (__m256, __m256) {
    // SAFETY: passed on to the caller.
    unsafe {
        let (one, half) = (_mm256_set1_ps(1.0), _mm256_set1_ps(0.5));
        // exp(-x^2 / 2), of at least exp(-87).
        let square = _mm256_mul_ps(_mm256_mul_ps(x, x), _mm256_set1_ps(-0.5));
        let power = _mm256_max_ps(square, _mm256_set1_ps(-87.0));
        let twos = _mm256_mul_ps(power, _mm256_set1_ps(std::f32::consts::LOG2_E));
        let whole = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(twos);
        let rest = _mm256_fnmadd_ps(whole, _mm256_set1_ps(0.693_359_4), power);
        let rest = _mm256_fmadd_ps(whole, _mm256_set1_ps(2.121_944_4e-4), rest);
        let p = polynomial([1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5], rest);
        let p = _mm256_add_ps(_mm256_fmadd_ps(_mm256_mul_ps(p, rest), rest, rest), one);
        let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127));
        let bell = _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)));

        let sign = _mm256_and_ps(x, _mm256_set1_ps(-0.0));
        let z = _mm256_mul_ps(_mm256_xor_ps(sign, x), _mm256_set1_ps(std::f32::consts::FRAC_1_SQRT_2));
        let t = _mm256_div_ps(one, _mm256_fmadd_ps(z, _mm256_set1_ps(0.327_591_1), one));
        let p = polynomial([1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_73, 0.254_829_6], t);
        let tail = _mm256_mul_ps(_mm256_mul_ps(p, t), bell);
        let erf = _mm256_or_ps(_mm256_sub_ps(one, tail), sign);
        let share = _mm256_fmadd_ps(erf, half, half);
        // 1 / sqrt(2 pi).
        let slope = _mm256_fmadd_ps(_mm256_mul_ps(x, bell), _mm256_set1_ps(0.398_942_3), share);
        (_mm256_mul_ps(x, share), slope)
    }
}

/// A table's cubic polynomials, for sixteen distances from sixteen nodes. No closure, as above.
///
/// # Safety
/// AVX-512F exists.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn cubic(table: &[[f32; 32]; 4], index: __m512i, rest: __m512) -> __m512 {
    // SAFETY: passed on to the caller; each row of the table is two registers, on a cache line.
    unsafe {
        let mut value = _mm512_setzero_ps();
        for row in table.iter().rev() {
            let (low, high) = (_mm512_load_ps(row.as_ptr()), _mm512_load_ps(row.as_ptr().add(UNIT)));
            value = _mm512_fmadd_ps(value, rest, _mm512_permutex2var_ps(low, index, high));
        }
        value
    }
}

// SAFETY of every block below: as for the instructions' own `Lanes`.
#[cfg(target_arch = "x86_64")]
#[allow(clippy::undocumented_unsafe_blocks, reason = "the comment above holds for all of them")]
impl<const PAIRS: bool> Wide for Avx512<PAIRS> {
    const GROUP: usize = if PAIRS { 2 } else { 1 };

    #[inline(always)]
    unsafe fn store_group(first: Self, second: Self, to: *mut f32, next: usize) {
        unsafe {
            if PAIRS {
                let both = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second.0, first.0));
                // Word i holds value i of the first pixel, and of the second one in its upper half.
                let low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(both));
                let high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(both));
                let words = _mm512_or_si512(low, _mm512_slli_epi32::<16>(high));
                _mm512_storeu_si512(to.cast(), words);
            } else {
                first.store(to);
                second.store(to.add(next));
            }
        }
    }

    #[inline(always)]
    unsafe fn gelu_and_slope(self, tables: &Tables) -> (Self, Self) {
        unsafe {
            let size = _mm512_abs_ps(self.0);
            let t = _mm512_min_ps(size, _mm512_set1_ps(Gelu::LARGEST));
            let magic = _mm512_set1_ps(Gelu::ROUND);
            let rounded = _mm512_fmadd_ps(t, _mm512_set1_ps(Gelu::SCALE), magic);
            let index = _mm512_castps_si512(rounded);
            let rest = _mm512_fmsub_ps(t, _mm512_set1_ps(Gelu::SCALE), _mm512_sub_ps(rounded, magic));
            let half = _mm512_set1_ps(0.5);
            let value = _mm512_mul_ps(_mm512_fmadd_ps(size, cubic(tables.value.table(), index, rest), self.0), half);
            let sign = _mm512_and_si512(_mm512_castps_si512(self.0), _mm512_set1_epi32(i32::MIN));
            let signed = _mm512_or_si512(_mm512_castps_si512(cubic(tables.slope.table(), index, rest)), sign);
            (Self(value), Self(_mm512_fmadd_ps(_mm512_castsi512_ps(signed), half, half)))
        }
    }

    /// Words of neighbouring rows are interleaved, then pairs of words, then quarters of registers.
    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
        unsafe {
            let mut rows = [_mm512_setzero_si512(); UNIT];
            for (i, row) in rows.iter_mut().enumerate() {
                *row = _mm512_loadu_si512(from.add(i * from_step).cast());
            }
            let mut pairs = rows;
            for i in 0..UNIT / 2 {
                pairs[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
                pairs[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
            }
            // quads[4 g + c], quarter q: rows 4 g to 4 g + 3 of column 4 q + c.
            let mut quads = pairs;
            for g in 0..4 {
                for half in 0..2 {
                    let (a, b) = (pairs[4 * g + half], pairs[4 * g + 2 + half]);
                    quads[4 * g + 2 * half] = _mm512_unpacklo_epi64(a, b);
                    quads[4 * g + 2 * half + 1] = _mm512_unpackhi_epi64(a, b);
                }
            }
            for c in 0..4 {
                let of = |g: usize| quads[4 * g + c];
                let low = _mm512_shuffle_i32x4::<0x44>(of(0), of(1));
                let high = _mm512_shuffle_i32x4::<0x44>(of(2), of(3));
                let low2 = _mm512_shuffle_i32x4::<0xee>(of(0), of(1));
                let high2 = _mm512_shuffle_i32x4::<0xee>(of(2), of(3));
                let columns = [
                    _mm512_shuffle_i32x4::<0x88>(low, high),
                    _mm512_shuffle_i32x4::<0xdd>(low, high),
                    _mm512_shuffle_i32x4::<0x88>(low2, high2),
                    _mm512_shuffle_i32x4::<0xdd>(low2, high2),
                ];
                for (q, column) in columns.into_iter().enumerate() {
                    _mm512_storeu_si512(to.add((4 * q + c) * to_step).cast(), column);
                }
            }
        }
    }
}
