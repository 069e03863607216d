//! The CPU executor: runs planned programs in preallocated memory, bitwise equal for any number of threads.
//!
//! The division of work into tasks depends on sizes only, not on the number of threads, and partial sums are added in task order.
//! Kernels borrow their inputs and own their outputs while they run, so unsafe code is limited to the call of
//! matrixmultiply and to the selection of vector instructions.
mod alternatives;
mod buffer;
mod chain;
mod conv;
mod conv_pack;
mod copies;
mod depthwise;
mod dot;
#[cfg(target_arch = "x86_64")]
mod dot_x86;
mod fused;
mod gemm;
mod microkernel;
#[cfg(target_arch = "aarch64")]
mod microkernel_neon;
#[cfg(target_arch = "x86_64")]
mod microkernel_x86;
mod operands;
mod pack;
mod padding;
mod sums;
mod tasks;
mod thread_choice;
mod weight_cache;
mod weights;
mod winograd;
mod workspace;

use super::profile::KernelTiming;
use super::{Clock, NotFinite, Program, Store};
use crate::plan::{Kernel, Plan};
pub use alternatives::AlternativeRates;
pub use gemm::{MatMut, MatRef, sgemm};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::time::Instant;
use thread_choice::ThreadChoice;
use workspace::Workspace;

/// Minimum floating-point operations of a program's products for running it on several threads.
const MIN_PARALLEL_FLOPS: f64 = 2e6;

/// Runs programs on the cores of this machine.
pub struct Cpu {
    pool: Option<ThreadPool>,
    /// For each program, whether to use all threads. `None` if the caller fixed the number of threads.
    thread_choices: Option<Vec<ThreadChoice>>,
    programs: Vec<Program>,
    workspace: Workspace,
    /// For each program and kernel call: the entries of the weight cache that the call reads.
    packed: Vec<Vec<Vec<Option<usize>>>>,
    /// For each program and kernel call: number of calls and their total seconds.
    profile: Option<Vec<Vec<(u64, f64)>>>,
}

