//! Scaling of an image to the panel, row by row: enlarged by a whole factor, or averaged if the panel is smaller.

use embedded_graphics::prelude::{DrawTarget, Point, Size};
use embedded_graphics::primitives::Rectangle;

use crate::color::PanelColor;

/// Maximum width of a downscaled image. Averaging needs memory for the sums of one such row.
pub const MAX_AVERAGED: u32 = 128;

/// Area of an image on the panel, and its scale factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImagePlacement {
    image: Size,
    area: Rectangle,
    factor: u32,
}

impl ImagePlacement {
    /// Returns the largest placement of `image` in `room`, centered.
    ///
    /// Its factor is 0 if the image is larger than the room and must be averaged.
    #[must_use]
    pub fn within(image: Size, room: Rectangle) -> Self {
        Self::scaled(image, room, (room.size.width / image.width).min(room.size.height / image.height))
    }

    /// Returns a placement with the given `factor`, centered in `room`.
    pub(crate) fn scaled(image: Size, room: Rectangle, factor: u32) -> Self {
        let size = if factor > 0 {
            image * factor
        } else {
            let (width, height) = (room.size.width.min(MAX_AVERAGED), room.size.height);
            // The tighter side decides; the other keeps the aspect ratio.
            if width * image.height <= height * image.width {
                Size::new(width, (width * image.height / image.width).max(1))
            } else {
                Size::new((height * image.width / image.height).max(1), height)
            }
        };
        let size = size.component_min(room.size);
        let margin = (room.size - size) / 2;
        let area = Rectangle::new(room.top_left + Point::new(margin.width as i32, margin.height as i32), size);
        Self { image, area, factor }
    }

    /// Returns a placement of a smaller version of the image in the same area, if a whole factor fills it.
    pub(crate) fn of_level(&self, image: Size) -> Option<Self> {
        let factor = self.area.size.width.checked_div(image.width)?;
        (factor > 0 && image * factor == self.area.size).then_some(Self { image, area: self.area, factor })
    }

    /// Returns the area of the panel that the image covers.
    #[must_use]
    pub const fn area(&self) -> Rectangle {
        self.area
    }

    /// Returns the side of an image pixel in panel pixels; 0 if several image pixels are averaged.
    #[must_use]
    pub const fn factor(&self) -> u32 {
        self.factor
    }
}

/// Draws rows as they arrive, top to bottom.
pub(crate) struct RowStream {
    place: ImagePlacement,
    channels: usize,
    row: u32,
    line: u32,
    sums: [u32; 3 * MAX_AVERAGED as usize],
    rows_summed: u32,
}

/// Returns the start of part `index` when `length` pixels are divided into `of` parts.
const fn edge(index: u32, length: u32, of: u32) -> u32 {
    index * length / of
}

fn rgb(pixel: &[u8]) -> [u8; 3] {
    match *pixel {
        [r, g, b] => [r, g, b],
        [gray, ..] => [gray; 3],
        [] => [0; 3],
    }
}

impl RowStream {
    pub(crate) const fn new(place: ImagePlacement, channels: usize) -> Self {
        Self { place, channels, row: 0, line: 0, sums: [0; 3 * MAX_AVERAGED as usize], rows_summed: 0 }
    }

    /// Processes the next row, one or three bytes per pixel, and draws the rows of the panel that it completes.
    pub(crate) fn push<D>(&mut self, row: &[u8], target: &mut D) -> Result<(), D::Error>
    where
        D: DrawTarget<Color: PanelColor>,
    {
        if self.place.factor > 0 { self.repeat(row, target) } else { self.average(row, target) }
    }

    fn repeat<D>(&mut self, row: &[u8], target: &mut D) -> Result<(), D::Error>
    where
        D: DrawTarget<Color: PanelColor>,
    {
        let (factor, channels) = (self.place.factor, self.channels);
        let corner = self.place.area.top_left + Point::new(0, (self.row * factor) as i32);
        self.row += 1;
        let band = Rectangle::new(corner, Size::new(self.place.area.size.width, factor));
        let colors = (0..factor as i32).flat_map(|dy| {
            let mut at = corner + Point::new(0, dy);
            row.chunks_exact(channels).flat_map(move |pixel| {
                let start = at;
                at.x += factor as i32;
                (0..factor as i32).map(move |dx| D::Color::shade(rgb(pixel), start + Point::new(dx, 0)))
            })
        });
        target.fill_contiguous(&band, colors)
    }

