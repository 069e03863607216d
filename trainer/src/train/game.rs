//! The two-player game as a graph: inputs, discriminator outputs and losses that the steps of both networks share.
use super::discriminator_input::{ExampleKind, prepare};
use super::state::State;
use crate::graph::{Graph, NodeId, ParamId, Shape, Unary};
use crate::loss::{CustomLoss, Loss, Scores};
use crate::nn::{Bound, Mode, Network};
use crate::recipe::{Batches, Recipe};
use crate::step::{Input, ProgramGraph};

/// Everything that the programs of a run are built from.
pub(crate) struct Game<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) generator: &'a Network,
    pub(crate) discriminator: &'a Network,
    pub(crate) state: State,
    /// Loss that replaces the recipe's.
    pub(crate) loss: Option<&'a CustomLoss>,
    /// Batch size of programs that draw samples.
    pub(crate) sample_batch: usize,
}

/// Inputs of a training step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepInputs {
    /// Real examples, scaled.
    pub(crate) real: Input,
    pub(crate) latents: Input,
    /// One-hot classes, with a class-conditional recipe.
    pub(crate) classes: Option<Input>,
    /// Standard deviation of the instance noise.
    pub(crate) noise: Input,
    /// Weight of the current weights in the update of their mean, for historical averaging.
    pub(crate) history_share: Input,
    /// Factor on the penalty.
    pub(crate) penalty_factor: Input,
    /// Weight of the new weights in the update of the EMA, 1 - decay; only the generator's step has it.
    pub(crate) ema_share: Option<Input>,
}

/// A batch as the networks receive it.
#[derive(Clone, Copy)]
pub(super) struct Batch {
    /// Real examples as the discriminator sees them.
    pub(super) real: NodeId,
    /// Input of the generator: latents, then classes if any.
    pub(super) z: NodeId,
    pub(super) classes: Option<NodeId>,
    noise: NodeId,
}

/// Output of the discriminator for a batch.
#[derive(Clone, Copy)]
pub(super) struct DiscriminatorOutput {
    /// Logits, or reconstruction errors for BEGAN; [batch, 1].
    pub(super) scores: NodeId,
    /// Values before the last layer, [batch, features].
    pub(super) features: NodeId,
}

/// Outputs of the discriminator for real and for generated examples.
#[derive(Clone, Copy)]
pub(super) struct Outputs {
    pub(super) real: DiscriminatorOutput,
    pub(super) fake: DiscriminatorOutput,
}

impl Outputs {
    fn scores(self) -> Scores {
        Scores { real: self.real.scores, fake: self.fake.scores }
    }
}

