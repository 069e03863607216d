//! Programs, and the store of weights and optimizer state that they share.
//!
//! A [`Program`] is a graph with its plan. [`cpu::Cpu`] runs programs over one [`Store`]:
//!
//! ```
//! use ganlet_trainer::exec::{Clock, Program, Store, cpu::Cpu};
//! use ganlet_trainer::graph::Graph;
//!
//! let mut store = Store::default();
//! let weight = store.add("weight", vec![3.0]);
//!
//! // A step of gradient descent on w², with learning rate 0.25.
//! let mut g = Graph::default();
//! let w = g.param(weight, &[1]);
//! let square = g.square(w);
//! let loss = g.sum(square);
//! let gradient = g.grad(loss, &[w])[0];
//! let step = g.affine(gradient, -0.25, 0.0);
//! let updated = g.add(w, step);
//! g.assign(weight, updated);
//!
//! let mut cpu = Cpu::new(1);
//! cpu.load(vec![Program::new("step", &g, &[loss])], store);
//! cpu.run(0, &[], Clock { seed: 0, step: 0 })?;
//! assert_eq!(cpu.output(0, 0), [9.0]);
//! assert_eq!(cpu.store().values(weight), [1.5]);
//! # Ok::<(), ganlet_trainer::exec::NotFinite>(())
//! ```
pub mod cpu;
pub mod profile;
mod store;

use crate::graph::{Graph, NodeId};
use crate::plan::Plan;
use std::fmt;
pub use store::{Store, StoreEntry};

/// Name of the guard of a step's loss. Nodes after the guarded value compute gradients.
pub(crate) const LOSS: &str = "loss";

/// A simplified graph with its plan: one kind of step of a training run.
#[derive(Clone, Debug)]
pub struct Program {
    /// Name in messages, such as "discriminator step".
    pub name: String,
    /// What is computed.
    pub graph: Graph,
    /// How it is computed.
    pub plan: Plan,
}

impl Program {
    /// Simplifies and plans `graph`. The values of `outputs` can be read after each run, by their position in
    /// `outputs`.
    pub fn new(name: impl Into<String>, graph: &Graph, outputs: &[NodeId]) -> Self {
        Self::planned(name, graph, outputs, false)
    }

    /// [`Program::new`] with optional recomputation: with `recompute`, gradients compute activations again instead of
    /// keeping them in memory. The guard named [`LOSS`] marks where the gradients begin. Dense networks that run on a
    /// block of the batch at a time keep few activations, and never compute them again.
    pub(crate) fn planned(name: impl Into<String>, graph: &Graph, outputs: &[NodeId], recompute: bool) -> Self {
        let (mut graph, mut outputs) = graph.simplified(outputs);
        let mut plan = Plan::new(&graph, &outputs);
        let loss = graph.guards().iter().find(|g| g.0 == LOSS).map(|g| g.1);
        if let Some(loss) = loss.filter(|_| recompute && !plan.has_chains()) {
            (graph, outputs) = graph.recomputed(&outputs, loss);
            plan = Plan::new(&graph, &outputs);
        }
        Self { name: name.into(), graph, plan }
    }
}

/// Key of the random numbers of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Seed of the training run.
    pub seed: u64,
    /// Training step.
    pub step: u64,
}

/// A guarded value was infinite or NaN during a run. The store was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFinite {
    /// Name of the guarded value.
    pub guard: String,
    /// Name of the program.
    pub program: String,
    /// Training step.
    pub step: u64,
    /// Description of the first node with a value that is not finite.
    pub node: String,
}

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { guard, program, step, node } = self;
        write!(
            f,
            "training diverged at step {step}: the {guard} of the {program} is not finite. The first value that is not \
             finite is in {node}. Try a third of optimizer.learning_rate, or a smaller penalty"
        )
    }
}

impl std::error::Error for NotFinite {}

#[cfg(test)]
mod tests {
    use super::cpu::Cpu;
    use super::{Clock, Program, Store};
    use crate::graph::{Graph, Shape, Unary, Window};

    #[test]
    fn recomputation_gives_equal_values_in_less_memory() {
        let (b, c) = (64, 48);
        let mut g = Graph::default();
        let x = g.input("x", &[b, 1, 1, c]);
        let weights: Vec<_> = (0..6).map(|i| g.input(format!("weights {i}"), &[1, 1, c, c])).collect();
        let mut y = x;
        for (i, &w) in weights.iter().enumerate() {
            g.enter(format!("layer {i}"));
            let product = g.conv(y, w, Window { kernel: 1, stride: 1, pad: 0 });
            let sums = g.sum_to(product, Shape::new(&[c]));
            let mean = g.affine(sums, 1.0 / b as f32, 0.0);
            let centered = g.sub(product, mean);
            let normal = g.unary(Unary::Tanh, centered);
            y = g.unary(Unary::Sigmoid, normal);
        }
        let loss = g.mean(y);
        g.guard("loss", loss);
        let outputs = g.grad(loss, &weights);
        let programs = [false, true].map(|again| Program::planned("step", &g, &outputs, again));
        assert!(
            programs[1].plan.bytes() * 5 < programs[0].plan.bytes() * 4,
            "{} bytes, recomputing {}",
            programs[0].plan.bytes(),
            programs[1].plan.bytes()
        );
        let feeds: Vec<Vec<f32>> = (0..7)
            .map(|i| {
                let len = if i == 0 { b * c } else { c * c };
                (0..len).map(|k| ((k * 37 + i * 11) % 64) as f32 / 128.0 - 0.25).collect()
            })
            .collect();
        let feeds: Vec<&[f32]> = feeds.iter().map(Vec::as_slice).collect();
        let results = programs.map(|program| {
            let mut cpu = Cpu::new(1);
            cpu.load(vec![program], Store::default());
            cpu.run(0, &feeds, Clock { seed: 0, step: 0 }).unwrap();
            (0..weights.len()).map(|i| cpu.output(0, i).to_vec()).collect::<Vec<_>>()
        });
        assert!(results[0] == results[1]);
        assert!(results[0].iter().flatten().any(|v| *v != 0.0));
    }
}
