//! The training steps of discriminator and generator: losses, penalties, gradients and updates as graphs.
use super::game::{Batch, Game, StepInputs};
use crate::graph::{Graph, NodeId, Shape};
use crate::loss::{began_convergence, began_next_k};
use crate::nn::Bound;
use crate::optim::Optimizer;
use crate::regularize::{Regularizer, clipped, consensus};
use crate::step::{Output, StepGraph};

/// A step before it is planned: its graph, and handles of its inputs and outputs.
#[derive(Debug)]
pub(crate) struct GameStep<O> {
    pub(crate) graph: StepGraph,
    pub(crate) inputs: StepInputs,
    pub(crate) outputs: O,
    /// Loss, gradient and weights; the tests compare the gradient with finite differences.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the tests compare gradients"))]
    pub(crate) minimized: Minimized,
}

#[cfg_attr(not(test), expect(dead_code, reason = "only the tests compare gradients"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Minimized {
    pub(crate) loss: NodeId,
    pub(crate) gradient: NodeId,
    pub(crate) weights: NodeId,
}

/// Outputs of the discriminator's step, all scalars.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiscriminatorOutputs {
    pub(crate) loss: Output,
    pub(crate) d_real: Output,
    pub(crate) d_fake: Output,
    pub(crate) gradient_norm: Output,
    pub(crate) penalty: Output,
    pub(crate) began_k: Output,
    pub(crate) began_convergence: Output,
}

/// Outputs of the generator's step, all scalars.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GeneratorOutputs {
    pub(crate) loss: Output,
    pub(crate) gradient_norm: Output,
}

