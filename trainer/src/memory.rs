//! Finds the amount of free memory, so that a run that does not fit is refused before it allocates anything.

/// Bytes assumed free on systems that do not report it.
const UNKNOWN: f64 = 16e9;

/// Bytes of memory that new allocations can use without swapping; 16 GB if the system does not report them.
pub(crate) fn free() -> f64 {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    match system.available_memory() {
        0 => UNKNOWN,
        bytes => bytes as f64,
    }
}
