//! Trains the classifiers that serve as feature networks for Fréchet distances and other comparisons of images.
use super::extract::{Extractor, scale};
use super::network::{FEATURES, FeatureNetwork, encode, layers};
use crate::data::{Dataset, ImageDataset};
use crate::exec::cpu::Cpu;
use crate::exec::{Program, Store};
use crate::graph::{Distribution, Graph, NodeId, Shape, Unary};
use crate::nn::{Mode, Network};
use crate::optim::{Optimizer, Schedule};
use crate::philox::Key;
use crate::step::{Input, Output, Progress, Step, StepGraph, Trainable};

const BATCH: usize = 64;
const ADAM: Optimizer = Optimizer::adam(2e-3, 0.9, 0.99);
const SCHEDULE: Schedule = Schedule::Cosine { to: 0.01 };
/// Weight decay, added to the gradient as a multiple of the weights.
const WEIGHT_DECAY: f32 = 3e-4;
/// Dropout rate of the features (Srivastava et al. 2014).
const DROPOUT: f32 = 0.3;

/// Augmentation of the training images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Augmentation {
    /// No augmentation.
    None,
    /// Mirrors an image with probability 0.5.
    Mirror,
    /// Rotates, scales and shifts an image at random, as handwriting varies.
    Jitter {
        /// Largest rotation in either direction, in radians.
        rotation: f32,
        /// Largest relative change of size.
        scale: f32,
        /// Largest shift along each axis, in pixels.
        shift: f32,
    },
}

/// Hyperparameters of a classifier's training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassifierOptions {
    /// Seed of initial weights, order of images and augmentation.
    pub seed: u64,
    /// Optimizer steps, each on a batch of 64 images.
    pub steps: u64,
    /// Augmentation.
    pub augmentation: Augmentation,
}

/// A trained classifier and its accuracy.
#[derive(Clone, Debug)]
pub struct TrainedClassifier {
    /// Weights as safetensors, bf16.
    pub file: Vec<u8>,
    /// CRC-32 of the file.
    pub hash: String,
    /// Accuracy of the classifier in the file on the training images.
    pub train_accuracy: f64,
    /// Accuracy on the held-out images.
    pub held_out_accuracy: f64,
}

/// Trains a classifier on `train`. Equal arguments give equal weights. `progress` receives the step and its loss.
///
/// # Errors
/// If the images have fewer than two classes, or training diverges.
pub fn train_classifier(
    train: &ImageDataset,
    held_out: &ImageDataset,
    options: ClassifierOptions,
    mut progress: impl FnMut(u64, f32),
) -> Result<TrainedClassifier, String> {
    let classes = train.label_names().len();
    if classes < 2 {
        return Err(format!("{}: a classifier needs images of at least two classes, found {classes}", train.name()));
    }
    let shape = [train.height(), train.width(), train.channels()];
    let network = layers(shape, FEATURES, classes);
    let mut store = Store::default();
    let trainable = Trainable::new(&mut store, "features", network.initial_weights(options.seed, 0), &ADAM);
    let mut programs = Vec::new();
    let classifier = ClassifierStep::plan(&network, classes, &trainable, &mut programs);
    let mut cpu = Cpu::new(0);
    cpu.load(programs, store);
    let size: usize = shape.iter().product();
    let (mut images, mut targets) = (vec![0.0; BATCH * size], vec![0.0; BATCH * classes]);
    let mut plain = vec![0.0; size];
    for step in 0..options.steps {
        let key = Key { seed: options.seed, stream: 1, step };
        targets.fill(0.0);
        for (i, image) in images.chunks_exact_mut(size).enumerate() {
            let index = key.below(i as u32, train.count());
            targets[i * classes + usize::from(train.label(index).unwrap_or(0))] = 1.0;
            scale(train.bytes(index), &mut plain);
            augment(&plain, shape, options.augmentation, Key { stream: 2 + i as u32, ..key }, image);
        }
        let ClassifierStep { step: planned, loss, .. } = classifier;
        let mut values = planned.program.values();
        values.set(classifier.images, &images).set(classifier.targets, &targets);
        planned.run(&mut cpu, values, Progress::of(options.seed, step, options.steps)).map_err(|e| e.to_string())?;
        progress(step + 1, planned.program.scalar(&cpu, loss));
    }
    let file = encode(&network, cpu.store().values(trainable.weights))?;
    let learned = FeatureNetwork::trained(train.name(), shape, classes, &file)?;
    let mut extractor = Extractor::new(&learned, 0);
    let mut accuracy = |set: &ImageDataset| {
        let seen = extractor.extract(set.count(), |i| set.bytes(i), |_, _| {});
        let right = seen.classes.iter().enumerate().filter(|&(i, &class)| set.label(i) == Some(class)).count();
        right as f64 / set.count() as f64
    };
    let (train_accuracy, held_out_accuracy) = (accuracy(train), accuracy(held_out));
    Ok(TrainedClassifier { file, hash: learned.identity.hash, train_accuracy, held_out_accuracy })
}

