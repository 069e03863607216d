//! Kernels: the computation of one output row, for each kind of processor core. All kernels agree bit for bit.
#[cfg(kernels = "armv6m")]
#[allow(unsafe_code)]
mod armv6m;
#[cfg(kernels = "lanes-asm")]
#[allow(unsafe_code)]
mod armv7m;
mod dense;
#[cfg(any(not(any(kernels = "lanes", kernels = "lanes-asm")), feature = "simulate"))]
mod doubling;
mod finish;
mod group;
#[cfg(any(kernels = "lanes", all(feature = "simulate", not(kernels = "lanes-asm"))))]
mod lanes;
#[cfg(kernels = "mve")]
#[allow(unsafe_code)]
mod mve;
#[cfg(any(kernels = "lanes", all(feature = "simulate", not(kernels = "lanes-asm"))))]
mod packed;
mod portable;
mod row;
#[cfg(all(target_arch = "riscv32", any(kernels = "lanes", feature = "simulate")))]
#[allow(unsafe_code)]
mod rv32;
mod windows;

#[cfg(any(kernels = "lanes", kernels = "lanes-asm", feature = "simulate"))]
use crate::plan::Form;
#[cfg(kernels = "armv6m")]
use armv6m::{add_one, words};
#[cfg(kernels = "lanes-asm")]
use armv7m::{add_run, double, words};
#[cfg(not(kernels = "lanes-asm"))]
use group::add_run;
#[cfg(any(kernels = "plain", all(kernels = "lanes", not(target_arch = "riscv32"))))]
use group::{add_one, words};
#[cfg(kernels = "mve")]
use mve::{add_one, words};
#[cfg(any(kernels = "lanes", all(feature = "simulate", not(kernels = "lanes-asm"))))]
use packed::double;
pub(crate) use row::{Out, Ring, Row};
#[cfg(all(kernels = "lanes", target_arch = "riscv32"))]
use rv32::{add_one, words};

impl Row<'_> {
    /// Computes the row into `out`; `scratch` is the scratch memory at the end of the arena.
    pub(crate) fn write(&self, out: &mut Out<'_>, scratch: &mut [u8]) {
        #[cfg(any(kernels = "lanes", kernels = "lanes-asm", feature = "simulate"))]
        if self.family == 1 {
            if out.form == Form::Packed {
                // Doubling layers write whole words; only the last block of four pixels may be incomplete. Other layers add to zeros.
                let rest = if self.layer.doubles() { out.bytes.len().saturating_sub(8 * out.c) } else { 0 };
                out.bytes.get_mut(rest..).unwrap_or_default().fill(0);
            }
            if self.layer.doubles() {
                return double(self, out, scratch);
            }
        }
        _ = scratch;
        #[cfg(kernels = "armv6m")]
        if armv6m::write(self, out) {
            return;
        }
        #[cfg(kernels = "mve")]
        if mve::write(self, out) {
            return;
        }
        self.write_portably(out);
    }
}
