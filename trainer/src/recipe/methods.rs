//! Methods of the literature by name, each a few typed changes to a recipe: `ring+unrolled-5` is the recipe `ring` with an unrolled discriminator.
use super::Augment;
use super::names::similar;
use super::renamed::renamed_method;
use crate::loss::Loss;
use crate::nets::{Discriminator, Minibatch};
use crate::optim::OptimizerKind;
use crate::regularize::Regularizer;
use serde::Serialize;

/// A method of the literature.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Name after the `+`.
    pub name: &'static str,
    /// Source.
    pub paper: &'static str,
    /// Default changes, which another method of the same recipe name can override.
    base: &'static [Change],
    /// Changes that define the method.
    changes: &'static [Change],
}

/// Declares [`Change`]: one variant for each key that a method may change, with the type of its value.
macro_rules! changes {
    ($($name:ident($value:ty) = $key:literal,)*) => {
        /// A change to one key of a recipe.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub(super) enum Change {
            $(#[doc = concat!("Sets `", $key, "`.")] $name($value),)*
        }

        impl Change {
            /// The key that is changed.
            pub(super) fn key(self) -> &'static str {
                match self {
                    $(Self::$name(_) => $key,)*
                }
            }

            /// The new value as TOML.
            pub(super) fn value(self) -> toml::Value {
                match self {
                    $(Self::$name(value) => toml::Value::try_from(value),)*
                }
                .expect("values of recipes serialize to TOML")
            }
        }
    };
}

