//! Training: resuming is exact, results do not depend on threads, and failures lose nothing.
use ganlet_trainer::data::to_bytes;
use ganlet_trainer::evaluate::Evaluator;
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::run::{self, Checkpoint, CheckpointChoice, Run, RunEvent, RunFolder, RunOutcome, TrainingError};
use ganlet_trainer::train::Trainer;

fn recipe(name: &str, settings: &[&str]) -> Recipe {
    let settings: Vec<_> = settings.iter().map(|s| s.to_string()).collect();
    Recipe::open(name, &settings).unwrap()
}

fn trainer(recipe: &Recipe, steps: u64, threads: usize) -> Trainer {
    let loaded = run::load_data(recipe).unwrap();
    Trainer::new(recipe.clone(), loaded.train, 3, steps, threads).unwrap()
}

/// A small recipe for each kind of network.
fn small() -> Vec<Recipe> {
    vec![
        recipe("ring", &["train.batch_size=32"]),
        recipe(
            "faces-small",
            &["train.batch_size=4", "generator.widths=[8, 8]", "discriminator.widths=[8, 8]", "discriminator.stem=4"],
        ),
        recipe("digits-dcgan", &["train.batch_size=4", "generator.widths=[8, 8]", "discriminator.widths=[8, 8]"]),
        recipe(
            "digits-small",
            &[
                "train.batch_size=4",
                "discriminator.widths=[8, 8]",
                "objective.loss=\"wasserstein\"",
                "objective.regularizer={kind=\"gradient-penalty\", lambda=10.0}",
                "train.discriminator_steps=3",
            ],
        ),
    ]
}

#[test]
fn resuming_after_fifty_steps_equals_a_hundred_steps() {
    let folder = tempfile::tempdir().unwrap();
    for recipe in small() {
        let mut whole = trainer(&recipe, 100, 1);
        (0..100).for_each(|_| _ = whole.advance().unwrap());
        let mut half = trainer(&recipe, 100, 1);
        (0..50).for_each(|_| _ = half.advance().unwrap());
        let path = folder.path().join("half.safetensors");
        // Drawing samples in between must not change anything.
        half.samples(1, 10);
        let fresh = RunFolder::create(folder.path(), None, &recipe).unwrap();
        Run::new(half, fresh).unwrap().checkpoint().save(&path).unwrap();
        let saved = Checkpoint::load(&path).unwrap();
        assert_eq!((saved.step, saved.steps, &saved.recipe), (50, 100, &recipe));
        let mut rest = trainer(&saved.recipe, saved.steps, 1);
        rest.restore(saved.store, saved.step);
        (0..50).for_each(|_| _ = rest.advance().unwrap());
        // Running statistics are estimated for sampling, not trained.
        whole.estimate_batch_norm();
        rest.estimate_batch_norm();
        assert_eq!(whole.store(), rest.store(), "{}", recipe.name);
    }
}

#[test]
fn recomputing_trains_the_same_in_less_memory() {
    for recipe in small() {
        let run = |recompute| {
            let mut recipe = recipe.clone();
            recipe.train.recompute = recompute;
            let mut trainer = trainer(&recipe, 5, 1);
            (0..5).for_each(|_| _ = trainer.advance().unwrap());
            // Only the training steps: samples are drawn without gradients.
            let most =
                trainer.programs().iter().filter(|p| p.name.ends_with("step")).map(|p| p.plan.bytes()).max().unwrap();
            (most, trainer.store().clone())
        };
        let (kept, again) = (run(false), run(true));
        assert!(kept.1 == again.1, "{}: weights differ", recipe.name);
        // Dense networks run on a block of the batch at a time, and keep few activations anyway.
        let dense = recipe.generator.family() == "mlp";
        assert!(again.0 < kept.0 || dense, "{}: {} bytes, recomputing {}", recipe.name, kept.0, again.0);
    }
}

#[test]
fn any_number_of_threads_trains_the_same() {
    for recipe in small() {
        let run = |threads| {
            let mut trainer = trainer(&recipe, 5, threads);
            (0..5).for_each(|_| _ = trainer.advance().unwrap());
            (trainer.store().clone(), trainer.samples(1, 70))
        };
        let one = run(1);
        assert!(one == run(2) && one == run(3), "{}", recipe.name);
    }
}

