//! `train`: trains a GAN from a recipe and data, in a run folder that can be resumed.

mod adapt;
mod auto;
mod resume;
mod start;

use crate::console;
use crate::failure::Failure;
use crate::fitting::{self, Limits};
use crate::profile;
use crate::seeds::{SeedList, run_seed};
use crate::table::Table;
use crate::training::{self, RUNS};
use crate::verdict;
use clap::Args as ClapArgs;
use ganlet_sim::host::Device;
use ganlet_trainer::files;
use ganlet_trainer::recipe::{MAX_STEPS, NAMED, Recipe};
use ganlet_trainer::run::{self, Run, RunFolder, RunOutcome, TrainingData, absolute_source};
use ganlet_trainer::train::Trainer;
use start::Start;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Train a GAN from a recipe; checkpoints, logs, plots and samples go to a run folder
///
/// RECIPE is a name (faces, digits, ring; docs/RECIPES.md lists all) or a TOML file. Methods are appended with +, as in
/// ring+minimax+packed-2. Ctrl-C saves a checkpoint and stops with exit code 3; --resume continues from it with bitwise the same result as an
/// uninterrupted run. Exit code 1 means that training failed, and 2 that it could not start.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask train                                     the built-in 16x16 faces
  cargo xtask train digits --minutes 5                  handwritten digits, for five minutes
  cargo xtask train faces --data photos/                your own images, a folder or a zip file, at 16x16
  cargo xtask train digits --fit microbit               narrow the generator until this board can run it
  cargo xtask train --from runs/00001-faces --data photos/   start with the weights of a run, on other images
  cargo xtask train faces --data photos/ --auto --minutes 30   choose penalty and learning rate by trials, then train
  cargo xtask train --set optimizer.learning_rate=0.0005   another learning rate; --dry-run lists all settings
  cargo xtask train ring+spectral-norm                  a method of the literature, here spectral norm
  cargo xtask train ring --seeds 1-5                    one run for each of the seeds 1 to 5
  cargo xtask train --resume latest --minutes 10        continue the newest run for ten minutes
  cargo xtask train --resume latest --steps 20000       continue the newest run to step 20,000
  cargo xtask train --resume latest --data photos/      continue it after its images were moved to photos/")]
