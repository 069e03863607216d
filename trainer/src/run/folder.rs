//! A run's folder: where its recipe, log, pictures and checkpoints lie, and which checkpoints are kept.
use super::{Checkpoint, RunError};
use crate::draw::Image;
use crate::files;
use crate::recipe::Recipe;
use crate::train::Report;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What a folder with a run in it holds.
const PARTS: [&str; 4] = ["recipe.toml", "log.jsonl", "samples", "checkpoints"];
/// Folders with larger numbers are not counted on.
const MOST_RUNS: u64 = 1_000_000_000;
/// Checkpoints kept besides the best.
const KEPT: usize = 2;

/// A number that judges a generator; lower is better.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// What was measured.
    pub name: String,
    /// How much.
    pub value: f64,
    /// In words, for the log: the other numbers of the same measurement.
    #[serde(default)]
    pub also: String,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The step's losses and gradients.
    #[serde(flatten)]
    pub report: Report,
    /// Examples that both networks saw, a second, since the line before.
    pub samples_per_s: f64,
    /// Seconds of training so far, all sessions together.
    pub seconds: f64,
    /// What was measured after the step, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<Measure>,
}

/// The best checkpoint so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its step.
    pub step: u64,
    /// Why it is the best.
    pub measure: Measure,
}

/// Which checkpoint of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The best measured one, else the newest.
    Best,
    /// The newest.
    Last,
    /// That of a step.
    Step(u64),
}

impl std::str::FromStr for Which {
    type Err = String;

    /// Reads "best", "last" or the number of a step.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "best" => Ok(Self::Best),
            "last" => Ok(Self::Last),
            step => step.parse().map(Self::Step).map_err(|_| "expected best, last, or a step as in 5000".to_owned()),
        }
    }
}

