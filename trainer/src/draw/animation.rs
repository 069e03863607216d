//! Pictures one after another, as an animated GIF.

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, RgbaImage};
use std::time::Duration;

use super::Image;

/// An endlessly repeating GIF that shows each of `frames` for `milliseconds` and the last one four times as long.
///
/// Up to 256 colors a frame are kept exactly, more are reduced. Frames must be of one size, below 65,536 pixels a side; none gives an empty file.
#[track_caller]
pub fn animation(frames: &[Image], milliseconds: u64) -> Vec<u8> {
    let mut file = Vec::new();
    let Some(first) = frames.first() else { return file };
    let mut encoder = GifEncoder::new_with_speed(&mut file, 10);
    encoder.set_repeat(Repeat::Infinite).expect("memory takes any GIF");
    for (i, frame) in frames.iter().enumerate() {
        let size = (frame.width() as u32, frame.height() as u32);
        assert_eq!(size, (first.width() as u32, first.height() as u32), "all frames need one size");
        let rgba = frame.bytes().chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
        let rgba = RgbaImage::from_raw(size.0, size.1, rgba).expect("four bytes a pixel");
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
    fn frames_come_back_with_exact_colors_and_a_pause_at_the_end() {
        let frames = [Image::new(5, 3, [10, 20, 30]), Image::new(5, 3, [200, 0, 90])];
        let file = animation(&frames, 100);
        let read = GifDecoder::new(std::io::Cursor::new(&file)).unwrap().into_frames().collect_frames().unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[1].buffer().get_pixel(4, 2).0, [200, 0, 90, 255]);
        assert_eq!(read.iter().map(|f| f.delay().numer_denom_ms().0).collect::<Vec<_>>(), [100, 400]);
        assert!(animation(&[], 100).is_empty());
    }
}
