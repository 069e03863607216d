//! The published examples of SimpleChains.jl: LeNet-5 on digits, and a small network that approximates the exponential of a matrix.
//!
//! Layers, loss, optimizer and batch size are those of its authors' comparison with PyTorch (docs/SPEED.md).

use crate::failure::Failure;
use ganlet_trainer::evaluate::cross_entropy;
use ganlet_trainer::exec::cpu::Cpu;
use ganlet_trainer::exec::{Clock, Program, Store};
use ganlet_trainer::graph::{Graph, NodeId, Unary, Window};
use ganlet_trainer::nn::{Layer, Network};
use ganlet_trainer::optim::{Optimizer, Schedule};
use ganlet_trainer::philox::Key;
use ganlet_trainer::step::{Input, Output, PlannedProgram, ProgramGraph, Progress, Step, StepGraph, Trainable};
use serde::{Deserialize, Serialize};

/// Stream of the random examples of [`Example::synthetic`].
const EXAMPLES: u32 = 100;

/// A published example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Example {
    /// LeNet-5 for digits of 28x28 pixels.
    #[value(name = "lenet5")]
    LeNet5,
    /// A network 4-32-16-4 for the exponential of 2x2 matrices.
    #[value(name = "tinymlp")]
    TinyMlp,
}

impl Example {
    /// Name of the configuration in `bench host`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LeNet5 => "lenet5",
            Self::TinyMlp => "tinymlp",
        }
    }

    /// The example whose configuration has this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::LeNet5, Self::TinyMlp].into_iter().find(|example| example.name() == name)
    }

    /// Published batch size: 16 images for each of the 36 logical processors of the authors' machine; all matrices.
    pub(crate) fn batch(self) -> usize {
        match self {
            Self::LeNet5 => 576,
            Self::TinyMlp => 10_000,
        }
    }

    /// Shape of an input.
    fn input(self) -> &'static [usize] {
        match self {
            Self::LeNet5 => &[28, 28, 1],
            Self::TinyMlp => &[4],
        }
    }

    /// Numbers of an input, and of an output.
    pub(crate) fn lens(self) -> (usize, usize) {
        (self.input().iter().product(), if self == Self::LeNet5 { 10 } else { 4 })
    }

    fn optimizer(self) -> Optimizer {
        Optimizer::adam(if self == Self::LeNet5 { 3e-4 } else { 1e-3 }, 0.9, 0.999)
    }

    /// The layers with weights.
    fn network(self) -> Network {
        let layers = match self {
            Self::LeNet5 => vec![
                Layer::conv(1, 6, (5, 1, 0)),
                Layer::conv(6, 16, (5, 1, 0)),
                Layer::dense(256, &[120]),
                Layer::dense(120, &[84]),
                Layer::dense(84, &[10]),
            ],
            Self::TinyMlp => vec![Layer::dense(4, &[32]), Layer::dense(32, &[16]), Layer::dense(16, &[4])],
        };
        Network::new(self.name(), self.input(), layers).glorot()
    }

    /// Appends the network for the inputs `x`, with these weights and biases.
    fn output(self, g: &mut Graph, tensors: &[NodeId], x: NodeId) -> NodeId {
        let (mut x, layers) = (x, tensors.len() / 2);
        for (i, pair) in tensors.chunks_exact(2).enumerate() {
            g.enter(format!("{} layer {i}", self.name()));
            let &[weight, bias] = pair else { unreachable!("chunks of two") };
            let is_conv = g.shape(weight).rank() == 4;
            let product = if is_conv {
                g.conv(x, weight, Window { kernel: 5, stride: 1, pad: 0 })
            } else {
                let (batch, inputs) = (g.shape(x).dims()[0], g.shape(weight).dims()[0]);
                let rows = g.reshape(x, &[batch, inputs]);
                g.matmul(rows, weight)
            };
            x = g.add(product, bias);
            if i + 1 < layers {
                x = g.unary(if self == Self::LeNet5 { Unary::Leaky(0.0) } else { Unary::Tanh }, x);
            }
            if is_conv {
                x = max_pool(g, x);
            }
        }
        x
    }

    /// Mean cross-entropy, or mean squared error.
    fn loss(self, g: &mut Graph, output: NodeId, targets: NodeId) -> NodeId {
        if self == Self::LeNet5 {
            return cross_entropy(g, output, targets);
        }
        let error = g.sub(output, targets);
        let squares = g.square(error);
        g.mean(squares)
    }

    /// `count` random examples, the same for equal arguments: uniform pixels with uniform classes, or normal matrices with
    /// their exponentials.
    pub(crate) fn synthetic(self, count: usize, seed: u64) -> Examples {
        let key = Key { seed, stream: EXAMPLES, step: 0 };
        let (input, output) = self.lens();
        let mut inputs = vec![0.0; count * input];
        let mut targets = vec![0.0; count * output];
        match self {
            Self::LeNet5 => {
                key.uniform(&mut inputs);
                let classes = Key { step: 1, ..key };
                for (i, target) in targets.chunks_exact_mut(output).enumerate() {
                    target[classes.below(i as u32, output)] = 1.0;
                }
            }
            Self::TinyMlp => {
                key.normal(&mut inputs);
                for (matrix, target) in inputs.chunks_exact(4).zip(targets.chunks_exact_mut(4)) {
                    target.copy_from_slice(&exponential([matrix[0], matrix[1], matrix[2], matrix[3]]));
                }
            }
        }
        Examples { inputs, targets }
    }
}

