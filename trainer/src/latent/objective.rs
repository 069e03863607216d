//! The objective of a projection: the distance of a generated image from the target, as a graph over latents.
use super::target::ProjectionTarget;
use crate::evaluate::FeatureNetwork;
use crate::exec::Store;
use crate::graph::{Graph, NodeId, ParamId, Shape, Unary};
use crate::nn::{Layer, Mode, Network};
use crate::step::{Input, InputValues, ProgramGraph};

/// A generator whose latents are searched.
#[derive(Clone, Copy, Debug)]
pub struct ProjectionGenerator<'a> {
    /// Its layers.
    pub generator: &'a Network,
    /// Its weights.
    pub weights: &'a [f32],
    /// Its batch-norm statistics; empty without batch norm.
    pub statistics: &'a [f32],
    /// Values of black and white in its images.
    pub range: [f32; 2],
    /// Length of a latent; the generator's input continues with a one-hot class if it has classes.
    pub latent: usize,
}

/// Squared difference of neighboring pixels from which they count as an edge; that of black and white is 4.
const EDGE_CONTRAST: f32 = 1.0;

/// Store entries that the objective reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    weights: ParamId,
    /// Batch-norm statistics, if the generator has any.
    statistics: Option<ParamId>,
    features: Option<ParamId>,
}

impl Stored {
    pub(super) fn new(store: &mut Store, subject: &ProjectionGenerator<'_>, features: Option<&FeatureNetwork>) -> Self {
        Self {
            weights: store.add("generator.weights", subject.weights.to_vec()),
            statistics: (!subject.generator.statistics.is_empty())
                .then(|| store.add("generator.statistics", subject.statistics.to_vec())),
            features: features.map(|network| store.add("features.weights", network.weights().to_vec())),
        }
    }
}

/// Inputs of the objective.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inputs {
    latents: Input,
    starts: Input,
    classes: Option<Input>,
    target: Input,
    pixel_weights: Input,
    edges_across: Input,
    edges_down: Input,
    feature_weight: Input,
    start_weight: Input,
}

/// The objective for a batch of latents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Objective {
    pub(super) inputs: Inputs,
    /// Node of the latents.
    pub(super) latents: NodeId,
    /// Loss of each latent, [batch, 1].
    pub(super) losses: NodeId,
    /// Images in the data range of the generator.
    pub(super) images: NodeId,
}

impl Objective {
    /// Appends the objective for `batch` latents to `program`.
    pub(super) fn new(
        program: &mut ProgramGraph,
        (subject, shape): (&ProjectionGenerator<'_>, [usize; 3]),
        features: Option<&FeatureNetwork>,
        stored: Stored,
        batch: usize,
    ) -> Self {
        let (generator, latent) = (subject.generator, subject.latent);
        let count = generator.input[0] - latent;
        let inputs = Inputs {
            latents: program.input("latents", &[batch, latent]),
            starts: program.input("initial latents", &[batch, latent]),
            classes: (count > 0).then(|| program.input("classes", &[batch, count])),
            target: program.input("target", &shape),
            pixel_weights: program.input("weights of pixels", &shape),
            edges_across: program.input("horizontal edges", &shape),
            edges_down: program.input("vertical edges", &shape),
            feature_weight: program.input("weight of features", &[1]),
            start_weight: program.input("weight of the start", &[1]),
        };
        let (z, target) = (inputs.latents.node(), inputs.target.node());
        let g = &mut program.graph;
        let bound = generator.bind(g, stored.weights);
        let statistics = stored.statistics.map(|p| g.param(p, &[subject.statistics.len()]));
        let input = inputs.classes.map_or(z, |classes| g.concat(&[z, classes.node()], 1));
        let images = generator.trace(g, &bound, input, Mode::Evaluate(statistics)).output();
        let [low, high] = subject.range;
        let shown = g.affine(images, 2.0 / (high - low), -(low + high) / (high - low));

        let off = g.sub(shown, target);
        let squares = g.square(off);
        let weighted = g.mul(squares, inputs.pixel_weights.node());
        let mut losses = per_image(g, weighted, batch);
        for (axis, edges) in [(2, inputs.edges_across), (1, inputs.edges_down)] {
            let missing = missing_edges(g, shown, axis);
            let weighted = g.mul(missing, edges.node());
            let edges = per_image(g, weighted, batch);
            losses = g.add(losses, edges);
        }
        if let (Some(network), Some(weights)) = (features, stored.features) {
            let distance = feature_distance(g, network.network(), weights, shown, target);
            let weighted = g.mul(distance, inputs.feature_weight.node());
            losses = g.add(losses, weighted);
        }
        let moved = g.sub(z, inputs.starts.node());
        let moved = g.square(moved);
        let moved = g.sum_to(moved, Shape::new(&[batch, 1]));
        let moved = g.affine(moved, 1.0 / latent as f32, 0.0);
        let weighted = g.mul(moved, inputs.start_weight.node());
        losses = g.add(losses, weighted);
        Self { inputs, latents: z, losses, images }
    }
}

/// Values of the inputs that stay the same during a search.
pub(super) struct Fixed {
    classes: Vec<f32>,
    target: Vec<f32>,
    pixel_weights: Vec<f32>,
    edges_across: Vec<f32>,
    edges_down: Vec<f32>,
    feature_weight: [f32; 1],
    start_weight: [f32; 1],
}

/// Weights of the terms other than the pixel distance.
#[derive(Clone, Copy, Debug)]
pub(super) struct TermWeights {
    pub(super) features: f32,
    pub(super) start: f32,
}

impl Fixed {
    /// Values for `target` and a batch of latents of one class among `classes`.
    pub(super) fn new(
        target: &ProjectionTarget,
        (class, classes): (usize, usize),
        batch: usize,
        terms: TermWeights,
    ) -> Self {
        let [height, width, channels] = target.shape;
        let one_hot: Vec<f32> = (0..classes).map(|c| f32::from(u8::from(c == class))).collect();
        let normalized = |weights: &[f32], keep: &dyn Fn(usize) -> bool| {
            let sum: f32 = weights.iter().sum::<f32>() * channels as f32;
            let share = |i: usize| if keep(i) && sum > 0.0 { weights[i] / sum } else { 0.0 };
            (0..weights.len()).flat_map(|i| std::iter::repeat_n(share(i), channels)).collect::<Vec<f32>>()
        };
        Self {
            classes: one_hot.repeat(batch),
            target: target.target.clone(),
            pixel_weights: normalized(&target.weight, &|_| true),
            // The last column and the last row have no neighbor.
            edges_across: normalized(&target.edges, &|i| i % width + 1 < width),
            edges_down: normalized(&target.edges, &|i| i / width + 1 < height),
            // The features of a feature network describe whole images only.
            feature_weight: [if target.is_whole() { terms.features } else { 0.0 }],
            start_weight: [terms.start],
        }
    }