impl Game<'_> {
    fn batch_input(&self, program: &mut ProgramGraph, name: &str, item: &[usize]) -> Input {
        let dims: Vec<_> = std::iter::once(self.recipe.train.batch_size).chain(item.iter().copied()).collect();
        program.input(name, &dims)
    }

    /// Input of the generator for one training batch.
    pub(super) fn generator_input(&self, program: &mut ProgramGraph) -> Input {
        self.batch_input(program, "latents", &self.generator.input)
    }

    pub(super) fn inputs(&self, program: &mut ProgramGraph, with_ema: bool) -> (StepInputs, Batch) {
        let real = self.batch_input(program, "real examples", &self.generator.output());
        let count = self.recipe.classes();
        let latent = self.generator.input.iter().product::<usize>() - self.recipe.class_inputs();
        let latents = self.batch_input(program, "latents", &[latent]);
        let classes = (count > 0).then(|| self.batch_input(program, "classes", &[count]));
        let mut scalar = |name| program.input(name, &[]);
        let inputs = StepInputs {
            real,
            latents,
            classes,
            noise: scalar("noise"),
            history_share: scalar("share in the history"),
            penalty_factor: scalar("penalty factor"),
            ema_share: with_ema.then(|| scalar("share in the EMA")),
        };
        let g = &mut program.graph;
        let (classes, noise) = (classes.map(Input::node), inputs.noise.node());
        let one_hot = classes.filter(|_| self.recipe.class_inputs() > 0);
        let z = one_hot.map_or(latents.node(), |c| g.concat(&[latents.node(), c], 1));
        let real = prepare(g, &self.recipe.technique, real.node(), noise, ExampleKind::Real);
        (inputs, Batch { real, z, classes, noise })
    }

    /// Generated examples as the discriminator sees them.
    pub(super) fn generated(&self, g: &mut Graph, bound: &Bound, batch: &Batch) -> NodeId {
        let fake = self.generator.trace(g, bound, batch.z, Mode::Train).output();
        prepare(g, &self.recipe.technique, fake, batch.noise, ExampleKind::Generated)
    }

    pub(super) fn bind_discriminator(&self, g: &mut Graph, flat: NodeId) -> Bound {
        let vectors = self.state.power_iteration.map(|p| g.param(p, &[self.discriminator.vectors_len()]));
        self.discriminator.bind_to(g, flat, vectors)
    }

    pub(super) fn discriminator_weights(&self, g: &mut Graph) -> NodeId {
        g.enter(&self.discriminator.name);
        g.param(self.state.discriminator.weights, &[self.discriminator.len()])
    }

    pub(super) fn discriminate(
        &self,
        g: &mut Graph,
        bound: &Bound,
        x: NodeId,
        classes: Option<NodeId>,
    ) -> DiscriminatorOutput {
        let trace = self.discriminator.trace_with_classes(g, bound, x, classes, Mode::Train);
        let batch = g.shape(x).dims()[0];
        let before = trace.values.len().checked_sub(2).map_or(x, |i| trace.values[i]);
        let features = g.reshape(before, &[batch, g.shape(before).len() / batch]);
        if !self.recipe.is_began() {
            return DiscriminatorOutput { scores: trace.output(), features };
        }
        let off = g.sub(trace.output(), x);
        let off = g.unary(Unary::Abs, off);
        let off = g.reshape(off, &[batch, g.shape(x).len() / batch]);
        let sum = g.sum_to(off, Shape::new(&[batch, 1]));
        DiscriminatorOutput { scores: g.affine(sum, batch as f32 / g.shape(x).len() as f32, 0.0), features }
    }

    /// Whether real and generated examples pass through the discriminator as one batch.
    fn mixes_batches(&self) -> bool {
        match self.recipe.train.batches {
            Batches::Auto => !self.discriminator.depends_on_batch(),
            Batches::Split => false,
            Batches::Mixed => true,
        }
    }

    pub(super) fn discriminate_both(&self, g: &mut Graph, bound: &Bound, batch: &Batch, fake: NodeId) -> Outputs {
        let (real, classes) = (batch.real, batch.classes);
        if !self.mixes_batches() {
            let real = self.discriminate(g, bound, real, classes);
            return Outputs { real, fake: self.discriminate(g, bound, fake, classes) };
        }
        let n = g.shape(real).dims()[0];
        let both = g.concat(&[real, fake], 0);
        let classes = classes.map(|c| g.concat(&[c, c], 0));
        let output = self.discriminate(g, bound, both, classes);
        let half = |g: &mut Graph, at| DiscriminatorOutput {
            scores: g.slice(output.scores, 0, at, n),
            features: g.slice(output.features, 0, at, n),
        };
        Outputs { real: half(g, 0), fake: half(g, n) }
    }

    /// Mean D(x) and mean D(G(z)), both 0 to 1; see [`StepReport`](super::StepReport) for relativistic losses and BEGAN.
    pub(super) fn mean_outputs(&self, g: &mut Graph, outputs: Outputs) -> (NodeId, NodeId) {
        let Scores { real, fake } = outputs.scores();
        let (real, fake) = match self.recipe.objective.loss {
            Loss::Relativistic if self.loss.is_none() => (g.sub(real, fake), g.sub(fake, real)),
            Loss::Began => return (g.mean(real), g.mean(fake)),
            _ => (real, fake),
        };
        let (real, fake) = (g.unary(Unary::Sigmoid, real), g.unary(Unary::Sigmoid, fake));
        (g.mean(real), g.mean(fake))
    }

    /// BEGAN's k as a scalar; 0 for other losses.
    pub(super) fn began_k(&self, g: &mut Graph) -> NodeId {
        match self.state.began_k {
            Some(param) => {
                let k = g.param(param, &[1]);
                g.reshape(k, &[])
            }
            None => g.full(0.0, Shape::SCALAR),
        }
    }

    pub(super) fn discriminator_loss(&self, g: &mut Graph, outputs: Outputs) -> NodeId {
        let began_k = self.began_k(g);
        let scores = outputs.scores();
        if let Some(custom) = self.loss {
            return (custom.discriminator)(g, scores);
        }
        self.recipe.objective.loss.discriminator_with(g, scores.real, scores.fake, self.recipe.labels(), began_k)
    }

    pub(super) fn generator_loss(&self, g: &mut Graph, outputs: Outputs) -> NodeId {
        if let Some(custom) = self.loss {
            return (custom.generator)(g, outputs.scores());
        }
        let loss = self.recipe.objective.loss;
        match loss {
            Loss::FeatureMatching => loss.generator(g, outputs.real.features, outputs.fake.features),
            _ => loss.generator(g, outputs.real.scores, outputs.fake.scores),
        }
    }

    /// Whether the generator's loss needs the discriminator's output for real examples.
    pub(super) fn generator_needs_real(&self) -> bool {
        self.loss.is_some() || self.recipe.objective.loss.generator_needs_real()
    }

    /// Adds the squared distance of the weights from their past mean to `loss`; also returns the updated mean, to be assigned.
    pub(super) fn with_history(
        &self,
        g: &mut Graph,
        loss: NodeId,
        (history, bound): (Option<ParamId>, &Bound),
        inputs: &StepInputs,
    ) -> (NodeId, Option<(ParamId, NodeId)>) {
        let Some(history) = history else { return (loss, None) };
        let len = g.shape(bound.flat).len();
        let past = g.param(history, &[len]);
        // This uses the views of the weights, because gradients are taken with respect to the views.
        let flat: Vec<_> = bound.raw.iter().map(|&t| g.reshape(t, &[g.shape(t).len()])).collect();
        let now = g.concat(&flat, 0);
        let difference = g.sub(now, past);
        let squares = g.square(difference);
        let distance = g.sum(squares);
        let term = g.affine(distance, self.recipe.technique.historical_averaging, 0.0);
        let part = g.mul(difference, inputs.history_share.node());
        let moved = g.add(past, part);
        (g.add(loss, term), Some((history, moved)))
    }
}
