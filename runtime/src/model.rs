//! A checked model: its properties, its cost in flash, RAM and multiplications, and the sizes of its ring buffers.
use crate::{
    check::check,
    format::{
        self, FAMILIES, FAMILY, FormatError, Header, KernelFamily, Layer, MAX_LAYERS, Op, Shape, Source, Span,
        WeightLayout,
    },
    plan::{self, Form, Rings},
};
use core::fmt;
use heapless::Vec;

/// Largest arena in bytes. Every machine can address it, alignment included.
const MAX_ARENA: u32 = i32::MAX as u32;

/// A checked model, which borrows its weights from flash. Running it cannot fail.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    header: Header<'a>,
    blob: &'a [u8],
    bytes: usize,
    shapes: Vec<Shape, MAX_LAYERS>,
    rows: [u16; MAX_LAYERS],
    arenas: [u32; FAMILIES],
}

impl<'a> Model<'a> {
    /// The first four bytes of every model file.
    pub const MAGIC: [u8; 4] = format::MAGIC;

    /// The length in bytes of the model file that begins with `prefix`, as its prelude states it.
    ///
    /// A region of flash that holds a model is longer than the model, but [`Model::from_bytes`] takes exactly the bytes of the model.
    /// The first 12 bytes are enough. `None` if there are fewer, or if they are not the start of a model file. The length is not checked
    /// against anything: the region may be shorter.
    ///
    /// ```
    /// use ganlet_runtime::{FormatError, Model};
    /// # const TINY: &[u8] = ganlet_runtime::include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny-v2.model"));
    /// # let mut flash = ganlet_runtime::Aligned([0xFF_u8; 4096]);
    /// # flash.0[..TINY.len()].copy_from_slice(TINY);
    /// # let region: &[u8] = &flash.0;
    /// // `region` is erased flash with a model at its start.
    /// let bytes = Model::stated_len(region).and_then(|len| region.get(..len));
    /// let model = Model::from_bytes(bytes.ok_or(FormatError::Magic)?)?;
    /// assert_eq!(model.flash_bytes(), TINY.len());
    /// # Ok::<(), FormatError>(())
    /// ```
    pub fn stated_len(prefix: &[u8]) -> Option<usize> {
        format::stated_len(prefix)
    }

