//! Model files and files of saved latents, read and checked.

use crate::failure::Failure;
use crate::table::grouped;
use clap::Args as ClapArgs;
use ganlet_runtime::{Model, TooMuchWork};
use ganlet_sim::host::ModelFile;
use ganlet_trainer::files;
use ganlet_trainer::latent::SavedLatent;
use std::path::Path;

/// Multiply-accumulates of an image that commands draw without being asked: about a second here, minutes on most boards.
pub(crate) const MAX_MACS: u64 = 1_000_000_000;

/// The option for drawing models that take very long.
#[derive(ClapArgs, Clone, Copy, Debug)]
pub(crate) struct WorkLimit {
    /// Largest number of multiply-accumulates of an image; a model file that takes more is refused
    #[arg(long, value_name = "N", default_value_t = MAX_MACS)]
    max_macs: u64,
}

impl WorkLimit {
    /// For commands that draw no image.
    pub(crate) const NONE: Self = Self { max_macs: u64::MAX };
    /// The default of the option, for commands without it.
    pub(crate) const DEFAULT: Self = Self { max_macs: MAX_MACS };
}

/// Reads a model file, and checks its contents and the work of an image.
pub(crate) fn read(path: &Path, limit: WorkLimit) -> Result<ModelFile, Failure> {
    let file = ModelFile::read(path).map_err(|e| Failure::unusable(e.to_string()))?;
    let model = Model::from_bytes(file.bytes()).map_err(|e| Failure::file(path, e))?;
    model.within(limit.max_macs).map_err(|TooMuchWork { found, limit }| {
        let (macs, most) = (grouped(found), grouped(limit));
        let why =
            format!("an image takes {macs} multiply-accumulates, and the limit is {most}: --max-macs {found} draws it");
        Failure::file(path, why)
    })?;
    Ok(file)
}

/// Reads a file of saved latents, which holds at least one.
pub(crate) fn saved_latents(path: &Path) -> Result<Vec<SavedLatent>, Failure> {
    let unusable = |why: String| Failure::unusable(format!("{}: {why}", path.display()));
    let bytes = files::read(path, files::MAX_TEXT).map_err(|e| unusable(e.to_string()))?;
    if bytes.starts_with(&Model::MAGIC) {
        return Err(unusable(
            "this is a model file, expected a text file of latents, as `project`, `edit` and `curate` write with --out; a model is given without \
             --latents, as in `cargo xtask sim x.model`"
                .to_owned(),
        ));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        unusable(format!(
            "not a text file (byte {at} is no UTF-8), expected latents, as `project`, `edit` and `curate` write with --out"
        ))
    })?;
    let all = SavedLatent::read(&text).map_err(|e| unusable(e.to_string()))?;
    if all.is_empty() {
        return Err(unusable(
            "found no latents, expected one on each line: `project`, `edit` and `curate` write them".to_owned(),
        ));
    }
    Ok(all)
}

/// Reads a file of saved latents for `model`; returns the bytes that the app reads from flash.
///
/// A latent is a byte for its class, 255 for none, and its values.
pub(crate) fn latent_bytes(path: &Path, model: &Model<'_>) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    for (number, SavedLatent { values, class }) in (1..).zip(&saved_latents(path)?) {
        ganlet_runtime::Latent::new(model, values, *class).map_err(|e| {
            let path = path.display();
            Failure::unusable(format!("{path}: latent {number}: {e}; it belongs to another model"))
        })?;
        bytes.push(class.map_or(255, |c| c as u8));
        bytes.extend(values.iter().map(|&v| v as u8));
    }
    Ok(bytes)
}
