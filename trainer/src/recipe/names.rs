//! Suggestions for unknown names: keys and methods with a similar spelling, and keys that other tools call by that name.
use super::keys::keys;

/// Largest number of suggestions.
const SUGGESTIONS: usize = 3;

/// Keys under the names that other tools and papers use.
const SYNONYMS: [(&str, &str); 44] = [
    ("lr", "optimizer.learning_rate"),
    ("learning_rate", "optimizer.learning_rate"),
    ("rate", "optimizer.learning_rate"),
    ("step_size", "optimizer.learning_rate"),
    ("lr_d", "optimizer.learning_rate"),
    ("lr_g", "optimizer.generator_learning_rate"),
    ("g_lr", "optimizer.generator_learning_rate"),
    ("generator_lr", "optimizer.generator_learning_rate"),
    ("beta", "optimizer.beta1"),
    ("betas", "optimizer.beta1"),
    ("b1", "optimizer.beta1"),
    ("beta_1", "optimizer.beta1"),
    ("b2", "optimizer.beta2"),
    ("beta_2", "optimizer.beta2"),
    ("eps", "optimizer.epsilon"),
    ("epochs", "train.steps"),
    ("num_epochs", "train.steps"),
    ("iterations", "train.steps"),
    ("iters", "train.steps"),
    ("kimg", "train.steps"),
    ("batch_size", "train.batch_size"),
    ("batch", "train.batch_size"),
    ("ema_decay", "train.ema"),
    ("ema_beta", "train.ema"),
    // Papers on Wasserstein GANs call the discriminator a critic.
    ("n_critic", "train.discriminator_steps"),
    ("critic_iters", "train.discriminator_steps"),
    ("d_steps", "train.discriminator_steps"),
    ("g_steps", "train.generator_steps"),
    ("checkpoint_every", "train.save_every"),
    ("latent_dim", "generator.latent"),
    ("z_dim", "generator.latent"),
    ("nz", "generator.latent"),
    ("dataset", "data.source"),
    ("image_size", "data.size"),
    ("img_size", "data.size"),
    ("resolution", "data.size"),
    ("num_classes", "data.classes"),
    ("n_classes", "data.classes"),
    ("gp_weight", "objective.regularizer.lambda"),
    ("lambda_gp", "objective.regularizer.lambda"),
    ("r1_gamma", "objective.regularizer.gamma"),
    ("label_smoothing", "technique.label_real"),
    ("instance_noise", "technique.noise"),
    ("spectral_normalization", "technique.spectral_norm"),
];

/// The keys most similar to `key`: by synonym, by spelling, or by name in another table. At least one.
pub(super) fn similar_keys(key: &str) -> Vec<&'static str> {
    let last = |k: &str| k.rsplit('.').next().unwrap_or(k).to_owned();
    let typed = last(key);
    if let Some((_, meant)) = SYNONYMS.iter().find(|s| s.0 == typed) {
        return vec![meant];
    }
    let distance = |k: &str| {
        // The right name in the wrong table, or a prefix of a name, counts like one wrong letter.
        let begins = typed.len() > 1 && last(k).starts_with(&typed);
        let by_name = strsim::levenshtein(&last(k), &typed) + 1;
        strsim::levenshtein(k, key).min(by_name).min(if begins { 1 } else { usize::MAX })
    };
    nearest(keys().iter().map(|k| (distance(k), *k)).collect(), &typed)
}

/// The names most similar to `name`; at least one.
pub(super) fn similar(name: &str, names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    nearest(names.map(|n| (strsim::levenshtein(n, name), n)).collect(), name)
}

/// The nearest of all candidates, at least one, and no distant ones.
fn nearest(mut candidates: Vec<(usize, &'static str)>, typed: &str) -> Vec<&'static str> {
    candidates.sort();
    let limit = (typed.len() / 2).max(2);
    let count = candidates.iter().take(SUGGESTIONS).filter(|k| k.0 <= limit).count();
    candidates.into_iter().take(count.max(1)).map(|k| k.1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_keys_are_found_by_spelling_name_and_synonym() {
        assert_eq!(similar_keys("train.batchsize")[0], "train.batch_size");
        assert!(similar_keys("packing").contains(&"technique.packing"));
        assert!(similar_keys("train.spectral_norm").contains(&"technique.spectral_norm"));
        assert!(similar_keys("objective.reg").contains(&"objective.regularizer"));
        assert_eq!(similar_keys("train.unrelated_word").len(), 1);
        for (typed, key) in [("lr", "optimizer.learning_rate"), ("epochs", "train.steps"), ("beta", "optimizer.beta1")]
        {
            assert_eq!(similar_keys(typed), [key]);
            assert_eq!(similar_keys(&format!("train.{typed}")), [key]);
        }
    }

    #[test]
    fn synonyms_name_keys() {
        for (_, key) in SYNONYMS {
            assert!(keys().contains(&key), "{key}");
        }
    }
}
