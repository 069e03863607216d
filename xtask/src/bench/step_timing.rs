//! The timing of a training step, as `bench host` measures and records it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The timing of a configuration with a number of threads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StepTiming {
    pub(crate) config: String,
    pub(crate) threads: usize,
    /// CPU time of a step, the median over rounds.
    pub(crate) cpu_ms: f64,
    /// Wall time of a step, the median over rounds.
    pub(crate) wall_ms: f64,
    /// Wall time of the slowest round divided by that of the fastest.
    pub(crate) spread: f64,
    pub(crate) samples_per_s: f64,
    /// Floating-point operations of the products of a step.
    pub(crate) gflop: f64,
    pub(crate) gflops_per_core: f64,
    /// `gflops_per_core` divided by `sgemm_gflops`.
    pub(crate) share: Option<f64>,
    /// Rate of matrixmultiply; none if it would use a wider instruction set than the kernels.
    pub(crate) sgemm_gflops: Option<f64>,
    pub(crate) rss_bytes: u64,
    pub(crate) planned_bytes: usize,
    /// Wall milliseconds of a step for each kind of node, from additional steps with profiling.
    pub(crate) kinds: BTreeMap<String, f64>,
    /// Name of the processor.
    pub(crate) processor: String,
}
