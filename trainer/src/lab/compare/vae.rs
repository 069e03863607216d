//! A variational auto-encoder on numbers (Kingma & Welling 2014), on the project's own graph.
use super::super::{LabContext, LabError};
use super::normals;
use crate::exec::cpu::Cpu;
use crate::exec::{Clock, Program, Store};
use crate::graph::{Distribution, Graph, NodeId, ParamId, Unary};
use crate::nets::Generator;
use crate::nn::{Bound, Mode, Network};
use crate::optim::{Kind, Moments, Optimizer, Schedule};

const BATCH: usize = 128;
const STEPS: u64 = 6000;

/// Networks, what they are trained by, and where all lies.
struct Parts {
    encoder: Network,
    decoder: Network,
    optimizer: Optimizer,
}

/// Weights and their moments in the store.
struct Place {
    weights: ParamId,
    moments: Moments<ParamId>,
}

impl Parts {
    fn place(store: &mut Store, name: &str, start: Vec<f32>) -> Place {
        let len = start.len();
        let weights = store.add(format!("{name}.weights"), start);
        let mut zeros = |role: &str| store.add(format!("{name}.{role}"), vec![0.0; len]);
        Place { weights, moments: Moments { mean: zeros("mean"), square: zeros("square"), peak: None } }
    }

    fn update(&self, g: &mut Graph, loss: NodeId, bound: &Bound, place: &Place, scalars: [NodeId; 3]) {
        let gradient = bound.grad(g, loss);
        let read = Optimizer::read(g, place.moments, g.shape(bound.flat).len());
        let (new, next) = self.optimizer.step(g, bound.flat, gradient, read, scalars);
        Optimizer::assign(g, (place.weights, new), (place.moments, next));
    }

    /// One step on a batch: descends the negative of the evidence's lower bound.
    fn step(&self, encoder: &Place, decoder: &Place) -> Program {
        let mut g = Graph::default();
        let x = g.input("numbers", &[BATCH, 1]);
        let scalars = ["rate", "mean correction", "square correction"].map(|name| g.input(name, &[]));
        let (e, d) = (self.encoder.bind(&mut g, encoder.weights), self.decoder.bind(&mut g, decoder.weights));
        let told = self.encoder.trace(&mut g, &e, x, Mode::Train).output();
        let (mean, log) = (g.slice(told, 1, 0, 1), g.slice(told, 1, 1, 1));
        let half = g.affine(log, 0.5, 0.0);
        let deviation = g.unary(Unary::Exp, half);
        let noise = g.random(1, Distribution::Normal, &[BATCH, 1]);
        let noise = g.mul(noise, deviation);
        let z = g.add(mean, noise);
        let (center, spread) = self.decoded(&mut g, &d, z);
        // -log p(x|z) up to a constant: log σ + (x - m)²/2σ².
        let off = g.sub(x, center);
        let inverse = g.affine(spread, -1.0, 0.0);
        let inverse = g.unary(Unary::Exp, inverse);
        let off = g.mul(off, inverse);
        let squares = g.square(off);
        let squares = g.affine(squares, 0.5, 0.0);
        let restored = g.add(squares, spread);
        // KL to the standard normal: (m² + v - log v - 1)/2.
        let variance = g.unary(Unary::Exp, log);
        let square = g.square(mean);
        let kl = g.add(square, variance);
        let kl = g.sub(kl, log);
        let kl = g.affine(kl, 0.5, -0.5);
        let loss = g.add(restored, kl);
        let loss = g.mean(loss);
        g.guard("loss", loss);
        self.update(&mut g, loss, &e, encoder, scalars);
        self.update(&mut g, loss, &d, decoder, scalars);
        Program::new("auto-encoder step", &g, &[loss])
    }

    /// Mean and log of the deviation of numbers, by their latents.
    fn decoded(&self, g: &mut Graph, bound: &Bound, z: NodeId) -> (NodeId, NodeId) {
        let told = self.decoder.trace(g, bound, z, Mode::Train).output();
        (g.slice(told, 1, 0, 1), g.slice(told, 1, 1, 1))
    }

    fn sample(&self, decoder: &Place) -> Program {
        let mut g = Graph::default();
        let z = g.input("latents", &[BATCH, 1]);
        let d = self.decoder.bind(&mut g, decoder.weights);
        let (center, spread) = self.decoded(&mut g, &d, z);
        Program::new("samples", &g, &[center, spread])
    }
}

/// Fits the auto-encoder and draws from its decoder.
pub(super) fn autoencoder(data: &[f64], n: usize, context: &mut LabContext<'_>) -> Result<Option<Vec<f64>>, LabError> {
    let network = |name: &str| {
        let family = Generator::Mlp { latent: 1, hidden: vec![32, 32], binary_latents: 0 };
        family.network(&[2], 0).map(|n| Network { name: name.into(), ..n })
    };
    let optimizer = Optimizer {
        kind: Kind::Adam,
        learning_rate: 3e-3,
        generator_learning_rate: None,
        momentum: 0.0,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
    };
    let parts = Parts { encoder: network("encoder")?, decoder: network("decoder")?, optimizer };
    let mut store = Store::default();
    let encoder = Parts::place(&mut store, "encoder", parts.encoder.start(1, 1));
    let decoder = Parts::place(&mut store, "decoder", parts.decoder.start(1, 2));
    let mut cpu = Cpu::new(context.threads);
    cpu.load(vec![parts.step(&encoder, &decoder), parts.sample(&decoder)], store);
    let mut batch = vec![0.0; BATCH];
    for step in 0..STEPS {
        if (context.stop)() {
            return Ok(None);
        }
        let key = crate::philox::Key { seed: 1, stream: 2, step };
        batch.iter_mut().enumerate().for_each(|(i, v)| *v = data[key.below(i as u32, data.len())] as f32);
        let factor = Schedule::Linear { from: 0.5, to: 0.0 }.factor(step, STEPS);
        let s = optimizer.scalars(step + 1, factor, false);
        cpu.run(
            0,
            &[&batch, &[s.learning_rate], &[s.mean_correction], &[s.square_correction]],
            Clock { seed: 1, step },
        )?;
    }
    let (latents, noise) = (normals(10, n), normals(11, n));
    let mut drawn = Vec::with_capacity(n);
    for (z, e) in latents.chunks(BATCH).zip(noise.chunks(BATCH)) {
        batch.fill(0.0);
        batch.iter_mut().zip(z).for_each(|(b, z)| *b = *z as f32);
        cpu.run(1, &[&batch], Clock { seed: 1, step: 0 })?;
        let told = cpu.output(1, 0).iter().zip(cpu.output(1, 1)).zip(e);
        drawn.extend(told.map(|((m, s), e)| f64::from(*m) + f64::from(*s).exp() * e));
    }
    Ok(Some(drawn))
}
