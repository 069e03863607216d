//! Every dependency has an allowed license, an allowed source and a single version, by the rules of `deny.toml`.
use spdx::{Expression, ParseMode};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use toml::{Table, Value};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rules() -> Table {
    std::fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// Returns name, version and license expression of every package that is built on this machine, including dependencies of tests.
fn packages() -> BTreeSet<(String, String, String)> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let words = ["tree", "--workspace", "--all-features", "--locked", "--offline", "--prefix", "none"];
    let output = Command::new(cargo).args(words).args(["--format", "{p}|{l}"]).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let package = |line: &str| {
        let (package, license) = line.split_once('|')?;
        let mut words = package.split(' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        Some((name.to_owned(), version.to_owned(), license.trim_end_matches(" (*)").to_owned()))
    };
    let packages: BTreeSet<_> = text.lines().filter_map(package).collect();
    assert!(packages.len() > 50, "{text}");
    packages
}

#[test]
fn every_license_is_allowed() {
    let rules = rules();
    let allowed = texts(&rules["licenses"]["allow"]);
    for (name, version, license) in packages() {
        // `MIT/Apache-2.0` is an old form of `MIT OR Apache-2.0`.
        let expression = Expression::parse_mode(&license, ParseMode::LAX).unwrap_or_else(|e| panic!("{name}: {e}"));
        let accepted = expression.evaluate(|requirement| allowed.contains(&requirement.to_string().as_str()));
        assert!(accepted, "{name} {version}: the license {license} is not allowed by deny.toml: {allowed:?}");
    }
}

#[test]
fn no_dependency_is_compiled_in_two_versions_except_those_listed() {
    let rules = rules();
    assert_eq!(rules["bans"]["multiple-versions"].as_str(), Some("deny"));
    let skipped = rules["bans"]["skip"].as_array().unwrap().iter().map(|entry| {
        assert!(entry["reason"].as_str().is_some_and(|reason| reason.len() >= 5), "{entry}: expected a reason");
        entry["crate"].as_str().unwrap().to_owned()
    });
    let skipped: BTreeSet<String> = skipped.collect();
    let mut versions = BTreeMap::<String, BTreeSet<String>>::new();
    for (name, version, _) in packages() {
        versions.entry(name).or_default().insert(version);
    }
    let mut used = BTreeSet::new();
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        let (listed, others): (Vec<_>, Vec<_>) =
            versions.iter().map(|version| format!("{name}@{version}")).partition(|entry| skipped.contains(entry));
        assert!(others.len() <= 1, "{name} is compiled in several versions: {others:?}; see bans.skip in deny.toml");
        used.extend(listed);
    }
    assert_eq!(used, skipped, "entries of bans.skip in deny.toml (right) that are duplicates (left)");
}

#[test]
fn every_dependency_comes_from_one_registry() {
    let rules = rules();
    // Without a list of registries, cargo-deny allows cargo's default registry alone.
    assert_eq!(rules["sources"]["unknown-registry"].as_str(), Some("deny"));
    assert_eq!(texts(&rules["sources"]["allow-git"]), [""; 0]);
    let lock: Table = std::fs::read_to_string(root().join("Cargo.lock")).unwrap().parse().unwrap();
    // Members of the workspace have no source.
    let source = |package: &Value| package.get("source").and_then(Value::as_str).map(str::to_owned);
    let sources: BTreeSet<_> = lock["package"].as_array().unwrap().iter().filter_map(source).collect();
    assert!(sources.len() == 1 && sources.iter().all(|source| source.starts_with("registry+")), "{sources:?}");
}
