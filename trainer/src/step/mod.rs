//! A training step: loss, gradient and optimizer, planned as one program that updates weights and moments.
//!
//! All training uses this module: that of GANs, of feature networks, of models in experiments, and of latents in a projection.
//!
//! ```
//! use ganlet_trainer::exec::{Store, cpu::Cpu};
//! use ganlet_trainer::nn::{Layer, Mode, Network};
//! use ganlet_trainer::optim::{Optimizer, Schedule};
//! use ganlet_trainer::step::{Progress, StepGraph, Trainable};
//!
//! // Fit y = wx + b to the line y = 2x + 1.
//! let network = Network::new("line", &[1], vec![Layer::Dense { inputs: 1, to: vec![1] }]);
//! let optimizer = Optimizer::adam(0.05, 0.9, 0.99);
//! let mut store = Store::default();
//! let trainable = Trainable::new(&mut store, "line", network.initial_weights(1, 0), &optimizer);
//! let mut step = StepGraph::new("line step", optimizer, Schedule::Constant);
//! let (x, y) = (step.program.input("x", &[2, 1]), step.program.input("y", &[2, 1]));
//! let g = &mut step.program.graph;
//! let bound = network.bind(g, trainable.weights);
//! let predicted = network.trace(g, &bound, x.node(), Mode::Train).output();
//! let error = g.sub(predicted, y.node());
//! let squares = g.square(error);
//! let loss = g.mean(squares);
//! step.minimize(loss, &bound, &trainable);
//! let loss = step.program.output(loss);
//! let mut programs = Vec::new();
//! let step = step.plan(&mut programs, false);
//! let mut cpu = Cpu::new(1);
//! cpu.load(programs, store);
//! for t in 0..500 {
//!     let mut values = step.program.values();
//!     values.set(x, &[0.0, 1.0]).set(y, &[1.0, 3.0]);
//!     step.run(&mut cpu, values, Progress::of(1, t, 500)).unwrap();
//! }
//! assert!(step.program.scalar(&cpu, loss) < 1e-3);
//! ```
mod program;

use crate::exec::cpu::Cpu;
use crate::exec::{Clock, LOSS, NotFinite, Program, Store};
use crate::graph::{Graph, NodeId, ParamId, Unary};
use crate::nn::Bound;
use crate::optim::{Moments, Optimizer, Scalars, Schedule};
pub use program::{Input, InputValues, Output, PlannedProgram, ProgramGraph};

/// Weights in the store, with their optimizer state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trainable {
    /// The weights, one flat vector.
    pub weights: ParamId,
    /// Moments of their gradient.
    pub moments: Moments<ParamId>,
    len: usize,
}

impl Trainable {
    /// Adds `weights` and zeroed moments to the store, as entries `name.weights`, `name.first_moment` and so on.
    pub fn new(store: &mut Store, name: &str, weights: Vec<f32>, optimizer: &Optimizer) -> Self {
        let len = weights.len();
        let weights = store.add(format!("{name}.weights"), weights);
        let mut zeros = |role: &str| store.add(format!("{name}.{role}"), vec![0.0; len]);
        let (first, second) = (zeros("first_moment"), zeros("second_moment"));
        let max_second = optimizer.keeps_max_second().then(|| zeros("max_second_moment"));
        Self { weights, moments: Moments { first, second, max_second }, len }
    }

    /// Number of weights.
    #[expect(clippy::len_without_is_empty, reason = "nothing is trained without weights")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Sets the moments to zero, for a fresh start with the same program.
    pub fn reset_moments(&self, store: &mut Store) {
        for moment in [Some(self.moments.first), Some(self.moments.second), self.moments.max_second] {
            moment.into_iter().for_each(|m| store.values_mut(m).fill(0.0));
        }
    }
}

/// The gradient of a step and its Euclidean norm.
#[derive(Clone, Copy, Debug)]
pub struct Gradient {
    /// One flat vector, as long as the weights.
    pub flat: NodeId,
    /// Its norm. The step guards it: a run fails before it assigns anything that is not finite.
    pub norm: NodeId,
}

/// A training step under construction.
#[derive(Clone, Debug)]
pub struct StepGraph {
    /// Graph, inputs and outputs of the step.
    pub program: ProgramGraph,
    optimizer: Optimizer,
    schedule: Schedule,
    scalars: Scalars<Input>,
}

impl StepGraph {
    /// A step without a loss; the inputs for the optimizer's scalars are declared.
    pub fn new(name: &'static str, optimizer: Optimizer, schedule: Schedule) -> Self {
        let mut program = ProgramGraph::new(name);
        let scalars = Scalars {
            learning_rate: "learning rate",
            first_correction: "correction of the first moment",
            second_correction: "correction of the second moment",
        };
        let scalars = scalars.map(|name| program.input(name, &[]));
        Self { program, optimizer, schedule, scalars }
    }

