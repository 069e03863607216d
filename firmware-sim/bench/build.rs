//! Passes a memory map, `machines/*.x`, to the linker. The variable `MACHINE` names the machine.
use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed=MACHINE");
    println!("cargo:rerun-if-changed=machines");
    let machine =
        env::var("MACHINE").map_err(|_| "set MACHINE to the name of a file in machines, such as mps2-an386")?;
    let map = format!("machines/{machine}.x");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::copy(&map, out.join("memory.x")).map_err(|e| format!("{map}: {e}"))?;
    fs::copy("machines/bare.ld", out.join("bare.ld"))?;
    println!("cargo:rustc-link-search={}", out.display());
    let riscv = env::var("CARGO_CFG_TARGET_ARCH")? == "riscv32";
    for bin in ["bench", "peer"] {
        if riscv {
            println!("cargo:rustc-link-arg-bin={bin}=-Tmemory.x");
        }
        println!("cargo:rustc-link-arg-bin={bin}=-Tlink.x");
    }
    println!("cargo:rustc-link-arg-bin=size=-Tbare.ld");
    Ok(())
}
