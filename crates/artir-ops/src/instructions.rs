//! Instruction sets of the processor.

/// How exactly the network multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// In f32 throughout.
    #[default]
    F32,
    /// Sums over channels multiply bfloat16 and add in f32, where the processor has instructions for that; in f32 elsewhere.
    /// Maps, the first and the last convolution, and all that acts on single channels stay in f32.
    Fast,
}

impl Precision {
    /// The best instructions for it that this processor has.
    pub(crate) fn instructions(self) -> Instructions {
        let fast = if self == Self::Fast { Instructions::fast() } else { None };
        // `available` always ends in the portable loops.
        fast.unwrap_or_else(|| Instructions::available()[0])
    }
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
    /// Advanced SIMD of 64-bit Arm.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Instructions {
    /// Instruction sets of this processor for f32, best first. The portable loops are always included.
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

    /// The instruction set of this processor for products of fewer bits than f32, if any.
    pub fn fast() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16") {
            return Some(Self::Avx512Bf16);
        }
        None
    }

    /// Whether this processor has them.
    pub(crate) fn exist(self) -> bool {
        Self::available().contains(&self) || Self::fast() == Some(self)
    }

    /// The same without products of fewer bits than f32.
    pub(crate) fn exact(self) -> Self {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => Self::Avx512,
            other => other,
        }
    }

    /// Whether sums over channels multiply pairs of bfloat16.
    pub(crate) fn pairs(self) -> bool {
        self != self.exact()
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
