//! The CPU executor: planned steps over preallocated slots, bitwise the same for any number of threads.
//!
//! Work is cut into tasks by sizes alone, never by the number of threads, and sums over tasks are added in
//! task order. Kernels borrow their inputs and own their outputs while they run, so nothing here is unsafe
//! but the call into sgemm and the choice of vector instructions.
mod buffer;
mod conv;
mod depthwise;
mod dot;
mod elementwise;
mod gemm;
mod moves;
mod packs;
mod plane;
mod split;
mod tile;
#[cfg(target_arch = "aarch64")]
mod tile_neon;
#[cfg(target_arch = "x86_64")]
mod tile_x86;
mod winograd;
mod winograd_deep;

use super::profile::Timing;
use super::{Clock, NotFinite, Program, Store};
use crate::philox::Key;
use crate::plan::{Base, Kind, Plan, Step, View};
use arrayvec::ArrayVec;
use buffer::Buffer;
pub use gemm::{MatMut, MatRef, sgemm};
use packs::{Packs, Weights};
use rayon::{ThreadPool, ThreadPoolBuilder};
use split::MAX_PARTS;
use std::time::Instant;

/// Programs whose products need fewer operations than this run on the calling thread alone.
const WORTH_THREADS: f64 = 2e6;

/// Runs programs on all cores of this machine, or on as many as asked for.
pub struct Cpu {
    pool: Option<ThreadPool>,
    /// By program: whether one thread alone is faster, where the count of threads is not asked for.
    paces: Option<Vec<Pace>>,
    programs: Vec<Program>,
    memory: Memory,
    /// By program and step: the laid-out weights that it reads.
    packed: Vec<Vec<Option<usize>>>,
    /// Calls and seconds of every step of every program.
    profile: Option<Vec<Vec<(u64, f64)>>>,
}

/// What is known of a program's time on one thread and on all: small networks can lose more by handing work over than they gain.
///
/// Both give the same numbers, so trying costs nothing but the time of a few runs.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    runs: u64,
    /// Seconds of the trials on one thread and on all.
    seconds: [f64; 2],
}

impl Pace {
    /// Runs of each kind in a trial.
    const TRIALS: u64 = 4;
    /// From one trial to the next: other work on the machine comes and goes.
    const EVERY: u64 = 2000;

    /// Whether the next run is on all threads; the first runs of a program warm caches up and are no trials.
    fn on_all(&self) -> bool {
        let at = self.runs % Self::EVERY;
        if self.trying() { at.is_multiple_of(2) } else { self.seconds[1] <= self.seconds[0] }
    }

    fn trying(&self) -> bool {
        (2..2 + 2 * Self::TRIALS).contains(&(self.runs % Self::EVERY))
    }

    fn took(&mut self, seconds: f64) {
        if self.trying() {
            if self.runs % Self::EVERY == 2 {
                self.seconds = [0.0; 2];
            }
            self.seconds[usize::from(self.on_all())] += seconds;
        }
        self.runs += 1;
    }
}

/// All numbers: slots, the store, and sums of tasks before they are added up.
#[derive(Default)]
struct Memory {
    slots: Vec<Buffer>,
    store: Store,
    packs: Packs,
    partials: Vec<f32>,
}

