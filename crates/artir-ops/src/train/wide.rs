//! What training needs of sixteen lanes beyond what a restoration needs.

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
    /// The normal distribution by a polynomial for the exponential and Abramowitz and Stegun's 7.1.26 for erf: a table
    /// would have to be gathered from memory.
    #[inline(always)]
    unsafe fn gelu_and_slope(self, _: &Tables) -> (Self, Self) {
        unsafe {
            let set = |value: f32| _mm256_set1_ps(value);
            let polynomial =
                |of: &[f32], x: __m256| of[1..].iter().fold(set(of[0]), |value, c| _mm256_fmadd_ps(value, x, set(*c)));
            let (mut values, mut slopes) = (self.0, self.0);
            for (value, slope) in values.iter_mut().zip(&mut slopes) {
                let x = *value;
                // exp(-x^2 / 2), 0 beyond exp(-87).
                let power = _mm256_max_ps(_mm256_mul_ps(_mm256_mul_ps(x, x), set(-0.5)), set(-87.0));
                let whole = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(_mm256_mul_ps(
                    power,
                    set(std::f32::consts::LOG2_E),
                ));
                let rest = _mm256_fnmadd_ps(whole, set(0.693_359_4), power);
                let rest = _mm256_fmadd_ps(whole, set(2.121_944_4e-4), rest);
                let p =
                    polynomial(&[1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5], rest);
                let p = _mm256_add_ps(_mm256_fmadd_ps(_mm256_mul_ps(p, rest), rest, rest), set(1.0));
                let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127));
                let bell = _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)));

                let sign = _mm256_and_ps(x, set(-0.0));
                let z = _mm256_mul_ps(_mm256_andnot_ps(set(-0.0), x), set(std::f32::consts::FRAC_1_SQRT_2));
                let t = _mm256_div_ps(set(1.0), _mm256_fmadd_ps(z, set(0.327_591_1), set(1.0)));
                let p = polynomial(&[1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_73, 0.254_829_6], t);
                let tail = _mm256_mul_ps(_mm256_mul_ps(p, t), bell);
                let erf = _mm256_or_ps(_mm256_sub_ps(set(1.0), tail), sign);
                let share = _mm256_fmadd_ps(erf, set(0.5), set(0.5));
                // 1 / sqrt(2 pi).
                *slope = _mm256_fmadd_ps(_mm256_mul_ps(x, bell), set(0.398_942_3), share);
                *value = _mm256_mul_ps(x, share);
            }
            (Self(values), Self(slopes))
        }
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
            let pick = |of: &[f32; 32]| {
                let (low, high) = (_mm512_load_ps(of.as_ptr()), _mm512_load_ps(of.as_ptr().add(UNIT)));
                _mm512_permutex2var_ps(low, index, high)
            };
            let at = |table: &[[f32; 32]; 4]| {
                let mut value = _mm512_fmadd_ps(pick(&table[3]), rest, pick(&table[2]));
                value = _mm512_fmadd_ps(value, rest, pick(&table[1]));
                _mm512_fmadd_ps(value, rest, pick(&table[0]))
            };
            let half = _mm512_set1_ps(0.5);
            let value = _mm512_mul_ps(_mm512_fmadd_ps(size, at(tables.value.table()), self.0), half);
            let sign = _mm512_and_si512(_mm512_castps_si512(self.0), _mm512_set1_epi32(i32::MIN));
            let signed = _mm512_or_si512(_mm512_castps_si512(at(tables.slope.table())), sign);
            (Self(value), Self(_mm512_fmadd_ps(_mm512_castsi512_ps(signed), half, half)))
        }
    }

    /// Words of neighbouring rows are interleaved, then pairs of words, then quarters of registers.
    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
        unsafe {
            let rows: [__m512i; UNIT] = std::array::from_fn(|i| _mm512_loadu_si512(from.add(i * from_step).cast()));
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
