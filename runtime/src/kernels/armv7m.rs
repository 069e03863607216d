//! Packed kernels of Armv7-M and Armv8-M mainline in assembly; the reference is `lanes`.
use super::row::{Finish, Out, Row, Sums};
use crate::{
    format::part,
    plan::Form,
    requant::{Table, table_at},
    weights::{self, GROUP, LANE, Taps},
};
use core::{arch::global_asm, mem::MaybeUninit, ptr};

// The assembler derives the processor from the target, for which the DSP extension is optional.
#[cfg(all(dsp, armv8m))]
global_asm!(
    concat!(".cpu cortex-m33\n", include_str!("dsp.s"), include_str!("lanes.s"), include_str!("groups.s")),
    options(raw)
);
#[cfg(all(dsp, not(armv8m)))]
global_asm!(concat!(include_str!("dsp.s"), include_str!("lanes.s"), include_str!("groups.s")), options(raw));
#[cfg(not(dsp))]
global_asm!(concat!(include_str!("mul.s"), include_str!("lanes.s"), include_str!("groups.s")), options(raw));

/// Arguments and state of [`ganlet_double`], which computes a row of a doubling layer.
#[repr(C)]
struct Double {
    /// The next four pixels of the first tap row, and its number of steps. The same for the second row, which may have no steps.
    first: MaybeUninit<*const u8>,
    first_steps: usize,
    second: MaybeUninit<*const u8>,
    second_steps: usize,
    /// The words of the channel.
    words: MaybeUninit<*const u8>,
    interval: usize,
    lanes: MaybeUninit<[i32; 12]>,
    /// Number of remaining pixels.
    left: MaybeUninit<usize>,
    odd: MaybeUninit<i32>,
    last: MaybeUninit<i32>,
    /// Where the held value goes, which waits for its right neighbor, and where the next pair goes.
    held_at: MaybeUninit<*mut u8>,
    at: MaybeUninit<*mut u8>,
    /// Distance in bytes from a pair of words to the next pair of the same channel.
    each: usize,
    /// The first pixels of both tap rows.
    pixels: [*const u8; 2],
    w: usize,
    channels: usize,
    /// Compact weights of even and odd columns; for the fast layout null and the words.
    weights: [*const u8; 2],
    c_in: usize,
    scratch: *mut u8,
    /// Bytes of words to skip, because their tap row is in the padding.
    skipped: usize,
    biases: *const u8,
    multipliers: *const u8,
    /// Destination of the channel's values, and the distance in bytes to that of the next channel.
    out: *mut u8,
    out_step: usize,
    /// 0 for bytes, 1 for words, 2 for words through a table.
    packed: usize,
    values: Values,
    sums: MaybeUninit<[i32; 8]>,
    no_biases: [i32; 8],
    multiplier: MaybeUninit<[i32; 8]>,
    bytes: MaybeUninit<[u8; 12]>,
}

/// Arguments of [`ganlet_finish`].
#[repr(C)]
struct Values {
    sums: *const i32,
    biases: *const u8,
    multipliers: *const u8,
    to: *mut u8,
    count: usize,
    zero_point: i32,
    shift: u32,
    table: *const Table,
    step: usize,
}

// The assembly relies on these offsets.
const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(Double, lanes) == 24 && offset_of!(Double, left) == 72 && offset_of!(Double, each) == 92);
    assert!(
        offset_of!(Double, weights) == 112 && offset_of!(Double, packed) == 148 && offset_of!(Double, values) == 152
    );
    assert!(
        offset_of!(Double, sums) == 188 && offset_of!(Double, multiplier) == 252 && offset_of!(Double, bytes) == 284
    );
};

// SAFETY: the signatures are those of lanes.s and groups.s, which also document what each function reads and writes.
unsafe extern "C" {
    fn ganlet_double(row: *mut Double);
    fn ganlet_groups(values: *const u8, weights: *const u8, count: usize, sums: *mut Sums, groups: usize);
    fn ganlet_each(pixels: *const u8, weights: *const u8, count: usize, sums: *mut Sums, step: usize);
    fn ganlet_finish(values: *const Values);
    fn ganlet_dense(values: *const u8, words: *const u8, count: usize, sums: *mut Sums);
}

