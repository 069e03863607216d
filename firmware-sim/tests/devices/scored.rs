//! Models with classes, and models with a discriminator.

use ganlet_runtime::{Generator, Model};
use ganlet_runtime::{
    Shape,
    encode::{LayerSpec, ModelBuilder, Op, Source},
};
use ganlet_sim::host::{Device, ModelFile, ModelWork, Simulator};
use ganlet_sim::{App, Button, Screen};

/// Returns a dense layer with `weights`; an output is the weighted sum of the inputs divided by 64.
fn dense(shape: Shape, input: Source, weights: Vec<i8>) -> LayerSpec {
    LayerSpec {
        op: Op::Dense { shape },
        input,
        zero_point: 0,
        table: None,
        weights,
        wide: [0; 2],
        bias: vec![0],
        scale: vec![1 << 26],
    }
}

/// Returns a model with three classes of gray: -80, 0 and 80. The discriminator's output is half of the mean pixel.
fn grays(with_discriminator: bool) -> ModelFile {
    let mut builder = ModelBuilder::new("grays", 2);
    builder.classes(3);
    let image = Shape { h: 4, w: 4, c: 1 };
    // 16 outputs for each input: two latent values without effect, then three classes, of which the chosen one is 32.
    let weights = [0, 0, -127, 0, 127].iter().flat_map(|&w| [w; 16]).collect();
    let at = builder.push(&dense(image, Source::Latent, weights));
    if with_discriminator {
        builder.images(&[0]);
        builder.push(&dense(Shape { h: 1, w: 1, c: 1 }, at, vec![2; 16]));
    }
    ModelFile::of(&builder.finish().expect("a model that the runtime accepts"))
}

fn simulator(file: &ModelFile) -> Simulator<'_> {
    Simulator::new(file.bytes(), Device::named("oled-128x64").unwrap()).unwrap()
}

fn gray(simulator: &Simulator<'_>) -> u8 {
    let corner = simulator.app().layout().image.area().top_left;
    simulator.frame().at(corner.x as u32, corner.y as u32)[0]
}

#[test]
fn the_class_screen_cycles_through_the_classes() {
    let file = grays(false);
    let mut simulator = simulator(&file);
    for screen in [Screen::Walk, Screen::Knobs, Screen::Class] {
        simulator.press(Button::Select);
        assert_eq!(simulator.app().screen(), screen);
    }
    let mut shown = vec![gray(&simulator)];
    for _ in 0..3 {
        simulator.press(Button::Right);
        shown.push(gray(&simulator));
    }
    assert!(shown[0] < shown[1] && shown[1] < shown[2] && shown[3] == shown[0], "{shown:?}");
    simulator.press(Button::Left);
    assert_eq!(gray(&simulator), shown[2], "before the first class comes the last one");
    simulator.press(Button::Down);
    assert_eq!((gray(&simulator), simulator.app().seed()), (shown[2], 2), "another seed, the same class");
    simulator.press(Button::Select);
    assert_eq!(simulator.app().screen(), Screen::About);
    assert_eq!(simulator.pixels_outside(), 0);
}

#[test]
fn the_knobs_screen_shows_the_discriminators_score() {
    let (with, without) = (grays(true), grays(false));
    let model = Model::from_bytes(with.bytes()).unwrap();
    let mut arena = vec![0; model.arena_len()];
    let mut generator = Generator::new(&model, &mut arena).unwrap();
    let score = |generator: &mut Generator<'_>, seed| generator.scored_rows(&model.latent(seed)).score().unwrap();
    let scores: Vec<u8> = (0..3).map(|seed| score(&mut generator, seed)).collect();
    assert!(scores[0] < scores[1] && scores[1] < scores[2], "{scores:?}");
    // The text differs with the discriminator, and with its score. The image does not.
    let frame = |file: &ModelFile, presses: &[Button]| {
        let mut simulator = simulator(file);
        presses.iter().for_each(|&button| simulator.press(button));
        (gray(&simulator), simulator.frame())
    };
    let knobs = [Button::Select, Button::Select];
    let (plain, scored) = (frame(&without, &knobs), frame(&with, &knobs));
    assert!(plain.0 == scored.0 && plain.1 != scored.1);
    assert_eq!(frame(&without, &[]).1, frame(&with, &[]).1, "the gallery does not use the discriminator");
    let next = frame(&with, &[Button::Right, Button::Select, Button::Select]);
    assert!(next.0 > scored.0 && next.1 != scored.1);
}

#[test]
fn the_slideshow_shows_the_best_of_four_seeds_and_never_waits_for_a_better_one() {
    let file = grays(true);
    let model = Model::from_bytes(file.bytes()).unwrap();
    let mut simulator = simulator(&file);
    for screen in [Screen::Walk, Screen::Knobs, Screen::Class, Screen::Best] {
        simulator.press(Button::Select);
        assert_eq!(simulator.app().screen(), screen);
    }
    // Seed s shows class s modulo 3, and class 2 has the highest score. From seed 1 on, 2 is the best; from 5 on, 5 is the first of 5 and 8.
    let latent = |seed| model.latent(seed).values().to_vec();
    let shown = |simulator: &Simulator<'_>| {
        (simulator.app().seed(), simulator.app().latent(simulator.model()).values().to_vec(), gray(simulator))
    };
    let (start, best, bright) = shown(&simulator);
    assert_eq!((start, best), (1, latent(2)));
    assert!(bright > 180, "{bright}");
    let frame = simulator.frame();
    for wait in 1..App::SLIDE_TICKS {
        assert!(!simulator.tick(), "tick {wait}");
    }
    assert!(simulator.tick());
    assert_eq!(shown(&simulator), (5, latent(5), bright));
    simulator.press(Button::Left);
    assert_eq!((shown(&simulator).0, simulator.frame()), (1, frame), "the same image again");
    simulator.press(Button::Up);
    assert!((0..=App::SLIDE_TICKS).all(|_| !simulator.tick()), "paused");
    simulator.press(Button::Right);
    assert_eq!(shown(&simulator).1, latent(5));
    simulator.press(Button::Select);
    assert_eq!(simulator.app().screen(), Screen::About);
    // Seeds wrap around.
    let mut last = self::simulator(&file).with_seed(u32::MAX);
    (0..4).for_each(|_| last.press(Button::Select));
    assert_eq!((last.app().screen(), last.pixels_outside()), (Screen::Best, 0));
}

#[test]
fn all_candidates_count_in_the_cost_of_a_frame_and_only_once() {
    let file = grays(true);
    let model = Model::from_bytes(file.bytes()).unwrap();
    let work = ModelWork::estimate(&model, Device::named("oled-128x64").unwrap().chip.core).unwrap();
    let mut simulator = simulator(&file).with_work(Some(work));
    let instructions = |simulator: &Simulator<'_>| simulator.cost().work.unwrap().instructions;
    assert_eq!(instructions(&simulator), work.image.instructions);
    (0..4).for_each(|_| simulator.press(Button::Select));
    let all = u64::from(App::CANDIDATES) * work.scored.instructions + work.image.instructions;
    assert_eq!(instructions(&simulator), all);
    simulator.redraw();
    assert_eq!(instructions(&simulator), work.image.instructions);
}
