//! One step of training: draws batches, updates the discriminator and the generator, and reports the measurements.
use super::{Player, StepError, StepPhase, StepReport, Trainer};
use crate::exec::NotFinite;
use crate::nets::class_thresholds;
use crate::philox::Key;
use crate::regularize::Regularizer;
use crate::step::{InputValues, Progress};

/// Streams of random numbers.
/// Largest latent value of a device.
const LARGEST_LATENT: f32 = 127.0 / 32.0;
const REAL_STREAM: u32 = 0x5245_414C;
const LATENT_STREAM: u32 = 0x4C41_5445;
/// Stream of the latents that sample points; the two streams before it are those of the players.
pub(super) const SAMPLE_STREAM: u32 = LATENT_STREAM + 2;

/// Callback that receives each phase of a step, with the report so far.
pub type OnPhase<'a> = dyn FnMut(StepPhase, &StepReport) + 'a;

impl Player {
    /// Offset from the first stream of random numbers; each player draws its own batches.
    fn stream(self) -> u32 {
        match self {
            Self::Discriminator => 0,
            Self::Generator => 1,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Discriminator => Self::Generator,
            Self::Generator => Self::Discriminator,
        }
    }
}

/// Which planned step to run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StepKind {
    Discriminator,
    /// With the penalty of the recipe.
    Penalized,
    Generator,
}

impl Trainer {
    /// Runs one step: the discriminator's updates, then the generator's. `train.generator_first` reverses the order.
    ///
    /// # Errors
    /// If a loss or a gradient is not finite, or the training examples cannot be read. The failing update is not applied.
    pub fn advance(&mut self) -> Result<StepReport, StepError> {
        self.advance_with(&mut |_, _| {})
    }

    /// Runs one step like [`Trainer::advance`] and calls `on_phase` after each phase.
    pub fn advance_with(&mut self, on_phase: &mut OnPhase<'_>) -> Result<StepReport, StepError> {
        let first =
            if self.step < self.recipe.train.generator_first { Player::Generator } else { Player::Discriminator };
        self.advance_players(&[first, first.other()], on_phase)
    }

    /// Runs one step of one network only: its updates on fresh batches.
    pub(crate) fn advance_one(&mut self, player: Player) -> Result<StepReport, StepError> {
        self.advance_players(&[player], &mut |_, _| {})
    }

    fn advance_players(&mut self, players: &[Player], on_phase: &mut OnPhase<'_>) -> Result<StepReport, StepError> {
        let step = self.step + 1;
        let mut report = StepReport { step, ..self.last };
        for player in players {
            let updated = match player {
                Player::Discriminator => self.update_discriminator(&mut report, on_phase),
                Player::Generator => self.update_generator(&mut report, on_phase),
            };
            updated.map_err(|e| match e {
                StepError::NotFinite(e) => NotFinite { step, ..e }.into(),
                e @ StepError::Data(_) => e,
            })?;
        }
        self.partial = false;
        self.step = step;
        self.last = report;
        Ok(report)
    }

    pub(super) fn update_discriminator(
        &mut self,
        report: &mut StepReport,
        on_phase: &mut OnPhase<'_>,
    ) -> Result<(), StepError> {
        let times = u64::from(self.recipe.train.discriminator_steps);
        let every = u64::from(self.recipe.objective.regularizer.every());
        let has_consensus = matches!(self.recipe.objective.regularizer, Regularizer::Consensus { .. });
        for i in 0..times {
            let update = self.step * times + i;
            self.draw(update, Player::Discriminator)?;
            on_phase(StepPhase::BatchDrawn, report);
            let penalized = every > 0 && update.is_multiple_of(every);
            self.run(if penalized { StepKind::Penalized } else { StepKind::Discriminator }, update)?;
            let planned = if penalized { self.programs.penalized } else { self.programs.discriminator };
            let read = |output| finite(planned.step.program.scalar(&self.cpu, output));
            let outputs = planned.outputs;
            report.discriminator_loss = read(outputs.loss);
            report.d_real = read(outputs.d_real);
            report.d_fake = read(outputs.d_fake);
            report.discriminator_gradient_norm = read(outputs.gradient_norm);
            report.began_k = read(outputs.began_k);
            report.began_convergence = read(outputs.began_convergence);
            if penalized || has_consensus {
                report.penalty = read(outputs.penalty);
            }
            on_phase(StepPhase::DiscriminatorUpdated, report);
            let margin = self.recipe.train.discriminator_margin;
            if margin > 0.0 && report.d_real - report.d_fake >= margin {
                // Further updates would only weaken the generator's gradient.
                break;
            }
        }
        Ok(())
    }

    pub(super) fn update_generator(
        &mut self,
        report: &mut StepReport,
        on_phase: &mut OnPhase<'_>,
    ) -> Result<(), StepError> {
        let times = u64::from(self.recipe.train.generator_steps);
        for i in 0..times {
            let update = self.step * times + i;
            self.draw(update, Player::Generator)?;
            on_phase(StepPhase::BatchDrawn, report);
            self.run(StepKind::Generator, update)?;
            let planned = self.programs.generator;
            let read = |output| finite(planned.step.program.scalar(&self.cpu, output));
            report.generator_loss = read(planned.outputs.loss);
            report.generator_gradient_norm = read(planned.outputs.gradient_norm);
            on_phase(StepPhase::GeneratorUpdated, report);
        }
        Ok(())
    }

