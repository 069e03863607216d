//! The training loop of a run: steps, log entries, sample grids, measurements, checkpoints and rollbacks.
use super::resume::ROLLBACK_RATE_FACTOR;
use super::{
    Checkpoint, DataRecord, LogEntry, Measurement, NEWEST_SAMPLES, ResumedRun, RunError, RunEvent, RunFolder,
    RunOutcome, RunState, StartedFrom, TrainingError, figures,
};
use crate::draw::{Image, animation};
use crate::files;
use crate::train::{StepError, StepReport, Trainer};
use crate::watch::{Alarm, AlarmKind, Convergence, Monitor};
use std::time::Instant;

/// Maximum number of frames in the animation of sample grids. Whenever there are more, every other frame is dropped.
const MAX_FRAMES: usize = 60;
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
    /// Alarms raised so far, in all sessions.
    pub alarms: Vec<Alarm>,
    /// The checkpoint of another run whose weights this run started with; checkpoints record it.
    pub started_from: Option<StartedFrom>,
    data: DataRecord,
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
        let data = DataRecord::of(trainer.data());
        Self::open(trainer, folder, data, RunState::default())
    }

    /// Continues a run with the trainer of `resumed`. Accepted changes are written to `recipe.toml` and `changes.txt`.
    ///
    /// # Errors
    /// The errors of [`Run::new`].
    pub fn resume(trainer: Trainer, folder: RunFolder, resumed: &ResumedRun) -> Result<Self, RunError> {
        let Checkpoint { step, data, state, .. } = &resumed.checkpoint;
        let run = Self::open(trainer, folder, data.clone(), state.clone())?;
        if let Some(recipe) = &resumed.recipe {
            run.folder.write("recipe.toml", recipe.to_toml())?;
        }
        if !resumed.changes.is_empty() {
            let before = files::read_text(&run.folder.path().join("changes.txt")).unwrap_or_default();
            let lines: String = resumed.changes.iter().map(|change| format!("from step {step}: {change}\n")).collect();
            run.folder.write("changes.txt", before + &lines)?;
        }
        Ok(run)
    }

    fn open(trainer: Trainer, folder: RunFolder, data: DataRecord, state: RunState) -> Result<Self, RunError> {
        let (step, every) = (trainer.step(), trainer.recipe().train.sample_every);
        let lock = folder.lock()?;
        folder.remove_leftovers();
        folder.rename_unreadable(step)?;
        folder.truncate_log(step)?;
        let seconds = folder.log_entries().last().map_or(0.0, |e| e.seconds);
        let frames = if step > 0 { folder.frames(step) } else { Vec::new() };
        let mut monitor = Monitor::new(&trainer);
        monitor.restore(state.monitor);
        let mut run = Self {
            trainer,
            folder,
            measure: None,
            alarms: state.alarms,
            started_from: state.started_from,
            data,
            monitor,
            convergence: state.convergence,
            rollbacks: state.rollbacks,
            frames,
            frame_every: every,
            seconds,
            _lock: lock,
        };
        run.write_alarms()?;
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
            data: self.data.clone(),
            state: RunState {
                last: *t.last_report(),
                rollbacks: self.rollbacks,
                alarms: self.alarms.clone(),
                monitor: self.monitor.state().clone(),
                convergence: self.convergence.clone(),
                started_from: self.started_from.clone(),
            },
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
            // A rollback finds at least this checkpoint. A run that ends before it starts anew.
            self.save_checkpoint()?;
            self.save_samples()?;
        } else {
            self.complete_log(on_event)?;
        }
        while self.trainer.step() < self.trainer.steps() {
            let phase = &mut |phase, report: &StepReport| on_event(RunEvent::Phase(phase, report));
            let report = match self.trainer.advance_with(phase) {
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
    fn recover(&mut self, error: StepError, on_event: &mut dyn FnMut(RunEvent<'_>)) -> Result<(), TrainingError> {
        let error = match error {
            StepError::NotFinite(error) => error,
            StepError::Data(error) => {
                // After a part of a step, the last checkpoint is the newest state that training can continue from.
                if !self.trainer.is_partial() {
                    self.save_checkpoint()?;
                }
                self.finish()?;
                return Err(TrainingError::Data(error));
            }
        };
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
        if let (Some(entry), true, false) = (&mut entry, save, stopping) {
            entry.measurement = self.measured(report, on_event);
        }
        if let Some(entry) = entry {
            // The log is written first: every step that was saved is in it.
            self.folder.append_log(&entry)?;
            if save {
                on_event(RunEvent::Saving);
                self.save_checkpoint()?;
            }
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
        LogEntry {
            report: *report,
            samples_per_s,
            seconds: self.seconds,
            data: self.data.fingerprint,
            measurement: None,
        }
    }

    /// Measures the generator, if the run has a measure.
    fn measured(&mut self, report: &StepReport, on_event: &mut dyn FnMut(RunEvent<'_>)) -> Option<Measurement> {
        let measure = self.measure.as_mut()?;
        on_event(RunEvent::Measuring);
        let measurement = measure(&mut self.trainer);
        if self.convergence.record(measurement.value, report.d_real.into(), report.d_fake.into()) {
            on_event(RunEvent::Converged);
        }
        Some(measurement)
    }

    /// Saves a checkpoint. With rollbacks, it keeps one that is older than the delay of alarms.
    fn save_checkpoint(&mut self) -> Result<(), RunError> {
        let checkpoint = self.checkpoint();
        let delay = (self.trainer.recipe().train.rollbacks > 0).then(|| self.monitor.delay());
        self.folder.save(&checkpoint, delay)
    }

    /// Adds what the log of a resumed run lacks of its last step: the entry itself, or the measurement of a checkpoint that was saved
    /// when the run was stopped. After a change of the data, the checkpoint is measured again.
    fn complete_log(&mut self, on_event: &mut dyn FnMut(RunEvent<'_>)) -> Result<(), RunError> {
        let report = *self.trainer.last_report();
        let (data, seconds) = (self.data.fingerprint, self.seconds);
        let is_current = |entry: &LogEntry| entry.report.step == report.step && entry.data == data;
        let logged = self.folder.log_entries().pop().filter(is_current);
        let complete = logged.as_ref().is_some_and(|entry| entry.measurement.is_some() || self.measure.is_none());
        if !complete {
            let mut entry = logged.unwrap_or(LogEntry { report, samples_per_s: 0.0, seconds, data, measurement: None });
            let convergence = self.convergence.clone();
            entry.measurement = self.measured(&report, on_event).or(entry.measurement);
            if !report.step.is_multiple_of(self.trainer.recipe().train.save_every) {
                // An uninterrupted run does not measure here.
                self.convergence = convergence;
            }
            self.folder.set_log_entry(entry.clone())?;
            on_event(RunEvent::Logged(&entry));
        }
        self.folder.update_best()
    }

    /// Reports an alarm and adds it to `alarms.txt`.
    fn raise(&mut self, alarm: Alarm, on_event: &mut dyn FnMut(RunEvent<'_>)) -> Result<(), RunError> {
        on_event(RunEvent::Alarm(&alarm));
        self.alarms.push(alarm);
        self.write_alarms()
    }

    fn write_alarms(&self) -> Result<(), RunError> {
        let text: String = self.alarms.iter().map(|alarm| format!("{alarm}\n")).collect();
        let file = self.folder.path().join("alarms.txt");
        if text.is_empty() && !file.exists() { Ok(()) } else { self.folder.write("alarms.txt", text) }
    }

    /// Returns to the last checkpoint that is certainly older than the problem, and continues with smaller learning rates.
    fn roll_back(&mut self, on_event: &mut dyn FnMut(RunEvent<'_>)) -> Result<(), RunError> {
        self.rollbacks += 1;
        let good = self.trainer.step().saturating_sub(self.monitor.delay());
        let Checkpoint { store, step, state, .. } = self.folder.checkpoint_before(good)?;
        self.folder.roll_back(step)?;
        self.trainer.restore(store, step);
        self.trainer.restore_report(state.last);
        self.trainer.scale_learning_rates(ROLLBACK_RATE_FACTOR);
        self.convergence = state.convergence;
        self.frames.retain(|frame| frame.0 <= step);
        self.monitor.reset();
        on_event(RunEvent::RolledBack { step, learning_rate: self.trainer.recipe().optimizer.learning_rate });
        // Saved at once, so that the smaller rates survive an interruption.
        self.save_checkpoint()
    }

    /// Writes a sample grid and keeps it for the animation.
    fn save_samples(&mut self) -> Result<(), RunError> {
        let image = figures::samples(&mut self.trainer);
        let step = self.trainer.step();
        let png = image.png();
        self.folder.write(&format!("samples/step-{step:07}.png"), &png)?;
        self.folder.write(NEWEST_SAMPLES, &png)?;
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
/// If a value of these steps is not finite, or the data cannot be read.
pub fn seconds_per_step(trainer: &mut Trainer) -> Result<f64, StepError> {
    let (store, step, last) = (trainer.store().clone(), trainer.step(), *trainer.last_report());
    // The first step fills caches and starts threads.
    trainer.advance()?;
    let (start, mut n) = (Instant::now(), 0u32);
    while n < 8 || (start.elapsed().as_secs_f64() < 2.0 && n < 10_000) {
        trainer.advance()?;
        n += 1;
    }
    let seconds = start.elapsed().as_secs_f64() / f64::from(n);
    trainer.restore(store, step);
    trainer.restore_report(last);
    Ok(seconds)
}
