//! What the firmware writes to the chip's ports, taken from the emulator's log of register writes while it runs.
//!
//! The emulator logs a line for each write: register, value. The panel's port, the pin that tells data from commands and the serial
//! line are among them, so that the log itself tells how much of it belongs to what was said on the line.

use super::st7789::St7789;
use crate::boards::Bus;
use ganlet_sim::host::Frame;
use std::io::{BufRead, BufReader};
use std::process::ChildStderr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// The emulator's options for the log.
pub(crate) const OPTIONS: [&str; 2] = ["-trace", "memory_region_ops_write"];
/// Words of other kinds that are kept, to tell why the emulator ended.
const KEPT: usize = 2000;

/// What was heard so far.
#[derive(Debug)]
struct Heard {
    bus: Bus,
    panel: Option<St7789>,
    is_data: bool,
    /// Bytes to the panel.
    bytes: u64,
    /// Lines that the firmware has said.
    lines: u64,
    other: String,
    ended: bool,
}

/// A listener on the chip's ports.
#[derive(Debug)]
pub(crate) struct Tap {
    heard: Arc<(Mutex<Heard>, Condvar)>,
}

impl Heard {
    fn hear(&mut self, line: &str) {
        match write(line) {
            Some((address, value)) if address == self.bus.data => self.shift(value as u8),
            Some((address, value)) if address == self.bus.line => self.lines += u64::from(value as u8 == b'\n'),
            Some((address, value)) => {
                if let Some((register, pin)) = self.bus.select
                    && register == address
                {
                    // Bits of the lower half set pins, those of the upper half clear them.
                    self.is_data = (self.is_data || value >> pin & 1 != 0) && value >> (pin + 16) & 1 == 0;
                }
            }
            None if self.other.len() < KEPT => self.other += line,
            None => {}
        }
    }

    fn shift(&mut self, byte: u8) {
        self.bytes += 1;
        match &mut self.panel {
            Some(panel) if self.is_data => panel.data(byte),
            Some(panel) => panel.command(byte),
            None => {}
        }
    }
}

/// Register and value of a line of the log.
fn write(line: &str) -> Option<(u64, u32)> {
    let (_, rest) = line.strip_prefix("memory_region_ops_write ")?.split_once(" addr 0x")?;
    let (address, rest) = rest.split_once(" value 0x")?;
    let value = rest.split(' ').next()?;
    Some((u64::from_str_radix(address, 16).ok()?, u64::from_str_radix(value, 16).ok()? as u32))
}

impl Tap {
    /// Listens to the emulator's log; with `panel` there is a controller at the end of the bus.
    pub(crate) fn new(log: ChildStderr, bus: Bus, panel: Option<St7789>) -> Self {
        let heard = Heard { bus, panel, is_data: false, bytes: 0, lines: 0, other: String::new(), ended: false };
        let heard = Arc::new((Mutex::new(heard), Condvar::new()));
        let shared = Arc::clone(&heard);
        thread::spawn(move || {
            let mut log = BufReader::with_capacity(1 << 16, log);
            let mut line = Vec::new();
            // What is in the buffer is heard at once.
            while let Ok(chunk) = log.fill_buf() {
                let (mut heard, taken) = (lock(&shared.0), chunk.len());
                heard.ended = taken == 0;
                for part in chunk.split_inclusive(|&b| b == b'\n') {
                    line.extend_from_slice(part);
                    if part.ends_with(b"\n") {
                        heard.hear(&String::from_utf8_lossy(&line));
                        line.clear();
                    }
                }
                drop(heard);
                shared.1.notify_all();
                log.consume(taken);
                if taken == 0 {
                    break;
                }
            }
        });
        Self { heard }
    }

    /// Waits until the log has come to the end of so many lines that the firmware said; `None` if it does not.
    fn after(&self, lines: u64, patience: Duration) -> Option<MutexGuard<'_, Heard>> {
        let behind = |heard: &mut Heard| heard.lines < lines && !heard.ended;
        let waited = self.heard.1.wait_timeout_while(lock(&self.heard.0), patience, behind);
        let heard = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        (heard.lines >= lines).then_some(heard)
    }

    /// What the panel shows after so many lines.
    pub(crate) fn frame(&self, lines: u64, patience: Duration, size: (u32, u32)) -> Result<Frame, String> {
        let heard = self.after(lines, patience).ok_or("the emulator's log ended too soon")?;
        heard.panel.as_ref().ok_or("the bus has no panel")?.frame(size.0, size.1)
    }

    /// Bytes that went to the panel up to the end of so many lines.
    pub(crate) fn bytes(&self, lines: u64, patience: Duration) -> Result<u64, String> {
        Ok(self.after(lines, patience).ok_or("the emulator's log ended too soon")?.bytes)
    }

    /// What else the emulator said.
    pub(crate) fn other(&self) -> String {
        lock(&self.heard.0).other.trim().to_owned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUS: Bus = Bus { data: 0x4001_300C, line: 0x4001_1004, select: Some((0x4002_0818, 4)) };

    fn line(address: u32, value: u32) -> String {
        format!("memory_region_ops_write cpu 0 mr 0x5566 addr {address:#x} value {value:#x} size 4 name 'GPIOC'\n")
    }

    #[test]
    fn bytes_go_to_the_panel_as_commands_or_data_by_the_pin() {
        let panel = Some(St7789::new());
        let mut heard =
            Heard { bus: BUS, panel, is_data: true, bytes: 0, lines: 0, other: String::new(), ended: false };
        let (pin, port) = (0x4002_0818, 0x4001_300C);
        // Another pin of the port changes nothing.
        for (address, value) in
            [(pin, 1 << 20), (port, 0x11), (port, 0x29), (port, 0x2C), (pin, 1 << 21), (pin, 1 << 4)]
        {
            heard.hear(&line(address, value));
        }
        for byte in [0xF8, 0x00] {
            heard.hear(&line(port, byte));
        }
        heard.hear(&line(0x4001_1004, u32::from(b'\n')));
        heard.hear("qemu-system-arm: terminating\n");
        assert_eq!((heard.bytes, heard.lines, heard.is_data), (5, 1, true));
        assert_eq!(heard.other, "qemu-system-arm: terminating\n");
        assert_eq!(heard.panel.unwrap().frame(1, 1).unwrap().rgb, [0, 255, 255]);
    }
}
