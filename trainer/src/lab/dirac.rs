//! The Dirac GAN (Mescheder et al. 2018) shows which methods converge: all data is at 0, the generator is a point, the
//! discriminator a slope.
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::draw::{Plot, PlotSeries};
use crate::graph::{Distribution, Feeds, Graph, NodeId, interpret};
use crate::loss::Loss;
use crate::optim::{Moments, Optimizer, OptimizerKind, Scalars};
use crate::regularize::{Regularizer, clipped, consensus};
use serde_json::json;

/// Number of steps of each method.
const STEPS: u64 = 1000;
/// Initial point of the generator and slope of the discriminator.
const START: [f64; 2] = [1.0, 1.0];
/// Batch size; only instance noise makes the examples differ.
const BATCH: usize = 64;
/// Points of a curve in the figure.
const DRAWN: u64 = 300;

/// A training method for the Dirac GAN.
struct DiracMethod {
    name: &'static str,
    loss: Loss,
    regularizer: Regularizer,
    optimizer: Optimizer,
    /// Standard deviation of the instance noise.
    noise: f32,
}

const fn optimizer(kind: OptimizerKind, learning_rate: f32, momentum: f32) -> Optimizer {
    Optimizer { kind, learning_rate, generator_learning_rate: None, momentum, beta1: 0.0, beta2: 0.99, epsilon: 1e-8 }
}

const SGD: Optimizer = optimizer(OptimizerKind::Sgd, 0.1, 0.0);

const fn method(name: &'static str, loss: Loss, regularizer: Regularizer) -> DiracMethod {
    DiracMethod { name, loss, regularizer, optimizer: SGD, noise: 0.0 }
}

const NONE: Regularizer = Regularizer::None;

fn methods() -> Vec<DiracMethod> {
    let plain = |optimizer| DiracMethod { optimizer, ..method("", Loss::NonSaturating, NONE) };
    vec![
        method("minimax", Loss::Minimax, NONE),
        method("non-saturating", Loss::NonSaturating, NONE),
        method("wasserstein", Loss::Wasserstein, NONE),
        method("wasserstein, clipped", Loss::Wasserstein, Regularizer::Clip { limit: 1.0 }),
        method(
            "wasserstein, penalty",
            Loss::Wasserstein,
            Regularizer::GradientPenalty { lambda: 1.0, target: 1.0, one_sided: false },
        ),
        DiracMethod { name: "momentum 0.5", ..plain(optimizer(OptimizerKind::Sgd, 0.1, 0.5)) },
        DiracMethod { name: "adam", ..plain(Optimizer { beta1: 0.5, ..optimizer(OptimizerKind::Adam, 0.01, 0.0) }) },
        method("least squares", Loss::LeastSquares, NONE),
        method("r1", Loss::NonSaturating, Regularizer::R1 { gamma: 1.0, every: 1 }),
        method("r2", Loss::NonSaturating, Regularizer::R2 { gamma: 1.0, every: 1 }),
        method("relativistic, r1 and r2", Loss::Relativistic, Regularizer::R1R2 { gamma: 1.0, every: 1 }),
        method("consensus", Loss::NonSaturating, Regularizer::Consensus { weight: 2.0 }),
        DiracMethod { name: "noise", noise: 1.0, ..method("", Loss::NonSaturating, NONE) },
        DiracMethod {
            name: "adam, r1",
            optimizer: Optimizer { beta1: 0.5, ..optimizer(OptimizerKind::Adam, 0.01, 0.0) },
            ..method("", Loss::NonSaturating, Regularizer::R1 { gamma: 1.0, every: 1 })
        },
    ]
}

/// The update of one network as a graph, with everything that it reads as an input.
struct UpdateGraph {
    graph: Graph,
    inputs: Vec<NodeId>,
    new: NodeId,
    moments: Moments<NodeId>,
}

impl DiracMethod {
    fn update_graph(&self, generator: bool) -> UpdateGraph {
        let mut g = Graph::default();
        let names = ["theta", "slope", "mean", "square", "rate", "mean correction", "square correction"];
        let inputs: Vec<_> = names.iter().map(|n| g.input(*n, &[])).collect();
        let (place, slope) = (g.reshape(inputs[0], &[1, 1]), g.reshape(inputs[1], &[1, 1]));
        let all = crate::graph::Shape::new(&[BATCH, 1]);
        let (mut real, mut fake) = (g.full(0.0, all), g.broadcast(place, all));
        if self.noise > 0.0 {
            for (x, stream) in [(&mut real, 1), (&mut fake, 2)] {
                let noise = g.random(stream, Distribution::Normal, &[BATCH, 1]);
                let noise = g.affine(noise, self.noise, 0.0);
                *x = g.add(*x, noise);
            }
        }
        let (r, f) = (g.matmul(real, slope), g.matmul(fake, slope));
        let mut discriminator_loss = self.loss.discriminator(&mut g, r, f);
        if let Some(penalty) = self.regularizer.penalty(&mut g, real, fake, |g, x| g.matmul(x, slope)) {
            discriminator_loss = g.add(discriminator_loss, penalty);
        }
        let generator_loss = self.loss.generator(&mut g, r, f);
        let (mut total, at) = if generator { (generator_loss, place) } else { (discriminator_loss, slope) };
        if let Regularizer::Consensus { weight } = self.regularizer {
            let gradients = [g.grad(discriminator_loss, &[slope])[0], g.grad(generator_loss, &[place])[0]];
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
        UpdateGraph { graph: g, inputs, new, moments }
    }

    /// The pair (generator's point, discriminator's slope) after each step. The discriminator is updated first.
    fn trajectory(&self) -> Vec<[f64; 2]> {
        let steps = [self.update_graph(false), self.update_graph(true)];
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

/// Distance from the equilibrium.
fn radius(at: &[f64; 2]) -> f64 {
    at[0].hypot(at[1])
}

/// Largest distance from the equilibrium over the last tenth of the steps.
fn tail(path: &[[f64; 2]]) -> f64 {
    path[path.len() * 9 / 10..].iter().map(radius).fold(0.0, f64::max)
}

/// How a trajectory ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    StandsStill,
    Converges,
    ConvergesSlowly,
    Circles,
    Diverges,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::StandsStill => "stands still",
            Self::Converges => "converges",
            Self::ConvergesSlowly => "converges slowly",
            Self::Circles => "circles",
            Self::Diverges => "diverges",
        }
    }
}

