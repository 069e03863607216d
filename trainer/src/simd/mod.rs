//! Vector instructions: which ones this processor has, and code that is compiled for each of them.
pub(crate) mod math;
mod multiversion;

pub(crate) use multiversion::multiversion;
use std::fmt;
use std::sync::OnceLock;

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
    /// All sets that this target has code for, the widest first.
    const ALL: &'static [Self] = &[
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        #[cfg(target_arch = "aarch64")]
        Self::Neon,
        Self::Portable,
    ];

    /// The name on the command line: `avx512`, `avx2`, `neon` or `portable`.
    pub fn id(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
            Self::Portable => "portable",
        }
    }

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

impl InstructionSet {
    /// The sets that this processor has, the widest first.
    pub fn available() -> impl Iterator<Item = Self> + Clone {
        Self::ALL.iter().copied().filter(|set| set.detected())
    }

    /// Elements of a vector register.
    pub(crate) fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 16,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 8,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => 4,
            Self::Portable => 1,
        }
    }

    /// Whether this processor has the instructions.
    fn detected(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        use std::is_x86_feature_detected as has;
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => has!("avx512f") && has!("avx512dq") && has!("avx512vl"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => has!("avx2") && has!("fma"),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            Self::Portable => true,
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The environment variable that limits the kernels of a process, with the values of [`limit_instruction_set`].
pub const ISA_VARIABLE: &str = "GANLET_ISA";

/// The instruction set of the kernels of this process: the widest that the processor has, unless
/// [`limit_instruction_set`] or [`ISA_VARIABLE`] chose another. A value of the variable that this processor lacks has no
/// effect. Selected once, so a call costs a load and a test.
#[inline]
pub fn instruction_set() -> InstructionSet {
    *SELECTED.get_or_init(initial)
}

/// Limits the kernels of this process to `id`: `avx512`, `avx2`, `neon` or `portable`. matrixmultiply, which computes
/// dense products if the kernels are portable, still selects its own instructions.
///
/// # Errors
/// If this processor lacks the instruction set, or if kernels of another one have already run.
pub fn limit_instruction_set(id: &str) -> Result<(), String> {
    let Some(set) = InstructionSet::available().find(|set| set.id().eq_ignore_ascii_case(id)) else {
        let names: Vec<_> = InstructionSet::available().map(InstructionSet::id).collect();
        return Err(format!("instruction set {id}: expected one that this processor has: {}", names.join(", ")));
    };
    let selected = *SELECTED.get_or_init(|| set);
    if selected == set { Ok(()) } else { Err(format!("instruction set {id}: kernels for {selected} have already run")) }
}

static SELECTED: OnceLock<InstructionSet> = OnceLock::new();

/// The set that GANLET_ISA names, if this processor has it, or the widest.
fn initial() -> InstructionSet {
    let id = std::env::var(ISA_VARIABLE).unwrap_or_default();
    let mut available = InstructionSet::available();
    let widest = available.clone().next().unwrap_or(InstructionSet::Portable);
    available.find(|set| set.id() == id).unwrap_or(widest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_keeps_the_instruction_set_that_it_started_with() {
        let selected = instruction_set();
        assert_eq!(limit_instruction_set(selected.id()), Ok(()));
        let unknown = limit_instruction_set("sse9").unwrap_err();
        assert!(
            unknown.starts_with("instruction set sse9: expected one that this processor has: ")
                && unknown.ends_with("portable")
        );
        if selected != InstructionSet::Portable {
            let late = limit_instruction_set("portable").unwrap_err();
            assert_eq!(late, format!("instruction set portable: kernels for {selected} have already run"));
        }
    }
}
