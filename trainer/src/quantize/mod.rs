//! Quantization: converts a trained float generator to an int8 model file and measures how much its images change.
//!
//! `fold` folds batch norm into the layers before it. [`quantize`] equalizes channel ranges, calibrates activation ranges on
//! latents of the device's own sampler, quantizes weights per output channel, folds zero points into biases, finds the directions
//! in latent space that change images most, and encodes the file with the runtime's encoder. For the comparison with the float network, `ganlet-runtime` draws the int8 images.
mod aligned;
mod calibrate;
mod compare;
mod directions;
mod discrete;
mod equalize;
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
mod rounding;
#[cfg(test)]
mod tests;

pub use aligned::AlignedModel;
pub use compare::PsnrSummary;
pub use error::QuantizeError;
pub use fold::{TrainedNetwork, fold};
pub use net::{Activation, FloatLayer, FloatNet, FloatOp, FloatSource};
pub use report::{LayerReport, QuantizationReport, UnevenWeights};

use calibrate::{Calibration, Clipping, TensorStats};
use equalize::Equalized;
pub use ganlet_runtime::encode::LayoutChoice;
use ganlet_runtime::encode::{LayerSpec, ModelBuilder};

/// First seed of the comparison; calibration only uses smaller seeds.
pub const COMPARISON_SEEDS: u32 = 1 << 30;
/// Number of images with which the clipping of the activation ranges is chosen.
const TRIALS: u32 = 64;
/// Number of additional trial images for each layer: those with its largest values.
const EXTREME: usize = 6;
/// Number of latents with which the directions are found.
const DIRECTION_LATENTS: u32 = 512;
/// PSNR in dB below which a trial image lowers the score of a clipping.
const WORST_DB: f64 = 35.5;

/// Default number of directions in a model file.
const DIRECTIONS: usize = 8;

/// Options of [`quantize`].
///
/// ```
/// use ganlet_trainer::quantize::QuantizeOptions;
/// let quick = QuantizeOptions { calibration: 64, comparison: 64, ..QuantizeOptions::default() };
/// assert!(quick.fuse_upsampling);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantizeOptions {
    /// Number of latents, at least 1, for calibrating the activation ranges; layers before the first image see 16 times as many.
    pub calibration: u32,
    /// Number of latents for comparing int8 with float images.
    pub comparison: u32,
    /// Whether to fuse an upsampling and the convolution after it into one transposed convolution. This takes less than half
    /// of the multiplications and less RAM, but more flash.
    pub fuse_upsampling: bool,
    /// Whether to equalize the ranges of channels if that raises the PSNR.
    pub equalize: bool,
    /// Number of directions in latent space to store, which the knobs of the app turn. With 0 they turn single latent values.
    pub directions: usize,
    /// Layout of the weights in flash: compact, fast, or the fastest one within a flash budget.
    pub layouts: LayoutChoice,
}

impl Default for QuantizeOptions {
    fn default() -> Self {
        Self {
            calibration: 2048,
            comparison: 1000,
            fuse_upsampling: true,
            equalize: true,
            directions: DIRECTIONS,
            layouts: LayoutChoice::Compact,
        }
    }
}

/// A quantized model and its report.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// The model file.
    pub file: Vec<u8>,
    /// Size, cost and quality.
    pub report: QuantizationReport,
    /// The integer layers that were encoded, weights in training order, for an independent computation such as [`oracle`].
    #[doc(hidden)]
    pub layers: Vec<LayerSpec>,
}

/// Quantizes `net` to an int8 model file and compares its images with the float network's.
///
/// # Errors
/// If the network does not generate images, or a layer is not supported by the model format. The message names the
/// layer and the remedy.
pub fn quantize(net: &FloatNet, options: &QuantizeOptions) -> Result<Quantized, QuantizeError> {
    error::check(net)?;
    let Candidate { net: prepared, stats, rounded, clippings, .. } = best_candidate(net, options)?;
    let directions = net.directions(options.directions, options.calibration.min(DIRECTION_LATENTS));
    let file = encode((&prepared, &stats, &rounded), &clippings, options.layouts, &directions)?;
    let seeds = COMPARISON_SEEDS..COMPARISON_SEEDS + options.comparison.max(1);
    let psnr = compare::FloatImages::new(net, seeds).compare(&file)?;
    let report = QuantizationReport::new(&file, psnr, Clipping::describe(&clippings), &prepared)?;
    Ok(Quantized { file, report, layers: lower::lower(&prepared, &stats, &rounded, &clippings) })
}

/// A network ready to be encoded.
struct Candidate {
    net: FloatNet,
    stats: Vec<TensorStats>,
    /// Integer weights of each layer; empty for layers whose weights are rounded to the nearest.
    rounded: Vec<Vec<i8>>,
    /// How each layer is clipped.
    clippings: Vec<Clipping>,
    score: f64,
}

