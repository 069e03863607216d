//! The text of each screen: captions beside the image, and the about page.

use ganlet_runtime::Model;

use super::{App, Candidate, Screen};
use crate::saved_latents::SeedName;
use crate::screens::{CaptionBar, CaptionText, TextLine, line};

impl App<'_> {
    /// Returns the caption of the current screen; `score` is that of the discriminator, if it ran.
    pub(super) fn caption_text(&self, model: &Model<'_>, score: Option<u8>) -> CaptionText {
        let title = self.screen.title();
        match self.screen {
            Screen::Gallery | Screen::About => CaptionText {
                title,
                short: match self.saved.name(model, self.seed) {
                    SeedName::Seed(seed) => line(format_args!("seed {seed}")),
                    saved => line(format_args!("{saved}")),
                },
                lines: [
                    line(format_args!("seed")),
                    line(format_args!("{}", self.saved.name(model, self.seed))),
                    match self.saved.latent(model, self.seed).class() {
                        Some(class) => line(format_args!("class {class}")),
                        None => TextLine::new(),
                    },
                ],
                bar: None,
                hint: "<> seed",
            },
            Screen::Walk => {
                let from = self.seed.wrapping_add(self.leg);
                let [from, to] = [from, from.wrapping_add(1)].map(|seed| self.saved.name(model, seed));
                CaptionText {
                    title,
                    short: line(format_args!("{from} > {to}")),
                    lines: [line(format_args!("{from}")), line(format_args!("> {to}")), TextLine::new()],
                    bar: Some(CaptionBar { at: self.step, from: 0, of: Self::STEPS_PER_SEED }),
                    hint: if self.paused { "paused" } else { SPEEDS[self.speed.ilog2() as usize % SPEEDS.len()] },
                }
            }
            Screen::Knobs => {
                let (value, own) = (self.knob_value(model), self.own_value(model));
                let knob = KnobName { direction: self.directions, number: self.knob };
                let place = |value: i8| (i32::from(value) + i32::from(Self::KNOB_LIMIT)).max(0) as u32;
                CaptionText {
                    title,
                    short: match score {
                        Some(score) => line(format_args!("{knob} {value:+} D {}", Percent(score))),
                        None => line(format_args!("{knob} {value:+}")),
                    },
                    // Two lines, because the bar takes the third.
                    lines: [
                        match score {
                            Some(score) => line(format_args!("D(G) {}", Percent(score))),
                            None => line(format_args!("{knob} of {}", self.knobs)),
                        },
                        match score {
                            Some(_) => line(format_args!("{knob} {value:+}")),
                            None => line(format_args!("{value:+}")),
                        },
                        TextLine::new(),
                    ],
                    bar: Some(CaptionBar { at: place(value), from: place(own), of: 2 * Self::KNOB_LIMIT as u32 }),
                    hint: "<> turn",
                }
            }
            Screen::Best => self.best_caption(model),
            Screen::Class => CaptionText {
                title,
                short: line(format_args!("class {} seed {}", self.class, self.seed)),
                lines: [
                    line(format_args!("class {}", self.class)),
                    line(format_args!("seed")),
                    line(format_args!("{}", self.saved.name(model, self.seed))),
                ],
                bar: None,
                hint: "<> class",
            },
        }
    }

    /// Returns the caption of the slideshow.
    fn best_caption(&self, model: &Model<'_>) -> CaptionText {
        let Candidate { seed, score } = self.best.unwrap_or(Candidate { seed: self.seed, score: 0 });
        let seed = match self.saved.name(model, seed) {
            SeedName::Seed(seed) => line(format_args!("seed {seed}")),
            saved => line(format_args!("{saved}")),
        };
        CaptionText {
            title: Screen::Best.title(),
            short: line(format_args!("{seed} D {}", Percent(score))),
            lines: [
                seed.clone(),
                line(format_args!("D(G) {}", Percent(score))),
                line(format_args!("best of {}", Self::CANDIDATES)),
            ],
            bar: None,
            hint: if self.paused { "paused" } else { "<> next" },
        }
    }

    /// Returns the lines of the about page: name, image, latent, and use of flash and RAM.
    pub(super) fn about(&self, model: &Model<'_>) -> [TextLine; 6] {
        let kind = if self.channels == 1 { "gray" } else { "color" };
        let shape = match self.numbers {
            0 => line(format_args!("{}x{} {kind}", self.image.width, self.image.height)),
            numbers => line(format_args!("points in {numbers}-D")),
        };
        [
            line(format_args!("{}", model.name())),
            shape,
            line(format_args!("latent {}", model.latent_len())),
            line(format_args!("flash {} B", model.flash_bytes())),
            line(format_args!("RAM {} B", self.arena)),
            match self.took {
                Some(took) => line(format_args!("{took} ms an image")),
                None => line(format_args!("by ganlet {}", env!("CARGO_PKG_VERSION"))),
            },
        ]
    }
}

/// The name of a knob: that of a direction, numbered from 1, or of a latent value, numbered from 0.
#[derive(Clone, Copy)]
struct KnobName {
    direction: bool,
    number: usize,
}

impl core::fmt::Display for KnobName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.direction { write!(f, "dir {}", self.number + 1) } else { write!(f, "z{}", self.number) }
    }
}

/// A score in 0..=255, printed in percent.
struct Percent(u8);

impl core::fmt::Display for Percent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}%", (u32::from(self.0) * 100 + 127) / 255)
    }
}

/// Hints for the speeds of the walk.
const SPEEDS: [&str; 5] = ["speed 1", "speed 2", "speed 3", "speed 4", "speed 5"];
