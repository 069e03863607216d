//! The device in a desktop window, with keys as its buttons.

use minifb::{Key, KeyRepeat, Window, WindowOptions};

use super::FRAMES_PER_SECOND;
use super::error::SimError;
use super::frame::Frame;
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

/// A device that a window can show: simulated, or firmware in an emulator.
pub trait WindowDevice {
    /// The error type, which includes errors of the window.
    type Error: From<SimError>;

    /// Returns the title of the window.
    fn title(&self) -> String;

    /// Presses a button.
    ///
    /// # Errors
    /// Those of the device.
    fn press(&mut self, button: Button) -> Result<(), Self::Error>;

    /// Advances by one frame; returns whether the panel may have changed.
    ///
    /// # Errors
    /// Those of the device.
    fn tick(&mut self) -> Result<bool, Self::Error>;

    /// Returns an image of the whole device.
    ///
    /// # Errors
    /// Those of the device.
    fn portrait(&mut self) -> Result<Frame, Self::Error>;
}

impl WindowDevice for Simulator<'_> {
    type Error = SimError;

    fn title(&self) -> String {
        format!("ganlet: {} on {}", self.model().name(), self.device().name)
    }

    fn press(&mut self, button: Button) -> Result<(), SimError> {
        Self::press(self, button);
        Ok(())
    }

    fn tick(&mut self) -> Result<bool, SimError> {
        Ok(Self::tick(self))
    }

    fn portrait(&mut self) -> Result<Frame, SimError> {
        Ok(Self::portrait(self))
    }
}

/// Runs the device in a window until it is closed or Esc is pressed.
///
/// The arrow keys are the buttons, Enter and the space bar select. The X11 library is loaded by this call, not when the program starts.
///
/// # Errors
/// [`SimError::Window`] if there is no display or the window system refuses, and those of the device.
pub fn run_window<S: WindowDevice>(device: &mut S) -> Result<(), S::Error> {
    if cfg!(all(unix, not(target_os = "macos"))) && std::env::var_os("DISPLAY").is_none_or(|name| name.is_empty()) {
        return Err(SimError::Window { cause: "there is no display (DISPLAY is not set)".to_owned() }.into());
    }
    let first = device.portrait()?;
    let (width, height) = (first.width as usize, first.height as usize);
    let failed = |cause: minifb::Error| SimError::Window { cause: cause.to_string() };
    let mut window = Window::new(&device.title(), width, height, WindowOptions::default()).map_err(failed)?;
    window.set_target_fps(FRAMES_PER_SECOND as usize);
    let mut pixels = window_pixels(&first);
    while window.is_open() && !window.is_key_down(Key::Escape) {
        let mut changed = false;
        for (key, button) in KEYS {
            if window.is_key_pressed(key, KeyRepeat::Yes) {
                device.press(button)?;
                changed = true;
            }
        }
        changed |= device.tick()?;
        if changed {
            pixels = window_pixels(&device.portrait()?);
        }
        window.update_with_buffer(&pixels, width, height).map_err(failed)?;
    }
    Ok(())
}

/// Converts an image to the pixels of the window.
fn window_pixels(frame: &Frame) -> Vec<u32> {
    frame.rgb.as_chunks::<3>().0.iter().map(|&[r, g, b]| u32::from_be_bytes([0, r, g, b])).collect()
}
