//! Calibration: the range of values of each activation tensor, observed over many latents.
use super::{
    float::Forward,
    net::{Dims, FloatNet},
};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bins of a histogram.
const BINS: usize = 4096;
/// Bins of the histogram of one channel.
const CHANNEL_BINS: usize = 1024;
/// Seeds that the layers before the image see, for each seed whose image is drawn.
const MORE: u32 = 16;
/// Largest number of tasks among which the seeds are divided; it depends on their number only, so that sums do not depend on the number of threads.
const TASKS: usize = 16;

/// Statistics of one layer's output.
#[derive(Clone, Debug)]
pub(super) struct TensorStats {
    /// Smallest and largest value; the range always includes 0.
    pub(super) lo: f32,
    pub(super) hi: f32,
    /// Largest magnitude before the activation.
    pub(super) before: f32,
    /// Mean of each value of the tensor.
    pub(super) mean: Vec<f64>,
    /// Largest magnitude of each value of the tensor.
    pub(super) peaks: Vec<f32>,
    histogram: Vec<u64>,
}

/// How the quantized range of a tensor is chosen from its observed values: between the range that minimizes the mean
/// square error of rounding and clipping together, 0, and the whole observed range, which clips nothing, 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clipping(u8);

impl Clipping {
    pub(super) const WHOLE: Self = Self(4);
    pub(super) const ALL: [Self; 5] = [Self::WHOLE, Self(0), Self(1), Self(2), Self(3)];

    /// Describes the clipping of all layers.
    pub(super) fn describe(all: &[Self]) -> &'static str {
        match all {
            [first, rest @ ..] if rest.iter().all(|other| other == first) => match first.0 {
                0 => "least mean square",
                4 => "whole range",
                _ => "between whole range and least mean square",
            },
            _ => "chosen per layer",
        }
    }
}

impl TensorStats {
    /// Returns the range that is mapped to the 256 levels.
    pub(super) fn range(&self, clipping: Clipping) -> (f32, f32) {
        let best = if clipping == Clipping::WHOLE { 1.0 } else { self.best_shrink() };
        let shrink = best + (1.0 - best) * f32::from(clipping.0) / 4.0;
        (self.lo * shrink, self.hi * shrink)
    }

    /// Returns the factor on the observed range that minimizes the mean square error.
    fn best_shrink(&self) -> f32 {
        let error = |shrink: f64| {
            let (lo, hi) = (f64::from(self.lo) * shrink, f64::from(self.hi) * shrink);
            let rounding = ((hi - lo) / 255.0).powi(2) / 12.0;
            let width = f64::from(self.hi - self.lo) / BINS as f64;
            let middle = |bin: usize| f64::from(self.lo) + (bin as f64 + 0.5) * width;
            let of = |(bin, &count): (usize, &u64)| {
                let outside = (lo - middle(bin)).max(middle(bin) - hi).max(0.0);
                count as f64 * (rounding + outside * outside)
            };
            self.histogram.iter().enumerate().map(of).sum::<f64>()
        };
        let candidates = (20..=100).map(|percent| f64::from(percent) / 100.0);
        candidates.min_by(|a, b| error(*a).total_cmp(&error(*b))).unwrap_or(1.0) as f32
    }
}

/// What a network's tensors contain when it draws the images of the first seeds.
#[derive(Clone, Debug)]
pub(super) struct Calibration {
    layers: Vec<Observed>,
    /// The largest magnitude in each tensor, for each seed; the later seeds have only the layers before the image.
    seeds: Vec<Vec<f32>>,
}

/// The seeds of a calibration.
#[derive(Clone, Copy, Debug)]
struct Seeds {
    /// Number of seeds whose images are drawn.
    whole: u32,
    /// Number of layers at the beginning whose outputs are numbers without positions. They are cheap, so they see more seeds: a value that is
    /// clipped there changes a whole image.
    first_layers: usize,
    /// Number of seeds that these layers see.
    all: u32,
}

impl Seeds {
    fn new(shapes: &[Dims], whole: u32) -> Self {
        let first_layers = shapes.iter().take_while(|shape| shape.h * shape.w == 1).count();
        Self { whole, first_layers, all: if first_layers > 0 { whole.saturating_mul(MORE) } else { whole } }
    }

