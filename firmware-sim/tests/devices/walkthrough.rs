//! The effects of the buttons, screen by screen.

use ganlet_sim::host::{Device, Simulator};
use ganlet_sim::{App, Button, SavedLatents, Screen};

use crate::models::{LATENT, image_model, image_model_with};

fn on_oled(claim: impl FnOnce(Simulator<'_>)) {
    let file = image_model(16, 16, 1);
    claim(Simulator::new(file.bytes(), Device::named("oled-128x64").unwrap()).unwrap());
}

fn latent(simulator: &Simulator<'_>) -> Vec<i8> {
    simulator.app().latent(simulator.model()).values().to_vec()
}

#[test]
fn select_goes_through_all_screens_and_back() {
    on_oled(|mut simulator| {
        for screen in [Screen::Walk, Screen::Knobs, Screen::About, Screen::Gallery] {
            simulator.press(Button::Select);
            assert_eq!(simulator.app().screen(), screen);
        }
    });
}

#[test]
fn the_gallery_shows_a_new_image_per_press_and_left_returns_to_the_previous_one() {
    on_oled(|mut simulator| {
        let first = simulator.frame();
        simulator.press(Button::Right);
        assert_eq!(simulator.app().seed(), 2);
        assert_ne!(simulator.frame(), first);
        simulator.press(Button::Left);
        assert_eq!(simulator.frame(), first);
        simulator.press(Button::Down);
        assert_eq!(simulator.app().seed(), 11);
        simulator.press(Button::Up);
        simulator.press(Button::Left);
        simulator.press(Button::Left);
        assert_eq!(simulator.app().seed(), u32::MAX);
        simulator.press(Button::Right);
        assert!(!simulator.tick(), "a gallery at rest is not drawn again");
    });
}

#[test]
fn the_walk_starts_at_the_seed_and_passes_exactly_through_the_next_ones() {
    on_oled(|simulator| {
        let mut simulator = simulator.with_seed(40);
        simulator.press(Button::Select);
        let seed = |simulator: &Simulator<'_>, seed| simulator.model().latent(seed).values().to_vec();
        assert_eq!(latent(&simulator), seed(&simulator, 40));
        // At speed 2, the walk from one seed to the next takes half as many ticks as it has steps.
        for next in [41, 42] {
            let mut before = latent(&simulator);
            for _ in 0..App::STEPS_PER_SEED / 2 {
                assert!(simulator.tick());
                let now = latent(&simulator);
                let jump = before.iter().zip(&now).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
                assert!(jump <= 24, "a jump of {jump}");
                before = now;
            }
            assert_eq!(latent(&simulator), seed(&simulator, next));
        }
        simulator.press(Button::Down);
        assert!(!simulator.tick(), "paused");
        simulator.press(Button::Up);
        for _ in 0..9 {
            simulator.press(Button::Right);
        }
        for _ in 0..App::STEPS_PER_SEED / App::MAX_SPEED {
            simulator.tick();
        }
        assert_eq!(latent(&simulator), seed(&simulator, 43));
    });
}

#[test]
fn a_knob_turns_one_value_and_leaves_the_others() {
    on_oled(|mut simulator| {
        simulator.press(Button::Select);
        simulator.press(Button::Select);
        let own = latent(&simulator);
        for knob in 0..usize::from(LATENT) {
            simulator.press(Button::Right);
            let turned = latent(&simulator);
            let wanted = own[knob].saturating_add(App::KNOB_STEP).clamp(-App::KNOB_LIMIT, App::KNOB_LIMIT);
            assert_eq!(turned[knob], wanted, "knob {knob}");
            assert!((0..own.len()).all(|i| i == knob || turned[i] == own[i]), "knob {knob}");
            simulator.press(Button::Down);
            assert_eq!(latent(&simulator), own, "the next knob starts from the same image");
        }
        // The last press wrapped around to the first knob; up goes to the last one.
        simulator.press(Button::Up);
        for _ in 0..99 {
            simulator.press(Button::Left);
        }
        assert_eq!(latent(&simulator)[usize::from(LATENT) - 1], -App::KNOB_LIMIT);
    });
}

#[test]
fn knobs_turn_the_directions_of_a_model_that_has_them() {
    let latent_len = usize::from(LATENT);
    // Two directions of length 1: the first value, and the mean of the second and third.
    let mut directions = vec![vec![0; latent_len]; 2];
    directions[0][0] = 127;
    directions[1][1..3].fill(91);
    let file = image_model_with(16, 16, 1, &directions);
    let mut simulator = Simulator::new(file.bytes(), Device::named("oled-128x64").unwrap()).unwrap();
    let coordinates = |z: &[i8]| [f64::from(z[0]), (f64::from(z[1]) + f64::from(z[2])) / 2f64.sqrt()];
    simulator.press(Button::Select);
    simulator.press(Button::Select);
    let own = latent(&simulator);
    for knob in 0..2 {
        simulator.press(Button::Right);
        let turned = latent(&simulator);
        let (before, now) = (coordinates(&own), coordinates(&turned));
        assert!((now[knob] - before[knob] - f64::from(App::KNOB_STEP)).abs() < 1.5, "{before:?} {now:?}");
        assert!((now[1 - knob] - before[1 - knob]).abs() < 0.01 && turned[3..] == own[3..]);
        simulator.press(Button::Down);
    }
    // There are no more knobs than directions.
    simulator.press(Button::Right);
    assert_ne!(latent(&simulator)[0], own[0]);
}

#[test]
fn tiny_panels_show_the_initial_of_a_screen_and_then_the_image() {
    let file = image_model(16, 16, 3);
    let mut simulator = Simulator::new(file.bytes(), Device::named("led-5x5").unwrap()).unwrap();
    let gallery = simulator.frame();
    // A model without classes and scores has no screens for them.
    for _ in 2..Screen::ALL.len() {
        simulator.press(Button::Select);
        let lit = simulator.frame().rgb.as_chunks::<3>().0.iter().filter(|&&pixel| pixel == [255; 3]).count();
        assert!((6..=13).contains(&lit), "{lit} LEDs of a letter");
    }
    for _ in 0..App::INITIAL_TICKS {
        assert_ne!(simulator.frame(), gallery);
        simulator.tick();
    }
    assert_eq!(simulator.frame(), gallery);
}

#[test]
fn saved_latents_come_before_seed_0_and_other_seeds_are_unchanged() {
    let file = crate::models::image_model(16, 16, 3);
    let device = Device::named("st7789-240").unwrap();
    let plain = Simulator::new(file.bytes(), device).unwrap();
    let latent = |seed| plain.model().latent(seed).values().to_vec();
    // Two saved latents, those of seeds 500 and 600, so that their images are known.
    let mut bytes = Vec::new();
    for seed in [500, 600] {
        bytes.push(255);
        bytes.extend(latent(seed).iter().map(|&v| v as u8));
    }
    let shown = |seed: u32| {
        let simulator = Simulator::new(file.bytes(), device).unwrap().with_seed(seed);
        simulator.app().latent(simulator.model())
    };
    let mut simulator = Simulator::new(file.bytes(), device).unwrap().with_saved(SavedLatents::new(&bytes));
    for seed in [500, 600, 0, 1] {
        assert_eq!(simulator.app().latent(simulator.model()), shown(seed), "{seed}");
        simulator.press(Button::Right);
    }
    // The walk starts from them as from any seed.
    let mut simulator = Simulator::new(file.bytes(), device).unwrap().with_saved(SavedLatents::new(&bytes));
    simulator.press(Button::Select);
    assert_eq!(simulator.app().latent(simulator.model()), shown(500));
    // Bytes that are not latents of this model are ignored.
    let simulator = Simulator::new(file.bytes(), device).unwrap().with_saved(SavedLatents::new(&bytes[1..]));
    assert_eq!(simulator.app().seed(), 1);
}
