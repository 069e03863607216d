//! A generated image as an embedded-graphics image.
use crate::{Generator, Latent};
use core::{cell::RefCell, marker::PhantomData};
use embedded_graphics_core::{
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Size},
    image::ImageDrawable,
    pixelcolor::Rgb888,
    prelude::*,
    primitives::Rectangle,
};

/// An image that is computed while it is drawn, one row at a time.
///
/// ```
/// use embedded_graphics::{image::Image, mock_display::MockDisplay, pixelcolor::Rgb565, prelude::*};
/// use ganlet_runtime::{Arena, GeneratedImage, Generator, Model, arena_len, include_model};
/// const TINY: &[u8] = include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny-v2.model"));
/// let model = Model::from_bytes(TINY)?;
/// let mut arena = Arena::<{ arena_len(TINY) }>::new();
/// let generator = Generator::new(&model, &mut arena)?;
/// let image = GeneratedImage::<Rgb565>::new(generator, model.latent(7));
///
/// let mut display = MockDisplay::new();
/// Image::new(&image, Point::new(2, 3)).draw(&mut display)?;
/// assert_eq!(display.affected_area().top_left, Point::new(2, 3));
/// assert_eq!(display.affected_area().size, image.size());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct GeneratedImage<'a, C> {
    generator: RefCell<Generator<'a>>,
    latent: Latent,
    size: Size,
    color: PhantomData<C>,
}

impl<'a, C> GeneratedImage<'a, C> {
    /// Creates the image that `generator` draws for `latent`.
    pub fn new(generator: Generator<'a>, latent: Latent) -> Self {
        let (w, h) = generator.model().size();
        Self { generator: RefCell::new(generator), latent, size: Size::new(w.into(), h.into()), color: PhantomData }
    }

    /// Replaces the latent; the next drawing shows its image.
    pub fn set_latent(&mut self, latent: Latent) {
        self.latent = latent;
    }

    /// Returns the generator.
    pub fn into_generator(self) -> Generator<'a> {
        self.generator.into_inner()
    }
}

impl<C> OriginDimensions for GeneratedImage<'_, C> {
    fn size(&self) -> Size {
        self.size
    }
}

impl<C: PixelColor + From<Rgb888>> ImageDrawable for GeneratedImage<'_, C> {
    type Color = C;

    fn draw<D: DrawTarget<Color = C>>(&self, target: &mut D) -> Result<(), D::Error> {
        // The generator is in use only if `target` draws this same image during this call. Nothing is drawn then.
        let Ok(mut generator) = self.generator.try_borrow_mut() else { return Ok(()) };
        let colors = generator.pixels(&self.latent).map(|[r, g, b]| C::from(Rgb888::new(r, g, b)));
        target.fill_contiguous(&Rectangle::new(Point::zero(), self.size), colors)
    }

    fn draw_sub_image<D: DrawTarget<Color = C>>(&self, target: &mut D, area: &Rectangle) -> Result<(), D::Error> {
        let whole = Rectangle::new(Point::zero(), self.size);
        let area = whole.intersection(area);
        let Ok(mut generator) = self.generator.try_borrow_mut() else { return Ok(()) };
        let pixels = whole.points().zip(generator.pixels(&self.latent)).filter(|(at, _)| area.contains(*at));
        let colors = pixels.map(|(_, [r, g, b])| C::from(Rgb888::new(r, g, b)));
        target.fill_contiguous(&Rectangle::new(Point::zero(), area.size), colors)
    }
}
