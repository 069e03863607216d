//! Draws what has changed: the image (row by row and level by level) or the plot, and the text around it.

use embedded_graphics::prelude::{DrawTarget, Size};
use ganlet_runtime::{Generator, Model};

use super::{App, Candidate, Outdated, Screen};
use crate::color::PanelColor;
use crate::plot::Plot;
use crate::screens;
use crate::stream::{ImagePlacement, RowStream};

impl App<'_> {
    /// Returns whether the panel shows a coarse level that finer ones will replace.
    #[must_use]
    pub const fn unfinished(&self) -> bool {
        matches!(self.stale, Outdated::Level(_))
    }

    /// Draws what changed since the last call; returns whether anything did.
    ///
    /// A model with several levels shows a new image level by level, smallest first, one per call. On a slow chip a coarse image
    /// appears long before its details, and buttons respond in between.
    ///
    /// # Errors
    /// Those of the display's driver.
    pub fn draw<D>(
        &mut self,
        model: &Model<'_>,
        generator: &mut Generator<'_>,
        target: &mut D,
    ) -> Result<bool, D::Error>
    where
        D: DrawTarget<Color: PanelColor>,
    {
        self.draw_with(model, generator, target, || {})
    }

    /// Does what [`draw`](Self::draw) does and calls `between` after every row, for example to poll buttons or to scan an LED matrix.
    ///
    /// # Errors
    /// Those of the display's driver.
    pub fn draw_with<D>(
        &mut self,
        model: &Model<'_>,
        generator: &mut Generator<'_>,
        target: &mut D,
        mut between: impl FnMut(),
    ) -> Result<bool, D::Error>
    where
        D: DrawTarget<Color: PanelColor>,
    {
        let stale = core::mem::replace(&mut self.stale, Outdated::Nothing);
        if stale == Outdated::Nothing {
            return Ok(false);
        }
        let colors = self.theme.colors();
        if self.tiny() && self.age < Self::INITIAL_TICKS {
            screens::tiny(target, self.screen.title().trim().get(..1).unwrap_or(""), 1, colors)?;
            return Ok(true);
        }
        if self.screen == Screen::About {
            return self.draw_about(model, target).map(|()| true);
        }
        let layout = self.layout();
        if stale == Outdated::Everything || self.tiny() {
            target.clear(colors.background)?;
        }
        if self.numbers > 0 {
            let fresh = stale == Outdated::Everything || self.screen != Screen::Walk;
            let plot = Plot { area: layout.image.area(), numbers: self.numbers };
            self.draw_plot(plot, fresh, generator, target, &mut between)?;
            screens::caption(target, layout.caption, &self.caption_text(model, None), colors)?;
            return Ok(true);
        }
        if self.candidates() > 0 {
            self.best = self.best_candidate(model, generator, &mut between);
        }
        let latent = self.latent(model);
        let level = self.level(model, stale, layout.image);
        if let Some((level, place)) = level
            && let Some(mut rows) = generator.level_rows(&latent, level)
        {
            let mut stream = RowStream::new(place, self.channels);
            while let Some(row) = rows.next_row() {
                stream.push(row, target)?;
                between();
            }
            self.stale = Outdated::Level(level + 1);
            screens::caption(target, layout.caption, &self.caption_text(model, None), colors)?;
            return Ok(true);
        }
        let mut stream = RowStream::new(layout.image, self.channels);
        let scored = self.shows_score();
        let mut rows = if scored { generator.scored_rows(&latent) } else { generator.rows(&latent) };
        while let Some(row) = rows.next_row() {
            stream.push(row, target)?;
            between();
        }
        let score = if scored { rows.score() } else { None };
        screens::caption(target, layout.caption, &self.caption_text(model, score), colors)?;
        Ok(true)
    }

    /// Returns the candidate whose image has the highest score; the first one of equals.
    fn best_candidate(
        &self,
        model: &Model<'_>,
        generator: &mut Generator<'_>,
        between: &mut impl FnMut(),
    ) -> Option<Candidate> {
        let mut best: Option<Candidate> = None;
        for seed in (0..Self::CANDIDATES).map(|i| self.seed.wrapping_add(i)) {
            let mut rows = generator.scored_rows(&self.saved.latent(model, seed));
            while rows.next_row().is_some() {
                between();
            }
            let score = rows.score().unwrap_or(0);
            if best.is_none_or(|best| score > best.score) {
                best = Some(Candidate { seed, score });
            }
        }
        best
    }

    /// Returns the level to draw next and its placement. `None` if the full image is next: on a walk, or if the level cannot be
    /// enlarged to the image's area by a whole factor.
    fn level(&self, model: &Model<'_>, stale: Outdated, place: ImagePlacement) -> Option<(usize, ImagePlacement)> {
        let level = if let Outdated::Level(level) = stale { level } else { 0 };
        if level >= model.levels() || self.screen == Screen::Walk || self.tiny() {
            return None;
        }
        let shape = model.level_shape(level)?;
        place.of_level(Size::new(shape.w.into(), shape.h.into())).map(|place| (level, place))
    }

    /// Draws points: samples in the gallery, the trail of a walk, one large dot for the knobs.
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
        let colors = self.theme.colors();
        if fresh {
            plot.clear(target, colors)?;
        }
        if self.screen == Screen::Gallery {
            return plot.samples(target, generator, self.seed, colors.foreground, between);
        }
        let latent = self.latent(generator.model());
        between();
        let side = plot.area.size.width / if self.screen == Screen::Walk { 64 } else { 16 };
        plot.dot(target, generator, &latent, side.max(1), colors.foreground)
    }

    fn draw_about<D>(&self, model: &Model<'_>, target: &mut D) -> Result<(), D::Error>
    where
        D: DrawTarget<Color: PanelColor>,
    {
        let (about, colors) = (self.about(model), self.theme.colors());
        if !self.tiny() {
            target.clear(colors.background)?;
            return screens::page(target, &about, colors);
        }
        // The panel is too small for a page, so the lines scroll from right to left, one pixel per tick.
        let whole: u32 = about.iter().map(|text| screens::marquee_width(text) + self.panel.width).sum();
        let mut x = ((self.age - Self::INITIAL_TICKS) % whole.max(1)) as i32;
        for text in &about {
            let width = (screens::marquee_width(text) + self.panel.width) as i32;
            if x < width {
                return screens::tiny(target, text, self.panel.width as i32 - x, colors);
            }
            x -= width;
        }
        Ok(())
    }
}
