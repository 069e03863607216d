//! Latent vectors: normal samples from seeds and spherical interpolation, with integers only.
mod tables;

use crate::{format::MAX_LATENT, model::Model};
use core::fmt;
use heapless::Vec;
use tables::{SINE, THRESHOLDS};

/// The reason why values were refused as a latent of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LatentError {
    /// The vector does not have the length that the model takes.
    Length {
        /// Length of the vector.
        found: usize,
        /// Length that the model takes.
        expected: usize,
    },
    /// The class is missing or out of range.
    Class {
        /// The given class.
        found: Option<u16>,
        /// Number of classes of the model.
        classes: u16,
    },
}

impl fmt::Display for LatentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { found, expected } => {
                write!(f, "the latent has {found} values, the model takes {expected}")
            }
            Self::Class { found: Some(class), classes } => {
                write!(f, "there is no class {class}: the model has {classes} classes")
            }
            Self::Class { found: None, classes } => write!(f, "name one of the model's {classes} classes"),
        }
    }
}

impl core::error::Error for LatentError {}

impl Model<'_> {
    /// Samples the latent of `seed`, the same on every machine. In a model with classes, `seed` modulo the number of classes is the class.
    pub fn latent(&self, seed: u32) -> Latent {
        Latent::from_seed(self, seed)
    }

    /// Creates a latent from `values` for a model without classes. Each value stands for `value / 32`.
    ///
    /// # Errors
    /// Those of [`Latent::new`].
    pub fn latent_of(&self, values: &[i8]) -> Result<Latent, LatentError> {
        Latent::new(self, values, None)
    }
}

/// A point in latent space, from which an image is generated. Each value stands for `value / 32`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latent {
    values: Vec<i8, MAX_LATENT>,
    class: Option<u16>,
}

impl Latent {
    /// Maximum length of a latent vector.
    pub const MAX_LEN: usize = MAX_LATENT;

    /// Creates a latent for `model` from values and, for a model with classes, a class.
    ///
    /// # Errors
    /// If the length differs from the model's, or if the class is missing, out of range or given to a model without classes.
    pub fn new(model: &Model<'_>, values: &[i8], class: Option<u16>) -> Result<Self, LatentError> {
        let (found, expected, classes) = (values.len(), model.latent_len(), model.classes());
        if class.is_some_and(|c| c >= classes) || (class.is_none() && classes > 0) {
            return Err(LatentError::Class { found: class, classes });
        }
        let wrong = LatentError::Length { found, expected };
        if found != expected {
            return Err(wrong);
        }
        Ok(Self { values: Vec::from_slice(values).map_err(|_| wrong)?, class })
    }

    /// Samples the latent of `seed`.
    #[inline(never)]
    pub(crate) fn from_seed(model: &Model<'_>, seed: u32) -> Self {
        let class = seed.checked_rem(model.classes().into()).map(|c| c as u16);
        let mut latent = Self { values: Vec::new(), class };
        // A checked model's latent fits.
        _ = latent.values.resize(model.latent_len(), 0);
        normal_i8(seed, &mut latent.values);
        latent
    }

    /// Returns the values.
    pub fn values(&self) -> &[i8] {
        &self.values
    }

    /// Returns the values for editing, for example one dimension at a time.
    pub fn values_mut(&mut self) -> &mut [i8] {
        &mut self.values
    }

    /// Returns the latent with another class of `model`.
    ///
    /// # Errors
    /// If the model has no such class.
    pub fn in_class(self, model: &Model<'_>, class: u16) -> Result<Self, LatentError> {
        let classes = model.classes();
        if class < classes {
            Ok(Self { class: Some(class), ..self })
        } else {
            Err(LatentError::Class { found: Some(class), classes })
        }
    }

    /// Returns the class; `None` for a model without classes.
    pub fn class(&self) -> Option<u16> {
        self.class
    }

    /// Returns the coordinate of the latent along direction `index` of `model`, which is standard normal for random latents. It stands
    /// for `coordinate / 32` and saturates at ±127; 0 if there is no such direction.
    pub fn coordinate(&self, model: &Model<'_>, index: usize) -> i8 {
        ((self.projection(model.direction(index)) + 64) >> 7).clamp(-127, 127) as i8
    }

    /// Moves the latent along direction `index` of `model` until its coordinate is `coordinate`, up to rounding. The coordinates along the
    /// other directions stay, because directions are orthogonal.
    pub fn set_coordinate(&mut self, model: &Model<'_>, index: usize, coordinate: i8) {
        let direction = model.direction(index);
        // At most 2^14 + 256 · 2^14, so that products with an i8 fit.
        let way = (i32::from(coordinate) << 7) - self.projection(direction);
        for (value, &d) in self.values.iter_mut().zip(direction) {
            let moved = i32::from(*value) + ((way * i32::from(d as i8) + (1 << 13)) >> 14);
            *value = moved.clamp(-127, 127) as i8;
        }
    }

    /// Returns the projection on a direction, with seven fraction bits more than values have.
    fn projection(&self, direction: &[u8]) -> i32 {
        self.values.iter().zip(direction).map(|(&z, &d)| i32::from(z) * i32::from(d as i8)).sum()
    }

