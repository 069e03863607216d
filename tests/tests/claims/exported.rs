//! Exported models: the runtime's images equal the whole-tensor oracle's bit for bit, and are close to the float network's.
use ganlet_runtime::{Generator, Model, Rows};
use ganlet_trainer::evaluate::{EmbeddedClassifier, int8_images};
use ganlet_trainer::export::device_net;
use ganlet_trainer::quantize::{self, QuantizeOptions, Quantized, oracle};
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::run;
use ganlet_trainer::train::Trainer;

/// Trains a named recipe for some steps, then quantizes its generator.
fn trained(recipe: &str, steps: u64, settings: &[&str]) -> Quantized {
    let settings: Vec<_> = settings.iter().map(|s| (*s).to_owned()).collect();
    let recipe = Recipe::open(recipe, &settings).unwrap();
    let loaded = run::load_data(&recipe).unwrap();
    let mut trainer = Trainer::new(recipe.clone(), loaded.train, 1, steps, 1).unwrap();
    (0..steps).for_each(|_| _ = trainer.advance().unwrap());
    let net = device_net(&mut trainer, loaded.mixture.as_ref()).unwrap();
    quantize::quantize(&net, &QuantizeOptions { calibration: 64, comparison: 50, ..QuantizeOptions::default() })
        .unwrap()
}

fn all_rows(mut rows: Rows<'_>) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(row) = rows.next_row() {
        all.extend_from_slice(row);
    }
    all
}

/// Compares the images of 32 seeds with the oracle, and returns the tensors of the last one.
fn equals_the_oracle(quantized: &Quantized) -> Vec<oracle::Tensor> {
    let model = Model::from_bytes(&quantized.file).unwrap();
    let mut arena = vec![0xA5; model.arena_len()];
    let mut generator = Generator::new(&model, &mut arena).unwrap();
    let mut tensors = Vec::new();
    for seed in 0..32 {
        let latent = model.latent(seed);
        tensors = oracle::tensors(&quantized.layers, latent.values());
        assert_eq!(all_rows(generator.rows(&latent)), tensors.last().unwrap().pixels(), "seed {seed}");
    }
    tensors
}

const SMALL: [&str; 3] = ["train.batch_size=16", "generator.latent=24", "discriminator.widths=[16, 24]"];

#[test]
fn a_trained_pyramid_draws_level_by_level() {
    let settings = [&SMALL[..], &["generator.widths=[24, 16, 12]", "discriminator.stem=8"]].concat();
    let quantized = trained("faces-pyramid", 60, &settings);
    equals_the_oracle(&quantized);
    assert!(quantized.report.psnr.mean_db > 38.0, "{}", quantized.report);
    let model = Model::from_bytes(&quantized.file).unwrap();
    assert_eq!((model.levels(), model.size()), (2, (16, 16)));
    let mut arena = vec![0xA5; model.arena_len()];
    let mut generator = Generator::new(&model, &mut arena).unwrap();
    for seed in 0..16 {
        let latent = model.latent(seed);
        let tensors = oracle::tensors(&quantized.layers, latent.values());
        let mut distances = Vec::new();
        let image = tensors.last().unwrap().pixels();
        for (level, side) in [(0, 4), (1, 8)] {
            let shape = model.level_shape(level).unwrap();
            assert_eq!((shape.h, shape.w, shape.c), (side, side, 3));
            let rows = all_rows(generator.level_rows(&latent, level).unwrap());
            assert!(tensors.iter().any(|t| t.shape == shape && t.pixels() == rows), "seed {seed}, level {level}");
            distances.push(distance(&rows, usize::from(side), &image, 16));
        }
        // Each level is closer to the full image.
        assert!(distances[0] > distances[1] && distances[1] > 0.0, "seed {seed}: {distances:?}");
    }
}

/// Mean difference of an upsampled small image and a large one.
fn distance(small: &[u8], side: usize, large: &[u8], sides: usize) -> f64 {
    let by = sides / side;
    let pixels = (0..sides * sides * 3).map(|i| {
        let (y, x, c) = (i / 3 / sides, i / 3 % sides, i % 3);
        f64::from(small[((y / by) * side + x / by) * 3 + c].abs_diff(large[i]))
    });
    pixels.sum::<f64>() / (sides * sides * 3) as f64
}

