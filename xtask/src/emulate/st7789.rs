//! An emulated ST7789 panel controller with the commands that the firmware uses.
//!
//! QEMU emulates the SPI bus, but no panel on it. The bus monitor reads the bytes from the bus, and this module interprets them as the
//! data sheet says.

use ganlet_sim::host::Frame;

/// Columns and rows of the controller's memory; a panel may show a part of it.
const COLUMNS: u16 = 240;
const ROWS: u16 = 320;

/// Commands that change the image.
mod command {
    pub(super) const RESET: u8 = 0x01;
    pub(super) const SLEEP_OUT: u8 = 0x11;
    pub(super) const INVERSION_OFF: u8 = 0x20;
    pub(super) const INVERSION_ON: u8 = 0x21;
    pub(super) const DISPLAY_OFF: u8 = 0x28;
    pub(super) const DISPLAY_ON: u8 = 0x29;
    pub(super) const COLUMNS: u8 = 0x2A;
    pub(super) const ROWS: u8 = 0x2B;
    pub(super) const WRITE: u8 = 0x2C;
    pub(super) const ORDER: u8 = 0x36;
    pub(super) const FORMAT: u8 = 0x3A;
}

/// Argument of the pixel format command: 16 bits for each pixel, on both interfaces of the chip.
const RGB565: u8 = 0x55;

/// The state of the controller.
#[derive(Clone, Debug)]
pub(crate) struct St7789 {
    /// Pixels of 5 bits red, 6 bits green, 5 bits blue.
    memory: Vec<u16>,
    command: u8,
    /// Bytes after the current command; of pixels, the first half of an incomplete one.
    bytes: Vec<u8>,
    columns: (u16, u16),
    rows: (u16, u16),
    at: (u16, u16),
    awake: bool,
    on: bool,
    inverted: bool,
    /// The first command or argument that is not emulated.
    unsupported: Option<String>,
}

impl St7789 {
    /// The state after power-on.
    pub(crate) fn new() -> Self {
        Self {
            memory: vec![0; usize::from(COLUMNS) * usize::from(ROWS)],
            command: 0,
            bytes: Vec::new(),
            columns: (0, COLUMNS - 1),
            rows: (0, ROWS - 1),
            at: (0, 0),
            awake: false,
            on: false,
            inverted: false,
            unsupported: None,
        }
    }

    /// Receives a byte while the data/command line is low.
    pub(crate) fn command(&mut self, byte: u8) {
        self.command = byte;
        self.bytes.clear();
        match byte {
            command::RESET => *self = Self { memory: core::mem::take(&mut self.memory), ..Self::new() },
            command::SLEEP_OUT => self.awake = true,
            command::INVERSION_OFF => self.inverted = false,
            command::INVERSION_ON => self.inverted = true,
            command::DISPLAY_OFF => self.on = false,
            command::DISPLAY_ON => self.on = true,
            command::WRITE => self.at = (self.columns.0, self.rows.0),
            _ => {}
        }
    }

    /// Receives a byte while the data/command line is high.
    pub(crate) fn data(&mut self, byte: u8) {
        self.bytes.push(byte);
        match (self.command, &self.bytes[..]) {
            (command::WRITE, &[high, low]) => {
                self.bytes.clear();
                self.pixel(u16::from_be_bytes([high, low]));
            }
            (command::COLUMNS, &[a, b, c, d]) => self.columns = window([a, b, c, d], COLUMNS),
            (command::ROWS, &[a, b, c, d]) => self.rows = window([a, b, c, d], ROWS),
            (command::ORDER, &[order]) if order != 0 => self.reject(format!("memory order {order:#04x}")),
            (command::FORMAT, &[format]) if format != RGB565 => self.reject(format!("pixel format {format:#04x}")),
            _ => {}
        }
    }

    fn reject(&mut self, what: String) {
        self.unsupported.get_or_insert(what);
    }

