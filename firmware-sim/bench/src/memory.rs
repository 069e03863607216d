//! The machine's memory: the model that the emulator loaded, the free RAM after the program's data, and the stack.
use core::{
    ptr, slice,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

// SAFETY: the linker defines all three symbols, and only their addresses are used.
unsafe extern "C" {
    /// Where the emulator loads the model: `machines/*.x`.
    static _model: u8;
    /// The end of the program's own data in RAM.
    static mut __sheap: u8;
    /// Address after the last byte of the stack, which grows down from here.
    static mut _stack_start: u8;
}

/// Pattern of unused stack.
const PAINT: u32 = 0xA5C3_5A3C;
/// Bytes below the caller that are not painted: the frame of the painting function, and one of the emulator's calls.
const OWN_FRAME: usize = 256;

/// Returns the model that the emulator loaded. Its length is in its prelude.
pub fn model() -> &'static [u8] {
    let start = &raw const _model;
    // SAFETY: every machine has memory there, and nothing writes to it while the program runs.
    let length = unsafe { ptr::read_volatile(start.add(8).cast::<u32>()) } as usize;
    // SAFETY: as above; the emulator loaded a file of that length.
    unsafe { slice::from_raw_parts(ptr::with_exposed_provenance(start.expose_provenance()), length) }
}

/// Returns the model's bytes as signed numbers, for programs that read only weights.
pub fn numbers() -> &'static [i8] {
    let bytes = model();
    // SAFETY: the same memory; every byte is a valid i8.
    unsafe { slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
}

static TAKEN: AtomicBool = AtomicBool::new(false);

/// The RAM between the program's data and its stack.
#[derive(Debug)]
pub struct Free {
    start: *mut u8,
}

impl Free {
    /// Takes all free RAM. Must be called once only.
    ///
    /// # Panics
    /// On a second call, because both would hand out the same memory.
    pub fn take_all() -> Self {
        assert!(!TAKEN.load(Relaxed), "the free memory is taken already");
        TAKEN.store(true, Relaxed);
        let start = &raw mut __sheap;
        Self { start: start.wrapping_add(start.addr().next_multiple_of(16) - start.addr()) }
    }

    /// Returns the next `len` bytes, zeroed, at a multiple of 16.
    ///
    /// # Panics
    /// If they reach into the stack.
    pub fn take(&mut self, len: usize) -> &'static mut [u8] {
        let here = 0u8;
        let (start, len) = (self.start, len.next_multiple_of(16));
        assert!(start.addr() + len + 1024 < (&raw const here).addr(), "{len} bytes do not fit into RAM");
        self.start = start.wrapping_add(len);
        // SAFETY: the bytes are RAM of this machine. They are below the stack, as asserted, and are handed out once.
        unsafe {
            ptr::write_bytes(start, 0, len);
            slice::from_raw_parts_mut(start, len)
        }
    }

    /// Returns the next `len` signed numbers, zeroed, at a multiple of 16.
    ///
    /// # Panics
    /// If they reach into the stack.
    pub fn take_numbers(&mut self, len: usize) -> &'static mut [i8] {
        let start = self.take(len).as_mut_ptr().cast();
        // SAFETY: at least `len` bytes that were just handed out; every byte is a valid i8.
        unsafe { slice::from_raw_parts_mut(start, len) }
    }

    /// Fills the free RAM up to the current end of the stack with a pattern.
    pub fn paint(&self) {
        let here = 0u8;
        let end = ((&raw const here).addr() - OWN_FRAME) & !3;
        let mut word = self.start.cast::<u32>();
        while word.addr() < end {
            // SAFETY: the word is free RAM below the frame of this function.
            unsafe { word.write_volatile(PAINT) };
            word = word.wrapping_add(1);
        }
    }

    /// Returns the peak size of the stack in bytes since painting.
    pub fn stack_high_water(&self) -> usize {
        let top = (&raw const _stack_start).addr();
        let mut word = self.start.cast::<u32>();
        // SAFETY: the word is RAM below the start of the stack.
        let read = |word: *mut u32| unsafe { word.read_volatile() };
        while word.addr() < top && read(word) == PAINT {
            word = word.wrapping_add(1);
        }
        top - word.addr()
    }
}
