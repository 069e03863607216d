//! Contents of a linked program: sizes of its sections, and symbols of floats, panics and allocation.

use super::vfp;
use object::elf::{SHF_ALLOC, SHF_WRITE};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SectionKind, SymbolKind};

/// Sizes and symbols of a linked program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProgramContents {
    /// Bytes of code, including literals between the functions.
    pub(crate) text: u64,
    pub(crate) rodata: u64,
    pub(crate) data: u64,
    pub(crate) bss: u64,
    /// Bytes written to flash, all sections together.
    pub(crate) in_flash: u64,
    /// Bytes of static data in RAM, all sections together.
    pub(crate) in_ram: u64,
    /// Names of routines for floating-point arithmetic.
    pub(crate) float: Vec<String>,
    /// Names of routines that panic.
    pub(crate) panic: Vec<String>,
    /// Names of routines that allocate.
    pub(crate) alloc: Vec<String>,
    /// Floating-point instructions in the code; `None` except for Arm.
    pub(crate) vfp_instructions: Option<usize>,
}

/// Reads a linked program.
pub(crate) fn contents(bytes: &[u8]) -> object::Result<ProgramContents> {
    let file = object::File::parse(bytes)?;
    let size = |name: &str| file.section_by_name(name).map_or(0, |s| s.size());
    let names: Vec<String> = file
        .symbols()
        .filter(|s| matches!(s.kind(), SymbolKind::Text | SymbolKind::Unknown) && !s.is_undefined())
        .filter_map(|s| s.name().ok().map(str::to_owned))
        .collect();
    let matching = |rule: fn(&str) -> bool| names.iter().filter(|n| rule(n)).cloned().collect::<Vec<_>>();
    let text = file.section_by_name(".text");
    let vfp_instructions = match &text {
        Some(section) if file.architecture() == object::Architecture::Arm => {
            let marks = vfp::marks(file.symbols().filter_map(|s| Some((s.name().ok()?, s.address()))));
            Some(vfp::count(section.data()?, section.address(), &marks))
        }
        _ => None,
    };
    let (mut in_flash, mut in_ram) = (0, 0);
    for section in file.sections().filter(|s| s.size() > 0) {
        let SectionFlags::Elf { sh_flags } = section.flags() else { continue };
        let (loaded, written) = (sh_flags & u64::from(SHF_ALLOC) != 0, sh_flags & u64::from(SHF_WRITE) != 0);
        let zeros = section.kind() == SectionKind::UninitializedData;
        in_ram += if loaded && written { section.size() } else { 0 };
        in_flash += if loaded && !zeros { section.size() } else { 0 };
    }
    Ok(ProgramContents {
        in_flash,
        in_ram,
        text: size(".text"),
        rodata: size(".rodata"),
        data: size(".data"),
        bss: size(".bss"),
        float: matching(is_float),
        panic: matching(is_panic),
        alloc: matching(is_alloc),
        vfp_instructions,
    })
}

/// Whether a symbol is a routine of floating-point arithmetic, by its names in the Arm ABI and in GCC's library.
fn is_float(name: &str) -> bool {
    if let Some(rest) = name.strip_prefix("__aeabi_") {
        let converts = ["2f", "2d", "2h", "h2"].iter().any(|c| rest.contains(c));
        return converts || rest.starts_with('f') || rest.starts_with('d');
    }
    const VERBS: [&str; 16] = [
        "add", "sub", "mul", "div", "neg", "eq", "ne", "lt", "le", "gt", "ge", "unord", "extend", "trunc", "fix",
        "float",
    ];
    let types = ["sf", "df", "hf", "tf"].iter().any(|t| name.contains(t));
    let verb = name.strip_prefix("__").is_some_and(|rest| VERBS.iter().any(|v| rest.starts_with(v)));
    (verb && types) || name.contains("compiler_builtins5float") || name.contains("4libm")
}

fn is_panic(name: &str) -> bool {
    name.contains("panic") || name.contains("unwind") || name.contains("_fail")
}

fn is_alloc(name: &str) -> bool {
    ["__rust_alloc", "__rust_realloc", "__rg_alloc", "malloc"].iter().any(|a| name.contains(a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn float_routines_are_distinguished_from_integer_ones() {
        for name in ["__aeabi_fadd", "__aeabi_dcmplt", "__aeabi_i2f", "__aeabi_ul2d", "__mulsf3", "__floatsidf"] {
            assert!(is_float(name), "{name}");
        }
        for name in ["__aeabi_uidiv", "__aeabi_ldivmod", "__aeabi_lmul", "__aeabi_memcpy4", "__muldi3", "probe"] {
            assert!(!is_float(name), "{name}");
        }
    }

    #[test]
    fn panics_and_allocations_are_recognized_in_mangled_names() {
        assert!(is_panic("_ZN4core9panicking9panic_fmt17h0123456789abcdefE"));
        assert!(is_panic("_ZN4core5slice5index24slice_end_index_len_fail17h0E"));
        assert!(!is_panic("_ZN14ganlet_runtime5model5Model10from_bytes17h0E"));
        assert!(is_alloc("__rust_alloc_zeroed") && !is_alloc("alloca"));
    }
}
