//! Methods by name, each a few settings over a recipe: `ring+unrolled` is the recipe `ring` with an unrolled critic.

/// One method of the literature.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// What stands behind the `+`.
    pub name: &'static str,
    /// Where it comes from.
    pub paper: &'static str,
    /// What it changes.
    pub settings: &'static [&'static str],
}

const PLAIN: &str = "objective.regulariser={kind=\"none\"}";
const NS: &str = "objective.loss=non-saturating";

/// Every method, objectives first.
///
/// All but the relativistic ones start from the non-saturating loss without a penalty, so that each shows what it does by itself.
pub const METHODS: [Method; 34] = [
    method("minimax", "Goodfellow et al. 2014, eq. 1", &["objective.loss=minimax", PLAIN]),
    method("non-saturating", "Goodfellow et al. 2014, section 3", &[NS, PLAIN]),
    method("least-squares", "Mao et al. 2017", &["objective.loss=least-squares", PLAIN]),
    method("hinge", "Lim & Ye 2017", &["objective.loss=hinge", PLAIN]),
    method(
        "wasserstein-clip",
        "Arjovsky et al. 2017",
        &["objective.loss=wasserstein", "objective.regulariser={kind=\"clip\", limit=0.1}", "train.critic_steps=5"],
    ),
    method(
        "wasserstein-gp",
        "Gulrajani et al. 2017",
        &[
            "objective.loss=wasserstein",
            "objective.regulariser={kind=\"gradient-penalty\", lambda=1.0}",
            "train.critic_steps=5",
        ],
    ),
    method("relativistic", "Jolicoeur-Martineau 2018", &["objective.loss=relativistic", PLAIN]),
    method(
        "r1r2",
        "Huang et al. 2024",
        &["objective.loss=relativistic", "objective.regulariser={kind=\"r1r2\", gamma=0.01}"],
    ),
    method(
        "began",
        "Berthelot et al. 2017",
        &[
            "objective.loss=began",
            PLAIN,
            "critic={family=\"autoencoder\", hidden=[64], code=4}",
            "objective.gain=0.01",
            "objective.diversity=0.7",
        ],
    ),
    method("feature-matching", "Salimans et al. 2016, section 3.1", &["objective.loss=feature-matching", PLAIN]),
    method("r1", "Mescheder et al. 2018, eq. 9", &[NS, "objective.regulariser={kind=\"r1\", gamma=0.01}"]),
    method("r2", "Mescheder et al. 2018, eq. 10", &[NS, "objective.regulariser={kind=\"r2\", gamma=0.01}"]),
    method(
        "lazy-r1",
        "Karras et al. 2020, section 3.1",
        &[NS, "objective.regulariser={kind=\"r1\", gamma=0.01, every=4}"],
    ),
    method("consensus", "Mescheder et al. 2017", &[NS, "objective.regulariser={kind=\"consensus\", weight=0.1}"]),
    method("spectral-norm", "Miyato et al. 2018", &["objective.loss=hinge", PLAIN, "technique.spectral_norm=true"]),
    method("noise", "Sønderby et al. 2017; Arjovsky & Bottou 2017", &[NS, PLAIN, "technique.noise=0.2"]),
    method("smooth-labels", "Salimans et al. 2016, section 3.4", &[NS, PLAIN, "technique.label_real=0.9"]),
    method(
        "two-sided-labels",
        "Szegedy et al. 2016; warned of by Salimans et al. 2016",
        &[NS, PLAIN, "technique.label_real=0.9", "technique.label_fake=0.1"],
    ),
    method("history", "Salimans et al. 2016, section 3.3", &[NS, PLAIN, "technique.history=0.001"]),
    method("discrimination", "Salimans et al. 2016, section 3.2", &[NS, PLAIN, "technique.minibatch=discrimination"]),
    method("deviation", "Karras et al. 2018, section 3", &[NS, PLAIN, "technique.minibatch=deviation"]),
    method("packed-2", "Lin et al. 2018", &[NS, PLAIN, "technique.packing=2"]),
    method("packed-4", "Lin et al. 2018", &[NS, PLAIN, "technique.packing=4"]),
    method("unrolled-1", "Metz et al. 2017", &[NS, PLAIN, "technique.unroll=1"]),
    method("unrolled-5", "Metz et al. 2017", &[NS, PLAIN, "technique.unroll=5"]),
    method("unrolled-10", "Metz et al. 2017", &[NS, PLAIN, "technique.unroll=10"]),
    method("generator-first", "the order of the updates", &[NS, PLAIN, "train.generator_first=100000000"]),
    method("critic-five", "Goodfellow et al. 2014, algorithm 1 with k = 5", &[NS, PLAIN, "train.critic_steps=5"]),
    method(
        "balanced",
        "as many critic steps as it takes to tell real from generated, ten at most",
        &[NS, PLAIN, "train.critic_steps=10", "train.balance=0.3"],
    ),
    method("generator-twice", "one critic step, two generator steps", &[NS, PLAIN, "train.generator_steps=2"]),
    method("sgd", "Robbins & Monro 1951", &["optimiser.kind=sgd", "optimiser.rate=0.02"]),
    method("momentum", "Polyak 1964", &["optimiser.kind=sgd", "optimiser.rate=0.01", "optimiser.momentum=0.5"]),
    method("rmsprop", "Tieleman & Hinton 2012", &["optimiser.kind=rmsprop", "optimiser.rate=0.0005"]),
    method("amsgrad", "Reddi et al. 2018", &["optimiser.kind=amsgrad"]),
];

const fn method(name: &'static str, paper: &'static str, settings: &'static [&'static str]) -> Method {
    Method { name, paper, settings }
}

/// The method called `name`.
pub(super) fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|m| m.name == name)
}
