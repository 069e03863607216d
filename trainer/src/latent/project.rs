//! Projection (GAN inversion): searches latents whose images are close to a target, by gradient descent through the generator from several
//! starts (Creswell & Bharath 2016; Zhu et al. 2016, eq. 4).
use super::objective::{Fixed, Inputs, Objective, ProjectionGenerator, Stored, TermWeights};
use super::target::ProjectionTarget;
use super::{LATENT_MAX, LATENT_ONE, latent_of_seed, to_float, to_int8};
use crate::data::to_bytes;
use crate::evaluate::FeatureNetwork;
use crate::exec::cpu::Cpu;
use crate::exec::{Clock, Store};
use crate::metrics::psnr;
use crate::optim::{Optimizer, Schedule};
use crate::regularize::clipped;
use crate::step::{Output, PlannedProgram, ProgramGraph, Progress, Step, StepGraph, Trainable};

/// Fraction of the steps after which latents are rounded before each evaluation, because a device has integer latents.
const ROUNDED_FROM: f32 = 0.6;
/// Optimizer of the latents; the options set the learning rate.
const ADAM: Optimizer = Optimizer::adam(0.1, 0.9, 0.99);

/// Settings of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProjectionOptions {
    /// Number of searches that run in parallel, each from its own starting latent.
    pub restarts: usize,
    /// Optimizer steps of each search.
    pub steps: usize,
    /// Number of random latents per search; the search starts at the best one.
    pub seeds: usize,
    /// Initial learning rate, in latent units; it falls to 0 along half a cosine.
    pub rate: f32,
    /// Weight of the distance between features of whole images.
    pub features: f32,
    /// Weight of the squared distance from the starting latent.
    pub stay: f32,
    /// First seed of the random latents.
    pub seed: u32,
}

impl Default for ProjectionOptions {
    fn default() -> Self {
        Self { restarts: 8, steps: 400, seeds: 64, rate: 0.1, features: 0.1, stay: 0.0, seed: 1 }
    }
}

/// Result of one search.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectionResult {
    /// The latent in the integers of a device.
    pub latent: Vec<i8>,
    /// Its loss; 0 for an exact match.
    pub loss: f32,
    /// Its image, by the float network.
    pub image: Vec<u8>,
    /// PSNR of the image against the target in dB, over pixels with a weight.
    pub psnr_db: f64,
    /// Loss at each step.
    pub curve: Vec<f32>,
}

/// Searches latents of a generator.
pub struct Projector {
    cpu: Cpu,
    latents: Trainable,
    /// Losses and images of given latents.
    evaluation: Evaluation,
    /// A step that evaluates given latents and updates the latents in the store with the gradient.
    search: (Step, Evaluation),
    batch: usize,
    latent: usize,
    classes: usize,
    shape: [usize; 3],
    range: [f32; 2],
}

/// A planned objective.
#[derive(Clone, Copy)]
struct Evaluation {
    program: PlannedProgram,
    inputs: Inputs,
    losses: Output,
    images: Output,
}

