//! `bench learn`: trains a published example to its end, and measures its time and what it learned.

use super::examples::{Example, ExampleTrainer, Examples, Learned};
use super::peers::Peers;
use crate::console;
use crate::failure::Failure;
use crate::table::Table;
use clap::Args as ClapArgs;
use cpu_time::ProcessTime;
use ganlet_trainer::data::{self, AnyDataset, BuiltinDataset, Dataset, ImageDataset, ReadOptions};
use ganlet_trainer::philox::Key;
use std::path::Path;
use std::time::Instant;

/// Seeds of the matrices for training and for the test.
const MATRICES: [u64; 2] = [1, 2];
/// Stream of the random order of examples.
const ORDER: u32 = 101;

/// Train a published example of SimpleChains.jl to its end, and measure its time and what it learned
///
/// lenet5 learns digits in ten epochs, with batches of 576. tinymlp learns the exponential of 2x2 matrices in 10,000 epochs of one
/// batch. Batches continue over the end of an epoch, so that all have the same size.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask bench learn lenet5
  cargo xtask bench learn lenet5 --data train-images-idx3-ubyte.gz --test t10k-images-idx3-ubyte.gz
  cargo xtask bench learn tinymlp --peer python3      next to PyTorch")]
pub(crate) struct Args {
    /// The example
    #[arg(value_enum)]
    example: Example,
    /// Images of digits that lenet5 learns; their labels lie beside them [default: digits]
    #[arg(long, value_name = "PATH")]
    data: Option<String>,
    /// Images of digits that test lenet5 [default: a part of --data that is held out]
    #[arg(long, value_name = "PATH")]
    test: Option<String>,
    /// Number of epochs [default: 10 of lenet5, 10000 of tinymlp]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    epochs: Option<u32>,
    /// Number of threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// A Python interpreter with PyTorch, to train the same network on the same data there
    #[arg(long, value_name = "PYTHON")]
    peer: Option<String>,
    /// Print JSON to standard output, and nothing else
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let example = args.example;
    let peers = args.peer.as_deref().map(Peers::find).transpose()?;
    peers.as_ref().map_or(Ok(()), Peers::require_torch)?;
    if example == Example::TinyMlp && (args.data.is_some() || args.test.is_some()) {
        return Err(Failure::unusable(
            "--data and --test are for lenet5: tinymlp learns matrices that it draws itself; omit them",
        ));
    }
    let data = args.data.as_deref().unwrap_or("digits");
    let [train, test] = match example {
        Example::LeNet5 => digits(data, args.test.as_deref())?,
        Example::TinyMlp => MATRICES.map(|seed| example.synthetic(example.batch(), seed)),
    };
    let count = |examples: &Examples| examples.inputs.len() / example.lens().0;
    let epochs = args.epochs.unwrap_or(if example == Example::LeNet5 { 10 } else { 10_000 });
    if count(&train) < example.batch() {
        return Err(Failure::unusable(format!(
            "--data {data}: expected at least {} training images, which fill a batch, found {}",
            example.batch(),
            count(&train)
        )));
    }
    console::note(&format!(
        "{} examples, {} for the test, {epochs} epoch{}",
        count(&train),
        count(&test),
        if epochs == 1 { "" } else { "s" }
    ));
    let mut rows = vec![learn(example, &train, &test, epochs, usize::from(args.threads))?];
    if let Some(peers) = peers {
        let folder = tempfile::tempdir()?;
        for (part, examples) in [("train", &train), ("test", &test)] {
            write(&folder.path().join(part).with_extension("inputs"), &examples.inputs)?;
            write(&folder.path().join(part).with_extension("targets"), &examples.targets)?;
        }
        rows.push(Learned {
            by: "PyTorch".into(),
            ..peers.learn(example, folder.path(), epochs, args.threads.into())?
        });
    }
    if args.json {
        return console::print(&format!("{:#}\n", serde_json::json!({ "example": example.name(), "rows": rows })));
    }
    let measure = if example == Example::LeNet5 { ">test accuracy" } else { ">test error" };
    let mut table = Table::new(&["by", ">wall s", ">CPU s", measure]);
    for row in rows {
        let measure = match example {
            Example::LeNet5 => format!("{:.2} %", 100.0 * row.measure),
            Example::TinyMlp => format!("{:.4}", row.measure),
        };
        table.row([row.by, format!("{:.2}", row.wall_s), format!("{:.2}", row.cpu_s), measure]);
    }
    console::print(&table.lines())
}

/// The digits to learn and to test.
fn digits(data: &str, test: Option<&str>) -> Result<[Examples; 2], Failure> {
    let (train, held_out) = match test {
        Some(test) => (images(data)?, images(test)?),
        None => images(data)?.default_split()?,
    };
    Ok([examples(&train, data)?, examples(&held_out, test.unwrap_or(data))?])
}