pub(crate) struct Args {
    /// Name of a recipe, or a TOML file [default: faces]
    #[arg(value_name = "RECIPE")]
    pub(crate) recipe: Option<String>,
    /// Training data: a folder or zip file of images, an IDX or NumPy file, a packed file, or a built-in set (docs/DATA.md)
    #[arg(long, value_name = "D")]
    pub(crate) data: Option<String>,
    /// Change a key of the recipe (learning rate, batch size, EMA decay and so on), as in train.batch_size=32; repeatable
    #[arg(long, value_name = "K=V")]
    pub(crate) set: Vec<String>,
    /// Number of training steps of the whole run
    #[arg(long, value_name = "N", conflicts_with = "minutes", value_parser = clap::value_parser!(u64).range(1..=MAX_STEPS))]
    pub(crate) steps: Option<u64>,
    /// Length of the run in minutes, converted to a number of steps before it starts; with --resume, minutes from now on
    #[arg(long, value_name = "M")]
    pub(crate) minutes: Option<f64>,
    /// Seed of all random numbers [default: 1]
    #[arg(long, value_name = "S", conflicts_with = "seeds", value_parser = run_seed, allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    /// Train one run for each of several seeds: 4 means 1 to 4; 3-6 and 1,7,9 work, too
    #[arg(long, value_name = "N|A-B|A,B", conflicts_with = "resume", allow_hyphen_values = true)]
    pub(crate) seeds: Option<SeedList>,
    /// The run folder [default: the next number in runs/]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Continue the newest run, or the one in DIR, from its last checkpoint
    #[arg(long, value_name = "latest|DIR", num_args = 0..=1, default_missing_value = "latest")]
    pub(crate) resume: Option<String>,
    /// Start with the weights of another run, at its best checkpoint; without RECIPE the new run also takes its recipe
    #[arg(long, value_name = "RUN", conflicts_with = "resume")]
    pub(crate) from: Option<PathBuf>,
    /// Choose the weight of the gradient penalty and the learning rate by short trials before the run
    #[arg(long, conflicts_with_all = ["resume", "dry_run"])]
    pub(crate) auto: bool,
    /// With --resume: continue although recipe or data differ from those of the run. It goes on with the new ones
    #[arg(long, requires = "resume")]
    pub(crate) accept_changes: bool,
    /// Number of threads; the result does not depend on it [default: one per core, or one where that is faster]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Describe each part of the first N steps in words, on standard output, while they run
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) trace_steps: u64,
    /// Time every kernel: prints a table at the end and writes profile.folded, for flame graphs
    #[arg(long)]
    pub(crate) profile: bool,
    /// Narrow the generator until the exported model fits this board, or device of `sim`, next to the firmware
    #[arg(long, value_name = "BOARD", value_parser = fitting::device)]
    pub(crate) fit: Option<Device>,
    /// Narrow the generator until the exported model takes at most this many bytes, as in 64K
    #[arg(long, value_name = "SIZE", value_parser = fitting::bytes)]
    pub(crate) flash: Option<usize>,
    /// Print the recipe, memory and time of the run, and the boards that the exported generator fits, without training
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Largest value of `--threads`.
const MAX_THREADS: usize = 256;

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if let Some(n) = args.threads.filter(|n| !(1..=MAX_THREADS).contains(n)) {
        let message = format!("--threads {n}: expected 1 to {MAX_THREADS}; omit the option for one thread per core");
        return Err(Failure::unusable(message));
    }
    if let Some(folder) = &args.resume {
        return resume::resume(&args, folder);
    }
    let start = args.from.as_deref().map(Start::open).transpose()?;
    let mut recipe = new_recipe(&args, start.as_ref())?;
    recipe.data.source = absolute_source(args.data.as_ref().unwrap_or(&recipe.data.source));
    let seeds = args.seeds.as_ref().map_or_else(|| vec![args.seed.unwrap_or(1)], |list| list.0.clone());
    let several = seeds.len() > 1;
    if args.out.is_some() && several {
        return Err(Failure::unusable("--out names one folder, but --seeds creates several: omit --out"));
    }
    let (mut recipe, data) = adapt::load(&args, recipe, start.as_ref().map(|start| &start.checkpoint.recipe))?;
    if args.fit.is_some() || args.flash.is_some() {
        recipe = fitting::narrowed(&recipe, &data, &Limits { device: args.fit, flash: args.flash })?;
    }
    let chosen = match args.auto {
        true => Some(auto::choose(&args, &recipe, &data, start.as_ref(), seeds[0])?),
        false => None,
    };
    let mut steps = args.steps.unwrap_or(recipe.train.steps);
    if let Some(chosen) = &chosen {
        (recipe, steps) = (chosen.recipe.clone(), chosen.steps);
    }
    let mut table = Table::new(&["run", ">seed", ">steps", "measured"]);
    let mut stopped = false;
    for seed in seeds {
        let dataset = Arc::clone(&data.train);
        let mut trainer = Trainer::new(recipe.clone(), dataset, seed, steps, args.threads.unwrap_or(0))
            .map_err(|e| Failure::unusable(format!("recipe {}: {e}", recipe.name)))?;
        let started = start.as_ref().map(|start| start.apply(&mut trainer)).transpose().map_err(Failure::unusable)?;
        if let (Some(minutes), None) = (args.minutes, &chosen) {
            let steps = training::steps_in(&mut trainer, minutes)?;
            trainer.set_steps(steps);
        }
        if args.dry_run {
            return dry_run(&mut trainer, &data);
        }
        let folder = RunFolder::create(Path::new(RUNS), args.out.as_deref(), &recipe).map_err(Failure::unusable)?;
        if let Some(chosen) = &chosen {
            chosen.save(&folder)?;
        }
        training::announce(&folder);
        training::introduce(&trainer, &data.notes);
        fitting::report(&recipe, &data);
        let mut run = Run::new(trainer, folder).map_err(Failure::unusable)?;
        run.started_from = started;
        let (run, outcome) = train(run, &data, (args.profile, args.trace_steps))?;
        let (path, step) = (run.folder.path().display().to_string(), run.trainer.step().to_string());
        table.row([path, seed.to_string(), step, conclude(run, &data, outcome)?]);
        if outcome == RunOutcome::Stopped {
            stopped = true;
            break;
        }
    }
    if several {
        console::print(&table.lines())?;
    }
    if stopped { Err(Failure::stopped()) } else { Ok(()) }
}

