//! Validates recipes: rejects values out of range and combinations that cannot work.
use super::{Data, Recipe};
use crate::loss::Loss;
use crate::nets::{Discriminator, Generator, Minibatch};
use crate::optim::{OptimizerKind, Schedule};
use crate::regularize::Regularizer;

/// Largest number of unrolled discriminator updates; each makes the generator's graph longer by one update.
const MAX_UNROLL: u32 = 20;
/// Largest number of examples that are scored as one.
const MAX_PACKING: usize = 16;
/// Largest number of clusters that stand for classes.
pub(super) const MAX_CLUSTERS: usize = 64;
/// Largest number of training steps.
pub const MAX_STEPS: u64 = 100_000_000;

impl Recipe {
    /// Returns the first problem, with a remedy.
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_counts()?;
        self.check_numbers()?;
        self.check_data()?;
        self.check_regularizer()?;
        self.check_loss()?;
        self.check_began()?;
        self.check_margin()?;
        self.check_packing()?;
        self.check_networks()
    }

    /// Settings that are allowed but rarely intended.
    pub fn warnings(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut warn = |applies: bool, text: &dyn Fn() -> String| all.extend(applies.then(text));
        warn(self.technique.label_fake > 0.0, &|| {
            "technique.label_fake is above 0: the optimal discriminator then depends on the generator's distribution, which draws the generator \
             toward examples that it already makes (Salimans et al. 2016). The usual smoothing is technique.label_real = 0.9 without it"
                .to_owned()
        });
        let (to, from) = (self.objective.penalty_to, self.objective.penalty_from);
        warn((to != 1.0 || from != 0.0) && self.objective.regularizer.every() == 0, &|| {
            format!(
                "objective.penalty_to = {to} and penalty_from = {from} have no effect without a penalty: set objective.regularizer = \
                 {{ kind = \"r1r2\", gamma = 0.01 }}, or remove both keys"
            )
        });
        warn(self.optimizer.kind == OptimizerKind::Sgd && !matches!(self.generator, Generator::Mlp { .. }), &|| {
            "optimizer.kind = \"sgd\" for images: plain gradient descent tends to circle around the equilibrium; \"adam\" and \"rmsprop\" \
             usually converge"
                .to_owned()
        });
        warn(self.train.generator_steps > 5 * self.train.discriminator_steps, &|| {
            "train.generator_steps is more than 5 times train.discriminator_steps: the discriminator is slower than the generator, which then \
             collapses; try train.generator_steps = 1"
                .to_owned()
        });
        all
    }

    fn check_counts(&self) -> Result<(), String> {
        let t = &self.train;
        let counts = [
            ("train.steps", t.steps, 1, MAX_STEPS),
            ("train.batch_size", t.batch_size as u64, 1, 65_536),
            ("train.discriminator_steps", u64::from(t.discriminator_steps), 1, 1000),
            ("train.generator_steps", u64::from(t.generator_steps), 1, 1000),
            ("train.log_every", t.log_every, 1, u64::MAX),
            ("train.sample_every", t.sample_every, 1, u64::MAX),
            ("train.save_every", t.save_every, 1, u64::MAX),
            ("technique.packing", self.technique.packing as u64, 1, MAX_PACKING as u64),
            ("data.classes", self.data.classes as u64, 0, 256),
        ];
        for (key, value, min, max) in counts {
            if value < min || value > max {
                let range = if max == u64::MAX { format!("{min} or more") } else { format!("{min} to {max}") };
                return Err(format!("{key} = {value}: expected {range}"));
            }
        }
        let Data { clusters, classes, class_shares: shares, .. } = &self.data;
        if *clusters == 1 || *clusters > MAX_CLUSTERS {
            return Err(format!("data.clusters = {clusters}: expected 2 to {MAX_CLUSTERS}, or 0 for no clusters"));
        }
        refuse(
            *clusters > 0 && *classes > 0,
            "data.clusters and data.classes: clusters stand for classes; set data.classes = 0, or data.clusters = 0",
        )?;
        if self.data.classes > 0 && !shares.is_empty() {
            let has_each = shares.len() == self.data.classes && shares.len() > 1;
            if !has_each || !shares.iter().all(|s| s.is_finite() && *s > 0.0) {
                return Err(format!(
                    "data.class_shares = {shares:?}: expected a number above 0 for each of data.classes = {}; or set data.class_shares=[], so \
                     that the class is an input of the generator",
                    self.data.classes
                ));
            }
        }
        match self.technique.unroll {
            Some(k) if !(1..=MAX_UNROLL).contains(&k) => Err(format!(
                "technique.unroll = {k}: expected 1 to {MAX_UNROLL} discriminator updates; remove the key to train without unrolling"
            )),
            _ => Ok(()),
        }
    }

    fn check_numbers(&self) -> Result<(), String> {
        let (o, t, objective) = (&self.optimizer, &self.technique, &self.objective);
        let below_one = [
            ("train.ema", self.train.ema),
            ("optimizer.beta1", o.beta1),
            ("optimizer.beta2", o.beta2),
            ("optimizer.momentum", o.momentum),
            ("train.discriminator_margin", self.train.discriminator_margin),
            ("objective.penalty_from", objective.penalty_from),
        ];
        let positive = [
            ("optimizer.learning_rate", o.learning_rate),
            ("optimizer.generator_learning_rate", o.generator_rate()),
            ("optimizer.epsilon", o.epsilon),
            ("data.scale", self.data.scale),
            ("technique.noise_until", t.noise_until),
            ("objective.began_gamma", objective.began_gamma),
            ("objective.began_lambda", objective.began_lambda),
            ("objective.penalty_to", objective.penalty_to),
        ];
        let not_negative = [("technique.noise", t.noise), ("technique.historical_averaging", t.historical_averaging)];
        let (from, to) = match self.schedule {
            Schedule::Constant => (0.0, 1.0),
            Schedule::Linear { from, to } => (from, to),
            Schedule::Cosine { to } => (0.0, to),
        };
        let shares = [("schedule.from", from), ("schedule.to", to), ("export.truncation", self.export.truncation)];
        expect(&below_one, "a number from 0 to below 1", |v| (0.0..1.0).contains(&v))?;
        expect(&positive, "a positive number", |v| v > 0.0 && v.is_finite())?;
        expect(&not_negative, "0 or a positive number; 0 switches it off", |v| v >= 0.0 && v.is_finite())?;
        expect(&shares, "a number from 0 to 1", |v| (0.0..=1.0).contains(&v))?;
        let (real, fake) = (t.label_real, t.label_fake);
        if !(fake >= 0.0 && fake < real && real <= 1.0) {
            return Err(format!(
                "technique.label_fake = {fake}, label_real = {real}: expected 0 <= label_fake < label_real <= 1"
            ));
        }
        Ok(())
    }

    fn check_data(&self) -> Result<(), String> {
        if self.name.trim().is_empty() {
            return Err("name is empty: expected a word, because run folders contain it".into());
        }
        if self.name.contains(['/', '\\']) {
            let name = self.name.escape_default();
            return Err(format!(
                "name = \"{name}\": expected a word, not a path, because run folders and model files contain it"
            ));
        }
        if let Some(size) = self.data.size.filter(|s| s.iter().any(|n| *n == 0 || *n > 4096)) {
            return Err(format!("data.size = {size:?}: expected [width, height], each 1 to 4096"));
        }
        if let Some(share) = self.data.held_out.filter(|share| !(0.01..=0.5).contains(share)) {
            return Err(format!("data.held_out = {share}: expected a fraction of the images, 0.01 to 0.5"));
        }
        let [low, high] = self.data.range;
        if !(low < high && low >= -1.0 && high <= 1.0) {
            return Err(format!("data.range = [{low}, {high}]: expected two ascending numbers from -1 to 1"));
        }
        Ok(())
    }

    fn check_regularizer(&self) -> Result<(), String> {
        let not_negative = |v: f32| v >= 0.0 && v.is_finite();
        let positive = |v: f32| v > 0.0 && v.is_finite();
        let (valid, problem) = match self.objective.regularizer {
            Regularizer::None => return Ok(()),
            Regularizer::R1 { gamma, every }
            | Regularizer::R2 { gamma, every }
            | Regularizer::R1R2 { gamma, every } => (
                not_negative(gamma) && every > 0,
                format!("gamma = {gamma}, every = {every}: expected gamma >= 0 and every >= 1"),
            ),
            Regularizer::GradientPenalty { lambda, target, .. } => (
                not_negative(lambda) && not_negative(target),
                format!("lambda = {lambda}, target = {target}: expected lambda >= 0 and target >= 0"),
            ),
            Regularizer::Clip { limit } => {
                (positive(limit), format!("limit = {limit}: expected a positive number, such as 0.01"))
            }
            Regularizer::Consensus { weight } => {
                (positive(weight), format!("weight = {weight}: expected a positive number, such as 0.1"))
            }
        };
        if valid { Ok(()) } else { Err(format!("objective.regularizer: {problem}")) }
    }

    /// Combinations of the loss with regularizers and techniques.
    fn check_loss(&self) -> Result<(), String> {
        let (loss, regularizer, t) = (self.objective.loss, self.objective.regularizer, &self.technique);
        let has_batch_norm = matches!(self.discriminator, Discriminator::Dcgan { batch_norm: true, .. });
        // A Wasserstein loss without a bound on the critic's slope would be the next error.
        let other = if loss == Loss::Wasserstein { "\"clip\", limit = 0.01" } else { "\"none\"" };
        refuse(
            has_batch_norm && regularizer.every() > 0,
            &format!(
                "batch normalization in a discriminator with a gradient penalty: the gradient of one example would depend on the others; \
                 set discriminator.batch_norm = false, or objective.regularizer = {{ kind = {other} }}"
            ),
        )?;
        refuse(
            (t.label_real != 1.0 || t.label_fake != 0.0) && !loss.has_labels(),
            "label smoothing with a loss that has no labels: the relativistic, hinge, wasserstein and began losses compare scores; set \
             objective.loss = \"non-saturating\", or remove technique.label_real and technique.label_fake",
        )?;
        refuse(
            loss == Loss::Wasserstein
                && !t.spectral_norm
                && matches!(regularizer, Regularizer::None | Regularizer::Consensus { .. }),
            "a Wasserstein critic without a bound on its slope: the loss has no minimum; set objective.regularizer = \
             { kind = \"gradient-penalty\", lambda = 10 } or { kind = \"clip\", limit = 0.01 }, or technique.spectral_norm = true",
        )?;
        refuse(
            t.unroll.is_some() && matches!(regularizer, Regularizer::Consensus { .. }),
            "unrolling together with consensus optimization: both differentiate through the other network's update; choose one",
        )
    }

    fn check_began(&self) -> Result<(), String> {
        let t = &self.technique;
        refuse(
            self.is_began() != self.discriminator.is_autoencoder(),
            "objective.loss = \"began\" and discriminator.family = \"autoencoder\" work only together: BEGAN's scores are reconstruction errors",
        )?;
        let extras = self.objective.regularizer != Regularizer::None
            || t.packing > 1
            || t.minibatch != Minibatch::None
            || self.classes() > 0
            || t.unroll.is_some();
        refuse(
            self.is_began() && extras,
            "objective.loss = \"began\" balances its discriminator by itself and scores each example alone: remove objective.regularizer, \
             technique.packing, technique.minibatch, technique.unroll, data.classes and data.clusters, or choose another loss",
        )
    }

    fn check_margin(&self) -> Result<(), String> {
        let has_margin = self.train.discriminator_margin > 0.0;
        refuse(
            has_margin
                && matches!(self.objective.loss, Loss::Began | Loss::Wasserstein | Loss::LeastSquares | Loss::Hinge),
            "train.discriminator_margin with scores that are not logits: BEGAN balances its discriminator by itself, a Wasserstein critic should be \
             trained to its optimum, and least-squares and hinge scores have margins of their own; remove train.discriminator_margin, or \
             set objective.loss = \"non-saturating\"",
        )?;
        refuse(
            has_margin && self.train.discriminator_steps == 1,
            "train.discriminator_margin with one discriminator update a step: there is none to skip; set train.discriminator_steps = 5, the \
             largest number of updates in a step",
        )
    }

    fn check_packing(&self) -> Result<(), String> {
        let (batch, packing) = (self.train.batch_size, self.technique.packing);
        refuse(
            !batch.is_multiple_of(packing),
            &format!(
                "technique.packing = {packing} does not divide train.batch_size = {batch}: set train.batch_size = {}",
                batch.div_ceil(packing) * packing
            ),
        )?;
        refuse(
            packing > 1 && self.classes() > 0,
            "technique.packing with classes: examples that are scored together would have different classes; set technique.packing = 1, or \
             data.classes = 0 and data.clusters = 0",
        )?;
        refuse(
            self.technique.minibatch != Minibatch::None && batch / packing < 2,
            "technique.minibatch compares the examples of a batch and needs at least two: increase train.batch_size",
        )
    }

    fn check_networks(&self) -> Result<(), String> {
        refuse(
            self.objective.loss == Loss::FeatureMatching
                && matches!(&self.discriminator, Discriminator::Mlp { hidden, .. } if hidden.is_empty()),
            "feature matching with a discriminator that has no hidden layer: there are no features; set discriminator.hidden = [64]",
        )?;
        refuse(
            matches!(&self.generator, Generator::Pyramid { widths, .. } if widths.len() == 1),
            "a pyramid with one level: set generator.widths to two or more numbers, one for each level, or generator.family = \"dcgan\"",
        )?;
        refuse(
            !self.technique.augment.is_empty() && matches!(self.generator, Generator::Mlp { .. }),
            "technique.augment works for images from a convolutional generator: for points, use technique.noise",
        )
    }
}

fn refuse(refused: bool, why: &str) -> Result<(), String> {
    if refused { Err(why.to_owned()) } else { Ok(()) }
}

/// Refuses the first value that is not `valid`.
fn expect(values: &[(&str, f32)], expected: &str, valid: impl Fn(f32) -> bool) -> Result<(), String> {
    match values.iter().find(|(_, value)| !valid(*value)) {
        Some((key, value)) => Err(format!("{key} = {value}: expected {expected}")),
        None => Ok(()),
    }
}
