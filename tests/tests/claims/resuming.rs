//! Runs on disk: they continue exactly, notice changes and damage, and need no data to draw.
use ganlet_trainer::data::{Dataset, ImageDataset};
use ganlet_trainer::draw::Image;
use ganlet_trainer::export::PreparedRun;
use ganlet_trainer::quantize::LayoutChoice;
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::run::{
    self, Checkpoint, CheckpointChoice, Measurement, ResumeOptions, Run, RunEvent, RunFolder, RunOutcome,
};
use ganlet_trainer::train::Trainer;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A recipe of small networks for images of 8x8 pixels, with a lazy penalty.
const SMALL: [&str; 10] = [
    "data.size=[8, 8]",
    "generator.latent=4",
    "generator.widths=[8, 8]",
    "discriminator.widths=[8]",
    "discriminator.stem=0",
    "objective.regularizer={kind=\"r1r2\", gamma=0.3, every=2}",
    "train.batch_size=4",
    "train.log_every=5",
    "train.sample_every=20",
    "train.save_every=10",
];

fn small(source: &str, settings: &[&str]) -> Recipe {
    let settings: Vec<_> = SMALL.iter().chain(settings).map(|s| (*s).to_owned()).collect();
    let mut recipe = Recipe::open("faces-small", &settings).unwrap();
    recipe.data.source = run::absolute_source(source);
    recipe
}

/// Writes `count` different images of 8x8 pixels into the folder `at`.
fn photos(at: &Path, count: usize) {
    fs::create_dir_all(at).unwrap();
    for i in 0..count {
        let pixels: Vec<u8> = (0..8 * 8 * 3).map(|p| (p * (i + 3) * 7 % 256) as u8).collect();
        fs::write(at.join(format!("photo-{i}.png")), Image::from_bytes(&pixels, (8, 8, 3)).png()).unwrap();
    }
}

/// A measure that depends on the weights alone.
fn measure(trainer: &mut Trainer) -> Measurement {
    let values = trainer.samples(1, 8);
    let value = values.iter().map(|v| f64::from(*v)).sum::<f64>() / 3.0;
    Measurement { name: "sum".into(), value, details: String::new() }
}

fn started(recipe: &Recipe, at: &Path, steps: u64) -> Run<'static> {
    let data = run::load_data(recipe).unwrap();
    let trainer = Trainer::new(recipe.clone(), data.train, 3, steps, 1).unwrap();
    let folder = RunFolder::create(at, Some(at), recipe).unwrap();
    let mut run = Run::new(trainer, folder).unwrap();
    run.measure = Some(Box::new(measure));
    run
}

fn resumed(at: &Path, steps: u64) -> Run<'static> {
    let folder = RunFolder::open(at, at.to_str().unwrap()).unwrap();
    let resumed = folder.resume(ResumeOptions::default()).unwrap();
    let mut run = Run::resume(resumed.trainer(steps, 1).unwrap(), folder, &resumed).unwrap();
    run.measure = Some(Box::new(measure));
    run
}

/// Trains until `stop` steps were done in this session, or to the end.
fn train(run: &mut Run<'_>, stop: u64) -> RunOutcome {
    let done = std::cell::Cell::new(0);
    let stop = || {
        done.set(done.get() + 1);
        done.get() == stop
    };
    run.train(&stop, &mut |_| {}).unwrap()
}

/// Trains to the end after a failure of the program: stops without saving after `steps` steps.
fn killed(mut run: Run<'_>, steps: u64) {
    let done = std::cell::Cell::new(0);
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run.train(&|| false, &mut |event| {
            if matches!(event, RunEvent::Step(_)) {
                done.set(done.get() + 1);
                if done.get() == steps {
                    std::panic::resume_unwind(Box::new(()));
                }
            }
        })
        .map(|_| ())
    }));
    assert!(ended.is_err());
}

