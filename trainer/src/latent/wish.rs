//! What a picture should be like: its pixels, or some of them, and where it should have edges.

/// A picture that somebody has in mind, as far as they have told.
///
/// Values are those of a display from -1 (dark) to 1, rows first, channels innermost.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectionTarget {
    /// Height, width and channels.
    pub shape: [usize; 3],
    /// The color of each pixel; whatever where `weight` is 0.
    pub target: Vec<f32>,
    /// How much the color of each pixel counts, 0 or more.
    pub weight: Vec<f32>,
    /// How much it counts that there is an edge at each pixel, 0 or more.
    pub edges: Vec<f32>,
}

impl ProjectionTarget {
    /// A whole picture of 8-bit values.
    ///
    /// # Panics
    /// When `bytes` is no picture of `shape`.
    #[track_caller]
    pub fn picture(bytes: &[u8], shape: [usize; 3]) -> Self {
        assert_eq!(bytes.len(), shape.iter().product::<usize>(), "a picture of {shape:?}");
        let pixels = shape[0] * shape[1];
        let target = bytes.iter().map(|&b| f32::from(b) / 127.5 - 1.0).collect();
        Self { shape, target, weight: vec![1.0; pixels], edges: vec![0.0; pixels] }
    }

    /// Colors where `strokes` is opaque: RGBA bytes, four a pixel; of gray pictures the colors' brightness counts.
    ///
    /// # Panics
    /// When `strokes` is not of the size of `shape`.
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

    /// The same with edges wished for where `strokes`, RGBA bytes, are opaque.
    ///
    /// # Panics
    /// When `strokes` is not of the wish's size.
    #[must_use]
    #[track_caller]
    pub fn with_edges(mut self, strokes: &[u8]) -> Self {
        assert_eq!(strokes.len(), self.edges.len() * 4, "strokes of the picture's size");
        self.edges = strokes.as_chunks::<4>().0.iter().map(|pixel| f32::from(pixel[3]) / 255.0).collect();
        self
    }

    /// The same with every pixel whose color does not count wished to be as in `picture`, with the weight `weight`.
    ///
    /// # Panics
    /// When the picture is of another size.
    #[must_use]
    #[track_caller]
    pub fn or_as(mut self, picture: &[u8], weight: f32) -> Self {
        assert_eq!(picture.len(), self.target.len(), "a picture of the wish's shape");
        let channels = self.shape[2];
        let pixels = self.target.chunks_exact_mut(channels).zip(picture.chunks_exact(channels));
        for ((to, from), own) in pixels.zip(&mut self.weight).filter(|(_, own)| **own == 0.0) {
            to.iter_mut().zip(from).for_each(|(v, &b)| *v = f32::from(b) / 127.5 - 1.0);
            *own = weight;
        }
        self
    }

    /// Whether nothing is wished for.
    pub fn is_empty(&self) -> bool {
        self.weight.iter().chain(&self.edges).all(|&w| w == 0.0)
    }

    /// Whether every pixel's color is.
    pub fn is_whole(&self) -> bool {
        self.weight.iter().all(|&w| w > 0.0)
    }
}
