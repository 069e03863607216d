//! The app: which screen is shown, what the buttons do, and what has to be drawn again.

use embedded_graphics::prelude::{DrawTarget, Size};
use embedded_graphics::primitives::Rectangle;
use ganlet_runtime::{Generator, Latent, Model};

use crate::color::PanelColor;
use crate::input::Button;
use crate::kept::{Kept, Name};
use crate::layout::Layout;
use crate::plot::{self, Plot};
use crate::screens::{self, Bar, Line, Theme, Words, line};
use crate::stream::{Placement, RowStream};

/// A screen of the app, in the order in which `Select` goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// A picture per seed.
    Gallery,
    /// An endless walk from one seed's latent to the next one's.
    Walk,
    /// One dimension of a seed's latent turned, the others kept; and what the discriminator thinks of it, where the model has one.
    Knobs,
    /// The classes of a model that has any, at one seed.
    Class,
    /// The model's name and what it takes of the chip.
    About,
}

impl Screen {
    /// Every screen, in order.
    pub const ALL: [Self; 5] = [Self::Gallery, Self::Walk, Self::Knobs, Self::Class, Self::About];

    /// The title, padded on the left for a title bar.
    const fn title(self) -> &'static str {
        match self {
            Self::Gallery => " GALLERY",
            Self::Walk => " WALK",
            Self::Knobs => " KNOBS",
            Self::Class => " CLASS",
            Self::About => " ABOUT",
        }
    }

    /// The screen after this one, for a model with so many classes: without any there are none to choose from.
    #[must_use]
    pub const fn next(self, classes: u16) -> Self {
        match self {
            Self::Gallery => Self::Walk,
            Self::Walk => Self::Knobs,
            Self::Knobs if classes > 0 => Self::Class,
            Self::Knobs | Self::Class => Self::About,
            Self::About => Self::Gallery,
        }
    }
}

/// How much of the panel is out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stale {
    Nothing,
    /// The picture is there, up to this level; finer ones are missing.
    Level(usize),
    Picture,
    Everything,
}

/// The state of the app: a few words of memory, no picture and no latent.
///
/// A board makes one, passes its buttons to [`press`](Self::press), calls [`tick`](Self::tick) once per frame and
/// [`draw`](Self::draw) after that.
#[derive(Clone, Debug)]
pub struct App<'k> {
    kept: Kept<'k>,
    screen: Screen,
    theme: Theme,
    panel: Size,
    picture: Size,
    channels: usize,
    /// Numbers that the model makes instead of pictures, or 0.
    numbers: u8,
    knobs: usize,
    /// Bytes of the generator's arena.
    arena: usize,
    seed: u32,
    /// The walk's place between `seed + leg` and the seed after it, in `0..LEG`.
    leg: u32,
    step: u32,
    speed: u32,
    paused: bool,
    knob: usize,
    /// Classes of the model, and the chosen one.
    classes: u16,
    class: u16,
    /// The turned knob's value, or none while it is still the seed's own.
    turned: Option<i8>,
    /// Milliseconds that a picture takes, where that was measured.
    took: Option<u32>,
    /// Ticks since the screen was entered.
    age: u32,
    stale: Stale,
}

impl<'k> App<'k> {
    /// Steps from one seed to the next at speed 1.
    pub const LEG: u32 = 64;
    /// The fastest walk, in steps per tick.
    pub const TOP_SPEED: u32 = 16;
    /// How far one press turns a knob, in latent units: a quarter of a standard deviation.
    pub const TURN: i8 = 8;
    /// The end of a knob on either side: three standard deviations.
    pub const KNOB_END: i8 = 96;
    /// How many ticks a panel that is too small for words shows a screen's initial.
    pub const INITIAL_TICKS: u32 = 12;