#[test]
fn a_run_stops_and_resumes_without_losing_anything() {
    let root = tempfile::tempdir().unwrap();
    let settings = ["train.batch_size=16", "train.save_every=4", "train.log_every=2", "train.sample_every=4"];
    let recipe = recipe("bimodal-1d", &settings);
    let folder = RunFolder::create(root.path(), None, &recipe).unwrap();
    assert!(folder.path().ends_with("00001-bimodal-1d"));
    let mut run = Run::new(trainer(&recipe, 22, 1), folder.clone()).unwrap();
    let asked = std::cell::Cell::new(0);
    let stop = || {
        asked.set(asked.get() + 1);
        asked.get() == 10
    };
    assert_eq!(run.train(&stop, &mut |_| {}).unwrap(), RunOutcome::Stopped);
    drop(run);
    let found = RunFolder::open(root.path(), "latest").unwrap();
    assert_eq!(found, folder);
    let run::NewestCheckpoint { checkpoint: saved, unreadable } = found.newest().unwrap();
    assert_eq!((saved.step, unreadable.len()), (10, 0));
    let mut trainer = trainer(&saved.recipe, saved.steps, 1);
    trainer.restore(saved.store, saved.step);
    let mut run = Run::new(trainer, found).unwrap();
    assert_eq!(run.train(&|| false, &mut |_| {}).unwrap(), RunOutcome::Completed);
    assert_eq!(folder.checkpoints(), [20, 22], "the two newest are kept");
    let steps: Vec<_> = folder.log_entries().iter().map(|l| l.report.step).collect();
    assert_eq!(steps, (1..=11).map(|i| 2 * i).collect::<Vec<_>>());
    for file in [
        "recipe.toml",
        "losses.png",
        "networks.svg",
        "timeline.gif",
        "samples/step-0000000.png",
        "samples/step-0000020.png",
    ] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
}

#[test]
fn plots_and_samples_are_written_at_their_intervals() {
    let root = tempfile::tempdir().unwrap();
    let intervals = ["train.plot_every=3", "train.sample_every=4", "train.log_every=100", "train.save_every=100"];
    let recipe = recipe("bimodal-1d", &[&["train.batch_size=8"][..], &intervals].concat());
    let folder = RunFolder::create(root.path(), None, &recipe).unwrap();
    let file = folder.path().join("losses.png");
    let mut plotted = Vec::new();
    let mut run = Run::new(trainer(&recipe, 10, 1), folder.clone()).unwrap();
    let mut on_event = |event: RunEvent<'_>| {
        // The event is reported after the plot is written. The plot is removed here, so that the next one is detected.
        if let RunEvent::Logged(entry) = event {
            plotted.extend(std::fs::remove_file(&file).is_ok().then_some(entry.report.step));
        }
    };
    run.train(&|| false, &mut on_event).unwrap();
    assert_eq!(plotted, [3, 6, 9, 10]);
    let mut samples: Vec<_> = std::fs::read_dir(folder.path().join("samples")).unwrap().collect();
    samples.sort_by_key(|e| e.as_ref().unwrap().file_name());
    let steps = samples.into_iter().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        steps.filter(|n| n.ends_with(".png")).collect::<Vec<_>>(),
        ["latest.png"]
            .map(str::to_owned)
            .into_iter()
            .chain([0, 4, 8, 10].map(|n| format!("step-{n:07}.png")))
            .collect::<Vec<_>>()
    );
    let sample = |name: &str| std::fs::read(folder.path().join("samples").join(name)).unwrap();
    assert_eq!(sample("latest.png"), sample("step-0000010.png"));
}

#[test]
fn a_broken_checkpoint_falls_back_to_the_one_before() {
    let root = tempfile::tempdir().unwrap();
    let recipe = recipe("bimodal-1d", &["train.batch_size=8", "train.save_every=3"]);
    let folder = RunFolder::create(root.path(), None, &recipe).unwrap();
    Run::new(trainer(&recipe, 6, 1), folder.clone()).unwrap().train(&|| false, &mut |_| {}).unwrap();
    let newest = folder.path().join("checkpoints/step-0000006.safetensors");
    let bytes = std::fs::read(&newest).unwrap();
    for len in [0, 5, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&newest, &bytes[..len]).unwrap();
        let found = folder.newest().unwrap();
        assert_eq!((found.checkpoint.step, found.unreadable.len()), (3, 1), "{len} bytes");
    }
}