impl Cpu {
    /// An executor on `threads` threads; 0 means one for each core, or one alone for programs that are faster so.
    pub fn new(threads: usize) -> Self {
        let paces = (threads == 0).then(Vec::new);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores } else { threads };
        let pool = (threads > 1).then(|| ThreadPoolBuilder::new().num_threads(threads).build().ok()).flatten();
        Self { pool, paces, programs: Vec::new(), memory: Memory::default(), packed: Vec::new(), profile: None }
    }

    /// Count of threads that share the work.
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or(1, ThreadPool::current_num_threads)
    }

    /// Bytes of working memory, the store not counted.
    pub fn bytes(&self) -> usize {
        let slots: usize = self.memory.slots.iter().map(|s| s.len()).sum();
        4 * (slots + self.memory.partials.len()) + self.memory.packs.bytes()
    }

    /// Starts to add up the time of every kernel call.
    pub fn start_profile(&mut self) {
        self.profile = Some(self.programs.iter().map(|p| vec![(0, 0.0); p.plan.steps()]).collect());
    }

    /// What every step of every program took since [`Cpu::start_profile`].
    pub fn profile(&self) -> Vec<Timing> {
        let profile = self.profile.iter().flatten().zip(&self.programs);
        let rows = profile.flat_map(|(times, program)| {
            program.plan.steps.iter().zip(times).map(|(step, &(calls, seconds))| {
                let last = step.nodes[step.nodes.len() - 1];
                let numbers: usize = step.inputs.iter().chain(&step.outputs).map(|v| v.len).sum();
                Timing {
                    program: program.name.clone(),
                    kind: step.kind.name().to_owned(),
                    scope: program.graph.scope_of(last).to_owned(),
                    node: program.graph.describe(last),
                    calls,
                    seconds,
                    flops: calls as f64 * step.kind.flops(),
                    bytes: calls as f64 * 4.0 * numbers as f64,
                }
            })
        });
        rows.collect()
    }

    /// Runs `program` again, node by node and up to its guards, and names the first node that is not finite.
    fn diagnose(&mut self, program: usize, inputs: &[&[f32]], clock: Clock) -> String {
        let program = &self.programs[program];
        for (name, values) in program.plan.inputs.iter().zip(inputs) {
            if values.iter().any(|v| !v.is_finite()) {
                return format!("input {}", name.0);
            }
        }
        let plan = Plan::unfused(&program.graph);
        let mut memory = Memory {
            slots: plan.slots.iter().map(|n| Buffer::new(*n)).collect(),
            store: std::mem::take(&mut self.memory.store),
            packs: Packs::default(),
            partials: vec![0.0; plan.steps.iter().map(|s| partial_len(&s.kind)).max().unwrap_or(0)],
        };
        let first = plan.steps.iter().take_while(|s| !matches!(s.kind, Kind::Guard)).find(|step| {
            memory.step(step, None, inputs, clock);
            step.outputs.iter().any(|o| memory.view(*o, inputs).iter().any(|v| !v.is_finite()))
        });
        self.memory.store = memory.store;
        first.map_or_else(|| "no node alone".into(), |step| program.graph.describe(step.nodes[step.nodes.len() - 1]))
    }
}

impl Cpu {
    /// Replaces the programs and the store, and allocates the memory that running them takes.
    pub fn load(&mut self, programs: Vec<Program>, store: Store) {
        let count = programs.iter().map(|p| p.plan.slots.len()).max().unwrap_or(0);
        let mut sizes = vec![0; count];
        let mut partials = 0;
        for program in &programs {
            let mut slots = program.plan.slots.clone();
            slots.resize(count, 0);
            sizes.iter_mut().zip(&slots).for_each(|(s, &n)| *s = n.max(*s));
            partials = program.plan.steps.iter().map(|s| partial_len(&s.kind)).fold(partials, usize::max);
        }
        let (packs, packed) = Packs::new(&programs);
        let slots = sizes.into_iter().map(Buffer::new).collect();
        self.memory = Memory { slots, store, packs, partials: vec![0.0; partials] };
        self.packed = packed;
        if let Some(paces) = &mut self.paces {
            *paces = vec![Pace::default(); programs.len()];
        }
        self.programs = programs;
    }

