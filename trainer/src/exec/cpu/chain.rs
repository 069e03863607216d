//! Runs chains: all members on one block of rows, then on the next.
use super::buffer::Buffer;
use super::fused::{self, MAX_INPUTS};
use super::gemm::{self, PreparedB, PreparedProduct};
use super::tasks::{MAX_SLICES, TaskSlice, TaskSlices, for_each_task};
use crate::plan::chain::{Chain, MAX_MEMBERS, Member, Place, Work};
use crate::plan::fused::{FusedKernel, Pattern};
use arrayvec::ArrayVec;
use std::cell::RefCell;
use std::ops::Range;

/// Elements of the local buffers of a block, for second-level caches of 512 KB.
const BLOCK_ELEMENTS: usize = 80_000;
/// Minimum rows of a block: weight gradients read and write all of their sums for each block.
const MIN_BLOCK_ROWS: usize = 48;
/// Rows of a task and of a block are multiples of this, the height of the tallest micro-tile.
const TILE_ROWS: usize = 12;

thread_local! {
    /// Local buffers of a chain. They grow once and are kept.
    static LOCALS: RefCell<Vec<Buffer>> = RefCell::default();
}

/// How a member runs.
#[derive(Clone, Copy)]
struct MemberPlan<'a> {
    /// Operand B of its product.
    b: Option<PreparedB<'a>>,
    /// Position of its patterns among those of the thread.
    patterns_at: usize,
}

/// A chain that is being run.
struct Run<'a> {
    chain: &'a Chain,
    inputs: &'a [&'a [f32]],
    /// How each member runs.
    plans: ArrayVec<MemberPlan<'a>, MAX_MEMBERS>,
    /// Rows of a task.
    task: usize,
    /// Rows of a block.
    block: usize,
}

/// Runs the chain. `packed` holds the packed weights of each member, `outputs` the stored outputs and then the sums.
pub(super) fn run(
    chain: &Chain,
    inputs: &[&[f32]],
    packed: &[Option<&[f32]>],
    outputs: &mut [&mut [f32]],
    partials: &mut [f32],
) {
    let task = chain.rows.div_ceil(chain.tasks).next_multiple_of(TILE_ROWS);
    let tasks = chain.rows.div_ceil(task);
    let most = (BLOCK_ELEMENTS / chain.locals.iter().sum::<usize>().max(1)).max(MIN_BLOCK_ROWS);
    let block = task.div_ceil(task.div_ceil(most)).next_multiple_of(TILE_ROWS);
    let mut run = Run { chain, inputs, plans: ArrayVec::new(), task, block };
    let mut patterns_at = 0;
    for (i, member) in chain.members.iter().enumerate() {
        let packed = packed.get(i).copied().flatten();
        let b = member
            .product()
            .zip(member.b())
            .map(|(product, b)| PreparedB::of_weights(product.size, inputs[b], product.tb, packed));
        run.plans.push(MemberPlan { b, patterns_at });
        if let Work::Fused(fused) = &member.work {
            patterns_at += fused.patterns.len();
        }
    }
    let width = chain.sums_len;
    let partials = &mut partials[..tasks * width];
    let (stored, sums) = outputs.split_at_mut(chain.stored.len());
    if tasks == 1 {
        LOCALS.with_borrow_mut(|locals| run.run_task(0, stored, partials, locals));
    } else {
        let mut slices = ArrayVec::<_, MAX_SLICES>::new();
        for (elements, rows) in stored.iter_mut().zip(&chain.stored) {
            slices.push(TaskSlice { elements, stride: task * rows.width, skipped: rows.first * rows.width });
        }
        slices.push(TaskSlice::new(partials, width));
        for_each_task(0..tasks, TaskSlices { slices }, &|index, mut slices| {
            let Some(TaskSlice { elements: sums, .. }) = slices.slices.pop() else { return };
            let mut outputs = ArrayVec::<_, MAX_SLICES>::new();
            slices.slices.iter_mut().for_each(|s| outputs.push(&mut *s.elements));
            LOCALS.with_borrow_mut(|locals| run.run_task(index, &mut outputs, sums, locals));
        });
    }
    for (out, &(at, len)) in sums.iter_mut().zip(&chain.sums) {
        out.copy_from_slice(&partials[at..][..len]);
        // In task order, so that the result does not depend on the number of threads.
        for partial in partials.chunks_exact(width).skip(1) {
            out.iter_mut().zip(&partial[at..][..len]).for_each(|(o, v)| *o += v);
        }
    }
}

