//! Measures the same training steps in PyTorch and JAX, if they are installed.

use crate::console;
use crate::failure::Failure;
use crate::process::root;
use ganlet_trainer::simd::instruction_set;
use serde::{Deserialize, Serialize};
use std::process::Command;

/// The scripts in `tests/peers`: name of the peer, its Python package, the file, its variants.
const SCRIPTS: [(&str, &str, &str, &[&str]); 2] =
    [("PyTorch", "torch", "torch_peer.py", &["", "compiled", "channels-last"]), ("JAX", "jax", "jax_peer.py", &[""])];

/// Whether a variant computes a configuration: torch.compile has no second derivatives, and memory formats concern images alone.
fn has_variant(variant: &str, config: &str) -> bool {
    match variant {
        "compiled" => config != "wgangp28",
        "channels-last" => !matches!(config, "bimodal1d" | "ring2d"),
        _ => true,
    }
}

/// The environment variables that limit PyTorch (its own kernels, oneDNN, MKL) and XLA to the instruction set of this process. XLA's
/// library YNNPACK cannot be limited, so XLA computes its products itself.
fn limits() -> &'static [(&'static str, &'static str)] {
    match instruction_set().id() {
        "avx2" => &[
            ("ATEN_CPU_CAPABILITY", "avx2"),
            ("ONEDNN_MAX_CPU_ISA", "AVX2"),
            ("MKL_ENABLE_INSTRUCTIONS", "AVX2"),
            ("XLA_FLAGS", "--xla_cpu_max_isa=AVX2 --xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_INVALID"),
        ],
        "portable" if cfg!(target_arch = "x86_64") => &[
            ("ATEN_CPU_CAPABILITY", "default"),
            ("ONEDNN_MAX_CPU_ISA", "SSE41"),
            ("MKL_ENABLE_INSTRUCTIONS", "SSE4_2"),
            (
                "XLA_FLAGS",
                "--xla_cpu_max_isa=SSE4_2 --xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_INVALID",
            ),
        ],
        _ => &[],
    }
}

/// The measurement of a script.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PeerRow {
    /// Name and version of the peer.
    pub(crate) peer: String,
    pub(crate) config: String,
    pub(crate) threads: usize,
    pub(crate) cpu_ms: f64,
    pub(crate) wall_ms: f64,
    pub(crate) spread: f64,
    pub(crate) samples_per_s: f64,
    pub(crate) rss_bytes: u64,
}

/// The peers that a Python interpreter can run.
pub(crate) struct Peers {
    python: String,
    scripts: Vec<(&'static str, &'static [&'static str])>,
}

impl Peers {
    /// Finds the peers that `python` has installed, and reports those that are missing.
    pub(crate) fn find(python: &str) -> Result<Self, Failure> {
        let version = Command::new(python).arg("--version").output();
        if let Err(e) = version {
            return Err(Failure::unusable(format!(
                "--peer {python}: cannot be run ({e}): expected a Python interpreter with PyTorch or JAX; install one, or omit the option"
            )));
        }
        let installed = |module: &str| {
            Command::new(python).args(["-c", &format!("import {module}")]).output().is_ok_and(|o| o.status.success())
        };
        let mut scripts = Vec::new();
        for (name, module, script, variants) in SCRIPTS {
            if installed(module) {
                scripts.push((script, variants));
            } else {
                console::note(&format!(
                    "{name} is not installed for {python} and is skipped: {python} -m pip install {module}"
                ));
            }
        }
        if scripts.is_empty() {
            return Err(Failure::unusable(format!(
                "--peer {python}: neither PyTorch nor JAX is installed; install one, or omit the option"
            )));
        }
        Ok(Self { python: python.to_owned(), scripts })
    }

    /// Measures each peer in turn.
    pub(crate) fn measure(&self, config: &str, threads: usize, seconds: f64) -> Result<Vec<PeerRow>, Failure> {
        let mut rows = Vec::new();
        let runs = self.scripts.iter().flat_map(|(script, variants)| variants.iter().map(move |v| (script, *v)));
        for (script, variant) in runs.filter(|(_, variant)| has_variant(variant, config)) {
            let path = root().join("tests/peers").join(script);
            let mut command = Command::new(&self.python);
            command.envs(limits().iter().copied());
            command.arg(&path).args(["--config", config, "--threads", &threads.to_string()]);
            if !variant.is_empty() {
                command.args(["--variant", variant]);
            }
            let output =
                command.args(["--seconds", &seconds.to_string()]).env("PYTHONDONTWRITEBYTECODE", "1").output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            let row = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
            rows.push(row.ok_or_else(|| {
                let errors = String::from_utf8_lossy(&output.stderr);
                let last = errors.lines().last().unwrap_or("nothing").to_owned();
                Failure::failed(format!("{} of {config} printed no result; its last message: {last}", path.display()))
            })?);
        }
        Ok(rows)
    }
}
