//! Runs training for `train` and `demo`: introduction, progress display, Ctrl-C.

use crate::console::{self, TextStyle};
use crate::failure::Failure;
use crate::table::grouped;
use ganlet_trainer::evaluate::checkpoint_measure;
use ganlet_trainer::files;
use ganlet_trainer::run::{
    self, LogEntry, NEWEST_SAMPLES, Run, RunEvent, RunFolder, RunOutcome, TrainingData, TrainingError,
};
use ganlet_trainer::train::{StepPhase, StepReport, Trainer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::io::IsTerminal;
use std::ops::RangeInclusive;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Folder of the numbered runs.
pub(crate) const RUNS: &str = "runs";
/// Least time between two printed lines if standard error is not a terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Share of the time of a run that samples, measurements and checkpoints take.
const OVERHEAD: f64 = 0.07;

static STOP: AtomicBool = AtomicBool::new(false);

/// Makes the first Ctrl-C a request to stop; the second one ends the process.
pub(crate) fn catch_interrupts() {
    static CAUGHT: OnceLock<()> = OnceLock::new();
    CAUGHT.get_or_init(|| {
        let caught = ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            console::note("\nstopping after this step; press Ctrl-C again to quit at once");
        });
        if let Err(e) = caught {
            console::note(&format!("Ctrl-C cannot be caught ({e}): it will end the run without saving"));
        }
    });
}

/// Returns whether Ctrl-C was pressed.
pub(crate) fn interrupted() -> bool {
    STOP.load(Ordering::SeqCst)
}

/// Returns how many steps fit into `minutes`, from the time of a few steps, which are then undone.
pub(crate) fn steps_in(trainer: &mut Trainer, minutes: f64) -> Result<u64, Failure> {
    if !(minutes > 0.0 && minutes <= 100_000.0) {
        return Err(Failure::unusable(format!("--minutes {minutes}: expected a number above 0, up to 100000")));
    }
    console::note("measuring the time per step");
    let seconds = run::seconds_per_step(trainer)?;
    let steps = (minutes * 60.0 * (1.0 - OVERHEAD) / seconds).max(1.0) as u64;
    let unit = if minutes == 1.0 { "minute" } else { "minutes" };
    console::note(&format!("{:.1} ms per step: {} steps in {minutes} {unit}", 1e3 * seconds, grouped(steps)));
    Ok(steps)
}

/// Prints where a run is, and where its samples appear.
pub(crate) fn announce(folder: &RunFolder) {
    let path = folder.path();
    let samples = path.join(NEWEST_SAMPLES);
    console::note(&format!(
        "run folder {}; the newest samples are always in {}",
        files::shown(path),
        files::shown(&samples)
    ));
}

/// Prints what will be trained: data, networks, steps and memory.
pub(crate) fn introduce(trainer: &Trainer, notes: &[String]) {
    const INDENT: &str = "             ";
    let recipe = trainer.recipe();
    let (name, about) = (files::one_line(&recipe.name), files::one_line(recipe.description()));
    let colon = if about.is_empty() { "" } else { ": " };
    console::note(&format!("{}{colon}{about}", console::on_stderr(TextStyle::Bold, &name)));
    let data = trainer.data();
    let shape: Vec<_> = data.shape().iter().map(usize::to_string).collect();
    let count = data.len().map_or("unlimited samples".to_owned(), |n| grouped(n as u64));
    let batch = recipe.train.batch_size;
    console::note(&format!("  data       {} ({count} of {})", files::one_line(data.name()), shape.join("x")));
    notes.iter().for_each(|n| console::note(&format!("{INDENT}{n}")));
    if let Some(n) = data.len().filter(|n| *n < batch) {
        console::note(&format!(
            "{INDENT}the batch size {batch} exceeds the data set of {n}: batches contain duplicates"
        ));
    }
    recipe.warnings().iter().for_each(|w| console::note(&format!("  warning    {w}")));
    console::note(&format!(
        "  networks   generator {} weights, discriminator {} weights; {:.2} GFLOP per step at batch size {batch}",
        grouped(trainer.generator().len() as u64),
        grouped(trainer.discriminator().len() as u64),
        trainer.flops() / 1e9,
    ));
    let threads = trainer.threads();
    console::note(&format!(
        "  run        {} steps, seed {}, {threads} thread{}, {:.1} MB planned{}",
        grouped(trainer.steps()),
        trainer.seed(),
        if threads == 1 { "" } else { "s" },
        trainer.bytes() as f64 / (1 << 20) as f64,
        if recipe.train.recompute { ", activations recomputed" } else { "" }
    ));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if threads > cores {
        let machine = if cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
        console::note(&format!(
            "{INDENT}this machine has {machine}: {threads} threads train the same result, more slowly"
        ));
    }
}

