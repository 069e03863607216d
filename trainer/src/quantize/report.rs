//! The report of a quantization: size and cost of each layer, and the PSNR against the float network.
use super::{FloatNet, PsnrSummary, QuantizeError};
use crate::text::grouped;
use ganlet_runtime::{KernelFamily, Model, WeightLayout};
use std::fmt;

/// Size and cost of one layer of a quantized model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerReport {
    /// Name of the operation.
    pub kind: &'static str,
    /// Layout of its weights in flash.
    pub layout: WeightLayout,
    /// Height, width and channels of the output.
    pub shape: (u16, u16, u16),
    /// Bytes of weights in flash.
    pub weight_bytes: u32,
    /// Multiply-accumulates per image.
    pub macs: u64,
    /// Bytes of its ring buffer in the arena.
    pub ring_bytes: u32,
}

/// Size, cost and quality of a quantized model.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizationReport {
    /// Layers in order of computation.
    pub layers: Vec<LayerReport>,
    /// Bytes of the model file.
    pub flash_bytes: usize,
    /// Bytes of RAM for drawing row by row: the arena.
    pub arena_bytes: usize,
    /// Bytes of RAM for drawing with whole tensors.
    pub whole_tensor_bytes: u64,
    /// Multiply-accumulates per image.
    pub macs: u64,
    /// Similarity of its images to the float network's.
    pub psnr: PsnrSummary,
    /// How the activation ranges were chosen.
    pub clipping: &'static str,
    /// The layer whose weights are the most uneven.
    pub uneven: Option<UnevenWeights>,
}

/// A layer with an output that has one weight much larger than the others.
#[derive(Clone, Debug, PartialEq)]
pub struct UnevenWeights {
    /// Index of the layer, as in `inspect`.
    pub layer: usize,
    /// Name of its operation.
    pub kind: &'static str,
    /// Largest magnitude of a weight of the output, divided by the median.
    pub ratio: f64,
}

impl UnevenWeights {
    /// Returns the layer of `net` with the largest ratio; `None` if no output has a median above 0.
    fn of(net: &FloatNet) -> Option<Self> {
        let ratio = |mut weights: Vec<f64>| {
            weights.sort_by(f64::total_cmp);
            let (median, largest) = (weights.get(weights.len() / 2)?, weights.last()?);
            (*median > 0.0).then(|| largest / median)
        };
        let layers = net.layers.iter().enumerate().filter_map(|(layer, l)| {
            let ratio = l.weights_by_channel().into_iter().filter_map(ratio).max_by(f64::total_cmp)?;
            Some(Self { layer, kind: l.op.kind(), ratio })
        });
        layers.max_by(|a, b| a.ratio.total_cmp(&b.ratio))
    }
}

impl QuantizationReport {
    pub(super) fn new(
        file: &[u8],
        psnr: PsnrSummary,
        clipping: &'static str,
        net: &FloatNet,
    ) -> Result<Self, QuantizeError> {
        let model = Model::from_bytes(file)?;
        let layer = |facts: ganlet_runtime::LayerFacts| LayerReport {
            kind: facts.kind,
            layout: facts.layout,
            shape: (facts.shape.h, facts.shape.w, facts.shape.c),
            weight_bytes: facts.weight_bytes,
            macs: facts.macs,
            ring_bytes: facts.ring_bytes(KernelFamily::CURRENT),
        };
        Ok(Self {
            layers: model.layers().map(layer).collect(),
            flash_bytes: model.flash_bytes(),
            arena_bytes: model.arena_len(),
            whole_tensor_bytes: model.whole_tensor_bytes(),
            macs: model.macs(),
            psnr,
            clipping,
            uneven: UnevenWeights::of(net),
        })
    }
}

impl fmt::Display for QuantizationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: u64| grouped(n as usize);
        writeln!(f, "{:<16}{:>14}{:>12}{:>14}{:>10}", "layer", "output", "weights, B", "MACs", "RAM, B")?;
        for LayerReport { kind, shape: (h, w, c), weight_bytes, macs, ring_bytes, .. } in &self.layers {
            let shape = format!("{h}x{w}x{c}");
            let [weights, macs, ring] = [u64::from(*weight_bytes), *macs, (*ring_bytes).into()].map(number);
            writeln!(f, "{kind:<16}{shape:>14}{weights:>12}{macs:>14}{ring:>10}")?;
        }
        writeln!(
            f,
            "{:<16}{:>14}{:>12}{:>14}{:>10}",
            "whole model",
            "",
            grouped(self.flash_bytes),
            number(self.macs),
            grouped(self.arena_bytes)
        )?;
        writeln!(
            f,
            "RAM with whole tensors: {} B; activation ranges: {}",
            number(self.whole_tensor_bytes),
            self.clipping
        )?;
        let PsnrSummary { mean_db, min_db, images, .. } = self.psnr;
        let images = number(images.into());
        write!(f, "int8 against float over {images} latents: PSNR {mean_db:.1} dB mean, {min_db:.1} dB worst")
    }
}
