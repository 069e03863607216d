//! Counts the checks of a part that held, and collects messages of those that failed.

use std::process::{Command, Stdio};

/// The checks of a part of the tests.
#[derive(Clone, Debug, Default)]
pub(super) struct Checks {
    pub(super) passed: usize,
    pub(super) failures: Vec<String>,
}

impl Checks {
    /// Counts a check; `message` describes the failure.
    pub(super) fn check(&mut self, holds: bool, message: impl FnOnce() -> String) {
        if holds {
            self.passed += 1;
        } else {
            self.failures.push(message());
        }
    }
}

/// Runs a `cargo clippy` command, which must report nothing about the package that `name` describes.
pub(super) fn lint(mut command: Command, name: &str, checks: &mut Checks) {
    let output = command.args(["--", "-D", "warnings"]).stdin(Stdio::null()).output();
    match output {
        Ok(output) => checks.check(output.status.success(), || {
            format!("clippy of {name}:\n{}", String::from_utf8_lossy(&output.stderr).trim())
        }),
        Err(e) => checks.check(false, || format!("clippy of {name}: cannot run cargo: {e}")),
    }
}