impl Run<'_> {
    /// Runs the blocks of a task. `outputs` are its parts of the stored outputs.
    fn run_task(&self, index: usize, outputs: &mut [&mut [f32]], sums: &mut [f32], locals: &mut Vec<Buffer>) {
        let Chain { members, locals: widths, .. } = self.chain;
        if locals.len() < widths.len() {
            locals.resize_with(widths.len(), Buffer::default);
        }
        locals.iter_mut().zip(widths).for_each(|(local, width)| local.grow(width * self.block));
        let start = index * self.task;
        let end = (start + self.task).min(self.chain.rows);
        for (member, plan) in members.iter().zip(&self.plans) {
            self.prepare(member, plan);
            if !begins_with(member, start) {
                sums[member.sums.clone()].fill(0.0);
            }
        }
        let mut rows = BlockRows { run: self, task_start: start, rows: 0..0, outputs, locals };
        for at in (start..end).step_by(self.block) {
            rows.rows = at..(at + self.block).min(end);
            for (member, plan) in members.iter().zip(&self.plans) {
                rows.run_member(member, plan, &mut sums[member.sums.clone()]);
            }
        }
    }

    /// Prepares the patterns of a member on this thread.
    fn prepare(&self, member: &Member, plan: &MemberPlan<'_>) {
        if let Work::Fused(fused) = &member.work {
            let mut inputs = ArrayVec::<&[f32], MAX_INPUTS>::new();
            for place in &member.from {
                inputs.push(if let Place::Input(i) = *place { self.inputs[i] } else { &[] });
            }
            fused::prepare_rows(fused, plan.patterns_at, &inputs, self.block * (fused.len / member.rows));
        }
    }
}

/// Whether the sum of a member is first written, not added to, at row `start`.
fn begins_with(member: &Member, start: usize) -> bool {
    matches!(member.work, Work::WeightGradient { .. }) && (member.first..member.first + member.rows).contains(&start)
}

/// The values of one block of rows.
struct BlockRows<'a, 'b> {
    run: &'a Run<'a>,
    /// First row of the task.
    task_start: usize,
    rows: Range<usize>,
    /// The parts of the stored outputs that belong to the task.
    outputs: &'a mut [&'b mut [f32]],
    locals: &'a mut [Buffer],
}

/// A buffer that a member writes to, moved out while the member runs.
enum Taken<'b> {
    Local(Buffer),
    Output(&'b mut [f32]),
}

