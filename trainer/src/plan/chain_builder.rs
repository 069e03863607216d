//! Joins the kernel calls of a chain into one.
use super::buffers::{LiveRange, assign_buffers};
use super::chain::{Chain, Member, Place, StoredRows, Work, tasks};
use super::chains::ChainRun;
use super::values::Values;
use super::{BufferView, Kernel, KernelCall, Storage};
use std::collections::{HashMap, HashSet};

/// The sums of a member begin at a multiple of this, a cache line.
const SUMS_UNIT: usize = 16;

/// A chain that is being built.
struct Builder<'v, 'g> {
    values: &'v mut Values<'g>,
    run: &'v ChainRun,
    /// Local buffer of each live range that only the chain uses.
    local: HashMap<usize, usize>,
    /// Stored output of each live range that something else reads.
    stored: HashMap<usize, usize>,
    chain: Chain,
    inputs: Vec<BufferView>,
    stored_views: Vec<BufferView>,
    sum_views: Vec<BufferView>,
}

/// Joins `calls`, the kernel calls of the groups of `run`. Live ranges that only the chain uses are added to `local`.
pub(super) fn join(
    values: &mut Values<'_>,
    run: &ChainRun,
    calls: Vec<KernelCall>,
    local: &mut HashSet<usize>,
) -> KernelCall {
    let mut nodes: Vec<_> = calls.iter().flat_map(|c| c.nodes.iter().copied()).collect();
    nodes.sort_unstable();
    let (ranges, widths) = local_ranges(values, run, &calls);
    let (locals, buffer_of) = assign_buffers(&widths);
    local.extend(&ranges);
    let flops = calls.iter().map(|c| c.kernel.flops()).sum();
    let chain = Chain {
        rows: run.rows,
        tasks: tasks(run.rows, flops),
        members: Vec::new(),
        locals,
        stored: Vec::new(),
        sums: Vec::new(),
        sums_len: 0,
    };
    let mut builder = Builder {
        values,
        run,
        local: ranges.into_iter().zip(buffer_of).collect(),
        stored: HashMap::new(),
        chain,
        inputs: Vec::new(),
        stored_views: Vec::new(),
        sum_views: Vec::new(),
    };
    for (call, &(first, rows)) in calls.into_iter().zip(&run.members) {
        builder.add(call, first, rows);
    }
    let Builder { chain, inputs, stored_views: mut outputs, sum_views, .. } = builder;
    outputs.extend(sum_views);
    KernelCall { kernel: Kernel::Chain(Box::new(chain)), inputs, outputs, nodes }
}

/// Number of stored outputs of a member's kernel. They come before the sums.
fn stored_outputs(kernel: &Kernel) -> usize {
    match kernel {
        Kernel::Fused(f) => f.stores.len(),
        Kernel::Pad { .. } => 1,
        _ => 0,
    }
}

/// The live ranges that begin and end in the chain, with their elements per row.
fn local_ranges(values: &Values<'_>, run: &ChainRun, calls: &[KernelCall]) -> (Vec<usize>, Vec<LiveRange>) {
    let (mut ranges, mut widths) = (Vec::new(), Vec::new());
    for (call, &(_, rows)) in calls.iter().zip(&run.members) {
        for view in &call.outputs[..stored_outputs(&call.kernel)] {
            let Storage::Slot(index) = view.storage else { continue };
            let range = values.ranges()[index];
            if run.at.contains(&range.from) && run.at.contains(&range.to) && !ranges.contains(&index) {
                ranges.push(index);
                widths.push(LiveRange { len: view.len / rows, ..range });
            }
        }
    }
    (ranges, widths)
}

impl Builder<'_, '_> {
    /// Appends the kernel of one group.
    fn add(&mut self, call: KernelCall, first: usize, rows: usize) {
        let stored = stored_outputs(&call.kernel);
        let work = match call.kernel {
            Kernel::Fused(f) => Work::Fused(f),
            Kernel::MatMul { size: (m, _, n), .. } => Work::WeightGradient { m, n },
            Kernel::Pad { len, at, to, .. } => {
                let width = to / rows;
                Work::Pad { before: at / width, rows: len / width, width }
            }
            other => unreachable!("{} cannot be in a chain", other.name()),
        };
        let from = call.inputs.iter().map(|&view| self.input(view)).collect();
        let to = call.outputs[..stored].iter().map(|&view| self.output(view, first, rows)).collect();
        let start = self.chain.sums_len;
        let mut at = start;
        for &view in &call.outputs[stored..] {
            self.cover(view);
            self.chain.sums.push((at, view.len));
            self.sum_views.push(view);
            at += view.len;
        }
        self.chain.sums_len = at.next_multiple_of(SUMS_UNIT);
        self.chain.members.push(Member { work, first, rows, from, to, sums: start..at });
    }

    fn cover(&mut self, view: BufferView) {
        if let Storage::Slot(range) = view.storage {
            self.values.cover(range, &self.run.at);
        }
    }

    fn input(&mut self, view: BufferView) -> Place {
        if let Storage::Slot(range) = view.storage {
            if let Some(&local) = self.local.get(&range) {
                return Place::Local(local);
            }
            if let Some(&stored) = self.stored.get(&range) {
                return Place::Output(stored);
            }
        }
        self.cover(view);
        Place::Input(self.inputs.iter().position(|v| *v == view).unwrap_or_else(|| {
            self.inputs.push(view);
            self.inputs.len() - 1
        }))
    }

    fn output(&mut self, view: BufferView, first: usize, rows: usize) -> Place {
        let Storage::Slot(range) = view.storage else { unreachable!("a chain does not write to the store") };
        if let Some(&local) = self.local.get(&range) {
            return Place::Local(local);
        }
        self.cover(view);
        let next = self.chain.stored.len();
        let stored = *self.stored.entry(range).or_insert(next);
        if stored == next {
            self.chain.stored.push(StoredRows { first, width: view.len / rows });
            self.stored_views.push(view);
        }
        Place::Output(stored)
    }
}
