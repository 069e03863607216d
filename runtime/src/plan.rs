//! Row streaming: which input rows a layer needs, the order of rows, and the size of each ring buffer.
use crate::format::{Layer, MAX_LAYERS, Op, Shape, Source, WeightLayout, product};

/// One axis of a window: `count` input positions from `start`, which may be in the padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taps {
    pub(crate) start: i32,
    pub(crate) count: usize,
}

/// Returns the input positions that output position `o` of a convolution reads.
pub(crate) fn conv_taps(k: u8, s: u8, p: u8, o: u16) -> Taps {
    Taps { start: i32::from(o) * i32::from(s) - i32::from(p), count: usize::from(k) }
}

/// Returns the input positions that output position `o` of a transposed convolution reads, in ascending order.
///
/// Only the kernel taps of the phase `(o + p) mod s` meet an input; no zeros are inserted.
pub(crate) fn transpose_taps(k: u8, s: u8, p: u8, o: u16) -> Taps {
    // A checked model has no stride 0. Checked divisions compile to code without a panic.
    let (at, by) = (u32::from(o) + u32::from(p), u32::from(s));
    let count = phase_taps(k, s, at.checked_rem(by).unwrap_or(0) as u8);
    Taps { start: at.checked_div(by).unwrap_or(0) as i32 + 1 - count as i32, count }
}

/// Returns the number of kernel taps of a phase: `phase`, `phase + s`, … below `k`.
pub(crate) fn phase_taps(k: u8, s: u8, phase: u8) -> usize {
    let left = u32::from(k.saturating_sub(phase)) + u32::from(s.saturating_sub(1));
    left.checked_div(u32::from(s)).unwrap_or(0) as usize
}

/// Returns the first and last input row that output row `y` of `layer` needs, without padding.
fn needs(layer: &Layer, input: Shape, y: u16) -> (u16, u16) {
    let bottom = input.h.saturating_sub(1);
    let taps = match layer.op {
        Op::Dense { .. } => return (0, bottom),
        Op::Add { .. } => return (y, y),
        // A palette is a single row.
        Op::Palette { .. } => return (y.min(bottom), y.min(bottom)),
        Op::Upsample { factor } => {
            let row = y.checked_div(u16::from(factor)).unwrap_or(0);
            return (row, row);
        }
        Op::Conv { k, s, p, .. } | Op::Depthwise { k, s, p } => conv_taps(k, s, p, y),
        Op::ConvTranspose { k, s, p, .. } => transpose_taps(k, s, p, y),
    };
    let clip = |row: i32| row.clamp(0, i32::from(bottom)) as u16;
    (clip(taps.start), clip(taps.start + taps.count as i32 - 1))
}

/// Returns the two tensors that `layer` reads; both are the same if it reads one.
pub(crate) fn inputs(layer: &Layer) -> [Source; 2] {
    [layer.input, if let Op::Add { other } | Op::Palette { colors: other } = layer.op { other } else { layer.input }]
}

/// Returns whether `layer` reads the output of layer `index`.
pub(crate) fn reads(layer: &Layer, index: usize) -> bool {
    let ([first, second], tensor) = (inputs(layer), Source::Layer(index as u8));
    first == tensor || second == tensor
}

/// Returns the zero point of a tensor; the latent's is 0.
pub(crate) fn zero_point(source: Source, layers: &[Layer]) -> i8 {
    match source {
        Source::Latent => 0,
        Source::Layer(i) => layers.get(usize::from(i)).map_or(0, |l| l.zero_point),
    }
}

/// Returns the shape of a layer's input. The latent vector with its classes is one pixel.
pub(crate) fn shape_of(source: Source, inputs: u16, shapes: &[Shape]) -> Option<Shape> {
    match source {
        Source::Latent => Some(Shape { h: 1, w: 1, c: inputs }),
        Source::Layer(i) => shapes.get(usize::from(i)).copied(),
    }
}

/// The order in which layers compute rows. It follows from the number of rows that each layer has computed.
///
/// Sizing the ring buffers and drawing an image use the same schedule.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    made: [u16; MAX_LAYERS],
}

impl Schedule {
    pub(crate) fn new() -> Self {
        Self { made: [0; MAX_LAYERS] }
    }

    pub(crate) fn made(&self, layer: usize) -> u16 {
        self.made.get(layer).copied().unwrap_or(0)
    }

    /// Returns the layer that computes the next row on the way to the next row of `target`; `None` after the last row.
    pub(crate) fn next(&self, target: usize, layers: &[Layer], shapes: &[Shape]) -> Option<usize> {
        let mut at = target;
        if self.made(at) >= shapes.get(at)?.h {
            return None;
        }
        // The inputs of a layer are earlier layers, so the loop ends.
        loop {
            let layer = layers.get(at)?;
            let y = self.made(at);
            let [first, second] = inputs(layer);
            let missing = |source| match source {
                Source::Latent => None,
                Source::Layer(i) => {
                    let i = usize::from(i);
                    let (_, last) = needs(layer, *shapes.get(i)?, y);
                    (i < at && self.made(i) <= last).then_some(i)
                }
            };
            match missing(first).or_else(|| missing(second)) {
                Some(i) => at = i,
                None => return Some(at),
            }
        }
    }

    /// Records that `layer` has computed a row.
    pub(crate) fn advance(&mut self, layer: usize) {
        if let Some(made) = self.made.get_mut(layer) {
            *made = made.saturating_add(1);
        }
    }

