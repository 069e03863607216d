//! What the documents say agrees with what is there.
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const CRATES: [(&str, &str); 5] = [
    ("ganlet-runtime", "runtime"),
    ("ganlet-trainer", "trainer"),
    ("ganlet-sim", "firmware-sim"),
    ("ganlet-tests", "tests"),
    ("xtask", "xtask"),
];

fn read(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&file).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The direct dependencies of a manifest, of every kind.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            inside = section.ends_with("dependencies");
            // A dependency with a table of its own.
            if let Some((_, name)) = section.split_once("dependencies.") {
                names.insert(name.to_owned());
            }
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            names.extend(line.split(['=', '.', ' ']).next().map(str::to_owned));
        }
    }
    names
}

/// The names that the page explains under a crate's heading.
fn explained(page: &str, name: &str) -> BTreeSet<String> {
    let heading = format!("## {name}");
    let section = page.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with("## "));
    let entry = |line: &str| {
        let (name, reason) = line.strip_prefix("- `")?.split_once("`: ")?;
        assert!(reason.len() >= 8, "{heading}: {name} has no reason");
        Some(name.to_owned())
    };
    section.filter_map(entry).collect()
}

#[test]
fn every_direct_dependency_has_its_line_and_no_line_is_stale() {
    let page = read("docs/DEPENDENCIES.md");
    for (name, folder) in CRATES {
        let (real, told) = (dependencies(&read(&format!("{folder}/Cargo.toml"))), explained(&page, name));
        assert_eq!(told, real, "docs/DEPENDENCIES.md under \"## {name}\" (left) and {folder}/Cargo.toml (right)");
    }
}

#[test]
fn every_member_of_the_workspace_is_known_here() {
    let manifest = read("Cargo.toml");
    let members = manifest.lines().find(|line| line.starts_with("members")).unwrap();
    assert_eq!(members.matches('"').count() / 2, CRATES.len(), "{members}");
    for (name, folder) in CRATES {
        assert!(members.contains(&format!("\"{folder}\"")), "{folder}");
        assert!(read(&format!("{folder}/Cargo.toml")).contains(&format!("name = \"{name}\"")), "{name}");
    }
}

#[test]
fn both_licences_are_here_in_full() {
    let (mit, apache) = (read("LICENSE-MIT"), read("LICENSE-APACHE"));
    assert!(mit.contains("Permission is hereby granted, free of charge") && mit.contains("THE SOFTWARE IS PROVIDED"));
    assert!(apache.contains("Version 2.0, January 2004") && apache.contains("END OF TERMS AND CONDITIONS"));
    assert!(read("Cargo.toml").contains("license = \"MIT OR Apache-2.0\""));
}

#[test]
fn the_changelog_has_a_place_for_what_comes_next() {
    let log = read("CHANGELOG.md");
    assert!(log.starts_with("# Changelog\n") && log.contains("\n## [Unreleased]\n"));
}

#[test]
fn every_recipe_has_a_file_and_every_file_is_a_recipe() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../trainer/recipes");
    let files: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
        .collect();
    let named: BTreeSet<String> = ganlet_trainer::recipe::NAMED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, named);
}