impl Game<'_> {
    fn step(&self, name: &'static str) -> StepGraph {
        StepGraph::new(name, self.recipe.optimizer, self.recipe.schedule)
    }

    pub(crate) fn discriminator_step(&self, penalized: bool) -> GameStep<DiscriminatorOutputs> {
        let mut step = self.step("discriminator step");
        let (inputs, batch) = self.inputs(&mut step.program, false);
        let g = &mut step.program.graph;
        let generator = self.generator.bind(g, self.state.generator.weights);
        let fake = self.generated(g, &generator, &batch);
        let flat = self.discriminator_weights(g);
        let bound = self.bind_discriminator(g, flat);
        let outputs = self.discriminate_both(g, &bound, &batch, fake);
        let objective = &self.recipe.objective;
        g.enter("discriminator loss");
        let adversarial = self.discriminator_loss(g, outputs);
        let (d_real, d_fake) = self.mean_outputs(g, outputs);
        let regularizer = if penalized { objective.regularizer } else { Regularizer::None };
        g.enter("discriminator penalty");
        let penalty = self.penalty(g, regularizer, &bound, (&inputs, &batch), fake);
        let total = penalty.map_or(adversarial, |p| g.add(adversarial, p));
        let mut penalty = penalty.unwrap_or_else(|| g.full(0.0, Shape::SCALAR));
        let past = self.state.history.map(|[_, discriminator]| discriminator);
        let (mut total, history) = self.with_history(g, total, (past, &bound), &inputs);
        if let Regularizer::Consensus { weight } = objective.regularizer {
            let other = self.generator_loss(g, outputs);
            let gradients = [bound.grad(g, total), generator.grad(g, other)];
            penalty = consensus(g, gradients, weight);
            total = g.add(total, penalty);
        }
        let gradient = step.gradient(total, &bound);
        step.program.graph.enter("discriminator update");
        step.update_with(&self.state.discriminator, bound.flat, gradient.flat, |g, new| match objective.regularizer {
            Regularizer::Clip { limit } => clipped(g, new, limit),
            _ => new,
        });
        let g = &mut step.program.graph;
        history.into_iter().for_each(|(param, value)| _ = g.assign(param, value));
        if let (Some(param), Some(vectors)) = (self.state.power_iteration, bound.vectors) {
            g.assign(param, vectors);
        }
        let (began_k, convergence) = self.update_began(g, (d_real, d_fake));
        let mut output = |node| step.program.output(node);
        let outputs = DiscriminatorOutputs {
            loss: output(adversarial),
            d_real: output(d_real),
            d_fake: output(d_fake),
            gradient_norm: output(gradient.norm),
            penalty: output(penalty),
            began_k: output(began_k),
            began_convergence: output(convergence),
        };
        let minimized = Minimized { loss: total, gradient: gradient.flat, weights: bound.flat };
        GameStep { graph: step, inputs, outputs, minimized }
    }

    /// Updates BEGAN's k from the mean reconstruction errors; returns the new k and the convergence measure.
    fn update_began(&self, g: &mut Graph, errors: (NodeId, NodeId)) -> (NodeId, NodeId) {
        let (k, zero) = (self.began_k(g), g.full(0.0, Shape::SCALAR));
        let Some(param) = self.state.began_k else { return (k, zero) };
        let (gamma, lambda) = (self.recipe.objective.began_gamma, self.recipe.objective.began_lambda);
        let convergence = began_convergence(g, errors, gamma);
        let next = began_next_k(g, k, errors, gamma, lambda);
        let stored = g.reshape(next, &[1]);
        g.assign(param, stored);
        (next, convergence)
    }

    fn penalty(
        &self,
        g: &mut Graph,
        regularizer: Regularizer,
        bound: &Bound,
        (inputs, batch): (&StepInputs, &Batch),
        fake: NodeId,
    ) -> Option<NodeId> {
        let penalty = regularizer.penalty(g, batch.real, fake, |g, x| {
            // Real and generated examples may form one batch, which has the classes twice.
            let times = g.shape(x).dims()[0] / g.shape(batch.real).dims()[0];
            let classes = batch.classes.map(|c| g.concat(&vec![c; times], 0));
            self.discriminate(g, bound, x, classes).scores
        })?;
        let fades = self.recipe.objective.penalty_to != 1.0;
        Some(if fades { g.mul(penalty, inputs.penalty_factor.node()) } else { penalty })
    }

    /// The discriminator after `steps` further updates on this batch, as a function of the batch (Metz et al. 2017, eq. 8).
    fn unrolled(&self, step: &mut StepGraph, inputs: (&StepInputs, &Batch), fake: NodeId, steps: u32) -> Bound {
        let scalars = step.scalars();
        let g = &mut step.program.graph;
        g.enter("unrolled discriminator");
        let mut flat = self.discriminator_weights(g);
        let mut moments = Optimizer::read(g, self.state.discriminator.moments, self.discriminator.len());
        // The square root has an infinite slope at 0, which is the second moment of weights without a gradient.
        moments.second = g.affine(moments.second, 1.0, 1e-16);
        for _ in 0..steps {
            let bound = self.bind_discriminator(g, flat);
            let outputs = self.discriminate_both(g, &bound, inputs.1, fake);
            let mut loss = self.discriminator_loss(g, outputs);
            let regularizer = self.recipe.objective.regularizer;
            if regularizer.every() == 1
                && let Some(penalty) = self.penalty(g, regularizer, &bound, inputs, fake)
            {
                loss = g.add(loss, penalty);
            }
            let gradient = bound.grad(g, loss);
            (flat, moments) = self.recipe.optimizer.step(g, flat, gradient, moments, scalars);
        }
        self.bind_discriminator(g, flat)
    }

    pub(crate) fn generator_step(&self) -> GameStep<GeneratorOutputs> {
        let mut step = self.step("generator step");
        let (inputs, batch) = self.inputs(&mut step.program, true);
        let g = &mut step.program.graph;
        let bound = self.generator.bind(g, self.state.generator.weights);
        let fake = self.generated(g, &bound, &batch);
        let discriminator = match self.recipe.technique.unroll {
            Some(steps) => self.unrolled(&mut step, (&inputs, &batch), fake, steps),
            None => {
                let flat = self.discriminator_weights(g);
                self.bind_discriminator(g, flat)
            }
        };
        let g = &mut step.program.graph;
        let objective = &self.recipe.objective;
        let has_consensus = matches!(objective.regularizer, Regularizer::Consensus { .. });
        let of_fake = self.discriminate(g, &discriminator, fake, batch.classes);
        let of_real = if self.generator_needs_real() || has_consensus {
            self.discriminate(g, &discriminator, batch.real, batch.classes)
        } else {
            of_fake
        };
        let outputs = super::game::Outputs { real: of_real, fake: of_fake };
        g.enter("generator loss");
        let value = self.generator_loss(g, outputs);
        let past = self.state.history.map(|[generator, _]| generator);
        let (mut total, history) = self.with_history(g, value, (past, &bound), &inputs);
        if let Regularizer::Consensus { weight } = objective.regularizer {
            let other = self.discriminator_loss(g, outputs);
            let gradients = [discriminator.grad(g, other), bound.grad(g, total)];
            let term = consensus(g, gradients, weight);
            total = g.add(total, term);
        }
        let gradient = step.gradient(total, &bound);
        step.program.graph.enter("generator update");
        let new = step.update(&self.state.generator, bound.flat, gradient.flat);
        let g = &mut step.program.graph;
        history.into_iter().for_each(|(param, value)| _ = g.assign(param, value));
        if let Some(share) = inputs.ema_share {
            let ema = g.param(self.state.ema, &[self.generator.len()]);
            let difference = g.sub(new, ema);
            let part = g.mul(difference, share.node());
            let ema = g.add(ema, part);
            g.assign(self.state.ema, ema);
        }
        let outputs =
            GeneratorOutputs { loss: step.program.output(value), gradient_norm: step.program.output(gradient.norm) };
        let minimized = Minimized { loss: total, gradient: gradient.flat, weights: bound.flat };
        GameStep { graph: step, inputs, outputs, minimized }
    }
}