/// Inputs with their targets, one after the other. The target of a class is one-hot.
pub(crate) struct Examples {
    pub(crate) inputs: Vec<f32>,
    pub(crate) targets: Vec<f32>,
}

/// Maxima of squares of 2x2 pixels, of an image with an even number of rows and columns.
fn max_pool(g: &mut Graph, x: NodeId) -> NodeId {
    let &[batch, h, w, c] = g.shape(x).dims() else { panic!("pooling needs images") };
    let rows = larger_of_pairs(g, x, batch * h / 2, w * c);
    let pixels = larger_of_pairs(g, rows, batch * h / 2 * w / 2, c);
    g.reshape(pixels, &[batch, h / 2, w / 2, c])
}

/// The larger of each two neighboring runs of `len` numbers, number by number; the first if both are equal.
fn larger_of_pairs(g: &mut Graph, x: NodeId, pairs: usize, len: usize) -> NodeId {
    let x = g.reshape(x, &[pairs, 2, len]);
    let [first, second] = [0, 1].map(|i| g.slice(x, 1, i, 1));
    let difference = g.sub(second, first);
    g.select(difference, second, first)
}

/// Exponential of a 2x2 matrix: with half of the trace s and q² = -det(A - sI), e^s (cosh q · I + sinh q / q · (A - sI)).
fn exponential(matrix: [f32; 4]) -> [f32; 4] {
    let [a, b, c, d] = matrix.map(f64::from);
    let (half, difference) = ((a + d) / 2.0, (a - d) / 2.0);
    let square = difference * difference + b * c;
    let q = square.abs().sqrt();
    let (even, odd) = match square {
        _ if q < 1e-6 => (1.0, 1.0),
        s if s > 0.0 => (q.cosh(), q.sinh() / q),
        _ => (q.cos(), q.sin() / q),
    };
    [even + odd * difference, odd * b, odd * c, even - odd * difference].map(|v| (half.exp() * v) as f32)
}

/// What training took and learned.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Learned {
    #[serde(default)]
    pub(crate) by: String,
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
    /// Accuracy on the test set, or the mean squared error.
    pub(crate) measure: f64,
}

/// The network of an example in training.
pub(crate) struct ExampleTrainer {
    cpu: Cpu,
    step: Step,
    inputs: Input,
    targets: Input,
    loss: Output,
    scores: (PlannedProgram, Input, Output),
    updates: u64,
}

