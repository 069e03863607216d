//! Optimizers, whose updates are nodes of the training step, and learning-rate schedules.
use crate::graph::{Graph, NodeId, ParamId, Unary};
use serde::{Deserialize, Serialize};

/// Update rule of an optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Adam (Kingma & Ba 2015, algorithm 1).
    #[default]
    Adam,
    /// Adam with the largest second moment so far in the denominator (Reddi et al. 2018, algorithm 2).
    Amsgrad,
    /// The gradient divided by the root of its mean square (Tieleman & Hinton 2012).
    Rmsprop,
    /// Gradient descent, with `momentum` if it is not 0 (Polyak 1964).
    Sgd,
}

/// An optimizer and its hyperparameters; both networks use the same kind.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// Update rule.
    #[serde(default)]
    pub kind: OptimizerKind,
    /// Learning rate at the start of the run.
    pub learning_rate: f32,
    /// Learning rate of the generator if it differs from the discriminator's (Heusel et al. 2017).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_learning_rate: Option<f32>,
    /// Momentum of gradient descent: the factor on the last update when it is added to the next one.
    #[serde(default)]
    pub momentum: f32,
    /// Decay rate of the first moment (β₁); 0 works well with relativistic losses.
    #[serde(default)]
    pub beta1: f32,
    /// Decay rate of the second moment (β₂).
    #[serde(default = "beta2")]
    pub beta2: f32,
    /// Added to the denominator to avoid a division by zero (ε).
    #[serde(default = "epsilon")]
    pub epsilon: f32,
}

fn beta2() -> f32 {
    0.99
}

fn epsilon() -> f32 {
    1e-8
}

/// Parameters of an update that change from step to step. `T` is `f32` for values, and a node or an input in a graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scalars<T> {
    /// Learning rate of this update.
    pub learning_rate: T,
    /// Bias correction of the first moment, 1/(1-β₁^t); 1 for kinds without bias correction.
    pub first_correction: T,
    /// Bias correction of the second moment, 1/(1-β₂^t); 1 for kinds without bias correction.
    pub second_correction: T,
}

impl<T> Scalars<T> {
    /// Applies `f` to each scalar, in the order of the fields.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Scalars<U> {
        Scalars {
            learning_rate: f(self.learning_rate),
            first_correction: f(self.first_correction),
            second_correction: f(self.second_correction),
        }
    }
}

/// Optimizer state of one vector of weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments<T> {
    /// First moment: the decaying mean of the gradient. With momentum, the last update.
    pub first: T,
    /// Second moment: the decaying mean of the squared gradient.
    pub second: T,
    /// Largest bias-corrected second moment so far, for [`OptimizerKind::Amsgrad`].
    pub max_second: Option<T>,
}

impl Optimizer {
    /// Adam with the given learning rate and decay rates, for both networks.
    pub const fn adam(learning_rate: f32, beta1: f32, beta2: f32) -> Self {
        let (kind, momentum, epsilon) = (OptimizerKind::Adam, 0.0, 1e-8);
        Self { kind, learning_rate, generator_learning_rate: None, momentum, beta1, beta2, epsilon }
    }

    /// Learning rate of the generator at the start of the run.
    pub fn generator_rate(&self) -> f32 {
        self.generator_learning_rate.unwrap_or(self.learning_rate)
    }

    /// Multiplies the learning rates of both networks by `factor`.
    pub fn scale_learning_rates(&mut self, factor: f32) {
        self.learning_rate *= factor;
        self.generator_learning_rate = self.generator_learning_rate.map(|rate| rate * factor);
    }

    /// Scalars of update number `t`, counted from 1, at the given learning rate.
    pub fn scalars(&self, t: u64, learning_rate: f32) -> Scalars<f32> {
        let corrects = matches!(self.kind, OptimizerKind::Adam | OptimizerKind::Amsgrad);
        let correction = |beta: f32| if corrects { (1.0 / (1.0 - f64::from(beta).powf(t as f64))) as f32 } else { 1.0 };
        Scalars { learning_rate, first_correction: correction(self.beta1), second_correction: correction(self.beta2) }
    }

    /// Whether the optimizer keeps [`Moments::max_second`].
    pub fn keeps_max_second(&self) -> bool {
        self.kind == OptimizerKind::Amsgrad
    }

