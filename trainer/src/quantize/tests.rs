//! Tests: quantized random generators draw nearly the same images as the float networks; errors name the unsupported layer.
use super::*;
use crate::nn::{Layer, Network};
use crate::philox::Key;
use ganlet_runtime::WeightLayout;

fn random(count: usize, scale: f32, stream: u32) -> Vec<f32> {
    let mut values = vec![0.0; count];
    Key { seed: 7, stream, step: 0 }.normal(&mut values);
    values.iter_mut().for_each(|v| *v *= scale);
    values
}

/// He-scaled random weights, small random biases.
fn layer(op: FloatOp, activation: Activation, index: usize) -> FloatLayer {
    let stream = index as u32;
    let (fan_in, biases) = match op {
        FloatOp::Dense { inputs, c, .. } => (inputs, c),
        FloatOp::Conv { k, c_in, c_out, .. } => (k * k * c_in, c_out),
        FloatOp::ConvTranspose { k, s, c_in, c_out, .. } => (k.div_ceil(s).pow(2) * c_in, c_out),
        FloatOp::Depthwise { k, c, .. } => (k * k, c),
        FloatOp::Upsample { .. } | FloatOp::Add { .. } | FloatOp::Palette { .. } => (1, 0),
    };
    let scale = (if activation == Activation::Tanh { 0.5 } else { 2.0 } / fan_in as f32).sqrt();
    let weight = random(op.weights(), scale, stream);
    FloatLayer { op, input: FloatSource::before(index), weight, bias: random(biases, 0.1, stream + 1000), activation }
}

fn net(latent: usize, layers: &[(FloatOp, Activation)]) -> FloatNet {
    let layers = layers.iter().enumerate().map(|(i, (op, activation))| layer(*op, *activation, i)).collect();
    FloatNet {
        name: "random".into(),
        inputs: latent,
        layers,
        levels: vec![],
        classes: 0,
        discriminator_layers: 0,
        range: (-1.0, 1.0),
    }
}

fn up(c_in: usize, c_out: usize) -> FloatOp {
    FloatOp::ConvTranspose { k: 4, s: 2, p: 1, c_in, c_out }
}

fn conv3(c_in: usize, c_out: usize) -> FloatOp {
    FloatOp::Conv { k: 3, s: 1, p: 1, c_in, c_out }
}

fn check(net: &FloatNet, least_db: f64) -> QuantizationReport {
    let report = quantize(net, &QuantizeOptions { calibration: 128, comparison: 100, ..QuantizeOptions::default() })
        .unwrap()
        .report;
    println!("{report}");
    assert!(report.psnr.mean_db >= least_db, "{report}");
    report
}

#[test]
fn a_dcgan_with_relu_keeps_its_images() {
    let dense = FloatOp::Dense { inputs: 64, h: 4, w: 4, c: 48 };
    let relu = Activation::Relu;
    let report = check(&net(64, &[(dense, relu), (up(48, 32), relu), (up(32, 3), Activation::Tanh)]), 40.0);
    assert_eq!(report.macs, 64 * 768 + 64 * 4 * 48 * 32 + 256 * 4 * 32 * 3);
    assert!(report.arena_bytes < 1200);
}

#[test]
fn leaky_upsampling_and_sigmoid_keep_their_images() {
    let dense = FloatOp::Dense { inputs: 32, h: 7, w: 5, c: 24 };
    let (leaky, linear) = (Activation::LeakyRelu(0.2), Activation::Linear);
    let twice = FloatOp::Upsample { factor: 2 };
    let mut net = net(
        32,
        &[
            (dense, leaky),
            (twice, linear),
            (conv3(24, 16), leaky),
            (twice, linear),
            (conv3(16, 1), Activation::Sigmoid),
        ],
    );
    net.range = (0.0, 1.0);
    let fused = check(&net, 40.0);
    let apart = quantize(
        &net,
        &QuantizeOptions { fuse_upsampling: false, calibration: 64, comparison: 50, ..QuantizeOptions::default() },
    )
    .unwrap()
    .report;
    assert!(apart.psnr.mean_db > 40.0, "{apart}");
    assert!(fused.macs * 2 < apart.macs && fused.arena_bytes < apart.arena_bytes, "{fused}\n{apart}");
}

