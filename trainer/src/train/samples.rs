//! Outputs of the networks: samples of the EMA generator, scores of the discriminator, batch-norm statistics.
use super::advance::{SAMPLE_STREAM, device_latent};
use super::programs::Forward;
use super::{StateKey, Trainer};
use crate::exec::Clock;
use crate::philox::Key;

/// Stream of the latents over which batch-norm statistics are estimated.
const BATCH_NORM_STREAM: u32 = 0x5345_5454;
/// Batches over which batch-norm statistics of the EMA generator are averaged.
const BATCH_NORM_BATCHES: usize = 50;

impl Trainer {
    /// Length of a latent.
    pub fn latent(&self) -> usize {
        self.buffers.bytes.len()
    }

    /// Examples of the EMA generator for the seeds `first..first + n`.
    ///
    /// For images, a seed gives the same latent as on a device. Images are in the data range of the recipe, points in the units
    /// of the data. With class inputs, seed s shows class s modulo the number of classes.
    pub fn samples(&mut self, first: u32, n: usize) -> Vec<f32> {
        let count = self.recipe.class_inputs();
        let classes: Vec<_> = (0..n).map(|i| (first as usize + i) % count.max(1)).collect();
        self.samples_of_classes(first, &classes)
    }

    /// One example for each entry of `classes`, from consecutive seeds. If the generator has no class inputs, only the length of the list
    /// matters.
    pub fn samples_of_classes(&mut self, first: u32, classes: &[usize]) -> Vec<f32> {
        let (latent, count) = (self.latent(), self.recipe.class_inputs());
        let mut z = vec![0.0; classes.len() * latent];
        if self.data().shape().len() == 3 {
            for (i, z) in z.chunks_exact_mut(latent).enumerate() {
                device_latent(first.wrapping_add(i as u32), &mut self.buffers.bytes, z);
            }
        } else {
            Key { seed: self.seed, stream: SAMPLE_STREAM, step: u64::from(first) }.normal(&mut z);
        }
        if count == 0 {
            return self.samples_of(&z);
        }
        let mut inputs = Vec::with_capacity(classes.len() * (latent + count));
        for (z, &class) in z.chunks_exact(latent).zip(classes) {
            inputs.extend_from_slice(z);
            inputs.extend((0..count).map(|c| if c == class { 1.0 } else { 0.0 }));
        }
        self.samples_of(&inputs)
    }

    /// Examples of the EMA generator for `inputs`, one after another: a latent, then a one-hot class if the generator has class inputs.
    pub fn samples_of(&mut self, inputs: &[f32]) -> Vec<f32> {
        self.estimate_batch_norm();
        let lengths = (self.generator.input[0], self.generator.output().iter().product());
        let mut out = self.forward(self.programs.samples, inputs, lengths, 1.0);
        if self.recipe.data.scale != 1.0 {
            out.iter_mut().for_each(|v| *v /= self.recipe.data.scale);
        }
        out
    }

    /// Scores of the discriminator for points `x` in the units of the data; `None` if it does not score points one by one.
    pub fn scores(&mut self, x: &[f32]) -> Option<Vec<f32>> {
        let program = self.programs.scores?;
        Some(self.forward(program, x, (self.data().shape()[0], 1), self.recipe.data.scale))
    }

    /// Runs `forward` on `inputs` times `scale`, in batches; `lengths` are those of one input and of one output.
    fn forward(&mut self, forward: Forward, inputs: &[f32], lengths: (usize, usize), scale: f32) -> Vec<f32> {
        let Forward { program, input, output } = forward;
        let mut batch = vec![0.0; program.input_len(&self.cpu, input)];
        let mut out = Vec::with_capacity(inputs.len() / lengths.0 * lengths.1);
        let clock = Clock { seed: self.seed, step: self.step };
        for part in inputs.chunks(batch.len()) {
            batch.iter_mut().zip(part).for_each(|(to, v)| *to = v * scale);
            batch[part.len()..].fill(0.0);
            let mut values = program.values();
            values.set(input, &batch);
            program.run_unguarded(&mut self.cpu, &values, clock);
            out.extend_from_slice(&program.read(&self.cpu, output)[..part.len() / lengths.0 * lengths.1]);
        }
        out
    }

    /// Estimates the batch-norm statistics of the EMA generator over 50 batches; does nothing if they were estimated at this step.
    pub fn estimate_batch_norm(&mut self) {
        let Some(estimate) = self.programs.batch_norm else { return };
        if self.estimated == Some(self.step) {
            return;
        }
        let (latent, count) = (self.latent(), self.recipe.class_inputs());
        let mut inputs = vec![0.0; self.recipe.train.batch_size * (latent + count)];
        for i in 0..BATCH_NORM_BATCHES {
            self.draw_latents(Key { seed: self.seed, stream: BATCH_NORM_STREAM, step: i as u64 });
            let latents = self.buffers.latents.chunks_exact(latent);
            for (k, (row, z)) in inputs.chunks_exact_mut(latent + count).zip(latents).enumerate() {
                row[..latent].copy_from_slice(z);
                row[latent..].iter_mut().enumerate().for_each(|(c, v)| *v = f32::from(u8::from(c == k % count)));
            }
            let clock = Clock { seed: self.seed, step: self.step };
            let share = [1.0 / (i + 1) as f32];
            let mut values = estimate.program.values();
            values.set(estimate.latents, &inputs).set(estimate.share, &share);
            estimate.program.run_unguarded(&mut self.cpu, &values, clock);
        }
        self.estimated = Some(self.step);
    }

    /// Weights of the EMA generator and its batch-norm statistics; the latter are empty without batch normalization.
    pub fn ema(&mut self) -> (&[f32], &[f32]) {
        self.estimate_batch_norm();
        let store = self.cpu.store();
        (StateKey::Ema.values(store), StateKey::BatchNorm.values(store))
    }
}
