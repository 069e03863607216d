//! The part of the tests that opens windows on an X server without a screen, presses keys, and checks the pixels of the windows.

use super::checks::Checks;
use crate::failure::Failure;
use crate::model_file::{self, WorkLimit};
use crate::process::{self, folder, root};
use ganlet_sim::Button;
use ganlet_sim::host::{BoardInfo, Device, DevicePortrait, Frame, Simulator};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The X server without a screen, and the program that presses keys on it.
const SERVER: &str = "Xvfb";
const KEY_SENDER: &str = "xdotool";
/// Debian packages of the libraries that windows load at run time.
const LIBRARIES: [&str; 2] = ["libx11-6", "libxcursor1"];
/// Time limit for a window to open. It takes a second, and longer if firmware is built first on a busy machine.
const WINDOW_LIMIT: Duration = Duration::from_secs(240);
const PAUSE: Duration = Duration::from_millis(20);
/// How long a key is held if the window does not answer. Then it is pressed again: the window may not have had the focus yet.
const KEY_LIMIT: Duration = Duration::from_secs(10);
/// Number of times that a key is pressed before the window counts as dead.
const KEY_PRESSES: usize = 12;
/// Largest number of presses that the window may see: a key that is held for long repeats, and a busy window answers late.
const MAX_REPEATS: usize = 48;
const MODEL: &str = "runtime/tests/golden/kinds-v2.model";

/// The window to test.
#[derive(Clone, Copy)]
pub(super) enum Window {
    /// The window of `sim` for a device.
    Simulator(&'static str),
    /// The window of `emulate` for a board.
    Emulator(&'static BoardInfo),
}

/// Sets up the X server and xdotool if that needs no questions; else returns the remedy.
pub(super) fn prepare(_: Window, report: &dyn Fn(&str)) -> Result<(), String> {
    process::require(SERVER, &[&["xvfb"], &LIBRARIES[..]].concat(), report)?;
    process::require(KEY_SENDER, &[KEY_SENDER], report)
}

/// Opens the window, presses a key and closes it with Esc; the window must show what the simulator shows.
pub(super) fn check(kind: Window) -> Result<Checks, Failure> {
    let path = root().join(MODEL);
    let file = model_file::read(&path, WorkLimit::DEFAULT)?;
    let (name, words): (String, Vec<&str>) = match kind {
        Window::Simulator(device) => (format!("sim {device}"), vec!["sim", "--window", "--device", device]),
        Window::Emulator(board) => (format!("emulate {}", board.name), vec!["emulate", "--board", board.name]),
    };
    let device = match kind {
        Window::Simulator(device) => Device::named(device).map_err(|e| Failure::failed(e.to_string()))?,
        Window::Emulator(board) => board.device(),
    };
    let mut simulator = Simulator::new(file.bytes(), device)?;
    let look = DevicePortrait::of(&device);
    let first = look.portrait(&simulator.frame());
    let mut later = Vec::new();
    for _ in 0..MAX_REPEATS {
        simulator.press(Button::Right);
        simulator.tick();
        later.push(look.portrait(&simulator.frame()));
    }
    let screen = Screen::open(&name.replace(' ', "-"))?;
    let mut command = Command::new(process::this_program()?);
    command.args(&words).arg(&path).env("DISPLAY", &screen.display).current_dir(root());
    let mut window =
        ChildGuard(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().map_err(cannot("the window"))?);

    let mut checks = Checks::default();
    let place = screen.wait_for(&first, &mut window.0)?;
    checks.check(place.is_some(), || format!("{name}: the window does not show the first image"));
    if let Some(place) = place {
        let answered = screen.press("Right", place, &first, &later, &mut window.0)?;
        checks.check(answered, || format!("{name}: the window does not show the next image when Right is pressed"));
    }
    screen.key("keydown", "Escape")?;
    let ended = wait(&mut window.0, WINDOW_LIMIT).is_some_and(|status| status.success());
    checks.check(ended, || format!("{name}: Esc does not close the window"));
    Ok(checks)
}

fn cannot(what: &str) -> impl Fn(std::io::Error) -> Failure {
    move |e| Failure::failed(format!("cannot start {what}: {e}"))
}

/// A process that is ended when this value is dropped.
struct ChildGuard(Child);

impl Drop for ChildGuard {
    fn drop(&mut self) {
        // If it cannot be ended, nothing else can be done about it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for a process; returns `None` if it runs longer than `limit`.
fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if start.elapsed() < limit => thread::sleep(PAUSE),
            _ => return None,
        }
    }
}

/// An X server that draws into a file, and the name of its display.
struct Screen {
    _server: ChildGuard,
    display: String,
    pixels: PathBuf,
}

impl Screen {
    /// Starts a server whose files are in a folder with this name.
    fn open(name: &str) -> Result<Self, Failure> {
        let place = folder()?.join("screens").join(name);
        fs::create_dir_all(&place).map_err(|e| Failure::file(&place, e))?;
        let mut command = Command::new(SERVER);
        command.args(["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp", "-fbdir"]).arg(&place);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = ChildGuard(command.spawn().map_err(cannot(SERVER))?);
        let mut number = String::new();
        if let Some(out) = server.0.stdout.take() {
            BufReader::new(out).read_line(&mut number).map_err(cannot(SERVER))?;
        }
        if number.trim().is_empty() {
            return Err(Failure::failed(format!("{SERVER} ended before it had a display")));
        }
        Ok(Self { _server: server, display: format!(":{}", number.trim()), pixels: place.join("Xvfb_screen0") })
    }

