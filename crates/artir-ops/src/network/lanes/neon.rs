//! Four NEON registers.

use std::arch::aarch64::*;

use super::{Gelu, Lanes, UNIT};
use crate::network::gelu::rational;

/// Sixteen float32 in four registers.
#[derive(Clone, Copy)]
pub(crate) struct Neon([float32x4_t; 4]);

// SAFETY of every block below: NEON is part of every 64-bit Arm target, and pointers lead to sixteen values.
#[allow(clippy::undocumented_unsafe_blocks, reason = "the comment above holds for all of them")]
impl Lanes for Neon {
    const WIDE: bool = false;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self(unsafe { [vdupq_n_f32(value); 4] })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { [vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12))] })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        for (i, v) in self.0.into_iter().enumerate() {
            unsafe { vst1q_f32(to.add(4 * i), v) };
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| unsafe { vaddq_f32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| unsafe { vsubq_f32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| unsafe { vmulq_f32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    unsafe fn fma(self, factor: Self, term: Self) -> Self {
        Self(std::array::from_fn(|i| unsafe { vfmaq_f32(term.0[i], self.0[i], factor.0[i]) }))
    }

    #[inline(always)]
    unsafe fn inverse_root(self) -> Self {
        Self(self.0.map(|v| unsafe { vdivq_f32(vdupq_n_f32(1.0), vsqrtq_f32(v)) }))
    }

    #[inline(always)]
    unsafe fn sums(of: &[Self; UNIT]) -> Self {
        unsafe {
            let four = |i: usize| {
                let v = of[i].0;
                vaddq_f32(vaddq_f32(v[0], v[1]), vaddq_f32(v[2], v[3]))
            };
            Self(std::array::from_fn(|i| {
                let low = vpaddq_f32(four(4 * i), four(4 * i + 1));
                vpaddq_f32(low, vpaddq_f32(four(4 * i + 2), four(4 * i + 3)))
            }))
        }
    }

    #[inline(always)]
    unsafe fn twice(self) -> [Self; 2] {
        let [a, b, c, d] = self.0;
        let double = |a, b| unsafe { Self([vzip1q_f32(a, a), vzip2q_f32(a, a), vzip1q_f32(b, b), vzip2q_f32(b, b)]) };
        [double(a, b), double(c, d)]
    }

    #[inline(always)]
    unsafe fn double_gelu(self, _: &Gelu) -> Self {
        Self(self.0.map(|x| unsafe {
            let limit = vdupq_n_f32(rational::LARGEST);
            let z = vmulq_n_f32(x, std::f32::consts::FRAC_1_SQRT_2);
            let z = vmaxq_f32(vnegq_f32(limit), vminq_f32(limit, z));
            let square = vmulq_f32(z, z);
            let polynomial = |of: &[f32]| {
                let mut value = vdupq_n_f32(of[0]);
                for &c in &of[1..] {
                    value = vfmaq_f32(vdupq_n_f32(c), value, square);
                }
                value
            };
            let above = vmulq_f32(z, polynomial(&rational::ABOVE));
            let erf = vdivq_f32(above, polynomial(&rational::BELOW));
            vfmaq_f32(x, x, erf)
        }))
    }
}