/// The contents of a run folder, without the times in the log.
fn contents(at: &Path) -> BTreeMap<String, Vec<u8>> {
    fn collect(root: &Path, at: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(root, &path, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(at, at, &mut found);
    let log = String::from_utf8(found.remove("log.jsonl").unwrap()).unwrap();
    let untimed = log.lines().map(|line| {
        let mut entry: serde_json::Value = serde_json::from_str(line).unwrap();
        entry.as_object_mut().unwrap().retain(|key, _| key != "seconds" && key != "samples_per_s");
        format!("{entry}\n")
    });
    found.insert("log.jsonl".into(), untimed.collect::<String>().into_bytes());
    found
}

#[track_caller]
fn equal(a: &Path, b: &Path) {
    let (a, b) = (contents(a), contents(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{name} differs");
    }
}

fn message(result: Result<impl Sized, impl std::fmt::Display>) -> String {
    result.err().unwrap().to_string()
}

#[test]
fn equal_runs_and_continued_runs_have_equal_files() {
    let root = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| root.path().join(name));
    let recipe = small("faces", &[]);
    train(&mut started(&recipe, &a, 40), 0);
    train(&mut started(&recipe, &b, 40), 0);
    equal(&a, &b);
    // Step 17 was not saved, and is computed again.
    killed(started(&recipe, &c, 40), 17);
    train(&mut resumed(&c, 40), 0);
    equal(&a, &c);
}

#[test]
fn continuing_is_exact_after_rollbacks() {
    let root = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| root.path().join(name));
    let settings = ["optimizer.learning_rate=3", "train.rollbacks=8", "train.log_every=1000"];
    let recipe = small("faces", &settings);
    train(&mut started(&recipe, &a, 260), 0);
    let alarms = fs::read_to_string(a.join("alarms.txt")).unwrap();
    assert!(alarms.matches("at step").count() >= 2, "{alarms}");
    // Killed between two checks, and between two checkpoints.
    killed(started(&recipe, &b, 260), 83);
    killed(resumed(&b, 260), 71);
    train(&mut resumed(&b, 260), 0);
    equal(&a, &b);
}

#[test]
fn a_rollback_finds_a_checkpoint_from_before_the_failure_with_any_interval() {
    let root = tempfile::tempdir().unwrap();
    for save_every in ["train.save_every=3", "train.save_every=10", "train.save_every=100"] {
        let settings = ["optimizer.learning_rate=3", "train.rollbacks=8", save_every];
        let recipe = small("faces", &settings);
        let mut run = started(&recipe, &root.path().join(save_every), 400);
        let mut back = Vec::new();
        let mut most = 0;
        let folder = run.folder.clone();
        let end = run.train(&|| false, &mut |event| match event {
            RunEvent::RolledBack { step, .. } => back.push(step),
            RunEvent::Logged(_) => most = most.max(folder.checkpoints().len()),
            _ => {}
        });
        assert_eq!(end.unwrap(), RunOutcome::Completed);
        // The learning rate makes the first steps diverge, so only the start is healthy.
        assert!(!back.is_empty() && back.len() < 8 && back[0] == 0, "{save_every}: {back:?}");
        assert!(most <= 6, "{most} checkpoints");
    }
}

#[test]
fn a_flipped_bit_anywhere_in_a_checkpoint_is_reported() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path().join("run");
    train(&mut started(&small("faces", &[]), &at, 10), 0);
    let path = at.join("checkpoints/step-0000010.safetensors");
    let bytes = fs::read(&path).unwrap();
    assert!(Checkpoint::load(&path).is_ok());
    for i in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
        let mut flipped = bytes.clone();
        flipped[i] ^= 1 << (i % 8);
        fs::write(&path, flipped).unwrap();
        let found = message(Checkpoint::load(&path));
        assert!(found.contains("step-0000010"), "byte {i}: {found}");
    }
    let mut flipped = bytes.clone();
    flipped[bytes.len() - 3] ^= 4;
    fs::write(&path, flipped).unwrap();
    let found = message(Checkpoint::load(&path));
    assert!(found.contains("its checksum is") && found.contains("damaged or was changed"), "{found}");
}