    /// Interpolates spherically between `a` (`step == 0`) and `b` (`step == steps`); both ends are exact.
    ///
    /// The angle between `a` and `b` is taken as 90°, because independent normal vectors of many dimensions are nearly orthogonal. The
    /// result is scaled so that its squared norm changes linearly from `a` to `b`. It has the length and class of `a`.
    pub fn slerp(a: &Self, b: &Self, step: u32, steps: u32) -> Self {
        if step == 0 {
            return a.clone();
        }
        if step >= steps {
            return b.clone();
        }
        let part = (u64::from(step) << 16).checked_div(u64::from(steps)).unwrap_or(0) as u32;
        let (cos, sin) = (sine(65536 - part), sine(part));
        let squares = |v: &Self| v.values.iter().map(|&x| i64::from(x).pow(2) as u64).sum::<u64>();
        let wanted = (squares(a) * u64::from(65536 - part) + squares(b) * u64::from(part)) >> 16;
        // `mixed` has seven fraction bits.
        let mixed = |i: usize, x: i8| {
            let y = b.values.get(i).copied().unwrap_or(0);
            (i32::from(x) * cos + i32::from(y) * sin) >> 8
        };
        let all = || a.values.iter().enumerate().map(|(i, &x)| mixed(i, x));
        let norm: u64 = all().map(|m| i64::from(m).pow(2) as u64).sum();
        // `factor` has thirteen fraction bits. If `a` and `b` are opposite, no arc is defined, and its middle stays near the origin.
        let factor = (wanted << 40).checked_div(norm).map_or(0, |r| r.min(1 << 40)).isqrt() as i64;
        let mut between = a.clone();
        for (value, m) in between.values.iter_mut().zip(all()) {
            *value = ((i64::from(m) * factor + (1 << 19)) >> 20).clamp(-127, 127) as i8;
        }
        between
    }
}

/// Fills `out` with standard normal samples. Each value stands for `value / 32` and saturates at ±127.
///
/// Value `i` depends only on `seed` and `i`. `docs/FORMAT.md` specifies the function bit by bit.
///
/// ```
/// let mut z = [0; 8];
/// ganlet_runtime::normal_i8(1, &mut z);
/// let mut longer = [0; 64];
/// ganlet_runtime::normal_i8(1, &mut longer);
/// assert_eq!(z, longer[..8]);
/// ```
pub fn normal_i8(seed: u32, out: &mut [i8]) {
    let keys = [mix(seed ^ 0x9E37_79B9), mix(seed ^ 0x85EB_CA6B)];
    for (index, value) in out.iter_mut().enumerate() {
        let bits = mix(mix((index as u32).wrapping_mul(0x9E37_79B9).wrapping_add(keys[0])) ^ keys[1]);
        let magnitude = THRESHOLDS.partition_point(|&t| t <= bits >> 1) as i8;
        *value = if bits & 1 == 1 { -magnitude } else { magnitude };
    }
}

/// A bijection of 32 bits in which every output bit depends on every input bit (Wellons' `lowbias32`).
fn mix(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
    x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
    x ^ (x >> 16)
}

/// Returns `2^15 * sin(part / 65536 * 90°)`.
fn sine(part: u32) -> i32 {
    let (i, fraction) = ((part >> 10) as usize, (part & 1023) as i32);
    let entry = |i: usize| SINE.get(i).copied().unwrap_or(32768);
    entry(i) + (((entry(i + 1) - entry(i)) * fraction) >> 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sampler_is_standard_normal() {
        let (mut z, mut counts) = ([0; 256], [0u32; 256]);
        let (mut sum, mut squares, mut fourth) = (0f64, 0f64, 0f64);
        for seed in 0..2000 {
            normal_i8(seed, &mut z);
            for &v in &z {
                let x = f64::from(v) / 32.0;
                (sum, squares, fourth) = (sum + x, squares + x * x, fourth + x.powi(4));
                counts[(i32::from(v) + 128) as usize] += 1;
            }
        }
        let n = 512_000.0;
        assert!((sum / n).abs() < 0.005, "{sum}");
        assert!((squares / n - 1.0).abs() < 0.006, "{squares}");
        assert!((fourth / n - 3.0).abs() < 0.04, "{fourth}");
        assert_eq!(counts[0], 0);
        assert!((f64::from(counts[128]) / n - 0.012466).abs() < 0.0006);
    }

    #[test]
    fn neighboring_seeds_and_positions_are_uncorrelated() {
        let (mut a, mut b) = ([0; 256], [0; 256]);
        let (mut seeds, mut positions) = (0i64, 0i64);
        for seed in 0..400 {
            normal_i8(seed, &mut a);
            normal_i8(seed + 1, &mut b);
            seeds += a.iter().zip(&b).map(|(&x, &y)| i64::from(x) * i64::from(y)).sum::<i64>();
            positions += a.iter().zip(&a[1..]).map(|(&x, &y)| i64::from(x) * i64::from(y)).sum::<i64>();
        }
        // Five standard deviations of a sum of 102,400 products.
        assert!(seeds.abs() < 5 * 320 * 1024 && positions.abs() < 5 * 320 * 1024, "{seeds} {positions}");
    }

    #[test]
    fn slerp_keeps_the_norm() {
        let latent = |seed| {
            let mut values: Vec<i8, MAX_LATENT> = Vec::new();
            values.resize(64, 0).unwrap_or_default();
            normal_i8(seed, &mut values);
            Latent { values, class: None }
        };
        let norm = |z: &Latent| z.values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let (a, b) = (latent(1), latent(2));
        assert_eq!((Latent::slerp(&a, &b, 0, 9), Latent::slerp(&a, &b, 9, 9)), (a.clone(), b.clone()));
        for step in 0..=9 {
            let expected = norm(&a) + (norm(&b) - norm(&a)) * f64::from(step) / 9.0;
            assert!((norm(&Latent::slerp(&a, &b, step, 9)) / expected - 1.0).abs() < 0.03);
            assert_eq!(Latent::slerp(&a, &a, step, 9).values().len(), 64);
        }
        let same = Latent::slerp(&a, &a, 4, 9);
        assert!(same.values.iter().zip(&a.values).all(|(x, y)| x.abs_diff(*y) <= 1));
    }
}
