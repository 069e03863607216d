//! The folder of a run: it holds the recipe, the log, sample grids and checkpoints, and decides which checkpoints are kept.
use super::{
    BestCheckpoint, Checkpoint, CheckpointChoice, ChoiceReason, ChosenCheckpoint, LogEntry, Measurement, RunError,
};
use crate::draw::Image;
use crate::files;
use crate::recipe::Recipe;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Files and folders whose presence indicates that a folder holds a run.
const CONTENTS: [&str; 4] = ["recipe.toml", "log.jsonl", "samples", "checkpoints"];
/// Folders with larger numbers are ignored when the next number is chosen.
const MOST_RUNS: u64 = 1_000_000_000;
/// Number of the newest checkpoints that are kept, in addition to the best one.
const KEPT: usize = 2;

/// The folder of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

/// The newest readable checkpoint of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct NewestCheckpoint {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Why newer ones could not be read, newest first.
    pub unreadable: Vec<RunError>,
}

impl RunFolder {
    /// Creates the next numbered folder below `root`, or `exact` if given, and writes the recipe into it.
    ///
    /// # Errors
    /// If `exact` holds a run already, or the folder cannot be created.
    pub fn create(root: &Path, exact: Option<&Path>, recipe: &Recipe) -> Result<Self, RunError> {
        let path = match exact {
            Some(path) if CONTENTS.iter().any(|part| path.join(part).exists()) => {
                let problem =
                    "this folder holds a run already; nothing was overwritten: choose another --out, or --resume it";
                return Err(RunError::new(path, problem));
            }
            Some(path) => {
                fs::create_dir_all(path).map_err(|e| RunError::io(path, &e))?;
                path.to_owned()
            }
            None => create_numbered(root, &file_name(&recipe.name))?,
        };
        for part in [path.join("samples"), path.join("checkpoints")] {
            fs::create_dir_all(&part).map_err(|e| RunError::io(&part, &e))?;
        }
        let folder = Self { path };
        folder.write("recipe.toml", recipe.to_toml())?;
        Ok(folder)
    }

