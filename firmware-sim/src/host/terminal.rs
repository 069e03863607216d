//! The panel in a terminal: two pixels per character, as half blocks in 24-bit color, or an image if the terminal supports images.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::{cursor, execute, terminal};

use super::FRAMES_PER_SECOND;
use super::bezel::DevicePortrait;
use super::error::SimError;
use super::frame::Frame;
use super::graphics::TerminalGraphics;
use super::simulator::Simulator;
use crate::color::luma;
use crate::input::Button;

/// Characters from dark to bright, for a terminal without colors.
const RAMP: &[u8; 10] = b" .:-=+*#%@";

/// Returns the panel as text of at most `columns` by `rows` characters; without `color` as plain characters from dark to bright.
///
/// Small panels are enlarged by a whole factor, large ones are averaged over squares of pixels.
#[must_use]
pub fn print_frame(frame: &Frame, columns: u32, rows: u32, color: bool) -> String {
    let (columns, rows) = (columns.max(1), rows.max(1));
    // A half block is about square. A plain character also represents two rows.
    let shrink = frame.width.div_ceil(columns).max(frame.height.div_ceil(2 * rows)).max(1);
    let grow = if shrink > 1 { 1 } else { (columns / frame.width).min(2 * rows / frame.height).clamp(1, 8) };
    let image = averaged(frame, shrink).enlarged(grow);
    let below = |x, y: u32| if y + 1 < image.height { image.at(x, y + 1) } else { [0; 3] };
    let mut out = String::new();
    for y in (0..image.height).step_by(2) {
        let mut last = None;
        for x in 0..image.width {
            let (upper, lower) = (image.at(x, y), below(x, y));
            if color {
                if last != Some((upper, lower)) {
                    let ([r, g, b], [s, h, c]) = (upper, lower);
                    let _ = write!(out, "\x1b[38;2;{r};{g};{b};48;2;{s};{h};{c}m");
                    last = Some((upper, lower));
                }
                out.push('▀');
            } else {
                let mean = (usize::from(luma(upper)) + usize::from(luma(lower))) / 2;
                out.push(char::from(RAMP[(mean * RAMP.len() / 256).min(RAMP.len() - 1)]));
            }
        }
        out.push_str(if color { "\x1b[0m\n" } else { "\n" });
    }
    out
}

fn averaged(frame: &Frame, by: u32) -> Frame {
    let mut out = Frame::new(frame.width.div_ceil(by), frame.height.div_ceil(by));
    for y in 0..out.height {
        for x in 0..out.width {
            let (right, bottom) = (((x + 1) * by).min(frame.width), ((y + 1) * by).min(frame.height));
            let mut sums = [0u32; 3];
            for at in (y * by..bottom).flat_map(|y| (x * by..right).map(move |x| (x, y))) {
                for (sum, value) in sums.iter_mut().zip(frame.at(at.0, at.1)) {
                    *sum += u32::from(value);
                }
            }
            let count = (right - x * by) * (bottom - y * by);
            out.set(x as i32, y as i32, sums.map(|sum| ((sum + count / 2) / count) as u8));
        }
    }
    out
}

/// Returns the columns and rows of the terminal; 80 by 24 if unknown.
fn size() -> io::Result<(u16, u16)> {
    terminal::size().map(|size| if size.0 == 0 || size.1 == 0 { (80, 24) } else { size })
}

/// Runs the device in the terminal until Esc, `q` or Ctrl-C. If output or input is not a terminal, prints one frame.
///
/// The arrow keys are the buttons, Enter and the space bar select. `NO_COLOR` in the environment gives plain characters. With `graphics` other than
/// half blocks the whole device is drawn.
///
/// # Errors
/// [`SimError::Terminal`] if the terminal cannot be written or read.
pub fn run_terminal(simulator: &mut Simulator<'_>, graphics: TerminalGraphics) -> Result<(), SimError> {
    let color = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if io::stdout().is_terminal() && io::stdin().is_terminal() {
        let screen = AlternateScreen::open().map_err(SimError::Terminal)?;
        let end = interact(simulator, graphics, color);
        drop(screen);
        return end.map_err(SimError::Terminal);
    }
    if graphics != TerminalGraphics::Blocks {
        let text = drawn(simulator, graphics).map_err(SimError::Terminal)? + "\n";
        return io::stdout().lock().write_all(text.as_bytes()).map_err(SimError::Terminal);
    }
    let (columns, rows) = if io::stdout().is_terminal() { size().unwrap_or((80, 24)) } else { (128, 64) };
    let text = print_frame(&simulator.frame(), columns.into(), u32::from(rows).saturating_sub(2), color);
    match io::stdout().lock().write_all(text.as_bytes()) {
        // A reader such as `head` has closed the pipe.
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(SimError::Terminal),
    }
}

