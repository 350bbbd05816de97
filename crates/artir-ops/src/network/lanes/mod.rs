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
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::Portable;

use super::gelu::Gelu;

/// Channels in one unit.
pub(crate) const UNIT: usize = 16;

/// Sixteen float32.
///
/// # Safety
/// An implementation on machine registers may be used only where their instructions exist, which is why its methods
/// are unsafe: the caller must be a function that has the matching `target_feature`, and all between are
/// `inline(always)`.
pub(crate) trait Lanes: Copy {
    /// Whether 32 registers hold sixteen values each: decides how many sums are in flight.
    const WIDE: bool;
    /// 32-bit words that a unit takes as operands of sums over channels: sixteen float32, or eight pairs of bfloat16.
    const WORDS: usize = UNIT;
    /// Whether tiles make the sums over channels. The thread holds them then.
    const TILES: bool = false;

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
    /// Writes sixteen values as operands, [`Lanes::WORDS`] words.
    #[inline(always)]
    unsafe fn store_operands(self, to: *mut f32) {
        // SAFETY: passed on to the caller.
        unsafe { self.store(to) }
    }
    /// Adds the product of one word of operands, the same in every lane, with a word of weights for each lane.
    #[inline(always)]
    unsafe fn dot(self, weights: Self, sum: Self) -> Self {
        // SAFETY: passed on to the caller.
        unsafe { self.fma(weights, sum) }
    }
    /// `1 / sqrt(self)`, correctly rounded twice: no estimate.
    unsafe fn inverse_root(self) -> Self;
    /// Lane i is the sum of `of[i]`'s lanes.
    unsafe fn sums(of: &[Self; UNIT]) -> Self;
    /// The lower eight lanes, each twice, and the upper eight.
    unsafe fn twice(self) -> [Self; 2];
    /// `2 GELU(self)`, the exact form `x (1 + erf(x / sqrt 2))`.
    unsafe fn double_gelu(self, gelu: &Gelu) -> Self;
}

/// Calls a generic `unsafe fn NAME<V: Lanes>(...)` in a function compiled for the chosen instructions.
macro_rules! with_lanes {
    ($instructions:expr, $name:ident($($arg:ident: $type:ty),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f")]
        unsafe fn avx512($($arg: $type),*) {
            // SAFETY: this function has the instructions; the rest is the caller's promise.
            unsafe { $name::<$crate::network::lanes::Avx512<false>>($($arg),*) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bf16")]
        unsafe fn avx512bf16($($arg: $type),*) {
            // SAFETY: this function has the instructions; the rest is the caller's promise.
            unsafe { $name::<$crate::network::lanes::Avx512<true>>($($arg),*) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2($($arg: $type),*) {
            // SAFETY: this function has the instructions; the rest is the caller's promise.
            unsafe { $name::<$crate::network::lanes::Avx2>($($arg),*) }
        }
        match $instructions {
            #[cfg(target_arch = "x86_64")]
            $crate::instructions::Instructions::Avx512 => avx512($($arg),*),
            #[cfg(target_arch = "x86_64")]
            $crate::instructions::Instructions::Avx512Bf16 | $crate::instructions::Instructions::Avx512Amx => {
                avx512bf16($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            $crate::instructions::Instructions::Avx2 => avx2($($arg),*),
            #[cfg(target_arch = "aarch64")]
            $crate::instructions::Instructions::Neon => $name::<$crate::network::lanes::Neon>($($arg),*),
            $crate::instructions::Instructions::Portable => $name::<$crate::network::lanes::Portable>($($arg),*),
        }
    }};
}
pub(crate) use with_lanes;

/// The same, with tiles where they were chosen: for sums over channels. `with_lanes` leaves them out.
macro_rules! with_tiles {
    ($instructions:expr, $name:ident($($arg:ident: $type:ty),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bf16")]
        unsafe fn tiles($($arg: $type),*) {
            // SAFETY: this function has the instructions; the rest is the caller's promise.
            unsafe {
                let _tiles = $crate::network::tiles::Tiles::new();
                $name::<$crate::network::lanes::Avx512<true, true>>($($arg),*);
            }
        }
        match $instructions {
            #[cfg(target_arch = "x86_64")]
            $crate::instructions::Instructions::Avx512Amx => tiles($($arg),*),
            other => $crate::network::lanes::with_lanes!(other, $name($($arg: $type),*)),
        }
    }};
}
pub(crate) use with_tiles;
