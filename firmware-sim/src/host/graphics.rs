//! Images in terminals, by the kitty protocol or as sixels.

use std::env;
use std::fmt::Write as _;
use std::io;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::frame::Frame;
use super::gif::indexed;

/// The way in which a terminal shows an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminalGraphics {
    /// Half-block characters, two pixels each.
    Blocks,
    /// PNG in the kitty protocol, which WezTerm, Ghostty and Konsole support too.
    Kitty,
    /// Sixels, which foot, mlterm, mintty and others support.
    Sixel,
}

impl FromStr for TerminalGraphics {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "blocks" => Ok(Self::Blocks),
            "kitty" => Ok(Self::Kitty),
            "sixel" => Ok(Self::Sixel),
            _ => Err("there are blocks, kitty and sixel".to_owned()),
        }
    }
}

impl TerminalGraphics {
    /// Detects the best way for this terminal from environment variables; half blocks by default.
    #[must_use]
    pub fn of_terminal() -> Self {
        Self::of(|name| env::var(name).ok())
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let is = |name: &str, words: &[&str]| {
            variable(name).is_some_and(|value| words.iter().any(|word| value.to_lowercase().contains(word)))
        };
        // Terminal multiplexers support neither protocol.
        if is("TERM", &["screen", "tmux"]) {
            Self::Blocks
        } else if variable("KITTY_WINDOW_ID").is_some()
            || is("TERM", &["kitty", "ghostty"])
            || is("TERM_PROGRAM", &["wezterm", "ghostty"])
        {
            Self::Kitty
        } else if is("TERM", &["foot", "mlterm", "sixel", "contour"]) || is("TERM_PROGRAM", &["mintty"]) {
            Self::Sixel
        } else {
            Self::Blocks
        }
    }

    /// Encodes an image as text for the terminal, which shows it at the cursor.
    ///
    /// # Errors
    /// If the image cannot be encoded.
    pub fn encode(self, frame: &Frame) -> io::Result<String> {
        match self {
            Self::Blocks => Ok(String::new()),
            Self::Kitty => Ok(kitty(&frame.png()?)),
            Self::Sixel => Ok(sixel(frame)),
        }
    }
}

/// Encodes a PNG in the kitty protocol: Base64 in chunks of 4,096 characters, with the keys transmit and show (`a=T`), PNG (`f=100`), keep the
/// cursor (`C=1`) and no answer (`q=2`). The fixed image number replaces the previous image.
fn kitty(png: &[u8]) -> String {
    let text = STANDARD.encode(png);
    let pieces = text.as_bytes().chunks(4096).count();
    let mut out = String::new();
    for (i, piece) in text.as_bytes().chunks(4096).enumerate() {
        let more = u8::from(i + 1 < pieces);
        let keys = if i == 0 { "a=T,f=100,i=1,p=1,C=1,q=2," } else { "" };
        let _ = write!(out, "\x1b_G{keys}m={more};{}\x1b\\", String::from_utf8_lossy(piece));
    }
    out
}

