//! The fused elementwise kernel: runs a register program over blocks that stay in the first-level cache.
mod block;
mod functions;

use super::gemm::{self, PreparedProduct};
use super::tasks::{MAX_SLICES, TaskSlices, for_each_task};
use super::weights::Weights;
use crate::plan::fused::{FusedKernel, FusedProduct, MAX_FUSED_NODES, Pattern};
use arrayvec::ArrayVec;
use block::{TaskBlocks, run_blocks, with_scratch};

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
/// Maximum inputs of a kernel call: three for each node.
pub(super) const MAX_INPUTS: usize = 3 * MAX_FUSED_NODES;

/// The division of a kernel call into blocks and tasks. It depends on the sizes only, so sums do not depend on the number of threads.
struct Partition {
    /// Elements per block.
    block: usize,
    /// Elements per task.
    task: usize,
    /// Number of tasks.
    tasks: usize,
}

/// (number of elements that are summed together, number that the length of a task is a multiple of). Both depend on the
/// shape only, so fusing more or fewer nodes, with or without a product, does not change a sum.
fn sum_units(fused: &FusedKernel) -> (usize, usize) {
    let row = fused.row.max(fused.channels);
    let rows = (SUM_UNIT / row).max(1);
    let tile_rows = (1..=12).map(|times| rows * times).find(|r| r.is_multiple_of(12)).unwrap_or(rows);
    (rows * row, tile_rows * row)
}

fn partition(fused: &FusedKernel) -> Partition {
    let patterns = fused.patterns.iter().filter(|t| !matches!(t, Pattern::Constant(_))).count();
    let touched = fused.registers + patterns + fused.stores.len() + fused.reads;
    let most = (CACHE_ELEMENTS / touched.max(1) / MIN_BLOCK * MIN_BLOCK).clamp(MIN_BLOCK, MAX_BLOCK);
    let (unit, tile_unit) = sum_units(fused);
    // Blocks of a product consist of whole micro-tiles.
    let (least, most) = if fused.product.is_some() { (tile_unit, PRODUCT_BLOCK) } else { (unit, most) };
    let block = (least * (most / least).max(1)).min(fused.len);
    let tasks = (fused.len / MIN_TASK).clamp(1, MAX_TASKS);
    let task = fused.len.div_ceil(tasks).next_multiple_of(tile_unit);
    Partition { block, task, tasks: fused.len.div_ceil(task) }
}

/// Elements of the partial sums of all tasks.
pub(crate) fn partial_len(fused: &FusedKernel) -> usize {
    partition(fused).tasks * fused.sums.iter().map(|s| s.1).sum::<usize>()
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

fn run_tasks(
    fused: &FusedKernel,
    inputs: &[&[f32]],
    product: Option<&PreparedProduct<'_>>,
    outputs: &mut [&mut [f32]],
    partials: &mut [f32],
) {
    let Partition { block, task, tasks } = partition(fused);
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
                sum_unit: sum_units(fused).0,
            };
            run_blocks(&mut work, scratch);
        });
    } else {
        let mut slices: ArrayVec<_, MAX_SLICES> = stored.iter_mut().map(|o| (&mut **o, task)).collect();
        slices.push((&mut *partials, width));
        for_each_task(0..tasks, TaskSlices { slices }, &|index, mut task_slices| {
            with_scratch(|scratch| {
                let Some((partial, _)) = task_slices.slices.pop() else { return };
                let mut outputs: ArrayVec<&mut [f32], MAX_SLICES> =
                    task_slices.slices.iter_mut().map(|s| &mut *s.0).collect();
                let start = index * task;
                let end = (start + task).min(fused.len);
                let (outputs, sum_unit) = (&mut outputs[..], sum_units(fused).0);
                let mut work = TaskBlocks { fused, inputs, product, outputs, partial, start, end, block, sum_unit };
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
