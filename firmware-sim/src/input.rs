//! Buttons, and how two of them stand for all five.

use core::fmt;
use core::str::FromStr;

/// A button of the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Button {
    /// The one before: an earlier seed, slower, the knob turned down.
    Left,
    /// The one after: a new seed, faster, the knob turned up.
    Right,
    /// Ten seeds back, pause, the knob before.
    Up,
    /// Ten seeds on, pause, the knob after.
    Down,
    /// The next screen.
    Select,
}

impl Button {
    /// Every button, in the order in which help texts name them.
    pub const ALL: [Self; 5] = [Self::Left, Self::Right, Self::Up, Self::Down, Self::Select];

    /// The name that scripts use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::Up => "up",
            Self::Down => "down",
            Self::Select => "select",
        }
    }
}

/// A word that names no button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchButton;

impl fmt::Display for NoSuchButton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such button; there are left, right, up, down and select")
    }
}

impl core::error::Error for NoSuchButton {}

impl FromStr for Button {
    type Err = NoSuchButton;

    fn from_str(word: &str) -> Result<Self, NoSuchButton> {
        Self::ALL.into_iter().find(|button| button.name().eq_ignore_ascii_case(word)).ok_or(NoSuchButton)
    }
}

/// All five buttons from two: a tap is `Left` or `Right`, a long press `Up` or `Down`, both together `Select`.
///
/// Poll it at a steady rate; it also serves as the debouncer, since nothing happens before a button is let go.
#[derive(Clone, Debug, Default)]
pub struct TwoButtons {
    held: u8,
    both: bool,
    right: bool,
    spent: bool,
}

impl TwoButtons {
    /// Polls that make a press a long one: half a second at 25 polls a second.
    pub const LONG: u8 = 12;

    /// Takes the two levels (`true` is pressed) and says which button of the app that completes, if any.
    pub fn poll(&mut self, left: bool, right: bool) -> Option<Button> {
        if !left && !right {
            let done = core::mem::take(self);
            return match done {
                Self { held: 0, .. } | Self { spent: true, .. } => None,
                Self { both: true, .. } => Some(Button::Select),
                Self { right: true, .. } => Some(Button::Right),
                Self { .. } => Some(Button::Left),
            };
        }
        self.both |= left && right;
        if self.held == 0 {
            self.right = right;
        }
        self.held = self.held.saturating_add(1);
        if self.held == Self::LONG && !self.both {
            self.spent = true;
            return Some(if self.right { Button::Down } else { Button::Up });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(levels: &[(bool, bool)]) -> Option<Button> {
        let mut buttons = TwoButtons::default();
        let mut seen = None;
        for &(left, right) in levels.iter().chain(&[(false, false)]) {
            let event = buttons.poll(left, right);
            assert!(event.is_none() || seen.is_none(), "two events from one press");
            seen = seen.or(event);
        }
        seen
    }

    #[test]
    fn two_buttons_reach_all_five() {
        let long = usize::from(TwoButtons::LONG) + 3;
        assert_eq!(play(&[]), None);
        assert_eq!(play(&[(true, false); 2]), Some(Button::Left));
        assert_eq!(play(&[(false, true)]), Some(Button::Right));
        assert_eq!(play(&vec![(true, false); long]), Some(Button::Up));
        assert_eq!(play(&vec![(false, true); long]), Some(Button::Down));
        assert_eq!(play(&[(true, false), (true, true), (false, true)]), Some(Button::Select));
        assert_eq!(play(&vec![(true, true); 300]), Some(Button::Select));
    }

    #[test]
    fn names_parse_back() {
        for button in Button::ALL {
            assert_eq!(button.name().parse(), Ok(button));
        }
        assert_eq!("sideways".parse::<Button>(), Err(NoSuchButton));
    }
}
