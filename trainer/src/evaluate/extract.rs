//! Runs a feature network on 8-bit images.
use super::network::FeatureNetwork;
use crate::exec::cpu::Cpu;
use crate::exec::{Clock, Program, Store};
use crate::graph::Graph;
use crate::nn::Mode;
use ndarray::Array2;

/// Batch size of the network.
const BATCH: usize = 100;

/// The output of a feature network for a set of images.
#[derive(Clone, Debug)]
pub(super) struct ImageFeatures {
    /// Features, [images, features].
    pub(super) features: Array2<f64>,
    /// Most likely class of each image; empty for a random network.
    pub(super) classes: Vec<u8>,
}

/// A feature network, ready to run.
pub(super) struct Extractor {
    cpu: Cpu,
    size: usize,
    features: usize,
    classes: usize,
}

impl Extractor {
    pub(super) fn new(network: &FeatureNetwork, threads: usize) -> Self {
        let (net, classes) = (&network.network, network.classes);
        let mut store = Store::default();
        let weights = store.add("features.weights", network.weights.clone());
        let mut g = Graph::default();
        let dims: Vec<_> = std::iter::once(BATCH).chain(net.input.iter().copied()).collect();
        let x = g.input("images", &dims);
        let bound = net.bind(&mut g, weights);
        let trace = net.trace(&mut g, &bound, x, Mode::Evaluate(None));
        let last = trace.values.len() - 1;
        let outputs = if classes > 0 { vec![trace.values[last - 1], trace.output()] } else { vec![trace.output()] };
        let mut cpu = Cpu::new(threads);
        cpu.load(vec![Program::new("features", &g, &outputs)], store);
        Self { cpu, size: net.input.iter().product(), features: network.identity.features, classes }
    }

    pub(super) fn threads(&self) -> usize {
        self.cpu.threads()
    }

    /// Returns the features of `n` images, where `image(i)` returns the bytes of image i.
    pub(super) fn extract<'a>(
        &mut self,
        n: usize,
        image: impl Fn(usize) -> &'a [u8],
        mut progress: impl FnMut(usize, usize),
    ) -> ImageFeatures {
        let mut values = Vec::with_capacity(n * self.features);
        let mut classes = Vec::with_capacity(if self.classes > 0 { n } else { 0 });
        let mut feed = vec![0.0; BATCH * self.size];
        for start in (0..n).step_by(BATCH) {
            let count = BATCH.min(n - start);
            for (i, feed) in feed.chunks_exact_mut(self.size).enumerate().take(count) {
                scale(image(start + i), feed);
            }
            self.cpu.run(0, &[&feed], Clock { seed: 0, step: 0 }).expect("a program without guards does not fail");
            values.extend(self.cpu.output(0, 0)[..count * self.features].iter().copied().map(f64::from));
            if self.classes > 0 {
                let scores = self.cpu.output(0, 1).chunks_exact(self.classes).take(count);
                classes.extend(scores.map(most_likely));
            }
            progress(start + count, n);
        }
        let features = Array2::from_shape_vec((n, self.features), values).expect("every image has its features");
        ImageFeatures { features, classes }
    }
}

/// Converts bytes to values in -1..=1.
pub(super) fn scale(bytes: &[u8], out: &mut [f32]) {
    out.iter_mut().zip(bytes).for_each(|(v, &b)| *v = f32::from(b) / 127.5 - 1.0);
}

/// Returns the class with the highest score.
fn most_likely(scores: &[f32]) -> u8 {
    let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(class, _)| class as u8)
}
