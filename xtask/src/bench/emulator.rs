//! Running a firmware in an emulator: found or installed, ended when it takes too long, its output read.

use crate::failure::Failure;
use crate::toolchain;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The emulator's package on Debian.
fn package(emulator: &str) -> &str {
    if emulator == "qemu-system-riscv32" { "qemu-system-misc" } else { emulator }
}

/// Finds an emulator, or installs it where that needs no questions; else tells the remedy.
pub(crate) fn find(emulator: &str, told: &impl Fn(&str)) -> Result<(), String> {
    find_in(emulator, &[package(emulator)], told)
}

/// Finds a program, or installs the packages that bring it; else tells the remedy.
pub(crate) fn find_in(program: &str, packages: &[&str], told: &impl Fn(&str)) -> Result<(), String> {
    if toolchain::which(program).is_some() {
        return Ok(());
    }
    let refused = toolchain::install(packages, told).err();
    if toolchain::which(program).is_some() {
        return Ok(());
    }
    let refused = refused.map(|why| format!(" ({why})")).unwrap_or_default();
    Err(format!("{program} is missing: apt-get install --no-install-recommends {}{refused}", packages.join(" ")))
}

/// What the firmware printed, if it ended well within `limit`.
pub(crate) fn run(emulator: &str, arguments: &[String], limit: Duration) -> Result<String, Failure> {
    let mut command = Command::new(emulator);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| Failure::failed(format!("cannot run {emulator}: {e}")))?;
    // A full pipe would stop the emulator.
    let (out, err) = (child.stdout.take().map(reader), child.stderr.take().map(reader));
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if start.elapsed() < limit => thread::sleep(Duration::from_millis(5)),
            Ok(None) => break Err(format!("did not end within {} seconds", limit.as_secs())),
            Err(e) => break Err(e.to_string()),
        }
    };
    if status.is_err() {
        // It is of no use any more, whether or not it can still be ended.
        let _ = child.kill();
        let _ = child.wait();
    }
    let join = |reader: Option<thread::JoinHandle<String>>| reader.and_then(|r| r.join().ok()).unwrap_or_default();
    let (out, err) = (join(out), join(err));
    let why = match status {
        Ok(status) if status.success() => return Ok(out),
        Ok(status) => status.to_string(),
        Err(why) => why,
    };
    let said = [out.trim(), err.trim()].join("\n");
    Err(Failure::failed(format!("{emulator} {}: {why}\n{}", arguments.join(" "), said.trim())))
}

fn reader(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is worth telling.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_ended_and_named() {
        let endless = run("sleep", &["600".into()], Duration::from_millis(20)).unwrap_err();
        assert!(endless.message.contains("sleep 600") && endless.message.contains("did not end"), "{endless:?}");
        let failing = run("sh", &["-c".into(), "echo why; exit 3".into()], Duration::from_secs(60)).unwrap_err();
        assert!(failing.message.contains("why"), "{failing:?}");
        assert_eq!(run("echo", &["well".into()], Duration::from_secs(60)).unwrap(), "well\n");
    }
}