    /// Runs a step on the batch that was drawn; `update` counts the updates of its network.
    fn run(&mut self, kind: StepKind, update: u64) -> Result<(), StepError> {
        let (optimizer, programs) = (&self.recipe.optimizer, &self.programs);
        let (mut step, inputs, learning_rate) = match kind {
            StepKind::Discriminator => {
                (programs.discriminator.step, programs.discriminator.inputs, optimizer.learning_rate)
            }
            StepKind::Penalized => (programs.penalized.step, programs.penalized.inputs, optimizer.learning_rate),
            StepKind::Generator => (programs.generator.step, programs.generator.inputs, optimizer.generator_rate()),
        };
        step.learning_rate = learning_rate;
        let t = update as f32;
        let noise = [self.recipe.technique.noise_at(self.step, self.steps)];
        let history_share = [1.0 / (t + 1.0)];
        // EMA warm-up: the decay is smaller during the first steps, or the EMA would keep the random initial weights.
        let ema_share = [1.0 - self.recipe.train.ema.min((1.0 + t) / (10.0 + t))];
        let penalty_factor = [self.recipe.objective.penalty_at(self.step, self.steps)];
        let buffers = &self.buffers;
        let mut values: InputValues<'_> = step.program.values();
        values
            .set(inputs.real, if buffers.scaled.is_empty() { self.batches.real() } else { &buffers.scaled })
            .set(inputs.latents, &buffers.latents)
            .set(inputs.noise, &noise)
            .set(inputs.history_share, &history_share)
            .set(inputs.penalty_factor, &penalty_factor);
        inputs.classes.into_iter().for_each(|classes| _ = values.set(classes, &buffers.classes));
        inputs.ema_share.into_iter().for_each(|share| _ = values.set(share, &ema_share));
        let progress = Progress { seed: self.seed, update, step: self.step, steps: self.steps };
        step.run(&mut self.cpu, values, progress)?;
        self.partial = true;
        Ok(())
    }

    /// A prediction of the next update, whose batch is prepared during the computation.
    fn predicted_next(&self, update: u64, player: Player) -> (u64, Player) {
        let train = &self.recipe.train;
        let times = |player| match player {
            Player::Discriminator => u64::from(train.discriminator_steps),
            Player::Generator => u64::from(train.generator_steps),
        };
        if !self.generator_reads {
            return (update + 1, Player::Discriminator);
        }
        let (own, other) = (times(player).max(1), player.other());
        if !(update + 1).is_multiple_of(own) || times(other) == 0 {
            return (update + 1, player);
        }
        // The discriminator's updates of a step come before the generator's.
        let step = update / own + u64::from(player == Player::Generator);
        (step * times(other), other)
    }

    /// Total seconds spent waiting for data: drawing small batches, or reading from a disk that is slower than training.
    pub fn waited(&self) -> f64 {
        self.batches.waited().as_secs_f64()
    }

    /// Draws real examples, latents and classes for one update of `player`.
    fn draw(&mut self, update: u64, player: Player) -> Result<(), StepError> {
        if player == Player::Discriminator || self.generator_reads {
            let key = Key { seed: self.seed, stream: REAL_STREAM + player.stream(), step: update };
            let (step, following) = self.predicted_next(update, player);
            self.batches.draw(key, Key { stream: REAL_STREAM + following.stream(), step, ..key });
            if let Some(failure) = self.batches.failure() {
                return Err(StepError::Data(failure));
            }
            let (scale, count) = (self.recipe.data.scale, self.recipe.classes());
            let scaled = self.buffers.scaled.iter_mut().zip(self.batches.real());
            scaled.for_each(|(to, v)| *to = v * scale);
            if count > 0 {
                for (row, label) in self.buffers.classes.chunks_exact_mut(count).zip(self.batches.labels()) {
                    row.fill(0.0);
                    row[usize::from(*label)] = 1.0;
                }
            }
        }
        let key = Key { seed: self.seed, stream: LATENT_STREAM + player.stream(), step: update };
        self.draw_latents(key);
        self.choose_classes();
        Ok(())
    }

    /// Sets the latent value that chooses the class to one that stands for the class of the real example of the same row, so that pairs
    /// of examples have the same class. Which one does not matter: the generator receives the class only.
    fn choose_classes(&mut self) {
        if self.recipe.class_shares().is_empty() {
            return;
        }
        let thresholds = class_thresholds(self.recipe.class_shares());
        let latent = self.latent();
        for (z, label) in self.buffers.latents.chunks_exact_mut(latent).zip(self.batches.labels()) {
            let class = usize::from(*label);
            let below = class.checked_sub(1).map_or(-LARGEST_LATENT, |at| thresholds[at]);
            let above = thresholds.get(class).map_or(LARGEST_LATENT, |at| *at);
            z[latent - 1] = below.midpoint(above);
        }
    }

    /// Draws a batch of latents: the device's integers for images, standard normal numbers for points.
    pub(super) fn draw_latents(&mut self, key: Key) {
        let images = self.data().shape().len() == 3;
        let (bytes, latents) = (&mut self.buffers.bytes, &mut self.buffers.latents);
        if !images {
            return key.normal(latents);
        }
        for (i, z) in latents.chunks_exact_mut(bytes.len()).enumerate() {
            device_latent(key.words(i as u32)[0], bytes, z);
        }
    }
}

/// The nearest finite value: the norm of finite gradients may overflow, and JSON has no infinity.
fn finite(value: f32) -> f32 {
    value.clamp(f32::MIN, f32::MAX)
}

/// The latent that a device draws from `seed`, in float.
pub(super) fn device_latent(seed: u32, bytes: &mut [i8], z: &mut [f32]) {
    ganlet_runtime::normal_i8(seed, bytes);
    z.iter_mut().zip(bytes).for_each(|(v, b)| *v = f32::from(*b) / 32.0);
}
