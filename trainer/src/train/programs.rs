//! The programs of a run over one store: discriminator step, discriminator step with penalty, generator step, samples.
use super::params::Params;
use super::sight::{Kind, seen};
use crate::exec::{LOSS, Program};
use crate::graph::{Graph, NodeId, ParamId, Shape, Unary};
use crate::loss::{Loss, began_balance, began_convergence};
use crate::nn::{Bound, Mode, Network};
use crate::optim::{Moments, Optimizer};
use crate::recipe::{Batches, Recipe};
use crate::regularize::{Regularizer, clipped, consensus};

/// Index of each program.
pub(crate) const DISCRIMINATOR: usize = 0;
pub(crate) const DISCRIMINATOR_PENALIZED: usize = 1;
pub(crate) const GENERATOR: usize = 2;
pub(crate) const SAMPLE: usize = 3;
pub(crate) const SETTLE: usize = 4;

/// Outputs of the discriminator's programs.
pub(crate) const DISCRIMINATOR_OUTPUTS: [&str; 7] =
    ["loss", "d_real", "d_fake", "gradient", "penalty", "balance", "convergence"];

/// What the programs are built from.
pub(crate) struct Parts<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) generator: &'a Network,
    pub(crate) discriminator: &'a Network,
    pub(crate) params: Params,
    pub(crate) sample_batch: usize,
}

/// What every program of a step is given, in the order in which it is fed.
struct Given {
    /// Real examples as the discriminator sees them.
    real: NodeId,
    /// The generator's input.
    z: NodeId,
    /// The class of each example, as ones and zeros.
    classes: Option<NodeId>,
    scalars: [NodeId; 3],
    noise: NodeId,
    /// 1/t, for past means.
    share: NodeId,
    /// Factor of the penalty.
    strength: NodeId,
}

/// A step's graph before it is planned: what is read after it, and the loss with its gradient.
pub(crate) struct Traced {
    pub(crate) name: &'static str,
    pub(crate) graph: Graph,
    pub(crate) outputs: Vec<NodeId>,
    /// What is minimized.
    #[cfg_attr(not(test), expect(dead_code, reason = "finite differences are taken of it"))]
    pub(crate) total: NodeId,
    /// Its gradient by the network's weights.
    #[cfg_attr(not(test), expect(dead_code, reason = "finite differences are compared with it"))]
    pub(crate) gradient: NodeId,
    /// Those weights, flat.
    #[cfg_attr(not(test), expect(dead_code, reason = "finite differences are taken along them"))]
    pub(crate) weights: NodeId,
}

impl Traced {
    fn planned(&self, recompute: bool) -> Program {
        Program::planned(self.name, &self.graph, &self.outputs, recompute)
    }
}

/// Scores and features of a batch.
#[derive(Clone, Copy)]
struct Judged {
    scores: NodeId,
    features: NodeId,
}

