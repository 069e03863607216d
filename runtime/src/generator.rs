//! Draws images row by row in a borrowed arena.
#[cfg(feature = "simulate")]
use crate::format::KernelFamily;
use crate::{
    format::{FAMILY, Op, Source, part, part_mut},
    kernels::{Out, Ring, Row},
    latent::Latent,
    model::Model,
    plan::{self, LATENT, Place, Rings, Schedule},
};
use core::fmt;

/// The arena is shorter than [`Model::arena_len`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArenaTooSmall {
    /// Bytes that the model needs.
    pub needed: usize,
    /// Bytes that the arena has.
    pub given: usize,
}

impl fmt::Display for ArenaTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the arena has {} bytes, the model needs {}: size it with arena_len", self.given, self.needed)
    }
}

impl core::error::Error for ArenaTooSmall {}

/// A model bound to its working memory, ready to draw. Creating it is the last step that can fail.
///
/// ```
/// use ganlet_runtime::{Arena, Generator, Model, arena_len, include_model};
/// const TINY: &[u8] = include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny-v2.model"));
/// let model = Model::from_bytes(TINY)?;
/// let mut arena = Arena::<{ arena_len(TINY) }>::new();
/// let mut generator = Generator::new(&model, &mut arena)?;
/// let mut rows = generator.rows(&model.latent(7));
/// while let Some(row) = rows.next_row() {
///     assert_eq!(row.len(), usize::from(model.size().0 * model.channels()));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Generator<'a> {
    model: &'a Model<'a>,
    /// Working memory, whose address is a multiple of four.
    arena: &'a mut [u8],
    family: usize,
    rings: Rings,
}

impl<'a> Generator<'a> {
    /// Binds `model` to `arena`, which must have [`Model::arena_len`] bytes or more.
    ///
    /// A [`crate::Arena`] starts at a multiple of four. Any other slice may lose up to three bytes to alignment.
    ///
    /// # Errors
    /// [`ArenaTooSmall`], with both sizes.
    pub fn new(model: &'a Model<'a>, arena: &'a mut [u8]) -> Result<Self, ArenaTooSmall> {
        Self::bind(model, arena, FAMILY)
    }

    /// Binds `model` to `arena` and draws with the kernels of `family`. The arena must have [`Model::arena_len_of`] bytes or more.
    ///
    /// # Errors
    /// [`ArenaTooSmall`], with both sizes.
    #[cfg(feature = "simulate")]
    pub fn for_family(model: &'a Model<'a>, arena: &'a mut [u8], family: KernelFamily) -> Result<Self, ArenaTooSmall> {
        Self::bind(model, arena, family as usize)
    }

    #[inline(never)]
    fn bind(model: &'a Model<'a>, arena: &'a mut [u8], family: usize) -> Result<Self, ArenaTooSmall> {
        let (skip, given) = (arena.as_ptr().addr().wrapping_neg() % 4, arena.len());
        let needed = model.arena_bytes(family) + skip;
        let Some(arena) = arena.get_mut(skip..needed) else { return Err(ArenaTooSmall { needed, given }) };
        let mut result = Ok(Self { model, arena, family, rings: Rings::none() });
        if let Ok(generator) = &mut result {
            model.lay_rings(&mut generator.rings, family);
        }
        result
    }

    /// The model that draws.
    pub fn model(&self) -> &'a Model<'a> {
        self.model
    }

