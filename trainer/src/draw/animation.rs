//! Encodes a sequence of images as an animated GIF.

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, RgbaImage};
use std::time::Duration;

use super::Image;

/// A GIF that repeats forever and shows each frame for `milliseconds`, the last one four times as long.
///
/// Frames with up to 256 colors are exact; others are reduced to 256 colors. All frames have the same size, with sides below
/// 65,536 pixels. Without frames the file is empty.
#[track_caller]
pub fn animation(frames: &[Image], milliseconds: u64) -> Vec<u8> {
    let mut file = Vec::new();
    let Some(first) = frames.first() else { return file };
    let mut encoder = GifEncoder::new_with_speed(&mut file, 10);
    encoder.set_repeat(Repeat::Infinite).expect("writing a GIF to memory cannot fail");
    for (i, frame) in frames.iter().enumerate() {
        let size = (frame.width() as u32, frame.height() as u32);
        assert_eq!(size, (first.width() as u32, first.height() as u32), "all frames need one size");
        let rgba = frame.bytes().chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
        let rgba = RgbaImage::from_raw(size.0, size.1, rgba).expect("four bytes per pixel");
        let times = if i + 1 == frames.len() { 4 } else { 1 };
        let delay = Delay::from_saturating_duration(Duration::from_millis(milliseconds * times));
        encoder.encode_frame(Frame::from_parts(rgba, 0, 0, delay)).expect("frames below 65,536 pixels a side");
    }
    drop(encoder);
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::AnimationDecoder;
    use image::codecs::gif::GifDecoder;

    #[test]
    fn frames_decode_with_exact_colors_and_a_pause_at_the_end() {
        let frames = [Image::new(5, 3, [10, 20, 30]), Image::new(5, 3, [200, 0, 90])];
        let file = animation(&frames, 100);
        let read = GifDecoder::new(std::io::Cursor::new(&file)).unwrap().into_frames().collect_frames().unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[1].buffer().get_pixel(4, 2).0, [200, 0, 90, 255]);
        assert_eq!(read.iter().map(|f| f.delay().numer_denom_ms().0).collect::<Vec<_>>(), [100, 400]);
        assert!(animation(&[], 100).is_empty());
    }
}
