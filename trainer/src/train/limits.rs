//! Checks before a run starts: the data has the classes that the recipe asks for, the networks fit the data, the memory suffices.
use crate::data::Dataset;
use crate::memory;
use crate::nets::NetworkError;
use crate::nn::Network;
use crate::philox::Key;
use crate::recipe::Recipe;

/// Number of points that are drawn to find the classes of a mixture.
const LABEL_DRAWS: u64 = 4096;

/// Refuses a recipe whose `data.classes` differs from the classes of the data.
pub(super) fn check_classes(recipe: &Recipe, data: &dyn Dataset) -> Result<(), NetworkError> {
    let expected = recipe.classes();
    if expected == 0 {
        return Ok(());
    }
    let mut drawn = [0; 1];
    let found = match data.labels() {
        // All images of a class may be held out.
        Some(labels) => labels.iter().max().map_or(0, |m| usize::from(*m) + 1).max(data.label_names().len()),
        // The label of a point is the mixture component that it was drawn from.
        None if data.len().is_none() => {
            let label = |step| {
                data.batch_labels(Key { seed: 0, stream: 0, step }, &mut drawn);
                usize::from(drawn[0]) + 1
            };
            (0..LABEL_DRAWS).map(label).max().unwrap_or(0)
        }
        None => 0,
    };
    let (name, clusters) = (data.name(), recipe.data.clusters);
    if clusters > 0 && (recipe.data.class_shares.is_empty() || found != expected) {
        let why = format!(
            "data.clusters = {clusters}, but the images of {name} are not grouped: load them with load_with_classes, which finds the groups \
             and their shares, or set data.clusters = 0"
        );
        return Err(NetworkError::new("data", why));
    }
    if found == expected {
        return Ok(());
    }
    let why = match found {
        0 => format!(
            "data.classes = {expected}, but {name} has no labels: give each example a label, or set data.classes = 0"
        ),
        _ => format!(
            "data.classes = {expected}, but {name} has {found} classes: set data.classes = {found}, or 0 to train without classes"
        ),
    };
    Err(NetworkError::new("data", why))
}

/// Refuses networks whose shapes do not fit the data or each other.
pub(super) fn check_shapes(
    recipe: &Recipe,
    generator: &Network,
    discriminator: &Network,
    shape: &[usize],
) -> Result<(), NetworkError> {
    if generator.output() != shape {
        let why = format!("the last layer returns {:?}, but the data has the shape {shape:?}", generator.output());
        return Err(NetworkError::new("generator", why));
    }
    if generator.input.len() != 1 || generator.input[0] <= recipe.class_inputs() {
        let why = format!(
            "its input has the shape {:?}: expected one axis of latent numbers followed by data.classes = {} numbers",
            generator.input,
            recipe.class_inputs()
        );
        return Err(NetworkError::new("generator", why));
    }
    let mut seen = shape.to_vec();
    seen.last_mut().into_iter().for_each(|n| *n *= recipe.technique.packing);
    if discriminator.input != seen {
        let why =
            format!("its input has the shape {:?}: expected {seen:?}, the shape of the data", discriminator.input);
        return Err(NetworkError::new("discriminator", why));
    }
    let output: usize = discriminator.output().iter().product();
    if output != 1 && !recipe.is_began() {
        let why = format!("its last layer returns {:?}: expected one score", discriminator.output());
        return Err(NetworkError::new("discriminator", why));
    }
    Ok(())
}

/// Refuses a run that needs more memory than this machine has free, before any of it is allocated.
pub(crate) fn check_memory(recipe: &Recipe, generator: &Network, discriminator: &Network) -> Result<(), NetworkError> {
    // A rough lower bound: weights, EMA and two moments; activations, their gradients and those of penalties.
    let weights = 4.0 * 4.0 * (generator.len() as f64 + discriminator.len() as f64);
    let activations =
        4.0 * 3.0 * recipe.train.batch_size as f64 * (generator.activation_count() + discriminator.activation_count());
    let (needed, limit) = (weights + activations, memory::free());
    if needed <= limit {
        return Ok(());
    }
    let gb = |bytes: f64| bytes / 1e9;
    let why = format!(
        "the run needs at least {:.1} GB of memory ({:.1} GB for weights and moments, {:.1} GB for activations at \
         train.batch_size = {}), but this machine has {:.1} GB free: use a smaller train.batch_size, data.size or widths",
        gb(needed),
        gb(weights),
        gb(activations),
        recipe.train.batch_size,
        gb(limit)
    );
    Err(NetworkError::new("train", why))
}
