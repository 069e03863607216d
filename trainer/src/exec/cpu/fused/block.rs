//! Executes the instructions of a fused kernel, block by block.
use super::super::buffer::Buffer;
use super::super::gemm::PreparedProduct;
use super::super::sums::add_channels;
use super::functions::{binary, binary_by_number, number_by_binary, select, unary, zip};
use crate::plan::fused::{Destination, FusedKernel, Instruction, Opcode, Pattern, Source};
use crate::simd::multiversion;
use std::cell::RefCell;

/// Buffers of one thread. They grow once and are kept.
#[derive(Default)]
pub(super) struct Scratch {
    registers: Vec<Buffer>,
    /// The patterns, repeated to fill a block.
    patterns: Vec<Buffer>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Lends this thread's buffers to `work`.
pub(super) fn with_scratch(work: impl FnOnce(&mut Scratch)) {
    SCRATCH.with_borrow_mut(work);
}

/// The blocks of one task.
pub(super) struct TaskBlocks<'a, 'b> {
    pub(super) fused: &'a FusedKernel,
    pub(super) inputs: &'a [&'a [f32]],
    pub(super) product: Option<&'a PreparedProduct<'a>>,
    /// The parts of the stored outputs that belong to this task.
    pub(super) outputs: &'a mut [&'b mut [f32]],
    /// The sums of this task.
    pub(super) partial: &'a mut [f32],
    /// First element of this task.
    pub(super) start: usize,
    /// End of this task's elements.
    pub(super) end: usize,
    /// Elements per block.
    pub(super) block: usize,
    /// Elements that are summed before they join the other sums.
    pub(super) sum_unit: usize,
    /// Position of the kernel's patterns in the buffers of the thread.
    pub(super) patterns_at: usize,
}

/// Everything that instructions read, for one block of `n` elements.
struct BlockSources<'a, 'b> {
    inputs: &'a [&'a [f32]],
    registers: &'a [Buffer],
    outputs: &'a [&'b mut [f32]],
    patterns: &'a [Buffer],
    /// First element of the block in the inputs.
    at: usize,
    /// First element of the block in the outputs, which begin with the task.
    local: usize,
    n: usize,
}

impl BlockSources<'_, '_> {
    #[inline(always)]
    fn read(&self, source: Source) -> &[f32] {
        match source {
            Source::Register(r) => &self.registers[r][..self.n],
            Source::Input(i) => &self.inputs[i][self.at..][..self.n],
            Source::Output(o) => &self.outputs[o][self.local..][..self.n],
            Source::Pattern(p) => &self.patterns[p][..self.n],
        }
    }
}

multiversion! {
    /// Runs all blocks of a task. The patterns have been prepared.
    pub(super) fn run_blocks(task: &mut TaskBlocks<'_, '_>, scratch: &mut Scratch) {
        let TaskBlocks { fused, inputs, block, start, product, .. } = *task;
        let Scratch { registers, patterns } = scratch;
        let patterns = &patterns[task.patterns_at..][..fused.patterns.len()];
        allocate(registers, fused.registers, block);
        let mut at = start;
        while at < task.end {
            let n = block.min(task.end - at);
            let local = at - start;
            for instruction in &fused.instructions {
                // The destination is moved out while the instruction runs. No instruction reads its own destination.
                let (mut register, mut output) = (Buffer::default(), &mut [][..]);
                let to = match instruction.to {
                    Destination::Register(r) => {
                        register = std::mem::take(&mut registers[r]);
                        &mut register[..n]
                    }
                    Destination::Output(o) => {
                        output = std::mem::take(&mut task.outputs[o]);
                        &mut output[local..][..n]
                    }
                };
                let sources = BlockSources { inputs, registers, outputs: task.outputs, patterns, at, local, n };
                execute(instruction, fused, &sources, product, to);
                match instruction.to {
                    Destination::Register(r) => registers[r] = register,
                    Destination::Output(o) => task.outputs[o] = output,
                }
            }
            let mut from = 0;
            for &(source, channels) in &fused.sums {
                let sources = BlockSources { inputs, registers, outputs: task.outputs, patterns, at, local, n };
                let sums = &mut task.partial[from..][..channels];
                for values in sources.read(source).chunks(task.sum_unit) {
                    add_channels(sums, values);
                }
                from += channels;
            }
            store_outputs(task, registers, patterns, at, n);
            at += n;
        }
    }
}

