//! A client of the emulator's control protocol, as far as pressing keys and taking pictures need it.

use crate::failure::Failure;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// A connection on which the emulator obeys.
pub(crate) struct Qmp {
    lines: BufReader<TcpStream>,
}

impl Qmp {
    /// Greets the emulator.
    pub(crate) fn new(stream: TcpStream) -> Result<Self, Failure> {
        let mut qmp = Self { lines: BufReader::new(stream) };
        // It says first who it is.
        qmp.read()?;
        qmp.ask("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Has a command executed and gives what it returns.
    pub(crate) fn ask(&mut self, command: &str, arguments: Value) -> Result<Value, Failure> {
        let line = format!("{}\n", json!({"execute": command, "arguments": arguments}));
        self.lines.get_mut().write_all(line.as_bytes())?;
        loop {
            // Events come in between.
            let mut answer = self.read()?;
            if let Some(error) = answer.get("error") {
                return Err(Failure::failed(format!("the emulator refused {command}: {error}")));
            }
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
        }
    }

    /// Moves a key, by the emulator's name for it.
    pub(crate) fn key(&mut self, code: &str, down: bool) -> Result<(), Failure> {
        let key = json!({"type": "key", "data": {"down": down, "key": {"type": "qcode", "data": code}}});
        self.ask("input-send-event", json!({"events": [key]})).map(|_| ())
    }

    fn read(&mut self) -> Result<Value, Failure> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Err(Failure::failed("the emulator has ended"));
        }
        Ok(serde_json::from_str(&line)?)
    }
}
