//! The device in a window, the keyboard for its buttons.

use minifb::{Key, KeyRepeat, Window, WindowOptions};

use super::FRAMES_PER_SECOND;
use super::error::SimError;
use super::simulator::Simulator;
use crate::input::Button;

const KEYS: [(Key, Button); 6] = [
    (Key::Left, Button::Left),
    (Key::Right, Button::Right),
    (Key::Up, Button::Up),
    (Key::Down, Button::Down),
    (Key::Enter, Button::Select),
    (Key::Space, Button::Select),
];

/// Runs the device in a window until that is closed or Esc is pressed.
///
/// The arrow keys are the buttons, Enter and the space bar select. The X11 library is loaded now, not when the program starts.
///
/// # Errors
/// [`SimError::Window`] where there is no display, or the window system refuses; the message names the other outputs.
pub fn run_window(simulator: &mut Simulator<'_>) -> Result<(), SimError> {
    if cfg!(all(unix, not(target_os = "macos"))) && std::env::var_os("DISPLAY").is_none_or(|name| name.is_empty()) {
        return Err(SimError::Window { cause: "there is no display (DISPLAY is not set)".to_owned() });
    }
    let first = simulator.portrait();
    let (width, height) = (first.width as usize, first.height as usize);
    let title = format!("ganlet: {} on {}", simulator.model().name(), simulator.device().name);
    let failed = |cause: minifb::Error| SimError::Window { cause: cause.to_string() };
    let mut window = Window::new(&title, width, height, WindowOptions::default()).map_err(failed)?;
    window.set_target_fps(FRAMES_PER_SECOND as usize);
    let mut pixels = Vec::new();
    let mut changed = true;
    while window.is_open() && !window.is_key_down(Key::Escape) {
        for (key, button) in KEYS {
            if window.is_key_pressed(key, KeyRepeat::Yes) {
                simulator.press(button);
                changed = true;
            }
        }
        changed |= simulator.tick();
        if core::mem::take(&mut changed) || pixels.is_empty() {
            pixels.clear();
            let portrait = simulator.portrait();
            let words = portrait.rgb.as_chunks::<3>().0.iter().map(|&[r, g, b]| u32::from_be_bytes([0, r, g, b]));
            pixels.extend(words);
        }
        window.update_with_buffer(&pixels, width, height).map_err(failed)?;
    }
    Ok(())
}