/// A run's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the next free numbered folder for `recipe` below `root`, or exactly `exact` if given, which must not hold a run.
    pub fn create(root: &Path, exact: Option<&Path>, recipe: &Recipe) -> Result<Self, RunError> {
        let path = match exact {
            Some(path) if PARTS.iter().any(|part| path.join(part).exists()) => {
                let what = "there is a run here already: nothing was overwritten; choose another --out, or --resume it";
                return Err(RunError::new(path, what));
            }
            Some(path) => {
                fs::create_dir_all(path).map_err(|e| RunError::io(path, &e))?;
                path.to_owned()
            }
            None => next_folder(root, &safe(&recipe.name))?,
        };
        for part in [path.join("samples"), path.join("checkpoints")] {
            fs::create_dir_all(&part).map_err(|e| RunError::io(&part, &e))?;
        }
        let folder = Self { path };
        folder.write("recipe.toml", recipe.to_toml())?;
        Ok(folder)
    }

    /// The run at `path`; "latest" is the one below `root` with the highest number.
    pub fn open(root: &Path, path: &str) -> Result<Self, RunError> {
        let path = if path == "latest" {
            // A run that failed before its first checkpoint is nothing to go on with.
            let mut runs = numbered(root);
            runs.retain(|(_, path)| !Self { path: path.clone() }.checkpoints().is_empty());
            runs.into_iter().max_by_key(|(n, _)| *n).map(|(_, path)| path).ok_or_else(|| {
                RunError::new(root, "there is no run here to go on with; start one with `cargo xtask train`")
            })?
        } else {
            PathBuf::from(path)
        };
        if !path.join("recipe.toml").is_file() {
            return Err(RunError::new(
                &path,
                "this is no run folder (no recipe.toml); `cargo xtask train` makes them, in runs/",
            ));
        }
        Ok(Self { path })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file of the folder atomically.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<(), RunError> {
        let path = self.path.join(name);
        files::write(&path, bytes).map_err(|e| RunError::told(&e))
    }

    /// Keeps other processes from training this run for as long as the file that is given lives.
    pub fn lock(&self) -> Result<fs::File, RunError> {
        let path = self.path.join("run.lock");
        let file = fs::File::create(&path).map_err(|e| RunError::io(&path, &e))?;
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) => {
                Err(RunError::new(&self.path, "another process is training this run; wait for it, or stop it"))
            }
            // Where locks do not work, a run goes on without.
            _ => Ok(file),
        }
    }

    /// Renames checkpoints after `step`, which could not be read, so that they are not taken for newer ones again.
    pub fn set_aside(&self, step: u64) -> Result<(), RunError> {
        for later in self.checkpoints().into_iter().filter(|s| *s > step) {
            let path = self.checkpoint_path(later);
            fs::rename(&path, path.with_extension("unreadable")).map_err(|e| RunError::io(&path, &e))?;
        }
        Ok(())
    }

    fn checkpoint_path(&self, step: u64) -> PathBuf {
        self.path.join("checkpoints").join(format!("step-{step:07}.safetensors"))
    }

    /// Steps of the checkpoints, rising.
    pub fn checkpoints(&self) -> Vec<u64> {
        let entries = fs::read_dir(self.path.join("checkpoints")).into_iter().flatten().flatten();
        let step = |name: &str| name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok();
        let mut steps: Vec<u64> = entries.filter_map(|e| step(e.file_name().to_str()?)).collect();
        steps.sort_unstable();
        steps
    }

    /// The best checkpoint so far, if any was measured.
    pub fn best(&self) -> Option<Best> {
        serde_json::from_slice(&fs::read(self.path.join("best.json")).ok()?).ok()
    }

    /// Saves a checkpoint; keeps it, the one before, and the best.
    pub fn save(&self, checkpoint: &Checkpoint, measure: Option<&Measure>) -> Result<(), RunError> {
        checkpoint.save(&self.checkpoint_path(checkpoint.step))?;
        if let Some(measure) = measure.filter(|m| m.value.is_finite()) {
            let better = self.best().is_none_or(|b| b.step > checkpoint.step || measure.value < b.measure.value);
            if better {
                let best = Best { step: checkpoint.step, measure: measure.clone() };
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

    /// The newest checkpoint that can be read; says in the notes which ones could not.
    pub fn latest(&self) -> Result<(Checkpoint, Vec<String>), RunError> {
        let mut notes = Vec::new();
        for &step in self.checkpoints().iter().rev() {
            match Checkpoint::load(&self.checkpoint_path(step)) {
                Ok(checkpoint) => return Ok((checkpoint, notes)),
                Err(e) => notes.push(format!("left out: {e}")),
            }
        }
        notes.push("the run has no checkpoint that can be read: start again with `cargo xtask train`".into());
        Err(RunError::new(&self.path.join("checkpoints"), notes.join("\n")))
    }

    /// The newest readable checkpoint that is not after `step`; where those are gone, the oldest there is.
    pub fn before(&self, step: u64) -> Result<Checkpoint, RunError> {
        let steps = self.checkpoints();
        let (earlier, later) = steps.split_at(steps.partition_point(|s| *s <= step));
        let found = earlier.iter().rev().chain(later).find_map(|s| Checkpoint::load(&self.checkpoint_path(*s)).ok());
        found.ok_or_else(|| RunError::new(&self.path.join("checkpoints"), "no checkpoint can be read".to_owned()))
    }

    /// Removes what came after `step`: checkpoints, lines of the log, and what was the best among them.
    pub fn go_back(&self, step: u64) -> Result<(), RunError> {
        for later in self.checkpoints().into_iter().filter(|s| *s > step) {
            let path = self.checkpoint_path(later);
            fs::remove_file(&path).map_err(|e| RunError::io(&path, &e))?;
        }
        if self.best().is_some_and(|best| best.step > step) {
            let path = self.path.join("best.json");
            fs::remove_file(&path).map_err(|e| RunError::io(&path, &e))?;
        }
        self.rewind(step)
    }

    /// The checkpoint to show and export: the best measured one, else the newest.
    pub fn chosen(&self) -> Result<Checkpoint, RunError> {
        let best = self.best().and_then(|best| Checkpoint::load(&self.checkpoint_path(best.step)).ok());
        best.map_or_else(|| self.latest().map(|l| l.0), Ok)
    }

    /// One of the checkpoints.
    pub fn checkpoint(&self, which: Which) -> Result<Checkpoint, RunError> {
        match which {
            Which::Best => self.chosen(),
            Which::Last => self.latest().map(|l| l.0),
            Which::Step(step) if self.checkpoints().contains(&step) => Checkpoint::load(&self.checkpoint_path(step)),
            Which::Step(step) => {
                let kept: Vec<_> = self.checkpoints().iter().map(u64::to_string).collect();
                let what = format!("there is no checkpoint of step {step}; kept are {}", kept.join(", "));
                Err(RunError::new(&self.path.join("checkpoints"), what))
            }
        }
    }

    /// Appends a line to the log.
    pub fn log(&self, line: &Line) -> Result<(), RunError> {
        let path = self.path.join("log.jsonl");
        let mut text = serde_json::to_string(line).unwrap_or_default();
        text.push('\n');
        let file = fs::OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut f| f.write_all(text.as_bytes())).map_err(|e| RunError::io(&path, &e))
    }

    /// The log's lines; a torn last line is left out.
    pub fn lines(&self) -> Vec<Line> {
        let text = fs::read_to_string(self.path.join("log.jsonl")).unwrap_or_default();
        text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
    }

    /// The sample grids up to `step`, which a resumed run's animation begins with; unreadable ones are left out.
    pub fn frames(&self, step: u64) -> Vec<(u64, Image)> {
        let entries = fs::read_dir(self.path.join("samples")).into_iter().flatten().flatten();
        let frame = |entry: fs::DirEntry| {
            let name = entry.file_name();
            let step: u64 = name.to_str()?.strip_prefix("step-")?.strip_suffix(".png")?.parse().ok()?;
            let picture = image::open(entry.path()).ok()?.into_rgb8();
            let (width, height) = (picture.width() as usize, picture.height() as usize);
            Some((step, Image::from_bytes(&picture.into_raw(), (width, height, 3))))
        };
        let mut frames: Vec<_> = entries.filter_map(frame).filter(|f| f.0 <= step).collect();
        frames.sort_by_key(|f| f.0);
        // Pictures of another size are not this run's.
        let size = frames.last().map(|f| (f.1.width(), f.1.height()));
        frames.retain(|f| Some((f.1.width(), f.1.height())) == size);
        frames
    }

    /// Drops lines after `step`, which a resumed run will write again.
    pub fn rewind(&self, step: u64) -> Result<(), RunError> {
        let mut text = String::new();
        for line in self.lines().iter().filter(|l| l.report.step <= step) {
            text += &serde_json::to_string(line).unwrap_or_default();
            text.push('\n');
        }
        self.write("log.jsonl", text)
    }
}

/// The numbered runs below `root`.
fn numbered(root: &Path) -> Vec<(u64, PathBuf)> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let number = |e: fs::DirEntry| {
        let name = e.file_name();
        Some((name.to_str()?.split('-').next()?.parse().ok()?, e.path()))
    };
    entries.filter_map(number).filter(|(_, p)| p.join("recipe.toml").is_file()).collect()
}

/// Makes the next numbered folder; two processes never get the same.
fn next_folder(root: &Path, name: &str) -> Result<PathBuf, RunError> {
    fs::create_dir_all(root).map_err(|e| RunError::io(root, &e))?;
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let number = |e: fs::DirEntry| e.file_name().to_str()?.split('-').next()?.parse::<u64>().ok();
    let mut next = entries.filter_map(number).filter(|n| *n < MOST_RUNS).max().unwrap_or(0) + 1;
    loop {
        let path = root.join(format!("{next:05}-{name}"));
        match fs::create_dir(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && next < MOST_RUNS => next += 1,
            Err(e) => return Err(RunError::io(&path, &e)),
            // A folder of the same number and another name may have come in between.
            Ok(()) => return Ok(path),
        }
    }
}

/// A name without characters that folders dislike.
fn safe(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).take(40).collect()
}
