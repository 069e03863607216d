//! Finds, installs and runs other programs, with time limits, and names the folders that they work in.

use crate::failure::Failure;
use std::env;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Time limit for apt-get.
const APT_LIMIT: Duration = Duration::from_secs(600);

/// The folder of the whole project.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The folder for models and linked programs, which is created if it is missing.
pub(crate) fn folder() -> Result<PathBuf, Failure> {
    let folder = root().join("target/device");
    fs::create_dir_all(&folder).map_err(|e| Failure::file(&folder, e))?;
    Ok(folder)
}

/// The file of the running program, to start it again.
pub(crate) fn this_program() -> Result<PathBuf, Failure> {
    // Cargo may have replaced the file since this program was started; this link still leads to the original.
    let link = Path::new("/proc/self/exe");
    if link.exists() {
        return Ok(link.to_owned());
    }
    env::current_exe().map_err(|e| Failure::failed(format!("cannot find the running program: {e}")))
}

/// Returns the first program with this name on the search path.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    which::which(program).ok()
}

/// Returns the first line that a program prints, if it runs and succeeds.
pub(crate) fn first_line(program: &Path, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}

/// Checks that a program is installed, or installs the Debian packages that contain it; an error is the remedy.
pub(crate) fn require(program: &str, packages: &[&str], report: &dyn Fn(&str)) -> Result<(), String> {
    if which(program).is_some() {
        return Ok(());
    }
    let refused = install(packages, report).err();
    if which(program).is_some() {
        return Ok(());
    }
    let refused = refused.map(|why| format!(" ({why})")).unwrap_or_default();
    Err(format!("{program} is missing: apt-get install --no-install-recommends {}{refused}", packages.join(" ")))
}

/// Checks that a QEMU emulator is installed, or installs it; an error is the remedy.
pub(crate) fn require_emulator(emulator: &str, report: &dyn Fn(&str)) -> Result<(), String> {
    let package = if emulator == "qemu-system-riscv32" { "qemu-system-misc" } else { emulator };
    require(emulator, &[package], report)
}

/// Installs Debian packages with apt-get, if this process is root and therefore no question has to be answered.
pub(crate) fn install(packages: &[&str], report: &dyn Fn(&str)) -> Result<(), String> {
    if which("apt-get").is_none() {
        return Err("this system has no apt-get".to_owned());
    }
    if first_line(Path::new("id"), &["-u"]).is_none_or(|id| id != "0") {
        return Err("apt-get needs root, and this is another user".to_owned());
    }
    report(&format!("apt-get install {}", packages.join(" ")));
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-qq", "-y"]).args(words).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        succeeds_within(APT_LIMIT, command)
    };
    let install = [&["install", "--no-install-recommends"], packages].concat();
    // A fresh container has no lists of packages.
    if apt(&install) || (apt(&["update"]) && apt(&install)) { Ok(()) } else { Err("apt-get failed".to_owned()) }
}

/// Runs a command that may wait for the network; returns whether it succeeded within the limit.
pub(crate) fn succeeds_within(limit: Duration, mut command: Command) -> bool {
    let Ok(mut child) = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn() else { return false };
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if start.elapsed() < limit => thread::sleep(Duration::from_millis(100)),
            _ => {
                // If it cannot be ended, nothing else can be done about it.
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

/// Runs a program and returns what it printed, if it succeeded within `limit`.
pub(crate) fn output_within(program: &str, arguments: &[String], limit: Duration) -> Result<String, Failure> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| Failure::failed(format!("cannot run {program}: {e}")))?;
    // A full pipe would stop the program.
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
        // If it cannot be ended, nothing else can be done about it.
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
    Err(Failure::failed(format!("{program} {}: {why}\n{}", arguments.join(" "), said.trim())))
}

fn reader(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is worth showing.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_ended_and_named() {
        let endless = output_within("sleep", &["600".into()], Duration::from_millis(20)).unwrap_err();
        assert!(endless.message.contains("sleep 600") && endless.message.contains("did not end"), "{endless:?}");
        let failing =
            output_within("sh", &["-c".into(), "echo why; exit 3".into()], Duration::from_secs(60)).unwrap_err();
        assert!(failing.message.contains("why"), "{failing:?}");
        assert_eq!(output_within("echo", &["well".into()], Duration::from_secs(60)).unwrap(), "well\n");
    }
}
