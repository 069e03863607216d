//! The main loop of a board: buttons, frames, and a serial protocol with which a host steps the board frame by frame.
//!
//! The board reports events on the serial line, one per line: `ready`, `press right`, `release right`. The host sends single
//! bytes: `L`, `R`, `U`, `D` and `S` press a button; `s` stops the clock, `t` advances it by one frame (the answer is
//! `tick`), `r` restarts it; `m` requests `memory STATICS STACK RAM` in bytes. The emulator drives boards this way, so
//! that a scripted session gives the same frames every time. To drive a real board, any terminal program is enough.

use core::fmt;

use embedded_graphics::prelude::{DrawTarget, OriginDimensions};
use ganlet_runtime::{ArenaTooSmall, Generator, Model};
use heapless::Deque;

use crate::app::App;
use crate::color::PanelColor;
use crate::input::Button;
use crate::saved_latents::SavedLatents;
use crate::screens::{self, Theme};

/// Text without control characters: each is written as `?`. A terminal on the serial line would obey them, and a name may contain them.
struct OneLine<'a>(fmt::Arguments<'a>);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::write(&mut Visible(f), self.0)
    }
}

struct Visible<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Visible<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| self.0.write_char(if c.is_control() { '?' } else { c }))
    }
}

/// The buttons of a board, and the clock that debounces them.
pub trait Inputs {
    /// Returns whether a button is down.
    fn is_held(&mut self, button: Button) -> bool;

    /// Returns a press that the board has detected itself, for example with [`TwoButtons`](crate::TwoButtons).
    fn event(&mut self) -> Option<Button> {
        None
    }

    /// Returns the time in microseconds since an arbitrary start. It wraps around.
    fn micros(&mut self) -> u32;
}

/// The hardware that the app needs: display, buttons, clock, and optionally a serial line.
pub trait Board {
    /// The panel's driver, or a frame buffer.
    type Display: DrawTarget<Color: PanelColor> + OriginDimensions;

    /// The buttons and the clock, which are polled while an image is drawn.
    type Inputs: Inputs;

    /// Colors of text and background: dark for emissive panels, light for e-paper.
    const THEME: Theme = Theme::Dark;

    /// Returns the display and the inputs.
    fn parts(&mut self) -> (&mut Self::Display, &mut Self::Inputs);

    /// Sends the frame buffer to the panel, if the board has one.
    fn flush(&mut self) {}

    /// Returns a byte from the serial line, if there is one.
    fn receive(&mut self) -> Option<u8> {
        None
    }

    /// Sends text on the serial line, if there is one.
    fn send(&mut self, text: fmt::Arguments<'_>) {
        let _ = text;
    }

    /// Returns the RAM in use, if the board can measure it.
    fn memory(&self) -> Option<RamUse> {
        None
    }
}

/// RAM of a running board, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RamUse {
    /// Static data, including the model's arena.
    pub statics: usize,
    /// Peak size of the stack.
    pub stack: usize,
    /// Size of RAM.
    pub ram: usize,
}

/// Debounces the buttons and detects presses and releases.
///
/// A button that is down at the start is ignored until it is released. After a change of a button, further changes are ignored for the
/// time that a contact bounces.
#[derive(Clone, Debug, Default)]
struct ButtonEdges {
    /// Whether each button was up at the last poll.
    up: [bool; Button::ALL.len()],
    /// Time of the last change.
    since: [u32; Button::ALL.len()],
    /// Pending events. If the queue is full, further events are dropped.
    queue: Deque<(Button, ButtonEdge), 8>,
}

/// A change of a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ButtonEdge {
    Pressed,
    Released,
}

impl ButtonEdges {
    /// Polls all buttons. Also called between the rows of an image, so that no press is lost.
    fn poll(&mut self, inputs: &mut impl Inputs) {
        let now = inputs.micros();
        for button in Button::ALL {
            if let Some(edge) = self.update(button, inputs.is_held(button), now) {
                let _ = self.queue.push_back((button, edge));
            }
        }
        if let Some(button) = inputs.event() {
            let _ = self.queue.push_back((button, ButtonEdge::Pressed));
        }
    }

    fn update(&mut self, button: Button, held: bool, now: u32) -> Option<ButtonEdge> {
        let (up, since) = (self.up.get_mut(button as usize)?, self.since.get_mut(button as usize)?);
        if *up != held || now.wrapping_sub(*since) < BOUNCE_MICROSECONDS {
            return None;
        }
        (*up, *since) = (!held, now);
        Some(if held { ButtonEdge::Pressed } else { ButtonEdge::Released })
    }
}

/// Maximum time that a contact bounces.
const BOUNCE_MICROSECONDS: u32 = 15_000;
/// Time between frames: 25 frames per second.
const FRAME_MICROSECONDS: u32 = 40_000;

/// The app on a board. [`Session::poll`] is the body of the board's main loop.
#[derive(Debug)]
pub struct Session<'g> {
    /// `None` if the board shows a notice instead of the app.
    shown: Option<(Generator<'g>, App<'g>)>,
    edges: ButtonEdges,
    /// Whether a host steps the clock.
    stepped: bool,
    /// Time of the last frame.
    last: u32,
}

impl<'g> Session<'g> {
    /// Starts the app in the gallery, at the first saved latent or else at seed 1, and draws it.
    ///
    /// # Errors
    /// Those of the display's driver.
    pub fn start<B: Board>(
        board: &mut B,
        generator: Generator<'g>,
        saved: SavedLatents<'g>,
    ) -> Result<Self, <B::Display as DrawTarget>::Error> {
        let (model, (display, inputs)) = (generator.model(), board.parts());
        let app = App::new(model, display.size(), B::THEME, 1).with_saved(model, saved);
        let last = inputs.micros();
        let mut session = Self { shown: Some((generator, app)), edges: ButtonEdges::default(), stepped: false, last };
        session.draw(board)?;
        board.send(format_args!("ready\n"));
        Ok(session)
    }