    /// Starts the image of `z`. Each call of [`Rows::next_row`] computes one row.
    ///
    /// A latent of another model is truncated or padded with zeros to the length of this model's.
    pub fn rows(&mut self, z: &Latent) -> Rows<'_> {
        let image = self.model.image();
        self.start(z, image, image)
    }

    /// Starts the image of `z` and runs the discriminator on its rows, so that [`Rows::score`] reports a score.
    pub fn scored_rows(&mut self, z: &Latent) -> Rows<'_> {
        self.start(z, self.model.image(), self.model.shapes().len().saturating_sub(1))
    }

    /// Starts a level of the image of `z`, where 0 is the smallest; `None` if the model has no such level.
    pub fn level_rows(&mut self, z: &Latent, level: usize) -> Option<Rows<'_>> {
        let image = self.model.level(level)?;
        Some(self.start(z, image, image))
    }

    #[inline(never)]
    fn start(&mut self, z: &Latent, image: usize, target: usize) -> Rows<'_> {
        let inputs = usize::from(self.model.input_shape(Source::Latent).c);
        let (values, classes) = self.arena.split_at_mut(self.model.latent_len().min(self.arena.len()));
        let given = z.values().iter().map(|&v| v as u8).chain(core::iter::repeat(0));
        values.iter_mut().zip(given).for_each(|(to, v)| *to = v);
        // One-hot classes follow the latent: 1 (32/32) for the chosen one.
        let classes = classes.iter_mut().take(inputs - values.len());
        classes.enumerate().for_each(|(c, to)| *to = if z.class() == Some(c as u16) { 32 } else { 0 });
        let rings = &self.rings;
        Rows {
            model: self.model,
            arena: &mut *self.arena,
            family: self.family,
            rings,
            schedule: Schedule::new(),
            image,
            target,
            in_pixels: false,
        }
    }

    /// Streams the RGB pixels of a level of the image of `z`; `None` if the model has no such level.
    pub fn level_pixels(&mut self, z: &Latent, level: usize) -> Option<Pixels<'_>> {
        Some(Pixels { rows: self.level_rows(z, level)?, x: u16::MAX })
    }

    /// Streams the RGB pixels of the image of `z`, left to right and top to bottom. Gray is repeated in all three channels.
    pub fn pixels(&mut self, z: &Latent) -> Pixels<'_> {
        Pixels { rows: self.rows(z), x: u16::MAX }
    }
}

/// The rows of one image, each computed on demand.
#[derive(Debug)]
pub struct Rows<'g> {
    model: &'g Model<'g>,
    arena: &'g mut [u8],
    family: usize,
    rings: &'g Rings,
    schedule: Schedule,
    /// The layer whose rows are returned, and the last layer that runs.
    image: usize,
    target: usize,
    /// Whether the last row of the image holds pixels (u8) instead of activations (i8).
    in_pixels: bool,
}

