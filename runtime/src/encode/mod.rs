//! Writes model files from quantized weights in training order.
//!
//! [`ModelBuilder`] collects layers, chooses the layout of their weights, and returns a file that has passed the same checks as
//! [`crate::Model::from_bytes`].
mod arrange;

use crate::{
    check::check,
    format::{
        Activation, Expected, FAMILIES, FormatError, Header, Layer, MAGIC, OLDEST_VERSION, PRELUDE_LEN, Span,
        WITH_DIRECTIONS, WITH_PALETTES, WeightLayout, at, checksum,
    },
    plan, weights,
};
use alloc::{string::String, vec, vec::Vec};
use arrange::{Doubling, arrange, dense_words};

pub use crate::format::{
    MAX_CHANNELS, MAX_COLORS, MAX_IMAGES, MAX_KERNEL, MAX_LATENT, MAX_LAYERS, MAX_SIDE, Op, Source, TABLE_LEN,
};

/// One quantized layer, with weights in training order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerSpec {
    /// The operation.
    pub op: Op,
    /// The tensor that it reads.
    pub input: Source,
    /// Zero point of the output: the i8 that represents 0.
    pub zero_point: i8,
    /// The activation table; `None` means saturation. For a palette, entry d is the share of a color whose value is d below the
    /// largest one: the first is positive, none is negative.
    pub table: Option<[i16; TABLE_LEN]>,
    /// Weights in training order: dense `[inputs, h, w, c]`, convolution `[k, k, c_in, c_out]`, transposed
    /// convolution `[k, k, c_out, c_in]`, depthwise `[k, k, c]`, otherwise empty.
    pub weights: Vec<i8>,
    /// Weights of the two tensors of an `Add`; unused in other layers.
    pub wide: [i32; 2],
    /// Biases: one per channel; for a transposed convolution `[s, s, c_out]`, by row and column phase; for a dense
    /// layer one per channel or per value.
    pub bias: Vec<i32>,
    /// Multipliers below 2^31: one per channel; a single one for `Add`.
    pub scale: Vec<u32>,
}

/// Choice of the weight layout of each layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LayoutChoice {
    /// All layers compact: the smallest file.
    #[default]
    Compact,
    /// All layers fast that have a fast layout.
    Fast,
    /// Fast layers as long as the file size permits, small layers first.
    Auto {
        /// Maximum size of the file in bytes.
        flash_bytes: u64,
    },
}

/// Collects layers and writes a model file.
#[derive(Clone, Debug)]
pub struct ModelBuilder {
    name: String,
    latent: u16,
    classes: u16,
    images: Vec<u8>,
    specs: Vec<LayerSpec>,
    directions: Vec<i8>,
    layouts: LayoutChoice,
}

impl ModelBuilder {
    /// Creates a model without layers; `latent` is the length of its latent vector.
    pub fn new(name: &str, latent: u16) -> Self {
        Self {
            name: name.into(),
            latent,
            classes: 0,
            images: Vec::new(),
            specs: Vec::new(),
            directions: Vec::new(),
            layouts: LayoutChoice::Compact,
        }
    }

    /// Sets the number of classes. They are one-hot inputs after the latent: 1 (32/32) for the chosen class, 0 for the others.
    pub fn classes(&mut self, classes: u16) -> &mut Self {
        self.classes = classes;
        self
    }

    /// Sets the layers whose outputs are images, ascending: smaller levels, then the image itself.
    ///
    /// By default the last layer's output is the only image. Layers after the image are the discriminator.
    pub fn images(&mut self, layers: &[u8]) -> &mut Self {
        self.images = layers.into();
        self
    }

    /// Sets directions in latent space, each with as many values as the latent, in units of 1/128. The directions should be orthogonal
    /// and of length 1. A file with a palette has format version 4, another one with directions version 3, and the rest version 2.
    pub fn directions(&mut self, directions: &[Vec<i8>]) -> &mut Self {
        self.directions = directions.concat();
        self
    }

    /// Sets the layout of weights; the default is compact.
    pub fn layouts(&mut self, layouts: LayoutChoice) -> &mut Self {
        self.layouts = layouts;
        self
    }

