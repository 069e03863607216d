//! A board in the emulator: started, driven over its serial line and its keys, its panel read, ended.

use super::qmp::Qmp;
use super::screen;
use super::st7789::St7789;
use super::tap::{self, Tap};
use crate::bench::{emulator, firmware};
use crate::boards::build::{self, Place};
use crate::boards::{Board, Emulated, Panel};
use crate::console;
use crate::failure::Failure;
use ganlet_sim::Button;
use ganlet_sim::host::{Device, Frame, Script, Step};
use object::{Object, ObjectSymbol};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The emulator of every board here.
pub(crate) const EMULATOR: &str = "qemu-system-arm";
/// A picture takes an emulated board a second at most, and a machine that is busy ten times as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// RAM of the running firmware, in bytes, as the board measured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Data with a fixed place, the model's arena included.
    pub(crate) statics: u64,
    /// The most that the stack had.
    pub(crate) stack: u64,
    /// All that there is.
    pub(crate) ram: u64,
}

impl Memory {
    /// What is in use.
    pub(crate) const fn total(&self) -> u64 {
        self.statics + self.stack
    }
}

/// A board that runs in the emulator, its clock stopped.
pub(crate) struct Machine {
    board: &'static Board,
    panel: Reading,
    device: Device,
    child: Child,
    qmp: Qmp,
    line: BufReader<TcpStream>,
    /// Lines that the firmware has said.
    lines: u64,
    tap: Option<Tap>,
    /// Why the firmware shows nothing, if it does not.
    refusal: Option<String>,
}

/// Where the panel's pixels are read.
enum Reading {
    Screen,
    /// At this address of the firmware's memory.
    Levels(u64),
    /// At the end of the bus.
    Bus,
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It is of no use any more, whether or not it can still be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The emulator's key for a button of the board.
const fn key(button: Button) -> &'static str {
    match button {
        Button::Select => "ctrl",
        arrow => arrow.name(),
    }
}

impl Machine {
    /// Starts `firmware` and stops its clock after the first picture.
    pub(crate) fn start(board: &'static Board, firmware: &Path) -> Result<Self, Failure> {
        Self::launch(board, firmware, None)
    }

    /// Builds firmware for any model and starts it with the file `model` in the region of flash where it looks for one.
    pub(crate) fn with_region(board: &'static Board, model: &Path) -> Result<Self, Failure> {
        let way = build::way(board).map_err(Failure::failed)?;
        console::note(&format!("building {} for any model ({})", board.name, way.describe()));
        Self::launch(board, &build::link(board, &way, Place::Region(board.region()?))?, Some(model))
    }

    fn launch(board: &'static Board, firmware: &Path, model: Option<&Path>) -> Result<Self, Failure> {
        let Some(Emulated { name, panel, bus }) = board.machine else {
            return Err(Failure::unusable(format!("{} is not among the emulator's machines", board.name)));
        };
        let panel = match panel {
            Panel::Screen => Reading::Screen,
            Panel::Levels(symbol) => Reading::Levels(address(firmware, symbol)?),
            Panel::Bus => Reading::Bus,
        };
        let told = |what: &str| console::note(&format!("installing: {what}"));
        emulator::find(EMULATOR, &told).map_err(Failure::failed)?;
        let (control, serial) = (Door::open()?, Door::open()?);
        let mut command = Command::new(EMULATOR);
        command.args(["-M", name, "-display", "none", "-monitor", "none", "-nic", "none"]);
        command.args(["-serial", &serial.address, "-qmp", &control.address]).arg("-kernel").arg(firmware);
        if let Some(model) = model {
            // Commas separate options of one argument; doubled they are part of a file's name.
            let file = model.to_string_lossy().replace(',', ",,");
            command.arg("-device").arg(format!("loader,file={file},addr={:#x},force-raw=on", board.region()?.at));
        }
        if bus.is_some() {
            command.args(tap::OPTIONS).stderr(Stdio::piped());
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| Failure::failed(format!("cannot run {EMULATOR}: {e}")))?;
        let controller = matches!(panel, Reading::Bus).then(St7789::new);
        let tap = child.stderr.take().zip(bus).map(|(log, bus)| Tap::new(log, bus, controller));
        let lines = serial.enter(&mut child).and_then(|line| Ok((line, Qmp::new(control.enter(&mut child)?)?)));
        let (line, qmp) = match lines {
            Ok(lines) => lines,
            Err(mut failure) => {
                let _ = child.kill();
                let _ = child.wait();
                failure.message += &tap.map_or(String::new(), |tap| format!("\n{}", tap.other()));
                return Err(failure);
            }
        };
        let line = BufReader::new(line);
        let mut machine =
            Self { board, panel, device: board.device()?, child, qmp, line, lines: 0, tap, refusal: None };
        machine.refusal = machine.begin()?;
        machine.send(b's')?;
        // An emulated key reads as pressed until it was pressed and released once.
        let keys: &[Button] = if matches!(machine.panel, Reading::Screen) { &Button::ALL } else { &[] };
        for &button in keys {
            machine.qmp.key(key(button), true)?;
            machine.qmp.key(key(button), false)?;
            machine.wait_for(&format!("release {}", button.name()))?;
        }
        Ok(machine)
    }

