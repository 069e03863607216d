//! The documentation agrees with the code: dependencies, recipe keys, commands, tests.
use ganlet_trainer::recipe::{self, METHODS, NAMED};
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

/// Returns the direct dependencies of a manifest, including development dependencies.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            inside = section.ends_with("dependencies");
            // A dependency in its own table.
            if let Some((_, name)) = section.split_once("dependencies.") {
                names.insert(name.to_owned());
            }
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            names.extend(line.split(['=', '.', ' ']).next().map(str::to_owned));
        }
    }
    names
}

/// Returns the names that the page lists under a crate's heading.
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
fn every_direct_dependency_is_documented_and_no_entry_is_stale() {
    let page = read("docs/DEPENDENCIES.md");
    for (name, folder) in CRATES {
        let (actual, listed) = (dependencies(&read(&format!("{folder}/Cargo.toml"))), explained(&page, name));
        assert_eq!(listed, actual, "docs/DEPENDENCIES.md under \"## {name}\" (left) and {folder}/Cargo.toml (right)");
    }
}

#[test]
fn every_workspace_member_is_checked() {
    let manifest = read("Cargo.toml");
    let members = manifest.lines().find(|line| line.starts_with("members")).unwrap();
    assert_eq!(members.matches('"').count() / 2, CRATES.len(), "{members}");
    for (name, folder) in CRATES {
        assert!(members.contains(&format!("\"{folder}\"")), "{folder}");
        assert!(read(&format!("{folder}/Cargo.toml")).contains(&format!("name = \"{name}\"")), "{name}");
    }
}

#[test]
fn both_license_texts_are_complete() {
    let (mit, apache) = (read("LICENSE-MIT"), read("LICENSE-APACHE"));
    assert!(mit.contains("Permission is hereby granted, free of charge") && mit.contains("THE SOFTWARE IS PROVIDED"));
    assert!(apache.contains("Version 2.0, January 2004") && apache.contains("END OF TERMS AND CONDITIONS"));
    assert!(read("Cargo.toml").contains("license = \"MIT OR Apache-2.0\""));
}

#[test]
fn the_changelog_has_an_unreleased_section() {
    let log = read("CHANGELOG.md");
    assert!(log.starts_with("# Changelog\n") && log.contains("\n## [Unreleased]\n"));
}

#[test]
fn every_recipe_key_and_method_is_documented() {
    let page = read("docs/RECIPES.md");
    let tables = ["generator", "discriminator"];
    // Keys of regularizers have a separate table.
    let (keys, penalties) = page.split_once("## Regularizers").unwrap();
    for key in recipe::keys().iter().filter(|k| !tables.contains(k) && **k != "objective.regularizer.kind") {
        let documented = match key.strip_prefix("objective.regularizer.") {
            Some(own) => penalties.contains(&format!("| `{own}` |")),
            None => keys.contains(&format!("`{key}`")),
        };
        assert!(documented, "docs/RECIPES.md has no row for {key}");
    }
    for name in METHODS.iter().map(|m| m.name).chain(NAMED.iter().map(|n| n.0)) {
        assert!(page.contains(&format!("`{name}`")), "docs/RECIPES.md does not mention {name}");
    }
}

/// Returns the pages of the project: path from the root, and text. The changelog is excluded, because it names what no longer exists.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = Vec::new();
    for folder in ["", "docs/", "docs/methods/"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") && name != "CHANGELOG.md" {
                pages.push((format!("{folder}{name}"), read(&format!("{folder}{name}"))));
            }
        }
    }
    assert!(pages.len() > 20, "only {} pages found", pages.len());
    pages
}

#[test]
fn links_of_the_pages_lead_to_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (page, text) in pages() {
        let folder = root.join(&page);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let local = !target.is_empty() && !target.contains("://");
            assert!(!local || folder.parent().unwrap().join(target).exists(), "{page} links to {target}: no such file");
        }
    }
}

/// Folders to which the paths of sources in pages are relative.
const SOURCE_FOLDERS: [&str; 8] = [
    "",
    "runtime/src",
    "trainer/src",
    "firmware-sim",
    "firmware-sim/src",
    "xtask/src",
    "tests",
    "firmware-sim/boards/pico",
];

#[test]
fn sources_named_in_pages_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let kinds = [".rs", ".s", ".py"];
    for (page, text) in pages() {
        for word in text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)) {
            if kinds.iter().any(|kind| word.ends_with(kind)) && !word.contains([' ', '{', '<', '*']) {
                let mut found = SOURCE_FOLDERS.iter().map(|folder| root.join(folder).join(word));
                assert!(found.any(|file| file.is_file()), "{page} names {word}: no such file");
            }
        }
    }
}