    /// Appends one update to the graph and returns the new weights and moments; assigns nothing.
    pub fn step(
        &self,
        g: &mut Graph,
        weights: NodeId,
        gradient: NodeId,
        moments: Moments<NodeId>,
        scalars: Scalars<NodeId>,
    ) -> (NodeId, Moments<NodeId>) {
        let blend = |g: &mut Graph, old: NodeId, new: NodeId, beta: f32| {
            let (old, new) = (g.affine(old, beta, 0.0), g.affine(new, 1.0 - beta, 0.0));
            g.add(old, new)
        };
        let mut next = moments;
        let direction = match self.kind {
            OptimizerKind::Sgd => {
                let kept = g.affine(moments.first, self.momentum, 0.0);
                next.first = g.add(kept, gradient);
                next.first
            }
            OptimizerKind::Rmsprop => {
                let squared = g.square(gradient);
                next.second = blend(g, moments.second, squared, self.beta2);
                let denominator = root(g, next.second, self.epsilon);
                g.div(gradient, denominator)
            }
            OptimizerKind::Adam | OptimizerKind::Amsgrad => {
                next.first = blend(g, moments.first, gradient, self.beta1);
                let squared = g.square(gradient);
                next.second = blend(g, moments.second, squared, self.beta2);
                let first = g.mul(next.first, scalars.first_correction);
                let mut second = g.mul(next.second, scalars.second_correction);
                if let Some(max) = moments.max_second {
                    let excess = g.sub(second, max);
                    let excess = g.unary(Unary::Leaky(0.0), excess);
                    second = g.add(max, excess);
                    next.max_second = Some(second);
                }
                let denominator = root(g, second, self.epsilon);
                g.div(first, denominator)
            }
        };
        let step = g.mul(direction, scalars.learning_rate);
        (g.sub(weights, step), next)
    }

    /// Reads the stored moments of `len` weights.
    pub fn read(g: &mut Graph, moments: Moments<ParamId>, len: usize) -> Moments<NodeId> {
        Moments {
            first: g.param(moments.first, &[len]),
            second: g.param(moments.second, &[len]),
            max_second: moments.max_second.map(|p| g.param(p, &[len])),
        }
    }

    /// Stores the weights and moments that [`Optimizer::step`] returned.
    pub fn assign(
        g: &mut Graph,
        (param, weights): (ParamId, NodeId),
        (moments, values): (Moments<ParamId>, Moments<NodeId>),
    ) {
        // Moments that the optimizer does not use are not assigned: assigning an entry to itself would cost a copy.
        for (to, value) in [
            (Some(moments.first), Some(values.first)),
            (Some(moments.second), Some(values.second)),
            (moments.max_second, values.max_second),
        ] {
            if let (Some(to), Some(value)) = (to, value)
                && !matches!(g.node(value).op, crate::graph::Op::Param(_))
            {
                g.assign(to, value);
            }
        }
        g.assign(param, weights);
    }
}

/// √x + ε.
fn root(g: &mut Graph, x: NodeId, epsilon: f32) -> NodeId {
    let root = g.unary(Unary::Sqrt, x);
    g.affine(root, 1.0, epsilon)
}

/// Learning-rate schedule: a factor on the learning rate that depends on the progress of the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "kind")]
pub enum Schedule {
    /// Always 1.
    Constant,
    /// 1 up to the fraction `from` of the run, then linear to `to`.
    Linear {
        /// Fraction of the run after which the factor begins to fall, 0 to 1.
        from: f32,
        /// Factor at the end of the run.
        to: f32,
    },
    /// Half a cosine from 1 to `to` over the whole run (Loshchilov & Hutter 2017, without restarts).
    Cosine {
        /// Factor at the end of the run.
        to: f32,
    },
}