    /// Presses or releases a key in the only window.
    fn key(&self, how: &str, key: &str) -> Result<(), Failure> {
        let mut command = Command::new(KEY_SENDER);
        command.env("DISPLAY", &self.display).args(["search", "--onlyvisible", "--name", "ganlet", "windowfocus"]);
        let status = command.args([how, key]).stdout(Stdio::null()).status().map_err(cannot(KEY_SENDER))?;
        if status.success() { Ok(()) } else { Err(Failure::failed(format!("{KEY_SENDER} {how} {key}: {status}"))) }
    }

    /// Waits until the frame is on the screen and returns where; returns `None` if the window ends first.
    fn wait_for(&self, frame: &Frame, window: &mut Child) -> Result<Option<(usize, usize)>, Failure> {
        let mut place = None;
        wait_until(WINDOW_LIMIT, window, || {
            place = find(&self.picture()?, frame);
            Ok(place.is_some())
        })?;
        Ok(place)
    }

    /// Presses a key until the window no longer shows `first` at this place; returns whether it then comes to rest at one of the
    /// later frames.
    fn press(
        &self,
        key: &str,
        place: (usize, usize),
        first: &Frame,
        later: &[Frame],
        window: &mut Child,
    ) -> Result<bool, Failure> {
        for _ in 0..KEY_PRESSES {
            self.key("keydown", key)?;
            let answered = wait_until(KEY_LIMIT, window, || Ok(!shows(&self.picture()?, place, first)))?;
            self.key("keyup", key)?;
            if answered {
                return wait_until(WINDOW_LIMIT, window, || {
                    let picture = self.picture()?;
                    Ok(later.iter().any(|frame| shows(&picture, place, frame)))
                });
            }
        }
        Ok(false)
    }

    /// Returns what the screen shows.
    fn picture(&self) -> Result<Frame, Failure> {
        let bytes = fs::read(&self.pixels).map_err(|e| Failure::file(&self.pixels, e))?;
        window_dump(&bytes).ok_or_else(|| Failure::file(&self.pixels, "expected a window dump of X"))
    }
}

/// Waits until the condition holds; returns `false` if the window ends first or the time is over.
fn wait_until(
    limit: Duration,
    window: &mut Child,
    mut condition: impl FnMut() -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    let start = Instant::now();
    while start.elapsed() < limit && matches!(window.try_wait(), Ok(None)) {
        if condition()? {
            return Ok(true);
        }
        thread::sleep(PAUSE);
    }
    Ok(false)
}

/// Reads a window dump with 32 bits for each pixel: a header of 25 big-endian words, a table of colors, rows.
fn window_dump(bytes: &[u8]) -> Option<Frame> {
    let word = |i: usize| bytes.get(i * 4..)?.first_chunk().copied().map(u32::from_be_bytes);
    let (header, width, height, bits, line, colors) = (word(0)?, word(4)?, word(5)?, word(11)?, word(12)?, word(19)?);
    if bits != 32 {
        return None;
    }
    let rows = bytes.get(header as usize + colors as usize * 12..)?.chunks_exact(line as usize);
    let mut frame = Frame { width, height, rgb: Vec::with_capacity(3 * width as usize * height as usize) };
    for row in rows.take(height as usize) {
        let pixels = row.as_chunks::<4>().0.iter().take(width as usize);
        frame.rgb.extend(pixels.flat_map(|&[blue, green, red, _]| [red, green, blue]));
    }
    (frame.rgb.len() == 3 * width as usize * height as usize).then_some(frame)
}

/// Returns the column and row of the pixels of `small` inside `large`.
fn find(large: &Frame, small: &Frame) -> Option<(usize, usize)> {
    let right = large.width.checked_sub(small.width)? as usize;
    let down = large.height.checked_sub(small.height)? as usize;
    (0..=down).flat_map(|y| (0..=right).map(move |x| (x, y))).find(|&place| shows(large, place, small))
}

/// Whether `large` has the pixels of `small` at this column and row.
fn shows(large: &Frame, (x, y): (usize, usize), small: &Frame) -> bool {
    let (wide, narrow) = (3 * large.width as usize, 3 * small.width as usize);
    let rows = large.rgb.chunks(wide).skip(y).map(|row| row.get(3 * x..3 * x + narrow));
    small.rgb.chunks_exact(narrow).zip(rows).all(|(a, b)| Some(a) == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_found_inside_a_larger_one() {
        let mut large = Frame::new(7, 5);
        let small = Frame { width: 2, height: 2, rgb: (1..=12).collect() };
        for (y, row) in small.rgb.chunks_exact(6).enumerate() {
            let start = (y + 3) * 21 + 3 * 5;
            large.rgb[start..start + 6].copy_from_slice(row);
        }
        assert_eq!(find(&large, &small), Some((5, 3)));
        large.rgb[4 * 21 + 3 * 6] += 1;
        assert_eq!(find(&large, &small), None);
        assert_eq!(find(&small, &large), None);
    }

    #[test]
    fn a_window_dump_is_read() {
        let mut words = [0_u32; 25];
        (words[0], words[4], words[5], words[11], words[12], words[19]) = (104, 2, 1, 32, 12, 1);
        let mut bytes: Vec<u8> = words.iter().flat_map(|w| w.to_be_bytes()).collect();
        bytes.extend([0; 4 + 12]);
        bytes.extend([3, 2, 1, 0, 6, 5, 4, 0, 9, 9, 9, 9]);
        assert_eq!(window_dump(&bytes), Some(Frame { width: 2, height: 1, rgb: vec![1, 2, 3, 4, 5, 6] }));
        assert_eq!(window_dump(&bytes[..bytes.len() - 12]), None);
    }
}
