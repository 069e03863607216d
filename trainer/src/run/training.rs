//! The training loop of a run: steps, log entries, sample grids, measurements, checkpoints and rollbacks.
use super::{Checkpoint, LogEntry, Measurement, RunError, RunEvent, RunFolder, RunOutcome, TrainingError, figures};
use crate::draw::{Image, animation};
use crate::exec::NotFinite;
use crate::train::{StepReport, Trainer};
use crate::watch::{Alarm, AlarmKind, Convergence, Monitor};
use std::time::Instant;

/// Maximum number of frames in the animation of sample grids. Whenever there are more, every other frame is dropped.
const MAX_FRAMES: usize = 60;
/// Factor of the learning rates after a rollback.
const ROLLBACK_RATE_FACTOR: f32 = 1.0 / 3.0;

/// Measures a trainer's generator; lower is better. `evaluate::checkpoint_measure` returns the default measurement.
pub type CheckpointMeasure<'m> = Box<dyn FnMut(&mut Trainer) -> Measurement + 'm>;

/// A trainer and the folder that its log, sample grids and checkpoints go to.
pub struct Run<'m> {
    /// The run in memory.
    pub trainer: Trainer,
    /// The run on disk.
    pub folder: RunFolder,
    /// Measures the generator whenever a checkpoint is saved. With `None`, only the newest checkpoints are kept.
    pub measure: Option<CheckpointMeasure<'m>>,
    /// Alarms raised in this session.
    pub alarms: Vec<Alarm>,
    monitor: Monitor,
    convergence: Convergence,
    rollbacks: u32,
    frames: Vec<(u64, Image)>,
    frame_every: u64,
    seconds: f64,
    /// Keeps other processes from training this run.
    _lock: std::fs::File,
}

/// Time and step of the last log entry.
struct LogClock {
    since: Instant,
    step: u64,
}

impl LogClock {
    fn start(step: u64) -> Self {
        Self { since: Instant::now(), step }
    }

    /// Returns the seconds since the last call and starts again.
    fn lap(&mut self) -> f64 {
        let seconds = self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        seconds
    }
}

impl<'m> Run<'m> {
    /// Opens a run of `trainer` in `folder` and locks the folder. Log entries after the trainer's step are removed.
    ///
    /// # Errors
    /// If another process trains this run, or a file of the folder cannot be written.
    pub fn new(trainer: Trainer, folder: RunFolder) -> Result<Self, RunError> {
        let every = trainer.recipe().train.sample_every;
        let seconds = folder.log_entries().iter().rfind(|e| e.report.step <= trainer.step()).map_or(0.0, |e| e.seconds);
        let lock = folder.lock()?;
        folder.rename_unreadable_after(trainer.step())?;
        folder.truncate_log(trainer.step())?;
        let frames = if trainer.step() > 0 { folder.frames(trainer.step()) } else { Vec::new() };
        let monitor = Monitor::new(&trainer);
        let mut run = Self {
            trainer,
            folder,
            measure: None,
            alarms: Vec::new(),
            monitor,
            convergence: Convergence::default(),
            rollbacks: 0,
            frames,
            frame_every: every,
            seconds,
            _lock: lock,
        };
        run.thin_frames();
        Ok(run)
    }