changes! {
    AdversarialLoss(Loss) = "objective.loss",
    Regularizer(Regularizer) = "objective.regularizer",
    PenaltyTo(f32) = "objective.penalty_to",
    PenaltyFrom(f32) = "objective.penalty_from",
    BeganGamma(f32) = "objective.began_gamma",
    BeganLambda(f32) = "objective.began_lambda",
    Discriminator(Autoencoder) = "discriminator",
    SpectralNorm(bool) = "technique.spectral_norm",
    Noise(f32) = "technique.noise",
    LabelReal(f32) = "technique.label_real",
    LabelFake(f32) = "technique.label_fake",
    HistoricalAveraging(f32) = "technique.historical_averaging",
    BatchFeature(Minibatch) = "technique.minibatch",
    Packing(usize) = "technique.packing",
    Unroll(u32) = "technique.unroll",
    Augmentation(&'static [Augment]) = "technique.augment",
    GeneratorFirst(u64) = "train.generator_first",
    DiscriminatorSteps(u32) = "train.discriminator_steps",
    DiscriminatorMargin(f32) = "train.discriminator_margin",
    GeneratorSteps(u32) = "train.generator_steps",
    Optimizer(OptimizerKind) = "optimizer.kind",
    LearningRate(f32) = "optimizer.learning_rate",
    Momentum(f32) = "optimizer.momentum",
}

/// The discriminator of BEGAN as a constant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(into = "Discriminator")]
pub(super) struct Autoencoder {
    hidden: &'static [usize],
    code: usize,
}

impl From<Autoencoder> for Discriminator {
    fn from(from: Autoencoder) -> Self {
        Self::Autoencoder { hidden: from.hidden.to_vec(), code: from.code }
    }
}

use Change as C;

/// The non-saturating loss without a penalty.
const PLAIN: &[Change] = &[
    C::AdversarialLoss(Loss::NonSaturating),
    C::Regularizer(Regularizer::None),
    C::PenaltyTo(1.0),
    C::PenaltyFrom(0.0),
];
/// Five critic updates per step, as in both papers on Wasserstein GANs.
const CRITIC: &[Change] = &[C::PenaltyTo(1.0), C::PenaltyFrom(0.0), C::DiscriminatorSteps(5)];
const BEGAN: &[Change] = &[C::Regularizer(Regularizer::None), C::BeganLambda(0.01), C::BeganGamma(0.7)];
const NO_BASE: &[Change] = &[];

const GRADIENT_PENALTY: Regularizer = Regularizer::GradientPenalty { lambda: 1.0, target: 1.0, one_sided: false };
const AUGMENTATIONS: &[Augment] = &[Augment::Color, Augment::Translation, Augment::Cutout];

/// Every method, losses first.
///
/// Most methods start from the non-saturating loss without a penalty, so that each shows its own effect.
pub const METHODS: [Method; 35] = [
    alone("minimax", "Goodfellow et al. 2014, eq. 1", &[C::AdversarialLoss(Loss::Minimax)]),
    alone("non-saturating", "Goodfellow et al. 2014, section 3", &[C::AdversarialLoss(Loss::NonSaturating)]),
    alone("least-squares", "Mao et al. 2017", &[C::AdversarialLoss(Loss::LeastSquares)]),
    alone("hinge", "Lim & Ye 2017", &[C::AdversarialLoss(Loss::Hinge)]),
    method(
        "wasserstein-clip",
        "Arjovsky et al. 2017",
        CRITIC,
        &[C::AdversarialLoss(Loss::Wasserstein), C::Regularizer(Regularizer::Clip { limit: 0.1 })],
    ),
    method(
        "wasserstein-gp",
        "Gulrajani et al. 2017",
        CRITIC,
        &[C::AdversarialLoss(Loss::Wasserstein), C::Regularizer(GRADIENT_PENALTY)],
    ),
    alone("relativistic", "Jolicoeur-Martineau 2018", &[C::AdversarialLoss(Loss::Relativistic)]),
    alone(
        "r1r2",
        "Huang et al. 2024",
        &[C::AdversarialLoss(Loss::Relativistic), C::Regularizer(Regularizer::R1R2 { gamma: 0.01, every: 1 })],
    ),
    method(
        "began",
        "Berthelot et al. 2017",
        BEGAN,
        &[C::AdversarialLoss(Loss::Began), C::Discriminator(Autoencoder { hidden: &[64, 64], code: 1 })],
    ),
    alone("feature-matching", "Salimans et al. 2016, section 3.1", &[C::AdversarialLoss(Loss::FeatureMatching)]),
    alone("r1", "Mescheder et al. 2018, eq. 9", &[C::Regularizer(Regularizer::R1 { gamma: 0.01, every: 1 })]),
    alone("r2", "Mescheder et al. 2018, eq. 10", &[C::Regularizer(Regularizer::R2 { gamma: 0.01, every: 1 })]),
    alone("lazy-r1", "Karras et al. 2020, section 3.1", &[C::Regularizer(Regularizer::R1 { gamma: 0.01, every: 4 })]),
    alone("consensus", "Mescheder et al. 2017", &[C::Regularizer(Regularizer::Consensus { weight: 0.1 })]),
    alone("spectral-norm", "Miyato et al. 2018", &[C::AdversarialLoss(Loss::Hinge), C::SpectralNorm(true)]),
    alone("noise", "Sønderby et al. 2017; Arjovsky & Bottou 2017", &[C::Noise(0.2)]),
    alone("smooth-labels", "Salimans et al. 2016, section 3.4", &[C::LabelReal(0.9)]),
    alone(
        "two-sided-labels",
        "Szegedy et al. 2016; Salimans et al. 2016 advise against it",
        &[C::LabelReal(0.9), C::LabelFake(0.1)],
    ),
    alone("historical-averaging", "Salimans et al. 2016, section 3.3", &[C::HistoricalAveraging(0.001)]),
    alone(
        "minibatch-discrimination",
        "Salimans et al. 2016, section 3.2",
        &[C::BatchFeature(Minibatch::Discrimination)],
    ),
    alone("minibatch-stddev", "Karras et al. 2018, section 3", &[C::BatchFeature(Minibatch::Stddev)]),
    alone("packed-2", "Lin et al. 2018", &[C::Packing(2)]),
    alone("packed-4", "Lin et al. 2018", &[C::Packing(4)]),
    alone("unrolled-1", "Metz et al. 2017", &[C::Unroll(1)]),
    alone("unrolled-5", "Metz et al. 2017", &[C::Unroll(5)]),
    alone("unrolled-10", "Metz et al. 2017", &[C::Unroll(10)]),
    alone("generator-first", "reversed order of the updates", &[C::GeneratorFirst(100_000_000)]),
    alone("discriminator-five", "Goodfellow et al. 2014, algorithm 1 with k = 5", &[C::DiscriminatorSteps(5)]),
    alone(
        "balanced",
        "up to ten discriminator updates a step, until mean D(x) and D(G(z)) differ by 0.3",
        &[C::DiscriminatorSteps(10), C::DiscriminatorMargin(0.3)],
    ),
    alone("generator-twice", "one discriminator update and two generator updates a step", &[C::GeneratorSteps(2)]),
    method("augment", "Zhao et al. 2020", NO_BASE, &[C::Augmentation(AUGMENTATIONS)]),
    method("sgd", "Robbins & Monro 1951", NO_BASE, &[C::Optimizer(OptimizerKind::Sgd), C::LearningRate(0.02)]),
    method(
        "momentum",
        "Polyak 1964",
        NO_BASE,
        &[C::Optimizer(OptimizerKind::Sgd), C::LearningRate(0.01), C::Momentum(0.5)],
    ),
    method(
        "rmsprop",
        "Tieleman & Hinton 2012",
        NO_BASE,
        &[C::Optimizer(OptimizerKind::Rmsprop), C::LearningRate(0.0005)],
    ),
    method("amsgrad", "Reddi et al. 2018", NO_BASE, &[C::Optimizer(OptimizerKind::Amsgrad)]),
];

const fn method(
    name: &'static str,
    paper: &'static str,
    base: &'static [Change],
    changes: &'static [Change],
) -> Method {
    Method { name, paper, base, changes }
}

/// A loss or a technique by itself: the rest of the objective is the non-saturating loss without a penalty.
const fn alone(name: &'static str, paper: &'static str, changes: &'static [Change]) -> Method {
    method(name, paper, PLAIN, changes)
}

/// The changes of the methods in `names`, which are separated by `+` and follow the recipe `base`. A defining change of one method takes
/// precedence over a default change of another.
pub(super) fn changes(base: &str, names: &str) -> Result<Vec<Change>, String> {
    if base.is_empty() {
        return Err("a + without a recipe before it: expected RECIPE+METHOD, as in ring+augment".into());
    }
    if names.split('+').any(str::is_empty) {
        return Err(format!("a + without a method after it: type {base} alone, or a method as in {base}+augment"));
    }
    let methods = names.split('+').map(find).collect::<Result<Vec<_>, _>>()?;
    let mut own: Vec<(&Method, Change)> = Vec::new();
    for method in &methods {
        for change in method.changes {
            match own.iter().find(|(_, other)| other.key() == change.key()) {
                Some((other, value)) if value != change => {
                    return Err(format!(
                        "{} and {} both set {}, to different values: use one of them, and change the key with --set",
                        other.name,
                        method.name,
                        change.key()
                    ));
                }
                Some(_) => {}
                None => own.push((method, *change)),
            }
        }
    }
    let base = methods.iter().flat_map(|m| m.base).copied();
    let base = base.filter(|b| own.iter().all(|(_, change)| change.key() != b.key()));
    Ok(base.chain(own.iter().map(|(_, change)| *change)).collect())
}

fn find(name: &str) -> Result<&'static Method, String> {
    const ALL: &[Method] = &METHODS;
    ALL.iter().find(|m| m.name == name).ok_or_else(|| {
        if let Some(new) = renamed_method(name) {
            return format!("the method {name} was renamed: use {new}");
        }
        let similar = similar(name, ALL.iter().map(|m| m.name)).join(", ");
        let all: Vec<_> = ALL.iter().map(|m| m.name).collect();
        format!("no method is called {name:?}; the nearest are {similar}; the methods are: {}", all.join(", "))
    })
}