#[test]
fn perceptrons_and_linear_outputs_keep_their_images() {
    let dense = |inputs, h, w, c| FloatOp::Dense { inputs, h, w, c };
    let linear = Activation::Linear;
    check(&net(16, &[(dense(16, 1, 1, 64), Activation::Relu), (dense(64, 8, 6, 1), Activation::Tanh)]), 40.0);
    let mut wide = net(16, &[(dense(16, 4, 4, 8), linear), (conv3(8, 3), linear)]);
    wide.range = (-3.0, 5.0);
    check(&wide, 38.0);
    wide.layers[1].activation = Activation::Relu;
    check(&wide, 38.0);
    wide.range = (0.0, 4.0);
    check(&wide, 38.0);
}

#[test]
fn fusing_an_upsampling_changes_nothing_in_floats() {
    let dense = FloatOp::Dense { inputs: 8, h: 3, w: 4, c: 5 };
    for (factor, k, p) in [(2, 3, 1), (3, 3, 0), (2, 5, 2), (4, 1, 0)] {
        let conv = FloatOp::Conv { k, s: 1, p, c_in: 5, c_out: 3 };
        let up = FloatOp::Upsample { factor };
        let net = net(8, &[(dense, Activation::Relu), (up, Activation::Linear), (conv, Activation::Tanh)]);
        let fused = net.fuse_upsampling();
        assert_eq!(fused.layers.len(), 2);
        let z = [5, -60, 31, 0, 7, 90, -127, 12];
        let (a, b) = (net.forward(&z), fused.forward(&z));
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-5));
    }
}

#[test]
fn dead_channels_and_dominant_biases_survive() {
    let dense = FloatOp::Dense { inputs: 16, h: 4, w: 4, c: 8 };
    let mut net = net(16, &[(dense, Activation::Relu), (up(8, 1), Activation::Tanh)]);
    for (i, w) in net.layers[0].weight.iter_mut().enumerate() {
        match i % 8 {
            0 => *w = 0.0,
            1 => *w *= 1e-12,
            _ => {}
        }
    }
    net.layers[0].bias = vec![0.0, 3.0, 0.1, -0.1, 0.0, 0.2, -9.0, 0.0];
    check(&net, 38.0);
}

/// Scales the channels of hidden layer `layer` from 1/r to r and the weights of the next layer, which is a transposed convolution,
/// by the inverse.
fn uneven(net: &FloatNet, layer: usize, r: f32) -> FloatNet {
    let mut net = net.clone();
    let channels = net.shapes().unwrap()[layer].c;
    let factor = |c: usize| r.powf(2.0 * (c % channels) as f32 / (channels - 1) as f32 - 1.0);
    let inner = if let FloatOp::ConvTranspose { c_in, .. } = net.layers[layer].op { c_in } else { 1 };
    net.layers[layer].weight.iter_mut().enumerate().for_each(|(i, w)| *w *= factor(i / inner));
    net.layers[layer].bias.iter_mut().enumerate().for_each(|(i, b)| *b *= factor(i));
    net.layers[layer + 1].weight.iter_mut().enumerate().for_each(|(i, w)| *w /= factor(i));
    net
}

