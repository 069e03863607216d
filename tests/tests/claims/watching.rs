//! Monitoring: each staged failure raises its own alarm and no other, healthy runs raise none, and a diverged run recovers.
use ganlet_trainer::data::Dataset;
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::run::{self, CheckpointChoice, Measurement, Run, RunEvent, RunFolder, RunOutcome};
use ganlet_trainer::train::Trainer;
use ganlet_trainer::watch::{AlarmKind, Monitor, RealExamples};

/// Opens a named recipe; recipes of images get a small batch size.
fn recipe(name: &str, settings: &[&str]) -> Recipe {
    let small =
        if name == "ring" || name == "grid" || name == "bimodal-1d" { &[][..] } else { &["train.batch_size=16"] };
    let settings: Vec<_> = small.iter().chain(settings).map(|s| s.to_string()).collect();
    Recipe::open(name, &settings).unwrap()
}

/// Returns the alarms of the first steps of a run. The run ends with its first alarm, because no other is raised after it.
fn alarms(recipe: &Recipe, data: std::sync::Arc<dyn Dataset>, steps: u64) -> Vec<(AlarmKind, u64)> {
    let mut trainer = Trainer::new(recipe.clone(), data, 1, recipe.train.steps, 1).unwrap();
    let mut monitor = Monitor::new(&trainer);
    let mut raised = Vec::new();
    while trainer.step() < steps && raised.is_empty() {
        let report = trainer.advance().unwrap();
        if monitor.record(&report) {
            raised.extend(monitor.check(&mut trainer).map(|alarm| (alarm.kind, alarm.step)));
        }
    }
    raised
}

fn staged(name: &str, settings: &[&str]) -> Vec<(AlarmKind, u64)> {
    let recipe = recipe(name, settings);
    alarms(&recipe, run::load_data(&recipe).unwrap().train, 500)
}

#[test]
fn staged_failures_raise_their_own_alarm_within_500_steps() {
    let rate = staged("faces-small", &["optimizer.learning_rate=3e-2"]);
    assert!(matches!(rate[..], [(AlarmKind::Divergence, 50)]), "{rate:?}");
    let discriminator = staged("faces-small+minimax", &["train.discriminator_steps=5"]);
    assert!(matches!(discriminator[..], [(AlarmKind::VanishingGradient, _)]), "{discriminator:?}");
    let generator = staged("faces-small", &["train.generator_steps=20"]);
    assert!(matches!(generator[..], [(AlarmKind::ModeCollapse, _)]), "{generator:?}");
}

#[test]
fn training_on_sixteen_images_raises_the_memorization_alarm() {
    let recipe = recipe("faces-small", &[]);
    let train = run::load_data(&recipe).unwrap().images.unwrap().train;
    let few = train.select(&(0..16).collect::<Vec<_>>());
    let raised = alarms(&recipe, std::sync::Arc::new(few), 500);
    assert!(matches!(raised[..], [(AlarmKind::Memorization, _)]), "{raised:?}");
}

#[test]
fn healthy_runs_raise_no_alarm() {
    for (name, steps) in
        [("faces-small", 150), ("digits-small", 100), ("ring", 500), ("grid", 500), ("bimodal-1d", 500)]
    {
        let recipe = recipe(name, &[]);
        assert_eq!(alarms(&recipe, run::load_data(&recipe).unwrap().train, steps), [], "{name}");
    }
}

#[test]
fn a_diverged_run_rolls_back_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = recipe("faces-small", &["optimizer.learning_rate=3e-2", "train.rollbacks=4", "train.save_every=100"]);
    let data = run::load_data(&recipe).unwrap().train;
    let trainer = Trainer::new(recipe.clone(), data, 1, 200, 1).unwrap();
    let mut run = Run::new(trainer, RunFolder::create(folder.path(), None, &recipe).unwrap()).unwrap();
    let mut rates = Vec::new();
    let end = run.train(&|| false, &mut |event| {
        if let RunEvent::RolledBack { step, learning_rate } = event {
            rates.push((step, learning_rate));
        }
    });
    assert_eq!(end.unwrap(), RunOutcome::Completed);
    assert!(!rates.is_empty() && rates.len() <= 4, "{rates:?}");
    assert_eq!(run.alarms[0].kind, AlarmKind::Divergence);
    let written = std::fs::read_to_string(run.folder.path().join("alarms.txt")).unwrap();
    assert!(written.starts_with("divergence at step 50") && written.contains("what helps"), "{written}");
    // The run keeps the last learning rate, and its samples are diverse again: before, they were all equal, and below 0.3 is a collapse.
    assert_eq!(run.checkpoint().recipe.optimizer.learning_rate, rates.last().unwrap().1);
    let samples = RealExamples::of(run.trainer.data()).compare(&mut run.trainer);
    assert!(samples.diversity > 0.4, "{samples:?}");
    assert!(run.folder.log_entries().windows(2).all(|l| l[0].report.step < l[1].report.step));
}

#[test]
fn a_run_trained_too_long_keeps_its_best_checkpoint_and_its_last() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = recipe("ring", &["train.batch_size=8", "train.save_every=10", "train.sample_every=1000"]);
    let trainer = Trainer::new(recipe.clone(), run::load_data(&recipe).unwrap().train, 1, 80, 1).unwrap();
    let mut run = Run::new(trainer, RunFolder::create(folder.path(), None, &recipe).unwrap()).unwrap();
    // Best at step 30, then worse and worse; losses are not used.
    let measure =
        |step: u64| Measurement { name: "staged".into(), value: step.abs_diff(30) as f64, details: String::new() };
    run.measure = Some(Box::new(move |trainer: &mut Trainer| measure(trainer.step())));
    assert_eq!(run.train(&|| false, &mut |_| {}).unwrap(), RunOutcome::Completed);
    let step = |choice| run.folder.choose(choice).unwrap().checkpoint.step;
    assert_eq!([CheckpointChoice::Best, CheckpointChoice::Last, CheckpointChoice::Step(70)].map(step), [30, 80, 70]);
    assert_eq!(run.folder.checkpoints(), [30, 70, 80]);
    assert!(std::fs::read(run.folder.path().join("measure.png")).unwrap().starts_with(b"\x89PNG"));
    let gone = run.folder.choose(CheckpointChoice::Step(50)).unwrap_err().to_string();
    assert!(gone.contains("no checkpoint of step 50; these steps have one: 30, 70, 80"), "{gone}");
}
