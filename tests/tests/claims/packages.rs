//! Each published crate is complete: its package contains all files, and its README shows code that compiles.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The published crates: name, folder, files that the package must contain beside its sources.
const PACKAGES: [(&str, &str, &[&str]); 3] = [
    ("ganlet-runtime", "runtime", &["README.md", "build.rs", "examples/device.rs", "examples/faces.model"]),
    (
        "ganlet-trainer",
        "trainer",
        &["README.md", "recipes/faces.toml", "assets/LICENSES.md", "assets/features-faces.bin"],
    ),
    ("ganlet-sim", "firmware-sim", &["README.md", "examples/headless.rs", "models/faces.model", "models/digits.model"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn cargo(words: &[&str]) -> String {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program).current_dir(root()).args(words).args(["--offline", "--allow-dirty"]).output();
    let output = output.unwrap_or_else(|e| panic!("cargo {words:?}: {e}"));
    assert!(output.status.success(), "cargo {words:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_package_contains_its_readme_sources_and_data() {
    for (name, folder, expected) in PACKAGES {
        let listed = cargo(&["package", "--list", "--package", name]);
        let listed: Vec<&str> = listed.lines().collect();
        for file in ["Cargo.toml", "src/lib.rs"].iter().chain(expected) {
            assert!(listed.contains(file), "the package {name} lacks {file}; see `include` in {folder}/Cargo.toml");
        }
        let stray = listed
            .iter()
            .find(|file| ["boards/", "bench/", "counter/", "target/"].iter().any(|part| file.starts_with(part)));
        assert_eq!(stray, None, "not part of the package {name}");
    }
}

#[test]
fn all_published_crates_package_together() {
    let mut words = vec!["package", "--no-verify", "--target-dir", env!("CARGO_TARGET_TMPDIR")];
    words.extend(PACKAGES.iter().flat_map(|(name, ..)| ["--package", name]));
    cargo(&words);
    for (name, ..) in PACKAGES {
        let file =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("package/{name}-{}.crate", env!("CARGO_PKG_VERSION")));
        assert!(file.exists(), "{}", file.display());
    }
}

#[test]
fn every_manifest_describes_its_package() {
    for (name, folder, _) in PACKAGES {
        let manifest = read(&format!("{folder}/Cargo.toml"));
        for key in [
            "description = ",
            "keywords = ",
            "categories = ",
            "readme = ",
            "rust-version",
            "[package.metadata.docs.rs]",
        ] {
            assert!(manifest.contains(key), "{folder}/Cargo.toml of {name} lacks {key}");
        }
    }
}

/// Returns the first Rust code block of a page that contains `word`.
fn block(page: &str, word: &str) -> String {
    let text = read(page);
    let blocks = text.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks
        .into_iter()
        .find(|code| code.contains(word))
        .unwrap_or_else(|| panic!("{page}: no code with {word}"))
        .to_owned()
}

#[test]
fn the_readmes_show_the_device_example_as_it_is_compiled() {
    let example = read("runtime/examples/device.rs");
    let code = &example[example.find("#![no_std]").unwrap()..];
    for page in ["README.md", "runtime/README.md"] {
        assert_eq!(block(page, "include_model!"), code, "{page} (left) and runtime/examples/device.rs (right)");
    }
}

#[test]
fn the_model_of_the_examples_is_the_committed_one() {
    let bytes = |path: &str| fs::read(root().join(path)).unwrap();
    assert!(bytes("runtime/examples/faces.model") == bytes("firmware-sim/models/faces.model"));
}