/// Trains to the last step or until Ctrl-C, with a progress display; returns the run.
///
/// The phases of the first `traced` steps are described on standard output.
pub(crate) fn train<'d>(
    mut run: Run<'d>,
    data: &'d TrainingData,
    traced: u64,
) -> Result<(Run<'d>, RunOutcome), Failure> {
    catch_interrupts();
    run.measure = match checkpoint_measure(data, run.trainer.threads()) {
        Ok(measure) => measure,
        Err(e) => {
            console::note(&format!("checkpoints are not measured, and the newest one will be used: {e}"));
            None
        }
    };
    let mut view = TrainingView::new(&run.trainer, traced);
    let outcome = run.train(&interrupted, &mut |event| view.show(event)).map_err(|e| ended(&e, &run.folder))?;
    view.bar.finish_and_clear();
    if let Some(entry) = run.folder.log_entries().last().filter(|entry| view.printed_step != Some(entry.report.step)) {
        console::note(&view.log_line(entry));
    }
    Ok((run, outcome))
}

/// Describes why training ended before its last step. A cause outside of the run, such as a full disk, can be removed: then it continues.
fn ended(error: &TrainingError, folder: &RunFolder) -> Failure {
    let removable = matches!(error, TrainingError::Run(_) | TrainingError::Data(_));
    if !removable || folder.checkpoints().is_empty() {
        return Failure::failed(error);
    }
    let run = files::quoted(folder.path());
    Failure::failed(format!("{error}\n  then:     continue with `cargo xtask train --resume {run}`"))
}

/// The progress display of a run: a bar on a terminal, otherwise a line every few seconds.
struct TrainingView {
    bar: ProgressBar,
    terminal: bool,
    printed: Option<Instant>,
    /// Step of the last printed log entry.
    printed_step: Option<u64>,
    started: Instant,
    first: u64,
    steps: u64,
    batch_size: usize,
    /// What a second is divided into: images or points.
    unit: &'static str,
    /// Steps whose phases are described.
    traced: RangeInclusive<u64>,
}

