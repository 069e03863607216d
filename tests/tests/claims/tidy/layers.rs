//! The order of the modules: a module names only itself and lower ones.
use super::references::{module, references};
use super::{none, scan, sources};
use std::collections::BTreeSet;

/// The modules of a crate from lowest to highest.
struct Layers {
    /// Folder of the sources.
    folder: &'static str,
    modules: &'static [&'static str],
}

#[rustfmt::skip]
const LAYERS: [Layers; 4] = [
    Layers {
        folder: "runtime/src",
        modules: &[
            "memory", "format", "plan", "requant", "weights", "kernels", "check", "encode", "model", "latent", "generator",
            "graphics",
        ],
    },
    Layers {
        folder: "trainer/src",
        modules: &[
            "text", "files", "memory", "simd", "philox", "graph", "plan", "exec", "nn", "nets", "loss", "regularize",
            "optim", "step", "recipe", "data", "draw", "metrics", "train", "watch", "run", "quantize", "evaluate", "export", "latent", "lab",
            "report", "gan", "prelude",
        ],
    },
    Layers {
        folder: "firmware-sim/src",
        modules: &["color", "input", "saved_latents", "stream", "layout", "screens", "plot", "app", "board", "host"],
    },
    Layers {
        folder: "xtask/src",
        modules: &[
            "failure", "console", "table", "seeds", "fit_steps", "process", "image_file", "toolchain", "model_file", "builtin", "profile",
            "training", "fitting", "opening", "firmware", "report", "verdict", "data", "inspect", "lab", "train", "sim",
            "doctor", "latent", "eval", "export",
            "demo", "flash", "emulate", "size", "bench", "test",
        ],
    },
];

#[test]
fn modules_name_only_lower_modules() {
    let mut wrong = BTreeSet::new();
    let sources = sources();
    for Layers { folder, modules } in LAYERS {
        let level = |name: &str| modules.iter().position(|m| *m == name);
        let mut present = BTreeSet::new();
        for text in &sources {
            let Some(path) = module(&text.name, folder) else { continue };
            present.insert(path[0].clone());
            let Some(own) = level(&path[0]) else {
                wrong.insert(format!("{folder}: {} has no place in LAYERS", path[0]));
                continue;
            };
            let code = scan::without_tests(&scan::code(&text.lines.join("\n")));
            for other in references(&code, &path).iter().filter_map(|path| path.first()) {
                if level(other).is_some_and(|level| level > own) {
                    wrong.insert(format!("{}: {} names {other}, which is higher", text.name, path[0]));
                }
            }
        }
        let missing = modules.iter().filter(|m| !present.contains(**m));
        wrong.extend(missing.map(|m| format!("{folder}: {m} is in LAYERS but does not exist")));
    }
    none("modules out of order", wrong.into_iter().collect());
}

/// The modules that a diagram of ARCHITECTURE.md draws under `folder`, from lowest to highest.
fn drawn(page: &[String], folder: &str) -> Vec<String> {
    let lines = page.iter().skip_while(|line| *line != folder).skip(1).take_while(|line| line.starts_with("  "));
    // Names come before a gap of two spaces; a comment follows it.
    let names = |line: &String| {
        let names = line.trim_start().split("  ").next().unwrap_or_default();
        names.split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let mut layers: Vec<Vec<String>> = lines.map(names).collect();
    layers.reverse();
    layers.concat()
}

#[test]
fn the_architecture_page_draws_the_layers() {
    let page = super::texts().into_iter().find(|text| text.name == "ARCHITECTURE.md").expect("ARCHITECTURE.md exists");
    for Layers { folder, modules } in LAYERS {
        assert_eq!(drawn(&page.lines, folder), modules, "ARCHITECTURE.md under {folder} (left) and LAYERS (right)");
    }
}
