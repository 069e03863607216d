//! The smallest GAN that does not converge: data at 0, a generator that is one point, a discriminator that is one slope.
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::draw::{Plot, PlotSeries};
use crate::graph::{Distribution, Feeds, Graph, NodeId, interpret};
use crate::loss::Loss;
use crate::optim::{Moments, Optimizer, OptimizerKind, Scalars};
use crate::regularize::{Regularizer, clipped, consensus};
use serde_json::json;

/// Steps of every method.
const STEPS: u64 = 1000;
/// Where generator and discriminator start.
const START: [f64; 2] = [1.0, 1.0];
/// Draws of noise.
const DRAWS: usize = 64;
/// Points of a portrait.
const DRAWN: u64 = 300;

/// A way to train.
struct Way {
    name: &'static str,
    loss: Loss,
    regularizer: Regularizer,
    optimizer: Optimizer,
    noise: f32,
}

const fn descent(kind: OptimizerKind, rate: f32, momentum: f32) -> Optimizer {
    Optimizer {
        kind,
        learning_rate: rate,
        generator_learning_rate: None,
        momentum,
        beta1: 0.0,
        beta2: 0.99,
        epsilon: 1e-8,
    }
}

const SGD: Optimizer = descent(OptimizerKind::Sgd, 0.1, 0.0);

const fn way(name: &'static str, loss: Loss, regularizer: Regularizer) -> Way {
    Way { name, loss, regularizer, optimizer: SGD, noise: 0.0 }
}

const NONE: Regularizer = Regularizer::None;

fn ways() -> Vec<Way> {
    let plain = |optimizer| Way { optimizer, ..way("", Loss::NonSaturating, NONE) };
    vec![
        way("minimax", Loss::Minimax, NONE),
        way("non-saturating", Loss::NonSaturating, NONE),
        way("wasserstein", Loss::Wasserstein, NONE),
        way("wasserstein, clipped", Loss::Wasserstein, Regularizer::Clip { limit: 1.0 }),
        way(
            "wasserstein, penalty",
            Loss::Wasserstein,
            Regularizer::GradientPenalty { lambda: 1.0, target: 1.0, one_sided: false },
        ),
        Way { name: "momentum 0.5", ..plain(descent(OptimizerKind::Sgd, 0.1, 0.5)) },
        Way { name: "adam", ..plain(Optimizer { beta1: 0.5, ..descent(OptimizerKind::Adam, 0.01, 0.0) }) },
        way("least squares", Loss::LeastSquares, NONE),
        way("r1", Loss::NonSaturating, Regularizer::R1 { gamma: 1.0, every: 1 }),
        way("r2", Loss::NonSaturating, Regularizer::R2 { gamma: 1.0, every: 1 }),
        way("relativistic, r1 and r2", Loss::Relativistic, Regularizer::R1R2 { gamma: 1.0, every: 1 }),
        way("consensus", Loss::NonSaturating, Regularizer::Consensus { weight: 2.0 }),
        Way { name: "noise", noise: 1.0, ..way("", Loss::NonSaturating, NONE) },
        Way {
            name: "adam, r1",
            optimizer: Optimizer { beta1: 0.5, ..descent(OptimizerKind::Adam, 0.01, 0.0) },
            ..way("", Loss::NonSaturating, Regularizer::R1 { gamma: 1.0, every: 1 })
        },
    ]
}

/// One player's step as a graph; everything it reads is an input.
struct Step {
    graph: Graph,
    inputs: Vec<NodeId>,
    new: NodeId,
    moments: Moments<NodeId>,
}

impl Way {
    fn step(&self, generator: bool) -> Step {
        let mut g = Graph::default();
        let names = ["theta", "slope", "mean", "square", "rate", "mean correction", "square correction"];
        let inputs: Vec<_> = names.iter().map(|n| g.input(*n, &[])).collect();
        let (place, slope) = (g.reshape(inputs[0], &[1, 1]), g.reshape(inputs[1], &[1, 1]));
        let all = crate::graph::Shape::new(&[DRAWS, 1]);
        let (mut real, mut fake) = (g.full(0.0, all), g.broadcast(place, all));
        if self.noise > 0.0 {
            for (x, stream) in [(&mut real, 1), (&mut fake, 2)] {
                let noise = g.random(stream, Distribution::Normal, &[DRAWS, 1]);
                let noise = g.affine(noise, self.noise, 0.0);
                *x = g.add(*x, noise);
            }
        }
        let (r, f) = (g.matmul(real, slope), g.matmul(fake, slope));
        let mut discriminator = self.loss.discriminator(&mut g, r, f);
        if let Some(penalty) = self.regularizer.penalty(&mut g, real, fake, |g, x| g.matmul(x, slope)) {
            discriminator = g.add(discriminator, penalty);
        }
        let gain = self.loss.generator(&mut g, r, f);
        let (mut total, at) = if generator { (gain, place) } else { (discriminator, slope) };
        if let Regularizer::Consensus { weight } = self.regularizer {
            let gradients = [g.grad(discriminator, &[slope])[0], g.grad(gain, &[place])[0]];
            let term = consensus(&mut g, gradients, weight);
            total = g.add(total, term);
        }
        let gradient = g.grad(total, &[at])[0];
        let gradient = g.reshape(gradient, &[]);
        let moments = Moments { first: inputs[2], second: inputs[3], max_second: None };
        let scalars = Scalars { learning_rate: inputs[4], first_correction: inputs[5], second_correction: inputs[6] };
        let (mut new, moments) =
            self.optimizer.step(&mut g, inputs[usize::from(!generator)], gradient, moments, scalars);
        if let (Regularizer::Clip { limit }, false) = (self.regularizer, generator) {
            new = clipped(&mut g, new, limit);
        }
        Step { graph: g, inputs, new, moments }
    }