/// Rates trial images by their PSNR in dB: the mean, less the root of the squared decibels that images are below [`WORST_DB`], summed.
///
/// Unlike the worst value alone, this score also rises if one of several bad images becomes better.
fn score(decibels: &[f64]) -> f64 {
    let missing: f64 = decibels.iter().map(|db| (WORST_DB - db).max(0.0).powi(2)).sum();
    decibels.iter().sum::<f64>() / decibels.len().max(1) as f64 - missing.sqrt()
}

/// Returns the equalization and the clipping of each layer with the highest score.
///
/// One clipping for all layers is chosen first; then each layer, from the last to the first, keeps another one if that
/// raises the score. The discriminator is always equalized, because images say nothing about it.
fn best_candidate(net: &FloatNet, options: &QuantizeOptions) -> Result<Candidate, QuantizeError> {
    let fused = if options.fuse_upsampling { net.fuse_upsampling() } else { net.clone() };
    let observed = Calibration::new(&fused, options.calibration.max(1));
    let stats = observed.stats();
    let nets: Vec<(FloatNet, Vec<TensorStats>)> = if options.equalize {
        let all = equalize::POWERS.map(Equalized::All).into_iter().chain([Equalized::Discriminator]);
        let equalized = all.map(|which| fused.equalized(&stats, which));
        equalized.map(|(net, scales)| (net, observed.scaled(&scales))).collect()
    } else {
        vec![(fused.clone(), stats)]
    };
    let extreme = observed.extreme_seeds(fused.layers.len() - fused.discriminator_layers, EXTREME);
    let trials = compare::FloatImages::new(net, (COMPARISON_SEEDS - TRIALS..COMPARISON_SEEDS).chain(extreme));
    // Images do not depend on the layout.
    let rate = |net: (&FloatNet, &[TensorStats], &[Vec<i8>]), clippings: &[Clipping]| {
        let file = encode(net, clippings, LayoutChoice::Compact, &[])?;
        Ok::<_, QuantizeError>(score(&trials.decibels(&file)?))
    };
    let mut best: Option<Candidate> = None;
    for (net, stats) in nets {
        let rounded = rounding::round(&net);
        for clipping in Clipping::ALL {
            let clippings = vec![clipping; net.layers.len()];
            let score = rate((&net, &stats, &rounded), &clippings)?;
            if best.as_ref().is_none_or(|best| score > best.score) {
                let (net, stats, rounded) = (net.clone(), stats.clone(), rounded.clone());
                best = Some(Candidate { net, stats, rounded, clippings, score });
            }
        }
    }
    let mut best = best.unwrap_or_else(|| unreachable!("the lists are not empty"));
    for layer in (0..best.net.layers.len() - best.net.discriminator_layers).rev() {
        for clipping in Clipping::ALL {
            let mut clippings = best.clippings.clone();
            clippings[layer] = clipping;
            if clippings == best.clippings {
                continue;
            }
            let score = rate((&best.net, &best.stats, &best.rounded), &clippings)?;
            if score > best.score {
                (best.clippings, best.score) = (clippings, score);
            }
        }
    }
    Ok(best)
}

/// Returns a model file of `net` that is calibrated on one latent and compared with nothing.
///
/// Its size, memory and cost are those of the model that [`quantize`] would return, up to the tables of activations that depend on the
/// weights. They are therefore known before training.
///
/// # Errors
/// The errors of [`quantize`].
pub fn draft(net: &FloatNet) -> Result<Vec<u8>, QuantizeError> {
    error::check(net)?;
    let fused = net.fuse_upsampling();
    let stats = Calibration::new(&fused, 1).stats();
    let clippings = vec![Clipping::WHOLE; fused.layers.len()];
    encode((&fused, &stats, &[]), &clippings, LayoutChoice::Compact, &net.directions(DIRECTIONS, 1))
}

/// Encodes the model file of a network, with the statistics and the integer weights of its layers.
fn encode(
    (net, stats, rounded): (&FloatNet, &[TensorStats], &[Vec<i8>]),
    clippings: &[Clipping],
    layouts: LayoutChoice,
    directions: &[Vec<i8>],
) -> Result<Vec<u8>, QuantizeError> {
    let short = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let mut builder = ModelBuilder::new(&net.name, short(net.inputs.saturating_sub(net.classes)));
    builder.classes(short(net.classes)).directions(directions);
    for spec in lower::lower(net, stats, rounded, clippings) {
        builder.push(&spec);
    }
    if net.discriminator_layers > 0 || !net.levels.is_empty() {
        let shown = net.levels.iter().copied().chain([net.image()]);
        builder.images(&shown.map(|i| u8::try_from(i).unwrap_or(u8::MAX)).collect::<Vec<_>>());
    }
    if let LayoutChoice::Auto { flash_bytes } = layouts {
        let compact = builder.finish()?.len() as u64;
        if compact > flash_bytes {
            return Err(QuantizeError::over_budget(net, compact, flash_bytes));
        }
    }
    Ok(builder.layouts(layouts).finish()?)
}
