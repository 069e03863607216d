//! Training: one step at a time, from a recipe, a data set and a seed.
mod feed;
mod params;
mod programs;
mod sight;
#[cfg(test)]
mod tests;

use crate::data::Dataset;
use crate::exec::cpu::Cpu;
use crate::exec::{Clock, NotFinite, Program, Store};
use crate::memory;
use crate::nets::NetworkError;
use crate::nn::Network;
use crate::philox::Key;
use crate::recipe::Recipe;
use crate::regularize::Regularizer;
use arrayvec::ArrayVec;
use feed::Feed;
use params::Params;
use programs::{DISCRIMINATOR, DISCRIMINATOR_OUTPUTS, DISCRIMINATOR_PENALIZED, GENERATOR, Parts, SAMPLE, SETTLE};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Streams of random numbers.
const REAL_STREAM: u32 = 0x5245_414C;
const LATENT_STREAM: u32 = 0x4C41_5445;
const SETTLE_STREAM: u32 = 0x5345_5454;

/// Batches over which the statistics of batch normalization are averaged for the averaged generator.
const SETTLE_BATCHES: usize = 50;

/// What one step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The step's number, from 1.
    pub step: u64,
    /// The discriminator's loss without penalty.
    pub discriminator_loss: f32,
    /// The generator's loss.
    pub generator_loss: f32,
    /// How real the real examples look to the discriminator, 0 to 1; with a relativistic loss, beside generated ones.
    pub d_real: f32,
    /// How real the generated examples look.
    pub d_fake: f32,
    /// Length of the discriminator's gradient.
    pub discriminator_gradient_norm: f32,
    /// Length of the generator's gradient.
    pub generator_gradient_norm: f32,
    /// The penalty of the last penalized discriminator update.
    pub penalty: f32,
    /// BEGAN's k.
    #[serde(default)]
    pub balance: f32,
    /// BEGAN's measure of convergence.
    #[serde(default)]
    pub convergence: f32,
}

/// A part of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Latents and real examples were drawn.
    Drawn,
    /// The discriminator was updated.
    Discriminator,
    /// The generator was updated.
    Generator,
}

/// A run in memory: networks, executor, step count. Files are the business of [`crate::run`].
pub struct Trainer {
    recipe: Recipe,
    seed: u64,
    steps: u64,
    step: u64,
    feed: Feed,
    generator: Network,
    discriminator: Network,
    params: Params,
    cpu: Cpu,
    /// Scaled examples, where the recipe scales them.
    scaled: Vec<f32>,
    latents: Vec<f32>,
    classes: Vec<f32>,
    bytes: Vec<i8>,
    last: Report,
    settled: u64,
    /// Whether the generator's updates read real examples or their classes.
    generator_reads: bool,
}

/// Where everything lies in a run's store, and a store that starts from `seed`.
pub(crate) fn start(recipe: &Recipe, generator: &Network, discriminator: &Network, seed: u64) -> (Params, Store) {
    Params::start(recipe, generator, discriminator, seed)
}

/// Refuses classes that the data does not have.
fn labeled(recipe: &Recipe, data: &dyn Dataset) -> Result<(), NetworkError> {
    let wanted = recipe.data.classes;
    if wanted == 0 {
        return Ok(());
    }
    let mut drawn = [0; 1];
    let found = match data.labels() {
        Some(labels) => labels.iter().max().map_or(0, |m| usize::from(*m) + 1),
        // Points tell the mode that they were drawn from.
        None if data.len().is_none() => {
            let label = |step| {
                data.batch_labels(Key { seed: 0, stream: 0, step }, &mut drawn);
                usize::from(drawn[0]) + 1
            };
            (0..4096).map(label).max().unwrap_or(0)
        }
        None => 0,
    };
    if found == wanted {
        return Ok(());
    }
    let why = match found {
        0 => format!(
            "data.classes = {wanted}, but {} has no labels: give data with labels (an NPZ or IDX file, a folder of folders), or \
             set data.classes = 0",
            data.name()
        ),
        _ => format!(
            "data.classes = {wanted}, but {} has {found} classes: set data.classes = {found}, or 0",
            data.name()
        ),
    };
    Err(NetworkError::new("data", why))
}