impl Projector {
    /// Plans `restarts` parallel searches on `threads` threads (0: all cores). Features are compared if `features` is given.
    ///
    /// # Panics
    /// If weights and layers do not belong together, or the generator does not output images.
    #[track_caller]
    pub fn new(
        subject: ProjectionGenerator<'_>,
        features: Option<&FeatureNetwork>,
        restarts: usize,
        threads: usize,
    ) -> Self {
        let ProjectionGenerator { generator, range, latent, .. } = subject;
        let shape: [usize; 3] = generator.output().try_into().expect("images have height, width and channels");
        let batch = restarts.max(1);
        let (mut store, mut programs) = (Store::default(), Vec::new());
        let stored = Stored::new(&mut store, &subject, features);
        let latents = Trainable::new(&mut store, "latents", vec![0.0; batch * latent], &ADAM);

        let mut program = ProgramGraph::new("projection");
        let objective = Objective::new(&mut program, (&subject, shape), features, stored, batch);
        let (losses, images) = (program.output(objective.losses), program.output(objective.images));
        let program = program.plan(&mut programs, false);
        let evaluation = Evaluation { program, inputs: objective.inputs, losses, images };

        let mut step = StepGraph::new("projection step", ADAM, Schedule::Cosine { to: 0.0 });
        let objective = Objective::new(&mut step.program, (&subject, shape), features, stored, batch);
        let (losses, images) = (step.program.output(objective.losses), step.program.output(objective.images));
        let g = &mut step.program.graph;
        let sum = g.sum(objective.losses);
        // The gradient is computed at the latents that were fed, which are rounded late in the search. It updates the saved latents.
        let gradient = g.grad(sum, &[objective.latents])[0];
        let gradient = g.reshape(gradient, &[latents.len()]);
        let current = g.param(latents.weights, &[latents.len()]);
        step.update_with(&latents, current, gradient, |g, new| clipped(g, new, LATENT_MAX));
        let planned = step.plan(&mut programs, false);
        let search = Evaluation { program: planned.program, inputs: objective.inputs, losses, images };

        let mut cpu = Cpu::new(threads);
        cpu.load(programs, store);
        let classes = generator.input[0] - latent;
        Self { cpu, latents, evaluation, search: (planned, search), batch, latent, classes, shape, range }
    }

    /// Searches latents for `target`, of class `class` if the generator has classes; returns the best one first.
    ///
    /// All searches start at the latent `from` if it is given, otherwise each starts at the best of its own random latents.
    /// `progress` receives the step, the number of steps and the lowest loss so far; if it returns `false`, the search ends
    /// early.
    ///
    /// # Panics
    /// If the target has another shape than the generator's images, or `from` another length than its latents.
    #[track_caller]
    pub fn search(
        &mut self,
        target: &ProjectionTarget,
        class: usize,
        from: Option<&[i8]>,
        options: &ProjectionOptions,
        progress: &mut dyn FnMut(usize, usize, f32) -> bool,
    ) -> Vec<ProjectionResult> {
        assert_eq!(target.shape, self.shape, "the target needs the shape of the generator's images");
        assert!(from.is_none_or(|z| z.len() == self.latent), "the start needs the length of the generator's latents");
        let terms = TermWeights { features: options.features, start: options.stay };
        let fixed = Fixed::new(target, (class, self.classes), self.batch, terms);
        let starts = match from {
            Some(z) => to_float(z).repeat(self.batch),
            None => self.starts(&fixed, options),
        };
        self.descend(&fixed, target, &starts, options, progress)
    }

    fn descend(
        &mut self,
        fixed: &Fixed,
        target: &ProjectionTarget,
        starts: &[f32],
        options: &ProjectionOptions,
        progress: &mut dyn FnMut(usize, usize, f32) -> bool,
    ) -> Vec<ProjectionResult> {
        let (mut step, evaluation) = self.search;
        step.learning_rate = options.rate;
        self.latents.reset_moments(self.cpu.store_mut());
        self.cpu.store_mut().values_mut(self.latents.weights).copy_from_slice(starts);
        let mut best: Vec<ProjectionResult> = Vec::new();
        let mut curves = vec![Vec::new(); self.batch];
        for i in 0..=options.steps {
            let rounding = i as f32 >= ROUNDED_FROM * options.steps as f32;
            let z = self.cpu.store().values(self.latents.weights);
            let z = if rounding { to_float(&to_int8(z)) } else { z.to_vec() };
            let mut values = evaluation.program.values();
            fixed.set(&mut values, &evaluation.inputs, &z, starts);
            let at = Progress::of(0, i as u64, options.steps as u64);
            step.run(&mut self.cpu, values, at).expect("a program without guards does not fail");
            let losses = evaluation.program.read(&self.cpu, evaluation.losses).to_vec();
            curves.iter_mut().zip(&losses).for_each(|(curve, &loss)| curve.push(loss));
            if rounding {
                self.keep(&mut best, &z, &losses, target);
            }
            let lowest = losses.iter().copied().fold(f32::INFINITY, f32::min);
            if !progress(i, options.steps, lowest) && !best.is_empty() {
                break;
            }
        }
        best.iter_mut().zip(curves).for_each(|(found, curve)| found.curve = curve);
        best.sort_by(|a, b| a.loss.total_cmp(&b.loss));
        best
    }

