//! The folder of a run: it holds the recipe, the log, sample grids and checkpoints, and decides which checkpoints are kept.
use super::log::Log;
use super::{Checkpoint, LogEntry, RunError};
use crate::draw::Image;
use crate::files;
use crate::recipe::Recipe;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders in the folder of a run.
const FOLDERS: [&str; 2] = ["samples", "checkpoints"];
/// Folders with larger numbers are ignored when the next number is chosen.
const MOST_RUNS: u64 = 1_000_000_000;
/// Number of the newest checkpoints that are kept, in addition to the best one.
const KEPT: usize = 2;
/// Largest image of samples that is read, in bytes.
const MAX_SAMPLES: u64 = 64 << 20;
/// Text files of a run that are read.
const TEXTS: [&str; 5] = ["recipe.toml", "best.json", "log.jsonl", "alarms.txt", "changes.txt"];

/// File of a run folder that always shows the newest samples.
pub const NEWEST_SAMPLES: &str = "samples/latest.png";

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
    /// An existing folder is used if it is empty, or if it holds a run that ended before its first checkpoint.
    ///
    /// # Errors
    /// If `exact` holds anything else, or the folder cannot be created.
    pub fn create(root: &Path, exact: Option<&Path>, recipe: &Recipe) -> Result<Self, RunError> {
        let path = match exact {
            Some(path) => {
                fs::create_dir_all(path).map_err(|e| RunError::io(path, &e))?;
                path.to_owned()
            }
            None => create_numbered(root, &file_name(&recipe.name))?,
        };
        let folder = Self { path };
        folder.check_unused()?;
        for part in FOLDERS.map(|part| folder.path.join(part)) {
            fs::create_dir_all(&part).map_err(|e| RunError::io(&part, &e))?;
        }
        folder.write("recipe.toml", recipe.to_toml())?;
        Ok(folder)
    }

    /// Refuses a folder that holds a run with a checkpoint, or anything that is not part of a run.
    fn check_unused(&self) -> Result<(), RunError> {
        let refused = |problem: String| {
            Err(RunError::new(&self.path, format!("{problem}; nothing was overwritten: choose another --out")))
        };
        if !self.checkpoints().is_empty() {
            return refused(format!(
                "this folder holds a run already: continue it with `cargo xtask train --resume {}`",
                files::quoted(&self.path)
            ));
        }
        let mut names: Vec<_> = fs::read_dir(&self.path)
            .map_err(|e| RunError::io(&self.path, &e))?
            .map(|entry| entry.map(|e| e.file_name()))
            .collect::<Result<_, _>>()
            .map_err(|e| RunError::io(&self.path, &e))?;
        let temporary = |name: &std::ffi::OsStr| name.to_str().is_some_and(files::is_temporary);
        names.retain(|name| !temporary(name));
        names.sort();
        // The folders are created before the recipe is written.
        let started =
            FOLDERS.iter().all(|part| self.path.join(part).is_dir()) && self.path.join("recipe.toml").is_file();
        let empty = |name: &std::ffi::OsString| {
            let inside = fs::read_dir(self.path.join(name)).map(Iterator::count);
            FOLDERS.iter().any(|part| name == part) && inside.is_ok_and(|n| n == 0)
        };
        if started {
            // Another process may be about to save its first checkpoint.
            self.lock()?;
        }
        match names.iter().find(|name| !started && !empty(name)) {
            Some(name) => refused(format!("this folder is neither empty nor a run: it holds {}", name.display())),
            None => Ok(()),
        }
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
            let problem = if path.is_dir() {
                "this is not a run folder: it has no recipe.toml"
            } else {
                "there is no such run folder"
            };
            let remedy = match Self::open(root, "latest") {
                Ok(newest) => format!("the newest run is {}", files::quoted(newest.path())),
                Err(_) => "`cargo xtask train` creates run folders in runs/".to_owned(),
            };
            return Err(RunError::new(&path, format!("{problem}; {remedy}")));
        }
        for file in TEXTS.map(|name| path.join(name)) {
            let is_special = fs::metadata(&file).is_ok_and(|found| !found.is_file());
            if is_special {
                files::read(&file, 0).map_err(|e| RunError::new(&file, format!("{e}; remove it")))?;
            }
        }
        Ok(Self { path })
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file of the folder atomically. A link is not followed.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<(), RunError> {
        let path = self.path.join(name);
        files::check_own(&path).map_err(|e| RunError::new(&path, e))?;
        files::write(&path, bytes).map_err(|e| RunError::of_write(&e))
    }

    /// Reads `recipe.toml`, which users may edit.
    ///
    /// # Errors
    /// If it cannot be read, or is not a valid recipe.
    pub fn recipe(&self) -> Result<Recipe, RunError> {
        let path = self.path.join("recipe.toml");
        let text = files::read_text(&path).map_err(|e| RunError::io(&path, &e))?;
        Recipe::parse(&path.display().to_string(), &text, &[]).map_err(|e| RunError::new(Path::new(""), e))
    }

    /// Locks the folder against other processes for as long as the returned file is open.
    ///
    /// # Errors
    /// If another process holds the lock.
    pub fn lock(&self) -> Result<fs::File, RunError> {
        // The folder itself is locked: there is no lock file that could be deleted, or be a link.
        let path = if cfg!(unix) { self.path.clone() } else { self.path.join("run.lock") };
        let file = if cfg!(unix) { fs::File::open(&path) } else { fs::File::create(&path) };
        let file = file.map_err(|e| RunError::io(&path, &e))?;
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) => {
                Err(RunError::new(&self.path, "another process is training this run; wait for it, or stop it"))
            }
            // Training works on file systems without locks, too.
            _ => Ok(file),
        }
    }

    /// Renames the checkpoints after `step`, which cannot be read, and others that cannot be read, so that they are not taken for the
    /// newest or the best ones.
    pub(super) fn rename_unreadable(&self, step: u64) -> Result<(), RunError> {
        let unreadable = |s: &u64| *s > step || Checkpoint::load(&self.checkpoint_path(*s)).is_err();
        for step in self.checkpoints().into_iter().filter(unreadable) {
            let path = self.checkpoint_path(step);
            fs::rename(&path, path.with_extension("unreadable")).map_err(|e| RunError::io(&path, &e))?;
        }
        Ok(())
    }

    pub(super) fn checkpoint_path(&self, step: u64) -> PathBuf {
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

    /// Saves a checkpoint and removes older ones, except the one before it, the best, and with `rollbacks` those that a rollback of up
    /// to `delay` steps may need.
    pub(super) fn save(&self, checkpoint: &Checkpoint, delay: Option<u64>) -> Result<(), RunError> {
        let path = self.checkpoint_path(checkpoint.step);
        files::check_own(&path).map_err(|e| RunError::new(&path, e))?;
        checkpoint.save(&path)?;
        self.update_best()?;
        let steps = self.checkpoints();
        let older = &steps[..steps.partition_point(|s| *s < checkpoint.step)];
        let mut kept: Vec<u64> = older.iter().rev().take(KEPT - 1).copied().collect();
        kept.extend(self.best().map(|b| b.step));
        if let Some(delay) = delay {
            // The newest that is old enough, and the next one, which will be old enough later.
            let safe = older.partition_point(|s| *s <= checkpoint.step.saturating_sub(delay));
            kept.extend(older[safe.saturating_sub(1)..].iter().take(2));
        }
        for step in older.iter().filter(|step| !kept.contains(step)) {
            let path = self.checkpoint_path(*step);
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
            None => format!(
                "the run has no checkpoint yet: start it again with `cargo xtask train {} --out {}`",
                files::quoted(&self.path.join("recipe.toml")),
                files::quoted(&self.path)
            ),
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
        self.truncate_log(step)?;
        self.update_best()
    }

    /// Appends an entry to the log.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub fn append_log(&self, entry: &LogEntry) -> Result<(), RunError> {
        Log::append(&self.log_path(), entry)
    }

    /// Returns the entries of the log; lines that cannot be read are skipped.
    pub fn log_entries(&self) -> Vec<LogEntry> {
        Log::read(&self.log_path()).map(Log::entries).unwrap_or_default()
    }

    /// Returns the numbers of the lines of the log that cannot be read, from 1.
    pub fn unreadable_log_lines(&self) -> Vec<usize> {
        Log::read(&self.log_path()).map(|log| log.unreadable()).unwrap_or_default()
    }

    /// Replaces the log entry of the same step, or appends `entry`.
    pub(super) fn set_log_entry(&self, entry: LogEntry) -> Result<(), RunError> {
        let mut log = Log::read(&self.log_path())?;
        log.set(entry);
        log.write()
    }

    /// Removes log entries after `step`, which a resumed run will write again.
    pub(super) fn truncate_log(&self, step: u64) -> Result<(), RunError> {
        let mut log = Log::read(&self.log_path())?;
        log.truncate(step);
        log.write()
    }

    fn log_path(&self) -> PathBuf {
        self.path.join("log.jsonl")
    }

    /// Removes temporary files that an interrupted process left.
    pub(super) fn remove_leftovers(&self) {
        for folder in [self.path.clone()].into_iter().chain(FOLDERS.map(|part| self.path.join(part))) {
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            // Exported models are written without the lock, perhaps at this moment.
            let left = |name: &str| files::is_temporary(name) && !name.contains(".model.");
            for entry in entries.filter(|e| e.file_name().to_str().is_some_and(left)) {
                // They do no harm if they stay.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Returns the texts of the alarms that the run raised, in all sessions.
    pub fn alarms(&self) -> Vec<String> {
        let text = files::read_text(&self.path.join("alarms.txt")).unwrap_or_default();
        let mut all: Vec<String> = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            // Further lines of an alarm are indented.
            match all.last_mut() {
                Some(alarm) if line.starts_with(' ') => *alarm += &format!("\n{line}"),
                _ => all.push(line.to_owned()),
            }
        }
        all
    }

    /// Returns the sample grids up to `step`, the first frames of a resumed run's animation; unreadable ones are skipped.
    pub(crate) fn frames(&self, step: u64) -> Vec<(u64, Image)> {
        let entries = fs::read_dir(self.path.join("samples")).into_iter().flatten().flatten();
        let frame = |entry: fs::DirEntry| {
            let name = entry.file_name();
            let step: u64 = name.to_str()?.strip_prefix("step-")?.strip_suffix(".png")?.parse().ok()?;
            let file = files::read(&entry.path(), MAX_SAMPLES).ok()?;
            let image = image::load_from_memory(&file).ok()?.into_rgb8();
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
