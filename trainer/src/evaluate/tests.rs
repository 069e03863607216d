//! Tests: real images score well, damaged images score badly, and results do not depend on the number of threads.
use super::network::crc32;
use super::*;
use crate::data::{AnyDataset, BuiltinDataset, ImageDataset, blobs};
use crate::quantize::{Activation, FloatLayer, FloatNet, FloatOp, FloatSource, QuantizeOptions, quantize};

fn split(name: &str) -> (ImageDataset, ImageDataset) {
    let set = BuiltinDataset::from_name(name).unwrap().open().unwrap();
    let AnyDataset::Images(images) = set else { panic!("{name} are images") };
    images.default_split().unwrap()
}

fn bytes(set: &ImageDataset, which: impl Iterator<Item = usize>) -> Vec<u8> {
    which.flat_map(|i| set.bytes(i).to_vec()).collect()
}

/// Replaces each pixel by the mean of its 3x3 neighborhood.
fn blur(images: &[u8], side: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(images.len());
    for image in images.chunks_exact(side * side) {
        for i in 0..side * side {
            let (x, y) = (i % side, i / side);
            let rows = y.saturating_sub(1)..=(y + 1).min(side - 1);
            let around = rows.flat_map(|y| (x.saturating_sub(1)..=(x + 1).min(side - 1)).map(move |x| y * side + x));
            let (sum, n) = around.fold((0, 0), |(sum, n), at| (sum + u32::from(image[at]), n + 1));
            out.push((sum / n) as u8);
        }
    }
    out
}

