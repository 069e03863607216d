//! RAM use of a Cortex-M board: static data from addresses of the linker, and the peak of the stack from the words that it overwrote.

use core::ptr;

use ganlet_sim::RamUse;

// SAFETY: the linker script of cortex-m-rt defines all three symbols, and only their addresses are used.
unsafe extern "C" {
    /// Start of static data in RAM.
    static mut __sdata: u32;
    /// End of static data.
    static mut __sheap: u32;
    /// End of the stack, which grows down from here.
    static mut _stack_start: u32;
}

/// Pattern with which cortex-m-rt fills free RAM at startup (feature `paint-stack`).
const PAINT: u32 = 0xCCCC_CCCC;

/// Returns the RAM in use; `ram` is the size of RAM in bytes.
pub(crate) fn memory(ram: usize) -> RamUse {
    let (data, free, top) = (&raw const __sdata, &raw const __sheap, &raw const _stack_start);
    let mut word = free;
    // SAFETY: aligned words of RAM between the program's data and the start of the stack.
    while word < top && unsafe { ptr::read_volatile(word) } == PAINT {
        word = word.wrapping_add(1);
    }
    RamUse { statics: free.addr() - data.addr(), stack: top.addr() - word.addr(), ram }
}