#[test]
fn moved_data_are_not_needed_to_draw_and_are_recognized_at_their_new_place() {
    let root = tempfile::tempdir().unwrap();
    let [at, here, there] = ["run", "here", "there"].map(|name| root.path().join(name));
    photos(&here, 12);
    train(&mut started(&small(here.to_str().unwrap(), &[]), &at, 10), 0);
    fs::rename(&here, &there).unwrap();
    let folder = RunFolder::open(&at, at.to_str().unwrap()).unwrap();
    let mut prepared = PreparedRun::open(&folder, CheckpointChoice::Best).unwrap();
    assert!(prepared.quantize(LayoutChoice::Compact).is_ok());
    assert_eq!(prepared.trainer.samples(1, 2).len(), 2 * 8 * 8 * 3);
    assert!(message(prepared.load_data()).contains("--data"));
    assert!(prepared.load_other_data(there.to_str().unwrap()).is_ok());
    assert!(message(folder.resume(ResumeOptions::default())).contains("--data"));
    let moved = |data: &Path| ResumeOptions { data: Some(data.to_str().unwrap().into()), ..ResumeOptions::default() };
    let resumed = folder.resume(moved(&there)).unwrap();
    assert!(resumed.changes.is_empty() && resumed.warnings.is_empty(), "{:?}", resumed.changes);
    drop(Run::resume(resumed.trainer(20, 1).unwrap(), folder.clone(), &resumed).unwrap());
    // The new place was written to recipe.toml. It may also be edited there.
    assert!(folder.resume(ResumeOptions::default()).is_ok());
    fs::rename(&there, &here).unwrap();
    let toml = fs::read_to_string(at.join("recipe.toml")).unwrap();
    fs::write(at.join("recipe.toml"), toml.replace(there.to_str().unwrap(), here.to_str().unwrap())).unwrap();
    assert!(folder.resume(ResumeOptions::default()).unwrap().changes.is_empty());
    assert!(PreparedRun::open(&folder, CheckpointChoice::Last).unwrap().load_data().is_ok());
}

#[test]
fn changes_of_data_and_recipe_are_refused_until_they_are_accepted() {
    let root = tempfile::tempdir().unwrap();
    let [at, data] = ["run", "data"].map(|name| root.path().join(name));
    photos(&data, 12);
    train(&mut started(&small(data.to_str().unwrap(), &[]), &at, 10), 0);
    let folder = RunFolder::open(&at, at.to_str().unwrap()).unwrap();
    let refused = || message(folder.resume(ResumeOptions::default()));
    // A removed image, an added one, and a changed one.
    fs::rename(data.join("photo-1.png"), root.path().join("photo-1.png")).unwrap();
    assert!(refused().contains("data: ") && refused().contains("--accept-changes"), "{}", refused());
    fs::copy(data.join("photo-2.png"), data.join("photo-1.png")).unwrap();
    assert!(refused().contains("data: "), "{}", refused());
    fs::rename(root.path().join("photo-1.png"), data.join("photo-1.png")).unwrap();
    assert!(folder.resume(ResumeOptions::default()).is_ok());
    // An edited recipe: every difference is listed.
    let toml = fs::read_to_string(at.join("recipe.toml")).unwrap();
    let edited = toml.replace("batch_size = 4", "batch_size = 5").replace("ema = ", "ema = 0.5 # ");
    fs::write(at.join("recipe.toml"), &edited).unwrap();
    assert!(refused().contains("train.batch_size: 4, now 5") && refused().contains("train.ema: "), "{}", refused());
    let accepted = folder.resume(ResumeOptions { accept_changes: true, ..ResumeOptions::default() }).unwrap();
    assert_eq!((accepted.changes.len(), accepted.checkpoint.recipe.train.batch_size), (2, 5));
    let mut run = Run::resume(accepted.trainer(20, 1).unwrap(), folder.clone(), &accepted).unwrap();
    train(&mut run, 0);
    drop(run);
    let written = fs::read_to_string(at.join("changes.txt")).unwrap();
    assert!(written.contains("from step 10: train.batch_size: 4, now 5"), "{written}");
    assert!(folder.resume(ResumeOptions::default()).unwrap().changes.is_empty());
    // Networks of another size have no weights in the checkpoint.
    fs::write(at.join("recipe.toml"), edited.replace("widths = [8]", "widths = [12]")).unwrap();
    let other = message(folder.resume(ResumeOptions { accept_changes: true, ..ResumeOptions::default() }));
    assert!(other.contains("discriminator.widths") && other.contains("start a new run"), "{other}");
}

