//! The texture of a set of images: how much fine detail they have, how much of it repeats from pixel to pixel, and how
//! many areas are flat.
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Largest contrast of a flat square of 2x2 pixels, in levels of 255.
const FLAT: usize = 8;
/// Contrast above which a change is perceived in proportion to the contrast, in levels.
const CONTRAST_UNIT: f64 = 16.0;

/// Means over a set of 8-bit images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Texture {
    /// Absolute difference between a value and the mean of its four neighbors, in levels of 255. Blur lowers it; noise raises it.
    pub detail: f64,
    /// Amplitude of the strongest pattern with a period of two pixels, along rows, along columns or along both, in levels.
    /// Transposed convolutions leave such checkerboards (Odena et al. 2016).
    pub grid: f64,
    /// Share of squares of 2x2 pixels with a contrast of at most 8 levels. Mottled areas lower it.
    pub flat: f64,
    /// Variance of the background's color, in levels squared, mean over channels. The background is taken to be the three quarters of
    /// the frame, the first row and the upper three quarters of the outer columns, that are nearest to the frame's median color.
    #[serde(default)]
    pub background: f64,
}

/// Distribution of the contrast of the squares of 2x2 pixels of a set of images.
///
/// The contrast of a square is the difference between the largest and the smallest value of a channel, in the channel where it is
/// largest.
#[derive(Clone, Debug, PartialEq)]
pub struct ContrastHistogram {
    /// Share of the squares with each contrast from 0 to 255 levels.
    pub shares: Vec<f64>,
}

impl ContrastHistogram {
    /// Returns the 1-Wasserstein distance between the contrasts of two sets, on a scale that is linear for contrasts far below 16 levels
    /// and logarithmic, in octaves, far above.
    pub fn distance(&self, other: &Self) -> f64 {
        let scale = |level: usize| (1.0 + level as f64 / CONTRAST_UNIT).log2();
        let (mut below, mut distance) = (0.0, 0.0);
        for (level, (a, b)) in self.shares.iter().zip(&other.shares).enumerate() {
            below += a - b;
            distance += f64::abs(below) * (scale(level + 1) - scale(level));
        }
        distance
    }
}

/// Returns the texture of `n` images of `shape`, [height, width, channels], and the distribution of their contrast.
///
/// ```
/// use ganlet_trainer::metrics::texture;
/// let stripes: Vec<u8> = (0..64).map(|i| if i % 2 == 0 { 90 } else { 110 }).collect();
/// let (found, _) = texture([8, 8, 1], 1, |_| &stripes);
/// assert!(found.grid == 10.0 && found.flat == 0.0);
/// ```
pub fn texture<'a>(
    [h, w, c]: [usize; 3],
    n: usize,
    image: impl Fn(usize) -> &'a [u8] + Sync,
) -> (Texture, ContrastHistogram) {
    let all: Vec<_> = (0..n).into_par_iter().map(|i| of_image([h, w, c], image(i))).collect();
    let count = n.max(1) as f64;
    let mean = |of: fn(&Texture) -> f64| all.iter().map(|(texture, _)| of(texture)).sum::<f64>() / count;
    let texture = Texture {
        detail: mean(|t| t.detail),
        grid: mean(|t| t.grid),
        flat: mean(|t| t.flat),
        background: mean(|t| t.background),
    };
    let share = |level: usize| all.iter().map(|(_, contrast)| contrast[level]).sum::<f64>() / count;
    (texture, ContrastHistogram { shares: (0..256).map(share).collect() })
}

/// Returns the texture of an image, and the shares of its squares by contrast.
fn of_image([h, w, c]: [usize; 3], image: &[u8]) -> (Texture, Vec<f64>) {
    let value = |y: usize, x: usize, k: usize| i32::from(image[(y * w + x) * c + k]);
    let (mut detail, mut inner) = (0, 0);
    for y in 1..h.max(1) - 1 {
        for x in 1..w.max(1) - 1 {
            for k in 0..c {
                let around = value(y - 1, x, k) + value(y + 1, x, k) + value(y, x - 1, k) + value(y, x + 1, k);
                detail += (4 * value(y, x, k) - around).abs();
                inner += 4;
            }
        }
    }
    let mut contrast = vec![0.0; 256];
    let (down, right) = (usize::from(h > 1), usize::from(w > 1));
    let squares = (h - down) * (w - right);
    for (y, x) in (0..h - down).flat_map(|y| (0..w - right).map(move |x| (y, x))) {
        let corners = [(y, x), (y, x + right), (y + down, x), (y + down, x + right)];
        let of_channel = |k: usize| {
            let values = corners.map(|(y, x)| image[(y * w + x) * c + k]);
            values.into_iter().fold(0, u8::max) - values.into_iter().fold(255, u8::min)
        };
        contrast[usize::from((0..c).map(of_channel).fold(0, u8::max))] += 1.0 / squares as f64;
    }
    let texture = Texture {
        detail: f64::from(detail) / f64::from(inner.max(1)),
        grid: grid([h, w, c], image),
        flat: contrast[..=FLAT].iter().sum(),
        background: background([h, w, c], image),
    };
    (texture, contrast)
}

