//! What critic and generator minimise, as functions of the critic's scores (logits, never squashed).
use crate::graph::{Graph, NodeId, Unary};
use serde::{Deserialize, Serialize};

/// An adversarial objective. Every value is a mean over the batch, to be minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// The two-player zero-sum game of Goodfellow et al. 2014, eq. 1: the generator minimises log(1 - D(G(z))).
    Minimax,
    /// The same critic; the generator maximises log D(G(z)) (section 3 there), so its gradients do not vanish.
    NonSaturating,
    /// Mao et al. 2017: squared distance of scores from 1 (real) and 0 (fake).
    LeastSquares,
    /// Lim & Ye 2017: margins of 1 on both sides.
    Hinge,
    /// Arjovsky et al. 2017: difference of mean scores; needs a regulariser that bounds the critic's slope.
    Wasserstein,
    /// Relativistic pairing (Jolicoeur-Martineau 2018; Huang et al. 2024): each real against one fake.
    Relativistic,
}

impl Loss {
    /// What the critic minimises.
    pub fn critic(self, g: &mut Graph, real: NodeId, fake: NodeId) -> NodeId {
        match self {
            Self::Minimax | Self::NonSaturating => {
                let (real, fake) = (log_loss(g, real, true), log_loss(g, fake, false));
                g.add(real, fake)
            }
            Self::LeastSquares => {
                let (real, fake) = (distance(g, real, 1.0), distance(g, fake, 0.0));
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
                log_loss(g, margin, true)
            }
        }
    }

    /// What the generator minimises.
    pub fn generator(self, g: &mut Graph, real: NodeId, fake: NodeId) -> NodeId {
        match self {
            Self::Minimax => {
                let loss = log_loss(g, fake, false);
                g.affine(loss, -1.0, 0.0)
            }
            Self::NonSaturating => log_loss(g, fake, true),
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
                log_loss(g, margin, true)
            }
        }
    }

    /// Whether the generator's loss needs the critic's scores of real examples.
    pub fn generator_sees_real(self) -> bool {
        self == Self::Relativistic
    }
}

/// Mean of -log sigmoid(score) for `positive`, else of -log(1 - sigmoid(score)).
fn log_loss(g: &mut Graph, score: NodeId, positive: bool) -> NodeId {
    let signed = if positive { g.affine(score, -1.0, 0.0) } else { score };
    let loss = g.unary(Unary::Softplus, signed);
    g.mean(loss)
}

fn distance(g: &mut Graph, score: NodeId, target: f32) -> NodeId {
    let off = g.affine(score, 1.0, -target);
    let squared = g.square(off);
    g.mean(squared)
}
