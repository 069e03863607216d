//! Copies and repetitions: slices, paddings, joins, broadcasts, upsampling and their adjoints.

pub(crate) fn slice(outer: usize, from: usize, at: usize, len: usize, x: &[f32], out: &mut [f32]) {
    for o in 0..outer {
        out[o * len..][..len].copy_from_slice(&x[o * from + at..][..len]);
    }
}

pub(crate) fn pad(outer: usize, len: usize, at: usize, to: usize, x: &[f32], out: &mut [f32]) {
    for o in 0..outer {
        let run = &mut out[o * to..][..to];
        run[..at].fill(0.0);
        run[at..][..len].copy_from_slice(&x[o * len..][..len]);
        run[at + len..].fill(0.0);
    }
}

pub(crate) fn concat<'a>(outer: usize, runs: &[usize], part: impl Fn(usize) -> &'a [f32], out: &mut [f32]) {
    let total: usize = runs.iter().sum();
    let mut at = 0;
    for (k, &len) in runs.iter().enumerate() {
        for o in 0..outer {
            out[o * total + at..][..len].copy_from_slice(&part(k)[o * len..][..len]);
        }
        at += len;
    }
}

/// Distance in a value of shape `dims` between neighbors along each dimension; 0 where it repeats.
fn strides(dims: [usize; 4]) -> [usize; 4] {
    let dense = [dims[1] * dims[2] * dims[3], dims[2] * dims[3], dims[3], 1];
    std::array::from_fn(|i| if dims[i] == 1 { 0 } else { dense[i] })
}

/// The shapes with neighboring dimensions that are repeated, or kept, alike as one: runs become as long as they can.
fn merged(small: [usize; 4], large: [usize; 4]) -> ([usize; 4], [usize; 4]) {
    let mut to = ([1; 4], [1; 4]);
    let mut at = 4;
    let mut repeats = None;
    for i in (0..4).rev().filter(|&i| large[i] > 1) {
        if repeats != Some(small[i] == 1) {
            repeats = Some(small[i] == 1);
            at -= 1;
        }
        to.0[at] *= small[i];
        to.1[at] *= large[i];
    }
    to
}

pub(crate) fn broadcast(from: [usize; 4], to: [usize; 4], x: &[f32], out: &mut [f32]) {
    let (from, to) = merged(from, to);
    let s = strides(from);
    for (row, run) in out.chunks_exact_mut(to[3]).enumerate() {
        let at = row / (to[1] * to[2]) * s[0] + row / to[2] % to[1] * s[1] + row % to[2] * s[2];
        if s[3] == 0 {
            run.fill(x[at]);
        } else {
            run.copy_from_slice(&x[at..][..to[3]]);
        }
    }
}

pub(crate) fn sum_to(from: [usize; 4], to: [usize; 4], x: &[f32], out: &mut [f32]) {
    let (to, from) = merged(to, from);
    let s = strides(to);
    out.fill(0.0);
    for (row, run) in x.chunks_exact(from[3]).enumerate() {
        let at = row / (from[1] * from[2]) * s[0] + row / from[2] % from[1] * s[1] + row % from[2] * s[2];
        if s[3] == 0 {
            out[at] += sum(run);
        } else {
            out[at..][..from[3]].iter_mut().zip(run).for_each(|(o, v)| *o += v);
        }
    }
}

/// The sum in a fixed order that vector instructions can follow: sixteen lanes, then the lanes.
#[inline(always)]
pub(crate) fn sum(x: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let chunks = x.chunks_exact(16);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(l, v)| *l += v);
    }
    lanes.iter().sum::<f32>() + rest
}

/// Numbers that are added side by side: four of the widest vectors hide the time that an addition takes.
const LANES: usize = 64;

/// Adds to `sums` the numbers of its channel in `values`, pixel after pixel, in an order fixed by the sizes.
#[inline(always)]
pub(crate) fn add_channels(sums: &mut [f32], values: &[f32]) {
    let channels = sums.len();
    if LANES.is_multiple_of(channels) {
        add_rows::<LANES>(sums, values);
    } else if 48usize.is_multiple_of(channels) {
        add_rows::<48>(sums, values);
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

/// The same where some pixels fill `N` lanes.
#[inline(always)]
fn add_rows<const N: usize>(sums: &mut [f32], values: &[f32]) {
    let mut lanes = [0.0f32; N];
    let rows = values.chunks_exact(N);
    let rest = rows.remainder();
    for row in rows {
        lanes.iter_mut().zip(row).for_each(|(l, v)| *l += v);
    }
    lanes.iter_mut().zip(rest).for_each(|(l, v)| *l += v);
    for pixel in lanes.chunks_exact(sums.len()) {
        sums.iter_mut().zip(pixel).for_each(|(s, l)| *s += l);
    }
}

pub(crate) fn upsample([_, h, w, c]: [usize; 4], factor: usize, x: &[f32], out: &mut [f32]) {
    for (row, out) in x.chunks_exact(w * c).zip(out.chunks_exact_mut(factor * factor * w * c)) {
        let (first, others) = out.split_at_mut(factor * w * c);
        for (pixel, copies) in row.chunks_exact(c).zip(first.chunks_exact_mut(factor * c)) {
            copies.chunks_exact_mut(c).for_each(|copy| copy.copy_from_slice(pixel));
        }
        others.chunks_exact_mut(factor * w * c).for_each(|copy| copy.copy_from_slice(first));
    }
    debug_assert_eq!(x.len() % (h * w * c), 0);
}

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
    debug_assert_eq!(out.len() % (h * w * c), 0);
}
