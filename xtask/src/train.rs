//! `train`: a GAN from a recipe and pictures, in a run folder that can be resumed.

use crate::console;
use crate::failure::Failure;
use crate::profile;
use crate::table::Table;
use crate::training::{self, RUNS};
use clap::{Args as ClapArgs, ValueEnum};
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::run::{self, Run, RunFolder, RunOutcome};
use ganlet_trainer::train::{StepPhase, StepReport, Trainer};
use std::path::{Path, PathBuf};

/// Train a GAN as a recipe says; leaves a run folder with checkpoints, logs, plots and samples.
///
/// RECIPE is a name (faces, digits, ring; docs/RECIPES.md lists them) or a TOML file; methods may follow a + each, as in
/// ring+minimax+packed-2. Ctrl-C saves and stops; --resume goes on from there, bit for bit as if nothing had happened.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask train                                     the built-in 16x16 faces
  cargo xtask train digits --minutes 5                  handwritten digits, for five minutes
  cargo xtask train faces --data photos/                your own folder of PNG and JPEG pictures, at 16x16
  cargo xtask train --set optimizer.learning_rate=0.0005         one setting changed; --dry-run shows them all
  cargo xtask train ring --seeds 5                      the same recipe with seeds 1 to 5
  cargo xtask train --resume latest --steps 20000       longer than it was meant to be")]
pub(crate) struct Args {
    /// Name of a recipe, or a TOML file [default: faces]
    #[arg(value_name = "RECIPE")]
    pub(crate) recipe: Option<String>,
    /// What to imitate: a folder of pictures, an IDX, IDX.gz or NPZ file, or the name of a built-in set
    #[arg(long, value_name = "D")]
    pub(crate) data: Option<String>,
    /// Change a key of the recipe, as in train.batch_size=32; may be repeated
    #[arg(long, value_name = "K=V")]
    pub(crate) set: Vec<String>,
    /// Steps of the whole run
    #[arg(long, value_name = "N", conflicts_with = "minutes")]
    pub(crate) steps: Option<u64>,
    /// Length of the run; becomes a number of steps before it starts
    #[arg(long, value_name = "M")]
    pub(crate) minutes: Option<f64>,
    /// Seed of every random number [default: 1]
    #[arg(long, value_name = "S", conflicts_with = "seeds")]
    pub(crate) seed: Option<u64>,
    /// One run for each seed from 1 to N
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    pub(crate) seeds: Option<u64>,
    /// The run folder [default: the next number under runs/]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Go on with the newest run, or with the one in DIR
    #[arg(long, value_name = "latest|DIR", num_args = 0..=1, default_missing_value = "latest")]
    pub(crate) resume: Option<String>,
    /// What computes
    #[arg(long, value_enum, default_value = "cpu", hide = true)]
    pub(crate) backend: Backend,
    /// Threads that share the work; any number trains the same [default: one for each core, or one where that is faster]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Tell the parts of the first N steps as they are done
    #[arg(long, value_name = "N")]
    pub(crate) trace_steps: Option<u64>,
    /// Time every kernel: a table at the end, and profile.folded in the run folder for flame-graph programs
    #[arg(long)]
    pub(crate) profile: bool,
    /// Say what would be done, how much memory and time it takes, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// All cores of this machine
    Cpu,
    /// A graphics card
    Gpu,
}

