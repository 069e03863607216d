//! Tests: a discriminator that knows bad images raises precision, and the accepted seeds do not depend on the number of threads.

use super::*;
use crate::evaluate::Evaluator;
use crate::loss::Loss;
use crate::nn::{Layer, Network};
use crate::philox::Key;
use crate::quantize::{Activation, FloatLayer, FloatNet, FloatOp, FloatSource, QuantizeOptions, quantize};
use crate::recipe::Recipe;
use crate::train::{Player, StateKey, TrainerParts};
use ganlet_runtime::normal_i8;
use std::sync::Arc;

const SIDE: usize = 8;
const LATENT: usize = 16;

/// A generator whose images are bright if the first latent value is positive, and dark otherwise, with details from the other values.
fn bright_or_dark() -> Vec<u8> {
    let mut weight = vec![0.0; LATENT * SIDE * SIDE];
    Key { seed: 2, stream: 0, step: 0 }.normal(&mut weight);
    weight.iter_mut().for_each(|w| *w *= 0.05);
    weight[..SIDE * SIDE].fill(1.0);
    let op = FloatOp::Dense { inputs: LATENT, h: SIDE, w: SIDE, c: 1 };
    let bias = vec![0.0; SIDE * SIDE];
    let layer = FloatLayer { op, input: FloatSource::Latent, weight, bias, activation: Activation::Tanh };
    let net = FloatNet {
        name: "bright or dark".into(),
        inputs: LATENT,
        layers: vec![layer],
        levels: vec![],
        classes: 0,
        discriminator_layers: 0,
        range: (-1.0, 1.0),
    };
    let options = QuantizeOptions { calibration: 64, comparison: 16, ..QuantizeOptions::default() };
    quantize(&net, &options).unwrap().file
}

fn is_bright(seed: u32) -> bool {
    let mut z = [0; LATENT];
    normal_i8(seed, &mut z);
    z[0] > 0
}

/// Images of the generator that are bright.
fn bright_images(file: &[u8]) -> ImageDataset {
    let pixels = (5_000_000..).filter(|&seed| is_bright(seed)).take(600);
    let pixels = pixels.flat_map(|seed| int8_images(file, seed, 1, |_, _| {}).unwrap()).collect();
    ImageDataset::new("bright", (SIDE, SIDE, 1), pixels, None).unwrap()
}

/// A trainer whose discriminator's logit is `slope` times the mean of the pixels.
fn trainer(settings: &[&str], slope: f32, data: &ImageDataset, threads: usize) -> Trainer {
    let settings =
        [&["data.size=[8,8]", "train.batch_size=4", "generator.widths=[4]", "generator.latent=16"], settings].concat();
    let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
    let recipe = Recipe::open("digits-small", &settings).unwrap();
    let mut parts = TrainerParts::of(recipe, Arc::new(data.clone())).unwrap();
    let layers = vec![Layer::Dense { inputs: SIDE * SIDE, to: vec![1] }];
    parts.discriminator = Network::new("discriminator", &[SIDE, SIDE, 1], layers);
    let mut trainer = Trainer::from_parts(parts, 1, 10, threads).unwrap();
    let weights = trainer.state_mut(StateKey::Weights(Player::Discriminator)).unwrap();
    weights.fill(slope / (SIDE * SIDE) as f32);
    *weights.last_mut().unwrap() = 0.0;
    trainer
}

fn sampler<'a>(trainer: &Trainer, file: &'a [u8], real: &ImageDataset, fit_steps: u64) -> RejectionSampler<'a> {
    RejectionSampler::new(trainer, file, real, RejectionOptions { share: 0.4, fit_steps }, &mut |_| {}).unwrap()
}

#[test]
fn a_discriminator_that_knows_bad_images_raises_precision() {
    let file = bright_or_dark();
    let (train, held_out) = bright_images(&file).split(300, 300).unwrap();
    let mut evaluator = Evaluator::new(&held_out, &train, 1).unwrap();
    let all = evaluator.measure(&int8_images(&file, 1, 300, |_, _| {}).unwrap(), |_, _| {}).unwrap();
    let planted = trainer(&[], 8.0, &train, 1);
    let found = sampler(&planted, &file, &train, 0).draw(1, 300, &mut |_| {}).unwrap();
    let accepted = evaluator.measure(&found.images, |_, _| {}).unwrap();
    assert!(all.precision < 0.7 && accepted.precision > 0.8, "{} {}", all.precision, accepted.precision);
    assert!(accepted.frechet < 0.5 * all.frechet, "{} {}", all.frechet, accepted.frechet);
    let share = 300.0 / found.scored.len() as f64;
    assert!((share - 0.4).abs() < 0.08, "{share}");
    assert!(found.scored.last().unwrap().accepted && found.seeds().len() == 300);
}

#[test]
fn fitting_teaches_the_discriminator_what_is_wrong_with_the_generator() {
    let file = bright_or_dark();
    let train = bright_images(&file);
    // The hinge loss has no ratio of densities; the fitted discriminator has one.
    let blind = trainer(&["objective.loss=\"hinge\""], 0.0, &train, 1);
    let bright = |selection: &Selection| selection.seeds().iter().filter(|seed| is_bright(**seed)).count();
    let mut fitted = sampler(&blind, &file, &train, 2000);
    let fit = fitted.fit().unwrap();
    assert!((fit.before - 2.0_f64.ln()).abs() < 1e-6 && fit.after < 0.6 && fit.step > 0, "{fit:?}");
    let found = fitted.draw(1, 200, &mut |_| {}).unwrap();
    assert!(bright(&found) > 140, "{}", bright(&found));
    let error =
        RejectionSampler::new(&blind, &file, &train, RejectionOptions { share: 0.5, fit_steps: 0 }, &mut |_| {});
    assert_eq!(error.err(), Some(RejectionError::NoRatio(Loss::Hinge)));
}

#[test]
fn accepted_seeds_do_not_depend_on_threads_or_the_first_seed() {
    let file = bright_or_dark();
    let train = bright_images(&file);
    let of = |threads, first, n| {
        let planted = trainer(&[], 3.0, &train, threads);
        sampler(&planted, &file, &train, 20).draw(first, n, &mut |_| {}).unwrap()
    };
    let (one, two) = (of(1, 10, 150), of(2, 10, 150));
    assert_eq!(one, two);
    let later = of(1, 100, 20).seeds();
    let same: Vec<u32> = one.seeds().into_iter().filter(|seed| *seed >= 100).take(20).collect();
    assert_eq!(later, same);
}

#[test]
fn discriminators_that_cannot_score_single_images_are_refused_with_a_remedy() {
    let file = bright_or_dark();
    let train = bright_images(&file);
    let error = |settings: &[&str], options: RejectionOptions| {
        let trainer = trainer(settings, 1.0, &train, 1);
        RejectionSampler::new(&trainer, &file, &train, options, &mut |_| {}).err().unwrap().to_string()
    };
    let trained = RejectionOptions { fit_steps: 0, ..RejectionOptions::default() };
    assert!(error(&["objective.loss=\"least-squares\""], trained).contains("--fit-steps 1000"));
    for share in [0.0, 1.0, f64::NAN] {
        let options = RejectionOptions { share, ..RejectionOptions::default() };
        assert!(error(&[], options).contains("expected a number above 0 and below 1"));
    }
    let few = train.split(31, 31).unwrap().0;
    let planted = trainer(&[], 1.0, &train, 1);
    let few = RejectionSampler::new(&planted, &file, &few, RejectionOptions::default(), &mut |_| {});
    assert_eq!(few.err(), Some(RejectionError::FewImages(31)));
}
