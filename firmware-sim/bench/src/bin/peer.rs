//! Computes the layers of `digits28` and `dcgan64-16` with the crate `embedded-nn`, for comparison: whole tensors, no streaming.
//!
//! The weights are the bytes of the model that the emulator loaded. Their order does not matter, because the counts do not depend on
//! their values.
#![no_std]
#![no_main]
use core::hint::black_box;
use embedded_nn::{
    Activation, ConvParams, Dims, FcParams, Padding2D, PerChannelQuantParams, PerTensorQuantParams, Result, Tile,
    fully_connected_s8, transpose_conv_s8,
};
use ganlet_bench_firmware::{clock::Clock, memory};
use semihosting::{println, process};

/// Models below this length are `digits28`.
const DCGAN_BYTES: usize = 200_000;
const SATURATE: Activation = Activation::new(-128, 127);
const MULTIPLIERS: [i32; 64] = [1 << 30; 64];
const SHIFTS: [i32; 64] = [-8; 64];

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
fn main() -> ! {
    let clock = Clock::new();
    let weights = memory::numbers();
    // The latent's length; side and channels of the dense layer's output; channels of the transposed convolutions.
    let (latent, mut side, mut inputs, channels): (usize, usize, usize, &[usize]) =
        if weights.len() < DCGAN_BYTES { (64, 7, 32, &[16, 1]) } else { (128, 4, 128, &[64, 32, 16, 3]) };
    let mut free = memory::Free::take_all();
    let mut from = free.take_numbers(latent);
    from.fill(1);

    let mut to = free.take_numbers(side * side * inputs);
    let (mut ram, mut at) = (from.len() + to.len(), from.len() * to.len());
    let ticks = clock.ticks(|| dense(from, &weights[..at], to).unwrap_or_else(|e| panic!("{e}")));
    println!("layer {}", clock.instructions(ticks.into()));
    for &outputs in channels {
        from = to;
        to = free.take_numbers(4 * side * side * outputs);
        ram = ram.max(from.len() + to.len());
        let kernel = &weights[at..][..16 * inputs * outputs];
        let shape = (side, inputs, outputs);
        let ticks = clock.ticks(|| transpose(shape, from, kernel, to).unwrap_or_else(|e| panic!("{e}")));
        println!("layer {}", clock.instructions(ticks.into()));
        at += kernel.len();
        (side, inputs) = (2 * side, outputs);
    }
    black_box(to);
    println!("ram {ram}");
    process::exit(0)
}

fn dense(from: &[i8], weights: &[i8], to: &mut [i8]) -> Result<()> {
    let params = FcParams { input_offset: 0, filter_offset: 0, output_offset: -128, activation: SATURATE };
    let quant = PerTensorQuantParams::new(MULTIPLIERS[0], SHIFTS[0]);
    let filter = Dims::new(from.len() as i32, 1, 1, to.len() as i32);
    let (input, output) = (Dims::new(1, 1, 1, from.len() as i32), Dims::new(1, 1, 1, to.len() as i32));
    fully_connected_s8(&params, &quant, &input, from, &filter, weights, None, &output, to)
}

/// Computes a transposed convolution with kernel 4, stride 2 and padding 1 of a square image of `side` pixels.
fn transpose((side, inputs, outputs): (usize, usize, usize), from: &[i8], kernel: &[i8], to: &mut [i8]) -> Result<()> {
    let params = ConvParams {
        input_offset: 128,
        output_offset: -128,
        stride: Tile::new(2, 2),
        padding: Padding2D::symmetric(1, 1),
        dilation: Tile::new(1, 1),
        activation: SATURATE,
    };
    let quant = PerChannelQuantParams::new(&MULTIPLIERS, &SHIFTS);
    let plane = |side: usize, c: usize| Dims::new(1, side as i32, side as i32, c as i32);
    let filter = Dims::new(outputs as i32, 4, 4, inputs as i32);
    let (input, output) = (plane(side, inputs), plane(2 * side, outputs));
    transpose_conv_s8(&params, &quant, &input, from, &filter, kernel, None, &output, to)
}
