//! An animation of a session: the whole device once, then only its panel.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use gif::{Encoder, Frame as GifFrame, Repeat};

use super::FRAMES_PER_SECOND;
use super::bezel::Look;
use super::error::SimError;
use super::frame::{Frame, write_whole};
use super::script::Script;
use super::simulator::Simulator;

/// Plays `script` and writes it as an endless GIF, first under a temporary name beside `path`; says how many pictures it holds.
///
/// A picture that does not change lasts longer instead of being stored again, and only the rows that change are stored.
///
/// # Errors
/// [`SimError::File`] with the path and the cause; an earlier file of that name is then untouched.
pub fn save_gif(path: &Path, simulator: &mut Simulator<'_>, script: &Script) -> Result<usize, SimError> {
    let look = Look::small(simulator.device());
    let (width, height) = look.size();
    let mut frames = 0;
    write_whole(path, |out| {
        let mut encoder = Encoder::new(out, width as u16, height as u16, &[]).map_err(io::Error::other)?;
        encoder.set_repeat(Repeat::Infinite).map_err(io::Error::other)?;
        let mut write = |frame: &GifFrame<'static>| encoder.write_frame(frame).map_err(io::Error::other);
        let mut shown = simulator.frame();
        let mut pending = indexed(&look.portrait(&shown));
        pending.delay = 0;
        frames = 1;
        simulator.play(script, |simulator| {
            let next = simulator.frame();
            if let Some((top, rows)) = shown.changed_rows(&next) {
                write(&pending)?;
                frames += 1;
                pending = indexed(&look.enlarge(&next.band(top, rows)));
                let (left, origin) = look.origin();
                (pending.left, pending.top) = (left as u16, (origin + top * look.scale()) as u16);
                pending.delay = 0;
                shown = next;
            }
            pending.delay = pending.delay.saturating_add((100 / FRAMES_PER_SECOND) as u16);
            Ok::<_, io::Error>(())
        })?;
        write(&pending)
    })?;
    Ok(frames)
}

/// A frame with its own palette: exact up to 256 colours, as on every mono, grey and LED panel, else the nearest of 256 chosen ones.
fn indexed(frame: &Frame) -> GifFrame<'static> {
    let (width, height) = (frame.width as u16, frame.height as u16);
    let mut palette = BTreeMap::new();
    for pixel in frame.rgb.as_chunks::<3>().0 {
        palette.insert(*pixel, 0u8);
        if palette.len() > 256 {
            return GifFrame::from_rgb_speed(width, height, &frame.rgb, 10);
        }
    }
    palette.values_mut().zip(0u8..=255).for_each(|(index, i)| *index = i);
    let indices: Vec<u8> = frame.rgb.as_chunks::<3>().0.iter().map(|pixel| palette[pixel]).collect();
    let colors: Vec<u8> = palette.into_keys().flatten().collect();
    GifFrame::from_palette_pixels(width, height, indices, colors, None)
}
