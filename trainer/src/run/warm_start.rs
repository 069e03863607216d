//! Warm start: a new run begins with the weights of another one (transfer learning: Wang et al. 2018, "Transferring GANs").
use super::{Checkpoint, RunError, RunFolder};
use crate::nn::{Network, Tensor};
use crate::text::counted;
use crate::train::{Player, StateKey, Trainer};
use serde::{Deserialize, Serialize};

/// The checkpoint that a run started from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedFrom {
    /// Folder of the other run, as it was named.
    pub run: String,
    /// Step of its checkpoint.
    pub step: u64,
}

/// Gives a trainer, before its first step, the weights of `checkpoint`, a checkpoint of the run in `folder`.
///
/// The generator and its EMA start as the EMA of the other run, which is what that run exports. The discriminator keeps
/// its weights and its power iteration. Optimizer state, step and schedule start anew.
///
/// # Errors
/// If the networks differ: in the shape of the images, or in the shape or number of their weights.
pub fn warm_start(trainer: &mut Trainer, folder: &RunFolder, checkpoint: &Checkpoint) -> Result<StartedFrom, RunError> {
    let differences = differences(trainer, checkpoint);
    if !differences.is_empty() {
        let list: String = differences.iter().map(|difference| format!("\n  {difference}")).collect();
        let remedy = match (&checkpoint.shape[..], trainer.data().shape()) {
            ([h, w, c], [_, _, found]) if c == found && checkpoint.shape != trainer.data().shape() => {
                format!("--set data.size={w}x{h}")
            }
            ([_, _, 1], [_, _, 3]) => "--set data.gray=true".to_owned(),
            _ => "omit the recipe and the settings of its networks, so that the new run takes those of this one"
                .to_owned(),
        };
        let problem = format!(
            "the new run cannot start from this one, because their networks differ:{list}\n  to do: {remedy}; or start without --from"
        );
        return Err(RunError::new(folder.path(), problem));
    }
    let weights = StateKey::Weights;
    let copies = [
        (StateKey::Ema, weights(Player::Generator)),
        (StateKey::Ema, StateKey::Ema),
        (StateKey::BatchNorm, StateKey::BatchNorm),
        (weights(Player::Discriminator), weights(Player::Discriminator)),
        (StateKey::PowerIteration, StateKey::PowerIteration),
        (StateKey::Ema, StateKey::History(Player::Generator)),
        (weights(Player::Discriminator), StateKey::History(Player::Discriminator)),
        (StateKey::BeganK, StateKey::BeganK),
    ];
    for (from, to) in copies {
        let values = from.values(&checkpoint.store);
        if let Some(state) = trainer.state_mut(to).filter(|state| state.len() == values.len()) {
            state.copy_from_slice(values);
        }
    }
    Ok(StartedFrom { run: folder.path().display().to_string(), step: checkpoint.step })
}

/// Describes how the networks of the trainer differ from those of the checkpoint.
fn differences(trainer: &Trainer, checkpoint: &Checkpoint) -> Vec<String> {
    let shape = trainer.data().shape();
    let size = |shape: &[usize]| match shape {
        [h, w, c] => format!("{w}x{h} with {}", counted(*c, "channel", "channels")),
        _ => counted(shape.iter().product(), "number", "numbers"),
    };
    if shape != checkpoint.shape {
        return vec![format!("examples: {} there, {} here", size(&checkpoint.shape), size(shape))];
    }
    let Ok((generator, discriminator)) = checkpoint.networks() else {
        return vec!["its networks cannot be built".to_owned()];
    };
    let pairs = [(trainer.generator(), generator), (trainer.discriminator(), discriminator)];
    pairs.iter().filter_map(|(here, there)| difference(here, there)).collect()
}

/// Describes the first difference between two networks of one role.
fn difference(here: &Network, there: &Network) -> Option<String> {
    let [a, b] = [there, here].map(|network| [&network.tensors[..], &network.statistics, &network.vectors].concat());
    let shown = |tensor: Option<&Tensor>| tensor.map_or("nothing".to_owned(), |t| format!("{} {:?}", t.key, t.dims));
    let same = |a: &Tensor, b: &Tensor| a.key == b.key && a.dims == b.dims;
    let at = (0..a.len().max(b.len())).find(|&i| !matches!((a.get(i), b.get(i)), (Some(a), Some(b)) if same(a, b)))?;
    let inputs = (there.input != here.input).then(|| format!("input {:?} there, {:?} here; ", there.input, here.input));
    Some(format!("{}: {}{} there, {} here", here.name, inputs.unwrap_or_default(), shown(a.get(at)), shown(b.get(at))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;
    use crate::run::{Run, load_data};
    use std::path::Path;

    fn trainer(settings: &[&str]) -> Trainer {
        let settings: Vec<_> = ["train.batch_size=8", "generator.hidden=[8]", "discriminator.hidden=[8]"]
            .iter()
            .chain(settings)
            .map(|s| (*s).to_owned())
            .collect();
        let recipe = Recipe::open("ring", &settings).unwrap();
        let data = load_data(&recipe).unwrap();
        Trainer::new(recipe, data.train, 1, 4, 1).unwrap()
    }

    fn trained(name: &str) -> (RunFolder, Checkpoint) {
        let path = std::env::temp_dir().join(format!("ganlet-warm-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let trainer = trainer(&[]);
        let folder = RunFolder::create(Path::new("runs"), Some(&path), trainer.recipe()).unwrap();
        let mut run = Run::new(trainer, folder).unwrap();
        run.train(&|| false, &mut |_| {}).unwrap();
        let checkpoint = run.checkpoint();
        (run.folder, checkpoint)
    }

    #[test]
    fn a_run_starts_with_the_exported_generator_and_the_discriminator_of_another_one() {
        let (folder, checkpoint) = trained("same");
        let mut new = trainer(&["optimizer.learning_rate=1e-4", "objective.regularizer.gamma=3.0"]);
        let from = warm_start(&mut new, &folder, &checkpoint).unwrap();
        assert_eq!((from.step, new.step()), (4, 0));
        let ema = StateKey::Ema.values(&checkpoint.store);
        assert_eq!(StateKey::Ema.values(new.store()), ema);
        assert_eq!(StateKey::Weights(Player::Generator).values(new.store()), ema);
        assert_eq!(StateKey::Weights(Player::Discriminator).values(new.store()), checkpoint.discriminator());
        assert_ne!(ema, StateKey::Weights(Player::Generator).values(&checkpoint.store));
        std::fs::remove_dir_all(folder.path()).unwrap();
    }

    #[test]
    fn other_networks_are_refused_with_the_first_difference() {
        let (folder, checkpoint) = trained("other");
        for (setting, expected) in [
            ("generator.latent=5", "generator: input [3] there, [5] here"),
            ("discriminator.hidden=[8, 8]", "discriminator: 3.weight [8, 1] there, 3.weight [8, 8] here"),
        ] {
            let error = warm_start(&mut trainer(&[setting]), &folder, &checkpoint).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("to do: omit the recipe"), "{error}");
        }
        std::fs::remove_dir_all(folder.path()).unwrap();
    }
}