#[test]
fn uneven_channels_cost_no_quality() {
    let (relu, leaky) = (Activation::Relu, Activation::LeakyRelu(0.2));
    let dense = FloatOp::Dense { inputs: 16, h: 4, w: 4, c: 8 };
    let even = net(16, &[(dense, relu), (up(8, 8), leaky), (up(8, 8), relu), (up(8, 3), Activation::Tanh)]);
    let options = QuantizeOptions { calibration: 128, comparison: 64, ..QuantizeOptions::default() };
    let psnr = |net: &FloatNet, options: &QuantizeOptions| quantize(net, options).unwrap().report.psnr.mean_db;
    let expected = psnr(&even, &options);
    for (layer, r) in [(0, 30.0), (1, 4.0), (1, 100.0), (2, 100.0)] {
        let net = uneven(&even, layer, r);
        let z = even.inputs_of_seed(3);
        assert!(even.forward(&z).iter().zip(&net.forward(&z)).all(|(a, b)| (a - b).abs() < 1e-4));
        let (found, without) = (psnr(&net, &options), psnr(&net, &QuantizeOptions { equalize: false, ..options }));
        assert!(found > expected - 0.5, "layer {layer}, 1/{r} to {r}: {found:.1} dB instead of {expected:.1} dB");
        assert!(without < found - 3.0, "without equalization: {without:.1} dB");
    }
    let all = uneven(&uneven(&uneven(&even, 0, 50.0), 1, 80.0), 2, 20.0);
    assert!(psnr(&all, &options) > expected - 0.5);
}

#[test]
fn an_outlier_among_the_weights_is_reported_with_its_layer() {
    use crate::export::QualityWarning;
    let relu = Activation::Relu;
    let dense = FloatOp::Dense { inputs: 16, h: 4, w: 4, c: 8 };
    let mut net = net(16, &[(dense, relu), (up(8, 8), relu), (up(8, 3), Activation::Tanh)]);
    let options = QuantizeOptions { calibration: 64, comparison: 32, ..QuantizeOptions::default() };
    let report = quantize(&net, &options).unwrap().report;
    assert_eq!(QualityWarning::all(&report, None), []);
    net.layers[1].weight[5] = 40.0;
    let report = quantize(&net, &options).unwrap().report;
    let uneven = report.uneven.clone().unwrap();
    assert!(uneven.layer == 1 && uneven.ratio > 30.0, "{uneven:?}");
    let warnings: Vec<String> = QualityWarning::all(&report, None).iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1, "{report}");
    assert!(warnings[0].contains("the most uneven weights are in layer 1 (conv-transpose)"), "{warnings:?}");
}

#[test]
fn a_generator_that_draws_one_image_is_reported_and_one_with_infinite_weights_refused() {
    use crate::export::QualityWarning;
    let dense = FloatOp::Dense { inputs: 16, h: 4, w: 4, c: 8 };
    let healthy = net(16, &[(dense, Activation::Relu), (up(8, 8), Activation::Relu), (up(8, 3), Activation::Tanh)]);
    let options = QuantizeOptions { calibration: 32, comparison: 32, ..QuantizeOptions::default() };
    let zeros = |net: &mut FloatNet, layer: usize| net.layers[layer].weight.fill(0.0);
    for layer in 0..3 {
        let mut net = healthy.clone();
        zeros(&mut net, layer);
        net.layers[layer].bias.iter_mut().enumerate().for_each(|(i, b)| *b = 0.01 * i as f32);
        let report = quantize(&net, &options).unwrap().report;
        let warnings = QualityWarning::all(&report, None);
        assert_eq!(warnings, [QualityWarning::Constant { images: 32 }], "layer {layer}: {report}");
        assert!(warnings[0].to_string().starts_with("all 32 images are the same"));
    }
    for (bad, value) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let mut net = healthy.clone();
        net.layers[1].bias[2] = bad;
        let text = quantize(&net, &options).unwrap_err().to_string();
        assert!(text.contains("layer 1") && text.contains(value), "{text}");
    }
}

