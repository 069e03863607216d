//! Selects the kernels for the target: `kernels = "armv6m" | "lanes" | "lanes-asm" | "mve" | "plain"`.
//!
//! Stable compilers do not expose most Arm features in `cfg`, so this script reads the target name and the compiler flags.
use std::env::var;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(kernels, values(\"armv6m\", \"plain\", \"lanes\", \"lanes-asm\", \"mve\"))");
    println!("cargo::rustc-check-cfg=cfg(dsp, armv8m)");
    let target = var("TARGET").unwrap_or_default();
    let flags = var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let vectors = flags.contains("cortex-m55") || flags.contains("cortex-m85") || flags.contains("+mve");
    let kernels = match target.split('-').next().unwrap_or_default() {
        "thumbv6m" | "thumbv8m.base" => "armv6m",
        "thumbv8m.main" if vectors => "mve",
        "thumbv7m" | "thumbv7em" | "thumbv8m.main" => "lanes-asm",
        cpu if cpu.starts_with("riscv32") && cpu.contains('m') => "lanes",
        _ => "plain",
    };
    println!("cargo::rustc-cfg=kernels=\"{kernels}\"");
    // The DSP extension of Armv8-M is optional, and the Armv8-M targets do not enable it.
    let armv8m = target.starts_with("thumbv8m.main");
    if armv8m {
        println!("cargo::rustc-cfg=armv8m");
    }
    if target.starts_with("thumbv7em") || armv8m && (flags.contains("cortex-m33") || flags.contains("+dsp")) {
        println!("cargo::rustc-cfg=dsp");
    }
}