impl ExampleTrainer {
    /// Plans steps on `batch` examples.
    pub(crate) fn new(example: Example, batch: usize, threads: usize) -> Self {
        let (network, optimizer) = (example.network(), example.optimizer());
        let mut store = Store::default();
        let trainable = Trainable::new(&mut store, example.name(), network.initial_weights(1, 0), &optimizer);
        let dims: Vec<_> = std::iter::once(batch).chain(example.input().iter().copied()).collect();
        let mut programs: Vec<Program> = Vec::new();

        let mut step = StepGraph::new("training step", optimizer, Schedule::Constant);
        let inputs = step.program.input("inputs", &dims);
        let targets = step.program.input("targets", &[batch, example.lens().1]);
        let g = &mut step.program.graph;
        let bound = network.bind(g, trainable.weights);
        let output = example.output(g, &bound.tensors, inputs.node());
        g.enter("loss");
        let loss = example.loss(g, output, targets.node());
        step.minimize(loss, &bound, &trainable);
        let loss = step.program.output(loss);
        let step = step.plan(&mut programs, false);

        let mut scores = ProgramGraph::new("scores");
        let seen = scores.input("inputs", &dims);
        let bound = network.bind(&mut scores.graph, trainable.weights);
        let output = example.output(&mut scores.graph, &bound.tensors, seen.node());
        let output = scores.output(output);
        let scores = (scores.plan(&mut programs, false), seen, output);

        let mut cpu = Cpu::new(threads);
        cpu.load(programs, store);
        Self { cpu, step, inputs, targets, loss, scores, updates: 0 }
    }

    /// Trains one step on a batch, and returns its loss.
    pub(crate) fn update(&mut self, inputs: &[f32], targets: &[f32]) -> Result<f32, Failure> {
        let mut values = self.step.program.values();
        values.set(self.inputs, inputs).set(self.targets, targets);
        let progress = Progress::of(1, self.updates, u64::MAX);
        self.step.run(&mut self.cpu, values, progress).map_err(|e| Failure::failed(e.to_string()))?;
        self.updates += 1;
        Ok(self.step.program.scalar(&self.cpu, self.loss))
    }

    /// Outputs of the network for a batch of inputs.
    pub(crate) fn scores(&mut self, inputs: &[f32]) -> &[f32] {
        let (program, seen, output) = self.scores;
        let mut values = program.values();
        values.set(seen, inputs);
        program.run_unguarded(&mut self.cpu, &values, Clock { seed: 1, step: 0 });
        program.read(&self.cpu, output)
    }

    pub(crate) fn executor(&mut self) -> &mut Cpu {
        &mut self.cpu
    }

    /// Bytes of working memory and store.
    pub(crate) fn bytes(&self) -> usize {
        self.cpu.bytes() + self.cpu.store().bytes()
    }

    /// Floating-point operations of the products of a step.
    pub(crate) fn flops(&self) -> f64 {
        self.step.program.of(&self.cpu).plan.flops()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ganlet_trainer::graph::{Feeds, interpret};

    #[test]
    fn pooling_takes_the_largest_of_four_pixels_and_its_gradient_flows_to_that_pixel() {
        let mut g = Graph::default();
        let x = g.input("x", &[1, 2, 4, 2]);
        let pooled = max_pool(&mut g, x);
        let sum = g.sum(pooled);
        let gradient = g.grad(sum, &[x])[0];
        // Two rows of four pixels, each with two channels.
        let first_row = [1.0, -1.0, 4.0, -1.0, 2.0, -2.0, 2.0, -3.0];
        let second_row = [8.0, -4.0, 5.0, 0.0, 3.0, -1.5, 7.0, -1.0];
        let mut feeds = Feeds::default();
        feeds.values.insert(x, [first_row, second_row].concat());
        let values = interpret(&g, &feeds);
        assert_eq!(values[pooled.index()], [8.0, 0.0, 7.0, -1.0]);
        let largest = [[0.0; 8], [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]];
        assert_eq!(values[gradient.index()], largest.concat());
    }

    #[test]
    fn networks_have_the_published_number_of_weights() {
        assert_eq!([Example::LeNet5, Example::TinyMlp].map(|example| example.network().len()), [44_426, 756]);
    }

    #[test]
    fn exponentials_equal_the_sum_of_the_series() {
        for matrix in [[0.5, -1.0, 2.0, 0.25], [1.0, 2.0, 0.5, -1.0], [0.3, 0.0, 0.0, 0.3], [0.0; 4]] {
            let (mut term, mut sum) = ([1.0, 0.0, 0.0, 1.0], [0.0; 4]);
            for n in 1..30 {
                (0..4).for_each(|i| sum[i] += term[i]);
                let [a, b, c, d] = term;
                let [e, f, g, h] = matrix.map(f64::from);
                term = [a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h].map(|v| v / f64::from(n));
            }
            for (found, wanted) in exponential(matrix).iter().zip(sum) {
                assert!((f64::from(*found) - wanted).abs() < 1e-5, "{matrix:?}: {found}, not {wanted}");
            }
        }
    }
}
