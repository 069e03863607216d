//! Models with several levels: a new image is drawn level by level, smallest first.

use ganlet_runtime::{
    Shape,
    encode::{LayerSpec, ModelBuilder, Op, Source},
};
use ganlet_sim::host::{Device, ModelFile, Simulator};
use ganlet_sim::{Button, Screen};

/// Returns a model with a level of 4x4 and an image of 8x8 that adds a residual to it.
fn pyramid() -> ModelFile {
    let dense = |side, values: i32, of: fn(i32) -> i8| LayerSpec {
        op: Op::Dense { shape: Shape { h: side, w: side, c: 1 } },
        input: Source::Latent,
        zero_point: 0,
        table: None,
        weights: (0..2 * values).map(of).collect(),
        wide: [0; 2],
        bias: vec![0],
        scale: vec![1 << 28],
    };
    let mut builder = ModelBuilder::new("pyramid", 2);
    let level = builder.push(&dense(4, 16, |i| (i * 37 % 101 - 50) as i8));
    let bare = LayerSpec { weights: vec![], bias: vec![], scale: vec![], ..dense(4, 0, |_| 0) };
    let large = builder.push(&LayerSpec { op: Op::Upsample { factor: 2 }, input: level, ..bare.clone() });
    let residual = builder.push(&dense(8, 64, |i| (i * 23 % 67 - 33) as i8));
    let sum = LayerSpec { wide: [1 << 16; 2], bias: vec![0], scale: vec![1 << 16], ..bare };
    builder.push(&LayerSpec { op: Op::Add { other: residual }, input: large, ..sum });
    ModelFile::of(&builder.images(&[0, 3]).finish().expect("a model that the runtime accepts"))
}

/// Returns whether the shown image has no more detail than 4x4.
fn coarse(simulator: &Simulator<'_>) -> bool {
    let place = simulator.app().layout().image;
    let (frame, corner) = (simulator.frame(), place.area().top_left);
    let pixel = |x: u32, y: u32| frame.at(corner.x as u32 + x * place.factor(), corner.y as u32 + y * place.factor());
    (0..8).all(|y| (0..8).all(|x| pixel(x, y) == pixel(x / 2 * 2, y / 2 * 2)))
}

#[test]
fn a_new_image_is_drawn_level_by_level_but_a_walk_is_not() {
    let file = pyramid();
    let mut simulator = Simulator::new(file.bytes(), Device::named("st7789-240").unwrap()).unwrap();
    assert!(coarse(&simulator) && simulator.app().unfinished());
    let small = simulator.frame();
    assert!(simulator.tick() && !coarse(&simulator) && !simulator.app().unfinished());
    let whole = simulator.frame();
    assert!(!simulator.tick() && simulator.frame() == whole, "then nothing is left to draw");
    // Another image starts with its own level.
    simulator.press(Button::Right);
    assert!(coarse(&simulator) && simulator.frame() != small);
    simulator.press(Button::Left);
    assert!(coarse(&simulator), "a button need not wait for the details");
    simulator.finish();
    assert!(simulator.frame() == whole);
    while simulator.app().screen() != Screen::Walk {
        simulator.press(Button::Select);
    }
    for _ in 0..5 {
        assert!(!coarse(&simulator));
        simulator.tick();
    }
}
