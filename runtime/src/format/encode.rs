//! Writing model files: weights in training order go in, a checked file comes out.
use super::{
    Activation, FAMILIES, FormatError, Header, Layer, MAGIC, MAX_LAYERS, Op, PRELUDE_LEN, Shape, Source, Span,
    TABLE_LEN, VERSION, check,
    prelude::{at, checksum},
};
use crate::plan;
use alloc::{string::String, vec, vec::Vec};

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
    /// convolution `[k, k, c_out, c_in]`, else empty.
    pub weights: Vec<i8>,
    /// The weights of an `Add`'s two tensors; not used by other layers.
    pub wide: [i32; 2],
    /// Biases: one a channel; for a transposed convolution `[s, s, c_out]`, by row and column phase; a dense
    /// layer may have one a value.
    pub bias: Vec<i32>,
    /// Multipliers below 2^31: one a channel; one in all for an `Add`.
    pub scale: Vec<u32>,
}

/// Collects layers and writes the file.
#[derive(Clone, Debug)]
pub struct Builder {
    name: String,
    latent: u16,
    output: Shape,
    layers: Vec<Layer>,
    blob: Vec<u8>,
}

impl Builder {
    /// A model without layers, of the given latent length and picture shape.
    pub fn new(name: &str, latent: u16, output: Shape) -> Self {
        Self { name: name.into(), latent, output, layers: Vec::new(), blob: Vec::new() }
    }

    /// Appends a layer; gives the name by which later layers read it.
    pub fn push(&mut self, spec: &LayerSpec) -> Source {
        let words = |values: &[i32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let weights = match spec.op {
            Op::Add { .. } => words(&spec.wide),
            op => arrange(op, &spec.weights),
        };
        let scale: Vec<u8> = spec.scale.iter().flat_map(|v| v.to_le_bytes()).collect();
        let activation = match &spec.table {
            None => Activation::Clamp,
            Some(table) => {
                Activation::Table(self.append(&table.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()))
            }
        };
        let layer = Layer {
            op: spec.op,
            input: spec.input,
            zero_point: spec.zero_point,
            activation,
            weights: self.append(&weights),
            bias: self.append(&words(&spec.bias)),
            scale: self.append(&scale),
        };
        self.layers.push(layer);
        Source::Layer((self.layers.len() - 1) as u8)
    }

    fn append(&mut self, bytes: &[u8]) -> Span {
        self.blob.resize(self.blob.len().next_multiple_of(4), 0);
        let at = self.blob.len() as u32;
        self.blob.extend_from_slice(bytes);
        Span { at, len: bytes.len() as u32 }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Whatever [`crate::Model::from_bytes`] would say of it.
    pub fn finish(&self) -> Result<Vec<u8>, FormatError> {
        let found = self.layers.len() as u32;
        let too_many = FormatError::Model { what: "layers, at most", found, expected: MAX_LAYERS as u32 };
        let layers = heapless::Vec::from_slice(&self.layers).map_err(|_| too_many)?;
        let header = Header { name: &self.name, latent: self.latent, classes: 0, output: self.output, layers };
        let shapes = check(&header, &self.blob)?;
        let arenas = plan::arenas(self.latent, &shapes, &plan::ring_rows(&header.layers, &shapes));
        let encoded = postcard::to_allocvec(&header).map_err(|_| FormatError::Header)?;
        let blob_at = (PRELUDE_LEN + encoded.len()).next_multiple_of(16);

        let mut file = vec![0; PRELUDE_LEN];
        let mut put = |at: usize, bytes: &[u8]| file[at..][..bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(at::VERSION, &VERSION.to_le_bytes());
        put(at::TOTAL, &fit("bytes of the file, at most", (blob_at + self.blob.len()) as u64)?);
        put(at::HEADER_LEN, &(encoded.len() as u32).to_le_bytes());
        put(at::BLOB, &(blob_at as u32).to_le_bytes());
        for (family, bytes) in arenas.into_iter().enumerate().take(FAMILIES) {
            put(at::ARENAS + 4 * family, &fit("bytes of the arena, at most", bytes)?);
        }
        file.extend_from_slice(&encoded);
        file.resize(blob_at, 0);
        file.extend_from_slice(&self.blob);
        restamp(&mut file);
        Ok(file)
    }
}

fn fit(what: &'static str, n: u64) -> Result<[u8; 4], FormatError> {
    match u32::try_from(n) {
        Ok(n) => Ok(n.to_le_bytes()),
        Err(_) => Err(FormatError::Model { what, found: u32::MAX, expected: u32::MAX }),
    }
}

/// Writes the right checksum into a file whose bytes were changed; for tests that damage files.
pub fn restamp(file: &mut [u8]) {
    let sum = checksum(file).to_le_bytes();
    if let Some(field) = file.get_mut(at::CHECKSUM..at::CHECKSUM + 4) {
        field.copy_from_slice(&sum);
    }
}

/// Weights in the order in which kernels read them: output channel by channel, each a contiguous window.
///
/// A wrong count of weights is passed on in its own order: the check then names it.
fn arrange(op: Op, weights: &[i8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(weights.len());
    let per = |n: usize| weights.len().checked_div(n).unwrap_or(0);
    match op {
        Op::Dense { shape } => {
            let units = shape.len() as usize;
            let inputs = per(units);
            for unit in 0..units {
                out.extend((0..inputs).map(|i| weights[i * units + unit] as u8));
            }
        }
        Op::Conv { k, c, .. } => {
            let (k, c) = (usize::from(k), usize::from(c));
            let inputs = per(k * k * c);
            for o in 0..c {
                out.extend((0..k * k * inputs).map(|tap| weights[tap * c + o] as u8));
            }
        }
        Op::ConvTranspose { k, s, c, .. } => {
            let inputs = per(usize::from(k) * usize::from(k) * usize::from(c));
            for (ry, rx) in (0..s).flat_map(|ry| (0..s).map(move |rx| (ry, rx))) {
                let taps = |phase| {
                    (0..plan::phase_taps(k, s, phase)).rev().map(move |t| usize::from(phase) + t * usize::from(s))
                };
                for o in 0..usize::from(c) {
                    for (ky, kx) in taps(ry).flat_map(|ky| taps(rx).map(move |kx| (ky, kx))) {
                        let at = ((ky * usize::from(k) + kx) * usize::from(c) + o) * inputs;
                        out.extend(weights[at..at + inputs].iter().map(|&w| w as u8));
                    }
                }
            }
        }
        Op::Upsample { .. } | Op::Add { .. } => {}
    }
    if out.len() == weights.len() { out } else { weights.iter().map(|&w| w as u8).collect() }
}
