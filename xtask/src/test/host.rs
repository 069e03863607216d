//! The host parts: format, lints, documentation and tests, which need nothing but the compiler.

use super::part::{Part, PartOutcome};
use crate::console;
use crate::firmware::report_installation;
use crate::process::{self, root};
use ganlet_trainer::simd::{ISA_VARIABLE, InstructionSet, instruction_set};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The host parts, the fast ones first.
pub(super) fn parts() -> Vec<Part> {
    let mut parts = vec![
        Part::new("format", format),
        Part::new("lints", || {
            let mut command = cargo(&["clippy", "--workspace", "--all-targets", "--locked"]);
            command.args(["--", "-D", "warnings"]);
            with_component("clippy", "rust-web-clippy", "clippy", || check(&mut command))
        }),
        Part::new("documentation", || {
            let mut command = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
            check(command.env("RUSTDOCFLAGS", "-D warnings"))
        }),
        Part::new("tests", || tests(&mut cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]))),
    ];
    // The tests above ran with the widest instruction set.
    let others = InstructionSet::available().filter(|&set| set != instruction_set());
    parts.extend(others.map(|set| Part::new(format!("kernels, {set}"), move || kernel_tests(set))));
    parts
}

/// Runs the tests of the executor and of gradients with the kernels of `set`.
fn kernel_tests(set: InstructionSet) -> PartOutcome {
    // The whole workspace, because other packages would be compiled with other features of their dependencies.
    let mut command = cargo(&["test", "--workspace", "--lib", "--test", "claims"]);
    command.args(["--locked", "--no-fail-fast", "--"]).args(["exec::", "executor::", "gradients"]);
    tests(command.env(ISA_VARIABLE, set.id()))
}

fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(words).current_dir(root());
    command
}

/// Checks the format of the workspace, and of every package outside of it.
fn format() -> PartOutcome {
    with_component("rustfmt", "rustfmt-web", "fmt", || {
        let mut commands = vec![cargo(&["fmt", "--all", "--check"])];
        for package in outside_packages() {
            let mut command = cargo(&["fmt", "--check", "--manifest-path"]);
            command.arg(package.join("Cargo.toml"));
            commands.push(command);
        }
        let failures: Vec<String> = commands.iter_mut().filter_map(|command| run(command).err()).collect();
        match failures.len() {
            0 => PartOutcome::Passed(commands.len()),
            failed => PartOutcome::Failed { passed: commands.len() - failed, failed, why: failures.join("; ") },
        }
    })
}

/// The folders of the packages that are not members of the workspace: the boards, the bench firmware and the plugin of QEMU.
fn outside_packages() -> Vec<PathBuf> {
    let simulator = root().join("firmware-sim");
    let boards = fs::read_dir(simulator.join("boards")).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut packages: Vec<_> = boards.chain(["bench", "counter"].map(|name| simulator.join(name))).collect();
    packages.retain(|folder| folder.join("Cargo.toml").is_file());
    packages.sort();
    packages
}

/// Runs checks with a component of the toolchain, and installs the component first if it is missing and no question has to be answered.
fn with_component(name: &str, package: &str, subcommand: &str, checks: impl FnOnce() -> PartOutcome) -> PartOutcome {
    let works = || {
        let mut command = cargo(&[subcommand, "--version"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    if !works() {
        if process::which("rustup").is_some() {
            report_installation(&format!("rustup component add {name}"));
            let mut command = Command::new("rustup");
            let _ = command.args(["component", "add", name]).stdin(Stdio::null()).stdout(Stdio::null()).status();
        } else if let Err(refused) = process::install(&[package], &report_installation) {
            return failed(format!("{name} is missing: rustup component add {name} ({refused})"));
        }
    }
    if works() { checks() } else { failed(format!("{name} is missing: rustup component add {name}")) }
}

/// Runs a command that counts as one check.
pub(super) fn check(command: &mut Command) -> PartOutcome {
    run(command).map_or_else(failed, |()| PartOutcome::Passed(1))
}

/// Runs a command; an error is a sentence for the user.
fn run(command: &mut Command) -> Result<(), String> {
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(reproduce(command)),
        Err(e) => Err(format!("cannot run {}: {e}", command.get_program().display())),
    }
}

fn failed(why: String) -> PartOutcome {
    PartOutcome::Failed { passed: 0, failed: 1, why }
}

fn reproduce(command: &Command) -> String {
    let variables =
        command.get_envs().filter_map(|(name, value)| Some(format!("{}={}", name.display(), value?.display())));
    let words = [command.get_program()].into_iter().chain(command.get_args()).map(|word| word.display().to_string());
    format!("reproduce with: {}", variables.chain(words).collect::<Vec<_>>().join(" "))
}

/// Runs `cargo test` and counts the tests by the lines that it prints.
fn tests(command: &mut Command) -> PartOutcome {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let (mut child, out) = match child.map(|mut child| child.stdout.take().map(|out| (child, out))) {
        Ok(Some(pair)) => pair,
        Ok(None) => return failed("cargo test printed nothing".into()),
        Err(e) => return failed(format!("cannot run cargo: {e}")),
    };
    let (mut passed, mut failing) = (0, 0);
    for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        if let Some((p, f)) = counts(&line) {
            passed += p;
            failing += f;
        }
        // Progress goes to standard error; standard output holds the summary alone.
        console::note(&line);
    }
    let success = child.wait().is_ok_and(|status| status.success());
    if success && failing == 0 && passed > 0 {
        return PartOutcome::Passed(passed);
    }
    let why = if success && passed == 0 { "no test was found".to_owned() } else { reproduce(command) };
    PartOutcome::Failed { passed, failed: failing.max(1), why }
}

/// Parses the numbers of passed and failed tests from a line such as `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
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
    fn results_of_cargo_test_are_parsed() {
        let line = "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s";
        assert_eq!(counts(line), Some((12, 0)));
        let line = "test result: FAILED. 7 passed; 31 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s";
        assert_eq!(counts(line), Some((7, 31)));
        assert_eq!(counts("test result_of_things ... ok"), None);
        assert_eq!(counts("running 12 tests"), None);
    }
}
