//! What a recipe must not ask for: numbers out of range, and combinations that cannot work.
use super::Recipe;
use crate::loss::Loss;
use crate::nets::{Discriminator, Generator};
use crate::optim::{OptimizerKind, Schedule};
use crate::regularize::Regularizer;

/// Most steps that a generator may look ahead: each makes the graph of a step longer by a discriminator step.
const MAX_UNROLL: u32 = 20;
/// Most examples that are judged as one.
const MAX_PACKING: usize = 16;

impl Recipe {
    /// The first thing that is wrong, with what to do instead.
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_counts()?;
        self.check_numbers()?;
        self.check_regularizer()?;
        self.check_combinations()
    }

    /// What is allowed but seldom meant.
    pub fn warnings(&self) -> Vec<String> {
        let mut all = Vec::new();
        if self.technique.label_fake > 0.0 {
            all.push(
                "technique.label_fake above 0: the best discriminator then depends on the generator, which is drawn to what it \
                 makes already (Salimans et al. 2016); label_real = 0.9 alone is the usual smoothing"
                    .to_owned(),
            );
        }
        let (to, from) = (self.objective.penalty_to, self.objective.penalty_from);
        if (to != 1.0 || from != 0.0) && self.objective.regularizer.every() == 0 {
            all.push(format!(
                "objective.penalty_to = {to}, penalty_from = {from} without a penalty: nothing fades; set \
                 objective.regularizer = {{ kind = \"r1r2\", gamma = 0.01 }}, or leave both away"
            ));
        }
        if self.optimizer.kind == OptimizerKind::Sgd && !matches!(self.generator, Generator::Mlp { .. }) {
            all.push(
                "optimizer.kind = \"sgd\" for pictures: plain gradient descent circles around the saddle point; adam or rmsprop \
                 usually converge"
                    .to_owned(),
            );
        }
        if self.train.generator_steps > 5 * self.train.discriminator_steps {
            all.push(
                "many generator steps for each discriminator step: the generator outruns a discriminator that knows it no more, and \
                 collapses; try train.generator_steps = 1"
                    .to_owned(),
            );
        }
        all
    }

    fn check_counts(&self) -> Result<(), String> {
        let t = &self.train;
        let counts = [
            ("train.steps", t.steps, 1, 100_000_000),
            ("train.batch_size", t.batch_size as u64, 1, 65_536),
            ("train.discriminator_steps", u64::from(t.discriminator_steps), 1, 1000),
            ("train.generator_steps", u64::from(t.generator_steps), 1, 1000),
            ("train.log_every", t.log_every, 1, u64::MAX),
            ("train.sample_every", t.sample_every, 1, u64::MAX),
            ("train.save_every", t.save_every, 1, u64::MAX),
            ("technique.packing", self.technique.packing as u64, 1, MAX_PACKING as u64),
            ("data.classes", self.data.classes as u64, 0, 256),
        ];
        for (key, value, least, most) in counts {
            if value < least || value > most {
                let range = if most == u64::MAX { format!("{least} or more") } else { format!("{least} to {most}") };
                return Err(format!("{key} = {value}: expected {range}"));
            }
        }
        if let Some(k) = self.technique.unroll.filter(|k| !(1..=MAX_UNROLL).contains(k)) {
            return Err(format!(
                "technique.unroll = {k}: expected 1 to {MAX_UNROLL} discriminator steps to look ahead; leave the key away for none"
            ));
        }
        if self.name.trim().is_empty() {
            return Err("name is empty: expected a word that run folders can carry".into());
        }
        if let Some(size) = self.data.size.filter(|s| s.iter().any(|n| *n == 0 || *n > 4096)) {
            return Err(format!("data.size = {size:?}: expected [width, height], each 1 to 4096"));
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), String> {
        let (o, t) = (&self.optimizer, &self.technique);
        let ranges = [
            ("train.ema", self.train.ema, 0.0, 1.0),
            ("optimizer.beta1", o.beta1, 0.0, 1.0),
            ("optimizer.beta2", o.beta2, 0.0, 1.0),
            ("optimizer.momentum", o.momentum, 0.0, 1.0),
            ("train.discriminator_margin", self.train.discriminator_margin, 0.0, 1.0),
            ("objective.penalty_from", self.objective.penalty_from, 0.0, 1.0),
        ];
        for (key, value, least, below) in ranges {
            if !(value >= least && value < below) {
                return Err(format!("{key} = {value}: expected {least} up to, but below, {below}"));
            }
        }
        let positive = [
            ("optimizer.learning_rate", o.learning_rate),
            ("optimizer.generator_learning_rate", o.generator_learning_rate.unwrap_or(1.0)),
            ("optimizer.epsilon", o.epsilon),
            ("data.scale", self.data.scale),
            ("technique.noise_until", t.noise_until),
            ("objective.began_gamma", self.objective.began_gamma),
            ("objective.began_lambda", self.objective.began_lambda),
            ("objective.penalty_to", self.objective.penalty_to),
        ];
        for (key, value) in positive {
            if !(value > 0.0 && value.is_finite()) {
                return Err(format!("{key} = {value}: expected a positive number"));
            }
        }
        for (key, value) in [("technique.noise", t.noise), ("technique.historical_averaging", t.historical_averaging)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(format!("{key} = {value}: expected a number from 0; 0 switches it off"));
            }
        }
        let (from, to) = match self.schedule {
            Schedule::Constant => (0.0, 1.0),
            Schedule::Linear { from, to } => (from, to),
            Schedule::Cosine { to } => (0.0, to),
        };
        for (key, value) in [("schedule.from", from), ("schedule.to", to)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("{key} = {value}: expected 0 to 1"));
            }
        }
        let (real, fake) = (t.label_real, t.label_fake);
        if !(fake >= 0.0 && fake < real && real <= 1.0) {
            return Err(format!(
                "technique.label_fake = {fake}, label_real = {real}: expected 0 <= label_fake < label_real <= 1"
            ));
        }
        if let Some(share) = self.data.held_out.filter(|share| !(0.01..=0.5).contains(share)) {
            return Err(format!("data.held_out = {share}: expected a share of the pictures, 0.01 to 0.5"));
        }
        let [low, high] = self.data.range;
        if !(low < high && low >= -1.0 && high <= 1.0) {
            return Err(format!("data.range = [{low}, {high}]: expected two rising numbers within -1 and 1"));
        }
        Ok(())
    }

    fn check_regularizer(&self) -> Result<(), String> {
        match self.objective.regularizer {
            Regularizer::R1 { gamma, every }
            | Regularizer::R2 { gamma, every }
            | Regularizer::R1R2 { gamma, every }
                if (!(gamma >= 0.0 && gamma.is_finite()) || every == 0) =>
            {
                Err(format!(
                    "objective.regularizer: gamma {gamma}, every {every}: expected gamma from 0 and every from 1"
                ))
            }
            Regularizer::GradientPenalty { lambda, target, .. }
                if ![lambda, target].iter().all(|v| *v >= 0.0 && v.is_finite()) =>
            {
                Err(format!("objective.regularizer: lambda {lambda}, target {target}: expected numbers from 0"))
            }
            Regularizer::Clip { limit } if !(limit > 0.0 && limit.is_finite()) => {
                Err(format!("objective.regularizer: limit {limit}: expected a positive number, as 0.01"))
            }
            Regularizer::Consensus { weight } if !(weight > 0.0 && weight.is_finite()) => {
                Err(format!("objective.regularizer: weight {weight}: expected a positive number, as 0.1"))
            }
            _ => Ok(()),
        }
    }

    fn check_combinations(&self) -> Result<(), String> {
        let (objective, t) = (&self.objective, &self.technique);
        let (loss, regularizer) = (objective.loss, objective.regularizer);
        let refuse = |refused: bool, why: &str| if refused { Err(why.to_owned()) } else { Ok(()) };
        let norm = matches!(self.discriminator, Discriminator::Dcgan { batch_norm: true, .. });
        // Without any bound a Wasserstein discriminator would be refused next.
        let kind = if loss == Loss::Wasserstein { "\"clip\", limit = 0.01" } else { "\"none\"" };
        refuse(
            norm && regularizer.every() > 0,
            &format!(
                "batch normalization in a discriminator whose slope is penalized: the slope of one example would depend on the others; \
                 set discriminator.batch_norm = false or objective.regularizer = {{ kind = {kind} }}"
            ),
        )?;
        refuse(
            t.label_real != 1.0 && !loss.has_labels() || t.label_fake != 0.0 && !loss.has_labels(),
            "label smoothing with a loss that has no labels: relativistic, hinge, wasserstein and began losses compare scores; use \
             objective.loss = \"non-saturating\", or leave technique.label_real and label_fake away",
        )?;
        refuse(
            loss == Loss::Wasserstein
                && !t.spectral_norm
                && matches!(regularizer, Regularizer::None | Regularizer::Consensus { .. }),
            "a Wasserstein discriminator whose slope nothing bounds: its loss has no minimum; set objective.regularizer = \
             { kind = \"gradient-penalty\", lambda = 10 } or { kind = \"clip\", limit = 0.01 }, or technique.spectral_norm = true",
        )?;
        if !self.train.batch_size.is_multiple_of(t.packing) {
            let (batch, packing) = (self.train.batch_size, t.packing);
            let better = batch.div_ceil(packing) * packing;
            return Err(format!(
                "technique.packing = {packing} does not divide train.batch_size = {batch}: the last examples would be left alone; set \
                 train.batch_size = {better}"
            ));
        }
        refuse(
            t.packing > 1 && self.data.classes > 0,
            "packing with classes: examples judged together would need one class; set technique.packing = 1 or data.classes = 0",
        )?;
        refuse(
            (loss == Loss::Began) != self.discriminator.is_autoencoder(),
            "began needs a discriminator that restores examples, and such a discriminator scores nothing else: use objective.loss = \"began\" \
             together with discriminator.family = \"autoencoder\"",
        )?;
        refuse(
            loss == Loss::Began
                && (regularizer != Regularizer::None
                    || t.packing > 1
                    || t.minibatch != Default::default()
                    || self.data.classes > 0
                    || t.unroll.is_some()),
            "began balances its discriminator itself and judges each example alone: leave regularizer, packing, minibatch, unroll and \
             data.classes away, or choose another objective.loss",
        )?;
        refuse(
            self.train.discriminator_margin > 0.0
                && matches!(loss, Loss::Began | Loss::Wasserstein | Loss::LeastSquares | Loss::Hinge),
            "train.discriminator_margin with scores that are no logits of a judgment between 0 and 1: began balances itself, a wasserstein discriminator is \
             to be trained as far as it goes, least-squares and hinge scores stay within their margins; leave train.discriminator_margin away, or \
             use objective.loss = \"non-saturating\"",
        )?;
        refuse(
            self.train.discriminator_margin > 0.0 && self.train.discriminator_steps == 1,
            "train.discriminator_margin with one discriminator step: there is none to leave out; set train.discriminator_steps = 5, the most that a step may take",
        )?;
        refuse(
            loss == Loss::FeatureMatching
                && matches!(&self.discriminator, Discriminator::Mlp { hidden, .. } if hidden.is_empty()),
            "feature matching with a discriminator that has no hidden layer: there are no features; set discriminator.hidden = [64]",
        )?;
        refuse(
            t.minibatch != Default::default() && self.train.batch_size / t.packing < 2,
            "a discriminator that compares the examples of a batch needs at least two: raise train.batch_size",
        )?;
        refuse(
            t.unroll.is_some() && matches!(regularizer, Regularizer::Consensus { .. }),
            "unrolling together with consensus: both look through the other player's update; choose one",
        )?;
        refuse(
            matches!(&self.generator, Generator::Pyramid { widths, .. } if widths.len() == 1),
            "a pyramid of one level: set generator.widths to two numbers or more, one a level, or use generator.family = \"dcgan\"",
        )?;
        refuse(
            !t.augment.is_empty() && matches!(self.generator, Generator::Mlp { .. }),
            "technique.augment is for pictures of a convolutional generator: for points use technique.noise",
        )
    }
}
