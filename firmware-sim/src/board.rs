//! The loop of a board: buttons in, frames out, and a serial line over which a host can step it frame by frame.
//!
//! A host that listens on the line reads what happens, a line each: `ready`, `press right`, `release right`. It may send single
//! bytes: `L`, `R`, `U`, `D` and `S` press a button, `s` stops the clock, `t` lets the time of one frame pass (answered by
//! `tick`), `r` runs the clock again, `m` asks for `memory STATICS STACK RAM` in bytes. An emulated board is driven like this, so
//! that a scripted session gives the same frames every time; on a real one it needs no more than a terminal.

use core::fmt;

use embedded_graphics::prelude::{DrawTarget, OriginDimensions};
use ganlet_runtime::{ArenaTooSmall, Generator, Model};

use crate::app::App;
use crate::color::PanelColor;
use crate::input::Button;
use crate::kept::Kept;
use crate::screens::{self, Theme};

/// What the app needs of a board.
pub trait Board {
    /// The panel's driver, or the memory that it is filled from.
    type Display: DrawTarget<Color: PanelColor> + OriginDimensions;

    /// Dark on a panel that shines, light on paper.
    const THEME: Theme = Theme::Dark;

    /// What the app draws on.
    fn display(&mut self) -> &mut Self::Display;

    /// Brings what was drawn to the panel, where drawing alone does not.
    fn flush(&mut self) {}

    /// Whether a button is down now.
    fn is_held(&mut self, button: Button) -> bool;

    /// A button that the board has made out by itself, as [`TwoButtons`](crate::TwoButtons) does.
    fn event(&mut self) -> Option<Button> {
        None
    }

    /// Whether the next frame's time has come; true about 25 times a second.
    fn frame_is_due(&mut self) -> bool;

    /// A byte that came in on the serial line, if there is a line and a byte.
    fn receive(&mut self) -> Option<u8> {
        None
    }

    /// Sends words on the serial line, if there is one.
    fn send(&mut self, words: fmt::Arguments<'_>) {
        let _ = words;
    }

    /// The RAM in use, where the board can tell.
    fn memory(&self) -> Option<Memory> {
        None
    }
}

/// RAM of a running board, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Data with a fixed place, the model's arena included.
    pub statics: usize,
    /// The most that the stack had so far.
    pub stack: usize,
    /// All that there is.
    pub ram: usize,
}

/// Buttons that count once per press, and only after they were seen up.
///
/// A button that is down from the start, or that an emulator reports so, does nothing until it was let go.
#[derive(Clone, Copy, Debug, Default)]
struct Edges {
    /// Buttons that were up when last seen.
    up: [bool; Button::ALL.len()],
}

/// What happened to a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    Pressed,
    Released,
}

impl Edges {
    fn turn(&mut self, button: Button, held: bool) -> Option<Edge> {
        let was_up = core::mem::replace(self.up.get_mut(button as usize)?, !held);
        match (was_up, held) {
            (true, true) => Some(Edge::Pressed),
            (false, false) => Some(Edge::Released),
            _ => None,
        }
    }
}

/// The app on a board, from one turn of the loop to the next.
#[derive(Debug)]
pub struct Session<'g> {
    /// None where there is nothing to show but the reason why.
    shown: Option<(Generator<'g>, App<'g>)>,
    edges: Edges,
    stepped: bool,
}

impl<'g> Session<'g> {
    /// The gallery at the first kept latent, else at seed 1, drawn.
    ///
    /// # Errors
    /// What the display's driver returns.
    pub fn start<B: Board>(
        board: &mut B,
        generator: Generator<'g>,
        kept: Kept<'g>,
    ) -> Result<Self, <B::Display as DrawTarget>::Error> {
        let model = generator.model();
        let app = App::new(model, board.display().size(), B::THEME, 1).with_kept(model, kept);
        let mut session = Self { shown: Some((generator, app)), edges: Edges::default(), stepped: false };
        session.draw(board)?;
        board.send(format_args!("ready\n"));
        Ok(session)
    }

    /// The same for a model in an arena that may be too small for it, which is then told on the panel.
    ///
    /// # Errors
    /// What the display's driver returns.
    pub fn of<B: Board>(
        board: &mut B,
        model: &'g Model<'g>,
        arena: &'g mut [u8],
        kept: Kept<'g>,
    ) -> Result<Self, <B::Display as DrawTarget>::Error> {
        match Generator::new(model, arena) {
            Ok(generator) => Self::start(board, generator, kept),
            Err(ArenaTooSmall { needed, given }) => Self::refused(
                board,
                format_args!("{}: the model needs {needed} bytes of RAM, this firmware has {given}", model.name()),
            ),
        }
    }

    /// Shows nothing but why there is nothing to show: on the panel, and on the serial line.
    ///
    /// # Errors
    /// What the display's driver returns.
    pub fn refused<B: Board>(
        board: &mut B,
        why: fmt::Arguments<'_>,
    ) -> Result<Self, <B::Display as DrawTarget>::Error> {
        screens::notice(board.display(), why, B::THEME.inks())?;
        board.flush();
        board.send(format_args!("refused: {why}\nready\n"));
        Ok(Self { shown: None, edges: Edges::default(), stepped: false })
    }

    /// One turn of the loop: hears the serial line, looks at the buttons, draws the frame that is due.
    ///
    /// # Errors
    /// What the display's driver returns.
    pub fn turn<B: Board>(&mut self, board: &mut B) -> Result<(), <B::Display as DrawTarget>::Error> {
        match board.receive() {
            Some(b's') => self.stepped = true,
            Some(b'r') => self.stepped = false,
            Some(b't') => {
                self.tick(board)?;
                board.send(format_args!("tick\n"));
            }
            Some(b'm') => {
                let Memory { statics, stack, ram } = board.memory().unwrap_or_default();
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
        for button in Button::ALL {
            let held = board.is_held(button);
            match self.edges.turn(button, held) {
                Some(Edge::Pressed) => self.press(board, button)?,
                Some(Edge::Released) => board.send(format_args!("release {}\n", button.name())),
                None => {}
            }
        }
        if let Some(button) = board.event() {
            self.press(board, button)?;
        }
        // The clock is read in any case, or else the frames that were not drawn would be due together.
        if board.frame_is_due() && !self.stepped {
            self.tick(board)?;
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
        if let Some((generator, app)) = &mut self.shown
            && app.draw(generator.model(), generator, board.display())?
        {
            board.flush();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_button_counts_once_it_was_seen_up_and_then_once_a_press() {
        let mut edges = Edges::default();
        let turns =
            [(true, None), (false, Some(Edge::Released)), (false, None), (true, Some(Edge::Pressed)), (true, None)];
        for (held, edge) in turns {
            assert_eq!(edges.turn(Button::Up, held), edge);
        }
        assert_eq!(edges.turn(Button::Up, false), Some(Edge::Released));
        assert_eq!(edges.turn(Button::Select, true), None, "held from the start");
    }
}
