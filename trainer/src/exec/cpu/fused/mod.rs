//! The fused elementwise kernel: runs a register program over blocks that stay in the first-level cache.
mod block;
mod functions;

use super::gemm::{self, PreparedProduct};
use super::tasks::{MAX_SLICES, TaskSlice, TaskSlices, for_each_task};
use super::weights::Weights;
use crate::plan::fused::{FusedKernel, FusedProduct, MAX_FUSED_NODES, Partition};
use arrayvec::ArrayVec;
use block::{TaskBlocks, prepare_patterns, run_blocks, with_scratch};

/// Maximum inputs of a kernel call: three for each node.
pub(super) const MAX_INPUTS: usize = 3 * MAX_FUSED_NODES;

/// Elements of the partial sums of all tasks.
pub(crate) fn partial_len(fused: &FusedKernel) -> usize {
    fused.partition.tasks * fused.sums.iter().map(|s| s.1).sum::<usize>()
}

/// Runs the kernel. `outputs` are the stored outputs, then the sums. `a` and `b` are the operands of the product, if
/// there is one.
pub(crate) fn run(
    fused: &FusedKernel,
    inputs: &[&[f32]],
    (a, b): (&[f32], Weights<'_>),
    outputs: &mut [&mut [f32]],
    partials: &mut [f32],
) {
    match fused.product {
        None => run_tasks(fused, inputs, None, outputs, partials),
        Some(FusedProduct { size, tb }) => {
            gemm::with_prepared_b(size, (a, false), (b, tb), |product| {
                run_tasks(fused, inputs, Some(product), outputs, partials);
            });
        }
    }
}

/// Prepares the patterns for [`run_rows`] on this thread, as number `patterns_at` and following. `inputs` holds the inputs of
/// the patterns.
pub(super) fn prepare_rows(fused: &FusedKernel, patterns_at: usize, inputs: &[&[f32]], max_len: usize) {
    let block = fused.partition.block.min(max_len);
    with_scratch(|scratch| prepare_patterns(scratch, patterns_at, fused, inputs, block));
}

/// Runs the kernel on the first `len` elements of all inputs and outputs. Adds to `sums`, the sums of a task.
pub(super) fn run_rows(
    fused: &FusedKernel,
    inputs: &[&[f32]],
    product: Option<&PreparedProduct<'_>>,
    (outputs, len): (&mut [&mut [f32]], usize),
    (sums, patterns_at): (&mut [f32], usize),
) {
    let Partition { block, sum_unit, .. } = fused.partition;
    let (start, end, partial) = (0, len, sums);
    let mut work = TaskBlocks { fused, inputs, product, outputs, partial, start, end, block, sum_unit, patterns_at };
    with_scratch(|scratch| run_blocks(&mut work, scratch));
}

fn run_tasks(
    fused: &FusedKernel,
    inputs: &[&[f32]],
    product: Option<&PreparedProduct<'_>>,
    outputs: &mut [&mut [f32]],
    partials: &mut [f32],
) {
    let Partition { block, task, tasks, sum_unit } = fused.partition;
    let width: usize = fused.sums.iter().map(|s| s.1).sum();
    let partials = &mut partials[..tasks * width];
    partials.fill(0.0);
    let (stored, sums) = outputs.split_at_mut(fused.stores.len());
    if tasks == 1 {
        with_scratch(|scratch| {
            let mut work = TaskBlocks {
                fused,
                inputs,
                product,
                outputs: stored,
                partial: partials,
                start: 0,
                end: fused.len,
                block,
                sum_unit,
                patterns_at: 0,
            };
            prepare_patterns(scratch, 0, fused, inputs, block);
            run_blocks(&mut work, scratch);
        });
    } else {
        let mut slices: ArrayVec<_, MAX_SLICES> = stored.iter_mut().map(|o| TaskSlice::new(o, task)).collect();
        slices.push(TaskSlice::new(partials, width));
        for_each_task(0..tasks, TaskSlices { slices }, &|index, mut task_slices| {
            with_scratch(|scratch| {
                let Some(TaskSlice { elements: partial, .. }) = task_slices.slices.pop() else { return };
                let mut outputs: ArrayVec<&mut [f32], MAX_SLICES> =
                    task_slices.slices.iter_mut().map(|s| &mut *s.elements).collect();
                let start = index * task;
                let end = (start + task).min(fused.len);
                let outputs = &mut outputs[..];
                let patterns_at = 0;
                let mut work =
                    TaskBlocks { fused, inputs, product, outputs, partial, start, end, block, sum_unit, patterns_at };
                prepare_patterns(scratch, 0, fused, inputs, block);
                run_blocks(&mut work, scratch);
            });
        });
    }
    let mut from = 0;
    for (out, &(_, channels)) in sums.iter_mut().zip(&fused.sums) {
        out.fill(0.0);
        // In task order, so that the result does not depend on the number of threads.
        for row in partials.chunks_exact(width) {
            out.iter_mut().zip(&row[from..][..channels]).for_each(|(o, v)| *o += v);
        }
        from += channels;
    }
}