    /// Runs one program. `inputs` lie in the order in which its graph declared them.
    ///
    /// # Errors
    /// If a guarded value is not finite. The store then keeps the values that it had before the run.
    ///
    /// # Panics
    /// If the count or the length of the inputs does not match the graph.
    pub fn run(&mut self, program: usize, inputs: &[&[f32]], clock: Clock) -> Result<(), NotFinite> {
        let plan = &self.programs[program].plan;
        assert_eq!(inputs.len(), plan.inputs.len(), "inputs of the {}", self.programs[program].name);
        for ((name, len), given) in plan.inputs.iter().zip(inputs) {
            assert_eq!(given.len(), *len, "length of input {name}");
        }
        let memory = &mut self.memory;
        let profile = &mut self.profile;
        let mut steps = plan.steps.iter().zip(&self.packed[program]);
        let all = || match profile {
            None => steps.try_for_each(|(step, &pack)| memory.checked_step(step, pack, inputs, clock)),
            Some(times) => steps.zip(&mut times[program]).try_for_each(|((step, &pack), (calls, seconds))| {
                let start = Instant::now();
                let done = memory.checked_step(step, pack, inputs, clock);
                *calls += 1;
                *seconds += start.elapsed().as_secs_f64();
                done
            }),
        };
        let mut pace = self.paces.as_mut().map(|paces| &mut paces[program]);
        let done = match &self.pool {
            Some(pool) if plan.flops() >= WORTH_THREADS => {
                let start = Instant::now();
                let done = if pace.as_ref().is_none_or(|p| p.on_all()) { pool.install(all) } else { all() };
                if let Some(pace) = &mut pace {
                    pace.took(start.elapsed().as_secs_f64());
                }
                done
            }
            _ => all(),
        };
        let Err(guard) = done else { return Ok(()) };
        let (guard, name) = (plan.guards[guard].clone(), self.programs[program].name.clone());
        Err(NotFinite { guard, program: name, step: clock.step, node: self.diagnose(program, inputs, clock) })
    }

    /// Output `index` of the last run of `program`. Valid until another program runs.
    pub fn output(&self, program: usize, index: usize) -> &[f32] {
        self.memory.view(self.programs[program].plan.outputs[index], &[])
    }

    /// The programs, in the order in which they were loaded.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// The weights and the optimizer state.
    pub fn store(&self) -> &Store {
        &self.memory.store
    }

    /// The weights and the optimizer state, to be changed between runs.
    pub fn store_mut(&mut self) -> &mut Store {
        self.memory.packs.outdated(None);
        &mut self.memory.store
    }
}

/// Numbers that the tasks of a step need for sums of their own.
fn partial_len(kind: &Kind) -> usize {
    match kind {
        Kind::Fused(f) => elementwise::partial_len(f),
        Kind::ConvWeight(w, s) => conv::partial_len(*w, s),
        Kind::DepthwiseWeight(w, s) => depthwise::partial_len(*w, s),
        _ => 0,
    }
}

