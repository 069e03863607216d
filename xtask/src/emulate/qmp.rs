//! A client of QEMU's control protocol (QMP), for pressing keys and dumping the screen or memory.

use crate::failure::Failure;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// A connection to QEMU.
pub(crate) struct Qmp {
    lines: BufReader<TcpStream>,
}

impl Qmp {
    /// Negotiates the protocol on a new connection.
    pub(crate) fn new(stream: TcpStream) -> Result<Self, Failure> {
        let mut qmp = Self { lines: BufReader::new(stream) };
        // QEMU sends a greeting first.
        qmp.read()?;
        qmp.ask("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Executes a command and returns its result.
    pub(crate) fn ask(&mut self, command: &str, arguments: Value) -> Result<Value, Failure> {
        let line = format!("{}\n", json!({"execute": command, "arguments": arguments}));
        self.lines.get_mut().write_all(line.as_bytes())?;
        loop {
            // Events may arrive before the answer.
            let mut answer = self.read()?;
            if let Some(error) = answer.get("error") {
                return Err(Failure::failed(format!("QEMU refused {command}: {error}")));
            }
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
        }
    }

    /// Presses or releases the key with this name.
    pub(crate) fn key(&mut self, code: &str, down: bool) -> Result<(), Failure> {
        let key = json!({"type": "key", "data": {"down": down, "key": {"type": "qcode", "data": code}}});
        self.ask("input-send-event", json!({"events": [key]})).map(|_| ())
    }

    fn read(&mut self) -> Result<Value, Failure> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Err(Failure::failed("QEMU has ended"));
        }
        Ok(serde_json::from_str(&line)?)
    }
}