#[test]
fn real_digits_are_near_the_floor_and_damaged_ones_far_above() {
    let (train, held_out) = split("digits");
    let mut evaluator = Evaluator::new(&held_out, &train, 0).unwrap();
    assert_eq!(evaluator.identity().network, "digits classifier");
    let floor = evaluator.floor(2000).unwrap();
    let real = evaluator.measure_real(2000).unwrap();
    assert!((0.5..2.0).contains(&(real.frechet / floor)), "{floor} {real:?}");
    assert!(real.precision > 0.7 && real.recall > 0.7 && real.coverage > 0.8, "{real:?}");
    assert!(real.classes.iter().all(|share| (0.07..0.14).contains(share)), "{real:?}");
    assert!(real.class_kl.unwrap() < 0.01, "{real:?}");

    let sharp = bytes(&train, 0..2000);
    let blurred = evaluator.measure(&blur(&blur(&sharp, 28), 28), |_, _| {}).unwrap();
    assert!(blurred.frechet > 4.0 * floor && blurred.recall < 0.5 * real.recall, "{floor} {blurred:?}");
    let ones = (0..train.count()).filter(|&i| train.label(i) == Some(1)).cycle().take(2000);
    let collapsed = evaluator.measure(&bytes(&train, ones), |_, _| {}).unwrap();
    assert!(collapsed.frechet > 20.0 * floor && collapsed.recall < 0.3, "{floor} {collapsed:?}");
    assert!(collapsed.classes[1] > 0.95 && collapsed.class_kl.unwrap() > 1.5, "{collapsed:?}");
    let noise: Vec<u8> = (0..200 * 784u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let noise = evaluator.measure(&noise, |_, _| {}).unwrap();
    assert!(noise.frechet > 20.0 * floor && noise.recall < 0.1 && noise.coverage < 0.1, "{noise:?}");
}

#[test]
fn held_out_digits_and_faces_are_classified() {
    for (name, least) in [("digits", 0.985), ("faces", 0.975)] {
        let (train, held_out) = split(name);
        let network = FeatureNetwork::of(&held_out).unwrap();
        let mut extractor = extract::Extractor::new(&network, 0);
        let seen = extractor.extract(held_out.count(), |i| held_out.bytes(i), |_, _| {});
        let right = seen.classes.iter().enumerate().filter(|&(i, &c)| held_out.label(i) == Some(c)).count();
        let mut evaluator = Evaluator::new(&held_out, &train, 0).unwrap();
        let floors = [1000, 2000].map(|n| evaluator.floor(n).unwrap());
        println!("{name}: {right} of {} right; floors of 1000 and 2000: {floors:?}", held_out.count());
        assert!(floors[1] < floors[0], "{floors:?}");
        assert!(right as f64 >= least * held_out.count() as f64, "{name}: {right} of {}", held_out.count());
    }
}

#[test]
fn one_thread_and_two_agree_bitwise_and_report_progress() {
    let (train, held_out) = split("faces");
    let measured = [1, 2].map(|threads| {
        let mut evaluator = Evaluator::new(&held_out, &train, threads).unwrap();
        let mut steps = vec![];
        let quality = evaluator.measure(&bytes(&train, 500..750), |done, total| steps.push((done, total))).unwrap();
        assert_eq!(steps, [(100, 250), (200, 250), (250, 250)]);
        quality
    });
    assert_eq!(measured[0], measured[1]);
}

#[test]
fn other_data_is_measured_by_a_random_network() {
    let (train, held_out) = blobs(20, 12, 3, 1000, 4).split(700, 300).unwrap();
    let mut evaluator = Evaluator::new(&held_out, &train, 1).unwrap();
    let (a, b) = (bytes(&held_out, 0..300), bytes(&train, 0..300));
    let itself = evaluator.measure(&a, |_, _| {}).unwrap();
    assert!(itself.frechet.abs() < 1e-8 && itself.precision == 1.0 && itself.recall == 1.0, "{itself:?}");
    assert!(itself.classes.is_empty() && itself.class_kl.is_none());
    let there = evaluator.measure(&b, |_, _| {}).unwrap().frechet;
    let first = train.select(&(0..300).collect::<Vec<_>>());
    let back = Evaluator::new(&first, &held_out, 1).unwrap().measure(&a, |_, _| {}).unwrap().frechet;
    assert!((there - back).abs() < 1e-8 * there && there > 0.0, "{there} {back}");
    let same_name_other_size = split("digits").1.resized(14, 14).unwrap();
    assert_eq!(FeatureNetwork::of(&same_name_other_size).unwrap().classes(), 0);
}

#[test]
fn copies_of_the_training_set_are_detected() {
    let (train, held_out) = blobs(8, 8, 3, 1000, 4).split(700, 300).unwrap();
    let mut evaluator = Evaluator::new(&held_out, &train, 1).unwrap();
    assert!(evaluator.memorization(&bytes(&train, 0..200), |_, _| {}).unwrap().ratio < 0.01);
    let unseen = evaluator.memorization(&bytes(&held_out, 0..200), |_, _| {}).unwrap().ratio;
    assert!((0.8..1.2).contains(&unseen), "{unseen}");
}

#[test]
fn too_few_images_are_rejected_with_the_numbers() {
    let (train, held_out) = blobs(8, 8, 3, 1000, 4).split(700, 300).unwrap();
    let mut evaluator = Evaluator::new(&held_out, &train, 1).unwrap();
    let text = evaluator.measure(&bytes(&train, 0..127), |_, _| {}).unwrap_err().to_string();
    assert_eq!(
        text,
        "cannot evaluate the generated images\n  expected: 128 or more, two for each of 64 features\n  \
         found:    127\n  to do:    evaluate more samples, as with --samples 2000"
    );
    assert!(evaluator.floor(5).unwrap_err().to_string().contains("real training images"));
    assert!(evaluator.measure(&[0; 100], |_, _| {}).unwrap_err().to_string().contains("100 bytes"));
    let (few, most) = held_out.split(15, 200).unwrap();
    assert!(Evaluator::new(&few, &most, 1).err().unwrap().to_string().contains("found:    15"));
    let (digits, others) = split("digits").1.split(100, 1000).unwrap();
    let text = Evaluator::new(&digits, &others, 1).err().unwrap().to_string();
    assert!(text.contains("128 or more, two for each of 64 features") && text.contains("found:    100"), "{text}");
    assert!(Evaluator::new(&held_out, &split("digits").0, 1).err().unwrap().to_string().contains("28, 28, 1"));
}

#[test]
fn images_of_other_classes_than_requested_are_counted() {
    let (train, held_out) = split("digits");
    let mut evaluator = Evaluator::new(&held_out, &train, 0).unwrap();
    let images = bytes(&train, 0..400);
    let labels: Vec<u8> = (0..400).map(|i| train.label(i).unwrap()).collect();
    let next: Vec<u8> = labels.iter().map(|l| (l + 1) % 10).collect();
    let mut share = |requested: &[u8]| evaluator.measure_classes(&images, requested).unwrap().as_asked;
    let (right, wrong) = (share(&labels).unwrap(), share(&next).unwrap());
    assert!(right > 0.97 && wrong < 0.02 && share(&labels[1..]).is_none(), "{right} {wrong}");
    assert_eq!(evaluator.measure(&images, |_, _| {}).unwrap().as_asked, None);
    assert!(evaluator.real_as_labeled().unwrap() > 0.97);
}

#[test]
fn quality_keeps_the_keys_that_other_tools_parse() {
    let (train, held_out) = split("digits");
    let mut evaluator = Evaluator::new(&held_out, &train, 0).unwrap();
    let quality = evaluator.measure_real(200).unwrap();
    let evaluation = Evaluation {
        samples: 200,
        references: evaluator.references(),
        floor: evaluator.floor(200).unwrap(),
        floor_spread: None,
        realism: None,
        accepted: None,
        float: Some(quality.clone()),
        int8: Some(evaluator.measure_real_all_metrics(200).unwrap()),
        real: Some(quality.clone()),
        intervals: [(SampleSource::Int8, intervals(&[quality.metrics(), quality.metrics()]))].into(),
        psnr_mean_db: Some(43.5),
        psnr_min_db: Some(30.0),
        features: evaluator.identity().clone(),
        class_names: evaluator.class_names().to_vec(),
        real_as_labeled: None,
    };
    let json = serde_json::to_value(&evaluation).unwrap();
    for path in [
        "/samples",
        "/floor",
        "/float/frechet",
        "/int8/frechet",
        "/int8/precision",
        "/int8/recall",
        "/int8/classes/9",
        "/int8/patches/1",
        "/int8/support/at_least",
        "/int8/kernel_spread",
        "/int8/rare/recall",
        "/int8/class_recall/9",
        "/intervals/int8/frechet/low",
        "/intervals/int8/classes.9/n",
    ] {
        assert!(json.pointer(path).is_some_and(|v| v.is_number()), "{path}: {json}");
    }
    assert!(json["psnr_mean_db"] == 43.5 && json["psnr_min_db"] == 30.0);
    assert_eq!(serde_json::from_value::<Evaluation>(json).unwrap(), evaluation);
}

#[test]
fn the_runtime_draws_each_seed_the_same_in_any_batch() {
    let (latent, h, w) = (4, 4, 6);
    let mut weight = vec![0.0; latent * h * w];
    crate::philox::Key { seed: 2, stream: 0, step: 0 }.normal(&mut weight);
    let op = FloatOp::Dense { inputs: latent, h, w, c: 1 };
    let input = FloatSource::Latent;
    let layer = FloatLayer { op, input, weight, bias: vec![0.0; h * w], activation: Activation::Tanh };
    let (layers, levels) = (vec![layer], vec![]);
    let net = FloatNet {
        name: "tiny".into(),
        inputs: latent,
        layers,
        levels,
        classes: 0,
        discriminator_layers: 0,
        range: (-1.0, 1.0),
    };
    let options = QuantizeOptions { calibration: 64, comparison: 64, ..QuantizeOptions::default() };
    let file = quantize(&net, &options).unwrap().file;
    let mut reported = vec![];
    let all = int8_images(&file, 7, 300, |done, total| reported.push((done, total))).unwrap();
    assert_eq!((all.len(), reported), (300 * h * w, vec![(256, 300), (300, 300)]));
    assert_eq!(int8_images(&file, 107, 3, |_, _| {}).unwrap(), all[100 * h * w..103 * h * w]);
    let shifted = [&[0], &file[..]].concat();
    assert_eq!(int8_images(&shifted[1..], 7, 1, |_, _| {}).unwrap(), all[..h * w]);
    let mut z = [0; 4];
    ganlet_runtime::normal_i8(7, &mut z);
    let floats = crate::data::to_bytes(&net.forward(&z), net.range);
    assert_eq!(floats, net.pixels(&net.forward(&z)));
    assert!(crate::metrics::psnr(&floats, &all[..h * w]) > 35.0);
    assert!(int8_images(&file[..20], 0, 1, |_, _| {}).is_err());
}

#[test]
fn the_checksum_is_the_common_crc32() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}
