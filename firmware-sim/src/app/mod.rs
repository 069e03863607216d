//! The app: the screen that is shown, the effect of buttons, and what must be redrawn.

mod caption;
mod draw;
mod screen;

use embedded_graphics::prelude::Size;
use embedded_graphics::primitives::Rectangle;
use ganlet_runtime::{Latent, Model};

use crate::input::Button;
use crate::layout::ScreenLayout;
use crate::plot;
use crate::saved_latents::SavedLatents;
use crate::screens::Theme;

pub use screen::Screen;

/// The part of the panel that must be redrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outdated {
    Nothing,
    /// The levels of the image from this one on; coarser ones are drawn.
    Level(usize),
    Image,
    Everything,
}

/// A seed and the discriminator's score of its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate {
    seed: u32,
    score: u8,
}

/// The state of the app. It is small, because it holds neither an image nor a latent.
///
/// A board creates one, passes its buttons to [`press`](Self::press), and calls [`tick`](Self::tick) and then
/// [`draw`](Self::draw) once per frame. [`Session`](crate::Session) does that in a loop.
#[derive(Clone, Debug)]
pub struct App<'a> {
    saved: SavedLatents<'a>,
    screen: Screen,
    theme: Theme,
    panel: Size,
    image: Size,
    channels: usize,
    /// Number of coordinates if the model generates points, 0 if it generates images.
    numbers: u8,
    /// Number of knobs: the directions of the model or, if it has none, its latent values.
    knobs: usize,
    directions: bool,
    /// Bytes of the generator's arena.
    arena: usize,
    seed: u32,
    /// The current walk is from seed `seed + leg` to the next seed.
    leg: u32,
    step: u32,
    speed: u32,
    paused: bool,
    knob: usize,
    /// Classes of the model, and the chosen one.
    classes: u16,
    class: u16,
    /// Whether the discriminator scores images.
    scored: bool,
    /// The best of the candidates from `seed` on; `None` until they are scored.
    best: Option<Candidate>,
    /// Value of the chosen knob; `None` while it is that of the seed's latent.
    turned: Option<i8>,
    /// Measured milliseconds per image.
    took: Option<u32>,
    /// Ticks since the screen was entered.
    age: u32,
    stale: Outdated,
}

impl<'a> App<'a> {
    /// Steps from one seed to the next at speed 1.
    pub const STEPS_PER_SEED: u32 = 64;
    /// The fastest walk, in steps per tick.
    pub const MAX_SPEED: u32 = 16;
    /// Change of a latent value per press of a button: a quarter of a standard deviation.
    pub const KNOB_STEP: i8 = 8;
    /// Largest magnitude of a knob's value: three standard deviations.
    pub const KNOB_LIMIT: i8 = 96;
    /// Ticks for which a panel that is too small for text shows the initial of a screen.
    pub const INITIAL_TICKS: u32 = 12;
    /// Successive seeds of which the screen of the best images shows the one with the highest score.
    pub const CANDIDATES: u32 = 4;
    /// Ticks for which the slideshow shows an image.
    pub const SLIDE_TICKS: u32 = 75;

    /// Creates an app that starts in the gallery at `seed`, for a panel of the given size.
    #[must_use]
    pub fn new(model: &Model<'_>, panel: Size, theme: Theme, seed: u32) -> Self {
        let numbers = plot::numbers(model);
        let size = if numbers > 0 { (64, 64) } else { model.size() };
        Self {
            saved: SavedLatents::NONE,
            screen: Screen::Gallery,
            theme,
            panel,
            image: Size::new(size.0.into(), size.1.into()),
            channels: model.channels().into(),
            numbers,
            knobs: if model.directions() > 0 { model.directions() } else { model.latent_len() },
            directions: model.directions() > 0,
            arena: model.arena_len(),
            seed,
            leg: 0,
            step: 0,
            speed: 2,
            paused: false,
            knob: 0,
            turned: None,
            classes: model.classes(),
            class: 0,
            scored: model.has_score() && numbers == 0,
            best: None,
            took: None,
            // The first image appears at once, without an initial before it.
            age: Self::INITIAL_TICKS,
            stale: Outdated::Everything,
        }
    }

