//! Trains a GAN in memory, one step at a time. A [`Trainer`] holds networks, optimizer state and data; it reads and writes no files.
mod advance;
mod batches;
mod discriminator_input;
mod error;
mod game;
mod limits;
mod programs;
mod report;
mod samples;
mod state;
mod steps;
#[cfg(test)]
mod tests;

use crate::data::Dataset;
use crate::exec::cpu::Cpu;
use crate::exec::{Program, Store};
use crate::loss::CustomLoss;
use crate::nets::NetworkError;
use crate::nn::Network;
use crate::recipe::Recipe;
pub use advance::OnPhase;
use batches::Batches;
pub use error::StepError;
use game::Game;
pub(crate) use limits::check_memory;
use programs::Programs;
pub use report::{Player, StepPhase, StepReport};
use state::State;
pub use state::StateKey;
pub(crate) use state::tensors as state_tensors;
use std::sync::Arc;

/// Batch size of the program that draws samples, for images and for points.
const IMAGE_SAMPLES: usize = 64;
const POINT_SAMPLES: usize = 500;

/// Networks, data and loss of a [`Trainer`]. [`TrainerParts::of`] builds the networks of the recipe; any networks with matching
/// shapes can replace them.
pub struct TrainerParts {
    /// Objective, optimizer, techniques and lengths.
    pub recipe: Recipe,
    /// Training examples.
    pub data: Arc<dyn Dataset>,
    /// Network from latents (and one-hot classes, if any) to examples.
    pub generator: Network,
    /// Network from examples to one score.
    pub discriminator: Network,
    /// Loss that replaces the one of the recipe.
    pub loss: Option<CustomLoss>,
}

impl TrainerParts {
    /// Data, and the networks and loss of `recipe` for it.
    ///
    /// # Errors
    /// If the recipe's network families cannot produce examples of the data's shape.
    pub fn of(recipe: Recipe, data: Arc<dyn Dataset>) -> Result<Self, NetworkError> {
        limits::check_classes(&recipe, &*data)?;
        let (generator, discriminator) = recipe.networks(data.shape())?;
        Ok(Self { recipe, data, generator, discriminator, loss: None })
    }
}

/// A training run in memory: networks, optimizer state, data, and the number of steps done.
pub struct Trainer {
    recipe: Recipe,
    seed: u64,
    steps: u64,
    step: u64,
    batches: Batches,
    generator: Network,
    discriminator: Network,
    programs: Programs,
    cpu: Cpu,
    buffers: Buffers,
    last: StepReport,
    /// The step for which batch-norm statistics were estimated.
    estimated: Option<u64>,
    /// Whether the generator's updates read real examples or their classes.
    generator_reads: bool,
    /// Whether the last step failed after some of its updates, so that the state is not one between two steps.
    partial: bool,
}

/// Buffers for the inputs of a step.
struct Buffers {
    /// Scaled real examples; empty if the recipe does not scale them.
    scaled: Vec<f32>,
    latents: Vec<f32>,
    /// One-hot classes.
    classes: Vec<f32>,
    /// One latent as the device draws it.
    bytes: Vec<i8>,
}

/// Creates the initial store of a run with seed `seed`.
pub(crate) fn initial_store(recipe: &Recipe, generator: &Network, discriminator: &Network, seed: u64) -> Store {
    State::new(recipe, generator, discriminator, seed).1
}

impl Trainer {
    /// Plans a run of `steps` steps with the networks and the loss of `recipe`.
    ///
    /// `threads` = 0 uses all cores, except for programs that one thread runs faster.
    ///
    /// # Errors
    /// If networks and data do not fit together, or the run needs more memory than is free.
    pub fn new(
        recipe: Recipe,
        data: Arc<dyn Dataset>,
        seed: u64,
        steps: u64,
        threads: usize,
    ) -> Result<Self, NetworkError> {
        Self::from_parts(TrainerParts::of(recipe, data)?, seed, steps, threads)
    }

