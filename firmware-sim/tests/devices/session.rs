//! The loop of a board: driven over its serial line it shows what the simulator shows, and each button counts once.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;

use embedded_graphics::Pixel;
use embedded_graphics::pixelcolor::{Gray4, GrayColor};
use embedded_graphics::prelude::{DrawTarget, OriginDimensions, Size};
use ganlet_runtime::{Generator, Model};
use ganlet_sim::host::{Device, Frame, Simulator};
use ganlet_sim::{Board, Button, Inputs, RamUse, SavedLatents, Session};

use crate::models::image_model;

/// 128x64 pixels of 16 grays.
struct Panel(Frame);

impl OriginDimensions for Panel {
    fn size(&self) -> Size {
        Size::new(self.0.width, self.0.height)
    }
}

impl DrawTarget for Panel {
    type Color = Gray4;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Gray4>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, color) in pixels {
            let i = (at.y as usize * self.0.width as usize + at.x as usize) * 3;
            self.0.rgb[i..i + 3].fill(color.luma() * 17);
        }
        Ok(())
    }
}

/// Buttons that a test holds, and a clock by which the next frame is due whenever it is read twice.
#[derive(Default)]
struct Hands {
    held: [bool; Button::ALL.len()],
    /// Polls during which Right is pressed: from the first number up to the second.
    tap: Option<(u32, u32)>,
    looks: u32,
    now: u32,
}

impl Inputs for Hands {
    fn is_held(&mut self, button: Button) -> bool {
        self.looks += u32::from(button == Button::Left);
        let tapped = self.tap.is_some_and(|(from, to)| (from..to).contains(&self.looks));
        self.held[button as usize] || (button == Button::Right && tapped)
    }

    fn micros(&mut self) -> u32 {
        self.now += 20_000;
        self.now
    }
}

/// A board whose buttons and line are written by a test; its clock is always due.
struct Desk {
    panel: Panel,
    hands: Hands,
    bytes: VecDeque<u8>,
    said: String,
}

impl Board for Desk {
    type Display = Panel;
    type Inputs = Hands;

    fn parts(&mut self) -> (&mut Panel, &mut Hands) {
        (&mut self.panel, &mut self.hands)
    }

    fn receive(&mut self) -> Option<u8> {
        self.bytes.pop_front()
    }

    fn send(&mut self, words: fmt::Arguments<'_>) {
        self.said += &words.to_string();
    }

    fn memory(&self) -> Option<RamUse> {
        Some(RamUse { statics: 1, stack: 2, ram: 3 })
    }
}

fn desk() -> Desk {
    let (hands, bytes, said) = (Hands::default(), VecDeque::new(), String::new());
    Desk { panel: Panel(Frame::new(128, 64)), hands, bytes, said }
}

#[test]
fn a_board_that_is_driven_over_its_line_shows_what_the_simulator_shows() {
    let file = image_model(16, 16, 3);
    let mut simulator = Simulator::new(file.bytes(), Device::named("oled-128x64").unwrap()).unwrap();
    let model = Model::from_bytes(file.bytes()).unwrap();
    let mut arena = vec![0; model.arena_len()];
    let (mut board, generator) = (desk(), Generator::new(&model, &mut arena).unwrap());
    let Ok(mut session) = Session::start(&mut board, generator, SavedLatents::NONE);
    assert_eq!(board.panel.0, simulator.frame());

    // The clock stands still from the first byte on, however often it would be due.
    for byte in *b"sRRSttRtSRDtLU" {
        board.bytes.push_back(byte);
        for _ in 0..3 {
            let Ok(()) = session.poll(&mut board);
        }
        match byte {
            b't' => _ = simulator.tick(),
            b's' => {}
            letter => {
                let button = Button::ALL.into_iter().find(|b| b.name().to_uppercase().as_bytes()[0] == letter);
                simulator.press(button.unwrap());
            }
        }
        assert_eq!(board.panel.0, simulator.frame(), "after {}", byte as char);
    }
    board.bytes.push_back(b'm');
    let Ok(()) = session.poll(&mut board);
    assert!(board.said.starts_with("ready\n") && board.said.ends_with("memory 1 2 3\n"), "{}", board.said);
}

