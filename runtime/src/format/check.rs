//! The walk over a decoded header that proves a model safe to run: shapes, spans, multipliers, accumulators.
use super::{
    Activation, FormatError, Header, Layer, Layout, MAX_CHANNELS, MAX_KERNEL, MAX_LATENT, MAX_SIDE, Op, Shape, Span,
};
use crate::{
    plan,
    requant::Table,
    weights::{self, DENSE_GROUP, DENSE_LANE},
};
use heapless::Vec;

type Shapes = Vec<Shape, { super::MAX_LAYERS }>;

/// The i32 number `index` of a span.
pub(crate) fn read_i32(blob: &[u8], span: Span, index: usize) -> i32 {
    let at = (span.at as usize).saturating_add(index.saturating_mul(4));
    blob.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |b| i32::from_le_bytes(*b))
}

/// The bytes of a table, none for `Clamp`.
pub(crate) fn table_at(blob: &[u8], activation: Activation) -> Option<&Table> {
    match activation {
        Activation::Clamp => None,
        Activation::Table(span) => blob.get(span.at as usize..)?.first_chunk(),
    }
}

fn bytes_of(blob: &[u8], span: Span) -> Option<&[u8]> {
    blob.get(span.at as usize..)?.get(..span.len as usize)
}

/// Checks every layer; gives the layers' output shapes.
pub(crate) fn check(header: &Header<'_>, blob: &[u8]) -> Result<Shapes, FormatError> {
    let model = |what, found: usize, expected| {
        if found == expected as usize {
            Ok(())
        } else {
            Err(FormatError::Model { what, found: found as u32, expected })
        }
    };
    let latent = usize::from(header.latent);
    model("latent length, at least", latent.min(1), 1)?;
    if latent > MAX_LATENT {
        model("latent length, at most", latent, MAX_LATENT as u32)?;
    }
    model("classes", header.classes.into(), 0)?;
    let mut shapes = Shapes::new();
    for (index, layer) in header.layers.iter().enumerate() {
        let check = LayerCheck { index: index as u8, layer, header, shapes: &shapes, blob };
        let shape = check.run()?;
        // Both lists have the same capacity.
        _ = shapes.push(shape);
    }
    let Some(picture) = shapes.last() else {
        return Err(FormatError::Model { what: "layers, at least", found: 0, expected: 1 });
    };
    model("height of the picture", picture.h.into(), header.output.h.into())?;
    model("width of the picture", picture.w.into(), header.output.w.into())?;
    model("channels of the picture", picture.c.into(), header.output.c.into())?;
    if picture.c != 1 {
        model("channels of the picture, if not 1", picture.c.into(), 3)?;
    }
    for index in 0..shapes.len() - 1 {
        let source = super::Source::Layer(index as u8);
        if !header.layers.iter().any(|l| plan::inputs(l).any(|s| s == source)) {
            let layer = index as u8;
            return Err(FormatError::Layer { layer, what: "layers that read it, at least", found: 0, expected: 1 });
        }
    }
    Ok(shapes)
}

/// One layer and all that it is checked against.
struct LayerCheck<'a> {
    index: u8,
    layer: &'a Layer,
    header: &'a Header<'a>,
    shapes: &'a [Shape],
    blob: &'a [u8],
}