    /// Sets the arena size that the about page shows, for an app that simulates another core.
    #[must_use]
    pub const fn with_arena(mut self, bytes: usize) -> Self {
        self.arena = bytes;
        self
    }

    /// Adds saved latents before seed 0 and starts at the first of them.
    #[must_use]
    pub fn with_saved(mut self, model: &Model<'_>, saved: SavedLatents<'a>) -> Self {
        (self.saved, self.seed) = (saved, saved.first(model));
        self
    }

    /// Sets the milliseconds per image that the about page shows; `None` if unknown.
    pub const fn set_image_time(&mut self, milliseconds: Option<u32>) {
        self.took = milliseconds;
    }

    /// Returns the number of images that the current screen scores before it shows one of them.
    #[must_use]
    pub const fn candidates(&self) -> u32 {
        match (self.screen, self.best) {
            (Screen::Best, None) => Self::CANDIDATES,
            _ => 0,
        }
    }

    /// Returns the number of images that the current screen generates: 0 for a page of text, many for a plot.
    #[must_use]
    pub fn images(&self) -> u32 {
        match self.screen {
            Screen::About => 0,
            _ if self.tiny() && self.age < Self::INITIAL_TICKS => 0,
            Screen::Gallery if self.numbers > 0 => plot::SAMPLES,
            _ => 1 + self.candidates(),
        }
    }

    /// Returns whether the image that the screen shows is scored as well. Only that of the knobs is, because a score costs as much as an
    /// image.
    #[must_use]
    pub fn shows_score(&self) -> bool {
        self.screen == Screen::Knobs && self.scored
    }

    /// Returns the current screen.
    #[must_use]
    pub const fn screen(&self) -> Screen {
        self.screen
    }

    /// Returns the seed: of the gallery's image, of the walk's start, and of the latent under the knobs.
    #[must_use]
    pub const fn seed(&self) -> u32 {
        self.seed
    }

    /// Returns the positions of image and text on the panel.
    #[must_use]
    pub fn layout(&self) -> ScreenLayout {
        ScreenLayout::of(Rectangle::new(Default::default(), self.panel), self.image)
    }

    /// Returns whether the panel is too small for text, like a matrix of 5x5 LEDs.
    const fn tiny(&self) -> bool {
        self.panel.width < 60 || self.panel.height < 24
    }

    /// Handles a press of a button.
    pub fn press(&mut self, model: &Model<'_>, button: Button) {
        if button == Button::Select {
            self.enter(self.screen.next(self.classes, self.scored));
            return;
        }
        match self.screen {
            Screen::Gallery => {
                self.seed = match button {
                    Button::Right => self.seed.wrapping_add(1),
                    Button::Left => self.seed.wrapping_sub(1),
                    Button::Down => self.seed.wrapping_add(10),
                    _ => self.seed.wrapping_sub(10),
                };
            }
            Screen::Walk => match button {
                Button::Right => self.speed = (self.speed * 2).min(Self::MAX_SPEED),
                Button::Left => self.speed = (self.speed / 2).max(1),
                _ => self.paused = !self.paused,
            },
            Screen::Knobs => match button {
                Button::Right => self.turn(model, Self::KNOB_STEP),
                Button::Left => self.turn(model, -Self::KNOB_STEP),
                Button::Down => self.choose((self.knob + 1) % self.knobs.max(1)),
                _ => self.choose(self.knob.checked_sub(1).unwrap_or(self.knobs.saturating_sub(1))),
            },
            Screen::Class => match button {
                Button::Right => self.class = (self.class + 1) % self.classes.max(1),
                Button::Left => self.class = self.class.checked_sub(1).unwrap_or(self.classes.saturating_sub(1)),
                Button::Down => self.seed = self.seed.wrapping_add(1),
                _ => self.seed = self.seed.wrapping_sub(1),
            },
            Screen::Best => match button {
                Button::Right => self.slide(Self::CANDIDATES),
                Button::Left => self.slide(Self::CANDIDATES.wrapping_neg()),
                _ => self.paused = !self.paused,
            },
            Screen::About => return,
        }
        self.age = Self::INITIAL_TICKS;
        if self.stale != Outdated::Everything {
            self.stale = Outdated::Image;
        }
    }

