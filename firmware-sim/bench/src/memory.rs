//! The machine's memory: a model that the emulator loaded, the RAM after the program's data, the stack.
use core::{
    ptr, slice,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

// SAFETY: the linker places all three; only their addresses are used.
unsafe extern "C" {
    /// Where the emulator loads the model: `machines/*.x`.
    static _model: u8;
    /// The end of the program's own data in RAM.
    static mut __sheap: u8;
    /// Address after the last byte of the stack, which grows down from here.
    static mut _stack_start: u8;
}

const PAINT: u32 = 0xA5C3_5A3C;
/// Bytes below the caller that painting leaves alone: its own frame, and one of the emulator's calls.
const OWN_FRAME: usize = 256;

/// The bytes that the emulator loaded, as many as the model's prelude says.
pub fn model() -> &'static [u8] {
    let start = &raw const _model;
    // SAFETY: every machine has memory there, and nothing writes to it while the program runs.
    let length = unsafe { ptr::read_volatile(start.add(8).cast::<u32>()) } as usize;
    // SAFETY: as above; the emulator was given a file of that length to load.
    unsafe { slice::from_raw_parts(ptr::with_exposed_provenance(start.expose_provenance()), length) }
}

/// Returns the model's bytes as signed numbers, for programs that read only weights.
pub fn numbers() -> &'static [i8] {
    let bytes = model();
    // SAFETY: the same memory; every byte is an i8.
    unsafe { slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
}

static TAKEN: AtomicBool = AtomicBool::new(false);

/// The RAM between the program's data and its stack.
#[derive(Debug)]
pub struct Free {
    start: *mut u8,
}

impl Free {
    /// All of it; to be called once.
    ///
    /// # Panics
    /// The second time: what is taken from two of them would overlap.
    pub fn take_all() -> Self {
        assert!(!TAKEN.load(Relaxed), "the free memory is taken already");
        TAKEN.store(true, Relaxed);
        let start = &raw mut __sheap;
        Self { start: start.wrapping_add(start.addr().next_multiple_of(16) - start.addr()) }
    }

    /// The next `len` bytes, zeroed, from a multiple of 16.
    ///
    /// # Panics
    /// When they reach into the stack.
    pub fn take(&mut self, len: usize) -> &'static mut [u8] {
        let here = 0u8;
        let (start, len) = (self.start, len.next_multiple_of(16));
        assert!(start.addr() + len + 1024 < (&raw const here).addr(), "{len} bytes do not fit into RAM");
        self.start = start.wrapping_add(len);
        // SAFETY: the bytes are RAM of this machine, below the stack by the assertion, and handed out once.
        unsafe {
            ptr::write_bytes(start, 0, len);
            slice::from_raw_parts_mut(start, len)
        }
    }

    /// The next `len` signed numbers, zero, from a multiple of 16.
    ///
    /// # Panics
    /// When they reach into the stack.
    pub fn take_numbers(&mut self, len: usize) -> &'static mut [i8] {
        let start = self.take(len).as_mut_ptr().cast();
        // SAFETY: at least `len` bytes that were just handed out, read as i8 from here on.
        unsafe { slice::from_raw_parts_mut(start, len) }
    }

    /// Fills everything up to the stack's present end with a pattern.
    pub fn paint(&self) {
        let here = 0u8;
        let end = ((&raw const here).addr() - OWN_FRAME) & !3;
        let mut word = self.start.cast::<u32>();
        while word.addr() < end {
            // SAFETY: free RAM below the frame of this function.
            unsafe { word.write_volatile(PAINT) };
            word = word.wrapping_add(1);
        }
    }

    /// The most bytes that the stack had since it was painted.
    pub fn stack_high_water(&self) -> usize {
        let top = (&raw const _stack_start).addr();
        let mut word = self.start.cast::<u32>();
        // SAFETY: RAM up to the stack's start.
        let read = |word: *mut u32| unsafe { word.read_volatile() };
        while word.addr() < top && read(word) == PAINT {
            word = word.wrapping_add(1);
        }
        top - word.addr()
    }
}
