//! Runs a board's firmware in QEMU: sends commands and key presses, and reads the panel.

use super::monitor::{self, BusMonitor};
use super::qmp::Qmp;
use super::screen;
use super::st7789::St7789;
use crate::console;
use crate::failure::Failure;
use crate::firmware::{board, report_installation};
use crate::process;
use ganlet_sim::Button;
use ganlet_sim::host::{BoardInfo, Device, EmulatedMachine, EmulatedPanel, Frame, ModelPlace, Script, ScriptStep};
use object::{Object, ObjectSymbol};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The QEMU program that has every emulated board.
pub(crate) const EMULATOR: &str = "qemu-system-arm";
/// Time limit for an answer. An image takes at most a second, and ten times as long if this machine is busy.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Bytes of RAM that the running firmware uses, as it measured them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RamUse {
    /// Static data, including the arena of the model.
    pub(crate) statics: u64,
    /// The deepest stack so far.
    pub(crate) stack: u64,
    /// RAM of the chip.
    pub(crate) ram: u64,
}

impl RamUse {
    /// Static data and the deepest stack.
    pub(crate) const fn total(&self) -> u64 {
        self.statics + self.stack
    }
}

/// A board that runs in QEMU. Its app advances only on request, one frame at a time.
pub(crate) struct EmulatedBoard {
    board: &'static BoardInfo,
    panel: PanelReader,
    device: Device,
    child: Child,
    qmp: Qmp,
    line: BufReader<TcpStream>,
    /// Lines that the firmware has printed.
    lines: u64,
    monitor: Option<BusMonitor>,
    /// Why the firmware rejects the model, if it does.
    refusal: Option<String>,
}

/// Where the pixels of the panel are read.
enum PanelReader {
    /// QEMU's screen.
    Screen,
    /// The firmware's memory at this address.
    Memory(u64),
    /// The controller emulated at the end of the bus.
    Bus,
}

impl Drop for EmulatedBoard {
    fn drop(&mut self) {
        // If it cannot be ended, nothing else can be done about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// QEMU's key for a button of the board.
const fn key(button: Button) -> &'static str {
    match button {
        Button::Select => "ctrl",
        arrow => arrow.name(),
    }
}

impl EmulatedBoard {
    /// Starts `firmware` and waits until it shows the first image.
    pub(crate) fn start(board: &'static BoardInfo, firmware: &Path) -> Result<Self, Failure> {
        Self::launch(board, firmware, None)
    }

    /// Builds firmware for any model and starts it with the file `model` in the region of flash where it looks for one.
    pub(crate) fn with_region(board: &'static BoardInfo, model: &Path) -> Result<Self, Failure> {
        let toolchain = board::toolchain(board)?;
        console::note(&format!("building {} for any model ({})", board.name, toolchain.describe()));
        let place = ModelPlace::Region(board::region(board)?);
        Self::launch(board, &board::link(board, &toolchain, place)?, Some(model))
    }

    fn launch(board: &'static BoardInfo, firmware: &Path, model: Option<&Path>) -> Result<Self, Failure> {
        let Some(EmulatedMachine { name, panel, bus }) = board.emulated else {
            return Err(Failure::unusable(format!("QEMU does not emulate {}", board.name)));
        };
        let panel = match panel {
            EmulatedPanel::Screen => PanelReader::Screen,
            EmulatedPanel::Memory(symbol) => PanelReader::Memory(address(firmware, symbol)?),
            EmulatedPanel::Bus => PanelReader::Bus,
        };
        process::require_emulator(EMULATOR, &report_installation).map_err(Failure::failed)?;
        let (control, serial) = (EmulatorPort::open()?, EmulatorPort::open()?);
        let mut command = Command::new(EMULATOR);
        command.args(["-M", name, "-display", "none", "-monitor", "none", "-nic", "none"]);
        command.args(["-serial", &serial.address, "-qmp", &control.address]).arg("-kernel").arg(firmware);
        if let Some(model) = model {
            // QEMU separates options by commas; a doubled comma is part of the file name.
            let file = model.to_string_lossy().replace(',', ",,");
            command.arg("-device").arg(format!("loader,file={file},addr={:#x},force-raw=on", board::region(board)?.at));
        }
        if bus.is_some() {
            command.args(monitor::OPTIONS).stderr(Stdio::piped());
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| Failure::failed(format!("cannot run {EMULATOR}: {e}")))?;
        let controller = matches!(panel, PanelReader::Bus).then(St7789::new);
        let monitor = child.stderr.take().zip(bus).map(|(log, bus)| BusMonitor::new(log, bus, controller));
        let lines = serial.accept(&mut child).and_then(|line| Ok((line, Qmp::new(control.accept(&mut child)?)?)));
        let (line, qmp) = match lines {
            Ok(lines) => lines,
            Err(mut failure) => {
                let _ = child.kill();
                let _ = child.wait();
                failure.message += &monitor.map_or(String::new(), |monitor| format!("\n{}", monitor.other()));
                return Err(failure);
            }
        };
        let line = BufReader::new(line);
        let mut emulated =
            Self { board, panel, device: board.device(), child, qmp, line, lines: 0, monitor, refusal: None };
        emulated.refusal = emulated.begin()?;
        emulated.send(b's')?;
        // An emulated key reads as pressed until it was pressed and released once.
        let keys: &[Button] = if matches!(emulated.panel, PanelReader::Screen) { &Button::ALL } else { &[] };
        for &button in keys {
            emulated.qmp.key(key(button), true)?;
            emulated.qmp.key(key(button), false)?;
            emulated.wait_for(&format!("release {}", button.name()))?;
        }
        Ok(emulated)
    }

