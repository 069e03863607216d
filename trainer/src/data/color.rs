//! Converts colors from the color space of an image's ICC profile to sRGB.

/// From XYZ, relative to the white point D50 of profiles, to linear sRGB.
const XYZ_TO_SRGB: [[f64; 3]; 3] = [
    [3.133_856_1, -1.616_866_7, -0.490_614_6],
    [-0.978_768_4, 1.916_141_5, 0.033_454_0],
    [0.071_945_3, -0.228_991_4, 1.405_242_7],
];
/// The white point D50. The primaries of a valid profile add up to it.
const WHITE: [f64; 3] = [0.9642, 1.0, 0.8249];
/// Tolerance of each coordinate of the white point.
const WHITE_TOLERANCE: f64 = 0.05;
/// Entries of the table from linear light to sRGB.
const STEPS: usize = 1 << 14;
/// Profiles that change no color by more than this many levels are taken for sRGB.
const SAME: u8 = 3;

/// The conversion of 8-bit colors to sRGB. The arithmetic is the same on every machine.
pub(crate) struct ToSrgb {
    /// Linear light of the 256 levels of each channel.
    linear: [Vec<f64>; 3],
    matrix: [[f64; 3]; 3],
    /// The sRGB levels of linear light from 0 to 1.
    levels: Vec<u8>,
}

impl ToSrgb {
    /// The conversion from the colors of an ICC profile.
    ///
    /// `None` for sRGB, for a damaged profile, and for one that is not described by primaries and curves, as those of printers and scanners.
    pub(crate) fn from_profile(icc: &[u8]) -> Option<Self> {
        let profile = Profile::new(icc)?;
        let primaries = [*b"rXYZ", *b"gXYZ", *b"bXYZ"].map(|tag| profile.primary(tag));
        let [Some(red), Some(green), Some(blue)] = primaries else { return None };
        let primaries = [red, green, blue];
        let white = [0, 1, 2].map(|axis| primaries.iter().map(|primary| primary[axis]).sum::<f64>());
        if !white.iter().zip(WHITE).all(|(found, wanted)| (found - wanted).abs() < WHITE_TOLERANCE) {
            return None;
        }
        let matrix = XYZ_TO_SRGB.map(|row| primaries.map(|primary| (0..3).map(|axis| row[axis] * primary[axis]).sum()));
        let linear = |tag| {
            let curve = profile.curve(tag)?;
            (0..256).map(|level| curve.linear_light(f64::from(level) / 255.0)).collect::<Option<Vec<f64>>>()
        };
        let linear = [linear(*b"rTRC")?, linear(*b"gTRC")?, linear(*b"bTRC")?];
        let levels = (0..=STEPS).map(|step| srgb_level(step as f64 / STEPS as f64)).collect();
        Some(Self { linear, matrix, levels }).filter(|conversion| !conversion.is_identity())
    }

    /// Converts pixels of three channels, or of four with an alpha channel.
    pub(crate) fn apply(&self, pixels: &mut [u8], channels: usize) {
        for pixel in pixels.chunks_exact_mut(channels) {
            let linear = [0, 1, 2].map(|c| self.linear[c][usize::from(pixel[c])]);
            for (level, row) in pixel.iter_mut().zip(self.matrix) {
                let light = row[0] * linear[0] + row[1] * linear[1] + row[2] * linear[2];
                *level = self.levels[(light.clamp(0.0, 1.0) * STEPS as f64).round() as usize];
            }
        }
    }

    fn is_identity(&self) -> bool {
        let levels = || (0..=255).step_by(51);
        let mut colors: Vec<u8> =
            levels().flat_map(|r| levels().flat_map(move |g| levels().flat_map(move |b| [r, g, b]))).collect();
        let before = colors.clone();
        self.apply(&mut colors, 3);
        colors.iter().zip(before).all(|(a, b)| a.abs_diff(b) <= SAME)
    }
}

/// The bytes of a profile for RGB colors (ICC.1:2022, section 7).
struct Profile<'b> {
    bytes: &'b [u8],
}

/// The curve from levels to linear light of a channel.
enum Curve {
    /// Samples at equal distances. None stand for a straight line, and one for an exponent in units of 1/256.
    Table(Vec<u16>),
    /// The values of a function: its exponent, and up to six more.
    Function(Vec<f64>),
}

impl<'b> Profile<'b> {
    /// Size of the header.
    const HEADER: usize = 128;

    fn new(bytes: &'b [u8]) -> Option<Self> {
        (bytes.get(16..24)? == b"RGB XYZ " && bytes.get(36..40)? == b"acsp").then_some(Self { bytes })
    }

