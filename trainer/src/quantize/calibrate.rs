//! Calibration: the range of values of each activation tensor, observed over many latents.
use super::{float::Forward, net::FloatNet};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bins of a histogram.
const BINS: usize = 4096;
/// Latents per task; fixed, so that sums do not depend on the number of threads.
const TASK: u32 = 16;

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
    fn empty(values: usize) -> Self {
        Self { lo: 0.0, hi: 0.0, before: 0.0, mean: vec![0.0; values], peaks: vec![0.0; values], histogram: Vec::new() }
    }

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

/// Runs the network on the latents of seeds `0..count` and returns the statistics of each layer.
pub(super) fn calibrate(net: &FloatNet, count: u32) -> Vec<TensorStats> {
    let forward = Forward::new(net);
    let empty: Vec<TensorStats> = net.shapes().into_iter().flatten().map(|d| TensorStats::empty(d.len())).collect();
    let pieces = count.div_ceil(TASK) as usize;
    let seeds = |piece: usize| piece as u32 * TASK..count.min((piece as u32 + 1) * TASK);
    let ranges = parallel(pieces, |piece| {
        let mut stats = empty.clone();
        for seed in seeds(piece) {
            forward.run(&net.inputs_of_seed(seed), |layer, before, after| {
                let s = &mut stats[layer];
                s.before = before.iter().fold(s.before, |m, v| m.max(v.abs()));
                for ((mean, peak), &v) in s.mean.iter_mut().zip(&mut s.peaks).zip(after) {
                    (s.lo, s.hi) = (s.lo.min(v), s.hi.max(v));
                    *mean += f64::from(v) / f64::from(count);
                    *peak = peak.max(v.abs());
                }
            });
        }
        stats
    });
    let mut stats = empty.clone();
    for piece in ranges {
        for (s, part) in stats.iter_mut().zip(piece) {
            (s.lo, s.hi, s.before) = (s.lo.min(part.lo), s.hi.max(part.hi), s.before.max(part.before));
            s.mean.iter_mut().zip(part.mean).for_each(|(to, from)| *to += from);
            s.peaks.iter_mut().zip(part.peaks).for_each(|(to, from)| *to = to.max(from));
        }
    }
    let histograms = parallel(pieces, |piece| {
        let mut bins = vec![vec![0u64; BINS]; stats.len()];
        for seed in seeds(piece) {
            forward.run(&net.inputs_of_seed(seed), |layer, _, after| {
                let (s, bins) = (&stats[layer], &mut bins[layer]);
                let per_unit = BINS as f32 / (s.hi - s.lo).max(f32::MIN_POSITIVE);
                for v in after {
                    bins[(((v - s.lo) * per_unit) as usize).min(BINS - 1)] += 1;
                }
            });
        }
        bins
    });
    for (layer, s) in stats.iter_mut().enumerate() {
        s.histogram = (0..BINS).map(|bin| histograms.iter().map(|piece| piece[layer][bin]).sum()).collect();
    }
    stats
}

/// Returns, for each of the first `layers` layers, the `most` seeds of `0..count` with the largest values; in ascending
/// order, without duplicates. Their images suffer most from clipping.
pub(super) fn extreme_seeds(net: &FloatNet, layers: usize, count: u32, most: usize) -> Vec<u32> {
    let forward = Forward::new(net);
    let peaks = parallel(count as usize, |seed| {
        let mut peaks = vec![0.0f32; layers];
        forward.run(&net.inputs_of_seed(seed as u32), |layer, _, after| {
            if let Some(peak) = peaks.get_mut(layer) {
                *peak = after.iter().fold(0.0, |m, v| m.max(v.abs()));
            }
        });
        peaks
    });
    let mut extreme: Vec<u32> = (0..layers)
        .flat_map(|layer| {
            let mut seeds: Vec<u32> = (0..count).collect();
            seeds.sort_by(|a, b| peaks[*b as usize][layer].total_cmp(&peaks[*a as usize][layer]));
            seeds.truncate(most);
            seeds
        })
        .collect();
    extreme.sort_unstable();
    extreme.dedup();
    extreme
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
