//! The five buttons of the app, and their emulation with two physical buttons.

use core::fmt;
use core::str::FromStr;

/// A button of the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Button {
    /// Previous seed, slower, lower value.
    Left,
    /// Next seed, faster, higher value.
    Right,
    /// Ten seeds back, pause, previous knob.
    Up,
    /// Ten seeds forward, pause, next knob.
    Down,
    /// Next screen.
    Select,
}

impl Button {
    /// Every button, in the order in which help texts name them.
    pub const ALL: [Self; 5] = [Self::Left, Self::Right, Self::Up, Self::Down, Self::Select];

    /// Returns the name that scripts and the serial protocol use.
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

/// Error: a word is not the name of a button.
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

/// Emulates the five buttons with two: a tap is `Left` or `Right`, a long press `Up` or `Down`, both together `Select`.
///
/// Poll it often; the exact rate does not matter. An event occurs when a button is released or has been held for [`LONG`](Self::LONG)
/// microseconds. Pulses that are shorter than [`BOUNCE`](Self::BOUNCE) are ignored.
#[derive(Clone, Debug, Default)]
pub struct TwoButtons {
    /// Start of the current press.
    since: Option<u32>,
    /// Whether both buttons were down at the same time.
    both: bool,
    /// Whether the right button was pressed first.
    right: bool,
    /// Whether the current press has caused its event.
    reported: bool,
}

impl TwoButtons {
    /// Duration of a long press in microseconds.
    pub const LONG: u32 = 500_000;
    /// Maximum time that a contact bounces, in microseconds.
    pub const BOUNCE: u32 = 15_000;

    /// Processes the two levels (`true` is pressed) at time `now` in microseconds, which may wrap around. Returns the button of the app
    /// that is now pressed, if any.
    pub fn poll(&mut self, left: bool, right: bool, now: u32) -> Option<Button> {
        if !left && !right {
            let Self { since, both, right, reported } = core::mem::take(self);
            return match (since, both, right) {
                (None, ..) => None,
                (Some(since), ..) if reported || now.wrapping_sub(since) < Self::BOUNCE => None,
                (_, true, _) => Some(Button::Select),
                (_, _, true) => Some(Button::Right),
                _ => Some(Button::Left),
            };
        }
        self.both |= left && right;
        let Some(since) = self.since else {
            (self.since, self.right) = (Some(now), right);
            return None;
        };
        if now.wrapping_sub(since) >= Self::LONG && !self.both && !self.reported {
            self.reported = true;
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
        // 25 polls per second, while the clock wraps around.
        for (poll, &(left, right)) in (0..).zip(levels.iter().chain(&[(false, false)])) {
            let event = buttons.poll(left, right, (u32::MAX - 20_000).wrapping_add(poll * 40_000));
            assert!(event.is_none() || seen.is_none(), "two events from one press");
            seen = seen.or(event);
        }
        seen
    }

    #[test]
    fn two_buttons_reach_all_five() {
        let long = 16;
        assert_eq!(play(&[]), None);
        assert_eq!(play(&[(true, false); 2]), Some(Button::Left));
        assert_eq!(play(&[(false, true)]), Some(Button::Right));
        assert_eq!(play(&vec![(true, false); long]), Some(Button::Up));
        assert_eq!(play(&vec![(false, true); long]), Some(Button::Down));
        assert_eq!(play(&[(true, false), (true, true), (false, true)]), Some(Button::Select));
        assert_eq!(play(&vec![(true, true); 300]), Some(Button::Select));
    }

    #[test]
    fn the_poll_rate_does_not_matter_and_bounces_are_not_taps() {
        for step in [200, 7_000, 90_000] {
            let mut buttons = TwoButtons::default();
            let events: Vec<_> =
                (0..900_000).step_by(step).filter_map(|now| buttons.poll(true, false, now as u32)).collect();
            assert_eq!(events, [Button::Up], "every {step} microseconds");
        }
        let mut buttons = TwoButtons::default();
        let bounce = (0..10_000).step_by(500).filter_map(|now| buttons.poll(now % 1000 == 0, false, now)).count();
        assert_eq!(bounce, 0);
    }

    #[test]
    fn names_parse_back() {
        for button in Button::ALL {
            assert_eq!(button.name().parse(), Ok(button));
        }
        assert_eq!("sideways".parse::<Button>(), Err(NoSuchButton));
    }
}