impl<'b> BlockRows<'_, 'b> {
    fn run_member(&mut self, member: &Member, plan: &MemberPlan<'_>, sums: &mut [f32]) {
        let rows = self.rows.start.max(member.first)..self.rows.end.min(member.first + member.rows);
        if rows.is_empty() {
            return;
        }
        let mut taken = ArrayVec::<_, MAX_SLICES>::new();
        member.to.iter().for_each(|&place| taken.push(self.take(place)));
        match &member.work {
            Work::Fused(fused) => self.run_fused(fused, (member, plan), rows, &mut taken, sums),
            &Work::WeightGradient { m, n } => {
                let (x, y) = (self.read(member, 0, m, &rows), self.read(member, 1, n, &rows));
                let accumulate = !(rows.start == self.task_start && begins_with(member, self.task_start));
                gemm::transposed_product((m, n), x, y, accumulate, sums);
            }
            &Work::Pad { before, rows: count, width } => {
                let first = member.first + before;
                let inside = rows.start.max(first)..rows.end.min(first + count);
                let to = self.written(&mut taken[0], member.to[0], width, &rows);
                to.fill(0.0);
                if !inside.is_empty() {
                    let from = self.read(member, 0, width, &inside);
                    to[(inside.start - rows.start) * width..][..from.len()].copy_from_slice(from);
                }
            }
        }
        for (&place, buffer) in member.to.iter().zip(taken.drain(..)) {
            self.put_back(place, buffer);
        }
    }

    fn run_fused(
        &self,
        fused: &FusedKernel,
        (member, plan): (&Member, &MemberPlan<'_>),
        rows: Range<usize>,
        taken: &mut [Taken<'_>],
        sums: &mut [f32],
    ) {
        let width = fused.len / member.rows;
        let mut inputs = ArrayVec::<&[f32], MAX_INPUTS>::new();
        for (i, place) in member.from[..fused.reads].iter().enumerate() {
            inputs.push(match *place {
                Place::Input(whole) if fused.patterns.contains(&Pattern::Input(i)) => self.run.inputs[whole],
                _ => self.read(member, i, width, &rows),
            });
        }
        let mut outputs = ArrayVec::<&mut [f32], MAX_SLICES>::new();
        for (buffer, &place) in taken.iter_mut().zip(&member.to) {
            outputs.push(self.written(buffer, place, width, &rows));
        }
        let product = fused.product.zip(plan.b).map(|(product, b)| {
            let (_, k, n) = product.size;
            PreparedProduct::of_rows((k, n), self.read(member, fused.reads, k, &rows), b)
        });
        let outputs = (&mut outputs[..], rows.len() * width);
        fused::run_rows(fused, &inputs, product.as_ref(), outputs, (sums, plan.patterns_at));
    }

    /// The elements of `rows` in input `i` of a member.
    fn read(&self, member: &Member, i: usize, width: usize, rows: &Range<usize>) -> &[f32] {
        let len = rows.len() * width;
        match member.from[i] {
            Place::Input(i) => &self.run.inputs[i][(rows.start - member.first) * width..][..len],
            Place::Local(l) => &self.locals[l][(rows.start - self.rows.start) * width..][..len],
            Place::Output(o) => &self.outputs[o][self.output_offset(o, rows)..][..len],
        }
    }

    /// The elements of `rows` in a buffer that was moved out of `place`.
    fn written<'t>(&self, taken: &'t mut Taken<'_>, place: Place, width: usize, rows: &Range<usize>) -> &'t mut [f32] {
        let len = rows.len() * width;
        match (taken, place) {
            (Taken::Local(buffer), _) => &mut buffer[(rows.start - self.rows.start) * width..][..len],
            (Taken::Output(output), Place::Output(o)) => &mut output[self.output_offset(o, rows)..][..len],
            (Taken::Output(_), other) => unreachable!("{other:?} is no output"),
        }
    }

    /// Where `rows` begin in the task's part of a stored output.
    fn output_offset(&self, output: usize, rows: &Range<usize>) -> usize {
        let stored = self.run.chain.stored[output];
        (rows.start - self.task_start.max(stored.first)) * stored.width
    }

    fn take(&mut self, place: Place) -> Taken<'b> {
        match place {
            Place::Local(l) => Taken::Local(std::mem::take(&mut self.locals[l])),
            Place::Output(o) => Taken::Output(std::mem::take(&mut self.outputs[o])),
            Place::Input(_) => unreachable!("a chain never writes to an input"),
        }
    }

    fn put_back(&mut self, place: Place, taken: Taken<'b>) {
        match (place, taken) {
            (Place::Local(l), Taken::Local(buffer)) => self.locals[l] = buffer,
            (Place::Output(o), Taken::Output(output)) => self.outputs[o] = output,
            _ => {}
        }
    }
}
