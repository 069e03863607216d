//! From a float generator to an integer model file, with the proof of how little the picture changed.
//!
//! Calibrates activation ranges on latents of the device's own sampler, quantizes weights per output channel, folds
//! zero points into biases, and writes the file through the runtime's encoder; the comparison runs the runtime itself.
mod calibrate;
mod compare;
mod error;
mod float;
mod fold;
mod fuse;
mod lower;
mod net;
pub mod oracle;
pub mod random_models;
pub mod reference_models;
mod report;
#[cfg(test)]
mod tests;

pub use compare::Psnr;
pub use error::QuantizeError;
pub use fold::fold;
pub use net::{Activation, FloatLayer, FloatNet, FloatOp, FloatSource};
pub use report::{LayerReport, Report};

use calibrate::Clip;
pub use ganlet_runtime::encode::LayoutChoice;
use ganlet_runtime::encode::{LayerSpec, ModelBuilder};

/// Seeds from here on are for comparison; calibration never sees them.
pub const COMPARISON_SEEDS: u32 = 1 << 30;
/// Pictures that decide between ways to clip.
const TRIALS: u32 = 64;

/// How much work to spend, and which rewritings to allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Latents that calibrate the activation ranges.
    pub calibration: u32,
    /// Latents over which integers are compared with floats.
    pub comparison: u32,
    /// Turn "upsample, then convolve" into one transposed convolution: less than half of the products and less
    /// RAM, for more flash.
    pub fuse_upsampling: bool,
    /// How weights lie in flash: compact, fast, or as fast as a flash budget allows.
    pub layouts: LayoutChoice,
}

impl Default for Options {
    fn default() -> Self {
        Self { calibration: 512, comparison: 1000, fuse_upsampling: true, layouts: LayoutChoice::Compact }
    }
}

/// An integer model and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// The model file.
    pub file: Vec<u8>,
    /// What it holds, costs and loses.
    pub report: Report,
    /// The integer layers as they were encoded, in training order: what an independent computation starts from.
    pub layers: Vec<LayerSpec>,
}

/// Shrinks `net` to integers.
///
/// # Errors
/// When the network is no picture generator or has something that a device cannot run: the message names the layer
/// and the remedy.
pub fn quantize(net: &FloatNet, options: &Options) -> Result<Quantized, QuantizeError> {
    error::check(net)?;
    let fused = if options.fuse_upsampling { net.fuse_upsampling() } else { net.clone() };
    let stats = calibrate::calibrate(&fused, options.calibration.max(1));
    let trials = compare::References::new(net, COMPARISON_SEEDS - TRIALS..COMPARISON_SEEDS);
    let mut best: Option<(f64, Clip)> = None;
    for clip in Clip::ALL {
        // Pictures do not depend on the layouts.
        let file = write(&fused, &stats, clip, LayoutChoice::Compact)?;
        let psnr = trials.compare(&file)?.mean_db;
        if best.as_ref().is_none_or(|(db, ..)| psnr > *db) {
            best = Some((psnr, clip));
        }
    }
    let Some((_, clip)) = best else { unreachable!("there are ways to clip") };
    let file = write(&fused, &stats, clip, options.layouts)?;
    let seeds = COMPARISON_SEEDS..COMPARISON_SEEDS + options.comparison.max(1);
    let psnr = compare::References::new(net, seeds).compare(&file)?;
    let report = Report::new(&file, psnr, clip.name())?;
    Ok(Quantized { file, report, layers: lower::lower(&fused, &stats, clip) })
}

fn write(
    net: &FloatNet,
    stats: &[calibrate::Stats],
    clip: Clip,
    layouts: LayoutChoice,
) -> Result<Vec<u8>, QuantizeError> {
    let short = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let mut builder = ModelBuilder::new(&net.name, short(net.latent.saturating_sub(net.classes)));
    builder.classes(short(net.classes));
    for spec in lower::lower(net, stats, clip) {
        builder.push(&spec);
    }
    if net.judges > 0 || !net.levels.is_empty() {
        let shown = net.levels.iter().copied().chain([net.picture()]);
        builder.pictures(&shown.map(|i| u8::try_from(i).unwrap_or(u8::MAX)).collect::<Vec<_>>());
    }
    if let LayoutChoice::Auto { flash_bytes } = layouts {
        let compact = builder.finish()?.len() as u64;
        if compact > flash_bytes {
            return Err(QuantizeError::over_budget(net, compact, flash_bytes));
        }
    }
    Ok(builder.layouts(layouts).finish()?)
}