    fn average<D>(&mut self, row: &[u8], target: &mut D) -> Result<(), D::Error>
    where
        D: DrawTarget<Color: PanelColor>,
    {
        let ImagePlacement { image, area, .. } = self.place;
        let columns = |x: u32| edge(x, image.width, area.size.width)..edge(x + 1, image.width, area.size.width);
        for (x, cell) in (0..area.size.width).zip(self.sums.chunks_exact_mut(3)) {
            for pixel in columns(x).filter_map(|i| row.chunks_exact(self.channels).nth(i as usize)) {
                for (sum, value) in cell.iter_mut().zip(rgb(pixel)) {
                    *sum += u32::from(value);
                }
            }
        }
        self.row += 1;
        self.rows_summed += 1;
        if edge(self.line + 1, image.height, area.size.height) != self.row {
            return Ok(());
        }
        let corner = area.top_left + Point::new(0, self.line as i32);
        let rows = self.rows_summed;
        let colors = (0..area.size.width).zip(self.sums.chunks_exact(3)).map(|(x, cell)| {
            let count = (columns(x).len() as u32 * rows).max(1);
            let mean = |c: usize| ((cell[c] + count / 2) / count) as u8;
            D::Color::shade([mean(0), mean(1), mean(2)], corner + Point::new(x as i32, 0))
        });
        let drawn = target.fill_contiguous(&Rectangle::new(corner, Size::new(area.size.width, 1)), colors);
        self.sums = [0; 3 * MAX_AVERAGED as usize];
        self.rows_summed = 0;
        self.line += 1;
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_graphics::mock_display::MockDisplay;
    use embedded_graphics::pixelcolor::{Gray8, GrayColor};
    use embedded_graphics::primitives::PointsIter;

    fn drawn(image: Size, room: Size, pixel: impl Fn(u32, u32) -> u8) -> (ImagePlacement, MockDisplay<Gray8>) {
        // The mock panics if a pixel is drawn twice or outside, so every case also checks for that.
        let mut display = MockDisplay::new();
        let place = ImagePlacement::within(image, Rectangle::new(Point::zero(), room));
        let mut stream = RowStream::new(place, 1);
        for y in 0..image.height {
            let row: Vec<u8> = (0..image.width).map(|x| pixel(x, y)).collect();
            stream.push(&row, &mut display).unwrap();
        }
        assert_eq!(display.affected_area(), place.area());
        (place, display)
    }

    #[test]
    fn whole_factors_repeat_every_pixel() {
        let shade = |x: u32, y: u32| (x * 50 + y * 7) as u8;
        let (place, display) = drawn(Size::new(3, 4), Size::new(20, 18), shade);
        assert_eq!((place.factor(), place.area()), (4, Rectangle::new(Point::new(4, 1), Size::new(12, 16))));
        for at in place.area().points() {
            let from = (at - place.area().top_left) / 4;
            assert_eq!(display.get_pixel(at).unwrap().luma(), shade(from.x as u32, from.y as u32), "{at}");
        }
    }

    #[test]
    fn on_smaller_panels_image_pixels_are_averaged() {
        let shade = |x: u32, y: u32| (x * 11 + y * 5) as u8;
        for (image, room) in [((16, 16), (5, 5)), ((13, 7), (12, 6)), ((20, 60), (32, 30)), ((64, 9), (3, 3))] {
            let (image, room) = (Size::new(image.0, image.1), Size::new(room.0, room.1));
            let (place, display) = drawn(image, room, shade);
            let out = place.area().size;
            for at in place.area().points() {
                let cell = at - place.area().top_left;
                let part = |i: i32, length: u32, of: u32| (i as u32 * length / of)..((i as u32 + 1) * length / of);
                let values: Vec<u32> = part(cell.y, image.height, out.height)
                    .flat_map(|y| part(cell.x, image.width, out.width).map(move |x| u32::from(shade(x, y))))
                    .collect();
                let mean = values.iter().sum::<u32>() as f64 / values.len() as f64;
                let shown = f64::from(display.get_pixel(at).unwrap().luma());
                assert!((shown - mean).abs() <= 0.5, "{image} on {room} at {at}: {shown}, not {mean}");
            }
        }
    }
}
