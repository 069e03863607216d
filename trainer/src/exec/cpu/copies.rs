//! Operations that only copy: slices, zero padding, concatenation, broadcasts and nearest-neighbor upsampling.

/// Copies `len` elements, beginning at `at`, from each of `outer` runs of `from` elements.
pub(crate) fn slice(outer: usize, from: usize, at: usize, len: usize, x: &[f32], out: &mut [f32]) {
    for o in 0..outer {
        out[o * len..][..len].copy_from_slice(&x[o * from + at..][..len]);
    }
}

/// Copies each of `outer` runs of `len` elements to position `at` of a run of `to` elements; the rest is 0.
pub(crate) fn pad(outer: usize, len: usize, at: usize, to: usize, x: &[f32], out: &mut [f32]) {
    for o in 0..outer {
        let run = &mut out[o * to..][..to];
        run[..at].fill(0.0);
        run[at..][..len].copy_from_slice(&x[o * len..][..len]);
        run[at + len..].fill(0.0);
    }
}

/// Interleaves `outer` runs of each input. `runs` holds the length of a run by input, and `input` returns an input.
pub(crate) fn concat<'a>(outer: usize, runs: &[usize], input: impl Fn(usize) -> &'a [f32], out: &mut [f32]) {
    let total: usize = runs.iter().sum();
    let mut at = 0;
    for (k, &len) in runs.iter().enumerate() {
        for o in 0..outer {
            out[o * total + at..][..len].copy_from_slice(&input(k)[o * len..][..len]);
        }
        at += len;
    }
}

/// Stride of each dimension in a value of shape `dims`; 0 where the dimension is repeated.
pub(super) fn strides(dims: [usize; 4]) -> [usize; 4] {
    let dense = [dims[1] * dims[2] * dims[3], dims[2] * dims[3], dims[3], 1];
    std::array::from_fn(|i| if dims[i] == 1 { 0 } else { dense[i] })
}

/// Merges neighboring dimensions that are both repeated or both kept, so that runs become as long as possible. `small`
/// broadcasts to `large`.
pub(super) fn merged(small: [usize; 4], large: [usize; 4]) -> ([usize; 4], [usize; 4]) {
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

/// Length of a row, and how often it is repeated, if a broadcast between merged shapes repeats whole rows of a list.
pub(super) fn repeated_rows(small: [usize; 4], large: [usize; 4]) -> Option<(usize, usize)> {
    let [outer, lists, rows, row] = large;
    (outer == 1 && small == [1, lists, 1, row] && row > 1).then_some((row, rows))
}

/// Repeats `x` of shape `from` to shape `to`.
pub(crate) fn broadcast(from: [usize; 4], to: [usize; 4], x: &[f32], out: &mut [f32]) {
    let (from, to) = merged(from, to);
    let s = strides(from);
    if to[0] * to[1] == 1 && from == [1, 1, to[2], 1] {
        out.chunks_exact_mut(to[3]).zip(x).for_each(|(run, v)| run.fill(*v));
        return;
    }
    if let Some((row, rows)) = repeated_rows(from, to) {
        for (x, out) in x.chunks_exact(row).zip(out.chunks_exact_mut(rows * row)) {
            out[..row].copy_from_slice(x);
            // What is written is copied, so that the copies become long.
            let mut written = row;
            while written < out.len() {
                let more = written.min(out.len() - written);
                out.copy_within(..more, written);
                written += more;
            }
        }
        return;
    }
    for (row, run) in out.chunks_exact_mut(to[3]).enumerate() {
        let at = row / (to[1] * to[2]) * s[0] + row / to[2] % to[1] * s[1] + row % to[2] * s[2];
        if s[3] == 0 {
            run.fill(x[at]);
        } else {
            run.copy_from_slice(&x[at..][..to[3]]);
        }
    }
}

/// Repeats each pixel of `x`, of shape `[batch, h, w, c]`, `factor` times in both directions.
pub(crate) fn upsample([_, h, w, c]: [usize; 4], factor: usize, x: &[f32], out: &mut [f32]) {
    for (row, out) in x.chunks_exact(w * c).zip(out.chunks_exact_mut(factor * factor * w * c)) {
        let (first, others) = out.split_at_mut(factor * w * c);
        for (pixel, copies) in row.chunks_exact(c).zip(first.chunks_exact_mut(factor * c)) {
            copies.chunks_exact_mut(c).for_each(|copy| copy.copy_from_slice(pixel));
        }
        others.chunks_exact_mut(factor * w * c).for_each(|copy| copy.copy_from_slice(first));
    }
    assert_eq!(x.len() % (h * w * c), 0);
}
