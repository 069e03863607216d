//! Elementwise functions on slices. Every loop is written so that the compiler vectorizes it.
use crate::graph::{Binary, Unary};
use crate::simd::{math, multiversion};

#[inline(always)]
fn map(x: &[f32], to: &mut [f32], f: impl Fn(f32) -> f32) {
    for (t, &v) in to.iter_mut().zip(x) {
        *t = f(v);
    }
}

/// to = f(x).
#[inline(always)]
pub(super) fn unary(f: Unary, x: &[f32], to: &mut [f32]) {
    match f {
        Unary::Sqrt => map(x, to, |v| v.sqrt()),
        Unary::Recip => map(x, to, |v| 1.0 / v),
        Unary::Abs => map(x, to, |v| v.abs()),
        Unary::Sign => map(x, to, |v| f32::from(v > 0.0) - f32::from(v < 0.0)),
        Unary::Leaky(slope) => map(x, to, |v| v * if v > 0.0 { 1.0 } else { slope }),
        Unary::LeakyStep(slope) => map(x, to, |v| if v > 0.0 { 1.0 } else { slope }),
        Unary::Affine { scale, offset } => map(x, to, |v| scale * v + offset),
        Unary::Exp | Unary::Log | Unary::Tanh | Unary::Sigmoid | Unary::Softplus => transcendental(f, x, to),
    }
}

multiversion! {
    // This is a separate function without closures: compilers do not inline closures of this length, and without
    // inlining the loops would not be vectorized.
    fn transcendental(f: Unary, x: &[f32], to: &mut [f32]) {
        macro_rules! map_by {
            ($function:path) => {
                for (t, &v) in to.iter_mut().zip(x) {
                    *t = $function(v);
                }
            };
        }
        match f {
            Unary::Exp => map_by!(math::exp),
            Unary::Log => map_by!(math::log),
            Unary::Tanh => map_by!(math::tanh),
            Unary::Sigmoid => map_by!(math::sigmoid),
            _ => map_by!(math::softplus),
        }
    }
}

/// to = f(a, b), element by element.
#[inline(always)]
pub(super) fn zip(a: &[f32], b: &[f32], to: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    for ((t, &a), &b) in to.iter_mut().zip(a).zip(b) {
        *t = f(a, b);
    }
}

/// to = a where c is positive, else b.
#[inline(always)]
pub(super) fn select(c: &[f32], a: &[f32], b: &[f32], to: &mut [f32]) {
    for (((t, &c), &a), &b) in to.iter_mut().zip(c).zip(a).zip(b) {
        // Compilers make one branch for each element of `if c > 0.0 { a } else { b }`.
        let mask = u32::from(c > 0.0).wrapping_neg();
        *t = f32::from_bits((a.to_bits() & mask) | (b.to_bits() & !mask));
    }
}

/// to = a (f) b, element by element.
#[inline(always)]
pub(super) fn binary(f: Binary, a: &[f32], b: &[f32], to: &mut [f32]) {
    match f {
        Binary::Add => zip(a, b, to, |a, b| a + b),
        Binary::Sub => zip(a, b, to, |a, b| a - b),
        Binary::Mul => zip(a, b, to, |a, b| a * b),
        Binary::Div => zip(a, b, to, |a, b| a / b),
    }
}

/// [`binary`] with a single number as its second argument.
#[inline(always)]
pub(super) fn binary_by_number(f: Binary, a: &[f32], b: f32, to: &mut [f32]) {
    match f {
        Binary::Add => map(a, to, |a| a + b),
        Binary::Sub => map(a, to, |a| a - b),
        Binary::Mul => map(a, to, |a| a * b),
        Binary::Div => map(a, to, |a| a / b),
    }
}

/// [`binary`] with a single number as its first argument.
#[inline(always)]
pub(super) fn number_by_binary(f: Binary, a: f32, b: &[f32], to: &mut [f32]) {
    match f {
        Binary::Add => map(b, to, |b| a + b),
        Binary::Sub => map(b, to, |b| a - b),
        Binary::Mul => map(b, to, |b| a * b),
        Binary::Div => map(b, to, |b| a / b),
    }
}