impl Schedule {
    /// Factor at `step` of `steps`.
    pub fn factor(self, step: u64, steps: u64) -> f32 {
        let at = step as f64 / steps.max(1) as f64;
        (match self {
            Self::Constant => 1.0,
            Self::Linear { from, to } => {
                let part = ((at - f64::from(from)) / (1.0 - f64::from(from)).max(1e-9)).clamp(0.0, 1.0);
                1.0 + part * (f64::from(to) - 1.0)
            }
            Self::Cosine { to } => {
                let half = 0.5 * (1.0 + (std::f64::consts::PI * at.min(1.0)).cos());
                f64::from(to) + half * (1.0 - f64::from(to))
            }
        }) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_run_from_one_to_their_final_factor() {
        let linear = Schedule::Linear { from: 0.5, to: 0.1 };
        assert_eq!([0, 50, 75, 100].map(|s| linear.factor(s, 100)), [1.0, 1.0, 0.55, 0.1]);
        let cosine = Schedule::Cosine { to: 0.0 };
        assert_eq!(cosine.factor(0, 10), 1.0);
        assert!(cosine.factor(10, 10).abs() < 1e-7);
    }

    fn optimizer(kind: OptimizerKind) -> Optimizer {
        let (momentum, beta1, beta2, epsilon) = (0.5, 0.9, 0.99, 1e-8);
        Optimizer { kind, learning_rate: 0.1, generator_learning_rate: Some(0.2), momentum, beta1, beta2, epsilon }
    }

    #[test]
    fn bias_corrections_follow_the_paper() {
        let s = optimizer(OptimizerKind::Adam).scalars(1, 0.05);
        assert!((s.first_correction - 10.0).abs() < 1e-4 && (s.second_correction - 100.0).abs() < 1e-3);
        assert_eq!(s.learning_rate, 0.05);
        let sgd = optimizer(OptimizerKind::Sgd);
        let expected = Scalars { learning_rate: 0.2, first_correction: 1.0, second_correction: 1.0 };
        assert_eq!(sgd.scalars(1, sgd.generator_rate()), expected);
    }

    /// The weight after updates with the gradients 1, -2, 4, computed by the graph.
    fn final_weight(kind: OptimizerKind) -> f64 {
        use crate::graph::{Feeds, interpret};
        let optimizer = optimizer(kind);
        let (mut at, mut moments) = (1.0, [0.0; 3]);
        for (t, slope) in [1.0, -2.0, 4.0].into_iter().enumerate() {
            let mut g = Graph::default();
            let inputs: Vec<_> = (0..8).map(|i| g.input(format!("{i}"), &[])).collect();
            let max_second = optimizer.keeps_max_second().then_some(inputs[4]);
            let state = Moments { first: inputs[2], second: inputs[3], max_second };
            let nodes = Scalars { learning_rate: inputs[5], first_correction: inputs[6], second_correction: inputs[7] };
            let (new, next) = optimizer.step(&mut g, inputs[0], inputs[1], state, nodes);
            let s = optimizer.scalars(t as u64 + 1, optimizer.learning_rate);
            let scalars = [s.learning_rate, s.first_correction, s.second_correction].map(f64::from);
            let fed = [at, slope].into_iter().chain(moments).chain(scalars);
            let feeds =
                Feeds { values: inputs.iter().copied().zip(fed.map(|v| vec![v])).collect(), ..Feeds::default() };
            let values = interpret(&g, &feeds);
            at = values[new.index()][0];
            moments = [next.first, next.second, next.max_second.unwrap_or(inputs[4])].map(|n| values[n.index()][0]);
        }
        at
    }

    #[test]
    fn every_kind_follows_the_formulas_of_its_paper() {
        // Momentum: 1; -2 + 0.5; 4 - 0.75.
        assert!((final_weight(OptimizerKind::Sgd) - (1.0 - 0.1 * (1.0 - 1.5 + 3.25))).abs() < 1e-6);
        let (mut v, mut w) = (0.0, 1.0);
        for g in [1.0, -2.0, 4.0f64] {
            v = 0.99 * v + 0.01 * g * g;
            w -= 0.1 * g / v.sqrt();
        }
        assert!((final_weight(OptimizerKind::Rmsprop) - w).abs() < 1e-5);
        let adam = |peaks: bool| {
            let (mut m, mut v, mut peak, mut w) = (0.0, 0.0, 0.0f64, 1.0);
            for (t, g) in [1.0, -2.0, 4.0f64].into_iter().enumerate() {
                m = 0.9 * m + 0.1 * g;
                v = 0.99 * v + 0.01 * g * g;
                let square = v / (1.0 - 0.99f64.powi(t as i32 + 1));
                peak = square.max(peak);
                w -= 0.1 * m / (1.0 - 0.9f64.powi(t as i32 + 1)) / if peaks { peak } else { square }.sqrt();
            }
            w
        };
        assert!(
            (final_weight(OptimizerKind::Adam) - adam(false)).abs() < 1e-5
                && (final_weight(OptimizerKind::Amsgrad) - adam(true)).abs() < 1e-5
        );
    }
}