    /// Waits until the firmware is ready; returns the reason if it refuses the model.
    fn begin(&mut self) -> Result<Option<String>, Failure> {
        // The line is "ready", or "refused: " with the reason.
        let line = self.wait_for("re")?;
        match line.strip_prefix("refused: ") {
            Some(why) => self.wait_for("ready").map(|_| Some(why.to_owned())),
            None => Ok(None),
        }
    }

    /// Why the firmware refuses the model, if it does.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// Plays a script, and calls `shown` with every frame and the number of bytes that it took on a monitored bus. The first frame is
    /// the one before any button is pressed.
    pub(crate) fn play(
        &mut self,
        script: &Script,
        mut shown: impl FnMut(Frame, Option<u32>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut before = self.bytes()?;
        // The bytes so far initialized the panel and drew the first frame.
        shown(self.frame()?, None)?;
        let mut show = |emulated: &mut Self| {
            let frame = emulated.frame()?;
            let bytes = emulated.bytes()?;
            let sent = bytes.zip(before).map(|(now, before)| (now - before) as u32);
            before = bytes;
            shown(frame, sent)
        };
        for step in &script.0 {
            match *step {
                ScriptStep::Press(button) => {
                    self.press(button)?;
                    show(self)?;
                }
                ScriptStep::Wait(frames) => {
                    for _ in 0..frames {
                        self.tick()?;
                        show(self)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Presses and releases a button; returns when the panel shows the result.
    pub(crate) fn press(&mut self, button: Button) -> Result<(), Failure> {
        if !matches!(self.panel, PanelReader::Screen) {
            self.send(button.name().as_bytes().first().map_or(0, u8::to_ascii_uppercase))?;
            return self.wait_for(&format!("press {}", button.name())).map(|_| ());
        }
        for (verb, down) in [("press", true), ("release", false)] {
            self.qmp.key(key(button), down)?;
            self.wait_for(&format!("{verb} {}", button.name()))?;
        }
        Ok(())
    }

    /// Advances the app by one frame.
    pub(crate) fn tick(&mut self) -> Result<(), Failure> {
        self.send(b't')?;
        self.wait_for("tick").map(|_| ())
    }

    /// The pixels of the panel.
    pub(crate) fn frame(&mut self) -> Result<Frame, Failure> {
        let (width, height) = (self.device.width, self.device.height);
        let frame = match self.panel {
            PanelReader::Screen => screen::parse(&self.dumped("screendump", json!({}))?, width, height),
            PanelReader::Memory(at) => {
                let bytes = self.dumped("memsave", json!({"val": at, "size": width * height}))?;
                screen::levels(&bytes, width, height)
            }
            PanelReader::Bus => self.monitored(|monitor, lines| monitor.frame(lines, ANSWER_LIMIT, (width, height)))?,
        };
        frame.map_err(|why| self.failed(&why))
    }

    /// Bytes that went to the panel so far; `None` if its bus is not monitored.
    pub(crate) fn bytes(&self) -> Result<Option<u64>, Failure> {
        if self.monitor.is_none() {
            return Ok(None);
        }
        self.monitored(|monitor, lines| monitor.bytes(lines, ANSWER_LIMIT))?.map(Some).map_err(|why| self.failed(&why))
    }

    /// Asks the monitor for its state after all lines that the firmware has printed.
    fn monitored<T>(&self, of: impl FnOnce(&BusMonitor, u64) -> T) -> Result<T, Failure> {
        self.monitor
            .as_ref()
            .map(|monitor| of(monitor, self.lines))
            .ok_or_else(|| self.failed("its bus is not monitored"))
    }

    fn failed(&self, why: &str) -> Failure {
        Failure::failed(format!("{}: {why}", self.board.name))
    }

    /// The file that QEMU writes on this command.
    fn dumped(&mut self, command: &str, mut arguments: Value) -> Result<Vec<u8>, Failure> {
        let path = process::folder()?.join(format!("screen-{}-{}", self.board.name, self.child.id()));
        arguments["filename"] = json!(path.to_string_lossy());
        self.qmp.ask(command, arguments)?;
        let bytes = std::fs::read(&path).map_err(|e| Failure::file(&path, e));
        // A file that is left over is overwritten by the next dump.
        let _ = std::fs::remove_file(&path);
        bytes
    }

    /// The RAM that the firmware uses, with the deepest stack so far.
    pub(crate) fn memory(&mut self) -> Result<RamUse, Failure> {
        self.send(b'm')?;
        let line = self.wait_for("memory ")?;
        let numbers: Vec<u64> = line.split(' ').skip(1).filter_map(|word| word.parse().ok()).collect();
        match numbers[..] {
            [statics, stack, ram] => Ok(RamUse { statics, stack, ram }),
            _ => Err(Failure::failed(format!(
                "{}: expected \"memory\" and three numbers, found: {line}",
                self.board.name
            ))),
        }
    }

    fn send(&mut self, byte: u8) -> Result<(), Failure> {
        Ok(self.line.get_mut().write_all(&[byte])?)
    }

    /// The next line with this start.
    fn wait_for(&mut self, start: &str) -> Result<String, Failure> {
        let mut received = String::new();
        loop {
            let mut line = String::new();
            let read = self.line.read_line(&mut line);
            self.lines += u64::from(line.ends_with('\n'));
            let why = match read {
                Ok(0) => "the emulator has ended".to_owned(),
                // Some serial ports send a meaningless first byte.
                Ok(_) if line.trim_start_matches('\0').starts_with(start) => {
                    return Ok(line.trim_matches(['\0', '\r', '\n']).to_owned());
                }
                Ok(_) => {
                    received += &line;
                    continue;
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    format!("nothing more within {} seconds", ANSWER_LIMIT.as_secs())
                }
                Err(e) => e.to_string(),
            };
            let other = self.monitor.as_ref().map(BusMonitor::other).unwrap_or_default();
            return Err(self.failed(&format!("the firmware did not print \"{start}\": {why}\n{received}{other}")));
        }
    }
}

/// The address of a symbol.
fn address(firmware: &Path, symbol: &str) -> Result<u64, Failure> {
    let bytes = std::fs::read(firmware).map_err(|e| Failure::file(firmware, e))?;
    let file = object::File::parse(&*bytes).map_err(|e| Failure::file(firmware, e))?;
    let found = file.symbols().find(|s| s.name() == Ok(symbol)).map(|s| s.address());
    found.ok_or_else(|| Failure::file(firmware, format!("the symbol {symbol} is missing")))
}

/// A TCP port of this machine that QEMU connects to.
struct EmulatorPort {
    listener: TcpListener,
    address: String,
}

impl EmulatorPort {
    fn open() -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = format!("tcp:{}", listener.local_addr()?);
        Ok(Self { listener, address })
    }

    fn accept(self, child: &mut Child) -> Result<TcpStream, Failure> {
        let start = Instant::now();
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
                    return Ok(stream);
                }
                Err(e) if e.kind() != ErrorKind::WouldBlock => return Err(e.into()),
                Err(_) => {}
            }
            if let Some(status) = child.try_wait()? {
                return Err(Failure::failed(format!("{EMULATOR} ended at once ({status})")));
            }
            if start.elapsed() > ANSWER_LIMIT {
                return Err(Failure::failed(format!("{EMULATOR} does not answer")));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}
