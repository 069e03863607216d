//! The packed kernels of Armv7-M and Armv8-M mainline in assembly; their oracle is `lanes::twin`.
use super::lanes::Lanes;
use crate::weights::DENSE_GROUP;
use core::{arch::global_asm, mem::MaybeUninit};

global_asm!(include_str!("lanes.s"), options(raw));

/// What [`ganlet_quad`] reads, and where it writes the lanes.
#[repr(C)]
struct Run {
    first: *const u8,
    first_steps: usize,
    second: *const u8,
    second_steps: usize,
    words: *const u8,
    interval: usize,
    lanes: MaybeUninit<Lanes>,
}

unsafe extern "C" {
    fn ganlet_quad(run: *mut Run);
    fn ganlet_unpack(even: *const u8, odd: *const u8, channels: usize, words: *mut u8);
    fn ganlet_dense(values: *const u8, words: *const u8, count: usize, sums: *mut i32);
}

/// Double loads need words at multiples of four.
fn aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(4)
}

/// As `twin::quad`; the first row must not be empty.
#[inline(always)]
pub(super) fn quad(rows: [&[u8]; 2], words: &[u8], interval: usize) -> Lanes {
    let [first, second] = rows;
    let (first_steps, second_steps) = (first.len() / 8, second.len() / 8);
    let sound = first_steps > 0
        && interval > 0
        && 8 * (first_steps + second_steps) <= words.len()
        && aligned(first)
        && (second.is_empty() || aligned(second))
        && aligned(words);
    if !sound {
        return [0; 12];
    }
    let mut run = Run {
        first: first.as_ptr(),
        first_steps,
        second: second.as_ptr(),
        second_steps,
        words: words.as_ptr(),
        interval,
        lanes: MaybeUninit::uninit(),
    };
    // SAFETY: the kernel reads `first_steps` and `second_steps` double words from the rows and as many as both have
    // from `words`, all of which the slices hold and are aligned for, and writes all lanes.
    unsafe {
        ganlet_quad(&raw mut run);
        run.lanes.assume_init()
    }
}

/// As `twin::unpack`.
pub(super) fn unpack<'s>(columns: [&[u8]; 2], c_in: usize, scratch: &'s mut [u8]) -> &'s [u8] {
    let [even, odd] = columns;
    if even.len() >= 4 * c_in && odd.len() >= 4 * c_in && scratch.len() >= 16 * c_in && aligned(scratch) {
        // SAFETY: the kernel reads two tap rows of two weights a channel from either slice, and writes two words for
        // each tap row and channel.
        unsafe { ganlet_unpack(even.as_ptr(), odd.as_ptr(), c_in, scratch.as_mut_ptr()) }
    }
    scratch
}

/// As `twin::dense`.
pub(super) fn dense(input: &[u8], words: &[u8]) -> [i32; DENSE_GROUP] {
    let mut sums = [0; DENSE_GROUP];
    for (input, words) in input.chunks(512).zip(words.chunks(512 * 2 * DENSE_GROUP)) {
        let mut part = [0; DENSE_GROUP];
        if input.len() * 2 * DENSE_GROUP <= words.len() && aligned(words) {
            // SAFETY: the kernel reads every value and four words for each, and writes eight sums.
            unsafe { ganlet_dense(input.as_ptr(), words.as_ptr(), input.len(), part.as_mut_ptr()) }
        }
        sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    sums
}