    /// Sets all inputs for the latents `z` of searches that began at `starts`.
    pub(super) fn set<'v>(&'v self, values: &mut InputValues<'v>, inputs: &Inputs, z: &'v [f32], starts: &'v [f32]) {
        values
            .set(inputs.latents, z)
            .set(inputs.starts, starts)
            .set(inputs.target, &self.target)
            .set(inputs.pixel_weights, &self.pixel_weights)
            .set(inputs.edges_across, &self.edges_across)
            .set(inputs.edges_down, &self.edges_down)
            .set(inputs.feature_weight, &self.feature_weight)
            .set(inputs.start_weight, &self.start_weight);
        if let Some(classes) = inputs.classes {
            values.set(classes, &self.classes);
        }
    }
}

/// Sum over each image of a batch, [batch, 1].
fn per_image(g: &mut Graph, x: NodeId, batch: usize) -> NodeId {
    let sum = g.sum_to(x, Shape::new(&[batch, 1, 1, 1]));
    g.reshape(sum, &[batch, 1])
}

/// The contrast that each pixel lacks, compared with the next pixel along `axis`, to count as an edge.
fn missing_edges(g: &mut Graph, x: NodeId, axis: usize) -> NodeId {
    let len = g.shape(x).dims()[axis];
    let (before, after) = (g.slice(x, axis, 0, len - 1), g.slice(x, axis, 1, len - 1));
    let step = g.sub(after, before);
    let contrast = g.square(step);
    let contrast = g.pad(contrast, axis, 0, len);
    let missing = g.affine(contrast, -1.0 / EDGE_CONTRAST, 1.0);
    g.unary(Unary::Leaky(0.0), missing)
}

/// Squared distance between the features of each image of `shown` and of `target`, relative to the squared norm of the latter; [batch, 1].
fn feature_distance(g: &mut Graph, network: &Network, weights: ParamId, shown: NodeId, target: NodeId) -> NodeId {
    let batch = g.shape(shown).dims()[0];
    let bound = network.bind(g, weights);
    // The features of a classifier are the inputs of its last layer.
    let features = |g: &mut Graph, x: NodeId| {
        let trace = network.trace(g, &bound, x, Mode::Evaluate(None));
        let is_classifier = matches!(network.layers.last(), Some(Layer::Dense { .. }));
        trace.values[trace.values.len() - if is_classifier { 2 } else { 1 }]
    };
    let dims: Vec<usize> = std::iter::once(1).chain(g.shape(target).dims().iter().copied()).collect();
    let one = g.reshape(target, &dims);
    let (ours, theirs) = (features(g, shown), features(g, one));
    let distance = g.sub(ours, theirs);
    let distance = g.square(distance);
    let distance = g.sum_to(distance, Shape::new(&[batch, 1]));
    let size = g.square(theirs);
    let size = g.sum_to(size, Shape::new(&[1, 1]));
    let size = g.affine(size, 1.0, 1e-6);
    g.div(distance, size)
}
