//! `lab`: small experiments that reproduce results of the literature.

mod duration;

use crate::console;
use crate::failure::Failure;
use crate::seeds::SeedList;
use crate::table::Table;
use crate::training::{catch_interrupts, interrupted};
use clap::{Args as ClapArgs, Subcommand};
use ganlet_trainer::files;
use ganlet_trainer::lab::{
    self, EXPERIMENTS, LabContext, LabError, LabMixture, LabResults, PointsOptions, REMEDIES, RateGridOptions,
    ResultTable, StackedOptions,
};
use ganlet_trainer::recipe::MAX_STEPS;
use ganlet_trainer::report::ExperimentPage;
use std::path::{Path, PathBuf};

/// Run a small experiment that reproduces a finding of the literature
///
/// Each experiment prints how long it is expected to take, then a table. It writes figures, numbers and index.html, a page that explains
/// them, to a folder. Ctrl-C stops it and keeps the finished part.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask lab ring --seeds 1-5               mode collapse, and every remedy, on eight Gaussians
  cargo xtask lab grid --methods minimax,recipe  two methods on twenty-five Gaussians
  cargo xtask lab rates ring+minimax             which learning rates a method needs
  cargo xtask lab stacked                        a thousand modes of stacked digits
  cargo xtask lab capacity                       sample quality against bytes of flash
  cargo xtask lab playground --z 1.0             the smallest GAN, every number, step by step")]
pub(crate) struct Args {
    #[command(subcommand)]
    experiment: Experiment,
    /// Folder for figures and numbers [default: runs/lab-NAME, with a number appended if it exists]
    #[arg(long, value_name = "DIR", global = true)]
    out: Option<PathBuf>,
    /// Print JSON to standard output, and nothing else
    #[arg(long, global = true)]
    json: bool,
    /// Number of threads; the result does not depend on it [default: one per core, or one where that is faster]
    #[arg(long, value_name = "N", global = true)]
    threads: Option<usize>,
}

#[derive(Subcommand)]
enum Experiment {
    /// Mode collapse on eight Gaussians on a circle, and the effect of each remedy
    #[command(after_help = "Example:\n  cargo xtask lab ring --methods minimax,recipe --seeds 3")]
    Ring(PointsArgs),
    /// Mode collapse on twenty-five Gaussians on a grid
    #[command(after_help = "Example:\n  cargo xtask lab grid --methods minimax,recipe")]
    Grid(PointsArgs),
    /// Densities of data and generator in one dimension, and the discriminator, at four stages of training
    #[command(after_help = "Example:\n  cargo xtask lab densities")]
    Densities,
    /// The smallest GAN, G(z) = wz + b and D(x) = sigmoid(ax + c), with every number
    #[command(after_help = "Example:\n  cargo xtask lab playground --z 1.0")]
    Playground {
        /// Number of steps
        #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=MAX_STEPS))]
        steps: u64,
        /// The latent whose sample is shown at every step
        #[arg(long, value_name = "Z", default_value_t = 0.0, allow_hyphen_values = true)]
        z: f32,
    },
    /// Checks of the theory: the optimal discriminator, C(G), the minimax game and its equilibrium
    #[command(after_help = "Example:\n  cargo xtask lab theory --json")]
    Theory,
    /// The Dirac GAN: the smallest GAN that does not converge, and the regularizers that make it converge
    #[command(after_help = "Example:\n  cargo xtask lab dirac")]
    Dirac,
    /// Vanishing gradients: a discriminator that is too good, and the losses and regularizers that help
    #[command(after_help = "Example:\n  cargo xtask lab vanishing")]
    Vanishing,
    /// A Gaussian, a mixture, a Boltzmann machine, a variational autoencoder and a GAN on the same data
    #[command(after_help = "Example:\n  cargo xtask lab compare")]
    Compare,
    /// Generators of several sizes: Fréchet distance against bytes of flash
    #[command(after_help = "Example:\n  cargo xtask lab capacity --steps 500")]
    Capacity {
        /// Training steps for each size
        #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=MAX_STEPS))]
        steps: u64,
    },
    /// Images of exactly three discs: how often the generator draws another number
    #[command(after_help = "Example:\n  cargo xtask lab counting")]
    Counting {
        /// Training steps
        #[arg(long, value_name = "N", default_value_t = 1500, value_parser = clap::value_parser!(u64).range(1..=MAX_STEPS))]
        steps: u64,
    },
    /// Images with mirror symmetry: how often generated images lack it
    #[command(after_help = "Example:\n  cargo xtask lab symmetry")]
    Symmetry {
        /// Training steps
        #[arg(long, value_name = "N", default_value_t = 1500, value_parser = clap::value_parser!(u64).range(1..=MAX_STEPS))]
        steps: u64,
    },
    /// Outcomes of every pair of learning rates of discriminator and generator
    #[command(after_help = "Example:\n  cargo xtask lab rates ring+minimax --steps 1000")]
    Rates(RatesArgs),
    /// Stacked MNIST: three digits as red, green and blue; how many of 1,000 modes are generated
    #[command(after_help = "Example:\n  cargo xtask lab stacked --seed 2")]
    Stacked(StackedArgs),
}