/// Refuses a run that would take more memory than this machine has, before any is taken.
pub(crate) fn affordable(recipe: &Recipe, generator: &Network, discriminator: &Network) -> Result<(), NetworkError> {
    // Weights, average and two moments; values, their gradients and those of penalties: a rough lower bound.
    let weights = 4.0 * 4.0 * (generator.len() as f64 + discriminator.len() as f64);
    let values = 4.0 * 3.0 * recipe.train.batch_size as f64 * (generator.values() + discriminator.values());
    let (needed, limit) = (weights + values, memory::free());
    if needed <= limit {
        return Ok(());
    }
    let gb = |bytes: f64| bytes / 1e9;
    let why = format!(
        "the run would take at least {:.1} GB ({:.1} GB of weights and moments, {:.1} GB of values at batch {}), this machine has \
         {:.1} GB free: use a smaller train.batch_size, data.size or widths",
        gb(needed),
        gb(weights),
        gb(values),
        recipe.train.batch_size,
        gb(limit)
    );
    Err(NetworkError::new("train", why))
}

impl Trainer {
    /// Plans a run of `steps` steps on `threads` threads (0: one for each core, or one alone where that is faster).
    pub fn new(
        recipe: Recipe,
        data: Arc<dyn Dataset>,
        seed: u64,
        steps: u64,
        threads: usize,
    ) -> Result<Self, NetworkError> {
        labeled(&recipe, &*data)?;
        let (generator, discriminator) = recipe.networks(data.shape())?;
        affordable(&recipe, &generator, &discriminator)?;
        let (params, store) = start(&recipe, &generator, &discriminator, seed);
        let sample_batch = if data.shape().len() == 3 { 64 } else { 500 };
        let parts =
            Parts { recipe: &recipe, generator: &generator, discriminator: &discriminator, params, sample_batch };
        let mut cpu = Cpu::new(threads);
        cpu.load(parts.build(), store);
        let (item, latent) = (data.shape().iter().product::<usize>(), recipe.generator.latent());
        let batch = recipe.train.batch_size;
        let feed = Feed::new(data, batch, recipe.data.classes > 0);
        let scaled = if recipe.data.scale == 1.0 { 0 } else { batch * item };
        Ok(Self {
            scaled: vec![0.0; scaled],
            latents: vec![0.0; batch * latent],
            classes: vec![0.0; batch * recipe.data.classes],
            bytes: vec![0; latent],
            generator_reads: recipe.data.classes > 0 || cpu.programs()[GENERATOR].plan.reads_input(0),
            recipe,
            seed,
            steps,
            step: 0,
            feed,
            generator,
            discriminator,
            params,
            cpu,
            last: Report::default(),
            settled: u64::MAX,
        })
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Steps of the whole run; schedules follow it.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The generator's layers and layout.
    pub fn generator(&self) -> &Network {
        &self.generator
    }

    /// The discriminator's layers and layout.
    pub fn discriminator(&self) -> &Network {
        &self.discriminator
    }

    /// The data set.
    pub fn data(&self) -> &dyn Dataset {
        self.feed.data()
    }

    /// Weights and optimizer state.
    pub fn store(&self) -> &Store {
        self.cpu.store()
    }

    /// The programs of the run.
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

    /// Threads that share the work.
    pub fn threads(&self) -> usize {
        self.cpu.threads()
    }

    /// Floating-point operations of the products of one whole step, lazy penalties averaged in.
    pub fn flops(&self) -> f64 {
        let flops = |p: usize| self.cpu.programs()[p].plan.flops();
        let every = f64::from(self.recipe.objective.regularizer.every());
        let share = if every > 0.0 { 1.0 / every } else { 0.0 };
        let discriminator = flops(DISCRIMINATOR) * (1.0 - share) + flops(DISCRIMINATOR_PENALIZED) * share;
        discriminator * f64::from(self.recipe.train.discriminator_steps)
            + flops(GENERATOR) * f64::from(self.recipe.train.generator_steps)
    }

    /// Sets the length of the run, before its first step.
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// Makes the rates of both networks `factor` times what they were; checkpoints keep it.
    pub fn scale_rates(&mut self, factor: f32) {
        let optimizer = &mut self.recipe.optimizer;
        optimizer.learning_rate *= factor;
        optimizer.generator_learning_rate = optimizer.generator_learning_rate.map(|rate| rate * factor);
    }

    /// Continues from a store and a step count, as a checkpoint holds them.
    pub fn restore(&mut self, store: Store, step: u64) {
        *self.cpu.store_mut() = store;
        self.step = step;
        self.settled = u64::MAX;
        self.last = Report::default();
    }

    /// Discriminator updates, then generator updates (or the other way around). On an error nothing of the failing update is kept.
    pub fn advance(&mut self) -> Result<Report, NotFinite> {
        self.advance_telling(&mut |_, _| {})
    }

    /// The same; `tell` is told each part of the step when it is done, with what is known by then.
    pub fn advance_telling(&mut self, tell: &mut dyn FnMut(Part, &Report)) -> Result<Report, NotFinite> {
        let step = self.step + 1;
        self.updates(tell).map_err(|e| NotFinite { step, ..e })
    }

    fn updates(&mut self, tell: &mut dyn FnMut(Part, &Report)) -> Result<Report, NotFinite> {
        let mut report = Report { step: self.step + 1, penalty: self.last.penalty, ..self.last };
        let generator_first = self.step < self.recipe.train.generator_first;
        for generator in [generator_first, !generator_first] {
            if generator {
                self.generator_updates(&mut report, tell)?;
            } else {
                self.discriminator_updates(&mut report, tell)?;
            }
        }
        self.step += 1;
        self.last = report;
        Ok(report)
    }

    fn discriminator_updates(
        &mut self,
        report: &mut Report,
        tell: &mut dyn FnMut(Part, &Report),
    ) -> Result<(), NotFinite> {
        let times = u64::from(self.recipe.train.discriminator_steps);
        let every = u64::from(self.recipe.objective.regularizer.every());
        for i in 0..times {
            let update = self.step * times + i;
            self.draw(update, 0);
            tell(Part::Drawn, report);
            let penalized = every > 0 && update.is_multiple_of(every);
            let program = if penalized { DISCRIMINATOR_PENALIZED } else { DISCRIMINATOR };
            self.run(program, update, false)?;
            let mut outputs = [0.0; DISCRIMINATOR_OUTPUTS.len()];
            outputs.iter_mut().enumerate().for_each(|(k, v)| *v = self.cpu.output(program, k)[0]);
            let consensual = matches!(self.recipe.objective.regularizer, Regularizer::Consensus { .. });
            [report.discriminator_loss, report.d_real, report.d_fake, report.discriminator_gradient_norm, ..] = outputs;
            [report.balance, report.convergence] = [outputs[5], outputs[6]];
            if penalized || consensual {
                report.penalty = outputs[4];
            }
            tell(Part::Discriminator, report);
            let balance = self.recipe.train.discriminator_margin;
            if balance > 0.0 && report.d_real - report.d_fake >= balance {
                // It tells them apart as well as it should: more would only weaken the generator's gradient.
                break;
            }
        }
        Ok(())
    }

    fn generator_updates(&mut self, report: &mut Report, tell: &mut dyn FnMut(Part, &Report)) -> Result<(), NotFinite> {
        let times = u64::from(self.recipe.train.generator_steps);
        for i in 0..times {
            let update = self.step * times + i;
            self.draw(update, 1);
            tell(Part::Drawn, report);
            self.run(GENERATOR, update, true)?;
            report.generator_loss = self.cpu.output(GENERATOR, 0)[0];
            report.generator_gradient_norm = self.cpu.output(GENERATOR, 1)[0];
            tell(Part::Generator, report);
        }
        Ok(())
    }

    /// Runs a step's program for update number `update` of its network, on what was drawn.
    fn run(&mut self, program: usize, update: u64, generator: bool) -> Result<(), NotFinite> {
        let factor = self.recipe.schedule.factor(self.step, self.steps);
        let s = self.recipe.optimizer.scalars(update + 1, factor, generator);
        let scalars = [[s.learning_rate], [s.mean_correction], [s.square_correction]];
        let noise = [self.recipe.technique.noise_at(self.step, self.steps)];
        let t = update as f32;
        let past = [1.0 / (t + 1.0)];
        // A young average forgets faster, or it would keep the random start.
        let average = [1.0 - self.recipe.train.ema.min((1.0 + t) / (10.0 + t))];
        let strength = [self.recipe.objective.penalty_at(self.step, self.steps)];
        let mut inputs: ArrayVec<&[f32], 10> = ArrayVec::new();
        inputs.push(if self.scaled.is_empty() { self.feed.real() } else { &self.scaled });
        inputs.push(&self.latents);
        if self.recipe.data.classes > 0 {
            inputs.push(&self.classes);
        }
        inputs.extend(scalars.iter().map(|s| &s[..]));
        inputs.push(&noise);
        inputs.push(&past);
        inputs.push(&strength);
        if generator {
            inputs.push(&average);
        }
        let clock = Clock { seed: self.seed, step: update };
        self.cpu.run(program, &inputs, clock)
    }

    /// The update, and its network, that most likely comes after this one: its batch is prepared beside the computation.
    fn following(&self, update: u64, network: u32) -> (u64, u32) {
        let train = &self.recipe.train;
        let times = [u64::from(train.discriminator_steps), u64::from(train.generator_steps)];
        if !self.generator_reads {
            return (update + 1, 0);
        }
        let mine = times[network as usize].max(1);
        let other = 1 - network;
        if !(update + 1).is_multiple_of(mine) || times[other as usize] == 0 {
            return (update + 1, network);
        }
        // The discriminator's updates of a step come before the generator's.
        let step = update / mine + u64::from(network == 1);
        (step * times[other as usize], other)
    }

    /// Seconds spent waiting for data so far: drawing small batches, or a disk that is slower than the training.
    pub fn waited(&self) -> f64 {
        self.feed.waited().as_secs_f64()
    }

    /// Real examples, latents and classes of update `update` of one of the networks.
    fn draw(&mut self, update: u64, network: u32) {
        if network == 0 || self.generator_reads {
            let key = Key { seed: self.seed, stream: REAL_STREAM + network, step: update };
            let (next, other) = self.following(update, network);
            self.feed.draw(key, Key { stream: REAL_STREAM + other, step: next, ..key });
            let scale = self.recipe.data.scale;
            self.scaled.iter_mut().zip(self.feed.real()).for_each(|(to, v)| *to = v * scale);
            let count = self.recipe.data.classes;
            if count > 0 {
                for (row, label) in self.classes.chunks_exact_mut(count).zip(self.feed.labels()) {
                    row.fill(0.0);
                    row[usize::from(*label)] = 1.0;
                }
            }
        }
        let key = Key { seed: self.seed, stream: LATENT_STREAM + network, step: update };
        let points = self.data().shape().len() != 3;
        draw_latents(key, points, self.recipe.generator.latent(), &mut self.bytes, &mut self.latents);
    }

    /// Examples that the averaged generator makes of device seeds `first..first + n` (points: of normal numbers).
    ///
    /// Pictures come in the recipe's data range, points undone of the data's scale. With classes, seed s shows class s
    /// modulo their count.
    pub fn samples(&mut self, first: u32, n: usize) -> Vec<f32> {
        let count = self.recipe.data.classes;
        let classes: Vec<_> = (0..n).map(|i| (first as usize + i) % count.max(1)).collect();
        self.samples_of_classes(first, &classes)
    }

    /// The same, one example of each of `classes`; without classes in the recipe only their number counts.
    pub fn samples_of_classes(&mut self, first: u32, classes: &[usize]) -> Vec<f32> {
        let (latent, count) = (self.recipe.generator.latent(), self.recipe.data.classes);
        let mut z = vec![0.0; classes.len() * latent];
        if self.feed.data().shape().len() == 3 {
            for (i, z) in z.chunks_exact_mut(latent).enumerate() {
                ganlet_runtime::normal_i8(first.wrapping_add(i as u32), &mut self.bytes);
                z.iter_mut().zip(&self.bytes).for_each(|(v, b)| *v = f32::from(*b) / 32.0);
            }
        } else {
            Key { seed: self.seed, stream: LATENT_STREAM + 2, step: u64::from(first) }.normal(&mut z);
        }
        if count == 0 {
            return self.samples_of(&z);
        }
        let mut all = Vec::with_capacity(classes.len() * (latent + count));
        for (z, &class) in z.chunks_exact(latent).zip(classes) {
            all.extend_from_slice(z);
            all.extend((0..count).map(|c| if c == class { 1.0 } else { 0.0 }));
        }
        self.samples_of(&all)
    }

    /// Examples that the averaged generator makes of its inputs `z`, one after the other: latents, then classes if any.
    pub fn samples_of(&mut self, z: &[f32]) -> Vec<f32> {
        self.settle();
        let latent = self.generator.input[0];
        let batch = self.cpu.programs()[SAMPLE].plan.inputs[0].1;
        let mut out = Vec::with_capacity(z.len() / latent * self.generator.output().iter().product::<usize>());
        let item: usize = self.generator.output().iter().product();
        let mut feed = vec![0.0; batch];
        for part in z.chunks(batch) {
            feed[..part.len()].copy_from_slice(part);
            feed[part.len()..].fill(0.0);
            let clock = Clock { seed: self.seed, step: self.step };
            self.cpu.run(SAMPLE, &[&feed], clock).expect("a program without guards does not fail");
            out.extend_from_slice(&self.cpu.output(SAMPLE, 0)[..part.len() / latent * item]);
        }
        if self.recipe.data.scale != 1.0 {
            out.iter_mut().for_each(|v| *v /= self.recipe.data.scale);
        }
        out
    }

    /// The discriminator's scores of points `x`, in the data's own units; none where it does not judge points one by one.
    pub fn scores(&mut self, x: &[f32]) -> Option<Vec<f32>> {
        let program = self.cpu.programs().iter().rposition(|p| p.name == "scores")?;
        let batch = self.cpu.programs()[program].plan.inputs[0].1;
        let item = self.data().shape()[0];
        let (mut feed, mut out) = (vec![0.0; batch], Vec::with_capacity(x.len() / item));
        for part in x.chunks(batch) {
            feed.iter_mut().zip(part).for_each(|(f, v)| *f = v * self.recipe.data.scale);
            let clock = Clock { seed: self.seed, step: self.step };
            self.cpu.run(program, &[&feed], clock).expect("a program without guards does not fail");
            out.extend_from_slice(&self.cpu.output(program, 0)[..part.len() / item]);
        }
        Some(out)
    }

    /// A step of one network alone: its updates, with fresh draws.
    pub(crate) fn advance_one(&mut self, generator: bool) -> Result<Report, NotFinite> {
        let mut report = Report { step: self.step + 1, ..self.last };
        if generator {
            self.generator_updates(&mut report, &mut |_, _| {})?;
        } else {
            self.discriminator_updates(&mut report, &mut |_, _| {})?;
        }
        self.step += 1;
        self.last = report;
        Ok(report)
    }

    /// The stored weights called `name`, to be changed before training.
    pub(crate) fn weights_mut(&mut self, name: &str) -> Option<&mut Vec<f32>> {
        let id = self.cpu.store().find(name)?;
        Some(self.cpu.store_mut().values_mut(id))
    }

    /// Measures the statistics of batch normalization for the averaged generator, once a step at most.
    pub fn settle(&mut self) {
        if self.params.statistics.is_none() || self.settled == self.step {
            return;
        }
        let (latent, count) = (self.recipe.generator.latent(), self.recipe.data.classes);
        let mut inputs = vec![0.0; self.recipe.train.batch_size * (latent + count)];
        for i in 0..SETTLE_BATCHES {
            let key = Key { seed: self.seed, stream: SETTLE_STREAM, step: i as u64 };
            let points = self.data().shape().len() != 3;
            draw_latents(key, points, latent, &mut self.bytes, &mut self.latents);
            for (k, (row, z)) in
                inputs.chunks_exact_mut(latent + count).zip(self.latents.chunks_exact(latent)).enumerate()
            {
                row[..latent].copy_from_slice(z);
                row[latent..].iter_mut().enumerate().for_each(|(c, v)| *v = f32::from(u8::from(c == k % count)));
            }
            let clock = Clock { seed: self.seed, step: self.step };
            let share = [1.0 / (i + 1) as f32];
            self.cpu.run(SETTLE, &[&inputs, &share], clock).expect("a program without guards does not fail");
        }
        self.settled = self.step;
    }

    /// The averaged generator's weights, and its batch statistics if it has any.
    pub fn averaged(&mut self) -> (&[f32], &[f32]) {
        self.settle();
        let store = self.cpu.store();
        (store.values(self.params.average), self.params.statistics.map_or(&[], |p| store.values(p)))
    }
}

/// Latents as the device draws them for pictures, standard normal for points.
fn draw_latents(key: Key, points: bool, latent: usize, bytes: &mut [i8], out: &mut [f32]) {
    if points {
        return key.normal(out);
    }
    for (i, z) in out.chunks_exact_mut(latent).enumerate() {
        ganlet_runtime::normal_i8(key.words(i as u32)[0], bytes);
        z.iter_mut().zip(&*bytes).for_each(|(v, b)| *v = f32::from(*b) / 32.0);
    }
}