    /// Checks the model file in `bytes` and borrows its weights. The address must be a multiple of 4; see [`crate::include_model!`].
    ///
    /// # Errors
    /// Reports the first fault that is found. After success no operation on the model fails.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, FormatError> {
        // The model is filled in place, because moving it would copy more than a kilobyte.
        let mut result = Ok(Self {
            header: Header::empty(),
            blob: &[],
            bytes: 0,
            shapes: Vec::new(),
            rows: [0; MAX_LAYERS],
            arenas: [0; FAMILIES],
        });
        let mut fault = FormatError::Header;
        if let Ok(model) = &mut result
            && model.load(bytes, &mut fault).is_none()
        {
            return Err(fault);
        }
        result
    }

    #[inline(never)]
    fn load(&mut self, bytes: &'a [u8], fault: &mut FormatError) -> Option<()> {
        let parts = format::split(bytes, fault)?;
        if !self.header.decode(parts.header, parts.version) {
            *fault = FormatError::Header;
            return None;
        }
        check(&self.header, parts.blob, &mut self.shapes, &mut self.rows, fault)?;
        let layers = &self.header.layers;
        for family in 0..FAMILIES {
            let expected = plan::arena(family, self.header.inputs(), layers, &self.shapes, &self.rows);
            let found = parts.arenas[family];
            if found != expected || expected > MAX_ARENA {
                *fault = FormatError::Arena { family: family as u8, found, expected };
                return None;
            }
        }
        (self.blob, self.bytes, self.arenas) = (parts.blob, bytes.len(), parts.arenas);
        Some(())
    }

    /// Returns the name that the exporter gave; empty if it is not UTF-8.
    pub fn name(&self) -> &'a str {
        core::str::from_utf8(self.header.name).unwrap_or_default()
    }

    /// Returns the width and height of the image in pixels.
    pub fn size(&self) -> (u16, u16) {
        let shape = self.shape(self.image());
        (shape.w, shape.h)
    }

    /// Returns the channels of a pixel: 1 (gray) or 3 (RGB).
    pub fn channels(&self) -> u16 {
        self.shape(self.image()).c
    }

    /// Returns the number of smaller images that the model computes on the way to the full one (the levels of a Laplacian pyramid).
    pub fn levels(&self) -> usize {
        self.header.images.len().saturating_sub(1)
    }

    /// Returns the shape of a level, smallest first; `level == levels()` is the full image, beyond that `None`.
    pub fn level_shape(&self, level: usize) -> Option<Shape> {
        self.header.images.get(level).map(|&p| self.shape(p.into()))
    }

    /// Returns whether the model includes its discriminator, so that [`crate::Rows::score`] reports a score.
    pub fn has_score(&self) -> bool {
        self.image() + 1 < self.header.layers.len()
    }

    /// Index of the layer whose output is the image.
    pub(crate) fn image(&self) -> usize {
        self.header.images.last().map_or(0, |&p| p.into())
    }

    /// Index of the layer whose output is level `level`.
    pub(crate) fn level(&self, level: usize) -> Option<usize> {
        self.header.images.get(level).map(|&p| p.into())
    }

    pub(crate) fn shape(&self, layer: usize) -> Shape {
        self.shapes.get(layer).copied().unwrap_or_default()
    }

    /// Returns the length of the latent vector.
    pub fn latent_len(&self) -> usize {
        self.header.latent.into()
    }

    /// Returns the number of classes; 0 for an unconditional model.
    pub fn classes(&self) -> u16 {
        self.header.classes
    }

    /// Returns the bytes of RAM that drawing an image needs, for the kernels of this build.
    pub fn arena_len(&self) -> usize {
        self.arena_bytes(FAMILY)
    }

    /// Returns the bytes of RAM that drawing an image needs on cores of the given kernel family.
    pub fn arena_len_of(&self, family: KernelFamily) -> usize {
        self.arena_bytes(family as usize)
    }

    pub(crate) fn arena_bytes(&self, family: usize) -> usize {
        self.arenas.get(family).map_or(0, |&a| a as usize)
    }

    /// Returns the length of the model file in bytes.
    pub fn flash_bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the multiply-accumulates of one image, including those of the discriminator if the model has one.
    pub fn macs(&self) -> u64 {
        self.layers().map(|l| l.macs).sum()
    }

    /// Returns the multiply-accumulates of one image without its score.
    pub fn image_macs(&self) -> u64 {
        self.layers().take(self.image() + 1).map(|l| l.macs).sum()
    }

    /// Checks that an image with its score takes at most `limit` multiply-accumulates.
    ///
    /// A few kilobytes can describe a model that draws for hours, because the same weights are used for every pixel. Hosts that open files
    /// of unknown origin should set a limit.
    ///
    /// # Errors
    /// [`TooMuchWork`], with both numbers.
    pub fn within(self, limit: u64) -> Result<Self, TooMuchWork> {
        let found = self.macs();
        if found > limit { Err(TooMuchWork { found, limit }) } else { Ok(self) }
    }

    /// Returns the RAM in bytes that an implementation without row streaming needs: the largest sum of whole tensors that are alive at once.
    pub fn whole_tensor_bytes(&self) -> u64 {
        let layers = &self.header.layers;
        let alive = |at: usize| {
            let outputs = self
                .shapes
                .iter()
                .take(at)
                .enumerate()
                .filter(|&(i, _)| layers.iter().skip(at).any(|l| plan::reads(l, i)));
            outputs.map(|(_, s)| s.len()).sum::<u64>() + self.shapes.get(at).map_or(0, |s| s.len())
        };
        (0..layers.len()).map(alive).max().unwrap_or(0)
    }

    /// Returns a description of each layer, first to last.
    pub fn layers(&self) -> impl Iterator<Item = LayerFacts> + '_ {
        self.header.layers.iter().zip(&self.shapes).zip(self.rows).enumerate().map(
            move |(i, ((layer, &shape), rows))| LayerFacts {
                kind: layer.op.kind(),
                layout: layer.layout,
                shape,
                macs: macs(layer, self.input_shape(layer.input), shape),
                weight_bytes: layer.weights.len,
                ring_rows: rows,
                ring_bytes: core::array::from_fn(|family| {
                    plan::ring_bytes(Form::of(family, &self.header.layers, i), shape, rows)
                }),
            },
        )
    }

    /// Returns the number of directions in latent space that the exporter stored, the one that changes images most first.
    ///
    /// [`crate::Latent::coordinate`] and [`crate::Latent::set_coordinate`] use them.
    pub fn directions(&self) -> usize {
        (self.header.directions.len as usize).checked_div(self.latent_len()).unwrap_or(0)
    }

    /// Returns the values of a direction, i8 in units of 1/128; empty if there is no such direction.
    pub(crate) fn direction(&self, index: usize) -> &'a [u8] {
        let (Span { at, len }, each) = (self.header.directions, self.latent_len());
        let all = format::part(self.blob, at as usize, len as usize);
        format::part(all, index.saturating_mul(each), each)
    }

    pub(crate) fn layer_list(&self) -> &[Layer] {
        &self.header.layers
    }

    pub(crate) fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    pub(crate) fn lay_rings(&self, rings: &mut Rings, family: usize) {
        rings.lay(family, self.header.inputs(), &self.header.layers, &self.shapes, &self.rows);
    }

    pub(crate) fn ring_rows(&self, layer: usize) -> u16 {
        self.rows.get(layer).copied().unwrap_or(0)
    }

    pub(crate) fn blob(&self) -> &'a [u8] {
        self.blob
    }

    pub(crate) fn input_shape(&self, source: Source) -> Shape {
        plan::shape_of(source, self.header.inputs(), &self.shapes).unwrap_or_default()
    }

    pub(crate) fn zero_point(&self, source: Source) -> i8 {
        plan::zero_point(source, &self.header.layers)
    }
}