/// Mean absolute change of pixels when random latents move along `direction` by one standard deviation.
fn effect(net: &FloatNet, direction: &[f64]) -> f64 {
    let change = |seed| {
        let z = net.inputs_of_seed(seed);
        let moved: Vec<i8> = z.iter().zip(direction).map(|(&z, d)| (f64::from(z) + 32.0 * d).round() as i8).collect();
        let (a, b) = (net.forward(&z), net.forward(&moved));
        a.iter().zip(&b).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / a.len() as f64
    };
    (0..24).map(change).sum::<f64>() / 24.0
}

#[test]
fn the_first_direction_changes_images_more_than_any_latent_value() {
    let relu = Activation::Relu;
    let dense = FloatOp::Dense { inputs: 12, h: 4, w: 4, c: 8 };
    let features = net(12, &[(dense, relu), (up(8, 8), relu), (up(8, 3), Activation::Tanh)]);
    let flat = |inputs, c| FloatOp::Dense { inputs, h: 1, w: 1, c };
    let mapped = net(
        12,
        &[(flat(12, 16), relu), (FloatOp::Dense { inputs: 16, h: 4, w: 4, c: 8 }, relu), (up(8, 3), Activation::Tanh)],
    );
    // SeFa for the first network; principal components for the second, which has a mapping network.
    for net in [features, mapped] {
        let directions = net.directions(12, 512);
        assert_eq!(directions.len(), 12);
        let real: Vec<Vec<f64>> =
            directions.iter().map(|d| d.iter().map(|&v| f64::from(v) / 128.0).collect()).collect();
        for (i, a) in real.iter().enumerate() {
            for (j, b) in real.iter().enumerate() {
                let product: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 0.03, "{i} {j} {product}");
            }
        }
        let axis = |i: usize| (0..12).map(|j| f64::from(u8::from(i == j))).collect::<Vec<_>>();
        let axes: Vec<f64> = (0..12).map(|i| effect(&net, &axis(i))).collect();
        let (first, last) = (effect(&net, &real[0]), effect(&net, &real[11]));
        let largest = axes.iter().copied().fold(0.0, f64::max);
        assert!(first > largest && first > 1.5 * last, "{first} {last} {axes:?}");
    }
}

#[test]
fn directions_are_stored_in_the_model_unless_they_are_not_wanted() {
    let dense = FloatOp::Dense { inputs: 12, h: 4, w: 4, c: 8 };
    let net = net(12, &[(dense, Activation::Relu), (up(8, 1), Activation::Tanh)]);
    let options = QuantizeOptions { calibration: 64, comparison: 8, ..QuantizeOptions::default() };
    let directions = |options: &QuantizeOptions| {
        let quantized = quantize(&net, options).unwrap();
        ganlet_runtime::Model::from_bytes(&quantized.file).unwrap().directions()
    };
    assert_eq!(directions(&options), 8);
    assert_eq!(directions(&QuantizeOptions { directions: 0, ..options }), 0);
}

#[test]
fn a_flash_budget_increases_speed_without_changing_images() {
    let dense = FloatOp::Dense { inputs: 16, h: 4, w: 4, c: 24 };
    let relu = Activation::Relu;
    let net = net(16, &[(dense, relu), (up(24, 16), relu), (up(16, 1), Activation::Tanh)]);
    let with = |layouts| {
        quantize(&net, &QuantizeOptions { calibration: 32, comparison: 8, layouts, ..QuantizeOptions::default() })
    };
    let of = |layouts| {
        let Quantized { report, .. } = with(layouts).unwrap();
        (report.flash_bytes, report.psnr, report.layers.iter().map(|l| l.layout).collect::<Vec<_>>())
    };
    let (compact, psnr, layouts) = of(LayoutChoice::Compact);
    assert_eq!(layouts, [WeightLayout::Compact; 3]);
    let (fast, same, layouts) = of(LayoutChoice::Fast);
    assert_eq!((same, layouts), (psnr, vec![WeightLayout::Fast; 3]));
    let (auto, same, layouts) = of(LayoutChoice::Auto { flash_bytes: compact as u64 + 1000 });
    assert_eq!((same, layouts), (psnr, vec![WeightLayout::Compact, WeightLayout::Compact, WeightLayout::Fast]));
    assert!(compact < auto && auto < fast);
    let refused = with(LayoutChoice::Auto { flash_bytes: 9000 }).unwrap_err().to_string();
    let expected = format!("the model takes {compact} bytes with every layer compact, 6144 of them here");
    assert!(
        refused.starts_with("layer 1 (conv-transpose) cannot be exported") && refused.contains(&expected),
        "{refused}"
    );
}

