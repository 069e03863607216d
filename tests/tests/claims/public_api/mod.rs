//! The public items of the published crates equal the committed lists.
mod listing;

use listing::listing;
use std::fs;
use std::path::Path;

/// Environment variable that, if set, writes the lists instead of comparing them.
const UPDATE: &str = "UPDATE_PUBLIC_API";

/// Compares the public items of the crate in `folder` with its list, or writes the list.
fn compare(folder: &str) {
    let folder_path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let path = folder_path.join("public-api.txt");
    let found = listing(&folder_path.join("src/lib.rs")).unwrap();
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, found).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let only = |a: &str, b: &str, sign: char| -> String {
        let lines: std::collections::BTreeSet<&str> = b.lines().collect();
        a.lines().filter(|line| !lines.contains(line)).map(|line| format!("  {sign} {line}\n")).collect()
    };
    let changes = only(&expected, &found, '-') + &only(&found, &expected, '+');
    assert!(
        changes.is_empty(),
        "the public API of {folder} differs from {folder}/public-api.txt:\n{changes}\
         if that is intended, update the list: {UPDATE}=1 cargo test -p ganlet-tests public_api"
    );
}

#[test]
fn the_public_items_of_the_runtime_equal_its_list() {
    compare("runtime");
}

#[test]
fn the_public_items_of_the_trainer_equal_its_list() {
    compare("trainer");
}

#[test]
fn the_public_items_of_the_app_and_simulator_equal_their_list() {
    compare("firmware-sim");
}
