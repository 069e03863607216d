//! Old names of renamed recipe keys, values and methods. Each is rejected with an error that gives the new name.

/// Parts of keys that were renamed wherever they occur.
const RENAMED_PARTS: [(&str, &str); 3] =
    [("critic", "discriminator"), ("optimiser", "optimizer"), ("regulariser", "regularizer")];

/// Keys that were renamed, after the changes of [`RENAMED_PARTS`].
const RENAMED_KEYS: [(&str, &str); 11] = [
    ("optimizer.rate", "optimizer.learning_rate"),
    ("optimizer.generator_rate", "optimizer.generator_learning_rate"),
    ("train.batch", "train.batch_size"),
    ("train.balance", "train.discriminator_margin"),
    ("train.critic_steps", "train.discriminator_steps"),
    ("generator.doubling", "generator.upsampling"),
    ("generator.code", "generator.binary_latents"),
    ("discriminator.octaves", "discriminator.fourier_features"),
    ("objective.diversity", "objective.began_gamma"),
    ("objective.gain", "objective.began_lambda"),
    ("technique.history", "technique.historical_averaging"),
];

/// Values that were renamed, by their key.
const RENAMED_VALUES: [(&str, &str, &str); 2] =
    [("technique.augment", "colour", "color"), ("technique.minibatch", "deviation", "stddev")];

/// Methods that were renamed.
const RENAMED_METHODS: [(&str, &str); 4] = [
    ("critic-five", "discriminator-five"),
    ("history", "historical-averaging"),
    ("discrimination", "minibatch-discrimination"),
    ("deviation", "minibatch-stddev"),
];

/// The new name of a renamed key.
pub(super) fn renamed_key(key: &str) -> Option<String> {
    let parts = key.split('.').map(|part| RENAMED_PARTS.iter().find(|r| r.0 == part).map_or(part, |r| r.1));
    let new = parts.collect::<Vec<_>>().join(".");
    let new = RENAMED_KEYS.iter().find(|r| r.0 == new).map_or(new, |r| r.1.to_owned());
    (new != key).then_some(new)
}

/// The new name of a renamed method.
pub(super) fn renamed_method(name: &str) -> Option<&'static str> {
    RENAMED_METHODS.iter().find(|r| r.0 == name).map(|r| r.1)
}

/// Rejects an old key or value with an error that gives the new name; `value` is written as in TOML.
pub(super) fn check_renamed(key: &str, value: &str) -> Result<(), String> {
    if let Some(new) = renamed_key(key) {
        return Err(format!("the key {key} was renamed: use {new}"));
    }
    let quoted = |name: &str| format!("\"{name}\"");
    let is_old = |r: &&(&str, &str, &str)| r.0 == key && (value == r.1 || value.contains(&quoted(r.1)));
    match RENAMED_VALUES.iter().find(is_old) {
        Some((_, old, new)) => Err(format!("{key}: the value \"{old}\" was renamed: use \"{new}\"")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{METHODS, Recipe, keys};

    #[test]
    fn new_names_exist_and_old_names_do_not() {
        for (old, new) in RENAMED_KEYS {
            assert!(keys().contains(&new) && !keys().contains(&old), "{old} {new}");
        }
        for (old, new) in RENAMED_METHODS {
            let exists = |name| METHODS.iter().any(|m| m.name == name);
            assert!(exists(new) && !exists(old), "{old} {new}");
        }
        assert_eq!(renamed_key("train.batch_size"), None);
    }

    #[test]
    fn renamed_keys_values_and_methods_are_refused_with_the_new_name() {
        for (setting, new) in [
            ("critic.octaves=3", "use discriminator.fourier_features"),
            ("critic.hidden=[8]", "use discriminator.hidden"),
            ("critic={family=\"mlp\", hidden=[8]}", "use discriminator"),
            ("optimiser.rate=0.1", "use optimizer.learning_rate"),
            ("optimizer.rate=0.1", "use optimizer.learning_rate"),
            ("optimiser.beta1=0.1", "use optimizer.beta1"),
            ("train.batch=8", "use train.batch_size"),
            ("train.balance=0.3", "use train.discriminator_margin"),
            ("train.critic_steps=2", "use train.discriminator_steps"),
            ("generator.doubling=nearest", "use generator.upsampling"),
            ("generator.code=1", "use generator.binary_latents"),
            ("objective.regulariser.gamma=1", "use objective.regularizer.gamma"),
            ("objective.diversity=0.5", "use objective.began_gamma"),
            ("objective.gain=0.5", "use objective.began_lambda"),
            ("technique.history=0.1", "use technique.historical_averaging"),
            ("technique.augment=[\"colour\"]", "use \"color\""),
            ("technique.augment=colour", "use \"color\""),
            ("technique.minibatch=deviation", "use \"stddev\""),
        ] {
            let message = Recipe::open("ring", &[setting.to_owned()]).expect_err(setting).to_string();
            assert!(message.contains("was renamed") && message.contains(new), "{setting}: {message}");
            // In a file, the key is inside its table.
            let (key, value) = setting.split_once('=').unwrap();
            let quoted =
                if value.starts_with(|c: char| c.is_alphabetic()) { format!("\"{value}\"") } else { value.into() };
            let (table, key) = key.rsplit_once('.').map_or((String::new(), key), |(t, key)| (format!("[{t}]\n"), key));
            let text = format!("name = \"old\"\n{table}{key} = {quoted}\n");
            let message = Recipe::parse("old.toml", &text, &[]).expect_err(setting).to_string();
            assert!(message.contains("was renamed") && message.contains(new), "{text}: {message}");
        }
        for (old, new) in [
            ("critic-five", "discriminator-five"),
            ("history", "historical-averaging"),
            ("discrimination", "minibatch-discrimination"),
            ("deviation", "minibatch-stddev"),
        ] {
            let message = Recipe::open(&format!("ring+{old}"), &[]).unwrap_err().to_string();
            assert!(message.contains(&format!("{old} was renamed: use {new}")), "{message}");
        }
    }
}
