//! Plain ways to compute a product or convolution, timed for comparison with the kernels: matrixmultiply, and loops that
//! follow the definition.
use super::gemm::{MatMut, MatRef, sgemm};
use crate::graph::Window;
use crate::plan::fused::{FusedKernel, FusedProduct};
use crate::plan::{ConvShape, Kernel};
use crate::simd::multiversion;
use std::time::Instant;

/// Rates of the plain ways to compute a kernel's product, in GFLOP/s on one thread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlternativeRates {
    /// matrixmultiply. For a convolution, the time to arrange its input as a matrix is not counted.
    pub matrixmultiply: f64,
    /// Loops over the pixels, taps and channels of a convolution.
    pub loops: Option<f64>,
}

/// Seconds of measuring each alternative.
const SECONDS: f64 = 0.02;

/// Measures the alternatives of a product or convolution.
pub(super) fn rates(kernel: &Kernel) -> Option<AlternativeRates> {
    let flops = kernel.flops();
    let rate = |seconds: f64| flops / seconds / 1e9;
    match kernel {
        Kernel::Fused(FusedKernel { product: Some(FusedProduct { size, tb }), .. }) => {
            let seconds = time_products(1, *size, false, *tb);
            Some(AlternativeRates { matrixmultiply: rate(seconds), loops: None })
        }
        Kernel::MatMul { size, ta, tb } => {
            let seconds = time_products(1, *size, *ta, *tb);
            Some(AlternativeRates { matrixmultiply: rate(seconds), loops: None })
        }
        Kernel::Conv(w, s) | Kernel::ConvInput(w, s) | Kernel::ConvWeight(w, s) => {
            let (pixels, taps) = (s.batch * s.oh * s.ow, w.kernel * w.kernel);
            let phases = w.stride * w.stride;
            let (products, size, transposed) = match kernel {
                Kernel::Conv(..) => (1, (pixels, taps * s.ci, s.co), false),
                Kernel::ConvWeight(..) => (1, (taps * s.ci, pixels, s.co), true),
                // One product for each phase of the outputs, with its share of the taps.
                _ => (phases, (s.batch * s.h * s.w / phases, taps * s.co / phases, s.ci), false),
            };
            let seconds = time_products(products, size, transposed, false);
            let loops = rate(time_loops(kernel, *w, s));
            Some(AlternativeRates { matrixmultiply: rate(seconds), loops: Some(loops) })
        }
        _ => None,
    }
}

/// Runs `work` until the time is used up, at least twice; returns the seconds of the fastest run.
fn fastest(mut work: impl FnMut()) -> f64 {
    let (begin, mut best) = (Instant::now(), f64::MAX);
    for run in 0.. {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed().as_secs_f64());
        if run > 0 && begin.elapsed().as_secs_f64() > SECONDS {
            break;
        }
    }
    best.max(1e-9)
}

/// Seconds of `products` products of size (m, k, n) by matrixmultiply. Sizes of 0 count as 1.
fn time_products(products: usize, (m, k, n): (usize, usize, usize), ta: bool, tb: bool) -> f64 {
    let (m, k, n) = (m.max(1), k.max(1), n.max(1));
    let (a, b, mut c) = (vec![0.5; m * k], vec![0.25; k * n], vec![0.0; m * n]);
    let strides = |transposed: bool, rows: usize, columns: usize| if transposed { (1, rows) } else { (columns, 1) };
    let ((a_rows, a_cols), (b_rows, b_cols)) = (strides(ta, m, k), strides(tb, k, n));
    fastest(|| {
        for _ in 0..products {
            let a = MatRef { data: &a, row_stride: a_rows, col_stride: a_cols };
            let b = MatRef { data: &b, row_stride: b_rows, col_stride: b_cols };
            sgemm((m, k, n), a, b, 0.0, MatMut { data: &mut c, row_stride: n, col_stride: 1 });
        }
    })
}

/// Seconds of a convolution by loops.
fn time_loops(kernel: &Kernel, w: Window, s: &ConvShape) -> f64 {
    let mut x = vec![0.5; s.batch * s.h * s.w * s.ci];
    let mut y = vec![0.5; s.batch * s.oh * s.ow * s.co];
    let mut weight = vec![0.5; w.kernel * w.kernel * s.ci * s.co];
    match kernel {
        Kernel::Conv(..) => fastest(|| forward_loops(w, s, &x, &weight, &mut y)),
        Kernel::ConvInput(..) => fastest(|| input_loops(w, s, &y, &weight, &mut x)),
        _ => fastest(|| weight_loops(w, s, &x, &y, &mut weight)),
    }
}