impl Rows<'_> {
    /// Computes and returns the next row: interleaved channels, 0 (black) to 255 (white). `None` after the last row.
    #[inline(never)]
    pub fn next_row(&mut self) -> Option<&[u8]> {
        self.advance(self.image)?;
        self.show_pixels();
        Some(self.last_row())
    }

    /// Computes the remaining rows and returns the discriminator's score, 0 (generated) to 255 (real).
    ///
    /// `None` if the model has no discriminator or the image was started by another method than [`Generator::scored_rows`].
    pub fn score(mut self) -> Option<u8> {
        while self.advance(self.target).is_some() {}
        let value = self.arena.get(self.rings.places.get(self.target)?.start as usize)?;
        (self.target > self.image).then_some(value ^ 0x80)
    }

    /// Computes rows of any layer until `layer` has a new one.
    #[inline(never)]
    fn advance(&mut self, layer: usize) -> Option<()> {
        self.restore_activations();
        loop {
            let made = self.schedule.next(self.target, self.model.layer_list(), self.model.shapes())?;
            self.make_row(made);
            self.schedule.advance(made);
            if made == layer {
                return Some(());
            }
        }
    }

    /// Converts the last row of the image from activations to pixels: -128..=127 becomes 0..=255.
    fn show_pixels(&mut self) {
        self.in_pixels = true;
        self.flip_signs();
    }

    /// Converts the last row back to activations if the discriminator will read it.
    fn restore_activations(&mut self) {
        if self.in_pixels && self.target > self.image {
            self.flip_signs();
        }
        self.in_pixels = false;
    }

    /// Flips the sign bit of every value in the last row, which converts in both directions.
    #[inline(never)]
    fn flip_signs(&mut self) {
        self.last_row().iter_mut().for_each(|v| *v ^= 0x80);
    }

    /// Returns the latest row of the image.
    #[inline(never)]
    fn last_row(&mut self) -> &mut [u8] {
        let len = self.model.shape(self.image).row_len();
        let made = self.schedule.made(self.image).saturating_sub(1);
        let slot = made.checked_rem(self.model.ring_rows(self.image)).unwrap_or(0);
        let start = self.rings.places.get(self.image).map_or(0, |place| place.start) as usize;
        part_mut(self.arena, start + usize::from(slot) * len, len)
    }

    /// Computes the next row of the layer `index` into its ring buffer.
    #[inline(never)]
    fn make_row(&mut self, index: usize) {
        // Only simulators have the kernels of more than one family.
        let (model, family) = (self.model, if cfg!(feature = "simulate") { self.family } else { FAMILY });
        let (Some(layer), Some(&shape)) = (model.layer_list().get(index), model.shapes().get(index)) else { return };
        let Some(&Place { start, form }) = self.rings.places.get(index) else { return };
        let start = start as usize;
        let Some((before, own)) = self.arena.split_at_mut_checked(start) else { return };
        let rings = self.rings;
        let input = ring(model, rings, before, layer.input);
        let other = match layer.op {
            Op::Add { other } | Op::Palette { colors: other } => Some(ring(model, rings, before, other)),
            _ => None,
        };
        let y = self.schedule.made(index);
        let row = Row { layer, blob: model.blob(), input, other, shape, y, family };
        let rows = model.ring_rows(index);
        let (len, slot) = (form.row_bytes(shape), usize::from(y.checked_rem(rows).unwrap_or(0)));
        let Some((own, rest)) = own.split_at_mut_checked(plan::ring_bytes(form, shape, rows) as usize) else { return };
        let scratch = rest.get_mut((rings.end as usize).saturating_sub(start + own.len())..).unwrap_or_default();
        let mut out = Out { bytes: part_mut(own, slot * len, len), form, c: shape.c.into() };
        row.write(&mut out, scratch);
    }
}

/// Returns the ring buffer of a tensor. `before` is the part of the arena before the ring buffer that is being written.
#[inline(never)]
fn ring<'r>(model: &Model<'_>, rings: &Rings, before: &'r [u8], source: Source) -> Ring<'r> {
    let shape = model.input_shape(source);
    // The latent vector is a row of one pixel at the start of the arena.
    let (Place { start, form }, rows) = match source {
        Source::Latent => (LATENT, 1),
        Source::Layer(i) => {
            (rings.places.get(usize::from(i)).copied().unwrap_or(LATENT), model.ring_rows(i.into()).into())
        }
    };
    let bytes = part(before, start as usize, form.row_bytes(shape) * rows);
    Ring { bytes, rows, shape, form, zero_point: model.zero_point(source) }
}

/// The RGB pixels of one image, left to right and top to bottom. Gray is repeated in all three channels.
#[derive(Debug)]
pub struct Pixels<'g> {
    rows: Rows<'g>,
    x: u16,
}

impl Iterator for Pixels<'_> {
    type Item = [u8; 3];

    fn next(&mut self) -> Option<[u8; 3]> {
        let shape = self.rows.model.shape(self.rows.image);
        if self.x >= shape.w {
            self.rows.next_row()?;
            self.x = 0;
        }
        let channels = usize::from(shape.c);
        let pixel = self.rows.last_row().get(usize::from(self.x) * channels..)?.get(..channels)?;
        self.x += 1;
        match *pixel {
            [r, g, b] => Some([r, g, b]),
            [gray] => Some([gray; 3]),
            _ => None,
        }
    }
}
