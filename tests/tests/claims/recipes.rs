//! Recipes: the named ones work, and invalid ones are refused with a helpful message.
use ganlet_trainer::nn::{Activation, Layer, Network, TensorKey, TensorRole};
use ganlet_trainer::recipe::{Augment, NAMED, Recipe};
use ganlet_trainer::run;
use ganlet_trainer::train::Trainer;

#[test]
fn every_named_recipe_plans_two_networks() {
    for (name, _) in NAMED {
        let mut recipe = Recipe::open(name, &[]).unwrap();
        assert_eq!(recipe.name, name);
        if ["faces-32", "portraits-64", "ink-64", "celeba-dcgan"].contains(&name) {
            assert!(run::load_data(&recipe).err().unwrap().to_string().contains("--data"));
            recipe.data.source = "blobs".into();
        }
        let loaded = run::load_with_classes(&mut recipe, name).unwrap();
        let trainer = Trainer::new(recipe, loaded.train, 1, 10, 1).unwrap();
        assert_eq!(trainer.generator().output(), trainer.discriminator().input, "{name}");
        assert_eq!(trainer.discriminator().output(), [1]);
    }
}

/// Weight shapes of the dense layers and convolutions of a network.
fn weights(network: &Network) -> Vec<Vec<usize>> {
    network.tensors.iter().filter(|t| t.key.role == TensorRole::Weight).map(|t| t.dims.clone()).collect()
}

#[test]
fn the_celeba_recipe_is_the_classic_dcgan() {
    let recipe = Recipe::open("celeba-dcgan", &[]).unwrap();
    let (generator, discriminator) = recipe.networks(&[64, 64, 3]).unwrap();
    let made =
        [vec![128, 4 * 4 * 512], vec![4, 4, 256, 512], vec![4, 4, 128, 256], vec![4, 4, 64, 128], vec![4, 4, 3, 64]];
    assert_eq!(weights(&generator), made);
    // The discriminator mirrors the generator, layer for layer.
    let mirrored: Vec<_> = made[1..].iter().rev().cloned().chain([vec![4 * 4 * 512, 1]]).collect();
    let found: Vec<_> = weights(&discriminator);
    assert_eq!(found, mirrored.into_iter().collect::<Vec<_>>());
    assert!(matches!(generator.layers[1], Layer::BatchNorm { channels: 512 }));
    assert!(discriminator.layers.contains(&Layer::Activation(Activation::Leaky(0.2))));
    let train = &recipe.train;
    assert_eq!((train.discriminator_steps, train.generator_steps, train.batch_size), (1, 2, 16));
    assert_eq!((train.plot_every, train.sample_every, recipe.data.range), (100, 400, [-0.5, 0.5]));
    // Glorot initialization: variance 2/(fan-in + fan-out) in each layer.
    for (layer, fans) in [(0, 128.0 + 8192.0), (3, 4.0 * 512.0 + 16.0 * 256.0)] {
        let tensor = generator.tensors.iter().find(|t| t.key == TensorKey { layer, role: TensorRole::Weight }).unwrap();
        let values = generator.initial_weights(1, 1);
        let run = &values[tensor.at..][..tensor.len()];
        let variance = run.iter().map(|v| f64::from(v * v)).sum::<f64>() / run.len() as f64;
        assert!((variance * fans / 2.0 - 1.0).abs() < 0.02, "layer {layer}: {variance}");
    }
}

#[test]
fn one_network_serves_several_losses() {
    let len = |name: &str| {
        let (g, c) = Recipe::open(name, &[]).unwrap().networks(&[2]).unwrap();
        (g.len(), c.len())
    };
    assert_eq!(len("ring+non-saturating"), len("ring+wasserstein-gp"));
    assert_eq!(len("ring+minimax"), len("ring+hinge"));
}