impl LayerCheck<'_> {
    fn fail<T>(&self, what: &'static str, found: u64, expected: u64) -> Result<T, FormatError> {
        let fit = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Err(FormatError::Layer { layer: self.index, what, found: fit(found), expected: fit(expected) })
    }

    fn equal(&self, what: &'static str, found: u64, expected: u64) -> Result<(), FormatError> {
        if found == expected { Ok(()) } else { self.fail(what, found, expected) }
    }

    fn at_most(&self, what: &'static str, found: u64, most: u64) -> Result<(), FormatError> {
        if found <= most { Ok(()) } else { self.fail(what, found, most) }
    }

    fn at_least(&self, what: &'static str, found: u64, least: u64) -> Result<(), FormatError> {
        if found >= least { Ok(()) } else { self.fail(what, found, least) }
    }

    fn run(&self) -> Result<Shape, FormatError> {
        let mut input = Shape::default();
        for source in plan::inputs(self.layer) {
            if let super::Source::Layer(i) = source
                && i >= self.index
            {
                return self.fail("layer it reads, below", i.into(), self.index.into());
            }
            let shape = plan::shape_of(source, self.header.latent, self.shapes).unwrap_or_default();
            if input != Shape::default() && shape != input {
                return self.fail("values of the second tensor", shape.len(), input.len());
            }
            input = shape;
        }
        let shape = self.output_shape(input)?;
        self.at_least("values, at least", shape.len(), 1)?;
        self.at_most("height, at most", shape.h.into(), MAX_SIDE.into())?;
        self.at_most("width, at most", shape.w.into(), MAX_SIDE.into())?;
        self.at_most("channels, at most", shape.c.into(), MAX_CHANNELS.into())?;
        self.check_numbers(input, shape)?;
        Ok(shape)
    }

    fn output_shape(&self, input: Shape) -> Result<Shape, FormatError> {
        let side = |n: i64| u16::try_from(n).unwrap_or(0);
        Ok(match self.layer.op {
            Op::Dense { shape } => shape,
            Op::Add { .. } => input,
            Op::Upsample { factor } => {
                self.at_least("factor, at least", factor.into(), 1)?;
                let times = |n: u16| n.saturating_mul(factor.into());
                Shape { h: times(input.h), w: times(input.w), c: input.c }
            }
            Op::Conv { k, s, p, c } => {
                self.check_kernel(k, s, p)?;
                let out = |n: u16| match i64::from(n) + 2 * i64::from(p) - i64::from(k) {
                    spare if spare < 0 => 0,
                    spare => side(spare / i64::from(s.max(1)) + 1),
                };
                Shape { h: out(input.h), w: out(input.w), c }
            }
            Op::ConvTranspose { k, s, p, c } => {
                self.check_kernel(k, s, p)?;
                self.at_least("kernel, at least the stride,", k.into(), s.into())?;
                let out = |n: u16| side((i64::from(n) - 1) * i64::from(s) + i64::from(k) - 2 * i64::from(p));
                Shape { h: out(input.h), w: out(input.w), c }
            }
        })
    }

    fn check_kernel(&self, k: u8, s: u8, p: u8) -> Result<(), FormatError> {
        self.at_least("kernel, at least", k.into(), 1)?;
        self.at_most("kernel, at most", k.into(), MAX_KERNEL.into())?;
        self.at_least("stride, at least", s.into(), 1)?;
        self.at_most("stride, at most", s.into(), MAX_KERNEL.into())?;
        // Then every window touches the picture.
        self.at_most("padding, at most", p.into(), u64::from(k) - 1)
    }

    fn check_numbers(&self, input: Shape, out: Shape) -> Result<(), FormatError> {
        let Layer { op, weights, bias, scale, activation, layout, .. } = *self.layer;
        if layout == Layout::Fast && !weights::has_fast(op) {
            return self.fail("layout, where only 0 (compact) is possible,", 1, 0);
        }
        if let Op::Upsample { .. } = op {
            return self.check_upsample();
        }
        self.bytes("bytes of weights", weights, weights::bytes(op, layout, input, out))?;
        let c_out = u64::from(out.c);
        let channels = if matches!(op, Op::Add { .. }) { 1 } else { c_out };
        let biases = match op {
            Op::Dense { .. } if u64::from(bias.len) != 4 * c_out => out.len(),
            _ if weights::doubles(op) => 16 * c_out,
            Op::ConvTranspose { s, .. } => u64::from(s) * u64::from(s) * c_out,
            _ => channels,
        };
        self.bytes("bytes of biases", bias, 4 * biases)?;
        for m in self.bytes("bytes of multipliers", scale, 4 * channels)?.chunks_exact(4) {
            let m = m.first_chunk().map_or(0, |b| u32::from_le_bytes(*b));
            self.at_most("multiplier, at most", m.into(), (1 << 31) - 1)?;
        }
        if let Activation::Table(span) = activation {
            self.bytes("bytes of the activation table", span, 2 * super::TABLE_LEN as u64)?;
        }
        self.check_accumulators(input, out)
    }

    /// An upsampling layer has no numbers and passes its input's zero point on.
    fn check_upsample(&self) -> Result<(), FormatError> {
        let Layer { weights, bias, scale, activation, zero_point, input, interval, .. } = *self.layer;
        self.equal("bytes of numbers", u64::from(weights.len) + u64::from(bias.len) + u64::from(scale.len), 0)?;
        self.equal("lane interval", interval.into(), 0)?;
        self.equal("activations", u64::from(activation != Activation::Clamp), 0)?;
        let before = match input {
            super::Source::Latent => 0,
            super::Source::Layer(i) => self.header.layers.get(usize::from(i)).map_or(0, |l| l.zero_point),
        };
        self.equal("zero point, plus 128,", (i32::from(zero_point) + 128) as u64, (i32::from(before) + 128) as u64)
    }

    fn bytes(&self, what: &'static str, span: Span, expected: u64) -> Result<&[u8], FormatError> {
        self.equal(what, span.len.into(), expected)?;
        if !span.at.is_multiple_of(4) {
            return self.fail("offset in the blob, modulo 4,", u64::from(span.at % 4), 0);
        }
        match bytes_of(self.blob, span) {
            Some(bytes) => Ok(bytes),
            None => self.fail(
                "end of its numbers, at most the blob's,",
                u64::from(span.at) + u64::from(span.len),
                self.blob.len() as u64,
            ),
        }
    }

    /// |bias| + 128 Σ|w| of every output must fit an i32; no weight may be -128; no lane may overflow.
    fn check_accumulators(&self, input: Shape, out: Shape) -> Result<(), FormatError> {
        let Layer { op, weights, bias, layout, interval, .. } = *self.layer;
        let bytes = bytes_of(self.blob, weights).unwrap_or_default();
        if !weights::doubles(op) {
            self.equal("lane interval", interval.into(), 0)?;
        }
        if let Op::Add { .. } = op {
            let wide = |i| u64::from(read_i32(self.blob, weights, i).unsigned_abs());
            return self.check_sum(wide(0) + wide(1), read_i32(self.blob, bias, 0));
        }
        match layout {
            Layout::Compact => {
                if let Some(at) = bytes.iter().position(|&w| w == 0x80) {
                    return self.fail("weights of -128, the first at byte", at as u64, 0);
                }
            }
            Layout::Fast => self.check_words(bytes, if weights::doubles(op) { weights::LANE } else { DENSE_LANE })?,
        }
        let biases = (bias.len / 4).max(1) as usize;
        match op {
            _ if weights::doubles(op) => self.check_doubling(input.c.into(), out.c.into()),
            Op::Dense { .. } if layout == Layout::Fast => self.check_dense_words(bytes, input, out, biases),
            Op::ConvTranspose { k, s, c, .. } => {
                let (mut rest, mut output) = (bytes, 0);
                for (ry, rx) in (0..s).flat_map(|ry| (0..s).map(move |rx| (ry, rx))) {
                    let window = plan::phase_taps(k, s, ry) * plan::phase_taps(k, s, rx) * usize::from(input.c);
                    let (phase, after) = rest.split_at(rest.len().min(window * usize::from(c)));
                    for taps in phase.chunks_exact(window.max(1)) {
                        self.check_sum(magnitude(taps), read_i32(self.blob, bias, output))?;
                        output += 1;
                    }
                    rest = after;
                }
                Ok(())
            }
            _ => {
                let outputs = if matches!(op, Op::Dense { .. }) { out.len() } else { out.c.into() };
                let each = bytes.len() / (outputs as usize).max(1);
                let mut rows = bytes.chunks_exact(each.max(1)).enumerate();
                rows.try_for_each(|(o, row)| self.check_sum(magnitude(row), read_i32(self.blob, bias, o % biases)))
            }
        }
    }

    /// Every word must be two weights and nothing else.
    fn check_words(&self, bytes: &[u8], lane: u32) -> Result<(), FormatError> {
        let sound = |word: i32| {
            let (low, high) = (weights::low(word), weights::high(word, lane));
            low != -128 && (-127..=127).contains(&high) && weights::join(low, high as i8, lane) == word
        };
        match bytes.chunks_exact(4).position(|b| !sound(weights::word(b))) {
            Some(at) => self.fail("words that are no pair of weights, the first at byte", 4 * at as u64, 0),
            None => Ok(()),
        }
    }

    /// Accumulators, and the proof that lanes may be emptied as seldom as the interval says.
    fn check_doubling(&self, c_in: usize, c_out: usize) -> Result<(), FormatError> {
        let Layer { bias, interval, .. } = *self.layer;
        self.at_least("lane interval, at least", interval.into(), 1)?;
        for (ry, o) in [1, 0].into_iter().flat_map(|ry| (0..c_out).map(move |o| (ry, o))) {
            let taps = weights::Taps::new(self.blob, self.layer, c_in, c_out, ry, o);
            for column in 0..2 {
                let sum: u64 = (0..2 * c_in).map(|step| u64::from(taps.magnitude(column, step, c_in))).sum();
                // Inner rows and the border row, each with inner columns and the border column.
                for case in [0, 1, 4, 5] {
                    let at = 16 * o + 8 * (1 - ry) + 2 * column + case;
                    self.check_sum(sum, read_i32(self.blob, bias, at))?;
                }
                // So many weights of any size always fit.
                let always = (weights::LANE_BUDGET / 254) as u16;
                if interval > always && sum > weights::LANE_BUDGET.into() {
                    let most = taps.busiest(column, interval.into(), c_in);
                    let what = "largest sum of weights in a lane interval, at most";
                    self.at_most(what, most.into(), weights::LANE_BUDGET.into())?;
                }
            }
        }
        Ok(())
    }

    fn check_dense_words(&self, bytes: &[u8], input: Shape, out: Shape, biases: usize) -> Result<(), FormatError> {
        let each = (input.len() as usize).saturating_mul(2 * DENSE_GROUP).max(1);
        let groups = out.row_len().div_ceil(DENSE_GROUP);
        for (index, group) in bytes.chunks_exact(each).enumerate() {
            let (y, first) = (index.checked_div(groups).unwrap_or(0), index.checked_rem(groups).unwrap_or(0));
            for unit in 0..DENSE_GROUP {
                let words = group.chunks_exact(4).skip(unit / 2).step_by(DENSE_GROUP / 2).map(weights::word);
                let weight = |w| if unit % 2 == 0 { weights::low(w).into() } else { weights::high(w, DENSE_LANE) };
                let sum = words.map(|w| u64::from(weight(w).unsigned_abs())).sum();
                let x = first * DENSE_GROUP + unit;
                if x < out.row_len() {
                    let at = (y * out.row_len() + x).checked_rem(biases).unwrap_or(0);
                    self.check_sum(sum, read_i32(self.blob, self.layer.bias, at))?;
                }
            }
        }
        Ok(())
    }

    fn check_sum(&self, weights: u64, bias: i32) -> Result<(), FormatError> {
        let bound = weights * 128 + u64::from(bias.unsigned_abs());
        self.at_most("largest accumulator, at most", bound, i32::MAX as u64)
    }
}

fn magnitude(weights: &[u8]) -> u64 {
    weights.iter().map(|&w| u64::from((w as i8).unsigned_abs())).sum()
}
