//! Latents for wished-for pictures: gradient descent through the generator, from several starts (Creswell & Bharath 2016; Zhu et al. 2016, eq. 4).
use super::wish::ProjectionTarget;
use super::{END, ONE, numbers, of_seed, rounded};
use crate::data::to_bytes;
use crate::evaluate::FeatureNetwork;
use crate::exec::cpu::Cpu;
use crate::exec::{Clock, Program, Store};
use crate::graph::{Graph, NodeId, Shape, Unary};
use crate::metrics::psnr;
use crate::nn::{Mode, Network};

/// How steep an edge is wished to be: the squared difference of neighboring pixels, on a scale on which black to white is 4.
const STEEP: f32 = 1.0;
/// From this part of the steps on, latents are rounded before they are used: what counts is the picture that a device makes.
const ROUNDED_FROM: f32 = 0.6;
const ADAM: (f32, f32, f32) = (0.9, 0.99, 1e-8);

/// A generator whose latents are searched.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its layers.
    pub generator: &'a Network,
    /// Its weights.
    pub weights: &'a [f32],
    /// Its batch statistics, if it has any.
    pub statistics: &'a [f32],
    /// What black and white are in its pictures.
    pub range: [f32; 2],
    /// Numbers of a latent; behind them the generator takes a value for each class, if it has any.
    pub latent: usize,
}

/// How a search goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Searches, each from a start of its own.
    pub restarts: usize,
    /// Steps of each.
    pub steps: usize,
    /// Seeds that are looked at for the start of each; the best one is taken.
    pub seeds: usize,
    /// Length of a step at the start, in latent units; it falls to nothing along a cosine.
    pub rate: f32,
    /// How much the features of the whole picture count beside its pixels.
    pub features: f32,
    /// How much it counts to stay where the search started.
    pub stay: f32,
    /// The first seed that is looked at.
    pub seed: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { restarts: 8, steps: 400, seeds: 64, rate: 0.1, features: 0.1, stay: 0.0, seed: 1 }
    }
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The latent, as devices have it.
    pub latent: Vec<i8>,
    /// What was left of the wish, 0 being a perfect picture.
    pub loss: f32,
    /// The float network's picture of it.
    pub picture: Vec<u8>,
    /// How near its pixels come to the wished-for ones, in dB; counts those with a weight alone.
    pub psnr_db: f64,
    /// The loss after every step.
    pub curve: Vec<f32>,
}

/// Searches latents of a generator.
pub struct Projector {
    cpu: Cpu,
    batch: usize,
    latent: usize,
    inputs: usize,
    shape: [usize; 3],
    range: [f32; 2],
}

const LOSSES: usize = 0;
const GRADIENT: usize = 1;
const PICTURES: usize = 2;

