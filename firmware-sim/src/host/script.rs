//! Scripts: button presses and pauses of a session.

use std::str::FromStr;

use super::error::SimError;
use crate::input::Button;

/// One step of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptStep {
    /// Press a button; takes one frame.
    Press(Button),
    /// Wait for a number of frames.
    Wait(u32),
}

/// A scripted session, as in `right,right,wait:20,select`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script(pub Vec<ScriptStep>);

impl Script {
    /// Returns a tour of the app: some images of the gallery, a walk between three seeds, some latent dimensions.
    #[must_use]
    pub fn tour() -> Self {
        use Button::{Down, Left, Right, Select};
        let mut steps = vec![ScriptStep::Wait(10)];
        for _ in 0..4 {
            steps.extend([ScriptStep::Press(Right), ScriptStep::Wait(9)]);
        }
        steps.extend([ScriptStep::Press(Select), ScriptStep::Wait(63), ScriptStep::Press(Select), ScriptStep::Wait(5)]);
        for _ in 0..3 {
            let there = [ScriptStep::Press(Right), ScriptStep::Wait(1)];
            let back = [ScriptStep::Press(Left), ScriptStep::Wait(1)];
            steps.extend(there.repeat(6).into_iter().chain(back.repeat(12)));
            steps.extend([ScriptStep::Press(Down), ScriptStep::Wait(4)]);
        }
        steps.extend([ScriptStep::Press(Select), ScriptStep::Wait(40)]);
        Self(steps)
    }

    /// Returns the number of frames: one at the start and one per press or frame of waiting.
    #[must_use]
    pub fn frames(&self) -> usize {
        let of = |step: &ScriptStep| match *step {
            ScriptStep::Press(_) => 1,
            ScriptStep::Wait(frames) => frames as usize,
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
            let press = || word.parse().map(ScriptStep::Press).ok();
            wait.map(ScriptStep::Wait).or_else(press).ok_or_else(|| SimError::Script { word: word.to_owned() })
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
        assert_eq!(
            script.0,
            [ScriptStep::Press(Button::Right), ScriptStep::Press(Button::Select), ScriptStep::Wait(3)]
        );
        assert_eq!(script.frames(), 6);
        for bad in ["", "right,,left", "wait", "wait:-1", "wait:99999999", "jump"] {
            let error = bad.parse::<Script>().unwrap_err().to_string();
            assert!(error.contains("wait:FRAMES"), "{bad}: {error}");
        }
    }
}
