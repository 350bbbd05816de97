//! Instruction sets of the processor.

/// How exactly the network multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// In f32 throughout.
    #[default]
    F32,
    /// Sums over channels multiply bfloat16 and add in f32, where the processor gains by that; in f32 elsewhere. Maps, the
    /// first and the last convolution, and all that acts on single channels stay in f32.
    Fast,
}

impl Precision {
    /// The best instructions for it that this processor has.
    pub(crate) fn instructions(self) -> Instructions {
        // `available` always ends in the portable loops.
        if self.gains() { Instructions::fast()[0] } else { Instructions::available()[0] }
    }

    /// Whether this processor is faster with it than in f32. Intel's processors multiply pairs of bfloat16 no faster than
    /// float32 (measured: the network takes 1.5 times as long), so there the tiles decide.
    pub fn gains(self) -> bool {
        // The kernel is asked for tiles only where fast precision is wanted: they make the frames of signals larger.
        self == Self::Fast && Instructions::fast().first().is_some_and(|best| best.tiles() || !of_intel())
    }
}

/// The variable of the environment that leaves out instructions, to measure and to test what other processors do: `avx2`
/// leaves out AVX-512 and all beyond it, other values are ignored. It is read once. Results differ in the last bits.
pub const MAX_VARIABLE: &str = "ARTIR_MAX_CPU_ISA";

#[cfg(target_arch = "x86_64")]
fn limited() -> bool {
    static LIMITED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *LIMITED.get_or_init(|| std::env::var_os(MAX_VARIABLE).is_some_and(|value| value.eq_ignore_ascii_case("avx2")))
}

#[cfg(target_arch = "x86_64")]
fn of_intel() -> bool {
    let vendor = std::arch::x86_64::__cpuid(0);
    [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened() == b"GenuineIntel"
}

#[cfg(not(target_arch = "x86_64"))]
fn of_intel() -> bool {
    false
}

/// The instructions that a loop is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Instructions {
    /// Code that the compiler generates for plain arrays.
    Portable,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512F.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-512F and AVX512-BF16: sums over channels multiply pairs of bfloat16 and add in f32.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    /// The same with tiles (AMX-BF16), which multiply sixteen pixels by sixteen channels at once.
    #[cfg(target_arch = "x86_64")]
    Avx512Amx,
    /// Advanced SIMD of 64-bit Arm.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Instructions {
    /// Instruction sets of this processor for f32, best first. The portable loops are always included. What
    /// [`MAX_VARIABLE`] leaves out is missing.
    pub fn available() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && !limited() {
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

    /// Instruction sets of this processor for products of fewer bits than f32, best first.
    pub fn fast() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16") && !limited() {
            let tiles = crate::network::tiles::available().then_some(Self::Avx512Amx);
            return tiles.into_iter().chain([Self::Avx512Bf16]).collect();
        }
        Vec::new()
    }

    /// Whether this processor has them.
    pub(crate) fn exist(self) -> bool {
        Self::available().contains(&self) || Self::fast().contains(&self)
    }

    /// The same without products of fewer bits than f32.
    pub(crate) fn exact(self) -> Self {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 | Self::Avx512Amx => Self::Avx512,
            other => other,
        }
    }

    /// Whether sums over channels multiply pairs of bfloat16.
    pub(crate) fn pairs(self) -> bool {
        self != self.exact()
    }

    /// Whether the processor's tiles do so.
    pub(crate) fn tiles(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Amx => true,
            _ => false,
        }
    }

    /// Whether 32 registers hold sixteen values each.
    pub(crate) fn wide(self) -> bool {
        match self.exact() {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => true,
            _ => false,
        }
    }
}
