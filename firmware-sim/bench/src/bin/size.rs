//! A program that links the runtime alone: it loads a model, binds it and computes all rows. `cargo xtask size` measures it.
#![no_std]
#![no_main]
use core::hint::black_box;
use ganlet_bench_firmware::memory;
use ganlet_runtime::{Generator, Model};

/// Loads a model, binds it and computes every row. Returns whether that succeeded.
#[unsafe(no_mangle)]
extern "C" fn probe(seed: u32, arena: &mut [u8; 65536]) -> bool {
    let Ok(model) = Model::from_bytes(memory::model()) else { return false };
    let Ok(mut generator) = Generator::new(&model, arena) else { return false };
    let mut rows = generator.rows(&model.latent(seed));
    while let Some(row) = rows.next_row() {
        black_box(row);
    }
    true
}

/// Not linked, because nothing here panics. If something did, the measured size would grow.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
