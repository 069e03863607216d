//! Measures the same training steps in PyTorch and JAX, if they are installed.

use super::examples::{Example, Learned};
use crate::console;
use crate::failure::Failure;
use crate::process::root;
use ganlet_trainer::simd::instruction_set;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The peers: name, Python package and variants. `tests/peers` has two scripts of each.
const PEERS: [(&str, &str, &[&str]); 2] =
    [("PyTorch", "torch", &["", "compiled", "channels-last"]), ("JAX", "jax", &[""])];

/// The script of a Python package that computes the steps of a configuration.
fn script(module: &str, config: &str) -> PathBuf {
    let kind = if Example::named(config).is_some() { "examples" } else { "peer" };
    root().join("tests/peers").join(format!("{module}_{kind}.py"))
}

/// Whether a variant computes a configuration: torch.compile has no second derivatives, and memory formats concern images alone.
fn has_variant(variant: &str, config: &str) -> bool {
    match variant {
        "compiled" => config != "wgangp28",
        "channels-last" => !matches!(config, "bimodal1d" | "ring2d" | "tinymlp"),
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
    /// Their Python packages with their variants.
    installed: Vec<(&'static str, &'static [&'static str])>,
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
        let mut found = Vec::new();
        for (name, module, variants) in PEERS {
            if installed(module) {
                found.push((module, variants));
            } else {
                console::note(&format!(
                    "{name} is not installed for {python} and is skipped: {python} -m pip install {module}"
                ));
            }
        }
        if found.is_empty() {
            return Err(Failure::unusable(format!(
                "--peer {python}: neither PyTorch nor JAX is installed; install one, or omit the option"
            )));
        }
        Ok(Self { python: python.to_owned(), installed: found })
    }

    /// Checks that PyTorch is installed.
    pub(crate) fn require_torch(&self) -> Result<(), Failure> {
        if self.installed.iter().any(|(module, _)| *module == "torch") {
            return Ok(());
        }
        Err(Failure::unusable(format!(
            "--peer {0}: PyTorch is not installed; type {0} -m pip install torch, or omit the option",
            self.python
        )))
    }

    /// Measures each peer in turn. A variant that fails is skipped with a note: compiled code crashes on some processors.
    pub(crate) fn measure(&self, config: &str, threads: usize, seconds: f64) -> Result<Vec<PeerRow>, Failure> {
        let mut rows = Vec::new();
        let runs = self.installed.iter().flat_map(|(module, variants)| variants.iter().map(move |v| (module, *v)));
        for (module, variant) in runs.filter(|(_, variant)| has_variant(variant, config)) {
            let mut arguments = vec!["--seconds".to_owned(), seconds.to_string()];
            if !variant.is_empty() {
                arguments.extend(["--variant".to_owned(), variant.to_owned()]);
            }
            match self.run(module, config, threads, &arguments) {
                Ok(row) => rows.push(row),
                Err(failure) if !variant.is_empty() => {
                    console::note(&format!("{variant} {module} failed and is skipped: {}", failure.message));
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(rows)
    }

    /// Trains an example in PyTorch on the numbers in `folder`.
    pub(crate) fn learn(
        &self,
        example: Example,
        folder: &Path,
        epochs: u32,
        threads: usize,
    ) -> Result<Learned, Failure> {
        let arguments = ["--learn", &folder.to_string_lossy(), "--epochs", &epochs.to_string()].map(str::to_owned);
        self.run("torch", example.name(), threads, &arguments)
    }

    /// Runs the script of an installed peer, and reads the last line that it prints.
    fn run<T: DeserializeOwned>(
        &self,
        module: &str,
        config: &str,
        threads: usize,
        arguments: &[String],
    ) -> Result<T, Failure> {
        let path = script(module, config);
        let mut command = Command::new(&self.python);
        command.envs(limits().iter().copied()).env("PYTHONDONTWRITEBYTECODE", "1");
        command.arg(&path).args(["--config", config, "--threads", &threads.to_string()]).args(arguments);
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().last().and_then(|line| serde_json::from_str(line).ok()).ok_or_else(|| {
            let errors = String::from_utf8_lossy(&output.stderr);
            let last = errors.lines().last().unwrap_or("nothing").to_owned();
            Failure::failed(format!("{} of {config} printed no result; its last message: {last}", path.display()))
        })
    }
}
