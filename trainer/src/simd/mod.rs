//! Vector instructions: which ones this processor has, and code that is compiled for each of them.
pub(crate) mod math;
mod multiversion;

pub(crate) use multiversion::multiversion;
use std::fmt;

/// A set of vector instructions that kernels are compiled for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InstructionSet {
    /// AVX-512 F, DQ and VL (x86-64): 512-bit vectors.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 and FMA (x86-64): 256-bit vectors.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// NEON (AArch64): 128-bit vectors.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// The target's baseline instructions.
    Portable,
}

impl InstructionSet {
    /// The name in tables and JSON: `AVX-512`, `AVX2`, `NEON` or `portable`.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "NEON",
            Self::Portable => "portable",
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The widest instruction set that this processor has. Detection is cached, so a call costs a load and a test.
pub fn instruction_set() -> InstructionSet {
    #[cfg(target_arch = "x86_64")]
    {
        use std::is_x86_feature_detected as has;
        if has!("avx512f") && has!("avx512dq") && has!("avx512vl") {
            return InstructionSet::Avx512;
        }
        if has!("avx2") && has!("fma") {
            return InstructionSet::Avx2;
        }
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("neon") {
        return InstructionSet::Neon;
    }
    InstructionSet::Portable
}