    /// Returns the current state as a checkpoint, including the batch norm statistics of the EMA generator.
    pub fn checkpoint(&mut self) -> Checkpoint {
        self.trainer.estimate_batch_norm();
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

    /// Trains to the last step, or until `stop` returns true between two steps.
    ///
    /// # Errors
    /// If a value becomes infinite or NaN and the recipe allows no further rollback, or a file cannot be written.
    pub fn train(
        &mut self,
        stop: &dyn Fn() -> bool,
        on_event: &mut dyn FnMut(RunEvent<'_>),
    ) -> Result<RunOutcome, TrainingError> {
        let mut clock = LogClock::start(self.trainer.step());
        if self.trainer.step() == 0 {
            self.save_samples()?;
            // A rollback finds at least this checkpoint.
            let start = self.checkpoint();
            self.folder.save(&start, None)?;
        }
        while self.trainer.step() < self.trainer.steps() {
            let report = match self.trainer.advance() {
                Ok(report) => report,
                Err(error) => {
                    self.recover(error, on_event)?;
                    clock = LogClock::start(self.trainer.step());
                    continue;
                }
            };
            on_event(RunEvent::Step(&report));
            if self.rolled_back_by_alarm(&report, on_event)? {
                clock = LogClock::start(self.trainer.step());
                continue;
            }
            let stopping = stop();
            self.after_step(&report, stopping, &mut clock, on_event)?;
            if stopping && report.step < self.trainer.steps() {
                self.finish()?;
                return Ok(RunOutcome::Stopped);
            }
        }
        self.finish()?;
        Ok(RunOutcome::Completed)
    }

    /// Rolls back after a value that was not finite, or gives up if the recipe allows no further rollback.
    fn recover(&mut self, error: NotFinite, on_event: &mut dyn FnMut(RunEvent<'_>)) -> Result<(), TrainingError> {
        if self.rollbacks >= self.trainer.recipe().train.rollbacks {
            self.finish()?;
            return Err(TrainingError::NotFinite(error));
        }
        let alarm = Alarm { kind: AlarmKind::Divergence, step: self.trainer.step(), evidence: error.to_string() };
        self.raise(alarm, on_event)?;
        Ok(self.roll_back(on_event)?)
    }

    /// Passes a step to the monitor; returns whether an alarm caused a rollback.
    fn rolled_back_by_alarm(
        &mut self,
        report: &StepReport,
        on_event: &mut dyn FnMut(RunEvent<'_>),
    ) -> Result<bool, RunError> {
        if !self.monitor.record(report) {
            return Ok(false);
        }
        let Some(alarm) = self.monitor.check(&mut self.trainer) else { return Ok(false) };
        let back = matches!(alarm.kind, AlarmKind::Divergence | AlarmKind::ModeCollapse)
            && self.rollbacks < self.trainer.recipe().train.rollbacks;
        self.raise(alarm, on_event)?;
        if back {
            self.roll_back(on_event)?;
        }
        Ok(back)
    }

    /// Performs the tasks that are due after a step: sample grid, measurement and checkpoint, log entry, plots.
    fn after_step(
        &mut self,
        report: &StepReport,
        stopping: bool,
        clock: &mut LogClock,
        on_event: &mut dyn FnMut(RunEvent<'_>),
    ) -> Result<(), RunError> {
        let (step, train) = (report.step, &self.trainer.recipe().train);
        let last = step == self.trainer.steps() || stopping;
        let due = |every: u64| step.is_multiple_of(every) || last;
        let (sample, save) = (due(train.sample_every), due(train.save_every));
        let plot = train.plot_every > 0 && due(train.plot_every);
        let log = due(train.log_every) || save || plot;
        let mut entry = log.then(|| self.log_entry(report, clock));
        if sample {
            self.save_samples()?;
        }
        if save {
            let measurement = self.save_checkpoint(report, stopping, on_event)?;
            if let Some(entry) = &mut entry {
                entry.measurement = measurement;
            }
        }
        if let Some(entry) = entry {
            self.folder.append_log(&entry)?;
            if plot {
                self.save_plots()?;
            }
            on_event(RunEvent::Logged(&entry));
            self.seconds += clock.lap();
        }
        Ok(())
    }

    fn log_entry(&mut self, report: &StepReport, clock: &mut LogClock) -> LogEntry {
        let train = &self.trainer.recipe().train;
        let per_step = train.batch_size as f64 * f64::from(train.discriminator_steps + train.generator_steps);
        let passed = clock.lap();
        self.seconds += passed;
        let steps = report.step - std::mem::replace(&mut clock.step, report.step);
        let samples_per_s = steps as f64 * per_step / passed.max(1e-9);
        LogEntry { report: *report, samples_per_s, seconds: self.seconds, measurement: None }
    }

    /// Measures the generator, unless the run is being stopped, and saves a checkpoint.
    fn save_checkpoint(
        &mut self,
        report: &StepReport,
        stopping: bool,
        on_event: &mut dyn FnMut(RunEvent<'_>),
    ) -> Result<Option<Measurement>, RunError> {
        let measurement = match &mut self.measure {
            Some(measure) if !stopping => {
                on_event(RunEvent::Measuring);
                Some(measure(&mut self.trainer))
            }
            _ => None,
        };
        on_event(RunEvent::Saving);
        let checkpoint = self.checkpoint();
        self.folder.save(&checkpoint, measurement.as_ref())?;
        if let Some(m) = &measurement
            && self.convergence.record(m.value, report.d_real.into(), report.d_fake.into())
        {
            on_event(RunEvent::Converged);
        }
        Ok(measurement)
    }

    /// Reports an alarm and appends it to `alarms.txt`.
    fn raise(&mut self, alarm: Alarm, on_event: &mut dyn FnMut(RunEvent<'_>)) -> Result<(), RunError> {
        on_event(RunEvent::Alarm(&alarm));
        // A resumed run keeps the alarms of its earlier sessions.
        let before = std::fs::read_to_string(self.folder.path().join("alarms.txt")).unwrap_or_default();
        self.folder.write("alarms.txt", format!("{before}{alarm}\n"))?;
        self.alarms.push(alarm);
        Ok(())
    }

    /// Returns to the last checkpoint that is certainly older than the problem, and continues with smaller learning rates.
    fn roll_back(&mut self, on_event: &mut dyn FnMut(RunEvent<'_>)) -> Result<(), RunError> {
        self.rollbacks += 1;
        let good = self.trainer.step().saturating_sub(2 * self.monitor.every());
        let checkpoint = self.folder.checkpoint_before(good)?;
        let step = checkpoint.step;
        self.folder.roll_back(step)?;
        self.trainer.restore(checkpoint.store, step);
        self.trainer.scale_learning_rates(ROLLBACK_RATE_FACTOR);
        self.frames.retain(|frame| frame.0 <= step);
        self.monitor.reset();
        on_event(RunEvent::RolledBack { step, learning_rate: self.trainer.recipe().optimizer.learning_rate });
        // Saved at once, so that the smaller rates survive an interruption.
        let start = self.checkpoint();
        self.folder.save(&start, None)
    }

    /// Writes a sample grid and keeps it for the animation.
    fn save_samples(&mut self) -> Result<(), RunError> {
        let image = figures::samples(&mut self.trainer);
        let step = self.trainer.step();
        self.folder.write(&format!("samples/step-{step:07}.png"), image.png())?;
        if step.is_multiple_of(self.frame_every) || step == self.trainer.steps() {
            self.frames.push((step, image));
        }
        self.thin_frames();
        Ok(())
    }

    /// Drops every other frame until at most [`MAX_FRAMES`] are left.
    fn thin_frames(&mut self) {
        while self.frames.len() > MAX_FRAMES {
            self.frame_every *= 2;
            let every = self.frame_every;
            self.frames.retain(|(step, _)| step.is_multiple_of(every));
        }
    }

    /// Draws losses, measurements and networks.
    fn save_plots(&self) -> Result<(), RunError> {
        let entries = self.folder.log_entries();
        let name = &self.trainer.recipe().name;
        if let Some(plot) = figures::measurement_plot(name, &entries) {
            self.folder.write("measure.png", plot.png())?;
        }
        let plot = figures::loss_plot(name, &entries);
        self.folder.write("losses.png", plot.png())?;
        self.folder.write("losses.svg", plot.svg())?;
        self.folder.write("networks.svg", figures::networks_svg(&self.trainer, &entries))
    }

    fn finish(&self) -> Result<(), RunError> {
        self.save_plots()?;
        let frames: Vec<_> = self.frames.iter().map(|f| f.1.clone()).collect();
        self.folder.write("timeline.gif", animation(&frames, 200))
    }
}

/// Measures the seconds per step of `trainer`. It runs a few steps and undoes them.
///
/// # Errors
/// If a value of these steps is not finite.
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
