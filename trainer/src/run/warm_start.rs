//! Warm start: a new run begins with the weights of another one (transfer learning: Wang et al. 2018, "Transferring GANs").
use super::{Checkpoint, RunError, RunFolder};
use crate::nn::{Layer, Network, Tensor, TensorKey, TensorRole};
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
/// its weights and its power iteration. Optimizer state, step and schedule start anew. If a latent value chose the class in the other run and
/// the new one has no classes, both networks start with the mean class.
///
/// # Errors
/// If the networks differ: in the shape of the images, or in the shape or number of their weights.
pub fn warm_start(trainer: &mut Trainer, folder: &RunFolder, checkpoint: &Checkpoint) -> Result<StartedFrom, RunError> {
    let classless = without_classes(trainer, checkpoint);
    let differences = if classless.is_some() { Vec::new() } else { differences(trainer, checkpoint) };
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
        let values = match (&classless, from) {
            (Some([generator, _]), StateKey::Ema) => &generator[..],
            (Some([_, discriminator]), StateKey::Weights(_)) => &discriminator[..],
            _ => from.values(&checkpoint.store),
        };
        if let Some(state) = trainer.state_mut(to).filter(|state| state.len() == values.len()) {
            state.copy_from_slice(values);
        }
    }
    Ok(StartedFrom { run: folder.path().display().to_string(), step: checkpoint.step })
}

/// Returns the weights of both networks of a checkpoint with the mean class, if a latent value chooses the class there, and the trainer has
/// the same networks without classes.
fn without_classes(trainer: &Trainer, checkpoint: &Checkpoint) -> Option<[Vec<f32>; 2]> {
    let shares = checkpoint.recipe.class_shares();
    if shares.is_empty() || trainer.recipe().classes() > 0 || trainer.data().shape() != checkpoint.shape {
        return None;
    }
    let (generator, discriminator) = checkpoint.networks().ok()?;
    let total: f32 = shares.iter().sum();
    let shares: Vec<f32> = shares.iter().map(|share| share / total).collect();
    let generator = with_mean_class((&generator, checkpoint.ema().0), trainer.generator(), &shares)?;
    Some([generator, with_mean_class((&discriminator, checkpoint.discriminator()), trainer.discriminator(), &shares)?])
}

/// Returns weights for the network `to`, which is `from` without classes: the weights of classes are averaged in these `shares`.
fn with_mean_class((from, values): (&Network, &[f32]), to: &Network, shares: &[f32]) -> Option<Vec<f32>> {
    let mut all = vec![0.0; to.len()];
    let chooses = from.layers.iter().position(|layer| matches!(layer, Layer::ClassLatent { .. }));
    let mut add = |key: TensorKey, values: &[f32], factor: f32| -> Option<()> {
        let tensor = to.tensors.iter().find(|tensor| tensor.key == key)?;
        let sums = all[tensor.at..][..tensor.len()].iter_mut();
        sums.zip(values).for_each(|(sum, value)| *sum += factor * value);
        Some(())
    };
    for tensor in &from.tensors {
        let layer = tensor.key.layer - usize::from(chooses.is_some_and(|at| at < tensor.key.layer));
        let key = |role| TensorKey { layer, role };
        let found = to.tensors.iter().find(|other| other.key == key(tensor.key.role));
        let (values, width) = (&values[tensor.at..][..tensor.len()], tensor.dims.last().copied().unwrap_or(1));
        // Rows of classes after those that stay, and where their mean goes.
        let (rows, mean) = match found {
            None if tensor.key.role == TensorRole::Embedding => (0, TensorRole::Weight),
            Some(other) if other.dims == tensor.dims => (values.len() / width, TensorRole::Bias),
            // The last row of the new weights is that of the latent value, which means nothing yet.
            Some(other) if other.dims.len() == 2 && other.len() < tensor.len() => (other.dims[0] - 1, TensorRole::Bias),
            _ => return None,
        };
        let (kept, classes) = values.split_at(rows * width);
        if rows > 0 {
            add(key(tensor.key.role), kept, 1.0)?;
        }
        for (row, share) in classes.chunks_exact(width).zip(shares) {
            add(key(mean), row, *share)?;
        }
    }
    Some(all)
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

    fn trained(name: &str, settings: &[&str]) -> (RunFolder, Checkpoint) {
        let path = std::env::temp_dir().join(format!("ganlet-warm-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let trainer = trainer(settings);
        let folder = RunFolder::create(Path::new("runs"), Some(&path), trainer.recipe()).unwrap();
        let mut run = Run::new(trainer, folder).unwrap();
        run.train(&|| false, &mut |_| {}).unwrap();
        let checkpoint = run.checkpoint();
        (run.folder, checkpoint)
    }

    #[test]
    fn a_run_starts_with_the_exported_generator_and_the_discriminator_of_another_one() {
        let (folder, checkpoint) = trained("same", &[]);
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
        let (folder, checkpoint) = trained("other", &[]);
        for (setting, expected) in [
            ("generator.latent=5", "generator: input [3] there, [5] here"),
            ("discriminator.hidden=[8, 8]", "discriminator: 3.weight [8, 1] there, 3.weight [8, 8] here"),
        ] {
            let error = warm_start(&mut trainer(&[setting]), &folder, &checkpoint).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("to do: omit the recipe"), "{error}");
        }
        std::fs::remove_dir_all(folder.path()).unwrap();
    }

    #[test]
    fn networks_without_classes_start_with_the_mean_class() {
        let shares = ["data.classes=8", "data.class_shares=[1, 1, 1, 1, 1, 1, 1, 1]"];
        let (folder, checkpoint) = trained("classes", &shares);
        let mut new = trainer(&[]);
        warm_start(&mut new, &folder, &checkpoint).unwrap();
        let (generator, discriminator) = checkpoint.networks().unwrap();
        let of = |network: &Network, values: &[f32], layer: usize, role: TensorRole| {
            let tensor = network.tensors.iter().find(|t| t.key == TensorKey { layer, role }).unwrap();
            values[tensor.at..][..tensor.len()].to_vec()
        };
        // Two latent values and eight classes there, three latent values here.
        let old = |role| of(&generator, checkpoint.ema().0, 1, role);
        let now = |role| of(new.generator(), StateKey::Ema.values(new.store()), 0, role);
        let (rows, biases) = (old(TensorRole::Weight), old(TensorRole::Bias));
        assert_eq!(now(TensorRole::Weight), [&rows[..16], &[0.0; 8]].concat());
        for (output, bias) in now(TensorRole::Bias).into_iter().enumerate() {
            let mean = (2..10).map(|row| rows[row * 8 + output]).sum::<f32>() / 8.0;
            assert!((bias - biases[output] - mean).abs() < 1e-5);
        }
        let score = new.discriminator().layers.len() - 1;
        let old = |role| of(&discriminator, checkpoint.discriminator(), score, role);
        let embeddings = old(TensorRole::Embedding);
        let weights = of(
            new.discriminator(),
            StateKey::Weights(Player::Discriminator).values(new.store()),
            score,
            TensorRole::Weight,
        );
        for (i, (now, old)) in weights.iter().zip(old(TensorRole::Weight)).enumerate() {
            let mean = (0..8).map(|class| embeddings[class * 8 + i]).sum::<f32>() / 8.0;
            assert!((now - old - mean).abs() < 1e-5);
        }
        std::fs::remove_dir_all(folder.path()).unwrap();
    }
}
