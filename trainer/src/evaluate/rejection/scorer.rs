//! The float discriminator of a run as a scorer of 8-bit images: its weights, optionally fitted to a fixed generator, and its logits.

use super::RejectionError;
use crate::data::{Dataset, ImageDataset};
use crate::exec::cpu::Cpu;
use crate::exec::{Clock, Program, Store};
use crate::graph::{Graph, NodeId, ParamId};
use crate::loss::Loss;
use crate::nn::{Bound, Mode, Network};
use crate::optim::{Optimizer, Schedule};
use crate::philox::Key;
use crate::recipe::Recipe;
use crate::step::{Input, Output, PlannedProgram, ProgramGraph, Progress, Step, StepGraph, Trainable};
use crate::train::{Player, StateKey, Trainer};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Images of each kind in a batch.
const BATCH: usize = 64;
const ADAM: Optimizer = Optimizer::adam(3e-4, 0.9, 0.99);
const SCHEDULE: Schedule = Schedule::Linear { from: 0.0, to: 0.1 };
/// Steps between two measurements of the cross-entropy on images that are not used for fitting.
const MEASURED_EVERY: u64 = 100;
/// Streams of the batches of real and of generated images.
const REAL: u32 = 0x4649_5452;
const GENERATED: u32 = 0x4649_5447;

/// How a discriminator was fitted to the images of a fixed generator.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiscriminatorFit {
    /// Step with the lowest cross-entropy; 0 if fitting did not lower it.
    pub step: u64,
    /// Cross-entropy on other images before fitting, in nats; 0.69 for a discriminator that tells nothing.
    pub before: f64,
    /// Cross-entropy on other images at `step`.
    pub after: f64,
}

impl fmt::Display for DiscriminatorFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, before, after } = self;
        write!(
            f,
            "by the discriminator after {step} steps of fitting: cross-entropy {before:.2} before, {after:.2} after"
        )
    }
}

/// Images that a discriminator is fitted to, or measured on.
pub(super) struct Examples<'a> {
    pub(super) real: &'a ImageDataset,
    pub(super) generated: &'a ImageDataset,
}

/// The discriminator of a run, which scores images one by one.
pub(super) struct ImageScorer {
    cpu: Cpu,
    program: PlannedProgram,
    inputs: BatchInputs,
    logits: Output,
    fit: FitStep,
    weights: ParamId,
    size: usize,
    classes: usize,
    recipe: Recipe,
}

/// Inputs for one batch: images, and one-hot classes with a class-conditional recipe.
#[derive(Clone, Copy)]
struct BatchInputs {
    images: Input,
    classes: Option<Input>,
}

/// The planned step that fits the discriminator.
#[derive(Clone, Copy)]
struct FitStep {
    step: Step,
    real: BatchInputs,
    generated: BatchInputs,
}

/// One batch as values.
struct BatchValues {
    images: Vec<f32>,
    one_hot: Vec<f32>,
    labels: Vec<u8>,
}

impl BatchInputs {
    fn new(program: &mut ProgramGraph, network: &Network, classes: usize) -> Self {
        let dims: Vec<_> = std::iter::once(BATCH).chain(network.input.iter().copied()).collect();
        let images = program.input("images", &dims);
        Self { images, classes: (classes > 0).then(|| program.input("classes", &[BATCH, classes])) }
    }
}

impl BatchValues {
    fn new(size: usize, classes: usize) -> Self {
        Self { images: vec![0.0; BATCH * size], one_hot: vec![0.0; BATCH * classes], labels: vec![0; BATCH] }
    }

    fn draw(&mut self, set: &ImageDataset, key: Key) {
        set.batch(key, &mut self.images);
        set.batch_labels(key, &mut self.labels);
        self.set_classes();
    }

    /// Writes the one-hot form of `labels`.
    fn set_classes(&mut self) {
        self.one_hot.fill(0.0);
        let classes = self.one_hot.len() / BATCH;
        for (one_hot, &label) in self.one_hot.chunks_exact_mut(classes.max(1)).zip(&self.labels) {
            one_hot[usize::from(label) % classes] = 1.0;
        }
    }
}