    /// The scalars as nodes, for graphs that contain further updates, such as unrolled ones.
    pub fn scalars(&self) -> Scalars<NodeId> {
        self.scalars.map(Input::node)
    }

    /// Appends the gradient of `loss` with respect to the weights of `bound`, and guards both.
    pub fn gradient(&mut self, loss: NodeId, bound: &Bound) -> Gradient {
        let g = &mut self.program.graph;
        let flat = bound.grad(g, loss);
        let norm = norm(g, flat);
        g.guard(LOSS, loss);
        g.guard("gradient", norm);
        Gradient { flat, norm }
    }

    /// Appends one update of `trainable` along `gradient`; `constrain` maps the new weights to the allowed ones.
    ///
    /// Returns the new weights.
    pub fn update_with(
        &mut self,
        trainable: &Trainable,
        weights: NodeId,
        gradient: NodeId,
        constrain: impl FnOnce(&mut Graph, NodeId) -> NodeId,
    ) -> NodeId {
        let scalars = self.scalars();
        let g = &mut self.program.graph;
        let moments = Optimizer::read(g, trainable.moments, trainable.len);
        let (new, next) = self.optimizer.step(g, weights, gradient, moments, scalars);
        let new = constrain(g, new);
        Optimizer::assign(g, (trainable.weights, new), (trainable.moments, next));
        new
    }

    /// Appends one update of `trainable` along `gradient` and returns the new weights.
    pub fn update(&mut self, trainable: &Trainable, weights: NodeId, gradient: NodeId) -> NodeId {
        self.update_with(trainable, weights, gradient, |_, new| new)
    }

    /// Appends the gradient of `loss` and one update along it; returns the new weights.
    pub fn minimize(&mut self, loss: NodeId, bound: &Bound, trainable: &Trainable) -> NodeId {
        let gradient = self.gradient(loss, bound);
        self.update(trainable, bound.flat, gradient.flat)
    }

    /// Plans the step and appends its program to `programs`; `recompute` as in [`ProgramGraph::plan`].
    pub fn plan(&self, programs: &mut Vec<Program>, recompute: bool) -> Step {
        let program = self.program.plan(programs, recompute);
        let Self { optimizer, schedule, scalars, .. } = *self;
        Step { program, optimizer, learning_rate: optimizer.learning_rate, schedule, scalars }
    }
}

/// A planned training step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Its program, for reading outputs.
    pub program: PlannedProgram,
    /// Learning rate before the schedule.
    pub learning_rate: f32,
    optimizer: Optimizer,
    schedule: Schedule,
    scalars: Scalars<Input>,
}

/// The progress of training when a step runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Seed of the run; random numbers are keyed by it and by `update`.
    pub seed: u64,
    /// Updates of the same weights before this one; bias corrections count them.
    pub update: u64,
    /// Steps of the run before this one; the schedule counts them.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
}

impl Progress {
    /// Progress at `step` of `steps` if each step is one update.
    pub fn of(seed: u64, step: u64, steps: u64) -> Self {
        Self { seed, update: step, step, steps }
    }
}

impl Step {
    /// Runs the step on `values`; the optimizer's scalars are set here.
    ///
    /// # Errors
    /// If the loss or the gradient is not finite. Weights and moments then keep their old values.
    pub fn run(&self, cpu: &mut Cpu, values: InputValues<'_>, progress: Progress) -> Result<(), NotFinite> {
        let Progress { seed, update, step, steps } = progress;
        let learning_rate = self.learning_rate * self.schedule.factor(step, steps);
        let scalars = self.optimizer.scalars(update + 1, learning_rate);
        let Scalars { learning_rate, first_correction, second_correction } = scalars.map(|v| [v]);
        // Values that live only for this run join those of the caller.
        let mut values: InputValues<'_> = values;
        values
            .set(self.scalars.learning_rate, &learning_rate)
            .set(self.scalars.first_correction, &first_correction)
            .set(self.scalars.second_correction, &second_correction);
        self.program.run(cpu, &values, Clock { seed, step: update })
    }
}

/// Euclidean norm of `x`.
fn norm(g: &mut Graph, x: NodeId) -> NodeId {
    // Sums twice the squares. The plain squares would be a common subexpression with the optimizer, and would be stored: as many
    // values as there are weights.
    let twice = g.affine(x, 2.0, 0.0);
    let squares = g.mul(twice, x);
    let sum = g.sum(squares);
    let sum = g.affine(sum, 0.5, 0.0);
    g.unary(Unary::Sqrt, sum)
}
