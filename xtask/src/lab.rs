//! `lab`: small experiments that show what the literature says.

use crate::console;
use crate::failure::Failure;
use crate::table::Table;
use crate::training::{catch_interrupts, interrupted};
use clap::{Args as ClapArgs, Subcommand};
use ganlet_trainer::files;
use ganlet_trainer::lab::{
    self, LabContext, LabError, LabMixture, LabResults, PointsOptions, REMEDIES, RateGridOptions, ResultTable,
    StackedOptions,
};
use std::path::{Path, PathBuf};

/// Small experiments that show what the literature says: each prints a table and leaves figures and numbers in a folder.
///
/// Ctrl-C keeps what is finished.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask lab ring --seeds 5                 mode collapse and every remedy on eight Gaussians
  cargo xtask lab grid --methods minimax,recipe  two of them on twenty-five
  cargo xtask lab rates ring+minimax             which step sizes a method needs
  cargo xtask lab stacked                        a thousand modes of stacked digits
  cargo xtask lab capacity                       what a larger generator buys, in bytes of flash
  cargo xtask lab playground --z 1.0             every number of the smallest GAN, step by step")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
    /// Where figures and numbers go [default: runs/lab-NAME, with a number behind it where that is taken]
    #[arg(long, value_name = "DIR", global = true)]
    out: Option<PathBuf>,
    /// Print JSON on standard output, and nothing else there
    #[arg(long, global = true)]
    json: bool,
    /// Threads that train; any number trains the same [default: one for each core, or one where that is faster]
    #[arg(long, value_name = "N", global = true)]
    threads: Option<usize>,
}

#[derive(Subcommand)]
enum What {
    /// Mode collapse on eight Gaussians on a circle, and what each remedy does against it
    Ring(PointsArgs),
    /// The same on twenty-five Gaussians on a grid
    Grid(PointsArgs),
    /// The densities of data and generator on a line, the discriminator over them, at four moments
    Densities,
    /// G(z) = wz + b against D(x) = sigmoid(ax + c), every number in sight
    Playground {
        /// Steps to play
        #[arg(long, value_name = "N", default_value_t = 200)]
        steps: u64,
        /// The latent whose way is followed
        #[arg(long, value_name = "Z", default_value_t = 0.0, allow_hyphen_values = true)]
        z: f32,
    },
    /// What the theory says, checked in numbers: the best discriminator, C(G), the game, its optimum
    Theory,
    /// The smallest GAN that does not converge, and what makes it converge
    Dirac,
    /// A discriminator that is too good: how the generator's gradient dies, and what keeps it alive
    Vanishing,
    /// A Gaussian, a mixture, a Boltzmann machine, a variational auto-encoder and a GAN on one set of numbers
    Compare,
    /// Generators of several sizes: how good the pictures are that so many bytes of flash make
    Capacity {
        /// Steps to train each
        #[arg(long, value_name = "N", default_value_t = 1000)]
        steps: u64,
    },
    /// Pictures of exactly three discs: how often a generator gets the number wrong
    Counting {
        /// Steps to train
        #[arg(long, value_name = "N", default_value_t = 1500)]
        steps: u64,
    },
    /// Pictures that are their own mirror images: how often the halves of generated ones are unlike
    Symmetry {
        /// Steps to train
        #[arg(long, value_name = "N", default_value_t = 1500)]
        steps: u64,
    },
    /// Step sizes: discriminator's against generator's, and what comes of each pair
    Rates(RatesArgs),
    /// Three digits as red, green and blue: how many of a thousand modes are made
    Stacked(StackedArgs),
}

#[derive(ClapArgs)]
struct PointsArgs {
    /// Seeds 1 to N of each method
    #[arg(long, value_name = "N", default_value_t = 1)]
    seeds: u64,
    /// Methods to compare, with commas between; "recipe" is the named recipe at its full length
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    methods: Option<Vec<String>>,
    /// Steps of every method but "recipe" [default: 4000]
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Change a key of all recipes; may be repeated
    #[arg(long, value_name = "K=V")]
    set: Vec<String>,
}

#[derive(ClapArgs)]
struct RatesArgs {
    /// A recipe of points, methods behind a +
    #[arg(value_name = "RECIPE", default_value = "ring")]
    recipe: String,
    /// The discriminator's rates, with commas between
    #[arg(long, value_name = "RATES", value_delimiter = ',', default_values_t = [1e-4, 3e-4, 1e-3, 3e-3])]
    discriminator: Vec<f32>,
    /// The generator's rates, with commas between
    #[arg(long, value_name = "RATES", value_delimiter = ',', default_values_t = [1e-4, 3e-4, 1e-3, 3e-3])]
    generator: Vec<f32>,
    /// Steps of each run
    #[arg(long, value_name = "N", default_value_t = 2000)]
    steps: u64,
    /// Change a key of the recipe; may be repeated
    #[arg(long, value_name = "K=V")]
    set: Vec<String>,
}

#[derive(ClapArgs)]
struct StackedArgs {
    /// Seed of the run
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Steps of the run
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Change a key of the recipe; may be repeated
    #[arg(long, value_name = "K=V")]
    set: Vec<String>,
}