impl Projector {
    /// Plans `restarts` searches side by side, on `threads` threads (0: one a core). Features are compared where `features` is given.
    ///
    /// # Panics
    /// When weights and layers do not belong together, or the generator makes no pictures.
    #[track_caller]
    pub fn new(subject: Subject<'_>, features: Option<&FeatureNetwork>, restarts: usize, threads: usize) -> Self {
        let Subject { generator, range, latent, .. } = subject;
        let shape: [usize; 3] = generator.output().try_into().expect("pictures have height, width and channels");
        let (batch, inputs) = (restarts.max(1), generator.input[0]);
        let mut store = Store::default();
        let weights = store.add("weights", subject.weights.to_vec());
        let mut g = Graph::default();
        let z = g.input("latents", &[batch, latent]);
        let start = g.input("starts", &[batch, latent]);
        let class = (inputs > latent).then(|| g.input("classes", &[batch, inputs - latent]));
        let target = g.input("target", &shape);
        let [weight, across, down] = ["weights of pixels", "edges across", "edges down"].map(|n| g.input(n, &shape));
        let [shares, stay] = ["share of features", "share of staying"].map(|n| g.input(n, &[1]));

        let bound = generator.bind(&mut g, weights);
        let statistics = if generator.statistics.is_empty() {
            None
        } else {
            let id = store.add("statistics", subject.statistics.to_vec());
            Some(g.param(id, &[subject.statistics.len()]))
        };
        let fed = class.map_or(z, |class| g.concat(&[z, class], 1));
        let made = generator.trace(&mut g, &bound, fed, Mode::Evaluate(statistics)).output();
        let width = range[1] - range[0];
        let shown = g.affine(made, 2.0 / width, -(range[0] + range[1]) / width);

        let off = g.sub(shown, target);
        let squares = g.square(off);
        let weighed = g.mul(squares, weight);
        let mut loss = per_picture(&mut g, weighed, batch);
        for (axis, wished) in [(2, across), (1, down)] {
            let missing = flatness(&mut g, shown, axis);
            let weighed = g.mul(missing, wished);
            let edges = per_picture(&mut g, weighed, batch);
            loss = g.add(loss, edges);
        }
        if let Some(network) = features {
            let weights = store.add("features", network.weights().to_vec());
            let apart = feature_distance(&mut g, network.network(), weights, shown, target);
            let counted = g.mul(apart, shares);
            loss = g.add(loss, counted);
        }
        let away = g.sub(z, start);
        let away = g.square(away);
        let away = g.sum_to(away, Shape::new(&[batch, 1]));
        let away = g.affine(away, 1.0 / latent as f32, 0.0);
        let counted = g.mul(away, stay);
        loss = g.add(loss, counted);
        let all = g.sum(loss);
        let gradient = g.grad(all, &[z])[0];
        let mut cpu = Cpu::new(threads);
        cpu.load(vec![Program::new("search", &g, &[loss, gradient, made])], store);
        Self { cpu, batch, latent, inputs, shape, range }
    }

    /// Searches latents for `wish`, of class `class` where there are classes; the best one first.
    ///
    /// All searches set out at the latent `from`, or each at the best of its own seeds. `progress` is told steps done and of how many, and the
    /// least loss so far; the search ends early when it gives `false`.
    ///
    /// # Panics
    /// When the wish is of another shape than the generator's pictures, or `from` of another length than its latents.
    #[track_caller]
    pub fn search(
        &mut self,
        wish: &ProjectionTarget,
        class: usize,
        from: Option<&[i8]>,
        options: &Options,
        progress: &mut dyn FnMut(usize, usize, f32) -> bool,
    ) -> Vec<Found> {
        assert_eq!(wish.shape, self.shape, "a wish of the generator's shape");
        assert!(from.is_none_or(|z| z.len() == self.latent), "a latent of the generator");
        let fixed = Fixed::new(self, wish, class, options);
        let starts = match from {
            Some(z) => numbers(z).repeat(self.batch),
            None => self.starts(&fixed, options),
        };
        self.descend(&fixed, wish, starts, options, progress)
    }

    fn descend(
        &mut self,
        fixed: &Fixed,
        wish: &ProjectionTarget,
        starts: Vec<f32>,
        options: &Options,
        progress: &mut dyn FnMut(usize, usize, f32) -> bool,
    ) -> Vec<Found> {
        let mut z = starts.clone();
        let (mut mean, mut square) = (vec![0.0; z.len()], vec![0.0; z.len()]);
        let mut best: Vec<Found> = Vec::new();
        let mut curves = vec![Vec::new(); self.batch];
        for step in 0..=options.steps {
            let rounding = step as f32 >= ROUNDED_FROM * options.steps as f32;
            let fed: Vec<f32> = if rounding { numbers(&rounded(&z)) } else { z.clone() };
            self.run(fixed, &fed, &starts);
            let losses = self.cpu.output(0, LOSSES).to_vec();
            curves.iter_mut().zip(&losses).for_each(|(curve, &loss)| curve.push(loss));
            if rounding {
                self.keep(&mut best, &fed, &losses, wish);
            }
            let t = step as f32 / options.steps.max(1) as f32;
            let rate = options.rate * 0.5 * (1.0 + (std::f32::consts::PI * t).cos());
            let gradient = self.cpu.output(0, GRADIENT);
            let corrections = [ADAM.0, ADAM.1].map(|b| 1.0 - b.powi(step as i32 + 1));
            for (((z, g), m), s) in z.iter_mut().zip(gradient).zip(&mut mean).zip(&mut square) {
                *m = ADAM.0 * *m + (1.0 - ADAM.0) * g;
                *s = ADAM.1 * *s + (1.0 - ADAM.1) * g * g;
                *z = (*z - rate * (*m / corrections[0]) / ((*s / corrections[1]).sqrt() + ADAM.2)).clamp(-END, END);
            }
            let least = losses.iter().copied().fold(f32::INFINITY, f32::min);
            if !progress(step, options.steps, least) && !best.is_empty() {
                break;
            }
        }
        best.iter_mut().zip(curves).for_each(|(found, curve)| found.curve = curve);
        best.sort_by(|a, b| a.loss.total_cmp(&b.loss));
        best
    }

