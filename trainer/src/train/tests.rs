//! Every objective, regulariser and technique: its gradient against finite differences, and that it trains.
use super::params::Params;
use super::programs::{Parts, Traced};
use super::*;
use crate::data::builtin;
use crate::evaluate;
use crate::graph::{Feeds, Op, interpret};
use crate::recipe::METHODS;

fn recipe(name: &str, settings: &[&str]) -> Recipe {
    Recipe::open(name, &settings.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).unwrap()
}

/// Checks the gradient of a step by central differences of its loss, at some of the weights.
fn differences(recipe: &Recipe, name: &str, step: impl Fn(&Parts<'_>) -> Traced) {
    let data = builtin(&recipe.data.source).unwrap().into_boxed();
    let shape = recipe.data.size.map_or(data.shape().to_vec(), |[w, h]| vec![h, w, data.shape()[2]]);
    let (generator, critic) = recipe.networks(&shape).unwrap();
    let (params, mut store) = Params::start(recipe, &generator, &critic, 5);
    let mut traced = step(&Parts { recipe, generator: &generator, critic: &critic, params, sample_batch: 1 });
    // Moments and past means as they are in the middle of a run.
    for (i, entry) in store.clone().entries().iter().enumerate() {
        let role = entry.name.rsplit('.').next().unwrap();
        let mut random = vec![0.0; entry.values.len()];
        Key { seed: 9, stream: i as u32, step: 0 }.uniform(&mut random);
        let id = store.find(&entry.name).unwrap();
        if ["mean", "square", "peak", "history", "balance"].contains(&role) {
            *store.values_mut(id) = random.iter().map(|v| 0.01 + 0.1 * v).collect();
        } else if role == "weights" {
            // Biases that are 0 would put whole regions onto the kinks of their activations.
            store.values_mut(id).iter_mut().zip(&random).for_each(|(w, v)| *w += 0.1 * (v - 0.5));
        }
    }
    let g = &mut traced.graph;
    let mut feeds = Feeds { seed: 1, step: 1, ..Feeds::default() };
    for (i, (name, id)) in g.inputs().iter().enumerate() {
        let mut values = vec![0.0; g.shape(*id).len()];
        Key { seed: 3, stream: i as u32, step: 0 }.normal(&mut values);
        let classes = g.shape(*id).last();
        let fed = |(at, v): (usize, &f32)| match name.as_str() {
            "rate" => 0.05,
            "mean correction" | "square correction" => 1.3,
            "noise" | "share of past means" | "average share" | "penalty strength" => 0.3,
            "classes" => f64::from(u8::from(at % classes == (at / classes) % classes)),
            _ => 0.5 * f64::from(*v),
        };
        feeds.values.insert(*id, values.iter().enumerate().map(fed).collect());
    }
    for id in g.ids() {
        if let Op::Param(param) = g.node(id).op {
            feeds.values.insert(id, store.values(param).iter().map(|v| f64::from(*v)).collect());
        }
    }
    // Every node that reads the weights; the store's entry may be read more than once.
    let weights = g.node(traced.weights).op;
    let readers: Vec<_> = g.ids().filter(|&id| g.node(id).op == weights).collect();
    let base = interpret(g, &feeds);
    // What gradients take for constant stays what it is.
    for id in g.ids().filter(|&id| g.node(id).op == Op::Detach) {
        feeds.values.insert(id, base[id.index()].clone());
    }
    let len = g.shape(traced.weights).len();
    let largest = base[traced.gradient.index()].iter().fold(0.0f64, |m, v| m.max(v.abs()));
    assert!(largest > 1e-9, "{name}: the gradient is 0 everywhere");
    let (e, picks) = (1e-6, 12.min(len));
    for pick in 0..picks {
        let at = (pick * len / picks + pick) % len;
        let mut loss = |by: f64| {
            for id in &readers {
                feeds.values.get_mut(id).unwrap()[at] += by;
            }
            let value = interpret(g, &feeds)[traced.total.index()][0];
            for id in &readers {
                feeds.values.get_mut(id).unwrap()[at] -= by;
            }
            value
        };
        let want = (loss(e) - loss(-e)) / (2.0 * e);
        let got = base[traced.gradient.index()][at];
        assert!(
            (want - got).abs() <= 2e-4 * (want.abs() + largest),
            "{name}, weight {at} of the {}: differences {want}, gradient {got}",
            traced.name
        );
    }
}

const SMALL: [&str; 3] = ["train.batch=4", "generator.hidden=[5]", "critic.hidden=[6]"];

#[test]
fn gradients_of_every_method_agree_with_finite_differences() {
    for method in METHODS {
        let mut settings = SMALL.to_vec();
        if method.name == "began" {
            settings[2] = "critic={family=\"autoencoder\", hidden=[5], code=2}";
        }
        let recipe = recipe(&format!("ring+{}", method.name), &settings);
        differences(&recipe, method.name, |p| p.critic_step(recipe.objective.regulariser.every() > 0));
        differences(&recipe, method.name, |p| p.generator_step());
    }
}

#[test]
fn gradients_of_every_architecture_agree_with_finite_differences() {
    let faces =
        ["train.batch=2", "data.size=[8, 8]", "critic.stem=0", "critic.widths=[2, 3]", "generator.refine=false"];
    let dcgan = |more: &[&'static str]| recipe("faces", &[&faces[..], &["generator.widths=[3, 2]"], more].concat());
    let family = |text: &'static str, more: &[&'static str]| {
        let generator = format!("generator={{{text}}}");
        let settings = [&[generator.as_str()][..], &faces[..4], more].concat();
        recipe("faces", &settings)
    };
    let cases = [
        dcgan(&["generator.doubling=separable"]),
        dcgan(&["generator.mapping=[4, 3]", "init=glorot"]),
        dcgan(&["data.classes=4"]),
        dcgan(&["technique.augment=[\"colour\", \"translation\", \"cutout\"]"]),
        dcgan(&["objective.regulariser={kind=\"none\"}", "critic.batch_norm=true", "generator.batch_norm=true"]),
        dcgan(&["objective.regulariser={kind=\"none\"}", "critic.batch_norm=true", "train.batches=mixed"]),
        family("family=\"residual\", latent=3, widths=[3, 2]", &["critic={family=\"residual\", widths=[2, 3]}"]),
        family("family=\"pyramid\", latent=3, widths=[3, 2, 2]", &[]),
        recipe("ring", &[&SMALL[..], &["critic.octaves=3", "generator.code=1", "objective.penalty_to=0.1"]].concat()),
    ];
    for recipe in cases {
        let name = format!("{:?}", recipe.generator);
        differences(&recipe, &name, |p| p.critic_step(true));
        differences(&recipe, &name, |p| p.generator_step());
    }
}

fn trainer(recipe: Recipe, steps: u64) -> Trainer {
    let data = builtin(&recipe.data.source).unwrap().into_boxed();
    Trainer::new(recipe, data, 1, steps, 1).unwrap()
}

#[test]
fn every_method_trains_the_smallest_gan() {
    let crate::data::Source::Mixture(mixture) = builtin("bimodal").unwrap() else { panic!("a mixture") };
    // An auto-encoder restores any number: BEGAN needs more dimensions, and has the next test.
    for method in METHODS.iter().filter(|m| m.name != "began") {
        // Alone, minibatch discrimination lets the smallest GAN swing ever wider; with penalties it settles.
        let penalty = if method.name == "discrimination" { "+r1r2" } else { "" };
        let recipe = recipe(&format!("bimodal-1d+{}{penalty}", method.name), &["train.batch=64"]);
        let mut trainer = trainer(recipe, 600);
        let distance = |t: &mut Trainer| evaluate::points(&t.samples(0, 2000), &mixture).unwrap().wasserstein.unwrap();
        let before = distance(&mut trainer);
        for _ in 0..600 {
            trainer.advance().unwrap();
        }
        let after = distance(&mut trainer);
        assert!(after < 0.7 * before, "{}: {before:.3} before, {after:.3} after", method.name);
    }
}

#[test]
fn began_keeps_its_balance_and_converges() {
    let critic = "critic={family=\"autoencoder\", hidden=[64], code=2}";
    let mut trainer = trainer(recipe("ring+began", &["train.batch=64", critic]), 2000);
    let (mut first, mut last) = (0.0, 0.0);
    for step in 0..2000 {
        let report = trainer.advance().unwrap();
        assert!((0.0..=1.0).contains(&report.balance), "k = {}", report.balance);
        if step < 100 {
            first += report.convergence;
        } else if step >= 1900 {
            last += report.convergence;
        }
    }
    assert!(last < 0.5 * first, "M is {} at first and {} at last", first / 100.0, last / 100.0);
}

#[test]
fn updates_are_counted_and_ordered_as_asked() {
    let parts = |settings: &[&str]| {
        let mut trainer = trainer(recipe("bimodal-1d", &[&["train.batch=8"][..], settings].concat()), 10);
        let mut seen = Vec::new();
        trainer.advance_telling(&mut |part, _| seen.push(part)).unwrap();
        seen.retain(|p| *p != Part::Drawn);
        seen
    };
    let (c, g) = (Part::Critic, Part::Generator);
    assert_eq!(parts(&[]), [c, g]);
    assert_eq!(parts(&["train.critic_steps=1", "train.generator_steps=2"]), [c, g, g]);
    assert_eq!(parts(&["train.critic_steps=3", "train.generator_first=1"]), [g, c, c, c]);
}

#[test]
fn a_balanced_critic_makes_only_the_updates_that_it_needs() {
    let settings =
        ["train.batch=64", "train.critic_steps=6", "train.balance=0.2", "data.scale=2", "optimiser.rate=0.003"];
    let mut trainer = trainer(recipe("bimodal-1d+non-saturating", &settings), 300);
    let mut counts = [0; 7];
    for _ in 0..300 {
        let (mut updates, mut apart) = (0, Vec::new());
        let mut hear = |part, report: &Report| {
            if part == Part::Critic {
                updates += 1;
                apart.push(report.judged_real - report.judged_fake);
            }
        };
        trainer.advance_telling(&mut hear).unwrap();
        let (last, before) = apart.split_last().unwrap();
        assert!(updates == 6 || *last >= 0.2, "{apart:?}");
        assert!(before.iter().all(|a| *a < 0.2), "{apart:?}");
        counts[updates] += 1;
    }
    assert!(counts[1] > 20 && counts[6] > 20, "steps by their updates: {counts:?}");
}

#[test]
fn each_update_changes_one_network() {
    let mut trainer = trainer(recipe("bimodal-1d+generator-twice", &["train.batch=8"]), 10);
    let (generator, critic) = (trainer.params.generator, trainer.params.critic);
    let weights = |t: &Trainer| [generator, critic].map(|p| t.store().values(p).to_vec());
    let start = weights(&trainer);
    let mut report = Report::default();
    trainer.critic_updates(&mut report, &mut |_, _| {}).unwrap();
    let middle = weights(&trainer);
    assert!(middle[0] == start[0] && middle[1] != start[1]);
    trainer.generator_updates(&mut report, &mut |_, _| {}).unwrap();
    let end = weights(&trainer);
    assert!(end[0] != middle[0] && end[1] == middle[1]);
}

#[test]
fn clipped_weights_stay_within_the_limit() {
    let mut trainer = trainer(recipe("ring+wasserstein-clip", &["train.batch=32"]), 20);
    (0..20).for_each(|_| _ = trainer.advance().unwrap());
    let critic = trainer.store().values(trainer.params.critic);
    assert!(critic.iter().all(|w| w.abs() <= 0.100_001) && critic.iter().any(|w| w.abs() > 0.09));
}

#[test]
fn spectral_norms_become_one() {
    let mut trainer = trainer(recipe("ring+spectral-norm", &["train.batch=32", "critic.hidden=[16, 16]"]), 100);
    (0..100).for_each(|_| _ = trainer.advance().unwrap());
    let critic = trainer.critic().clone();
    let mut g = crate::graph::Graph::default();
    let flat = g.param(trainer.params.critic, &[critic.len()]);
    let vectors = g.param(trainer.params.vectors.unwrap(), &[critic.vectors_len()]);
    let bound = critic.bind_to(&mut g, flat, Some(vectors));
    let mut feeds = Feeds::default();
    for (node, param) in [(flat, trainer.params.critic), (vectors, trainer.params.vectors.unwrap())] {
        feeds.values.insert(node, trainer.store().values(param).iter().map(|v| f64::from(*v)).collect());
    }
    let values = interpret(&g, &feeds);
    for (tensor, node) in critic.tensors.iter().zip(&bound.tensors).filter(|(t, _)| t.name.ends_with("weight")) {
        let matrix = nalgebra::DMatrix::from_row_slice(tensor.dims[0], tensor.dims[1], &values[node.index()]);
        let largest = matrix.singular_values()[0];
        assert!((largest - 1.0).abs() < 0.02, "{}: {largest}", tensor.name);
    }
}

#[test]
fn the_levels_of_a_pyramid_add_up_to_its_picture() {
    let generator = "generator={family=\"pyramid\", latent=6, widths=[8, 6, 4]}";
    let recipe = recipe("digits", &[generator, "train.batch=2"]);
    let (network, _) = recipe.networks(&[28, 28, 1]).unwrap();
    let mut g = crate::graph::Graph::default();
    let z = g.input("z", &[2, 6]);
    let flat = g.input("weights", &[network.len()]);
    let bound = network.bind_to(&mut g, flat, None);
    let trace = network.trace(&mut g, &bound, z, crate::nn::Mode::Train);
    let sides: Vec<_> = trace.pictures.iter().map(|p| g.shape(*p).dims()[1]).collect();
    assert_eq!((sides, network.output()), (vec![7, 14, 28], vec![28, 28, 1]));
    let up = g.upsample(trace.pictures[1], 2);
    let residual = g.sub(trace.pictures[2], up);
    let mut feeds = Feeds::default();
    let wide = |v: Vec<f32>| v.into_iter().map(f64::from).collect::<Vec<_>>();
    feeds.values.insert(z, vec![0.5, -1.0, 0.2, 0.1, 0.9, -0.3, 1.0, 0.4, -0.2, 0.0, 0.7, 0.3]);
    feeds.values.insert(flat, wide(network.start(1, 1)));
    let values = interpret(&g, &feeds);
    let (up, residual) = (&values[up.index()], &values[residual.index()]);
    let picture = &values[trace.output().index()];
    assert!(residual.iter().any(|r| r.abs() > 1e-3));
    assert!(picture.iter().zip(up.iter().zip(residual)).all(|(p, (u, r))| (p - u - r).abs() < 1e-12));
}

#[test]
fn classes_change_what_is_generated_and_must_exist() {
    let settings = ["train.batch=4", "generator.widths=[4, 4]", "critic.widths=[4, 4]", "data.classes=4"];
    let mut trainer = trainer(recipe("faces", &[&settings[..], &["critic.stem=0"]].concat()), 3);
    (0..3).for_each(|_| _ = trainer.advance().unwrap());
    let z = trainer.samples_of_classes(1, &[0, 1]);
    let again = trainer.samples_of_classes(1, &[1, 1]);
    let half = z.len() / 2;
    assert!(z[..half] != again[..half] && z[half..] == again[half..]);
    let refused = |source: &str, classes: usize| {
        let recipe = recipe("bimodal-1d", &[&format!("data.classes={classes}")]);
        Trainer::new(recipe, builtin(source).unwrap().into_boxed(), 1, 1, 1).err().unwrap().to_string()
    };
    assert!(refused("bimodal", 3).contains("has 2 classes: set data.classes = 2"));
}
