//! Recipes: the named ones work, and wrong ones are refused with a message that helps.
use ganlet_trainer::recipe::{NAMED, Recipe};
use ganlet_trainer::run;
use ganlet_trainer::train::Trainer;

#[test]
fn every_named_recipe_plans_two_networks() {
    for (name, _) in NAMED {
        let mut recipe = Recipe::open(name, &[]).unwrap();
        assert_eq!(recipe.name, name);
        if name == "portraits-64" {
            assert!(run::load(&recipe).err().unwrap().to_string().contains("--data"));
            recipe.data.source = "blobs".into();
        }
        let loaded = run::load(&recipe).unwrap();
        let trainer = Trainer::new(recipe, loaded.train, 1, 10, 1).unwrap();
        assert_eq!(trainer.generator().output(), trainer.critic().input);
        assert_eq!(trainer.critic().output(), [1]);
    }
}

#[test]
fn portraits_are_the_generator_of_the_device_benchmarks() {
    let mut recipe = Recipe::open("portraits-64", &[]).unwrap();
    recipe.data.source = "blobs".into();
    let loaded = run::load(&recipe).unwrap();
    let mut trainer = Trainer::new(recipe, loaded.train, 1, 2, 2).unwrap();
    let shapes: Vec<_> = trainer.generator().tensors.iter().step_by(2).map(|t| t.dims.clone()).collect();
    assert_eq!(
        shapes,
        [vec![128, 2048], vec![4, 4, 64, 128], vec![4, 4, 32, 64], vec![4, 4, 16, 32], vec![4, 4, 3, 16]]
    );
    trainer.advance().unwrap();
    assert_eq!(trainer.samples(1, 1).len(), 64 * 64 * 3);
}

#[test]
fn a_recipe_survives_being_written_and_read() {
    for (name, _) in NAMED {
        let recipe = Recipe::open(name, &[]).unwrap();
        assert_eq!(Recipe::parse(name, &recipe.to_toml(), &[]).unwrap(), recipe);
    }
}

#[test]
fn settings_change_a_copy() {
    let set = |s: &str| Recipe::open("faces", &[s.to_owned()]);
    assert_eq!(set("train.batch=32").unwrap().train.batch, 32);
    assert_eq!(set("generator.widths=[8, 8]").unwrap().name, "faces");
    for (setting, word) in [
        ("train.bath=32", "bath"),
        ("trian.batch=32", "trian"),
        ("train.batch", "key=value"),
        ("train.batch=0", "train.batch = 0"),
        ("train.batch=\"many\"", "many"),
        ("objective.loss=best", "best"),
        ("optimiser.rate=-1", "optimiser.rate"),
        ("data.range=[1, -1]", "data.range"),
        ("critic.batch_norm=true", "batch normalisation"),
        ("data.size=[5000, 16]", "data.size"),
        ("name=", "name is empty"),
    ] {
        let message = set(setting).expect_err(setting).to_string();
        assert!(message.contains(word) && message.contains("faces"), "{setting}: {message}");
    }
    assert!(Recipe::open("no-such", &[]).unwrap_err().to_string().contains("digits-dcgan"));
}

#[test]
fn recipes_that_differ_say_where() {
    let (a, b) = (Recipe::open("ring", &[]).unwrap(), Recipe::open("ring", &["train.batch=7".into()]).unwrap());
    assert_eq!(a.difference(&a), None);
    assert_eq!(a.difference(&b).unwrap(), "train.batch: 256 against 7");
}

#[test]
fn pictures_have_no_scale() {
    let recipe = Recipe::open("faces", &["data.scale=5".into()]).unwrap();
    assert!(run::load(&recipe).err().unwrap().to_string().contains("data.range"));
}

#[test]
fn shapes_that_cannot_be_made_are_refused() {
    for (setting, word) in [
        ("generator.widths=[8, 8, 8, 8, 8, 8, 8]", "cannot be halved"),
        ("generator.widths=[]", "empty"),
        ("generator.latent=0", "width of 0"),
        ("critic.widths=[8, 8, 8, 8, 8, 8, 8, 8]", "fewer widths"),
        ("data.source=\"ring\"", "mlp"),
        ("train.batch=65536", "GB"),
        ("generator.widths=[16384, 16384]", "GB"),
        ("generator.widths=[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]", "cannot be halved"),
    ] {
        let recipe = Recipe::open("faces", &[setting.to_owned()]).unwrap();
        let loaded = run::load(&recipe).unwrap();
        let message = Trainer::new(recipe, loaded.train, 1, 10, 1).err().expect(setting).to_string();
        assert!(message.contains(word), "{setting}: {message}");
    }
}
