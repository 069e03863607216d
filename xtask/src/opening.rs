//! Opens runs and model files for the commands, and reports which checkpoint is used.

use crate::builtin;
use crate::console::{self, TextStyle};
use crate::failure::Failure;
use crate::model_file::{self, WorkLimit};
use crate::process;
use crate::training::RUNS;
use ganlet_sim::host::ModelFile;
use ganlet_trainer::data::DataError;
use ganlet_trainer::export::{PreparedRun, QualityWarning};
use ganlet_trainer::files;
use ganlet_trainer::latent::{ClassNames, ImageGenerator, SavedLatent};
use ganlet_trainer::run::{CheckpointChoice, DataRecord, RunFolder, TrainingData};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// The model in a folder that `demo` wrote.
pub(crate) const DEMO_MODEL: &str = "generator.model";

/// Opens the folder of the run at `path`, or of the newest run if it is "latest".
pub(crate) fn folder(path: &Path) -> Result<RunFolder, Failure> {
    RunFolder::open(Path::new(RUNS), &path.display().to_string()).map_err(Failure::unusable)
}

/// Opens the run at `path`, or the newest one if it is "latest", at the chosen checkpoint.
pub(crate) fn run(path: &Path, choice: CheckpointChoice) -> Result<PreparedRun, Failure> {
    run_truncated(path, choice, None)
}

/// Opens the run at `path` as [`run`] does; `truncation` replaces that of its recipe.
pub(crate) fn run_truncated(
    path: &Path,
    choice: CheckpointChoice,
    truncation: Option<f32>,
) -> Result<PreparedRun, Failure> {
    if let Some(factor) = truncation.filter(|factor| !(0.0..=1.0).contains(factor)) {
        return Err(Failure::unusable(format!("--truncation {factor}: expected 0 to 1")));
    }
    let folder = folder(path)?;
    let run = PreparedRun::open_truncated(&folder, choice, truncation).map_err(Failure::unusable)?;
    report_choice(&folder, &run);
    Ok(run)
}

/// Loads data to compare the samples of a run with: `data` if given, else the data of the run.
pub(crate) fn data(run: &PreparedRun, data: Option<&str>) -> Result<TrainingData, DataError> {
    let Some(source) = data else { return run.load_data() };
    let loaded = run.load_other_data(source)?;
    loaded.notes.iter().for_each(|note| console::note(note));
    let same = run.checkpoint.data.fingerprint == DataRecord::of(&*loaded.train).fingerprint;
    console::note(&if same {
        format!("{source}: the data of the run")
    } else {
        format!("{source}: other data than those of the run")
    });
    Ok(loaded)
}

/// Prints which checkpoint of a run is used, and why.
pub(crate) fn report_choice(folder: &RunFolder, run: &PreparedRun) {
    let step = run.checkpoint.step;
    console::note(&format!("{}: using the checkpoint of step {step}, {}", files::shown(folder.path()), run.reason));
}

/// A checked model, and the file or run that it is from.
pub(crate) struct OpenedModel {
    pub(crate) file: ModelFile,
    /// The model file, or the run folder.
    pub(crate) origin: PathBuf,
    /// Names of the classes that the device chooses from.
    pub(crate) class_names: ClassNames,
    /// Name for a file of this model, if it was exported from a run and is in no file.
    exported: Option<String>,
}

impl OpenedModel {
    /// Returns the absolute path of a file with the model, for firmware that is built with it. A model that was exported for this
    /// command is written to the project's folder for built files.
    pub(crate) fn path(&self) -> Result<PathBuf, Failure> {
        let Some(name) = &self.exported else {
            return self.origin.canonicalize().map_err(|e| Failure::file(&self.origin, e));
        };
        let path = process::folder()?.join(name);
        files::write(&path, self.file.bytes())?;
        Ok(path)
    }
}

/// Opens the model that a command shows: a model file, or a run, whose generator is quantized for this command. Without a path, opens
/// the newest run, or the committed faces if there is no run.
pub(crate) fn model(given: Option<&Path>, limit: WorkLimit) -> Result<OpenedModel, Failure> {
    let Some(path) = given else { return newest_model() };
    let path = &*model_in(path)?;
    if path.is_dir() || path == Path::new("latest") {
        return exported(&folder(path)?);
    }
    let (file, class_names) = (model_file::read(path, limit)?, ClassNames::beside(path).map_err(Failure::unusable)?);
    Ok(OpenedModel { file, class_names, origin: path.to_owned(), exported: None })
}