#[derive(ClapArgs)]
struct PointsArgs {
    /// Number of seeds for each method: 4 or 1-4 for 1 to 4
    #[arg(long, value_name = "N|1-N", default_value = "1", allow_hyphen_values = true)]
    seeds: SeedList,
    /// Methods to compare, separated by commas; "recipe" means the unchanged recipe at its full length
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    methods: Option<Vec<String>>,
    /// Training steps for every method except "recipe" [default: 4000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_STEPS))]
    steps: Option<u64>,
    /// Change a key of all recipes; repeatable
    #[arg(long, value_name = "K=V")]
    set: Vec<String>,
}

#[derive(ClapArgs)]
struct RatesArgs {
    /// A recipe of points; methods are appended with +
    #[arg(value_name = "RECIPE", default_value = "ring")]
    recipe: String,
    /// Learning rates of the discriminator, separated by commas
    #[arg(long, value_name = "RATES", value_delimiter = ',', default_value = "1e-4,3e-4,1e-3,3e-3")]
    discriminator: Vec<f32>,
    /// Learning rates of the generator, separated by commas
    #[arg(long, value_name = "RATES", value_delimiter = ',', default_value = "1e-4,3e-4,1e-3,3e-3")]
    generator: Vec<f32>,
    /// Training steps of each run
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=MAX_STEPS))]
    steps: u64,
    /// Change a key of the recipe; repeatable
    #[arg(long, value_name = "K=V")]
    set: Vec<String>,
}

#[derive(ClapArgs)]
struct StackedArgs {
    /// Seed of all random numbers
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Training steps
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_STEPS))]
    steps: Option<u64>,
    /// Change a key of the recipe; repeatable
    #[arg(long, value_name = "K=V")]
    set: Vec<String>,
}

impl PointsArgs {
    /// Returns the methods to compare.
    fn methods(&self) -> Vec<String> {
        self.methods.clone().unwrap_or_else(|| REMEDIES.iter().map(|r| (*r).to_owned()).collect())
    }
}

impl Experiment {
    fn name(&self) -> &'static str {
        match self {
            Self::Ring(_) => "ring",
            Self::Grid(_) => "grid",
            Self::Stacked(_) => "stacked",
            Self::Densities => "densities",
            Self::Playground { .. } => "playground",
            Self::Theory => "theory",
            Self::Dirac => "dirac",
            Self::Vanishing => "vanishing",
            Self::Compare => "compare",
            Self::Capacity { .. } => "capacity",
            Self::Counting { .. } => "counting",
            Self::Symmetry { .. } => "symmetry",
            Self::Rates(_) => "rates",
        }
    }
}

/// The files with the numbers of an experiment, and its page.
const RESULTS: &str = "results.json";
const TABLE: &str = "table.md";
const PAGE: &str = "index.html";

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if let Some(n) = args.threads.filter(|n| !(1..=256).contains(n)) {
        return Err(Failure::unusable(format!("--threads {n}: expected 1 to 256")));
    }
    if let Experiment::Capacity { steps: 0 } | Experiment::Counting { steps: 0 } | Experiment::Symmetry { steps: 0 } =
        args.experiment
    {
        return Err(Failure::unusable("--steps 0: expected at least 1: an untrained generator shows nothing"));
    }
    let name = args.experiment.name();
    let folder = folder(name, args.out.as_deref())?;
    let fresh = !folder.exists();
    std::fs::create_dir_all(&folder).map_err(|e| Failure::file(&folder, e))?;
    catch_interrupts();
    console::note(&format!("expected duration: {}", duration::in_words(args.experiment.expected_seconds())));
    let mut figures: Vec<String> = Vec::new();
    let results = {
        let (mut progress, mut save) = (
            |line: &str| console::note(&format!("  {line}")),
            |name: &str, bytes: &[u8]| {
                if figures.iter().all(|known| known != name) {
                    figures.push(name.to_owned());
                }
                files::write(folder.join(name), bytes)
            },
        );
        let context = LabContext {
            stop: &interrupted,
            progress: &mut progress,
            save: &mut save,
            threads: args.threads.unwrap_or(0),
        };
        perform(args.experiment, context).inspect_err(|_| {
            // After an error an empty folder is removed; one with figures stays.
            if fresh {
                let _ = std::fs::remove_dir(&folder);
            }
        })?
    };
    if results.stopped && results.table.rows.is_empty() {
        return Err(Failure::failed("stopped before any part was finished: there are no results"));
    }
    let numbers = format!("{}\n", serde_json::to_string_pretty(&results.values)?);
    files::write(folder.join(RESULTS), &numbers)?;
    files::write(folder.join(TABLE), markdown(&results))?;
    if let Some(about) = EXPERIMENTS.iter().find(|about| about.name == name) {
        let page = ExperimentPage { about, results: &results, figures: &figures, numbers: &[RESULTS, TABLE] };
        files::write(folder.join(PAGE), page.html())?;
    }
    if results.stopped {
        console::note("stopped: the table and the figures hold what was finished");
    }
    console::note(&format!("wrote figures and numbers: open {}", folder.join(PAGE).display()));
    console::print(&if args.json { numbers } else { text(&results) })
}