/// Returns why the discriminator of a run cannot score single images; `fitted` if it will be fitted first.
fn unsuitable(trainer: &Trainer, fitted: bool) -> Option<RejectionError> {
    let (recipe, network) = (trainer.recipe(), trainer.discriminator());
    let loss = recipe.objective.loss;
    if network.input.len() != 3 {
        return Some(RejectionError::Points);
    }
    if recipe.technique.packing > 1 {
        return Some(RejectionError::Packing(recipe.technique.packing));
    }
    if network.depends_on_batch() {
        return Some(RejectionError::Batch);
    }
    match loss {
        Loss::Began => Some(RejectionError::Autoencoder),
        // Their optimum is log p/q, for pairs up to a constant.
        Loss::Minimax | Loss::NonSaturating | Loss::FeatureMatching | Loss::Relativistic => None,
        Loss::LeastSquares | Loss::Hinge | Loss::Wasserstein => (!fitted).then_some(RejectionError::NoRatio(loss)),
    }
}

impl ImageScorer {
    /// Uses the discriminator in the state of `trainer`, which [`fit`](Self::fit) changes if `fitted`.
    ///
    /// # Errors
    /// If it has no logit for a single image.
    pub(super) fn new(trainer: &Trainer, fitted: bool) -> Result<Self, RejectionError> {
        if let Some(error) = unsuitable(trainer, fitted) {
            return Err(error);
        }
        let (recipe, network) = (trainer.recipe(), trainer.discriminator());
        let (classes, spectral_norm) = (recipe.classes(), recipe.technique.spectral_norm);
        let mut store = Store::default();
        let of = |key: StateKey| key.values(trainer.store()).to_vec();
        let trained = of(StateKey::Weights(Player::Discriminator));
        let trainable = Trainable::new(&mut store, "discriminator", trained, &ADAM);
        let vectors = spectral_norm.then(|| store.add("vectors", of(StateKey::PowerIteration)));
        let bind = |g: &mut Graph| -> Bound {
            let flat = g.param(trainable.weights, &[network.len()]);
            let vectors = vectors.map(|id| g.param(id, &[network.vectors_len()]));
            network.bind_to(g, flat, vectors)
        };
        let trace = |g: &mut Graph, bound: &Bound, batch: BatchInputs| -> NodeId {
            let classes = batch.classes.map(Input::node);
            network.trace_with_classes(g, bound, batch.images.node(), classes, Mode::Evaluate(None)).output()
        };
        let mut all = Vec::new();
        let fit = plan_fit(network, classes, &trainable, (&bind, &trace), &mut all);
        let mut program = ProgramGraph::new("image scores");
        let inputs = BatchInputs::new(&mut program, network, classes);
        let bound = bind(&mut program.graph);
        let scores = trace(&mut program.graph, &bound, inputs);
        let logits = program.output(scores);
        let program = program.plan(&mut all, false);
        let mut cpu = Cpu::new(trainer.threads());
        cpu.load(all, store);
        let (weights, size) = (trainable.weights, network.input.iter().product());
        Ok(Self { cpu, program, inputs, logits, fit, weights, size, classes, recipe: recipe.clone() })
    }

    /// Returns the weights.
    pub(super) fn weights(&self) -> &[f32] {
        self.cpu.store().values(self.weights)
    }

    /// Returns the logits of images, the first of which belongs to `seed` and the others to the seeds after it.
    pub(super) fn logits(&mut self, seed: u32, images: &[u8]) -> Vec<f32> {
        let size = self.size;
        let recipe = self.recipe.clone();
        let label = |i: usize| recipe.class_of_seed(seed.wrapping_add(i as u32)) as u8;
        self.logits_of(images.len() / size, |i| (&images[i * size..][..size], label(i)))
    }

