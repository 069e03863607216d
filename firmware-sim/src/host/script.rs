//! Scripted sessions: which buttons are pressed when.

use std::str::FromStr;

use super::error::SimError;
use crate::input::Button;

/// One step of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A button, and one frame.
    Press(Button),
    /// So many frames.
    Wait(u32),
}

/// A session without hands: `right,right,wait:20,select`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script(pub Vec<Step>);

impl Script {
    /// A tour of the app: some pictures of the gallery, a walk between three seeds, a few knobs turned.
    #[must_use]
    pub fn tour() -> Self {
        use Button::{Down, Left, Right, Select};
        let mut steps = vec![Step::Wait(10)];
        for _ in 0..4 {
            steps.extend([Step::Press(Right), Step::Wait(9)]);
        }
        steps.extend([Step::Press(Select), Step::Wait(63), Step::Press(Select), Step::Wait(5)]);
        for _ in 0..3 {
            let there = [Step::Press(Right), Step::Wait(1)];
            let back = [Step::Press(Left), Step::Wait(1)];
            steps.extend(there.repeat(6).into_iter().chain(back.repeat(12)));
            steps.extend([Step::Press(Down), Step::Wait(4)]);
        }
        steps.extend([Step::Press(Select), Step::Wait(40)]);
        Self(steps)
    }

    /// How many frames the script takes: one at the start and one per press or frame waited.
    #[must_use]
    pub fn frames(&self) -> usize {
        let of = |step: &Step| match *step {
            Step::Press(_) => 1,
            Step::Wait(frames) => frames as usize,
        };
        1 + self.0.iter().map(of).sum::<usize>()
    }
}

impl FromStr for Script {
    type Err = SimError;

    fn from_str(text: &str) -> Result<Self, SimError> {
        let step = |word: &str| {
            let word = word.trim();
            let wait = word.strip_prefix("wait:").and_then(|frames| frames.parse().ok()).filter(|&n| n <= 10_000);
            let press = || word.parse().map(Step::Press).ok();
            wait.map(Step::Wait).or_else(press).ok_or_else(|| SimError::Script { word: word.to_owned() })
        };
        text.split(',').map(step).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_parse_and_bad_words_are_named() {
        let script: Script = "right, Select,wait:3".parse().unwrap();
        assert_eq!(script.0, [Step::Press(Button::Right), Step::Press(Button::Select), Step::Wait(3)]);
        assert_eq!(script.frames(), 6);
        for bad in ["", "right,,left", "wait", "wait:-1", "wait:99999999", "jump"] {
            let error = bad.parse::<Script>().unwrap_err().to_string();
            assert!(error.contains("wait:FRAMES"), "{bad}: {error}");
        }
    }
}