    /// Returns the number of seeds that layer `layer` sees.
    fn of_layer(self, layer: usize) -> f64 {
        f64::from(if layer < self.first_layers { self.all } else { self.whole })
    }

    /// Runs the layers that see `seed`; `observe` is that of [`Forward::run`].
    fn run(self, forward: &Forward<'_>, net: &FloatNet, seed: u32, observe: impl FnMut(usize, &[f32], &[f32])) {
        let layers = if seed < self.whole { net.layers.len() } else { self.first_layers };
        forward.run_first(&net.inputs_of_seed(seed), layers, observe);
    }
}

/// Values of one layer's output.
#[derive(Clone, Debug)]
struct Observed {
    channels: Vec<Channel>,
    mean: Vec<f64>,
    peaks: Vec<f32>,
}

/// Values of one channel: their range, which includes 0, the largest magnitude before the activation, and how often each value occurs.
#[derive(Clone, Debug, Default)]
struct Channel {
    lo: f32,
    hi: f32,
    before: f32,
    histogram: Vec<u64>,
}

impl Observed {
    fn empty(shape: Dims) -> Self {
        let channels = vec![Channel::default(); shape.c];
        Self { channels, mean: vec![0.0; shape.len()], peaks: vec![0.0; shape.len()] }
    }

    /// Adds the values of one image of `count`, before and after the activation, and returns the largest magnitude after it.
    fn add(&mut self, before: &[f32], after: &[f32], count: f64) -> f32 {
        let c = self.channels.len();
        for (before, after) in before.chunks_exact(c).zip(after.chunks_exact(c)) {
            for (channel, (before, &v)) in self.channels.iter_mut().zip(before.iter().zip(after)) {
                channel.before = channel.before.max(before.abs());
                (channel.lo, channel.hi) = (channel.lo.min(v), channel.hi.max(v));
            }
        }
        let mut most = 0.0f32;
        for ((mean, peak), &v) in self.mean.iter_mut().zip(&mut self.peaks).zip(after) {
            *mean += f64::from(v) / count;
            *peak = peak.max(v.abs());
            most = most.max(v.abs());
        }
        most
    }

    /// Adds what `other` has observed on other seeds.
    fn join(&mut self, other: &Self) {
        for (channel, of) in self.channels.iter_mut().zip(&other.channels) {
            (channel.lo, channel.hi) = (channel.lo.min(of.lo), channel.hi.max(of.hi));
            channel.before = channel.before.max(of.before);
        }
        self.mean.iter_mut().zip(&other.mean).for_each(|(to, from)| *to += from);
        self.peaks.iter_mut().zip(&other.peaks).for_each(|(to, from)| *to = to.max(*from));
    }

    /// Returns the statistics of the tensor if its channels are multiplied by `scales`; by 1 if that is empty.
    fn scaled(&self, scales: &[f32]) -> TensorStats {
        let scale = |i: usize| scales.get(i % self.channels.len()).copied().unwrap_or(1.0);
        let channels = || self.channels.iter().enumerate();
        let largest = |of: fn(&Channel) -> f32| channels().map(|(i, c)| scale(i) * of(c)).fold(0.0, f32::max);
        let (lo, hi) = (-largest(|c| -c.lo), largest(|c| c.hi));
        let per_unit = BINS as f64 / f64::from((hi - lo).max(f32::MIN_POSITIVE));
        let mut histogram = vec![0; BINS];
        for (i, channel) in channels() {
            let width = f64::from(channel.hi - channel.lo) / CHANNEL_BINS as f64;
            for (bin, count) in channel.histogram.iter().enumerate() {
                let value = (f64::from(channel.lo) + (bin as f64 + 0.5) * width) * f64::from(scale(i));
                histogram[(((value - f64::from(lo)) * per_unit) as usize).min(BINS - 1)] += count;
            }
        }
        TensorStats {
            lo,
            hi,
            before: largest(|c| c.before),
            mean: self.mean.iter().enumerate().map(|(i, mean)| mean * f64::from(scale(i))).collect(),
            peaks: self.peaks.iter().enumerate().map(|(i, peak)| peak * scale(i)).collect(),
            histogram,
        }
    }
}