impl Cpu {
    /// An executor with `threads` threads. With 0, it has one thread per core, and runs each program on one thread or
    /// on all, whichever is faster.
    pub fn new(threads: usize) -> Self {
        let thread_choices = (threads == 0).then(Vec::new);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores } else { threads };
        let pool = (threads > 1).then(|| ThreadPoolBuilder::new().num_threads(threads).build().ok()).flatten();
        Self {
            pool,
            thread_choices,
            programs: Vec::new(),
            workspace: Workspace::default(),
            packed: Vec::new(),
            profile: None,
        }
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or(1, ThreadPool::current_num_threads)
    }

    /// Bytes of working memory, without the store.
    pub fn bytes(&self) -> usize {
        self.workspace.bytes()
    }

    /// Starts measuring the time of every kernel call, from zero.
    pub fn start_profile(&mut self) {
        self.profile = Some(self.programs.iter().map(|p| vec![(0, 0.0); p.plan.calls.len()]).collect());
    }

    /// The measurements since [`Cpu::start_profile`]: one entry for every kernel call of every program.
    pub fn profile(&self) -> Vec<KernelTiming> {
        let profile = self.profile.iter().flatten().zip(&self.programs);
        let rows = profile.flat_map(|(times, program)| {
            program.plan.calls.iter().zip(times).map(|(call, &(calls, seconds))| {
                let elements: usize = call.inputs.iter().chain(&call.outputs).map(|v| v.len).sum();
                KernelTiming {
                    program: program.name.clone(),
                    kernel: call.kernel.name().to_owned(),
                    scope: program.graph.scope_of(call.last_node()).to_owned(),
                    node: program.graph.describe(call.last_node()),
                    calls,
                    seconds,
                    flops: calls as f64 * call.kernel.flops(),
                    bytes: calls as f64 * 4.0 * elements as f64,
                }
            })
        });
        rows.collect()
    }

    /// Measures plain ways to compute the kernel call that a [`KernelTiming`] describes by `kernel` and `node`. `None` if
    /// it is not a product or convolution.
    pub fn alternative_rates(&self, kernel: &str, node: &str) -> Option<AlternativeRates> {
        let mut calls = self.programs.iter().flat_map(|p| p.plan.calls.iter().map(move |call| (p, call)));
        let found = calls
            .find(|(program, call)| call.kernel.name() == kernel && program.graph.describe(call.last_node()) == node);
        alternatives::rates(&found?.1.kernel)
    }

    /// Replaces the programs and the store, and allocates the memory that the programs use.
    pub fn load(&mut self, programs: Vec<Program>, store: Store) {
        (self.workspace, self.packed) = Workspace::for_programs(&programs, store);
        if let Some(choices) = &mut self.thread_choices {
            *choices = vec![ThreadChoice::default(); programs.len()];
        }
        self.programs = programs;
    }

    /// Runs one program. `inputs` are in the order in which its graph declares them.
    ///
    /// # Errors
    /// If a guarded value is not finite. The store then keeps the values that it had before the run.
    ///
    /// # Panics
    /// If the number or the lengths of the inputs do not match the graph.
    pub fn run(&mut self, program: usize, inputs: &[&[f32]], clock: Clock) -> Result<(), NotFinite> {
        let plan = &self.programs[program].plan;
        assert_eq!(inputs.len(), plan.inputs.len(), "inputs of the {}", self.programs[program].name);
        for ((name, len), input) in plan.inputs.iter().zip(inputs) {
            assert_eq!(input.len(), *len, "length of input {name}");
        }
        let workspace = &mut self.workspace;
        let profile = &mut self.profile;
        let mut calls = plan.calls.iter().zip(&self.packed[program]);
        let run_all = || match profile {
            None => calls.try_for_each(|(call, packed)| workspace.run_checked(call, packed, inputs, clock)),
            Some(times) => calls.zip(&mut times[program]).try_for_each(|((call, packed), (count, seconds))| {
                let start = Instant::now();
                let result = workspace.run_checked(call, packed, inputs, clock);
                *count += 1;
                *seconds += start.elapsed().as_secs_f64();
                result
            }),
        };
        let mut choice = self.thread_choices.as_mut().map(|choices| &mut choices[program]);
        let result = match &self.pool {
            Some(pool) if plan.flops() >= MIN_PARALLEL_FLOPS => {
                let start = Instant::now();
                let all_threads = choice.as_ref().is_none_or(|c| c.use_all());
                let result = if all_threads { pool.install(run_all) } else { run_all() };
                if let Some(choice) = &mut choice {
                    choice.record(start.elapsed().as_secs_f64());
                }
                result
            }
            _ => run_all(),
        };
        let Err(guard) = result else { return Ok(()) };
        let (guard, name) = (plan.guards[guard].clone(), self.programs[program].name.clone());
        let node = self.first_not_finite(program, inputs, clock);
        Err(NotFinite { guard, program: name, step: clock.step, node })
    }

    /// Runs `program` again, node by node and up to its guards, and describes the first node with a value that is not
    /// finite.
    fn first_not_finite(&mut self, program: usize, inputs: &[&[f32]], clock: Clock) -> String {
        let program = &self.programs[program];
        for (name, values) in program.plan.inputs.iter().zip(inputs) {
            if values.iter().any(|v| !v.is_finite()) {
                return format!("input {}", name.0);
            }
        }
        let plan = Plan::unfused(&program.graph);
        let mut workspace = Workspace::for_plan(&plan, std::mem::take(&mut self.workspace.store));
        let first = plan.calls.iter().take_while(|c| !matches!(c.kernel, Kernel::Guard)).find(|call| {
            workspace.run(call, &[], inputs, clock);
            call.outputs.iter().any(|o| workspace.view(*o, inputs).iter().any(|v| !v.is_finite()))
        });
        self.workspace.store = workspace.store;
        first.map_or_else(|| "no single node".into(), |call| program.graph.describe(call.last_node()))
    }

    /// Output `index` of the last run of `program`. Valid until another program runs.
    pub fn output(&self, program: usize, index: usize) -> &[f32] {
        self.workspace.view(self.programs[program].plan.outputs[index], &[])
    }

    /// The programs, in the order in which they were loaded.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// The current weights and optimizer state.
    pub fn store(&self) -> &Store {
        &self.workspace.store
    }

    /// Mutable access to the weights and optimizer state, between runs.
    pub fn store_mut(&mut self) -> &mut Store {
        self.workspace.weight_cache.invalidate(None);
        &mut self.workspace.store
    }
}