    /// Where both are after each step, the discriminator moving first.
    fn walk(&self) -> Vec<[f64; 2]> {
        let steps = [self.step(false), self.step(true)];
        let (mut at, mut moments, mut path) = (START, [[0.0; 2]; 2], vec![START]);
        for t in 0..STEPS {
            for (player, step) in steps.iter().enumerate() {
                let s = self.optimizer.scalars(t + 1, self.optimizer.learning_rate);
                let [first, second] = moments[player];
                let scalars = [s.learning_rate, s.first_correction, s.second_correction].map(f64::from);
                let fed = at.into_iter().chain([first, second]).chain(scalars).map(|v| vec![v]);
                let feeds = Feeds {
                    values: step.inputs.iter().copied().zip(fed).collect(),
                    seed: 1,
                    step: 2 * t + player as u64,
                };
                let values = interpret(&step.graph, &feeds);
                let read = |id: NodeId| values[id.index()][0];
                at[1 - player] = read(step.new);
                moments[player] = [read(step.moments.first), read(step.moments.second)];
            }
            path.push(at);
        }
        path
    }
}

fn radius(at: &[f64; 2]) -> f64 {
    at[0].hypot(at[1])
}

/// How far apart the tail of a walk's steps still takes it: the largest distance from 0 over its last tenth.
fn tail(path: &[[f64; 2]]) -> f64 {
    path[path.len() * 9 / 10..].iter().map(radius).fold(0.0, f64::max)
}

fn verdict(path: &[[f64; 2]]) -> &'static str {
    let start = radius(&START);
    let last = &path[path.len() * 9 / 10..];
    let moved = last.windows(2).map(|p| (p[1][0] - p[0][0]).hypot(p[1][1] - p[0][1])).fold(0.0, f64::max);
    match tail(path) {
        far if moved < 1e-6 && far > 0.05 * start => "stands still",
        far if far < 0.05 * start => "converges",
        far if far < 0.5 * start => "closes in, slowly",
        far if far < 3.0 * start => "circles",
        _ => "leaves",
    }
}

/// Walks every way and draws the portraits.
pub fn dirac(context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let mut table = ResultTable::new(&["method", "optimizer", ">distance at 100", ">at 1000", "verdict"]);
    let (mut values, mut stay, mut reach) = (Vec::new(), Vec::new(), Vec::new());
    let mut stopped = false;
    for way in ways() {
        if (context.stop)() {
            stopped = true;
            break;
        }
        (context.progress)(way.name);
        let path = way.walk();
        let word = verdict(&path);
        table.push([
            way.name.into(),
            format!("{:?} {}", way.optimizer.kind, way.optimizer.learning_rate).to_lowercase(),
            format!("{:.4}", radius(&path[100])),
            format!("{:.4}", tail(&path)),
            word.into(),
        ]);
        values
            .push(json!({ "method": way.name, "at_100": radius(&path[100]), "at_1000": tail(&path), "verdict": word }));
        let drawn: Vec<_> = path.iter().step_by((STEPS / DRAWN) as usize).map(|p| (p[0], p[1])).collect();
        let list = if word == "converges" { &mut reach } else { &mut stay };
        list.push(PlotSeries::new(way.name, drawn));
    }
    for (name, title, series) in [
        ("circling", "Methods that do not reach the Dirac GAN's equilibrium", stay),
        ("converging", "Methods that reach the Dirac GAN's equilibrium", reach),
    ] {
        let plot = Plot {
            title: title.into(),
            x_label: "generator's point; the data lie at 0".into(),
            y_label: "discriminator's slope".into(),
            series,
            ..Plot::default()
        };
        (context.save)(&format!("{name}.png"), &plot.image(720, 640).png())?;
        (context.save)(&format!("{name}.svg"), plot.svg().as_bytes())?;
    }
    let notes = vec![
        format!(
            "from (1, 1), discriminator first, {STEPS} steps; both players at 0 is the only equilibrium (Mescheder et al. 2018); at 1000: the largest distance of the last 100 steps"
        ),
        "\"converges\" means within a twentieth of the first distance; where no loss is named, it is the non-saturating one".to_owned(),
    ];
    Ok(LabResults { table, notes, values: json!({ "lab": "dirac", "methods": values, "stopped": stopped }), stopped })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn penalties_and_noise_converge_and_plain_games_circle() {
        for way in ways() {
            let (path, name) = (way.walk(), way.name);
            let far = tail(&path) / radius(&START);
            match name {
                "minimax" | "wasserstein" | "wasserstein, clipped" | "wasserstein, penalty" | "momentum 0.5" => {
                    assert!(far > 0.5 && verdict(&path) == "circles", "{name}: {far}");
                }
                // A slope without an offset cannot say 1 at 0: it becomes flat, and moves nobody.
                "least squares" => assert!(far > 0.5 && verdict(&path) == "stands still", "{name}: {far}"),
                // Dying gradients and shrinking steps: on the way, and not there.
                "non-saturating" | "adam" => assert!(far > 0.05 && far < 1.0, "{name}: {far}"),
                // Trembles in its own noise.
                "noise" => assert!(far > 0.005 && far < 0.05, "{name}: {far}"),
                "r1" | "r2" | "relativistic, r1 and r2" | "consensus" | "adam, r1" => {
                    assert!(far < 0.001, "{name}: {far}")
                }
                _ => panic!("{name} is not judged here"),
            }
        }
    }
}