/// Calls `work` with the offsets of x, y and the weights for every output pixel and every tap within the image.
#[inline(always)]
fn for_each_tap(w: Window, s: &ConvShape, mut work: impl FnMut(usize, usize, usize)) {
    for image in 0..s.batch {
        for (oy, ox) in (0..s.oh).flat_map(|oy| (0..s.ow).map(move |ox| (oy, ox))) {
            let y = ((image * s.oh + oy) * s.ow + ox) * s.co;
            for (ky, kx) in (0..w.kernel).flat_map(|ky| (0..w.kernel).map(move |kx| (ky, kx))) {
                let (iy, ix) = ((oy * w.stride + ky).wrapping_sub(w.pad), (ox * w.stride + kx).wrapping_sub(w.pad));
                if iy < s.h && ix < s.w {
                    work(((image * s.h + iy) * s.w + ix) * s.ci, y, (ky * w.kernel + kx) * s.ci * s.co);
                }
            }
        }
    }
}

multiversion! {
    /// y = convolution of `x` with `weight`, by its definition.
    fn forward_loops(w: Window, s: &ConvShape, x: &[f32], weight: &[f32], y: &mut [f32]) {
        y.fill(0.0);
        for_each_tap(w, s, |x_at, y_at, w_at| {
            let y = &mut y[y_at..][..s.co];
            for (x, weights) in x[x_at..][..s.ci].iter().zip(weight[w_at..].chunks_exact(s.co)) {
                y.iter_mut().zip(weights).for_each(|(y, w)| *y += x * w);
            }
        });
    }
}

multiversion! {
    /// x = transposed convolution of `y` with `weight`, by its definition.
    fn input_loops(w: Window, s: &ConvShape, y: &[f32], weight: &[f32], x: &mut [f32]) {
        x.fill(0.0);
        for_each_tap(w, s, |x_at, y_at, w_at| {
            let y = &y[y_at..][..s.co];
            for (x, weights) in x[x_at..][..s.ci].iter_mut().zip(weight[w_at..].chunks_exact(s.co)) {
                *x += y.iter().zip(weights).map(|(y, w)| y * w).sum::<f32>();
            }
        });
    }
}

multiversion! {
    /// dw = gradient of the convolution with respect to its weight, by its definition.
    fn weight_loops(w: Window, s: &ConvShape, x: &[f32], y: &[f32], dw: &mut [f32]) {
        dw.fill(0.0);
        for_each_tap(w, s, |x_at, y_at, w_at| {
            let y = &y[y_at..][..s.co];
            for (x, sums) in x[x_at..][..s.ci].iter().zip(dw[w_at..].chunks_exact_mut(s.co)) {
                sums.iter_mut().zip(y).for_each(|(d, y)| *d += x * y);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::conv;
    use super::super::weights::Weights;
    use super::*;

    #[test]
    fn the_loops_compute_what_the_kernels_compute() {
        let w = Window { kernel: 4, stride: 2, pad: 1 };
        let s = ConvShape { batch: 2, h: 6, w: 8, ci: 3, oh: 3, ow: 4, co: 5 };
        // Small multiples of 1/4: sums are exact in any order.
        let numbers =
            |n: usize, seed: usize| (0..n).map(|i| (i * 7 + seed) as f32 % 16.0 / 4.0 - 2.0).collect::<Vec<_>>();
        let (x, y, weight) = (numbers(2 * 6 * 8 * 3, 1), numbers(2 * 3 * 4 * 5, 2), numbers(16 * 15, 3));
        let weights = Weights { plain: &weight, packed: None };
        let (mut got, mut want) = (vec![0.0; y.len()], vec![1.0; y.len()]);
        conv::forward(w, &s, &x, weights, &mut got);
        forward_loops(w, &s, &x, &weight, &mut want);
        assert_eq!(got, want);
        let (mut got, mut want) = (vec![0.0; x.len()], vec![1.0; x.len()]);
        conv::input(w, &s, &y, weights, &mut got);
        input_loops(w, &s, &y, &weight, &mut want);
        assert_eq!(got, want);
        let (mut got, mut want) = (vec![0.0; weight.len()], vec![1.0; weight.len()]);
        conv::weight(w, &s, &x, &y, &mut got, &mut vec![0.0; conv::partial_len(w, &s)]);
        weight_loops(w, &s, &x, &y, &mut want);
        assert_eq!(got, want);
        assert!(rates(&Kernel::Conv(w, s)).is_some_and(|r| r.matrixmultiply > 0.0 && r.loops.is_some_and(|l| l > 0.0)));
        assert_eq!(rates(&Kernel::Copy), None);
    }
}