    fn pixel(&mut self, color: u16) {
        let (x, y) = self.at;
        if let Some(place) = self.memory.get_mut(usize::from(y) * usize::from(COLUMNS) + usize::from(x)) {
            *place = color;
        }
        // From left to right, from top to bottom, then from the start again.
        self.at = match (x >= self.columns.1, y >= self.rows.1) {
            (false, _) => (x + 1, y),
            (true, false) => (self.columns.0, y + 1),
            (true, true) => (self.columns.0, self.rows.0),
        };
    }

    /// The pixels of a panel that is wired to the first `width` columns and `height` rows. Its liquid crystal inverts, so colors are right
    /// while the controller inverts them too.
    pub(crate) fn frame(&self, width: u32, height: u32) -> Result<Frame, String> {
        if let Some(what) = &self.unsupported {
            return Err(format!("the firmware set {what}, which the emulated panel does not know"));
        }
        let mut frame = Frame::new(width, height);
        if !(self.awake && self.on) {
            return Ok(frame);
        }
        let rows = self.memory.chunks_exact(COLUMNS.into()).flat_map(|row| row.iter().take(width as usize));
        for (pixel, &color) in frame.rgb.as_chunks_mut::<3>().0.iter_mut().zip(rows) {
            let color = rgb(color);
            *pixel = if self.inverted { color } else { color.map(|v| !v) };
        }
        Ok(frame)
    }
}

/// Expands a pixel to 8 bits of red, green and blue.
fn rgb(color: u16) -> [u8; 3] {
    let level = |shift: u16, most: u16| {
        ((u32::from(color >> shift & most) * 255 + u32::from(most / 2)) / u32::from(most)) as u8
    };
    [level(11, 31), level(5, 63), level(0, 31)]
}

/// Parses first and last position from two big-endian numbers; both must be below `of`.
fn window([a, b, c, d]: [u8; 4], of: u16) -> (u16, u16) {
    let last = u16::from_be_bytes([c, d]).min(of - 1);
    (u16::from_be_bytes([a, b]).min(last), last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(panel: &mut St7789, command: u8, bytes: &[u8]) {
        panel.command(command);
        bytes.iter().for_each(|&byte| panel.data(byte));
    }

    fn started() -> St7789 {
        let mut panel = St7789::new();
        for (command, bytes) in [(0x11, &[][..]), (0x36, &[0]), (0x21, &[]), (0x3A, &[0x55]), (0x29, &[])] {
            send(&mut panel, command, bytes);
        }
        panel
    }

    #[test]
    fn pixels_fill_their_window_row_by_row_and_start_again() {
        let mut panel = started();
        send(&mut panel, 0x2A, &[0, 1, 0, 2]);
        send(&mut panel, 0x2B, &[0, 3, 0, 4]);
        let colors = [[0xF8, 0], [0x07, 0xE0], [0, 0x1F], [0xFF, 0xFF], [0, 0]];
        send(&mut panel, 0x2C, colors.as_flattened());
        let frame = panel.frame(240, 240).unwrap();
        assert_eq!([frame.at(2, 3), frame.at(1, 4), frame.at(2, 4)], [[0, 255, 0], [0, 0, 255], [255; 3]]);
        assert_eq!(frame.at(1, 3), [0; 3], "the fifth pixel overwrites the first");
        assert!(frame.rgb.iter().filter(|&&v| v != 0).count() == 5);
    }

    #[test]
    fn a_panel_that_sleeps_is_black_and_one_that_is_not_inverted_shows_the_negative() {
        let mut panel = started();
        send(&mut panel, 0x20, &[]);
        assert!(panel.frame(240, 240).unwrap().rgb.iter().all(|&v| v == 255));
        send(&mut panel, 0x28, &[]);
        assert!(panel.frame(240, 240).unwrap().rgb.iter().all(|&v| v == 0));
        assert!(St7789::new().frame(240, 240).unwrap().rgb.iter().all(|&v| v == 0));
    }

    #[test]
    fn a_command_that_is_not_emulated_is_an_error() {
        let mut panel = started();
        send(&mut panel, 0x36, &[0x60]);
        assert!(panel.frame(240, 240).unwrap_err().contains("0x60"));
    }
}