#[test]
fn unsupported_networks_are_rejected_by_name() {
    let dense = |inputs, h, w, c| FloatOp::Dense { inputs, h, w, c };
    let message = |net: &FloatNet| quantize(net, &QuantizeOptions::default()).unwrap_err().to_string();
    let toy = net(2, &[(dense(2, 1, 1, 128), Activation::Relu), (dense(128, 1, 1, 2), Activation::Linear)]);
    assert!(message(&toy).contains("it outputs 2 numbers, not an image"), "{}", message(&toy));

    let good = net(8, &[(dense(8, 2, 2, 4), Activation::Relu), (up(4, 3), Activation::Tanh)]);
    let mut bad = good.clone();
    bad.layers[1].weight[7] = f32::NAN;
    assert!(message(&bad).starts_with("layer 1 (conv-transpose) cannot be exported: it contains the value NaN"));
    let mut bad = good.clone();
    bad.layers[1].op = up(4, 2);
    bad.layers[1].weight.truncate(16 * 8);
    bad.layers[1].bias.truncate(2);
    assert!(message(&bad).contains("2 channels"), "{}", message(&bad));
    let mut bad = good.clone();
    bad.layers[1].op = FloatOp::ConvTranspose { k: 2, s: 3, p: 0, c_in: 4, c_out: 3 };
    assert!(message(&bad).contains("leaves gaps"));
    let mut bad = good.clone();
    bad.layers[0].weight.pop();
    assert!(
        message(&bad).contains("it has 31 weights") || message(&bad).contains("weights, expected"),
        "{}",
        message(&bad)
    );
    let mut bad = good;
    bad.range = (1.0, 1.0);
    assert!(message(&bad).contains("range"));
}

/// Folds a network with these weights.
fn folded(network: &Network, weights: &[f32], class_shares: &[f32]) -> FloatNet {
    let (statistics, range) = (&[][..], [-1.0, 1.0]);
    fold(&TrainedNetwork { name: "n", network, weights, statistics, classes: 0, class_shares, range }).unwrap()
}