impl Parts<'_> {
    /// All programs, in the order of the indices above.
    pub(crate) fn build(&self) -> Vec<Program> {
        let steps = [self.discriminator_step(false), self.discriminator_step(true), self.generator_step()];
        let mut programs: Vec<_> = steps.iter().map(|s| s.planned(self.recipe.train.recompute)).collect();
        programs.push(self.sample());
        programs.extend(self.params.statistics.map(|p| self.settle(p)));
        programs.extend(self.judges_points().then(|| self.scores()));
        programs
    }

    /// Whether points can be judged one by one, by the last program.
    pub(crate) fn judges_points(&self) -> bool {
        let recipe = self.recipe;
        self.generator.output().len() == 1 && recipe.technique.packing == 1 && recipe.data.classes == 0
    }

    /// The discriminator's scores of given examples.
    fn scores(&self) -> Program {
        let mut g = Graph::default();
        let dims: Vec<_> = std::iter::once(self.sample_batch).chain(self.discriminator.input.iter().copied()).collect();
        let x = g.input("examples", &dims);
        let flat = self.discriminator_weights(&mut g);
        let bound = self.bind_discriminator(&mut g, flat);
        let scores = self.judge(&mut g, &bound, x, None).scores;
        Program::new("scores", &g, &[scores])
    }

    fn batch(&self, g: &mut Graph, name: &str, item: &[usize]) -> NodeId {
        let dims: Vec<_> = std::iter::once(self.recipe.train.batch_size).chain(item.iter().copied()).collect();
        g.input(name, &dims)
    }

    fn given(&self, g: &mut Graph) -> Given {
        let real = self.batch(g, "real examples", &self.generator.output());
        let latents = self.batch(g, "latents", &[self.recipe.generator.latent()]);
        let count = self.recipe.data.classes;
        let classes = (count > 0).then(|| self.batch(g, "classes", &[count]));
        let scalars = ["rate", "mean correction", "square correction"].map(|name| g.input(name, &[]));
        let [noise, share, strength] =
            ["noise", "share of past means", "penalty strength"].map(|name| g.input(name, &[]));
        let z = classes.map_or(latents, |c| g.concat(&[latents, c], 1));
        let real = seen(g, &self.recipe.technique, real, noise, Kind::Real);
        Given { real, z, classes, scalars, noise, share, strength }
    }

    /// Examples of the generator `bound`, as the discriminator sees them.
    fn generated(&self, g: &mut Graph, bound: &Bound, given: &Given) -> NodeId {
        let fake = self.generator.trace(g, bound, given.z, Mode::Train).output();
        seen(g, &self.recipe.technique, fake, given.noise, Kind::Generated)
    }

    fn bind_discriminator(&self, g: &mut Graph, flat: NodeId) -> Bound {
        let vectors = self.params.vectors.map(|p| g.param(p, &[self.discriminator.vectors_len()]));
        self.discriminator.bind_to(g, flat, vectors)
    }

    fn discriminator_weights(&self, g: &mut Graph) -> NodeId {
        g.enter(&self.discriminator.name);
        g.param(self.params.discriminator, &[self.discriminator.len()])
    }

    fn judge(&self, g: &mut Graph, bound: &Bound, x: NodeId, classes: Option<NodeId>) -> Judged {
        let trace = self.discriminator.trace_of(g, bound, x, classes, Mode::Train);
        let batch = g.shape(x).dims()[0];
        let before = trace.values.len().checked_sub(2).map_or(x, |i| trace.values[i]);
        let features = g.reshape(before, &[batch, g.shape(before).len() / batch]);
        if !self.recipe.discriminator.restores() {
            return Judged { scores: trace.output(), features };
        }
        let off = g.sub(trace.output(), x);
        let off = g.unary(Unary::Abs, off);
        let off = g.reshape(off, &[batch, g.shape(x).len() / batch]);
        let sum = g.sum_to(off, Shape::new(&[batch, 1]));
        Judged { scores: g.affine(sum, batch as f32 / g.shape(x).len() as f32, 0.0), features }
    }

    /// Whether real and generated examples go through the discriminator as one batch.
    fn mixed(&self) -> bool {
        match self.recipe.train.batches {
            Batches::Auto => !self.discriminator.mixes(),
            Batches::Split => false,
            Batches::Mixed => true,
        }
    }

    /// Real and generated examples, judged.
    fn judge_both(
        &self,
        g: &mut Graph,
        bound: &Bound,
        (real, fake): (NodeId, NodeId),
        classes: Option<NodeId>,
    ) -> (Judged, Judged) {
        if !self.mixed() {
            return (self.judge(g, bound, real, classes), self.judge(g, bound, fake, classes));
        }
        let n = g.shape(real).dims()[0];
        let both = g.concat(&[real, fake], 0);
        let classes = classes.map(|c| g.concat(&[c, c], 0));
        let judged = self.judge(g, bound, both, classes);
        let half = |g: &mut Graph, at| Judged {
            scores: g.slice(judged.scores, 0, at, n),
            features: g.slice(judged.features, 0, at, n),
        };
        (half(g, 0), half(g, n))
    }

    /// How real both kinds look to the discriminator, 0 to 1, as means; for a relativistic loss, beside each other.
    fn look(&self, g: &mut Graph, real: NodeId, fake: NodeId) -> (NodeId, NodeId) {
        let (real, fake) = match self.recipe.objective.loss {
            Loss::Relativistic => (g.sub(real, fake), g.sub(fake, real)),
            // Errors of restored examples are told as they are.
            Loss::Began => return (g.mean(real), g.mean(fake)),
            _ => (real, fake),
        };
        let (real, fake) = (g.unary(Unary::Sigmoid, real), g.unary(Unary::Sigmoid, fake));
        (g.mean(real), g.mean(fake))
    }

    fn balance(&self, g: &mut Graph) -> NodeId {
        match self.params.balance {
            Some(param) => {
                let k = g.param(param, &[1]);
                g.reshape(k, &[])
            }
            None => g.full(0.0, Shape::SCALAR),
        }
    }

    fn discriminator_loss(&self, g: &mut Graph, real: Judged, fake: Judged) -> NodeId {
        let balance = self.balance(g);
        self.recipe.objective.loss.discriminator_with(g, real.scores, fake.scores, self.recipe.labels(), balance)
    }

    fn generator_loss(&self, g: &mut Graph, real: Judged, fake: Judged) -> NodeId {
        let loss = self.recipe.objective.loss;
        match loss {
            Loss::FeatureMatching => loss.generator(g, real.features, fake.features),
            _ => loss.generator(g, real.scores, fake.scores),
        }
    }

    /// Adds the distance of `weights` to their past mean to `loss`, and moves that mean.
    fn with_history(
        &self,
        g: &mut Graph,
        loss: NodeId,
        (network, bound): (usize, &Bound),
        given: &Given,
    ) -> (NodeId, Option<(ParamId, NodeId)>) {
        let Some(history) = self.params.history else { return (loss, None) };
        let len = g.shape(bound.flat).len();
        let past = g.param(history[network], &[len]);
        // Through the views, by which gradients are taken.
        let flat: Vec<_> = bound.raw.iter().map(|&t| g.reshape(t, &[g.shape(t).len()])).collect();
        let now = g.concat(&flat, 0);
        let way = g.sub(now, past);
        let squares = g.square(way);
        let distance = g.sum(squares);
        let term = g.affine(distance, self.recipe.technique.historical_averaging, 0.0);
        let part = g.mul(way, given.share);
        let moved = g.add(past, part);
        (g.add(loss, term), Some((history[network], moved)))
    }

    pub(crate) fn discriminator_step(&self, penalized: bool) -> Traced {
        let mut g = Graph::default();
        let given = self.given(&mut g);
        let generator = self.generator.bind(&mut g, self.params.generator);
        let fake = self.generated(&mut g, &generator, &given);
        let flat = self.discriminator_weights(&mut g);
        let bound = self.bind_discriminator(&mut g, flat);
        let (real_seen, fake_seen) = self.judge_both(&mut g, &bound, (given.real, fake), given.classes);
        let objective = &self.recipe.objective;
        g.enter("discriminator loss");
        let adversarial = self.discriminator_loss(&mut g, real_seen, fake_seen);
        let (d_real, d_fake) = self.look(&mut g, real_seen.scores, fake_seen.scores);
        let regularizer = if penalized { objective.regularizer } else { Regularizer::None };
        g.enter("discriminator penalty");
        let penalty = self.penalty(&mut g, regularizer, &bound, &given, fake);
        let total = penalty.map_or(adversarial, |p| g.add(adversarial, p));
        let mut penalty = penalty.unwrap_or_else(|| g.full(0.0, Shape::SCALAR));
        let (mut total, history) = self.with_history(&mut g, total, (1, &bound), &given);
        if let Regularizer::Consensus { weight } = objective.regularizer {
            let other = self.generator_loss(&mut g, real_seen, fake_seen);
            let gradients = [bound.grad(&mut g, total), generator.grad(&mut g, other)];
            penalty = consensus(&mut g, gradients, weight);
            total = g.add(total, penalty);
        }
        let gradient = bound.grad(&mut g, total);
        let norm = norm(&mut g, gradient);
        g.guard(LOSS, total);
        g.guard("gradient", norm);
        g.enter("discriminator update");
        let (mut new, moments) =
            self.update(&mut g, bound.flat, gradient, self.params.discriminator_moments, given.scalars);
        if let Regularizer::Clip { limit } = objective.regularizer {
            new = clipped(&mut g, new, limit);
        }
        Optimizer::assign(&mut g, (self.params.discriminator, new), (self.params.discriminator_moments, moments));
        history.into_iter().for_each(|(param, value)| _ = g.assign(param, value));
        if let (Some(param), Some(vectors)) = (self.params.vectors, bound.vectors) {
            g.assign(param, vectors);
        }
        let (mut balance, mut convergence) = (self.balance(&mut g), g.full(0.0, Shape::SCALAR));
        if let Some(param) = self.params.balance {
            let (diversity, gain) = (objective.began_gamma, objective.began_lambda);
            convergence = began_convergence(&mut g, d_real, d_fake, diversity);
            balance = began_balance(&mut g, balance, (d_real, d_fake), diversity, gain);
            let stored = g.reshape(balance, &[1]);
            g.assign(param, stored);
        }
        let outputs = vec![adversarial, d_real, d_fake, norm, penalty, balance, convergence];
        Traced { name: "discriminator step", graph: g, outputs, total, gradient, weights: bound.flat }
    }

    fn penalty(
        &self,
        g: &mut Graph,
        regularizer: Regularizer,
        bound: &Bound,
        given: &Given,
        fake: NodeId,
    ) -> Option<NodeId> {
        let penalty = regularizer.penalty(g, given.real, fake, |g, x| {
            // Real and generated examples may come as one batch, of the same classes twice.
            let times = g.shape(x).dims()[0] / g.shape(given.real).dims()[0];
            let classes = given.classes.map(|c| g.concat(&vec![c; times], 0));
            self.judge(g, bound, x, classes).scores
        })?;
        let fades = self.recipe.objective.penalty_to != 1.0;
        Some(if fades { g.mul(penalty, given.strength) } else { penalty })
    }

    fn update(
        &self,
        g: &mut Graph,
        weights: NodeId,
        gradient: NodeId,
        moments: Moments<ParamId>,
        scalars: [NodeId; 3],
    ) -> (NodeId, Moments<NodeId>) {
        let read = Optimizer::read(g, moments, g.shape(weights).len());
        self.recipe.optimizer.step(g, weights, gradient, read, scalars)
    }

    /// The discriminator after `steps` further steps against these examples, as a function of them (Metz et al. 2017, eq. 8).
    fn unrolled(&self, g: &mut Graph, given: &Given, fake: NodeId, steps: u32) -> Bound {
        g.enter("unrolled discriminator");
        let mut flat = self.discriminator_weights(g);
        let mut moments = Optimizer::read(g, self.params.discriminator_moments, self.discriminator.len());
        // The root of a mean square has no slope at 0, where weights that nothing reaches lie.
        moments.square = g.affine(moments.square, 1.0, 1e-16);
        for _ in 0..steps {
            let bound = self.bind_discriminator(g, flat);
            let (real_seen, fake_seen) = self.judge_both(g, &bound, (given.real, fake), given.classes);
            let mut loss = self.discriminator_loss(g, real_seen, fake_seen);
            let regularizer = self.recipe.objective.regularizer;
            if regularizer.every() == 1
                && let Some(penalty) = self.penalty(g, regularizer, &bound, given, fake)
            {
                loss = g.add(loss, penalty);
            }
            let gradient = bound.grad(g, loss);
            (flat, moments) = self.recipe.optimizer.step(g, flat, gradient, moments, given.scalars);
        }
        self.bind_discriminator(g, flat)
    }

    pub(crate) fn generator_step(&self) -> Traced {
        let mut g = Graph::default();
        let given = self.given(&mut g);
        let share = g.input("average share", &[]);
        let bound = self.generator.bind(&mut g, self.params.generator);
        let fake = self.generated(&mut g, &bound, &given);
        let discriminator = match self.recipe.technique.unroll {
            Some(steps) => self.unrolled(&mut g, &given, fake, steps),
            None => {
                let flat = self.discriminator_weights(&mut g);
                self.bind_discriminator(&mut g, flat)
            }
        };
        let objective = &self.recipe.objective;
        let consensual = matches!(objective.regularizer, Regularizer::Consensus { .. });
        let fake_seen = self.judge(&mut g, &discriminator, fake, given.classes);
        let real_seen = if objective.loss.generator_sees_real() || consensual {
            self.judge(&mut g, &discriminator, given.real, given.classes)
        } else {
            fake_seen
        };
        g.enter("generator loss");
        let value = self.generator_loss(&mut g, real_seen, fake_seen);
        let (mut total, history) = self.with_history(&mut g, value, (0, &bound), &given);
        if let Regularizer::Consensus { weight } = objective.regularizer {
            let other = self.discriminator_loss(&mut g, real_seen, fake_seen);
            let gradients = [discriminator.grad(&mut g, other), bound.grad(&mut g, total)];
            let term = consensus(&mut g, gradients, weight);
            total = g.add(total, term);
        }
        let gradient = bound.grad(&mut g, total);
        let norm = norm(&mut g, gradient);
        g.guard(LOSS, total);
        g.guard("gradient", norm);
        g.enter("generator update");
        let moments = self.params.generator_moments;
        let (new, values) = self.update(&mut g, bound.flat, gradient, moments, given.scalars);
        Optimizer::assign(&mut g, (self.params.generator, new), (moments, values));
        history.into_iter().for_each(|(param, value)| _ = g.assign(param, value));
        let average = g.param(self.params.average, &[self.generator.len()]);
        let way = g.sub(new, average);
        let part = g.mul(way, share);
        let average = g.add(average, part);
        g.assign(self.params.average, average);
        let outputs = vec![value, norm];
        Traced { name: "generator step", graph: g, outputs, total, gradient, weights: bound.flat }
    }

    /// Examples of the averaged generator.
    fn sample(&self) -> Program {
        let mut g = Graph::default();
        let dims: Vec<_> = std::iter::once(self.sample_batch).chain(self.generator.input.iter().copied()).collect();
        let z = g.input("latents", &dims);
        let bound = self.generator.bind(&mut g, self.params.average);
        let statistics = self.params.statistics.map(|p| g.param(p, &[self.generator.statistics_len()]));
        let fake = self.generator.trace(&mut g, &bound, z, Mode::Evaluate(statistics)).output();
        Program::new("samples", &g, &[fake])
    }

    /// Moves the stored statistics of batch normalization to those of the averaged generator, by a share.
    fn settle(&self, statistics: ParamId) -> Program {
        let mut g = Graph::default();
        let z = self.batch(&mut g, "latents", &self.generator.input);
        let share = g.input("share", &[]);
        let bound = self.generator.bind(&mut g, self.params.average);
        let trace = self.generator.trace(&mut g, &bound, z, Mode::Train);
        let now = g.concat(&trace.statistics, 0);
        let old = g.param(statistics, &[self.generator.statistics_len()]);
        let way = g.sub(now, old);
        let part = g.mul(way, share);
        let new = g.add(old, part);
        g.assign(statistics, new);
        Program::new("statistics", &g, &[])
    }
}

/// Euclidean length.
fn norm(g: &mut Graph, x: NodeId) -> NodeId {
    // Twice the squares, or they would be those of the optimizer too: as long as the weights, and stored.
    let twice = g.affine(x, 2.0, 0.0);
    let squares = g.mul(twice, x);
    let sum = g.sum(squares);
    let sum = g.affine(sum, 0.5, 0.0);
    g.unary(Unary::Sqrt, sum)
}