/// The planned training step of a classifier.
#[derive(Clone, Copy)]
struct ClassifierStep {
    step: Step,
    images: Input,
    /// One-hot classes.
    targets: Input,
    loss: Output,
}

impl ClassifierStep {
    /// Plans cross-entropy with dropout before the last layer, and weight decay.
    fn plan(network: &Network, classes: usize, trainable: &Trainable, programs: &mut Vec<Program>) -> Self {
        let mut step = StepGraph::new("classifier step", ADAM, SCHEDULE);
        let dims: Vec<_> = std::iter::once(BATCH).chain(network.input.iter().copied()).collect();
        let images = step.program.input("images", &dims);
        let targets = step.program.input("targets", &[BATCH, classes]);
        let g = &mut step.program.graph;
        let bound = network.bind(g, trainable.weights);
        let body = Network { layers: network.layers[..network.layers.len() - 1].to_vec(), ..network.clone() };
        let features = body.trace(g, &bound, images.node(), Mode::Train).output();
        g.enter("dropout");
        let random = g.random(0, Distribution::Uniform, &[BATCH, FEATURES]);
        let kept = g.affine(random, 1.0, -DROPOUT);
        let scaled = g.affine(features, 1.0 / (1.0 - DROPOUT), 0.0);
        let zero = g.full(0.0, Shape::new(&[BATCH, FEATURES]));
        let shown = g.select(kept, scaled, zero);
        g.enter("scores");
        let [.., w, b] = bound.tensors[..] else { unreachable!("a classifier ends in a dense layer") };
        let product = g.matmul(shown, w);
        let scores = g.add(product, b);
        let loss = cross_entropy(g, scores, targets.node());
        let gradient = step.gradient(loss, &bound);
        let g = &mut step.program.graph;
        let decay = g.affine(bound.flat, WEIGHT_DECAY, 0.0);
        let gradient = g.add(gradient.flat, decay);
        step.update(trainable, bound.flat, gradient);
        let loss = step.program.output(loss);
        Self { step: step.plan(programs, false), images, targets, loss }
    }
}

/// Mean cross-entropy of the softmax of `scores` [batch, classes] and one-hot `targets`: log Σ exp(score - score of the target class).
pub fn cross_entropy(g: &mut Graph, scores: NodeId, targets: NodeId) -> NodeId {
    let column = Shape::new(&[g.shape(scores).dims()[0], 1]);
    let chosen = g.mul(scores, targets);
    let chosen = g.sum_to(chosen, column);
    let lead = g.sub(scores, chosen);
    let exp = g.unary(Unary::Exp, lead);
    let sum = g.sum_to(exp, column);
    let log = g.unary(Unary::Log, sum);
    g.mean(log)
}

