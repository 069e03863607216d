//! Adversarial losses of discriminator and generator, as functions of the discriminator's scores (logits, before any sigmoid).
use crate::graph::{Graph, NodeId, Shape, Unary};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An adversarial loss. Each value is a mean over the batch, to be minimized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Zero-sum game of Goodfellow et al. 2014, eq. 1: the generator minimizes log(1 - D(G(z))).
    Minimax,
    /// Discriminator loss of [`Loss::Minimax`]; the generator maximizes log D(G(z)), so its gradient does not vanish
    /// (Goodfellow et al. 2014, section 3).
    NonSaturating,
    /// Squared distance of scores from 1 (real) and 0 (generated); Mao et al. 2017.
    LeastSquares,
    /// Hinge loss with a margin of 1 on both sides; Lim & Ye 2017.
    Hinge,
    /// Difference of mean scores; Arjovsky et al. 2017. The discriminator, called the critic in the paper, needs a regularizer that bounds
    /// its slope.
    Wasserstein,
    /// Relativistic pairing: the score of each real example is compared with that of one generated example
    /// (Jolicoeur-Martineau 2018; Huang et al. 2024).
    Relativistic,
    /// BEGAN: the discriminator is an autoencoder, and scores are its reconstruction errors; Berthelot et al. 2017.
    Began,
    /// Discriminator loss of [`Loss::NonSaturating`]; the generator matches the mean features of real examples
    /// (Salimans et al. 2016, section 3.1).
    FeatureMatching,
}

/// Target probabilities of the discriminator, for label smoothing (Salimans et al. 2016, section 3.4).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Labels {
    /// Target for real examples; 1 without smoothing.
    pub real: f32,
    /// Target for generated examples. Above 0, the optimal discriminator depends on the generator's distribution.
    pub fake: f32,
}

impl Labels {
    /// Targets without smoothing.
    pub const HARD: Self = Self { real: 1.0, fake: 0.0 };
}

/// Writes the name that recipes use.
impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Loss {
    /// Loss of the discriminator without label smoothing.
    pub fn discriminator(self, g: &mut Graph, real: NodeId, fake: NodeId) -> NodeId {
        let none = g.full(0.0, Shape::SCALAR);
        self.discriminator_with(g, real, fake, Labels::HARD, none)
    }

    /// Loss of the discriminator; `began_k` is the k of BEGAN, which other losses ignore.
    pub fn discriminator_with(
        self,
        g: &mut Graph,
        real: NodeId,
        fake: NodeId,
        labels: Labels,
        began_k: NodeId,
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
                let part = g.mul(fake, began_k);
                g.sub(real, part)
            }
        }
    }

    /// Loss of the generator. For feature matching, `real` and `fake` are features of the discriminator instead of scores.
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
                let (real, fake) = (mean_row(g, real), mean_row(g, fake));
                let difference = g.sub(real, fake);
                let squares = g.square(difference);
                g.sum(squares)
            }
        }
    }

    /// Whether the generator's loss needs the discriminator's output for real examples.
    pub fn generator_needs_real(self) -> bool {
        matches!(self, Self::Relativistic | Self::FeatureMatching)
    }

    /// Whether the discriminator has target probabilities, which can be smoothed.
    pub fn has_labels(self) -> bool {
        matches!(self, Self::Minimax | Self::NonSaturating | Self::FeatureMatching | Self::LeastSquares)
    }
}

/// Losses supplied by the caller instead of a recipe: functions that append nodes to the graph and return a scalar.
pub struct CustomLoss {
    /// Loss that the discriminator minimizes.
    pub discriminator: Box<LossFn>,
    /// Loss that the generator minimizes.
    pub generator: Box<LossFn>,
}

/// A loss as a function of the discriminator's scores.
pub type LossFn = dyn Fn(&mut Graph, Scores) -> NodeId;

/// Scores of the discriminator, each [batch, 1]: logits without a sigmoid.
#[derive(Clone, Copy, Debug)]
pub struct Scores {
    /// Scores of real examples.
    pub real: NodeId,
    /// Scores of generated examples.
    pub fake: NodeId,
}

/// BEGAN's k for the next discriminator step, clamped to 0..1 (Berthelot et al. 2017, eq. 7).
///
/// `real` and `fake` are mean reconstruction errors; `gamma` and `lambda` are γ and λ of the paper.
pub fn began_next_k(g: &mut Graph, began_k: NodeId, (real, fake): (NodeId, NodeId), gamma: f32, lambda: f32) -> NodeId {
    let target = g.affine(real, gamma, 0.0);
    let off = g.sub(target, fake);
    let step = g.affine(off, lambda, 0.0);
    let next = g.add(began_k, step);
    let positive = g.unary(Unary::Leaky(0.0), next);
    let below = g.affine(positive, -1.0, 1.0);
    let below = g.unary(Unary::Leaky(0.0), below);
    g.affine(below, -1.0, 1.0)
}

/// BEGAN's convergence measure M (Berthelot et al. 2017, section 3.5): small if reconstruction is good and the errors of real and
/// generated examples have the ratio `gamma`.
pub fn began_convergence(g: &mut Graph, (real, fake): (NodeId, NodeId), gamma: f32) -> NodeId {
    let target = g.affine(real, gamma, 0.0);
    let off = g.sub(target, fake);
    let off = g.unary(Unary::Abs, off);
    g.add(real, off)
}

/// Mean of -t·log sigmoid(score) - (1 - t)·log(1 - sigmoid(score)) for the target `t` = `label`.
fn cross_entropy(g: &mut Graph, score: NodeId, label: f32) -> NodeId {
    let loss = if label == 1.0 {
        let negated = g.affine(score, -1.0, 0.0);
        g.unary(Unary::Softplus, negated)
    } else {
        let loss = g.unary(Unary::Softplus, score);
        let part = g.affine(score, label, 0.0);
        if label == 0.0 { loss } else { g.sub(loss, part) }
    };
    g.mean(loss)
}

/// Mean squared distance of the scores from `target`.
fn distance(g: &mut Graph, score: NodeId, target: f32) -> NodeId {
    let off = g.affine(score, 1.0, -target);
    let squared = g.square(off);
    g.mean(squared)
}

/// Mean over the rows of a matrix.
fn mean_row(g: &mut Graph, x: NodeId) -> NodeId {
    let &[rows, columns] = g.shape(x).dims() else { panic!("features are rows") };
    let sum = g.sum_to(x, Shape::new(&[columns]));
    g.affine(sum, 1.0 / rows as f32, 0.0)
}
