//! The fused elementwise kernel: a register program over blocks that stay in the first-level cache.
use super::buffer::Buffer;
use super::gemm::{self, Rows};
use super::moves::add_channels;
use super::packs::Weights;
use super::split::{MAX_PARTS, Parts, each};
use crate::graph::{Binary, Unary};
use crate::plan::fuse::{Action, Fused, Operand, Product, Target, Tile};
use crate::simd::math;
use crate::simd::multiversion;
use arrayvec::ArrayVec;
use std::cell::RefCell;

/// Most numbers of a block, unless one pixel has more channels, and least.
const BLOCK: usize = 1024;
const LEAST: usize = 64;
/// Numbers that are summed at once.
const UNIT: usize = 512;
/// Numbers of all that a block touches: three quarters of a first-level cache.
const CACHE: usize = 6144;
/// Numbers of a block that follows a product: a few tiles of rows, still in the first-level cache when they are read.
const ROWS_OF: usize = 4096;
/// Numbers that make a task of their own worth while.
const TASK: usize = 1 << 14;
/// Most tasks of one step.
const MAX_TASKS: usize = 16;
/// Most inputs of one step: three for each member.
pub(super) const MAX_INPUTS: usize = 3 * crate::plan::fuse::MAX_MEMBERS;

/// Registers and tiles of one thread; they grow once and stay.
#[derive(Default)]
struct Scratch {
    registers: Vec<Buffer>,
    tiles: Vec<Buffer>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Rows whose sums are added up before they join the others, and rows that tasks hold multiples of: by the shape alone, so
/// that what runs together, with a product or without, does not change a sum.
fn units(fused: &Fused) -> (usize, usize) {
    let row = fused.row.max(fused.channels);
    let rows = (UNIT / row).max(1);
    let tiles = (1..=12).map(|times| rows * times).find(|r| r.is_multiple_of(12)).unwrap_or(rows);
    (rows * row, tiles * row)
}

/// Elements of a block and of a task, and the count of tasks: by sizes alone.
fn sizes(fused: &Fused) -> (usize, usize, usize) {
    let tiles = fused.tiles.iter().filter(|t| !matches!(t, Tile::Constant(_))).count();
    let touched = fused.registers + tiles + fused.stores.len() + fused.reads;
    let most = (CACHE / touched.max(1) / LEAST * LEAST).clamp(LEAST, BLOCK);
    let (unit, tiles) = units(fused);
    // Whole tiles of rows in every block of a product.
    let (least, most) = if fused.product.is_some() { (tiles, ROWS_OF) } else { (unit, most) };
    let block = (least * (most / least).max(1)).min(fused.len);
    let tasks = (fused.len / TASK).clamp(1, MAX_TASKS);
    let task = fused.len.div_ceil(tasks).next_multiple_of(tiles);
    (block, task, fused.len.div_ceil(task))
}

/// Numbers that sums need before they are added up over the tasks.
pub(crate) fn partial_len(fused: &Fused) -> usize {
    sizes(fused).2 * fused.sums.iter().map(|s| s.1).sum::<usize>()
}

/// Runs the step; `outs` holds the stored outputs, then the sums, and `factors` both sides of the product, if there is one.
pub(crate) fn run(
    fused: &Fused,
    inputs: &[&[f32]],
    (a, b): (&[f32], Weights<'_>),
    outs: &mut [&mut [f32]],
    partials: &mut [f32],
) {
    match fused.product {
        None => walk(fused, inputs, None, outs, partials),
        Some(Product { size, tb }) => {
            gemm::with_rows(size, (a, false), (b, tb), |rows| walk(fused, inputs, Some(rows), outs, partials));
        }
    }
}

fn walk(fused: &Fused, inputs: &[&[f32]], product: Option<&Rows<'_>>, outs: &mut [&mut [f32]], partials: &mut [f32]) {
    let (block, task, tasks) = sizes(fused);
    let width: usize = fused.sums.iter().map(|s| s.1).sum();
    let partials = &mut partials[..tasks * width];
    partials.fill(0.0);
    let (stored, sums) = outs.split_at_mut(fused.stores.len());
    if tasks == 1 {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut work =
                Task { fused, inputs, product, outs: stored, partial: partials, at: 0, end: fused.len, block };
            blocks(&mut work, scratch);
        });
    } else {
        let mut slices: ArrayVec<_, MAX_PARTS> = stored.iter_mut().map(|o| (&mut **o, task)).collect();
        slices.push((&mut *partials, width));
        each(0..tasks, Parts { slices }, &|index, mut parts| {
            SCRATCH.with_borrow_mut(|scratch| {
                let Some((partial, _)) = parts.slices.pop() else { return };
                let mut outs: ArrayVec<&mut [f32], MAX_PARTS> = parts.slices.iter_mut().map(|s| &mut *s.0).collect();
                let at = index * task;
                let end = (at + task).min(fused.len);
                let mut work = Task { fused, inputs, product, outs: &mut outs, partial, at, end, block };
                blocks(&mut work, scratch);
            });
        });
    }
    let mut from = 0;
    for (out, &(_, channels)) in sums.iter_mut().zip(&fused.sums) {
        out.fill(0.0);
        for row in partials.chunks_exact(width) {
            out.iter_mut().zip(&row[from..][..channels]).for_each(|(o, v)| *o += v);
        }
        from += channels;
    }
}