#[test]
fn a_resumed_run_never_deletes_what_it_just_saved() {
    let root = tempfile::tempdir().unwrap();
    let recipe = recipe("bimodal-1d", &["train.batch_size=8", "train.save_every=3"]);
    let folder = RunFolder::create(root.path(), None, &recipe).unwrap();
    Run::new(trainer(&recipe, 6, 1), folder.clone()).unwrap().train(&|| false, &mut |_| {}).unwrap();
    for later in [500, 900] {
        std::fs::write(folder.path().join(format!("checkpoints/step-{later:07}.safetensors")), "torn").unwrap();
    }
    let run::NewestCheckpoint { checkpoint: saved, unreadable } = folder.newest().unwrap();
    assert_eq!((saved.step, unreadable.len()), (6, 2));
    let mut rest = trainer(&saved.recipe, 8, 1);
    rest.restore(saved.store, saved.step);
    Run::new(rest, folder.clone()).unwrap().train(&|| false, &mut |_| {}).unwrap();
    assert_eq!(folder.checkpoints(), [6, 8]);
}

#[test]
fn two_runs_share_neither_a_folder_nor_a_step() {
    let root = tempfile::tempdir().unwrap();
    let recipe = recipe("bimodal-1d", &[]);
    let first = RunFolder::create(root.path(), None, &recipe).unwrap();
    assert_ne!(first, RunFolder::create(root.path(), None, &recipe).unwrap());
    let running = Run::new(trainer(&recipe, 5, 1), first.clone()).unwrap();
    let refused = Run::new(trainer(&recipe, 5, 1), first.clone()).err().expect("the run is locked");
    assert!(refused.to_string().contains("another process"), "{refused}");
    drop(running);
    assert!(Run::new(trainer(&recipe, 5, 1), first).is_ok());
}

#[test]
fn latest_is_the_newest_run_with_a_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let recipe = recipe("bimodal-1d", &["train.batch_size=8"]);
    let good = RunFolder::create(root.path(), None, &recipe).unwrap();
    Run::new(trainer(&recipe, 2, 1), good.clone()).unwrap().train(&|| false, &mut |_| {}).unwrap();
    RunFolder::create(root.path(), None, &recipe).unwrap();
    assert_eq!(RunFolder::open(root.path(), "latest").unwrap(), good);
    std::fs::write(good.path().join("best.json"), r#"{"step":77,"measurement":{"name":"x","value":0.0}}"#).unwrap();
    assert_eq!(good.choose(CheckpointChoice::Best).unwrap().checkpoint.step, 2);
}

#[test]
fn unusable_run_folders_are_named() {
    let root = tempfile::tempdir().unwrap();
    let recipe = recipe("bimodal-1d", &[]);
    let message = |e: run::RunError| e.to_string();
    assert!(message(RunFolder::open(root.path(), "latest").unwrap_err()).contains("no run here"));
    assert!(message(RunFolder::open(root.path(), "nowhere").unwrap_err()).contains("nowhere"));
    let file = root.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    assert!(message(RunFolder::create(&file, None, &recipe).unwrap_err()).contains("file"));
    let taken = RunFolder::create(root.path(), None, &recipe).unwrap();
    // A link to a file of the user is not followed.
    std::os::unix::fs::symlink(&file, taken.path().join("log.jsonl")).unwrap();
    let entry =
        run::LogEntry { report: Default::default(), samples_per_s: 0.0, seconds: 0.0, data: 0, measurement: None };
    assert!(message(taken.append_log(&entry).unwrap_err()).contains("a link, which is not followed; remove it"));
    std::os::unix::fs::symlink(&file, taken.path().join("losses.png")).unwrap();
    assert!(message(taken.write("losses.png", "x").unwrap_err()).contains("a link, which is not followed; remove it"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "in the way");
}

#[test]
fn a_diverging_run_stops_and_keeps_the_last_finite_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let settings = [
        "train.batch_size=16",
        "train.save_every=1",
        "optimizer.learning_rate=1e30",
        "objective.regularizer.gamma=1e30",
    ];
    let recipe = recipe("ring", &settings);
    let folder = RunFolder::create(root.path(), None, &recipe).unwrap();
    let mut run = Run::new(trainer(&recipe, 100, 1), folder.clone()).unwrap();
    let Err(TrainingError::NotFinite(error)) = run.train(&|| false, &mut |_| {}) else { panic!("no failure") };
    assert!(error.to_string().contains("step") && error.node.contains("node"), "{error}");
    assert!(!error.node.contains(" or "), "one node is named: {}", error.node);
    let saved = folder.newest().unwrap().checkpoint;
    assert!(saved.step < error.step && folder.path().join("losses.png").is_file());
    assert!(saved.store.entries().iter().all(|e| e.values.iter().all(|v| v.is_finite())));
}