/// Returns whether the address is a multiple of four, as double-word loads require.
fn aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(4)
}

/// Same contract as `lanes::double`.
#[inline(never)]
pub(super) fn double(row: &Row<'_>, out: &mut Out<'_>, scratch: &mut [u8]) {
    let (c_in, channels) = (usize::from(row.input.shape.c), usize::from(row.shape.c));
    let (w, taps) = (usize::from(row.input.shape.w), row.tap_rows());
    let [above, below] = taps.rows.map(Option::unwrap_or_default);
    let [first, second] = if above.is_empty() { [below, above] } else { [above, below] };
    let (weights, all) = (Taps::of_phase(row.blob, row.layer, c_in, channels, taps.phase), 4 * c_in * channels);
    let ([even, odd], short) = match weights {
        Taps::Compact([even, odd]) => ([even, odd], even.len() < all || odd.len() < all || scratch.len() < 16 * c_in),
        Taps::Fast(words) => ([&[] as &[u8], words], words.len() < 16 * c_in * channels),
    };
    let table = table_at(row.blob, row.layer.activation);
    let biases = part(row.blob, row.first_border_bias(), 64 * channels - 48);
    let multipliers = part(row.blob, row.layer.scale.at as usize, 4 * channels);
    let (packed, each, room) = match out.form {
        Form::Packed => (1 + usize::from(table.is_some()), 8 * channels, w.div_ceil(2) * 8 * channels),
        Form::Plain => (0, 0, 2 * w * channels),
    };
    let pixels = w.div_ceil(4) * 8 * c_in;
    // Empty slices are not read, so they need no alignment.
    let words = [first, second, even, odd, biases, multipliers, scratch, if packed > 0 { &out.bytes } else { &[] }];
    let aligned = words.iter().all(|bytes| bytes.is_empty() || aligned(bytes));
    let row_is_short = first.len() < pixels || (!second.is_empty() && second.len() < pixels);
    if !aligned
        || short
        || row_is_short
        || biases.is_empty()
        || multipliers.is_empty()
        || out.bytes.len() < room
        || w == 0
        || row.layer.interval == 0
    {
        return;
    }
    let mut double = Double {
        first: MaybeUninit::uninit(),
        first_steps: c_in,
        second: MaybeUninit::uninit(),
        second_steps: if second.is_empty() { 0 } else { c_in },
        words: MaybeUninit::uninit(),
        interval: row.layer.interval.into(),
        lanes: MaybeUninit::uninit(),
        left: MaybeUninit::uninit(),
        odd: MaybeUninit::uninit(),
        last: MaybeUninit::uninit(),
        held_at: MaybeUninit::uninit(),
        at: MaybeUninit::uninit(),
        each,
        pixels: [first.as_ptr(), second.as_ptr()],
        w,
        channels,
        weights: [if even.is_empty() { ptr::null() } else { even.as_ptr() }, odd.as_ptr()],
        c_in,
        scratch: scratch.as_mut_ptr(),
        skipped: if above.is_empty() { 8 * c_in } else { 0 },
        biases: biases.as_ptr(),
        multipliers: multipliers.as_ptr(),
        out: out.bytes.as_mut_ptr(),
        out_step: if packed > 0 { 8 } else { 1 },
        packed,
        values: Values {
            sums: ptr::null(),
            biases: ptr::null(),
            multipliers: ptr::null(),
            to: ptr::null_mut(),
            count: 0,
            zero_point: if table.is_some() { 0 } else { row.layer.zero_point.into() },
            shift: 0,
            table: table.map_or(ptr::null(), |table| table),
            step: if packed > 0 { 1 } else { channels },
        },
        sums: MaybeUninit::uninit(),
        no_biases: [0; 8],
        multiplier: MaybeUninit::uninit(),
        bytes: MaybeUninit::zeroed(),
    };
    // SAFETY: the kernel reads the pixels of both rows, the weights (or words), biases and multipliers of all channels, and the
    // table. Their lengths are checked above. It writes the words of one channel to the scratch memory, all columns of all
    // channels to the row, and `double` itself, into which some of the pointers point.
    unsafe { ganlet_double(&raw mut double) }
}