#[test]
fn invalid_combinations_are_refused_with_a_remedy() {
    for (name, setting, word, remedy) in [
        (
            "digits-dcgan",
            "objective.regularizer={kind=\"gradient-penalty\", lambda=10}",
            "batch normalization",
            "discriminator.batch_norm = false",
        ),
        ("ring", "technique.label_real=0.9", "label smoothing", "non-saturating"),
        ("ring", "technique.packing=3", "does not divide", "train.batch_size = 1026"),
        ("ring+non-saturating", "technique.unroll=0", "unroll = 0", "remove the key"),
        ("ring", "objective.loss=began", "reconstruction errors", "autoencoder"),
        ("ring+minimax", "objective.loss=wasserstein", "slope", "gradient-penalty"),
        ("ring+consensus", "technique.unroll=2", "unrolling", "choose one"),
        ("ring", "technique.augment=[\"cutout\"]", "images", "technique.noise"),
        ("ring+packed-2", "data.classes=8", "packing", "data.classes = 0"),
        ("ring+two-sided-labels", "technique.label_fake=0.95", "label_fake", "label_real"),
        ("ring+began", "objective.regularizer={kind=\"r1\", gamma=1}", "began", "remove objective.regularizer"),
        ("ring+balanced", "train.discriminator_steps=1", "none to skip", "train.discriminator_steps = 5"),
        ("ring+wasserstein-gp", "train.discriminator_margin=0.5", "not logits", "remove train.discriminator_margin"),
        ("ring+balanced+hinge", "name=x", "not logits", "non-saturating"),
        ("faces-pyramid", "generator.widths=[8]", "one level", "dcgan"),
        ("ring+minibatch-discrimination", "train.batch_size=1", "compares the examples", "increase train.batch_size"),
        (
            "ring+packed-2+minibatch-discrimination",
            "train.batch_size=2",
            "compares the examples",
            "increase train.batch_size",
        ),
        ("ring+feature-matching", "discriminator.hidden=[]", "no hidden layer", "discriminator.hidden = [64]"),
    ] {
        let message = Recipe::open(name, &[setting.to_owned()]).expect_err(setting).to_string();
        assert!(message.contains(word) && message.contains(remedy), "{setting}: {message}");
    }
    let message = Recipe::open("ring+unroled", &[]).unwrap_err().to_string();
    assert!(message.contains("unroled") && message.contains("unrolled-5"), "{message}");
}

#[test]
fn a_pyramid_needs_sides_that_can_be_halved() {
    let generator = "generator={family=\"pyramid\", latent=4, widths=[4, 4, 4]}".to_owned();
    let recipe = Recipe::open("digits-small", &[generator, "data.size=[30, 30]".into()]).unwrap();
    let message = recipe.networks(&[30, 30, 1]).unwrap_err().to_string();
    assert!(message.contains("not multiples of 4") && message.contains("[28, 28] or [32, 32]"), "{message}");
}

#[test]
fn an_unknown_setting_lists_similar_keys() {
    let message = Recipe::open("ring", &["optimizer.lr=1".into()]).unwrap_err().to_string();
    assert!(message.contains("similar: optimizer.learning_rate"), "{message}");
    let message = Recipe::open("ring", &["packing=2".into()]).unwrap_err().to_string();
    assert!(message.contains("technique.packing"), "{message}");
    let message = Recipe::open("rnig", &[]).unwrap_err().to_string();
    assert!(message.contains("nearest: ring"), "{message}");
}

#[test]
fn unknown_keys_of_a_file_are_refused_with_similar_ones() {
    let recipe = Recipe::open("ring", &[]).unwrap().to_toml();
    for (old, new, similar) in
        [("learning_rate", "lr", "optimizer.learning_rate"), ("batch_size", "batchsize", "train.batch_size")]
    {
        let text = recipe.replace(&format!("\n{old} ="), &format!("\n{new} ="));
        let message = Recipe::parse("own.toml", &text, &[]).unwrap_err().to_string();
        assert!(message.contains("unknown field") && message.contains(&format!("similar: {similar}")), "{message}");
    }
}

#[test]
fn a_table_needs_a_table_and_a_list_accepts_words() {
    for (setting, word) in [
        ("train=3", "set one of its keys, as train.steps"),
        ("=3", "no key before the ="),
        ("objective.regularizer=r1", "{kind=\"r1\", gamma=0.1}"),
        ("schedule=cosine", "{kind=\"cosine\", to=0.0}"),
        ("train.log_every=0", "expected 1 or more"),
    ] {
        let message = Recipe::open("faces", &[setting.into()]).unwrap_err().to_string();
        assert!(message.contains(word), "{setting}: {message}");
    }
    let recipe = Recipe::open("faces", &["technique.augment=color,cutout".into()]).unwrap();
    assert_eq!(recipe.technique.augment, [Augment::Color, Augment::Cutout]);
    assert_eq!(Recipe::open("faces+augment", &[]).unwrap().technique.augment.len(), 3);
}

#[test]
fn a_recipe_round_trips_through_toml() {
    for (name, _) in NAMED {
        let recipe = Recipe::open(name, &[]).unwrap();
        assert_eq!(Recipe::parse(name, &recipe.to_toml(), &[]).unwrap(), recipe);
    }
}