/// An image takes more multiply-accumulates than the limit of [`Model::within`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuchWork {
    /// Multiply-accumulates of an image with its score.
    pub found: u64,
    /// The limit.
    pub limit: u64,
}

impl fmt::Display for TooMuchWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an image takes {} multiply-accumulates, more than the limit of {}", self.found, self.limit)
    }
}

impl core::error::Error for TooMuchWork {}

/// Description and cost of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerFacts {
    /// Name of the operation, as in `conv-transpose`.
    pub kind: &'static str,
    /// Layout of its weights in flash.
    pub layout: WeightLayout,
    /// Shape of its output.
    pub shape: Shape,
    /// Multiply-accumulates for one image. Zero taps and additions are not counted.
    pub macs: u64,
    /// Bytes of weights in flash.
    pub weight_bytes: u32,
    /// Rows of output that its ring buffer holds.
    pub ring_rows: u16,
    ring_bytes: [u32; FAMILIES],
}

impl LayerFacts {
    /// Returns the bytes of its ring buffer in the arena, on cores of the given kernel family.
    pub fn ring_bytes(&self, family: KernelFamily) -> u32 {
        self.ring_bytes.get(family as usize).copied().unwrap_or(0)
    }
}

fn macs(layer: &Layer, input: Shape, out: Shape) -> u64 {
    let channels = u64::from(input.c) * u64::from(out.c);
    match layer.op {
        Op::Dense { .. } => input.len() * out.len(),
        Op::Conv { k, .. } => u64::from(out.h) * u64::from(out.w) * channels * u64::from(k) * u64::from(k),
        Op::ConvTranspose { k, s, p, .. } => {
            let taps = |side: u16| (0..side).map(|o| plan::transpose_taps(k, s, p, o).count as u64).sum::<u64>();
            taps(out.h) * taps(out.w) * channels
        }
        // One for each channel of each color, without the division.
        Op::Palette { .. } => u64::from(out.h) * u64::from(out.w) * channels,
        Op::Depthwise { k, .. } => out.len() * u64::from(k) * u64::from(k),
        Op::Upsample { .. } | Op::Add { .. } => 0,
    }
}