    /// Plans a run of `steps` steps with these networks and this loss; `threads` and errors as in [`Trainer::new`].
    pub fn from_parts(parts: TrainerParts, seed: u64, steps: u64, threads: usize) -> Result<Self, NetworkError> {
        let TrainerParts { recipe, data, generator, discriminator, loss } = parts;
        limits::check_classes(&recipe, &*data)?;
        limits::check_shapes(&recipe, &generator, &discriminator, data.shape())?;
        check_memory(&recipe, &generator, &discriminator)?;
        let (state, store) = State::new(&recipe, &generator, &discriminator, seed);
        let sample_batch = if data.shape().len() == 3 { IMAGE_SAMPLES } else { POINT_SAMPLES };
        let game = Game {
            recipe: &recipe,
            generator: &generator,
            discriminator: &discriminator,
            state,
            loss: loss.as_ref(),
            sample_batch,
        };
        let (programs, all) = game.plan();
        let mut cpu = Cpu::new(threads);
        cpu.load(all, store);
        let (batch, classes) = (recipe.train.batch_size, recipe.classes());
        let latent = generator.input.iter().product::<usize>() - recipe.class_inputs();
        let item: usize = data.shape().iter().product();
        let generator_step = programs.generator;
        let buffers = Buffers {
            scaled: vec![0.0; if recipe.data.scale == 1.0 { 0 } else { batch * item }],
            latents: vec![0.0; batch * latent],
            classes: vec![0.0; batch * classes],
            bytes: vec![0; latent],
        };
        Ok(Self {
            generator_reads: classes > 0 || generator_step.step.program.reads(&cpu, generator_step.inputs.real),
            batches: Batches::new(data, batch, classes > 0),
            buffers,
            recipe,
            seed,
            steps,
            step: 0,
            generator,
            discriminator,
            programs,
            cpu,
            last: StepReport::default(),
            estimated: None,
            partial: false,
        })
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Seed of initial weights, batches and latents.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Number of steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Whether the last step failed after some of its updates. The state is then not one that training passes between two steps.
    pub(crate) fn is_partial(&self) -> bool {
        self.partial
    }

    /// Number of steps of the whole run; schedules follow it.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Layers and weight layout of the generator.
    pub fn generator(&self) -> &Network {
        &self.generator
    }

    /// Layers and weight layout of the discriminator.
    pub fn discriminator(&self) -> &Network {
        &self.discriminator
    }

    /// The training data.
    pub fn data(&self) -> &dyn Dataset {
        self.batches.data()
    }

    /// Weights and optimizer state.
    pub fn store(&self) -> &Store {
        self.cpu.store()
    }

    /// The planned programs of the run; the names of training steps end in "step".
    pub fn programs(&self) -> &[Program] {
        self.cpu.programs()
    }

    /// The executor, for its profile.
    pub fn executor(&mut self) -> &mut Cpu {
        &mut self.cpu
    }

    /// Bytes of working memory and store.
    pub fn bytes(&self) -> usize {
        self.cpu.bytes() + self.cpu.store().bytes()
    }

    /// Number of threads that share the work.
    pub fn threads(&self) -> usize {
        self.cpu.threads()
    }

    /// Floating-point operations of the matrix products of one step, with lazy penalties averaged in.
    pub fn flops(&self) -> f64 {
        let Programs { discriminator, penalized, generator, .. } = self.programs;
        let every = f64::from(self.recipe.objective.regularizer.every());
        let share = if every > 0.0 { 1.0 / every } else { 0.0 };
        let flops = |step: crate::step::Step| step.program.of(&self.cpu).plan.flops();
        let per_discriminator = flops(discriminator.step) * (1.0 - share) + flops(penalized.step) * share;
        per_discriminator * f64::from(self.recipe.train.discriminator_steps)
            + flops(generator.step) * f64::from(self.recipe.train.generator_steps)
    }

    /// Sets the length of the run, before its first step or when it continues.
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// Multiplies the learning rates of both networks by `factor`; checkpoints keep the product.
    pub fn scale_learning_rates(&mut self, factor: f32) {
        self.recipe.optimizer.scale_learning_rates(factor);
    }

    /// Continues from the store and the step of a checkpoint.
    pub fn restore(&mut self, store: Store, step: u64) {
        *self.cpu.store_mut() = store;
        self.step = step;
        self.partial = false;
        self.estimated = None;
        self.last = StepReport { step, ..StepReport::default() };
    }

    /// The report of the last step; all values are 0 before the first.
    pub fn last_report(&self) -> &StepReport {
        &self.last
    }

    /// Replaces the report of the last step, after [`restore`](Self::restore). Values that a step does not measure are repeated from it.
    pub fn restore_report(&mut self, last: StepReport) {
        self.last = StepReport { step: self.step, ..last };
    }

    /// Mutable access to the values of `key`, before training; `None` if the run does not store them.
    pub(crate) fn state_mut(&mut self, key: StateKey) -> Option<&mut Vec<f32>> {
        let id = self.cpu.store().find(key.name())?;
        Some(self.cpu.store_mut().values_mut(id))
    }
}