/// Writes an augmented copy of `image` to `out`, with bilinear interpolation and black beyond the border.
fn augment(image: &[f32], [h, w, c]: [usize; 3], augmentation: Augmentation, key: Key, out: &mut [f32]) {
    let (rotation, scale, shift) = match augmentation {
        Augmentation::Jitter { rotation, scale, shift } => (rotation, scale, shift),
        Augmentation::Mirror if key.below(0, 2) == 1 => {
            for (i, pixel) in out.chunks_exact_mut(c).enumerate() {
                let from = (i / w * w + w - 1 - i % w) * c;
                pixel.copy_from_slice(&image[from..][..c]);
            }
            return;
        }
        Augmentation::None | Augmentation::Mirror => return out.copy_from_slice(image),
    };
    let mut random = [0.0; 4];
    key.uniform(&mut random);
    let [a, s, dx, dy] = random.map(|v| 2.0 * v - 1.0);
    let (sin, cos) = (rotation * a).sin_cos();
    let zoom = 1.0 + scale * s;
    let middle = ((w - 1) as f32 / 2.0, (h - 1) as f32 / 2.0);
    let at = |x: i64, y: i64, k: usize| {
        let inside = (0..w as i64).contains(&x) && (0..h as i64).contains(&y);
        if inside { image[(y as usize * w + x as usize) * c + k] } else { -1.0 }
    };
    for (i, pixel) in out.chunks_exact_mut(c).enumerate() {
        let (x, y) = ((i % w) as f32 - middle.0, (i / w) as f32 - middle.1);
        let from_x = (cos * x - sin * y) / zoom + middle.0 + shift * dx;
        let from_y = (sin * x + cos * y) / zoom + middle.1 + shift * dy;
        let (x0, y0) = (from_x.floor(), from_y.floor());
        let (fx, fy) = (from_x - x0, from_y - y0);
        let (x0, y0) = (x0 as i64, y0 as i64);
        for (k, v) in pixel.iter_mut().enumerate() {
            let top = at(x0, y0, k) * (1.0 - fx) + at(x0 + 1, y0, k) * fx;
            let low = at(x0, y0 + 1, k) * (1.0 - fx) + at(x0 + 1, y0 + 1, k) * fx;
            *v = top * (1.0 - fy) + low * fy;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::blobs;
    use crate::exec::Clock;

    #[test]
    fn a_classifier_of_colored_discs_is_learned_and_the_same_twice() {
        let (train, held_out) = blobs(8, 8, 3, 600, 1).split(400, 200).unwrap();
        let options = ClassifierOptions { seed: 3, steps: 60, augmentation: Augmentation::None };
        let (mut first, mut last) = (0.0, 0.0);
        let trained = train_classifier(&train, &held_out, options, |step, loss| {
            *(if step == 1 { &mut first } else { &mut last }) = loss
        });
        let trained = trained.unwrap();
        assert!(trained.held_out_accuracy > 0.98 && last < 0.2 * first, "{} {first} {last}", trained.held_out_accuracy);
        assert_eq!(train_classifier(&train, &held_out, options, |_, _| {}).unwrap().file, trained.file);
    }

    #[test]
    fn augmentation_mirrors_and_shifts_by_its_limits() {
        let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let augmented = |augmentation, step| {
            let mut out = [0.0; 6];
            augment(&image, [2, 3, 1], augmentation, Key { seed: 1, stream: 0, step }, &mut out);
            out
        };
        let mirrored: Vec<_> = (0..20).map(|step| augmented(Augmentation::Mirror, step)).collect();
        assert!(mirrored.contains(&image) && mirrored.contains(&[3.0, 2.0, 1.0, 6.0, 5.0, 4.0]));
        assert_eq!(augmented(Augmentation::Jitter { rotation: 0.0, scale: 0.0, shift: 0.0 }, 3), image);
        assert_ne!(augmented(Augmentation::Jitter { rotation: 0.0, scale: 0.0, shift: 1.0 }, 3), image);
    }

    #[test]
    fn images_without_classes_are_refused() {
        let gray = blobs(8, 8, 1, 20, 1);
        let options = ClassifierOptions { seed: 3, steps: 1, augmentation: Augmentation::None };
        assert!(train_classifier(&gray, &gray, options, |_, _| {}).unwrap_err().contains("two classes"));
    }

    #[test]
    fn cross_entropy_of_even_scores_is_the_log_of_the_classes() {
        let mut g = Graph::default();
        let scores = g.full(2.5, Shape::new(&[3, 7]));
        let targets = g.input("targets", &[3, 7]);
        let loss = cross_entropy(&mut g, scores, targets);
        let mut cpu = Cpu::new(1);
        cpu.load(vec![Program::new("loss", &g, &[loss])], Store::default());
        let one_hot: Vec<f32> = (0..21).map(|i| f32::from(u8::from(i % 7 == 2))).collect();
        cpu.run(0, &[&one_hot], Clock { seed: 0, step: 0 }).unwrap();
        assert!((cpu.output(0, 0)[0] - 7f32.ln()).abs() < 1e-5);
    }
}
