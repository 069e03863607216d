//! The main loop of a board: driven over its serial line, it shows what the simulator shows, and each press counts once.

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

/// A panel of 128x64 pixels with 16 grays.
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

/// Buttons that a test holds, and a clock that advances by half a frame at each read.
#[derive(Default)]
struct TestInputs {
    held: [bool; Button::ALL.len()],
    /// Polls during which Right is pressed: from the first number up to the second.
    tap: Option<(u32, u32)>,
    polls: u32,
    now: u32,
}

impl Inputs for TestInputs {
    fn is_held(&mut self, button: Button) -> bool {
        self.polls += u32::from(button == Button::Left);
        let tapped = self.tap.is_some_and(|(from, to)| (from..to).contains(&self.polls));
        self.held[button as usize] || (button == Button::Right && tapped)
    }

    fn micros(&mut self) -> u32 {
        self.now += 20_000;
        self.now
    }
}

/// A board whose buttons and serial input are set by a test.
struct TestBoard {
    panel: Panel,
    inputs: TestInputs,
    bytes: VecDeque<u8>,
    sent: String,
}

impl Board for TestBoard {
    type Display = Panel;
    type Inputs = TestInputs;

    fn parts(&mut self) -> (&mut Panel, &mut TestInputs) {
        (&mut self.panel, &mut self.inputs)
    }

    fn receive(&mut self) -> Option<u8> {
        self.bytes.pop_front()
    }

    fn send(&mut self, text: fmt::Arguments<'_>) {
        self.sent += &text.to_string();
    }

    fn memory(&self) -> Option<RamUse> {
        Some(RamUse { statics: 1, stack: 2, ram: 3 })
    }
}

fn test_board() -> TestBoard {
    let (inputs, bytes, sent) = (TestInputs::default(), VecDeque::new(), String::new());
    TestBoard { panel: Panel(Frame::new(128, 64)), inputs, bytes, sent }
}

#[test]
fn a_board_driven_over_its_serial_line_shows_what_the_simulator_shows() {
    let file = image_model(16, 16, 3);
    let mut simulator = Simulator::new(file.bytes(), Device::named("oled-128x64").unwrap()).unwrap();
    let model = Model::from_bytes(file.bytes()).unwrap();
    let mut arena = vec![0; model.arena_len()];
    let (mut board, generator) = (test_board(), Generator::new(&model, &mut arena).unwrap());
    let Ok(mut session) = Session::start(&mut board, generator, SavedLatents::NONE);
    assert_eq!(board.panel.0, simulator.frame());

    // The first byte stops the clock, so no frame is drawn on its own.
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
    assert!(board.sent.starts_with("ready\n") && board.sent.ends_with("memory 1 2 3\n"), "{}", board.sent);
}

#[test]
fn a_press_counts_once_and_not_before_the_button_was_up() {
    let file = image_model(16, 16, 1);
    let model = Model::from_bytes(file.bytes()).unwrap();
    let mut arena = vec![0; model.arena_len()];
    let (mut board, generator) = (test_board(), Generator::new(&model, &mut arena).unwrap());
    board.inputs.held[Button::Right as usize] = true;
    let Ok(mut session) = Session::start(&mut board, generator, SavedLatents::NONE);
    let mut sent_while_held = |held: bool| {
        board.sent.clear();
        board.inputs.held = [false; 5];
        board.inputs.held[Button::Right as usize] = held;
        for _ in 0..4 {
            let Ok(()) = session.poll(&mut board);
        }
        board.sent.lines().filter(|line| line.ends_with("right")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(sent_while_held(true), [""; 0], "down from the start");
    assert_eq!(sent_while_held(false), ["release right"]);
    assert_eq!(sent_while_held(true), ["press right"]);
    assert_eq!(sent_while_held(true), [""; 0], "still down");
    assert_eq!(sent_while_held(false), ["release right"]);
}

#[test]
fn a_model_that_needs_more_ram_is_reported_on_the_panel_and_buttons_do_nothing() {
    let file = image_model(16, 16, 3);
    let model = Model::from_bytes(file.bytes()).unwrap();
    let mut board = test_board();
    let mut arena = [0; 64];
    let Ok(mut session) = Session::start_in(&mut board, &model, &mut arena, SavedLatents::NONE);
    let why = board.sent.lines().next().unwrap().strip_prefix("refused: ").unwrap().to_owned();
    assert!(why.contains("has 64") && why.contains(&model.arena_len().to_string()), "{why}");
    let notice = Simulator::refusal(&Device::named("oled-128x64").unwrap(), &why);
    assert!(notice.rgb.iter().filter(|&&v| v == 255).count() > 500, "the text is white");
    assert_eq!(board.panel.0, notice);
    board.bytes.extend(*b"RSt");
    for _ in 0..4 {
        let Ok(()) = session.poll(&mut board);
    }
    assert_eq!(board.panel.0, notice);
    let sent: Vec<&str> = board.sent.lines().skip(1).filter(|line| !line.starts_with("release")).collect();
    assert_eq!(sent, ["ready", "press right", "press select", "tick"]);
}

#[test]
fn control_characters_in_a_notice_are_not_sent_on_the_serial_line() {
    let mut board = test_board();
    let Ok(_) = Session::notice(&mut board, format_args!("{}: too large", "a\u{1b}[2J\nb\u{9b}"));
    assert_eq!(board.sent, "refused: a?[2J?b?: too large\nready\n");
}

#[test]
fn a_tap_while_an_image_is_drawn_is_not_lost() {
    let file = image_model(16, 16, 3);
    let model = Model::from_bytes(file.bytes()).unwrap();
    let mut arena = vec![0; model.arena_len()];
    let (mut board, generator) = (test_board(), Generator::new(&model, &mut arena).unwrap());
    let Ok(mut session) = Session::start(&mut board, generator, SavedLatents::NONE);
    // The buttons are up. Then a byte starts the next image, and the tap begins and ends while it is drawn.
    let Ok(()) = session.poll(&mut board);
    let polls = board.inputs.polls;
    board.inputs.tap = Some((polls + 4, polls + 9));
    board.bytes.extend(*b"sR");
    for _ in 0..3 {
        let Ok(()) = session.poll(&mut board);
    }
    let sent: Vec<&str> = board.sent.lines().filter(|line| line.ends_with(" right")).collect();
    assert_eq!(sent, ["release right", "press right", "press right", "release right"]);
    let simulator = Simulator::new(file.bytes(), Device::named("oled-128x64").unwrap()).unwrap().with_seed(3);
    assert!(board.panel.0 == simulator.frame(), "another image than that of seed 3");
}

#[test]
fn the_about_page_shows_the_measured_time_unless_a_host_steps_the_clock() {
    let file = image_model(16, 16, 3);
    let model = Model::from_bytes(file.bytes()).unwrap();
    let about = |bytes: &[u8]| {
        let mut arena = vec![0; model.arena_len()];
        let (mut board, generator) = (test_board(), Generator::new(&model, &mut arena).unwrap());
        let Ok(mut session) = Session::start(&mut board, generator, SavedLatents::NONE);
        board.bytes.extend(bytes);
        for _ in 0..bytes.len() {
            let Ok(()) = session.poll(&mut board);
        }
        board.panel.0
    };
    // The measured time is not shown any more once the clock is stepped.
    assert!(about(b"sSSS") == about(b"sRLttSSS"), "the page changes from run to run");
    assert!(about(b"SSS") != about(b"sSSS"), "no time is shown");
}
