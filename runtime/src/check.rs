//! Validation of a decoded header: shapes, spans, multipliers and accumulator bounds, so that running the model is safe.
use crate::{
    format::{
        Activation, Expected, FormatError, Header, Layer, MAX_CHANNELS, MAX_COLORS, MAX_KERNEL, MAX_LATENT, MAX_LAYERS,
        MAX_SIDE, Op, Shape, Source, Span, TABLE_LEN, WeightLayout, product,
    },
    plan,
    weights::{self, DENSE_LANE, LANE, LANE_BUDGET},
};
use heapless::Vec;

/// The output shapes of a model's layers.
pub(crate) type Shapes = Vec<Shape, MAX_LAYERS>;

/// Checks every layer, appends its output shape to the empty list `shapes`, and sets the number of rows of its ring buffer. On failure
/// `fault` is the reason.
pub(crate) fn check(
    header: &Header<'_>,
    blob: &[u8],
    shapes: &mut Shapes,
    rows: &mut [u16; MAX_LAYERS],
    fault: &mut FormatError,
) -> Option<()> {
    Check { header, blob, shapes, layer: None, fault }.model(rows)
}

/// A required relation between a value and its bound, with the name of the property for the message.
enum Rule {
    Equal(&'static str),
    AtMost(&'static str),
    AtLeast(&'static str),
}

/// State of the validation. Every step returns `None` after a fault.
///
/// The fault is stored here, because returning it through every call would double the code size.
struct Check<'a> {
    header: &'a Header<'a>,
    blob: &'a [u8],
    shapes: &'a mut Shapes,
    /// The layer that is being checked.
    layer: Option<u8>,
    fault: &'a mut FormatError,
}

impl<'a> Check<'a> {
    #[cold]
    #[inline(never)]
    fn fail(&mut self, what: &'static str, found: u32, expected: Expected) -> Option<()> {
        *self.fault = match self.layer {
            Some(layer) => FormatError::Layer { layer, what, found, expected },
            None => FormatError::Model { what, found, expected },
        };
        None
    }

    /// Checks that `found` has the required relation to `bound`.
    #[inline(never)]
    fn keep(&mut self, rule: &Rule, found: u32, bound: u32) -> Option<()> {
        let (what, kept, expected) = match *rule {
            Rule::Equal(what) => (what, found == bound, Expected::Exactly(bound)),
            Rule::AtMost(what) => (what, found <= bound, Expected::AtMost(bound)),
            Rule::AtLeast(what) => (what, found >= bound, Expected::AtLeast(bound)),
        };
        if kept { Some(()) } else { self.fail(what, found, expected) }
    }

    #[inline(never)]
    fn model(&mut self, rows: &mut [u16; MAX_LAYERS]) -> Option<()> {
        let header = self.header;
        self.keep(&Rule::AtLeast("latent length"), header.latent.into(), 1)?;
        self.keep(&Rule::AtMost("latent length and classes"), header.inputs().into(), MAX_LATENT as u32)?;
        self.keep(&Rule::AtLeast("layers"), header.layers.len() as u32, 1)?;
        for (index, layer) in header.layers.iter().enumerate() {
            self.layer = Some(index as u8);
            let input = self.input(layer, index as u8)?;
            let shape = self.output(layer, input)?;
            self.numbers(layer, input, shape)?;
            // Both lists have the same capacity.
            _ = self.shapes.push(shape);
        }
        let last = header.layers.len() as u8 - 1;
        for index in 0..=last {
            self.layer = Some(index);
            let (mut readers, mut words) = (0, 0);
            for layer in header.layers.iter().filter(|l| plan::reads(l, index.into())) {
                readers += 1;
                words += u32::from(layer.doubles());
            }
            let shown = header.images.contains(&index);
            if words > 0 {
                // Other layers cannot read rows of words.
                self.keep(
                    &Rule::Equal("readers, of which all must be doubling layers"),
                    readers + u32::from(shown),
                    words,
                )?;
            }
            if index < last && !shown {
                self.keep(&Rule::AtLeast("layers that read it"), readers, 1)?;
            }
        }
        self.layer = None;
        // Whole directions, of any values.
        let len = header.directions.len;
        let whole = len - len.checked_rem(header.latent.into()).unwrap_or(0);
        self.bytes(&Rule::Equal("bytes of directions"), header.directions, whole)?;
        self.keep(&Rule::AtLeast("images"), header.images.len() as u32, 1)?;
        let (mut least, mut shape) = (0, Shape::default());
        for &image in &header.images {
            self.keep(&Rule::AtLeast("layer of an image"), image.into(), least)?;
            self.keep(&Rule::AtMost("layer of an image"), image.into(), last.into())?;
            least = u32::from(image) + 1;
            shape = self.shapes.get(usize::from(image)).copied().unwrap_or_default();
            if shape.c != 1 {
                self.keep(&Rule::Equal("channels of a color image"), shape.c.into(), 3)?;
            }
        }
        if least <= last.into() {
            let values = self.shapes.last().map_or(0, |s| s.count());
            self.keep(&Rule::Equal("outputs of the discriminator"), values, 1)?;
        }
        let drawn = plan::ring_rows(&header.images, &header.layers, self.shapes, rows);
        self.keep(&Rule::Equal("rows of the image that the score depends on"), drawn.into(), shape.h.into())
    }

    /// Returns the shape of the layer's input.
    #[inline(never)]
    fn input(&mut self, layer: &Layer, index: u8) -> Option<Shape> {
        let mut input = Shape::default();
        let [first, second] = plan::inputs(layer);
        for &source in &[first, second] {
            if let Source::Layer(i) = source
                && i >= index
            {
                self.fail("number of the layer that it reads", i.into(), Expected::Below(index.into()))?;
            }
            let shape = plan::shape_of(source, self.header.inputs(), self.shapes).unwrap_or_default();
            if input == Shape::default() {
                input = shape;
            } else if let Op::Palette { .. } = layer.op {
                self.keep(&Rule::AtMost("colors"), input.c.into(), MAX_COLORS as u32)?;
                self.keep(&Rule::Equal("pixels of the palette"), u32::from(shape.h) * u32::from(shape.w), 1)?;
                let whole = shape.c - shape.c.checked_rem(input.c).unwrap_or(0);
                self.keep(&Rule::Equal("numbers of the palette"), shape.c.into(), whole.into())?;
            } else if shape != input {
                self.fail("values of the second tensor", shape.count(), Expected::Exactly(input.count()))?;
            }
        }
        Some(input)
    }

    /// Checks the parameters of the operation and returns the shape of the layer's output.
    #[inline(never)]
    fn output(&mut self, layer: &Layer, input: Shape) -> Option<Shape> {
        let out = match layer.op {
            Op::Dense { shape } => shape,
            Op::Add { .. } => input,
            Op::Palette { colors } => {
                let palette = plan::shape_of(colors, self.header.inputs(), self.shapes).unwrap_or_default();
                Shape { c: palette.c.checked_div(input.c).unwrap_or(0), ..input }
            }
            Op::Upsample { factor } => {
                self.keep(&Rule::AtLeast("factor"), factor.into(), 1)?;
                let times = |n: u16| n.saturating_mul(factor.into());
                Shape { h: times(input.h), w: times(input.w), c: input.c }
            }
            Op::Conv { k, s, p, .. } | Op::ConvTranspose { k, s, p, .. } | Op::Depthwise { k, s, p } => {
                let c = if let Op::Conv { c, .. } | Op::ConvTranspose { c, .. } = layer.op { c } else { input.c };
                let (k, s, p) = (u32::from(k), u32::from(s), u32::from(p));
                self.keep(&Rule::AtLeast("kernel size"), k, 1)?;
                self.keep(&Rule::AtMost("kernel size"), k, MAX_KERNEL.into())?;
                self.keep(&Rule::AtLeast("stride"), s, 1)?;
                self.keep(&Rule::AtMost("stride"), s, MAX_KERNEL.into())?;
                // This bound makes every window overlap the input.
                self.keep(&Rule::AtMost("padding"), p, k - 1)?;
                let transposed = matches!(layer.op, Op::ConvTranspose { .. });
                if transposed {
                    self.keep(&Rule::AtLeast("kernel size"), k, s)?;
                }
                // If the input is too small for the kernel, the side is 0, which is refused below.
                let side = |n: u16| {
                    let n = u32::from(n);
                    let side = if transposed {
                        (n.saturating_sub(1) * s + k).saturating_sub(2 * p)
                    } else {
                        (n + 2 * p + s).saturating_sub(k).checked_div(s).unwrap_or(0)
                    };
                    side as u16
                };
                Shape { h: side(input.h), w: side(input.w), c }
            }
        };
        self.keep(&Rule::AtLeast("values"), out.count(), 1)?;
        self.keep(&Rule::AtMost("height"), out.h.into(), MAX_SIDE.into())?;
        self.keep(&Rule::AtMost("width"), out.w.into(), MAX_SIDE.into())?;
        self.keep(&Rule::AtMost("channels"), out.c.into(), MAX_CHANNELS.into())?;
        Some(out)
    }

    /// Checks the weights, biases, multipliers and activation table of a layer, and its largest accumulator.
    #[inline(never)]
    fn numbers(&mut self, layer: &Layer, input: Shape, out: Shape) -> Option<()> {
        let Layer { op, bias, layout, interval, activation, .. } = *layer;
        if layer.doubles() && (!weights::can_double(op) || layer.input == Source::Latent) {
            self.fail("lane interval of a layer that does not double", interval.into(), Expected::Exactly(0))?;
        }
        if layout == WeightLayout::Fast && !weights::has_fast(layer) {
            self.fail("weight layout", 1, Expected::Exactly(0))?;
        }
        let (c_in, c_out) = (u32::from(input.c), u32::from(out.c));
        let bytes = self.bytes(&Rule::Equal("bytes of weights"), layer.weights, weights::bytes(layer, input, out))?;
        // Number of biases, multipliers, and weights per output.
        let (biases, scales, window) = match op {
            Op::Dense { .. } if bias.len == 4 * c_out => (c_out, c_out, input.count()),
            Op::Dense { .. } => (out.count(), c_out, input.count()),
            Op::Conv { k, .. } => (c_out, c_out, u32::from(k) * u32::from(k) * c_in),
            Op::Depthwise { k, .. } => (c_out, c_out, u32::from(k) * u32::from(k)),
            Op::ConvTranspose { k, s, .. } => {
                let (phases, taps) = (u32::from(s), plan::phase_taps(k, s, 0) as u32);
                let cases = if layer.doubles() { 16 } else { phases * phases };
                (cases * c_out, c_out, taps * taps * c_in)
            }
            Op::Add { .. } => (1, 1, 0),
            Op::Upsample { .. } | Op::Palette { .. } => (0, 0, 0),
        };
        let biases = self.bytes(&Rule::Equal("bytes of biases"), bias, product(biases, 4))?;
        for m in words(self.bytes(&Rule::Equal("bytes of multipliers"), layer.scale, 4 * scales)?) {
            self.keep(&Rule::AtMost("multiplier"), m as u32, i32::MAX as u32)?;
        }
        let mut table = &[][..];
        if let Activation::Table(span) = activation {
            table = self.bytes(&Rule::Equal("bytes of the activation table"), span, 2 * TABLE_LEN as u32)?;
        }
        // Bound on the accumulator without the bias.
        let reach = match op {
            Op::Add { .. } => words(bytes).fold(0, |sum: u32, w| sum.saturating_add(w.unsigned_abs())),
            _ => product(window, 127),
        };
        let reach = product(reach, 128);
        for bias in words(biases) {
            let most = reach.saturating_add(bias.unsigned_abs());
            self.keep(&Rule::AtMost("largest accumulator"), most, i32::MAX as u32)?;
        }
        // Upsampling copies values, and a palette mixes them, so the zero points must be equal.
        let copied = match op {
            Op::Add { .. } => return Some(()),
            Op::Upsample { .. } => {
                self.keep(
                    &Rule::Equal("activations of an upsampling layer"),
                    (activation != Activation::Clamp).into(),
                    0,
                )?;
                layer.input
            }
            Op::Palette { colors } => {
                let mut shares = table.as_chunks().0.iter().map(|b| i16::from_le_bytes(*b));
                let first = shares.next().unwrap_or(0);
                self.keep(&Rule::AtLeast("share of the largest value"), first.max(0) as u32, 1)?;
                self.keep(&Rule::Equal("negative shares"), shares.filter(|s| *s < 0).count() as u32, 0)?;
                colors
            }
            _ => return self.weights(layer, bytes, c_in as usize, c_out as usize),
        };
        let before = plan::zero_point(copied, &self.header.layers);
        let shown = |z: i8| u32::from(z as u8 ^ 0x80);
        self.keep(&Rule::Equal("zero point plus 128"), shown(layer.zero_point), shown(before))
    }

    /// Returns the bytes of a span.
    #[inline(never)]
    fn bytes(&mut self, what: &Rule, span: Span, expected: u32) -> Option<&'a [u8]> {
        self.keep(what, span.len, expected)?;
        self.keep(&Rule::Equal("offset in the blob modulo 4"), span.at % 4, 0)?;
        let bytes = self.blob.get(span.at as usize..).and_then(|b| b.get(..span.len as usize));
        if bytes.is_none() {
            let what = "end of its numbers in the blob";
            self.fail(what, span.at.saturating_add(span.len), Expected::AtMost(self.blob.len() as u32))?;
        }
        bytes
    }

    /// Checks that no weight is -128, that every word encodes a pair of weights, and that no lane overflows within the interval.
    #[inline(never)]
    fn weights(&mut self, layer: &Layer, bytes: &[u8], c_in: usize, c_out: usize) -> Option<()> {
        // Up to this interval any weights fit a lane, so only longer intervals need the sums below.
        let proved = layer.interval > (LANE_BUDGET / 254) as u16;
        let mut most = 0;
        if proved {
            for ry in 0..2 {
                let phase = weights::Taps::of_phase(self.blob, layer, c_in, c_out, ry);
                for o in 0..c_out {
                    let taps = phase.channel(o, c_in);
                    for column in 0..2 {
                        most = taps.largest_sum(column, c_in, layer.interval.into()).max(most);
                    }
                }
            }
        }
        let plain = layer.doubles() || matches!(layer.op, Op::Depthwise { .. });
        let odd = match layer.layout {
            // A sum with a weight of -128 would exceed the budget, so there is none.
            WeightLayout::Compact if proved && most <= LANE_BUDGET => None,
            WeightLayout::Compact if plain => weights::first_minus_128(bytes),
            WeightLayout::Compact => weights::first_invalid_half(bytes),
            WeightLayout::Fast => weights::first_invalid_word(bytes, if layer.doubles() { LANE } else { DENSE_LANE }),
        };
        if let Some(at) = odd {
            self.fail("offset of a weight outside -127 to 127", at as u32, Expected::Nothing)?;
        }
        self.keep(&Rule::AtMost("largest sum of weights in a lane interval"), most, LANE_BUDGET)
    }
}

/// Returns the little-endian i32 numbers in `bytes`.
fn words(bytes: &[u8]) -> impl Iterator<Item = i32> {
    bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b))
}