#[test]
fn both_modes_get_a_quarter_of_the_samples_for_most_seeds() {
    let recipe = recipe("bimodal-1d", &[]);
    let steps = recipe.train.steps;
    let least = (1..=10).map(|seed| {
        let mut trainer = Trainer::new(recipe.clone(), run::load_data(&recipe).unwrap().train, seed, steps, 1).unwrap();
        (0..steps).for_each(|_| _ = trainer.advance().unwrap());
        let values = trainer.samples(0, 10_000);
        // Within three standard deviations.
        let made = |mode: f32| values.iter().filter(|v| (**v - mode).abs() < 0.6).count();
        made(-1.0).min(made(1.0))
    });
    assert!(least.filter(|n| *n >= 2500).count() >= 8);
}

#[test]
fn training_with_augmentation_lowers_the_frechet_distance() {
    let small =
        ["generator.widths=[16, 12, 8]", "discriminator.stem=0", "discriminator.widths=[8, 16]", "train.batch_size=32"];
    let recipe = recipe("faces-small+augment", &small);
    let loaded = run::load_data(&recipe).unwrap();
    let run::ImageSplit { train: real, held_out } = loaded.images.unwrap();
    let mut evaluator = Evaluator::new(&held_out, &real, 0).unwrap();
    let mut trainer = Trainer::new(recipe, loaded.train, 1, 150, 0).unwrap();
    let mut distance = |t: &mut Trainer| {
        let bytes = to_bytes(&t.samples(1, 1000), (-1.0, 1.0));
        evaluator.measure(&bytes, |_, _| {}).unwrap().frechet
    };
    let before = distance(&mut trainer);
    (0..150).for_each(|_| _ = trainer.advance().unwrap());
    let after = distance(&mut trainer);
    assert!(after < 0.7 * before, "{before:.1} before, {after:.1} after");
}

#[test]
fn ring_and_grid_drop_no_mode_in_a_fifth_of_their_steps() {
    for (name, high_quality, reverse_kl) in [("ring", 0.75, 0.015), ("grid", 0.6, 0.035)] {
        let steps = recipe(name, &[]).train.steps / 5;
        let recipe = recipe(name, &[&format!("train.steps={steps}")]);
        let loaded = run::load_data(&recipe).unwrap();
        let mut trainer = Trainer::new(recipe, loaded.train, 3, steps, 0).unwrap();
        (0..steps).for_each(|_| _ = trainer.advance().unwrap());
        let quality = ganlet_trainer::evaluate::points(&trainer.samples(0, 2500), &loaded.mixture.unwrap()).unwrap();
        assert_eq!(quality.modes, quality.of, "{name}");
        assert!(quality.high_quality > high_quality, "{name}: {quality:?}");
        assert!(quality.reverse_kl.unwrap() < reverse_kl, "{name}: {quality:?}");
        let mut spread: Vec<_> = quality.spread.into_iter().flatten().collect();
        spread.sort_by(f64::total_cmp);
        assert!((0.7..1.3).contains(&spread[spread.len() / 2]), "{name}: {spread:?}");
    }
}
