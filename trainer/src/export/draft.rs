//! The exported model before training: its size and cost depend on the recipe alone, and the widths can be reduced to fit a device.
use super::ExportError;
use super::device_net::folded_generator;
use crate::data::GaussianMixture;
use crate::nn::TensorRole;
use crate::quantize;
use crate::recipe::Recipe;
use ganlet_runtime::Model;

/// Returns a model file of the recipe's generator with random weights, for examples of `shape`: [height, width, channels] of images, or
/// the dimensions of points, with their `mixture`.
///
/// Flash, RAM and multiply-accumulates are those of the model that will be exported after training.
///
/// # Errors
/// If the generator cannot be built, or could not be exported after training.
pub fn draft_model(
    recipe: &Recipe,
    shape: &[usize],
    mixture: Option<&GaussianMixture>,
) -> Result<Vec<u8>, ExportError> {
    let network = recipe.generator_network(shape)?;
    let mut weights = network.initial_weights(1, 1);
    // Equal biases would be stored once; after training they differ.
    for tensor in network.tensors.iter().filter(|t| t.key.role == TensorRole::Bias) {
        let biases = &mut weights[tensor.at..][..tensor.len()];
        biases.iter_mut().enumerate().for_each(|(i, bias)| *bias = (i % 101) as f32 / 1010.0);
    }
    let mut statistics = vec![0.0; network.statistics_len()];
    for tensor in network.statistics.iter().filter(|t| t.key.role == TensorRole::Variance) {
        statistics[tensor.at..][..tensor.len()].fill(1.0);
    }
    Ok(quantize::draft(&folded_generator(recipe, mixture, &network, &weights, &statistics)?)?)
}

/// A recipe whose generator was reduced to fit, and its model file.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedRecipe {
    /// The recipe; only the widths of its generator may differ.
    pub recipe: Recipe,
    /// The model file of [`draft_model`].
    pub model: Vec<u8>,
    /// Whether the model fits. If not, the recipe has the smallest widths.
    pub fits: bool,
}

/// Reduces the widths of the recipe's generator until its model `fits`: all widths by the same factor, as little as possible.
///
/// A generator that fits stays as it is; it is never enlarged.
///
/// # Errors
/// The errors of [`draft_model`].
pub fn fit_widths(
    recipe: &Recipe,
    shape: &[usize],
    mixture: Option<&GaussianMixture>,
    fits: &dyn Fn(&Model<'_>) -> bool,
) -> Result<FittedRecipe, ExportError> {
    let whole = recipe.generator.largest_width();
    let try_width = |width: usize| -> Result<FittedRecipe, ExportError> {
        let mut recipe = recipe.clone();
        recipe.generator = recipe.generator.narrowed(width);
        let model = draft_model(&recipe, shape, mixture)?;
        let fits = fits(&Model::from_bytes(quantize::AlignedModel::new(&model).bytes())?);
        Ok(FittedRecipe { recipe, model, fits })
    };
    let mut best = try_width(whole)?;
    if best.fits {
        return Ok(best);
    }
    // Every width rises with the largest one, so the sizes that fit are below those that do not.
    let (mut fitting, mut too_large) = (0, whole);
    best = try_width(1)?;
    if !best.fits {
        return Ok(best);
    }
    while too_large - fitting > 1 {
        let width = fitting.midpoint(too_large);
        let tried = try_width(width)?;
        if tried.fits {
            (fitting, best) = (width, tried);
        } else {
            too_large = width;
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantize::AlignedModel;
    use crate::recipe::NAMED;
    use crate::run::load_data;
    use crate::train::Trainer;
    use std::sync::Arc;

    fn small(name: &str, settings: &[&str]) -> Recipe {
        Recipe::open(name, &settings.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_model_has_its_final_size_before_training() {
        for (name, settings) in [
            ("faces-small", &["train.batch_size=8", "generator.widths=[16, 8]"][..]),
            ("faces-pyramid", &["train.batch_size=8", "generator.widths=[16, 8]"]),
            ("faces-small", &["train.batch_size=8", "generator.widths=[16, 8]", "generator.batch_norm=true"]),
            ("digits-classes", &["train.batch_size=8", "generator.widths=[16, 8]"]),
            ("ring", &["train.batch_size=8"]),
        ] {
            let recipe = small(name, settings);
            let data = load_data(&recipe).unwrap();
            let mixture = data.mixture.as_ref();
            let model = draft_model(&recipe, data.train.shape(), mixture).unwrap();
            let mut trainer = Trainer::new(recipe, Arc::clone(&data.train), 1, 3, 1).unwrap();
            (0..3).for_each(|_| _ = trainer.advance().unwrap());
            let net = super::super::device_net(&mut trainer, mixture).unwrap();
            let options = quantize::QuantizeOptions { calibration: 32, comparison: 1, ..Default::default() };
            let exported = quantize::quantize(&net, &options).unwrap();
            let [draft, exported] = [&model, &exported.file].map(|file| {
                let file = AlignedModel::new(file);
                let model = Model::from_bytes(file.bytes()).unwrap();
                (model.flash_bytes(), model.arena_len(), model.macs())
            });
            assert_eq!(draft, exported, "{name} {settings:?}: flash, RAM, multiply-accumulates");
        }
    }

    #[test]
    fn widths_are_reduced_as_little_as_a_limit_demands() {
        let recipe = small("faces-small", &[]);
        let fit = |bytes: usize| fit_widths(&recipe, &[16, 16, 3], None, &|m| m.flash_bytes() <= bytes).unwrap();
        let whole = draft_model(&recipe, &[16, 16, 3], None).unwrap().len();
        assert_eq!(fit(whole).recipe, recipe);
        let half = fit(whole / 2);
        assert!(half.fits && half.model.len() <= whole / 2 && half.model.len() > whole / 3, "{}", half.model.len());
        assert!(half.recipe.generator.largest_width() < recipe.generator.largest_width());
        assert_eq!(half.recipe.networks(&[16, 16, 3]).unwrap().1, recipe.networks(&[16, 16, 3]).unwrap().1);
        assert!(!fit(100).fits);
    }

    #[test]
    fn a_latent_that_no_device_takes_is_an_error_before_training() {
        for (name, shape) in [("faces-small", &[16, 16, 3][..]), ("ring", &[2])] {
            let recipe = small(name, &["generator.latent=257"]);
            let mixture = load_data(&recipe).unwrap().mixture;
            let error = draft_model(&recipe, shape, mixture.as_ref()).unwrap_err().to_string();
            assert!(error.contains("257") && error.contains("1 to 256"), "{error}");
        }
        let classes = small("digits-classes", &["generator.latent=250"]);
        assert!(draft_model(&classes, &[28, 28, 1], None).unwrap_err().to_string().contains("260"));
    }

    #[test]
    fn every_named_recipe_can_be_narrowed() {
        for (name, _) in NAMED {
            let generator = small(name, &[]).generator;
            let narrow = generator.narrowed(1);
            assert!(narrow.largest_width() <= 4, "{name}");
            assert_eq!(generator.narrowed(generator.largest_width()), generator, "{name}");
            let Some([width, height]) = small(name, &[]).data.size else { continue };
            let recipe = Recipe { generator: narrow, ..small(name, &[]) };
            assert!(draft_model(&recipe, &[height, width, 3], None).unwrap().len() < 60_000, "{name}");
        }
    }
}
