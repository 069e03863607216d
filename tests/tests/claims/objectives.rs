//! Losses agree with their definitions on scores with known results.
use ganlet_trainer::graph::{Feeds, Graph, NodeId, interpret};
use ganlet_trainer::loss::{Labels, Loss};

const REAL: [f64; 3] = [0.5, -1.0, 2.0];
const FAKE: [f64; 3] = [-0.3, 1.2, 0.1];

/// Returns the losses of discriminator and generator, and the gradient of the generator's loss with respect to the fake scores.
fn losses(loss: Loss, fake: [f64; 3]) -> (f64, f64, Vec<f64>) {
    let mut g = Graph::default();
    let (r, f) = (g.input("real", &[3, 1]), g.input("fake", &[3, 1]));
    let (discriminator, generator) = (loss.discriminator(&mut g, r, f), loss.generator(&mut g, r, f));
    let slope = g.grad(generator, &[f])[0];
    let mut feeds = Feeds::default();
    feeds.values.insert(r, REAL.to_vec());
    feeds.values.insert(f, fake.to_vec());
    let all = interpret(&g, &feeds);
    let value = |id: NodeId| all[id.index()].clone();
    (value(discriminator)[0], value(generator)[0], value(slope))
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    values.sum::<f64>() / 3.0
}

#[test]
fn minimax_is_the_value_of_the_game() {
    // V(D, G) = E log D(x) + E log(1 - D(G(z))); the discriminator minimizes -V, the binary cross-entropy.
    let v = mean(REAL.iter().map(|r| sigmoid(*r).ln())) + mean(FAKE.iter().map(|f| (1.0 - sigmoid(*f)).ln()));
    assert!((losses(Loss::Minimax, FAKE).0 + v).abs() < 1e-6);
}

#[test]
fn minimax_is_zero_sum() {
    // The generator minimizes the part of V that depends on it, so the losses add up to the other part.
    let (discriminator, generator, _) = losses(Loss::Minimax, FAKE);
    let fixed = mean(REAL.iter().map(|r| -sigmoid(*r).ln()));
    assert!((discriminator + generator - fixed).abs() < 1e-6);
}

#[test]
fn the_non_saturating_gradient_does_not_vanish() {
    // At D(G(z)) = 0.01 the minimax gradient is 0.01, the non-saturating one 0.99 (Goodfellow et al. 2014, section 3).
    let score = (0.01f64 / 0.99).ln();
    let (_, _, minimax) = losses(Loss::Minimax, [score; 3]);
    let (_, _, other) = losses(Loss::NonSaturating, [score; 3]);
    assert!((3.0 * minimax[0] + 0.01).abs() < 1e-6 && (3.0 * other[0] + 0.99).abs() < 1e-6);
}

#[test]
fn wasserstein_is_a_difference_of_means() {
    let (discriminator, generator, _) = losses(Loss::Wasserstein, FAKE);
    let (real, fake) = (mean(REAL.into_iter()), mean(FAKE.into_iter()));
    assert!((discriminator - (fake - real)).abs() < 1e-6 && (generator + fake).abs() < 1e-6);
}

#[test]
fn losses_match_their_papers() {
    let softplus = |x: f64| (1.0 + x.exp()).ln();
    let pairs = || REAL.iter().zip(FAKE);
    let (discriminator, generator, _) = losses(Loss::Relativistic, FAKE);
    assert!((discriminator - mean(pairs().map(|(r, f)| softplus(f - r)))).abs() < 1e-6);
    assert!((generator - mean(pairs().map(|(r, f)| softplus(r - f)))).abs() < 1e-6);
    let (discriminator, generator, _) = losses(Loss::LeastSquares, FAKE);
    assert!((discriminator - 0.5 * mean(pairs().map(|(r, f)| (r - 1.0).powi(2) + f * f))).abs() < 1e-6);
    assert!((generator - 0.5 * mean(FAKE.iter().map(|f| (f - 1.0).powi(2)))).abs() < 1e-6);
    let (discriminator, generator, _) = losses(Loss::Hinge, FAKE);
    assert!((discriminator - mean(pairs().map(|(r, f)| (1.0 - r).max(0.0) + (1.0 + f).max(0.0)))).abs() < 1e-6);
    assert!((generator + mean(FAKE.into_iter())).abs() < 1e-6);
}

#[test]
fn smoothed_labels_move_the_optimal_discriminator() {
    // With p real and q generated examples in one place, the optimal D is ((1 - a)·p + b·q)/(p + q) (Salimans et al. 2016).
    let (p, q, labels) = (3.0, 1.0, Labels { real: 0.9, fake: 0.2 });
    let best = (0.9 * p + 0.2 * q) / (p + q);
    let mut g = Graph::default();
    let score = g.input("score", &[]);
    let (real, fake) = (g.reshape(score, &[1, 1]), g.reshape(score, &[1, 1]));
    // The losses of p real and q generated examples have equal weights per example.
    let none = g.full(0.0, ganlet_trainer::graph::Shape::SCALAR);
    let zero = g.full(0.0, ganlet_trainer::graph::Shape::new(&[1, 1]));
    let both = Loss::NonSaturating.discriminator_with(&mut g, real, zero, labels, none);
    let other = Loss::NonSaturating.discriminator_with(&mut g, zero, fake, labels, none);
    let (both, other) = (g.affine(both, p as f32, 0.0), g.affine(other, q as f32, 0.0));
    let total = g.add(both, other);
    let slope = g.grad(total, &[score])[0];
    let mut feeds = Feeds::default();
    let mut at = |d: f64| {
        feeds.values.insert(score, vec![(d / (1.0 - d)).ln()]);
        interpret(&g, &feeds)[slope.index()][0]
    };
    assert!(at(best).abs() < 1e-6 && at(best - 0.01) < 0.0 && at(best + 0.01) > 0.0);
    // With hard labels the optimum would be p/(p + q).
    assert!((best - p / (p + q)).abs() > 0.02);
}