/// Same contract as `group::words`.
pub(super) fn words(values: &[u8], words: &[u8], sums: &mut Sums) {
    for (values, words) in values.chunks(512).zip(words.chunks(512 * 2 * GROUP)) {
        if values.len() * 2 * GROUP <= words.len() && aligned(words) {
            // SAFETY: the kernel reads every value, reads four words for each, and adds to eight sums.
            unsafe { ganlet_dense(values.as_ptr(), words.as_ptr(), values.len(), sums) }
        }
    }
}

/// Same contract as `group::add_run`.
pub(super) fn add_run(values: &[u8], weights: &[u8], sums: &mut [Sums]) {
    let (count, groups) = (values.len(), sums.len());
    let complete = weights::run(count as u32) as usize * groups <= weights.len() && aligned(weights);
    if complete && groups > 0 {
        // SAFETY: the kernel reads every value, and for each group of eight outputs the half-words of a run of that length. It
        // adds to the sums of the groups.
        unsafe { ganlet_groups(values.as_ptr(), weights.as_ptr(), count, sums.as_mut_ptr(), groups) }
    }
}

/// Adds the products of eight channels of neighboring pixels, `step` bytes apart, and their weights. Returns `false` if the slices are too short.
pub(super) fn add_each(pixels: &[u8], weights: &[u8], step: usize, sums: &mut Sums) -> bool {
    let count = weights.len() / GROUP;
    let complete = count > 0 && pixels.len() >= (count - 1) * step + GROUP;
    if complete {
        // SAFETY: the kernel reads eight bytes of each pixel and of the weights, and adds to eight sums.
        unsafe { ganlet_each(pixels.as_ptr(), weights.as_ptr(), count, sums, step) }
    }
    complete
}

/// Same contract as `Row::finish_run`; `biases` and `multipliers` begin at the first channel. Returns `false`, without writing, for values
/// from a table in a packed row, which this kernel does not support.
pub(super) fn finish(
    sums: &[i32],
    [biases, multipliers]: [&[u8]; 2],
    finish: &Finish<'_>,
    out: &mut Out<'_>,
    x: usize,
    channel: usize,
) -> bool {
    let (at, shift, step) = match out.form {
        Form::Plain => (x * out.c + channel, 0, 1),
        Form::Packed => (Out::word_at(out.c, x, channel), if x.is_multiple_of(2) { 0 } else { LANE }, 0),
    };
    if step == 0 && finish.table.is_some() {
        return false;
    }
    let to = out.bytes.get_mut(at..).unwrap_or_default();
    let count = sums.len();
    let Some(before) = count.checked_sub(1) else { return true };
    let complete = biases.len().min(multipliers.len()) >= 4 * count && aligned(biases) && aligned(multipliers);
    // Only the first word of the last pair is written.
    let end = if step == 0 { 8 * before + 4 } else { count };
    if !complete || end > to.len() || (step == 0 && !aligned(to)) {
        return true;
    }
    let values = Values {
        sums: sums.as_ptr(),
        biases: biases.as_ptr(),
        multipliers: multipliers.as_ptr(),
        to: to.as_mut_ptr(),
        count,
        zero_point: if finish.table.is_some() { 0 } else { finish.zero_point },
        shift,
        table: finish.table.map_or(ptr::null(), |table| table),
        step,
    };
    // SAFETY: there are `count` sums, biases and multipliers, at least one of each, and the written values end at `end`. A table
    // has an entry after that of the largest value.
    unsafe { ganlet_finish(&raw const values) }
    true
}