/// A run of blocks on one thread.
struct Task<'a, 'b> {
    fused: &'a Fused,
    inputs: &'a [&'a [f32]],
    product: Option<&'a Rows<'a>>,
    /// The parts of the stored outputs that belong to this task.
    outs: &'a mut [&'b mut [f32]],
    partial: &'a mut [f32],
    at: usize,
    end: usize,
    block: usize,
}

multiversion! {
fn blocks(task: &mut Task<'_, '_>, scratch: &mut Scratch) {
    let Task { fused, inputs, block, .. } = *task;
    prepare(scratch, fused, inputs, block);
    let Scratch { registers, tiles } = scratch;
    let (start, (unit, _)) = (task.at, units(fused));
    let mut at = start;
    while at < task.end {
        let n = block.min(task.end - at);
        let local = at - start;
        for instruction in &fused.instructions {
            // The target leaves its place while the instruction runs: nothing that it reads is there.
            let (mut register, mut out) = (Buffer::default(), &mut [][..]);
            let to = match instruction.to {
                Target::Register(r) => {
                    register = std::mem::take(&mut registers[r]);
                    &mut register[..n]
                }
                Target::Output(o) => {
                    out = std::mem::take(&mut task.outs[o]);
                    &mut out[local..][..n]
                }
            };
            let read = |k: usize| match instruction.from[k] {
                Operand::Register(r) => &registers[r][..n],
                Operand::Input(i) => &inputs[i][at..][..n],
                Operand::Output(o) => &task.outs[o][local..][..n],
                Operand::Tile(t) => &tiles[t][..n],
            };
            let number = |k: usize| match instruction.from[k] {
                Operand::Tile(t) => tile_number(fused.tiles[t], inputs),
                _ => None,
            };
            match instruction.action {
                Action::Product => {
                    if let Some(product) = task.product {
                        product.multiply(at / fused.channels, to);
                    }
                }
                Action::Unary(f) => unary(f, read(0), to),
                Action::Binary(f) => match (number(0), number(1)) {
                    (None, Some(b)) => by_number(f, read(0), b, to),
                    (Some(a), None) => number_by(f, a, read(1), to),
                    _ => binary(f, read(0), read(1), to),
                },
                Action::AddLeaky(slope) => {
                    zip(read(0), read(1), to, |a, b| (a + b) * if a + b > 0.0 { 1.0 } else { slope });
                }
                Action::Gate(slope) => zip(read(0), read(1), to, |a, b| a * if b > 0.0 { 1.0 } else { slope }),
                Action::Blend(s, t) => zip(read(0), read(1), to, |a, b| s * a + t * b),
                Action::Select => {
                    let (c, a, b) = (read(0), read(1), read(2));
                    for i in 0..n {
                        to[i] = if c[i] > 0.0 { a[i] } else { b[i] };
                    }
                }
            }
            match instruction.to {
                Target::Register(r) => registers[r] = register,
                Target::Output(o) => task.outs[o] = out,
            }
        }
        let mut from = 0;
        for &(operand, channels) in &fused.sums {
            let values = match operand {
                Operand::Register(r) => &registers[r][..n],
                Operand::Input(i) => &inputs[i][at..][..n],
                Operand::Output(o) => &task.outs[o][local..][..n],
                Operand::Tile(t) => &tiles[t][..n],
            };
            let sums = &mut task.partial[from..][..channels];
            for values in values.chunks(unit) {
                add_channels(sums, values);
            }
            from += channels;
        }
        for (o, &operand) in fused.stores.iter().enumerate() {
            match operand {
                Operand::Register(r) => task.outs[o][local..][..n].copy_from_slice(&registers[r][..n]),
                Operand::Input(i) => task.outs[o][local..][..n].copy_from_slice(&inputs[i][at..][..n]),
                Operand::Tile(t) => task.outs[o][local..][..n].copy_from_slice(&tiles[t][..n]),
                Operand::Output(p) if p == o => {}
                Operand::Output(p) => unreachable!("output {o} would copy output {p}"),
            }
        }
        at += n;
    }
}
}

