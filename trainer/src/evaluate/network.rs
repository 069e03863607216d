//! The fixed feature networks that images are compared with: embedded classifiers, or random networks from a fixed seed.
use crate::data::{Dataset, ImageDataset};
use crate::graph::Window;
use crate::nn::{Activation, Layer, Network};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

/// Maximum number of features of a network.
pub const FEATURES: usize = 64;
/// Seed of random feature networks.
pub const RANDOM_SEED: u64 = 0x6665_6174;

/// Start of the name of a random feature network.
const RANDOM: &str = "random network";
const HALVE: Window = Window { kernel: 4, stride: 2, pad: 1 };
const LEAKY: Layer = Layer::Activation(Activation::Leaky(0.2));
/// Output channels of the convolutions, each of which halves the image.
const WIDTHS: [usize; 5] = [16, 32, 32, 32, 32];
/// Minimum number of features; fewer would say too little about images.
pub(super) const FEWEST_FEATURES: usize = 8;

/// A classifier embedded in the crate.
struct Embedded {
    data: &'static str,
    shape: [usize; 3],
    classes: usize,
    file: &'static [u8],
    /// CRC-32 of the file. Distances measured with another file are not comparable, so a test checks it.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test compares the file with it"))]
    hash: u32,
}

/// Trained by the example `feature-networks`, which also prints these hashes.
const EMBEDDED: [Embedded; 2] = [
    Embedded {
        data: "digits",
        shape: [28, 28, 1],
        classes: 10,
        file: include_bytes!("../../assets/features-digits.bin"),
        hash: 0xa105_a2d3,
    },
    Embedded {
        data: "faces",
        shape: [16, 16, 3],
        classes: 4,
        file: include_bytes!("../../assets/features-faces.bin"),
        hash: 0xb9fb_2b29,
    },
];

/// Identifies the network that a distance was measured with. Distances are comparable only if these are equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureNetworkId {
    /// "digits classifier", or "random network" with its seed.
    pub network: String,
    /// CRC-32 of the file, or of a random network's weights as little-endian f32.
    pub hash: String,
    /// Number of features.
    pub features: usize,
}

/// A network that computes features of images and, if it is a classifier, class scores.
#[derive(Clone, Debug)]
pub struct FeatureNetwork {
    pub(super) network: Network,
    pub(super) weights: Vec<f32>,
    /// Number of classes; 0 for a random network.
    pub(super) classes: usize,
    pub(super) identity: FeatureNetworkId,
}

impl FeatureNetworkId {
    /// Returns whether the network is random, because none was trained for such images.
    pub fn is_random(&self) -> bool {
        self.network.starts_with(RANDOM)
    }
}

impl FeatureNetwork {
    /// Returns the classifier for `data` if it is a built-in set at its own size, else a random network for its shape.
    ///
    /// A random network has at most half as many features as `data` has images, so that a covariance can be estimated.
    /// Returns `None` if that leaves too few features.
    pub fn of(data: &ImageDataset) -> Option<Self> {
        let known = EMBEDDED.iter().find(|e| e.data == data.name() && e.shape == data.shape());
        known.map(Embedded::open).or_else(|| {
            let features = [64, 32, 16, FEWEST_FEATURES].into_iter().find(|f| 2 * f <= data.count())?;
            Some(Self::random([data.height(), data.width(), data.channels()], features))
        })
    }

    /// Returns the classifier for the built-in set `data` if it has images of `shape`, else a random network with all features.
    pub fn of_shape(data: &str, shape: [usize; 3]) -> Self {
        let known = EMBEDDED.iter().find(|e| e.data == data && e.shape == shape);
        known.map_or_else(|| Self::random(shape, FEATURES), Embedded::open)
    }

    /// Returns a network with He-initialized weights. Even untrained convolutions respond to structure (Saxe et al. 2011).
    pub fn random(shape: [usize; 3], features: usize) -> Self {
        let network = layers(shape, features, 0);
        let weights = network.initial_weights(RANDOM_SEED, 0);
        let bytes: Vec<u8> = weights.iter().flat_map(|w| w.to_le_bytes()).collect();
        let identity = FeatureNetworkId {
            network: format!("{RANDOM} of seed {RANDOM_SEED:#x}"),
            hash: hex(crc32(&bytes)),
            features,
        };
        Self { network, weights, classes: 0, identity }
    }

    /// Returns a classifier with the trained weights in `file`, in the layout of [`layers`].
    pub(super) fn trained(name: &str, shape: [usize; 3], classes: usize, file: &[u8]) -> Result<Self, String> {
        let network = layers(shape, FEATURES, classes);
        let weights = decode(&network, file)?;
        let identity =
            FeatureNetworkId { network: format!("{name} classifier"), hash: hex(crc32(file)), features: FEATURES };
        Ok(Self { network, weights, classes, identity })
    }

    /// Returns the identity of the network, which must be reported with distances.
    pub fn identity(&self) -> &FeatureNetworkId {
        &self.identity
    }

