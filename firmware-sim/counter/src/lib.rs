//! A plugin for QEMU that counts how often the firmware of `firmware-sim/bench` executes each instruction.
//!
//! The firmware reads the current value of its clock (SysTick) before and after each piece of work. These reads are the bounds of the
//! counted pieces, so the firmware needs no change. Pieces without a name come first and last: the start of the clock, and the call that
//! finds no more rows of the image.
//!
//! Argument: `out=FILE`. At exit, the plugin writes a line for each piece and instruction: the name of the piece, the address in
//! hexadecimal, how often the instruction was executed, and how often the next executed instruction was not the one that follows it in
//! memory.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fmt::Write;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Version of QEMU's plugin interface. QEMU 7 and 8 accept it.
#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = 1;

/// Address of SysTick's current value.
const CLOCK: u64 = 0xE000_E018;
/// Names of the pieces before the rows of the image.
const BEFORE_ROWS: [&str; 5] = ["start", "empty", "short-loop", "long-loop", "load"];
/// The callbacks read no registers.
const NO_REGISTERS: c_int = 0;
/// The memory callbacks are called for loads and stores. QEMU 7.2 leaves out loads from peripherals if only loads are asked for.
const LOADS_AND_STORES: c_int = 3;

type Executed = extern "C" fn(c_uint, *mut c_void);
type Accessed = extern "C" fn(c_uint, u32, u64, *mut c_void);

// SAFETY: the signatures are those of QEMU's qemu-plugin.h. Blocks and instructions are opaque.
unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, callback: extern "C" fn(u64, *mut c_void));
    fn qemu_plugin_register_atexit_cb(id: u64, callback: extern "C" fn(u64, *mut c_void), data: *mut c_void);
    fn qemu_plugin_tb_n_insns(block: *const c_void) -> usize;
    fn qemu_plugin_tb_get_insn(block: *const c_void, index: usize) -> *mut c_void;
    fn qemu_plugin_insn_vaddr(instruction: *const c_void) -> u64;
    fn qemu_plugin_insn_size(instruction: *const c_void) -> usize;
    fn qemu_plugin_mem_is_store(access: u32) -> bool;
    fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut c_void,
        callback: Executed,
        flags: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_register_vcpu_mem_cb(
        instruction: *mut c_void,
        callback: Accessed,
        flags: c_int,
        access: c_int,
        data: *mut c_void,
    );
}

/// How often an instruction was executed, and how often it was not followed by its neighbor in memory.
type Counts = [u64; 2];

/// An instruction of the firmware. QEMU emulates a single core in one thread, so plain loads and stores of the counts suffice.
#[derive(Debug)]
struct Instruction {
    address: u64,
    next: u64,
    counts: [AtomicU64; 2],
}

impl Instruction {
    fn increment(&self, which: usize) {
        self.counts[which].store(self.counts[which].load(Relaxed) + 1, Relaxed);
    }

    fn counts(&self) -> Counts {
        self.counts.each_ref().map(|count| count.load(Relaxed))
    }
}

/// The counted pieces.
#[derive(Debug, Default)]
struct Pieces {
    instructions: HashMap<u64, &'static Instruction>,
    /// Counts at the start of the current piece, by address; `None` between pieces.
    start: Option<HashMap<u64, Counts>>,
    /// Counts of each piece before the rows, then the sum of all rows but the last one.
    sums: [HashMap<u64, Counts>; BEFORE_ROWS.len() + 1],
    /// Counts of the last row.
    last: HashMap<u64, Counts>,
    ended: usize,
}

impl Pieces {
    /// Starts or ends a piece.
    fn bound(&mut self) {
        let now = self.instructions.iter().map(|(&address, instruction)| (address, instruction.counts()));
        let now: HashMap<u64, Counts> = now.filter(|(_, counts)| counts[0] > 0).collect();
        let Some(start) = self.start.take() else {
            self.start = Some(now);
            return;
        };
        let piece = now.into_iter().map(|(address, [executed, left])| {
            let [executed_before, left_before] = start.get(&address).copied().unwrap_or_default();
            (address, [executed - executed_before, left - left_before])
        });
        let piece: HashMap<u64, Counts> = piece.filter(|(_, counts)| counts[0] > 0).collect();
        match self.sums.get_mut(self.ended) {
            Some(sum) if self.ended < BEFORE_ROWS.len() => *sum = piece,
            _ => {
                let row = std::mem::replace(&mut self.last, piece);
                for (address, counts) in row {
                    let sum = self.sums[BEFORE_ROWS.len()].entry(address).or_default();
                    *sum = [sum[0] + counts[0], sum[1] + counts[1]];
                }
            }
        }
        self.ended += 1;
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (name, sum) in BEFORE_ROWS.iter().chain(&["image"]).zip(&self.sums) {
            for (address, [executed, left]) in sum {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{name} {address:x} {executed} {left}");
            }
        }
        text
    }
}

