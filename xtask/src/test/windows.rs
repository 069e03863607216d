//! The device part of the tests: windows open, show what they should, hear the keyboard, and end, on an X server that draws into a file.

use crate::bench::emulator;
use crate::bench::firmware::{folder, root};
use crate::bench::gate::Outcome;
use crate::boards::{self, Board};
use crate::failure::Failure;
use ganlet_sim::Button;
use ganlet_sim::host::{Device, Frame, Look, Simulator};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The X server without a screen, and what presses keys on it, by their Debian packages.
const SERVER: &str = "Xvfb";
const PRESSER: &str = "xdotool";
/// What the windows load when they open.
const LIBRARIES: [&str; 2] = ["libx11-6", "libxcursor1"];
/// A window is here in a second; on a busy machine that builds firmware first, later.
const PATIENCE: Duration = Duration::from_secs(240);
const PAUSE: Duration = Duration::from_millis(20);
/// A key that is held longer than the toolkit's delay counts again: how many presses one may have been.
const REPEATS: usize = 12;
const MODEL: &str = "runtime/tests/golden/kinds-v2.model";

/// Which window.
#[derive(Clone, Copy)]
pub(super) enum Subject {
    /// That of `sim`, for a device.
    Simulator(&'static str),
    /// That of `emulate`.
    Emulator(&'static Board),
}

/// Sets up the X server and the presser of keys where that needs no questions; else tells the remedy.
pub(super) fn prepare(_: Subject, told: &dyn Fn(&str)) -> Result<(), String> {
    emulator::find_in(SERVER, &[&["xvfb"], &LIBRARIES[..]].concat(), &told)?;
    emulator::find_in(PRESSER, &[PRESSER], &told)
}

/// Opens the window, presses a key, ends it by Esc; each time it must show what the simulator shows.
pub(super) fn check(subject: Subject) -> Result<Outcome, Failure> {
    let path = root().join(MODEL);
    let file = boards::read(&path)?;
    let (name, words): (String, Vec<&str>) = match subject {
        Subject::Simulator(device) => (format!("sim {device}"), vec!["sim", "--window", "--device", device]),
        Subject::Emulator(board) => (format!("emulate {}", board.name), vec!["emulate", "--board", board.name]),
    };
    let device = match subject {
        Subject::Simulator(device) => Device::named(device).map_err(|e| Failure::failed(e.to_string()))?,
        Subject::Emulator(board) => board.device()?,
    };
    let mut simulator = Simulator::new(file.bytes(), device)?;
    let look = Look::of(&device);
    let first = look.portrait(&simulator.frame());
    let mut later = Vec::new();
    for _ in 0..REPEATS {
        simulator.press(Button::Right);
        simulator.tick();
        later.push(look.portrait(&simulator.frame()));
    }

    let screen = Screen::open()?;
    let program = std::env::current_exe().map_err(|e| Failure::failed(format!("the own program: {e}")))?;
    let mut command = Command::new(program);
    command.args(&words).arg(&path).env("DISPLAY", &screen.display).current_dir(root());
    let mut window = Ended(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().map_err(cannot("the window"))?);

    let mut outcome = Outcome::default();
    let shown = screen.shows(std::slice::from_ref(&first), &mut window.0)?;
    outcome.check(shown, || format!("{name}: the window does not show the first picture"));
    if shown {
        screen.key("keydown", "Right")?;
        let answered = screen.shows(&later, &mut window.0)?;
        screen.key("keyup", "Right")?;
        outcome.check(answered, || format!("{name}: the window does not show the next picture when Right is pressed"));
    }
    screen.key("keydown", "Escape")?;
    let ended = wait(&mut window.0, PATIENCE).is_some_and(|status| status.success());
    outcome.check(ended, || format!("{name}: Esc does not end the window well"));
    Ok(outcome)
}

fn cannot(what: &str) -> impl Fn(std::io::Error) -> Failure {
    move |e| Failure::failed(format!("cannot start {what}: {e}"))
}

/// A process that ends with its owner.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It is of no use any more, whether or not it can still be ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How a process ended, if it did in time.
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

/// An X server that draws into a file, and its display's name.
struct Screen {
    _server: Ended,
    display: String,
    pixels: PathBuf,
}

impl Screen {
    fn open() -> Result<Self, Failure> {
        let place = folder()?.join("screen");
        fs::create_dir_all(&place).map_err(|e| Failure::file(&place, e))?;
        let mut command = Command::new(SERVER);
        command.args(["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp", "-fbdir"]).arg(&place);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = Ended(command.spawn().map_err(cannot(SERVER))?);
        let mut number = String::new();
        if let Some(out) = server.0.stdout.take() {
            BufReader::new(out).read_line(&mut number).map_err(cannot(SERVER))?;
        }
        if number.trim().is_empty() {
            return Err(Failure::failed(format!("{SERVER} ended without a display")));
        }
        Ok(Self { _server: server, display: format!(":{}", number.trim()), pixels: place.join("Xvfb_screen0") })
    }

    /// Presses or releases a key where the pointer's window is: the only one.
    fn key(&self, how: &str, key: &str) -> Result<(), Failure> {
        let mut command = Command::new(PRESSER);
        command.env("DISPLAY", &self.display).args(["search", "--onlyvisible", "--name", "ganlet", "windowfocus"]);
        let status = command.args([how, key]).stdout(Stdio::null()).status().map_err(cannot(PRESSER))?;
        if status.success() { Ok(()) } else { Err(Failure::failed(format!("{PRESSER} {how} {key}: {status}"))) }
    }

    /// Waits until one of the frames is on the screen; not when the window ends before.
    fn shows(&self, frames: &[Frame], window: &mut Child) -> Result<bool, Failure> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE && matches!(window.try_wait(), Ok(None)) {
            let bytes = fs::read(&self.pixels).map_err(|e| Failure::file(&self.pixels, e))?;
            let screen = picture(&bytes).ok_or_else(|| Failure::file(&self.pixels, "no window dump"))?;
            if frames.iter().any(|frame| holds(&screen, frame)) {
                return Ok(true);
            }
            thread::sleep(PAUSE);
        }
        Ok(false)
    }
}

/// The picture in a window dump of 32 bits a pixel: 25 words of header, most significant byte first, a table of colors, rows.
fn picture(bytes: &[u8]) -> Option<Frame> {
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

/// Whether `small` is somewhere in `large`, pixel for pixel.
fn holds(large: &Frame, small: &Frame) -> bool {
    let (wide, narrow) = (3 * large.width as usize, 3 * small.width as usize);
    let (Some(right), Some(down)) = (large.width.checked_sub(small.width), large.height.checked_sub(small.height))
    else {
        return false;
    };
    (0..=down as usize).any(|y| {
        (0..=right as usize).any(|x| {
            let start = y * wide + 3 * x;
            let rows = large.rgb[start..].chunks(wide).map(|row| row.get(..narrow));
            small.rgb.chunks_exact(narrow).zip(rows).all(|(a, b)| Some(a) == b)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_found_where_it_is_and_not_where_it_differs() {
        let mut large = Frame::new(7, 5);
        let small = Frame { width: 2, height: 2, rgb: (1..=12).collect() };
        for (y, row) in small.rgb.chunks_exact(6).enumerate() {
            let start = (y + 3) * 21 + 3 * 5;
            large.rgb[start..start + 6].copy_from_slice(row);
        }
        assert!(holds(&large, &small));
        large.rgb[4 * 21 + 3 * 6] += 1;
        assert!(!holds(&large, &small));
        assert!(!holds(&small, &large));
    }

    #[test]
    fn a_window_dump_is_read_past_its_header_and_its_colors() {
        let mut words = [0_u32; 25];
        (words[0], words[4], words[5], words[11], words[12], words[19]) = (104, 2, 1, 32, 12, 1);
        let mut bytes: Vec<u8> = words.iter().flat_map(|w| w.to_be_bytes()).collect();
        bytes.extend([0; 4 + 12]);
        bytes.extend([3, 2, 1, 0, 6, 5, 4, 0, 9, 9, 9, 9]);
        assert_eq!(picture(&bytes), Some(Frame { width: 2, height: 1, rgb: vec![1, 2, 3, 4, 5, 6] }));
        assert_eq!(picture(&bytes[..bytes.len() - 12]), None);
    }
}