    /// Appends a layer and returns its output, which later layers can read.
    pub fn push(&mut self, spec: &LayerSpec) -> Source {
        self.specs.push(spec.clone());
        Source::Layer((self.specs.len() - 1) as u8)
    }

    /// Returns the bytes of the file.
    ///
    /// # Errors
    /// Those of [`crate::Model::from_bytes`], and an error if the size limit is below the size of the compact file.
    pub fn finish(&self) -> Result<Vec<u8>, FormatError> {
        let found = self.specs.len() as u32;
        if self.specs.len() > MAX_LAYERS {
            return Err(FormatError::Model { what: "layers", found, expected: Expected::AtMost(MAX_LAYERS as u32) });
        }
        match self.layouts {
            LayoutChoice::Compact => self.write(&[]),
            LayoutChoice::Fast => self.write(&(0..self.specs.len()).collect::<Vec<_>>()),
            LayoutChoice::Auto { flash_bytes } => {
                let mut file = self.write(&[])?;
                if file.len() as u64 > flash_bytes {
                    let (found, expected) = (file.len() as u32, Expected::AtMost(flash_bytes as u32));
                    return Err(FormatError::Model { what: "bytes of the compact file", found, expected });
                }
                let mut by_size: Vec<usize> = (0..self.specs.len()).collect();
                by_size.retain(|&i| self.has_fast(i));
                by_size.sort_by_key(|&i| self.specs[i].weights.len());
                let mut fast = Vec::new();
                for index in by_size {
                    fast.push(index);
                    let larger = self.write(&fast)?;
                    if larger.len() as u64 > flash_bytes {
                        fast.pop();
                    } else {
                        file = larger;
                    }
                }
                Ok(file)
            }
        }
    }

    /// Returns the layers whose outputs are images.
    fn shown(&self) -> Vec<u8> {
        let last = self.specs.len().saturating_sub(1) as u8;
        if self.images.is_empty() { vec![last] } else { self.images.clone() }
    }

    /// Returns whether a layer becomes a doubling layer: its shape permits it, and its input is read by doubling layers only and is not an image.
    fn doubles(&self, index: usize) -> bool {
        let Some(LayerSpec { op, input: Source::Layer(before), .. }) = self.specs.get(index) else { return false };
        let reads = |spec: &LayerSpec| {
            let before = Source::Layer(*before);
            spec.input == before || spec.op == Op::Add { other: before } || spec.op == Op::Palette { colors: before }
        };
        let alone = self.specs.iter().filter(|s| reads(s)).all(|s| weights::can_double(s.op));
        weights::can_double(*op) && alone && !self.shown().contains(before)
    }

    fn has_fast(&self, index: usize) -> bool {
        self.doubles(index) || matches!(self.specs[index].op, Op::Dense { .. })
    }