static PIECES: Mutex<Option<Pieces>> = Mutex::new(None);
static OUT: OnceLock<String> = OnceLock::new();
/// The instruction that was executed last.
static LAST: AtomicPtr<Instruction> = AtomicPtr::new(ptr::null_mut());

fn with_pieces<T>(work: impl FnOnce(&mut Pieces) -> T) -> T {
    work(PIECES.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

extern "C" fn translated(_: u64, block: *mut c_void) {
    // SAFETY: QEMU passes a block that is valid during this call.
    let count = unsafe { qemu_plugin_tb_n_insns(block) };
    for index in 0..count {
        // SAFETY: the index is below the number of instructions of the block; the instruction is valid during this call.
        let (handle, address, size) = unsafe {
            let handle = qemu_plugin_tb_get_insn(block, index);
            (handle, qemu_plugin_insn_vaddr(handle), qemu_plugin_insn_size(handle))
        };
        let instruction: &'static Instruction = with_pieces(|pieces| {
            // Code is translated more than once. Its counts go to one place, which callbacks use until QEMU exits.
            *pieces.instructions.entry(address).or_insert_with(|| {
                let counts = [AtomicU64::new(0), AtomicU64::new(0)];
                Box::leak(Box::new(Instruction { address, next: address + size as u64, counts }))
            })
        });
        let data = ptr::from_ref(instruction).cast_mut().cast();
        // SAFETY: both callbacks have the signatures that QEMU calls; the instruction that is passed to them is never freed.
        unsafe {
            qemu_plugin_register_vcpu_insn_exec_cb(handle, executed, NO_REGISTERS, data);
            qemu_plugin_register_vcpu_mem_cb(handle, accessed, NO_REGISTERS, LOADS_AND_STORES, ptr::null_mut());
        }
    }
}

extern "C" fn executed(_: c_uint, data: *mut c_void) {
    let at: *mut Instruction = data.cast();
    let before = LAST.load(Relaxed);
    LAST.store(at, Relaxed);
    // SAFETY: both are null or instructions that `translated` registered, which are never freed or changed except for atomic counts.
    if let (Some(before), Some(at)) = unsafe { (before.as_ref(), at.as_ref()) } {
        if before.next != at.address {
            before.increment(1);
        }
        at.increment(0);
    }
}

extern "C" fn accessed(_: c_uint, access: u32, address: u64, _: *mut c_void) {
    // SAFETY: the function only reads bits of the description that QEMU passed.
    if address == CLOCK && !unsafe { qemu_plugin_mem_is_store(access) } {
        with_pieces(Pieces::bound);
    }
}

extern "C" fn at_exit(_: u64, _: *mut c_void) {
    let Some(path) = OUT.get() else { return };
    if let Err(error) = std::fs::write(path, with_pieces(|pieces| pieces.text())) {
        eprintln!("{path}: {error}");
    }
}

/// Entry point: QEMU calls it once, with the arguments of `-plugin`.
///
/// # Safety
/// `arguments` must point to `count` C strings.
// SAFETY: no other symbol of the plugin has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    _: *const c_void,
    count: c_int,
    arguments: *const *const c_char,
) -> c_int {
    for index in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: the caller passes `count` C strings.
        let argument = unsafe { CStr::from_ptr(*arguments.add(index)) };
        if let Some(path) = argument.to_string_lossy().strip_prefix("out=") {
            let _ = OUT.set(path.to_owned());
        }
    }
    if OUT.get().is_none() {
        eprintln!("expected the argument out=FILE");
        return 1;
    }
    // SAFETY: the callbacks have the signatures that QEMU calls, and the last one uses no data.
    unsafe {
        qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
        qemu_plugin_register_atexit_cb(id, at_exit, ptr::null_mut());
    }
    0
}