#[test]
fn recipe_keys_of_the_glossary_exist_and_terms_are_sorted() {
    let page = read("docs/GLOSSARY.md");
    let tables: BTreeSet<&str> = recipe::keys().iter().filter_map(|k| k.split('.').next()).collect();
    let key = |word: &&str| word.split_once('.').is_some_and(|(table, _)| tables.contains(table));
    let mut keys = 0;
    for word in page.split('`').skip(1).step_by(2).filter(key) {
        keys += 1;
        assert!(recipe::keys().contains(&word), "docs/GLOSSARY.md names the recipe key {word}, which does not exist");
    }
    assert!(keys > 60, "{keys}");
    let rows = page.lines().filter(|l| l.starts_with("| ")).skip(1);
    let terms: Vec<_> = rows.map(|l| l.split('|').nth(1).unwrap().trim().to_lowercase()).collect();
    let unsorted = terms.windows(2).find(|w| w[0].replace(['é', 'β'], "e") > w[1].replace(['é', 'β'], "e"));
    assert_eq!(unsorted, None, "terms out of order");
    assert!(terms.len() > 100, "{}", terms.len());
}

/// Returns the tests of the workspace as `module::test`, the form in which pages name them.
fn tests_named() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<_> = ["runtime", "trainer", "firmware-sim", "tests", "xtask"].map(|f| root.join(f)).into();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Some(stem) = path.to_str().and_then(|p| p.strip_suffix(".rs")) else { continue };
            let parts: Vec<_> = stem.rsplit('/').take(2).collect();
            // Tests in `mod.rs`, `tests.rs` and `main.rs` are named after the folder.
            let module = if ["mod", "tests", "main"].contains(&parts[0]) { parts[1] } else { parts[0] };
            let text = fs::read_to_string(&path).unwrap();
            let mut marked = false;
            for line in text.lines().map(str::trim) {
                if let (true, Some(name)) = (marked, line.strip_prefix("fn ")) {
                    found.insert(format!("{module}::{}", name.split('(').next().unwrap_or_default()));
                }
                marked = line == "#[test]";
            }
        }
    }
    assert!(found.len() > 100);
    found
}

#[test]
fn tests_and_commands_named_in_features_exist() {
    let page = read("docs/FEATURES.md");
    let (tests, help) = (tests_named(), read("xtask/src/main.rs"));
    let first = |l: &str| l.split('|').nth(1).unwrap_or_default().trim().to_owned();
    // Ids are a capital letter and a number; rows of other tables start differently.
    let id = |l: &&str| {
        let word = first(l);
        word.starts_with(|c: char| c.is_ascii_uppercase()) && word[1..].parse::<u32>().is_ok()
    };
    let rows: Vec<_> = page.lines().filter(id).collect();
    let ids: BTreeSet<_> = rows.iter().map(|l| l.split('|').nth(1).unwrap().trim().to_owned()).collect();
    let expected = [("F", 12), ("T", 22), ("A", 10), ("G", 14), ("P", 15)];
    let expected: BTreeSet<_> = expected.iter().flat_map(|(c, n)| (1..=*n).map(move |i| format!("{c}{i}"))).collect();
    assert_eq!(ids, expected, "ids of docs/FEATURES.md (left) and expected ids (right)");
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let (state, shown) = (cells[3], cells[4]);
        assert!(!state.is_empty(), "{row}");
        for word in shown.split('`').skip(1).step_by(2) {
            if word.contains("::") {
                assert!(tests.contains(word), "there is no test {word}: {row}");
            } else if let Some(command) = word.strip_prefix("xtask ") {
                let name = command.split(' ').next().unwrap_or_default();
                let variant = name[..1].to_uppercase() + &name[1..];
                assert!(
                    help.contains(&format!("{variant}(")) && help.contains(&format!("{name}::Args)")),
                    "there is no command {name}: {row}"
                );
            }
        }
        let claims = state.starts_with("yes");
        assert!(!claims || shown.contains('`'), "no evidence is named: {row}");
    }
}

#[test]
fn every_method_and_architecture_has_a_row_in_features() {
    let page = read("docs/FEATURES.md");
    let tests = tests_named();
    let table = page.split_once("## Methods and architectures").unwrap().1;
    let rows: Vec<Vec<_>> =
        table.lines().filter(|l| l.starts_with("| ")).map(|l| l.split('|').map(str::trim).collect()).collect();
    let row_of = |wanted: &str| rows.iter().find(|r| r[2].contains(&format!("`{wanted}`")));
    for method in METHODS {
        assert!(row_of(method.name).is_some(), "docs/FEATURES.md has no row for {}", method.name);
    }
    for (name, _) in NAMED.iter().filter(|n| n.0.starts_with("faces-") || n.0 == "celeba-dcgan") {
        assert!(row_of(name).is_some(), "docs/FEATURES.md has no row for {name}");
    }
    for row in rows.iter().filter(|r| !["what", "---"].contains(&r[1])) {
        let named: Vec<_> = row[3].split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test is named for {}", row[1]);
        named.iter().for_each(|t| assert!(tests.contains(*t), "there is no test {t}: {}", row[1]));
    }
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
