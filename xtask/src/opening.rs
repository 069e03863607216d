//! Opens runs and model files for the commands, and reports which checkpoint is used.

use crate::console;
use crate::failure::Failure;
use crate::model_file;
use crate::training::RUNS;
use ganlet_trainer::export::PreparedRun;
use ganlet_trainer::latent::{ImageGenerator, StoredLatent};
use ganlet_trainer::run::{CheckpointChoice, RunFolder};
use std::path::Path;

/// Opens the run at `path`, or the newest one if it is "latest", at the chosen checkpoint.
pub(crate) fn run(path: &Path, choice: CheckpointChoice) -> Result<PreparedRun, Failure> {
    let folder = RunFolder::open(Path::new(RUNS), &path.display().to_string()).map_err(Failure::unusable)?;
    let run = PreparedRun::open(&folder, choice).map_err(Failure::unusable)?;
    report_choice(&folder, &run);
    Ok(run)
}

/// Prints which checkpoint of a run is used, and why.
pub(crate) fn report_choice(folder: &RunFolder, run: &PreparedRun) {
    let step = run.checkpoint.step;
    console::note(&format!("{}: using the checkpoint of step {step}, {}", folder.path().display(), run.reason));
}

/// Opens a generator of images: a run folder, or a model file.
pub(crate) fn generator(path: &Path) -> Result<ImageGenerator, Failure> {
    if path.is_file() {
        return ImageGenerator::of_model(model_file::read(path)?.bytes()).map_err(|e| Failure::file(path, e));
    }
    ImageGenerator::of_run(run(path, CheckpointChoice::Best)?).map_err(|e| Failure::file(path, e))
}

/// Opens a run for a search, which needs the float generator; a model file is an error.
pub(crate) fn searchable(path: &Path) -> Result<PreparedRun, Failure> {
    match generator(path)? {
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
) -> Result<Vec<StoredLatent>, Failure> {
    let Some(path) = file else { return Ok(generator.latents_of_seeds(seeds)) };
    let stored = model_file::stored_latents(path)?;
    generator.check(&stored).map_err(|e| Failure::file(path, e))?;
    Ok(stored)
}