/// Encodes an image as sixels. The image is divided into bands of six rows. For each color of a band there is one character per column,
/// whose bits are the rows. Colors are in percent.
fn sixel(frame: &Frame) -> String {
    let image = indexed(frame);
    let (width, height) = (frame.width as usize, frame.height as usize);
    let mut out = format!("\x1bP0;1q\"1;1;{width};{height}");
    let palette = image.palette.as_deref().unwrap_or_default();
    for (i, color) in palette.chunks_exact(3).enumerate() {
        let [r, g, b] = [0, 1, 2].map(|c| (u32::from(color[c]) * 100 + 127) / 255);
        let _ = write!(out, "#{i};2;{r};{g};{b}");
    }
    for band in image.buffer.chunks(6 * width) {
        let mut used: Vec<u8> = band.to_vec();
        used.sort_unstable();
        used.dedup();
        for color in used {
            let _ = write!(out, "#{color}");
            let bits = |x: usize| {
                let rows = band.chunks(width).enumerate();
                rows.map(|(y, row)| u8::from(row[x] == color) << y).sum::<u8>()
            };
            let mut run: (u8, usize) = (0, 0);
            for x in 0..=width {
                let next = (x < width).then(|| bits(x));
                if next == Some(run.0) && run.1 > 0 {
                    run.1 += 1;
                    continue;
                }
                let letter = char::from(63 + run.0);
                match run.1 {
                    0 => {}
                    1..4 => out.extend(std::iter::repeat_n(letter, run.1)),
                    n => {
                        let _ = write!(out, "!{n}{letter}");
                    }
                }
                run = (next.unwrap_or(0), 1);
            }
            out.push('$');
        }
        out.push('-');
    }
    out + "\x1b\\"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn all_kitty_chunks_but_the_last_announce_another() {
        let text = kitty(&[7; 7000]);
        let pieces: Vec<&str> = text.split("\x1b\\").filter(|p| !p.is_empty()).collect();
        assert_eq!(pieces.len(), 3);
        assert!(pieces[0].starts_with("\x1b_Ga=T,f=100,") && pieces[0].contains(",m=1;"));
        assert!(pieces[1].starts_with("\x1b_Gm=1;") && pieces[2].starts_with("\x1b_Gm=0;"));
        let length: usize = pieces.iter().map(|p| p.split(';').nth(1).unwrap().len()).sum();
        assert_eq!(length, 7000_usize.div_ceil(3) * 4);
    }

    /// Index of the color at each drawn position.
    type Drawing = BTreeMap<(usize, usize), usize>;

    /// Decodes sixels to what a terminal draws, and the palette in percent.
    fn drawn(text: &str) -> (Drawing, Vec<[usize; 3]>) {
        let body = text.strip_prefix("\x1bP0;1q\"1;1;").unwrap().strip_suffix("\x1b\\").unwrap();
        let body = &body[body.find('#').unwrap()..];
        let (mut pixels, mut palette) = (BTreeMap::new(), Vec::new());
        let (mut x, mut y, mut color) = (0, 0, 0);
        let mut at = body.chars().peekable();
        let number = |at: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            let mut n = 0;
            while let Some(digit) = at.peek().and_then(|c| c.to_digit(10)) {
                (n, _) = (n * 10 + digit as usize, at.next());
            }
            n
        };
        while let Some(c) = at.next() {
            let mut times = 1;
            let mut letter = c;
            match c {
                '#' => {
                    color = number(&mut at);
                    if at.peek() == Some(&';') {
                        at.next();
                        assert_eq!(number(&mut at), 2);
                        palette.push([(); 3].map(|()| {
                            at.next();
                            number(&mut at)
                        }));
                    }
                    continue;
                }
                '$' => x = 0,
                '-' => (x, y) = (0, y + 6),
                '!' => {
                    times = number(&mut at);
                    letter = at.next().unwrap();
                }
                _ => {}
            }
            if letter >= '?' {
                for _ in 0..times {
                    let bits = letter as u32 - 63;
                    for row in (0..6).filter(|row| bits >> row & 1 != 0) {
                        assert!(pixels.insert((x, y + row), color).is_none(), "({x}, {y}) twice");
                    }
                    x += 1;
                }
            }
        }
        (pixels, palette)
    }

    #[test]
    fn sixels_draw_the_image_pixel_for_pixel() {
        let mut frame = Frame::new(11, 8);
        for (i, pixel) in frame.rgb.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            *pixel = [[0, 0, 0], [255, 0, 51], [0, 102, 255]][i * i % 7 % 3];
        }
        let (pixels, palette) = drawn(&sixel(&frame));
        assert_eq!(pixels.len(), 88);
        for ((x, y), color) in pixels {
            let percent = frame.at(x as u32, y as u32).map(|v| (usize::from(v) * 100 + 127) / 255);
            assert_eq!(palette[color], percent, "({x}, {y})");
        }
    }

    #[test]
    fn terminals_are_detected_from_environment_variables() {
        let of = |pairs: &[(&str, &str)]| {
            TerminalGraphics::of(|name| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(of(&[("TERM", "xterm-kitty")]), TerminalGraphics::Kitty);
        assert_eq!(of(&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")]), TerminalGraphics::Kitty);
        assert_eq!(of(&[("TERM", "tmux-256color"), ("KITTY_WINDOW_ID", "1")]), TerminalGraphics::Blocks);
        assert_eq!(of(&[("TERM", "foot")]), TerminalGraphics::Sixel);
        assert_eq!(of(&[("TERM", "xterm-256color")]), TerminalGraphics::Blocks);
    }
}