/// Returns the folder for the results, which never holds earlier ones.
fn folder(name: &str, given: Option<&Path>) -> Result<PathBuf, Failure> {
    let taken = |folder: &Path| folder.join(RESULTS).exists();
    match given {
        Some(out) if taken(out) => Err(Failure::unusable(format!(
            "{}: this folder holds results of an experiment already; nothing was overwritten: choose another --out",
            out.display()
        ))),
        Some(out) => console::own_folder(out, None).map(|()| out.to_owned()),
        None => {
            let numbered = (2..).map(|n| format!("lab-{name}-{n}"));
            let mut all = std::iter::once(format!("lab-{name}")).chain(numbered).map(|n| Path::new("runs").join(n));
            all.find(|f| !taken(f)).ok_or_else(|| Failure::unusable("runs/ has no free folder name for the results"))
        }
    }
}

/// Runs the experiment.
fn perform(experiment: Experiment, mut context: LabContext<'_>) -> Result<LabResults, Failure> {
    let context = &mut context;
    let found = match experiment {
        Experiment::Ring(args) => lab::points(&points(LabMixture::Ring, args), context),
        Experiment::Grid(args) => lab::points(&points(LabMixture::Grid, args), context),
        Experiment::Densities => lab::densities(context),
        Experiment::Playground { steps, z } => lab::playground(steps, z, context),
        Experiment::Theory => lab::theory(context),
        Experiment::Dirac => lab::dirac(context),
        Experiment::Vanishing => lab::vanishing(context),
        Experiment::Compare => lab::compare(context),
        Experiment::Capacity { steps } => lab::capacity(steps, context),
        Experiment::Counting { steps } => lab::counting(steps, context),
        Experiment::Rates(args) => lab::rates(&rate_grid(args), context),
        Experiment::Symmetry { steps } => lab::symmetry(steps, context),
        Experiment::Stacked(args) => {
            lab::stacked(&StackedOptions { seed: args.seed, steps: args.steps, settings: args.set }, context)
        }
    };
    found.map_err(|e| match e {
        LabError::Request(why) => Failure::unusable(why),
        other => Failure::failed(other.to_string()),
    })
}

/// Returns the options of `ring` and `grid`.
fn points(mixture: LabMixture, args: PointsArgs) -> PointsOptions {
    PointsOptions { mixture, methods: args.methods(), seeds: args.seeds.0, steps: args.steps, settings: args.set }
}

/// Returns the options of `rates`.
fn rate_grid(args: RatesArgs) -> RateGridOptions {
    let RatesArgs { recipe, discriminator, generator, steps, set } = args;
    RateGridOptions { recipe, discriminator, generator, steps, settings: set }
}

/// Returns the table and its notes as text.
fn text(results: &LabResults) -> String {
    let headings: Vec<_> = results.table.headings.iter().map(String::as_str).collect();
    let mut table = Table::new(&headings);
    results.table.rows.iter().for_each(|row| table.row_of(row.clone()));
    let notes: String = results.notes.iter().map(|n| format!("  {n}\n")).collect();
    table.lines() + &notes
}

/// Returns the table and its notes as Markdown.
fn markdown(results: &LabResults) -> String {
    let ResultTable { headings, rows } = &results.table;
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    // A vertical bar would end the cell.
    let cell = |text: &str| text.replace('|', "\\|");
    let mut text = line(headings.iter().map(|h| cell(h.trim_start_matches('>'))).collect());
    text += &line(headings.iter().map(|h| if h.starts_with('>') { "--:" } else { "---" }.to_owned()).collect());
    rows.iter().for_each(|row| text += &line(row.iter().map(|c| cell(c)).collect()));
    results.notes.iter().for_each(|note| text += &format!("\n{note}\n"));
    text
}
