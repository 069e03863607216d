//! Neighboring modules do not name each other, directly or through others.
use super::references::{ModulePath, module, references};
use super::{none, scan, sources};
use std::collections::{BTreeMap, BTreeSet};

const CRATES: [&str; 4] = ["runtime/src", "trainer/src", "firmware-sim/src", "xtask/src"];

/// For each module, the neighbors in the same parent that it names.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Returns the graph of the modules below each parent. A name that a parent re-exports counts as the parent's.
fn graphs(folder: &str) -> BTreeMap<ModulePath, Graph> {
    let files: BTreeMap<ModulePath, String> = sources()
        .into_iter()
        .filter_map(|text| Some((module(&text.name, folder)?, text.lines.join("\n"))))
        .map(|(path, text)| (path, scan::without_tests(&scan::code(&text))))
        .collect();
    let modules: BTreeSet<&[String]> = files.keys().flat_map(|path| (1..=path.len()).map(|n| &path[..n])).collect();
    let mut graphs: BTreeMap<ModulePath, Graph> = BTreeMap::new();
    for (own, code) in &files {
        for path in references(code, own) {
            let Some(named) = (1..=path.len()).rev().map(|n| &path[..n]).find(|path| modules.contains(path)) else {
                continue;
            };
            let common = own.iter().zip(named).take_while(|(a, b)| a == b).count();
            if common < own.len() && common < named.len() {
                let graph = graphs.entry(own[..common].to_vec()).or_default();
                graph.entry(own[common].clone()).or_default().insert(named[common].clone());
            }
        }
    }
    graphs
}

/// Returns everything that `from` names, directly or through others.
fn reachable<'a>(graph: &'a Graph, from: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = graph.get(from).into_iter().flatten().map(String::as_str).collect();
    while let Some(name) = open.pop() {
        if seen.insert(name) {
            open.extend(graph.get(name).into_iter().flatten().map(String::as_str));
        }
    }
    seen
}

#[test]
fn modules_form_no_cycles() {
    let mut cycles = Vec::new();
    for folder in CRATES {
        for (parent, graph) in graphs(folder) {
            let parent = [vec![folder.to_owned()], parent].concat().join("/");
            for (name, named) in &graph {
                let back = named.iter().filter(|other| reachable(&graph, other).contains(name.as_str()));
                cycles.extend(back.map(|other| format!("{parent}: {name} names {other}, which leads back to it")));
            }
        }
    }
    none("cycles of modules", cycles);
}

#[test]
fn cycles_are_found_through_other_modules() {
    let edge = |a: &str, b: &str| (a.to_owned(), BTreeSet::from([b.to_owned()]));
    let graph = Graph::from([edge("a", "b"), edge("b", "c"), edge("c", "a"), edge("d", "a")]);
    assert!(reachable(&graph, "a").contains("a") && !reachable(&graph, "d").contains("d"));
}
