//! What discriminator and generator minimize, as functions of the discriminator's scores (logits, never squashed).
use crate::graph::{Graph, NodeId, Shape, Unary};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An adversarial objective. Every value is a mean over the batch, to be minimized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// The two-player zero-sum game of Goodfellow et al. 2014, eq. 1: the generator minimizes log(1 - D(G(z))).
    Minimax,
    /// The same discriminator; the generator maximizes log D(G(z)) (section 3 there), so its gradients do not vanish.
    NonSaturating,
    /// Mao et al. 2017: squared distance of scores from 1 (real) and 0 (fake).
    LeastSquares,
    /// Lim & Ye 2017: margins of 1 on both sides.
    Hinge,
    /// Arjovsky et al. 2017: difference of mean scores; needs a regularizer that bounds the discriminator's slope.
    Wasserstein,
    /// Relativistic pairing (Jolicoeur-Martineau 2018; Huang et al. 2024): each real against one fake.
    Relativistic,
    /// Berthelot et al. 2017: the discriminator restores examples, scores are errors; the generator wants small ones.
    Began,
    /// Salimans et al. 2016, section 3.1: the discriminator of [`Loss::NonSaturating`]; the generator matches mean features.
    FeatureMatching,
}

/// What the discriminator is taught to say of real and of generated examples (Salimans et al. 2016, section 3.4).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Labels {
    /// 1 minus the smoothing of real examples.
    pub real: f32,
    /// The smoothing of generated ones: above 0 the best discriminator depends on the generator itself.
    pub fake: f32,
}

impl Labels {
    /// Not smoothed.
    pub const HARD: Self = Self { real: 1.0, fake: 0.0 };
}

/// The name that recipes use.
impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Loss {
    /// What the discriminator minimizes, with hard labels.
    pub fn discriminator(self, g: &mut Graph, real: NodeId, fake: NodeId) -> NodeId {
        let none = g.full(0.0, Shape::SCALAR);
        self.discriminator_with(g, real, fake, Labels::HARD, none)
    }

    /// What the discriminator minimizes; `balance` is the k of BEGAN, unused by the others.
    pub fn discriminator_with(
        self,
        g: &mut Graph,
        real: NodeId,
        fake: NodeId,
        labels: Labels,
        balance: NodeId,
    ) -> NodeId {
        match self {
            Self::Minimax | Self::NonSaturating | Self::FeatureMatching => {
                let (real, fake) = (cross_entropy(g, real, labels.real), cross_entropy(g, fake, labels.fake));
                g.add(real, fake)
            }
            Self::LeastSquares => {
                let (real, fake) = (distance(g, real, labels.real), distance(g, fake, labels.fake));
                let sum = g.add(real, fake);
                g.affine(sum, 0.5, 0.0)
            }
            Self::Hinge => {
                let (real, fake) = (g.affine(real, -1.0, 1.0), g.affine(fake, 1.0, 1.0));
                let (real, fake) = (g.unary(Unary::Leaky(0.0), real), g.unary(Unary::Leaky(0.0), fake));
                let (real, fake) = (g.mean(real), g.mean(fake));
                g.add(real, fake)
            }
            Self::Wasserstein => {
                let (real, fake) = (g.mean(real), g.mean(fake));
                g.sub(fake, real)
            }
            Self::Relativistic => {
                let margin = g.sub(real, fake);
                cross_entropy(g, margin, 1.0)
            }
            Self::Began => {
                let (real, fake) = (g.mean(real), g.mean(fake));
                let part = g.mul(fake, balance);
                g.sub(real, part)
            }
        }
    }

    /// What the generator minimizes; for feature matching `real` and `fake` are the discriminator's features, not its scores.
    pub fn generator(self, g: &mut Graph, real: NodeId, fake: NodeId) -> NodeId {
        match self {
            Self::Minimax => {
                let loss = cross_entropy(g, fake, 0.0);
                g.affine(loss, -1.0, 0.0)
            }
            Self::NonSaturating => cross_entropy(g, fake, 1.0),
            Self::LeastSquares => {
                let loss = distance(g, fake, 1.0);
                g.affine(loss, 0.5, 0.0)
            }
            Self::Hinge | Self::Wasserstein => {
                let mean = g.mean(fake);
                g.affine(mean, -1.0, 0.0)
            }
            Self::Relativistic => {
                let margin = g.sub(fake, real);
                cross_entropy(g, margin, 1.0)
            }
            Self::Began => g.mean(fake),
            Self::FeatureMatching => {
                let way = (mean_row(g, real), mean_row(g, fake));
                let way = g.sub(way.0, way.1);
                let squares = g.square(way);
                g.sum(squares)
            }
        }
    }

    /// Whether the generator's loss needs the discriminator's view of real examples.
    pub fn generator_sees_real(self) -> bool {
        matches!(self, Self::Relativistic | Self::FeatureMatching)
    }

    /// Whether the discriminator is taught labels, which can be smoothed.
    pub fn has_labels(self) -> bool {
        matches!(self, Self::Minimax | Self::NonSaturating | Self::FeatureMatching | Self::LeastSquares)
    }
}

/// The share of generated examples in BEGAN's balance after a discriminator step, its k: within 0 and 1 (eq. 7 there).
///
/// `real` and `fake` are mean errors; `diversity` is γ, `gain` is λ.
pub fn began_balance(
    g: &mut Graph,
    balance: NodeId,
    (real, fake): (NodeId, NodeId),
    diversity: f32,
    gain: f32,
) -> NodeId {
    let wanted = g.affine(real, diversity, 0.0);
    let off = g.sub(wanted, fake);
    let step = g.affine(off, gain, 0.0);
    let next = g.add(balance, step);
    let positive = g.unary(Unary::Leaky(0.0), next);
    let below = g.affine(positive, -1.0, 1.0);
    let below = g.unary(Unary::Leaky(0.0), below);
    g.affine(below, -1.0, 1.0)
}

/// BEGAN's measure of convergence, M (section 3.5 there): small when examples are restored well and kinds are in balance.
pub fn began_convergence(g: &mut Graph, real: NodeId, fake: NodeId, diversity: f32) -> NodeId {
    let wanted = g.affine(real, diversity, 0.0);
    let off = g.sub(wanted, fake);
    let off = g.unary(Unary::Abs, off);
    g.add(real, off)
}

/// Mean of -t·log sigmoid(score) - (1 - t)·log(1 - sigmoid(score)) for the label `t`.
fn cross_entropy(g: &mut Graph, score: NodeId, label: f32) -> NodeId {
    let loss = if label == 1.0 {
        let away = g.affine(score, -1.0, 0.0);
        g.unary(Unary::Softplus, away)
    } else {
        let loss = g.unary(Unary::Softplus, score);
        let part = g.affine(score, label, 0.0);
        if label == 0.0 { loss } else { g.sub(loss, part) }
    };
    g.mean(loss)
}

fn distance(g: &mut Graph, score: NodeId, target: f32) -> NodeId {
    let off = g.affine(score, 1.0, -target);
    let squared = g.square(off);
    g.mean(squared)
}

fn mean_row(g: &mut Graph, x: NodeId) -> NodeId {
    let &[rows, columns] = g.shape(x).dims() else { panic!("features are rows") };
    let sum = g.sum_to(x, Shape::new(&[columns]));
    g.affine(sum, 1.0 / rows as f32, 0.0)
}
