//! The programs of a run over one store: critic step, critic step with penalty, generator step, samples.
use crate::exec::{Program, Store};
use crate::graph::{Graph, NodeId, ParamId, Unary};
use crate::loss::Loss;
use crate::nn::{Bound, Mode, Network};
use crate::recipe::Recipe;
use crate::regularise::Regulariser;

/// Index of each program.
pub(crate) const CRITIC: usize = 0;
pub(crate) const CRITIC_PENALISED: usize = 1;
pub(crate) const GENERATOR: usize = 2;
pub(crate) const SAMPLE: usize = 3;
pub(crate) const SETTLE: usize = 4;

/// Outputs of the critic's programs.
pub(crate) const CRITIC_OUTPUTS: [&str; 5] = ["loss", "judged_real", "judged_fake", "gradient", "penalty"];

/// Where everything lies in the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Params {
    pub(crate) generator: ParamId,
    generator_moments: (ParamId, ParamId),
    critic: ParamId,
    critic_moments: (ParamId, ParamId),
    pub(crate) average: ParamId,
    pub(crate) statistics: Option<ParamId>,
}

impl Params {
    /// Starts a store from `seed`.
    pub(crate) fn start(generator: &Network, critic: &Network, seed: u64) -> (Self, Store) {
        let mut store = Store::default();
        let weights = generator.start(seed, 1);
        let zeros = |n: usize| vec![0.0; n];
        let params = Self {
            generator: store.add("generator.weights", weights.clone()),
            generator_moments: (
                store.add("generator.mean", zeros(generator.len())),
                store.add("generator.square", zeros(generator.len())),
            ),
            average: store.add("generator.average", weights),
            critic: store.add("critic.weights", critic.start(seed, 2)),
            critic_moments: (
                store.add("critic.mean", zeros(critic.len())),
                store.add("critic.square", zeros(critic.len())),
            ),
            statistics: (generator.statistics_len() > 0)
                .then(|| store.add("generator.statistics", zeros(generator.statistics_len()))),
        };
        (params, store)
    }
}

/// What the programs are built from.
pub(crate) struct Parts<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) generator: &'a Network,
    pub(crate) critic: &'a Network,
    pub(crate) params: Params,
    pub(crate) sample_batch: usize,
}

impl Parts<'_> {
    /// All programs, in the order of the indices above.
    pub(crate) fn build(&self) -> Vec<Program> {
        let mut programs = vec![self.critic_step(false), self.critic_step(true), self.generator_step(), self.sample()];
        programs.extend(self.params.statistics.map(|p| self.settle(p)));
        programs
    }

    fn batch(&self, g: &mut Graph, name: &str, item: &[usize]) -> NodeId {
        let dims: Vec<_> = std::iter::once(self.recipe.train.batch).chain(item.iter().copied()).collect();
        g.input(name, &dims)
    }

    fn scores(&self, g: &mut Graph, bound: &Bound, x: NodeId) -> NodeId {
        self.critic.trace(g, bound, x, Mode::Train).output()
    }

    /// Scores of real and of generated examples, in one batch where the critic treats examples one by one.
    fn both_scores(&self, g: &mut Graph, bound: &Bound, real: NodeId, fake: NodeId) -> (NodeId, NodeId) {
        if self.critic.statistics_len() > 0 {
            return (self.scores(g, bound, real), self.scores(g, bound, fake));
        }
        let n = self.recipe.train.batch;
        let both = g.concat(&[real, fake], 0);
        let scores = self.scores(g, bound, both);
        (g.slice(scores, 0, 0, n), g.slice(scores, 0, n, n))
    }

    /// How real both kinds look to the critic, 0 to 1, as means; for a relativistic loss, beside each other.
    fn judged(&self, g: &mut Graph, real: NodeId, fake: NodeId) -> (NodeId, NodeId) {
        let (real, fake) = match self.recipe.objective.loss {
            Loss::Relativistic => (g.sub(real, fake), g.sub(fake, real)),
            _ => (real, fake),
        };
        let (real, fake) = (g.unary(Unary::Sigmoid, real), g.unary(Unary::Sigmoid, fake));
        (g.mean(real), g.mean(fake))
    }

    fn scalars(g: &mut Graph) -> [NodeId; 3] {
        ["rate", "mean correction", "square correction"].map(|name| g.input(name, &[]))
    }

    fn critic_step(&self, penalised: bool) -> Program {
        let mut g = Graph::default();
        let real = self.batch(&mut g, "real examples", &self.critic.input);
        let z = self.batch(&mut g, "latents", &self.generator.input);
        let scalars = Self::scalars(&mut g);
        let generator = self.generator.bind(&mut g, self.params.generator);
        let fake = self.generator.trace(&mut g, &generator, z, Mode::Train).output();
        let bound = self.critic.bind(&mut g, self.params.critic);
        let (real_scores, fake_scores) = self.both_scores(&mut g, &bound, real, fake);
        let objective = &self.recipe.objective;
        g.enter("critic loss");
        let adversarial = objective.loss.critic(&mut g, real_scores, fake_scores);
        let (judged_real, judged_fake) = self.judged(&mut g, real_scores, fake_scores);
        let regulariser = if penalised { objective.regulariser } else { Regulariser::None };
        g.enter("critic penalty");
        let penalty = regulariser.penalty(&mut g, real, fake, |g, x| self.scores(g, &bound, x));
        let total = penalty.map_or(adversarial, |p| g.add(adversarial, p));
        let penalty = penalty.unwrap_or_else(|| g.full(0.0, crate::graph::Shape::SCALAR));
        let gradient = bound.grad(&mut g, total);
        let norm = norm(&mut g, gradient);
        g.guard("loss", total);
        g.guard("gradient", norm);
        g.enter("critic update");
        let weights = (self.params.critic, bound.flat);
        self.recipe.optimiser.update(&mut g, weights, gradient, self.params.critic_moments, scalars);
        Program::new("critic step", &g, &[adversarial, judged_real, judged_fake, norm, penalty])
    }

    fn generator_step(&self) -> Program {
        let mut g = Graph::default();
        let real = self.batch(&mut g, "real examples", &self.critic.input);
        let z = self.batch(&mut g, "latents", &self.generator.input);
        let scalars = Self::scalars(&mut g);
        let share = g.input("average share", &[]);
        let bound = self.generator.bind(&mut g, self.params.generator);
        let fake = self.generator.trace(&mut g, &bound, z, Mode::Train).output();
        let critic = self.critic.bind(&mut g, self.params.critic);
        let loss = self.recipe.objective.loss;
        let fake_scores = self.scores(&mut g, &critic, fake);
        let real_scores = if loss.generator_sees_real() { self.scores(&mut g, &critic, real) } else { fake_scores };
        g.enter("generator loss");
        let value = loss.generator(&mut g, real_scores, fake_scores);
        let gradient = bound.grad(&mut g, value);
        let norm = norm(&mut g, gradient);
        g.guard("loss", value);
        g.guard("gradient", norm);
        g.enter("generator update");
        let weights = (self.params.generator, bound.flat);
        let new = self.recipe.optimiser.update(&mut g, weights, gradient, self.params.generator_moments, scalars);
        let average = g.param(self.params.average, &[self.generator.len()]);
        let way = g.sub(new, average);
        let part = g.mul(way, share);
        let average = g.add(average, part);
        g.assign(self.params.average, average);
        Program::new("generator step", &g, &[value, norm])
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

    /// Moves the stored statistics of batch normalisation to those of the averaged generator, by a share.
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
    let squares = g.square(x);
    let sum = g.sum(squares);
    g.unary(Unary::Sqrt, sum)
}