#[test]
fn the_next_best_checkpoint_replaces_an_unreadable_one_and_says_so() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path().join("run");
    let mut run = started(&small("faces", &[]), &at, 30);
    let value = |step: u64| [0.0, 9.0, 1.0, 5.0][(step / 10) as usize];
    run.measure = Some(Box::new(move |trainer: &mut Trainer| Measurement {
        name: "staged".into(),
        value: value(trainer.step()),
        details: String::new(),
    }));
    train(&mut run, 0);
    let choose = || run.folder.choose(CheckpointChoice::Best).unwrap();
    assert_eq!((choose().checkpoint.step, choose().reason.to_string()), (20, "the best by staged (1.000)".into()));
    let best = at.join("checkpoints/step-0000020.safetensors");
    fs::write(&best, &fs::read(&best).unwrap()[..1000]).unwrap();
    for problem in ["this is not a checkpoint", "No such file"] {
        let reason = choose().reason.to_string();
        assert_eq!(choose().checkpoint.step, 30, "{reason}");
        assert!(reason.starts_with("the next best by staged (5.000)"), "{reason}");
        assert!(reason.contains("of step 20 (staged 1.000), cannot be used") && reason.contains(problem), "{reason}");
        let warnings = run.folder.resume(ResumeOptions::default()).unwrap().warnings;
        assert!(warnings.iter().any(|w| w.contains("the best checkpoint so far, of step 20")), "{warnings:?}");
        let _ = fs::remove_file(&best);
    }
}

/// Measures that depend on the step alone: 9, 1, 5, 6 and 7 at the steps 10 to 50.
fn staged(run: &mut Run<'_>) {
    let value = |step: u64| [0.0, 9.0, 1.0, 5.0, 6.0, 7.0][(step / 10) as usize];
    run.measure = Some(Box::new(move |trainer: &mut Trainer| Measurement {
        name: "staged".into(),
        value: value(trainer.step()),
        details: String::new(),
    }));
}

#[test]
fn a_damaged_best_checkpoint_gives_way_to_the_next_best_when_the_run_continues() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path().join("run");
    let mut run = started(&small("faces", &[]), &at, 40);
    staged(&mut run);
    train(&mut run, 0);
    drop(run);
    let best = at.join("checkpoints/step-0000020.safetensors");
    let mut bytes = fs::read(&best).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&best, bytes).unwrap();
    let mut run = resumed(&at, 50);
    staged(&mut run);
    train(&mut run, 0);
    assert_eq!((run.folder.checkpoints(), run.folder.best().unwrap().step), (vec![30, 40, 50], 30));
    let chosen = run.folder.choose(CheckpointChoice::Best).unwrap();
    assert_eq!((chosen.checkpoint.step, chosen.reason.to_string()), (30, "the best by staged (5.000)".into()));
    assert!(best.with_extension("unreadable").is_file() && !best.exists());
}

#[test]
fn the_log_replaces_a_damaged_list_of_the_best_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path().join("run");
    let mut run = started(&small("faces", &[]), &at, 40);
    staged(&mut run);
    train(&mut run, 0);
    let (file, folder) = (at.join("best.json"), run.folder.clone());
    drop(run);
    let good = fs::read(&file).unwrap();
    for (damaged, problem) in [
        (None, "the file is missing"),
        (Some("{"), "the file is damaged: EOF"),
        (Some("{\"step\":\"20\",\"measurement\":[]}"), "the file is damaged: invalid type"),
        (Some("{\"step\":30,\"measurement\":{\"name\":\"staged\",\"value\":null}}"), "it has no value"),
    ] {
        fs::remove_file(&file).unwrap();
        damaged.iter().for_each(|text| fs::write(&file, text).unwrap());
        let chosen = folder.choose(CheckpointChoice::Best).unwrap();
        let reason = chosen.reason.to_string();
        assert!(chosen.checkpoint.step == 20 && reason.starts_with("the best by staged (1.000)\n"), "{reason}");
        assert!(reason.contains(problem) && reason.contains("log.jsonl were used"), "{reason}");
        let warnings = folder.resume(ResumeOptions::default()).unwrap().warnings;
        assert!(warnings.len() == 1 && warnings[0].contains("it is written again"), "{warnings:?}");
        train(&mut resumed(&at, 40), 0);
        assert!(fs::read(&file).unwrap() == good, "{problem}");
    }
}

