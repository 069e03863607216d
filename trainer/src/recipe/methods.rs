//! Methods by name, each a few settings over a recipe: `ring+unrolled` is the recipe `ring` with an unrolled discriminator.
use super::settings::nearest;

/// One method of the literature.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// What stands behind the `+`.
    pub name: &'static str,
    /// Where it comes from.
    pub paper: &'static str,
    /// What it starts from, unless a method beside it is something else.
    pub start: &'static [&'static str],
    /// What it is.
    pub settings: &'static [&'static str],
}

/// A game without anything that is not asked for.
const ALONE: &[&str] =
    &["objective.loss=non-saturating", "objective.regularizer={kind=\"none\"}", "objective.penalty_to=1.0"];
const FIVE: &[&str] = &["objective.penalty_to=1.0", "train.discriminator_steps=5"];
const BALANCE: &[&str] =
    &["objective.regularizer={kind=\"none\"}", "objective.began_lambda=0.01", "objective.began_gamma=0.7"];

/// Every method, objectives first.
///
/// Losses and remedies start from the non-saturating loss without a penalty, so that each shows what it does by itself.
pub const METHODS: [Method; 35] = [
    method("minimax", "Goodfellow et al. 2014, eq. 1", ALONE, &["objective.loss=minimax"]),
    method("non-saturating", "Goodfellow et al. 2014, section 3", ALONE, &["objective.loss=non-saturating"]),
    method("least-squares", "Mao et al. 2017", ALONE, &["objective.loss=least-squares"]),
    method("hinge", "Lim & Ye 2017", ALONE, &["objective.loss=hinge"]),
    method(
        "wasserstein-clip",
        "Arjovsky et al. 2017",
        FIVE,
        &["objective.loss=wasserstein", "objective.regularizer={kind=\"clip\", limit=0.1}"],
    ),
    method(
        "wasserstein-gp",
        "Gulrajani et al. 2017",
        FIVE,
        &["objective.loss=wasserstein", "objective.regularizer={kind=\"gradient-penalty\", lambda=1.0}"],
    ),
    method("relativistic", "Jolicoeur-Martineau 2018", ALONE, &["objective.loss=relativistic"]),
    method(
        "r1r2",
        "Huang et al. 2024",
        ALONE,
        &["objective.loss=relativistic", "objective.regularizer={kind=\"r1r2\", gamma=0.01}"],
    ),
    method(
        "began",
        "Berthelot et al. 2017",
        BALANCE,
        &["objective.loss=began", "discriminator={family=\"autoencoder\", hidden=[64, 64], code=1}"],
    ),
    method("feature-matching", "Salimans et al. 2016, section 3.1", ALONE, &["objective.loss=feature-matching"]),
    method("r1", "Mescheder et al. 2018, eq. 9", ALONE, &["objective.regularizer={kind=\"r1\", gamma=0.01}"]),
    method("r2", "Mescheder et al. 2018, eq. 10", ALONE, &["objective.regularizer={kind=\"r2\", gamma=0.01}"]),
    method(
        "lazy-r1",
        "Karras et al. 2020, section 3.1",
        ALONE,
        &["objective.regularizer={kind=\"r1\", gamma=0.01, every=4}"],
    ),
    method("consensus", "Mescheder et al. 2017", ALONE, &["objective.regularizer={kind=\"consensus\", weight=0.1}"]),
    method("spectral-norm", "Miyato et al. 2018", ALONE, &["objective.loss=hinge", "technique.spectral_norm=true"]),
    method("noise", "Sønderby et al. 2017; Arjovsky & Bottou 2017", ALONE, &["technique.noise=0.2"]),
    method("smooth-labels", "Salimans et al. 2016, section 3.4", ALONE, &["technique.label_real=0.9"]),
    method(
        "two-sided-labels",
        "Szegedy et al. 2016; warned of by Salimans et al. 2016",
        ALONE,
        &["technique.label_real=0.9", "technique.label_fake=0.1"],
    ),
    method(
        "historical-averaging",
        "Salimans et al. 2016, section 3.3",
        ALONE,
        &["technique.historical_averaging=0.001"],
    ),
    method(
        "minibatch-discrimination",
        "Salimans et al. 2016, section 3.2",
        ALONE,
        &["technique.minibatch=discrimination"],
    ),
    method("minibatch-stddev", "Karras et al. 2018, section 3", ALONE, &["technique.minibatch=stddev"]),
    method("packed-2", "Lin et al. 2018", ALONE, &["technique.packing=2"]),
    method("packed-4", "Lin et al. 2018", ALONE, &["technique.packing=4"]),
    method("unrolled-1", "Metz et al. 2017", ALONE, &["technique.unroll=1"]),
    method("unrolled-5", "Metz et al. 2017", ALONE, &["technique.unroll=5"]),
    method("unrolled-10", "Metz et al. 2017", ALONE, &["technique.unroll=10"]),
    method("generator-first", "the order of the updates", ALONE, &["train.generator_first=100000000"]),
    method(
        "discriminator-five",
        "Goodfellow et al. 2014, algorithm 1 with k = 5",
        ALONE,
        &["train.discriminator_steps=5"],
    ),
    method(
        "balanced",
        "as many discriminator steps as it takes to tell real from generated, ten at most",
        ALONE,
        &["train.discriminator_steps=10", "train.discriminator_margin=0.3"],
    ),
    method("generator-twice", "one discriminator step, two generator steps", ALONE, &["train.generator_steps=2"]),
    method("augment", "Zhao et al. 2020", &[], &["technique.augment=[\"color\", \"translation\", \"cutout\"]"]),
    method("sgd", "Robbins & Monro 1951", &[], &["optimizer.kind=sgd", "optimizer.learning_rate=0.02"]),
    method(
        "momentum",
        "Polyak 1964",
        &[],
        &["optimizer.kind=sgd", "optimizer.learning_rate=0.01", "optimizer.momentum=0.5"],
    ),
    method("rmsprop", "Tieleman & Hinton 2012", &[], &["optimizer.kind=rmsprop", "optimizer.learning_rate=0.0005"]),
    method("amsgrad", "Reddi et al. 2018", &[], &["optimizer.kind=amsgrad"]),
];

