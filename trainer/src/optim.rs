//! Optimizers as nodes of the step they belong to, and the schedules of their rates.
use crate::graph::{Graph, NodeId, ParamId, Unary};
use serde::{Deserialize, Serialize};

/// How a weight follows its gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Adam (Kingma & Ba 2015, algorithm 1).
    #[default]
    Adam,
    /// Adam with the largest denominator so far (Reddi et al. 2018, algorithm 2).
    Amsgrad,
    /// The gradient over the root of its mean square (Tieleman & Hinton 2012).
    Rmsprop,
    /// Gradient descent, with `momentum` if that is not 0 (Polyak 1964).
    Sgd,
}

/// An optimizer and its numbers; both networks have one of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// Which.
    #[serde(default)]
    pub kind: Kind,
    /// Step size at the start.
    pub learning_rate: f32,
    /// The generator's step size, where it is another (Heusel et al. 2017).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_learning_rate: Option<f32>,
    /// Part of the last step that gradient descent keeps.
    #[serde(default)]
    pub momentum: f32,
    /// Adam's memory of the mean gradient; 0 for none, as relativistic training likes it.
    #[serde(default)]
    pub beta1: f32,
    /// Memory of the mean squared gradient.
    #[serde(default = "beta2")]
    pub beta2: f32,
    /// Keeps the quotient finite.
    #[serde(default = "epsilon")]
    pub epsilon: f32,
}

fn beta2() -> f32 {
    0.99
}

fn epsilon() -> f32 {
    1e-8
}

/// Runtime scalars of one step, in the order in which the step's graph declares them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scalars {
    /// Step size now.
    pub learning_rate: f32,
    /// 1/(1-β1^t); 1 where the kind does not correct.
    pub mean_correction: f32,
    /// 1/(1-β2^t); 1 where the kind does not correct.
    pub square_correction: f32,
}

/// What an optimizer remembers of a network: mean gradient (or last step), mean square, largest mean square.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments<T> {
    /// Of the gradient.
    pub mean: T,
    /// Of its square.
    pub square: T,
    /// The largest `square` so far, for [`Kind::Amsgrad`].
    pub peak: Option<T>,
}

impl Optimizer {
    /// The scalars of update number `t` (from 1) at `factor` times the starting rate, for the generator or the discriminator.
    pub fn scalars(&self, t: u64, factor: f32, generator: bool) -> Scalars {
        let corrects = matches!(self.kind, Kind::Adam | Kind::Amsgrad);
        let correction = |beta: f32| if corrects { (1.0 / (1.0 - f64::from(beta).powf(t as f64))) as f32 } else { 1.0 };
        let learning_rate =
            if generator { self.generator_learning_rate.unwrap_or(self.learning_rate) } else { self.learning_rate };
        Scalars {
            learning_rate: learning_rate * factor,
            mean_correction: correction(self.beta1),
            square_correction: correction(self.beta2),
        }
    }

    /// Whether [`Moments::peak`] is needed.
    pub fn has_peak(&self) -> bool {
        self.kind == Kind::Amsgrad
    }

    /// The weights and moments behind one step, as nodes; nothing is assigned. `scalars` hold [`Scalars`].
    pub fn step(
        &self,
        g: &mut Graph,
        weights: NodeId,
        gradient: NodeId,
        moments: Moments<NodeId>,
        scalars: [NodeId; 3],
    ) -> (NodeId, Moments<NodeId>) {
        let [learning_rate, mean_correction, square_correction] = scalars;
        let blend = |g: &mut Graph, old: NodeId, new: NodeId, beta: f32| {
            let (old, new) = (g.affine(old, beta, 0.0), g.affine(new, 1.0 - beta, 0.0));
            g.add(old, new)
        };
        let mut next = moments;
        let direction = match self.kind {
            Kind::Sgd => {
                let kept = g.affine(moments.mean, self.momentum, 0.0);
                next.mean = g.add(kept, gradient);
                next.mean
            }
            Kind::Rmsprop => {
                let squared = g.square(gradient);
                next.square = blend(g, moments.square, squared, self.beta2);
                let below = root(g, next.square, self.epsilon);
                g.div(gradient, below)
            }
            Kind::Adam | Kind::Amsgrad => {
                next.mean = blend(g, moments.mean, gradient, self.beta1);
                let squared = g.square(gradient);
                next.square = blend(g, moments.square, squared, self.beta2);
                let mean = g.mul(next.mean, mean_correction);
                let mut square = g.mul(next.square, square_correction);
                if let Some(peak) = moments.peak {
                    let above = g.sub(square, peak);
                    let above = g.unary(Unary::Leaky(0.0), above);
                    square = g.add(peak, above);
                    next.peak = Some(square);
                }
                let below = root(g, square, self.epsilon);
                g.div(mean, below)
            }
        };
        let step = g.mul(direction, learning_rate);
        (g.sub(weights, step), next)
    }

