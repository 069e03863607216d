//! Numerical checks of the theory of Goodfellow et al. 2014: the optimal discriminator, the criterion C(G), and the zero-sum game.
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::draw::{Plot, PlotSeries};
use crate::exec::cpu::Cpu;
use crate::exec::{Clock, Store};
use crate::graph::{Distribution, Feeds, Graph, NodeId, Unary, interpret};
use crate::loss::Loss;
use crate::metrics::kl;
use crate::nets::{Discriminator, DiscriminatorOptions};
use crate::nn::Mode;
use crate::optim::{Optimizer, Schedule};
use crate::philox::Key;
use crate::step::{ProgramGraph, Progress, StepGraph, Trainable};
use serde_json::json;

/// Discriminator steps against a fixed generator.
const STEPS: u64 = 4000;
const BATCH: usize = 1024;
/// Mean and standard deviation of real and of generated numbers.
const REAL: (f64, f64) = (-0.6, 0.5);
const FAKE: (f64, f64) = (0.6, 0.8);
/// Number of random pairs of distributions, and number of outcomes of each distribution.
const PAIRS: usize = 1000;
const OUTCOMES: usize = 16;

/// -log 4, the minimum of C(G).
const MINIMUM: f64 = -1.386_294_361_119_890_6;

/// Density of a normal distribution.
fn normal(x: f64, (mean, deviation): (f64, f64)) -> f64 {
    (-0.5 * ((x - mean) / deviation).powi(2)).exp() / (deviation * std::f64::consts::TAU.sqrt())
}

/// The optimal discriminator D*(x) for densities `p` of the data and `q` of generated examples (proposition 1).
pub(super) fn optimal_discriminator(p: f64, q: f64) -> f64 {
    p / (p + q)
}

/// C(G) = max V(D, G) for densities on cells of width `dx` (theorem 1).
pub(super) fn criterion(p: &[f64], q: &[f64], dx: f64) -> f64 {
    let part = |a: f64, b: f64| if a > 0.0 { a * (a / (a + b)).ln() } else { 0.0 };
    p.iter().zip(q).map(|(&p, &q)| part(p, q) + part(q, p)).sum::<f64>() * dx
}

/// Checks each statement of the theory and draws the figures.
pub fn theory(context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let mut table = ResultTable::new(&["statement", ">found", ">bound", "holds"]);
    let mut row = |statement: &str, found: f64, bound: f64, holds: bool| {
        let word = if holds { "yes" } else { "no" };
        table.push([statement.into(), format!("{found:.3e}"), format!("{bound:.0e}"), word.into()]);
        json!({ "statement": statement, "found": found, "bound": bound, "holds": holds })
    };
    let mut values = Vec::new();
    let pairs = random_pairs();
    let least = pairs.iter().map(|(p, q)| criterion(p, q, 1.0) - MINIMUM).fold(f64::INFINITY, f64::min);
    values.push(row("C(G) + log 4, least of 1000 random pairs", least, 0.0, least > 0.0));
    let same = pairs.iter().map(|(p, _)| (criterion(p, p, 1.0) - MINIMUM).abs()).fold(0.0, f64::max);
    values.push(row("C(G) + log 4 where q = p, largest", same, 1e-9, same < 1e-9));
    let twice = pairs
        .iter()
        .map(|(p, q)| (criterion(p, q, 1.0) - MINIMUM - 2.0 * jensen_shannon(p, q)).abs())
        .fold(0.0, f64::max);
    values.push(row("C(G) against -log 4 + 2 JS, largest difference", twice, 1e-9, twice < 1e-9));
    let lopsided = pairs.iter().map(|(p, q)| (kl(p, q) - kl(q, p)).abs()).fold(f64::INFINITY, f64::min);
    values.push(row("|KL(p,q) - KL(q,p)|, least: KL has a direction", lopsided, 0.0, lopsided > 0.0));
    let sum = zero_sum();
    values.push(row("L(G) + fake part of L(D), largest: the game is zero-sum", sum, 1e-6, sum < 1e-6));
    let (path, left) = descend();
    values.push(row("C(G) + log 4 after descent over densities", left, 1e-6, left < 1e-6));
    let series = vec![PlotSeries::new("C(G) + log 4", path)];
    let plot = Plot {
        title: "Descent over densities reaches -log 4".into(),
        log_x: false,
        log_y: true,
        x_label: "step".into(),
        y_label: "C(G) + log 4".into(),
        series,
    };
    (context.save)("descent.png", &plot.png())?;
    (context.save)("descent.svg", plot.svg().as_bytes())?;
    (context.progress)("training a discriminator against a fixed generator");
    let error = largest_discriminator_error(context)?;
    values.extend(error.map(|error| row("D against p/(p+q), largest error", error, 0.03, error < 0.03)));
    let notes = vec![
        "at the equilibrium D is 1/2 everywhere: its loss is 2 ln 2 = 1.386 (0.693 if the two halves are averaged), that of G is ln 2 = 0.693"
            .to_owned(),
        "the proof changes densities; training changes weights, which can circle around the equilibrium: cargo xtask lab dirac".to_owned(),
    ];
    let stopped = error.is_none();
    let values = json!({ "lab": "theory", "statements": values, "stopped": stopped });
    Ok(LabResults { table, notes, values, stopped })
}

