//! The packed kernels of Armv7-M and Armv8-M mainline in assembly; their oracle is `lanes::twin`.
use super::{
    dense::{self, Sums},
    lanes::{Columns, Lanes},
    row::Finish,
};
use crate::weights::{DENSE_GROUP, LANE};
use core::{arch::global_asm, marker::PhantomData, mem::MaybeUninit};

#[cfg(dsp)]
global_asm!(concat!(include_str!("dsp.s"), include_str!("lanes.s")), options(raw));
#[cfg(not(dsp))]
global_asm!(concat!(include_str!("mul.s"), include_str!("lanes.s")), options(raw));

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

/// A row of one output channel as [`ganlet_packed`] makes it.
#[repr(C)]
struct Channel {
    run: Run,
    /// Where the value that waits goes with its neighbour.
    held_at: *mut i32,
    /// Where the next pair goes.
    at: *mut i32,
    each: usize,
    m: i32,
    zero_point: i32,
    even: i32,
    odd: i32,
    last: i32,
    carry_odd: i32,
    carry_even: i32,
    held: i32,
    left: usize,
}

// SAFETY: defined in lanes.s with these arguments; each says there what it reads and writes.
unsafe extern "C" {
    fn ganlet_quad(run: *mut Run);
    fn ganlet_packed(channel: *mut Channel);
    fn ganlet_dots(values: *const u8, rows: *const u8, fours: usize, stride: usize, sums: *mut i32);
    fn ganlet_unpack(even: *const u8, odd: *const u8, channels: usize, words: *mut u8);
    fn ganlet_dense(values: *const u8, words: *const u8, count: usize, sums: *mut i32);
}

/// Double loads need words at multiples of four.
fn aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(4)
}

/// As `twin::Pixels`.
pub(super) struct Pixels<'a> {
    rows: [&'a [u8]; 2],
    c_in: usize,
    interval: usize,
    /// How often a row has four pixels.
    quads: usize,
}

impl<'a> Pixels<'a> {
    /// The first row must not be empty.
    pub(super) fn new(rows: [&'a [u8]; 2], c_in: usize, interval: usize) -> Self {
        let [first, second] = rows;
        let quads = first.len().checked_div(8 * c_in).unwrap_or(0);
        let sound = aligned(first) && (second.is_empty() || (second.len() >= quads * 8 * c_in && aligned(second)));
        Self { rows, c_in, interval: interval.max(1), quads: if sound { quads } else { 0 } }
    }

    /// Multiplies them with the words of one output channel.
    pub(super) fn times<'p>(&'p self, words: &'p [u8]) -> Products<'p> {
        let [first, second] = self.rows;
        let second_steps = if second.is_empty() { 0 } else { self.c_in };
        let sound = 8 * (self.c_in + second_steps) <= words.len() && aligned(words);
        let run = Run {
            first: first.as_ptr(),
            first_steps: self.c_in,
            second: second.as_ptr(),
            second_steps,
            words: words.as_ptr(),
            interval: self.interval,
            lanes: MaybeUninit::uninit(),
        };
        Products { run, left: if sound { self.quads } else { 0 }, borrowed: PhantomData }
    }
}

/// As `twin::Products`.
pub(super) struct Products<'p> {
    run: Run,
    /// How often four pixels are left.
    left: usize,
    borrowed: PhantomData<&'p [u8]>,
}

impl Products<'_> {
    /// The lanes of the next four pixels.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<&Lanes> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: the rows hold four pixels of all channels `left` times more, the words are as many as the steps, all
        // are aligned, and at least one step and an interval of at least 1 let the kernel end. It reads those and
        // writes all lanes.
        let lanes = unsafe {
            ganlet_quad(&raw mut self.run);
            self.run.lanes.assume_init_ref()
        };
        let each = 8 * self.run.first_steps;
        self.run.first = self.run.first.wrapping_add(each);
        self.run.second = self.run.second.wrapping_add(each);
        Some(lanes)
    }
}

/// As `twin::packed`.
pub(super) fn packed(
    pixels: &Pixels<'_>,
    words: &[u8],
    columns: &Columns,
    finish: Finish<'_>,
    bytes: &mut [u8],
    c: usize,
    o: usize,
) {
    let products = pixels.times(words);
    let [even, first, odd, last] = columns.biases;
    let (each, w) = (8 * c, columns.w);
    let end = w.div_ceil(2).wrapping_sub(1) * each + 8 * o + 8;
    if products.left != w.div_ceil(4) || w == 0 || o >= c || end > bytes.len() || !aligned(bytes) {
        return;
    }
    let mut nowhere = 0;
    let mut channel = Channel {
        run: products.run,
        held_at: &raw mut nowhere,
        at: bytes.as_mut_ptr().wrapping_add(8 * o).cast(),
        each,
        m: finish.m,
        zero_point: finish.zero_point,
        even,
        odd,
        last,
        carry_odd: odd,
        carry_even: first,
        held: 0,
        left: w,
    };
    // SAFETY: as in `Products::next`, for every four pixels. The pairs that are written are those of 2w columns, of
    // which the last lies before `end`; the first time, the pair before them goes nowhere.
    unsafe { ganlet_packed(&raw mut channel) };
    if w.is_multiple_of(4) {
        let value = finish.saturated(channel.carry_odd.wrapping_sub(odd).wrapping_add(last));
        let word = channel.held.wrapping_add(i32::from(value) << LANE);
        // SAFETY: the kernel left the place of the pair of the last two columns, which lies before `end`.
        unsafe { channel.held_at.write(word) };
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

/// As `dense::dots`.
pub(super) fn dots(input: &[u8], rows: &[u8]) -> Sums {
    let n = input.len();
    if rows.len() < n * DENSE_GROUP || !n.is_multiple_of(4) || !aligned(input) || !aligned(rows) {
        return dense::dots(input, rows);
    }
    let mut sums = [0; DENSE_GROUP];
    for (half, sums) in sums.chunks_exact_mut(DENSE_GROUP / 2).enumerate() {
        let Some(rows) = rows.get(half * n * DENSE_GROUP / 2..) else { break };
        // SAFETY: the kernel reads n values, n weights of each of four rows, and writes four sums.
        unsafe { ganlet_dots(input.as_ptr(), rows.as_ptr(), n / 4, n, sums.as_mut_ptr()) }
    }
    sums
}
