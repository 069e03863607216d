//! Build script of every board. Embeds the model or the address of its flash region, and passes the memory map to the linker.
use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed=GANLET_MODEL");
    println!("cargo:rerun-if-env-changed=GANLET_LATENTS");
    println!("cargo:rerun-if-env-changed=GANLET_REGION");
    println!("cargo:rerun-if-changed=memory.x");
    println!("cargo:rustc-check-cfg=cfg(region)");
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    let place = match (env::var("GANLET_REGION"), env::var("GANLET_MODEL")) {
        (Ok(region), _) => {
            println!("cargo:rustc-cfg=region");
            let numbers: Vec<usize> = region.split(',').map(str::parse).collect::<Result<_, _>>()?;
            let [at, bytes, arena] = numbers[..] else {
                return Err(format!("GANLET_REGION={region}: expected address,bytes,arena").into());
            };
            format!(
                "const AT: usize = {at:#x};\nconst BYTES: usize = {bytes};\npub(crate) const ARENA: usize = {arena};\n"
            )
        }
        (Err(_), Ok(model)) => {
            println!("cargo:rerun-if-changed={model}");
            fs::copy(&model, out.join("generator.model")).map_err(|e| format!("{model}: {e}"))?;
            let saved = env::var("GANLET_LATENTS").map_or(Ok(Vec::new()), |path| saved_latents(&path))?;
            fs::write(out.join("generator.latents"), saved)?;
            String::new()
        }
        (Err(_), Err(_)) => {
            return Err("set GANLET_MODEL to the path of a model file, or use `cargo xtask emulate` and `cargo xtask flash`, which do".into());
        }
    };
    fs::write(out.join("place.rs"), place)?;
    if Path::new("memory.x").exists() {
        fs::copy("memory.x", out.join("memory.x")).map_err(|e| format!("memory.x: {e}"))?;
        println!("cargo:rustc-link-search={}", out.display());
        println!("cargo:rustc-link-arg-bins=-Tlink.x");
    } else {
        // The hardware layer of the ESP32 includes the memory map.
        println!("cargo:rustc-link-arg-bins=-Tlinkall.x");
    }
    Ok(())
}

/// Converts a text file of saved latents, one per line, to the bytes that the app reads from flash. Each latent has a byte for its class
/// (255 for none), then its values.
fn saved_latents(path: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    println!("cargo:rerun-if-changed={path}");
    let text = fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    let mut bytes = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace().peekable();
        if words.peek().is_none() {
            continue;
        }
        let class = match words.next_if_eq(&"class") {
            Some(_) => words.next().unwrap_or_default().parse::<u8>().map_err(|e| format!("{path}: {line}: {e}"))?,
            None => 255,
        };
        bytes.push(class);
        for word in words {
            let value = word.parse::<i8>().map_err(|e| format!("{path}: {word}: {e}"))?;
            bytes.push(value as u8);
        }
    }
    Ok(bytes)
}
