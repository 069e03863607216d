//! Shows an emulated board in a window; the keyboard presses its buttons.

use super::board::EmulatedBoard;
use crate::failure::Failure;
use ganlet_sim::Button;
use ganlet_sim::host::{DevicePortrait, Frame, WindowDevice};

/// A running board and its appearance.
pub(crate) struct BoardWindow {
    pub(crate) board: EmulatedBoard,
    pub(crate) title: String,
    pub(crate) look: DevicePortrait,
}

impl WindowDevice for BoardWindow {
    type Error = Failure;

    fn title(&self) -> String {
        self.title.clone()
    }

    fn press(&mut self, button: Button) -> Result<(), Failure> {
        self.board.press(button)
    }

    fn tick(&mut self) -> Result<bool, Failure> {
        self.board.tick().map(|()| true)
    }

    fn portrait(&mut self) -> Result<Frame, Failure> {
        Ok(self.look.portrait(&self.board.frame()?))
    }
}