    /// The moments that the store holds, as nodes for `len` weights.
    pub fn read(g: &mut Graph, moments: Moments<ParamId>, len: usize) -> Moments<NodeId> {
        Moments {
            mean: g.param(moments.mean, &[len]),
            square: g.param(moments.square, &[len]),
            peak: moments.peak.map(|p| g.param(p, &[len])),
        }
    }

    /// Assigns what [`Optimizer::step`] gave.
    pub fn assign(
        g: &mut Graph,
        (param, weights): (ParamId, NodeId),
        (moments, values): (Moments<ParamId>, Moments<NodeId>),
    ) {
        // What a kind does not use is left as it is: assigning it to itself would cost a copy.
        for (to, value) in [
            (Some(moments.mean), Some(values.mean)),
            (Some(moments.square), Some(values.square)),
            (moments.peak, values.peak),
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

/// How a rate changes over a run, as a factor of its start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "kind")]
pub enum Schedule {
    /// It does not.
    Constant,
    /// Constant up to `from` of the run, then linear to `to`.
    Linear {
        /// Part of the run, 0 to 1.
        from: f32,
        /// Factor at the end.
        to: f32,
    },
    /// Half a cosine from 1 to `to` over the whole run.
    Cosine {
        /// Factor at the end.
        to: f32,
    },
}

impl Schedule {
    /// The factor at `step` of `steps`.
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
    fn schedules_start_at_one_and_end_where_told() {
        let linear = Schedule::Linear { from: 0.5, to: 0.1 };
        assert_eq!([0, 50, 75, 100].map(|s| linear.factor(s, 100)), [1.0, 1.0, 0.55, 0.1]);
        let cosine = Schedule::Cosine { to: 0.0 };
        assert_eq!(cosine.factor(0, 10), 1.0);
        assert!(cosine.factor(10, 10).abs() < 1e-7);
    }

    fn optimizer(kind: Kind) -> Optimizer {
        let (momentum, beta1, beta2, epsilon) = (0.5, 0.9, 0.99, 1e-8);
        Optimizer { kind, learning_rate: 0.1, generator_learning_rate: Some(0.2), momentum, beta1, beta2, epsilon }
    }

    #[test]
    fn corrections_follow_the_paper() {
        let s = optimizer(Kind::Adam).scalars(1, 0.5, false);
        assert!((s.mean_correction - 10.0).abs() < 1e-4 && (s.square_correction - 100.0).abs() < 1e-3);
        assert_eq!(s.learning_rate, 0.05);
        assert_eq!(
            optimizer(Kind::Sgd).scalars(1, 1.0, true),
            Scalars { learning_rate: 0.2, mean_correction: 1.0, square_correction: 1.0 }
        );
    }

    /// Weights after steps along the gradients 1, -2, 4, by the graph.
    fn walk(kind: Kind) -> f64 {
        use crate::graph::{Feeds, interpret};
        let optimizer = optimizer(kind);
        let (mut at, mut moments) = (1.0, [0.0; 3]);
        for (t, slope) in [1.0, -2.0, 4.0].into_iter().enumerate() {
            let mut g = Graph::default();
            let inputs: Vec<_> = (0..8).map(|i| g.input(format!("{i}"), &[])).collect();
            let peak = optimizer.has_peak().then_some(inputs[4]);
            let state = Moments { mean: inputs[2], square: inputs[3], peak };
            let (new, next) = optimizer.step(&mut g, inputs[0], inputs[1], state, [inputs[5], inputs[6], inputs[7]]);
            let s = optimizer.scalars(t as u64 + 1, 1.0, false);
            let scalars = [s.learning_rate, s.mean_correction, s.square_correction].map(f64::from);
            let fed = [at, slope].into_iter().chain(moments).chain(scalars);
            let feeds =
                Feeds { values: inputs.iter().copied().zip(fed.map(|v| vec![v])).collect(), ..Feeds::default() };
            let values = interpret(&g, &feeds);
            at = values[new.index()][0];
            moments = [next.mean, next.square, next.peak.unwrap_or(inputs[4])].map(|n| values[n.index()][0]);
        }
        at
    }

    #[test]
    fn every_kind_walks_as_its_paper_says() {
        // Momentum: 1; -2 + 0.5; 4 - 0.75.
        assert!((walk(Kind::Sgd) - (1.0 - 0.1 * (1.0 - 1.5 + 3.25))).abs() < 1e-6);
        let (mut v, mut w) = (0.0, 1.0);
        for g in [1.0, -2.0, 4.0f64] {
            v = 0.99 * v + 0.01 * g * g;
            w -= 0.1 * g / v.sqrt();
        }
        assert!((walk(Kind::Rmsprop) - w).abs() < 1e-5);
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
        assert!((walk(Kind::Adam) - adam(false)).abs() < 1e-5 && (walk(Kind::Amsgrad) - adam(true)).abs() < 1e-5);
    }
}
