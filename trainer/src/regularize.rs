//! Regularizers: gradient penalties with exact second-order gradients, weight clipping, and consensus optimization.
use crate::graph::{Distribution, Graph, NodeId, Shape, Unary};
use serde::{Deserialize, Serialize};

/// A term added to the discriminator's loss, or a bound on its weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "kind")]
pub enum Regularizer {
    /// No regularizer.
    None,
    /// γ/2·E|∇D(x)|² on real examples (Mescheder et al. 2018, eq. 9).
    R1 {
        /// γ.
        gamma: f32,
        /// Number of discriminator updates from one application to the next; the penalty is multiplied by it (lazy regularization:
        /// Karras et al. 2020).
        #[serde(default = "one")]
        every: u32,
    },
    /// γ/2·E|∇D(G(z))|² on generated examples (Mescheder et al. 2018, eq. 10).
    R2 {
        /// γ.
        gamma: f32,
        /// Number of discriminator updates from one application to the next; the penalty is multiplied by it.
        #[serde(default = "one")]
        every: u32,
    },
    /// R1 and R2 together (Huang et al. 2024).
    #[serde(rename = "r1r2")]
    R1R2 {
        /// γ.
        gamma: f32,
        /// Number of discriminator updates from one application to the next; the penalty is multiplied by it.
        #[serde(default = "one")]
        every: u32,
    },
    /// λ·E(|∇D(x̂)| - target)² at random points x̂ between pairs of real and generated examples (Gulrajani et al. 2017, eq. 3).
    GradientPenalty {
        /// λ.
        lambda: f32,
        /// Target gradient norm, at which the penalty is 0.
        #[serde(default = "unit")]
        target: f32,
        /// Penalize only gradient norms above the target (the one-sided penalty of Gulrajani et al. 2017).
        #[serde(default)]
        one_sided: bool,
    },
    /// Clips each weight of the discriminator to -limit..limit after each update (Arjovsky et al. 2017, algorithm 1).
    Clip {
        /// Largest magnitude of a weight, c in the paper.
        limit: f32,
    },
    /// Adds weight/2·|v|² to the losses of both networks, where v holds the gradients of both (Mescheder et al. 2017, eq. 10).
    Consensus {
        /// γ in the paper.
        weight: f32,
    },
}

fn one() -> u32 {
    1
}

fn unit() -> f32 {
    1.0
}

/// Stream of the random numbers that interpolate between real and generated examples.
const MIX_STREAM: u32 = 0x4D49_5800;

impl Regularizer {
    /// Number of discriminator updates from one application of the penalty to the next; 0 if there is no penalty.
    pub fn every(self) -> u32 {
        match self {
            Self::None | Self::Clip { .. } | Self::Consensus { .. } => 0,
            Self::R1 { every, .. } | Self::R2 { every, .. } | Self::R1R2 { every, .. } => every,
            Self::GradientPenalty { .. } => 1,
        }
    }

    /// Weight of the gradient penalty, γ or λ; `None` for regularizers that are no gradient penalty.
    pub fn penalty_weight(self) -> Option<f32> {
        match self {
            Self::None | Self::Clip { .. } | Self::Consensus { .. } => None,
            Self::R1 { gamma, .. } | Self::R2 { gamma, .. } | Self::R1R2 { gamma, .. } => Some(gamma),
            Self::GradientPenalty { lambda, .. } => Some(lambda),
        }
    }

    /// Returns the regularizer with another weight of the gradient penalty; others are returned as they are.
    #[must_use]
    pub fn with_penalty_weight(mut self, weight: f32) -> Self {
        match &mut self {
            Self::None | Self::Clip { .. } | Self::Consensus { .. } => {}
            Self::R1 { gamma, .. } | Self::R2 { gamma, .. } | Self::R1R2 { gamma, .. } => *gamma = weight,
            Self::GradientPenalty { lambda, .. } => *lambda = weight,
        }
        self
    }

    /// Appends the penalty, already multiplied for lazy application; `None` for regularizers without a penalty.
    ///
    /// `discriminator` appends the discriminator and returns its scores. `real` and `fake` are batches of the same shape; gradients
    /// flow only to the discriminator's weights.
    pub fn penalty(
        self,
        g: &mut Graph,
        real: NodeId,
        fake: NodeId,
        mut discriminator: impl FnMut(&mut Graph, NodeId) -> NodeId,
    ) -> Option<NodeId> {
        let shape = g.shape(real);
        Some(match self {
            Self::None | Self::Clip { .. } | Self::Consensus { .. } => return None,
            Self::R1 { gamma, every } | Self::R2 { gamma, every } => {
                let on = if matches!(self, Self::R1 { .. }) { real } else { fake };
                let squares = squared_slopes(g, on, &mut discriminator);
                let mean = g.mean(squares);
                g.affine(mean, 0.5 * gamma * every as f32, 0.0)
            }
            Self::R1R2 { gamma, every } => {
                let both = g.concat(&[real, fake], 0);
                let squares = squared_slopes(g, both, &mut discriminator);
                // The mean over both halves is half of the sum of the means for R1 and R2.
                let mean = g.mean(squares);
                g.affine(mean, gamma * every as f32, 0.0)
            }
            Self::GradientPenalty { lambda, target, one_sided } => {
                let mut ones = vec![1; shape.rank()];
                ones[0] = shape.dims()[0];
                let e = g.random(MIX_STREAM, Distribution::Uniform, &ones);
                let difference = g.sub(real, fake);
                let part = g.mul(difference, e);
                let mixed = g.add(fake, part);
                let squares = squared_slopes(g, mixed, &mut discriminator);
                // The square root has an infinite slope at 0; ε keeps second-order gradients finite.
                let shifted = g.affine(squares, 1.0, 1e-12);
                let norms = g.unary(Unary::Sqrt, shifted);
                let mut off = g.affine(norms, 1.0, -target);
                if one_sided {
                    off = g.unary(Unary::Leaky(0.0), off);
                }
                let off = g.square(off);
                let mean = g.mean(off);
                g.affine(mean, lambda, 0.0)
            }
        })
    }
}

/// Clips `weights` to -limit..limit.
pub fn clipped(g: &mut Graph, weights: NodeId, limit: f32) -> NodeId {
    // max(w, -c), then min(·, c), both by ReLU.
    let above = g.affine(weights, 1.0, limit);
    let above = g.unary(Unary::Leaky(0.0), above);
    let below = g.affine(above, -1.0, 2.0 * limit);
    let below = g.unary(Unary::Leaky(0.0), below);
    g.affine(below, -1.0, limit)
}

/// The term that consensus optimization adds to both losses: `weight`/2 times the squared norm of both networks' gradients.
pub fn consensus(g: &mut Graph, gradients: [NodeId; 2], weight: f32) -> NodeId {
    let squares = gradients.map(|v| {
        let squares = g.square(v);
        g.sum(squares)
    });
    let sum = g.add(squares[0], squares[1]);
    g.affine(sum, 0.5 * weight, 0.0)
}

/// Squared gradient norm |∇D(x)|² of each example, [batch, 1, …].
pub fn squared_slopes(
    g: &mut Graph,
    x: NodeId,
    discriminator: &mut impl FnMut(&mut Graph, NodeId) -> NodeId,
) -> NodeId {
    let x = g.detach(x);
    let scores = discriminator(g, x);
    let sum = g.sum(scores);
    let slope = g.grad(sum, &[x])[0];
    let squares = g.square(slope);
    let mut ones = vec![1; g.shape(x).rank()];
    ones[0] = g.shape(x).dims()[0];
    g.sum_to(squares, Shape::new(&ones))
}