/// The number that a tile repeats, if it is only one.
fn tile_number(tile: Tile, inputs: &[&[f32]]) -> Option<f32> {
    match tile {
        Tile::Constant(v) => Some(v),
        Tile::Input(i) => (inputs[i].len() == 1).then(|| inputs[i][0]),
    }
}

/// Makes room for the registers and lays out the tiles, which every block of the step sees the same.
fn prepare(scratch: &mut Scratch, fused: &Fused, inputs: &[&[f32]], block: usize) {
    let Scratch { registers, tiles } = scratch;
    let room = |buffers: &mut Vec<Buffer>, count: usize| {
        if buffers.len() < count {
            buffers.resize_with(count, Buffer::default);
        }
        buffers[..count].iter_mut().for_each(|b| b.grow(block));
    };
    room(registers, fused.registers);
    room(tiles, fused.tiles.len());
    for (tile, pattern) in fused.tiles.iter().zip(tiles) {
        match *tile {
            Tile::Constant(v) => pattern[..block].fill(v),
            Tile::Input(i) if inputs[i].len() == 1 => pattern[..block].fill(inputs[i][0]),
            Tile::Input(i) => {
                // What is there is doubled until the block is full.
                let mut done = inputs[i].len().min(block);
                pattern[..done].copy_from_slice(&inputs[i][..done]);
                while done < block {
                    let more = done.min(block - done);
                    pattern.copy_within(..more, done);
                    done += more;
                }
            }
        }
    }
}

#[inline(always)]
fn map(x: &[f32], to: &mut [f32], f: impl Fn(f32) -> f32) {
    for (t, &v) in to.iter_mut().zip(x) {
        *t = f(v);
    }
}

#[inline(always)]
fn unary(f: Unary, x: &[f32], to: &mut [f32]) {
    match f {
        Unary::Sqrt => map(x, to, |v| v.sqrt()),
        Unary::Recip => map(x, to, |v| 1.0 / v),
        Unary::Abs => map(x, to, |v| v.abs()),
        Unary::Sign => map(x, to, |v| f32::from(v > 0.0) - f32::from(v < 0.0)),
        Unary::Leaky(slope) => map(x, to, |v| v * if v > 0.0 { 1.0 } else { slope }),
        Unary::LeakyStep(slope) => map(x, to, |v| if v > 0.0 { 1.0 } else { slope }),
        Unary::Affine { scale, offset } => map(x, to, |v| scale * v + offset),
        Unary::Exp | Unary::Log | Unary::Tanh | Unary::Sigmoid | Unary::Softplus => curve(f, x, to),
    }
}

multiversion! {
// Apart from the rest and without closures, which compilers leave out of line when they are as long as these: each loop
// becomes vector instructions.
fn curve(f: Unary, x: &[f32], to: &mut [f32]) {
    macro_rules! each_by {
        ($curve:path) => {
            for (t, &v) in to.iter_mut().zip(x) {
                *t = $curve(v);
            }
        };
    }
    match f {
        Unary::Exp => each_by!(math::exp),
        Unary::Log => each_by!(math::log),
        Unary::Tanh => each_by!(math::tanh),
        Unary::Sigmoid => each_by!(math::sigmoid),
        _ => each_by!(math::softplus),
    }
}
}

#[inline(always)]
fn zip(a: &[f32], b: &[f32], to: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    for ((t, &a), &b) in to.iter_mut().zip(a).zip(b) {
        *t = f(a, b);
    }
}

#[inline(always)]
fn binary(f: Binary, a: &[f32], b: &[f32], to: &mut [f32]) {
    match f {
        Binary::Add => zip(a, b, to, |a, b| a + b),
        Binary::Sub => zip(a, b, to, |a, b| a - b),
        Binary::Mul => zip(a, b, to, |a, b| a * b),
        Binary::Div => zip(a, b, to, |a, b| a / b),
    }
}

/// [`binary`] with the same right side everywhere.
#[inline(always)]
fn by_number(f: Binary, a: &[f32], b: f32, to: &mut [f32]) {
    match f {
        Binary::Add => map(a, to, |a| a + b),
        Binary::Sub => map(a, to, |a| a - b),
        Binary::Mul => map(a, to, |a| a * b),
        Binary::Div => map(a, to, |a| a / b),
    }
}

/// [`binary`] with the same left side everywhere.
#[inline(always)]
fn number_by(f: Binary, a: f32, b: &[f32], to: &mut [f32]) {
    match f {
        Binary::Add => map(b, to, |b| a + b),
        Binary::Sub => map(b, to, |b| a - b),
        Binary::Mul => map(b, to, |b| a * b),
        Binary::Div => map(b, to, |b| a / b),
    }
}
