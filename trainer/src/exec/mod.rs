//! Runs planned programs over one store of weights and optimizer state.
pub mod cpu;
pub mod profile;
mod store;

use crate::graph::{Graph, NodeId};
use crate::plan::Plan;
use std::fmt;
pub use store::{Entry, Store};

/// The guard of a step's loss, behind which its gradients are computed.
pub(crate) const LOSS: &str = "loss";

/// A named graph with its plan: one kind of step of a training run.
#[derive(Clone, Debug)]
pub struct Program {
    /// Shown in messages: "discriminator step".
    pub name: String,
    /// What is computed, simplified.
    pub graph: Graph,
    /// How.
    pub plan: Plan,
}

impl Program {
    /// Simplifies and plans `graph` for reading `outputs`, in this order, after each run.
    pub fn new(name: impl Into<String>, graph: &Graph, outputs: &[NodeId]) -> Self {
        Self::planned(name, graph, outputs, false)
    }

    /// The same; if told so, gradients compute elementwise values again that would be kept for them (see [`Graph`]'s guard
    /// named "loss": what comes behind it is their computation).
    pub(crate) fn planned(name: impl Into<String>, graph: &Graph, outputs: &[NodeId], recompute: bool) -> Self {
        let (mut graph, mut outputs) = graph.simplified(outputs);
        let turn = graph.guards().iter().find(|g| g.0 == LOSS).map(|g| g.1);
        if let Some(turn) = turn.filter(|_| recompute) {
            (graph, outputs) = graph.recomputed(&outputs, turn);
        }
        let plan = Plan::new(&graph, &outputs);
        Self { name: name.into(), graph, plan }
    }
}

/// What keys the random numbers of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The seed of the training run.
    pub seed: u64,
    /// The training step.
    pub step: u64,
}

/// A value that must be finite was not; nothing was assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFinite {
    /// Name of the guarded value.
    pub guard: String,
    /// The program that ran.
    pub program: String,
    /// The step.
    pub step: u64,
    /// The first node of the program with a value that is not finite.
    pub node: String,
}

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { guard, program, step, node } = self;
        write!(
            f,
            "{guard} of the {program} is not finite at step {step}: the run diverged; try a third of optimizer.learning_rate, or a smaller \
             penalty (the first such value is in {node})"
        )
    }
}

impl std::error::Error for NotFinite {}

/// A device that runs programs over a store.
pub trait Executor {
    /// Replaces programs and store.
    fn load(&mut self, programs: Vec<Program>, store: Store);
    /// Runs one program; `inputs` are in the order in which its graph declared them.
    fn run(&mut self, program: usize, inputs: &[&[f32]], clock: Clock) -> Result<(), NotFinite>;
    /// Output `index` of the last run of `program`; valid until another program runs.
    fn output(&self, program: usize, index: usize) -> &[f32];
    /// The programs, in the order in which they were loaded.
    fn programs(&self) -> &[Program];
    /// Weights and optimizer state as they are now.
    fn store(&self) -> &Store;
    /// The same, to be changed between runs.
    fn store_mut(&mut self) -> &mut Store;
}
