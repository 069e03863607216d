//! Exponential, logarithm and related functions as branch-free code, which compilers vectorize.
//!
//! Relative errors stay below a few units in the last place over the ranges that occur in training, which the tests
//! check.

/// e^x by range reduction to ±ln2/2 and a polynomial (Cephes `expf`); 0 below -87, finite up to 88.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let tiny = x < -87.3;
    let huge = x > 88.72;
    let clamped = x.clamp(-87.3, 88.72);
    // Adding 1.5·2^23 rounds to an integer in the lowest bits. This replaces a conversion, which has no vector form that handles NaN.
    let shifted = clamped * std::f32::consts::LOG2_E + 12_582_912.0;
    let n = shifted - 12_582_912.0;
    let whole = (shifted.to_bits() as i32).wrapping_sub(0x4B40_0000);
    let r = clamped - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_2e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let y = p * r * r + r + 1.0;
    // Two factors are needed, because 2^128 does not fit in f32.
    let half = whole >> 1;
    let rest = whole.wrapping_sub(half);
    let y = y
        * f32::from_bits((half.wrapping_add(127) as u32) << 23)
        * f32::from_bits((rest.wrapping_add(127) as u32) << 23);
    let y = if tiny { 0.0 } else { y };
    let y = if huge { f32::INFINITY } else { y };
    if x.is_nan() { x } else { y }
}

/// ln x (Cephes `logf`); NaN below 0, -inf at 0.
#[inline(always)]
pub(crate) fn log(x: f32) -> f32 {
    let bits = x.max(f32::MIN_POSITIVE).to_bits();
    let mut e = ((bits >> 23) as i32 - 126) as f32;
    let mut m = f32::from_bits((bits & 0x007F_FFFF) | 0x3F00_0000);
    let low = m < std::f32::consts::FRAC_1_SQRT_2;
    e -= if low { 1.0 } else { 0.0 };
    m = m + if low { m } else { 0.0 } - 1.0;
    let z = m * m;
    let mut p = 7.037_683_6e-2;
    p = p * m - 1.151_461e-1;
    p = p * m + 1.167_699_9e-1;
    p = p * m - 1.242_014_1e-1;
    p = p * m + 1.424_932_3e-1;
    p = p * m - 1.666_805_7e-1;
    p = p * m + 2.000_071_5e-1;
    p = p * m - 2.499_999_4e-1;
    p = p * m + 3.333_333e-1;
    let y = m * z * p + e * -2.121_944_4e-4 - 0.5 * z;
    let y = m + y + e * 0.693_359_4;
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    let y = if x < 0.0 { f32::NAN } else { y };
    if x.is_nan() || x == f32::INFINITY { x } else { y }
}

/// (sin, cos) of an angle in turns, 0 to 1: a quadrant and two polynomials (Cephes `sinf`, `cosf`).
#[inline(always)]
pub(crate) fn sin_cos_turn(turns: f32) -> (f32, f32) {
    let shifted = turns * 4.0 + 12_582_912.0;
    let quadrant = shifted.to_bits();
    let x = (turns - (shifted - 12_582_912.0) * 0.25) * std::f32::consts::TAU;
    let z = x * x;
    let mut sin = -1.951_529_6e-4;
    sin = sin * z + 8.332_161e-3;
    sin = sin * z - 1.666_665_5e-1;
    let sin = sin * z * x + x;
    let mut cos = 2.443_315_7e-5;
    cos = cos * z - 1.388_731_6e-3;
    cos = cos * z + 4.166_664_6e-2;
    let cos = cos * z * z - 0.5 * z + 1.0;
    let (s, c) = if quadrant & 1 == 0 { (sin, cos) } else { (cos, sin) };
    let s = if quadrant & 2 == 0 { s } else { -s };
    let c = if (quadrant + 1) & 2 == 0 { c } else { -c };
    (s, c)
}

/// Logistic sigmoid, 1/(1+e^-x).
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Hyperbolic tangent. Near 0 it is a polynomial, because the quotient would lose digits by cancellation.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let z = x * x;
    let mut p = -5.704_988_7e-3;
    p = p * z + 2.063_909e-2;
    p = p * z - 5.373_971_6e-2;
    p = p * z + 1.333_144_2e-1;
    p = p * z - 3.333_328e-1;
    let near = p * z * x + x;
    let far = 1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0);
    let far = if x < 0.0 { -far } else { far };
    if x.abs() < 0.625 { near } else { far }
}

/// ln(1+e^x), computed without overflow for large |x|.
#[inline(always)]
pub(crate) fn softplus(x: f32) -> f32 {
    // ln(1+t) = 2 atanh(t/(2+t)) keeps all digits of a small t, while 1+t would lose the last ones.
    let t = exp(-x.abs());
    let log = if t < 0.25 {
        let u = t / (2.0 + t);
        let z = u * u;
        2.0 * u * (1.0 + z * (1.0 / 3.0 + z * (0.2 + z * (1.0 / 7.0))))
    } else {
        log(1.0 + t)
    };
    let positive = if x > 0.0 { x } else { 0.0 };
    if x.is_nan() { x } else { positive + log }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(f: fn(f32) -> f32, exact: fn(f64) -> f64, from: f32, to: f32) -> f64 {
        let xs = (0..=200_000).map(|i| from + (to - from) * i as f32 / 200_000.0);
        xs.map(|x| {
            let want = exact(f64::from(x));
            (f64::from(f(x)) - want).abs() / want.abs().max(1e-30)
        })
        .fold(0.0, f64::max)
    }

    #[test]
    fn relative_errors_are_a_few_units_in_the_last_place() {
        assert!(worst(exp, f64::exp, -80.0, 88.0) < 3e-7);
        assert!(worst(log, f64::ln, 1e-6, 0.9) < 3e-7);
        assert!(worst(log, f64::ln, 1.1, 1e6) < 3e-7);
        assert!(worst(tanh, f64::tanh, -9.0, 9.0) < 4e-7);
        assert!(worst(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), -80.0, 30.0) < 4e-7);
        assert!(worst(softplus, |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), -80.0, 80.0) < 4e-7);
    }

    #[test]
    fn sine_and_cosine_errors_are_a_few_units_in_the_last_place() {
        for i in 0..=100_000 {
            let turns = i as f32 / 100_000.0;
            let (sin, cos) = (f64::from(turns) * std::f64::consts::TAU).sin_cos();
            let (s, c) = sin_cos_turn(turns);
            assert!((f64::from(s) - sin).abs() < 2e-7 && (f64::from(c) - cos).abs() < 2e-7, "{turns}: {s} {c}");
        }
    }

    #[test]
    fn special_values_follow_ieee() {
        for f in [exp, log, tanh, sigmoid, softplus] {
            assert!(f(f32::NAN).is_nan());
        }
        assert_eq!((exp(f32::INFINITY), exp(f32::NEG_INFINITY), exp(0.0)), (f32::INFINITY, 0.0, 1.0));
        assert_eq!((log(0.0), log(f32::INFINITY)), (f32::NEG_INFINITY, f32::INFINITY));
        assert_eq!((tanh(50.0), tanh(-50.0), tanh(0.0)), (1.0, -1.0, 0.0));
    }
}
