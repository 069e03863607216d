//! The arithmetic of one output row, by kernel family; all families agree bit for bit.
#[cfg(kernels = "armv6m")]
#[allow(unsafe_code)]
mod armv6m;
#[cfg(kernels = "lanes-asm")]
#[allow(unsafe_code)]
mod armv7m;
mod dense;
mod doubling;
#[cfg(any(kernels = "lanes", kernels = "lanes-asm", feature = "encode"))]
mod lanes;
#[cfg(kernels = "mve")]
#[allow(unsafe_code)]
mod mve;
mod portable;
mod row;
#[cfg(all(target_arch = "riscv32", any(kernels = "lanes", feature = "encode")))]
#[allow(unsafe_code)]
mod rv32;

#[cfg(any(kernels = "lanes", kernels = "lanes-asm", feature = "encode"))]
use crate::format::Op;
use crate::plan::Form;
pub(crate) use row::{Out, Ring, Row};

impl Row<'_> {
    /// Computes the row into `out`; `scratch` is the end of the arena.
    pub(crate) fn write(&self, out: &mut Out<'_>, scratch: &mut [u8]) {
        if out.form == Form::Packed {
            // Packed rows make packed ones word by word; what lies beyond an odd width nobody writes.
            let whole = self.input.form == Form::Plain;
            let rest = if whole { 0 } else { out.bytes.len().saturating_sub(8 * out.c) };
            out.bytes.get_mut(rest..).unwrap_or_default().fill(0);
        }
        #[cfg(any(kernels = "lanes", kernels = "lanes-asm", feature = "encode"))]
        if self.family == 1 {
            if self.input.form == Form::Packed {
                // Only doubling layers read packed rows.
                return lanes::double(self, out, scratch);
            }
            if let Op::Dense { .. } = self.layer.op {
                return lanes::dense_row(self, out);
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