/// Runs one instruction on one block.
#[inline(always)]
fn execute(
    instruction: &Instruction,
    fused: &FusedKernel,
    sources: &BlockSources<'_, '_>,
    product: Option<&PreparedProduct<'_>>,
    to: &mut [f32],
) {
    let read = |k: usize| sources.read(instruction.from[k]);
    let number = |k: usize| match instruction.from[k] {
        Source::Pattern(p) => pattern_number(fused.patterns[p], sources.inputs),
        _ => None,
    };
    match instruction.opcode {
        Opcode::ProductRows => {
            if let Some(product) = product {
                product.multiply_rows(sources.at / fused.channels, to);
            }
        }
        Opcode::Unary(f) => unary(f, read(0), to),
        Opcode::Binary(f) => match (number(0), number(1)) {
            (None, Some(b)) => binary_by_number(f, read(0), b, to),
            (Some(a), None) => number_by_binary(f, a, read(1), to),
            _ => binary(f, read(0), read(1), to),
        },
        Opcode::AddLeaky(slope) => {
            zip(read(0), read(1), to, |a, b| (a + b) * if a + b > 0.0 { 1.0 } else { slope });
        }
        Opcode::MulLeakyStep(slope) => zip(read(0), read(1), to, |a, b| a * if b > 0.0 { 1.0 } else { slope }),
        Opcode::WeightedSum(s, t) => zip(read(0), read(1), to, |a, b| s * a + t * b),
        Opcode::Select => select(read(0), read(1), read(2), to),
    }
}

/// Copies the stored outputs that no instruction wrote itself, for the block of `n` elements at `at`.
#[inline(always)]
fn store_outputs(task: &mut TaskBlocks<'_, '_>, registers: &[Buffer], patterns: &[Buffer], at: usize, n: usize) {
    let local = at - task.start;
    for (o, &source) in task.fused.stores.iter().enumerate() {
        let from = match source {
            Source::Register(r) => &registers[r][..n],
            Source::Input(i) => &task.inputs[i][at..][..n],
            Source::Pattern(p) => &patterns[p][..n],
            Source::Output(p) if p == o => continue,
            Source::Output(p) => unreachable!("output {o} would copy output {p}"),
        };
        task.outputs[o][local..][..n].copy_from_slice(from);
    }
}

/// The number that a pattern repeats, if it repeats a single one.
fn pattern_number(pattern: Pattern, inputs: &[&[f32]]) -> Option<f32> {
    match pattern {
        Pattern::Constant(v) => Some(v),
        Pattern::Input(i) => (inputs[i].len() == 1).then(|| inputs[i][0]),
    }
}

/// Makes the first `count` buffers at least `len` elements long.
fn allocate(buffers: &mut Vec<Buffer>, count: usize, len: usize) {
    if buffers.len() < count {
        buffers.resize_with(count, Buffer::default);
    }
    buffers[..count].iter_mut().for_each(|b| b.grow(len));
}

/// Repeats each pattern to the length of a block. All blocks of a task see the same patterns, which are buffers `at` and
/// following of the thread.
pub(super) fn prepare_patterns(scratch: &mut Scratch, at: usize, fused: &FusedKernel, inputs: &[&[f32]], block: usize) {
    let patterns = &mut scratch.patterns;
    if patterns.len() < at + fused.patterns.len() {
        patterns.resize_with(at + fused.patterns.len(), Buffer::default);
    }
    let patterns = &mut patterns[at..][..fused.patterns.len()];
    patterns.iter_mut().for_each(|p| p.grow(block));
    for (pattern, to) in fused.patterns.iter().zip(patterns) {
        match *pattern {
            Pattern::Constant(v) => to[..block].fill(v),
            Pattern::Input(i) if inputs[i].len() == 1 => to[..block].fill(inputs[i][0]),
            Pattern::Input(i) => {
                // The filled part is doubled until the block is full.
                let mut done = inputs[i].len().min(block);
                to[..done].copy_from_slice(&inputs[i][..done]);
                while done < block {
                    let more = done.min(block - done);
                    to.copy_within(..more, done);
                    done += more;
                }
            }
        }
    }
}
