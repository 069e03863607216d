//! Where everything of a run lies in its store.
use crate::exec::Store;
use crate::graph::ParamId;
use crate::nn::Network;
use crate::optim::Moments;
use crate::recipe::Recipe;

/// Where everything lies in the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Params {
    pub(crate) generator: ParamId,
    pub(crate) generator_moments: Moments<ParamId>,
    pub(crate) discriminator: ParamId,
    pub(crate) discriminator_moments: Moments<ParamId>,
    pub(crate) average: ParamId,
    /// Batch statistics of the averaged generator, if it has any.
    pub(crate) statistics: Option<ParamId>,
    /// Vectors of the power iterations, with spectral normalization.
    pub(crate) vectors: Option<ParamId>,
    /// Past means of generator's and discriminator's weights, with historical averaging.
    pub(crate) history: Option<[ParamId; 2]>,
    /// BEGAN's k.
    pub(crate) balance: Option<ParamId>,
}

impl Params {
    /// Starts a store from `seed`.
    pub(crate) fn start(recipe: &Recipe, generator: &Network, discriminator: &Network, seed: u64) -> (Self, Store) {
        let mut store = Store::default();
        let weights = [generator.start(seed, 1), discriminator.start(seed, 2)];
        let peak = recipe.optimizer.has_peak();
        let moments = |store: &mut Store, name: &str, len: usize| {
            let mut zeros = |role: &str| store.add(format!("{name}.{role}"), vec![0.0; len]);
            Moments { mean: zeros("mean"), square: zeros("square"), peak: peak.then(|| zeros("peak")) }
        };
        let history = recipe.technique.historical_averaging > 0.0;
        let params = Self {
            generator: store.add("generator.weights", weights[0].clone()),
            generator_moments: moments(&mut store, "generator", generator.len()),
            average: store.add("generator.average", weights[0].clone()),
            discriminator: store.add("discriminator.weights", weights[1].clone()),
            discriminator_moments: moments(&mut store, "discriminator", discriminator.len()),
            statistics: (generator.statistics_len() > 0)
                .then(|| store.add("generator.statistics", vec![0.0; generator.statistics_len()])),
            vectors: (discriminator.vectors_len() > 0)
                .then(|| store.add("discriminator.vectors", discriminator.start_vectors(seed, 3))),
            history: history.then(|| {
                let [g, c] = weights;
                [store.add("generator.history", g), store.add("discriminator.history", c)]
            }),
            balance: recipe.discriminator.restores().then(|| store.add("discriminator.balance", vec![0.0])),
        };
        (params, store)
    }
}