/// Returns the variance of the background's color ([`Texture::background`]).
fn background([h, w, c]: [usize; 3], image: &[u8]) -> f64 {
    let sides = (1..(h * 3).div_ceil(4)).flat_map(|y| [(y, 0), (y, w - 1)]);
    let mut frame: Vec<&[u8]> =
        (0..w).map(|x| (0, x)).chain(sides).map(|(y, x)| &image[(y * w + x) * c..][..c]).collect();
    let median: Vec<u8> = (0..c)
        .map(|k| {
            let mut values: Vec<u8> = frame.iter().map(|pixel| pixel[k]).collect();
            values.sort_unstable();
            values[values.len() / 2]
        })
        .collect();
    frame.sort_by_key(|pixel| pixel.iter().zip(&median).map(|(a, b)| a.abs_diff(*b)).max());
    frame.truncate((frame.len() * 3).div_ceil(4));
    let mean = |of: &dyn Fn(&[u8]) -> f64| frame.iter().map(|pixel| of(pixel)).sum::<f64>() / frame.len() as f64;
    let variance = |k: usize| mean(&|p| f64::from(p[k]).powi(2)) - mean(&|p| f64::from(p[k])).powi(2);
    (0..c).map(variance).sum::<f64>() / c as f64
}

/// Returns the amplitude of the strongest pattern with a period of two pixels. An odd last row or column is left out.
fn grid([h, w, c]: [usize; 3], image: &[u8]) -> f64 {
    let (rows, columns) = (h / 2 * 2, w / 2 * 2);
    let mut strongest = 0.0f64;
    for (by_row, by_column) in [(0, 1), (1, 0), (1, 1)] {
        let mut sums = vec![0i64; c];
        for y in 0..rows {
            for x in 0..columns {
                let sign = if (y * by_row + x * by_column) % 2 == 0 { 1 } else { -1 };
                for (k, sum) in sums.iter_mut().enumerate() {
                    *sum += sign * i64::from(image[(y * w + x) * c + k]);
                }
            }
        }
        let pixels = (rows * columns).max(1) as f64;
        let power = sums.iter().map(|&s| (s as f64 / pixels).powi(2)).sum::<f64>() / c as f64;
        strongest = strongest.max(power.sqrt());
    }
    strongest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two halves of different color, which differ by 100 levels.
    fn halves() -> Vec<u8> {
        (0..16 * 16).map(|i| if i % 16 < 8 { 60 } else { 160 }).collect()
    }

    #[test]
    fn each_defect_changes_its_own_value() {
        let of = |image: &[u8]| texture([16, 16, 1], 1, |_| image);
        let clean = halves();
        let (found, contrast) = of(&clean);
        assert!(found.grid == 0.0 && (found.flat - 14.0 / 15.0).abs() < 1e-9);
        assert!((contrast.shares[100] - 1.0 / 15.0).abs() < 1e-9 && contrast.distance(&contrast) == 0.0);
        // Two of fourteen columns inside differ from a quarter of their neighbors.
        assert!((found.detail - 100.0 / 4.0 * 2.0 / 14.0).abs() < 1e-9, "{found:?}");
        let checkered: Vec<u8> =
            clean.iter().enumerate().map(|(i, v)| v + if (i / 16 + i) % 2 == 0 { 3 } else { 0 }).collect();
        assert!((of(&checkered).0.grid - 1.5).abs() < 1e-9 && of(&checkered).0.detail > found.detail);
        let mottled: Vec<u8> = clean.iter().enumerate().map(|(i, v)| v + 2 * (i * 7 % 13) as u8).collect();
        let (texture, histogram) = of(&mottled);
        assert!(texture.flat < 0.3 && histogram.distance(&contrast) > 0.3, "{texture:?}");
        let blurred: Vec<u8> = (0..256)
            .map(|i| match i % 16 {
                0..7 => 60,
                7 => 90,
                8 => 130,
                _ => 160,
            })
            .collect();
        assert!(of(&blurred).0.detail < found.detail);
    }

    #[test]
    fn backgrounds_vary_as_their_colors_do_but_not_with_a_shape_at_the_frame() {
        let of = |image: &[u8]| texture([16, 16, 1], 1, |_| image).0.background;
        // A head that leaves the frame in the middle of the first row.
        let head = |x: usize| (6..10).contains(&x);
        let flat: Vec<u8> = (0..256).map(|i| if head(i % 16) { 20 } else { 200 }).collect();
        assert_eq!(of(&flat), 0.0);
        let checkered: Vec<u8> = flat.iter().enumerate().map(|(i, v)| v + (i / 16 + i) as u8 % 2 * 6).collect();
        assert!((of(&checkered) - 9.0).abs() < 0.5, "{}", of(&checkered));
    }

    #[test]
    fn tiny_images_have_a_texture() {
        for shape in [[1, 1, 1], [2, 3, 3], [3, 2, 1]] {
            let image = vec![9; shape.iter().product()];
            let (found, _) = texture(shape, 1, |_| &image);
            assert!(
                (found.detail, found.grid, found.background) == (0.0, 0.0, 0.0) && (found.flat - 1.0).abs() < 1e-9,
                "{shape:?}: {found:?}"
            );
        }
    }
}