    /// Writes the file; the layers in `fast` get the fast layout if they have one.
    fn write(&self, fast: &[usize]) -> Result<Vec<u8>, FormatError> {
        let mut blob = Vec::new();
        let mut layers = heapless::Vec::new();
        for (index, spec) in self.specs.iter().enumerate() {
            let is_fast = fast.contains(&index) && self.has_fast(index);
            let layer =
                self.layer(index, spec, if is_fast { WeightLayout::Fast } else { WeightLayout::Compact }, &mut blob);
            // `finish` counted the layers.
            _ = layers.push(layer);
        }
        let images = heapless::Vec::from_slice(&self.shown()).map_err(|_| FormatError::Model {
            what: "images",
            found: self.images.len() as u32,
            expected: Expected::AtMost(MAX_IMAGES as u32),
        })?;
        let (name, latent, classes) = (self.name.as_bytes(), self.latent, self.classes);
        let directions = match &self.directions[..] {
            [] => Span::default(),
            values => append(&mut blob, &values.iter().map(|&v| v as u8).collect::<Vec<_>>()),
        };
        let header = Header { name, latent, classes, images, layers, directions };
        let mut shapes = heapless::Vec::new();
        let mut fault = FormatError::Header;
        let mut rows = [0; MAX_LAYERS];
        if check(&header, &blob, &mut shapes, &mut rows, &mut fault).is_none() {
            return Err(fault);
        }
        let mut encoded = postcard::to_allocvec(&header).map_err(|_| FormatError::Header)?;
        let palette = header.layers.iter().any(|layer| matches!(layer.op, Op::Palette { .. }));
        let version = match (palette, directions.len) {
            (true, _) => WITH_PALETTES,
            (false, 0) => OLDEST_VERSION,
            _ => WITH_DIRECTIONS,
        };
        if version > OLDEST_VERSION {
            encoded.extend(postcard::to_allocvec(&directions).map_err(|_| FormatError::Header)?);
        }
        let blob_at = (PRELUDE_LEN + encoded.len()).next_multiple_of(16);

        let mut file = vec![0; PRELUDE_LEN];
        let mut put = |at: usize, bytes: &[u8]| file[at..][..bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(at::VERSION, &version.to_le_bytes());
        put(at::TOTAL, &fit("bytes of the file", (blob_at + blob.len()) as u64)?);
        put(at::HEADER_LEN, &(encoded.len() as u32).to_le_bytes());
        put(at::BLOB, &(blob_at as u32).to_le_bytes());
        for family in 0..FAMILIES {
            let bytes = plan::arena(family, header.inputs(), &header.layers, &shapes, &rows);
            put(at::ARENAS + 4 * family, &bytes.to_le_bytes());
        }
        file.extend_from_slice(&encoded);
        file.resize(blob_at, 0);
        file.extend_from_slice(&blob);
        rewrite_checksum(&mut file);
        Ok(file)
    }

    /// Appends the numbers of a layer to `blob`.
    fn layer(&self, index: usize, spec: &LayerSpec, layout: WeightLayout, blob: &mut Vec<u8>) -> Layer {
        let words = |values: &[i32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let activation = match &spec.table {
            None => Activation::Clamp,
            Some(table) => {
                Activation::Table(append(blob, &table.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()))
            }
        };
        let compact = match spec.op {
            Op::Add { .. } => words(&spec.wide),
            op => arrange(op, self.doubles(index), &spec.weights),
        };
        let (mut bias, mut interval) = (spec.bias.clone(), 0);
        if let Op::ConvTranspose { c, .. } = spec.op
            && self.doubles(index)
        {
            let zero_point = match spec.input {
                Source::Latent => 0,
                Source::Layer(i) => self.specs.get(usize::from(i)).map_or(0, |s| s.zero_point),
            };
            let layer = Doubling::of(&compact, c);
            bias = layer.biases(&spec.bias, zero_point);
            interval = layer.interval();
        }
        let bytes = match (layout, spec.op) {
            (WeightLayout::Compact, _) => compact,
            (WeightLayout::Fast, Op::Dense { shape }) => dense_words(&spec.weights, shape),
            (WeightLayout::Fast, Op::ConvTranspose { c, .. }) => Doubling::of(&compact, c).words(),
            (WeightLayout::Fast, _) => compact,
        };
        let scale: Vec<u8> = spec.scale.iter().flat_map(|v| v.to_le_bytes()).collect();
        Layer {
            op: spec.op,
            input: spec.input,
            zero_point: spec.zero_point,
            activation,
            layout,
            interval,
            weights: append(blob, &bytes),
            bias: append(blob, &words(&bias)),
            scale: append(blob, &scale),
        }
    }
}

fn append(blob: &mut Vec<u8>, bytes: &[u8]) -> Span {
    blob.resize(blob.len().next_multiple_of(4), 0);
    let at = blob.len() as u32;
    blob.extend_from_slice(bytes);
    Span { at, len: bytes.len() as u32 }
}

fn fit(what: &'static str, n: u64) -> Result<[u8; 4], FormatError> {
    match u32::try_from(n) {
        Ok(n) => Ok(n.to_le_bytes()),
        Err(_) => Err(FormatError::Model { what, found: u32::MAX, expected: Expected::Below(u32::MAX) }),
    }
}

/// Rewrites the checksum after bytes of a file were changed; for tests that damage files.
#[doc(hidden)]
pub fn rewrite_checksum(file: &mut [u8]) {
    let sum = checksum(file).to_le_bytes();
    if let Some(field) = file.get_mut(at::CHECKSUM..at::CHECKSUM + 4) {
        field.copy_from_slice(&sum);
    }
}
