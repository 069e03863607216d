//! The programs of a run: the steps of both networks, samples, batch-norm statistics, scores.
use super::game::{Game, StepInputs};
use super::steps::{DiscriminatorOutputs, GameStep, GeneratorOutputs};
use crate::exec::Program;
use crate::graph::ParamId;
use crate::nn::Mode;
use crate::step::{Input, Output, PlannedProgram, ProgramGraph, Step};

/// A planned step of one network.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlannedStep<O> {
    pub(super) step: Step,
    pub(super) inputs: StepInputs,
    pub(super) outputs: O,
}

/// A planned program with one input and one output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forward {
    pub(super) program: PlannedProgram,
    pub(super) input: Input,
    pub(super) output: Output,
}

/// The planned program that updates the batch-norm statistics of the EMA generator.
#[derive(Clone, Copy, Debug)]
pub(super) struct EstimateBatchNorm {
    pub(super) program: PlannedProgram,
    pub(super) latents: Input,
    /// Weight of this batch in the running mean.
    pub(super) share: Input,
}

/// Handles of all programs of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Programs {
    pub(super) discriminator: PlannedStep<DiscriminatorOutputs>,
    /// The discriminator's step with the recipe's penalty.
    pub(super) penalized: PlannedStep<DiscriminatorOutputs>,
    pub(super) generator: PlannedStep<GeneratorOutputs>,
    /// Generator inputs to examples of the EMA generator.
    pub(super) samples: Forward,
    pub(super) batch_norm: Option<EstimateBatchNorm>,
    /// Points to scores of the discriminator.
    pub(super) scores: Option<Forward>,
}

impl Game<'_> {
    /// Plans all programs of the run.
    pub(super) fn plan(&self) -> (Programs, Vec<Program>) {
        let mut all = Vec::new();
        let programs = Programs {
            discriminator: self.plan_step(self.discriminator_step(false), &mut all),
            penalized: self.plan_step(self.discriminator_step(true), &mut all),
            generator: self.plan_step(self.generator_step(), &mut all),
            samples: self.samples(&mut all),
            batch_norm: self.state.batch_norm.map(|p| self.estimate_batch_norm(p, &mut all)),
            scores: self.scores_single_points().then(|| self.scores(&mut all)),
        };
        (programs, all)
    }

    fn plan_step<O>(&self, step: GameStep<O>, all: &mut Vec<Program>) -> PlannedStep<O> {
        let planned = step.graph.plan(all, self.recipe.train.recompute);
        PlannedStep { step: planned, inputs: step.inputs, outputs: step.outputs }
    }

    /// Whether the discriminator scores points one by one: neither packed nor by class.
    fn scores_single_points(&self) -> bool {
        self.generator.output().len() == 1 && self.recipe.technique.packing == 1 && self.recipe.classes() == 0
    }

    fn sample_dims(&self, item: &[usize]) -> Vec<usize> {
        std::iter::once(self.sample_batch).chain(item.iter().copied()).collect()
    }

    fn scores(&self, all: &mut Vec<Program>) -> Forward {
        let mut program = ProgramGraph::new("scores");
        let input = program.input("examples", &self.sample_dims(&self.discriminator.input));
        let g = &mut program.graph;
        let flat = self.discriminator_weights(g);
        let bound = self.bind_discriminator(g, flat);
        let scores = self.discriminate(g, &bound, input.node(), None).scores;
        let output = program.output(scores);
        Forward { program: program.plan(all, false), input, output }
    }

    fn samples(&self, all: &mut Vec<Program>) -> Forward {
        let mut program = ProgramGraph::new("samples");
        let input = program.input("latents", &self.sample_dims(&self.generator.input));
        let g = &mut program.graph;
        let bound = self.generator.bind(g, self.state.ema);
        let statistics = self.state.batch_norm.map(|p| g.param(p, &[self.generator.statistics_len()]));
        let fake = self.generator.trace(g, &bound, input.node(), Mode::Evaluate(statistics)).output();
        let output = program.output(fake);
        Forward { program: program.plan(all, false), input, output }
    }

    /// Updates the stored batch-norm statistics with those of one batch of the EMA generator.
    fn estimate_batch_norm(&self, statistics: ParamId, all: &mut Vec<Program>) -> EstimateBatchNorm {
        let mut program = ProgramGraph::new("batch-norm statistics");
        let latents = self.generator_input(&mut program);
        let share = program.input("share", &[]);
        let g = &mut program.graph;
        let bound = self.generator.bind(g, self.state.ema);
        let trace = self.generator.trace(g, &bound, latents.node(), Mode::Train);
        let now = g.concat(&trace.statistics, 0);
        let old = g.param(statistics, &[self.generator.statistics_len()]);
        let difference = g.sub(now, old);
        let part = g.mul(difference, share.node());
        let new = g.add(old, part);
        g.assign(statistics, new);
        EstimateBatchNorm { program: program.plan(all, false), latents, share }
    }
}
