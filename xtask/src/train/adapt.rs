//! Fits a named recipe to the proportions of the user's own images before a run.

use super::Args;
use crate::failure::Failure;
use ganlet_trainer::recipe::{NAMED, Recipe};
use ganlet_trainer::run::{Adaptation, TrainingData, adapted_size, load_with_classes};

/// Loads the data of `recipe`, and changes the recipe to suit them. A recipe file, a continued recipe and the keys that the user
/// sets stay as they are. A run that starts with the weights of another one, `from`, has the clusters of that run or none.
pub(super) fn load(args: &Args, mut recipe: Recipe, from: Option<&Recipe>) -> Result<(Recipe, TrainingData), Failure> {
    let base = args.recipe.as_deref().map_or("faces", |name| name.split('+').next().unwrap_or(name));
    let is_named = NAMED.iter().any(|named| named.0 == base);
    let has_size = args.set.iter().any(|set| set.split_once('=').is_some_and(|(key, _)| key.trim() == "data.size"));
    let adaptation = match is_named && !has_size && args.from.is_none() {
        true => adapted_size(&recipe),
        false => None,
    };
    if let Some(Adaptation { setting, .. }) = &adaptation {
        let settings = std::slice::from_ref(setting);
        recipe = Recipe::parse(&recipe.name, &recipe.to_toml(), settings).map_err(Failure::unusable)?;
    }
    // The groups of other images mean something else, so both networks start with the mean group.
    let is_other = |from: &Recipe| from.data.source != recipe.data.source && from.data.clusters == recipe.data.clusters;
    if from.is_some_and(is_other) {
        recipe.data.clusters = 0;
    }
    let mut data = load_with_classes(&mut recipe, base).map_err(Failure::unusable)?;
    if let Some(Adaptation { setting, reason }) = adaptation {
        data.notes.push(format!("{reason}, so they are not cropped to a square: {setting}"));
    }
    Ok((recipe, data))
}