    /// Returns the layers. A classifier ends with a dense layer from features to class scores.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Returns the weights of the layers.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Returns the number of classes; 0 for a random network.
    pub fn classes(&self) -> usize {
        self.classes
    }
}

impl Embedded {
    fn open(&self) -> FeatureNetwork {
        FeatureNetwork::trained(self.data, self.shape, self.classes, self.file)
            .expect("the embedded networks are checked by a test")
    }
}

/// Builds the layers: convolutions that halve the image down to about 8x8 pixels, a dense layer to `features`, and one to `classes`.
pub(super) fn layers([h, w, c]: [usize; 3], features: usize, classes: usize) -> Network {
    let (mut side, mut channels, mut list) = ((h, w), c, vec![]);
    for (i, outputs) in WIDTHS.into_iter().enumerate() {
        if side.0.min(side.1) < 4 || (i >= 2 && side.0 * side.1 <= 64) {
            break;
        }
        list.extend([Layer::Conv { window: HALVE, inputs: channels, outputs }, LEAKY]);
        side = (side.0 / 2, side.1 / 2);
        channels = outputs;
    }
    list.extend([Layer::Dense { inputs: side.0 * side.1 * channels, to: vec![features] }, LEAKY]);
    if classes > 0 {
        list.push(Layer::Dense { inputs: features, to: vec![classes] });
    }
    Network::new("features", &[h, w, c], list)
}

/// Encodes weights as bf16 safetensors. A feature network is defined by its file, so rounding loses nothing.
pub(super) fn encode(network: &Network, weights: &[f32]) -> Result<Vec<u8>, String> {
    let round = |w: &f32| {
        let bits = w.to_bits();
        (((bits + 0x7FFF + (bits >> 16 & 1)) >> 16) as u16).to_le_bytes()
    };
    let bytes = |at: usize, len: usize| weights[at..at + len].iter().flat_map(round).collect::<Vec<u8>>();
    let data: Vec<_> = network.tensors.iter().map(|t| bytes(t.at, t.len())).collect();
    let mut views = Vec::with_capacity(data.len());
    for (tensor, bytes) in network.tensors.iter().zip(&data) {
        let view = TensorView::new(Dtype::BF16, tensor.dims.clone(), bytes).map_err(|e| e.to_string())?;
        views.push((tensor.key.to_string(), view));
    }
    safetensors::serialize(views, None).map_err(|e| e.to_string())
}

fn decode(network: &Network, file: &[u8]) -> Result<Vec<f32>, String> {
    let tensors = SafeTensors::deserialize(file).map_err(|e| e.to_string())?;
    let mut weights = Vec::with_capacity(network.len());
    for wanted in &network.tensors {
        let found = tensors.tensor(&wanted.key.to_string()).map_err(|e| e.to_string())?;
        if found.dtype() != Dtype::BF16 || found.shape() != wanted.dims {
            let (dtype, shape) = (found.dtype(), found.shape());
            return Err(format!("{}: found {dtype:?} {shape:?}, expected BF16 {:?}", wanted.key, wanted.dims));
        }
        let widen = |b: &[u8]| f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16);
        weights.extend(found.data().chunks_exact(2).map(widen));
    }
    Ok(weights)
}

/// Returns the checksum that identifies a network.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn hex(hash: u32) -> String {
    format!("{hash:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::blobs;

    #[test]
    fn the_embedded_networks_have_the_published_checksums() {
        for e in &EMBEDDED {
            assert_eq!(
                crc32(e.file),
                e.hash,
                "{}: {:08x}; distances measured before are no longer comparable",
                e.data,
                crc32(e.file)
            );
            assert!(e.file.len() < 300_000);
            assert_eq!(e.open().classes(), e.classes);
        }
    }

    #[test]
    fn any_size_has_a_network_and_its_identity_is_stable() {
        for shape in [[8, 8, 1], [8, 40, 3], [33, 9, 1], [64, 64, 3], [200, 120, 3], [2, 3, 1]] {
            let network = FeatureNetwork::random(shape, 64);
            assert_eq!(network.network.output(), [64], "{shape:?}");
            assert_eq!(network.identity(), FeatureNetwork::random(shape, 64).identity());
        }
    }

    #[test]
    fn few_images_get_few_features() {
        let features = |n| FeatureNetwork::of(&blobs(12, 8, 3, n, 1)).map(|f| f.identity().features);
        assert_eq!([15, 16, 100, 128, 1000].map(features), [None, Some(8), Some(32), Some(64), Some(64)]);
    }

    #[test]
    fn files_keep_bf16_weights_and_refuse_other_shapes() {
        let network = layers([8, 8, 1], FEATURES, 3);
        let file = encode(&network, &network.initial_weights(1, 0)).unwrap();
        let weights = decode(&network, &file).unwrap();
        assert_eq!(encode(&network, &weights).unwrap(), file);
        assert!(decode(&layers([8, 8, 3], FEATURES, 3), &file).unwrap_err().contains("0.weight: found BF16"));
        assert!(FeatureNetwork::trained("x", [8, 8, 1], 3, &file[..50]).is_err());
    }
}
