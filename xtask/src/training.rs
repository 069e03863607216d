//! A training run as a person watches it: progress, Ctrl-C, one line an interval where there is no terminal.

use crate::console::{self, Tint};
use crate::failure::Failure;
use ganlet_runtime::Latent;
use ganlet_trainer::run::{self, LogEntry, Run, RunEvent, RunFolder, TrainingData};
use ganlet_trainer::train::{StepReport, Trainer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Where numbered runs lie.
pub(crate) const RUNS: &str = "runs";
/// Least time from one printed line to the next where output is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Part of the minutes of a run that samples, measurements and checkpoints take.
const ASIDE: f64 = 0.07;

static STOP: AtomicBool = AtomicBool::new(false);

/// Makes the first Ctrl-C a request to stop, and the second an end.
pub(crate) fn catch_interrupts() {
    static CAUGHT: OnceLock<()> = OnceLock::new();
    CAUGHT.get_or_init(|| {
        let caught = ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            console::note("\nstopping after this step; once more to end at once");
        });
        if let Err(e) = caught {
            console::note(&format!("Ctrl-C cannot be caught ({e}): it will end the run without saving"));
        }
    });
}

/// Whether Ctrl-C was pressed.
pub(crate) fn interrupted() -> bool {
    STOP.load(Ordering::SeqCst)
}

/// How many steps fit into `minutes`, measured on a few steps that are undone.
pub(crate) fn steps_in(trainer: &mut Trainer, minutes: f64) -> Result<u64, Failure> {
    if !(minutes > 0.0 && minutes <= 100_000.0) {
        return Err(Failure::unusable(format!("--minutes {minutes}: expected a number above 0, up to 100000")));
    }
    console::note("measuring how long a step takes");
    let seconds = run::seconds_per_step(trainer)?;
    let steps = (minutes * 60.0 * (1.0 - ASIDE) / seconds).max(1.0) as u64;
    console::note(&format!("{:.1} ms a step: {steps} steps in {minutes} minutes", 1e3 * seconds));
    Ok(steps)
}

/// Says what will be trained.
pub(crate) fn introduce(trainer: &Trainer, notes: &[String]) {
    let recipe = trainer.recipe();
    console::note(&format!("{}: {}", console::on_stderr(console::Tint::Bold, &recipe.name), recipe.about));
    let data = trainer.data();
    let shape: Vec<_> = data.shape().iter().map(usize::to_string).collect();
    let count = data.len().map_or("endless".to_owned(), |n| n.to_string());
    console::note(&format!("  data       {} ({count} of {}) ", data.name(), shape.join("x")));
    notes.iter().for_each(|n| console::note(&format!("             {n}")));
    if let Some(n) = data.len().filter(|n| *n < recipe.train.batch_size) {
        let batch = recipe.train.batch_size;
        console::note(&format!(
            "             a batch of {batch} is larger than the set of {n}: items are drawn again within it"
        ));
    }
    recipe.warnings().iter().for_each(|w| console::note(&format!("  warning    {w}")));
    let mb = |bytes: usize| bytes as f64 / (1 << 20) as f64;
    console::note(&format!(
        "  networks   generator {} weights, discriminator {} weights; {:.2} GFLOP a step of batch {}",
        trainer.generator().len(),
        trainer.discriminator().len(),
        trainer.flops() / 1e9,
        recipe.train.batch_size
    ));
    if data.shape().len() == 3 && trainer.generator().input[0] > Latent::MAX_LEN {
        console::note(&format!(
            "             a device takes at most {} latent numbers: this generator cannot be exported",
            Latent::MAX_LEN
        ));
    }
    let threads = trainer.threads();
    console::note(&format!(
        "  run        {} steps, seed {}, {threads} thread{}, {:.1} MB planned{}",
        trainer.steps(),
        trainer.seed(),
        if threads == 1 { "" } else { "s" },
        mb(trainer.bytes()),
        if recipe.train.recompute { ", values recomputed" } else { "" }
    ));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if threads > cores {
        let there = if cores == 1 { "is 1 core".to_owned() } else { format!("are {cores} cores") };
        console::note(&format!(
            "             there {there}: {threads} threads train the same, but wait for each other"
        ));
    }
}