#[test]
fn every_architecture_is_exported_bit_for_bit() {
    let wide = "generator.widths=[24, 16, 12]";
    for (recipe, settings) in [
        ("faces-separable", &[wide, "discriminator.stem=8"][..]),
        ("faces-residual", &[wide]),
        ("faces-residual", &[wide, "generator.batch_norm=true"]),
        ("faces-mapped", &["generator.widths=[24, 16]", "discriminator.stem=8"]),
        ("faces-small", &["generator.widths=[24, 16, 12]", "generator.palette=6", "discriminator.stem=8"]),
        (
            "faces-small",
            &[
                "generator.widths=[24, 16]",
                "generator.upsampling=nearest",
                "generator.refine=false",
                "discriminator.stem=8",
            ],
        ),
    ] {
        let quantized = trained(recipe, 30, &[&SMALL[..], settings].concat());
        equals_the_oracle(&quantized);
        assert!(quantized.report.psnr.mean_db > 36.0, "{recipe}: {}", quantized.report);
    }
}

#[test]
fn binary_latents_survive_quantization() {
    let settings =
        ["generator.latent=6", "generator.binary_latents=4", "generator.hidden=[32, 32]", "train.batch_size=32"];
    let quantized = trained("ring", 100, &settings);
    assert!(quantized.report.psnr.mean_db > 36.0, "{}", quantized.report);
    let tensors = equals_the_oracle(&quantized);
    // Each has the same two values in all images, and the other latents are passed on unchanged.
    let steps: Vec<u8> = tensors[2].values[..4].iter().map(|v| v.unsigned_abs()).collect();
    assert!(steps.iter().all(|v| (32..=127).contains(v)), "{steps:?}");
    let model = Model::from_bytes(&quantized.file).unwrap();
    for seed in 0..64 {
        let latent = model.latent(seed);
        let values = oracle::tensors(&quantized.layers, latent.values()).swap_remove(2).values;
        let sign = |v: i8| if v > 0 { 1 } else { -1 };
        let signs = latent.values().iter().zip(&steps).map(|(&z, &steps)| sign(z) * steps as i8);
        assert!(signs.eq(values[..4].iter().copied()), "seed {seed}: {values:?}");
        assert_eq!(values[4..], latent.values()[4..]);
    }
}

#[test]
fn class_latents_survive_quantization() {
    let shares = ["data.classes=4", "data.class_shares=[39, 30, 18, 13]", "discriminator.stem=8"];
    let settings = [&SMALL[..], &["generator.widths=[24, 16]", "generator.binary_latents=8"], &shares].concat();
    let quantized = trained("faces-small", 30, &settings);
    equals_the_oracle(&quantized);
    let owned: Vec<_> = settings.iter().map(|s| (*s).to_owned()).collect();
    let recipe = Recipe::open("faces-small", &owned).unwrap();
    let model = Model::from_bytes(&quantized.file).unwrap();
    assert_eq!((model.classes(), model.latent_len()), (0, 24));
    let mut steps = [0; 4];
    for seed in 0..64 {
        let latent = model.latent(seed);
        let tensors = oracle::tensors(&quantized.layers, latent.values());
        let (passed, classes) = tensors[2].values.split_at(23);
        let class = recipe.class_of_seed(seed);
        // A class has the same value in all images, at least 32 steps of 1/32.
        let value = if steps[class] == 0 { classes[class] } else { steps[class] };
        let expected: Vec<i8> = (0..4).map(|other| if other == class { value } else { 0 }).collect();
        assert_eq!(classes, expected, "seed {seed}");
        steps[class] = value;
        assert_eq!(passed[8..], latent.values()[8..23]);
    }
    assert!(steps.iter().all(|&v| v >= 32), "{steps:?}");
}

/// The accuracy of this small generator is 59 % after these 700 steps.
#[test]
fn exported_digits_are_classified_as_the_requested_class() {
    let settings = [
        "train.batch_size=32",
        "train.ema=0.98",
        "generator.latent=64",
        "generator.widths=[32, 16]",
        "generator.refine=false",
        "discriminator.widths=[32, 64]",
    ];
    let quantized = trained("digits-classes", 700, &settings);
    let images = int8_images(&quantized.file, 0, 400, |_, _| {}).unwrap();
    let loaded = run::load_data(&Recipe::open("digits-classes", &[]).unwrap()).unwrap();
    let mut classifier = EmbeddedClassifier::new(&loaded.images.unwrap().train, 1);
    // Seed s has class s modulo 10.
    let seen = classifier.classify(&images);
    let right = seen.iter().enumerate().filter(|(seed, class)| seed % 10 == usize::from(**class)).count();
    assert!(right > 180, "{right} of 400");
}
