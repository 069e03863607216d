//! The target of a projection: colors of all or some pixels, and positions of edges.

/// A target image. Each pixel has a weight, and the target can also request edges.
///
/// Colors are in display values from -1 (black) to 1 (white), in the order rows, columns, channels.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectionTarget {
    /// Height, width and channels.
    pub shape: [usize; 3],
    /// The color of each pixel. It has no effect where `weight` is 0.
    pub target: Vec<f32>,
    /// Weight of the color of each pixel, 0 or more.
    pub weight: Vec<f32>,
    /// Weight of an edge at each pixel, 0 or more.
    pub edges: Vec<f32>,
}

impl ProjectionTarget {
    /// A target with the colors of a whole image of 8-bit values.
    ///
    /// # Panics
    /// If `bytes` does not have the size of `shape`.
    #[track_caller]
    pub fn image(bytes: &[u8], shape: [usize; 3]) -> Self {
        assert_eq!(bytes.len(), shape.iter().product::<usize>(), "an image of {shape:?}");
        let pixels = shape[0] * shape[1];
        let target = bytes.iter().map(|&b| f32::from(b) / 127.5 - 1.0).collect();
        Self { shape, target, weight: vec![1.0; pixels], edges: vec![0.0; pixels] }
    }

    /// A target with colors where `strokes`, RGBA bytes, is opaque. For gray images, the luma of the strokes is used.
    ///
    /// # Panics
    /// If `strokes` does not have the size of `shape`.
    #[track_caller]
    pub fn strokes(strokes: &[u8], shape: [usize; 3]) -> Self {
        let [h, w, channels] = shape;
        assert_eq!(strokes.len(), h * w * 4, "strokes of {w}x{h}");
        let (mut target, mut weight) = (Vec::with_capacity(h * w * channels), Vec::with_capacity(h * w));
        for &[r, g, b, alpha] in strokes.as_chunks::<4>().0 {
            let [r, g, b] = [r, g, b].map(|v| f32::from(v) / 127.5 - 1.0);
            if channels == 1 {
                target.push(0.299 * r + 0.587 * g + 0.114 * b);
            } else {
                target.extend([r, g, b]);
            }
            weight.push(f32::from(alpha) / 255.0);
        }
        Self { shape, target, weight, edges: vec![0.0; h * w] }
    }

    /// Adds edges where `strokes`, RGBA bytes, is opaque.
    ///
    /// # Panics
    /// If `strokes` has another size than the target.
    #[must_use]
    #[track_caller]
    pub fn with_edges(mut self, strokes: &[u8]) -> Self {
        assert_eq!(strokes.len(), self.edges.len() * 4, "strokes of the size of the target");
        self.edges = strokes.as_chunks::<4>().0.iter().map(|pixel| f32::from(pixel[3]) / 255.0).collect();
        self
    }

    /// Sets pixels without a weight to their color in `image`, with the weight `weight`.
    ///
    /// # Panics
    /// If the image has another size than the target.
    #[must_use]
    #[track_caller]
    pub fn or_keep(mut self, image: &[u8], weight: f32) -> Self {
        assert_eq!(image.len(), self.target.len(), "an image of the size of the target");
        let channels = self.shape[2];
        let pixels = self.target.chunks_exact_mut(channels).zip(image.chunks_exact(channels));
        for ((to, from), own) in pixels.zip(&mut self.weight).filter(|(_, own)| **own == 0.0) {
            to.iter_mut().zip(from).for_each(|(v, &b)| *v = f32::from(b) / 127.5 - 1.0);
            *own = weight;
        }
        self
    }

    /// Whether no pixel has a weight and there are no edges.
    pub fn is_empty(&self) -> bool {
        self.weight.iter().chain(&self.edges).all(|&w| w == 0.0)
    }

    /// Whether every pixel has a weight.
    pub fn is_whole(&self) -> bool {
        self.weight.iter().all(|&w| w > 0.0)
    }
}