/// Trains a discriminator on two known Gaussians and returns D(x) at the points `at`; `None` if the user stopped it.
fn trained_discriminator(at: &[f64], context: &mut LabContext<'_>) -> Result<Option<Vec<f64>>, LabError> {
    let family = Discriminator::Mlp { hidden: vec![64, 64], fourier_features: 0 };
    let network = family.network(&[1], DiscriminatorOptions::default())?;
    let optimizer = Optimizer::adam(3e-3, 0.9, 0.999);
    let (mut store, mut programs) = (Store::default(), Vec::new());
    let trainable = Trainable::new(&mut store, "discriminator", network.initial_weights(1, 1), &optimizer);
    let mut step = StepGraph::new("discriminator step", optimizer, Schedule::Linear { from: 0.3, to: 0.0 });
    let g = &mut step.program.graph;
    let bound = network.bind(g, trainable.weights);
    let mut drawn = |stream, (mean, deviation): (f64, f64)| {
        let z = g.random(stream, Distribution::Normal, &[BATCH, 1]);
        g.affine(z, deviation as f32, mean as f32)
    };
    let (real, fake) = (drawn(1, REAL), drawn(2, FAKE));
    let mut score = |x: NodeId| network.trace(g, &bound, x, Mode::Train).output();
    let (real, fake) = (score(real), score(fake));
    let loss = Loss::Minimax.discriminator(g, real, fake);
    step.minimize(loss, &bound, &trainable);
    let step = step.plan(&mut programs, false);
    let mut evaluation = ProgramGraph::new("discriminator");
    let x = evaluation.input("x", &[at.len(), 1]);
    let g = &mut evaluation.graph;
    let bound = network.bind(g, trainable.weights);
    let scores = network.trace(g, &bound, x.node(), Mode::Train).output();
    let probability = g.unary(Unary::Sigmoid, scores);
    let probability = evaluation.output(probability);
    let evaluation = evaluation.plan(&mut programs, false);
    let mut cpu = Cpu::new(context.threads);
    cpu.load(programs, store);
    for i in 0..STEPS {
        if (context.stop)() {
            return Ok(None);
        }
        step.run(&mut cpu, step.program.values(), Progress::of(1, i, STEPS))?;
    }
    let points: Vec<f32> = at.iter().map(|x| *x as f32).collect();
    let mut values = evaluation.values();
    values.set(x, &points);
    evaluation.run(&mut cpu, &values, Clock { seed: 1, step: 0 })?;
    Ok(Some(evaluation.read(&cpu, probability).iter().map(|v| f64::from(*v)).collect()))
}

/// Largest error of a trained discriminator against p/(p+q) where the densities are not small; `None` if the user stopped it.
fn largest_discriminator_error(context: &mut LabContext<'_>) -> Result<Option<f64>, LabError> {
    let at: Vec<_> = (0..241).map(|i| f64::from(i as f32 * 0.025 - 3.0)).collect();
    let Some(learned) = trained_discriminator(&at, context)? else { return Ok(None) };
    let (p, q) = (|x: &f64| normal(*x, REAL), |x: &f64| normal(*x, FAKE));
    let line = |name: &str, f: &dyn Fn(usize) -> f64| {
        PlotSeries::new(name, at.iter().enumerate().map(|(i, x)| (*x, f(i))).collect())
    };
    let plot = Plot {
        title: "The best discriminator against a fixed generator".into(),
        x_label: "x".into(),
        y_label: "density, D".into(),
        series: vec![
            line("p data", &|i| p(&at[i])),
            line("q generated", &|i| q(&at[i])),
            line("D trained", &|i| learned[i]),
            line("D* = p/(p+q)", &|i| optimal_discriminator(p(&at[i]), q(&at[i]))),
        ],
        ..Plot::default()
    };
    (context.save)("dstar.png", &plot.png())?;
    (context.save)("dstar.svg", plot.svg().as_bytes())?;
    let errors = at.iter().zip(&learned).filter(|(x, _)| p(x) + q(x) > 0.04);
    Ok(Some(errors.map(|(x, d)| (d - optimal_discriminator(p(x), q(x))).abs()).fold(0.0, f64::max)))
}

