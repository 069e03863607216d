//! Plots for models that generate points: a histogram for one number per sample, a scatter plot for two.
//!
//! The image of such a model is a single row of one or two gray pixels. Black is the left or lower end of the plot, white the right or upper end.

use embedded_graphics::prelude::{DrawTarget, Point, Size};
use embedded_graphics::primitives::Rectangle;
use ganlet_runtime::{Generator, Latent, Model};

use crate::color::PanelColor;
use crate::screens::ThemeColors;

/// Number of samples in a plot.
pub(crate) const SAMPLES: u32 = 256;
/// Maximum number of bars in a histogram.
const BARS: usize = 64;

/// Returns how many numbers a model generates: 1 or 2 for points, 0 for images.
pub(crate) fn numbers(model: &Model<'_>) -> u8 {
    match (model.size(), model.channels()) {
        ((1, 1), 1) => 1,
        ((2, 1), 1) => 2,
        _ => 0,
    }
}

/// A plot on a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plot {
    pub(crate) area: Rectangle,
    pub(crate) numbers: u8,
}

/// Generates the point of a latent, each coordinate in 0..=255. A model of one number returns it twice.
fn sample(generator: &mut Generator<'_>, latent: &Latent) -> [u8; 2] {
    let mut rows = generator.rows(latent);
    match rows.next_row() {
        Some(&[x, y]) => [x, y],
        Some(&[x, ..]) => [x, x],
        _ => [0; 2],
    }
}

impl Plot {
    /// Maps a value in 0..=255 to a position on an axis of `pixels`.
    const fn along(value: u8, pixels: u32) -> u32 {
        (value as u32 * pixels.saturating_sub(1) + 127) / 255
    }

    /// Draws an empty plot with its axes.
    pub(crate) fn clear<D>(&self, target: &mut D, colors: ThemeColors<D::Color>) -> Result<(), D::Error>
    where
        D: DrawTarget<Color: PanelColor>,
    {
        let Rectangle { top_left, size } = self.area;
        target.fill_solid(&self.area, colors.background)?;
        if size.width < 16 {
            // On a matrix of few LEDs an axis could not be distinguished from samples.
            return Ok(());
        }
        let across = if self.numbers == 1 { size.height - 1 } else { size.height / 2 };
        target.fill_solid(
            &Rectangle::new(top_left + Point::new(0, across as i32), Size::new(size.width, 1)),
            colors.dim,
        )?;
        target.fill_solid(
            &Rectangle::new(top_left + Point::new((size.width / 2) as i32, 0), Size::new(1, size.height)),
            colors.dim,
        )
    }

    /// Draws the point of `latent` as a square of `side` pixels.
    pub(crate) fn dot<D>(
        &self,
        target: &mut D,
        generator: &mut Generator<'_>,
        latent: &Latent,
        side: u32,
        ink: D::Color,
    ) -> Result<(), D::Error>
    where
        D: DrawTarget<Color: PanelColor>,
    {
        let Size { width, height } = self.area.size;
        let [x, y] = sample(generator, latent);
        let x = Self::along(x, width);
        let y = if self.numbers == 1 { height / 2 } else { height - 1 - Self::along(y, height) };
        let side = side.min(width).min(height);
        let corner = |at: u32, most: u32| at.saturating_sub(side / 2).min(most - side) as i32;
        let corner = Point::new(corner(x, width), corner(y, height));
        target.fill_solid(&Rectangle::new(self.area.top_left + corner, Size::new(side, side)), ink)
    }

    /// Draws the samples of `seed` as a scatter plot or a histogram.
    pub(crate) fn samples<D>(
        &self,
        target: &mut D,
        generator: &mut Generator<'_>,
        seed: u32,
        ink: D::Color,
        mut between: impl FnMut(),
    ) -> Result<(), D::Error>
    where
        D: DrawTarget<Color: PanelColor>,
    {
        let Size { width, height } = self.area.size;
        let model = generator.model();
        let mut bars = [0_u32; BARS];
        let many = width.clamp(1, BARS as u32);
        for i in 0..SAMPLES {
            let latent = model.latent(seed.wrapping_mul(SAMPLES).wrapping_add(i));
            if self.numbers == 1 {
                let [x, _] = sample(generator, &latent);
                let bar = u32::from(x) * many / 256;
                if let Some(count) = bars.get_mut(bar as usize) {
                    *count += 1;
                }
            } else {
                self.dot(target, generator, &latent, (width / 96).max(1), ink)?;
            }
            between();
        }
        let most = bars.iter().copied().max().unwrap_or(0).max(1);
        for (i, count) in (0..many).zip(bars).filter(|(_, count)| *count > 0) {
            let (left, right) = (i * width / many, (i + 1) * width / many);
            let high = (count * height / most).max(1);
            let corner = self.area.top_left + Point::new(left as i32, (height - high) as i32);
            target.fill_solid(&Rectangle::new(corner, Size::new((right - left).max(1), high)), ink)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_the_range_are_ends_of_the_plot() {
        for pixels in [1, 5, 64, 192] {
            assert_eq!((Plot::along(0, pixels), Plot::along(255, pixels)), (0, pixels - 1));
        }
        assert_eq!(Plot::along(128, 65), 32);
    }
}