    /// An app that starts in the gallery at `seed`, for a panel of the given size.
    #[must_use]
    pub fn new(model: &Model<'_>, panel: Size, theme: Theme, seed: u32) -> Self {
        let numbers = plot::numbers(model);
        let size = if numbers > 0 { (64, 64) } else { model.size() };
        Self {
            kept: Kept::NONE,
            screen: Screen::Gallery,
            theme,
            panel,
            picture: Size::new(size.0.into(), size.1.into()),
            channels: model.channels().into(),
            numbers,
            knobs: model.latent_len(),
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
            took: None,
            // The first picture comes at once, without an initial before it.
            age: Self::INITIAL_TICKS,
            stale: Stale::Everything,
        }
    }

    /// The same app for a generator whose arena has so many bytes: those of another core's kernels.
    #[must_use]
    pub const fn with_arena(mut self, bytes: usize) -> Self {
        self.arena = bytes;
        self
    }

    /// The same app with kept latents before seed 0; it starts at the first of them.
    #[must_use]
    pub fn with_kept(mut self, model: &Model<'_>, kept: Kept<'k>) -> Self {
        (self.kept, self.seed) = (kept, kept.first(model));
        self
    }

    /// Tells the milliseconds that a picture takes, for the about page; `None` for not known.
    pub const fn tell_time(&mut self, milliseconds: Option<u32>) {
        self.took = milliseconds;
    }

    /// How many pictures are generated for what the panel shows: none for a page of words, many samples for a plot.
    #[must_use]
    pub fn pictures(&self) -> u32 {
        match self.screen {
            Screen::About => 0,
            _ if self.tiny() && self.age < Self::INITIAL_TICKS => 0,
            Screen::Gallery if self.numbers > 0 => plot::SAMPLES,
            _ => 1,
        }
    }

    /// Whether the discriminator judges what is shown: it costs as much as the generator, and only the knobs have room for what it says.
    #[must_use]
    pub fn judges(&self, model: &Model<'_>) -> bool {
        self.screen == Screen::Knobs && model.has_score() && self.numbers == 0
    }

    /// The screen that is shown.
    #[must_use]
    pub const fn screen(&self) -> Screen {
        self.screen
    }

    /// The seed of the gallery's picture, where the walk sets out and whose knobs are turned.
    #[must_use]
    pub const fn seed(&self) -> u32 {
        self.seed
    }