/// The terminal's alternate screen in raw mode. Dropping it restores the terminal.
struct AlternateScreen;

impl AlternateScreen {
    fn open() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        let screen = Self;
        execute!(io::stdout(), terminal::EnterAlternateScreen, cursor::Hide)?;
        Ok(screen)
    }
}

impl Drop for AlternateScreen {
    fn drop(&mut self) {
        // A failure cannot be reported here.
        let _ = execute!(io::stdout(), cursor::Show, terminal::LeaveAlternateScreen);
        let _ = terminal::disable_raw_mode();
    }
}

/// Returns the device encoded as an image for the terminal.
fn drawn(simulator: &Simulator<'_>, graphics: TerminalGraphics) -> io::Result<String> {
    graphics.encode(&DevicePortrait::small(simulator.device()).portrait(&simulator.frame()))
}

/// Returns a line with the cost of the current frame.
fn status(simulator: &Simulator<'_>) -> String {
    let cost = simulator.cost();
    let time = cost.frame_ms().map_or_else(String::new, |ms| format!("   about {ms:.0} ms a frame"));
    format!("{} bytes a frame over {}{time}", cost.bytes, cost.device.bus.name())
}

fn interact(simulator: &mut Simulator<'_>, graphics: TerminalGraphics, color: bool) -> io::Result<()> {
    let frame_time = Duration::from_secs(1) / FRAMES_PER_SECOND;
    let mut shown = String::new();
    loop {
        let until = Instant::now() + frame_time;
        let (columns, rows) = size()?;
        let lines = ["arrows: buttons   Enter: next screen   Esc: quit".to_owned(), status(simulator)];
        let [help, status] = lines.map(|line| line.chars().take(columns.into()).collect::<String>());
        let text = if graphics == TerminalGraphics::Blocks {
            let image = print_frame(&simulator.frame(), columns.into(), u32::from(rows).saturating_sub(3), color);
            format!("{}\r\n{status}\x1b[K\r\n{help}", image.trim_end_matches('\n').replace('\n', "\r\n"))
        } else {
            format!("{status}\x1b[K\r\n{help}\r\n{}", drawn(simulator, graphics)?)
        };
        if text != shown {
            execute!(io::stdout(), cursor::MoveTo(0, 0))?;
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())?;
            out.flush()?;
            shown = text;
        }
        while event::poll(until.saturating_duration_since(Instant::now()))? {
            match event::read()? {
                Event::Resize(..) => {
                    execute!(io::stdout(), terminal::Clear(terminal::ClearType::All))?;
                    shown.clear();
                }
                Event::Key(key) if key.kind != KeyEventKind::Release => match key.code {
                    KeyCode::Esc | KeyCode::Char('q') => return Ok(()),
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(()),
                    code => {
                        if let Some(button) = button(code) {
                            simulator.press(button);
                        }
                    }
                },
                _ => {}
            }
        }
        simulator.tick();
    }
}

const fn button(code: KeyCode) -> Option<Button> {
    Some(match code {
        KeyCode::Left => Button::Left,
        KeyCode::Right => Button::Right,
        KeyCode::Up => Button::Up,
        KeyCode::Down => Button::Down,
        KeyCode::Enter | KeyCode::Char(' ') => Button::Select,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_blocks_hold_two_pixels_each() {
        let mut frame = Frame::new(2, 2);
        frame.rgb = vec![1, 2, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        let text = print_frame(&frame, 3, 1, true);
        assert_eq!(text, "\x1b[38;2;1;2;3;48;2;4;5;6m▀\x1b[38;2;1;2;3;48;2;7;8;9m▀\x1b[0m\n");
    }

    #[test]
    fn text_fits_the_given_columns_and_rows() {
        for (width, height) in [(5, 5), (128, 64), (240, 240), (320, 240), (7, 3)] {
            for (columns, rows) in [(80, 24), (1, 1), (320, 100), (20, 5)] {
                let text = print_frame(&Frame::new(width, height), columns, rows, false);
                assert!(text.lines().count() <= rows as usize, "{width}x{height} in {columns}x{rows}");
                assert!(
                    text.lines().all(|line| line.len() <= columns as usize),
                    "{width}x{height} in {columns}x{rows}"
                );
            }
        }
    }
}