#[test]
fn a_button_counts_once_a_press_and_not_before_it_was_seen_up() {
    let file = image_model(16, 16, 1);
    let model = Model::from_bytes(file.bytes()).unwrap();
    let mut arena = vec![0; model.arena_len()];
    let (mut board, generator) = (desk(), Generator::new(&model, &mut arena).unwrap());
    board.hands.held[Button::Right as usize] = true;
    let Ok(mut session) = Session::start(&mut board, generator, SavedLatents::NONE);
    let mut said_when = |held: bool| {
        board.said.clear();
        board.hands.held = [false; 5];
        board.hands.held[Button::Right as usize] = held;
        for _ in 0..4 {
            let Ok(()) = session.poll(&mut board);
        }
        board.said.lines().filter(|line| line.ends_with("right")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(said_when(true), [""; 0], "down from the start");
    assert_eq!(said_when(false), ["release right"]);
    assert_eq!(said_when(true), ["press right"]);
    assert_eq!(said_when(true), [""; 0], "still down");
    assert_eq!(said_when(false), ["release right"]);
}

#[test]
fn a_model_that_needs_more_ram_is_reported_on_the_panel_and_buttons_do_nothing() {
    let file = image_model(16, 16, 3);
    let model = Model::from_bytes(file.bytes()).unwrap();
    let mut board = desk();
    let mut arena = [0; 64];
    let Ok(mut session) = Session::start_in(&mut board, &model, &mut arena, SavedLatents::NONE);
    let why = board.said.lines().next().unwrap().strip_prefix("refused: ").unwrap().to_owned();
    assert!(why.contains("has 64") && why.contains(&model.arena_len().to_string()), "{why}");
    let notice = Simulator::refusal(&Device::named("oled-128x64").unwrap(), &why);
    assert!(notice.rgb.iter().filter(|&&v| v == 255).count() > 500, "words are white");
    assert_eq!(board.panel.0, notice);
    board.bytes.extend(*b"RSt");
    for _ in 0..4 {
        let Ok(()) = session.poll(&mut board);
    }
    assert_eq!(board.panel.0, notice);
    let said: Vec<&str> = board.said.lines().skip(1).filter(|line| !line.starts_with("release")).collect();
    assert_eq!(said, ["ready", "press right", "press select", "tick"]);
}

#[test]
fn a_tap_while_a_image_is_drawn_is_not_lost() {
    let file = image_model(16, 16, 3);
    let model = Model::from_bytes(file.bytes()).unwrap();
    let mut arena = vec![0; model.arena_len()];
    let (mut board, generator) = (desk(), Generator::new(&model, &mut arena).unwrap());
    let Ok(mut session) = Session::start(&mut board, generator, SavedLatents::NONE);
    // The buttons are up; then a byte has the next image drawn, and the tap is over before it is.
    let Ok(()) = session.poll(&mut board);
    let looks = board.hands.looks;
    board.hands.tap = Some((looks + 4, looks + 9));
    board.bytes.extend(*b"sR");
    for _ in 0..3 {
        let Ok(()) = session.poll(&mut board);
    }
    let said: Vec<&str> = board.said.lines().filter(|line| line.ends_with(" right")).collect();
    assert_eq!(said, ["release right", "press right", "press right", "release right"]);
    let simulator = Simulator::new(file.bytes(), Device::named("oled-128x64").unwrap()).unwrap().with_seed(3);
    assert!(board.panel.0 == simulator.frame(), "another image than that of seed 3");
}

#[test]
fn the_about_page_tells_the_measured_time_unless_a_host_steps_the_clock() {
    let file = image_model(16, 16, 3);
    let model = Model::from_bytes(file.bytes()).unwrap();
    let about = |bytes: &[u8]| {
        let mut arena = vec![0; model.arena_len()];
        let (mut board, generator) = (desk(), Generator::new(&model, &mut arena).unwrap());
        let Ok(mut session) = Session::start(&mut board, generator, SavedLatents::NONE);
        board.bytes.extend(bytes);
        for _ in 0..bytes.len() {
            let Ok(()) = session.poll(&mut board);
        }
        board.panel.0
    };
    // The time that the first image took is forgotten as soon as the clock is stepped.
    assert!(about(b"sSSS") == about(b"sRLttSSS"), "the page changes from run to run");
    assert!(about(b"SSS") != about(b"sSSS"), "no time is shown");
}
