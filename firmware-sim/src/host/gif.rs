//! GIF animations of a session. The first image shows the whole device, and the others show the changed rows of its panel.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use gif::{AnyExtension, Encoder, Frame as GifFrame, Repeat};

use super::FRAMES_PER_SECOND;
use super::bezel::DevicePortrait;
use super::device::Device;
use super::error::SimError;
use super::frame::{Frame, write_whole};
use super::script::Script;
use super::simulator::Simulator;

/// Label of the block with a comment, which names the program that wrote the file.
const COMMENT: u8 = 0xfe;

/// Plays `script` and writes it as a looping GIF; returns the number of stored images.
///
/// An unchanged frame extends the previous one, and only changed rows are stored. The file is complete or absent.
///
/// # Errors
/// [`SimError::File`] with the path and the cause. An earlier file of that name is then unchanged.
pub fn save_gif(path: &Path, simulator: &mut Simulator<'_>, script: &Script) -> Result<usize, SimError> {
    let device = *simulator.device();
    record(path, &device, |show| simulator.play(script, |simulator| show(&simulator.frame())))
}

/// Writes frames of a device's panel as a looping GIF; returns the number of stored images.
///
/// # Errors
/// Those of [`save_gif`].
pub fn save_frames(path: &Path, device: &Device, frames: &[Frame]) -> Result<usize, SimError> {
    record(path, device, |show| frames.iter().try_for_each(show))
}

/// Callback for every frame of a session.
type Show<'s> = dyn FnMut(&Frame) -> io::Result<()> + 's;

fn record(path: &Path, device: &Device, play: impl FnOnce(&mut Show<'_>) -> io::Result<()>) -> Result<usize, SimError> {
    let look = DevicePortrait::small(device);
    let (width, height) = look.size();
    let mut stored = 0;
    write_whole(path, |out| {
        let mut encoder = Encoder::new(out, width as u16, height as u16, &[]).map_err(io::Error::other)?;
        encoder.set_repeat(Repeat::Infinite).map_err(io::Error::other)?;
        encoder.write_raw_extension(AnyExtension(COMMENT), &[b"ganlet"]).map_err(io::Error::other)?;
        // The current frame and its image, which is stored when its duration is known.
        let mut last: Option<(Frame, GifFrame<'static>)> = None;
        let mut store = |image: &GifFrame<'static>| {
            stored += 1;
            encoder.write_frame(image).map_err(io::Error::other)
        };
        play(&mut |next: &Frame| {
            let (shown, image) = match &mut last {
                Some(last) => last,
                None => last.insert((next.clone(), indexed(&look.portrait(next)))),
            };
            if let Some((top, rows)) = shown.changed_rows(next) {
                store(image)?;
                *image = indexed(&look.enlarge(&next.band(top, rows)));
                let (left, origin) = look.origin();
                (image.left, image.top) = (left as u16, (origin + top * look.scale()) as u16);
                *shown = next.clone();
            }
            image.delay = image.delay.saturating_add((100 / FRAMES_PER_SECOND) as u16);
            Ok(())
        })?;
        last.iter().try_for_each(|(_, image)| store(image))
    })?;
    Ok(stored)
}

/// Converts a frame to an image with its own palette: exact up to 256 colors, otherwise the nearest of 256 chosen colors.
pub(super) fn indexed(frame: &Frame) -> GifFrame<'static> {
    let (width, height) = (frame.width as u16, frame.height as u16);
    let mut palette = BTreeMap::new();
    for pixel in frame.rgb.as_chunks::<3>().0 {
        palette.insert(*pixel, 0u8);
        if palette.len() > 256 {
            return timeless(GifFrame::from_rgb_speed(width, height, &frame.rgb, 10));
        }
    }
    palette.values_mut().zip(0u8..=255).for_each(|(index, i)| *index = i);
    let indices: Vec<u8> = frame.rgb.as_chunks::<3>().0.iter().map(|pixel| palette[pixel]).collect();
    let colors: Vec<u8> = palette.into_keys().flatten().collect();
    timeless(GifFrame::from_palette_pixels(width, height, indices, colors, None))
}

/// Returns an image without a duration.
fn timeless(image: GifFrame<'static>) -> GifFrame<'static> {
    GifFrame { delay: 0, ..image }
}
