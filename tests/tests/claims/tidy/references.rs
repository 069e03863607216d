//! Finds the modules that a Rust source names, through `crate::` and `super::`.
use std::collections::BTreeSet;

/// A path of names from the root of a crate.
pub(super) type ModulePath = Vec<String>;

/// Returns the module path of a source in `folder`; `None` for tests and for the root of the crate or folder.
pub(super) fn module(name: &str, folder: &str) -> Option<ModulePath> {
    let path = name.strip_prefix(folder)?.strip_prefix('/')?.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let parts: ModulePath = path.split('/').map(str::to_owned).collect();
    let last = parts.last()?;
    let test = last == "tests" || last.ends_with("_tests");
    let root = ["lib", "main", "mod", "bin"].contains(&parts[0].as_str());
    (!test && !root).then_some(parts)
}

/// Returns everything that code in the module `own` names, as paths from the root of the crate.
pub(super) fn references(code: &str, own: &[String]) -> BTreeSet<ModulePath> {
    let mut found = BTreeSet::new();
    for head in ["crate::", "super::"] {
        for (at, _) in code.match_indices(head) {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            if before == ':' || before == '_' || before.is_alphanumeric() {
                continue;
            }
            let mut names = Vec::new();
            use_tree(&code[at..], &[], &mut names);
            found.extend(names.into_iter().map(|path| absolute(&path, own)));
        }
    }
    found
}

/// Resolves `crate` and `super` at the beginning of a path in the module `own`.
fn absolute(path: &[String], own: &[String]) -> ModulePath {
    if path.first().is_some_and(|name| name == "crate") {
        return path[1..].to_vec();
    }
    let climbed = path.iter().take_while(|name| *name == "super").count();
    [&own[..own.len().saturating_sub(climbed)], &path[climbed..]].concat()
}

/// Collects the paths of a use tree such as `a::{b, c::d}` at the start of `text`, and returns the text after it.
fn use_tree<'a>(text: &'a str, prefix: &[String], found: &mut Vec<ModulePath>) -> &'a str {
    let mut path = prefix.to_vec();
    let mut text = text.trim_start();
    loop {
        if let Some(group) = text.strip_prefix('{') {
            text = group;
            while !text.is_empty() {
                text = use_tree(text, &path, found).trim_start();
                let Some(next) = text.strip_prefix(',') else { break };
                text = next.trim_start();
                if text.starts_with('}') {
                    break;
                }
            }
            return text.strip_prefix('}').unwrap_or(text);
        }
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*').unwrap_or(text.len());
        if end == 0 {
            break;
        }
        path.push(text[..end].to_owned());
        text = text[end..].trim_start();
        let Some(next) = text.strip_prefix("::") else { break };
        text = next.trim_start();
    }
    found.push(path);
    let Some(alias) = text.strip_prefix("as ") else { return text };
    alias.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == ' ')
}

#[test]
fn paths_are_found_in_groups_and_chains() {
    let code = "use crate::{a, b::{c, d}, e::f as g,}; use super::super::g::h; use super::i; crate::j::k(); Self::x";
    let own = ["x", "y"].map(str::to_owned);
    let found: Vec<_> = references(code, &own).into_iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["a", "b::c", "b::d", "e::f", "g::h", "j::k", "x::i"]);
}
