//! Committed measurements of Arm's CMSIS-NN on the same generators, for comparison.
//!
//! CMSIS-NN of July 2026, compiled with gcc 12 -O3. Instructions were counted in QEMU 7.2, and outputs equal those of a simple
//! reference implementation. "wrapper" is the function that TensorFlow Lite Micro and ExecuTorch call; "direct" is the fastest
//! function, which neither of them calls.

use ganlet_sim::host::Core;

/// The cost of an image with CMSIS-NN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CmsisMeasurement {
    pub(crate) model: &'static str,
    pub(crate) core: Core,
    pub(crate) call: &'static str,
    pub(crate) instructions: u64,
    pub(crate) ram_bytes: u64,
}

const fn row(
    model: &'static str,
    core: Core,
    call: &'static str,
    instructions: u64,
    ram_bytes: u64,
) -> CmsisMeasurement {
    CmsisMeasurement { model, core, call, instructions, ram_bytes }
}

/// Every committed measurement.
pub(crate) const MEASUREMENTS: [CmsisMeasurement; 18] = [
    row("digits28", Core::M3, "wrapper", 5_490_000, 14_900),
    row("digits28", Core::M3, "direct", 2_610_000, 8_800),
    row("digits28", Core::M4, "wrapper", 3_640_000, 14_900),
    row("digits28", Core::M4, "direct", 1_750_000, 8_800),
    row("digits28", Core::M55, "wrapper", 600_000, 14_900),
    row("digits28", Core::M55, "direct", 710_000, 8_800),
    row("dcgan64-16", Core::M3, "wrapper", 75_100_000, 145_000),
    row("dcgan64-16", Core::M3, "direct", 30_100_000, 33_300),
    row("dcgan64-16", Core::M4, "wrapper", 49_400_000, 145_000),
    row("dcgan64-16", Core::M4, "direct", 21_400_000, 33_300),
    row("dcgan64-16", Core::M55, "wrapper", 6_860_000, 145_000),
    row("dcgan64-16", Core::M55, "direct", 6_420_000, 33_300),
    row("dcgan64-64", Core::M3, "wrapper", 1_099_000_000, 2_154_000),
    row("dcgan64-64", Core::M3, "direct", 379_000_000, 133_000),
    row("dcgan64-64", Core::M4, "wrapper", 711_000_000, 2_154_000),
    row("dcgan64-64", Core::M4, "direct", 259_000_000, 133_000),
    row("dcgan64-64", Core::M55, "wrapper", 77_100_000, 2_154_000),
    row("dcgan64-64", Core::M55, "direct", 55_300_000, 133_000),
];

/// Returns the measurement to compare a core with. M7 and M33 use that of M4: their counts are within 1 % of it.
pub(crate) fn cmsis_nn(model: &str, core: Core, call: &str) -> Option<&'static CmsisMeasurement> {
    let core = if matches!(core, Core::M7 | Core::M33) { Core::M4 } else { core };
    MEASUREMENTS.iter().find(|a| a.model == model && a.core == core && a.call == call)
}
