//! Converts float images to the 8-bit values that a display shows.

/// Converts `values` to bytes: `range` (black, white) becomes 0..=255, rounded to nearest and saturated.
///
/// Every float image in the crate is converted by this function, so float and int8 images are compared on equal terms.
///
/// ```
/// use ganlet_trainer::data::to_bytes;
/// assert_eq!(to_bytes(&[-1.0, 0.0, 1.0, 7.0, f32::NAN], (-1.0, 1.0)), [0, 128, 255, 255, 0]);
/// ```
pub fn to_bytes(values: &[f32], range: (f32, f32)) -> Vec<u8> {
    let (black, white) = range;
    values.iter().map(|v| ((v - black) / (white - black) * 255.0).round().clamp(0.0, 255.0) as u8).collect()
}