    /// The best of several random latents for each search.
    fn starts(&mut self, fixed: &Fixed, options: &ProjectionOptions) -> Vec<f32> {
        let (mut starts, mut lowest) = (vec![0.0; self.batch * self.latent], vec![f32::INFINITY; self.batch]);
        let Evaluation { program, inputs, losses, .. } = self.evaluation;
        for round in 0..options.seeds.max(1) {
            let seed = |i: usize| options.seed.wrapping_add((round * self.batch + i) as u32);
            let z: Vec<f32> = (0..self.batch).flat_map(|i| to_float(&latent_of_seed(seed(i), self.latent))).collect();
            let mut values = program.values();
            fixed.set(&mut values, &inputs, &z, &z);
            program.run_unguarded(&mut self.cpu, &values, Clock { seed: 0, step: 0 });
            let losses = program.read(&self.cpu, losses);
            for (i, (z, start)) in z.chunks_exact(self.latent).zip(starts.chunks_exact_mut(self.latent)).enumerate() {
                if losses[i] < lowest[i] {
                    lowest[i] = losses[i];
                    start.copy_from_slice(z);
                }
            }
        }
        starts
    }

    /// Keeps each latent of the last step, with its image, that is better than the best of its search so far.
    fn keep(&self, best: &mut Vec<ProjectionResult>, z: &[f32], losses: &[f32], target: &ProjectionTarget) {
        let size: usize = self.shape.iter().product();
        let evaluation = self.search.1;
        let images = evaluation.program.read(&self.cpu, evaluation.images).chunks_exact(size);
        for (i, ((z, &loss), values)) in z.chunks_exact(self.latent).zip(losses).zip(images).enumerate() {
            if best.get(i).is_some_and(|kept| kept.loss <= loss) {
                continue;
            }
            let image = to_bytes(values, (self.range[0], self.range[1]));
            let psnr_db = weighted_psnr(&image, target);
            let latent = z.iter().map(|v| (v * LATENT_ONE).round() as i8).collect();
            let found = ProjectionResult { latent, loss, image, psnr_db, curve: Vec::new() };
            match best.get_mut(i) {
                Some(kept) => *kept = found,
                None => best.push(found),
            }
        }
    }
}