    /// Returns the logits of `n` images; `image` returns the bytes and the class of an image.
    fn logits_of<'b>(&mut self, n: usize, image: impl Fn(usize) -> (&'b [u8], u8)) -> Vec<f32> {
        let [low, high] = self.recipe.data.range;
        let mut batch = BatchValues::new(self.size, self.classes);
        let mut logits = Vec::with_capacity(n);
        for first in (0..n).step_by(BATCH) {
            let count = BATCH.min(n - first);
            for (i, values) in batch.images.chunks_exact_mut(self.size).enumerate().take(count) {
                let (bytes, label) = image(first + i);
                values.iter_mut().zip(bytes).for_each(|(v, &b)| *v = low + f32::from(b) / 255.0 * (high - low));
                batch.labels[i] = label;
            }
            batch.set_classes();
            let mut values = self.program.values();
            values.set(self.inputs.images, &batch.images);
            if let Some(input) = self.inputs.classes {
                values.set(input, &batch.one_hot);
            }
            self.program.run_unguarded(&mut self.cpu, &values, Clock { seed: 0, step: 0 });
            logits.extend_from_slice(&self.program.read(&self.cpu, self.logits)[..count]);
        }
        logits
    }

    /// Returns the mean cross-entropy on real and generated images, in nats.
    fn cross_entropy(&mut self, examples: &Examples<'_>) -> f64 {
        let mut mean = |set: &ImageDataset, sign: f64| {
            let logits = self.logits_of(set.count(), |i| (set.bytes(i), set.label(i).unwrap_or(0)));
            let softplus = |v: f64| v.max(0.0) + (-v.abs()).exp().ln_1p();
            logits.iter().map(|&logit| softplus(sign * f64::from(logit))).sum::<f64>() / logits.len() as f64
        };
        mean(examples.real, -1.0).midpoint(mean(examples.generated, 1.0))
    }

    /// Fits the discriminator to the images of a fixed generator by cross-entropy, and keeps the weights with the lowest cross-entropy
    /// on `other` images. `progress` receives the finished steps.
    ///
    /// # Errors
    /// If a value is no longer finite.
    pub(super) fn fit(
        &mut self,
        examples: &Examples<'_>,
        other: &Examples<'_>,
        steps: u64,
        mut progress: impl FnMut(u64),
    ) -> Result<DiscriminatorFit, RejectionError> {
        let before = self.cross_entropy(other);
        let mut found = DiscriminatorFit { step: 0, before, after: before };
        let mut best = self.weights().to_vec();
        let [mut real, mut generated] = [(); 2].map(|()| BatchValues::new(self.size, self.classes));
        for step in 0..steps {
            real.draw(examples.real, Key { seed: 0, stream: REAL, step });
            generated.draw(examples.generated, Key { seed: 0, stream: GENERATED, step });
            let FitStep { step: planned, .. } = self.fit;
            let mut values = planned.program.values();
            for (inputs, batch) in [(self.fit.real, &real), (self.fit.generated, &generated)] {
                values.set(inputs.images, &batch.images);
                if let Some(input) = inputs.classes {
                    values.set(input, &batch.one_hot);
                }
            }
            let run = planned.run(&mut self.cpu, values, Progress::of(0, step, steps));
            run.map_err(|_| RejectionError::NotFinite)?;
            let done = step + 1;
            if done % MEASURED_EVERY == 0 || done == steps {
                let now = self.cross_entropy(other);
                if now < found.after {
                    (found.step, found.after) = (done, now);
                    best.copy_from_slice(self.weights());
                }
            }
            progress(done);
        }
        *self.cpu.store_mut().values_mut(self.weights) = best;
        Ok(found)
    }
}

/// Appends the bound weights; appends the discriminator for a batch.
type Traced<'a> = (&'a dyn Fn(&mut Graph) -> Bound, &'a dyn Fn(&mut Graph, &Bound, BatchInputs) -> NodeId);

/// Plans one step of the cross-entropy of real and generated images.
fn plan_fit(
    network: &Network,
    classes: usize,
    trainable: &Trainable,
    (bind, trace): Traced<'_>,
    all: &mut Vec<Program>,
) -> FitStep {
    let mut step = StepGraph::new("fit of the discriminator", ADAM, SCHEDULE);
    let real = BatchInputs::new(&mut step.program, network, classes);
    let generated = BatchInputs::new(&mut step.program, network, classes);
    let g = &mut step.program.graph;
    let bound = bind(g);
    let (for_real, for_generated) = (trace(g, &bound, real), trace(g, &bound, generated));
    let loss = Loss::NonSaturating.discriminator(g, for_real, for_generated);
    step.minimize(loss, &bound, trainable);
    FitStep { step: step.plan(all, false), real, generated }
}
