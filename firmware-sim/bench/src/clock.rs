//! Counts executed instructions with a clock that the emulator advances by a fixed time per instruction.
//!
//! A loop of known length gives the number of instructions per tick, so no frequency is assumed.
use core::arch::asm;

/// Iterations by which the longer calibration loop exceeds the shorter one, two instructions each.
const ITERATIONS: u32 = 1 << 20;

/// A running, calibrated clock.
#[derive(Debug)]
pub struct Clock {
    /// Ticks of an empty measurement.
    empty: u32,
    /// Ticks of the additional iterations of the longer calibration loop.
    loop_ticks: u32,
}

impl Clock {
    /// Starts the machine's clock and calibrates it.
    pub fn new() -> Self {
        start();
        let mut clock = Self { empty: 0, loop_ticks: 1 };
        // The first reading of the emulated clock is late by a few ticks.
        clock.ticks(|| {});
        clock.empty = clock.ticks(|| {});
        let [short, long] = [1, 1 + ITERATIONS].map(|iterations| clock.loop_ticks(iterations));
        clock.loop_ticks = long - short;
        clock
    }

    /// Returns the ticks of a loop. It is not inlined, so that two calls differ by their iterations only.
    #[inline(never)]
    fn loop_ticks(&self, iterations: u32) -> u32 {
        self.ticks(|| known_loop(iterations))
    }

    /// Returns the ticks that `work` takes. They must be fewer than the clock's period, 2^24 on Arm and 2^32 on RISC-V.
    pub fn ticks(&self, work: impl FnOnce()) -> u32 {
        let before = now();
        work();
        since(before).saturating_sub(self.empty)
    }

    /// Converts ticks to instructions.
    pub fn instructions(&self, ticks: u64) -> u64 {
        let loop_ticks = u64::from(self.loop_ticks);
        (ticks * u64::from(2 * ITERATIONS) + loop_ticks / 2) / loop_ticks
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[inline(never)]
fn known_loop(iterations: u32) {
    // SAFETY: the loop only decrements a register.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!("2: subs {n}, #1", "bne 2b", n = inout(reg) iterations => _, options(nomem, nostack));
        #[cfg(target_arch = "riscv32")]
        asm!("2: addi {n}, {n}, -1", "bnez {n}, 2b", n = inout(reg) iterations => _, options(nomem, nostack));
    }
}

#[cfg(target_arch = "arm")]
mod machine {
    use cortex_m::{
        Peripherals,
        peripheral::{SYST, syst::SystClkSource},
    };

    const LARGEST: u32 = 0x00FF_FFFF;

    pub(super) fn start() {
        let Some(mut peripherals) = Peripherals::take() else { panic!("the clock runs already") };
        peripherals.SYST.set_clock_source(SystClkSource::Core);
        peripherals.SYST.set_reload(LARGEST);
        peripherals.SYST.clear_current();
        peripherals.SYST.enable_counter();
    }

    #[inline(always)]
    pub(super) fn now() -> u32 {
        SYST::get_current()
    }

    /// The counter counts down and has 24 bits.
    #[inline(always)]
    pub(super) fn since(before: u32) -> u32 {
        before.wrapping_sub(SYST::get_current()) & LARGEST
    }
}

#[cfg(target_arch = "riscv32")]
mod machine {
    use riscv::register::minstret;

    pub(super) fn start() {}

    #[inline(always)]
    pub(super) fn now() -> u32 {
        minstret::read() as u32
    }

    #[inline(always)]
    pub(super) fn since(before: u32) -> u32 {
        (minstret::read() as u32).wrapping_sub(before)
    }
}

use machine::{now, since, start};