    /// Where the picture and the words lie on this panel.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout::of(Rectangle::new(Default::default(), self.panel), self.picture)
    }

    /// Whether the panel is too small for any words, as a matrix of 5x5 LEDs is.
    const fn tiny(&self) -> bool {
        self.panel.width < 60 || self.panel.height < 24
    }

    /// Takes a button; `model` is the one on show.
    pub fn press(&mut self, model: &Model<'_>, button: Button) {
        if button == Button::Select {
            self.enter(self.screen.next(self.classes));
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
                Button::Right => self.speed = (self.speed * 2).min(Self::TOP_SPEED),
                Button::Left => self.speed = (self.speed / 2).max(1),
                _ => self.paused = !self.paused,
            },
            Screen::Knobs => match button {
                Button::Right => self.turn(model, Self::TURN),
                Button::Left => self.turn(model, -Self::TURN),
                Button::Down => self.choose((self.knob + 1) % self.knobs.max(1)),
                _ => self.choose(self.knob.checked_sub(1).unwrap_or(self.knobs.saturating_sub(1))),
            },
            Screen::Class => match button {
                Button::Right => self.class = (self.class + 1) % self.classes.max(1),
                Button::Left => self.class = self.class.checked_sub(1).unwrap_or(self.classes.saturating_sub(1)),
                Button::Down => self.seed = self.seed.wrapping_add(1),
                _ => self.seed = self.seed.wrapping_sub(1),
            },
            Screen::About => return,
        }
        self.age = Self::INITIAL_TICKS;
        if self.stale != Stale::Everything {
            self.stale = Stale::Picture;
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
        (self.screen, self.age, self.stale) = (screen, 0, Stale::Everything);
        (self.leg, self.step, self.paused) = (0, 0, false);
        self.turned = None;
    }

    /// The value of the chosen knob.
    fn knob_value(&self, model: &Model<'_>) -> i8 {
        self.turned.unwrap_or_else(|| self.own_value(model))
    }

    /// What the chosen knob is in the seed's own latent.
    fn own_value(&self, model: &Model<'_>) -> i8 {
        self.kept.latent(model, self.seed).values().get(self.knob).copied().unwrap_or(0)
    }

    fn turn(&mut self, model: &Model<'_>, by: i8) {
        self.turned = Some(self.knob_value(model).saturating_add(by).clamp(-Self::KNOB_END, Self::KNOB_END));
    }

    fn choose(&mut self, knob: usize) {
        (self.knob, self.turned) = (knob, None);
    }

    /// Lets one frame's time pass: the walk walks, the running text runs.
    pub fn tick(&mut self) {
        self.age = self.age.saturating_add(1);
        let moved = match self.screen {
            Screen::Walk if !self.paused => {
                self.step += self.speed;
                self.leg = self.leg.wrapping_add(self.step / Self::LEG);
                self.step %= Self::LEG;
                true
            }
            Screen::About => self.tiny(),
            _ => false,
        };
        let initial_goes = self.tiny() && self.age == Self::INITIAL_TICKS;
        if self.stale != Stale::Everything && (moved || initial_goes) {
            self.stale = Stale::Picture;
        }
    }

    /// Has everything drawn again, as after the panel was reset.
    pub fn refresh(&mut self) {
        self.stale = Stale::Everything;
    }

    /// The latent of the picture on show.
    #[must_use]
    pub fn latent(&self, model: &Model<'_>) -> Latent {
        let mut own = self.kept.latent(model, self.seed);
        match (self.screen, self.turned) {
            (Screen::Class, _) => own.clone().in_class(model, self.class).unwrap_or(own),
            (Screen::Walk, _) => {
                let start = self.seed.wrapping_add(self.leg);
                let end = start.wrapping_add(1);
                let (from, to) = (self.kept.latent(model, start), self.kept.latent(model, end));
                Latent::slerp(&from, &to, self.step, Self::LEG)
            }
            (Screen::Knobs, Some(value)) => {
                if let Some(knob) = own.values_mut().get_mut(self.knob) {
                    *knob = value;
                }
                own
            }
            _ => own,
        }
    }

    /// What stands beside the picture; `score` is the discriminator's, where it was asked.
    fn words(&self, model: &Model<'_>, score: Option<u8>) -> Words {
        let title = self.screen.title();
        match self.screen {
            Screen::Gallery | Screen::About => Words {
                title,
                short: match self.kept.name(model, self.seed) {
                    Name::Seed(seed) => line(format_args!("seed {seed}")),
                    kept => line(format_args!("{kept}")),
                },
                lines: [
                    line(format_args!("seed")),
                    line(format_args!("{}", self.kept.name(model, self.seed))),
                    match self.kept.latent(model, self.seed).class() {
                        Some(class) => line(format_args!("class {class}")),
                        None => Line::new(),
                    },
                ],
                bar: None,
                hint: "<> seed",
            },
            Screen::Walk => {
                let from = self.seed.wrapping_add(self.leg);
                let [from, to] = [from, from.wrapping_add(1)].map(|seed| self.kept.name(model, seed));
                Words {
                    title,
                    short: line(format_args!("{from} > {to}")),
                    lines: [line(format_args!("{from}")), line(format_args!("> {to}")), Line::new()],
                    bar: Some(Bar { at: self.step, from: 0, of: Self::LEG }),
                    hint: if self.paused { "paused" } else { SPEEDS[self.speed.ilog2() as usize % SPEEDS.len()] },
                }
            }
            Screen::Knobs => {
                let (value, own) = (self.knob_value(model), self.own_value(model));
                let place = |value: i8| (i32::from(value) + i32::from(Self::KNOB_END)).max(0) as u32;
                Words {
                    title,
                    short: match score {
                        Some(score) => line(format_args!("z{} {value:+} D {}", self.knob, Percent(score))),
                        None => line(format_args!("z{} {value:+}", self.knob)),
                    },
                    // Two lines, since the bar is the third.
                    lines: [
                        match score {
                            Some(score) => line(format_args!("D(G) {}", Percent(score))),
                            None => line(format_args!("z{} of {}", self.knob, self.knobs)),
                        },
                        match score {
                            Some(_) => line(format_args!("z{} {value:+}", self.knob)),
                            None => line(format_args!("{value:+}")),
                        },
                        Line::new(),
                    ],
                    bar: Some(Bar { at: place(value), from: place(own), of: 2 * Self::KNOB_END as u32 }),
                    hint: "<> turn",
                }
            }
            Screen::Class => Words {
                title,
                short: line(format_args!("class {} seed {}", self.class, self.seed)),
                lines: [
                    line(format_args!("class {}", self.class)),
                    line(format_args!("seed")),
                    line(format_args!("{}", self.kept.name(model, self.seed))),
                ],
                bar: None,
                hint: "<> class",
            },
        }
    }

    /// What the about page says: the name, the picture, and what the model takes of the chip.
    fn about(&self, model: &Model<'_>) -> [Line; 6] {
        let kind = if self.channels == 1 { "gray" } else { "color" };
        let shape = match self.numbers {
            0 => line(format_args!("{}x{} {kind}", self.picture.width, self.picture.height)),
            numbers => line(format_args!("points in {numbers}-D")),
        };
        [
            line(format_args!("{}", model.name())),
            shape,
            line(format_args!("latent {}", self.knobs)),
            line(format_args!("flash {} B", model.flash_bytes())),
            line(format_args!("RAM {} B", self.arena)),
            match self.took {
                Some(took) => line(format_args!("{took} ms a picture")),
                None => line(format_args!("by ganlet {}", env!("CARGO_PKG_VERSION"))),
            },
        ]
    }

    /// Whether the picture on show is a coarse level, to be followed by finer ones.
    #[must_use]
    pub const fn unfinished(&self) -> bool {
        matches!(self.stale, Stale::Level(_))
    }

    /// Draws what changed since the last call; says whether anything did.
    ///
    /// A model of several levels shows a new picture level by level, the smallest first, one a call: on a slow chip a face is there long
    /// before its details, and a button need not wait for them.
    ///
    /// # Errors
    /// What the display's driver returns.
    pub fn draw<D>(
        &mut self,
        model: &Model<'_>,
        generator: &mut Generator<'_>,
        target: &mut D,
    ) -> Result<bool, D::Error>
    where
        D: DrawTarget<Color: PanelColor>,
    {
        self.draw_between(model, generator, target, || {})
    }

    /// As [`draw`](Self::draw), with code of the board's own run after every row: polling buttons, scanning a matrix of LEDs.
    ///
    /// # Errors
    /// What the display's driver returns.
    pub fn draw_between<D>(
        &mut self,
        model: &Model<'_>,
        generator: &mut Generator<'_>,
        target: &mut D,
        mut between: impl FnMut(),
    ) -> Result<bool, D::Error>
    where
        D: DrawTarget<Color: PanelColor>,
    {
        let stale = core::mem::replace(&mut self.stale, Stale::Nothing);
        if stale == Stale::Nothing {
            return Ok(false);
        }
        let inks = self.theme.inks();
        if self.tiny() && self.age < Self::INITIAL_TICKS {
            screens::tiny(target, self.screen.title().trim().get(..1).unwrap_or(""), 1, inks)?;
            return Ok(true);
        }
        if self.screen == Screen::About {
            return self.draw_about(model, target).map(|()| true);
        }
        let layout = self.layout();
        if stale == Stale::Everything || self.tiny() {
            target.clear(inks.paper)?;
        }
        if self.numbers > 0 {
            let fresh = stale == Stale::Everything || self.screen != Screen::Walk;
            let plot = Plot { area: layout.picture.area(), numbers: self.numbers };
            self.draw_plot(plot, fresh, generator, target, &mut between)?;
            screens::caption(target, layout.caption, &self.words(model, None), inks)?;
            return Ok(true);
        }
        let latent = self.latent(model);
        let level = self.level(model, stale, layout.picture);
        if let Some((level, place)) = level
            && let Some(mut rows) = generator.level_rows(&latent, level)
        {
            let mut stream = RowStream::new(place, self.channels);
            while let Some(row) = rows.next_row() {
                stream.push(row, target)?;
                between();
            }
            self.stale = Stale::Level(level + 1);
            screens::caption(target, layout.caption, &self.words(model, None), inks)?;
            return Ok(true);
        }
        let mut stream = RowStream::new(layout.picture, self.channels);
        let judged = self.judges(model);
        let mut rows = if judged { generator.scored_rows(&latent) } else { generator.rows(&latent) };
        while let Some(row) = rows.next_row() {
            stream.push(row, target)?;
            between();
        }
        let score = if judged { rows.score() } else { None };
        screens::caption(target, layout.caption, &self.words(model, score), inks)?;
        Ok(true)
    }

    /// The level to draw now and its place, or none where the picture itself is next: on a walk, and where a level's pixels are no whole
    /// part of the picture's place.
    fn level(&self, model: &Model<'_>, stale: Stale, place: Placement) -> Option<(usize, Placement)> {
        let level = if let Stale::Level(level) = stale { level } else { 0 };
        if level >= model.levels() || self.screen == Screen::Walk || self.tiny() {
            return None;
        }
        let shape = model.level_shape(level)?;
        place.of_level(Size::new(shape.w.into(), shape.h.into())).map(|place| (level, place))
    }

    /// Samples in the gallery, the trail of a walk, one large dot for the knobs.
    fn draw_plot<D>(
        &self,
        plot: Plot,
        fresh: bool,
        generator: &mut Generator<'_>,
        target: &mut D,
        mut between: impl FnMut(),
    ) -> Result<(), D::Error>
    where
        D: DrawTarget<Color: PanelColor>,
    {
        let inks = self.theme.inks();
        if fresh {
            plot.clear(target, inks)?;
        }
        if self.screen == Screen::Gallery {
            return plot.samples(target, generator, self.seed, inks.ink, between);
        }
        let latent = self.latent(generator.model());
        between();
        let side = plot.area.size.width / if self.screen == Screen::Walk { 64 } else { 16 };
        plot.dot(target, generator, &latent, side.max(1), inks.ink)
    }

    fn draw_about<D>(&self, model: &Model<'_>, target: &mut D) -> Result<(), D::Error>
    where
        D: DrawTarget<Color: PanelColor>,
    {
        let (about, inks) = (self.about(model), self.theme.inks());
        if !self.tiny() {
            target.clear(inks.paper)?;
            return screens::page(target, &about, inks);
        }
        // Too small for a page: the lines run through from right to left, one pixel per tick.
        let whole: u32 = about.iter().map(|text| screens::marquee_width(text) + self.panel.width).sum();
        let mut x = ((self.age - Self::INITIAL_TICKS) % whole.max(1)) as i32;
        for text in &about {
            let width = (screens::marquee_width(text) + self.panel.width) as i32;
            if x < width {
                return screens::tiny(target, text, self.panel.width as i32 - x, inks);
            }
            x -= width;
        }
        Ok(())
    }
}

/// A score in 0..=255 as a share of one hundred.
struct Percent(u8);

impl core::fmt::Display for Percent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}%", (u32::from(self.0) * 100 + 127) / 255)
    }
}

/// The walk's speeds as words.
const SPEEDS: [&str; 5] = ["speed 1", "speed 2", "speed 3", "speed 4", "speed 5"];