#[test]
fn measurements_of_other_data_do_not_compete() {
    let root = tempfile::tempdir().unwrap();
    let [at, data] = ["run", "data"].map(|name| root.path().join(name));
    photos(&data, 12);
    let mut run = started(&small(data.to_str().unwrap(), &[]), &at, 30);
    staged(&mut run);
    train(&mut run, 0);
    drop(run);
    photos(&data, 13);
    let folder = RunFolder::open(&at, at.to_str().unwrap()).unwrap();
    let accepted = || folder.resume(ResumeOptions { accept_changes: true, ..ResumeOptions::default() }).unwrap();
    // Without a measure, and with one.
    let resumed = accepted();
    assert!(resumed.warnings.iter().any(|w| w.contains("no longer count")), "{:?}", resumed.warnings);
    drop(resumed);
    for (measured, steps, best) in [(false, 30, None), (true, 30, Some(30)), (true, 50, Some(30))] {
        let resumed = accepted();
        let mut run = Run::resume(resumed.trainer(steps, 1).unwrap(), folder.clone(), &resumed).unwrap();
        if measured {
            staged(&mut run);
        }
        train(&mut run, 0);
        assert_eq!((folder.best().map(|b| b.step), at.join("best.json").exists()), (best, best.is_some()));
    }
    assert_eq!(folder.checkpoints(), [30, 40, 50]);
    let entries = folder.log_entries();
    let since = run::LogEntry::since_change(&entries);
    assert_eq!((entries[0].report.step, since[0].report.step), (5, 30));
    let plot = run::figures::measurement_plot("run", &entries).unwrap();
    assert_eq!(plot.series[0].points, [(30.0, 5.0), (40.0, 6.0), (50.0, 7.0)]);
}

#[test]
fn a_checkpoint_that_was_not_measured_is_measured_when_the_run_continues() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path().join("run");
    let mut run = started(&small("faces", &[]), &at, 20);
    assert_eq!(train(&mut run, 13), RunOutcome::Stopped);
    let last = |run: &Run<'_>| run.folder.log_entries().pop().unwrap();
    assert_eq!((last(&run).report.step, last(&run).measurement), (13, None));
    drop(run);
    let mut run = resumed(&at, 13);
    train(&mut run, 0);
    let mut expected = run::restore_trainer(
        &run.folder.newest().unwrap().checkpoint,
        &run::load_data(&small("faces", &[])).unwrap(),
        13,
        1,
    )
    .unwrap();
    assert_eq!(last(&run).measurement, Some(measure(&mut expected)));
    // A measurement of the same step replaces the older one, even if it is worse.
    let entries = run.folder.log_entries();
    let best = |value: f64| {
        let json = format!("{{\"step\":13,\"measurement\":{{\"name\":\"sum\",\"value\":{value}}}}}");
        fs::write(at.join("best.json"), json).unwrap();
    };
    best(-1e9);
    drop(run);
    train(&mut resumed(&at, 13), 0);
    let found = RunFolder::open(&at, at.to_str().unwrap()).unwrap().best().unwrap();
    assert!(entries.iter().any(|e| e.report.step == found.step && e.measurement.as_ref() == Some(&found.measurement)));
}

#[test]
fn a_damaged_log_keeps_its_lines_and_a_complete_run_its_figures() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path().join("run");
    train(&mut started(&small("faces", &[]), &at, 20), 0);
    let log = at.join("log.jsonl");
    let mut bytes = fs::read(&log).unwrap();
    bytes[12] = 0xff;
    fs::write(&log, [&bytes[..], b"{\"step\":2"].concat()).unwrap();
    let figures = ["losses.png", "losses.svg", "networks.svg", "timeline.gif", "measure.png"];
    figures.iter().for_each(|name| fs::remove_file(at.join(name)).unwrap());
    let left =
        [".recipe.toml.4711.tmp", "checkpoints/.step-0000020.safetensors.4711.tmp", "samples/.step-0000000.png.1.tmp"];
    left.iter().for_each(|name| fs::write(at.join(name), "partial").unwrap());
    let folder = RunFolder::open(&at, at.to_str().unwrap()).unwrap();
    let warnings = folder.resume(ResumeOptions::default()).unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("cannot read lines 1"), "{warnings:?}");
    train(&mut resumed(&at, 20), 0);
    assert!(fs::read(&log).unwrap() == bytes, "the complete lines stay as they are");
    assert_eq!(folder.log_entries().iter().map(|e| e.report.step).collect::<Vec<_>>(), [10, 15, 20]);
    figures.iter().for_each(|name| assert!(at.join(name).is_file(), "{name}"));
    left.iter().for_each(|name| assert!(!at.join(name).exists(), "{name}"));
    // The entry of a saved step is written again if the log lost it.
    fs::write(&log, &bytes[..bytes.len() / 2]).unwrap();
    train(&mut resumed(&at, 20), 0);
    let last = folder.log_entries().pop().unwrap();
    assert!(last.report.step == 20 && last.report.generator_loss != 0.0 && last.measurement.is_some(), "{last:?}");
}

