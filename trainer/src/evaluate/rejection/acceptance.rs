//! The probability with which a generated image is accepted, and the decision for a seed.

use crate::philox::Key;

/// Stream of the uniform numbers that decide about seeds.
const STREAM: u32 = 0x4143_4350;
/// The ε of the paper's practical scheme, which keeps the logarithm finite.
const EPSILON: f64 = 1e-6;
/// Halvings of the interval in which γ is searched.
const HALVINGS: u32 = 60;

/// The acceptance rule of a generator, estimated on a first set of its images.
///
/// If the logit D̃(x) = log p(x)/q(x) is exact, accepting x with probability exp(D̃(x) - D̃max) turns samples of q into samples of p
/// (Azadi et al. 2019, section 3.1). Hardly any image would be accepted. The practical scheme (section 3.2) accepts with probability
/// sigmoid(F̂(x)), where
///
/// F̂(x) = D̃(x) - D̃max - log(1 - exp(D̃(x) - D̃max - ε)) - γ.
///
/// The paper sets γ to a percentile of F; here it is the value with which a wished share of the first set is accepted on average. A
/// constant that is added to all logits has no effect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Acceptance {
    /// Largest logit of the first set, D̃max.
    max_logit: f64,
    gamma: f64,
}

impl Acceptance {
    /// Returns the rule that accepts `share`, above 0 and below 1, of images with these logits. `None` if there are no logits, or one is
    /// not finite.
    pub(super) fn estimate(logits: &[f32], share: f64) -> Option<Self> {
        if !logits.iter().all(|logit| logit.is_finite()) {
            return None;
        }
        let max_logit = logits.iter().copied().map(f64::from).reduce(f64::max)?;
        let mean = |gamma: f64| {
            let rule = Self { max_logit, gamma };
            logits.iter().map(|&logit| rule.probability(logit)).sum::<f64>() / logits.len() as f64
        };
        let unshifted = logits.iter().map(|&logit| unshifted(f64::from(logit) - max_logit));
        let (least, most) = unshifted.fold((f64::MAX, f64::MIN), |(least, most), f| (least.min(f), most.max(f)));
        // With these two values of γ, every image has a probability above the share, or below it.
        let margin = (share / (1.0 - share)).ln().abs() + 1.0;
        let (mut low, mut high) = (least - margin, most + margin);
        for _ in 0..HALVINGS {
            let middle = low.midpoint(high);
            *(if mean(middle) > share { &mut low } else { &mut high }) = middle;
        }
        Some(Self { max_logit, gamma: low.midpoint(high) })
    }

    /// Returns the probability with which an image is accepted. It rises with the logit, up to the largest one of the first set.
    pub(super) fn probability(&self, logit: f32) -> f64 {
        let f = unshifted(f64::from(logit) - self.max_logit) - self.gamma;
        1.0 / (1.0 + (-f).exp())
    }

    /// Returns whether the image of `seed` is accepted. The uniform number of the decision depends on the seed only.
    pub(super) fn accepts(&self, seed: u32, logit: f32) -> bool {
        let mut uniform = [0.0];
        Key { seed: 0, stream: STREAM, step: seed.into() }.uniform(&mut uniform);
        f64::from(uniform[0]) < self.probability(logit)
    }
}

/// Returns F̂ with γ = 0 for D̃ - D̃max = `below`. A logit above the largest one of the first set counts as equal to it.
fn unshifted(below: f64) -> f64 {
    let below = below.min(0.0);
    below - (-(below - EPSILON).exp_m1()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logits(n: usize, spread: f32) -> Vec<f32> {
        let mut logits = vec![0.0; n];
        Key { seed: 1, stream: 1, step: 0 }.normal(&mut logits);
        logits.iter_mut().for_each(|logit| *logit *= spread);
        logits
    }

    #[test]
    fn the_probability_rises_with_the_logit_and_the_share_is_the_wished_one() {
        for (spread, share) in [(0.1, 0.5), (1.0, 0.5), (1.0, 0.05), (4.0, 0.9), (0.0, 0.3)] {
            let all = logits(4000, spread);
            let rule = Acceptance::estimate(&all[..2000], share).unwrap();
            let mean = all[..2000].iter().map(|&logit| rule.probability(logit)).sum::<f64>() / 2000.0;
            assert!((mean - share).abs() < 1e-6, "{spread} {share}: {mean}");
            let accepted = (0u32..).zip(&all[2000..]).filter(|&(seed, &logit)| rule.accepts(seed, logit)).count();
            let error = (accepted as f64 / 2000.0 - share).abs();
            assert!(error < 4.0 * (share * (1.0 - share) / 2000.0).sqrt(), "{spread} {share}: {accepted} of 2000");
            let of = |step: i32| rule.probability(rule.max_logit as f32 + step as f32 * 0.25);
            assert!((-40..0).all(|step| of(step - 1) < of(step)), "{spread} {share}");
            assert!(of(-1) < of(0) && of(0) == of(1), "{spread} {share}");
        }
    }

    #[test]
    fn without_a_shift_the_probability_is_the_ratio_of_densities_to_its_maximum() {
        let rule = Acceptance { max_logit: 2.0, gamma: 0.0 };
        for logit in [-3.0, 0.0, 1.5] {
            let ratio = (f64::from(logit) - 2.0_f64).exp();
            assert!((rule.probability(logit) - ratio).abs() < 1e-5, "{logit}");
        }
    }

    #[test]
    fn a_constant_on_all_logits_changes_nothing_and_values_that_are_not_finite_give_no_rule() {
        let some = logits(500, 1.0);
        let shifted: Vec<f32> = some.iter().map(|logit| logit + 8.0).collect();
        let [plain, moved] = [&some, &shifted].map(|logits| Acceptance::estimate(logits, 0.5).unwrap());
        assert!(some.iter().zip(&shifted).all(|(&a, &b)| (plain.probability(a) - moved.probability(b)).abs() < 1e-5));
        assert_eq!(Acceptance::estimate(&[], 0.5), None);
        assert_eq!(Acceptance::estimate(&[0.0, f32::NAN], 0.5), None);
    }
}
