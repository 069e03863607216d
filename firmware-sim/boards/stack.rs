//! How much RAM a Cortex-M board uses: the linker's addresses, and the deepest word of the stack that lost its paint.

use core::ptr;

use ganlet_sim::RamUse;

// SAFETY: the linker script of cortex-m-rt places all three; only their addresses are used.
unsafe extern "C" {
    /// Where data with a fixed place begins in RAM.
    static mut __sdata: u32;
    /// Where it ends.
    static mut __sheap: u32;
    /// One behind the last word of the stack, which grows down from here.
    static mut _stack_start: u32;
}

/// What cortex-m-rt paints free RAM with before anything runs (its feature `paint-stack`).
const PAINT: u32 = 0xCCCC_CCCC;

/// The RAM in use, of `ram` bytes in all.
pub(crate) fn memory(ram: usize) -> RamUse {
    let (data, free, top) = (&raw const __sdata, &raw const __sheap, &raw const _stack_start);
    let mut word = free;
    // SAFETY: aligned words of RAM between the program's data and the start of the stack.
    while word < top && unsafe { ptr::read_volatile(word) } == PAINT {
        word = word.wrapping_add(1);
    }
    RamUse { statics: free.addr() - data.addr(), stack: top.addr() - word.addr(), ram }
}
