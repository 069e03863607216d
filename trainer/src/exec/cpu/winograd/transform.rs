//! The linear transforms of Winograd convolutions, which only add, subtract and halve.
use super::points::{Pair, Point, tile_count, tiles};
use crate::graph::Window;
use crate::plan::ConvShape;
use crate::simd::multiversion;

/// Where the pixels of a batch of images lie: offset and strides in elements, and channels per pixel.
#[derive(Clone, Copy)]
pub(super) struct PixelGrid {
    pub(super) offset: usize,
    pub(super) image_stride: usize,
    pub(super) row_stride: usize,
    pub(super) col_stride: usize,
    pub(super) channels: usize,
}

impl PixelGrid {
    /// The output images of a convolution, without padding.
    pub(super) fn output(s: &ConvShape) -> Self {
        Self { offset: 0, image_stride: s.y_len(), row_stride: s.ow * s.co, col_stride: s.co, channels: s.co }
    }

    /// Offset of a pixel. The sum wraps, because checks for overflow would cost several percent of a convolution; slices check
    /// the offset anyway.
    #[inline(always)]
    fn at(&self, image: usize, y: usize, x: usize) -> usize {
        let image = self.offset.wrapping_add(image.wrapping_mul(self.image_stride));
        let row = image.wrapping_add(y.wrapping_mul(self.row_stride));
        row.wrapping_add(x.wrapping_mul(self.col_stride))
    }
}

/// The rows of the matrix product of one pair of points: one row for each output tile that uses the pair.
#[derive(Clone, Copy)]
pub(super) struct TileRows {
    pub(super) images: usize,
    /// Height and width of an output image.
    pub(super) size: (usize, usize),
    pub(super) pair: Pair,
}

impl TileRows {
    /// Number of rows: m of the product.
    pub(super) fn count(&self) -> usize {
        self.images * tile_count(self.size.0, self.pair.0) * tile_count(self.size.1, self.pair.1)
    }
}

multiversion! {
    /// Input transform: writes the transformed input of every row, one after the other.
    pub(super) fn transform_input(rows: TileRows, grid: PixelGrid, from: &[f32], to: &mut [f32]) {
        let channels = grid.channels;
        let mut to = to.chunks_exact_mut(channels);
        for image in 0..rows.images {
            for y in tiles(rows.size.0, rows.pair.0) {
                let (y0, y1, y_sign) = rows.pair.0.input_transform(y.len);
                for x in tiles(rows.size.1, rows.pair.1) {
                    let (x0, x1, x_sign) = rows.pair.1.input_transform(x.len);
                    let pixel = |dy: usize, dx: usize| {
                        &from[grid.at(image, y.start + dy, x.start + dx)..][..channels]
                    };
                    let (a, b, c, d) = (pixel(y0, x0), pixel(y0, x1), pixel(y1, x0), pixel(y1, x1));
                    let Some(to) = to.next() else { return };
                    for i in 0..channels {
                        to[i] = (a[i] + x_sign * b[i]) + y_sign * (c[i] + x_sign * d[i]);
                    }
                }
            }
        }
    }
}

multiversion! {
    /// Output transform: adds the product of every row to the outputs of its tile.
    pub(super) fn transform_output(rows: TileRows, grid: PixelGrid, from: &[f32], to: &mut [f32]) {
        let channels = grid.channels;
        let mut from = from.chunks_exact(channels);
        for image in 0..rows.images {
            for y in tiles(rows.size.0, rows.pair.0) {
                let y_factors = rows.pair.0.output_transform(y.len);
                for x in tiles(rows.size.1, rows.pair.1) {
                    let x_factors = rows.pair.1.output_transform(x.len);
                    let Some(from) = from.next() else { return };
                    for (dy, sy) in y_factors.iter().enumerate().take(y.len).filter(|s| *s.1 != 0.0) {
                        for (dx, sx) in x_factors.iter().enumerate().take(x.len).filter(|s| *s.1 != 0.0) {
                            let to = &mut to[grid.at(image, y.start + dy, x.start + dx)..][..channels];
                            axpy(sy * sx, from, to);
                        }
                    }
                }
            }
        }
    }
}

multiversion! {
    /// [`transform_output`] for one vertical point and all horizontal points at once. The products of horizontal point
    /// `i` begin at `i · point_stride`. Sums along a row are formed in registers, so every output is updated once.
    pub(super) fn transform_output_rows(
        rows: TileRows,
        grid: PixelGrid,
        from: &[f32],
        point_stride: usize,
        to: &mut [f32],
    ) {
        let (channels, col_stride) = (grid.channels, grid.col_stride);
        let (all, threes) = (tile_count(rows.size.1, Point::Zero), tile_count(rows.size.1, Point::MinusOne));
        let mut tile_row = 0;
        for image in 0..rows.images {
            for y in tiles(rows.size.0, rows.pair.0) {
                let y_factors = rows.pair.0.output_transform(y.len);
                for (i, x) in tiles(rows.size.1, Point::Zero).enumerate() {
                    let product = |point: usize, width: usize| {
                        &from[point * point_stride + (tile_row * width + i) * channels..][..channels]
                    };
                    let (zero, one, infinity) = (product(0, all), product(1, all), product(3, all));
                    for (dy, &sy) in y_factors.iter().enumerate().take(y.len).filter(|s| *s.1 != 0.0) {
                        let (first, rest) = to[grid.at(image, y.start + dy, x.start)..].split_at_mut(col_stride);
                        if x.len == 2 {
                            let (first, second) = (&mut first[..channels], &mut rest[..channels]);
                            for c in 0..channels {
                                first[c] += sy * (zero[c] + one[c]);
                                second[c] += sy * (one[c] + infinity[c]);
                            }
                            continue;
                        }
                        let minus = product(2, threes);
                        let (second, third) = rest.split_at_mut(col_stride);
                        let (first, second) = (&mut first[..channels], &mut second[..channels]);
                        let third = &mut third[..channels];
                        for c in 0..channels {
                            first[c] += sy * (zero[c] + one[c] + minus[c]);
                            second[c] += sy * (one[c] - minus[c]);
                            third[c] += sy * (one[c] + minus[c] + infinity[c]);
                        }
                    }
                }
                tile_row += 1;
            }
        }
    }
}

