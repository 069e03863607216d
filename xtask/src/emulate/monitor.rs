//! Follows the bytes that the firmware sends to the panel, from QEMU's log of register writes.
//!
//! QEMU logs each write as a line with the register and the value. The log contains the panel's port, the data/command pin and the
//! serial line. The lines that the firmware prints therefore mark positions in the stream of panel bytes.

use super::st7789::St7789;
use ganlet_sim::host::{BusRegisters, Frame};
use std::io::{BufRead, BufReader};
use std::process::ChildStderr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// QEMU's options for the log.
pub(crate) const OPTIONS: [&str; 2] = ["-trace", "memory_region_ops_write"];
/// Bytes of other messages to keep, which explain why QEMU ended.
const KEPT: usize = 2000;

/// State of the bus after the part of the log that was read.
#[derive(Debug)]
struct BusState {
    bus: BusRegisters,
    panel: Option<St7789>,
    is_data: bool,
    /// Bytes to the panel.
    bytes: u64,
    /// Lines that the firmware has printed.
    lines: u64,
    other: String,
    ended: bool,
}

/// Reads QEMU's log in a thread and follows the bus.
#[derive(Debug)]
pub(crate) struct BusMonitor {
    state: Arc<(Mutex<BusState>, Condvar)>,
}

impl BusState {
    fn read_line(&mut self, line: &str) {
        match write(line) {
            Some((address, value)) if address == self.bus.data => self.shift(value as u8),
            Some((address, value)) if address == self.bus.line => self.lines += u64::from(value as u8 == b'\n'),
            Some((address, value)) => {
                if let Some((register, pin)) = self.bus.select
                    && register == address
                {
                    // Bits of the lower half set pins, bits of the upper half clear them.
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

/// Parses register and value from a line of the log.
fn write(line: &str) -> Option<(u64, u32)> {
    let (_, rest) = line.strip_prefix("memory_region_ops_write ")?.split_once(" addr 0x")?;
    let (address, rest) = rest.split_once(" value 0x")?;
    let value = rest.split(' ').next()?;
    Some((u64::from_str_radix(address, 16).ok()?, u64::from_str_radix(value, 16).ok()? as u32))
}

impl BusMonitor {
    /// Starts to read `log`; `panel` is the controller at the end of the bus, if there is one.
    pub(crate) fn new(log: ChildStderr, bus: BusRegisters, panel: Option<St7789>) -> Self {
        let state = BusState { bus, panel, is_data: false, bytes: 0, lines: 0, other: String::new(), ended: false };
        let state = Arc::new((Mutex::new(state), Condvar::new()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let mut log = BufReader::with_capacity(1 << 16, log);
            let mut line = Vec::new();
            // One lock for all lines in the buffer.
            while let Ok(chunk) = log.fill_buf() {
                let (mut state, taken) = (lock(&shared.0), chunk.len());
                state.ended = taken == 0;
                for part in chunk.split_inclusive(|&b| b == b'\n') {
                    line.extend_from_slice(part);
                    if part.ends_with(b"\n") {
                        state.read_line(&String::from_utf8_lossy(&line));
                        line.clear();
                    }
                }
                drop(state);
                shared.1.notify_all();
                log.consume(taken);
                if taken == 0 {
                    break;
                }
            }
        });
        Self { state }
    }

    /// Waits until the log contains `lines` lines of the firmware; returns `None` if that takes longer than `limit`.
    fn after(&self, lines: u64, limit: Duration) -> Option<MutexGuard<'_, BusState>> {
        let pending = |state: &mut BusState| state.lines < lines && !state.ended;
        let waited = self.state.1.wait_timeout_while(lock(&self.state.0), limit, pending);
        let state = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        (state.lines >= lines).then_some(state)
    }

    /// The panel's pixels after `lines` lines of the firmware.
    pub(crate) fn frame(&self, lines: u64, limit: Duration, size: (u32, u32)) -> Result<Frame, String> {
        let state = self.after(lines, limit).ok_or("QEMU's log ended too early")?;
        state.panel.as_ref().ok_or("the bus has no panel")?.frame(size.0, size.1)
    }

    /// Bytes sent to the panel before the end of line `lines` of the firmware.
    pub(crate) fn bytes(&self, lines: u64, limit: Duration) -> Result<u64, String> {
        Ok(self.after(lines, limit).ok_or("QEMU's log ended too early")?.bytes)
    }

    /// Other messages of QEMU.
    pub(crate) fn other(&self) -> String {
        lock(&self.state.0).other.trim().to_owned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUS: BusRegisters = BusRegisters { data: 0x4001_300C, line: 0x4001_1004, select: Some((0x4002_0818, 4)) };

    fn line(address: u32, value: u32) -> String {
        format!("memory_region_ops_write cpu 0 mr 0x5566 addr {address:#x} value {value:#x} size 4 name 'GPIOC'\n")
    }

    #[test]
    fn bytes_go_to_the_panel_as_commands_or_data_by_the_pin() {
        let panel = Some(St7789::new());
        let mut state =
            BusState { bus: BUS, panel, is_data: true, bytes: 0, lines: 0, other: String::new(), ended: false };
        let (pin, port) = (0x4002_0818, 0x4001_300C);
        // Another pin of the port changes nothing.
        for (address, value) in
            [(pin, 1 << 20), (port, 0x11), (port, 0x29), (port, 0x2C), (pin, 1 << 21), (pin, 1 << 4)]
        {
            state.read_line(&line(address, value));
        }
        for byte in [0xF8, 0x00] {
            state.read_line(&line(port, byte));
        }
        state.read_line(&line(0x4001_1004, u32::from(b'\n')));
        state.read_line("qemu-system-arm: terminating\n");
        assert_eq!((state.bytes, state.lines, state.is_data), (5, 1, true));
        assert_eq!(state.other, "qemu-system-arm: terminating\n");
        assert_eq!(state.panel.unwrap().frame(1, 1).unwrap().rgb, [0, 255, 255]);
    }
}
