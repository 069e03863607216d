//! The memory of the CPU executor, and the execution of one kernel call in it.
use super::buffer::Buffer;
use super::tasks::MAX_SLICES;
use super::weight_cache::WeightCache;
use super::weights::Weights;
use super::{chain, conv, copies, depthwise, fused, gemm, sums};
use crate::exec::{Clock, Program, Store};
use crate::philox::Key;
use crate::plan::chain::{MAX_INPUTS, MAX_MEMBERS};
use crate::plan::fused::FusedKernel;
use crate::plan::{BufferView, Kernel, KernelCall, Plan, Storage};
use arrayvec::ArrayVec;

/// Slots, the store, packed weights, and partial sums of tasks.
#[derive(Default)]
pub(super) struct Workspace {
    slots: Vec<Buffer>,
    pub(super) store: Store,
    pub(super) weight_cache: WeightCache,
    partials: Buffer,
}

/// Elements of the partial sums of a kernel's tasks.
fn partial_len(kernel: &Kernel) -> usize {
    match kernel {
        Kernel::Fused(f) => fused::partial_len(f),
        Kernel::Chain(c) => c.tasks * c.sums_len,
        Kernel::ConvWeight(w, s) => conv::partial_len(*w, s),
        Kernel::DepthwiseWeight(w, s) => depthwise::partial_len(*w, s),
        _ => 0,
    }
}

impl Workspace {
    /// Memory that all of `programs` share. Also returns, by program and kernel call, the packed weights that the call
    /// reads: one entry for each member of a chain, or a single entry.
    pub(super) fn for_programs(programs: &[Program], store: Store) -> (Self, Vec<Vec<Vec<Option<usize>>>>) {
        let count = programs.iter().map(|p| p.plan.slots.len()).max().unwrap_or(0);
        let mut sizes = vec![0; count];
        let mut partials = 0;
        for program in programs {
            let mut slots = program.plan.slots.clone();
            slots.resize(count, 0);
            sizes.iter_mut().zip(&slots).for_each(|(s, &n)| *s = n.max(*s));
            partials = program.plan.calls.iter().map(|c| partial_len(&c.kernel)).fold(partials, usize::max);
        }
        let (weight_cache, entries) = WeightCache::new(programs);
        let slots = sizes.into_iter().map(Buffer::new).collect();
        (Self { slots, store, weight_cache, partials: Buffer::new(partials) }, entries)
    }

    /// Memory for one plan, without packed weights.
    pub(super) fn for_plan(plan: &Plan, store: Store) -> Self {
        Self {
            slots: plan.slots.iter().map(|n| Buffer::new(*n)).collect(),
            store,
            weight_cache: WeightCache::default(),
            partials: Buffer::new(plan.calls.iter().map(|c| partial_len(&c.kernel)).max().unwrap_or(0)),
        }
    }

    /// Bytes, without the store.
    pub(super) fn bytes(&self) -> usize {
        let slots: usize = self.slots.iter().map(|s| s.len()).sum();
        4 * (slots + self.partials.len()) + self.weight_cache.bytes()
    }