    /// For each search the best of its seeds.
    fn starts(&mut self, fixed: &Fixed, options: &Options) -> Vec<f32> {
        let (mut starts, mut least) = (vec![0.0; self.batch * self.latent], vec![f32::INFINITY; self.batch]);
        for round in 0..options.seeds.max(1) {
            let seed = |i: usize| options.seed.wrapping_add((round * self.batch + i) as u32);
            let z: Vec<f32> = (0..self.batch).flat_map(|i| numbers(&of_seed(seed(i), self.latent))).collect();
            self.run(fixed, &z, &z);
            let losses = self.cpu.output(0, LOSSES);
            for (i, (z, start)) in z.chunks_exact(self.latent).zip(starts.chunks_exact_mut(self.latent)).enumerate() {
                if losses[i] < least[i] {
                    least[i] = losses[i];
                    start.copy_from_slice(z);
                }
            }
        }
        starts
    }

    fn run(&mut self, fixed: &Fixed, z: &[f32], starts: &[f32]) {
        let mut inputs: Vec<&[f32]> = vec![z, starts];
        if self.inputs > self.latent {
            inputs.push(&fixed.classes);
        }
        inputs.extend([&fixed.target[..], &fixed.weight, &fixed.across, &fixed.down, &fixed.features, &fixed.stay]);
        self.cpu.run(0, &inputs, Clock { seed: 0, step: 0 }).expect("a program without guards does not fail");
    }

    /// Keeps what is better than what each search had.
    fn keep(&self, best: &mut Vec<Found>, z: &[f32], losses: &[f32], wish: &ProjectionTarget) {
        let size: usize = self.shape.iter().product();
        let pictures = self.cpu.output(0, PICTURES).chunks_exact(size);
        for (i, ((z, &loss), values)) in z.chunks_exact(self.latent).zip(losses).zip(pictures).enumerate() {
            if best.get(i).is_some_and(|kept| kept.loss <= loss) {
                continue;
            }
            let picture = to_bytes(values, (self.range[0], self.range[1]));
            let psnr_db = wished_psnr(&picture, wish);
            let latent = z.iter().map(|v| (v * ONE).round() as i8).collect();
            let found = Found { latent, loss, picture, psnr_db, curve: Vec::new() };
            match best.get_mut(i) {
                Some(kept) => *kept = found,
                None => best.push(found),
            }
        }
    }
}

/// The inputs that stay the same from step to step.
struct Fixed {
    classes: Vec<f32>,
    target: Vec<f32>,
    weight: Vec<f32>,
    across: Vec<f32>,
    down: Vec<f32>,
    features: [f32; 1],
    stay: [f32; 1],
}

