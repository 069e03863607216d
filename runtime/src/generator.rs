//! Drawing: pictures made row by row in a lent arena.
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
    /// Bytes the model needs.
    pub needed: usize,
    /// Bytes given.
    pub given: usize,
}

impl fmt::Display for ArenaTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the arena has {} bytes, the model needs {}: size it with arena_len", self.given, self.needed)
    }
}

impl core::error::Error for ArenaTooSmall {}

/// A model bound to its working memory; making it is the last step that can fail.
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
    /// Starts at a multiple of four.
    arena: &'a mut [u8],
    family: usize,
    rings: Rings,
}

impl<'a> Generator<'a> {
    /// Binds `model` to `arena`, which must have [`Model::arena_len`] bytes or more.
    ///
    /// An arena that does not start at a multiple of four, as [`crate::Arena`] does, loses up to three bytes.
    ///
    /// # Errors
    /// [`ArenaTooSmall`], with both sizes.
    pub fn new(model: &'a Model<'a>, arena: &'a mut [u8]) -> Result<Self, ArenaTooSmall> {
        Self::bind(model, arena, FAMILY)
    }

    /// Binds `model` to an `arena` that is laid out for another kernel family, of [`Model::arena_len_of`] bytes or more.
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

    /// Starts the picture of `z`; nothing is computed before the first row is asked for.
    ///
    /// A latent of another model is cut or filled with zeros to this one's length.
    pub fn rows(&mut self, z: &Latent) -> Rows<'_> {
        let picture = self.model.picture();
        self.start(z, picture, picture)
    }

    /// As [`Generator::rows`], with the layers behind the picture, which judge it: [`Rows::score`].
    pub fn scored_rows(&mut self, z: &Latent) -> Rows<'_> {
        self.start(z, self.model.picture(), self.model.shapes().len().saturating_sub(1))
    }

    /// Starts level `level` of the picture of `z`, the smallest one first; `None` if the model has no such level.
    pub fn level_rows(&mut self, z: &Latent, level: usize) -> Option<Rows<'_>> {
        let picture = self.model.level(level)?;
        Some(self.start(z, picture, picture))
    }

    #[inline(never)]
    fn start(&mut self, z: &Latent, picture: usize, target: usize) -> Rows<'_> {
        let inputs = usize::from(self.model.input_shape(Source::Latent).c);
        let (values, classes) = self.arena.split_at_mut(self.model.latent_len().min(self.arena.len()));
        let given = z.values().iter().map(|&v| v as u8).chain(core::iter::repeat(0));
        values.iter_mut().zip(given).for_each(|(to, v)| *to = v);
        // A class is a value of its own: 1 (32/32) where it is chosen.
        let classes = classes.iter_mut().take(inputs - values.len());
        classes.enumerate().for_each(|(c, to)| *to = if z.class() == Some(c as u16) { 32 } else { 0 });
        let rings = &self.rings;
        Rows {
            model: self.model,
            arena: &mut *self.arena,
            family: self.family,
            rings,
            schedule: Schedule::new(),
            picture,
            target,
            shown: false,
        }
    }

    /// Level `level` of the picture of `z` as a stream of RGB pixels; `None` if the model has no such level.
    pub fn level_pixels(&mut self, z: &Latent, level: usize) -> Option<Pixels<'_>> {
        Some(Pixels { rows: self.level_rows(z, level)?, x: u16::MAX })
    }

    /// The picture of `z` as a stream of RGB pixels, left to right, top to bottom; gray is repeated.
    pub fn pixels(&mut self, z: &Latent) -> Pixels<'_> {
        Pixels { rows: self.rows(z), x: u16::MAX }
    }
}

/// The rows of one picture, each computed when it is asked for.
#[derive(Debug)]
pub struct Rows<'g> {
    model: &'g Model<'g>,
    arena: &'g mut [u8],
    family: usize,
    rings: &'g Rings,
    schedule: Schedule,
    /// The layer whose rows are handed out, and the one until which layers run.
    picture: usize,
    target: usize,
    /// Whether the last row of the picture holds pixels instead of the layer's values.
    shown: bool,
}