#[test]
fn a_measurement_that_failed_is_logged_and_read_again() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path().join("run");
    let mut run = started(&small("faces", &[]), &at, 10);
    run.measure =
        Some(Box::new(|_: &mut Trainer| Measurement { name: "x".into(), value: f64::NAN, details: String::new() }));
    train(&mut run, 0);
    let last = run.folder.log_entries().pop().unwrap();
    assert!(last.report.step == 10 && last.measurement.unwrap().value.is_nan());
    assert!(run.folder.best().is_none() && run.folder.unreadable_log_lines().is_empty());
}

#[test]
fn only_empty_folders_and_runs_without_a_checkpoint_are_used_for_a_new_run() {
    let root = tempfile::tempdir().unwrap();
    let recipe = small("faces", &[]);
    let create = |at: &Path| RunFolder::create(root.path(), Some(at), &recipe);
    let [empty, own, early, taken] = ["empty", "own", "early", "taken"].map(|name| root.path().join(name));
    fs::create_dir(&empty).unwrap();
    assert!(create(&empty).is_ok());
    // The user's own folder, in which the recipe was written.
    fs::create_dir_all(own.join("samples")).unwrap();
    fs::write(own.join("recipe.toml"), "mine").unwrap();
    let found = message(create(&own));
    assert!(found.contains("it holds recipe.toml") && found.contains("nothing was overwritten"), "{found}");
    assert_eq!(fs::read_to_string(own.join("recipe.toml")).unwrap(), "mine");
    // A process that was killed before its first checkpoint.
    fs::create_dir_all(early.join("samples")).unwrap();
    fs::write(early.join(".recipe.toml.17.tmp"), "").unwrap();
    let folder = create(&early).unwrap();
    fs::write(early.join("log.jsonl"), "").unwrap();
    fs::write(early.join("samples/step-0000000.png"), "").unwrap();
    assert_eq!(create(&early).unwrap(), folder);
    let (advice, place) = (message(folder.newest()), early.display());
    assert!(advice.contains(&format!("train {place}/recipe.toml --out {place}")), "{advice}");
    assert_eq!(folder.recipe().unwrap(), recipe);
    let lock = folder.lock().unwrap();
    assert!(message(create(&early)).contains("another process"));
    drop(lock);
    train(&mut started(&recipe, &taken, 2), 0);
    let found = message(create(&taken));
    assert!(found.contains("holds a run already") && found.contains("--resume"), "{found}");
}

#[cfg(unix)]
#[test]
fn the_lock_cannot_be_deleted_and_follows_no_link() {
    let root = tempfile::tempdir().unwrap();
    let [at, mine] = ["run", "mine"].map(|name| root.path().join(name));
    let recipe = small("faces", &[]);
    fs::write(&mine, "my file").unwrap();
    let folder = RunFolder::create(root.path(), Some(&at), &recipe).unwrap();
    std::os::unix::fs::symlink(&mine, at.join("run.lock")).unwrap();
    let lock = folder.lock().unwrap();
    assert_eq!(fs::read_to_string(&mine).unwrap(), "my file");
    let names: Vec<PathBuf> = fs::read_dir(&at).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()).collect();
    names.iter().for_each(|name| fs::remove_file(name).unwrap());
    assert!(message(folder.lock()).contains("another process"));
    drop(lock);
    assert!(folder.lock().is_ok());
}

#[test]
fn every_change_of_a_set_changes_its_fingerprint() {
    let pixels: Vec<u8> = (0..6 * 12).map(|p| p as u8).collect();
    let set = |pixels: &[u8], labels: &[u8]| {
        ImageDataset::new("a", (2, 2, 3), pixels.to_vec(), Some(labels.to_vec())).unwrap()
    };
    let whole = set(&pixels, &[0, 1, 0, 1, 0, 1]);
    let mut other = pixels.clone();
    other[70] += 1;
    let renamed = ImageDataset::new("b", (2, 2, 3), pixels.clone(), Some(vec![0, 1, 0, 1, 0, 1])).unwrap();
    assert_eq!(whole.fingerprint(), renamed.fingerprint());
    let others = [
        set(&other, &[0, 1, 0, 1, 0, 1]),
        set(&pixels, &[0, 1, 0, 1, 1, 1]),
        whole.select(&[0, 1, 2, 3, 5, 4]),
        whole.select(&[0, 1, 2, 3, 4]),
    ];
    assert!(others.iter().all(|set| set.fingerprint() != whole.fingerprint()));
}
