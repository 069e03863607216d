//! Fused kernels: register programs that compute many elementwise nodes in one pass over memory.
//!
//! A fused kernel processes its elements in blocks that stay in the first-level cache. It applies all instructions to one
//! block before it goes on to the next block. Scalars, channel vectors and constants are never expanded to full size.
//! Sums over all elements, or over all elements of each channel, are computed in the same pass.
use crate::graph::{Binary, Unary};

/// Maximum nodes of one fused kernel; also bounds its outputs.
pub(crate) const MAX_FUSED_NODES: usize = 40;

/// Maximum elements of a block, unless one pixel has more channels.
const MAX_BLOCK: usize = 1024;
/// Minimum elements of a block.
const MIN_BLOCK: usize = 64;
/// Elements that are summed before they join the other sums.
const SUM_UNIT: usize = 512;
/// Maximum number of elements of a block in all buffers together: three quarters of a first-level cache.
const CACHE_ELEMENTS: usize = 6144;
/// Elements of a block that follows a product: a few micro-tiles of rows, still in the first-level cache when they are
/// read.
const PRODUCT_BLOCK: usize = 4096;
/// Minimum elements per task.
const MIN_TASK: usize = 1 << 14;
/// Maximum tasks per kernel call.
const MAX_TASKS: usize = 16;
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
    pub(crate) partition: Partition,
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

/// The division of a kernel call into blocks and tasks. It depends on the sizes only, so sums do not depend on the number of threads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Partition {
    /// Elements per block.
    pub(crate) block: usize,
    /// Elements per task.
    pub(crate) task: usize,
    /// Number of tasks.
    pub(crate) tasks: usize,
    /// Elements that are summed before they join the other sums.
    pub(crate) sum_unit: usize,
}

/// (number of elements that are summed together, number that the length of a task is a multiple of). Both depend on the
/// shape only, so fusing more or fewer nodes, with or without a product, does not change a sum.
fn sum_units(fused: &FusedKernel) -> (usize, usize) {
    let row = fused.row.max(fused.channels);
    let rows = (SUM_UNIT / row).max(1);
    let tile_rows = (1..=12).map(|times| rows * times).find(|r| r.is_multiple_of(12)).unwrap_or(rows);
    (rows * row, tile_rows * row)
}

impl Partition {
    /// The division of a kernel that is complete otherwise.
    pub(super) fn of(fused: &FusedKernel) -> Self {
        let patterns = fused.patterns.iter().filter(|t| !matches!(t, Pattern::Constant(_))).count();
        let touched = fused.registers + patterns + fused.stores.len() + fused.reads;
        let most = (CACHE_ELEMENTS / touched.max(1) / MIN_BLOCK * MIN_BLOCK).clamp(MIN_BLOCK, MAX_BLOCK);
        let (unit, tile_unit) = sum_units(fused);
        // Blocks of a product consist of whole micro-tiles.
        let (least, most) = if fused.product.is_some() { (tile_unit, PRODUCT_BLOCK) } else { (unit, most) };
        let block = (least * (most / least).max(1)).min(fused.len);
        let tasks = (fused.len / MIN_TASK).clamp(1, MAX_TASKS);
        let task = fused.len.div_ceil(tasks).next_multiple_of(tile_unit);
        Self { block, task, tasks: fused.len.div_ceil(task), sum_unit: unit }
    }
}