/// Most threads that a run may ask for.
const MAX_THREADS: usize = 256;

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if args.backend == Backend::Gpu {
        return Err(Failure::unusable("--backend gpu: this version trains on the CPU alone; leave the option away"));
    }
    if let Some(n) = args.threads.filter(|n| !(1..=MAX_THREADS).contains(n)) {
        let message = format!("--threads {n}: expected 1 to {MAX_THREADS}; leave the option away for one a core");
        return Err(Failure::unusable(message));
    }
    if let Some(wanted) = &args.resume {
        return resume(&args, wanted);
    }
    let mut recipe = Recipe::open(args.recipe.as_deref().unwrap_or("faces"), &args.set).map_err(unusable)?;
    if let Some(data) = &args.data {
        recipe.data.source = data.clone();
    }
    if args.seeds == Some(0) {
        return Err(Failure::unusable("--seeds 0: expected at least 1"));
    }
    let seeds = match args.seeds {
        Some(n) => 1..=n,
        None => args.seed.unwrap_or(1)..=args.seed.unwrap_or(1),
    };
    if args.out.is_some() && args.seeds.is_some_and(|n| n > 1) {
        return Err(Failure::unusable("--out names one folder, --seeds makes several: leave --out away"));
    }
    let loaded = run::load_data(&recipe).map_err(unusable)?;
    let mut table = Table::new(&["run", ">seed", ">steps", "measured"]);
    let several = seeds.clone().count() > 1;
    for seed in seeds {
        let steps = args.steps.unwrap_or(recipe.train.steps);
        if steps == 0 {
            return Err(Failure::unusable("--steps 0: expected at least 1"));
        }
        let mut trainer = Trainer::new(recipe.clone(), loaded.train.clone(), seed, steps, args.threads.unwrap_or(0))
            .map_err(|e| Failure::unusable(format!("recipe {}: {e}", recipe.name)))?;
        if let Some(minutes) = args.minutes {
            let steps = training::steps_in(&mut trainer, minutes)?;
            trainer.set_steps(steps);
        }
        if args.dry_run {
            return dry_run(&mut trainer, &loaded.notes);
        }
        if let Some(n) = args.trace_steps {
            return console::print(&trace(&mut trainer, n)?);
        }
        let folder = RunFolder::create(Path::new(RUNS), args.out.as_deref(), &recipe).map_err(unusable)?;
        training::introduce(&trainer, &loaded.notes);
        if args.profile {
            trainer.executor().start_profile();
        }
        let (mut run, end) = training::go(trainer, folder, &loaded)?;
        if args.profile {
            profile::tell(&mut run)?;
        }
        let measured = closing(&run, end);
        let step = run.trainer.step().to_string();
        table.row([run.folder.path().display().to_string(), seed.to_string(), step, measured]);
        if end == RunOutcome::Stopped {
            break;
        }
    }
    if several { console::print(&table.lines()) } else { Ok(()) }
}

/// Trains `steps` steps and tells each part of them in words (Goodfellow et al. 2014, algorithm 1).
fn trace(trainer: &mut Trainer, steps: u64) -> Result<String, Failure> {
    let batch = trainer.recipe().train.batch_size;
    let mut text = String::new();
    for _ in 0..steps.min(trainer.steps()) {
        let step = trainer.step() + 1;
        let told = &mut |part, r: &StepReport| {
            text += &match part {
                StepPhase::BatchDrawn => {
                    format!("step {step}: draw {batch} latents z and {batch} real examples x; make G(z)\n")
                }
                StepPhase::DiscriminatorUpdated => format!(
                    "step {step}: judge x and G(z) together, D(x) {:.3}, D(G(z)) {:.3}; move D against its loss {:.4}\n",
                    r.d_real, r.d_fake, r.discriminator_loss
                ),
                StepPhase::GeneratorUpdated => {
                    format!("step {step}: move G against its loss {:.4}, through D, which stays\n", r.generator_loss)
                }
            };
        };
        trainer.advance_with(told)?;
        text += &format!("step {step}: done; repeat until D says 1/2 and the measured distance stays\n");
    }
    Ok(text)
}

/// Says what a run would do and take.
fn dry_run(trainer: &mut Trainer, notes: &[String]) -> Result<(), Failure> {
    training::introduce(trainer, notes);
    let seconds = run::seconds_per_step(trainer)?;
    let minutes = seconds * (trainer.steps() - trainer.step()) as f64 / 60.0;
    console::note(&format!("  time       {:.2} ms a step, {minutes:.1} minutes in all", 1e3 * seconds));
    console::print(&trainer.recipe().to_toml())
}

