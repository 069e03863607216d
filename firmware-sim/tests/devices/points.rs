//! Models that generate points: every sample of a seed is a dot at its coordinates, or is counted in a bar.

use ganlet_runtime::{Generator, Model};
use ganlet_runtime::{
    Shape,
    encode::{LayerSpec, ModelBuilder, Op, Source},
};
use ganlet_sim::Button;
use ganlet_sim::host::{Device, Frame, ModelFile, Simulator};

/// Returns a model whose outputs are the values of the latent times two.
fn scaled_latent(numbers: u16) -> ModelFile {
    let n = usize::from(numbers);
    let mut builder = ModelBuilder::new("mirror", numbers);
    builder.push(&LayerSpec {
        op: Op::Dense { shape: Shape { h: 1, w: numbers, c: 1 } },
        input: Source::Latent,
        zero_point: 0,
        table: None,
        weights: (0..n * n).map(|i| if i % (n + 1) == 0 { 64 } else { 0 }).collect(),
        wide: [0; 2],
        bias: vec![0],
        scale: vec![1 << 27],
    });
    ModelFile::of(&builder.finish().expect("a model that the runtime accepts"))
}

/// Returns the outputs for the 256 samples of `seed`.
fn samples(file: &ModelFile, seed: u32) -> Vec<Vec<u8>> {
    let model = Model::from_bytes(file.bytes()).unwrap();
    let mut arena = vec![0; model.arena_len()];
    let mut generator = Generator::new(&model, &mut arena).unwrap();
    (0..256).map(|i| generator.rows(&model.latent(seed * 256 + i)).next_row().unwrap().to_vec()).collect()
}

fn white(frame: &Frame, x: u32, y: u32) -> bool {
    frame.at(x, y) == [255; 3]
}

#[test]
fn only_the_dots_of_the_samples_are_white() {
    let file = scaled_latent(2);
    let mut simulator = Simulator::new(file.bytes(), Device::named("oled-128x64").unwrap()).unwrap();
    simulator.press(Button::Right);
    let frame = simulator.frame();
    let area = simulator.app().layout().image.area();
    let (left, top, side) = (area.top_left.x as u32, area.top_left.y as u32, area.size.width);
    assert_eq!((side, area.size.height), (64, 64));
    let mut dots: Vec<(u32, u32)> = samples(&file, 2)
        .iter()
        .map(|s| (left + (u32::from(s[0]) * 63 + 127) / 255, top + 63 - (u32::from(s[1]) * 63 + 127) / 255))
        .collect();
    dots.sort_unstable();
    dots.dedup();
    let shown = (0..64).flat_map(|x| (0..64).map(move |y| (left + x, top + y))).filter(|&(x, y)| white(&frame, x, y));
    assert_eq!(shown.collect::<Vec<_>>(), dots);
    assert!(dots.len() > 150, "{} places", dots.len());
    assert_eq!(simulator.pixels_outside(), 0);
}

#[test]
fn bars_are_as_high_as_their_share_of_the_samples() {
    let file = scaled_latent(1);
    let simulator = Simulator::new(file.bytes(), Device::named("oled-128x64").unwrap()).unwrap();
    let (frame, area) = (simulator.frame(), simulator.app().layout().image.area());
    let (left, top) = (area.top_left.x as u32, area.top_left.y as u32);
    let mut counts = [0; 64];
    samples(&file, 1).iter().for_each(|s| counts[usize::from(s[0]) / 4] += 1);
    let most = *counts.iter().max().unwrap();
    for (x, &count) in (0..).zip(&counts) {
        let high = (0..64).filter(|&y| white(&frame, left + x, top + y)).count() as u32;
        let expected = if count == 0 { 0 } else { (count * 64 / most).max(1) };
        assert_eq!(high, expected, "bar {x}");
    }
}

#[test]
fn a_walk_leaves_a_trail_and_every_screen_fits_every_panel() {
    for device in Device::all() {
        for numbers in [1, 2] {
            let file = scaled_latent(numbers);
            let mut simulator = Simulator::new(file.bytes(), *device).unwrap();
            let script = "right,select,wait:30,select,right,down,left,select,wait:30,select";
            let Ok(()) = simulator.play(&script.parse().unwrap(), |_| Ok::<_, std::convert::Infallible>(()));
            assert_eq!(simulator.pixels_outside(), 0, "{} with {numbers}", device.name);
        }
    }
    let file = scaled_latent(2);
    let mut simulator = Simulator::new(file.bytes(), Device::named("st7789-240").unwrap()).unwrap();
    simulator.press(Button::Select);
    let lit = |simulator: &Simulator<'_>| {
        let (frame, area) = (simulator.frame(), simulator.app().layout().image.area());
        let inside = |(x, y): &(u32, u32)| {
            let (left, top) = (area.top_left.x as u32, area.top_left.y as u32);
            (left..left + area.size.width).contains(x) && (top..top + area.size.height).contains(y)
        };
        (0..240)
            .flat_map(|x| (0..240).map(move |y| (x, y)))
            .filter(|at| inside(at) && white(&frame, at.0, at.1))
            .count()
    };
    let first = lit(&simulator);
    for _ in 0..40 {
        simulator.tick();
    }
    assert!(lit(&simulator) > 4 * first, "{first} at first, {} in the end", lit(&simulator));
}
