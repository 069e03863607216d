//! Arranges images in a grid, as in a sample grid.

use super::Image;

/// Color of the margins.
const MARGIN: [u8; 3] = [246, 246, 243];

/// Arranges images in rows of `columns` and enlarges every pixel to `scale` x `scale`.
///
/// Each of `images` has the bytes [height, width, channels]; `shape` is (width, height, channels).
///
/// ```
/// use ganlet_trainer::draw::image_grid;
/// let black = [0; 16 * 16];
/// let sheet = image_grid(&[&black, &black, &black], (16, 16, 1), 2, 4);
/// assert_eq!((sheet.width(), sheet.height()), (2 * 64 + 3 * 4, 2 * 64 + 3 * 4));
/// ```
#[track_caller]
pub fn image_grid(images: &[&[u8]], shape: (usize, usize, usize), columns: usize, scale: usize) -> Image {
    let (columns, scale) = (columns.clamp(1, images.len().max(1)), scale.max(1));
    let rows = images.len().div_ceil(columns).max(1);
    let (width, height) = (shape.0 * scale, shape.1 * scale);
    let margin = (width.min(height) / 16).clamp(2, 8);
    let mut sheet = Image::new(columns * (width + margin) + margin, rows * (height + margin) + margin, MARGIN);
    for (i, bytes) in images.iter().enumerate() {
        let at = (margin + i % columns * (width + margin), margin + i / columns * (height + margin));
        sheet.place(&Image::from_bytes(bytes, shape), at, scale);
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_keep_their_order_and_shape() {
        let (red, blue) = ([255, 0, 0].repeat(6), [0, 0, 255].repeat(6));
        let sheet = image_grid(&[&red, &blue, &blue], (3, 2, 3), 2, 2);
        assert_eq!((sheet.width(), sheet.height()), (2 * 6 + 3 * 2, 2 * 4 + 3 * 2));
        let at = |x: usize, y: usize| &sheet.bytes()[(y * sheet.width() + x) * 3..][..3];
        assert_eq!((at(2, 2), at(10, 2), at(2, 8)), (&[255, 0, 0][..], &[0, 0, 255][..], &[0, 0, 255][..]));
        assert_eq!((at(0, 0), at(10, 8)), (&MARGIN[..], &MARGIN[..]));
        assert_eq!(image_grid(&[], (3, 2, 3), 0, 0).width(), 3 + 2 * 2);
    }
}
