//! Panels show the generator's rows in their own colors, and nothing is drawn outside of them.

use std::collections::BTreeSet;

use embedded_graphics::prelude::Point;
use ganlet_runtime::Generator;
use ganlet_sim::host::{ColorDepth, Device, Frame, Script, Simulator};
use ganlet_sim::{Button, luma};

use crate::models::image_model;

const SIZES: [(u16, u16, u16); 5] = [(16, 16, 3), (28, 28, 1), (64, 64, 3), (32, 48, 1), (96, 128, 3)];

/// Calls `claim` for every device with every model that fits it.
fn every_pair(mut claim: impl FnMut(&str, Simulator<'_>)) {
    for (width, height, channels) in SIZES {
        let file = image_model(width, height, channels);
        let mut devices = 0;
        for device in Device::all() {
            let Ok(simulator) = Simulator::new(file.bytes(), *device) else { continue };
            devices += 1;
            claim(&format!("{width}x{height}x{channels} on {}", device.name), simulator);
        }
        assert!(devices >= 5, "only {devices} devices take {width}x{height}");
    }
}

/// Returns the image that the generator draws for the current latent, in RGB.
fn image(simulator: &Simulator<'_>) -> Frame {
    let model = simulator.model();
    let mut arena = vec![0; model.arena_len()];
    let mut generator = Generator::new(model, &mut arena).unwrap();
    let (width, height) = model.size();
    let rgb = generator.pixels(&simulator.app().latent(model)).flatten().collect();
    Frame { width: width.into(), height: height.into(), rgb }
}

/// Returns the color that a panel shows for `rgb`, by an independent implementation.
fn shown(depth: ColorDepth, rgb: [u8; 3], at: Point) -> [u8; 3] {
    let nearest = |value: u8, top: u32| (u32::from(value) * top + 127) / 255;
    match depth {
        ColorDepth::Mono | ColorDepth::Paper => {
            let bayer = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5];
            let threshold = bayer[(at.y % 4 * 4 + at.x % 4) as usize] * 16 + 8;
            let light = (u32::from(luma(rgb)).pow(2) + 127) / 255;
            [if light >= threshold { 255 } else { 0 }; 3]
        }
        ColorDepth::Gray16 => [(nearest(luma(rgb), 15) * 17) as u8; 3],
        ColorDepth::Led10 => [(nearest(luma(rgb), 9) * 255 / 9) as u8; 3],
        // Extended back to eight bits by rounding.
        ColorDepth::Rgb565 => {
            let extend = |value: u8, top: u32| ((nearest(value, top) * 255 + top / 2) / top) as u8;
            [extend(rgb[0], 31), extend(rgb[1], 63), extend(rgb[2], 31)]
        }
    }
}

#[test]
fn the_panel_shows_the_generators_rows_enlarged_by_a_whole_factor() {
    let mut checked = 0;
    every_pair(|name, mut simulator| {
        for _ in 0..2 {
            let (place, image, frame) = (simulator.app().layout().image, image(&simulator), simulator.frame());
            let (corner, factor) = (place.area().top_left, place.factor());
            if factor == 0 {
                return;
            }
            assert_eq!(place.area().size.width, image.width * factor, "{name}");
            assert_eq!(place.area().size.height, image.height * factor, "{name}");
            for y in 0..place.area().size.height {
                for x in 0..place.area().size.width {
                    let at = corner + Point::new(x as i32, y as i32);
                    let wanted = shown(simulator.device().depth, image.at(x / factor, y / factor), at);
                    assert_eq!(frame.at(at.x as u32, at.y as u32), wanted, "{name} at {at}");
                }
            }
            checked += 1;
            simulator.press(Button::Right);
        }
    });
    assert!(checked >= 30, "{checked} images compared");
}

#[test]
fn panels_show_only_their_own_colors_and_nothing_is_drawn_outside() {
    every_pair(|name, mut simulator| {
        let mut seen = BTreeSet::<[u8; 3]>::new();
        let tour: Script = "right,select,wait:9,select,right,left,left,down,right,select,wait:60".parse().unwrap();
        let Ok(()) = simulator.play(&tour, |simulator| {
            seen.extend(simulator.frame().rgb.as_chunks::<3>().0);
            Ok::<_, std::convert::Infallible>(())
        });
        assert_eq!(simulator.pixels_outside(), 0, "{name}");
        let gray = seen.iter().all(|[r, g, b]| r == g && g == b);
        match simulator.device().depth {
            ColorDepth::Mono | ColorDepth::Paper => assert_eq!(Vec::from_iter(seen), [[0; 3], [255; 3]], "{name}"),
            ColorDepth::Gray16 => assert!(gray && (3..=16).contains(&seen.len()), "{name}: {} grays", seen.len()),
            ColorDepth::Led10 => assert!(gray && (3..=10).contains(&seen.len()), "{name}: {} levels", seen.len()),
            ColorDepth::Rgb565 => assert!(seen.len() > 16, "{name}: {} colors", seen.len()),
        }
    });
}

#[test]
fn two_sessions_show_the_same_frames() {
    let script = Script::tour();
    let file = image_model(16, 16, 3);
    for device in Device::all() {
        let record = || {
            let (mut simulator, mut frames) = (Simulator::new(file.bytes(), *device).unwrap().with_seed(9), Vec::new());
            let Ok(()) = simulator.play(&script, |simulator| {
                frames.push(simulator.frame().rgb);
                Ok::<_, std::convert::Infallible>(())
            });
            frames
        };
        let frames = record();
        assert_eq!(frames.len(), script.frames());
        assert!(frames == record(), "{}", device.name);
        let different: BTreeSet<_> = frames.into_iter().collect();
        assert!(different.len() > 60, "{}: {} different frames", device.name, different.len());
    }
}

#[test]
fn incremental_drawing_equals_drawing_from_scratch() {
    let file = image_model(16, 16, 3);
    for device in Device::all() {
        let mut simulator = Simulator::new(file.bytes(), *device).unwrap();
        for step in
            "right,down,down,up,up,select,wait:40,left,select,right,right,down,up,up,left,select,select".split(',')
        {
            let script: Script = step.parse().unwrap();
            let Ok(()) = simulator.play(&script, |_| Ok::<_, std::convert::Infallible>(()));
            let before = simulator.frame();
            simulator.redraw();
            assert!(before == simulator.frame(), "{} after {step}", device.name);
        }
    }
}
