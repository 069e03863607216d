//! Loads the model and draws one image. Prints the instructions of both and a checksum of the rows.
#![no_std]
#![no_main]
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use ganlet_bench_firmware::{clock::Clock, memory};
use ganlet_runtime::{Generator, Model, arena_len};
use semihosting::{println, process};

/// Seed of the image that is drawn.
const SEED: u32 = 1;
/// Ticks of each row. They are printed at the end, because printing between rows would use the stack that is measured.
static ROWS: [AtomicU32; 256] = [const { AtomicU32::new(0) }; 256];

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
fn main() -> ! {
    let clock = Clock::new();
    let bytes = memory::model();
    let mut free = memory::Free::take_all();
    let arena = free.take(arena_len(bytes));
    let arena_bytes = arena.len();
    free.paint();
    let (load, rows, checksum) = measure(&clock, bytes, arena);
    let stack = free.stack_high_water();
    println!("load {}", clock.instructions(load.into()));
    println!("arena {arena_bytes}");
    println!("stack {stack}");
    println!("checksum {checksum:016x}");
    for ticks in ROWS.iter().take(rows) {
        println!("row {}", clock.instructions(ticks.load(Relaxed).into()));
    }
    println!("done");
    process::exit(0)
}

/// Returns the ticks of loading, the number of rows and the checksum of the image. Stores the ticks of the rows in [`ROWS`].
#[inline(never)]
fn measure(clock: &Clock, bytes: &[u8], arena: &mut [u8]) -> (u32, usize, u64) {
    let mut loaded = None;
    let load = clock.ticks(|| loaded = Some(Model::from_bytes(bytes)));
    let model = match loaded {
        Some(Ok(model)) => model,
        Some(Err(error)) => panic!("{error}"),
        None => unreachable!(),
    };
    let latent = model.latent(SEED);
    let mut generator = match Generator::new(&model, arena) {
        Ok(generator) => generator,
        Err(error) => panic!("{error}"),
    };
    let mut rows = generator.rows(&latent);
    let (mut count, mut hash) = (0, 0xCBF2_9CE4_8422_2325_u64);
    loop {
        let mut made = None;
        let ticks = clock.ticks(|| made = rows.next_row());
        let Some(row) = made else { break };
        if let Some(slot) = ROWS.get(count) {
            slot.store(ticks, Relaxed);
        }
        count += 1;
        for &byte in row {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
    assert!(count <= ROWS.len(), "{count} rows are more than are kept");
    (load, count, hash)
}
