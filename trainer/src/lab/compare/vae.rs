//! A variational autoencoder on numbers (Kingma & Welling 2014).
use super::super::{LabContext, LabError};
use super::normals;
use crate::exec::cpu::Cpu;
use crate::exec::{Clock, Program, Store};
use crate::graph::{Distribution, Graph, NodeId, Unary};
use crate::nets::Generator;
use crate::nn::{Bound, Mode, Network};
use crate::optim::{Optimizer, Schedule};
use crate::step::{Input, Output, PlannedProgram, ProgramGraph, Progress, Step, StepGraph, Trainable};

const BATCH: usize = 128;
const STEPS: u64 = 6000;
const SCHEDULE: Schedule = Schedule::Linear { from: 0.5, to: 0.0 };

/// A network and its entries in the store.
struct Part {
    network: Network,
    trainable: Trainable,
}

/// Encoder and decoder.
struct Autoencoder {
    optimizer: Optimizer,
    encoder: Part,
    decoder: Part,
}

/// The planned decoder.
struct DecoderProgram {
    program: PlannedProgram,
    latents: Input,
    mean: Output,
    log_deviation: Output,
}

impl Autoencoder {
    fn new(store: &mut Store) -> Result<Self, LabError> {
        let optimizer = Optimizer::adam(3e-3, 0.9, 0.999);
        let mut part = |name: &str, stream| {
            let family = Generator::Mlp { latent: 1, hidden: vec![32, 32], binary_latents: 0 };
            let network = Network { name: name.into(), ..family.network(&[2], 0, &[])? };
            let trainable = Trainable::new(store, name, network.initial_weights(1, stream), &optimizer);
            Ok::<_, LabError>(Part { network, trainable })
        };
        Ok(Self { optimizer, encoder: part("encoder", 1)?, decoder: part("decoder", 2)? })
    }

    /// Plans one step on a batch: minimizes the negative of the evidence lower bound.
    fn plan_step(&self, programs: &mut Vec<Program>) -> (Step, Input) {
        let mut step = StepGraph::new("autoencoder step", self.optimizer, SCHEDULE);
        let numbers = step.program.input("numbers", &[BATCH, 1]);
        let (x, g) = (numbers.node(), &mut step.program.graph);
        let encoder = self.encoder.network.bind(g, self.encoder.trainable.weights);
        let decoder = self.decoder.network.bind(g, self.decoder.trainable.weights);
        let encoded = self.encoder.network.trace(g, &encoder, x, Mode::Train).output();
        let (mean, log_variance) = (g.slice(encoded, 1, 0, 1), g.slice(encoded, 1, 1, 1));
        let half = g.affine(log_variance, 0.5, 0.0);
        let deviation = g.unary(Unary::Exp, half);
        let noise = g.random(1, Distribution::Normal, &[BATCH, 1]);
        let noise = g.mul(noise, deviation);
        let z = g.add(mean, noise);
        let (center, log_deviation) = self.decode(g, &decoder, z);
        // -log p(x|z) up to a constant: log σ + (x - m)²/2σ².
        let off = g.sub(x, center);
        let inverse = g.affine(log_deviation, -1.0, 0.0);
        let inverse = g.unary(Unary::Exp, inverse);
        let off = g.mul(off, inverse);
        let squares = g.square(off);
        let squares = g.affine(squares, 0.5, 0.0);
        let reconstruction = g.add(squares, log_deviation);
        // KL divergence to the standard normal: (m² + v - log v - 1)/2.
        let variance = g.unary(Unary::Exp, log_variance);
        let square = g.square(mean);
        let kl = g.add(square, variance);
        let kl = g.sub(kl, log_variance);
        let kl = g.affine(kl, 0.5, -0.5);
        let loss = g.add(reconstruction, kl);
        let loss = g.mean(loss);
        step.minimize(loss, &encoder, &self.encoder.trainable);
        step.minimize(loss, &decoder, &self.decoder.trainable);
        (step.plan(programs, false), numbers)
    }

    /// Mean and log standard deviation of the numbers for the latents `z`.
    fn decode(&self, g: &mut Graph, bound: &Bound, z: NodeId) -> (NodeId, NodeId) {
        let decoded = self.decoder.network.trace(g, bound, z, Mode::Train).output();
        (g.slice(decoded, 1, 0, 1), g.slice(decoded, 1, 1, 1))
    }

    fn plan_decoder(&self, programs: &mut Vec<Program>) -> DecoderProgram {
        let mut program = ProgramGraph::new("decoder");
        let latents = program.input("latents", &[BATCH, 1]);
        let g = &mut program.graph;
        let bound = self.decoder.network.bind(g, self.decoder.trainable.weights);
        let (mean, log_deviation) = self.decode(g, &bound, latents.node());
        let (mean, log_deviation) = (program.output(mean), program.output(log_deviation));
        DecoderProgram { program: program.plan(programs, false), latents, mean, log_deviation }
    }
}

/// Fits an autoencoder to `data` and draws `n` numbers from its decoder; `None` if the user stopped it.
pub(super) fn autoencoder(data: &[f64], n: usize, context: &mut LabContext<'_>) -> Result<Option<Vec<f64>>, LabError> {
    let (mut store, mut programs) = (Store::default(), Vec::new());
    let autoencoder = Autoencoder::new(&mut store)?;
    let (step, numbers) = autoencoder.plan_step(&mut programs);
    let decoder = autoencoder.plan_decoder(&mut programs);
    let mut cpu = Cpu::new(context.threads);
    cpu.load(programs, store);
    let mut batch = vec![0.0; BATCH];
    for i in 0..STEPS {
        if (context.stop)() {
            return Ok(None);
        }
        let key = crate::philox::Key { seed: 1, stream: 2, step: i };
        batch.iter_mut().enumerate().for_each(|(k, v)| *v = data[key.below(k as u32, data.len())] as f32);
        let mut values = step.program.values();
        values.set(numbers, &batch);
        step.run(&mut cpu, values, Progress::of(1, i, STEPS))?;
    }
    let (latents, noise) = (normals(10, n), normals(11, n));
    let mut drawn = Vec::with_capacity(n);
    for (z, e) in latents.chunks(BATCH).zip(noise.chunks(BATCH)) {
        batch.fill(0.0);
        batch.iter_mut().zip(z).for_each(|(b, z)| *b = *z as f32);
        let mut values = decoder.program.values();
        values.set(decoder.latents, &batch);
        decoder.program.run(&mut cpu, &values, Clock { seed: 1, step: 0 })?;
        let (mean, log_deviation) =
            (decoder.program.read(&cpu, decoder.mean), decoder.program.read(&cpu, decoder.log_deviation));
        let moments = mean.iter().zip(log_deviation).zip(e);
        drawn.extend(moments.map(|((m, s), e)| f64::from(*m) + f64::from(*s).exp() * e));
    }
    Ok(Some(drawn))
}