impl Memory {
    fn view<'a>(&'a self, view: View, inputs: &[&'a [f32]]) -> &'a [f32] {
        let whole = match view.base {
            Base::Slot(i) => &self.slots[i][..],
            Base::Param(id) => self.store.values(id),
            Base::Input(i) => inputs.get(i).copied().unwrap_or(&[]),
        };
        &whole[view.offset..][..view.len]
    }

    fn take(&mut self, base: Base) -> Buffer {
        match base {
            Base::Slot(i) => std::mem::take(&mut self.slots[i]),
            Base::Param(id) => Buffer::of(std::mem::take(self.store.values_mut(id))),
            Base::Input(_) => unreachable!("a plan never writes to an input"),
        }
    }

    fn put_back(&mut self, base: Base, buffer: Buffer) {
        match base {
            Base::Slot(i) => self.slots[i] = buffer,
            Base::Param(id) => {
                *self.store.values_mut(id) = buffer.into_vector();
                self.packs.outdated(Some(id));
            }
            Base::Input(_) => {}
        }
    }

    /// Runs a step; fails with the index of the guard that is not finite.
    fn checked_step(&mut self, step: &Step, pack: Option<usize>, inputs: &[&[f32]], clock: Clock) -> Result<(), usize> {
        if matches!(step.kind, Kind::Guard) {
            let bad = step.inputs.iter().position(|&v| !self.view(v, inputs)[0].is_finite());
            return bad.map_or(Ok(()), Err);
        }
        self.step(step, pack, inputs, clock);
        Ok(())
    }

    fn step(&mut self, step: &Step, pack: Option<usize>, inputs: &[&[f32]], clock: Clock) {
        let laid_out = pack.map(|p| self.packs.take(p, &self.store));
        // Lists are filled where they stand: moving one copies all the room that it has.
        let mut owned = ArrayVec::<Buffer, MAX_PARTS>::new();
        for o in &step.outputs {
            owned.push(self.take(o.base));
        }
        let mut partials = std::mem::take(&mut self.partials);
        {
            let mut outs = ArrayVec::<&mut [f32], MAX_PARTS>::new();
            for (buffer, o) in owned.iter_mut().zip(&step.outputs) {
                outs.push(&mut buffer[o.offset..][..o.len]);
            }
            let input = |k: usize| self.view(step.inputs[k], inputs);
            let weights = |k: usize| Weights { plain: input(k), ready: laid_out.as_deref() };
            match &step.kind {
                Kind::Fused(fused) => {
                    // An input that an output overwrites is read through the output.
                    let taken = |v: &View| step.outputs.iter().any(|o| o.base == v.base);
                    let mut read = ArrayVec::<_, { elementwise::MAX_INPUTS }>::new();
                    let (walked, factors) = step.inputs.split_at(fused.reads);
                    for v in walked {
                        read.push(if taken(v) { &[][..] } else { self.view(*v, inputs) });
                    }
                    let factor = |k: usize| factors.get(k).map_or(&[][..], |v| self.view(*v, inputs));
                    elementwise::run(
                        fused,
                        &read,
                        (factor(0), Weights { plain: factor(1), ready: laid_out.as_deref() }),
                        &mut outs,
                        &mut partials,
                    );
                }
                &Kind::MatMul { size, ta, tb } => gemm::product(size, (input(0), ta), (weights(1), tb), outs[0]),
                Kind::Conv(w, s) => conv::forward(*w, s, input(0), weights(1), outs[0]),
                Kind::ConvInput(w, s) => conv::input(*w, s, input(0), weights(1), outs[0]),
                Kind::ConvWeight(w, s) => conv::weight(*w, s, input(0), input(1), outs[0], &mut partials),
                Kind::Depthwise(w, s) => depthwise::forward(*w, s, input(0), input(1), outs[0]),
                Kind::DepthwiseInput(w, s) => depthwise::input(*w, s, input(0), input(1), outs[0]),
                Kind::DepthwiseWeight(w, s) => {
                    depthwise::weight(*w, s, input(0), input(1), outs[0], &mut partials);
                }
                &Kind::Upsample(small, factor) => moves::upsample(small, factor, input(0), outs[0]),
                &Kind::SumPool(small, factor) => moves::sum_pool(small, factor, input(0), outs[0]),
                &Kind::Slice { outer, from, at, len } => moves::slice(outer, from, at, len, input(0), outs[0]),
                &Kind::Pad { outer, len, at, to } => moves::pad(outer, len, at, to, input(0), outs[0]),
                Kind::Concat { outer, runs } => moves::concat(*outer, runs, |k| input(k), outs[0]),
                &Kind::Broadcast(from, to) => moves::broadcast(from, to, input(0), outs[0]),
                &Kind::SumTo(from, to) => moves::sum_to(from, to, input(0), outs[0]),
                &Kind::Random(stream, law) => Key { seed: clock.seed, stream, step: clock.step }.fill(law, outs[0]),
                Kind::Copy => outs[0].copy_from_slice(input(0)),
                Kind::Guard => {}
            }
        }
        self.partials = partials;
        if let (Some(pack), Some(data)) = (pack, laid_out) {
            self.packs.put_back(pack, data);
        }
        for (buffer, output) in owned.into_iter().zip(&step.outputs) {
            self.put_back(output.base, buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;

    #[test]
    fn the_faster_count_of_threads_is_kept_until_the_next_trial() {
        let mut pace = Pace::default();
        let mut on_all = Vec::new();
        for run in 0..2 * Pace::EVERY {
            let all = pace.on_all();
            on_all.push(all);
            // One thread is faster at first, all are after the second trial.
            let quick = all == (run >= Pace::EVERY);
            pace.took(if quick { 1.0 } else { 2.0 });
        }
        let (trial, every) = (2 + 2 * Pace::TRIALS as usize, Pace::EVERY as usize);
        assert!(on_all[..2].iter().all(|all| *all), "nothing is known yet");
        assert_eq!(on_all[2..trial].iter().filter(|all| **all).count() as u64, Pace::TRIALS);
        assert!(on_all[trial..every].iter().all(|all| !all));
        assert!(on_all[every + trial..].iter().all(|all| *all));
    }
}