    /// Shows the gallery at `seed`.
    pub fn show(&mut self, seed: u32) {
        self.seed = seed;
        self.enter(Screen::Gallery);
        self.age = Self::INITIAL_TICKS;
    }

    /// Shows `screen` from its start.
    pub fn enter(&mut self, screen: Screen) {
        (self.screen, self.age, self.stale) = (screen, 0, Outdated::Everything);
        (self.leg, self.step, self.paused) = (0, 0, false);
        (self.turned, self.best) = (None, None);
    }

    /// Moves the slideshow to other candidates.
    fn slide(&mut self, by: u32) {
        (self.seed, self.step, self.best) = (self.seed.wrapping_add(by), 0, None);
    }

    /// Returns the value of the chosen knob.
    fn knob_value(&self, model: &Model<'_>) -> i8 {
        self.turned.unwrap_or_else(|| self.own_value(model))
    }

    /// Returns the value of the chosen knob in the seed's latent.
    fn own_value(&self, model: &Model<'_>) -> i8 {
        let latent = self.saved.latent(model, self.seed);
        if self.directions {
            latent.coordinate(model, self.knob)
        } else {
            latent.values().get(self.knob).copied().unwrap_or(0)
        }
    }

    fn turn(&mut self, model: &Model<'_>, by: i8) {
        self.turned = Some(self.knob_value(model).saturating_add(by).clamp(-Self::KNOB_LIMIT, Self::KNOB_LIMIT));
    }

    fn choose(&mut self, knob: usize) {
        (self.knob, self.turned) = (knob, None);
    }

    /// Advances by one frame: moves the walk and scrolling text.
    pub fn tick(&mut self) {
        self.age = self.age.saturating_add(1);
        let moved = match self.screen {
            Screen::Walk if !self.paused => {
                self.step += self.speed;
                self.leg = self.leg.wrapping_add(self.step / Self::STEPS_PER_SEED);
                self.step %= Self::STEPS_PER_SEED;
                true
            }
            Screen::Best if !self.paused => {
                self.step += 1;
                let ends = self.step >= Self::SLIDE_TICKS;
                if ends {
                    self.slide(Self::CANDIDATES);
                }
                ends
            }
            Screen::About => self.tiny(),
            _ => false,
        };
        let initial_ends = self.tiny() && self.age == Self::INITIAL_TICKS;
        if self.stale != Outdated::Everything && (moved || initial_ends) {
            self.stale = Outdated::Image;
        }
    }

    /// Redraws everything on the next call of [`draw`](Self::draw), for example after a reset of the panel.
    pub fn refresh(&mut self) {
        self.stale = Outdated::Everything;
    }

    /// Returns the latent of the image that is shown.
    #[must_use]
    pub fn latent(&self, model: &Model<'_>) -> Latent {
        let mut own = self.saved.latent(model, self.seed);
        match (self.screen, self.turned) {
            (Screen::Best, _) => self.saved.latent(model, self.best.map_or(self.seed, |best| best.seed)),
            (Screen::Class, _) => own.clone().in_class(model, self.class).unwrap_or(own),
            (Screen::Walk, _) => {
                let start = self.seed.wrapping_add(self.leg);
                let end = start.wrapping_add(1);
                let (from, to) = (self.saved.latent(model, start), self.saved.latent(model, end));
                Latent::slerp(&from, &to, self.step, Self::STEPS_PER_SEED)
            }
            (Screen::Knobs, Some(value)) => {
                if self.directions {
                    own.set_coordinate(model, self.knob, value);
                } else if let Some(knob) = own.values_mut().get_mut(self.knob) {
                    *knob = value;
                }
                own
            }
            _ => own,
        }
    }
}