impl What {
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

/// The numbers that every laboratory leaves.
const RESULTS: &str = "results.json";

/// Most seeds of a comparison.
const MOST_SEEDS: u64 = 1000;

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if let Some(n) = args.threads.filter(|n| !(1..=256).contains(n)) {
        return Err(Failure::unusable(format!("--threads {n}: expected 1 to 256")));
    }
    if let What::Capacity { steps: 0 } | What::Counting { steps: 0 } | What::Symmetry { steps: 0 } = args.what {
        return Err(Failure::unusable(
            "--steps 0: expected 1 or more, as there is nothing to see of an untrained generator",
        ));
    }
    let name = args.what.name();
    let folder = folder(name, args.out.as_deref())?;
    let fresh = !folder.exists();
    std::fs::create_dir_all(&folder).map_err(|e| Failure::file(&folder, e))?;
    catch_interrupts();
    let findings = {
        let (mut progress, mut save) = (
            |line: &str| console::note(&format!("  {line}")),
            |name: &str, bytes: &[u8]| files::write(folder.join(name), bytes),
        );
        let context = LabContext {
            stop: &interrupted,
            progress: &mut progress,
            save: &mut save,
            threads: args.threads.unwrap_or(0),
        };
        perform(args.what, context).inspect_err(|_| {
            // What was refused leaves no empty folder behind; one with figures in it stays.
            if fresh {
                let _ = std::fs::remove_dir(&folder);
            }
        })?
    };
    if findings.stopped && findings.table.rows.is_empty() {
        return Err(Failure::failed("stopped before anything was finished: there are no results"));
    }
    let numbers = format!("{}\n", serde_json::to_string_pretty(&findings.values)?);
    files::write(folder.join(RESULTS), &numbers)?;
    files::write(folder.join("table.md"), markdown(&findings))?;
    if findings.stopped {
        console::note("stopped: the table and the figures hold what was finished");
    }
    console::note(&format!("figures and numbers are in {}", folder.display()));
    console::print(&if args.json { numbers } else { words(&findings) })
}

/// Where results go: never where earlier ones lie.
fn folder(name: &str, asked: Option<&Path>) -> Result<PathBuf, Failure> {
    let taken = |folder: &Path| folder.join(RESULTS).exists();
    match asked {
        Some(out) if taken(out) => Err(Failure::unusable(format!(
            "{}: there are results of a laboratory here already: nothing was overwritten; choose another --out",
            out.display()
        ))),
        Some(out) => Ok(out.to_owned()),
        None => {
            let numbered = (2..).map(|n| format!("lab-{name}-{n}"));
            let mut all = std::iter::once(format!("lab-{name}")).chain(numbered).map(|n| Path::new("runs").join(n));
            all.find(|f| !taken(f)).ok_or_else(|| Failure::unusable("no free name for a folder in runs"))
        }
    }
}

fn perform(what: What, mut context: LabContext<'_>) -> Result<LabResults, Failure> {
    let context = &mut context;
    let found = match what {
        What::Ring(args) => lab::points(&points(LabMixture::Ring, args)?, context),
        What::Grid(args) => lab::points(&points(LabMixture::Grid, args)?, context),
        What::Densities => lab::densities(context),
        What::Playground { steps, z } => lab::playground(steps, z, context),
        What::Theory => lab::theory(context),
        What::Dirac => lab::dirac(context),
        What::Vanishing => lab::vanishing(context),
        What::Compare => lab::compare(context),
        What::Capacity { steps } => lab::capacity(steps, context),
        What::Counting { steps } => lab::counting(steps, context),
        What::Rates(args) => lab::rates(&swept(args), context),
        What::Symmetry { steps } => lab::symmetry(steps, context),
        What::Stacked(args) => {
            lab::stacked(&StackedOptions { seed: args.seed, steps: args.steps, settings: args.set }, context)
        }
    };
    found.map_err(|e| match e {
        LabError::Request(why) => Failure::unusable(why),
        other => Failure::failed(other.to_string()),
    })
}

fn points(mixture: LabMixture, args: PointsArgs) -> Result<PointsOptions, Failure> {
    if !(1..=MOST_SEEDS).contains(&args.seeds) {
        return Err(Failure::unusable(format!("--seeds {}: expected 1 to {MOST_SEEDS}", args.seeds)));
    }
    let methods = args.methods.unwrap_or_else(|| REMEDIES.iter().map(|r| (*r).to_owned()).collect());
    Ok(PointsOptions { mixture, methods, seeds: args.seeds, steps: args.steps, settings: args.set })
}

fn swept(args: RatesArgs) -> RateGridOptions {
    let RatesArgs { recipe, discriminator, generator, steps, set } = args;
    RateGridOptions { recipe, discriminator, generator, steps, settings: set }
}

fn words(findings: &LabResults) -> String {
    let headings: Vec<_> = findings.table.headings.iter().map(String::as_str).collect();
    let mut table = Table::new(&headings);
    findings.table.rows.iter().for_each(|row| table.row_of(row.clone()));
    let notes: String = findings.notes.iter().map(|n| format!("  {n}\n")).collect();
    table.lines() + &notes
}

/// The table and its notes as a page of Markdown.
fn markdown(findings: &LabResults) -> String {
    let ResultTable { headings, rows } = &findings.table;
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    // A bar in a cell would end it.
    let cell = |words: &str| words.replace('|', "\\|");
    let mut text = line(headings.iter().map(|h| cell(h.trim_start_matches('>'))).collect());
    text += &line(headings.iter().map(|h| if h.starts_with('>') { "--:" } else { "---" }.to_owned()).collect());
    rows.iter().for_each(|row| text += &line(row.iter().map(|c| cell(c)).collect()));
    findings.notes.iter().for_each(|note| text += &format!("\n{note}\n"));
    text
}