multiversion! {
    /// Adjoint of [`transform_output`]: writes, for every row, the weighted sum of the output gradients of its tile.
    pub(super) fn transform_output_gradient(rows: TileRows, grid: PixelGrid, from: &[f32], to: &mut [f32]) {
        let channels = grid.channels;
        let mut to = to.chunks_exact_mut(channels);
        for image in 0..rows.images {
            for y in tiles(rows.size.0, rows.pair.0) {
                let y_factors = rows.pair.0.output_transform(y.len);
                for x in tiles(rows.size.1, rows.pair.1) {
                    let x_factors = rows.pair.1.output_transform(x.len);
                    let Some(to) = to.next() else { return };
                    to.fill(0.0);
                    for (dy, sy) in y_factors.iter().enumerate().take(y.len).filter(|s| *s.1 != 0.0) {
                        for (dx, sx) in x_factors.iter().enumerate().take(x.len).filter(|s| *s.1 != 0.0) {
                            axpy(sy * sx, &from[grid.at(image, y.start + dy, x.start + dx)..][..channels], to);
                        }
                    }
                }
            }
        }
    }
}

multiversion! {
    /// to += factor · from.
    pub(super) fn add_scaled(factor: f32, from: &[f32], to: &mut [f32]) {
        axpy(factor, from, to);
    }
}

/// to += factor · from.
#[inline(always)]
fn axpy(factor: f32, from: &[f32], to: &mut [f32]) {
    to.iter_mut().zip(from).for_each(|(t, v)| *t += factor * v);
}

multiversion! {
    /// Filter transform: the weights of a pair of points from the taps (0,0), (0,1), (1,0) and (1,1).
    pub(super) fn transform_filter(y_factors: [f32; 2], x_factors: [f32; 2], taps: [&[f32]; 4], to: &mut [f32]) {
        let n = to.len();
        let [a, b, c, d] = taps.map(|t| &t[..n]);
        for i in 0..n {
            to[i] = y_factors[0] * (x_factors[0] * a[i] + x_factors[1] * b[i])
                + y_factors[1] * (x_factors[0] * c[i] + x_factors[1] * d[i]);
        }
    }
}

/// Space-to-depth form of a padded image: each 2x2 square of pixels becomes one pixel of `4·ci` channels. In this form
/// a convolution of kernel 4 and stride 2 has kernel 2 and stride 1.
#[derive(Clone, Copy)]
pub(super) struct SpaceToDepth {
    h: usize,
    w: usize,
    channels: usize,
}

impl SpaceToDepth {
    /// The form of the input images of a convolution.
    pub(super) fn new(s: &ConvShape) -> Self {
        Self { h: s.oh + 1, w: s.ow + 1, channels: s.ci }
    }

    /// Elements of an image.
    pub(super) fn len(&self) -> usize {
        4 * self.h * self.w * self.channels
    }

    /// Where the pixels lie.
    pub(super) fn grid(&self) -> PixelGrid {
        let channels = 4 * self.channels;
        PixelGrid { offset: 0, image_stride: self.len(), row_stride: self.w * channels, col_stride: channels, channels }
    }

    /// Rearranges the images `x`. Pixels outside an image are 0.
    pub(super) fn rearrange(&self, w: Window, s: &ConvShape, x: &[f32], to: &mut [f32]) {
        let c = self.channels;
        for (from, to) in x.chunks_exact(s.h * s.w * c).zip(to.chunks_exact_mut(self.len())) {
            for (i, to) in to.chunks_exact_mut(2 * c).enumerate() {
                // Two neighboring pixels of a row, which are neighbors in the image too.
                let (square, dy) = (i / 2, i % 2);
                let (y, x) =
                    ((2 * (square / self.w) + dy).wrapping_sub(w.pad), (2 * (square % self.w)).wrapping_sub(w.pad));
                if y < s.h && x < s.w && x + 1 < s.w {
                    to.copy_from_slice(&from[(y * s.w + x) * c..][..2 * c]);
                    continue;
                }
                for (dx, to) in to.chunks_exact_mut(c).enumerate() {
                    let x = x.wrapping_add(dx);
                    if y < s.h && x < s.w {
                        to.copy_from_slice(&from[(y * s.w + x) * c..][..c]);
                    } else {
                        to.fill(0.0);
                    }
                }
            }
        }
    }
}