/// Random pairs of distributions, similar and dissimilar.
fn random_pairs() -> Vec<(Vec<f64>, Vec<f64>)> {
    let distribution = |stream: u32, pair: usize| {
        let mut values = [0.0; OUTCOMES];
        Key { seed: 4, stream, step: pair as u64 }.normal(&mut values);
        let mass = values.map(|v| (2.0 * f64::from(v)).exp());
        let sum: f64 = mass.iter().sum();
        mass.iter().map(|m| m / sum).collect::<Vec<_>>()
    };
    (0..PAIRS).map(|i| (distribution(1, i), distribution(2, i))).collect()
}

/// Jensen-Shannon divergence by its definition: the mean of two Kullback-Leibler divergences to the mean distribution.
fn jensen_shannon(p: &[f64], q: &[f64]) -> f64 {
    let mean: Vec<_> = p.iter().zip(q).map(|(p, q)| 0.5 * (p + q)).collect();
    0.5 * (kl(p, &mean) + kl(q, &mean))
}

/// Largest |generator loss + generated part of the discriminator loss| over random scores, with the losses that training uses.
fn zero_sum() -> f64 {
    let mut worst = 0.0f64;
    for step in 0..200 {
        let mut scores = [0.0; 8];
        Key { seed: 5, stream: 1, step }.normal(&mut scores);
        let mut g = Graph::default();
        let (real, fake) = (g.input("real", &[4, 1]), g.input("fake", &[4, 1]));
        let (discriminator, generator) =
            (Loss::Minimax.discriminator(&mut g, real, fake), Loss::Minimax.generator(&mut g, real, fake));
        let wide = |v: &[f32]| v.iter().map(|v| 4.0 * f64::from(*v)).collect::<Vec<_>>();
        let mut feeds = Feeds::default();
        feeds.values.insert(real, wide(&scores[..4]));
        feeds.values.insert(fake, wide(&scores[4..]));
        let all = interpret(&g, &feeds);
        // Subtracting the part of real examples leaves the part of generated ones.
        let of_real = wide(&scores[..4]).iter().map(|s| (1.0 + (-s).exp()).ln()).sum::<f64>() / 4.0;
        worst = worst.max((all[generator.index()][0] + all[discriminator.index()][0] - of_real).abs());
    }
    worst
}

/// Minimizes C(G) over the density itself; returns the curve and the final distance from -log 4.
fn descend() -> (Vec<(f64, f64)>, f64) {
    let (p, mut q) = random_pairs().swap_remove(0);
    let mut path = Vec::new();
    for step in 0..4000 {
        if step % 10 == 0 {
            path.push((f64::from(step), criterion(&p, &q, 1.0) - MINIMUM));
        }
        // ∂C/∂q = log(q/(p+q)); the multiplicative step keeps q a density.
        q.iter_mut().zip(&p).for_each(|(q, p)| *q *= (-0.05 * (*q / (p + *q)).ln()).exp());
        let sum: f64 = q.iter().sum();
        q.iter_mut().for_each(|q| *q /= sum);
    }
    let left = criterion(&p, &q, 1.0) - MINIMUM;
    (path, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_of_the_theory_holds() {
        let mut kept = Vec::new();
        let mut context = LabContext {
            stop: &|| false,
            progress: &mut |_| {},
            save: &mut |name, _| {
                kept.push(name.to_owned());
                Ok(())
            },
            threads: 1,
        };
        let found = theory(&mut context).unwrap();
        assert_eq!(found.table.rows.len(), 7);
        assert!(found.table.rows.iter().all(|r| r[3] == "yes"), "{:?}", found.table);
        assert!(kept.contains(&"dstar.png".to_owned()));
        // Statements that need no training are checked even after an early stop.
        let mut context = LabContext { stop: &|| true, progress: &mut |_| {}, save: &mut |_, _| Ok(()), threads: 1 };
        let found = theory(&mut context).unwrap();
        assert!(found.stopped && found.table.rows.len() == 6 && found.values["stopped"] == true);
    }
}
