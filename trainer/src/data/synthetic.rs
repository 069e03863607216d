//! Synthetic images of any size, for tests and for trying a recipe without data.

use super::ImageDataset;
use crate::philox::Key;

/// The classes of [`blobs`] in color. Gray sets have the single class "light".
const COLORS: [(&str, [f32; 3]); 3] =
    [("red", [230.0, 70.0, 60.0]), ("green", [70.0, 190.0, 90.0]), ("blue", [70.0, 110.0, 240.0])];

/// Draws `count` images (at least one) of a soft disc on a dark background. Position and radius are random; the color is the class.
///
/// Sides are at least one pixel. `channels` is 1 for gray images; any other value gives three channels.
pub fn blobs(width: usize, height: usize, channels: usize, count: usize, seed: u64) -> ImageDataset {
    let (width, height) = (width.max(1), height.max(1));
    let channels = if channels == 1 { 1 } else { 3 };
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for index in 0..count.max(1) {
        let key = Key { seed, stream: 0, step: index as u64 };
        let mut random = [0.0; 3];
        key.uniform(&mut random);
        let class = if channels == 1 { 0 } else { key.below(1, COLORS.len()) };
        let side = width.min(height) as f32;
        let (cx, cy) = (width as f32 * (0.3 + 0.4 * random[0]), height as f32 * (0.3 + 0.4 * random[1]));
        let radius = side * (0.15 + 0.15 * random[2]);
        for y in 0..height {
            for x in 0..width {
                let distance = (x as f32 + 0.5 - cx).hypot(y as f32 + 0.5 - cy);
                let cover = (radius - distance + 0.5).clamp(0.0, 1.0);
                let paint = |ink: f32| (24.0 + cover * (ink - 24.0)) as u8;
                match channels {
                    1 => pixels.push(paint(235.0)),
                    _ => pixels.extend(COLORS[class].1.map(paint)),
                }
            }
        }
        labels.push(class as u8);
    }
    let names = if channels == 1 { vec!["light"] } else { COLORS.map(|c| c.0).to_vec() };
    ImageDataset::new("blobs", (width, height, channels), pixels, Some(labels))
        .expect("every image was drawn in full")
        .with_label_names(&names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;

    #[test]
    fn blobs_come_in_any_shape_and_vary() {
        for (w, h, c) in [(1, 1, 1), (16, 16, 3), (20, 12, 1), (12, 40, 3), (64, 64, 3)] {
            let set = blobs(w, h, c, 50, 1);
            assert_eq!(set.shape(), [h, w, c]);
            assert_eq!(set.len(), Some(50));
            if w > 4 {
                assert!(set.bytes(0) != set.bytes(1) && set.bytes(0).iter().any(|&b| b > 100));
            }
        }
        assert_eq!(blobs(8, 8, 3, 90, 1).label_names(), ["red", "green", "blue"]);
    }
}
