//! Optimisers as nodes of the step they belong to, and the schedules of their rates.
use crate::graph::{Graph, NodeId, ParamId, Unary};
use serde::{Deserialize, Serialize};

/// Adam (Kingma & Ba 2015, algorithm 1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adam {
    /// Step size at the start.
    pub rate: f32,
    /// Memory of the mean gradient; 0 for none, as relativistic training likes it.
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

/// Runtime scalars of one Adam step, in the order in which the step's graph declares them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamScalars {
    /// Step size now.
    pub rate: f32,
    /// 1/(1-β1^t).
    pub mean_correction: f32,
    /// 1/(1-β2^t).
    pub square_correction: f32,
}

impl Adam {
    /// The scalars of update number `t` (from 1) at `factor` times the starting rate.
    pub fn scalars(&self, t: u64, factor: f32) -> AdamScalars {
        let correction = |beta: f32| (1.0 / (1.0 - f64::from(beta).powf(t as f64))) as f32;
        AdamScalars {
            rate: self.rate * factor,
            mean_correction: correction(self.beta1),
            square_correction: correction(self.beta2),
        }
    }

    /// Appends an update of `weights` by `gradient`, and assigns weights and both moments.
    ///
    /// Gives the updated weights. `scalars` are nodes holding [`AdamScalars`].
    pub fn update(
        &self,
        g: &mut Graph,
        (param, weights): (ParamId, NodeId),
        gradient: NodeId,
        (mean, square): (ParamId, ParamId),
        scalars: [NodeId; 3],
    ) -> NodeId {
        let [rate, mean_correction, square_correction] = scalars;
        let dims = [g.shape(weights).len()];
        let (m, v) = (g.param(mean, &dims), g.param(square, &dims));
        let blend = |g: &mut Graph, old: NodeId, new: NodeId, beta: f32| {
            let (old, new) = (g.affine(old, beta, 0.0), g.affine(new, 1.0 - beta, 0.0));
            g.add(old, new)
        };
        let m = blend(g, m, gradient, self.beta1);
        let squared = g.square(gradient);
        let v = blend(g, v, squared, self.beta2);
        let (m_hat, v_hat) = (g.mul(m, mean_correction), g.mul(v, square_correction));
        let root = g.unary(Unary::Sqrt, v_hat);
        let below = g.affine(root, 1.0, self.epsilon);
        let direction = g.div(m_hat, below);
        let step = g.mul(direction, rate);
        let new = g.sub(weights, step);
        g.assign(mean, m);
        g.assign(square, v);
        g.assign(param, new);
        new
    }
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

    #[test]
    fn corrections_follow_the_paper() {
        let adam = Adam { rate: 1e-3, beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
        let s = adam.scalars(1, 0.5);
        assert!((s.mean_correction - 10.0).abs() < 1e-4 && (s.square_correction - 100.0).abs() < 1e-3);
        assert_eq!(s.rate, 0.5e-3);
    }
}