const fn method(
    name: &'static str,
    paper: &'static str,
    start: &'static [&'static str],
    settings: &'static [&'static str],
) -> Method {
    Method { name, paper, start, settings }
}

/// The settings of the methods called `names`, all at once: what one is goes before what another starts from.
pub(super) fn settings<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<String>, String> {
    let mut methods: Vec<&Method> = Vec::new();
    for name in names {
        methods.push(METHODS.iter().find(|m| m.name == name).ok_or_else(|| {
            let near = nearest(name, METHODS.iter().map(|m| m.name));
            let all: Vec<_> = METHODS.iter().map(|m| m.name).collect();
            format!("no method is called {name:?}; the nearest are {}; there are: {}", near.join(", "), all.join(", "))
        })?);
    }
    let key = |setting: &str| setting.split('=').next().unwrap_or_default().to_owned();
    let mut own: Vec<(&str, &str)> = Vec::new();
    for method in &methods {
        for &setting in method.settings {
            match own.iter().find(|o| key(o.1) == key(setting)) {
                Some((other, value)) if *value != setting => {
                    return Err(format!(
                        "{other} and {} both set {}, to different values: name one of them, and change the key by --set",
                        method.name,
                        key(setting)
                    ));
                }
                Some(_) => {}
                None => own.push((method.name, setting)),
            }
        }
    }
    let start = methods.iter().flat_map(|m| m.start).copied();
    let all = start.filter(|s| own.iter().all(|o| key(o.1) != key(s))).chain(own.iter().map(|o| o.1));
    Ok(all.map(str::to_owned).collect())
}
