//! The parts that need nothing but the compiler: format, lints, documentation, tests.

use super::{Part, Verdict};
use crate::console;
use crate::toolchain;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Runs all of them, the quick ones first.
pub(super) fn parts() -> Vec<Part> {
    vec![
        Part::timed("format", || component("rustfmt", "rustfmt-web", &["fmt", "--all", "--check"])),
        Part::timed("lints", || {
            component(
                "clippy",
                "rust-web-clippy",
                &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
            )
        }),
        Part::timed("documentation", || {
            let mut command = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
            command.env("RUSTDOCFLAGS", "-D warnings");
            check(command)
        }),
        Part::timed("tests", tests),
    ]
}

fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(words);
    command
}

/// A check by a component of the compiler, which is installed first where it is missing and that needs no questions.
fn component(name: &str, package: &str, words: &[&str]) -> Verdict {
    let works = || {
        let mut command = cargo(&[words[0], "--version"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    if !works() {
        let told = |what: &str| console::note(&format!("installing: {what}"));
        if toolchain::which("rustup").is_some() {
            told(&format!("rustup component add {name}"));
            let mut command = Command::new("rustup");
            let _ = command.args(["component", "add", name]).stdin(Stdio::null()).stdout(Stdio::null()).status();
        } else if let Err(refused) = toolchain::install(&[package], &told) {
            return failed(format!("{name} is missing: rustup component add {name} ({refused})"));
        }
    }
    if works() { check(cargo(words)) } else { failed(format!("{name} is missing: rustup component add {name}")) }
}

/// A command that passes or fails as a whole.
pub(super) fn check(mut command: Command) -> Verdict {
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Verdict::Passed(1),
        Ok(_) => failed(again(&command)),
        Err(e) => failed(format!("cannot run {}: {e}", command.get_program().display())),
    }
}

fn failed(why: String) -> Verdict {
    Verdict::Failed { passed: 0, failed: 1, why }
}

fn again(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args()).map(OsStr::to_string_lossy);
    format!("again by: {}", words.collect::<Vec<_>>().join(" "))
}

/// `cargo test`, counted by the lines that it prints.
fn tests() -> Verdict {
    let mut command = cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let (mut child, out) = match child.map(|mut child| child.stdout.take().map(|out| (child, out))) {
        Ok(Some(pair)) => pair,
        Ok(None) => return failed("cargo test has no output".into()),
        Err(e) => return failed(format!("cannot run cargo: {e}")),
    };
    let (mut passed, mut failing) = (0, 0);
    for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        if let Some((p, f)) = counts(&line) {
            passed += p;
            failing += f;
        }
        // Progress of the tests belongs to people; standard output ends with the summary.
        console::note(&line);
    }
    let well = child.wait().is_ok_and(|status| status.success());
    if well && failing == 0 && passed > 0 {
        return Verdict::Passed(passed);
    }
    let why = if well && passed == 0 { "no test was found".to_owned() } else { again(&command) };
    Verdict::Failed { passed, failed: failing.max(1), why }
}

/// Passed and failed tests of a line such as `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
fn counts(line: &str) -> Option<(usize, usize)> {
    let rest = line.strip_prefix("test result: ")?;
    let number = |word: &str| {
        let before = rest.split(word).next()?.trim_end();
        before.rsplit(' ').next()?.parse().ok()
    };
    Some((number("passed")?, number("failed;")?))
}

#[cfg(test)]
mod tests {
    use super::counts;

    #[test]
    fn the_lines_of_cargo_test_are_counted() {
        let line = "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s";
        assert_eq!(counts(line), Some((12, 0)));
        let line = "test result: FAILED. 7 passed; 31 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s";
        assert_eq!(counts(line), Some((7, 31)));
        assert_eq!(counts("test result_of_things ... ok"), None);
        assert_eq!(counts("running 12 tests"), None);
    }
}