    /// The bytes of an element.
    fn element(&self, tag: [u8; 4]) -> Option<&'b [u8]> {
        let number = |at: usize| word(self.bytes, at).map(|word| word as usize);
        let entry = (0..number(Self::HEADER)?)
            .map(|entry| Self::HEADER + 4 + 12 * entry)
            .take_while(|at| at + 12 <= self.bytes.len())
            .find(|at| self.bytes[*at..].starts_with(&tag))?;
        let (offset, size) = (number(entry + 4)?, number(entry + 8)?);
        self.bytes.get(offset..offset.checked_add(size)?)
    }

    /// The coordinates X, Y and Z of a primary.
    fn primary(&self, tag: [u8; 4]) -> Option<[f64; 3]> {
        let element = self.element(tag).filter(|element| element.starts_with(b"XYZ "))?;
        Some([fixed(element, 8)?, fixed(element, 12)?, fixed(element, 16)?])
    }

    fn curve(&self, tag: [u8; 4]) -> Option<Curve> {
        let element = self.element(tag)?;
        match element.get(..4)? {
            b"curv" => {
                let samples = element.get(12..)?.as_chunks::<2>().0.iter().map(|sample| u16::from_be_bytes(*sample));
                let count = word(element, 8)? as usize;
                let samples: Vec<u16> = samples.take(count).collect();
                (samples.len() == count).then_some(Curve::Table(samples))
            }
            b"para" => {
                let count =
                    *[1, 3, 4, 5, 7].get(usize::from(u16::from_be_bytes([*element.get(8)?, *element.get(9)?])))?;
                (0..count).map(|i| fixed(element, 12 + 4 * i)).collect::<Option<_>>().map(Curve::Function)
            }
            _ => None,
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A number with 16 binary places.
fn fixed(bytes: &[u8], at: usize) -> Option<f64> {
    Some(f64::from(word(bytes, at)?.cast_signed()) / 65_536.0)
}

impl Curve {
    /// Linear light of a level from 0 to 1 (ICC.1:2022, sections 10.6 and 10.18).
    fn linear_light(&self, x: f64) -> Option<f64> {
        let light = match self {
            Self::Table(table) => match table[..] {
                [] => x,
                [gamma] => x.powf(f64::from(gamma) / 256.0),
                _ => {
                    let at = x * (table.len() - 1) as f64;
                    let (low, high) = (f64::from(table[at.floor() as usize]), f64::from(table[at.ceil() as usize]));
                    (low + (high - low) * at.fract()) / 65_535.0
                }
            },
            Self::Function(values) => {
                // From d on: (a x + b)^gamma + e. Below: c x + f.
                let (gamma, a, b, c, d, e, f) = match values[..] {
                    [gamma] => (gamma, 1.0, 0.0, 0.0, f64::MIN, 0.0, 0.0),
                    [gamma, a, b] if a != 0.0 => (gamma, a, b, 0.0, -b / a, 0.0, 0.0),
                    [gamma, a, b, e] if a != 0.0 => (gamma, a, b, 0.0, -b / a, e, e),
                    [gamma, a, b, c, d] => (gamma, a, b, c, d, 0.0, 0.0),
                    [gamma, a, b, c, d, e, f] => (gamma, a, b, c, d, e, f),
                    _ => return None,
                };
                if x >= d { (a * x + b).powf(gamma) + e } else { c * x + f }
            }
        };
        light.is_finite().then_some(light)
    }
}

/// The sRGB level from 0 to 255 of linear light from 0 to 1 (IEC 61966-2-1).
fn srgb_level(light: f64) -> u8 {
    let encoded = if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (255.0 * encoded).round() as u8
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const P3_BY_LITTLE_CMS: [([u8; 3], [u8; 3]); 6] = [
        ([200, 60, 30], [217, 42, 0]),
        ([30, 180, 70], [0, 183, 49]),
        ([20, 40, 220], [12, 41, 229]),
        ([128, 128, 128], [128, 128, 128]),
        ([250, 240, 230], [252, 240, 229]),
        ([12, 8, 4], [13, 8, 4]),
    ];
    const ADOBE_BY_LITTLE_CMS: [([u8; 3], [u8; 3]); 6] = [
        ([200, 60, 30], [232, 57, 21]),
        ([30, 180, 70], [0, 181, 57]),
        ([20, 40, 220], [0, 35, 225]),
        ([128, 128, 128], [129, 129, 129]),
        ([250, 240, 230], [254, 240, 230]),
        ([12, 8, 4], [5, 2, 0]),
    ];

    const SRGB: [[f64; 3]; 3] = [[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]];
    const P3: [[f64; 3]; 3] = [[0.51512, 0.24120, -0.00105], [0.29198, 0.69225, 0.04189], [0.15710, 0.06657, 0.78407]];
    const ADOBE: [[f64; 3]; 3] =
        [[0.60974, 0.31111, 0.01947], [0.20528, 0.62567, 0.06087], [0.14919, 0.06322, 0.74457]];

    fn fixed_bytes(values: &[f64]) -> Vec<u8> {
        values.iter().flat_map(|v| ((v * 65_536.0).round() as i32).to_be_bytes()).collect()
    }

    /// The curve of sRGB, which is also that of Display P3.
    fn srgb_curve() -> Vec<u8> {
        let values = fixed_bytes(&[2.4, 1.0 / 1.055, 0.055 / 1.055, 1.0 / 12.92, 0.04045]);
        [&b"para\0\0\0\0\0\x03\0\0"[..], &values].concat()
    }

    /// A profile with these primaries and one curve for all channels.
    fn profile(primaries: [[f64; 3]; 3], curve: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; Profile::HEADER];
        bytes[16..24].copy_from_slice(b"RGB XYZ ");
        bytes[36..40].copy_from_slice(b"acsp");
        bytes.extend(6u32.to_be_bytes());
        let (start, size) = (Profile::HEADER + 4 + 6 * 12, 20);
        for (i, tag) in [b"rXYZ", b"gXYZ", b"bXYZ"].into_iter().enumerate() {
            bytes.extend([*tag, ((start + i * size) as u32).to_be_bytes(), (size as u32).to_be_bytes()].concat());
        }
        for tag in [b"rTRC", b"gTRC", b"bTRC"] {
            bytes
                .extend([*tag, ((start + 3 * size) as u32).to_be_bytes(), (curve.len() as u32).to_be_bytes()].concat());
        }
        for primary in primaries {
            bytes.extend([&b"XYZ \0\0\0\0"[..], &fixed_bytes(&primary)].concat());
        }
        bytes.extend(curve);
        bytes
    }

    /// The profile that phones embed.
    pub(crate) fn display_p3() -> Vec<u8> {
        profile(P3, &srgb_curve())
    }

    fn converted(profile: &[u8], mut color: [u8; 3]) -> [u8; 3] {
        ToSrgb::from_profile(profile).unwrap().apply(&mut color, 3);
        color
    }

    #[test]
    fn wide_color_spaces_are_converted_as_by_little_cms() {
        // Expected values by Little CMS 2 (relative colorimetric), which may differ by a level.
        let close = |found: [u8; 3], expected: [u8; 3]| found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1);
        let p3 = display_p3();
        for (color, expected) in P3_BY_LITTLE_CMS {
            let found = converted(&p3, color);
            assert!(close(found, expected), "{color:?}: {found:?}, expected {expected:?}");
        }
        let adobe = profile(ADOBE, b"curv\0\0\0\0\0\0\0\x01\x02\x33");
        for (color, expected) in ADOBE_BY_LITTLE_CMS {
            let found = converted(&adobe, color);
            assert!(close(found, expected), "{color:?}: {found:?}, expected {expected:?}");
        }
    }

    #[test]
    fn srgb_and_unusable_profiles_change_nothing() {
        assert!(ToSrgb::from_profile(&profile(SRGB, &srgb_curve())).is_none());
        let p3 = display_p3();
        assert!((0..p3.len()).all(|length| ToSrgb::from_profile(&p3[..length]).is_none()));
        for (at, other) in
            [(16, b"GRAY"), (16, b"CMYK"), (20, b"Lab "), (36, b"none"), (132, b"none"), (136, &[0xff; 4])]
        {
            let mut damaged = p3.clone();
            damaged[at..at + 4].copy_from_slice(other);
            assert!(ToSrgb::from_profile(&damaged).is_none(), "{at}: {other:?}");
        }
        let [red, green, _] = P3;
        assert!(ToSrgb::from_profile(&profile([red, green, green], &srgb_curve())).is_none());
        for byte in 0..p3.len() {
            for bit in 0..8 {
                let mut flipped = p3.clone();
                flipped[byte] ^= 1 << bit;
                if let Some(conversion) = ToSrgb::from_profile(&flipped) {
                    conversion.apply(&mut [0, 127, 255, 9], 4);
                }
            }
        }
    }

    #[test]
    fn alpha_stays() {
        let mut color = [200, 60, 30, 7];
        ToSrgb::from_profile(&display_p3()).unwrap().apply(&mut color, 4);
        assert_eq!(color[3], 7);
    }

    #[test]
    fn every_kind_of_curve_is_evaluated() {
        let at_half = |curve: Curve| Curve::linear_light(&curve, 0.5).unwrap();
        assert_eq!(at_half(Curve::Table(vec![])), 0.5);
        assert_eq!(at_half(Curve::Table(vec![512])), 0.25);
        assert_eq!(at_half(Curve::Table(vec![0, 65_535])), 0.5);
        assert_eq!(at_half(Curve::Table(vec![0, 13_107, 65_535])), 0.2);
        assert_eq!(at_half(Curve::Function(vec![2.0])), 0.25);
        assert_eq!(at_half(Curve::Function(vec![2.0, 0.5, 0.25])), 0.25);
        assert_eq!(at_half(Curve::Function(vec![2.0, 1.0, -0.75, 0.5])), 0.5);
        assert_eq!(at_half(Curve::Function(vec![2.0, 1.0, 0.0, 0.5, 0.75])), 0.25);
        assert_eq!(at_half(Curve::Function(vec![2.0, 1.0, 0.0, 0.5, 0.25, 0.5, 0.0])), 0.75);
        assert_eq!(Curve::Function(vec![1.0, 2.0]).linear_light(0.5), None);
        assert_eq!(Curve::Function(vec![0.5, 1.0, -2.0, 0.0, 0.0]).linear_light(0.5), None);
    }
}