/// PSNR in dB over the pixels with a weight; the value of equal images if no pixel has one.
fn weighted_psnr(image: &[u8], target: &ProjectionTarget) -> f64 {
    let channels = target.shape[2];
    let bytes = to_bytes(&target.target, (-1.0, 1.0));
    let counted = |bytes: &[u8]| -> Vec<u8> {
        let pixels = bytes.chunks_exact(channels).zip(&target.weight).filter(|(_, w)| **w > 0.0);
        pixels.flat_map(|(pixel, _)| pixel.iter().copied()).collect()
    };
    let (ours, theirs) = (counted(image), counted(&bytes));
    if ours.is_empty() { crate::metrics::PSNR_CAP } else { psnr(&ours, &theirs) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::blobs;
    use crate::nn::{Activation, Layer, Network};

    fn generator() -> (Network, Vec<f32>) {
        let dense = |inputs, to: &[usize]| Layer::Dense { inputs, to: to.to_vec() };
        let layers = vec![
            dense(6, &[32]),
            Layer::Activation(Activation::Leaky(0.2)),
            dense(32, &[8, 8, 1]),
            Layer::Activation(Activation::Tanh),
        ];
        let net = Network::new("generator", &[6], layers);
        let weights = net.initial_weights(5, 1);
        (net, weights)
    }

    fn subject<'a>(net: &'a Network, weights: &'a [f32]) -> ProjectionGenerator<'a> {
        ProjectionGenerator { generator: net, weights, statistics: &[], range: [-1.0, 1.0], latent: 6 }
    }

    #[test]
    fn the_image_of_a_known_latent_is_found_again() {
        let (net, weights) = generator();
        let features = FeatureNetwork::of(&blobs(8, 8, 1, 64, 1));
        let mut projector = Projector::new(subject(&net, &weights), features.as_ref(), 4, 1);
        let flat = ProjectionTarget::image(&[128; 64], [8, 8, 1]);
        let options = ProjectionOptions { restarts: 4, ..ProjectionOptions::default() };
        // Without steps, the projector returns the image of the latent that it starts from.
        let known = latent_of_seed(77_777, 6);
        let none = ProjectionOptions { steps: 0, ..options };
        let drawn = projector.search(&flat, 0, Some(&known), &none, &mut |_, _, _| true);
        assert_eq!(drawn[0].latent, known);
        let target = ProjectionTarget::image(&drawn[0].image, [8, 8, 1]);
        let found = projector.search(&target, 0, None, &options, &mut |_, _, _| true);
        assert!(found[0].psnr_db > 35.0, "{} dB", found[0].psnr_db);
        assert!(found.windows(2).all(|f| f[0].loss <= f[1].loss));
        assert_eq!(found[0].curve.len(), 401);
    }

    #[test]
    fn strokes_and_edges_are_matched_at_their_positions() {
        let (net, weights) = generator();
        let mut projector = Projector::new(subject(&net, &weights), None, 4, 1);
        let mut strokes = vec![0; 8 * 8 * 4];
        strokes[..4].copy_from_slice(&[255, 255, 255, 255]);
        let target = ProjectionTarget::strokes(&strokes, [8, 8, 1]);
        let options = ProjectionOptions { restarts: 4, steps: 150, seeds: 1, ..ProjectionOptions::default() };
        let bright = projector.search(&target, 0, None, &options, &mut |_, _, _| true);
        assert!(bright[0].image[0] > 230, "{}", bright[0].image[0]);
        let mut line = vec![0; 8 * 8 * 4];
        (0..8).for_each(|y| line[(y * 8 + 3) * 4 + 3] = 255);
        let edged = ProjectionTarget::strokes(&[0; 256], [8, 8, 1]).with_edges(&line);
        let found = projector.search(&edged, 0, None, &options, &mut |_, _, _| true);
        let steep = |p: &[u8]| (0..8).map(|y| f64::from(p[y * 8 + 3].abs_diff(p[y * 8 + 4]))).sum::<f64>() / 8.0;
        let before = projector.search(&edged, 0, None, &ProjectionOptions { steps: 0, ..options }, &mut |_, _, _| true);
        assert!(steep(&found[0].image) > 1.3 * steep(&before[0].image));
        assert!(edged.weight.iter().all(|&w| w == 0.0) && !edged.is_empty());
    }

    #[test]
    fn the_stay_weight_keeps_a_latent_near_its_start() {
        let (net, weights) = generator();
        let mut projector = Projector::new(subject(&net, &weights), None, 1, 1);
        let (start, target) = (latent_of_seed(3, 6), ProjectionTarget::image(&[255; 64], [8, 8, 1]));
        let far = |projector: &mut Projector, stay| {
            let options = ProjectionOptions { restarts: 1, steps: 100, stay, ..ProjectionOptions::default() };
            let found = projector.search(&target, 0, Some(&start), &options, &mut |_, _, _| true);
            found[0].latent.iter().zip(&start).map(|(a, b)| u32::from(a.abs_diff(*b))).sum::<u32>()
        };
        let (free, held) = (far(&mut projector, 0.0), far(&mut projector, 10.0));
        assert!(held < free / 3, "{held} {free}");
    }
}