    /// The elements of a view.
    pub(super) fn view<'a>(&'a self, view: BufferView, inputs: &[&'a [f32]]) -> &'a [f32] {
        let whole = match view.storage {
            Storage::Slot(i) => &self.slots[i][..],
            Storage::Param(id) => self.store.values(id),
            Storage::Input(i) => inputs.get(i).copied().unwrap_or(&[]),
        };
        &whole[view.offset..][..view.len]
    }

    /// Moves a buffer out, to be written.
    fn take(&mut self, storage: Storage) -> Buffer {
        match storage {
            Storage::Slot(i) => std::mem::take(&mut self.slots[i]),
            Storage::Param(id) => Buffer::from_vec(std::mem::take(self.store.values_mut(id))),
            Storage::Input(_) => unreachable!("a plan never writes to an input"),
        }
    }

    /// Puts back a buffer that [`Workspace::take`] moved out.
    fn put_back(&mut self, storage: Storage, buffer: Buffer) {
        match storage {
            Storage::Slot(i) => self.slots[i] = buffer,
            Storage::Param(id) => {
                *self.store.values_mut(id) = buffer.into_vec();
                self.weight_cache.invalidate(Some(id));
            }
            Storage::Input(_) => {}
        }
    }

    /// Runs a kernel call, or checks guards.
    ///
    /// # Errors
    /// The index of the first guard that is not finite.
    pub(super) fn run_checked(
        &mut self,
        call: &KernelCall,
        packed: &[Option<usize>],
        inputs: &[&[f32]],
        clock: Clock,
    ) -> Result<(), usize> {
        if matches!(call.kernel, Kernel::Guard) {
            let bad = call.inputs.iter().position(|&v| !self.view(v, inputs)[0].is_finite());
            return bad.map_or(Ok(()), Err);
        }
        self.run(call, packed, inputs, clock);
        Ok(())
    }

    /// Runs a kernel call. `packed` are the entries of the weight cache that it reads.
    pub(super) fn run(&mut self, call: &KernelCall, packed: &[Option<usize>], inputs: &[&[f32]], clock: Clock) {
        let mut packed_weights = ArrayVec::<Option<Buffer>, MAX_MEMBERS>::new();
        for (i, entry) in packed.iter().enumerate() {
            // Members of a chain can read the same entry.
            let entry = entry.filter(|_| !packed[..i].contains(entry));
            packed_weights.push(entry.map(|entry| self.packed(entry, inputs)));
        }
        // Lists are filled in place, because moving an `ArrayVec` copies its whole capacity.
        let mut buffers = ArrayVec::<Buffer, MAX_SLICES>::new();
        for o in &call.outputs {
            buffers.push(self.take(o.storage));
        }
        let mut partials = std::mem::take(&mut self.partials);
        {
            let mut outputs = ArrayVec::<&mut [f32], MAX_SLICES>::new();
            for (buffer, o) in buffers.iter_mut().zip(&call.outputs) {
                outputs.push(&mut buffer[o.offset..][..o.len]);
            }
            let mut weights = ArrayVec::<Option<&[f32]>, MAX_MEMBERS>::new();
            for entry in packed {
                let first = packed.iter().position(|e| e == entry).unwrap_or_default();
                weights.push(packed_weights[first].as_deref());
            }
            self.dispatch(call, &weights, inputs, clock, &mut outputs, &mut partials);
        }
        self.partials = partials;
        for (entry, data) in packed.iter().zip(packed_weights.drain(..)) {
            if let (Some(entry), Some(data)) = (entry, data) {
                self.weight_cache.put_back(*entry, data);
            }
        }
        for (buffer, output) in buffers.drain(..).zip(&call.outputs) {
            self.put_back(output.storage, buffer);
        }
    }

    /// Moves an entry out of the weight cache, packed again if its weights have changed.
    fn packed(&mut self, entry: usize, inputs: &[&[f32]]) -> Buffer {
        let (mut data, stale) = self.weight_cache.take(entry);
        if let Some((view, layout)) = stale {
            layout.fill(self.view(view, inputs), &mut data);
        }
        data
    }

    /// Calls the kernel's function.
    fn dispatch(
        &self,
        call: &KernelCall,
        packed_weights: &[Option<&[f32]>],
        inputs: &[&[f32]],
        clock: Clock,
        outputs: &mut [&mut [f32]],
        partials: &mut [f32],
    ) {
        let input = |k: usize| self.view(call.inputs[k], inputs);
        if let Kernel::Chain(chain) = &call.kernel {
            let mut read = ArrayVec::<_, MAX_INPUTS>::new();
            (0..call.inputs.len()).for_each(|k| read.push(input(k)));
            return chain::run(chain, &read, packed_weights, outputs, partials);
        }
        let packed = packed_weights.first().copied().flatten();
        let weights = |k: usize| Weights { plain: input(k), packed };
        if let Kernel::Fused(kernel) = &call.kernel {
            return self.run_fused(kernel, call, packed, inputs, outputs, partials);
        }
        // A guard has no output.
        let Some(out) = outputs.first_mut().map(|o| &mut **o) else { return };
        match &call.kernel {
            &Kernel::MatMul { size, ta, tb } => gemm::matmul(size, (input(0), ta), (weights(1), tb), out),
            Kernel::Conv(w, s) => conv::forward(*w, s, input(0), weights(1), out),
            Kernel::ConvInput(w, s) => conv::input(*w, s, input(0), weights(1), out),
            Kernel::ConvWeight(w, s) => conv::weight(*w, s, input(0), input(1), out, partials),
            Kernel::Depthwise(w, s) => depthwise::forward(*w, s, input(0), input(1), out),
            Kernel::DepthwiseInput(w, s) => depthwise::input(*w, s, input(0), input(1), out),
            Kernel::DepthwiseWeight(w, s) => depthwise::weight(*w, s, input(0), input(1), out, partials),
            &Kernel::Upsample(small, factor) => copies::upsample(small, factor, input(0), out),
            &Kernel::SumPool(small, factor) => sums::sum_pool(small, factor, input(0), out),
            &Kernel::Slice { outer, from, at, len } => copies::slice(outer, from, at, len, input(0), out),
            &Kernel::Pad { outer, len, at, to } => copies::pad(outer, len, at, to, input(0), out),
            Kernel::Concat { outer, runs } => copies::concat(*outer, runs, |k| input(k), out),
            &Kernel::Broadcast(from, to) => copies::broadcast(from, to, input(0), out),
            &Kernel::SumTo(from, to) => sums::sum_to(from, to, input(0), out),
            &Kernel::Random(stream, distribution) => {
                Key { seed: clock.seed, stream, step: clock.step }.fill(distribution, out);
            }
            Kernel::Copy => out.copy_from_slice(input(0)),
            Kernel::Fused(_) | Kernel::Chain(_) | Kernel::Guard => {}
        }
    }

    fn run_fused(
        &self,
        kernel: &FusedKernel,
        call: &KernelCall,
        packed: Option<&[f32]>,
        inputs: &[&[f32]],
        outputs: &mut [&mut [f32]],
        partials: &mut [f32],
    ) {
        // If an output overwrites an input, the input is read through the output.
        let overwritten = |v: &BufferView| call.outputs.iter().any(|o| o.storage == v.storage);
        let (walked, operands) = call.inputs.split_at(kernel.reads);
        let mut read = ArrayVec::<_, { fused::MAX_INPUTS }>::new();
        for v in walked {
            read.push(if overwritten(v) { &[][..] } else { self.view(*v, inputs) });
        }
        let operand = |k: usize| operands.get(k).map_or(&[][..], |v| self.view(*v, inputs));
        fused::run(kernel, &read, (operand(0), Weights { plain: operand(1), packed }), outputs, partials);
    }
}
