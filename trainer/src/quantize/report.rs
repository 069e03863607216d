//! The report of a quantization: size and cost of each layer, and the PSNR against the float network.
use super::{PsnrSummary, QuantizeError};
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
}

impl QuantizationReport {
    pub(super) fn new(file: &[u8], psnr: PsnrSummary, clipping: &'static str) -> Result<Self, QuantizeError> {
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
        })
    }
}

impl fmt::Display for QuantizationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<16}{:>14}{:>12}{:>14}{:>10}", "layer", "output", "weights, B", "MACs", "RAM, B")?;
        for LayerReport { kind, shape: (h, w, c), weight_bytes, macs, ring_bytes, .. } in &self.layers {
            let shape = format!("{h}x{w}x{c}");
            writeln!(f, "{kind:<16}{shape:>14}{weight_bytes:>12}{macs:>14}{ring_bytes:>10}")?;
        }
        writeln!(
            f,
            "{:<16}{:>14}{:>12}{:>14}{:>10}",
            "whole model", "", self.flash_bytes, self.macs, self.arena_bytes
        )?;
        writeln!(f, "RAM with whole tensors: {} B; activation ranges: {}", self.whole_tensor_bytes, self.clipping)?;
        let PsnrSummary { mean_db, min_db, images } = self.psnr;
        write!(f, "int8 against float over {images} latents: PSNR {mean_db:.1} dB mean, {min_db:.1} dB worst")
    }
}
