//! Sums in a fixed order: along broadcast dimensions, over channels, and over squares of pixels.
use super::copies::{merged, repeated_rows, strides};

/// Sums `x` of shape `from` to shape `to`: the adjoint of a broadcast from `to` to `from`.
pub(crate) fn sum_to(from: [usize; 4], to: [usize; 4], x: &[f32], out: &mut [f32]) {
    let (to, from) = merged(to, from);
    let s = strides(to);
    out.fill(0.0);
    if from[0] * from[1] == 1 && to == [1, 1, from[2], 1] {
        out.iter_mut().zip(x.chunks_exact(from[3])).for_each(|(out, run)| *out = sum(run));
        return;
    }
    if let Some((row, rows)) = repeated_rows(to, from) {
        out.chunks_exact_mut(row).zip(x.chunks_exact(rows * row)).for_each(|(sums, x)| add_channels(sums, x));
        return;
    }
    for (row, run) in x.chunks_exact(from[3]).enumerate() {
        let at = row / (from[1] * from[2]) * s[0] + row / from[2] % from[1] * s[1] + row % from[2] * s[2];
        if s[3] == 0 {
            out[at] += sum(run);
        } else {
            out[at..][..from[3]].iter_mut().zip(run).for_each(|(o, v)| *o += v);
        }
    }
}

/// Sum of a slice: in sixteen lanes, or four if it is short, which are added at the end.
#[inline(always)]
fn sum(x: &[f32]) -> f32 {
    if x.len() < 64 { sum_in_lanes::<4>(x) } else { sum_in_lanes::<16>(x) }
}

#[inline(always)]
fn sum_in_lanes<const N: usize>(x: &[f32]) -> f32 {
    let mut lanes = [0.0f32; N];
    let chunks = x.chunks_exact(N);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(l, v)| *l += v);
    }
    lanes.iter().sum::<f32>() + rest
}

/// Elements that are added side by side: four of the widest vectors, enough to hide the latency of an addition.
const LANES: usize = 64;

/// Adds every element of `values` to the sum of its channel, in an order that depends on the sizes only. `sums` has one
/// element per channel.
#[inline(always)]
pub(crate) fn add_channels(sums: &mut [f32], values: &[f32]) {
    let channels = sums.len();
    if LANES.is_multiple_of(channels) {
        add_whole_pixels::<LANES>(sums, values);
    } else if 48usize.is_multiple_of(channels) {
        add_whole_pixels::<48>(sums, values);
    } else {
        let whole = channels / LANES * LANES;
        for at in (0..whole).step_by(LANES) {
            let mut lanes = [0.0f32; LANES];
            for pixel in values.chunks_exact(channels) {
                lanes.iter_mut().zip(&pixel[at..][..LANES]).for_each(|(l, v)| *l += v);
            }
            sums[at..].iter_mut().zip(lanes).for_each(|(s, l)| *s += l);
        }
        if whole < channels {
            for pixel in values.chunks_exact(channels) {
                sums[whole..].iter_mut().zip(&pixel[whole..]).for_each(|(s, v)| *s += v);
            }
        }
    }
}

/// [`add_channels`] for a number of channels that divides `N`, with a power of two as the quotient. Lanes of the same
/// channel are added in halves, so no addition waits for all others.
#[inline(always)]
fn add_whole_pixels<const N: usize>(sums: &mut [f32], values: &[f32]) {
    let mut lanes = [0.0f32; N];
    let rows = values.chunks_exact(N);
    let rest = rows.remainder();
    for row in rows {
        lanes.iter_mut().zip(row).for_each(|(l, v)| *l += v);
    }
    lanes.iter_mut().zip(rest).for_each(|(l, v)| *l += v);
    let mut n = N;
    while n > sums.len() {
        n /= 2;
        let (low, high) = lanes.split_at_mut(n);
        low.iter_mut().zip(high).for_each(|(l, h)| *l += *h);
    }
    sums.iter_mut().zip(&lanes).for_each(|(s, l)| *s += l);
}

/// Sums squares of `factor` x `factor` pixels of `x` to an output of shape `[batch, h, w, c]`.
pub(crate) fn sum_pool([_, h, w, c]: [usize; 4], factor: usize, x: &[f32], out: &mut [f32]) {
    out.fill(0.0);
    for (rows, out) in x.chunks_exact(factor * factor * w * c).zip(out.chunks_exact_mut(w * c)) {
        for row in rows.chunks_exact(factor * w * c) {
            for (pixels, sums) in row.chunks_exact(factor * c).zip(out.chunks_exact_mut(c)) {
                for pixel in pixels.chunks_exact(c) {
                    sums.iter_mut().zip(pixel).for_each(|(s, v)| *s += v);
                }
            }
        }
    }
    assert_eq!(out.len() % (h * w * c), 0);
}