/// Gray images of 28x28 pixels.
fn images(source: &str) -> Result<ImageDataset, Failure> {
    let images = match BuiltinDataset::from_name(source).map(BuiltinDataset::open).transpose()? {
        Some(AnyDataset::Images(images)) => images,
        Some(AnyDataset::Mixture(_)) => return Err(Failure::unusable(format!("{source}: expected images of digits"))),
        None => data::open(source, &ReadOptions { size: Some((28, 28)), ..ReadOptions::default() })?.images,
    };
    if images.shape() == [28, 28, 1] {
        return Ok(images);
    }
    let [height, width, channels] = [0, 1, 2].map(|axis| images.shape()[axis]);
    Err(Failure::unusable(format!(
        "{source}: expected gray images of 28x28, found {width}x{height} with {channels} channels; name images of digits, or omit the option"
    )))
}

fn examples(images: &ImageDataset, source: &str) -> Result<Examples, Failure> {
    let (size, classes) = Example::LeNet5.lens();
    let mut examples = Examples { inputs: Vec::new(), targets: vec![0.0; images.count() * classes] };
    examples.inputs.reserve(images.count() * size);
    for (i, target) in examples.targets.chunks_exact_mut(classes).enumerate() {
        examples.inputs.extend(images.bytes(i).iter().map(|&byte| f32::from(byte) / 255.0));
        let class = images.label(i).map(usize::from).filter(|&class| class < classes);
        let class = class.ok_or_else(|| {
            Failure::unusable(format!(
                "{source}: expected images of ten classes, found {}; name digits with their labels",
                if images.label(i).is_some() { "more" } else { "no labels" }
            ))
        })?;
        target[class] = 1.0;
    }
    Ok(examples)
}

/// Trains on `train`, and measures `test`.
fn learn(example: Example, train: &Examples, test: &Examples, epochs: u32, threads: usize) -> Result<Learned, Failure> {
    let (batch, (input, output)) = (example.batch(), example.lens());
    let mut trainer = ExampleTrainer::new(example, batch, threads);
    let (mut inputs, mut targets) = (vec![0.0; batch * input], vec![0.0; batch * output]);
    let (start, started) = (Instant::now(), ProcessTime::now());
    let mut filled = 0;
    for epoch in 0..epochs {
        for index in shuffled(train.inputs.len() / input, epoch) {
            inputs[filled * input..][..input].copy_from_slice(&train.inputs[index * input..][..input]);
            targets[filled * output..][..output].copy_from_slice(&train.targets[index * output..][..output]);
            filled += 1;
            if filled == batch {
                trainer.update(&inputs, &targets)?;
                filled = 0;
            }
        }
    }
    let (wall_s, cpu_s) = (start.elapsed().as_secs_f64(), started.elapsed().as_secs_f64());
    Ok(Learned { by: "ganlet".into(), wall_s, cpu_s, measure: measure(example, &mut trainer, test) })
}

/// The indices below `count` in a random order.
fn shuffled(count: usize, epoch: u32) -> Vec<usize> {
    let key = Key { seed: 1, stream: ORDER, step: epoch.into() };
    let mut order: Vec<usize> = (0..count).collect();
    for i in (1..count).rev() {
        order.swap(i, key.below(i as u32, i + 1));
    }
    order
}

/// Share of test images whose class is right, or the mean squared error of the outputs.
fn measure(example: Example, trainer: &mut ExampleTrainer, test: &Examples) -> f64 {
    let (batch, (input, output)) = (example.batch(), example.lens());
    let (mut inputs, mut sum) = (vec![0.0; batch * input], 0.0);
    for (seen, targets) in test.inputs.chunks(batch * input).zip(test.targets.chunks(batch * output)) {
        inputs[..seen.len()].copy_from_slice(seen);
        for (scores, target) in trainer.scores(&inputs).chunks_exact(output).zip(targets.chunks_exact(output)) {
            sum += match example {
                Example::LeNet5 => f64::from(u8::from(largest(scores) == largest(target))),
                Example::TinyMlp => scores.iter().zip(target).map(|(s, t)| f64::from(s - t).powi(2)).sum(),
            };
        }
    }
    sum / if example == Example::LeNet5 { test.targets.len() / output } else { test.targets.len() } as f64
}

/// Index of the largest number.
fn largest(numbers: &[f32]) -> Option<usize> {
    (0..numbers.len()).max_by(|&a, &b| numbers[a].total_cmp(&numbers[b]))
}

fn write(path: &Path, numbers: &[f32]) -> Result<(), Failure> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(path, bytes).map_err(|e| Failure::file(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenet5_learns_the_built_in_digits() {
        let [train, test] = digits("digits", None).unwrap();
        let learned = learn(Example::LeNet5, &train, &test, 3, 1).unwrap();
        assert!(learned.measure > 0.7, "accuracy {}", learned.measure);
    }

    #[test]
    fn the_small_network_learns_the_exponential_of_matrices() {
        let [train, test] = MATRICES.map(|seed| Example::TinyMlp.synthetic(10_000, seed));
        let error = |epochs| learn(Example::TinyMlp, &train, &test, epochs, 1).unwrap().measure;
        let (first, later) = (error(1), error(400));
        assert!(later < 0.5 * first, "error {first} after one epoch, {later} after 400");
    }

    #[test]
    fn an_epoch_shows_every_example_once() {
        let (mut first, second) = (shuffled(100, 0), shuffled(100, 1));
        assert_ne!(first, second);
        first.sort_unstable();
        assert_eq!(first, (0..100).collect::<Vec<_>>());
    }
}