#[test]
fn settings_change_a_copy() {
    let set = |s: &str| Recipe::open("faces", &[s.to_owned()]);
    assert_eq!(set("train.batch_size=32").unwrap().train.batch_size, 32);
    assert_eq!(set("optimizer.beta1=.5").unwrap().optimizer.beta1, 0.5);
    assert_eq!(set("generator.widths=[8, 8]").unwrap().name, "faces");
    for (setting, word) in [
        ("train.bath=32", "bath"),
        ("trian.batch=32", "trian"),
        ("train.batch_size", "key=value"),
        ("train.batch_size=0", "train.batch_size = 0"),
        ("train.batch_size=\"many\"", "many"),
        ("objective.loss=best", "best"),
        ("optimizer.learning_rate=-1", "optimizer.learning_rate"),
        ("data.range=[1, -1]", "data.range"),
        ("discriminator.batch_norm=true", "batch normalization"),
        ("data.size=[5000, 16]", "data.size"),
        ("name=", "name is empty"),
    ] {
        let message = set(setting).expect_err(setting).to_string();
        assert!(message.contains(word) && message.contains("faces"), "{setting}: {message}");
    }
    assert!(Recipe::open("no-such", &[]).unwrap_err().to_string().contains("digits-dcgan"));
}

#[test]
fn differing_recipes_name_every_difference() {
    let settings = ["train.batch_size=7".into(), "technique.noise=0.25".into()];
    let (a, b) = (Recipe::open("ring", &[]).unwrap(), Recipe::open("ring", &settings).unwrap());
    assert_eq!(a.differences(&a), [""; 0]);
    let batch = format!("train.batch_size: {}, now 7", a.train.batch_size);
    assert_eq!(a.differences(&b), ["technique.noise: 0.0, now 0.25", &batch]);
}

#[test]
fn data_scale_is_refused_for_images() {
    let recipe = Recipe::open("faces", &["data.scale=5".into()]).unwrap();
    assert!(run::load_data(&recipe).err().unwrap().to_string().contains("data.range"));
}

#[test]
fn impossible_shapes_are_refused() {
    for (setting, word) in [
        ("generator.widths=[8, 8, 8, 8, 8, 8, 8]", "not multiples of"),
        ("generator.widths=[]", "empty"),
        ("generator.latent=0", "width is 0"),
        ("discriminator.widths=[8, 8, 8, 8, 8, 8, 8, 8]", "fewer discriminator.widths"),
        ("data.source=\"ring\"", "mlp"),
        ("train.batch_size=65536", "GB"),
        ("generator.widths=[16384, 16384]", "GB"),
        ("generator.widths=[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]", "not multiples of"),
    ] {
        let recipe = Recipe::open("faces", &[setting.to_owned(), "data.classes=0".into()]).unwrap();
        let loaded = run::load_data(&recipe).unwrap();
        let message = Trainer::new(recipe, loaded.train, 1, 10, 1).err().expect(setting).to_string();
        assert!(message.contains(word), "{setting}: {message}");
    }
}

#[test]
fn methods_combine_in_any_order() {
    let open = |name: &str| Recipe::open(name, &[]).map_err(|e| e.to_string());
    let settings = |name: &str| {
        let r = open(name).unwrap();
        let penalty = serde_json::to_value(r.objective.regularizer).unwrap()["kind"].clone();
        (r.objective.loss.to_string(), penalty, r.technique.packing, r.train.discriminator_steps)
    };
    for (one, other, loss, penalty, packing, discriminator_steps) in [
        ("minimax", "packed-2", "minimax", "none", 2, 1),
        ("hinge", "r1", "hinge", "r1", 1, 1),
        ("r1r2", "packed-4", "relativistic", "r1r2", 4, 1),
        ("wasserstein-gp", "packed-2", "wasserstein", "gradient-penalty", 2, 5),
        ("relativistic", "minibatch-discrimination", "relativistic", "none", 1, 1),
    ] {
        let expected = (loss.to_owned(), serde_json::json!(penalty), packing, discriminator_steps);
        assert_eq!(settings(&format!("ring+{one}+{other}")), expected);
        assert_eq!(settings(&format!("ring+{other}+{one}")), expected);
    }
    // A remedy replaces the recipe's penalty, including its schedule.
    assert_eq!(open("ring+r1").unwrap().objective.penalty_to, 1.0);
    for (name, key) in [("ring+r1+r2", "objective.regularizer"), ("ring+minimax+hinge", "objective.loss")] {
        let message = open(name).unwrap_err();
        assert!(message.contains(key) && message.contains("both set"), "{message}");
    }
    for name in ["ring+smooth-labels+relativistic", "ring+relativistic+smooth-labels"] {
        assert!(open(name).unwrap_err().contains("label smoothing"), "{name}");
    }
    assert!(open("ring+unroled-5").unwrap_err().contains("the nearest are unrolled-5"));
}
