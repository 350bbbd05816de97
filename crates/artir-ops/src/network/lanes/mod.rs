//! Sixteen float32 at a time, whatever the processor's registers hold.
//!
//! Every width in the network is a multiple of sixteen, so all loops are written once for this unit. AVX-512 has it
//! in one register, AVX2 in two, NEON in four; anything else gets an array that the compiler vectorises.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(super) use neon::Neon;
pub(super) use portable::Portable;

use super::gelu::Gelu;

/// Channels in one unit.
pub(super) const UNIT: usize = 16;

/// Sixteen float32.
///
/// # Safety
/// An implementation on machine registers may be used only where their instructions exist, which is why its methods
/// are unsafe: the caller stands in a function that has the matching `target_feature`, and all between are
/// `inline(always)`.
pub(super) trait Lanes: Copy {
    /// Whether 32 registers hold sixteen values each: decides how many sums are in flight.
    const WIDE: bool;

    unsafe fn splat(value: f32) -> Self;
    /// Reads sixteen values.
    unsafe fn load(from: *const f32) -> Self;
    /// Writes sixteen values.
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// `self * factor + term`.
    unsafe fn fma(self, factor: Self, term: Self) -> Self;
    /// `1 / sqrt(self)`, correctly rounded twice: no estimate.
    unsafe fn inverse_root(self) -> Self;
    /// Lane i is the sum of `of[i]`'s lanes.
    unsafe fn sums(of: &[Self; UNIT]) -> Self;
    /// The lower eight lanes, each twice, and the upper eight.
    unsafe fn twice(self) -> [Self; 2];
    /// `2 GELU(self)`, the exact form `x (1 + erf(x / sqrt 2))`.
    unsafe fn double_gelu(self, gelu: &Gelu) -> Self;
}

/// The instructions that a network's loops are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Instructions {
    /// What the compiler makes of plain arrays.
    Portable,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512F.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// Advanced SIMD of 64-bit Arm.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Instructions {
    /// What this processor has, best first; the portable loops always are.
    pub fn available() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                found.push(Self::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Self::Avx2);
            }
        }
        #[cfg(target_arch = "aarch64")]
        found.push(Self::Neon);
        found.push(Self::Portable);
        found
    }

    /// Whether 32 registers hold sixteen values each.
    pub(super) fn wide(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => true,
            _ => false,
        }
    }
}

/// Calls a generic `unsafe fn NAME<V: Lanes>(...)` in a function compiled for the chosen instructions.
macro_rules! with_lanes {
    ($instructions:expr, $name:ident($($arg:ident: $type:ty),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f")]
        unsafe fn avx512($($arg: $type),*) {
            // SAFETY: this function has the instructions; the rest is the caller's promise.
            unsafe { $name::<$crate::network::lanes::Avx512>($($arg),*) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2($($arg: $type),*) {
            // SAFETY: this function has the instructions; the rest is the caller's promise.
            unsafe { $name::<$crate::network::lanes::Avx2>($($arg),*) }
        }
        match $instructions {
            #[cfg(target_arch = "x86_64")]
            $crate::network::lanes::Instructions::Avx512 => avx512($($arg),*),
            #[cfg(target_arch = "x86_64")]
            $crate::network::lanes::Instructions::Avx2 => avx2($($arg),*),
            #[cfg(target_arch = "aarch64")]
            $crate::network::lanes::Instructions::Neon => $name::<$crate::network::lanes::Neon>($($arg),*),
            $crate::network::lanes::Instructions::Portable => $name::<$crate::network::lanes::Portable>($($arg),*),
        }
    }};
}
pub(super) use with_lanes;
