//! Writing model files: weights in training order go in, a checked file comes out.
mod arrange;

use crate::{
    check::check,
    format::{
        Activation, FAMILIES, FormatError, Header, Layer, MAGIC, PRELUDE_LEN, Span, VERSION, WeightLayout, at, checksum,
    },
    plan, weights,
};
use alloc::{string::String, vec, vec::Vec};
use arrange::{Doubling, arrange, dense_words};

pub use crate::format::{
    MAX_CHANNELS, MAX_KERNEL, MAX_LATENT, MAX_LAYERS, MAX_PICTURES, MAX_SIDE, Op, Source, TABLE_LEN,
};

/// One layer as an exporter sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerSpec {
    /// What is computed.
    pub op: Op,
    /// Where it reads from.
    pub input: Source,
    /// The i8 that stands for the real number 0 in the output.
    pub zero_point: i8,
    /// The activation table; `None` clamps.
    pub table: Option<[i16; TABLE_LEN]>,
    /// Weights in training order: dense `[inputs, h, w, c]`, convolution `[k, k, c_in, c_out]`, transposed
    /// convolution `[k, k, c_out, c_in]`, depthwise `[k, k, c]`, else empty.
    pub weights: Vec<i8>,
    /// The weights of an `Add`'s two tensors; not used by other layers.
    pub wide: [i32; 2],
    /// Biases: one a channel; for a transposed convolution `[s, s, c_out]`, by row and column phase; a dense
    /// layer may have one a value.
    pub bias: Vec<i32>,
    /// Multipliers below 2^31: one a channel; one in all for an `Add`.
    pub scale: Vec<u32>,
}

/// Which layouts the layers of a file get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LayoutChoice {
    /// Every layer compact: the smallest file.
    #[default]
    Compact,
    /// Every layer fast that has a fast layout.
    Fast,
    /// As many layers fast, small ones first, as fit a file of so many bytes.
    Auto {
        /// Most bytes of the file.
        flash_bytes: u64,
    },
}

/// Collects layers and writes the file.
#[derive(Clone, Debug)]
pub struct ModelBuilder {
    name: String,
    latent: u16,
    classes: u16,
    pictures: Vec<u8>,
    specs: Vec<LayerSpec>,
    layouts: LayoutChoice,
}

impl ModelBuilder {
    /// A model without layers, of the given latent length.
    pub fn new(name: &str, latent: u16) -> Self {
        Self {
            name: name.into(),
            latent,
            classes: 0,
            pictures: Vec::new(),
            specs: Vec::new(),
            layouts: LayoutChoice::Compact,
        }
    }

    /// Makes the model one of so many classes, each a value behind the latent's: 1 (32/32) for the class chosen, else 0.
    pub fn classes(&mut self, classes: u16) -> &mut Self {
        self.classes = classes;
        self
    }

    /// Says which layers' outputs are pictures, in ascending order: smaller levels, then the picture itself.
    ///
    /// If never called, the last layer's output is the only one. Layers behind the picture judge it.
    pub fn pictures(&mut self, layers: &[u8]) -> &mut Self {
        self.pictures = layers.into();
        self
    }

    /// Chooses how weights lie in the file; compact if never called.
    pub fn layouts(&mut self, layouts: LayoutChoice) -> &mut Self {
        self.layouts = layouts;
        self
    }

    /// Appends a layer; gives the name by which later layers read it.
    pub fn push(&mut self, spec: &LayerSpec) -> Source {
        self.specs.push(spec.clone());
        Source::Layer((self.specs.len() - 1) as u8)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Whatever [`crate::Model::from_bytes`] would say of it, and a flash budget below the compact file.
    pub fn finish(&self) -> Result<Vec<u8>, FormatError> {
        let found = self.specs.len() as u32;
        if self.specs.len() > MAX_LAYERS {
            return Err(FormatError::Model { what: "layers, at most", found, expected: MAX_LAYERS as u32 });
        }
        match self.layouts {
            LayoutChoice::Compact => self.write(&[]),
            LayoutChoice::Fast => self.write(&(0..self.specs.len()).collect::<Vec<_>>()),
            LayoutChoice::Auto { flash_bytes } => {
                let mut file = self.write(&[])?;
                if file.len() as u64 > flash_bytes {
                    let (found, expected) = (file.len() as u32, flash_bytes as u32);
                    return Err(FormatError::Model { what: "bytes of the compact file, at most", found, expected });
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

    /// The pictures' layers.
    fn shown(&self) -> Vec<u8> {
        let last = self.specs.len().saturating_sub(1) as u8;
        if self.pictures.is_empty() { vec![last] } else { self.pictures.clone() }
    }

    /// Whether a layer doubles: its shape is right, and nothing else reads what it reads, nobody looks at it either.
    fn doubles(&self, index: usize) -> bool {
        let Some(LayerSpec { op, input: Source::Layer(before), .. }) = self.specs.get(index) else { return false };
        let reads = |spec: &LayerSpec| {
            spec.input == Source::Layer(*before) || spec.op == Op::Add { other: Source::Layer(*before) }
        };
        let alone = self.specs.iter().filter(|s| reads(s)).all(|s| weights::can_double(s.op));
        weights::can_double(*op) && alone && !self.shown().contains(before)
    }

    fn has_fast(&self, index: usize) -> bool {
        self.doubles(index) || matches!(self.specs[index].op, Op::Dense { .. })
    }

    /// The file whose layers `fast` have the fast layout, where there is one.
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
        let pictures = heapless::Vec::from_slice(&self.shown()).map_err(|_| FormatError::Model {
            what: "pictures, at most",
            found: self.pictures.len() as u32,
            expected: MAX_PICTURES as u32,
        })?;
        let (name, latent, classes) = (self.name.as_bytes(), self.latent, self.classes);
        let header = Header { name, latent, classes, pictures, layers };
        let mut shapes = heapless::Vec::new();
        let mut fault = FormatError::Header;
        if check(&header, &blob, &mut shapes, &mut fault).is_none() {
            return Err(fault);
        }
        let mut rows = [0; MAX_LAYERS];
        plan::ring_rows(&header.pictures, &header.layers, &shapes, &mut rows);
        let encoded = postcard::to_allocvec(&header).map_err(|_| FormatError::Header)?;
        let blob_at = (PRELUDE_LEN + encoded.len()).next_multiple_of(16);

        let mut file = vec![0; PRELUDE_LEN];
        let mut put = |at: usize, bytes: &[u8]| file[at..][..bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(at::VERSION, &VERSION.to_le_bytes());
        put(at::TOTAL, &fit("bytes of the file, at most", (blob_at + blob.len()) as u64)?);
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
        Err(_) => Err(FormatError::Model { what, found: u32::MAX, expected: u32::MAX }),
    }
}

/// Writes the right checksum into a file whose bytes were changed; for tests that damage files.
pub fn rewrite_checksum(file: &mut [u8]) {
    let sum = checksum(file).to_le_bytes();
    if let Some(field) = file.get_mut(at::CHECKSUM..at::CHECKSUM + 4) {
        field.copy_from_slice(&sum);
    }
}