impl TrainingView {
    fn new(trainer: &Trainer, traced: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(trainer.steps()), target);
        let style = ProgressStyle::with_template("{bar:24.cyan/black} {pos}/{len}  {msg}  {left}");
        // The time left is not known at the start.
        let left = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let seconds = state.eta().as_secs_f64();
            let _ = if seconds > 0.0 { write!(out, "{} left", clock(seconds)) } else { Ok(()) };
        };
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).with_key("left", left));
        bar.set_position(trainer.step());
        bar.reset_eta();
        let (started, first) = (Instant::now(), trainer.step());
        Self {
            bar,
            terminal,
            printed: None,
            printed_step: None,
            started,
            first,
            steps: trainer.steps(),
            batch_size: trainer.recipe().train.batch_size,
            unit: if trainer.data().shape().len() == 3 { "images" } else { "points" },
            // A rollback of a resumed run may return to steps before these.
            traced: first + 1..=first + traced,
        }
    }

    fn show(&mut self, event: RunEvent<'_>) {
        match event {
            RunEvent::Phase(phase, report) if self.traced.contains(&report.step) => self.trace(&self.phase(phase, report)),
            RunEvent::Phase(..) => {}
            RunEvent::Step(report) => {
                self.bar.set_position(report.step);
                if self.traced.contains(&report.step) {
                    let step = report.step;
                    self.trace(&format!(
                        "step {step}: done; repeat until D(x) and D(G(z)) are 0.5 and the metric stays flat\n"
                    ));
                }
            }
            RunEvent::Logged(entry) => self.show_log_entry(entry),
            RunEvent::Measuring => self.bar.set_message("measuring"),
            RunEvent::Saving => self.bar.set_message("saving a checkpoint"),
            RunEvent::Alarm(alarm) => self.print(&format!("{} {alarm}", console::on_stderr(TextStyle::Bold, "alarm:"))),
            RunEvent::RolledBack { step, learning_rate } => {
                self.bar.set_position(step);
                // A resumed run may return to a step before its first one.
                (self.first, self.started) = (step, Instant::now());
                self.print(&format!(
                    "rolled back to step {step}; training continues with optimizer.learning_rate = {learning_rate:.2e}"
                ));
            }
            RunEvent::Converged => self.print(
                "converged: the discriminator cannot distinguish real from generated examples, and the metric stays flat; more \
                 steps will change little",
            ),
        }
    }

    fn show_log_entry(&mut self, entry: &LogEntry) {
        let step = entry.report.step;
        self.bar.set_message(format!("{}  {}", losses(&entry.report), self.speed(entry)));
        if let (Some(m), true) = (&entry.measurement, self.terminal) {
            self.print(&format!("step {step}: {} {:.3} {}", m.name, m.value, m.details));
        }
        let due = self.printed.is_none_or(|p| p.elapsed() >= LINE_EVERY) || entry.measurement.is_some();
        if !self.terminal && due {
            let done = (step - self.first).max(1) as f64;
            let left = self.started.elapsed().as_secs_f64() / done * (self.steps - step) as f64;
            let left = if step < self.steps { format!("  {} left", clock(left)) } else { String::new() };
            console::note(&format!("{}{left}", self.log_line(entry)));
            self.printed = Some(Instant::now());
            self.printed_step = Some(step);
        }
    }

    /// Describes a phase of a step (Goodfellow et al. 2014, algorithm 1).
    fn phase(&self, phase: StepPhase, r: &StepReport) -> String {
        let (step, batch) = (r.step, self.batch_size);
        match phase {
            StepPhase::BatchDrawn => {
                format!("step {step}: draw {batch} latents z and {batch} real examples x; generate G(z)\n")
            }
            StepPhase::DiscriminatorUpdated => format!(
                "step {step}: update D on x and G(z): D(x) {:.3}, D(G(z)) {:.3}, loss of D {:.4}\n",
                r.d_real, r.d_fake, r.discriminator_loss
            ),
            StepPhase::GeneratorUpdated => {
                format!("step {step}: update G through D, which stays fixed: loss of G {:.4}\n", r.generator_loss)
            }
        }
    }

    /// Prints a line of the description of a step at once.
    fn trace(&self, line: &str) {
        // A closed standard output does not end the run.
        self.bar.suspend(|| _ = console::print(line));
    }

    fn speed(&self, entry: &LogEntry) -> String {
        format!("{} {}/s", grouped(entry.samples_per_s.round() as u64), self.unit)
    }

    fn log_line(&self, entry: &LogEntry) -> String {
        let measurement = entry.measurement.as_ref();
        let measured = measurement.map_or(String::new(), |m| format!("  {} {:.3} {}", m.name, m.value, m.details));
        let (report, steps) = (&entry.report, self.steps);
        format!("step {}/{steps}  {}  {}{measured}", report.step, losses(report), self.speed(entry))
    }

    /// Prints a line that stays above the bar.
    fn print(&self, text: &str) {
        if self.terminal { self.bar.println(console::rendered(text)) } else { console::note(text) }
    }
}

fn losses(r: &StepReport) -> String {
    format!(
        "loss D {:.3} G {:.3}  D(x) {:.2} D(G(z)) {:.2}  gradient norm D {:.2} G {:.2}",
        r.discriminator_loss,
        r.generator_loss,
        r.d_real,
        r.d_fake,
        r.discriminator_gradient_norm,
        r.generator_gradient_norm
    )
}

fn clock(seconds: f64) -> String {
    let s = seconds.round() as u64;
    if s >= 3600 {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    } else {
        format!("{}:{:02}", s / 60, s % 60)
    }
}
