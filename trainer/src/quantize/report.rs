//! What an exported model holds, costs and loses: the table that an export prints.
use super::{Psnr, QuantizeError};
use ganlet_runtime::{KernelFamily, Model, WeightLayout};
use std::fmt;

/// One layer of an exported model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerReport {
    /// The operation's name.
    pub kind: &'static str,
    /// How its weights lie in flash.
    pub layout: WeightLayout,
    /// Height, width and channels of its output.
    pub shape: (u16, u16, u16),
    /// Bytes of its weights in flash.
    pub weight_bytes: u32,
    /// Multiply-accumulates of one picture.
    pub macs: u64,
    /// Bytes of its rows in the arena.
    pub ring_bytes: u32,
}

/// An exported model as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The layers, latent first.
    pub layers: Vec<LayerReport>,
    /// Bytes of the model file.
    pub flash_bytes: usize,
    /// Bytes of RAM that drawing takes, row by row.
    pub arena_bytes: usize,
    /// Bytes of RAM that it would take with every tensor whole.
    pub whole_tensor_bytes: u64,
    /// Multiply-accumulates of one picture.
    pub macs: u64,
    /// How close the pictures are to the float network's.
    pub psnr: Psnr,
    /// How activation ranges were chosen.
    pub clip: &'static str,
}

impl Report {
    pub(super) fn new(file: &[u8], psnr: Psnr, clip: &'static str) -> Result<Self, QuantizeError> {
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
            clip,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<16}{:>14}{:>12}{:>14}{:>10}", "layer", "output", "weights B", "MACs", "RAM B")?;
        for LayerReport { kind, shape: (h, w, c), weight_bytes, macs, ring_bytes, .. } in &self.layers {
            let shape = format!("{h}x{w}x{c}");
            writeln!(f, "{kind:<16}{shape:>14}{weight_bytes:>12}{macs:>14}{ring_bytes:>10}")?;
        }
        writeln!(
            f,
            "{:<16}{:>14}{:>12}{:>14}{:>10}",
            "whole model", "", self.flash_bytes, self.macs, self.arena_bytes
        )?;
        writeln!(f, "RAM with whole tensors: {} B; ranges: {}", self.whole_tensor_bytes, self.clip)?;
        let Psnr { mean_db, min_db, pictures } = self.psnr;
        write!(f, "int8 against float over {pictures} latents: PSNR {mean_db:.1} dB mean, {min_db:.1} dB worst")
    }
}