/// Goes on with a run where its newest checkpoint left it.
fn resume(args: &Args, wanted: &str) -> Result<(), Failure> {
    if args.data.is_some()
        || !args.set.is_empty()
        || args.seed.is_some()
        || args.out.is_some()
        || args.minutes.is_some()
    {
        let message = "--resume goes on with the run's own recipe, data, seed and folder: of the other options it takes \
                       --steps and --threads alone";
        return Err(Failure::unusable(message));
    }
    let folder = RunFolder::open(Path::new(RUNS), wanted).map_err(unusable)?;
    let run::NewestCheckpoint { checkpoint: saved, unreadable } = folder.newest().map_err(unusable)?;
    unreadable.iter().for_each(|e| console::note(&format!("skipped: {e}")));
    if let Some(name) = &args.recipe {
        let named = Recipe::open(name, &[]).map_err(unusable)?;
        if let Some(difference) = saved.recipe.difference(&named) {
            return Err(Failure::unusable(format!(
                "{} is a run of another recipe than {name} ({difference}): leave the recipe away to go on with it, or start a \
                 new run without --resume",
                folder.path().display()
            )));
        }
    }
    let steps = args.steps.unwrap_or(saved.steps);
    if steps <= saved.step {
        console::note(&format!(
            "{} has done all of its {} steps; --steps N with a larger number trains on",
            folder.path().display(),
            saved.step
        ));
        return Ok(());
    }
    let loaded = run::load_data(&saved.recipe).map_err(unusable)?;
    if loaded.train.shape() != saved.shape {
        let (found, made) = (loaded.train.shape(), &saved.shape);
        return Err(Failure::unusable(format!(
            "{}: the data is now of shape {found:?}, the run was made with {made:?}",
            saved.recipe.data.source
        )));
    }
    let mut trainer = Trainer::new(saved.recipe, loaded.train.clone(), saved.seed, steps, args.threads.unwrap_or(0))?;
    trainer.restore(saved.store, saved.step);
    if args.dry_run {
        return dry_run(&mut trainer, &loaded.notes);
    }
    training::introduce(&trainer, &loaded.notes);
    console::note(&format!("  going on   from step {}", saved.step));
    if args.profile {
        trainer.executor().start_profile();
    }
    let (mut run, end) = training::go(trainer, folder, &loaded)?;
    if args.profile {
        profile::tell(&mut run)?;
    }
    closing(&run, end);
    Ok(())
}

/// Says where the run lies and what can be done with it; gives its last measurement.
fn closing(run: &Run<'_>, end: RunOutcome) -> String {
    let path = run.folder.path().display();
    match end {
        RunOutcome::Stopped => {
            console::note(&format!("stopped and saved; go on with: cargo xtask train --resume {path}"))
        }
        RunOutcome::Completed => {
            let measured = if run.folder.path().join("measure.png").exists() { ", measure.png" } else { "" };
            console::note(&format!("done: {path} (samples/, timeline.gif, losses.png{measured})"));
        }
    }
    if let Some(best) = run.folder.best().filter(|best| best.step < run.trainer.step()) {
        console::note(&format!(
            "best: step {}, {} {:.3}; its checkpoint is kept, shown and exported",
            best.step, best.measurement.name, best.measurement.value
        ));
    }
    if run.trainer.data().shape().len() == 3 && end == RunOutcome::Completed {
        console::note(&format!("next: cargo xtask export {path}"));
    }
    let lines = run.folder.log_entries();
    let last = lines.iter().rev().find_map(|l| l.measurement.as_ref());
    last.map_or_else(String::new, |m| format!("{} {:.3} {}", m.name, m.value, m.details))
}

/// An error in what was asked for.
fn unusable(error: impl std::fmt::Display) -> Failure {
    Failure::unusable(error.to_string())
}