    /// Opens the run at `path`. "latest" means the run below `root` with the highest number that has a checkpoint.
    ///
    /// # Errors
    /// If there is no such run.
    pub fn open(root: &Path, path: &str) -> Result<Self, RunError> {
        let path = if path == "latest" {
            // A run that failed before its first checkpoint cannot be continued.
            let mut runs = numbered(root);
            runs.retain(|(_, path)| !Self { path: path.clone() }.checkpoints().is_empty());
            runs.into_iter().max_by_key(|(n, _)| *n).map(|(_, path)| path).ok_or_else(|| {
                RunError::new(root, "there is no run here with a checkpoint; start one with `cargo xtask train`")
            })?
        } else {
            PathBuf::from(path)
        };
        if !path.join("recipe.toml").is_file() {
            return Err(RunError::new(
                &path,
                "this is not a run folder: it has no recipe.toml; `cargo xtask train` creates run folders in runs/",
            ));
        }
        Ok(Self { path })
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file of the folder atomically.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<(), RunError> {
        let path = self.path.join(name);
        files::write(&path, bytes).map_err(|e| RunError::of_write(&e))
    }

    /// Locks the folder against other processes for as long as the returned file is open.
    ///
    /// # Errors
    /// If another process holds the lock.
    pub fn lock(&self) -> Result<fs::File, RunError> {
        let path = self.path.join("run.lock");
        let file = fs::File::create(&path).map_err(|e| RunError::io(&path, &e))?;
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) => {
                Err(RunError::new(&self.path, "another process is training this run; wait for it, or stop it"))
            }
            // Training works on file systems without locks, too.
            _ => Ok(file),
        }
    }

    /// Renames the unreadable checkpoints after `step`, so that they are not taken for the newest ones.
    pub(super) fn rename_unreadable_after(&self, step: u64) -> Result<(), RunError> {
        for later in self.checkpoints().into_iter().filter(|s| *s > step) {
            let path = self.checkpoint_path(later);
            fs::rename(&path, path.with_extension("unreadable")).map_err(|e| RunError::io(&path, &e))?;
        }
        Ok(())
    }

    fn checkpoint_path(&self, step: u64) -> PathBuf {
        self.path.join("checkpoints").join(format!("step-{step:07}.safetensors"))
    }

    /// Returns the steps of the checkpoints, in rising order.
    pub fn checkpoints(&self) -> Vec<u64> {
        let entries = fs::read_dir(self.path.join("checkpoints")).into_iter().flatten().flatten();
        let step = |name: &str| name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok();
        let mut steps: Vec<u64> = entries.filter_map(|e| step(e.file_name().to_str()?)).collect();
        steps.sort_unstable();
        steps
    }

    /// Returns the best checkpoint so far; `None` if none was measured.
    pub fn best(&self) -> Option<BestCheckpoint> {
        serde_json::from_slice(&fs::read(self.path.join("best.json")).ok()?).ok()
    }

    /// Saves a checkpoint. Older ones are removed, except the one before it and the best.
    ///
    /// # Errors
    /// If a file cannot be written or removed.
    pub fn save(&self, checkpoint: &Checkpoint, measurement: Option<&Measurement>) -> Result<(), RunError> {
        checkpoint.save(&self.checkpoint_path(checkpoint.step))?;
        if let Some(measurement) = measurement.filter(|m| m.value.is_finite()) {
            let better =
                self.best().is_none_or(|b| b.step > checkpoint.step || measurement.value < b.measurement.value);
            if better {
                let best = BestCheckpoint { step: checkpoint.step, measurement: measurement.clone() };
                self.write("best.json", serde_json::to_vec_pretty(&best).unwrap_or_default())?;
            }
        }
        let best = self.best().map(|b| b.step);
        let older: Vec<_> = self.checkpoints().into_iter().filter(|s| *s < checkpoint.step).collect();
        for &step in older.iter().rev().skip(KEPT - 1).filter(|s| Some(**s) != best) {
            let path = self.checkpoint_path(step);
            fs::remove_file(&path).map_err(|e| RunError::io(&path, &e))?;
        }
        Ok(())
    }

    /// Loads the newest checkpoint that can be read.
    ///
    /// # Errors
    /// If no checkpoint can be read; the message gives the reason for the newest.
    pub fn newest(&self) -> Result<NewestCheckpoint, RunError> {
        let mut unreadable = Vec::new();
        for &step in self.checkpoints().iter().rev() {
            match Checkpoint::load(&self.checkpoint_path(step)) {
                Ok(checkpoint) => return Ok(NewestCheckpoint { checkpoint, unreadable }),
                Err(e) => unreadable.push(e),
            }
        }
        let reason = match unreadable.first() {
            Some(newest) => format!("none of its {} checkpoints can be read; the newest: {newest}", unreadable.len()),
            None => "the run has no checkpoint yet: train again with `cargo xtask train`".to_owned(),
        };
        Err(RunError::new(&self.path.join("checkpoints"), reason))
    }

    /// Loads the newest readable checkpoint that is not after `step`, or the oldest one if there is none.
    pub(super) fn checkpoint_before(&self, step: u64) -> Result<Checkpoint, RunError> {
        let steps = self.checkpoints();
        let (earlier, later) = steps.split_at(steps.partition_point(|s| *s <= step));
        let found = earlier.iter().rev().chain(later).find_map(|s| Checkpoint::load(&self.checkpoint_path(*s)).ok());
        found.ok_or_else(|| RunError::new(&self.path.join("checkpoints"), "no checkpoint can be read"))
    }

    /// Removes checkpoints, log entries and the best measurement if they are later than `step`.
    pub(super) fn roll_back(&self, step: u64) -> Result<(), RunError> {
        for later in self.checkpoints().into_iter().filter(|s| *s > step) {
            let path = self.checkpoint_path(later);
            fs::remove_file(&path).map_err(|e| RunError::io(&path, &e))?;
        }
        if self.best().is_some_and(|best| best.step > step) {
            let path = self.path.join("best.json");
            fs::remove_file(&path).map_err(|e| RunError::io(&path, &e))?;
        }
        self.truncate_log(step)
    }

    /// Loads the checkpoint that `choice` requests, and returns the reason why it was chosen.
    ///
    /// # Errors
    /// If there is no such checkpoint, or it cannot be read.
    pub fn choose(&self, choice: CheckpointChoice) -> Result<ChosenCheckpoint, RunError> {
        let newest = |reason| self.newest().map(|n| ChosenCheckpoint { checkpoint: n.checkpoint, reason });
        match choice {
            CheckpointChoice::Best => {
                let Some(best) = self.best() else { return newest(ChoiceReason::NothingMeasured) };
                match Checkpoint::load(&self.checkpoint_path(best.step)) {
                    Ok(checkpoint) => {
                        let reason = ChoiceReason::BestMeasurement(best.measurement);
                        Ok(ChosenCheckpoint { checkpoint, reason })
                    }
                    Err(_) => newest(ChoiceReason::BestUnreadable { step: best.step }),
                }
            }
            CheckpointChoice::Last => newest(ChoiceReason::Newest),
            CheckpointChoice::Step(step) if self.checkpoints().contains(&step) => {
                let checkpoint = Checkpoint::load(&self.checkpoint_path(step))?;
                Ok(ChosenCheckpoint { checkpoint, reason: ChoiceReason::Requested })
            }
            CheckpointChoice::Step(step) => {
                let kept: Vec<_> = self.checkpoints().iter().map(u64::to_string).collect();
                let problem =
                    format!("there is no checkpoint of step {step}; these steps have one: {}", kept.join(", "));
                Err(RunError::new(&self.path.join("checkpoints"), problem))
            }
        }
    }

    /// Appends an entry to the log.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub fn append_log(&self, entry: &LogEntry) -> Result<(), RunError> {
        let path = self.path.join("log.jsonl");
        let mut text = serde_json::to_string(entry).unwrap_or_default();
        text.push('\n');
        let file = fs::OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut f| f.write_all(text.as_bytes())).map_err(|e| RunError::io(&path, &e))
    }

    /// Returns the entries of the log; an incomplete last line is skipped.
    pub fn log_entries(&self) -> Vec<LogEntry> {
        let text = fs::read_to_string(self.path.join("log.jsonl")).unwrap_or_default();
        text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
    }

    /// Returns the sample grids up to `step`, the first frames of a resumed run's animation; unreadable ones are skipped.
    pub(super) fn frames(&self, step: u64) -> Vec<(u64, Image)> {
        let entries = fs::read_dir(self.path.join("samples")).into_iter().flatten().flatten();
        let frame = |entry: fs::DirEntry| {
            let name = entry.file_name();
            let step: u64 = name.to_str()?.strip_prefix("step-")?.strip_suffix(".png")?.parse().ok()?;
            let image = image::open(entry.path()).ok()?.into_rgb8();
            let (width, height) = (image.width() as usize, image.height() as usize);
            Some((step, Image::from_bytes(&image.into_raw(), (width, height, 3))))
        };
        let mut frames: Vec<_> = entries.filter_map(frame).filter(|f| f.0 <= step).collect();
        frames.sort_by_key(|f| f.0);
        // Images of another size belong to another run.
        let size = frames.last().map(|f| (f.1.width(), f.1.height()));
        frames.retain(|f| Some((f.1.width(), f.1.height())) == size);
        frames
    }

    /// Removes log entries after `step`, which a resumed run will write again.
    pub(super) fn truncate_log(&self, step: u64) -> Result<(), RunError> {
        let mut text = String::new();
        for entry in self.log_entries().iter().filter(|e| e.report.step <= step) {
            text += &serde_json::to_string(entry).unwrap_or_default();
            text.push('\n');
        }
        self.write("log.jsonl", text)
    }
}