/// Returns the recipe of a new run: the named one, or that of the run it starts from.
fn new_recipe(args: &Args, start: Option<&Start>) -> Result<Recipe, Failure> {
    let named = match (&args.recipe, start) {
        (None, Some(start)) => {
            let own = &start.checkpoint.recipe;
            return Recipe::parse(&own.name, &own.to_toml(), &args.set).map_err(Failure::unusable);
        }
        (named, _) => named.as_deref().unwrap_or("faces"),
    };
    let recipe = Recipe::open(named, &args.set).map_err(Failure::unusable)?;
    if args.recipe.is_some() && NAMED.iter().any(|recipe| recipe.0 == named) && Path::new(named).is_file() {
        console::note(&format!("{named} is the recipe of this name, not the file: type ./{named} for the file"));
    }
    Ok(recipe)
}

/// Trains, and prints the profile if requested. The phases of the first steps are described if `traced` is not 0.
fn train<'d>(
    mut run: Run<'d>,
    data: &'d TrainingData,
    (profile, traced): (bool, u64),
) -> Result<(Run<'d>, RunOutcome), Failure> {
    if profile {
        run.trainer.executor().start_profile();
    }
    let (mut run, outcome) = training::train(run, data, traced)?;
    if profile {
        profile::print(&mut run)?;
    }
    Ok((run, outcome))
}

/// Prints what a run would do, and the time it would take.
fn dry_run(trainer: &mut Trainer, data: &TrainingData) -> Result<(), Failure> {
    training::introduce(trainer, &data.notes);
    fitting::report(trainer.recipe(), data);
    let seconds = run::seconds_per_step(trainer)?;
    let minutes = seconds * (trainer.steps() - trainer.step()) as f64 / 60.0;
    console::note(&format!("  time       {:.2} ms per step, {minutes:.1} minutes in total", 1e3 * seconds));
    fitting::print_boards(trainer.recipe(), data)?;
    console::print(&trainer.recipe().to_toml())
}

/// Prints where the run is and what to do next; returns its last measurement.
fn conclude(run: Run<'_>, data: &TrainingData, outcome: RunOutcome) -> Result<String, Failure> {
    let (folder, steps) = (run.folder.clone(), run.trainer.step());
    // The memory is needed for the page of the run.
    drop(run);
    let (path, typed) = (files::shown(folder.path()), files::quoted(folder.path()));
    match outcome {
        RunOutcome::Stopped => {
            console::note(&format!("stopped and saved; continue with: cargo xtask train --resume {typed}"));
        }
        RunOutcome::Completed => {
            let measured = if folder.path().join("measure.png").exists() { ", measure.png" } else { "" };
            console::note(&format!("done: {path} (report.html, samples/, timeline.gif, losses.png{measured})"));
            verdict::conclude(&folder, steps, data)?;
        }
    }
    let entries = folder.log_entries();
    let last = entries.iter().rev().find_map(|e| e.measurement.as_ref());
    Ok(last.map_or_else(String::new, |m| format!("{} {:.3} {}", m.name, m.value, m.details)))
}
