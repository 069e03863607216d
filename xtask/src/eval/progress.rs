//! Shows the progress of an evaluation: a bar on a terminal, otherwise one line for each set of images.

use crate::console;
use ganlet_trainer::evaluate::EvaluationProgress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// A progress display, which disappears when it is dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    terminal: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        let style = ProgressStyle::with_template("{bar:24.cyan/black} {pos}/{len}  evaluating {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, terminal }
    }

    pub(crate) fn show(&self, progress: EvaluationProgress) {
        match progress {
            EvaluationProgress::Fit { done, total } => {
                if done == 1 {
                    self.begin("images by the discriminator, which is fitted to them first");
                }
                self.bar.set_length(total as u64);
                self.bar.set_position(done as u64);
            }
            EvaluationProgress::RealImages => self.begin("real images"),
            EvaluationProgress::Set { source, set, sets } => {
                self.begin(&format!("{} images, set {set} of {sets}", source.name()));
            }
            EvaluationProgress::Images { done, total } => {
                self.bar.set_length(total as u64);
                self.bar.set_position(done as u64);
            }
        }
    }

    fn begin(&self, what: &str) {
        if !self.terminal {
            console::note(&format!("evaluating {what}"));
        }
        self.bar.set_message(what.to_owned());
        self.bar.set_position(0);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
