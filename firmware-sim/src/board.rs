//! The loop of a board: buttons in, frames out, and a serial line over which a host can step it frame by frame.
//!
//! A host that listens on the line reads what happens, a line each: `ready`, `press right`, `release right`. It may send single
//! bytes: `L`, `R`, `U`, `D` and `S` press a button, `s` stops the clock, `t` lets the time of one frame pass (answered by
//! `tick`), `r` runs the clock again, `m` asks for `memory STATICS STACK RAM` in bytes. An emulated board is driven like this, so
//! that a scripted session gives the same frames every time; on a real one it needs no more than a terminal.

use core::fmt;

use embedded_graphics::prelude::{DrawTarget, OriginDimensions};
use ganlet_runtime::{ArenaTooSmall, Generator, Model};
use heapless::Deque;

use crate::app::App;
use crate::color::PanelColor;
use crate::input::Button;
use crate::saved_latents::SavedLatents;
use crate::screens::{self, Theme};

/// Buttons, and the time by which they are judged.
pub trait Inputs {
    /// Whether a button is down now.
    fn is_held(&mut self, button: Button) -> bool;

    /// A button that the board has made out by itself, as [`TwoButtons`](crate::TwoButtons) does.
    fn event(&mut self) -> Option<Button> {
        None
    }

    /// The time in microseconds, from any start; it wraps around.
    fn micros(&mut self) -> u32;
}

/// What the app needs of a board.
pub trait Board {
    /// The panel's driver, or the memory that it is filled from.
    type Display: DrawTarget<Color: PanelColor> + OriginDimensions;

    /// The buttons and the clock, which are looked at while a picture is drawn.
    type Inputs: Inputs;

    /// Dark on a panel that shines, light on paper.
    const THEME: Theme = Theme::Dark;

    /// What the app draws on, and what it looks at meanwhile.
    fn parts(&mut self) -> (&mut Self::Display, &mut Self::Inputs);

    /// Brings what was drawn to the panel, where drawing alone does not.
    fn flush(&mut self) {}

    /// A byte that came in on the serial line, if there is a line and a byte.
    fn receive(&mut self) -> Option<u8> {
        None
    }

    /// Sends words on the serial line, if there is one.
    fn send(&mut self, words: fmt::Arguments<'_>) {
        let _ = words;
    }

    /// The RAM in use, where the board can tell.
    fn memory(&self) -> Option<RamUse> {
        None
    }
}

/// RAM of a running board, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RamUse {
    /// Data with a fixed place, the model's arena included.
    pub statics: usize,
    /// The most that the stack had so far.
    pub stack: usize,
    /// All that there is.
    pub ram: usize,
}

/// Buttons that count once per press, and only after they were seen up.
///
/// A button that is down from the start, or that an emulator reports so, does nothing until it was let go. A contact bounces: for some time
/// after a change it is taken for what it was.
#[derive(Clone, Debug, Default)]
struct ButtonEdges {
    /// Buttons that were up when last seen.
    up: [bool; Button::ALL.len()],
    /// When that last changed.
    since: [u32; Button::ALL.len()],
    /// What happened and was not yet answered; what is more is lost.
    queue: Deque<(Button, ButtonEdge), 8>,
}

/// What happened to a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ButtonEdge {
    Pressed,
    Released,
}

impl ButtonEdges {
    /// Looks at all buttons; called between the rows of a picture too, so that no press is lost while one is drawn.
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

/// How long a contact bounces at most.
const BOUNCE_MICROSECONDS: u32 = 15_000;
/// From frame to frame: 25 a second.
const FRAME_MICROSECONDS: u32 = 40_000;

/// The app on a board, from one turn of the loop to the next.
#[derive(Debug)]
pub struct Session<'g> {
    /// None where there is nothing to show but the reason why.
    shown: Option<(Generator<'g>, App<'g>)>,
    edges: ButtonEdges,
    stepped: bool,
    /// When the last frame was due.
    last: u32,
}

impl<'g> Session<'g> {
    /// The gallery at the first kept latent, else at seed 1, drawn.
    ///
    /// # Errors
    /// What the display's driver returns.
    pub fn start<B: Board>(
        board: &mut B,
        generator: Generator<'g>,
        kept: SavedLatents<'g>,
    ) -> Result<Self, <B::Display as DrawTarget>::Error> {
        let (model, (display, inputs)) = (generator.model(), board.parts());
        let app = App::new(model, display.size(), B::THEME, 1).with_saved(model, kept);
        let last = inputs.micros();
        let mut session = Self { shown: Some((generator, app)), edges: ButtonEdges::default(), stepped: false, last };
        session.draw(board)?;
        board.send(format_args!("ready\n"));
        Ok(session)
    }

    /// The same for a model in an arena that may be too small for it, which is then told on the panel.
    ///
    /// # Errors
    /// What the display's driver returns.
    pub fn start_in<B: Board>(
        board: &mut B,
        model: &'g Model<'g>,
        arena: &'g mut [u8],
        kept: SavedLatents<'g>,
    ) -> Result<Self, <B::Display as DrawTarget>::Error> {
        match Generator::new(model, arena) {
            Ok(generator) => Self::start(board, generator, kept),
            Err(ArenaTooSmall { needed, given }) => Self::notice(
                board,
                format_args!("{}: the model needs {needed} bytes of RAM, this firmware has {given}", model.name()),
            ),
        }
    }

    /// Shows nothing but why there is nothing to show: on the panel, and on the serial line.
    ///
    /// # Errors
    /// What the display's driver returns.
    pub fn notice<B: Board>(board: &mut B, why: fmt::Arguments<'_>) -> Result<Self, <B::Display as DrawTarget>::Error> {
        screens::notice(board.parts().0, why, B::THEME.colors())?;
        board.flush();
        board.send(format_args!("refused: {why}\nready\n"));
        Ok(Self { shown: None, edges: ButtonEdges::default(), stepped: false, last: 0 })
    }

    /// One turn of the loop: hears the serial line, looks at the buttons, draws the frame that is due.
    ///
    /// # Errors
    /// What the display's driver returns.
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
            // Frames that were not drawn in time are not made up for.
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
        let (before, pictures) = (inputs.micros(), app.pictures());
        let edges = &mut self.edges;
        if app.draw_with(generator.model(), generator, display, || edges.poll(inputs))? {
            board.flush();
            let took = board.parts().1.micros().wrapping_sub(before);
            // A host that steps the clock compares frames: the time, different each time, is left out.
            if let Some(each) = (took / 1000).checked_div(pictures) {
                app.set_picture_time((!self.stepped).then_some(each));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_button_counts_once_it_was_seen_up_and_then_once_a_press() {
        let mut edges = ButtonEdges::default();
        let turns = [
            (true, None),
            (false, Some(ButtonEdge::Released)),
            (false, None),
            (true, Some(ButtonEdge::Pressed)),
            (true, None),
            (false, Some(ButtonEdge::Released)),
        ];
        for (time, (held, edge)) in (1..).zip(turns) {
            assert_eq!(edges.update(Button::Up, held, time * BOUNCE_MICROSECONDS), edge);
        }
        assert_eq!(edges.update(Button::Select, true, BOUNCE_MICROSECONDS), None, "held from the start");
    }

    #[test]
    fn a_contact_that_bounces_counts_once_also_where_the_clock_wraps_around() {
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