impl Fixed {
    fn new(projector: &Projector, wish: &ProjectionTarget, class: usize, options: &Options) -> Self {
        let [_, width, channels] = wish.shape;
        let count = projector.inputs - projector.latent;
        let row: Vec<f32> = (0..count).map(|c| f32::from(u8::from(c == class))).collect();
        let spread = |weights: &[f32], keep: &dyn Fn(usize) -> bool| {
            let sum: f32 = weights.iter().sum::<f32>() * channels as f32;
            let share = |i: usize| if keep(i) && sum > 0.0 { weights[i] / sum } else { 0.0 };
            (0..weights.len()).flat_map(|i| std::iter::repeat_n(share(i), channels)).collect::<Vec<f32>>()
        };
        let height = wish.shape[0];
        Self {
            classes: row.repeat(projector.batch),
            target: wish.target.clone(),
            weight: spread(&wish.weight, &|_| true),
            // The last column and row have no neighbor.
            across: spread(&wish.edges, &|i| i % width + 1 < width),
            down: spread(&wish.edges, &|i| i / width + 1 < height),
            // Features are those of a whole picture.
            features: [if wish.is_whole() { options.features } else { 0.0 }],
            stay: [options.stay],
        }
    }
}

/// The sum over each picture of a batch, [batch, 1].
fn per_picture(g: &mut Graph, x: NodeId, batch: usize) -> NodeId {
    let sum = g.sum_to(x, Shape::new(&[batch, 1, 1, 1]));
    g.reshape(sum, &[batch, 1])
}

/// How much each pixel lacks of an edge toward the next one along `axis`; the last ones toward nothing, which no one wishes for.
fn flatness(g: &mut Graph, x: NodeId, axis: usize) -> NodeId {
    let len = g.shape(x).dims()[axis];
    let (before, behind) = (g.slice(x, axis, 0, len - 1), g.slice(x, axis, 1, len - 1));
    let step = g.sub(behind, before);
    let steep = g.square(step);
    let steep = g.pad(steep, axis, 0, len);
    let missing = g.affine(steep, -1.0 / STEEP, 1.0);
    g.unary(Unary::Leaky(0.0), missing)
}

/// The mean squared difference between the features of `shown` and of the one picture `target`, by the mean square of the latter's; [batch, 1].
fn feature_distance(
    g: &mut Graph,
    network: &Network,
    weights: crate::graph::ParamId,
    shown: NodeId,
    target: NodeId,
) -> NodeId {
    let batch = g.shape(shown).dims()[0];
    let bound = network.bind(g, weights);
    // Of a classifier the features are what its scores are made of.
    let seen = |g: &mut Graph, x: NodeId| {
        let trace = network.trace(g, &bound, x, Mode::Evaluate(None));
        let scores = matches!(network.layers.last(), Some(crate::nn::Layer::Dense { .. }));
        trace.values[trace.values.len() - if scores { 2 } else { 1 }]
    };
    let dims: Vec<usize> = std::iter::once(1).chain(g.shape(target).dims().iter().copied()).collect();
    let one = g.reshape(target, &dims);
    let (ours, wanted) = (seen(g, shown), seen(g, one));
    let apart = g.sub(ours, wanted);
    let apart = g.square(apart);
    let apart = g.sum_to(apart, Shape::new(&[batch, 1]));
    let size = g.square(wanted);
    let size = g.sum_to(size, Shape::new(&[1, 1]));
    let size = g.affine(size, 1.0, 1e-6);
    g.div(apart, size)
}