/// Returns the model in a folder that `demo` wrote. Any other file or folder is returned as it is; a missing one is an error.
pub(crate) fn model_in(path: &Path) -> Result<Cow<'_, Path>, Failure> {
    if path == Path::new("latest") || path.is_file() || path.join("recipe.toml").is_file() {
        return Ok(path.into());
    }
    if !path.exists() {
        let newest = RunFolder::open(Path::new(RUNS), "latest").map(|run| files::quoted(run.path()));
        let remedy = newest.map_or_else(|_| String::new(), |run| format!("; the newest run is {run}"));
        return Err(Failure::file(path, format!("there is no such run folder or model file{remedy}")));
    }
    let model = path.join(DEMO_MODEL);
    if !model.is_file() {
        return Ok(path.into());
    }
    console::note(&format!("{}: using the model in this folder, {}", path.display(), model.display()));
    Ok(model.into())
}

fn newest_model() -> Result<OpenedModel, Failure> {
    let faces = builtin::faces();
    let Ok(newest) = RunFolder::open(Path::new(RUNS), "latest") else {
        console::note(&format!(
            "no model given, and {RUNS}/ has no run with a checkpoint: using the trained faces that come with the project, {}",
            faces.display()
        ));
        let (file, class_names) = (model_file::read(&faces, WorkLimit::NONE)?, ClassNames::default());
        return Ok(OpenedModel { file, class_names, origin: faces, exported: None });
    };
    console::note(&format!("no model given: using the newest run, {}", newest.path().display()));
    exported(&newest).map_err(|e| Failure {
        message: format!("{}\nto show another model, name its file or its run, as in {}", e.message, faces.display()),
        ..e
    })
}

/// Quantizes the generator of a run.
fn exported(folder: &RunFolder) -> Result<OpenedModel, Failure> {
    let run = PreparedRun::open(folder, CheckpointChoice::Best).map_err(Failure::unusable)?;
    report_choice(folder, &run);
    console::note(&format!(
        "quantizing it to int8; `cargo xtask export {}` writes a .model file, and reports its quality",
        files::quoted(folder.path())
    ));
    let quantized = run.quantize_briefly().map_err(Failure::unusable)?;
    for warning in QualityWarning::all(&quantized.report, None) {
        console::note(&format!("{} {warning}", console::on_stderr(TextStyle::Bold, "warning:")));
    }
    let name = folder.path().canonicalize().ok().and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned()));
    Ok(OpenedModel {
        file: ModelFile::of(&quantized.file),
        class_names: ClassNames::of_run(&run),
        origin: folder.path().to_owned(),
        exported: Some(format!("{}-{}.model", name.unwrap_or_else(|| "run".to_owned()), run.checkpoint.step)),
    })
}

/// Opens a generator of images: a run folder, or a model file.
pub(crate) fn generator(path: &Path, limit: WorkLimit) -> Result<ImageGenerator, Failure> {
    let path = &*model_in(path)?;
    if path.is_file() {
        let (file, names) = (model_file::read(path, limit)?, ClassNames::beside(path).map_err(Failure::unusable)?);
        return ImageGenerator::of_model(file.bytes(), names).map_err(|e| Failure::file(path, e));
    }
    ImageGenerator::of_run(run(path, CheckpointChoice::Best)?).map_err(|e| Failure::file(path, e))
}

/// Opens a run for a search, which needs the float generator; a model file is an error.
pub(crate) fn searchable(path: &Path) -> Result<PreparedRun, Failure> {
    match generator(path, WorkLimit::NONE)? {
        ImageGenerator::Float(run) => Ok(*run),
        ImageGenerator::Int8(_) => Err(Failure::file(
            path,
            "an int8 model has no gradient to follow; name the run that it was exported from, and check the model with --model",
        )),
    }
}

/// Reads the latents in `file` if it is given, else takes those of `seeds`.
pub(crate) fn latents(
    generator: &ImageGenerator,
    file: Option<&Path>,
    seeds: &[u32],
) -> Result<Vec<SavedLatent>, Failure> {
    let Some(path) = file else { return Ok(generator.latents_of_seeds(seeds)) };
    let stored = model_file::saved_latents(path)?;
    generator.check(&stored).map_err(|e| Failure::file(path, e))?;
    Ok(stored)
}
