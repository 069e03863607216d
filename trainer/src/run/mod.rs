//! A run on disk: its folder, its checkpoints, and the loop that trains, logs, shows, measures and saves.
mod checkpoint;
mod error;
mod folder;
pub mod pictures;
mod source;

use crate::draw::{Image, animation};
use crate::exec::NotFinite;
use crate::train::{Report, Trainer};
use crate::watch::{Alarm, Convergence, Kind, Watch};
pub use checkpoint::Checkpoint;
pub use error::RunError;
pub use folder::{Best, Folder, Line, Measure, Which};
pub use source::{Loaded, load};
use std::fmt;
use std::time::Instant;

/// Most frames of the animation of samples; longer runs keep every other one, again and again.
const MAX_FRAMES: usize = 60;

/// What a rate is multiplied by when a run goes back.
const SLOWER: f32 = 1.0 / 3.0;

/// What a run tells while it goes on.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A step was done.
    Step(&'a Report),
    /// A line was logged.
    Line(&'a Line),
    /// Something takes a while: a measurement, a checkpoint.
    Doing(&'a str),
    /// Something is wrong with the run.
    Alarm(&'a Alarm),
    /// The run went back to this step, and goes on with this rate.
    WentBack(u64, f32),
    /// More steps of the same kind will not change much any more.
    Converged,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All steps are done.
    Done,
    /// It was asked to stop, and saved.
    Stopped,
}

/// Why a run ended early.
#[derive(Debug)]
pub enum Failure {
    /// A value was not finite; the folder's checkpoints are untouched.
    NotFinite(NotFinite),
    /// A file could not be written.
    Run(RunError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite(e) => write!(
                f,
                "{e}\nTraining stopped before that update was applied, and the last checkpoint is good. A smaller \
                 optimizer.learning_rate usually helps, and so does a regularizer on the discriminator where there is none."
            ),
            Self::Run(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}

impl From<RunError> for Failure {
    fn from(e: RunError) -> Self {
        Self::Run(e)
    }
}

/// Measures a trainer's generator; lower is better.
pub type Judge<'j> = Box<dyn FnMut(&mut Trainer) -> Measure + 'j>;

/// A trainer with a folder.
pub struct Run<'j> {
    /// The run in memory.
    pub trainer: Trainer,
    /// The run on disk.
    pub folder: Folder,
    /// Judges the generator when a checkpoint is saved.
    pub judge: Option<Judge<'j>>,
    /// What was wrong so far.
    pub alarms: Vec<Alarm>,
    watch: Watch,
    convergence: Convergence,
    went_back: u32,
    frames: Vec<(u64, Image)>,
    frame_every: u64,
    seconds: f64,
    /// Other processes cannot train this run while it lives.
    _lock: std::fs::File,
}

impl<'j> Run<'j> {
    /// A run of `trainer` in `folder`; lines of the log after the trainer's step are dropped.
    pub fn new(trainer: Trainer, folder: Folder) -> Result<Self, RunError> {
        let every = trainer.recipe().train.sample_every;
        let seconds = folder.lines().iter().rfind(|l| l.report.step <= trainer.step()).map_or(0.0, |l| l.seconds);
        let lock = folder.lock()?;
        folder.set_aside(trainer.step())?;
        folder.rewind(trainer.step())?;
        let frames = if trainer.step() > 0 { folder.frames(trainer.step()) } else { Vec::new() };
        let watch = Watch::new(&trainer);
        let mut run = Self {
            trainer,
            folder,
            judge: None,
            alarms: Vec::new(),
            watch,
            convergence: Convergence::default(),
            went_back: 0,
            frames,
            frame_every: every,
            seconds,
            _lock: lock,
        };
        run.thin();
        Ok(run)
    }

    /// The state as a checkpoint.
    pub fn checkpoint(&mut self) -> Checkpoint {
        self.trainer.settle();
        let t = &self.trainer;
        Checkpoint {
            recipe: t.recipe().clone(),
            seed: t.seed(),
            step: t.step(),
            steps: t.steps(),
            shape: t.data().shape().to_vec(),
            store: t.store().clone(),
        }
    }

    /// Trains to the end, or until `stop` says so between two steps.
    pub fn go(&mut self, stop: &dyn Fn() -> bool, tell: &mut dyn FnMut(Event<'_>)) -> Result<End, Failure> {
        let train = self.trainer.recipe().train.clone();
        let per_step = train.batch_size as f64 * f64::from(train.discriminator_steps + train.generator_steps);
        let (mut since, mut logged) = (Instant::now(), self.trainer.step());
        if self.trainer.step() == 0 {
            self.show()?;
            // From here on there is always a good checkpoint.
            let start = self.checkpoint();
            self.folder.save(&start, None)?;
        }
        while self.trainer.step() < self.trainer.steps() {
            let report = match self.trainer.advance() {
                Ok(report) => report,
                Err(e) if self.went_back < train.rollbacks => {
                    let step = self.trainer.step();
                    let alarm = Alarm { kind: Kind::Divergence, step, saw: e.to_string() };
                    self.alarm(alarm, tell)?;
                    self.go_back(tell)?;
                    (since, logged) = (Instant::now(), self.trainer.step());
                    continue;
                }
                Err(e) => {
                    self.finish()?;
                    return Err(Failure::NotFinite(e));
                }
            };
            tell(Event::Step(&report));
            if self.watch.step(&report)
                && let Some(alarm) = self.watch.look(&mut self.trainer)
            {
                let back = matches!(alarm.kind, Kind::Divergence | Kind::Collapse) && self.went_back < train.rollbacks;
                self.alarm(alarm, tell)?;
                if back {
                    self.go_back(tell)?;
                    (since, logged) = (Instant::now(), self.trainer.step());
                    continue;
                }
            }
            let step = report.step;
            let stopping = stop();
            let last = step == self.trainer.steps() || stopping;
            let due = |every: u64| step.is_multiple_of(every) || last;
            let save = due(train.save_every);
            let plot = train.plot_every > 0 && due(train.plot_every);
            let line_due = due(train.log_every) || save || plot;
            let mut line = None;
            if line_due {
                let passed = since.elapsed().as_secs_f64();
                self.seconds += passed;
                let samples_per_s = (step - logged) as f64 * per_step / passed.max(1e-9);
                line = Some(Line { report, samples_per_s, seconds: self.seconds, measure: None });
                since = Instant::now();
                logged = step;
            }
            if due(train.sample_every) {
                self.show()?;
            }
            if save {
                let measure = match &mut self.judge {
                    Some(judge) if !stopping => {
                        tell(Event::Doing("measuring"));
                        Some(judge(&mut self.trainer))
                    }
                    _ => None,
                };
                tell(Event::Doing("saving"));
                let checkpoint = self.checkpoint();
                self.folder.save(&checkpoint, measure.as_ref())?;
                if let Some(measure) = &measure
                    && self.convergence.measured(measure.value, report.d_real.into(), report.d_fake.into())
                {
                    tell(Event::Converged);
                }
                if let Some(line) = &mut line {
                    line.measure = measure;
                }
            }
            if let Some(line) = line {
                self.folder.log(&line)?;
                if plot {
                    self.plot()?;
                }
                tell(Event::Line(&line));
                let aside = since.elapsed().as_secs_f64();
                self.seconds += aside;
                since = Instant::now();
            }
            if stopping && step < self.trainer.steps() {
                self.finish()?;
                return Ok(End::Stopped);
            }
        }
        self.finish()?;
        Ok(End::Done)
    }

    /// Tells of something wrong, and keeps it in the folder.
    fn alarm(&mut self, alarm: Alarm, tell: &mut dyn FnMut(Event<'_>)) -> Result<(), RunError> {
        tell(Event::Alarm(&alarm));
        // A run that is gone on with has some from before.
        let before = std::fs::read_to_string(self.folder.path().join("alarms.txt")).unwrap_or_default();
        self.folder.write("alarms.txt", format!("{before}{alarm}\n"))?;
        self.alarms.push(alarm);
        Ok(())
    }

    /// Goes back to the last checkpoint from before what went wrong can have begun, and on with a smaller rate.
    fn go_back(&mut self, tell: &mut dyn FnMut(Event<'_>)) -> Result<(), RunError> {
        self.went_back += 1;
        let good = self.trainer.step().saturating_sub(2 * self.watch.every());
        let checkpoint = self.folder.before(good)?;
        let step = checkpoint.step;
        self.folder.go_back(step)?;
        self.trainer.restore(checkpoint.store, step);
        self.trainer.scale_rates(SLOWER);
        self.frames.retain(|frame| frame.0 <= step);
        self.watch.forget();
        tell(Event::WentBack(step, self.trainer.recipe().optimizer.learning_rate));
        // The smaller rate lasts, whatever happens.
        let start = self.checkpoint();
        self.folder.save(&start, None)
    }

    /// Writes a sample grid, and keeps it for the animation.
    fn show(&mut self) -> Result<(), RunError> {
        let image = pictures::samples(&mut self.trainer);
        let step = self.trainer.step();
        self.folder.write(&format!("samples/step-{step:07}.png"), image.png())?;
        if step.is_multiple_of(self.frame_every) || step == self.trainer.steps() {
            self.frames.push((step, image));
        }
        self.thin();
        Ok(())
    }

    /// Keeps every other frame, again and again, until there are few enough.
    fn thin(&mut self) {
        while self.frames.len() > MAX_FRAMES {
            self.frame_every *= 2;
            let every = self.frame_every;
            self.frames.retain(|(step, _)| step.is_multiple_of(every));
        }
    }

    /// Draws the losses so far.
    fn plot(&self) -> Result<(), RunError> {
        let lines = self.folder.lines();
        let name = &self.trainer.recipe().name;
        if let Some(plot) = pictures::measured(name, &lines) {
            self.folder.write("measure.png", plot.png())?;
        }
        let plot = pictures::losses(name, &lines);
        self.folder.write("losses.png", plot.png())?;
        self.folder.write("losses.svg", plot.svg())?;
        self.folder.write("networks.svg", pictures::networks(&self.trainer, &lines))
    }

    fn finish(&self) -> Result<(), RunError> {
        self.plot()?;
        let frames: Vec<_> = self.frames.iter().map(|f| f.1.clone()).collect();
        self.folder.write("timeline.gif", animation(&frames, 200))
    }
}

/// Seconds that one step of `trainer` takes, measured on a few steps that are undone.
pub fn seconds_per_step(trainer: &mut Trainer) -> Result<f64, NotFinite> {
    let (store, step) = (trainer.store().clone(), trainer.step());
    // The first step fills caches and starts threads.
    trainer.advance()?;
    let (start, mut n) = (Instant::now(), 0u32);
    while n < 8 || (start.elapsed().as_secs_f64() < 2.0 && n < 10_000) {
        trainer.advance()?;
        n += 1;
    }
    let seconds = start.elapsed().as_secs_f64() / f64::from(n);
    trainer.restore(store, step);
    Ok(seconds)
}
