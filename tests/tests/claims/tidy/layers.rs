//! The order of the modules: a module names only itself and lower ones.
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
            "failure", "console", "table", "process", "image_file", "toolchain", "model_file", "builtin", "profile", "training", "fitting",
            "opening", "firmware", "data", "inspect", "lab", "train", "sim", "doctor", "latent", "eval", "export",
            "demo", "flash", "emulate", "size", "bench", "test",
        ],
    },
];

/// Returns the module path of a source; `None` for tests and for the root of the crate.
fn module<'a>(name: &'a str, folder: &str) -> Option<Vec<&'a str>> {
    let path = name.strip_prefix(folder)?.strip_prefix('/')?.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let parts: Vec<&str> = path.split('/').collect();
    let last = parts[parts.len() - 1];
    let test = last == "tests" || last.ends_with("_tests");
    (!test && !["lib", "main"].contains(&parts[0]) && parts[0] != "bin").then_some(parts)
}

/// Returns the modules of the crate that code in the module `path` names.
fn named(code: &str, path: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        found.extend(heads(&code[at + "crate::".len()..]));
    }
    // A chain of `super` that leads to the root of the crate.
    let climb = "super::".repeat(path.len());
    for (at, _) in code.match_indices(&climb) {
        let (before, after) = (&code[..at], &code[at + climb.len()..]);
        if !before.ends_with("super::") && !after.starts_with("super") {
            found.extend(heads(after));
        }
    }
    // Types and functions of the root are not modules.
    found.retain(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
    found
}

/// Returns the first name of a path, or those of a group of paths.
fn heads(path: &str) -> Vec<String> {
    let identifier = |text: &str| {
        let text = text.trim_start();
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    };
    let Some(group) = path.strip_prefix('{') else { return vec![identifier(path)] };
    let (mut depth, mut heads) = (0, vec![identifier(group)]);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(identifier(&group[at + 1..])),
            _ => {}
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

#[test]
fn modules_name_only_lower_modules() {
    let mut wrong = BTreeSet::new();
    let sources = sources();
    for Layers { folder, modules } in LAYERS {
        let level = |name: &str| modules.iter().position(|m| *m == name);
        let mut present = BTreeSet::new();
        for text in &sources {
            let Some(path) = module(&text.name, folder) else { continue };
            present.insert(path[0]);
            let Some(own) = level(path[0]) else {
                wrong.insert(format!("{folder}: {} has no place in LAYERS", path[0]));
                continue;
            };
            let code = scan::without_tests(&scan::code(&text.lines.join("\n")));
            for other in named(&code, &path) {
                if level(&other).is_some_and(|level| level > own) {
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

#[test]
fn paths_are_found_in_groups_and_chains() {
    let code = "use crate::{a, b::{c, d}, e::f}; use super::super::g::h; use super::i; crate::j::k(); crate::Type";
    let found: Vec<_> = named(code, &["x", "y"]).into_iter().collect();
    assert_eq!(found, ["a", "b", "e", "g", "j"]);
}
