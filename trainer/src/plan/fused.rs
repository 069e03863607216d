//! Fused kernels: register programs that compute many elementwise nodes in one pass over memory.
//!
//! A fused kernel processes its elements in blocks that stay in the first-level cache. It applies all instructions to one
//! block before it goes on to the next block. Scalars, channel vectors and constants are never expanded to full size.
//! Sums over all elements, or over all elements of each channel, are computed in the same pass.
use crate::graph::{Binary, Unary};

/// Maximum nodes of one fused kernel; also bounds its outputs.
pub(crate) const MAX_FUSED_NODES: usize = 40;

/// Where an instruction reads its argument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Source {
    /// The result of an earlier instruction.
    Register(usize),
    /// An input of the kernel call, element by element.
    Input(usize),
    /// The current content of an output of the kernel call.
    Output(usize),
    /// A repeated pattern: a scalar, a channel vector or a constant.
    Pattern(usize),
}

/// Values that repeat along a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pattern {
    Constant(f32),
    /// An input of the kernel call that holds one value, or one value per channel.
    Input(usize),
}

/// What an instruction computes from its arguments a, b and c.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Opcode {
    Unary(Unary),
    Binary(Binary),
    /// b where a is positive, else c.
    Select,
    /// Leaky(a + b) with this slope, in one pass.
    AddLeaky(f32),
    /// a · LeakyStep(b) with this slope, in one pass.
    MulLeakyStep(f32),
    /// First factor · a + second factor · b, in one pass.
    WeightedSum(f32, f32),
    /// The next rows of the matrix product.
    ProductRows,
}

/// A matrix product whose rows a fused kernel computes on the fly. Its operands are the last inputs of the kernel call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FusedProduct {
    /// (m, k, n)
    pub(crate) size: (usize, usize, usize),
    /// Whether B is read transposed.
    pub(crate) tb: bool,
}

/// Where an instruction writes its result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Destination {
    Register(usize),
    /// A stored output of the kernel call.
    Output(usize),
}

/// One operation on a block. No instruction reads its own destination.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Instruction {
    pub(crate) opcode: Opcode,
    pub(crate) from: [Source; 3],
    pub(crate) to: Destination,
}

/// A register program.
#[derive(Clone, Debug, Default)]
pub(crate) struct FusedKernel {
    /// Number of elements.
    pub(crate) len: usize,
    /// Length of the innermost dimension; 1 if that is long, as in flat vectors.
    pub(crate) row: usize,
    /// Length of the innermost dimension if any value is per channel, else 1.
    pub(crate) channels: usize,
    /// Number of registers.
    pub(crate) registers: usize,
    /// Number of inputs that are not operands of the product. They are the first inputs of the kernel call.
    pub(crate) reads: usize,
    pub(crate) product: Option<FusedProduct>,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) instructions: Vec<Instruction>,
    /// The value of each stored output.
    pub(crate) stores: Vec<Source>,
    /// The source of each sum, and its number of channels (1 for a scalar). These outputs follow the stored ones.
    pub(crate) sums: Vec<(Source, usize)>,
}

impl FusedKernel {
    /// Makes instructions write to outputs directly if nothing needs the old content any more.
    pub(crate) fn write_outputs_directly(&mut self) {
        for o in 0..self.stores.len() {
            let Source::Register(r) = self.stores[o] else { continue };
            let Some(at) = self.instructions.iter().rposition(|i| i.to == Destination::Register(r)) else { continue };
            let old = Source::Output(o);
            let late = self.instructions[at..].iter().any(|i| i.from.contains(&old));
            if late || self.sums.iter().any(|s| s.0 == old) || self.stores.contains(&old) {
                continue;
            }
            let redirect = |source: &mut Source| {
                if *source == Source::Register(r) {
                    *source = old;
                }
            };
            self.instructions[at].to = Destination::Output(o);
            self.instructions[at + 1..].iter_mut().for_each(|i| i.from.iter_mut().for_each(redirect));
            self.sums.iter_mut().for_each(|s| redirect(&mut s.0));
            self.stores.iter_mut().for_each(redirect);
        }
    }
}