    /// Waits until the firmware is ready; gives the reason why it shows no pictures, if it told one.
    fn begin(&mut self) -> Result<Option<String>, Failure> {
        let line = self.wait_for("re")?;
        match line.strip_prefix("refused: ") {
            Some(why) => self.wait_for("ready").map(|_| Some(why.to_owned())),
            None => Ok(None),
        }
    }

    /// Why the firmware shows nothing but a reason.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// Plays a script and hands every frame to `shown`, the first before anything is pressed, with the bytes that it took on a bus
    /// that can be listened to.
    pub(crate) fn play(
        &mut self,
        script: &Script,
        mut shown: impl FnMut(Frame, Option<u32>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut before = self.bytes()?;
        // What was sent up to here is the panel's start and the first frame.
        shown(self.frame()?, None)?;
        let mut show = |machine: &mut Self| {
            let frame = machine.frame()?;
            let bytes = machine.bytes()?;
            let sent = bytes.zip(before).map(|(now, before)| (now - before) as u32);
            before = bytes;
            shown(frame, sent)
        };
        for step in &script.0 {
            match *step {
                Step::Press(button) => {
                    self.press(button)?;
                    show(self)?;
                }
                Step::Wait(frames) => {
                    for _ in 0..frames {
                        self.tick()?;
                        show(self)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Presses a button and lets it go; returns when the panel shows what that did.
    pub(crate) fn press(&mut self, button: Button) -> Result<(), Failure> {
        if !matches!(self.panel, Reading::Screen) {
            self.send(button.name().as_bytes().first().map_or(0, u8::to_ascii_uppercase))?;
            return self.wait_for(&format!("press {}", button.name())).map(|_| ());
        }
        for (verb, down) in [("press", true), ("release", false)] {
            self.qmp.key(key(button), down)?;
            self.wait_for(&format!("{verb} {}", button.name()))?;
        }
        Ok(())
    }

    /// Lets the time of one frame pass.
    pub(crate) fn tick(&mut self) -> Result<(), Failure> {
        self.send(b't')?;
        self.wait_for("tick").map(|_| ())
    }

    /// What the panel shows, pixel for pixel.
    pub(crate) fn frame(&mut self) -> Result<Frame, Failure> {
        let (width, height) = (self.device.width, self.device.height);
        let frame = match self.panel {
            Reading::Screen => screen::parse(&self.dumped("screendump", json!({}))?, width, height),
            Reading::Levels(at) => {
                let bytes = self.dumped("memsave", json!({"val": at, "size": width * height}))?;
                screen::levels(&bytes, width, height)
            }
            Reading::Bus => self.heard(|tap, lines| tap.frame(lines, PATIENCE, (width, height)))?,
        };
        frame.map_err(|why| self.failed(&why))
    }

    /// Bytes that went to the panel so far, where it is on a bus that can be listened to.
    pub(crate) fn bytes(&self) -> Result<Option<u64>, Failure> {
        if self.tap.is_none() {
            return Ok(None);
        }
        self.heard(|tap, lines| tap.bytes(lines, PATIENCE))?.map(Some).map_err(|why| self.failed(&why))
    }

    /// What the tap knows after all lines that the firmware has said.
    fn heard<T>(&self, of: impl FnOnce(&Tap, u64) -> T) -> Result<T, Failure> {
        self.tap.as_ref().map(|tap| of(tap, self.lines)).ok_or_else(|| self.failed("nobody listens to its bus"))
    }

    fn failed(&self, why: &str) -> Failure {
        Failure::failed(format!("{}: {why}", self.board.name))
    }

    /// What the emulator writes into a file on this command.
    fn dumped(&mut self, command: &str, mut arguments: Value) -> Result<Vec<u8>, Failure> {
        let path = firmware::folder()?.join(format!("screen-{}-{}", self.board.name, self.child.id()));
        arguments["filename"] = json!(path.to_string_lossy());
        self.qmp.ask(command, arguments)?;
        let bytes = std::fs::read(&path).map_err(|e| Failure::file(&path, e));
        // The next dump writes it anew; one that stays behind harms nobody.
        let _ = std::fs::remove_file(&path);
        bytes
    }

    /// What the firmware uses of the RAM, by the deepest stack so far.
    pub(crate) fn memory(&mut self) -> Result<Memory, Failure> {
        self.send(b'm')?;
        let line = self.wait_for("memory ")?;
        let numbers: Vec<u64> = line.split(' ').skip(1).filter_map(|word| word.parse().ok()).collect();
        match numbers[..] {
            [statics, stack, ram] => Ok(Memory { statics, stack, ram }),
            _ => Err(Failure::failed(format!("{}: not understood: {line}", self.board.name))),
        }
    }

    fn send(&mut self, byte: u8) -> Result<(), Failure> {
        Ok(self.line.get_mut().write_all(&[byte])?)
    }

    /// The next line that starts so.
    fn wait_for(&mut self, start: &str) -> Result<String, Failure> {
        let mut heard = String::new();
        loop {
            let mut line = String::new();
            let read = self.line.read_line(&mut line);
            self.lines += u64::from(line.ends_with('\n'));
            let why = match read {
                Ok(0) => "the emulator has ended".to_owned(),
                // Some serial ports begin with a byte that means nothing.
                Ok(_) if line.trim_start_matches('\0').starts_with(start) => {
                    return Ok(line.trim_matches(['\0', '\r', '\n']).to_owned());
                }
                Ok(_) => {
                    heard += &line;
                    continue;
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    format!("nothing more within {} seconds", PATIENCE.as_secs())
                }
                Err(e) => e.to_string(),
            };
            let other = self.tap.as_ref().map(Tap::other).unwrap_or_default();
            return Err(self.failed(&format!("the firmware did not say \"{start}\": {why}\n{heard}{other}")));
        }
    }
}

/// Where the linker placed a symbol.
fn address(firmware: &Path, symbol: &str) -> Result<u64, Failure> {
    let bytes = std::fs::read(firmware).map_err(|e| Failure::file(firmware, e))?;
    let file = object::File::parse(&*bytes).map_err(|e| Failure::file(firmware, e))?;
    let found = file.symbols().find(|s| s.name() == Ok(symbol)).map(|s| s.address());
    found.ok_or_else(|| Failure::file(firmware, format!("it has no {symbol}")))
}

/// A port of this machine at which the emulator connects.
struct Door {
    listener: TcpListener,
    address: String,
}

impl Door {
    fn open() -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = format!("tcp:{}", listener.local_addr()?);
        Ok(Self { listener, address })
    }

    fn enter(self, child: &mut Child) -> Result<TcpStream, Failure> {
        let start = Instant::now();
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(PATIENCE))?;
                    return Ok(stream);
                }
                Err(e) if e.kind() != ErrorKind::WouldBlock => return Err(e.into()),
                Err(_) => {}
            }
            if let Some(status) = child.try_wait()? {
                return Err(Failure::failed(format!("{EMULATOR} ended at once ({status})")));
            }
            if start.elapsed() > PATIENCE {
                return Err(Failure::failed(format!("{EMULATOR} does not answer")));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}
