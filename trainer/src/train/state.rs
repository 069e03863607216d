//! The state of a run: weights, optimizer state, EMA and statistics, and the store entries that hold them.
use super::Player;
use crate::exec::Store;
use crate::graph::ParamId;
use crate::nn::{Init, Network, Tensor, TensorKey, TensorRole};
use crate::optim::Optimizer;
use crate::recipe::Recipe;
use crate::step::Trainable;

/// An entry of the store, identified by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKey {
    /// Weights that are trained.
    Weights(Player),
    /// Exponential moving average of the generator's weights.
    Ema,
    /// Batch-norm statistics that belong to [`StateKey::Ema`].
    BatchNorm,
    /// Vectors of the power iterations that estimate spectral norms.
    PowerIteration,
    /// Mean of all past weights, for historical averaging.
    History(Player),
    /// The k of BEGAN.
    BeganK,
}

impl StateKey {
    /// Name of the entry in the store and in checkpoints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weights(Player::Generator) => "generator.weights",
            Self::Weights(Player::Discriminator) => "discriminator.weights",
            Self::Ema => "generator.ema",
            Self::BatchNorm => "generator.batch_norm",
            Self::PowerIteration => "discriminator.power_iteration",
            Self::History(Player::Generator) => "generator.history",
            Self::History(Player::Discriminator) => "discriminator.history",
            Self::BeganK => "discriminator.began_k",
        }
    }

    /// The values of this entry; empty if the store does not have it.
    pub fn values(self, store: &Store) -> &[f32] {
        store.find(self.name()).map_or(&[], |id| store.values(id))
    }
}

/// The tensors that make up the store entry called `entry`, in their order.
pub(crate) fn tensors(entry: &str, generator: &Network, discriminator: &Network) -> Vec<Tensor> {
    match entry {
        _ if entry == StateKey::BatchNorm.name() => generator.statistics.clone(),
        _ if entry == StateKey::PowerIteration.name() => discriminator.vectors.clone(),
        _ if entry == StateKey::BeganK.name() => {
            let key = TensorKey { layer: 0, role: TensorRole::BeganK };
            vec![Tensor { key, dims: vec![1], at: 0, init: Init::Constant(0.0) }]
        }
        // All other entries are as long as the weights of their network.
        _ if entry.starts_with("generator.") => generator.tensors.clone(),
        _ => discriminator.tensors.clone(),
    }
}

/// Store entries of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) generator: Trainable,
    pub(crate) discriminator: Trainable,
    pub(crate) ema: ParamId,
    /// Batch-norm statistics of the EMA generator, if it has batch normalization.
    pub(crate) batch_norm: Option<ParamId>,
    /// Vectors of the power iterations, with spectral normalization.
    pub(crate) power_iteration: Option<ParamId>,
    /// Past means of the generator's and the discriminator's weights, with historical averaging.
    pub(crate) history: Option<[ParamId; 2]>,
    /// The k of BEGAN.
    pub(crate) began_k: Option<ParamId>,
}

impl State {
    /// Creates the store of a run, initialized from `seed`.
    pub(crate) fn new(recipe: &Recipe, generator: &Network, discriminator: &Network, seed: u64) -> (Self, Store) {
        let mut store = Store::default();
        let weights = [generator.initial_weights(seed, 1), discriminator.initial_weights(seed, 2)];
        let optimizer: &Optimizer = &recipe.optimizer;
        let history = recipe.technique.historical_averaging > 0.0;
        let add = |store: &mut Store, key: StateKey, values| store.add(key.name(), values);
        let state = Self {
            generator: Trainable::new(&mut store, "generator", weights[0].clone(), optimizer),
            ema: add(&mut store, StateKey::Ema, weights[0].clone()),
            discriminator: Trainable::new(&mut store, "discriminator", weights[1].clone(), optimizer),
            batch_norm: (generator.statistics_len() > 0)
                .then(|| add(&mut store, StateKey::BatchNorm, vec![0.0; generator.statistics_len()])),
            power_iteration: (discriminator.vectors_len() > 0)
                .then(|| add(&mut store, StateKey::PowerIteration, discriminator.initial_vectors(seed, 3))),
            history: history.then(|| {
                let [g, d] = weights;
                [
                    add(&mut store, StateKey::History(Player::Generator), g),
                    add(&mut store, StateKey::History(Player::Discriminator), d),
                ]
            }),
            began_k: recipe.is_began().then(|| add(&mut store, StateKey::BeganK, vec![0.0])),
        };
        (state, store)
    }
}
