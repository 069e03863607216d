//! The build script of every board: puts the model beside the program and gives the linker the board's memory map.
use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed=GANLET_MODEL");
    println!("cargo:rerun-if-changed=memory.x");
    let model = env::var("GANLET_MODEL").map_err(|_| {
        "set GANLET_MODEL to the path of a model file, or use `cargo xtask emulate` and `cargo xtask flash`, which do"
    })?;
    println!("cargo:rerun-if-changed={model}");
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    fs::copy(&model, out.join("generator.model")).map_err(|e| format!("{model}: {e}"))?;
    fs::copy("memory.x", out.join("memory.x")).map_err(|e| format!("memory.x: {e}"))?;
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    Ok(())
}