/// Returns the numbered runs below `root`.
fn numbered(root: &Path) -> Vec<(u64, PathBuf)> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let number = |e: fs::DirEntry| {
        let name = e.file_name();
        Some((name.to_str()?.split('-').next()?.parse().ok()?, e.path()))
    };
    entries.filter_map(number).filter(|(_, p)| p.join("recipe.toml").is_file()).collect()
}

/// Creates the next numbered folder; two processes never get the same one.
fn create_numbered(root: &Path, name: &str) -> Result<PathBuf, RunError> {
    fs::create_dir_all(root).map_err(|e| RunError::io(root, &e))?;
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let number = |e: fs::DirEntry| e.file_name().to_str()?.split('-').next()?.parse::<u64>().ok();
    let mut next = entries.filter_map(number).filter(|n| *n < MOST_RUNS).max().unwrap_or(0) + 1;
    loop {
        let path = root.join(format!("{next:05}-{name}"));
        match fs::create_dir(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && next < MOST_RUNS => next += 1,
            Err(e) => return Err(RunError::io(&path, &e)),
            // Another process may have created a folder with the same number and another name. That does no harm.
            Ok(()) => return Ok(path),
        }
    }
}

/// Returns `name` without characters that some file systems do not allow.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).take(40).collect()
}
