//! Suggestions for unknown names: keys and methods with a similar spelling, and keys that other tools call by that name.
use super::keys::keys;

/// Largest number of suggestions.
const SUGGESTIONS: usize = 3;

/// Keys under the names that other tools and papers use. A name with a dot is meant in that table only.
const SYNONYMS: [(&str, &str); 54] = [
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
    ("optimizer.type", "optimizer.kind"),
    ("optimizer.name", "optimizer.kind"),
    ("schedule.type", "schedule.kind"),
    ("regularizer.type", "objective.regularizer.kind"),
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
    ("generator.type", "generator.family"),
    ("discriminator.type", "discriminator.family"),
    ("dataset", "data.source"),
    ("data.name", "data.source"),
    ("data.path", "data.source"),
    ("data.folder", "data.source"),
    ("image_size", "data.size"),
    ("img_size", "data.size"),
    ("resolution", "data.size"),
    ("num_classes", "data.classes"),
    ("n_classes", "data.classes"),
    ("loss.type", "objective.loss"),
    ("gp_weight", "objective.regularizer.lambda"),
    ("lambda_gp", "objective.regularizer.lambda"),
    ("r1_gamma", "objective.regularizer.gamma"),
    ("label_smoothing", "technique.label_real"),
    ("instance_noise", "technique.noise"),
    ("spectral_normalization", "technique.spectral_norm"),
];

/// Names that are options of the command line and no keys, because a recipe does not depend on them.
const OPTIONS: [(&str, &str); 9] = [
    ("seed", "--seed"),
    ("random_seed", "--seed"),
    ("minutes", "--minutes"),
    ("threads", "--threads"),
    ("num_threads", "--threads"),
    ("workers", "--threads"),
    ("num_workers", "--threads"),
    ("out", "--out"),
    ("resume", "--resume"),
];

/// The message for an unknown key, with what was probably meant; `value` is what it was set to on the command line.
pub(super) fn unknown_key(key: &str, value: Option<&str>) -> String {
    let typed = last(key);
    if let Some((_, option)) = OPTIONS.iter().find(|o| strsim::osa_distance(o.0, typed) <= usize::from(typed.len() > 3))
    {
        let example = value.map_or_else(String::new, |v| format!(" {v}"));
        return format!("no key is called {key}, because recipes do not contain it: use the option {option}{example}");
    }
    format!("no key is called {key}; similar: {}", similar_keys(key).join(", "))
}

/// The part of a key after the last dot.
fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// The keys most similar to `key`: by synonym, by spelling, or by name in another table. At least one.
fn similar_keys(key: &str) -> Vec<&'static str> {
    let typed = last(key);
    if let Some((_, meant)) = SYNONYMS.iter().find(|s| s.0 == typed || s.0 == key) {
        return vec![meant];
    }
    // The distance counts one for each missing, additional, wrong or swapped letter.
    let apart = strsim::osa_distance;
    let by_synonym = |(name, _): &(&str, &str)| apart(name, if name.contains('.') { key } else { typed });
    let distance = |k: &str| {
        // The right name in the wrong table, or a prefix of a name, counts like one wrong letter.
        let begins = typed.len() > 1 && last(k).starts_with(typed);
        // As in loss.kind for objective.loss.
        let is_table = k.contains('.') && key.split('.').rev().skip(1).any(|part| part == last(k));
        let synonym = SYNONYMS.iter().filter(|s| s.1 == k && s.0.len() > 3).map(by_synonym).min();
        let by_name = apart(last(k), typed) + 1;
        let by_rule = if begins || is_table { 1 } else { usize::MAX };
        apart(k, key).min(by_name).min(by_rule).min(synonym.unwrap_or(usize::MAX))
    };
    nearest(keys().iter().map(|k| (distance(k), *k)).collect(), typed)
}

/// The names most similar to `name`; at least one.
pub(super) fn similar(name: &str, names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    nearest(names.map(|n| (strsim::osa_distance(n, name), n)).collect(), name)
}

/// The names that `name` may be a misspelling of, the most similar first.
pub(crate) fn names_like<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    near(names.map(|n| (strsim::osa_distance(n, name), n)).collect(), name).0
}

/// The nearest of all candidates, at least one, and no distant ones.
fn nearest(candidates: Vec<(usize, &'static str)>, typed: &str) -> Vec<&'static str> {
    let (near, others) = near(candidates, typed);
    if near.is_empty() { others.into_iter().take(1).collect() } else { near }
}

/// Divides the candidates into a few near ones, and the others; the nearest are first.
fn near<'n>(mut candidates: Vec<(usize, &'n str)>, typed: &str) -> (Vec<&'n str>, Vec<&'n str>) {
    candidates.sort();
    let limit = (typed.len() / 2).max(2);
    let count = candidates.iter().take(SUGGESTIONS).filter(|k| k.0 <= limit).count();
    let names: Vec<_> = candidates.into_iter().map(|k| k.1).collect();
    (names[..count].to_vec(), names[count..].to_vec())
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
        for (typed, expected) in [
            ("data.nmae", &["data.source", "name"][..]),
            ("train.bath", &["train.batch_size"]),
            ("loss.typ", &["objective.loss"]),
            ("optimizer.leraning_rate", &["optimizer.learning_rate"]),
            ("trian.steps", &["train.steps"]),
            ("generator.layent", &["generator.latent"]),
        ] {
            assert!(similar_keys(typed).starts_with(expected), "{typed}: {:?}", similar_keys(typed));
        }
        for (typed, key) in [("lr", "optimizer.learning_rate"), ("epochs", "train.steps"), ("beta", "optimizer.beta1")]
        {
            assert_eq!(similar_keys(typed), [key]);
            assert_eq!(similar_keys(&format!("train.{typed}")), [key]);
        }
    }

    #[test]
    fn names_of_options_lead_to_the_option() {
        assert!(unknown_key("seed", Some("3")).ends_with("use the option --seed 3"));
        assert!(unknown_key("train.sede", None).ends_with("use the option --seed"));
        assert!(unknown_key("train.threads", Some("2")).ends_with("use the option --threads 2"));
        assert!(unknown_key("bath", Some("2")).contains("similar: train.batch_size"));
        assert!(OPTIONS.iter().all(|(name, _)| !keys().iter().any(|k| last(k) == *name)));
    }

    #[test]
    fn synonyms_name_keys() {
        for (_, key) in SYNONYMS {
            assert!(keys().contains(&key), "{key}");
        }
    }
}