/// Trains in `folder` to the end or until Ctrl-C; gives the run back.
pub(crate) fn go<'j>(
    trainer: Trainer,
    folder: RunFolder,
    loaded: &'j TrainingData,
) -> Result<(Run<'j>, run::RunOutcome), Failure> {
    catch_interrupts();
    let mut run = Run::new(trainer, folder)?;
    run.measure = crate::judge::of(loaded, run.trainer.threads())?;
    let mut view = View::new(&run.trainer);
    let end = run.train(&interrupted, &mut |event| view.tell(event))?;
    view.bar.finish_and_clear();
    if let Some(line) = run.folder.log_entries().last() {
        console::note(&words(line, run.trainer.steps()));
    }
    Ok((run, end))
}

/// What is seen while a run goes on.
struct View {
    bar: ProgressBar,
    terminal: bool,
    printed: Option<Instant>,
    started: Instant,
    first: u64,
    steps: u64,
}

impl View {
    fn new(trainer: &Trainer) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(trainer.steps()), target);
        let style = ProgressStyle::with_template("{bar:24.cyan/black} {pos}/{len}  {msg}  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_position(trainer.step());
        bar.reset_eta();
        let (started, first) = (Instant::now(), trainer.step());
        Self { bar, terminal, printed: None, started, first, steps: trainer.steps() }
    }

    fn tell(&mut self, event: RunEvent<'_>) {
        match event {
            RunEvent::Step(report) => self.bar.set_position(report.step),
            RunEvent::Logged(line) => {
                self.bar.set_message(format!("{}  {:.0}/s", numbers(&line.report), line.samples_per_s));
                if let (Some(measure), true) = (&line.measurement, self.terminal) {
                    let step = line.report.step;
                    self.bar.println(format!("step {step}: {} {:.3} {}", measure.name, measure.value, measure.details));
                }
                let due = self.printed.is_none_or(|p| p.elapsed() >= LINE_EVERY) || line.measurement.is_some();
                if !self.terminal && due {
                    let done = (line.report.step - self.first).max(1) as f64;
                    let left = self.started.elapsed().as_secs_f64() / done * (self.steps - line.report.step) as f64;
                    console::note(&format!("{}  {} left", words(line, self.steps), clock(left)));
                    self.printed = Some(Instant::now());
                }
            }
            RunEvent::Measuring => self.bar.set_message("measuring"),
            RunEvent::Saving => self.bar.set_message("saving"),
            RunEvent::Alarm(alarm) => self.say(&format!("{} {alarm}", console::on_stderr(Tint::Bold, "alarm:"))),
            RunEvent::RolledBack { step, learning_rate } => {
                self.bar.set_position(step);
                self.say(&format!("back to step {step}, and on with optimizer.learning_rate {learning_rate:.2e}"));
            }
            RunEvent::Converged => {
                self.say(
                    "converged: the discriminator cannot tell any more, and the measure stays; more steps will change little",
                );
            }
        }
    }
}

impl View {
    /// A line that stays.
    fn say(&self, text: &str) {
        if self.terminal { self.bar.println(text) } else { console::note(text) }
    }
}

fn numbers(r: &StepReport) -> String {
    format!(
        "loss D {:.3} G {:.3}  D(real) {:.2} D(fake) {:.2}  gradient D {:.2} G {:.2}",
        r.discriminator_loss,
        r.generator_loss,
        r.d_real,
        r.d_fake,
        r.discriminator_gradient_norm,
        r.generator_gradient_norm
    )
}

fn words(line: &LogEntry, steps: u64) -> String {
    let measure =
        line.measurement.as_ref().map_or(String::new(), |m| format!("  {} {:.3} {}", m.name, m.value, m.details));
    format!("step {}/{steps}  {}  {:.0}/s{measure}", line.report.step, numbers(&line.report), line.samples_per_s)
}

fn clock(seconds: f64) -> String {
    let s = seconds.round() as u64;
    if s >= 3600 {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    } else {
        format!("{}:{:02}", s / 60, s % 60)
    }
}
