//! The same training steps in PyTorch and JAX, where they are installed.

use crate::console;
use crate::failure::Failure;
use crate::process::root;
use serde::{Deserialize, Serialize};
use std::process::Command;

/// The scripts under `tests/peers`: what they need, how to get it, and their file.
const SCRIPTS: [(&str, &str, &str); 2] = [("PyTorch", "torch", "torch_peer.py"), ("JAX", "jax", "jax_peer.py")];

/// What a script measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PeerRow {
    /// Name and version.
    pub(crate) peer: String,
    pub(crate) config: String,
    pub(crate) threads: usize,
    pub(crate) cpu_ms: f64,
    pub(crate) wall_ms: f64,
    pub(crate) spread: f64,
    pub(crate) samples_per_s: f64,
    pub(crate) rss_bytes: u64,
}

/// Peers that a Python can run.
pub(crate) struct Peers {
    python: String,
    scripts: Vec<&'static str>,
}

impl Peers {
    /// Asks `python` what it has; a peer that is missing is told and left out.
    pub(crate) fn find(python: &str) -> Result<Self, Failure> {
        let version = Command::new(python).arg("--version").output();
        if let Err(e) = version {
            return Err(Failure::unusable(format!(
                "--peer {python}: cannot be run ({e}): expected a Python with PyTorch or JAX; install one, or leave the option away"
            )));
        }
        let installed = |module: &str| {
            Command::new(python).args(["-c", &format!("import {module}")]).output().is_ok_and(|o| o.status.success())
        };
        let mut scripts = Vec::new();
        for (name, module, script) in SCRIPTS {
            if installed(module) {
                scripts.push(script);
            } else {
                console::note(&format!(
                    "{name} is not installed for {python} and is left out: {python} -m pip install {module}"
                ));
            }
        }
        if scripts.is_empty() {
            return Err(Failure::unusable(format!(
                "--peer {python}: there is no peer to compare with; leave the option away"
            )));
        }
        Ok(Self { python: python.to_owned(), scripts })
    }

    /// Runs the peers one after the other.
    pub(crate) fn measure(&self, config: &str, threads: usize, seconds: f64) -> Result<Vec<PeerRow>, Failure> {
        let mut rows = Vec::new();
        for script in &self.scripts {
            let path = root().join("tests/peers").join(script);
            let mut command = Command::new(&self.python);
            command.arg(&path).args(["--config", config, "--threads", &threads.to_string()]);
            let output =
                command.args(["--seconds", &seconds.to_string()]).env("PYTHONDONTWRITEBYTECODE", "1").output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            let row = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
            rows.push(row.ok_or_else(|| {
                let told = String::from_utf8_lossy(&output.stderr);
                let last = told.lines().last().unwrap_or("nothing").to_owned();
                Failure::failed(format!("{} of {config} printed no result; it said: {last}", path.display()))
            })?);
        }
        Ok(rows)
    }
}
