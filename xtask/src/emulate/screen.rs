//! Reads the pixels of an emulated panel: from a screen dump in which each pixel is a square, or from the brightnesses of LEDs.

use ganlet_sim::host::Frame;

/// Reads a PPM image with 8-bit colors, in which each of the panel's `width` by `height` pixels is a square.
pub(crate) fn parse(bytes: &[u8], width: u32, height: u32) -> Result<Frame, String> {
    let mut rest = bytes;
    let mut word = || {
        let start = rest.iter().position(|b| !b.is_ascii_whitespace())?;
        let end = start + rest[start..].iter().position(u8::is_ascii_whitespace)?;
        let word = std::str::from_utf8(&rest[start..end]).ok()?.to_owned();
        rest = &rest[end + 1..];
        Some(word)
    };
    let header = [word(), word(), word(), word()].map(Option::unwrap_or_default);
    let [magic, w, h, most] = &header;
    let (Ok(w), Ok(h)) = (w.parse::<u32>(), h.parse::<u32>()) else { return Err("no PPM".to_owned()) };
    let scale = w / width;
    if magic != "P6" || most != "255" || scale == 0 || (w, h) != (scale * width, scale * height) {
        return Err(format!("a screen of {w}x{h} ({magic}), expected a multiple of {width}x{height}"));
    }
    if rest.len() != w as usize * h as usize * 3 {
        return Err(format!("{} bytes of pixels for a screen of {w}x{h}", rest.len()));
    }
    let at = |x: u32, y: u32| {
        let i = (y as usize * w as usize + x as usize) * 3;
        [rest[i], rest[i + 1], rest[i + 2]]
    };
    let mut frame = Frame::new(width, height);
    for (i, pixel) in (0..).zip(frame.rgb.as_chunks_mut::<3>().0) {
        let (x, y) = (i % width * scale, i / width * scale);
        *pixel = at(x, y);
        let odd = (0..scale * scale).any(|j| at(x + j % scale, y + j / scale) != *pixel);
        if odd {
            return Err(format!("the panel's pixel ({}, {}) has more than one color", x / scale, y / scale));
        }
    }
    Ok(frame)
}

/// Reads brightnesses of 0 to 9, row by row.
pub(crate) fn levels(bytes: &[u8], width: u32, height: u32) -> Result<Frame, String> {
    let mut frame = Frame::new(width, height);
    let pixels = frame.rgb.as_chunks_mut::<3>().0;
    if bytes.len() != pixels.len() {
        return Err(format!("{} brightnesses for {width}x{height} LEDs", bytes.len()));
    }
    for (pixel, &level) in pixels.iter_mut().zip(bytes) {
        if level > 9 {
            return Err(format!("a brightness of {level}, expected 0 to 9"));
        }
        *pixel = [(u32::from(level) * 255 / 9) as u8; 3];
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightnesses_become_grays() {
        assert_eq!(levels(&[0, 9, 3], 3, 1).unwrap().rgb, [[0; 3], [255; 3], [85; 3]].concat());
        assert!(levels(&[0, 9], 3, 1).is_err() && levels(&[0, 9, 10], 3, 1).is_err());
    }

    #[test]
    fn squares_become_pixels_and_anything_else_is_an_error() {
        let row = [[9u8; 3], [9; 3], [200; 3], [200; 3]].concat();
        let image = [b"P6\n4 2\n255\n".as_slice(), &row, &row].concat();
        let frame = parse(&image, 2, 1).unwrap();
        assert_eq!((frame.width, frame.height, frame.at(0, 0), frame.at(1, 0)), (2, 1, [9; 3], [200; 3]));
        assert!(parse(&image, 3, 1).unwrap_err().contains("4x2"));
        assert!(parse(&image, 1, 1).is_err());
        assert!(parse(&image[..image.len() - 1], 2, 1).unwrap_err().contains("23 bytes"));
        let mut torn = image.clone();
        *torn.last_mut().unwrap() = 7;
        assert!(parse(&torn, 2, 1).unwrap_err().contains("(1, 0)"));
        assert!(parse(b"GIF89a", 2, 1).is_err());
    }
}
