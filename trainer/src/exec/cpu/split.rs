//! Sharing tasks among threads without allocating: output slices are halved until one task is left.
use arrayvec::ArrayVec;
use std::ops::Range;

/// Most slices that travel with a range of tasks.
pub(crate) const MAX_PARTS: usize = crate::plan::fuse::MAX_MEMBERS + 2;

/// Slices that are cut at task boundaries: each task owns `stride` elements of its slice (the last may own fewer).
pub(crate) struct Parts<'a> {
    pub(crate) slices: ArrayVec<(&'a mut [f32], usize), MAX_PARTS>,
}

impl<'a> Parts<'a> {
    /// One slice of `stride` elements a task.
    pub(crate) fn one(slice: &'a mut [f32], stride: usize) -> Self {
        let mut slices = ArrayVec::new();
        slices.push((slice, stride));
        Self { slices }
    }

    fn split(self, tasks: usize) -> (Self, Self) {
        let mut halves = (ArrayVec::new(), ArrayVec::new());
        for (slice, stride) in self.slices {
            let (a, b) = slice.split_at_mut((tasks * stride).min(slice.len()));
            halves.0.push((a, stride));
            halves.1.push((b, stride));
        }
        (Self { slices: halves.0 }, Self { slices: halves.1 })
    }
}

/// Calls `work(task, parts)` for each task, on as many threads as the current pool has.
pub(crate) fn each(tasks: Range<usize>, parts: Parts<'_>, work: &(impl Fn(usize, Parts<'_>) + Sync)) {
    match tasks.len() {
        0 => {}
        1 => work(tasks.start, parts),
        n => {
            let middle = n / 2;
            let (left, right) = parts.split(middle);
            let at = tasks.start + middle;
            if rayon::current_thread_index().is_some() {
                rayon::join(|| each(tasks.start..at, left, work), || each(at..tasks.end, right, work));
            } else {
                each(tasks.start..at, left, work);
                each(at..tasks.end, right, work);
            }
        }
    }
}
