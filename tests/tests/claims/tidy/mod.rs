//! Style rules of the project that a program can check: lengths, comments, unsafe code, module order, vocabulary.
mod cycles;
mod functions;
mod layers;
mod references;
mod scan;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

const MOST_LINES: usize = 600;
const MEDIAN_LINES: usize = 250;

/// Files that may contain unsafe code; each block has a SAFETY comment.
const AUDITED: [&str; 19] = [
    "firmware-sim/bench/src/clock.rs",
    "firmware-sim/bench/src/memory.rs",
    "firmware-sim/counter/src/lib.rs",
    "firmware-sim/boards/lm3s6965evb/src/chip.rs",
    "firmware-sim/boards/microbit/src/leds.rs",
    "firmware-sim/boards/microbit/src/line.rs",
    "firmware-sim/boards/model.rs",
    "firmware-sim/boards/stack.rs",
    "runtime/src/kernels/armv6m.rs",
    "runtime/src/kernels/armv7m.rs",
    "runtime/src/kernels/mve.rs",
    "runtime/src/kernels/rv32.rs",
    "trainer/src/exec/cpu/dot.rs",
    "trainer/src/exec/cpu/dot_x86.rs",
    "trainer/src/exec/cpu/gemm.rs",
    "trainer/src/exec/cpu/microkernel.rs",
    "trainer/src/exec/cpu/microkernel_neon.rs",
    "trainer/src/exec/cpu/microkernel_x86.rs",
    "trainer/src/simd/multiversion.rs",
];

/// Folders of the project's text. A working copy may contain other folders, such as runs and data.
const FOLDERS: [&str; 8] = [".cargo", ".ci", "docs", "firmware-sim", "runtime", "tests", "trainer", "xtask"];

/// Words that code must not contain; split here, so that this file passes its own test.
const FORBIDDEN: [&str; 6] = [
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("db", "g!("),
    concat!("#[ig", "nore"),
    concat!("#[should_", "panic"),
    concat!("FIX", "ME"),
];

/// First parts of paths that exist on one machine only.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk"), concat!("/ro", "ot"), concat!("/tm", "p"), concat!("/ho", "me")];

struct Text {
    /// Path relative to the root of the project, with `/`.
    name: String,
    lines: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Reads every text file of the project.
fn texts() -> Vec<Text> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let last = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                let included = if folder == root() { FOLDERS.contains(&last.as_str()) } else { last != "target" };
                folders.extend(included.then_some(path));
            } else if last != ".git"
                && let Ok(text) = fs::read_to_string(&path)
            {
                let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
                found.push(Text { name, lines: text.lines().map(str::to_owned).collect() });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn sources() -> Vec<Text> {
    let sources: Vec<Text> = texts().into_iter().filter(|text| text.name.ends_with(".rs")).collect();
    assert!(sources.len() > 50, "only {} Rust sources found", sources.len());
    sources
}

/// Fails if there are offenders, and lists all of them.
#[track_caller]
fn none(rule: &str, offenders: Vec<String>) {
    assert!(offenders.is_empty(), "{rule}:\n  {}", offenders.join("\n  "));
}

/// Lines for which `wrong` holds, as `file:line: text`.
fn places(texts: &[Text], wrong: impl Fn(&Text, &str) -> bool) -> Vec<String> {
    let of = |text: &Text| {
        let lines = text.lines.iter().enumerate().filter(|(_, line)| wrong(text, line));
        lines.map(|(i, line)| format!("{}:{}: {}", text.name, i + 1, line.trim())).collect::<Vec<_>>()
    };
    texts.iter().flat_map(of).collect()
}

#[test]
fn sources_stay_within_the_line_limits() {
    let sources = sources();
    let mut lengths: Vec<usize> = sources.iter().map(|text| text.lines.len()).collect();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= MEDIAN_LINES, "the median source has {median} lines, more than {MEDIAN_LINES}");
    let long = sources.iter().filter(|text| text.lines.len() > MOST_LINES);
    none("longer than 600 lines", long.map(|text| format!("{}: {}", text.name, text.lines.len())).collect());
}

#[test]
fn every_source_starts_with_a_module_comment() {
    let silent = |text: &&Text| {
        let first = text.lines.first().map(String::as_str).unwrap_or_default();
        !(first.starts_with("//! ") && first.len() > 12)
    };
    none(
        "the first line is not a //! sentence",
        sources().iter().filter(silent).map(|text| text.name.clone()).collect(),
    );
}

#[test]
fn no_code_is_unfinished_or_disabled() {
    let found = places(&sources(), |_, line| FORBIDDEN.iter().any(|word| line.contains(word)));
    none("unfinished, disabled or left from debugging", found);
}

#[test]
fn unsafe_code_is_only_in_audited_files_with_a_safety_comment() {
    let keyword = concat!("uns", "afe");
    let opens = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        ["{", "fn", "impl", "trait", "extern"].iter().any(|next| code.contains(&format!("{keyword} {next}")))
    };
    let sources = sources();
    let found = places(&sources, |text, line| opens(line) && !AUDITED.contains(&text.name.as_str()));
    none("unsafe code outside the audited files", found);
    for name in AUDITED {
        let text = sources
            .iter()
            .find(|text| text.name == name)
            .unwrap_or_else(|| panic!("audited file {name} does not exist"));
        let blocks: Vec<usize> = (0..text.lines.len()).filter(|&i| opens(&text.lines[i])).collect();
        assert!(!blocks.is_empty(), "{name} contains no unsafe code: remove it from AUDITED");
        for block in blocks {
            let above = &text.lines[block.saturating_sub(5)..block];
            assert!(above.iter().any(|line| line.contains("// SAFETY: ")), "{name}:{}: no SAFETY comment", block + 1);
        }
    }
}

#[test]
fn no_text_contains_a_machine_specific_path() {
    let part_of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}');
    let names = |line: &str, path: &str| {
        line.match_indices(path).any(|(at, _)| {
            let (before, after) = (line[..at].chars().next_back(), line[at + path.len()..].chars().next());
            !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
        })
    };
    let found = places(&texts(), |_, line| MACHINE_PATHS.iter().any(|path| names(line, path)));
    none("a path that exists on one machine only", found);
}