#[test]
fn what_all_classes_have_in_common_becomes_a_bias() {
    let layers = vec![Layer::ClassLatent { thresholds: vec![0.25] }, Layer::Dense { inputs: 3, to: vec![1, 1, 2] }];
    // Rows of the latent value and of both classes, then the biases.
    let weights = [1.0, -1.0, 10.0, 3.0, 12.0, -3.0, 0.5, 0.0];
    let net = folded(&Network::new("generator", &[2], layers), &weights, &[]);
    let dense = net.layers.last().unwrap();
    assert_eq!((&dense.weight[..2], &dense.bias[..]), (&[1.0, -1.0][..], &[11.5, 0.0][..]));
    // The weights of the classes are divided by the factors of their values.
    let [a, b, c, d] = dense.weight[2..] else { panic!("{:?}", dense.weight) };
    assert!([(a, 1.0), (b, -3.0), (c, -1.0), (d, 3.0)].iter().all(|(w, most)| w * most < 0.0 && w.abs() <= most.abs()));
    // 64 and ±32 mean 2 and ±1.
    for (z, expected) in [([64, -32], [12.5, 1.0]), ([64, 32], [14.5, -5.0])] {
        let image = net.forward(&z);
        assert!(image.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{image:?} for {expected:?}");
    }
}

#[test]
fn class_conditional_scores_are_averaged_over_the_classes() {
    let network = Network::new("discriminator", &[3], vec![Layer::Score { inputs: 3, classes: 2 }]);
    // Weights, bias, and an embedding of each class.
    let weights = [1.0, 2.0, 3.0, 0.5, 4.0, 0.0, -4.0, 0.0, 8.0, 4.0];
    for (shares, expected) in [(&[][..], [3.0, 6.0, 3.0]), (&[3.0, 1.0], [4.0, 4.0, 1.0])] {
        let net = folded(&network, &weights, shares);
        assert_eq!((&net.layers[0].weight[..], &net.layers[0].bias[..]), (&expected[..], &[0.5][..]));
    }
}

#[test]
fn int8_discriminator_scores_match_float_scores() {
    let (relu, leaky) = (Activation::Relu, Activation::LeakyRelu(0.2));
    let dense = FloatOp::Dense { inputs: 16, h: 4, w: 4, c: 12 };
    let generator = net(16, &[(dense, relu), (up(12, 8), relu), (up(8, 1), Activation::Tanh)]);
    let halve = |c_in, c_out| FloatOp::Conv { k: 4, s: 2, p: 1, c_in, c_out };
    let last = FloatOp::Dense { inputs: 4 * 4 * 12, h: 1, w: 1, c: 1 };
    let discriminator = net(256, &[(halve(1, 8), leaky), (halve(8, 12), leaky), (last, Activation::Linear)]);
    let images: Vec<f32> = random(40 * 256, 0.5, 77).iter().map(|v| v.clamp(-1.0, 1.0)).collect();
    for real in [None, Some(&images[..])] {
        let scored = generator.clone().with_discriminator(discriminator.clone(), real);
        let options = QuantizeOptions { calibration: 128, comparison: 50, ..QuantizeOptions::default() };
        let quantized = quantize(&scored, &options).unwrap();
        assert!(quantized.report.psnr.mean_db > 38.0, "{}", quantized.report);
        let model = ganlet_runtime::Model::from_bytes(&quantized.file).unwrap();
        let mut arena = vec![0; model.arena_len()];
        let mut generator = ganlet_runtime::Generator::new(&model, &mut arena).unwrap();
        let mut scores = Vec::new();
        for seed in 0..64 {
            let latent = model.latent(seed);
            let float = scored.score(latent.values()).unwrap();
            let int8 = f32::from(generator.scored_rows(&latent).score().unwrap()) / 255.0;
            assert!((float - int8).abs() < 0.03, "seed {seed}: {float} and {int8}");
            scores.push(float);
        }
        let spread = scores.iter().fold(0.0, |m: f32, v| m.max((v - scores[0]).abs()));
        assert!(spread > 0.1, "scores differ: {scores:?}");
        if real.is_some() {
            // The discriminator starts after the image, and the mean logit of real images gives the score 0.5.
            let values = super::float::Forward::new(&scored).discriminate(&images);
            let logits: f32 = values.iter().map(|p| (p / (1.0 - p)).ln()).sum();
            assert!((logits / values.len() as f32).abs() < 1e-3, "{logits}");
        }
    }
    assert_eq!(generator.score(&[0; 16]), None);
}

#[test]
fn classes_are_inputs_after_the_latent_and_change_the_image() {
    let dense = FloatOp::Dense { inputs: 8 + 3, h: 4, w: 4, c: 12 };
    let plain = net(8 + 3, &[(dense, Activation::Relu), (up(12, 1), Activation::Tanh)]);
    let classed = FloatNet { classes: 3, ..plain };
    assert_eq!(classed.inputs_of_seed(7)[8..], [0, 32, 0]);
    let quantized =
        quantize(&classed, &QuantizeOptions { calibration: 128, comparison: 60, ..QuantizeOptions::default() })
            .unwrap();
    assert!(quantized.report.psnr.mean_db > 38.0, "{}", quantized.report);
    let model = ganlet_runtime::Model::from_bytes(&quantized.file).unwrap();
    assert_eq!((model.latent_len(), model.classes()), (8, 3));
    let mut arena = vec![0; model.arena_len()];
    let mut generator = ganlet_runtime::Generator::new(&model, &mut arena).unwrap();
    let images: Vec<Vec<[u8; 3]>> =
        (0..3).map(|c| generator.pixels(&model.latent(5).in_class(&model, c).unwrap()).collect()).collect();
    assert!(images[0] != images[1] && images[1] != images[2]);
}

#[test]
fn depthwise_layers_and_sums_keep_their_images() {
    let (relu, linear) = (Activation::Relu, Activation::Linear);
    let dense = FloatOp::Dense { inputs: 32, h: 4, w: 4, c: 24 };
    let (twice, point) = (FloatOp::Upsample { factor: 2 }, FloatOp::Conv { k: 1, s: 1, p: 0, c_in: 24, c_out: 16 });
    let apart = FloatOp::Depthwise { k: 3, s: 1, p: 1, c: 24 };
    let separable = [(dense, relu), (twice, linear), (apart, linear), (point, relu), (conv3(16, 3), Activation::Tanh)];
    check(&net(32, &separable), 40.0);
    // A residual block of two convolutions, with one convolution in the shortcut.
    let sum = FloatOp::Add { other: FloatSource::Layer(5) };
    let block = [
        (dense, relu),
        (twice, linear),
        (conv3(24, 16), relu),
        (conv3(16, 16), linear),
        (twice, linear),
        (point, linear),
        (sum, relu),
        (conv3(16, 3), Activation::Tanh),
    ];
    let mut residual = net(32, &block);
    residual.layers[4].input = FloatSource::Layer(0);
    residual.layers[6].input = FloatSource::Layer(3);
    let fused = residual.fuse_upsampling();
    assert_eq!(fused.layers.len(), 6);
    let z: Vec<i8> = (0..32).map(|i| i * 3 - 50).collect();
    assert!(residual.forward(&z).iter().zip(&fused.forward(&z)).all(|(a, b)| (a - b).abs() < 1e-5));
    check(&residual, 40.0);
    // The shortcut ties two tensors and their sum together. What was observed before the equalization tells what happens after it.
    let observed = Calibration::new(&fused, 64);
    let (equalized, scales) = fused.equalized(&observed.stats(), Equalized::All(0.5));
    let changed: Vec<bool> = equalized.layers.iter().zip(&fused.layers).map(|(a, b)| a != b).collect();
    assert_eq!(changed, [true, true, true, true, false, true]);
    for (known, seen) in observed.scaled(&scales).iter().zip(Calibration::new(&equalized, 64).stats()) {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-3 * (1.0 + a.abs());
        for clipping in Clipping::ALL {
            let (known, seen) = (known.range(clipping), seen.range(clipping));
            let step = (known.1 - known.0) / 100.0;
            assert!((known.0 - seen.0).abs() <= step && (known.1 - seen.1).abs() <= step, "{known:?} {seen:?}");
        }
        assert!(near(known.before.into(), seen.before.into()));
        assert!(known.mean.iter().zip(&seen.mean).all(|(a, b)| near(*a, *b)));
        assert!(known.peaks.iter().zip(&seen.peaks).all(|(a, b)| near((*a).into(), (*b).into())));
    }
    assert!(fused.forward(&z).iter().zip(&equalized.forward(&z)).all(|(a, b)| (a - b).abs() < 1e-4));
    residual.layers[6].op = FloatOp::Add { other: FloatSource::Layer(0) };
    let refused = quantize(&residual, &QuantizeOptions::default()).unwrap_err().to_string();
    assert!(
        refused.starts_with("layer 6 (add) cannot be exported: it adds tensors of shapes 8×8×16 and 4×4×24"),
        "{refused}"
    );
}

#[test]
fn palettes_keep_their_images() {
    let (relu, linear) = (Activation::Relu, Activation::Linear);
    let dense = FloatOp::Dense { inputs: 16, h: 4, w: 4, c: 24 };
    let colors = FloatOp::Dense { inputs: 16, h: 1, w: 1, c: 6 * 3 };
    let palette = FloatOp::Palette { palette: FloatSource::Layer(0), colors: 6, channels: 3 };
    let layers = [
        (colors, Activation::Tanh),
        (dense, relu),
        (up(24, 16), relu),
        (conv3(16, 6), Activation::Bounded(12.0)),
        (palette, linear),
    ];
    let mut net = net(16, &layers);
    net.layers[1].input = FloatSource::Latent;
    // Shares from nearly equal to nearly one color.
    net.layers[3].weight.iter_mut().for_each(|w| *w *= 3.0);
    check(&net, 40.0);
    net.layers[4].op = FloatOp::Palette { palette: FloatSource::Layer(1), colors: 6, channels: 3 };
    let refused = quantize(&net, &QuantizeOptions::default()).unwrap_err().to_string();
    let expected = "layer 4 (palette) cannot be exported: its palette has the shape 4×4×24, expected 1×1×18";
    assert!(refused.starts_with(expected), "{refused}");
}

#[test]
fn extreme_seeds_have_the_largest_values_of_a_layer() {
    let dense = FloatOp::Dense { inputs: 8, h: 4, w: 4, c: 8 };
    let net = net(8, &[(dense, Activation::Relu), (up(8, 3), Activation::Tanh)]);
    let forward = float::Forward::new(&net);
    let peak = |seed: u32| {
        let mut peak = 0.0f32;
        let seen = |layer: usize, _: &[f32], after: &[f32]| {
            if layer == 0 {
                peak = after.iter().fold(peak, |m, v| m.max(*v));
            }
        };
        forward.run(&net.inputs_of_seed(seed), seen);
        peak
    };
    let extreme = Calibration::new(&net, 100).extreme_seeds(1, 3);
    assert_eq!(extreme.len(), 3);
    let least = extreme.iter().map(|s| peak(*s)).fold(f32::MAX, f32::min);
    assert_eq!((0..100).filter(|&s| peak(s) >= least).count(), 3);
}

#[test]
fn bad_images_lower_the_score_of_a_clipping() {
    assert_eq!(score(&[45.0, 40.0, 50.0]), 45.0);
    assert!(score(&[44.0, 36.0]) > score(&[60.0, 26.0]));
    // One of two bad images became better.
    assert!(score(&[50.0, 26.0, 30.0]) > score(&[50.0, 26.0, 26.0]));
}

#[test]
fn layers_before_the_image_see_more_seeds() {
    let numbers = FloatOp::Dense { inputs: 8, h: 1, w: 1, c: 4 };
    let image = FloatOp::Dense { inputs: 4, h: 4, w: 4, c: 8 };
    let net = net(8, &[(numbers, Activation::Relu), (image, Activation::Relu), (up(8, 3), Activation::Tanh)]);
    let forward = float::Forward::new(&net);
    let largest = |layer: usize, seeds: u32| {
        let of = |seed| forward.outputs(&net.inputs_of_seed(seed), 2)[layer].iter().fold(0.0f32, |m, v| m.max(*v));
        (0..seeds).map(of).fold(0.0, f32::max)
    };
    assert!(largest(0, 16 * 50) > largest(0, 50) && largest(1, 16 * 50) > largest(1, 50));
    let stats = Calibration::new(&net, 50).stats();
    assert_eq!(
        (stats[0].range(Clipping::WHOLE).1, stats[1].range(Clipping::WHOLE).1),
        (largest(0, 800), largest(1, 50))
    );
}