/// PSNR of the pixels that are wished for, in dB; that of equal pictures where none is.
fn wished_psnr(picture: &[u8], wish: &ProjectionTarget) -> f64 {
    let channels = wish.shape[2];
    let bytes = to_bytes(&wish.target, (-1.0, 1.0));
    let counted = |bytes: &[u8]| -> Vec<u8> {
        let pixels = bytes.chunks_exact(channels).zip(&wish.weight).filter(|(_, w)| **w > 0.0);
        pixels.flat_map(|(pixel, _)| pixel.iter().copied()).collect()
    };
    let (ours, theirs) = (counted(picture), counted(&bytes));
    if ours.is_empty() { crate::metrics::PSNR_CAP } else { psnr(&ours, &theirs) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::blobs;
    use crate::nn::{Activation, Layer};

    fn generator() -> (Network, Vec<f32>) {
        let dense = |inputs, to: &[usize]| Layer::Dense { inputs, to: to.to_vec() };
        let layers = vec![
            dense(6, &[32]),
            Layer::Activation(Activation::Leaky(0.2)),
            dense(32, &[8, 8, 1]),
            Layer::Activation(Activation::Tanh),
        ];
        let net = Network::new("generator", &[6], layers);
        let weights = net.start(5, 1);
        (net, weights)
    }

    fn subject<'a>(net: &'a Network, weights: &'a [f32]) -> Subject<'a> {
        Subject { generator: net, weights, statistics: &[], range: [-1.0, 1.0], latent: 6 }
    }

    #[test]
    fn the_picture_of_a_known_latent_is_found_again() {
        let (net, weights) = generator();
        let features = FeatureNetwork::of(&blobs(8, 8, 1, 64, 1));
        let mut projector = Projector::new(subject(&net, &weights), features.as_ref(), 4, 1);
        let flat = ProjectionTarget::picture(&[128; 64], [8, 8, 1]);
        let options = Options { restarts: 4, ..Options::default() };
        // What a known latent draws, by the projector itself.
        let known = of_seed(77_777, 6);
        let none = Options { steps: 0, ..options };
        let drawn = projector.search(&flat, 0, Some(&known), &none, &mut |_, _, _| true);
        assert_eq!(drawn[0].latent, known);
        let wish = ProjectionTarget::picture(&drawn[0].picture, [8, 8, 1]);
        let found = projector.search(&wish, 0, None, &options, &mut |_, _, _| true);
        assert!(found[0].psnr_db > 35.0, "{} dB", found[0].psnr_db);
        assert!(found.windows(2).all(|f| f[0].loss <= f[1].loss));
        assert_eq!(found[0].curve.len(), 401);
    }

    #[test]
    fn strokes_count_where_they_are_and_edges_are_drawn_where_wished() {
        let (net, weights) = generator();
        let mut projector = Projector::new(subject(&net, &weights), None, 4, 1);
        let mut strokes = vec![0; 8 * 8 * 4];
        strokes[..4].copy_from_slice(&[255, 255, 255, 255]);
        let wish = ProjectionTarget::strokes(&strokes, [8, 8, 1]);
        let options = Options { restarts: 4, steps: 150, seeds: 1, ..Options::default() };
        let bright = projector.search(&wish, 0, None, &options, &mut |_, _, _| true);
        assert!(bright[0].picture[0] > 230, "{}", bright[0].picture[0]);
        let mut line = vec![0; 8 * 8 * 4];
        (0..8).for_each(|y| line[(y * 8 + 3) * 4 + 3] = 255);
        let edged = ProjectionTarget::strokes(&[0; 256], [8, 8, 1]).with_edges(&line);
        let found = projector.search(&edged, 0, None, &options, &mut |_, _, _| true);
        let steep = |p: &[u8]| (0..8).map(|y| f64::from(p[y * 8 + 3].abs_diff(p[y * 8 + 4]))).sum::<f64>() / 8.0;
        let before = projector.search(&edged, 0, None, &Options { steps: 0, ..options }, &mut |_, _, _| true);
        assert!(steep(&found[0].picture) > 1.3 * steep(&before[0].picture));
        assert!(edged.weight.iter().all(|&w| w == 0.0) && !edged.is_empty());
    }

    #[test]
    fn staying_keeps_a_latent_near_its_start() {
        let (net, weights) = generator();
        let mut projector = Projector::new(subject(&net, &weights), None, 1, 1);
        let (start, wish) = (of_seed(3, 6), ProjectionTarget::picture(&[255; 64], [8, 8, 1]));
        let far = |projector: &mut Projector, stay| {
            let options = Options { restarts: 1, steps: 100, stay, ..Options::default() };
            let found = projector.search(&wish, 0, Some(&start), &options, &mut |_, _, _| true);
            found[0].latent.iter().zip(&start).map(|(a, b)| u32::from(a.abs_diff(*b))).sum::<u32>()
        };
        let (free, held) = (far(&mut projector, 0.0), far(&mut projector, 10.0));
        assert!(held < free / 3, "{held} {free}");
    }
}
