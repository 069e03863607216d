//! Tests of each objective, regularizer and technique: gradients against finite differences, and training of small GANs.
use super::game::Game;
use super::state::State;
use super::steps::GameStep;
use super::*;
use crate::data::{BuiltinDataset, GaussianMixture};
use crate::evaluate;
use crate::graph::{Feeds, Op, interpret};
use crate::nn::TensorRole;
use crate::philox::Key;
use crate::recipe::METHODS;

fn recipe(name: &str, settings: &[&str]) -> Recipe {
    Recipe::open(name, &settings.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).unwrap()
}

/// Compares the gradient of a step with central differences of its loss, at some of the weights.
fn differences<O>(recipe: &Recipe, name: &str, step: impl Fn(&Game<'_>) -> GameStep<O>) {
    let data = BuiltinDataset::from_name(&recipe.data.source).unwrap().open().unwrap().into_shared();
    let shape = recipe.data.size.map_or(data.shape().to_vec(), |[w, h]| vec![h, w, data.shape()[2]]);
    let (generator, discriminator) = recipe.networks(&shape).unwrap();
    let (state, mut store) = State::new(recipe, &generator, &discriminator, 5);
    let GameStep { graph, minimized, .. } = step(&Game {
        recipe,
        generator: &generator,
        discriminator: &discriminator,
        state,
        loss: None,
        sample_batch: 1,
    });
    // Moments and past means with values as in the middle of a run.
    for (i, entry) in store.clone().entries().iter().enumerate() {
        let role = entry.name.rsplit('.').next().unwrap();
        let mut random = vec![0.0; entry.values.len()];
        Key { seed: 9, stream: i as u32, step: 0 }.uniform(&mut random);
        let id = store.find(&entry.name).unwrap();
        if role.ends_with("moment") || ["history", "began_k"].contains(&role) {
            *store.values_mut(id) = random.iter().map(|v| 0.01 + 0.1 * v).collect();
        } else if role == "weights" {
            // With zero biases, whole regions would lie on the kinks of the activations.
            store.values_mut(id).iter_mut().zip(&random).for_each(|(w, v)| *w += 0.1 * (v - 0.5));
        }
    }
    let g = &graph.program.graph;
    let mut feeds = Feeds { seed: 1, step: 1, ..Feeds::default() };
    for (i, (name, id)) in g.inputs().iter().enumerate() {
        let mut values = vec![0.0; g.shape(*id).len()];
        Key { seed: 3, stream: i as u32, step: 0 }.normal(&mut values);
        let classes = g.shape(*id).last();
        let fed = |(at, v): (usize, &f32)| match name.as_str() {
            "learning rate" => 0.05,
            "correction of the first moment" | "correction of the second moment" => 1.3,
            "noise" | "share in the history" | "share in the EMA" | "penalty factor" => 0.3,
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
    // All nodes that read the weights; a store entry may be read more than once.
    let weights = g.node(minimized.weights).op;
    let readers: Vec<_> = g.ids().filter(|&id| g.node(id).op == weights).collect();
    let base = interpret(g, &feeds);
    // Gradients treat detached values as constants.
    for id in g.ids().filter(|&id| g.node(id).op == Op::Detach) {
        feeds.values.insert(id, base[id.index()].clone());
    }
    let len = g.shape(minimized.weights).len();
    let largest = base[minimized.gradient.index()].iter().fold(0.0f64, |m, v| m.max(v.abs()));
    assert!(largest > 1e-9, "{name}: the gradient is 0 everywhere");
    let (e, picks) = (1e-6, 12.min(len));
    for pick in 0..picks {
        let at = (pick * len / picks + pick) % len;
        let mut loss = |by: f64| {
            for id in &readers {
                feeds.values.get_mut(id).unwrap()[at] += by;
            }
            let value = interpret(g, &feeds)[minimized.loss.index()][0];
            for id in &readers {
                feeds.values.get_mut(id).unwrap()[at] -= by;
            }
            value
        };
        let want = (loss(e) - loss(-e)) / (2.0 * e);
        let got = base[minimized.gradient.index()][at];
        assert!(
            (want - got).abs() <= 2e-4 * (want.abs() + largest),
            "{name}, weight {at} of the {}: differences {want}, gradient {got}",
            graph.program.name()
        );
    }
}

const SMALL: [&str; 3] = ["train.batch_size=4", "generator.hidden=[5]", "discriminator.hidden=[6]"];

#[test]
fn gradients_of_every_method_agree_with_finite_differences() {
    // The augmentations need images; the next test has them.
    for method in METHODS.iter().filter(|m| m.name != "augment") {
        let mut settings = SMALL.to_vec();
        if method.name == "began" {
            settings[2] = "discriminator={family=\"autoencoder\", hidden=[5], code=2}";
        }
        let recipe = recipe(&format!("ring+{}", method.name), &settings);
        differences(&recipe, method.name, |p| p.discriminator_step(recipe.objective.regularizer.every() > 0));
        differences(&recipe, method.name, |p| p.generator_step());
    }
}

#[test]
fn gradients_of_every_architecture_agree_with_finite_differences() {
    let faces = [
        "train.batch_size=2",
        "data.size=[8, 8]",
        "discriminator.stem=0",
        "discriminator.widths=[2, 3]",
        "generator.refine=false",
    ];
    let dcgan =
        |more: &[&'static str]| recipe("faces-small", &[&faces[..], &["generator.widths=[3, 2]"], more].concat());
    let family = |text: &'static str, more: &[&'static str]| {
        let generator = format!("generator={{{text}}}");
        let settings = [&[generator.as_str()][..], &faces[..4], more].concat();
        recipe("faces-small", &settings)
    };
    let cases = [
        dcgan(&["generator.upsampling=separable"]),
        dcgan(&["generator.mapping=[4, 3]", "init=glorot"]),
        dcgan(&["data.classes=4"]),
        dcgan(&["generator.refine=true", "generator.palette=3", "data.classes=4"]),
        dcgan(&["technique.augment=[\"color\", \"translation\", \"cutout\"]"]),
        dcgan(&["objective.regularizer={kind=\"none\"}", "discriminator.batch_norm=true", "generator.batch_norm=true"]),
        dcgan(&["objective.regularizer={kind=\"none\"}", "discriminator.batch_norm=true", "train.batches=mixed"]),
        family("family=\"residual\", latent=3, widths=[3, 2]", &["discriminator={family=\"residual\", widths=[2, 3]}"]),
        family("family=\"pyramid\", latent=3, widths=[3, 2, 2]", &[]),
        recipe(
            "ring",
            &[
                &SMALL[..],
                &["discriminator.fourier_features=3", "generator.binary_latents=1", "objective.penalty_to=0.1"],
            ]
            .concat(),
        ),
    ];
    for recipe in cases {
        let name = format!("{:?}", recipe.generator);
        differences(&recipe, &name, |p| p.discriminator_step(true));
        differences(&recipe, &name, |p| p.generator_step());
    }
}

fn trainer(recipe: Recipe, steps: u64) -> Trainer {
    let data = BuiltinDataset::from_name(&recipe.data.source).unwrap().open().unwrap().into_shared();
    Trainer::new(recipe, data, 1, steps, 1).unwrap()
}

#[test]
fn every_method_trains_the_smallest_gan() {
    let mixture = GaussianMixture::bimodal();
    // BEGAN needs more dimensions, because a code of one number holds any number exactly; augmentations need images.
    for method in METHODS.iter().filter(|m| !["began", "augment"].contains(&m.name)) {
        // Without penalties, minibatch discrimination makes the smallest GAN oscillate with growing amplitude.
        let penalty = if method.name == "minibatch-discrimination" { "+r1r2" } else { "" };
        let recipe = recipe(&format!("bimodal-1d+{}{penalty}", method.name), &["train.batch_size=64"]);
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
    let mixture = GaussianMixture::ring();
    let settings = [
        "generator.hidden=[128, 128, 128]",
        "train.batch_size=128",
        "optimizer.learning_rate=0.004",
        "optimizer.generator_learning_rate=0.001",
        "optimizer.beta1=0.5",
    ];
    let mut trainer = trainer(recipe("ring+began", &settings), 3000);
    let (mut first, mut last) = (0.0, 0.0);
    for step in 0..3000 {
        let report = trainer.advance().unwrap();
        assert!((0.0..=1.0).contains(&report.began_k), "k = {}", report.began_k);
        if step < 100 {
            first += report.began_convergence;
        } else if step >= 2900 {
            last += report.began_convergence;
        }
    }
    assert!(last < 0.5 * first, "M is {} at first and {} at last", first / 100.0, last / 100.0);
    // The code of the discriminator is one number, so it reconstructs a curve in the plane; samples are where the curve passes a mode.
    let found = evaluate::points(&trainer.samples(0, 2500), &mixture).unwrap();
    assert!(found.modes >= 1 && found.high_quality > 0.5, "{found:?}");
}

#[test]
fn augmentations_shift_blank_and_tint_images() {
    use super::discriminator_input::{ExampleKind, prepare};
    use crate::recipe::{Augment, Technique};
    const SIDE: usize = 8;
    let made = |augment, kind| {
        let technique = Technique { augment: vec![augment], ..Technique::default() };
        let mut g = crate::graph::Graph::default();
        let (x, noise) = (g.input("x", &[96, SIDE, SIDE, 1]), g.input("noise", &[]));
        let y = prepare(&mut g, &technique, x, noise, kind);
        let mut feeds = Feeds::default();
        // All pixels differ, and none is 0.
        let pixels = (0..96 * SIDE * SIDE).map(|i| 1.0 + (i % (SIDE * SIDE)) as f64);
        feeds.values.insert(x, pixels.collect());
        feeds.values.insert(noise, vec![0.0]);
        interpret(&g, &feeds)[y.index()].chunks_exact(SIDE * SIDE).map(<[f64]>::to_vec).collect::<Vec<_>>()
    };
    let plain: Vec<_> = (0..SIDE * SIDE).map(|i| 1.0 + i as f64).collect();
    let mut shifts = std::collections::BTreeSet::new();
    for image in made(Augment::Translation, ExampleKind::Real) {
        let fits = |dx: i32, dy: i32| {
            (0..64).all(|i| {
                let (x, y) = (i % 8 + dx, i / 8 + dy);
                let inside = (0..8).contains(&x) && (0..8).contains(&y);
                image[i as usize] == if inside { plain[(8 * y + x) as usize] } else { 0.0 }
            })
        };
        let shift = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (dx, dy))).find(|(dx, dy)| fits(*dx, *dy));
        shifts.insert(shift.unwrap_or_else(|| panic!("the shift exceeds one pixel: {image:?}")));
    }
    assert_eq!(shifts.len(), 9, "{shifts:?}");
    for image in made(Augment::Cutout, ExampleKind::Real) {
        let blank: Vec<_> = (0..64).filter(|i| image[*i] == 0.0).collect();
        // A square of half a side, clipped at the border.
        let span = |of: fn(usize) -> usize| blank.iter().map(|i| of(*i)).collect::<std::collections::BTreeSet<_>>();
        let (columns, rows) = (span(|i| i % 8), span(|i| i / 8));
        assert!((2..=4).contains(&columns.len()) && (2..=4).contains(&rows.len()), "{blank:?}");
        assert_eq!(blank.len(), columns.len() * rows.len());
        assert!((0..64).all(|i| image[i] == 0.0 || image[i] == plain[i]));
    }
    for image in made(Augment::Color, ExampleKind::Real) {
        let mean = |p: &[f64]| p.iter().sum::<f64>() / 64.0;
        let contrast = (image[63] - image[0]) / 63.0;
        assert!((0.5..=1.5).contains(&contrast) && (mean(&image) - mean(&plain)).abs() <= 0.5);
        let even = |i: usize| (image[i] - mean(&image)) / contrast - (plain[i] - mean(&plain));
        assert!((0..64).all(|i| even(i).abs() < 1e-3));
    }
    // Real and generated images are augmented in the same way, but with different random numbers.
    assert_ne!(made(Augment::Cutout, ExampleKind::Real), made(Augment::Cutout, ExampleKind::Generated));
}

#[test]
fn updates_have_the_requested_number_and_order() {
    let phases = |settings: &[&str]| {
        let mut trainer = trainer(recipe("bimodal-1d", &[&["train.batch_size=8"][..], settings].concat()), 10);
        let mut seen = Vec::new();
        trainer.advance_with(&mut |phase, _| seen.push(phase)).unwrap();
        seen.retain(|p| *p != StepPhase::BatchDrawn);
        seen
    };
    let (d, g) = (StepPhase::DiscriminatorUpdated, StepPhase::GeneratorUpdated);
    assert_eq!(phases(&[]), [d, g]);
    assert_eq!(phases(&["train.discriminator_steps=1", "train.generator_steps=2"]), [d, g, g]);
    assert_eq!(phases(&["train.discriminator_steps=3", "train.generator_first=1"]), [g, d, d, d]);
}

#[test]
fn a_balanced_discriminator_makes_only_the_updates_that_it_needs() {
    let settings = [
        "train.batch_size=64",
        "train.discriminator_steps=6",
        "train.discriminator_margin=0.2",
        "data.scale=2",
        "optimizer.learning_rate=0.003",
    ];
    let mut trainer = trainer(recipe("bimodal-1d+non-saturating", &settings), 300);
    let mut counts = [0; 7];
    for _ in 0..300 {
        let (mut updates, mut apart) = (0, Vec::new());
        let mut on_phase = |phase, report: &StepReport| {
            if phase == StepPhase::DiscriminatorUpdated {
                updates += 1;
                apart.push(report.d_real - report.d_fake);
            }
        };
        trainer.advance_with(&mut on_phase).unwrap();
        let (last, before) = apart.split_last().unwrap();
        assert!(updates == 6 || *last >= 0.2, "{apart:?}");
        assert!(before.iter().all(|a| *a < 0.2), "{apart:?}");
        counts[updates] += 1;
    }
    assert!(counts[1] > 20 && counts[6] > 20, "steps by their updates: {counts:?}");
}

#[test]
fn each_update_changes_one_network() {
    let mut trainer = trainer(recipe("bimodal-1d+generator-twice", &["train.batch_size=8"]), 10);
    let players = [Player::Generator, Player::Discriminator];
    let weights = |t: &Trainer| players.map(|p| StateKey::Weights(p).values(t.store()).to_vec());
    let start = weights(&trainer);
    let mut report = StepReport::default();
    trainer.update_discriminator(&mut report, &mut |_, _| {}).unwrap();
    let middle = weights(&trainer);
    assert!(middle[0] == start[0] && middle[1] != start[1]);
    trainer.update_generator(&mut report, &mut |_, _| {}).unwrap();
    let end = weights(&trainer);
    assert!(end[0] != middle[0] && end[1] == middle[1]);
}

#[test]
fn clipped_weights_stay_within_the_limit() {
    let mut trainer = trainer(recipe("ring+wasserstein-clip", &["train.batch_size=32"]), 20);
    (0..20).for_each(|_| _ = trainer.advance().unwrap());
    let discriminator = StateKey::Weights(Player::Discriminator).values(trainer.store());
    assert!(discriminator.iter().all(|w| w.abs() <= 0.100_001) && discriminator.iter().any(|w| w.abs() > 0.09));
}

#[test]
fn spectral_norms_become_one() {
    let mut trainer =
        trainer(recipe("ring+spectral-norm", &["train.batch_size=32", "discriminator.hidden=[16, 16]"]), 100);
    (0..100).for_each(|_| _ = trainer.advance().unwrap());
    let discriminator = trainer.discriminator().clone();
    let mut g = crate::graph::Graph::default();
    let flat = g.input("weights", &[discriminator.len()]);
    let vectors = g.input("vectors", &[discriminator.vectors_len()]);
    let bound = discriminator.bind_to(&mut g, flat, Some(vectors));
    let mut feeds = Feeds::default();
    for (node, key) in [(flat, StateKey::Weights(Player::Discriminator)), (vectors, StateKey::PowerIteration)] {
        feeds.values.insert(node, key.values(trainer.store()).iter().map(|v| f64::from(*v)).collect());
    }
    let values = interpret(&g, &feeds);
    for (tensor, node) in
        discriminator.tensors.iter().zip(&bound.tensors).filter(|(t, _)| t.key.role == TensorRole::Weight)
    {
        let matrix = nalgebra::DMatrix::from_row_slice(tensor.dims[0], tensor.dims[1], &values[node.index()]);
        let largest = matrix.singular_values()[0];
        assert!((largest - 1.0).abs() < 0.02, "{}: {largest}", tensor.key);
    }
}

#[test]
fn the_levels_of_a_pyramid_add_up_to_its_image() {
    let generator = "generator={family=\"pyramid\", latent=6, widths=[8, 6, 4]}";
    let recipe = recipe("digits-small", &[generator, "train.batch_size=2"]);
    let (network, _) = recipe.networks(&[28, 28, 1]).unwrap();
    let mut g = crate::graph::Graph::default();
    let z = g.input("z", &[2, 6]);
    let flat = g.input("weights", &[network.len()]);
    let bound = network.bind_to(&mut g, flat, None);
    let trace = network.trace(&mut g, &bound, z, crate::nn::Mode::Train);
    let sides: Vec<_> = trace.images.iter().map(|p| g.shape(*p).dims()[1]).collect();
    assert_eq!((sides, network.output()), (vec![7, 14, 28], vec![28, 28, 1]));
    let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
    let latents = wide(&[0.5, -1.0, 0.2, 0.1, 0.9, -0.3, 1.0, 0.4, -0.2, 0.0, 0.7, 0.3]);
    let weights = wide(&network.initial_weights(1, 1));
    // The last level is a convolution of 3x3 over 4 channels with a bias, and its weights are the last of all.
    let last = weights.len() - (3 * 3 * 4 + 1);
    let made = |factor: f64| {
        let mut feeds = Feeds::default();
        feeds.values.insert(z, latents.clone());
        let scaled = weights.iter().enumerate().map(|(i, w)| if i < last { *w } else { factor * w });
        feeds.values.insert(flat, scaled.collect());
        let values = interpret(&g, &feeds);
        [1, 2].map(|level| values[trace.images[level].index()].clone())
    };
    let ([half, plain], [_, full], [_, twice]) = (made(0.0), made(1.0), made(2.0));
    for i in 0..2 * 28 * 28 {
        let (n, y, x) = (i / 784, i / 28 % 28, i % 28);
        let above = half[196 * n + 14 * (y / 2) + x / 2];
        assert_eq!(plain[i], above, "without a residual a level is the one before, twice as large");
        assert!((twice[i] - above - 2.0 * (full[i] - above)).abs() < 1e-9, "a residual is added, not mixed in");
    }
    assert!(full.iter().zip(&plain).any(|(a, b)| (a - b).abs() > 1e-3));
}

#[test]
fn a_latent_value_chooses_the_class_as_often_as_the_shares_say() {
    let settings =
        ["train.batch_size=4", "generator.widths=[4, 4]", "discriminator.widths=[4, 4]", "discriminator.stem=0"];
    let shares = ["data.classes=4", "data.class_shares=[39, 30, 18, 13]"];
    let recipe = recipe("faces-small", &[&settings[..], &shares].concat());
    let mut counts = [0; 4];
    (0..20_000).for_each(|seed| counts[recipe.class_of_seed(seed)] += 1);
    for (count, share) in counts.into_iter().zip([0.39, 0.3, 0.18, 0.13]) {
        assert!((f64::from(count) / 20_000.0 - share).abs() < 0.016, "{counts:?}");
    }
    let mut trainer = trainer(recipe.clone(), 3);
    (0..3).for_each(|_| _ = trainer.advance().unwrap());
    let draw = |trainer: &mut Trainer, class: f32| {
        let mut z = vec![0.5; trainer.latent()];
        *z.last_mut().unwrap() = class;
        trainer.samples_of(&z)
    };
    // Within a class the value changes nothing.
    assert_eq!(draw(&mut trainer, -3.0), draw(&mut trainer, -0.5));
    assert!(draw(&mut trainer, -0.5) != draw(&mut trainer, 0.0));
    assert_eq!(trainer.samples(7, 2).len(), 2 * 16 * 16 * 3);
    let rare = Recipe::open("faces-small", &["data.classes=2".into(), "data.class_shares=[1, 1e-9]".into()]).unwrap();
    let why = rare.networks(&[16, 16, 3]).unwrap_err().to_string();
    assert!(why.contains("at least 1.3 %"), "{why}");
}

#[test]
fn classes_change_the_samples_and_must_match_the_data() {
    let settings = ["train.batch_size=4", "generator.widths=[4, 4]", "discriminator.widths=[4, 4]", "data.classes=4"];
    let mut trainer = trainer(recipe("faces-small", &[&settings[..], &["discriminator.stem=0"]].concat()), 3);
    (0..3).for_each(|_| _ = trainer.advance().unwrap());
    let z = trainer.samples_of_classes(1, &[0, 1]);
    let again = trainer.samples_of_classes(1, &[1, 1]);
    let half = z.len() / 2;
    assert!(z[..half] != again[..half] && z[half..] == again[half..]);
    let refused = |source: &str, classes: usize| {
        let recipe = recipe("bimodal-1d", &[&format!("data.classes={classes}")]);
        Trainer::new(recipe, BuiltinDataset::from_name(source).unwrap().open().unwrap().into_shared(), 1, 1, 1)
            .err()
            .unwrap()
            .to_string()
    };
    assert!(refused("bimodal", 3).contains("has 2 classes: set data.classes = 2"));
}