impl Rows<'_> {
    /// The next row, channels interleaved, black 0 to white 255; `None` after the last.
    #[inline(never)]
    pub fn next_row(&mut self) -> Option<&[u8]> {
        self.advance(self.picture)?;
        self.turn();
        Some(self.last_row())
    }

    /// What the layers behind the picture think of it, from 0 to 255, after the rows that are left.
    ///
    /// `None` if the model has no such layers, or if these rows were not to be judged.
    pub fn score(mut self) -> Option<u8> {
        while self.advance(self.target).is_some() {}
        let value = self.arena.get(self.rings.places.get(self.target)?.start as usize)?;
        (self.target > self.picture).then_some(value ^ 0x80)
    }

    /// Makes rows until `layer` has a new one.
    #[inline(never)]
    fn advance(&mut self, layer: usize) -> Option<()> {
        self.turn_back();
        loop {
            let made = self.schedule.next(self.target, self.model.layer_list(), self.model.shapes())?;
            self.make_row(made);
            self.schedule.advance(made);
            if made == layer {
                return Some(());
            }
        }
    }

    /// Turns the last row of the picture from values into pixels: the i8 -128..=127 are 0..=255.
    fn turn(&mut self) {
        self.shown = true;
        self.flip();
    }

    /// Layers behind the picture read values.
    fn turn_back(&mut self) {
        if self.shown && self.target > self.picture {
            self.flip();
        }
        self.shown = false;
    }

    #[inline(never)]
    fn flip(&mut self) {
        self.last_row().iter_mut().for_each(|v| *v ^= 0x80);
    }

    /// The picture's row that was made last.
    #[inline(never)]
    fn last_row(&mut self) -> &mut [u8] {
        let len = self.model.shape(self.picture).row_len();
        let made = self.schedule.made(self.picture).saturating_sub(1);
        let slot = made.checked_rem(self.model.ring_rows(self.picture)).unwrap_or(0);
        let start = self.rings.places.get(self.picture).map_or(0, |place| place.start) as usize;
        part_mut(self.arena, start + usize::from(slot) * len, len)
    }

    #[inline(never)]
    fn make_row(&mut self, index: usize) {
        // Only hosts, which judge for others, have the kernels of more than one family.
        let (model, family) = (self.model, if cfg!(feature = "simulate") { self.family } else { FAMILY });
        let (Some(layer), Some(&shape)) = (model.layer_list().get(index), model.shapes().get(index)) else { return };
        let Some(&Place { start, form }) = self.rings.places.get(index) else { return };
        let start = start as usize;
        let Some((before, own)) = self.arena.split_at_mut_checked(start) else { return };
        let rings = self.rings;
        let input = ring(model, rings, before, layer.input);
        let other = if let Op::Add { other } = layer.op { Some(ring(model, rings, before, other)) } else { None };
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

/// The ring of a tensor, in the arena's part before the ring that is being written.
#[inline(never)]
fn ring<'r>(model: &Model<'_>, rings: &Rings, before: &'r [u8], source: Source) -> Ring<'r> {
    let shape = model.input_shape(source);
    // The latent vector is a row of one pixel at the arena's start.
    let (Place { start, form }, rows) = match source {
        Source::Latent => (LATENT, 1),
        Source::Layer(i) => {
            (rings.places.get(usize::from(i)).copied().unwrap_or(LATENT), model.ring_rows(i.into()).into())
        }
    };
    let bytes = part(before, start as usize, form.row_bytes(shape) * rows);
    Ring { bytes, rows, shape, form, zero_point: model.zero_point(source) }
}

/// The pixels of one picture, left to right, top to bottom; gray is repeated into all three channels.
#[derive(Debug)]
pub struct Pixels<'g> {
    rows: Rows<'g>,
    x: u16,
}

impl Iterator for Pixels<'_> {
    type Item = [u8; 3];

    fn next(&mut self) -> Option<[u8; 3]> {
        let shape = self.rows.model.shape(self.rows.picture);
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
