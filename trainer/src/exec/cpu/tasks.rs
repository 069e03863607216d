//! Distributes tasks to threads without allocation: output slices are halved recursively until one task is left.
use arrayvec::ArrayVec;
use std::ops::Range;

/// Maximum number of output slices of a range of tasks.
pub(crate) const MAX_SLICES: usize = crate::plan::fused::MAX_FUSED_NODES + 2;

/// An output slice that is cut at task boundaries. Each task owns `stride` elements; the last may own fewer.
pub(crate) struct TaskSlice<'a> {
    pub(crate) elements: &'a mut [f32],
    pub(crate) stride: usize,
    /// Elements of the first tasks that the slice lacks.
    pub(crate) skipped: usize,
}

impl<'a> TaskSlice<'a> {
    /// A slice with `stride` elements per task.
    pub(crate) fn new(elements: &'a mut [f32], stride: usize) -> Self {
        Self { elements, stride, skipped: 0 }
    }

    /// Cuts the slice after the first `tasks` tasks.
    fn split(self, tasks: usize) -> (Self, Self) {
        let Self { elements, stride, skipped } = self;
        let len = (tasks * stride).saturating_sub(skipped).min(elements.len());
        let (left, right) = elements.split_at_mut(len);
        (
            Self { elements: left, stride, skipped },
            Self { elements: right, stride, skipped: skipped.saturating_sub(tasks * stride) },
        )
    }
}

/// Output slices that are cut at task boundaries.
pub(crate) struct TaskSlices<'a> {
    pub(crate) slices: ArrayVec<TaskSlice<'a>, MAX_SLICES>,
}

impl<'a> TaskSlices<'a> {
    /// One output slice with `stride` elements per task.
    pub(crate) fn one(slice: &'a mut [f32], stride: usize) -> Self {
        let mut slices = ArrayVec::new();
        slices.push(TaskSlice::new(slice, stride));
        Self { slices }
    }

    /// The first output slice.
    pub(crate) fn first(&mut self) -> &mut [f32] {
        self.slices[0].elements
    }

    /// Cuts the slices after the first `tasks` tasks.
    fn split(self, tasks: usize) -> (Self, Self) {
        let mut halves = (ArrayVec::new(), ArrayVec::new());
        for slice in self.slices {
            let (left, right) = slice.split(tasks);
            halves.0.push(left);
            halves.1.push(right);
        }
        (Self { slices: halves.0 }, Self { slices: halves.1 })
    }
}

/// Calls `work(task, slices)` for each task: on the threads of the current rayon pool, or in sequence outside a pool.
pub(crate) fn for_each_task(
    tasks: Range<usize>,
    slices: TaskSlices<'_>,
    work: &(impl Fn(usize, TaskSlices<'_>) + Sync),
) {
    match tasks.len() {
        0 => {}
        1 => work(tasks.start, slices),
        n => {
            let middle = n / 2;
            let (left, right) = slices.split(middle);
            let at = tasks.start + middle;
            if rayon::current_thread_index().is_some() {
                rayon::join(
                    || for_each_task(tasks.start..at, left, work),
                    || for_each_task(at..tasks.end, right, work),
                );
            } else {
                for_each_task(tasks.start..at, left, work);
                for_each_task(at..tasks.end, right, work);
            }
        }
    }
}