    /// Starts the app with a model and an arena. If the arena is too small, shows a notice with both sizes.
    ///
    /// # Errors
    /// Those of the display's driver.
    pub fn start_in<B: Board>(
        board: &mut B,
        model: &'g Model<'g>,
        arena: &'g mut [u8],
        saved: SavedLatents<'g>,
    ) -> Result<Self, <B::Display as DrawTarget>::Error> {
        match Generator::new(model, arena) {
            Ok(generator) => Self::start(board, generator, saved),
            Err(ArenaTooSmall { needed, given }) => Self::notice(
                board,
                format_args!("{}: the model needs {needed} bytes of RAM, this firmware has {given}", model.name()),
            ),
        }
    }

    /// Shows a notice instead of the app, for example why the model cannot run, and sends it on the serial line.
    ///
    /// # Errors
    /// Those of the display's driver.
    pub fn notice<B: Board>(board: &mut B, why: fmt::Arguments<'_>) -> Result<Self, <B::Display as DrawTarget>::Error> {
        screens::notice(board.parts().0, why, B::THEME.colors())?;
        board.flush();
        board.send(format_args!("refused: {}\nready\n", OneLine(why)));
        Ok(Self { shown: None, edges: ButtonEdges::default(), stepped: false, last: 0 })
    }

    /// Handles the serial line and the buttons, and draws a frame if one is due.
    ///
    /// # Errors
    /// Those of the display's driver.
    pub fn poll<B: Board>(&mut self, board: &mut B) -> Result<(), <B::Display as DrawTarget>::Error> {
        match board.receive() {
            Some(b's') => self.stepped = true,
            Some(b'r') => self.stepped = false,
            Some(b't') => {
                self.tick(board)?;
                board.send(format_args!("tick\n"));
            }
            Some(b'm') => {
                let RamUse { statics, stack, ram } = board.memory().unwrap_or_default();
                board.send(format_args!("memory {statics} {stack} {ram}\n"));
            }
            Some(letter) => {
                let initial = |button: &Button| button.name().as_bytes().first().map(u8::to_ascii_uppercase);
                if let Some(button) = Button::ALL.into_iter().find(|button| initial(button) == Some(letter)) {
                    self.press(board, button)?;
                }
            }
            None => {}
        }
        let inputs = board.parts().1;
        self.edges.poll(inputs);
        let now = inputs.micros();
        while let Some((button, edge)) = self.edges.queue.pop_front() {
            match edge {
                ButtonEdge::Pressed => self.press(board, button)?,
                ButtonEdge::Released => board.send(format_args!("release {}\n", button.name())),
            }
        }
        if now.wrapping_sub(self.last) >= FRAME_MICROSECONDS {
            // Late frames are dropped.
            self.last = now;
            if !self.stepped {
                self.tick(board)?;
            }
        }
        Ok(())
    }

    fn tick<B: Board>(&mut self, board: &mut B) -> Result<(), <B::Display as DrawTarget>::Error> {
        if let Some((_, app)) = &mut self.shown {
            app.tick();
        }
        self.draw(board)
    }

    fn press<B: Board>(&mut self, board: &mut B, button: Button) -> Result<(), <B::Display as DrawTarget>::Error> {
        if let Some((generator, app)) = &mut self.shown {
            app.press(generator.model(), button);
        }
        self.draw(board)?;
        board.send(format_args!("press {}\n", button.name()));
        Ok(())
    }

    fn draw<B: Board>(&mut self, board: &mut B) -> Result<(), <B::Display as DrawTarget>::Error> {
        let Some((generator, app)) = &mut self.shown else { return Ok(()) };
        let (display, inputs) = board.parts();
        let (before, images) = (inputs.micros(), app.images());
        let edges = &mut self.edges;
        if app.draw_with(generator.model(), generator, display, || edges.poll(inputs))? {
            board.flush();
            let took = board.parts().1.micros().wrapping_sub(before);
            // A host that steps the clock compares frames, so the measured time must not be shown.
            if let Some(each) = (took / 1000).checked_div(images) {
                app.set_image_time((!self.stepped).then_some(each));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_press_counts_once_and_only_after_the_button_was_up() {
        let mut edges = ButtonEdges::default();
        let polls = [
            (true, None),
            (false, Some(ButtonEdge::Released)),
            (false, None),
            (true, Some(ButtonEdge::Pressed)),
            (true, None),
            (false, Some(ButtonEdge::Released)),
        ];
        for (time, (held, edge)) in (1..).zip(polls) {
            assert_eq!(edges.update(Button::Up, held, time * BOUNCE_MICROSECONDS), edge);
        }
        assert_eq!(edges.update(Button::Select, true, BOUNCE_MICROSECONDS), None, "held from the start");
    }

    #[test]
    fn a_bouncing_contact_counts_once_even_when_the_clock_wraps_around() {
        let mut edges = ButtonEdges::default();
        let start = u32::MAX - 1000;
        assert_eq!(edges.update(Button::Up, false, start - 100_000), Some(ButtonEdge::Released));
        let mut seen = Vec::new();
        for after in (0..200_000).step_by(500) {
            // Down at 0 and up at 100 ms, each time with 3 ms of bouncing.
            let bounces = after < 3_000 || (100_000..103_000).contains(&after);
            let held = if bounces { after / 500 % 2 == 0 } else { after < 100_000 };
            seen.extend(edges.update(Button::Up, held, start.wrapping_add(after)));
        }
        assert_eq!(seen, [ButtonEdge::Pressed, ButtonEdge::Released]);
    }
}
