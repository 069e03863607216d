//! Code shared by the benchmark programs: the machine's memory, and a clock that counts instructions.
#![no_std]
pub mod clock;
pub mod memory;