    /// Returns the number of rows of `layer` that must be in its ring buffer when its next row is written. Only readers in the bit set
    /// `running` count.
    fn alive(&self, layer: usize, running: u32, layers: &[Layer], shapes: &[Shape]) -> u16 {
        let newest = self.made(layer);
        let mut oldest = newest;
        let input = shapes.get(layer).copied().unwrap_or_default();
        for (i, ((reader, shape), &made)) in layers.iter().zip(shapes).zip(&self.made).enumerate() {
            if running >> i & 1 == 1 && reads(reader, layer) && made < shape.h {
                oldest = oldest.min(needs(reader, input, made).0);
            }
        }
        newest - oldest + 1
    }
}

/// Returns the set of layers that `target` depends on, including itself, as bits.
fn ancestors(target: usize, layers: &[Layer]) -> u32 {
    let mut found = 1u32 << (target % MAX_LAYERS);
    for (i, layer) in layers.iter().enumerate().rev() {
        for source in inputs(layer) {
            if let Source::Layer(before) = source
                && found >> i & 1 == 1
            {
                found |= 1 << (usize::from(before) % MAX_LAYERS);
            }
        }
    }
    found
}

/// Computes the rows of each ring buffer by simulating the schedule of each image and of the last layer.
///
/// Returns the rows of the full image that the last layer depends on.
#[inline(never)]
pub(crate) fn ring_rows(images: &[u8], layers: &[Layer], shapes: &[Shape], rows: &mut [u16; MAX_LAYERS]) -> u16 {
    let last = layers.len().saturating_sub(1) as u8;
    let image = images.last().map_or(0, |&image| image.into());
    let mut drawn = 0;
    for &target in images.iter().chain(&[last]) {
        let (target, mut schedule) = (target.into(), Schedule::new());
        drawn = 0;
        let running = ancestors(target, layers);
        while let Some(at) = schedule.next(target, layers, shapes) {
            let alive = schedule.alive(at, running, layers, shapes);
            if let Some(most) = rows.get_mut(at) {
                *most = alive.max(*most);
            }
            schedule.advance(at);
            drawn += u16::from(at == image);
        }
    }
    drawn
}

/// Layout of the rows of a tensor in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Pixel by pixel, one byte per value.
    Plain,
    /// Blocks of four pixels, channel by channel; each channel has two words of two pixels.
    Packed,
}

impl Form {
    /// Returns the form of the output of layer `index` in a kernel family: packed if its readers are doubling layers.
    pub(crate) fn of(family: usize, layers: &[Layer], index: usize) -> Self {
        let read = layers.iter().any(|l| l.doubles() && l.input == Source::Layer(index as u8));
        if family == 1 && read { Self::Packed } else { Self::Plain }
    }

    /// Returns the bytes of a row.
    pub(crate) fn row_bytes(self, shape: Shape) -> usize {
        match self {
            Self::Plain => shape.row_len(),
            Self::Packed => usize::from(shape.w).div_ceil(4) * 8 * usize::from(shape.c),
        }
    }
}

/// Returns the bytes of a ring buffer. Sizes here saturate at the largest u32.
pub(crate) fn ring_bytes(form: Form, shape: Shape, rows: u16) -> u32 {
    // A row of a checked shape takes at most 8 MB.
    product(form.row_bytes(shape) as u32, rows.into()).saturating_add(3) & !3
}

/// Returns the bytes at the start of the arena that hold the latent vector and its classes.
pub(crate) fn latent_bytes(inputs: u16) -> u32 {
    u32::from(inputs).next_multiple_of(4)
}

/// Returns the bytes at the end of the arena into which packed kernels unpack the weights of one channel.
pub(crate) fn scratch_bytes(family: usize, layers: &[Layer], shapes: &[Shape]) -> u32 {
    let mut most = 0;
    for layer in layers {
        if let Source::Layer(i) = layer.input
            && layer.layout == WeightLayout::Compact
            && layer.doubles()
            && family == 1
        {
            most = shapes.get(usize::from(i)).map_or(0, |s| 16 * u32::from(s.c)).max(most);
        }
    }
    most
}

/// Position of a ring buffer in the arena, and the layout of its rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) start: u32,
    pub(crate) form: Form,
}

/// Position of the latent vector.
pub(crate) const LATENT: Place = Place { start: 0, form: Form::Plain };

/// The ring buffers, which follow the latent vector in the arena.
#[derive(Clone, Debug)]
pub(crate) struct Rings {
    pub(crate) places: [Place; MAX_LAYERS],
    /// End of the last ring buffer and start of the scratch memory.
    pub(crate) end: u32,
}

impl Rings {
    /// Creates a list without ring buffers.
    pub(crate) const fn none() -> Self {
        Self { places: [LATENT; MAX_LAYERS], end: 0 }
    }

    /// Places the ring buffers for a kernel family; `rows` has the number of rows of each.
    #[inline(never)]
    pub(crate) fn lay(&mut self, family: usize, inputs: u16, layers: &[Layer], shapes: &[Shape], rows: &[u16]) {
        self.end = latent_bytes(inputs);
        for (index, ((place, &shape), &rows)) in self.places.iter_mut().zip(shapes).zip(rows).enumerate() {
            let form = Form::of(family, layers, index);
            *place = Place { start: self.end, form };
            self.end = self.end.saturating_add(ring_bytes(form, shape, rows));
        }
    }
}

/// Returns the bytes of the whole arena for a kernel family.
pub(crate) fn arena(family: usize, inputs: u16, layers: &[Layer], shapes: &[Shape], rows: &[u16]) -> u32 {
    let mut rings = Rings::none();
    rings.lay(family, inputs, layers, shapes, rows);
    rings.end.saturating_add(scratch_bytes(family, layers, shapes))
}
