//! What keeps a discriminator smooth or both networks from circling: penalties through true second-order gradients, and clipping.
use crate::graph::{Distribution, Graph, NodeId, Shape, Unary};
use serde::{Deserialize, Serialize};

/// A term added to the discriminator's loss, or a bound on its weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "kind")]
pub enum Regularizer {
    /// None.
    None,
    /// γ/2·E|∇D(x)|² on real examples (Mescheder et al. 2018, eq. 9).
    R1 {
        /// γ.
        gamma: f32,
        /// Applied every so many discriminator steps, that much stronger (Karras et al. 2020).
        #[serde(default = "one")]
        every: u32,
    },
    /// γ/2·E|∇D(G(z))|² on generated examples (Mescheder et al. 2018, eq. 10).
    R2 {
        /// γ.
        gamma: f32,
        /// Applied every so many discriminator steps, that much stronger.
        #[serde(default = "one")]
        every: u32,
    },
    #[serde(rename = "r1r2")]
    /// R1 on real and on generated examples (Huang et al. 2024).
    R1R2 {
        /// γ.
        gamma: f32,
        /// Applied every so many discriminator steps, that much stronger.
        #[serde(default = "one")]
        every: u32,
    },
    /// λ·E(|∇D(x̂)| - target)² between pairs of real and generated examples (Gulrajani et al. 2017, eq. 3).
    GradientPenalty {
        /// λ.
        lambda: f32,
        /// The slope that costs nothing.
        #[serde(default = "unit")]
        target: f32,
        /// Charge slopes above the target alone (the one-sided penalty of section 6 there).
        #[serde(default)]
        one_sided: bool,
    },
    /// Every weight of the discriminator is cut to -limit..limit after each step (Arjovsky et al. 2017, algorithm 1).
    Clip {
        /// The limit, c in the paper.
        limit: f32,
    },
    /// weight/2·|v|² in both players' losses, v being both players' gradients (Mescheder et al. 2017, eq. 10).
    Consensus {
        /// γ.
        weight: f32,
    },
}

fn one() -> u32 {
    1
}

fn unit() -> f32 {
    1.0
}

/// Stream of the random numbers that mix real and generated examples.
const MIX_STREAM: u32 = 0x4D49_5800;

impl Regularizer {
    /// Discriminator steps from one application to the next; 0 for never.
    pub fn every(self) -> u32 {
        match self {
            Self::None | Self::Clip { .. } | Self::Consensus { .. } => 0,
            Self::R1 { every, .. } | Self::R2 { every, .. } | Self::R1R2 { every, .. } => every,
            Self::GradientPenalty { .. } => 1,
        }
    }

    /// The penalty, already scaled for lazy application; `discriminator` traces the discriminator and returns its scores.
    ///
    /// `real` and `fake` are batches of one shape; gradients flow to the discriminator's weights alone.
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
                // The mean over both halves is half the sum of R1's and R2's means.
                let mean = g.mean(squares);
                g.affine(mean, gamma * every as f32, 0.0)
            }
            Self::GradientPenalty { lambda, target, one_sided } => {
                let mut ones = vec![1; shape.rank()];
                ones[0] = shape.dims()[0];
                let e = g.random(MIX_STREAM, Distribution::Uniform, &ones);
                let way = g.sub(real, fake);
                let part = g.mul(way, e);
                let mixed = g.add(fake, part);
                let squares = squared_slopes(g, mixed, &mut discriminator);
                // Away from the root's vertical tangent at 0, where second-order gradients would be infinite.
                let away = g.affine(squares, 1.0, 1e-12);
                let norms = g.unary(Unary::Sqrt, away);
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

/// `weights` cut to -limit..limit.
pub fn clipped(g: &mut Graph, weights: NodeId, limit: f32) -> NodeId {
    // max(w, -c), then min(that, c), in the operations there are.
    let above = g.affine(weights, 1.0, limit);
    let above = g.unary(Unary::Leaky(0.0), above);
    let below = g.affine(above, -1.0, 2.0 * limit);
    let below = g.unary(Unary::Leaky(0.0), below);
    g.affine(below, -1.0, limit)
}

/// Half the squared length of both players' gradients, times `weight`: what consensus optimization adds to both losses.
pub fn consensus(g: &mut Graph, gradients: [NodeId; 2], weight: f32) -> NodeId {
    let squares = gradients.map(|v| {
        let squares = g.square(v);
        g.sum(squares)
    });
    let sum = g.add(squares[0], squares[1]);
    g.affine(sum, 0.5 * weight, 0.0)
}

/// |∇D(x)|² of each example: shape [batch, 1, …].
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