fn verdict(path: &[[f64; 2]]) -> Verdict {
    let start = radius(&START);
    let last = &path[path.len() * 9 / 10..];
    let moved = last.windows(2).map(|p| (p[1][0] - p[0][0]).hypot(p[1][1] - p[0][1])).fold(0.0, f64::max);
    match tail(path) {
        far if moved < 1e-6 && far > 0.05 * start => Verdict::StandsStill,
        far if far < 0.05 * start => Verdict::Converges,
        far if far < 0.5 * start => Verdict::ConvergesSlowly,
        far if far < 3.0 * start => Verdict::Circles,
        _ => Verdict::Diverges,
    }
}

/// Runs every method and draws the trajectories.
///
/// # Errors
/// When a figure cannot be written.
pub fn dirac(context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let mut table = ResultTable::new(&["method", "optimizer", ">distance at 100", ">at 1000", "verdict"]);
    let (mut values, mut circling, mut converging) = (Vec::new(), Vec::new(), Vec::new());
    let mut stopped = false;
    for method in methods() {
        if (context.stop)() {
            stopped = true;
            break;
        }
        (context.progress)(method.name);
        let path = method.trajectory();
        let verdict = verdict(&path);
        table.push([
            method.name.into(),
            format!("{:?} {}", method.optimizer.kind, method.optimizer.learning_rate).to_lowercase(),
            format!("{:.4}", radius(&path[100])),
            format!("{:.4}", tail(&path)),
            verdict.name().into(),
        ]);
        values
            .push(json!({ "method": method.name, "at_100": radius(&path[100]), "at_1000": tail(&path), "verdict": verdict.name() }));
        let drawn: Vec<_> = path.iter().step_by((STEPS / DRAWN) as usize).map(|p| (p[0], p[1])).collect();
        let list = if verdict == Verdict::Converges { &mut converging } else { &mut circling };
        list.push(PlotSeries::new(method.name, drawn));
    }
    for (name, title, series) in [
        ("circling", "Methods that do not converge on the Dirac GAN", circling),
        ("converging", "Methods that converge on the Dirac GAN", converging),
    ] {
        let plot = Plot {
            title: title.into(),
            x_label: "generator's point (the data is at 0)".into(),
            y_label: "discriminator's slope".into(),
            series,
            ..Plot::default()
        };
        (context.save)(&format!("{name}.png"), &plot.image(720, 640).png())?;
        (context.save)(&format!("{name}.svg"), plot.svg().as_bytes())?;
    }
    let notes = vec![
        format!(
            "{STEPS} steps from (1, 1), discriminator first; the only equilibrium is (0, 0) (Mescheder et al. 2018); at 1000: the largest distance over the last 100 steps"
        ),
        "\"converges\" means to less than 5 % of the initial distance; methods without a named loss use the non-saturating one".to_owned(),
    ];
    Ok(LabResults { table, notes, values: json!({ "lab": "dirac", "methods": values, "stopped": stopped }), stopped })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn penalties_and_noise_converge_and_plain_losses_circle() {
        for method in methods() {
            let (path, name) = (method.trajectory(), method.name);
            let far = tail(&path) / radius(&START);
            match name {
                "minimax" | "wasserstein" | "wasserstein, clipped" | "wasserstein, penalty" | "momentum 0.5" => {
                    assert!(far > 0.5 && verdict(&path) == Verdict::Circles, "{name}: {far}");
                }
                // A slope without an offset cannot output 1 at 0. It becomes flat, and all gradients vanish.
                "least squares" => assert!(far > 0.5 && verdict(&path) == Verdict::StandsStill, "{name}: {far}"),
                // Gradients and steps shrink: approaching the equilibrium, but not converged.
                "non-saturating" | "adam" => assert!(far > 0.05 && far < 1.0, "{name}: {far}"),
                // Fluctuates with the instance noise.
                "noise" => assert!(far > 0.005 && far < 0.05, "{name}: {far}"),
                "r1" | "r2" | "relativistic, r1 and r2" | "consensus" | "adam, r1" => {
                    assert!(far < 0.001, "{name}: {far}")
                }
                _ => panic!("{name} has no expectation here"),
            }
        }
    }
}