impl Calibration {
    /// Runs `net` on the latents of seeds `0..count`.
    pub(super) fn new(net: &FloatNet, count: u32) -> Self {
        let forward = Forward::new(net);
        let shapes = net.shapes().unwrap_or_default();
        let seeds = Seeds::new(&shapes, count);
        let empty: Vec<Observed> = shapes.into_iter().map(Observed::empty).collect();
        let parts = TASKS.min(count as usize);
        let of_task = |task: usize| (task as u32..seeds.all).step_by(parts);
        let tasks = parallel(parts, |task| {
            let mut layers = empty.clone();
            let most = of_task(task).map(|seed| {
                let mut most = Vec::new();
                seeds.run(&forward, net, seed, |layer, before, after| {
                    most.push(layers[layer].add(before, after, seeds.of_layer(layer)));
                });
                most
            });
            let most: Vec<Vec<f32>> = most.collect();
            (layers, most)
        });
        let mut layers = empty;
        tasks.iter().for_each(|(part, _)| layers.iter_mut().zip(part).for_each(|(layer, part)| layer.join(part)));
        let most = (0..seeds.all as usize).map(|seed| tasks[seed % parts].1[seed / parts].clone()).collect();
        let counted = parallel(parts, |task| {
            let of_layer = |layer: &Observed| vec![vec![0u64; CHANNEL_BINS]; layer.channels.len()];
            let mut bins: Vec<Vec<Vec<u64>>> = layers.iter().map(of_layer).collect();
            for seed in of_task(task) {
                seeds.run(&forward, net, seed, |layer, _, after| {
                    let channels = &layers[layer].channels;
                    let per_unit = |c: &Channel| CHANNEL_BINS as f32 / (c.hi - c.lo).max(f32::MIN_POSITIVE);
                    let per_unit: Vec<f32> = channels.iter().map(per_unit).collect();
                    for values in after.chunks_exact(channels.len()) {
                        for (channel, (bins, v)) in bins[layer].iter_mut().zip(values).enumerate() {
                            let bin = ((v - channels[channel].lo) * per_unit[channel]) as usize;
                            bins[bin.min(CHANNEL_BINS - 1)] += 1;
                        }
                    }
                });
            }
            bins
        });
        for (layer, observed) in layers.iter_mut().enumerate() {
            for (i, channel) in observed.channels.iter_mut().enumerate() {
                let total = |bin: usize| counted.iter().map(|bins| bins[layer][i][bin]).sum();
                channel.histogram = (0..CHANNEL_BINS).map(total).collect();
            }
        }
        Self { layers, seeds: most }
    }

    /// Returns the statistics of each layer.
    pub(super) fn stats(&self) -> Vec<TensorStats> {
        self.layers.iter().map(|layer| layer.scaled(&[])).collect()
    }

    /// Returns the statistics of each layer if the channels of its output are multiplied by `scales`; by 1 if these are empty.
    pub(super) fn scaled(&self, scales: &[Vec<f32>]) -> Vec<TensorStats> {
        self.layers.iter().zip(scales).map(|(layer, scales)| layer.scaled(scales)).collect()
    }

    /// Returns, for each of the first `layers` layers, the `most` seeds with the largest values; in ascending order, without duplicates.
    /// Their images suffer most from clipping.
    pub(super) fn extreme_seeds(&self, layers: usize, most: usize) -> Vec<u32> {
        let extreme = (0..layers).flat_map(|layer| {
            let mut seeds: Vec<usize> = (0..self.seeds.len()).filter(|seed| layer < self.seeds[*seed].len()).collect();
            seeds.sort_by(|a, b| self.seeds[*b][layer].total_cmp(&self.seeds[*a][layer]));
            seeds.into_iter().take(most).map(|seed| seed as u32)
        });
        extreme.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }
}

/// Runs `work` on `0..count` on all cores and returns the results in order.
pub(super) fn parallel<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let run_tasks = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return done;
            }
            done.push((at, work(at)));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count.max(1));
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(run_tasks)).collect();
        let mut all = run_tasks();
        for helper in helpers {
            match helper.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, result)| result).collect()
}
