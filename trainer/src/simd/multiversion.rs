//! Function multiversioning: compiles a plain loop for each instruction set and selects the best one at run time.

/// Defines a function whose body is compiled for AVX-512, for AVX2 and for the target's baseline instructions. A call
/// runs the version for [`instruction_set`](super::instruction_set).
///
/// Loops over slices become vector code. Results are bitwise equal in all versions, because the compiler neither
/// reorders nor contracts floating-point operations.
macro_rules! multiversion {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $type),*) {
            #[inline(always)]
            fn body($($arg: $type),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
                fn avx512($($arg: $type),*) {
                    body($($arg),*);
                }
                #[target_feature(enable = "avx2")]
                fn avx2($($arg: $type),*) {
                    body($($arg),*);
                }
                match $crate::simd::instruction_set() {
                    $crate::simd::InstructionSet::Avx512 => {
                        // SAFETY: `instruction_set` reports AVX-512 only if the processor has F, DQ and VL.
                        #[allow(unsafe_code)]
                        return unsafe { avx512($($arg),*) };
                    }
                    $crate::simd::InstructionSet::Avx2 => {
                        // SAFETY: `instruction_set` reports AVX2 only if the processor has it.
                        #[allow(unsafe_code)]
                        return unsafe { avx2($($arg),*) };
                    }
                    $crate::simd::InstructionSet::Portable => {}
                }
            }
            body($($arg),*);
        }
    };
}
pub(crate) use multiversion;
